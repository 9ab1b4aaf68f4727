//! Where a server may lead to.

use url::Url;

/// What is asked of a repository first.
pub const LISTING: &str = "/info/refs?service=git-upload-pack";

/// Why a server is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Astray {
    /// To another server, or away from TLS.
    Elsewhere,
    /// To something that is no repository, such as a page to log in.
    NoRepository,
}

/// The repository that an answer to the question for `base` leads to. Another host is never followed, with
/// credentials or without: who allowed this host did not allow that one.
pub fn follow(base: &str, to: &str) -> Result<String, Astray> {
    let parse = |url: &str| Url::parse(url).map_err(|_| Astray::Elsewhere);
    let (from, to) = (parse(base)?, parse(to)?);
    let may_be = match (from.scheme(), to.scheme()) {
        ("http", "https") => true,
        (old, new) => old == new && from.port_or_known_default() == to.port_or_known_default(),
    };
    if !may_be || from.host_str() != to.host_str() || from.host_str().is_none() {
        return Err(Astray::Elsewhere);
    }
    let mut to = to;
    // Neither is ours to send.
    let _ = (to.set_username(""), to.set_password(None));
    to.as_str().strip_suffix(LISTING).map(str::to_owned).ok_or(Astray::NoRepository)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_host_is_followed_and_never_away_from_tls() {
        let check = |base: &str, to: &str, expect: Result<&str, Astray>| {
            let found = follow(base, &format!("{to}{LISTING}"));
            assert_eq!(found, expect.map(str::to_owned), "{to}");
        };
        let (http, https) = ("http://git.example/a", "https://git.example/a");
        check(https, "https://git.example/b.git", Ok("https://git.example/b.git"));
        check(https, "https://GIT.example:443/b.git", Ok("https://git.example/b.git"));
        check(https, "https://x:y@git.example/b", Ok("https://git.example/b"));
        check(http, "https://git.example/a", Ok(https));
        check(http, "http://git.example/b", Ok("http://git.example/b"));
        for (base, to) in [
            (https, "http://git.example/a"),
            (https, "https://git.example.evil.example/a"),
            (https, "https://git.example@evil.example/a"),
            (https, "https://git.example:8443/a"),
            (http, "http://git.example:8080/a"),
            (https, "ftp://git.example/a"),
            (https, "file:///etc/a"),
        ] {
            check(base, to, Err(Astray::Elsewhere));
        }
        let login = "https://git.example/users/sign_in";
        assert_eq!(follow(https, login), Err(Astray::NoRepository));
        assert_eq!(follow(https, "login"), Err(Astray::Elsewhere));
    }
}
