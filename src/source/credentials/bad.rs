//! What is wrong with credentials.

/// Why a Secret holds no credentials for a repository. Names keys, never what is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCredentials {
    /// Several ways to log in at once.
    #[error("it has {0} beside {1}: leave one of the two")]
    Both(&'static str, &'static str),
    /// A key is missing.
    #[error("it has no {0}: {1}")]
    Missing(&'static str, &'static str),
    /// A value that cannot be sent.
    #[error("the value of {0} has to be text on one line, and not empty")]
    Bad(&'static str),
    /// A value that is not what it has to be.
    #[error("the value of {0} has to be {1}")]
    Not(&'static str, &'static str),
    /// Keys for another transport.
    #[error("{0} is for a URL of ssh, and this one is not: {LOGINS}")]
    OnlySsh(&'static str),
    /// A way that leads to another transport.
    #[error("ssh does not go through a proxy: leave the proxy out, or use a URL of https")]
    SshByProxy,
}

/// How one logs in by http.
pub(super) const LOGINS: &str =
    "set username and password, or bearerToken, or those of a GitHub App";
