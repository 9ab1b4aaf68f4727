//! What a program printed, to the objects it declares.

use std::collections::HashSet;

use serde_json::Value;

use super::manifest::{self, Origin};
use super::plain::duplicate;
use super::text::is_plain;
use super::{Diagnostic, Edits, Problem, Rendered, yaml};

/// Where kustomize says which file an object is from.
const ORIGIN: &str = "config.kubernetes.io/origin";
/// Longest complaint that is passed on.
const COMPLAINT: usize = 400;
/// How a program of Go says what ends it,
const FATAL: &str = "fatal error: ";
/// and which words are in that where it gets no more memory.
const MEMORY: &[&str] = &["memory", "stack overflow", "thread"];

/// The objects that kustomize printed for the kustomization in the folder `top`. If it `says_origins`, each tells
/// which file it is from, and that is taken out.
pub fn kustomize(output: &[u8], top: &str, says_origins: bool, edits: &Edits) -> Rendered {
    objects(output, top, edits, |document| {
        if !says_origins {
            return None;
        }
        let annotations = document["metadata"]["annotations"].as_object_mut()?;
        let origin = annotations.remove(ORIGIN)?;
        if annotations.is_empty() {
            document["metadata"].as_object_mut()?.remove("annotations");
        }
        let origin = yaml::documents(origin.as_str()?).ok()?;
        let origin = &origin.first()?.value;
        let path = ["path", "configuredIn"].iter().find_map(|field| origin[field].as_str())?;
        resolved(top, path)
    })
}

/// The objects of a stream of documents. `place` takes out of one what says where it is from.
fn objects(
    output: &[u8],
    top: &str,
    edits: &Edits,
    place: impl Fn(&mut Value) -> Option<String>,
) -> Rendered {
    let whole = Origin::file(top);
    let text = String::from_utf8_lossy(output);
    let documents = match yaml::documents(&text) {
        Ok(documents) => documents,
        Err(bad) => {
            let problem = Problem::Malformed(bad.to_string());
            return Rendered::nothing(vec![Diagnostic::at(whole, problem)]);
        }
    };
    let mut rendered = Rendered::default();
    let mut seen = HashSet::new();
    for mut document in documents {
        let origin = place(&mut document.value).map_or_else(|| whole.clone(), Origin::file);
        let read = manifest::read(document.value, &origin, edits);
        rendered.skipped += read.skipped;
        rendered.diagnostics.extend(read.diagnostics);
        for manifest in read.manifests {
            if seen.insert(manifest.id.clone()) {
                rendered.manifests.push(manifest);
            } else {
                rendered.diagnostics.push(duplicate(&manifest, &manifest.id, &whole));
            }
        }
    }
    rendered
}

/// A path as seen from a folder, as seen from the root.
pub(super) fn resolved(folder: &str, path: &str) -> Option<String> {
    let mut names: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop()?;
            }
            name => names.push(name),
        }
    }
    Some(names.join("/"))
}

/// What a program complained about, in one line. What it quotes of files, in brackets, braces and between backquotes,
/// is left out: that may be anything.
pub fn complaint(text: &str) -> String {
    let text = text.trim().trim_start_matches("Error: ");
    let (mut said, mut depth, mut is_quoted) = (String::new(), 0_usize, false);
    for c in text.chars() {
        match c {
            '`' if depth == 0 => {
                is_quoted = !is_quoted;
                said.extend(is_quoted.then_some('\u{2026}'));
            }
            _ if is_quoted => {}
            '[' | '{' => {
                said.extend((depth == 0).then_some('\u{2026}'));
                depth += 1;
            }
            ']' | '}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            c if c.is_whitespace() => said.extend((!said.ends_with(' ')).then_some(' ')),
            c => said.extend(is_plain(c).then_some(c)),
        }
    }
    if said.is_empty() { "it failed".to_owned() } else { said.chars().take(COMPLAINT).collect() }
}

/// Why a program failed, by all that it said.
pub fn failure(text: &str) -> String {
    if is_out_of_memory(text) {
        "it takes more memory than it may (--build-memory-mib)".to_owned()
    } else {
        complaint(text)
    }
}

/// Whether a program got no more memory. (All are written in Go.)
pub fn is_out_of_memory(complaints: &str) -> bool {
    let fatal = complaints.lines().find_map(|line| line.strip_prefix(FATAL)).unwrap_or_default();
    MEMORY.iter().any(|words| fatal.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_one_line_without_what_it_quotes() {
        let check = |text: &str, expect: &str| assert_eq!(complaint(text), expect);
        check("Error: no such file\n", "no such file");
        check(
            "bad config: `\npassword: x\n`: cannot parse [a: x]",
            "bad config: \u{2026}: cannot parse \u{2026}",
        );
        check("a: [never closed", "a: \u{2026}");
        check(
            "map[string]interface {}{\"a\": {\"b\": \"c\"}}: bad",
            "map\u{2026}interface \u{2026}\u{2026}: bad",
        );
        check("", "it failed");
        let fatal = "fatal error: runtime: out of memory\n\nruntime stack:\nruntime.throw({0x1})\n";
        assert_eq!(failure(fatal), "it takes more memory than it may (--build-memory-mib)");
    }

    #[test]
    fn each_object_has_the_file_that_it_is_from() {
        let output = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n    config.kubernetes.io/origin: |\n      path: ../../base/a.yaml\n";
        let check = |says: bool, origin: &str, has: bool| {
            let built = kustomize(output.as_bytes(), "apps/web", says, &Edits::default());
            let manifest = &built.manifests[0];
            assert_eq!(manifest.origin.to_string(), origin);
            assert_eq!(manifest.body()["metadata"].get("annotations").is_some(), has);
        };
        check(true, "base/a.yaml", false);
        check(false, "apps/web", true);
    }
}
