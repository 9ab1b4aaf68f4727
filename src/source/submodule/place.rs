//! Where a submodule is, by its URL.

use url::Url;

use crate::source::way::{Way, ssh_host};

/// Who is asked for a submodule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// The one that the repository itself is on, by the same protocol: it gets the same credentials.
    Same,
    /// Another one: it gets none.
    Other,
}

/// The URL that is meant by one in `.gitmodules` of a repository at `parent`, as git means it; without a user where
/// that is none of ssh. `None` if it leads beyond the host.
pub fn resolved(parent: &str, url: &str) -> Option<String> {
    let mut rest = url;
    let mut base = parent.trim_end_matches('/').to_owned();
    let (mut is_relative, mut separator) = (false, '/');
    loop {
        if let Some(after) = rest.strip_prefix("./") {
            rest = after;
        } else if let Some(after) = rest.strip_prefix("../") {
            rest = after;
            separator = cut(&mut base)?;
        } else {
            break;
        }
        is_relative = true;
    }
    let url = if is_relative { format!("{base}{separator}{rest}") } else { rest.to_owned() };
    plain(url.trim_end_matches('/'))
}

/// Cuts off the last part of a path, and says what stood before it.
fn cut(base: &mut String) -> Option<char> {
    let start = base.find("://").map_or(0, |at| at + 3);
    let (at, separator) = match base[start..].rfind('/') {
        Some(at) => (start + at, '/'),
        // The path of `user@host:path`.
        None if start == 0 => (base.rfind(':')?, ':'),
        None => return None,
    };
    base.truncate(at);
    Some(separator)
}

/// A URL without a user and what else is no part of an address. Of ssh the user is.
fn plain(url: &str) -> Option<String> {
    if Way::of(url) != Way::Http {
        return Some(url.to_owned());
    }
    let mut parsed = Url::parse(url).ok()?;
    let _ = (parsed.set_username(""), parsed.set_password(None));
    parsed.set_query(None);
    parsed.set_fragment(None);
    Some(parsed.as_str().trim_end_matches('/').to_owned())
}

/// Who is asked for the repository at `url`, if that may be done for an app of the repository at `app`: its own host
/// may be; any other only with TLS and without credentials, so that nothing inside a network can be reached that is not
/// a server with a certificate that the system trusts.
pub fn host(app: &str, url: &str) -> Option<Host> {
    let place = place(url)?;
    if self::place(app).is_some_and(|own| own == place) {
        return Some(Host::Same);
    }
    (place.0 == "https").then_some(Host::Other)
}

/// Protocol, host and port of a URL that is one of a server.
fn place(url: &str) -> Option<(String, String, u16)> {
    match Way::of(url) {
        Way::Http => {
            let url = Url::parse(url).ok()?;
            let host = url.host_str().filter(|host| !host.is_empty())?.to_owned();
            Some((url.scheme().to_owned(), host, url.port_or_known_default()?))
        }
        Way::Ssh => {
            let (host, port) = ssh_host(url)?;
            Some(("ssh".to_owned(), host.to_ascii_lowercase(), port))
        }
        Way::Other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_urls_are_resolved_as_git_does_it() {
        let check = |parent: &str, url: &str, expect: Option<&str>| {
            assert_eq!(resolved(parent, url).as_deref(), expect, "{parent} {url}");
        };
        let https = "https://git.example/team/config.git";
        check(https, "../base.git", Some("https://git.example/team/base.git"));
        check(&format!("{https}/"), "../base.git", Some("https://git.example/team/base.git"));
        check(https, "../../other/base.git/", Some("https://git.example/other/base.git"));
        check(https, "./base.git", Some("https://git.example/team/config.git/base.git"));
        check(https, "./../base.git", Some("https://git.example/team/base.git"));
        check(https, "../../../base.git", None);
        check(https, "../../../../../evil.example/base.git", None);
        check("https://u:p@git.example/a.git?x=y", "../b", Some("https://git.example/b"));
        check("git@git.example:team/a.git", "../b.git", Some("git@git.example:team/b.git"));
        check("git@git.example:team/a.git", "../../b.git", Some("git@git.example:b.git"));
        check("git@git.example:a.git", "../../b.git", None);
        check("ssh://git@git.example:22/a.git", "../b.git", Some("ssh://git@git.example:22/b.git"));
        check("ssh://git@git.example:22/a.git", "../../b.git", None);
        check(https, "https://u:p@else.example/b.git/?t=1", Some("https://else.example/b.git"));
        check(https, "git@git.example:b.git", Some("git@git.example:b.git"));
        check(https, "/srv/b.git", Some("/srv/b.git"));
        check(https, "https://[", None);
    }

    #[test]
    fn only_the_same_host_by_the_same_protocol_is_the_same() {
        let check = |app: &str, url: &str, expect: Option<Host>| {
            assert_eq!(host(app, url), expect, "{app} {url}");
        };
        let (same, other) = (Some(Host::Same), Some(Host::Other));
        let https = "https://git.example/a.git";
        check(https, "https://GIT.example:443/b.git", same);
        check(https, "https://git.example:8443/b.git", other);
        check(https, "https://git.example.evil.example/b.git", other);
        check(https, "https://git.example@evil.example/b.git", other);
        check(https, "http://git.example/b.git", None);
        check(https, "http://169.254.169.254/b.git", None);
        check(https, "ssh://git@git.example/b.git", None);
        check("http://git.example/a.git", "http://git.example/b.git", same);
        check("http://git.example/a.git", "https://git.example/b.git", other);
        let ssh = "git@git.example:a.git";
        check(ssh, "ssh://other@git.example:22/b.git", same);
        check(ssh, "ssh://git@git.example:2222/b.git", None);
        check(ssh, "git@evil.example:b.git", None);
        check(ssh, "https://git.example/b.git", other);
        for url in
            ["/srv/b.git", "file:///srv/b.git", "git://git.example/b.git", "ext::sh -c x", ""]
        {
            check(https, url, None);
            check("/srv/a.git", url, None);
        }
    }
}
