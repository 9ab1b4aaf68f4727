//! What is wrong with the files that a program reads, each by itself: it says only what it comes upon first.

use super::plain::file_diagnostics;
use super::{Diagnostic, Problem, SourceFile};

/// What a program reads a file as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reads {
    /// YAML of any sort.
    Yaml,
    /// Objects.
    Objects,
}

/// What is wrong with files, so far as it is wrong to whoever reads them. To be asked once a program has failed: it
/// may take what is refused here.
pub fn flaws(files: &[SourceFile], reads: impl Fn(&str) -> Option<Reads>) -> Vec<Diagnostic> {
    let read = files.iter().filter_map(|file| Some((file, reads(&file.path)?)));
    let found = read.flat_map(|(file, reads)| {
        by_itself(file).into_iter().filter(move |found| is_flaw(&found.problem, reads))
    });
    found.collect()
}

/// What is wrong with a file of manifests.
pub fn by_itself(file: &SourceFile) -> Vec<Diagnostic> {
    file_diagnostics(&file.path, file.content.bytes().unwrap_or_default())
}

/// Whether no program could mend it: what it makes of an object may be what was meant.
fn is_flaw(problem: &Problem, reads: Reads) -> bool {
    match problem {
        Problem::Malformed(_) | Problem::LfsPointer => true,
        Problem::HalfAnObject(_) | Problem::NotAString(_) | Problem::BareList => {
            reads == Reads::Objects
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Content;

    #[test]
    fn each_file_is_held_against_what_it_is_read_as() {
        let check = |text: &str, as_yaml: &[&str], as_objects: &[&str]| {
            let content = Content::Read(text.as_bytes().to_vec(), None);
            let file = SourceFile { path: "a.yaml".to_owned(), content };
            for (reads, expect) in [(Reads::Yaml, as_yaml), (Reads::Objects, as_objects)] {
                let found = flaws(std::slice::from_ref(&file), |_| Some(reads));
                let found: Vec<_> = found.iter().map(|found| found.origin.to_string()).collect();
                assert_eq!(found, expect, "{text}");
            }
            assert!(flaws(std::slice::from_ref(&file), |_| None).is_empty());
        };
        check("a: 1\nb: [", &["a.yaml:2:4"], &["a.yaml:2:4"]);
        check("kind: A\n---\napiVersion: v1\n", &[], &["a.yaml:1:1", "a.yaml:3:1"]);
        check("apiVersion: v1\nkind: A\nmetadata: {}\n", &[], &["a.yaml:3:1"]);
        check("- {op: add}\n", &[], &[]);
        // A patch may put it right.
        check("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\ndata: {a: '?'}\n", &[], &[]);
    }
}
