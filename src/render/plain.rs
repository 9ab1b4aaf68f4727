//! Plain YAML and JSON files to the objects they declare.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::diagnostic::{Diagnostic, Problem};
use super::encrypted::{Decrypted, Opened};
use super::manifest::{self, Manifest, Origin};
use super::{Edits, Substitution, helm, yaml};
use crate::object::ObjectId;

/// How a git LFS pointer begins (git-lfs specification).
const LFS_POINTER: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The comment of a file that is no manifest. As to Argo CD, it may stand anywhere in the file.
const SKIP: &str = "+argocd:skip-file-rendering";

/// What tells a content from any other without reading it: the id of its git blob.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContentId(pub [u8; 20]);

/// A file of a source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceFile {
    /// Path within the source, with `/`.
    pub path: String,
    /// What is in it.
    pub content: Content,
}

/// The folder that a path leads to, and the name in it.
pub fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Bytes that were just read, and by what they are known again, if by anything.
    Read(Vec<u8>, Option<ContentId>),
    /// What it was rendered to before: the same bytes under the same path.
    Known(Arc<Part>),
    /// What was encrypted.
    Decrypted(Arc<Decrypted>),
}

impl Content {
    /// What was encrypted, if it was.
    pub fn decrypted(&self) -> Option<&Decrypted> {
        match self {
            Self::Decrypted(decrypted) => Some(decrypted),
            Self::Read(..) | Self::Known(_) => None,
        }
    }

    /// The bytes, unless they were not read.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Read(bytes, _) => Some(bytes),
            Self::Decrypted(decrypted) => Some(&decrypted.bytes),
            Self::Known(_) => None,
        }
    }
}

/// What one file declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    path: Arc<str>,
    id: Option<ContentId>,
    /// Bytes of the file.
    pub size: u64,
    digest: [u8; 32],
    /// Whether other values of variables may make something else of it.
    varies: bool,
    read: manifest::Read,
}

impl Part {
    /// Sha256 of the file.
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }
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
    /// Objects that helm would run at some moment, and that are not applied.
    pub hooks: Vec<ObjectId>,
    /// Hash of what it was made of; of manifests, of the files' content, whatever their names and order.
    pub hash: String,
    /// What was substituted in its objects.
    pub substitution: Option<Arc<Substitution>>,
    /// What its chart was given of ConfigMaps and Secrets.
    pub values: Arc<[helm::Given]>,
    /// What was decrypted for a program to read.
    pub opened: Opened,
    /// The files, in the order of their paths.
    parts: Vec<Arc<Part>>,
}

impl Rendered {
    /// Nothing, for these reasons.
    pub fn nothing(diagnostics: Vec<Diagnostic>) -> Self {
        Self { diagnostics, ..Self::default() }
    }

    /// What of it is the same whatever is substituted.
    #[must_use]
    pub fn unsubstituted(&self) -> Self {
        let parts = self.parts.iter().filter(|part| !part.varies).cloned().collect();
        Self { parts, ..Self::default() }
    }

    /// The manifests of a file, as they were before, for those that are the same.
    fn same(&self, path: &str, manifests: &mut [Arc<Manifest>]) {
        let at = self.parts.binary_search_by(|part| (*part.path).cmp(path));
        let before = at.map(|at| self.parts[at].read.manifests.as_slice()).unwrap_or_default();
        for (manifest, before) in manifests.iter_mut().zip(before) {
            if manifest == before {
                manifest.clone_from(before);
            }
        }
    }

    /// What the file under this path was rendered to, if it had this content: then it need not be
    /// read again.
    /// `next` is where it probably is: behind the one that was found last.
    pub fn known(&self, next: &mut usize, path: &str, id: ContentId) -> Option<&Arc<Part>> {
        let is_next = self.parts.get(*next).is_some_and(|part| *part.path == *path);
        let search = || self.parts.binary_search_by(|part| (*part.path).cmp(path)).ok();
        let at = if is_next { *next } else { search()? };
        *next = at + 1;
        Some(&self.parts[at]).filter(|part| part.id == Some(id))
    }
}

/// Renders files as they are, given in the order of their paths.
pub fn plain(files: Vec<SourceFile>) -> Rendered {
    edited(files, &Edits::default(), None)
}

/// Renders files with changes to each object. Those that are as before stay the very same.
pub fn edited(files: Vec<SourceFile>, edits: &Edits, before: Option<&Rendered>) -> Rendered {
    let parts: Vec<_> = files.into_iter().map(|file| part(file, edits, before)).collect();
    let (hash, substitution) = (content_hash(&parts), edits.substitution.clone());
    let mut rendered = Rendered { hash, substitution, ..Rendered::default() };
    let mut first: HashSet<Declared<'_>> = HashSet::new();
    for read in parts.iter().map(|part| &part.read) {
        rendered.skipped += read.skipped;
        for diagnostic in &read.diagnostics {
            diagnostic.clone().add_to(&mut rendered.diagnostics);
        }
        for manifest in &read.manifests {
            // Until the namespace is known, only what is written alike is surely the same object.
            if let Some(Declared(at)) = first.get(&Declared(manifest)) {
                duplicate(manifest, &manifest.id, &at.origin).add_to(&mut rendered.diagnostics);
            } else {
                first.insert(Declared(manifest));
                rendered.manifests.push(manifest.clone());
            }
        }
    }
    rendered.parts = parts;
    rendered
}

/// A manifest as the declaration of its object. Its hash is taken once: reading thousands of identities
/// for each commit takes long.
struct Declared<'a>(&'a Manifest);

impl Hash for Declared<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.fingerprint);
    }
}

impl PartialEq for Declared<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Declared<'_> {}

fn part(file: SourceFile, edits: &Edits, before: Option<&Rendered>) -> Arc<Part> {
    let mut edits = Cow::Borrowed(edits);
    let (bytes, id, digest) = match file.content {
        Content::Read(bytes, id) => {
            let digest = Sha256::digest(&bytes).into();
            (bytes, id, digest)
        }
        Content::Decrypted(decrypted) => {
            edits = Cow::Owned(edits.hiding(&decrypted.secrets));
            (decrypted.bytes.clone(), decrypted.id, decrypted.digest)
        }
        Content::Known(part) => return part,
    };
    let path: Arc<str> = file.path.into();
    let size = bytes.len() as u64;
    let varies = edits.vary(&bytes);
    let mut read = file_manifests(&path, &bytes, &edits);
    if let Some(before) = before {
        before.same(&path, &mut read.manifests);
    }
    // Parts are kept for long.
    read.manifests.shrink_to_fit();
    Arc::new(Part { path, id, size, digest, varies, read })
}

/// The diagnostic for an object that was declared before.
pub fn duplicate(manifest: &Manifest, id: &ObjectId, first: &Origin) -> Diagnostic {
    Diagnostic {
        origin: manifest.origin.clone(),
        object: Some(id.clone()),
        problem: Problem::Duplicate(first.clone()),
    }
}

/// What is wrong with a file by itself.
pub(super) fn file_diagnostics(path: &str, content: &[u8]) -> Vec<Diagnostic> {
    file_manifests(&path.into(), content, &Edits::default()).diagnostics
}

fn file_manifests(path: &Arc<str>, content: &[u8], edits: &Edits) -> manifest::Read {
    let origin = Origin::file(path.clone());
    if content.starts_with(LFS_POINTER) {
        return wrong(Diagnostic::at(origin, Problem::LfsPointer));
    }
    read(&origin, content, edits).unwrap_or_else(|bad| {
        let at = Origin { line: bad.line, column: bad.column, ..origin };
        wrong(Diagnostic::at(at, Problem::Malformed(bad.to_string())))
    })
}

fn wrong(diagnostic: Diagnostic) -> manifest::Read {
    manifest::Read { diagnostics: vec![diagnostic], ..manifest::Read::default() }
}

fn read(origin: &Origin, content: &[u8], edits: &Edits) -> Result<manifest::Read, yaml::Malformed> {
    let text = yaml::text(content)?;
    let mut all = manifest::Read::default();
    if text.contains(SKIP) {
        all.skipped = 1;
        return Ok(all);
    }
    let is_json = Path::new(&*origin.path).extension().is_some_and(|end| end == "json");
    let documents = if is_json { yaml::json(&text)? } else { yaml::documents(&text)? };
    for document in documents {
        let read = manifest::document(document, origin, edits);
        all.manifests.extend(read.manifests);
        all.diagnostics.extend(read.diagnostics.into_iter().map(|found| located(found, &text)));
        all.skipped += read.skipped;
    }
    Ok(all)
}

/// A diagnostic at the line and column of the field that it is about.
fn located(mut diagnostic: Diagnostic, text: &str) -> Diagnostic {
    let line = diagnostic.origin.line;
    let place = match &diagnostic.problem {
        Problem::Unsubstituted(fault) => fault.place(text, line),
        problem => problem.field().and_then(|field| yaml::locate(text, line, &field)),
    };
    if let Some((line, column)) = place {
        diagnostic.origin = Origin { line, column, ..diagnostic.origin };
    }
    diagnostic
}

/// Sha256 over the sorted hashes of the files.
fn content_hash(parts: &[Arc<Part>]) -> String {
    let mut hashes: Vec<_> = parts.iter().map(|part| part.digest).collect();
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
    use crate::render::Variable;
    use std::collections::BTreeMap;

    fn file(path: &str, content: &str) -> SourceFile {
        let content = Content::Read(content.as_bytes().to_vec(), None);
        SourceFile { path: path.to_owned(), content }
    }

    const A: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

    #[test]
    fn a_variable_without_a_value_is_found_where_it_stands() {
        let substitution = Some(Arc::new(Substitution::new(BTreeMap::new(), true)));
        let edits = Edits { substitution, ..Edits::default() };
        let check = |text: &str, expect: (u32, u32)| {
            let rendered = edited(vec![file("a.yaml", text)], &edits, None);
            let places: Vec<_> = rendered.diagnostics.iter().map(|found| &found.origin).collect();
            assert_eq!(places.iter().map(|at| (at.line, at.column)).collect::<Vec<_>>(), [expect]);
        };
        check(&format!("{A}data: {{a: \"ü ${{x}}\"}}\n"), (4, 14));
        check(
            &format!("---\n{A}# ${{x}}\ndata:\n  a: $${{x}} ${{x:=1}}\n  b: ${{xy}}${{x}}\n"),
            (8, 6),
        );
        check(&format!("{A}data: {{a: \"${{#x}}\"}}\n"), (1, 0));
    }

    #[test]
    fn of_very_much_that_is_wrong_the_first_is_told() {
        let file = |n: usize| SourceFile {
            path: format!("{n:04}.yaml"),
            content: Content::Read(b"a: [".to_vec(), None),
        };
        let told = |files: usize| plain((0..files).map(file).collect()).diagnostics;
        assert_eq!(told(1000).len(), 1000);
        let most = told(3000);
        assert_eq!(most.len(), 1001);
        let said = most[1000].to_string();
        assert!(said.starts_with("1000.yaml:") && said.contains("1000 places"), "{said}");
    }

    #[test]
    fn the_hash_is_of_content_alone() {
        let hash = |files: &[SourceFile]| plain(files.to_vec()).hash;
        let one = hash(&[file("a.yaml", "x: 1"), file("b.yaml", "y: 2")]);
        assert_eq!(one, hash(&[file("c.yaml", "y: 2"), file("d.yaml", "x: 1")]));
        assert_ne!(one, hash(&[file("a.yaml", "x: 1"), file("b.yaml", "y: 3")]));
        assert_ne!(
            hash(&[file("a.yaml", "x"), file("b.yaml", "y")]),
            hash(&[file("a.yaml", "xy")])
        );
    }

    #[test]
    fn only_what_is_substituted_is_another_with_other_values() {
        let edits = |value: &str| {
            let variable = Variable { text: value.to_owned(), is_secret: true };
            let variables = [("a".to_owned(), variable)].into_iter().collect();
            let substitution = Some(Arc::new(Substitution::new(variables, true)));
            Edits { substitution, ..Edits::default() }
        };
        let known = |path: &str, content: &str| {
            let id = ContentId([u8::try_from(content.len()).unwrap(); 20]);
            SourceFile { content: Content::Read(content.into(), Some(id)), path: path.to_owned() }
        };
        let two = format!("{A}data: {{k: '${{a}}'}}\n---\n{}", A.replace("name: a", "name: c"));
        let files = [known("a.yaml", &two), known("b.yaml", &A.replace("name: a", "name: b"))];
        let before = edited(files.to_vec(), &edits("1"), None);
        let again = |path: &str, rendered: &Rendered| {
            let file = files.iter().find(|file| file.path == path)?;
            let Content::Read(_, Some(id)) = &file.content else { return None };
            rendered.known(&mut 0, path, *id).cloned()
        };
        assert!(again("a.yaml", &before).is_some() && again("b.yaml", &before).is_some());
        let rest = before.unsubstituted();
        assert!(again("a.yaml", &rest).is_none());
        let part = again("b.yaml", &rest).unwrap();
        let kept = SourceFile { path: "b.yaml".into(), content: Content::Known(part) };
        let now = edited(vec![files[0].clone(), kept], &edits("2"), Some(&before));
        let same: Vec<_> = before
            .manifests
            .iter()
            .zip(&now.manifests)
            .map(|(before, now)| (before.id.name.as_str(), Arc::ptr_eq(before, now)))
            .collect();
        assert_eq!(same, [("a", false), ("c", true), ("b", true)]);
        assert!(now.manifests[0].marks.is_some() && now.manifests[1].marks.is_none());
    }

    #[test]
    fn an_lfs_pointer_is_no_empty_file() {
        let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
        let rendered = plain(vec![file("a.yaml", pointer)]);
        assert_eq!(rendered.diagnostics[0].problem, Problem::LfsPointer);
    }

    #[test]
    fn a_file_that_says_so_is_skipped() {
        let marked = |text: &str| plain(vec![file("a.yaml", text), file("b.yaml", A)]);
        for text in
            ["# +argocd:skip-file-rendering\na: [", "a: {{ x }} # +argocd:skip-file-rendering"]
        {
            let rendered = marked(text);
            assert_eq!((rendered.manifests.len(), rendered.skipped), (1, 1), "{text}");
            assert!(rendered.diagnostics.is_empty(), "{text}");
        }
        assert_eq!(marked("# argocd:skip-file-rendering\na: [").diagnostics.len(), 1);
    }

    #[test]
    fn what_is_wrong_with_a_field_is_said_where_it_stands() {
        let check = |text: &str, expect: &str| {
            let rendered = plain(vec![file("a.yaml", text)]);
            assert_eq!(rendered.diagnostics[0].to_string(), format!("a.yaml:{expect}"));
        };
        let name = "metadata.name must be a non-empty string";
        check("kind: Pod\napiVersion: v1\nmetadata:\n  name: 7\n", &format!("4:3: {name}"));
        check("kind: Pod\napiVersion: v1\nmetadata: {}\n", &format!("3:1: {name}"));
        check("kind: Pod\napiVersion: v1\n", &format!("1:1: {name}"));
        let secret = "---\nkind: Secret\napiVersion: v1\nmetadata: {name: a}\ndata:\n  a.b: b2s=\n  c.d: 1\n";
        check(secret, "7:3: secret/a data.c.d must be a base64 string");
        let list = "kind: List\napiVersion: v1\nitems:\n- kind: Pod\n  apiVersion: v1\n  metadata: {name: [a]}\n";
        check(list, &format!("6:14: {name}"));
        check(
            "a: 1\n---\nkind: Pod\n",
            "3:1: has no apiVersion: add it, or move a file that is no manifest out of the path",
        );
    }

    #[test]
    fn a_bad_file_costs_only_itself_and_duplicates_name_both_places() {
        let rendered = plain(vec![
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
