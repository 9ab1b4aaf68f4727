//! One document to the objects it declares.

use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;

use serde_json::Value;

use super::diagnostic::{Diagnostic, Problem};
use super::edits::Edits;
use super::secrets::Marks;
use super::text::write_plain;
use super::yaml;
use super::{encrypted, sanitize};
use crate::object::{GroupKind, ObjectId, handling};

/// A place in the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Path of the file within the source; empty for all of it.
    pub path: Arc<str>,
    /// Line, from 1; 0 for the file as a whole.
    pub line: u32,
    /// Column, from 1; 0 for the line as a whole.
    pub column: u32,
}

impl Origin {
    /// A file as a whole.
    pub fn file(path: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), line: 0, column: 0 }
    }

    /// A line of the same file.
    #[must_use]
    pub fn line(&self, line: u32) -> Self {
        Self { path: self.path.clone(), line, column: 0 }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(".")?;
        }
        // A name in a repository may hold anything, also what would forge a log line.
        write_plain(f, &self.path)?;
        match (self.line, self.column) {
            (0, _) => Ok(()),
            (line, 0) => write!(f, ":{line}"),
            (line, column) => write!(f, ":{line}:{column}"),
        }
    }
}

/// An object as git declares it. Its namespace is still as written: whether it has one is the
/// cluster's to say.
#[derive(Clone, Debug, PartialEq)]
pub struct Manifest {
    /// Identity, with the namespace as written (empty if none is).
    pub id: ObjectId,
    /// Version of its API group.
    pub version: String,
    /// Where it stands.
    pub origin: Origin,
    /// Hash of the identity.
    pub fingerprint: u64,
    /// Where it holds something secret, if it does.
    pub marks: Option<Box<Marks>>,
    /// As JSON: a tenth of what the tree takes, and trees are rarely needed.
    text: Box<str>,
}

impl Manifest {
    /// The object, without what only a cluster may say (status, uid and the like).
    pub fn body(&self) -> Value {
        // It was a value when it was written.
        serde_json::from_str(&self.text).unwrap_or_default()
    }

    /// Its `apiVersion`.
    pub fn api_version(&self) -> String {
        self.id.kind.api_version(&self.version)
    }
}

/// What a document turned out to be.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The objects it declares.
    pub manifests: Vec<Arc<Manifest>>,
    /// What is wrong with them.
    pub diagnostics: Vec<Diagnostic>,
    /// Documents that are no Kubernetes objects, such as values files.
    pub skipped: usize,
}

/// Reads one object; a `List` of any kind is expanded.
pub fn read(object: Value, origin: &Origin, edits: &Edits) -> Read {
    let mut read = Read::default();
    collect(object, origin, &[], edits, &mut read, 0);
    read
}

/// Reads one document of a file.
pub fn document(document: yaml::Document, file: &Origin, edits: &Edits) -> Read {
    let mut read = Read::default();
    collect(document.value, &file.line(document.line), &document.items, edits, &mut read, 0);
    read
}

/// A kind of which an operator in the cluster decrypts the objects.
const PASSED_ON: &str = "SopsSecret";
/// Lists in lists end here: nobody writes them by hand.
const LIST_DEPTH: usize = 4;

/// `lines` are those of its items, as far as known.
fn collect(
    document: Value,
    origin: &Origin,
    lines: &[u32],
    edits: &Edits,
    read: &mut Read,
    depth: usize,
) {
    if is_list(&document) && depth < LIST_DEPTH {
        let Value::Object(mut list) = document else { return };
        if let Some(Value::Array(items)) = list.remove("items") {
            for (at, item) in items.into_iter().enumerate() {
                let own = lines.get(at).map(|line| origin.line(*line));
                collect(item, own.as_ref().unwrap_or(origin), &[], edits, read, depth + 1);
            }
        }
        return;
    }
    let made = match edits.made(document) {
        Ok((body, marks)) => manifest(body, marks, origin),
        Err(problems) => {
            let at = |problem| Diagnostic::at(origin.clone(), problem);
            read.diagnostics.extend(problems.into_iter().map(at));
            return;
        }
    };
    match made {
        Ok(Some(manifest)) => read.manifests.push(Arc::new(manifest)),
        Ok(None) => read.skipped += 1,
        Err(diagnostic) => read.diagnostics.push(*diagnostic),
    }
}

/// `kind: List`, or `kind: DeploymentList` with items, as kubectl expands them.
fn is_list(document: &Value) -> bool {
    document["kind"].as_str().is_some_and(|kind| kind.ends_with("List"))
        && document["apiVersion"].is_string()
        && document["items"].is_array()
}

fn manifest(
    mut body: Value,
    marks: Marks,
    origin: &Origin,
) -> Result<Option<Manifest>, Box<Diagnostic>> {
    let is_object = |item: &Value| item.get("apiVersion").is_some() || item.get("kind").is_some();
    let fail = |problem| Err(Box::new(Diagnostic::at(origin.clone(), problem)));
    if body.as_array().is_some_and(|items| items.iter().any(is_object)) {
        return fail(Problem::BareList);
    }
    if encrypted::is_encrypted(&body) && body["kind"] != PASSED_ON {
        return fail(Problem::Encrypted);
    }
    if handling::is_local(&body) {
        return Ok(None);
    }
    match (body.get("apiVersion").is_some(), body.get("kind").is_some()) {
        (false, false) => return Ok(None),
        (true, false) => return fail(Problem::HalfAnObject("kind")),
        (false, true) => return fail(Problem::HalfAnObject("apiVersion")),
        (true, true) => {}
    }
    let text = |value: &Value| value.as_str().filter(|t| !t.is_empty()).map(str::to_owned);
    let Some(api_version) = text(&body["apiVersion"]) else {
        return fail(Problem::NotAString("apiVersion"));
    };
    let Some(kind) = text(&body["kind"]) else { return fail(Problem::NotAString("kind")) };
    let (group, version) = crate::object::id::split_api_version(&api_version);
    let kind = GroupKind::new(group, &kind);
    let id = match identity(&body, kind) {
        Ok(id) => id,
        Err(problem) => return fail(problem),
    };
    if let Err(problem) = sanitize::sanitize(&mut body, &id) {
        return Err(Box::new(Diagnostic { origin: origin.clone(), object: Some(id), problem }));
    }
    if let Some(path) = encrypted::ciphertext(&body).filter(|_| body["kind"] != PASSED_ON) {
        let problem = Problem::Ciphertext(path);
        return Err(Box::new(Diagnostic { origin: origin.clone(), object: Some(id), problem }));
    }
    let (version, text) = (version.to_owned(), body.to_string().into());
    let fingerprint = BuildHasherDefault::<DefaultHasher>::default().hash_one(&id);
    let marks = (!marks.is_empty()).then(|| Box::new(marks));
    Ok(Some(Manifest { id, version, origin: origin.clone(), fingerprint, marks, text }))
}

fn identity(body: &Value, kind: GroupKind) -> Result<ObjectId, Problem> {
    let meta = &body["metadata"];
    let name = match &meta["name"] {
        Value::String(name) if !name.is_empty() => name,
        Value::Null if meta.get("generateName").is_some() => return Err(Problem::GenerateName),
        _ => return Err(Problem::NotAString("metadata.name")),
    };
    let namespace = match &meta["namespace"] {
        Value::String(namespace) => namespace.as_str(),
        Value::Null => "",
        _ => return Err(Problem::NotAString("metadata.namespace")),
    };
    if !is_path_segment(name) {
        return Err(Problem::InvalidName("metadata.name"));
    }
    if !namespace.is_empty() && !is_path_segment(namespace) {
        return Err(Problem::InvalidName("metadata.namespace"));
    }
    Ok(ObjectId::new(kind, namespace, name))
}

/// Whether a name can be a segment of a URL path; the API server says the rest.
/// (Kubernetes `IsValidPathSegmentName`.)
fn is_path_segment(name: &str) -> bool {
    name != "."
        && name != ".."
        && !name.contains(['/', '%', '?', '#'])
        && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(document: Value) -> Read {
        read(document, &Origin::file("a.yaml").line(3), &Edits::default())
    }

    #[test]
    fn a_place_is_shown_as_editors_read_it() {
        let check = |path: &str, line: u32, column: u32, expect: &str| {
            assert_eq!(Origin { line, column, ..Origin::file(path) }.to_string(), expect);
        };
        check("apps/a.yaml", 0, 0, "apps/a.yaml");
        check("apps/a.yaml", 3, 0, "apps/a.yaml:3");
        check("apps/a.yaml", 3, 4, "apps/a.yaml:3:4");
        check("a\n.yaml", 0, 0, "a\\n.yaml");
        check("", 0, 0, ".");
    }

    #[test]
    fn objects_are_read_lists_expanded_and_the_rest_counted() {
        let one = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [one, one]});
        assert_eq!(of(one.clone()).manifests.len(), 1);
        assert_eq!(of(list.clone()).manifests.len(), 2);
        let nested = json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [list]});
        assert_eq!(of(nested).manifests.len(), 2);
        assert_eq!(of(json!({"replicas": 2})).skipped, 1);
        assert_eq!(of(json!(["a"])).skipped, 1);
        let mut local = one.clone();
        local["metadata"]["annotations"] = json!({"config.kubernetes.io/local-config": "true"});
        assert_eq!(of(local).skipped, 1);
    }

    #[test]
    fn what_an_operator_in_the_cluster_decrypts_is_passed_on_untouched() {
        let cipher = "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]";
        let sops = json!({"mac": cipher, "age": [{"recipient": "age1x"}]});
        let object = |api: &str, kind: &str, more: Value| {
            let mut object = json!({"apiVersion": api, "kind": kind, "metadata": {"name": "a"}});
            object.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            object
        };
        let sealed = json!({"spec": {"encryptedData": {"p": "AgBy3i4OJSWK"}}});
        let external = json!({"spec": {"data": [{"secretKey": "p", "remoteRef": {"key": "k"}}]}});
        let templates =
            json!({"spec": {"secretTemplates": [{"stringData": {"p": cipher}}]}, "sops": sops});
        for object in [
            object("bitnami.com/v1alpha1", "SealedSecret", sealed),
            object("external-secrets.io/v1", "ExternalSecret", external),
            object("isindir.github.com/v1alpha3", "SopsSecret", templates),
        ] {
            let read = of(object.clone());
            assert!(read.diagnostics.is_empty(), "{:?}", read.diagnostics);
            assert_eq!(read.manifests[0].body(), object);
        }
        let check = |more: Value, problem: Problem| {
            assert_eq!(of(object("v1", "Secret", more)).diagnostics[0].problem, problem);
        };
        check(json!({"stringData": {"p": cipher}, "sops": sops}), Problem::Encrypted);
        let object = object("v1", "ConfigMap", json!({"data": {"p": cipher}}));
        assert_eq!(of(object).diagnostics[0].problem, Problem::Ciphertext("data.p".to_owned()));
    }

    #[test]
    fn what_is_no_object_is_said() {
        let check = |document: Value, problem: Problem| {
            assert_eq!(of(document).diagnostics[0].problem, problem);
        };
        check(json!({"apiVersion": "v1"}), Problem::HalfAnObject("kind"));
        check(json!({"kind": "Pod"}), Problem::HalfAnObject("apiVersion"));
        check(json!([{"apiVersion": "v1", "kind": "Pod"}]), Problem::BareList);
        check(json!({"apiVersion": 1, "kind": "Pod"}), Problem::NotAString("apiVersion"));
        check(json!({"apiVersion": "v1", "kind": "Pod"}), Problem::NotAString("metadata.name"));
        let pod =
            |metadata: Value| json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata});
        check(pod(json!({"generateName": "a-"})), Problem::GenerateName);
        check(pod(json!({"name": 7})), Problem::NotAString("metadata.name"));
        check(pod(json!({"name": "../a"})), Problem::InvalidName("metadata.name"));
        check(pod(json!({"name": "a", "namespace": 7})), Problem::NotAString("metadata.namespace"));
    }
}
