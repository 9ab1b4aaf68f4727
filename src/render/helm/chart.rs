//! What a chart depends on.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::diagnostic::Problem;
use super::super::plain::split;
use super::super::{Reads, SourceFile, yaml};
use super::{NAME, REQUIREMENTS};

/// The file with a chart's own values.
const VALUES: &str = "values.yaml";
/// Where it has its CRDs.
const CRDS: &str = "crds/";

/// What is read of a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    /// Other charts that it is made of.
    pub dependencies: Vec<Dependency>,
}

/// Folders of charts among files.
#[derive(Debug)]
pub struct Charts<'a>(BTreeSet<&'a str>);

impl<'a> Charts<'a> {
    /// Those of the charts that are there as files.
    pub fn of(files: &'a [SourceFile]) -> Self {
        let parts = files.iter().map(|file| split(&file.path));
        Self(parts.filter(|(_, name)| *name == NAME).map(|(folder, _)| folder).collect())
    }

    /// What helm reads a file as, if it reads it as it is.
    pub fn reads(&self, path: &str) -> Option<Reads> {
        let (folder, name) = split(path);
        if [NAME, REQUIREMENTS, VALUES].contains(&name) && self.0.contains(folder) {
            return Some(Reads::Yaml);
        }
        let is_manifest = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
        let is_crds = |folder: &&str| {
            let below = path.strip_prefix(*folder).unwrap_or_default();
            let below = if folder.is_empty() { Some(below) } else { below.strip_prefix('/') };
            below.is_some_and(|below| below.starts_with(CRDS))
        };
        (is_manifest && self.0.iter().any(is_crds)).then_some(Reads::Objects)
    }
}

/// Another chart that one is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Its folder as seen from the chart's, if it is not to be had elsewhere.
    pub path: Option<String>,
}

impl Chart {
    /// Reads a `Chart.yaml`, or the `requirements.yaml` of older charts. What makes no sense there is helm's to say.
    pub fn parse(content: &[u8]) -> Result<Self, (u32, u32, Problem)> {
        let text = String::from_utf8_lossy(content);
        let documents = yaml::documents(&text)
            .map_err(|bad| (bad.line, bad.column, Problem::Malformed(bad.why)))?;
        let listed = documents.first().map(|document| &document.value["dependencies"]);
        let listed = listed.and_then(Value::as_array).into_iter().flatten();
        Ok(Self { dependencies: listed.filter_map(dependency).collect() })
    }
}

fn dependency(item: &Value) -> Option<Dependency> {
    let path = item["repository"].as_str().and_then(|url| url.strip_prefix("file://"));
    Some(Dependency { name: item["name"].as_str()?.to_owned(), path: path.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Content;

    #[test]
    fn what_a_chart_depends_on_is_read() {
        let check = |text: &str, expect: &[(&str, Option<&str>)]| {
            let chart = Chart::parse(text.as_bytes()).unwrap();
            let found: Vec<_> =
                chart.dependencies.iter().map(|d| (&*d.name, d.path.as_deref())).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("name: web", &[]);
        check("", &[]);
        check(
            "dependencies:\n- {name: a, repository: file://../a}\n- {name: b, repository: 'https://c.example'}\n- {name: c}\n- 3",
            &[("a", Some("../a")), ("b", None), ("c", None)],
        );
        let (line, ..) = Chart::parse(b"a: b\nc: [").unwrap_err();
        assert!(line > 0);
    }

    #[test]
    fn what_helm_reads_as_it_is_is_known() {
        let file = |path: &str| SourceFile {
            path: path.to_owned(),
            content: Content::Read(Vec::new(), None),
        };
        let files = ["a/Chart.yaml", "a/charts/b/Chart.yaml"].map(file);
        let charts = Charts::of(&files);
        let check = |path: &str, expect| assert_eq!(charts.reads(path), expect, "{path}");
        check("a/Chart.yaml", Some(Reads::Yaml));
        check("a/values.yaml", Some(Reads::Yaml));
        check("a/charts/b/values.yaml", Some(Reads::Yaml));
        check("a/files/values.yaml", None);
        check("a/templates/c.yaml", None);
        check("a/crds/d/c.yaml", Some(Reads::Objects));
        check("a/charts/b/crds/c.json", Some(Reads::Objects));
        check("a/crds/README.md", None);
        check("ab/crds/c.yaml", None);
        check("acrds/c.yaml", None);
    }
}
