//! Whether a push concerns an app. Pure.

use super::push::Push;
use crate::api::repository::RepoAddress;

/// Whether an app that follows this revision of this repository may have something to fetch after a push. HEAD is
/// any branch: which one is the default is not known here.
pub fn matches(app_url: &str, app_revision: &str, push: &Push) -> bool {
    let app = normalised(app_url);
    let is_followed = |name: &String| match app_revision {
        "HEAD" => name.starts_with("refs/heads/"),
        revision => {
            let is = |of: &str| name.strip_prefix(of) == Some(revision);
            is("refs/heads/") || is("refs/tags/")
        }
    };
    push.refs.as_ref().is_none_or(|refs| refs.iter().any(is_followed))
        && push.urls.iter().any(|url| normalised(url) == app)
}

/// `host/path` or `host:port/path` of a repository. Hosts of repositories take paths in any case; to look at
/// git once too often does no harm.
fn normalised(url: &str) -> String {
    let RepoAddress { host, path } = RepoAddress::of(url);
    format!("{host}/{}", path.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_ways_to_write_a_repository_are_one() {
        let check = |url: &str, same: &str| assert_eq!(normalised(url), same, "{url}");
        for url in [
            "https://git.example/team/config",
            "https://git.example/team/config.git",
            "https://git.example/team/config/",
            "https://git.example/team/config.git/",
            "HTTPS://Git.Example:443/team/config",
            "http://git.example:80/team/config",
            "https://bob:pass@word@git.example/team/config?ref=x#y",
            "ssh://git@git.example:22/team/config.git",
            "ssh://git@git.example/team/config",
            "git@git.example:team/config.git",
            "git.example:team/config",
            "git@GIT.example:/team/config.git",
            "git://git.example:9418/team/config",
            " https://git.example/team/config\n",
        ] {
            check(url, "git.example/team/config");
        }
        check("https://git.example:8443/a.git", "git.example:8443/a");
        check("https://git.example:22/a", "git.example:22/a");
        check("ssh://git@git.example:7999/a", "git.example:7999/a");
        check("https://[::1]:443/a", "[::1]/a");
        check("https://git.example/Team/A", "git.example/team/a");
        check("https://git.example/a.github", "git.example/a.github");
        check("https://git.example", "git.example/");
        check("file:///srv/config.git", "/srv/config");
        check("/srv/config.git", "/srv/config");
        check("./a:b", "/./a:b");
    }

    #[test]
    fn only_the_followed_branch_of_the_right_repository_matches() {
        let url = "https://git.example/team/config.git";
        let check = |urls: &[&str], refs: Option<&[&str]>, is_match: bool| {
            let owned = |all: &[&str]| all.iter().map(ToString::to_string).collect();
            let push = Push { urls: owned(urls), refs: refs.map(owned) };
            assert_eq!(matches(url, "main", &push), is_match, "{push:?}");
            let is_branch =
                refs.is_none_or(|refs| refs.iter().any(|r| r.starts_with("refs/heads/")));
            let of_head = matches(url, "HEAD", &push);
            assert!(of_head || !is_match);
            assert!(is_branch || !of_head, "{push:?}");
        };
        let same: &[&str] = &["https://other.example/x", "git@git.example:team/config.git"];
        check(same, Some(&["refs/heads/main"]), true);
        check(same, Some(&["refs/heads/a", "refs/heads/main"]), true);
        check(same, None, true);
        check(same, Some(&["refs/tags/main2"]), false);
        check(same, Some(&["refs/heads/main2"]), false);
        check(same, Some(&["refs/heads/feature/main"]), false);
        check(same, Some(&[]), false);
        let main: Option<&[&str]> = Some(&["refs/heads/main"]);
        check(&["https://git.example/team/config2"], main, false);
        check(&["https://git.example/config"], main, false);
        check(&["https://git.example.org/team/config"], main, false);
        check(&["https://git.example:8443/team/config"], main, false);
        check(&["https://git.example@evil.example/team/config"], main, false);
        check(&["git@evil.example://git.example/team/config"], main, false);
        check(&["https://evil.example/git.example/team/config"], main, false);
        check(&[""], main, false);
        check(&[], main, false);
    }
}
