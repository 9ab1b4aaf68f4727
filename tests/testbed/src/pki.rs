//! Keys and certificates of one control plane.

use crate::Error;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// All key material, as PEM.
pub(crate) struct Pki {
    /// The certificate authority that clients trust.
    pub(crate) ca: String,
    /// The API server's certificate, for the loopback address.
    pub(crate) server: String,
    /// The API server's key.
    pub(crate) server_key: String,
    /// A certificate for whom the authority vouches.
    pub(crate) client: String,
    /// Its key.
    pub(crate) client_key: String,
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
        let key = KeyPair::generate()?;
        // Authorities are told apart by their names.
        let name = hex::encode(&Sha256::digest(key.public_key_raw())[..8]);
        params.distinguished_name.push(DnType::CommonName, format!("gitops-sync test bed {name}"));
        let ca = CertifiedIssuer::self_signed(params, key)?;
        let server_key = KeyPair::generate()?;
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let server = CertificateParams::new(names)?.signed_by(&server_key, &ca)?;
        let client_key = KeyPair::generate()?;
        let mut client = CertificateParams::new([])?;
        client.distinguished_name.push(DnType::CommonName, "somebody");
        let client = client.signed_by(&client_key, &ca)?;
        let token_key = KeyPair::generate()?;
        Ok(Self {
            ca: ca.pem(),
            server: server.pem(),
            server_key: server_key.serialize_pem(),
            client: client.pem(),
            client_key: client_key.serialize_pem(),
            token_key: token_key.serialize_pem(),
            token_public_key: token_key.public_key_pem(),
        })
    }

    /// How a server speaks TLS, and whether it demands a certificate of its clients.
    pub(crate) fn server_config(&self, demands_client: bool) -> Result<ServerConfig, Error> {
        self.try_server_config(demands_client).map_err(|error| Error::Invalid(error.to_string()))
    }

    fn try_server_config(
        &self,
        demands_client: bool,
    ) -> Result<ServerConfig, Box<dyn std::error::Error>> {
        let certificate = CertificateDer::from_pem_slice(self.server.as_bytes())?;
        let key = PrivateKeyDer::from_pem_slice(self.server_key.as_bytes())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = if demands_client {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes())?)?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            config.with_client_cert_verifier(verifier)
        } else {
            config.with_no_client_auth()
        };
        Ok(config.with_single_cert(vec![certificate], key)?)
    }

    /// A bearer token for a user, which nobody without the key can guess.
    pub(crate) fn token(&self, user: &str) -> String {
        hex::encode(Sha256::new().chain_update(&self.token_key).chain_update(user).finalize())
    }
}
