//! What a kustomization refers to.

use serde_json::{Map, Value};

use super::super::diagnostic::Problem;
use super::super::yaml;
use super::Kustomization;
use super::fields::{all, is, items, maps, texts};

/// What a kustomization does with what it refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes it in: a file, or a folder with a kustomization.
    Resource,
    /// Reads it as YAML: a file.
    File,
    /// Puts it into an object as it is: a file.
    Text,
}

/// A path as it stands in a kustomization, relative to its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The field.
    pub field: &'static str,
    /// The path.
    pub path: &'a str,
    /// What it is for.
    pub role: Role,
}

/// Fields that name files, or folders with kustomizations.
const RESOURCES: [&str; 3] = ["resources", "bases", "components"];
/// Fields that name files.
const FILES: [&str; 2] = ["crds", "configurations"];
/// Fields that name files, or hold what would be in them, and of which a file may name others.
const PLUGINS: [&str; 3] = ["generators", "transformers", "validators"];
/// Fields of which each item has the path of a file.
const WITH_PATH: [&str; 4] = ["patches", "patchesJson6902", "replacements", "openapi"];
/// Fields of which each item makes an object of files.
const GENERATORS: [&str; 2] = ["configMapGenerator", SECRETS];
/// The one that makes Secrets.
const SECRETS: &str = "secretGenerator";
/// The kind of those that only add to others.
const COMPONENT: &str = "Component";
/// Fields for what only plugins do.
const HELM: [&str; 3] = ["helmCharts", "helmChartInflationGenerator", "helmGlobals"];

impl Kustomization {
    /// Everything that it refers to.
    pub fn references(&self) -> Vec<Reference<'_>> {
        let map = &self.0;
        let of = |field, role| move |path| Reference { field, path, role };
        let mut found = Vec::new();
        for field in RESOURCES {
            found.extend(texts(map, field).map(of(field, Role::Resource)));
        }
        for field in FILES {
            found.extend(texts(map, field).map(of(field, Role::File)));
        }
        for field in PLUGINS {
            let paths = texts(map, field).filter(|text| !is_inline(text));
            found.extend(paths.map(of(field, Role::Resource)));
        }
        let field = "patchesStrategicMerge";
        let paths = texts(map, field).filter(|text| !is_inline(text));
        found.extend(paths.map(of(field, Role::File)));
        for field in WITH_PATH {
            let paths = maps(map, field).flat_map(|item| texts(item, "path"));
            found.extend(paths.filter(|path| !path.is_empty()).map(of(field, Role::File)));
        }
        for field in GENERATORS {
            let paths = maps(map, field).flat_map(generated_from);
            found.extend(paths.map(of(field, Role::Text)));
        }
        found
    }

    /// What it makes Secrets of itself: `key=value`.
    pub(super) fn secret_literals(&self) -> impl Iterator<Item = &str> {
        maps(&self.0, SECRETS).flat_map(|generator| texts(generator, "literals"))
    }

    /// The files that it makes Secrets of.
    pub(super) fn secret_files(&self) -> impl Iterator<Item = &str> {
        maps(&self.0, SECRETS).flat_map(generated_from)
    }

    /// Whether what it has kustomize read is known only once kustomize runs.
    pub fn is_dynamic(&self) -> bool {
        PLUGINS.iter().any(|field| items(&self.0, field).next().is_some())
    }

    /// The fields that it has for what it cannot have, and what is to be said of them.
    pub fn refused(&self) -> Vec<(&'static str, Problem)> {
        let has = |field: &&&str| all(&self.0, field).next().is_some();
        HELM.iter().filter(has).map(|field| (*field, Problem::HelmInKustomize(field))).collect()
    }

    /// Whether it only adds to those that take it in.
    pub fn is_component(&self) -> bool {
        texts(&self.0, "kind").any(|kind| kind == COMPONENT)
    }
}

impl Reference<'_> {
    /// Line and column where it stands in the text of the kustomization, if it does.
    pub fn place(&self, text: &str) -> Option<yaml::Place> {
        let is_path = |text: &str| {
            let of_key = || text.split_once('=').is_some_and(|(_, path)| path == self.path);
            text == self.path || self.role == Role::Text && of_key()
        };
        yaml::in_field(text, |name| is(name, self.field), is_path)?.1
    }
}

/// Line and column of a field in the text of a kustomization.
pub fn place_of(field: &str, text: &str) -> Option<yaml::Place> {
    Some(yaml::in_field(text, |name| is(name, field), |_| false)?.0)
}

/// Whether this is not a path but what would be in a file. kustomize tries both: as long as something of it is no name
/// that a file has, only one of them can be meant.
fn is_inline(text: &str) -> bool {
    let is_object = |text: &str| text.contains('\n') || text.trim_start().starts_with('{');
    is_object(text) && is_object(&cleaned(text))
}

/// A path without `.` and without a name that is followed by `..`, whatever the name is of. (Go `filepath.Clean`.)
pub fn cleaned(path: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." if names.last().is_some_and(|last| *last != "..") => drop(names.pop()),
            name => names.push(name),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", names.join("/"))
}

/// The files that an item of a generator names: `files` are `key=path` or a path, `envs` are paths.
fn generated_from(generator: &Map<String, Value>) -> impl Iterator<Item = &str> {
    let files =
        texts(generator, "files").map(|file| file.split_once('=').map_or(file, |(_, path)| path));
    files.chain(texts(generator, "envs")).chain(texts(generator, "env"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Kustomization {
        Kustomization::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn all_that_is_referred_to_is_found() {
        let check = |text: &str, expect: &str| {
            let kustomization = parsed(text);
            let found: Vec<_> =
                kustomization.references().iter().map(|r| r.path.to_owned()).collect();
            assert_eq!(found.join(" "), expect, "{text}");
        };
        check("resources: [a.yaml, ../base]\nbases: [b]\ncomponents: [c]", "a.yaml ../base b c");
        check("Resources: [a]\nRESOURCES: [b]", "b a");
        check(
            "crds: [crd.json]\nconfigurations: [c.yaml]\nopenapi: {path: o.json}",
            "crd.json c.yaml o.json",
        );
        check("patches: [{path: p.yaml}, {patch: '[]', target: {kind: A}}]", "p.yaml");
        check("patches: [{path: p.yaml, Path: q.yaml}]", "q.yaml p.yaml");
        check("patchesStrategicMerge:\n- a.yaml\n- |\n  a: b\n", "a.yaml");
        check("patchesJson6902: [{path: j.json}]\nreplacements: [{path: r.yaml}]", "j.json r.yaml");
        check(
            "configMapGenerator:\n- files: [a.txt, k=b.txt]\n  envs: [c.env]\n  env: d.env\n  literals: [x=y]",
            "a.txt b.txt c.env d.env",
        );
        check("secretGenerator: [{name: s, files: [k=a=b]}]", "a=b");
        check("transformers: [t.yaml, '{apiVersion: builtin}']", "t.yaml");
        check("transformers: ['a{/../../b', 'http://a/{b}']", "a{/../../b http://a/{b}");
        check("namePrefix: a-", "");
    }

    #[test]
    fn a_path_is_cleaned_as_kustomize_does() {
        let check = |path: &str, expect: &str| assert_eq!(cleaned(path), expect, "{path}");
        check("a.yaml", "a.yaml");
        check("./a//b/", "a/b");
        check("../../base", "../../base");
        check("link/../a", "a");
        check("a/../../b/../..", "../..");
        check("/a/../b", "/b");
        check(".", "");
    }

    #[test]
    fn what_only_plugins_do_is_refused() {
        assert_eq!(parsed("helmcharts: [{name: a}]").refused().len(), 1);
        assert!(parsed("resources: []").refused().is_empty());
        assert!(parsed("generators: [g.yaml]").is_dynamic());
        assert!(!parsed("resources: [g.yaml]").is_dynamic());
    }

    #[test]
    fn references_are_found_where_they_stand() {
        let text = "# c\nRESOURCES:\n- a.yaml\nconfigMapGenerator:\n- name: a.yaml\n  files: [k=b=c, d]\nhelmcharts: []\n";
        let kustomization = parsed(text);
        let found: Vec<_> =
            kustomization.references().iter().map(|r| (r.path.to_owned(), r.place(text))).collect();
        let expect = [("a.yaml", (3, 3)), ("b=c", (6, 11)), ("d", (6, 18))];
        assert_eq!(found, expect.map(|(path, place)| (path.to_owned(), Some(place))));
        assert_eq!(place_of("helmCharts", text), Some((7, 1)));
    }

    #[test]
    fn what_secrets_are_made_of_is_known() {
        let text = "secretGenerator: [{name: s, literals: [user=me, password=a=b], files: [k=f], envs: [e]}]\nconfigMapGenerator: [{literals: [x=y], files: [z]}]";
        let kustomization = parsed(text);
        let literals: Vec<_> = kustomization.secret_literals().collect();
        assert_eq!(literals, ["user=me", "password=a=b"]);
        assert_eq!(kustomization.secret_files().collect::<Vec<_>>(), ["f", "e"]);
    }
}
