//! Which way a repository is reached, by its URL.

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
}
