//! Certificates for https.

use serde::{Deserialize, Serialize};

use super::values::Values;
use super::{BadCredentials, Hidden};

/// Whom a fetch trusts, and as whom it shows itself, by certificates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tls {
    /// Certificates of authorities as PEM, beside those that the system trusts.
    pub ca: Option<String>,
    /// A certificate to show.
    pub client: Option<Client>,
}

/// A certificate to show.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Client {
    /// The certificate, and those between it and an authority, as PEM.
    pub certificate: String,
    /// Its key as PEM.
    pub key: Hidden,
}

const CA: &[&str] = &["ca.crt", "caFile"];
const CERTIFICATE: &[&str] = &["tls.crt", "certFile"];
const KEY: &[&str] = &["tls.key", "keyFile"];

impl Tls {
    pub(super) fn from_values(values: Values<'_>) -> Result<Self, BadCredentials> {
        let ca = values.pem(CA, "CERTIFICATE")?.map(|(_, ca)| ca);
        let certificate = values.pem(CERTIFICATE, "CERTIFICATE")?;
        let client = match (certificate, values.pem(KEY, "PRIVATE KEY")?) {
            (Some((_, certificate)), Some((_, key))) => {
                Some(Client { certificate, key: Hidden(key) })
            }
            (Some(_), None) => {
                return Err(BadCredentials::Missing(
                    "tls.key",
                    "tls.crt is of no use without its key",
                ));
            }
            (None, Some(_)) => {
                return Err(BadCredentials::Missing(
                    "tls.crt",
                    "tls.key is of no use without its certificate",
                ));
            }
            (None, None) => None,
        };
        Ok(Self { ca, client })
    }
}
