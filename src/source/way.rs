//! Which way a repository is reached, by its URL.

use url::Url;

/// A way to a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// `http://` and `https://`.
    Http,
    /// `ssh://`, or `user@host:path`.
    Ssh,
    /// A folder, or a protocol that knows no credentials.
    Other,
}

impl Way {
    /// The way that libgit2 takes for a URL.
    pub fn of(url: &str) -> Self {
        match url.split_once("://") {
            Some(("http" | "https", _)) => Self::Http,
            Some(("ssh" | "ssh+git" | "git+ssh", _)) => Self::Ssh,
            // What has a slash before the colon is a path.
            None if url.split_once(':').is_some_and(|(host, _)| !host.contains('/')) => Self::Ssh,
            _ => Self::Other,
        }
    }
}

/// Host and port of a URL of ssh.
pub fn ssh_host(url: &str) -> Option<(String, u16)> {
    if url.contains("://") {
        let url = Url::parse(url).ok()?;
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        return Some((host, url.port().unwrap_or(22)));
    }
    let (authority, _) = url.split_once(':')?;
    let host = authority.rsplit('@').next().filter(|host| !host.is_empty())?;
    Some((host.to_owned(), 22))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_is_told_by_the_url() {
        let check = |url: &str, way: Way| assert_eq!(Way::of(url), way, "{url}");
        check("https://git.example/a.git", Way::Http);
        check("http://git.example:8080/a.git", Way::Http);
        check("ssh://git@git.example:2222/a.git", Way::Ssh);
        check("git@git.example:a.git", Way::Ssh);
        check("git.example:a.git", Way::Ssh);
        check("git://git.example/a.git", Way::Other);
        check("file:///srv/a.git", Way::Other);
        check("/srv/a:b.git", Way::Other);
        check("./a.git", Way::Other);
    }

    #[test]
    fn host_and_port_are_found_in_both_ways_to_write_a_url() {
        let check = |url: &str, expect: Option<(&str, u16)>| {
            let found = ssh_host(url);
            let found = found.as_ref().map(|(host, port)| (host.as_str(), *port));
            assert_eq!(found, expect, "{url}");
        };
        check("ssh://git@git.example/a.git", Some(("git.example", 22)));
        check("ssh://git@git.example:2222/a.git", Some(("git.example", 2222)));
        check("ssh://git@[::1]:2222/a.git", Some(("::1", 2222)));
        check("git@git.example:a.git", Some(("git.example", 22)));
        check("git.example:a.git", Some(("git.example", 22)));
        check("git@:a.git", None);
    }
}
