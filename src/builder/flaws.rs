//! What is wrong with the files of a snapshot, where the program that reads them says only what it comes upon first.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::render::flaws::by_itself;
use crate::render::helm::Charts;
use crate::render::{Diagnostic, Reads, flaws};
use crate::source::{Layout, Snapshot};

/// How long more is looked for once something has failed.
pub(super) const MORE: Duration = Duration::from_secs(30);

/// What is wrong with each file by itself.
pub(super) fn of(snapshot: &Snapshot) -> Vec<Diagnostic> {
    match &snapshot.layout {
        Layout::Plain => Vec::new(),
        Layout::Kustomize { parts, .. } => flaws(&snapshot.files, |path| parts.reads(path)),
        Layout::Helm { values, .. } => {
            let charts = Charts::of(&snapshot.files);
            let of_values =
                |path: &str| values.iter().any(|values| values == path).then_some(Reads::Yaml);
            flaws(&snapshot.files, |path| charts.reads(path).or_else(|| of_values(path)))
        }
    }
}

/// Finds the lines of what is wrong with objects that a program printed: those of their files, as far as it stands
/// there in the same way.
pub(super) fn locate(diagnostics: &mut [Diagnostic], snapshot: &Snapshot) {
    let mut known: HashMap<Arc<str>, Vec<Diagnostic>> = HashMap::new();
    for diagnostic in diagnostics.iter_mut().filter(|found| found.origin.line == 0) {
        let path = diagnostic.origin.path.clone();
        let in_file = known.entry(path).or_insert_with_key(|path| {
            let file = snapshot.files.iter().find(|file| *file.path == **path);
            file.map(by_itself).unwrap_or_default()
        });
        if let Some(at) = in_file.iter().position(|found| found.problem == diagnostic.problem) {
            diagnostic.origin = in_file.remove(at).origin;
        }
    }
}

/// Whether a complaint is about a file of which more is known.
pub(super) fn explain(flaws: &[Diagnostic], complaints: &str) -> bool {
    let mut names = flaws.iter().filter_map(|flaw| flaw.origin.path.rsplit('/').next());
    names.any(|name| complaints.contains(name))
}
