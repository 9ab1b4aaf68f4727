//! Patterns of fields, as annotations write them: `/spec/replicas`, `/webhooks/*/clientConfig/caBundle`,
//! `/spec/template/spec/containers/[name=web]/image`.

use serde_json::Value;

use super::fields::{self, FieldPath, Segment};

/// Where fields are: a JSON pointer (RFC 6901) whose items may also be `*`, for any, or `[key=value]`.
/// It stands for the field and all that is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPattern(Vec<Token>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Any,
    /// A field, a key of a map, or a position in a list.
    Name(String),
    /// The item of a list with these key fields, as text.
    Key(Vec<(String, String)>),
}

impl FieldPattern {
    /// The replicas of a workload.
    pub fn replicas() -> Self {
        Self(["spec", "replicas"].map(|name| Token::Name(name.to_owned())).into())
    }

    /// Reads patterns separated by commas. `None` if one is not a pointer.
    pub fn parse_all(text: &str) -> Option<Vec<Self>> {
        let patterns = split(text, ',').map(str::trim).filter(|pattern| !pattern.is_empty());
        patterns.map(Self::parse).collect()
    }

    fn parse(text: &str) -> Option<Self> {
        split(text.strip_prefix('/')?, '/').map(Token::parse).collect::<Option<_>>().map(Self)
    }

    /// The members of a field set that this pattern stands for, down to single fields. Positions are
    /// those of `object`.
    pub fn select(&self, set: &Value, object: &Value) -> Vec<FieldPath> {
        let mut paths = Vec::new();
        select(&self.0, set, Some(object), &FieldPath::default(), &mut paths);
        paths
    }
}

/// Splits a text, but not within brackets: `[name=a/b,c=d]` is one item.
fn split(text: &str, at: char) -> impl Iterator<Item = &str> {
    let mut is_inside = false;
    text.split(move |c| {
        is_inside = c == '[' || (is_inside && c != ']');
        c == at && !is_inside
    })
}

impl Token {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        let Some(inside) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) else {
            let is_plain = !text.is_empty() && !text.contains(['[', ']']);
            return is_plain.then(|| Self::Name(text.replace("~1", "/").replace("~0", "~")));
        };
        let pair = |pair: &str| {
            let (key, value) = pair.split_once('=')?;
            Some((key.trim().to_owned(), value.trim().to_owned()))
        };
        inside.split(',').map(pair).collect::<Option<_>>().map(Self::Key)
    }

    /// Whether a step from this value is meant.
    fn matches(&self, segment: &Segment, value: Option<&Value>) -> bool {
        match (self, segment) {
            (Self::Any, _) => true,
            (Self::Name(name), Segment::Field(field)) => name == field,
            (Self::Name(at), Segment::Key(_) | Segment::Index(_)) => {
                let item = at.parse::<usize>().ok().and_then(|at| value?.get(at));
                item.is_some() && item == value.and_then(|list| segment.of(list))
            }
            (Self::Key(wanted), Segment::Key(key)) => wanted.iter().all(|(name, value)| {
                key.get(name).is_some_and(|found| fields::bare(found) == *value)
            }),
            _ => false,
        }
    }
}

fn select(
    tokens: &[Token],
    set: &Value,
    value: Option<&Value>,
    path: &FieldPath,
    found: &mut Vec<FieldPath>,
) {
    if fields::is_empty(set) {
        if tokens.is_empty() {
            found.push(path.clone());
        }
        return;
    }
    for (segment, below) in fields::children(set) {
        let rest = match tokens.split_first() {
            None => tokens,
            Some((first, rest)) if first.matches(&segment, value) => rest,
            Some(_) => continue,
        };
        let value = value.and_then(|value| segment.of(value));
        select(rest, below, value, &path.then(segment), found);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn patterns_select_members_of_a_set() {
        let object = json!({"spec": {
            "replicas": 2,
            "list": [{"name": "b", "x": 1}, {"name": "a/b", "x": 2}],
            "map": {"k.l/m": 1},
        }});
        let set = json!({"f:spec": {
            "f:replicas": {},
            "f:list": {
                "k:{\"name\":\"b\"}": {".": {}, "f:name": {}, "f:x": {}},
                "k:{\"name\":\"a/b\"}": {".": {}, "f:name": {}, "f:x": {}},
            },
            "f:map": {"f:k.l/m": {}},
        }});
        let check = |text: &str, expect: &[&str]| {
            let patterns = FieldPattern::parse_all(text).unwrap();
            let found = patterns.iter().flat_map(|pattern| pattern.select(&set, &object));
            let found: Vec<_> = found.map(|path| path.to_string()).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("/spec/replicas", &["spec.replicas"]);
        check("/spec/replicas, /spec/map", &["spec.replicas", "spec.map[k.l/m]"]);
        check("/spec/map/k.l~1m", &["spec.map[k.l/m]"]);
        check("/spec/list/*/x", &["spec.list[name=a/b].x", "spec.list[name=b].x"]);
        check("/spec/list/[name=a/b]/x", &["spec.list[name=a/b].x"]);
        check("/spec/list/1/x", &["spec.list[name=a/b].x"]);
        check("/spec/list/0", &["spec.list[name=b].name", "spec.list[name=b].x"]);
        check("/spec/list/7/x", &[]);
        check("/spec/replicas/deeper", &[]);
        check("/nothing,", &[]);
        assert_eq!(FieldPattern::replicas(), FieldPattern::parse_all("/spec/replicas").unwrap()[0]);
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for text in ["spec.replicas", "/", "/a,b", "/a/[name]", "/a/b[name=x]", "//"] {
            assert_eq!(FieldPattern::parse_all(text), None, "{text}");
        }
        let two = FieldPattern::parse_all("/a/[k=1,l=2]/b,/c").unwrap();
        assert_eq!(two.len(), 2);
    }
}
