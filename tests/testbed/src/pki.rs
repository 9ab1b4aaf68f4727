//! Keys and certificates of one control plane.

use crate::Error;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use sha2::{Digest, Sha256};

/// All key material, as PEM.
pub(crate) struct Pki {
    /// The certificate authority that clients trust.
    pub(crate) ca: String,
    /// The API server's certificate, for the loopback address.
    pub(crate) server: String,
    /// The API server's key.
    pub(crate) server_key: String,
    /// Signs the tokens of service accounts.
    pub(crate) token_key: String,
    /// Verifies them.
    pub(crate) token_public_key: String,
}

impl Pki {
    pub(crate) fn generate() -> Result<Self, Error> {
        Self::try_generate()
            .map_err(|error| Error::Invalid(format!("could not make certificates: {error}")))
    }

    fn try_generate() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::new([])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "gitops-sync test bed");
        let ca = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let server_key = KeyPair::generate()?;
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let server = CertificateParams::new(names)?.signed_by(&server_key, &ca)?;
        let token_key = KeyPair::generate()?;
        Ok(Self {
            ca: ca.pem(),
            server: server.pem(),
            server_key: server_key.serialize_pem(),
            token_key: token_key.serialize_pem(),
            token_public_key: token_key.public_key_pem(),
        })
    }

    /// A bearer token for a user, which nobody without the key can guess.
    pub(crate) fn token(&self, user: &str) -> String {
        hex::encode(Sha256::new().chain_update(&self.token_key).chain_update(user).finalize())
    }
}
