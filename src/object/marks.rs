//! Our marks on an object. A copied label satisfies none of them but the label (design.md 4).

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{GroupKind, ObjectId};

/// Field manager of every apply.
pub const MANAGER: &str = "gitops-sync";
/// Label whose value is the app; scopes lists and watches, never proves ownership.
pub const LABEL_APP: &str = "gitops-sync.dev/app";
/// Annotation that names app and object; true only on the object that it names.
pub const ANNOTATION_ID: &str = "gitops-sync.dev/id";
/// Annotation with the keyed hash of the manifest that was applied last.
pub const ANNOTATION_HASH: &str = "gitops-sync.dev/hash";

/// Longest value of a label, Kubernetes API conventions.
const LABEL_MAX: usize = 63;
/// Longest app name: its inventory's Secret name must fit into 253 characters.
const NAME_MAX: usize = 200;

/// The name of an app: an RFC 1123 subdomain, because Secrets are named after it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AppId {
    name: String,
    /// Namespace of its inventory: two installations may well use one name.
    namespace: String,
}

/// A name that no app can have.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} is no name for an app: use up to {NAME_MAX} of a-z, 0-9, '-' and '.', with a letter or digit at both ends"
)]
pub struct BadName(String);

impl FromStr for AppId {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let inner = name.bytes().all(|b| plain(b) || b == b'-' || b == b'.');
        let ends = name.bytes().next().is_some_and(plain) && name.bytes().last().is_some_and(plain);
        if inner && ends && name.len() <= NAME_MAX {
            Ok(Self { name: name.to_owned(), namespace: String::new() })
        } else {
            Err(BadName(name.to_owned()))
        }
    }
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl AppId {
    /// The name a source gives to its app when nobody does: its words, joined by dashes.
    pub fn derived_from(words: &str) -> Self {
        let mut name = String::new();
        for c in words.to_lowercase().chars() {
            match c {
                'a'..='z' | '0'..='9' => name.push(c),
                _ if name.is_empty() || name.ends_with('-') => {}
                _ => name.push('-'),
            }
        }
        name.truncate(LABEL_MAX);
        let name = name.trim_matches('-');
        let name = if name.is_empty() { "app" } else { name };
        Self { name: name.to_owned(), namespace: String::new() }
    }

    /// The app of a resource of this name. A namespace has no dots, so that no two share a name.
    pub fn of_resource(namespace: &str, name: &str) -> Self {
        let whole = format!("{namespace}.{name}");
        let name = if whole.len() <= NAME_MAX {
            whole
        } else {
            let hash = hex::encode(&Sha256::digest(&whole)[..8]);
            let start: String = whole.chars().take(NAME_MAX - hash.len() - 1).collect();
            format!("{}-{hash}", start.trim_end_matches(['.', '-']))
        };
        Self { name, namespace: String::new() }
    }

    /// The app that an identity annotation on the object `id` names; `None` if it is about another object
    /// or about none.
    pub fn of_identity(identity: &str, id: &ObjectId) -> Option<Self> {
        let (app, _) = identity.split_once(':')?;
        let (namespace, name) = app.split_once('_')?;
        let app = name.parse::<Self>().ok()?.within(namespace);
        (app.identity(id) == identity).then_some(app)
    }

    /// How people name an app that has a resource: `namespace/name`.
    pub fn reference(&self) -> String {
        self.name.replacen('.', "/", 1)
    }

    /// The namespace of its inventory.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The app of this name whose inventory is in this namespace.
    #[must_use]
    pub fn within(self, namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), ..self }
    }

    /// The app's name.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// The value of [`LABEL_APP`]: the name, or its hash where a label could not hold it.
    pub fn label(&self) -> String {
        if self.name.len() <= LABEL_MAX {
            return self.name.clone();
        }
        format!("sha256-{}", &hex::encode(Sha256::digest(&self.name))[..40])
    }

    /// How objects name this app, and no other of the cluster.
    pub fn mark(&self) -> String {
        format!("{}_{}", self.namespace, self.name)
    }

    /// The value of [`ANNOTATION_ID`] on the object `id` of this app.
    pub fn identity(&self, id: &ObjectId) -> String {
        let GroupKind { group, kind } = &id.kind;
        format!("{}:{group}/{kind}:{}/{}", self.mark(), id.namespace, id.name)
    }
}

/// The key of this installation's manifest hashes. Its loss costs one re-apply.
#[derive(Clone, PartialEq, Eq)]
pub struct HashKey(pub Vec<u8>);

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(…)")
    }
}

impl HashKey {
    /// Keyed hash of a manifest, stable against the order of its keys.
    pub fn hash(&self, manifest: &Value) -> String {
        // HMAC takes a key of any length, RFC 2104.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return String::new() };
        mac.update(manifest.to_string().as_bytes());
        hex::encode(&mac.finalize().into_bytes()[..16])
    }
}

/// Marks a manifest as `id` of `app`; its hash is taken with these marks.
pub fn mark(manifest: &mut Value, app: &AppId, id: &ObjectId) {
    set(manifest, "labels", LABEL_APP, &app.label());
    set(manifest, "annotations", ANNOTATION_ID, &app.identity(id));
    if let Some(annotations) = manifest["metadata"]["annotations"].as_object_mut() {
        annotations.remove(ANNOTATION_HASH);
    }
}

/// Writes the hash of a marked manifest on it.
pub fn set_hash(manifest: &mut Value, hash: &str) {
    set(manifest, "annotations", ANNOTATION_HASH, hash);
}

fn set(manifest: &mut Value, map: &str, key: &str, value: &str) {
    let map = &mut manifest["metadata"][map];
    if !map.is_object() {
        *map = json!({});
    }
    map[key] = json!(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn names_and_labels() {
        let check = |name: &str, ok: bool| assert_eq!(name.parse::<AppId>().is_ok(), ok, "{name}");
        check("web", true);
        check("team.web-2", true);
        check("", false);
        check("Web", false);
        check("-web", false);
        check("a/b", false);
        check(&"a".repeat(201), false);
        let long: AppId = "a".repeat(64).parse().unwrap();
        assert_eq!(long.label().len(), 47);
        assert_eq!("web".parse::<AppId>().unwrap().label(), "web");
    }

    #[test]
    fn an_identity_names_its_app_on_its_own_object_alone() {
        let app = "team.web-2".parse::<AppId>().unwrap().within("ops");
        let id = |name: &str| ObjectId::new(GroupKind::new("apps", "Deployment"), "demo", name);
        let identity = app.identity(&id("a"));
        assert_eq!(AppId::of_identity(&identity, &id("a")), Some(app));
        assert_eq!(AppId::of_identity(&identity, &id("b")), None);
        for text in ["", "x", "ops_:apps/Deployment:demo/a", "web:apps/Deployment:demo/a"] {
            assert_eq!(AppId::of_identity(text, &id("a")), None, "{text}");
        }
    }

    #[test]
    fn derives_a_name_from_anything() {
        let check = |words: &str, name: &str| assert_eq!(AppId::derived_from(words).as_str(), name);
        check("config apps/web", "config-apps-web");
        check("/manifests/", "manifests");
        check("..", "app");
        check("Team A__b", "team-a-b");
    }

    #[test]
    fn the_hash_follows_the_manifest_and_the_key_alone() {
        let app: AppId = "web".parse().unwrap();
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", "c");
        let marked = |body: Value, key: &[u8]| {
            let mut body = body;
            mark(&mut body, &app, &id);
            let hash = HashKey(key.to_vec()).hash(&body);
            set_hash(&mut body, &hash);
            (hash, body)
        };
        let one = json!({"metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}});
        let same: Value =
            serde_json::from_str(r#"{"data":{"b":"2","a":"1"},"metadata":{"name":"c"}}"#).unwrap();
        let other = json!({"metadata": {"name": "c"}, "data": {"a": "1", "b": "3"}});
        let hash = |body: Value, key: &[u8]| marked(body, key).0;
        assert_eq!(hash(one.clone(), b"k"), hash(same, b"k"));
        assert_ne!(hash(one.clone(), b"k"), hash(other, b"k"));
        assert_ne!(hash(one.clone(), b"k"), hash(one.clone(), b"l"));
        assert_eq!(hash(marked(one.clone(), b"k").1, b"k"), hash(one, b"k"));
    }
}
