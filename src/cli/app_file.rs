//! A file with a `GitOpsApp`, for what is done without a resource in a cluster.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::api::{self, Fault, GitOpsApp};
use crate::render::yaml;

/// The app in a file, or all that is wrong with it, each with its place.
pub(super) fn read(file: &Path) -> anyhow::Result<GitOpsApp> {
    let shown = file.display();
    let bytes = fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let malformed =
        |bad: yaml::Malformed| anyhow::anyhow!("{shown}:{}:{}: {bad}", bad.line, bad.column);
    let text = yaml::text(&bytes).map_err(malformed)?;
    let documents = yaml::documents(&text).map_err(malformed)?;
    let mut apps = documents.iter().filter(|document| document.value["kind"] == "GitOpsApp");
    let (Some(app), None) = (apps.next(), apps.next()) else {
        bail!("{shown} has to hold one GitOpsApp: give its file");
    };
    let mut faults = api::unknown(&app.value);
    let decoded = api::decode(&app.value);
    if let Err(invalid) = &decoded {
        faults.extend_from_slice(invalid.faults());
    }
    let placed: Vec<_> = faults
        .iter()
        .map(|fault| {
            let (line, column) = place(&text, app.line, fault);
            format!("{shown}:{line}:{column}: {fault}")
        })
        .collect();
    match decoded {
        Ok(app) if placed.is_empty() => Ok(app),
        _ => bail!("{}", placed.join("\nerror: ")),
    }
}

/// Where a field stands, or the nearest around it.
fn place(text: &str, line: u32, fault: &Fault) -> yaml::Place {
    let field = fault.field.split('[').next().unwrap_or_default();
    let keys: Vec<_> = field.split('.').collect();
    yaml::locate(text, line, &keys).unwrap_or((line, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "# An app\n---\napiVersion: gitops-sync.dev/v1alpha1\nkind: GitOpsApp\nmetadata: {name: web}\n";

    #[test]
    fn all_that_is_wrong_is_told_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("app.yaml");
        let check = |rest: &str, expect: &[&str]| {
            fs::write(&file, format!("{HEAD}{rest}")).unwrap();
            let said = read(&file).err().map(|error| error.to_string()).unwrap_or_default();
            let said = said.replace(&format!("{}:", file.display()), "");
            let said: Vec<_> = said.split("\nerror: ").filter(|line| !line.is_empty()).collect();
            assert_eq!(said.len(), expect.len(), "{said:?}");
            for (said, expect) in said.iter().zip(expect) {
                assert!(said.starts_with(expect), "{said}");
            }
        };
        let url = "repoURL: https://git.example/c";
        check(&format!("spec:\n  {url}\n"), &[]);
        check(
            &format!("spec:\n  {url}\n  interval: 5\n  render:\n    helm: {{valueFiles: []}}\n"),
            &[
                "10:12: spec.render.helm.valueFiles: is no field of GitOpsApps: did you mean valuesFiles?",
                "8:3: spec.interval: must be a string",
            ],
        );
        check(
            "spec:\n  repoUrl: x\n",
            &["7:3: spec.repoUrl: is no field", "6:1: spec.repoURL: is missing"],
        );
        check(&format!("spec:\n  {url}\n   path: x\n"), &["8:8: this is not YAML"]);
        check(&format!("spec: {{{url}}}\n---\n{HEAD}"), &[&*file.display().to_string()]);
    }
}
