//! Builds the programs from their pinned sources with the `go` command.

use crate::{
    Error, Spawned, Tool, command, console,
    tool::{GO_MOD, GO_SUM},
};
use sha2::{Digest, Sha256};
use std::{
    env::consts::{ARCH, OS},
    fs, io,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// The Go module that pins the programs.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../controlplane");
/// How often a running build tells that it runs.
const REPORT: Duration = Duration::from_secs(10);
/// What makes fake nodes and their pods ready, in kwok's own module.
const STAGES: [&str; 5] = [
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
];

/// Changes whenever a build could give other programs.
pub(crate) fn key() -> String {
    let digest = Sha256::new()
        .chain_update(GO_MOD)
        .chain_update(GO_SUM)
        .chain_update(OS)
        .chain_update(ARCH)
        .chain_update(link_flags())
        .finalize();
    hex::encode(&digest[..6])
}

/// Builds `tools` into `folder`, under the names that Go gives them.
pub(crate) fn build(tools: &[Tool], folder: &Path) -> Result<(), Error> {
    let mut command = go("build");
    command.args(["-v", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags"]);
    command.arg(link_flags()).arg("-o").arg(folder).args(tools.iter().map(|tool| tool.package()));
    let start = Instant::now();
    let build = Spawned::start(command).map_err(explain_missing)?;
    console::say("building the control plane, once: about six minutes on two cores");
    let status = loop {
        match build.exit_within(REPORT)? {
            Some(status) => break status,
            None => report(&build.lines(), start.elapsed()),
        }
    };
    if !status.success() {
        let command = format!("go build, in {MODULE}");
        return Err(Error::Failed { command, status: status.to_string(), output: build.tail() });
    }
    console::say(format_args!("built in {} s", start.elapsed().as_secs()));
    Ok(())
}

/// kwok's stages as one YAML stream. Asks the network only if kwok's module was never downloaded.
pub(crate) fn stages() -> Result<String, Error> {
    let mut command = go("mod");
    command.args(["download", "-json", "sigs.k8s.io/kwok"]);
    let answer = command::run(command, b"").map_err(explain_missing)?;
    let module: serde_json::Value = serde_json::from_str(&answer)
        .map_err(|error| Error::Invalid(format!("go mod download -json: {error}")))?;
    let folder = Path::new(module["Dir"].as_str().unwrap_or_default()).join("kustomize/stage");
    let read = |name: &&str| {
        fs::read_to_string(folder.join(name)).map_err(Error::io(format!("read kwok's {name}")))
    };
    Ok(STAGES.iter().map(read).collect::<Result<Vec<_>, _>>()?.join("\n---\n"))
}

/// A `go` command in the module, whatever the caller's workspace and target are.
fn go(verb: &str) -> Command {
    let mut command = Command::new("go");
    command.arg(verb).current_dir(MODULE);
    command.env("GOWORK", "off").env("CGO_ENABLED", "0").env_remove("GOOS").env_remove("GOARCH");
    command
}

/// Tells the programs their versions. Otherwise helm would render each chart as for Kubernetes
/// 1.20.
fn link_flags() -> String {
    let kubernetes = Tool::KubeApiserver.version();
    let mut parts = kubernetes.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let helm = Tool::Helm.version();
    [
        format!("k8s.io/component-base/version.gitVersion=v{kubernetes}"),
        format!("k8s.io/component-base/version.gitMajor={major}"),
        format!("k8s.io/component-base/version.gitMinor={minor}"),
        format!("helm.sh/helm/v3/internal/version.version=v{helm}"),
        format!("helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor={major}"),
        format!("helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor={minor}"),
    ]
    .iter()
    .fold("-s -w".to_owned(), |flags, variable| format!("{flags} -X {variable}"))
}

fn report(lines: &[String], elapsed: Duration) {
    let compiled = lines.iter().filter(|line| !line.starts_with("go: ")).count();
    let last = lines.last().map_or("starting", String::as_str);
    console::say(format_args!("{} s, {compiled} packages; {last}", elapsed.as_secs()));
}

fn explain_missing(error: Error) -> Error {
    match error {
        Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => Error::Missing {
            program: "go",
            remedy: "it builds the control plane, once; get Go 1.26 or newer: https://go.dev/dl",
        },
        other => other,
    }
}
