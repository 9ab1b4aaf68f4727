//! What keeps a verb from being carried out, and what to do about it.

use crate::cluster::apps;
use crate::cluster::list::{Content, Target};
use crate::cluster::{ApiError, Cluster};
use crate::object::ObjectId;

/// Names that are offered instead of one that does not exist.
const OFFERED: usize = 3;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum AppProblem {
    /// The kind is not served.
    #[error(
        "the cluster has no GitOpsApp: install its definition (gitops-sync crd | kubectl apply --server-side -f -), or name an app without a resource by --name"
    )]
    NoDefinition,
    /// There is no such app.
    #[error("there is no GitOpsApp {namespace}/{name}: {}", offer(near))]
    NoApp {
        /// Where it was looked for.
        namespace: String,
        /// What was looked for.
        name: String,
        /// Apps with names like it.
        near: Vec<String>,
    },
    /// The API server does not let this person.
    #[error(
        "you may not {verb} GitOpsApps{place}: ask for a Role with {verb} on gitopsapps.gitops-sync.dev ({said})",
        place = in_namespace(namespace)
    )]
    Forbidden {
        /// What was tried.
        verb: &'static str,
        /// Where, empty for everywhere.
        namespace: String,
        /// The API server's own words.
        said: String,
    },
    /// The API server does not know who asks.
    #[error("the API server does not know you ({0}): log in again, or choose another --context")]
    Unauthorized(String),
    /// Someone else wrote at each try.
    #[error("the GitOpsApp is changed again and again meanwhile: try again")]
    Contended,
    /// Anything else.
    #[error("cannot {verb} GitOpsApps: {source}")]
    Api {
        /// What was tried.
        verb: &'static str,
        /// The request's failure.
        source: ApiError,
    },
}

impl AppProblem {
    /// What a refusal of the API server comes to.
    pub fn of(verb: &'static str, namespace: &str, error: ApiError) -> Self {
        let (namespace, said) = (namespace.to_owned(), error.to_string());
        match error.code() {
            401 => Self::Unauthorized(said),
            403 => Self::Forbidden { verb, namespace, said },
            // That an app does not exist is said otherwise.
            404 => Self::NoDefinition,
            _ => Self::Api { verb, source: error },
        }
    }

    /// There is no such app; those with a name like it are looked for where the person may look.
    pub async fn no_app(cluster: &Cluster, id: &ObjectId) -> Self {
        let (namespace, name) = (id.namespace.clone(), id.name.clone());
        let mut all = names(cluster, "").await;
        if all.is_empty() {
            all = names(cluster, &namespace).await;
        }
        let near = near(&namespace, &name, &all);
        Self::NoApp { namespace, name, near }
    }
}

/// Namespaces and names of all apps, or of a namespace's; none where they may not be seen.
async fn names(cluster: &Cluster, namespace: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    let see = |app: &mut serde_json::Value| {
        let text = |key: &str| app["metadata"][key].as_str().unwrap_or_default().to_owned();
        all.push((text("namespace"), text("name")));
    };
    match cluster.list(&Target::of(&apps::resource(), namespace, Content::Metadata), see).await {
        Ok(_) => all,
        Err(_) => Vec::new(),
    }
}

/// The apps with the name in another namespace, and those of a name like it in this one.
fn near(namespace: &str, name: &str, all: &[(String, String)]) -> Vec<String> {
    let most = (name.len() / 3).max(1);
    let distance = |(of, other): &&(String, String)| {
        let distance = strsim::damerau_levenshtein(name, other);
        let is_part = other.contains(name) || name.contains(other.as_str());
        let is_like = if of == namespace { distance <= most || is_part } else { distance == 0 };
        is_like.then_some(distance)
    };
    let near = all.iter().filter_map(|app| Some((distance(&app)?, app)));
    let mut near: Vec<_> = near.collect();
    near.sort();
    near.into_iter().take(OFFERED).map(|(_, (of, other))| format!("{of}/{other}")).collect()
}

fn offer(near: &[String]) -> String {
    match near {
        [] => "gitops-sync status -A lists all".to_owned(),
        near => format!("did you mean {}?", near.join(" or ")),
    }
}

fn in_namespace(namespace: &str) -> String {
    match namespace {
        "" => " of all namespaces".to_owned(),
        namespace => format!(" in namespace {namespace}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_be_meant_are_offered() {
        let all = ["team/web", "team/web-db", "team/billing", "ops/wbe", "ops/web"];
        let all = all.map(|app| app.split_once('/').unwrap());
        let all = all.map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
        let check = |name: &str, expect: &[&str]| assert_eq!(near("team", name, &all), expect);
        check("wbe", &["ops/wbe", "team/web"]);
        check("webb", &["team/web"]);
        check("db", &["team/web-db"]);
        check("biling", &["team/billing"]);
        check("unlike", &[]);
    }
}
