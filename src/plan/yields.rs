//! Fields that an object gives up to others: ignored ones, and replicas under an autoscaler.
//!
//! A field is given up only while another manager owns it. What nobody else owns is first applied at its
//! live value by [`HEIR`], because an apply that merely drops a field of ours would reset it.

use serde_json::{Map, Value, json};

use super::diff::owner;
use crate::object::fields::{self, FieldPath, Segment};
use crate::object::live::Replicas;
use crate::object::pattern::FieldPattern;

/// Field manager that inherits what we give up and nobody else owns yet.
pub const HEIR: &str = "gitops-sync-handover";

/// What keys of our labels and annotations begin with.
const MARKS: &str = "gitops-sync.dev/";

/// A field that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Yield {
    /// Which field.
    pub path: String,
    /// The manager that has it now.
    pub to: String,
}

/// What is sent once fields were given up.
#[derive(Clone, Debug, PartialEq)]
pub struct Yielded {
    /// The object without the fields that others own.
    pub body: Value,
    /// What was given up, and to whom.
    pub given: Vec<Yield>,
    /// What of it nobody else owns yet.
    alone: Vec<FieldPath>,
    /// What of it others own.
    others: Vec<FieldPath>,
}

/// Takes out of `body` what `patterns` give up of the object as it was found.
pub fn give_up(body: Value, patterns: &[FieldPattern], found: &Value) -> Yielded {
    give_up_also(body, patterns, &[], found)
}

/// The same, with more fields that others have.
pub fn give_up_also(
    mut body: Value,
    patterns: &[FieldPattern],
    fields: &[FieldPath],
    found: &Value,
) -> Yielded {
    let mut patterns = patterns.to_vec();
    let drops_replicas = body["spec"].get("replicas").is_none();
    match Replicas::of(found) {
        Replicas::Autoscaler => patterns.push(FieldPattern::replicas()),
        // Nobody who takes the number out of git means one.
        Replicas::Ours if drops_replicas => patterns.push(FieldPattern::replicas()),
        Replicas::Ours | Replicas::Free => {}
    }
    let (mut given, mut alone, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for path in candidates(&patterns, fields, &body, found) {
        if is_needed(&path, &body) {
            continue;
        }
        remove(&mut body, path.segments());
        match owner(found, &path) {
            Some(other) => {
                let to = other.manager().to_owned();
                given.push(Yield { path: path.to_string(), to });
                others.push(path);
            }
            None => alone.push(path),
        }
    }
    given.extend(alone.iter().map(|path| Yield { path: path.to_string(), to: HEIR.to_owned() }));
    Yielded { body, given, alone, others }
}

impl Yielded {
    /// What [`HEIR`] applies before the body is, if anything: the fields that nobody else owns yet, at
    /// their live values, beside those it has already.
    pub fn bequest(&self, found: &Value) -> Option<Value> {
        if self.alone.is_empty() {
            return None;
        }
        let meta = &found["metadata"];
        let mut object = json!({
            "apiVersion": found["apiVersion"], "kind": found["kind"],
            "metadata": {"name": meta["name"]},
        });
        // At another version it may be another's by now.
        for key in ["namespace", "resourceVersion"] {
            if let Some(value) = meta.get(key) {
                object["metadata"][key] = value.clone();
            }
        }
        let heirs = fields::entries(found).filter(|entry| entry.manager() == HEIR);
        let inherited: Vec<_> = heirs.flat_map(|entry| fields::leaves(entry.fields())).collect();
        copy(&mut object, inherited.iter().chain(&self.alone), found);
        Some(object)
    }

    /// The body of a successor, with all that was given up at its live values: nobody has it there yet. So
    /// with a number of replicas that is not git's; it may be nobody's.
    pub fn succeeding(mut self, found: &Value) -> Value {
        copy(&mut self.body, self.alone.iter().chain(&self.others), found);
        if let (None, Some(number)) =
            (self.body["spec"].get("replicas"), found["spec"].get("replicas"))
        {
            self.body["spec"]["replicas"] = number.clone();
        }
        self.body
    }

    /// The body with what would be inherited, for a dry-run, in which nobody inherits.
    pub fn preview(mut self, found: &Value) -> Value {
        copy(&mut self.body, self.alone.iter(), found);
        self.body
    }
}

/// What the patterns select of any manager's set, and of the manifest itself: nobody may own it, as
/// after a client wiped `managedFields`.
fn candidates(
    patterns: &[FieldPattern],
    fields: &[FieldPath],
    body: &Value,
    found: &Value,
) -> Vec<FieldPath> {
    let mut paths: Vec<FieldPath> = Vec::new();
    let written = as_set(body);
    let sets = fields::entries(found).map(fields::Entry::fields);
    for set in sets.chain([&written]) {
        let selected = patterns.iter().flat_map(|pattern| pattern.select(set, found));
        for path in selected.chain(fields.iter().cloned()) {
            if path.of(found).is_some() && !is_identity(&path) && !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    // The keys of an item last: they go if nothing else of it stays.
    paths.sort_by_key(|path| key_of_item(path).is_some());
    paths
}

/// Whether a field says which object it is, or is a mark of ours: nobody else may have these.
fn is_identity(path: &FieldPath) -> bool {
    let names = path.segments().iter().map(|segment| match segment {
        Segment::Field(name) => name.as_str(),
        _ => "",
    });
    match names.collect::<Vec<_>>()[..] {
        ["apiVersion" | "kind"] | ["metadata", "name" | "namespace"] => true,
        ["metadata", "labels" | "annotations", key] => key.starts_with(MARKS),
        _ => false,
    }
}

/// The list and the key of the item that a field is part of the key of.
fn key_of_item(path: &FieldPath) -> Option<(&[Segment], &Map<String, Value>)> {
    match path.segments() {
        [list @ .., Segment::Key(key), Segment::Field(name)] if key.contains_key(name) => {
            Some((list, key))
        }
        _ => None,
    }
}

/// Whether a field tells for which item of a list something else is sent.
fn is_needed(path: &FieldPath, body: &Value) -> bool {
    let Some((list, key)) = key_of_item(path) else { return false };
    let list = list.iter().try_fold(body, |value, segment| segment.of(value));
    let item = list.and_then(|list| Segment::Key(key.clone()).of(list));
    let mut fields = item.and_then(Value::as_object).into_iter().flat_map(Map::keys);
    fields.any(|field| !key.contains_key(field))
}

/// The fields of a value as a set; what a list holds only its schema could name.
fn as_set(value: &Value) -> Value {
    let fields = value.as_object().into_iter().flatten();
    fields.map(|(name, below)| (format!("f:{name}"), as_set(below))).collect()
}

/// Copies the values of some fields.
fn copy<'a>(to: &mut Value, paths: impl Iterator<Item = &'a FieldPath>, from: &Value) {
    for path in paths {
        if let Some(value) = path.of(from) {
            put(to, path.segments(), value.clone());
        }
    }
}

/// Takes a field out, and what is empty without it.
fn remove(value: &mut Value, path: &[Segment]) {
    let Some((first, rest)) = path.split_first() else { return };
    let Some(below) = first.of_mut(value) else { return };
    remove(below, rest);
    let is_bare =
        below.as_object().is_some_and(Map::is_empty) || below.as_array().is_some_and(Vec::is_empty);
    if rest.is_empty() || is_bare {
        first.take_from(value);
    }
}

/// Puts a value where a path leads, with the maps and list items on the way.
fn put(value: &mut Value, path: &[Segment], new: Value) {
    match path.split_first() {
        None => *value = new,
        Some((Segment::Field(name), rest)) => {
            if !value.is_object() {
                *value = json!({});
            }
            put(&mut value[name.as_str()], rest, new);
        }
        Some((key @ Segment::Key(fields), rest)) => {
            if !value.is_array() {
                *value = json!([]);
            }
            if key.of(value).is_none()
                && let Some(items) = value.as_array_mut()
            {
                items.push(Value::Object(fields.clone()));
            }
            if let Some(item) = key.of_mut(value) {
                put(item, rest, new);
            }
        }
        // An item of a set, or a position: lists that hold these belong to one manager as a whole.
        Some((Segment::Value(_) | Segment::Index(_), _)) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(manager: &str, operation: &str, subresource: &str, fields: Value) -> Value {
        json!({"manager": manager, "operation": operation, "subresource": subresource,
               "fieldsV1": fields})
    }

    fn found(entries: &[Value]) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "demo", "managedFields": entries},
            "spec": {"replicas": 5, "c": [{"name": "a", "image": "live"}, {"name": "b", "image": "b"}]},
        })
    }

    fn body() -> Value {
        json!({"spec": {"replicas": 2, "c": [{"name": "a", "image": "git"}, {"name": "b", "image": "b"}]}})
    }

    fn replicas() -> Value {
        json!({"f:spec": {"f:replicas": {}}})
    }

    fn ours() -> Value {
        let item = json!({".": {}, "f:name": {}, "f:image": {}});
        let items = json!({"k:{\"name\":\"a\"}": item, "k:{\"name\":\"b\"}": item});
        entry("gitops-sync", "Apply", "", json!({"f:spec": {"f:replicas": {}, "f:c": items}}))
    }

    fn patterns(text: &str) -> Vec<FieldPattern> {
        FieldPattern::parse_all(text).unwrap()
    }

    #[test]
    fn what_an_autoscaler_owns_is_given_up_and_what_a_person_scales_is_not() {
        let check = |entries: &[Value], patterns_of: &str, given: &[(&str, &str)]| {
            let yielded = give_up(body(), &patterns(patterns_of), &found(entries));
            let is: Vec<_> =
                yielded.given.iter().map(|y| (y.path.as_str(), y.to.as_str())).collect();
            assert_eq!(is, given);
            assert_eq!(yielded.body["spec"].get("replicas").is_none(), !given.is_empty());
            assert_eq!(yielded.bequest(&found(entries)), None);
        };
        let kcm = entry("kube-controller-manager", "Update", "scale", replicas());
        let person = entry("kubectl", "Update", "scale", replicas());
        check(std::slice::from_ref(&kcm), "", &[("spec.replicas", "kube-controller-manager")]);
        check(std::slice::from_ref(&person), "", &[]);
        check(&[person], "/spec/replicas", &[("spec.replicas", "kubectl")]);
        check(&[ours()], "", &[]);
        check(&[ours(), kcm], "", &[("spec.replicas", "kube-controller-manager")]);
    }

    #[test]
    fn what_only_we_own_is_inherited_at_its_live_value() {
        let yielded =
            give_up(body(), &patterns("/spec/replicas,/spec/c/[name=a]/image"), &found(&[ours()]));
        assert_eq!(
            yielded.body,
            json!({"spec": {"c": [{"name": "a"}, {"name": "b", "image": "b"}]}})
        );
        let bequest = yielded.bequest(&found(&[ours()])).unwrap();
        assert_eq!(bequest["spec"], json!({"replicas": 5, "c": [{"name": "a", "image": "live"}]}));
        assert_eq!(bequest["metadata"], json!({"name": "web", "namespace": "demo"}));
        assert!(yielded.given.iter().all(|given| given.to == HEIR));
        // What was inherited before is kept.
        let heir = entry(HEIR, "Apply", "", replicas());
        let live = found(&[ours(), heir]);
        let again = give_up(body(), &patterns("/spec/*"), &live);
        assert_eq!(again.bequest(&live).unwrap()["spec"]["replicas"], 5);
    }

    #[test]
    fn what_nobody_owns_any_more_is_inherited_as_well() {
        let yielded = give_up(body(), &patterns("/spec/replicas"), &found(&[]));
        assert_eq!(yielded.bequest(&found(&[])).unwrap()["spec"], json!({"replicas": 5}));
        assert!(yielded.body["spec"].get("replicas").is_none());
    }

    #[test]
    fn replicas_that_git_no_longer_sets_stay_as_they_are() {
        let mut body = body();
        body["spec"].as_object_mut().unwrap().remove("replicas");
        let yielded = give_up(body, &[], &found(&[ours()]));
        assert_eq!(yielded.bequest(&found(&[ours()])).unwrap()["spec"], json!({"replicas": 5}));
        assert_eq!(yielded.preview(&found(&[ours()]))["spec"]["replicas"], 5);
    }

    #[test]
    fn neither_our_marks_nor_what_names_an_item_is_given_up() {
        let found = found(&[ours()]);
        let check = |text: &str, body: Value, left: Value| {
            assert_eq!(give_up(body, &patterns(text), &found).body, left, "{text}");
        };
        let item = |item: Value| json!({"spec": {"c": [item]}});
        let image = json!({"name": "a", "image": "git"});
        let more = json!({"name": "a", "image": "git", "tty": true});
        check("/spec/c/[name=a]", item(image), json!({}));
        check("/spec/c/*", item(more), item(json!({"name": "a", "tty": true})));
        let meta = json!({"name": "web", "labels": {"gitops-sync.dev/app": "x"}});
        check("/metadata/*", json!({"metadata": meta}), json!({"metadata": meta}));
        let marked = json!({"labels": {"gitops-sync.dev/app": "x", "a": "b"}});
        let mut live = found.clone();
        live["metadata"]["labels"] = marked["labels"].clone();
        let yielded = give_up(json!({"metadata": marked}), &patterns("/metadata/labels"), &live);
        assert_eq!(yielded.body, json!({"metadata": {"labels": {"gitops-sync.dev/app": "x"}}}));
        assert!(yielded.given.iter().any(|given| given.path == "metadata.labels.a"));
        // Another type than what is there is no matter.
        let preview = give_up(json!({"spec": "x"}), &patterns("/spec/replicas"), &found);
        assert_eq!(preview.preview(&found), json!({"spec": {"replicas": 5}}));
    }

    #[test]
    fn what_is_not_there_yet_is_set_once() {
        let found = json!({"metadata": {"managedFields": []}, "spec": {}});
        let yielded = give_up(body(), &patterns("/spec/replicas"), &found);
        assert_eq!((yielded.body, yielded.given), (body(), vec![]));
    }
}
