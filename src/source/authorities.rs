//! The authorities that the system trusts.

use std::fs;
use std::path::PathBuf;

/// The file with all of them, as `SSL_CERT_FILE` names it or where systems have it.
pub fn file() -> Option<PathBuf> {
    openssl_probe::probe().cert_file
}

/// These beside them, as PEM.
pub fn beside(ca: &str) -> String {
    let all = file().and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
    format!("{ca}\n{all}")
}
