//! What of the files for kustomize must not be said: it quotes them when it fails.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::built::resolved;
use super::super::plain::split;
use super::super::yaml;
use super::super::{Secrets, SourceFile};
use super::{Kustomization, NAMES};

/// Every text that stands in a Secret, or that one is made of.
pub fn secrets(files: &[SourceFile]) -> Secrets {
    let known = files.iter().filter_map(|file| {
        let text = std::str::from_utf8(file.content.bytes()?).ok()?;
        Some((file.path.as_str(), text))
    });
    let known: HashMap<_, _> = known.collect();
    let mut found = Vec::new();
    for (path, text) in &known {
        let (folder, name) = split(path);
        if !NAMES.contains(&name) {
            let documents = yaml::documents(text).unwrap_or_default();
            for document in documents {
                of_objects(&document.value, &mut found);
            }
        } else if let Ok(kustomization) = Kustomization::parse(text.as_bytes()) {
            kustomization.secret_literals().for_each(|literal| of_line(literal, &mut found));
            let paths = kustomization.secret_files().filter_map(|path| resolved(folder, path));
            for text in paths.filter_map(|path| known.get(path.as_str())) {
                found.push((*text).to_owned());
                text.lines().for_each(|line| of_line(line, &mut found));
            }
        }
    }
    found.into_iter().collect()
}

/// `name=value`, or what was meant to be such.
fn of_line(line: &str, found: &mut Vec<String>) {
    let value = line.split_once('=').map_or(line, |(_, value)| value);
    found.extend([line, value].map(str::to_owned));
}

/// What Secrets hold, wherever they are in a document.
fn of_objects(document: &Value, found: &mut Vec<String>) {
    match document {
        Value::Object(map) if map.get("kind").is_some_and(|kind| kind == "Secret") => {
            let held = ["data", "stringData"].iter().filter_map(|field| map.get(*field));
            held.for_each(|value| of_leaves(value, found));
        }
        Value::Object(map) => map.values().for_each(|value| of_objects(value, found)),
        Value::Array(items) => items.iter().for_each(|value| of_objects(value, found)),
        _ => {}
    }
}

fn of_leaves(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            let decoded =
                STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            found.extend(decoded);
            found.push(text.clone());
        }
        Value::Object(map) => map.values().for_each(|value| of_leaves(value, found)),
        Value::Array(items) => items.iter().for_each(|value| of_leaves(value, found)),
        other => found.push(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Content;

    #[test]
    fn what_secrets_are_made_of_is_not_said() {
        let files = [
            ("a/s.yaml", "kind: Secret\nstringData: {p: in-text}\ndata: {q: aW4tZGF0YQ==}\n"),
            (
                "a/l.yaml",
                "kind: List\nitems:\n- {kind: Secret, stringData: {p: in-list}}\n- {kind: ConfigMap, data: {p: open}}\n",
            ),
            (
                "a/kustomization.yaml",
                "secretGenerator:\n- literals: [k=in-literal, bare-literal]\n  files: [f=../key.pem]\n  envs: [b.env]\n",
            ),
            ("key.pem", "first-line\nsecond-line\n"),
            ("a/b.env", "K=in-env\n"),
            ("a/c.env", "K=elsewhere\n"),
        ];
        let files = files.map(|(path, text)| SourceFile {
            path: path.to_owned(),
            content: Content::Read(text.as_bytes().to_vec(), None),
        });
        let secrets = secrets(&files);
        for hidden in
            ["in-text", "in-data", "aW4tZGF0YQ==", "in-list", "in-literal", "bare-literal"]
        {
            assert!(!secrets.redact(hidden).contains(hidden), "{hidden}");
        }
        for hidden in ["second-line", "in-env"] {
            assert!(!secrets.redact(hidden).contains(hidden), "{hidden}");
        }
        for open in ["open", "elsewhere", "kustomization.yaml"] {
            assert_eq!(secrets.redact(open), open);
        }
    }
}
