//! What helm printed, to the objects it declares.

use std::collections::HashMap;

use serde_json::Value;

use super::super::manifest::{self, Origin};
use super::super::plain::duplicate;
use super::super::{Diagnostic, Edits, Problem, Rendered, yaml};
use crate::object::ObjectId;

/// How helm says which template what follows is from.
const SOURCE: &str = "# Source: ";
/// What separates documents.
const SEPARATOR: &str = "---";
/// What says that an object is one that helm runs at some moment.
const HOOK: &str = "helm.sh/hook";
/// Moments that come only when a person asks for them.
const TESTS: [&str; 3] = ["test", "test-success", "test-failure"];

/// The objects that helm printed of a chart, in its folder if that is in the repository. One template that makes no
/// sense keeps no other from counting.
pub fn objects(output: &[u8], chart: Option<&str>, edits: &Edits) -> Rendered {
    let text = String::from_utf8_lossy(output);
    let mut printed = Printed::default();
    for (source, text) in sections(&text) {
        let origin = Origin::file(place(source, chart));
        match yaml::documents(text) {
            Ok(documents) => {
                for document in documents {
                    printed.take(document.value, &origin, edits);
                }
            }
            // It is printed as it is in its file.
            Err(bad) if is_crd(source) => {
                let problem = Problem::Malformed(bad.to_string());
                printed.rendered.diagnostics.push(Diagnostic::at(origin, problem));
            }
            // Lines are those of what was rendered, which nobody sees.
            Err(bad) => {
                let problem = Problem::Malformed(format!("once it is rendered, {}", bad.why));
                printed.rendered.diagnostics.push(Diagnostic::at(origin, problem));
            }
        }
    }
    printed.rendered
}

#[derive(Default)]
struct Printed {
    rendered: Rendered,
    seen: HashMap<ObjectId, Origin>,
}

impl Printed {
    fn take(&mut self, document: Value, origin: &Origin, edits: &Edits) {
        let hook = Hook::of(&document);
        if hook == Some(Hook::Test) {
            return;
        }
        let read = manifest::read(document, origin, edits);
        self.rendered.skipped += read.skipped;
        self.rendered.diagnostics.extend(read.diagnostics);
        for manifest in read.manifests {
            if hook.is_some() {
                self.rendered.hooks.push(manifest.id.clone());
            } else if let Some(first) = self.seen.get(&manifest.id) {
                let diagnostic = duplicate(&manifest, &manifest.id, first);
                self.rendered.diagnostics.push(diagnostic);
            } else {
                self.seen.insert(manifest.id.clone(), origin.clone());
                self.rendered.manifests.push(manifest);
            }
        }
    }
}

/// What helm does with an object beside installing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hook {
    /// It applies it only for a test.
    Test,
    /// It applies it before or after something, and waits for its end.
    Run,
}

impl Hook {
    fn of(document: &Value) -> Option<Self> {
        let moments = document["metadata"]["annotations"][HOOK].as_str()?;
        let is_test = moments.split(',').all(|moment| TESTS.contains(&moment.trim()));
        Some(if is_test { Self::Test } else { Self::Run })
    }
}

/// The parts of what was printed, each with the template that it is from.
fn sections(text: &str) -> Vec<(&str, &str)> {
    let mut starts = vec![(0, "")];
    let (mut at, mut is_after_separator) = (0, false);
    for line in text.split_inclusive('\n') {
        if let Some(source) = line.strip_prefix(SOURCE).filter(|_| is_after_separator) {
            starts.push((at, source.trim()));
        }
        is_after_separator = line.trim_end() == SEPARATOR;
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let parts = starts.iter().zip(ends).map(|((start, source), end)| (*source, &text[*start..end]));
    parts.collect()
}

/// Whether this is no template, but passed on as it is.
fn is_crd(source: &str) -> bool {
    source.contains("/crds/") && !source.contains("/templates/")
}

/// Where a template is: helm says the name of its chart in place of its folder.
pub(super) fn place(source: &str, chart: Option<&str>) -> String {
    match (chart, source.split_once('/')) {
        (Some(""), Some((_, file))) => file.to_owned(),
        (Some(folder), Some((_, file))) => format!("{folder}/{file}"),
        (Some(folder), None) => folder.to_owned(),
        (None, _) => source.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(name: &str, hook: &str) -> String {
        let annotations =
            if hook.is_empty() { String::new() } else { format!("  annotations: {{{hook}}}\n") };
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n{annotations}")
    }

    #[test]
    fn each_object_has_the_template_that_it_is_from() {
        let check = |chart: Option<&str>, expect: &[&str]| {
            let text = format!(
                "---\n# Source: web/crds/a.yaml\n{}---\n{}\n---\n# Source: web/charts/db/templates/b.yaml\n{}",
                map("a", ""),
                map("b", ""),
                map("c", "")
            );
            let rendered = objects(text.as_bytes(), chart, &Edits::default());
            let found: Vec<_> = rendered.manifests.iter().map(|m| m.origin.to_string()).collect();
            assert_eq!(found, expect);
        };
        let (crds, templates) = ("apps/web/crds/a.yaml", "apps/web/charts/db/templates/b.yaml");
        check(Some("apps/web"), &[crds, crds, templates]);
        check(Some(""), &["crds/a.yaml", "crds/a.yaml", "charts/db/templates/b.yaml"]);
        check(None, &["web/crds/a.yaml", "web/crds/a.yaml", "web/charts/db/templates/b.yaml"]);
    }

    #[test]
    fn hooks_are_no_ordinary_objects() {
        let check = |hook: &str, expect: (usize, usize)| {
            let text = format!("---\n# Source: web/templates/a.yaml\n{}", map("a", hook));
            let rendered = objects(text.as_bytes(), None, &Edits::default());
            assert_eq!((rendered.manifests.len(), rendered.hooks.len()), expect, "{hook}");
        };
        check("", (1, 0));
        check("helm.sh/hook-weight: '1'", (1, 0));
        check("helm.sh/hook: pre-install", (0, 1));
        check("helm.sh/hook: 'pre-install,post-upgrade'", (0, 1));
        check("helm.sh/hook: test", (0, 0));
        check("helm.sh/hook: 'test, post-install'", (0, 1));
    }

    #[test]
    fn what_makes_no_sense_keeps_nothing_else_from_counting() {
        let text = format!(
            "---\n# Source: w/templates/a.yaml\na: b: c\n---\n# Source: w/templates/b.yaml\n{0}---\n# Source: w/templates/c.yaml\n{0}",
            map("b", "")
        );
        let rendered = objects(text.as_bytes(), Some("x"), &Edits::default());
        assert_eq!(rendered.manifests.len(), 1);
        let said: Vec<_> = rendered.diagnostics.iter().map(ToString::to_string).collect();
        assert!(said[0].starts_with("x/templates/a.yaml: once it is rendered"), "{said:?}");
        assert!(said[1].starts_with("x/templates/c.yaml: configmap/b is declared"), "{said:?}");
        let crd = objects(b"---\n# Source: w/crds/a.yaml\na: b: c\n", Some("x"), &Edits::default());
        assert!(crd.diagnostics[0].to_string().starts_with("x/crds/a.yaml: this is not YAML"));
    }
}
