//! Charts that mean harm.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::apps::Apps;
use crate::support::{Fixture, config_map};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";

/// The processes that run in this folder.
fn running(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let commands = commands.map(|command| String::from_utf8_lossy(&command).replace('\0', " "));
    // The daemon itself names it as well.
    commands.filter(|c| c.contains(folder) && c.contains("template")).collect()
}

fn chart(test: &Fixture, template: &str) -> String {
    test.commit(&[
        ("apps/web/Chart.yaml", CHART),
        ("apps/web/templates/a.yaml", template),
        ("apps/b/b.yaml", &config_map("b", "1")),
    ])
}

#[test]
fn a_chart_that_loops_is_ended_and_holds_up_no_other_app() {
    let apps = Apps::with("helm-loops", &["--build-timeout=8s"]);
    let turn = "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}";
    chart(&apps, &format!("{turn}{turn}{turn}{turn}"));
    apps.app("web", "apps/web", json!({"retry": {"limit": 0}}));
    apps.app("b", "apps/b", json!({}));
    apps.expect("configmap/b", ".data.key", "1");
    let ready = || apps.condition("web", "Ready")["reason"].as_str().unwrap_or_default().to_owned();
    let reason = testbed::eventually(crate::support::DEADLINE, "it to be ended", || {
        let reason = ready();
        // Whichever of the clock and the count of its CPU time is first.
        let is_ended = ["BuildTimedOut", "BuildFailed"].contains(&&*reason);
        if is_ended { Ok(Some(reason)) } else { Err(reason) }
    });
    reason.unwrap_or_else(|error| panic!("{error}\n{:#?}", apps.daemon.0.lines()));
    let commit = chart(&apps, &config_map("a", "1"));
    apps.applied("web", &commit);
    apps.expect("configmap/a", ".data.key", "1");
    assert_eq!(running(apps.data.path()), Vec::<String>::new());
}

/// A chart with this template is ended for this reason, leaves nothing, and works once it is mended.
fn is_ended(name: &str, template: &str, flag: &str, why: &str) {
    let test = Fixture::new(name);
    chart(&test, template);
    let daemon = test.run_app(&test.namespace, "apps/web", &[flag]);
    daemon.line(&[&format!("apps/web: helm says: {why}")]);
    let commit = chart(&test, &config_map("a", "1"));
    daemon.line(&["INFO Synced", &commit]);
    let left = fs::read_dir(test.data.path().join("build")).unwrap().flatten();
    let left: Vec<_> =
        left.map(|entry| entry.file_name()).filter(|name| name != "charts").collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_chart_that_takes_gigabytes_is_ended_and_leaves_nothing() {
    let texts = "{{ range until 1000000 }}{{ repeat 10000 \"x\" }}{{ end }}";
    is_ended("helm-memory", texts, "--prune", "it takes more memory than it may");
}

#[test]
fn a_chart_that_writes_more_than_anyone_applies_is_ended_and_leaves_nothing() {
    // 72 MB of text, for which helm takes ten times as much memory: how much depends on when it cleans up.
    let lines = "a:\n{{ range until 9000 }}{{ printf \"- %s\\n\" (repeat 8000 \"x\") }}{{ end }}";
    is_ended("helm-large", lines, "--build-memory-mib=4096", "it wrote more than 64 MiB");
}

#[test]
fn a_chart_reads_nothing_but_itself() {
    let test = Fixture::new("helm-reads");
    test.kubectl(&["create", "secret", "generic", "canary", "--from-literal=key=hunter2"]);
    let template = "
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  lookup: {{ lookup \"v1\" \"Secret\" .Release.Namespace \"canary\" | toJson | quote }}
  all: {{ lookup \"v1\" \"Namespace\" \"\" \"\" | toJson | quote }}
  host: {{ getHostByName \"localhost\" | quote }}
  file: {{ .Files.Get \"/etc/passwd\" | quote }}
  up: {{ .Files.Get \"../b/b.yaml\" | quote }}
  own: {{ .Files.Get \"own.txt\" | quote }}
  hidden: {{ .Files.Get \".hidden/own.txt\" | quote }}
";
    test.commit(&[("apps/web/own.txt", "own"), ("apps/web/.hidden/own.txt", "hidden")]);
    chart(&test, template);
    let daemon = test.run_app(&test.namespace, "apps/web", &[]);
    daemon.line(&["INFO Synced", "created=1"]);
    let data = |key: &str| test.field("configmap/a", &format!(".data.{key}"));
    let found = ["lookup", "all", "host", "file", "up", "own", "hidden"].map(data);
    assert_eq!(found, ["{}", "{}", "", "", "", "own", "hidden"]);
    // A link out of the repository is not even looked at.
    test.repo.symlink("apps/web/templates/passwd.yaml", "/etc/passwd").unwrap();
    test.repo.commit("Link").unwrap();
    daemon.line(&["apps/web/templates/passwd.yaml: is a link that leads out of the tree"]);
    // Nor what a chart says of itself is believed.
    test.repo.remove("apps/web/templates/passwd.yaml").unwrap();
    chart(&test, "{{ fail \"nobody may run this\" }}");
    daemon.line(&["apps/web/templates/a.yaml:1:4: helm says: nobody may run this"]);
}

#[test]
fn what_runs_ends_with_a_daemon_that_is_killed_and_what_it_left_is_removed() {
    let test = Fixture::new("helm-killed");
    let turn = "{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}";
    chart(&test, turn);
    let daemon = test.run_app(&test.namespace, "apps/web", &["--build-timeout=10m"]);
    let eventually = |what: &str, is: &dyn Fn() -> bool| {
        let look =
            || if is() { Ok(Some(())) } else { Err(format!("{:?}", running(test.data.path()))) };
        testbed::eventually(crate::support::DEADLINE, what, look).unwrap();
    };
    eventually("helm to run", &|| !running(test.data.path()).is_empty());
    daemon.0.kill().unwrap();
    eventually("helm to end", &|| running(test.data.path()).is_empty());
    let folders = || {
        let all = fs::read_dir(test.data.path().join("build")).unwrap().flatten();
        all.filter(|entry| entry.file_name().to_string_lossy().starts_with("run-")).count()
    };
    assert_eq!(folders(), 1, "its folder could not be removed by whom was killed");
    let commit = chart(&test, &config_map("a", "1"));
    let daemon = test.run_app(&test.namespace, "apps/web", &[]);
    daemon.line(&["INFO Synced", &commit]);
    assert_eq!(folders(), 0);
}
