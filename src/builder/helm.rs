//! Renders a chart.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokio::time::{Instant, timeout_at};

use super::program::{Ended, Run};
use super::stage::Stage;
use super::{Archive, Inputs, Recipe, Tools, blocking, flaws};
use crate::api::helm::{Helm, Parameter};
use crate::render::{Content, Diagnostic, Edits, Rendered, SourceFile, helm};
use crate::source::{Snapshot, SourceError};

/// Name of the program.
pub(super) const HELM: &str = "helm";
/// The file with the values that an app sets, in helm's home.
const VALUES: &str = "values.json";
/// Templates of a chart that are found to be wrong at once, at most.
const TURNS: usize = 20;

/// What is made of a chart.
pub(super) struct Chart<'a> {
    /// Its folder, if it is in the repository.
    pub folder: Option<&'a str>,
    /// Files with values.
    pub values: &'a [String],
}

/// What helm makes of a chart.
pub(super) async fn build(
    tools: &Tools,
    recipe: &Recipe,
    inputs: &Inputs,
    snapshot: &Snapshot,
    chart: Chart<'_>,
    edits: Edits,
) -> Result<Rendered, SourceError> {
    let stage = super::staged(tools, snapshot).await?;
    let options = &recipe.render.helm;
    write_values(&stage, options).map_err(Stage::failed)?;
    let given = write_given(&stage, &inputs.referred.values, "values").map_err(Stage::failed)?;
    let folder = chart.folder.unwrap_or_default();
    let place = match &inputs.chart {
        Some(archive) => copied(&stage, archive).map_err(Stage::failed)?,
        None => stage.tree().join(folder),
    };
    let rest = rest(recipe, inputs, &stage);
    // Without a cluster, helm reads nothing but the chart and what it is given: it may run where the kernel cannot
    // keep it from the rest.
    let run = |values: &[PathBuf]| Run {
        program: HELM,
        arguments: ["template".into(), recipe.release().into(), place.clone().into()]
            .into_iter()
            .chain(values.iter().map(|path| values_flag(path)))
            .chain(rest.iter().cloned())
            .collect(),
        environment: homes(&stage.home()),
        stage: &stage,
        network: false,
        writes: false,
        or_not: true,
    };
    let in_tree = chart.values.iter().map(|path| stage.tree().join(path));
    let values: Vec<_> = in_tree.chain(given).collect();
    let is_secret = is_secret(snapshot, inputs);
    let mut template =
        Template { run: run(&values), open: None, snapshot, folder: chart.folder, is_secret };
    match template.run.run(tools).await? {
        Ended::Badly(complaints) => {
            if is_secret && let Some(others) = stand_ins(snapshot, inputs, chart.values) {
                let written = write_given(&stage, &others, "open").map_err(Stage::failed)?;
                let names = others.iter().flat_map(helm::Given::secret_names);
                template.open = Some((run(&written), names.map(str::to_owned).collect()));
            }
            Ok(Rendered::nothing(template.failures(tools, complaints, &edits).await))
        }
        Ended::NotConfined => Ok(template.refused("it could not be started")),
        Ended::Well(output) => template.objects(output, edits).await,
    }
}

/// A run of helm, and of what.
struct Template<'a> {
    run: Run<'a>,
    /// The same with others in the place of secret values, and the names of those.
    open: Option<(Run<'a>, Vec<String>)>,
    snapshot: &'a Snapshot,
    /// The folder of the chart, if it is in the repository.
    folder: Option<&'a str>,
    /// Whether what helm says may be anything that nobody may see.
    is_secret: bool,
}

impl Template<'_> {
    fn refused(&self, complaints: &str) -> Rendered {
        Rendered::nothing(vec![helm::diagnostic(complaints, self.folder, self.is_secret)])
    }

    async fn objects(&self, output: Vec<u8>, edits: Edits) -> Result<Rendered, SourceError> {
        let folder = self.folder.map(str::to_owned);
        blocking(move || helm::objects(&output, folder.as_deref(), &edits)).await
    }

    /// All that is wrong with a chart that could not be rendered: helm ends at the first template that makes no sense,
    /// so it is asked again without that one.
    async fn failures(&self, tools: &Tools, first: String, edits: &Edits) -> Vec<Diagnostic> {
        let flaws = flaws::of(self.snapshot);
        let (mut found, mut complaints) = (Vec::new(), first);
        let deadline = Instant::now() + flaws::MORE;
        for turn in 0..TURNS {
            let is_secret = self.is_secret && !self.is_open(tools, &complaints, deadline).await;
            let diagnostic = helm::diagnostic(&complaints, self.folder, is_secret);
            let path = diagnostic.origin.path.clone();
            let is_ours = turn > 0 && helm::is_consequence(&complaints);
            let is_placed = Some(&*path) != self.folder;
            let is_explained = !is_placed && flaws::explain(&flaws, &complaints);
            if !is_ours && !is_explained {
                found.push(diagnostic);
            }
            if !self.without(&path) {
                break;
            }
            match timeout_at(deadline, self.run.run(tools)).await {
                Ok(Ok(Ended::Badly(next))) => complaints = next,
                Ok(Ok(Ended::Well(output))) => {
                    let rest = self.objects(output, edits.clone()).await;
                    found.extend(rest.map(|rest| rest.diagnostics).unwrap_or_default());
                    break;
                }
                // What is known by now has to do.
                _ => break,
            }
        }
        found.into_iter().chain(flaws).collect()
    }

    /// Whether nothing that is secret can be in what helm says.
    async fn is_open(&self, tools: &Tools, complaints: &str, deadline: Instant) -> bool {
        let Some((run, names)) = &self.open else { return false };
        match timeout_at(deadline, run.run(tools)).await {
            Ok(Ok(Ended::Badly(others))) => helm::is_open(complaints, &others, names),
            _ => false,
        }
    }

    /// Empties a template, if others can do without it.
    fn without(&self, path: &str) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        let defines = name.starts_with('_') || Path::new(name).extension() == Some("tpl".as_ref());
        let file = self.run.stage.tree().join(path);
        // What helm says is not to lead anywhere else.
        let is_there = self.snapshot.files.iter().any(|file| file.path == path);
        let is_full = || fs::metadata(&file).is_ok_and(|found| found.len() > 0);
        is_there && !defines && is_full() && fs::write(&file, "").is_ok()
    }
}

/// The places where helm keeps what it remembers: where it runs, and nowhere else.
pub(super) fn homes(home: &Path) -> Vec<(&'static str, OsString)> {
    let names = ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "HELM_PLUGINS"];
    names.map(|name| (name, home.join(name).into_os_string())).to_vec()
}

fn write_values(stage: &Stage, options: &Helm) -> io::Result<()> {
    if options.values.is_empty() {
        return Ok(());
    }
    fs::write(stage.home().join(VALUES), serde_json::to_vec(&options.values)?)
}

/// All files of values and all references of a chart in their order, with others in the place of secret values. None if
/// there is more that is secret.
fn stand_ins(snapshot: &Snapshot, inputs: &Inputs, values: &[String]) -> Option<Vec<helm::Given>> {
    let is_secret = |file: &SourceFile| matches!(file.content, Content::Decrypted(_));
    let mut secret = snapshot.files.iter().filter(|file| is_secret(file));
    if !secret.all(|file| values.contains(&file.path)) {
        return None;
    }
    let read = |path: &String| {
        let file = snapshot.files.iter().find(|file| file.path == *path)?;
        helm::Given::read(file.content.bytes()?, None, is_secret(file)).ok()
    };
    let files = values.iter().map(read).collect::<Option<Vec<_>>>()?;
    Some(files.iter().chain(inputs.referred.values.iter()).map(helm::Given::stand_in).collect())
}

/// A file for each reference, in their order.
fn write_given(stage: &Stage, values: &[helm::Given], name: &str) -> io::Result<Vec<PathBuf>> {
    let write = |(at, given): (usize, &helm::Given)| {
        let file = stage.home().join(format!("{name}-{at}.json"));
        fs::write(&file, given.json())?;
        Ok(file)
    };
    values.iter().enumerate().map(write).collect()
}

/// Puts a chart that is kept elsewhere where helm may read it.
fn copied(stage: &Stage, archive: &Archive) -> io::Result<PathBuf> {
    let at = stage.home().join("chart.tgz");
    fs::copy(&archive.file, &at)?;
    Ok(at)
}

/// The arguments after the chart and the files with values.
fn rest(recipe: &Recipe, inputs: &Inputs, stage: &Stage) -> Vec<OsString> {
    let options = &recipe.render.helm;
    let values = (!options.values.is_empty()).then(|| stage.home().join(VALUES));
    let mut all: Vec<_> = values.map(|path| values_flag(&path)).into_iter().collect();
    all.extend(options.parameters.iter().map(parameter));
    all.push(flag("--namespace", recipe.release_namespace()));
    all.push(if options.skip_crds { "--skip-crds".into() } else { "--include-crds".into() });
    all.extend(options.skip_schema_validation.then(|| "--skip-schema-validation".into()));
    let known = inputs.capabilities.as_deref();
    let version = options.kube_version.as_ref().or(known.map(|known| &known.version));
    all.extend(version.map(|version| flag("--kube-version", version)));
    let apis: Vec<_> = match (options.api_versions.as_slice(), known) {
        ([], Some(known)) => known.apis.iter().collect(),
        (own, _) => own.iter().collect(),
    };
    all.extend(apis.into_iter().map(|api| flag("--api-versions", api)));
    all
}

/// A file with values, whatever its name: helm reads a list of them here, as a line of CSV.
fn values_flag(path: &Path) -> OsString {
    let quoted = path.to_string_lossy().replace('"', "\"\"");
    flag("--values", format!("\"{quoted}\""))
}

/// One argument, so that no value is taken for a flag.
pub(super) fn flag(name: &str, value: impl AsRef<std::ffi::OsStr>) -> OsString {
    let mut flag = OsString::from(name);
    flag.push("=");
    flag.push(value);
    flag
}

/// A single value as helm takes it. A comma separates none, but in a list in braces.
fn parameter(parameter: &Parameter) -> OsString {
    let Parameter { name, value, force_string } = parameter;
    let is_list = value.starts_with('{') && value.ends_with('}');
    let value = if is_list { value.clone() } else { escaped(value) };
    flag(if *force_string { "--set-string" } else { "--set" }, format!("{name}={value}"))
}

/// With a backslash before each comma that has none.
fn escaped(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    let mut before = ' ';
    for c in value.chars() {
        if c == ',' && before != '\\' {
            escaped.push('\\');
        }
        escaped.push(c);
        before = c;
    }
    escaped
}

/// Whether there is anything among the files and the values that nobody may see.
fn is_secret(snapshot: &Snapshot, inputs: &Inputs) -> bool {
    inputs.referred.values.iter().any(|given| given.is_secret)
        || snapshot.files.iter().any(|file| matches!(file.content, Content::Decrypted(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_is_part_of_a_value() {
        let check = |value: &str, force_string: bool, expect: &str| {
            let (name, value) = ("a.b".to_owned(), value.to_owned());
            assert_eq!(parameter(&Parameter { name, value, force_string }), expect);
        };
        check("1", false, "--set=a.b=1");
        check("1", true, "--set-string=a.b=1");
        check("x,y\\,z", false, "--set=a.b=x\\,y\\,z");
        check("{x,y}", false, "--set=a.b={x,y}");
        check("", false, "--set=a.b=");
    }
}
