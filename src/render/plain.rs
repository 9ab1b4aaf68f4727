//! Plain YAML and JSON files to the objects they declare.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::diagnostic::{Diagnostic, Problem};
use super::manifest::{self, Manifest, Origin};
use super::yaml;
use crate::object::ObjectId;

/// How a git LFS pointer begins (git-lfs specification).
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// A file of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Path within the source, with `/`.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// What a source declares, and what is wrong with it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// The objects, each once, in the order of their files.
    pub manifests: Vec<Arc<Manifest>>,
    /// All diagnostics. Any of them forbids pruning.
    pub diagnostics: Vec<Diagnostic>,
    /// Documents that are no Kubernetes objects.
    pub skipped: usize,
    /// Hash of the files' content, whatever their names and order.
    pub hash: String,
}

/// Renders files as they are.
pub fn plain(files: &[SourceFile]) -> Rendered {
    let mut rendered = Rendered { hash: content_hash(files), ..Rendered::default() };
    let mut first: BTreeMap<ObjectId, Origin> = BTreeMap::new();
    for file in files {
        let read = file_manifests(file);
        rendered.skipped += read.skipped;
        rendered.diagnostics.extend(read.diagnostics);
        for manifest in read.manifests {
            // Until the namespace is known, only what is written alike is surely the same object.
            let key = manifest.id.clone();
            if let Some(at) = first.get(&key) {
                rendered.diagnostics.push(duplicate(&manifest, &key, at));
            } else {
                first.insert(key, manifest.origin.clone());
                rendered.manifests.push(manifest);
            }
        }
    }
    rendered
}

/// The diagnostic for an object that was declared before.
pub fn duplicate(manifest: &Manifest, id: &ObjectId, first: &Origin) -> Diagnostic {
    Diagnostic {
        origin: manifest.origin.clone(),
        object: Some(id.clone()),
        problem: Problem::Duplicate(first.clone()),
    }
}

fn file_manifests(file: &SourceFile) -> manifest::Read {
    let origin = Origin::file(&file.path);
    if file.content.starts_with(LFS_POINTER) {
        let diagnostics = vec![Diagnostic::at(origin, Problem::LfsPointer)];
        return manifest::Read { diagnostics, ..manifest::Read::default() };
    }
    let documents = match documents(file) {
        Ok(documents) => documents,
        Err(bad) => {
            let at = Origin { line: bad.line, column: bad.column, ..origin };
            let diagnostics = vec![Diagnostic::at(at, Problem::Malformed(bad.why))];
            return manifest::Read { diagnostics, ..manifest::Read::default() };
        }
    };
    let mut all = manifest::Read::default();
    for document in documents {
        let read = manifest::read(document.value, &origin.line(document.line));
        all.manifests.extend(read.manifests);
        all.diagnostics.extend(read.diagnostics);
        all.skipped += read.skipped;
    }
    all
}

fn documents(file: &SourceFile) -> Result<Vec<yaml::Document>, yaml::Malformed> {
    let text = std::str::from_utf8(&file.content).map_err(|error| {
        let line = file.content[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
        let line = u32::try_from(line).unwrap_or_default();
        yaml::Malformed { line, column: 0, why: "the text is not UTF-8".to_owned() }
    })?;
    let is_json = Path::new(&file.path).extension().is_some_and(|end| end == "json");
    if is_json { yaml::json(text) } else { yaml::documents(text) }
}

/// Sha256 over the sorted hashes of the files.
fn content_hash(files: &[SourceFile]) -> String {
    let mut hashes: Vec<_> = files.iter().map(|file| Sha256::digest(&file.content)).collect();
    hashes.sort_unstable();
    let mut whole = Sha256::new();
    for hash in hashes {
        whole.update(hash);
    }
    hex::encode(whole.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), content: content.as_bytes().to_vec() }
    }

    const A: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    #[test]
    fn the_hash_is_of_content_alone() {
        let hash = |files: &[SourceFile]| plain(files).hash;
        let one = hash(&[file("a.yaml", "x: 1"), file("b.yaml", "y: 2")]);
        assert_eq!(one, hash(&[file("c.yaml", "y: 2"), file("d.yaml", "x: 1")]));
        assert_ne!(one, hash(&[file("a.yaml", "x: 1"), file("b.yaml", "y: 3")]));
        assert_ne!(
            hash(&[file("a.yaml", "x"), file("b.yaml", "y")]),
            hash(&[file("a.yaml", "xy")])
        );
    }

    #[test]
    fn an_lfs_pointer_is_no_empty_file() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
        let rendered = plain(&[file("a.yaml", pointer)]);
        assert_eq!(rendered.diagnostics[0].problem, Problem::LfsPointer);
    }

    #[test]
    fn a_bad_file_costs_only_itself_and_duplicates_name_both_places() {
        let rendered = plain(&[
            file("a.yaml", A),
            file("bad.yaml", "a: [\n"),
            file("c.yaml", &format!("x: 1\n---\n{A}")),
            file("d.json", "{\"apiVersion\": \"v1\", \"kind\":"),
        ]);
        assert_eq!(rendered.manifests.len(), 1);
        assert_eq!(rendered.skipped, 1);
        let said: Vec<_> = rendered.diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(said.len(), 3, "{said:?}");
        assert!(said[0].starts_with("bad.yaml:1:4: this is not YAML"), "{said:?}");
        assert_eq!(
            said[1],
            "c.yaml:3: configmap/a is declared a second time, first at a.yaml:1: remove one of the two"
        );
        assert!(said[2].starts_with("d.json:1:"), "{said:?}");
    }
}
