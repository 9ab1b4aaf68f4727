//! Gathers what helm needs to render a chart: its folder, the charts of the same tree that it depends on, and files
//! with values.

use super::gather::Gather;
use super::kustomization::shown;
use super::tree::{Link, Listing, Node, Trail, Tree, folder, join, joined};
use super::walk::flaw;
use super::{Layout, Snapshot};
use crate::api::helm::Helm;
use crate::render::helm::{Chart, Dependency, NAME, REQUIREMENTS};
use crate::render::{Diagnostic, Origin, Problem};

/// Charts in one another at most.
const DEPTH: usize = 16;
/// Charts that one is made of at most.
const CHARTS: usize = 200;
/// Where a chart has those that it depends on.
const VENDORED: &str = "charts";

/// Gathers what the app in the folder `root` is made of.
pub(super) fn read<T: Tree>(
    tree: &T,
    mut root: Trail<T::Id>,
    options: &Helm,
) -> Result<Snapshot, String> {
    let mut gather = Gather::new(tree, &root);
    if options.chart.is_some() {
        let values = values_files(&mut gather, &root, options)?;
        return Ok(Snapshot { layout: Layout::Helm { chart: None, values }, ..gather.snapshot() });
    }
    let chart = joined(&root);
    gather.take(&mut root)?;
    if gather.content(&join(&chart, NAME)).is_none() {
        let problem = Problem::NothingToRender(NAME);
        let diagnostics = vec![Diagnostic::at(Origin::file(chart), problem)];
        return Ok(Snapshot { diagnostics, ..Snapshot::default() });
    }
    let mut charts = Charts { tree, gather, seen: 0 };
    charts.chart(&root, &mut vec![chart.clone()])?;
    let mut gather = charts.gather;
    let values = values_files(&mut gather, &root, options)?;
    let layout = Layout::Helm { chart: Some(chart), values };
    Ok(Snapshot { layout, ..gather.snapshot() })
}

/// Gathers the files with values that an app names, and gives their paths.
fn values_files<T: Tree>(
    gather: &mut Gather<'_, T>,
    root: &Trail<T::Id>,
    options: &Helm,
) -> Result<Vec<String>, String> {
    const GONE: &str = "leads nowhere";
    let mut values = Vec::new();
    for path in &options.values_files {
        let from_root = path.strip_prefix('/');
        let base = if from_root.is_some() { &[][..] } else { root };
        let found = match gather.follow(base, from_root.unwrap_or(path))? {
            Ok(at) if matches!(at.last(), Some((_, Node::File(_)))) => Ok(at),
            Ok(_) => Err("is no file"),
            Err(why) => Err(why),
        };
        match found {
            Ok(mut at) => {
                gather.take_named(&mut at)?;
                values.push(joined(&at));
            }
            Err(GONE) if options.ignore_missing_values_files => {}
            Err(why) => {
                let field = "spec.render.helm.valuesFiles";
                let problem = Problem::BadReference { field, path: shown(path), why };
                gather.problem(Origin::file(joined(root)), problem);
            }
        }
    }
    Ok(values)
}

struct Charts<'a, T: Tree> {
    tree: &'a T,
    gather: Gather<'a, T>,
    seen: usize,
}

impl<T: Tree> Charts<'_, T> {
    /// Puts the charts of the tree that a chart depends on where helm looks for them. `chain` leads to it.
    fn chart(&mut self, at: &Trail<T::Id>, chain: &mut Vec<String>) -> Result<(), String> {
        let path = joined(at);
        for dependency in self.dependencies(&path) {
            let Some(to) = &dependency.path else { continue };
            let name = join(&path, NAME);
            let bad = |path: &str, why| {
                let field = "dependencies";
                Problem::BadReference { field, path: shown(path), why }
            };
            match self.vendored(at, &dependency.name)? {
                Ok(true) => continue,
                Ok(false) => {}
                Err(why) => {
                    self.gather.problem(Origin::file(name), bad(&dependency.name, why));
                    continue;
                }
            }
            self.seen += 1;
            match self.gather.follow(at, to)? {
                Err(why) => self.gather.problem(Origin::file(name), bad(to, why)),
                Ok(_) if self.seen > CHARTS || chain.len() >= DEPTH => {
                    let problem =
                        Problem::TooMuch(format!("{CHARTS} charts, or {DEPTH} in one another"));
                    self.gather.problem(Origin::file(name), problem);
                }
                Ok(found) if chain.contains(&joined(&found)) => {
                    self.gather.problem(Origin::file(name), bad(to, "leads in a circle"));
                }
                Ok(mut found) => {
                    self.gather.take(&mut found)?;
                    self.gather.link(link(&path, &dependency.name, &joined(&found)));
                    chain.push(joined(&found));
                    self.chart(&found, chain)?;
                    chain.pop();
                }
            }
        }
        Ok(())
    }

    fn dependencies(&mut self, chart: &str) -> Vec<Dependency> {
        let mut found = Vec::new();
        for name in [NAME, REQUIREMENTS] {
            let name = join(chart, name);
            match self.gather.content(&name).map(Chart::parse) {
                Some(Ok(chart)) => found.extend(chart.dependencies),
                Some(Err((line, column, problem))) => {
                    let origin = Origin { line, column, ..Origin::file(name) };
                    self.gather.problem(origin, problem);
                }
                None => {}
            }
        }
        found
    }

    /// Whether a chart has one that it depends on by itself, or why that one cannot be put where its name says.
    fn vendored(
        &self,
        at: &Trail<T::Id>,
        name: &str,
    ) -> Result<Result<bool, &'static str>, String> {
        if flaw(name).is_some() {
            return Ok(Err("is no name of a chart"));
        }
        let Some(folder) = folder(self.tree, at) else { return Ok(Ok(false)) };
        let charts = match self.tree.find(&folder, VENDORED)? {
            Some(Node::Folder(charts)) => charts,
            // What is put into it would come to be somewhere else.
            Some(_) => return Ok(Err("has to be in its folder charts, and that is no folder")),
            None => return Ok(Ok(false)),
        };
        let Listing::Entries(entries) = self.tree.list(&charts)? else {
            return Ok(Ok(false));
        };
        let is_archive = |file: &str| {
            let stem = file.strip_suffix(".tgz").and_then(|stem| stem.strip_prefix(name));
            stem.is_some_and(|version| version.starts_with('-'))
        };
        Ok(Ok(entries.iter().any(|(file, _)| file == name || is_archive(file))))
    }
}

/// A link from a chart to another that it depends on.
fn link(chart: &str, name: &str, to: &str) -> Link {
    let path = join(&join(chart, VENDORED), name);
    let up = "../".repeat(path.matches('/').count());
    Link { path, target: format!("{up}{to}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_from_one_chart_to_another() {
        let check = |chart: &str, to: &str, expect: &str| {
            assert_eq!(link(chart, "db", to).target, expect, "{chart}");
        };
        check("", "lib/db", "../lib/db");
        check("apps/web", "lib/db", "../../../lib/db");
    }
}
