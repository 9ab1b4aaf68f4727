//! Fields of kustomizations by their names, which kustomize reads as Go does: whatever their case.

use serde_json::{Map, Value};

/// Whether Go's `encoding/json` takes this key for the field of that name: it folds case by Unicode, where two
/// letters beside ASCII's fold to such.
pub(super) fn is(key: &str, name: &str) -> bool {
    let folded = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        c => c.to_ascii_lowercase(),
    };
    key.chars().map(folded).eq(name.chars().map(folded))
}

/// All that a map has under a name.
pub(super) fn all<'a>(
    map: &'a Map<String, Value>,
    name: &'a str,
) -> impl Iterator<Item = &'a Value> {
    map.iter().filter(move |(key, _)| is(key, name)).map(|(_, value)| value)
}

/// What a map has under a name, each of its items if it is a list.
pub(super) fn items<'a>(
    map: &'a Map<String, Value>,
    name: &'a str,
) -> impl Iterator<Item = &'a Value> {
    all(map, name).flat_map(|value| match value {
        Value::Array(items) => items.as_slice(),
        other => std::slice::from_ref(other),
    })
}

/// The texts that a map has under a name.
pub(super) fn texts<'a>(
    map: &'a Map<String, Value>,
    name: &'a str,
) -> impl Iterator<Item = &'a str> {
    items(map, name).filter_map(Value::as_str)
}

/// The maps that a map has under a name.
pub(super) fn maps<'a>(
    map: &'a Map<String, Value>,
    name: &'a str,
) -> impl Iterator<Item = &'a Map<String, Value>> {
    items(map, name).filter_map(Value::as_object)
}

/// Sets a field, and takes out what would be read as the same one.
pub(super) fn set(map: &mut Map<String, Value>, name: &str, value: Value) {
    map.retain(|key, _| !is(key, name));
    map.insert(name.to_owned(), value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_as_go_does() {
        let check =
            |key: &str, name: &str, expect: bool| assert_eq!(is(key, name), expect, "{key}");
        check("resources", "resources", true);
        check("Resources", "resources", true);
        check("configmapgenerator", "configMapGenerator", true);
        check("re\u{17f}ources", "resources", true);
        check("\u{212a}ind", "kind", true);
        check("resource", "resources", false);
        check("r\u{e9}sources", "resources", false);
    }
}
