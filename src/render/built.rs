//! What a program printed, to the objects it declares.

use std::collections::HashSet;

use serde_json::Value;

use super::manifest::{self, Origin};
use super::plain::duplicate;
use super::text::is_plain;
use super::{Diagnostic, Problem, Rendered, yaml};

/// Where kustomize says which file an object is from.
const ORIGIN: &str = "config.kubernetes.io/origin";
/// Longest complaint that is passed on.
const COMPLAINT: usize = 400;

/// The objects that kustomize printed for the kustomization in the folder `top`. If it `says_origins`, each tells
/// which file it is from, and that is taken out.
pub fn kustomize(output: &[u8], top: &str, says_origins: bool) -> Rendered {
    objects(output, top, |document| {
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
fn objects(output: &[u8], top: &str, place: impl Fn(&mut Value) -> Option<String>) -> Rendered {
    let whole = Origin::file(top);
    let text = String::from_utf8_lossy(output);
    let documents = match yaml::documents(&text) {
        Ok(documents) => documents,
        Err(bad) => {
            let problem = Problem::Malformed(bad.why);
            return Rendered::nothing(vec![Diagnostic::at(whole, problem)]);
        }
    };
    let (mut rendered, mut seen) = (Rendered::default(), HashSet::new());
    for mut document in documents {
        let origin = place(&mut document.value).map_or_else(|| whole.clone(), Origin::file);
        let read = manifest::read(document.value, &origin);
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
fn resolved(folder: &str, path: &str) -> Option<String> {
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

/// What a program complained about, in one line. Whatever it quotes of files is left out: that may be anything.
pub fn complaint(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it failed");
    let line = line.trim_start_matches("Error: ");
    line.chars().filter(|c| is_plain(*c)).take(COMPLAINT).collect()
}
