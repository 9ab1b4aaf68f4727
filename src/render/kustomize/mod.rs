//! Kustomizations: what they refer to, and what an app adds to them. Pure; the program kustomize does the rest.
//!
//! kustomize is given every kustomization as it was read here, so that what it refers to is what was looked at.

mod blame;
mod fields;
mod options;
mod parts;
mod references;
mod secrets;

use serde_json::{Map, Value};

use super::diagnostic::Problem;
use super::yaml;

/// Names of a kustomization, each as good as the other.
/// (kustomize `konfig.RecognizedKustomizationFileNames`.)
pub const NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A kustomization.
#[derive(Clone, Debug, PartialEq)]
pub struct Kustomization(Map<String, Value>);

pub use blame::blame;
pub use parts::{Part, Parts};
pub use references::{Reference, Role, cleaned, place_of};
pub use secrets::secrets;

impl Kustomization {
    /// Reads the file of one, or the line, the column and what is wrong.
    pub fn parse(content: &[u8]) -> Result<Self, (u32, u32, Problem)> {
        let malformed =
            |line, column, why: &str| (line, column, Problem::Malformed(why.to_owned()));
        let text =
            std::str::from_utf8(content).map_err(|_| malformed(0, 0, "the text is not UTF-8"))?;
        let documents = yaml::documents(text)
            .map_err(|bad| (bad.line, bad.column, Problem::Malformed(bad.to_string())))?;
        let mut documents = documents.into_iter();
        match (documents.next().map(|document| document.value), documents.next()) {
            (None | Some(Value::Null), None) => Ok(Self(Map::new())),
            (Some(Value::Object(fields)), None) => Ok(Self(fields)),
            (_, None) => Err(malformed(1, 0, "a kustomization is a map of its fields")),
            (_, Some(second)) => Err(malformed(
                second.line,
                0,
                "a kustomization is one document, and this is a second one",
            )),
        }
    }

    /// One of these files, in the order of their paths. Of a folder with a kustomization of its own, it takes in
    /// that.
    pub fn of(files: &[&str]) -> Self {
        let folders: Vec<_> =
            files.iter().filter_map(|file| folder_of_kustomization(file)).collect();
        let mut resources: Vec<Value> = Vec::new();
        for file in files {
            let below = |folder: &&&str| {
                file.strip_prefix(**folder).is_some_and(|rest| rest.starts_with('/'))
            };
            // The outermost one knows of those below it.
            let resource =
                folders.iter().filter(below).min_by_key(|folder| folder.len()).unwrap_or(file);
            if resources.last().is_none_or(|last| last != resource) {
                resources.push((*resource).into());
            }
        }
        let mut fields = Map::new();
        fields.insert("resources".to_owned(), resources.into());
        Self(fields)
    }

    /// Whether it says nothing but what it is: kustomize takes no such file. (`types.Kustomization.CheckEmpty`)
    pub fn is_empty(&self) -> bool {
        let is_kind =
            |name: &str| ["apiVersion", "kind"].iter().any(|it| it.eq_ignore_ascii_case(name));
        self.0.iter().all(|(name, value)| is_kind(name) || value.is_null() || value == "")
    }

    /// As kustomize reads it.
    pub fn text(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }
}

/// The folder of which this file is the kustomization.
fn folder_of_kustomization(file: &str) -> Option<&str> {
    let (folder, name) = file.rsplit_once('/')?;
    NAMES.contains(&name).then_some(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_made_of_a_folder_that_has_none() {
        let check = |files: &str, expect: Value| {
            let files: Vec<_> = files.split_whitespace().collect();
            assert_eq!(Kustomization::of(&files).0["resources"], expect, "{files:?}");
        };
        check("", serde_json::json!([]));
        check("a.yaml b/c.yaml", serde_json::json!(["a.yaml", "b/c.yaml"]));
        check(
            "a/b/c.yaml a/b/kustomization.yml a/d.yaml a/kustomization.yaml ab/c.yaml",
            serde_json::json!(["a", "ab/c.yaml"]),
        );
    }

    #[test]
    fn what_is_no_kustomization_is_said() {
        let check = |text: &str, expect: (u32, &str)| {
            let (line, _, problem) = Kustomization::parse(text.as_bytes()).unwrap_err();
            assert_eq!(line, expect.0, "{text}");
            assert!(problem.to_string().contains(expect.1), "{text}: {problem}");
        };
        check("a: [", (1, ""));
        check("[a]", (1, "is a map"));
        check("a: b\n---\nc: d", (3, "second one"));
    }
}
