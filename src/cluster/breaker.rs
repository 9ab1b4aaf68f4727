//! Which requests hang although the API server answers others, such as those for a kind whose webhook hangs:
//! for a while no more of them are sent, or they would hold up all others.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::time::Instant;

/// What hangs, and until when it is left alone.
#[derive(Default)]
pub struct Breaker(Mutex<BTreeMap<String, Instant>>);

impl Breaker {
    /// Leaves requests of this sort alone until then.
    pub fn open(&self, sort: String, until: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(sort, until);
    }

    /// Whether requests of this sort are left alone for now.
    pub fn is_open(&self, sort: &str) -> bool {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        open.retain(|_, until| *until > now);
        open.contains_key(sort)
    }
}

/// The sort of a request: what it does to which kind, in any namespace.
pub fn sort(verb: &str, path: &str) -> String {
    let mut parts = path.trim_start_matches('/').split('/');
    let base = if parts.next() == Some("api") { 1 } else { 2 };
    let version: Vec<_> = parts.by_ref().take(base).collect();
    let mut rest = parts;
    let plural = match (rest.next(), rest.next(), rest.next()) {
        (Some("namespaces"), Some(_), Some(plural)) => plural,
        (plural, ..) => plural.unwrap_or_default(),
    };
    format!("{verb} {plural} {}", version.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_for_one_kind_are_of_one_sort() {
        let check = |path: &str, expect: &str| assert_eq!(sort("get", path), expect, "{path}");
        check("/api/v1/namespaces/a/pods/b", "get pods v1");
        check("/api/v1/namespaces/a/pods", "get pods v1");
        check("/api/v1/pods", "get pods v1");
        check("/api/v1/namespaces/a", "get namespaces v1");
        check("/api/v1/namespaces", "get namespaces v1");
        check("/apis/apps/v1/namespaces/a/deployments/web", "get deployments apps/v1");
        check("/apis/x.example/v1/gears/g", "get gears x.example/v1");
    }
}
