//! The daemon's own access to key management services: what their clients find in its environment. Of Vault, see
//! there.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// What says who the daemon is, and where the services are.
const VALUES: [&str; 15] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL_KMS",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_AUTHORITY_HOST",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
];
/// What names a file that says so.
const FILES: [&str; 6] = [
    "AWS_CONFIG_FILE",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AZURE_FEDERATED_TOKEN_FILE",
    "GOOGLE_APPLICATION_CREDENTIALS",
];

/// All of it.
pub(super) fn environment() -> impl Iterator<Item = (&'static str, OsString)> {
    let names = VALUES.into_iter().chain(FILES);
    names.filter_map(|name| Some((name, env::var_os(name)?)))
}

/// The files that this environment names.
pub(super) fn files<'a>(
    environment: &'a [(&'static str, OsString)],
) -> impl Iterator<Item = PathBuf> + 'a {
    let named = environment.iter().filter(|(name, _)| FILES.contains(name));
    named.map(|(_, path)| PathBuf::from(path))
}
