//! What a push event says: which repository, which branches. Nothing else of it is read.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A push, as its sender tells it. Its URLs are compared, never fetched.
#[derive(Debug, PartialEq, Eq)]
pub struct Push {
    /// Names of the repository: for cloning over HTTP and SSH, and for the browser.
    pub urls: Vec<String>,
    /// Branches and tags, such as `refs/heads/main`; `None` may be any.
    pub refs: Option<Vec<String>>,
}

/// Push events of GitHub and Gitea.
#[derive(Deserialize)]
pub struct Github {
    r#ref: String,
    repository: GithubRepository,
}

#[derive(Deserialize)]
struct GithubRepository {
    #[serde(rename = "clone_url")]
    clone: Option<String>,
    #[serde(rename = "ssh_url")]
    ssh: Option<String>,
    #[serde(rename = "git_url")]
    git: Option<String>,
    #[serde(rename = "html_url")]
    html: Option<String>,
}

/// Push and tag push events of GitLab, of projects and of the whole system.
#[derive(Deserialize)]
pub struct Gitlab {
    r#ref: String,
    project: GitlabProject,
}

#[derive(Deserialize)]
struct GitlabProject {
    #[serde(rename = "git_http_url")]
    http: Option<String>,
    #[serde(rename = "git_ssh_url")]
    ssh: Option<String>,
    #[serde(rename = "web_url")]
    web: Option<String>,
}

/// `repo:push` of Bitbucket Cloud, and `repo:refs_changed` of Bitbucket Data Center.
#[derive(Deserialize)]
pub struct Bitbucket {
    repository: BitbucketRepository,
    #[serde(default)]
    push: CloudPush,
    #[serde(default)]
    changes: Vec<ServerChange>,
}

#[derive(Deserialize)]
struct BitbucketRepository {
    links: Links,
}

#[derive(Deserialize)]
struct Links {
    html: Option<Link>,
    #[serde(default)]
    clone: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    href: String,
}

#[derive(Deserialize, Default)]
struct CloudPush {
    changes: Vec<CloudChange>,
}

/// What was created has no old state, what was deleted no new one.
#[derive(Deserialize)]
struct CloudChange {
    new: Option<CloudRef>,
    old: Option<CloudRef>,
}

#[derive(Deserialize)]
struct CloudRef {
    r#type: String,
    name: String,
}

#[derive(Deserialize)]
struct ServerChange {
    r#ref: ServerRef,
}

#[derive(Deserialize)]
struct ServerRef {
    id: String,
}

/// What a sender without a format of its own may say: a repository, and a branch of it.
#[derive(Deserialize)]
pub struct Generic {
    repository: String,
    r#ref: Option<String>,
}

impl Push {
    /// The push of a body in a provider's format, if it is one.
    pub fn parse<T: DeserializeOwned + Into<Self>>(body: &[u8]) -> Option<Self> {
        serde_json::from_slice::<T>(body).ok().map(Into::into)
    }

    fn new<const N: usize>(urls: [Option<String>; N], refs: Vec<String>) -> Self {
        Self { urls: urls.into_iter().flatten().collect(), refs: Some(refs) }
    }
}

impl From<Github> for Push {
    fn from(event: Github) -> Self {
        let GithubRepository { clone, ssh, git, html } = event.repository;
        Self::new([clone, ssh, git, html], vec![event.r#ref])
    }
}

impl From<Gitlab> for Push {
    fn from(event: Gitlab) -> Self {
        let GitlabProject { http, ssh, web } = event.project;
        Self::new([http, ssh, web], vec![event.r#ref])
    }
}

impl From<Bitbucket> for Push {
    fn from(event: Bitbucket) -> Self {
        let Links { html, clone } = event.repository.links;
        let cloud = event.push.changes.into_iter().filter_map(|change| change.new.or(change.old));
        let server = event.changes.into_iter().map(|change| change.r#ref.id);
        Self {
            urls: html.into_iter().chain(clone).map(|link| link.href).collect(),
            refs: Some(cloud.map(CloudRef::full).chain(server).collect()),
        }
    }
}

impl CloudRef {
    fn full(self) -> String {
        let folder = if self.r#type == "tag" { "tags" } else { "heads" };
        format!("refs/{folder}/{}", self.name)
    }
}

impl From<Generic> for Push {
    fn from(event: Generic) -> Self {
        let full = |name: String| {
            if name.starts_with("refs/") { name } else { format!("refs/heads/{name}") }
        };
        Self { urls: vec![event.repository], refs: event.r#ref.map(|name| vec![full(name)]) }
    }
}
