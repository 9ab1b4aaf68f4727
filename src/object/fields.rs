//! Field sets as `metadata.managedFields` writes them (fieldsV1, KEP-555), and the values they name.

use std::fmt;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::marks::MANAGER;

/// One step of a path into an object.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    /// A field of a struct or key of a map, `f:`.
    Field(String),
    /// The item of a list with these key fields, `k:`.
    Key(Map<String, Value>),
    /// The item of a set with this value, `v:`.
    Value(Value),
    /// The item at this position, `i:`.
    Index(usize),
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let (sort, rest) = text.split_once(':')?;
        match sort {
            "f" => Some(Self::Field(rest.to_owned())),
            "k" => serde_json::from_str(rest).ok().map(Self::Key),
            "v" => serde_json::from_str(rest).ok().map(Self::Value),
            "i" => rest.parse().ok().map(Self::Index),
            _ => None,
        }
    }

    /// The step as a key of a field set.
    pub fn key(&self) -> String {
        match self {
            Self::Field(name) => format!("f:{name}"),
            Self::Key(key) => format!("k:{}", Value::Object(key.clone())),
            Self::Value(value) => format!("v:{value}"),
            Self::Index(at) => format!("i:{at}"),
        }
    }

    /// The value that this step leads to.
    pub fn of<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        match self {
            Self::Field(name) => value.get(name),
            _ => value.get(self.position(value)?),
        }
    }

    /// The value that this step leads to, to be changed.
    pub fn of_mut<'a>(&self, value: &'a mut Value) -> Option<&'a mut Value> {
        match self {
            Self::Field(name) => value.get_mut(name),
            _ => value.get_mut(self.position(value)?),
        }
    }

    /// Takes out what this step leads to.
    pub fn take_from(&self, value: &mut Value) {
        match (self, self.position(value), value) {
            (Self::Field(name), _, Value::Object(fields)) => drop(fields.remove(name)),
            (_, Some(at), Value::Array(items)) if at < items.len() => drop(items.remove(at)),
            _ => {}
        }
    }

    /// Where in a list the item is that this step leads to.
    pub fn position(&self, list: &Value) -> Option<usize> {
        match self {
            Self::Field(_) => None,
            Self::Index(at) => Some(*at),
            Self::Value(wanted) => list.as_array()?.iter().position(|item| item == wanted),
            Self::Key(key) => {
                let items = list.as_array()?;
                let whole = |item: &Value| key.iter().all(|(k, value)| item.get(k) == Some(value));
                let exact = items.iter().position(whole);
                exact.or_else(|| items.iter().position(|item| may_have_key(item, key)))
            }
        }
    }
}

/// Whether a list item may have these key fields. A key that the item omits was defaulted by its schema
/// (`protocol: TCP`), so its absence is no difference, unless another item has the key as it is.
fn may_have_key(item: &Value, key: &Map<String, Value>) -> bool {
    key.iter().all(|(name, value)| item.get(name).is_none_or(|found| found == value))
}

/// Where a field is, written as a person reads it: `spec.containers[name=web].image`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// This path and one step more.
    #[must_use]
    pub fn then(&self, segment: Segment) -> Self {
        let mut path = self.0.clone();
        path.push(segment);
        Self(path)
    }

    /// Its steps.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// The value at this path, if the object has one.
    pub fn of<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(object, |value, segment| segment.of(value))
    }

    /// The way to the first value that is so, among those on the way to this path's own and that one.
    pub fn up_to(&self, object: &Value, is_so: impl Fn(&Value) -> bool) -> Option<Self> {
        let mut value = object;
        for (at, segment) in self.0.iter().enumerate() {
            value = segment.of(value)?;
            if is_so(value) {
                return Some(Self(self.0[..=at].to_vec()));
            }
        }
        None
    }

    /// The path as the API server writes it, which tells no dot of a name from one between two names.
    pub fn as_served(&self) -> String {
        let step = |segment: &Segment| match segment {
            Segment::Field(name) => format!(".{name}"),
            Segment::Value(value) => format!("[={value}]"),
            Segment::Index(at) => format!("[{at}]"),
            Segment::Key(key) => {
                let pairs: Vec<_> =
                    key.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("[{}]", pairs.join(","))
            }
        };
        self.0.iter().map(step).collect()
    }

    /// Whether a field set holds this path, something above it as a whole, or something below it.
    pub fn within(&self, fields: &Value) -> bool {
        let mut node = fields;
        for segment in &self.0 {
            let Some(below) = children(node).find(|(s, _)| s == segment) else {
                return false;
            };
            node = below.1;
            if node.as_object().is_some_and(Map::is_empty) {
                return true;
            }
        }
        true
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Field(name) if is_plain(name) && at == 0 => f.write_str(name)?,
                Segment::Field(name) if is_plain(name) => write!(f, ".{name}")?,
                Segment::Field(name) => write!(f, "[{name}]")?,
                Segment::Index(at) => write!(f, "[{at}]")?,
                Segment::Value(value) => write!(f, "[={}]", bare(value))?,
                Segment::Key(key) => {
                    let pairs: Vec<_> =
                        key.iter().map(|(k, v)| format!("{k}={}", bare(v))).collect();
                    write!(f, "[{}]", pairs.join(","))?;
                }
            }
        }
        Ok(())
    }
}

fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// A scalar as a person writes it.
pub fn bare(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The steps that a field set takes from one of its nodes, with the node each leads to.
pub fn children(node: &Value) -> impl Iterator<Item = (Segment, &Value)> {
    let map = node.as_object().into_iter().flatten();
    map.filter_map(|(key, below)| Some((Segment::parse(key)?, below)))
}

/// The single fields of a set; what only says that a map or an item is owned is none.
pub fn leaves(set: &Value) -> Vec<FieldPath> {
    members(set, is_empty)
}

/// The topmost things that a set holds as a whole.
pub fn topmost(set: &Value) -> Vec<FieldPath> {
    members(set, is_whole)
}

/// Whether a member is held with all that is in it: a single field, or (`.`) the map or item itself.
pub fn is_whole(below: &Value) -> bool {
    is_empty(below) || below.get(".").is_some()
}

/// The members of a set, going down to where it ends.
fn members(set: &Value, is_end: fn(&Value) -> bool) -> Vec<FieldPath> {
    fn collect(
        set: &Value,
        path: &FieldPath,
        is_end: fn(&Value) -> bool,
        members: &mut Vec<FieldPath>,
    ) {
        for (segment, below) in children(set) {
            let path = path.then(segment);
            if is_end(below) { members.push(path) } else { collect(below, &path, is_end, members) }
        }
    }
    let mut members = Vec::new();
    collect(set, &FieldPath::default(), is_end, &mut members);
    members
}

/// What a field set holds beside another: nothing above, at or below a member of that.
pub fn minus(set: &Value, other: &Value) -> Value {
    let (Some(set), Some(other)) = (set.as_object(), other.as_object()) else { return json!({}) };
    if other.is_empty() {
        return json!({});
    }
    let mut left = Map::new();
    for (key, below) in set.iter().filter(|(key, _)| *key != ".") {
        match other.get(key) {
            None => drop(left.insert(key.clone(), below.clone())),
            Some(same) => {
                let rest = minus(below, same);
                if !is_empty(&rest) {
                    left.insert(key.clone(), rest);
                }
            }
        }
    }
    Value::Object(left)
}

/// What either of two field sets holds.
pub fn union(mut set: Value, other: &Value) -> Value {
    if let (Some(fields), Some(others)) = (set.as_object_mut(), other.as_object()) {
        for (key, below) in others {
            let own = fields.remove(key).unwrap_or_else(|| json!({}));
            fields.insert(key.clone(), union(own, below));
        }
    }
    set
}

/// A field set without one member, and without the maps that held nothing else.
pub fn without(set: &Value, path: &[&str]) -> Value {
    let (Some(fields), Some((first, rest))) = (set.as_object(), path.split_first()) else {
        return set.clone();
    };
    let mut left = fields.clone();
    if let Some(below) = fields.get(*first) {
        let fewer = if rest.is_empty() { json!({}) } else { without(below, rest) };
        let is_last = fewer.as_object().is_none_or(|map| map.keys().all(|key| key == "."));
        if rest.is_empty() || (fewer != *below && is_last) {
            left.remove(*first);
        } else {
            left.insert((*first).to_owned(), fewer);
        }
    }
    Value::Object(left)
}

/// The set of just these fields.
pub fn set_of<'a>(paths: impl IntoIterator<Item = &'a FieldPath>) -> Value {
    paths.into_iter().fold(json!({}), |set, path| {
        let below = |set, segment: &Segment| json!({segment.key(): set});
        union(set, &path.segments().iter().rev().fold(json!({}), below))
    })
}

/// Whether a field set, or what is below one of its members, holds nothing.
pub fn is_empty(set: &Value) -> bool {
    set.as_object().is_none_or(Map::is_empty)
}

/// An entry of `metadata.managedFields`.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a>(&'a Value);

impl<'a> Entry<'a> {
    /// The tool's name, never a person's.
    pub fn manager(self) -> &'a str {
        self.text("manager")
    }

    /// `Apply` or `Update`.
    pub fn operation(self) -> &'a str {
        self.text("operation")
    }

    /// `scale`, `status`, or empty.
    pub fn subresource(self) -> &'a str {
        self.text("subresource")
    }

    /// The version that the field set is written in.
    pub fn api_version(self) -> &'a str {
        self.text("apiVersion")
    }

    /// When the entry's set last changed, RFC 3339 with second precision.
    pub fn time(self) -> &'a str {
        self.text("time")
    }

    /// The field set.
    pub fn fields(self) -> &'a Value {
        &self.0["fieldsV1"]
    }

    /// Whether this is the entry of our own applies.
    pub fn is_ours(self) -> bool {
        self.manager() == MANAGER && self.operation() == "Apply" && self.subresource().is_empty()
    }

    fn text(self, key: &str) -> &'a str {
        self.0[key].as_str().unwrap_or_default()
    }
}

/// The entries of an object's `metadata.managedFields`.
pub fn entries(object: &Value) -> impl Iterator<Item = Entry<'_>> {
    object["metadata"]["managedFields"].as_array().into_iter().flatten().map(Entry)
}

/// The entry of our own applies, if the object has one.
pub fn ours(object: &Value) -> Option<Entry<'_>> {
    entries(object).find(|entry| entry.is_ours())
}

/// Hash of the fields that we own on an object: it changes when anyone takes or removes one of them
/// (design.md 3). `None` without an entry of ours.
pub fn set_hash(object: &Value) -> Option<String> {
    let fields = ours(object)?.fields().to_string();
    Some(hex::encode(&Sha256::digest(fields)[..8]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_read_well_and_find_values() {
        let object = json!({
            "metadata": {"annotations": {"example.com/a": "x"}, "finalizers": ["keep"]},
            "spec": {"containers": [{"name": "web", "ports": [{"containerPort": 80}]}]},
        });
        let check = |path: &[&str], text: &str, value: Value| {
            let segments = path.iter().map(|s| Segment::parse(s).unwrap()).collect();
            let path = FieldPath(segments);
            assert_eq!(path.to_string(), text);
            assert_eq!(path.of(&object).cloned().unwrap_or(Value::Null), value, "{text}");
        };
        check(
            &["f:metadata", "f:annotations", "f:example.com/a"],
            "metadata.annotations[example.com/a]",
            json!("x"),
        );
        check(
            &["f:metadata", "f:finalizers", "v:\"keep\""],
            "metadata.finalizers[=keep]",
            json!("keep"),
        );
        check(
            &[
                "f:spec",
                "f:containers",
                "k:{\"name\":\"web\"}",
                "f:ports",
                "k:{\"containerPort\":80,\"protocol\":\"TCP\"}",
                "f:containerPort",
            ],
            "spec.containers[name=web].ports[containerPort=80,protocol=TCP].containerPort",
            json!(80),
        );
        check(&["f:spec", "f:replicas"], "spec.replicas", Value::Null);
    }

    #[test]
    fn an_item_that_omits_a_defaulted_key_is_not_taken_for_another() {
        let port = |protocol: &str| {
            let key = json!({"containerPort": 53, "protocol": protocol});
            Segment::Key(key.as_object().cloned().unwrap())
        };
        let list = json!([{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]);
        assert_eq!(port("UDP").position(&list), Some(1));
        assert_eq!(port("TCP").position(&list), Some(0));
    }

    #[test]
    fn a_set_owns_what_is_above_at_and_below_its_members() {
        let set = json!({"f:spec": {"f:replicas": {}, "f:template": {"f:x": {}}}});
        let check = |path: &[&str], owned: bool| {
            let path = FieldPath(path.iter().map(|s| Segment::parse(s).unwrap()).collect());
            assert_eq!(path.within(&set), owned, "{path}");
        };
        check(&["f:spec", "f:replicas"], true);
        check(&["f:spec", "f:replicas", "f:inside-an-atomic"], true);
        check(&["f:spec", "f:template"], true);
        check(&["f:spec", "f:paused"], false);
    }

    #[test]
    fn sets_are_subtracted_by_what_is_above_at_and_below() {
        let set = json!({"f:a": {".": {}, "f:b": {}, "f:c": {"f:d": {}}}, "f:e": {}});
        let check = |other: Value, left: Value| assert_eq!(minus(&set, &other), left);
        check(json!({"f:x": {}}), set.clone());
        check(json!({"f:a": {"f:b": {}}}), json!({"f:a": {"f:c": {"f:d": {}}}, "f:e": {}}));
        check(json!({"f:a": {}}), json!({"f:e": {}}));
        check(json!({"f:e": {"f:deep": {}}, "f:a": {"f:c": {}}}), json!({"f:a": {"f:b": {}}}));
        check(json!({}), json!({}));
    }

    #[test]
    fn a_set_is_the_set_of_its_leaves() {
        let key = "k:{\"containerPort\":80,\"protocol\":\"TCP\"}";
        let set = json!({"f:a": {key: {"f:b": {}}, "v:\"x\"": {}, "i:0": {}}, "f:c": {}});
        assert_eq!(set_of(&leaves(&set)), set);
    }

    #[test]
    fn a_member_goes_with_the_maps_that_held_nothing_else() {
        let check = |set: Value, left: Value| assert_eq!(without(&set, &["f:a", "f:b"]), left);
        check(json!({"f:a": {".": {}, "f:b": {}}, "f:c": {}}), json!({"f:c": {}}));
        check(json!({"f:a": {"f:b": {}, "f:d": {}}}), json!({"f:a": {"f:d": {}}}));
        check(json!({"f:a": {}}), json!({"f:a": {}}));
        check(json!({"f:c": {}}), json!({"f:c": {}}));
    }

    #[test]
    fn the_set_hash_is_of_our_apply_entry_and_ignores_its_time() {
        let object = |manager: &str, operation: &str, time: &str| {
            json!({"metadata": {"managedFields": [{
                "manager": manager, "operation": operation, "time": time,
                "fieldsV1": {"f:spec": {"f:replicas": {}}},
            }]}})
        };
        let ours = set_hash(&object(MANAGER, "Apply", "2026-01-01T00:00:00Z"));
        assert!(ours.is_some());
        assert_eq!(ours, set_hash(&object(MANAGER, "Apply", "2027-01-01T00:00:00Z")));
        assert_eq!(set_hash(&object(MANAGER, "Update", "")), None);
        assert_eq!(set_hash(&object("kubectl", "Apply", "")), None);
    }
}
