//! Charts from a repository of charts and from a registry, fetched by the real helm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{ChartServer, Registry, TlsFront, TokenFront, Tool};

use crate::apps::Apps;
use crate::support::plane;

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata:\n  version: {{ .Chart.Version | quote }}\n  color: {{ .Values.color | quote }}\n";

fn helm(home: &Path) -> Command {
    let mut command = plane().programs().command(Tool::Helm);
    command.env_clear().env("HOME", home).env("HELM_CONFIG_HOME", home).current_dir(home);
    command
}

fn run(mut command: Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// The archive of a chart of this version.
fn package(home: &Path, version: &str, into: &Path) -> PathBuf {
    let chart = home.join("web");
    fs::create_dir_all(chart.join("templates")).unwrap();
    let meta = format!("apiVersion: v2\nname: web\nversion: {version}\n");
    fs::write(chart.join("Chart.yaml"), meta).unwrap();
    fs::write(chart.join("values.yaml"), "color: red\n").unwrap();
    fs::write(chart.join("templates/map.yaml"), MAP).unwrap();
    let mut command = helm(home);
    command.arg("package").arg(&chart).arg("--destination").arg(into);
    run(command);
    into.join(format!("web-{version}.tgz"))
}

/// Adds a chart to a repository of charts.
fn publish(server: &ChartServer, version: &str) {
    let home = TempDir::new().unwrap();
    package(home.path(), version, server.folder());
    let mut command = helm(home.path());
    command.arg("repo").arg("index").arg(server.folder());
    run(command);
}

/// Pushes a chart to a registry.
fn push(registry: &Registry, repository: &str, version: &str) {
    let home = TempDir::new().unwrap();
    let archive = package(home.path(), version, home.path());
    let url = registry.url(repository);
    let host = url.trim_start_matches("oci://").split('/').next().unwrap();
    let login = json!({"auths": {host: {"auth": "Z2l0Omh1bnRlcjI="}}});
    fs::create_dir_all(home.path().join("registry")).unwrap();
    fs::write(home.path().join("registry/config.json"), login.to_string()).unwrap();
    let mut command = helm(home.path());
    command.arg("push").arg(archive).arg(&url).arg("--plain-http");
    run(command);
}

impl Apps {
    fn chart(&self, name: &str, chart: Value, more: Value) {
        let mut helm = json!({"chart": chart});
        helm.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.app(name, ".", json!({"render": {"helm": helm}}));
    }

    fn version(&self, app: &str, version: &str) {
        self.expect(&format!("configmap/{app}"), ".data.version", version);
    }

    fn login(&self, more: &[&str]) {
        let login = ["create", "secret", "generic", "login", "--from-literal=username=git"];
        self.kubectl(&[&login[..], &["--from-literal=password=hunter2"], more].concat());
    }

    /// Makes sure that the daemon's log does not have this word.
    pub fn says_nothing_of(&self, word: &str) {
        let lines = self.daemon.0.lines().join("\n");
        assert!(!lines.contains(word), "{lines}");
    }
}

#[test]
fn a_chart_of_a_repository_of_charts_is_followed_by_version_and_range() {
    let (apps, server) = (Apps::new("charts"), ChartServer::start(false).unwrap());
    for version in ["1.0.0", "1.2.0", "2.0.0"] {
        publish(&server, version);
    }
    apps.commit(&[("prod.yaml", "color: green\n")]);
    let chart = |version: &str| json!({"repoURL": server.url(), "name": "web", "version": version});
    apps.chart("web", chart("1.0.0"), json!({"valuesFiles": ["prod.yaml"]}));
    apps.version("web", "1.0.0");
    assert_eq!(apps.field("configmap/web", ".data.color"), "green");
    // A version that was fetched once is asked for no more.
    let asked = server.requests().len();
    let commit = apps.commit(&[("prod.yaml", "color: blue\n")]);
    apps.applied("web", &commit);
    assert_eq!(apps.field("configmap/web", ".data.color"), "blue");
    assert_eq!(server.requests().len(), asked);
    apps.chart("web", chart("^1.0"), json!({}));
    apps.version("web", "1.2.0");
    publish(&server, "1.10.0");
    apps.version("web", "1.10.0");
    apps.chart("web", chart("3.x"), json!({}));
    let said = apps.reason("web", "Ready", "ChartNotFound");
    assert!(said.contains("no chart web of version 3.x"), "{said}");
    // What is in place stays.
    assert_eq!(apps.field("configmap/web", ".data.version"), "1.10.0");
}

#[test]
fn while_a_repository_of_charts_is_down_all_stays_as_it_is() {
    let (apps, server) = (Apps::new("charts-down"), ChartServer::start(true).unwrap());
    publish(&server, "1.0.0");
    apps.commit(&[("prod.yaml", "color: green\n")]);
    let chart = |more: Value| {
        let mut chart = json!({"repoURL": server.url(), "name": "web", "version": "1.x"});
        chart.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        chart
    };
    apps.chart("web", chart(json!({})), json!({}));
    apps.reason("web", "Ready", "ChartRefused");
    apps.login(&[]);
    let secret = json!({"secretRef": {"name": "login"}});
    apps.chart("web", chart(secret.clone()), json!({}));
    apps.version("web", "1.0.0");
    apps.reason("web", "Ready", "Synced");
    server.set_down(true);
    let said = apps.reason("web", "Ready", "ChartUnreachable");
    assert!(said.contains("cannot fetch the chart web"), "{said}");
    apps.kubectl(&["delete", "configmap", "web"]);
    apps.version("web", "1.0.0");
    server.set_down(false);
    publish(&server, "1.1.0");
    apps.version("web", "1.1.0");
    apps.reason("web", "Ready", "Synced");
    apps.says_nothing_of("hunter2");
}

#[test]
fn a_chart_behind_tls_is_fetched_with_the_authority_of_its_secret() {
    let (apps, server) = (Apps::new("charts-tls"), ChartServer::start(true).unwrap());
    let front = TlsFront::start(server.url(), false).unwrap();
    publish(&server, "1.0.0");
    apps.commit(&[("prod.yaml", "")]);
    let chart = json!({"repoURL": front.url(), "name": "web", "version": "1.0.0", "secretRef": {"name": "login"}});
    apps.login(&[&format!("--from-literal=ca.crt={}", front.ca())]);
    apps.chart("web", chart, json!({}));
    apps.version("web", "1.0.0");
    apps.says_nothing_of("hunter2");
}

#[test]
fn a_server_of_charts_that_wants_a_certificate_is_shown_one() {
    let (apps, server) = (Apps::new("charts-mtls"), ChartServer::start(true).unwrap());
    let registry = Registry::start_with_login().unwrap();
    let front = TlsFront::start(server.url(), true).unwrap();
    let inner = format!("http://{}", registry.address());
    let registry_front = TlsFront::start(&inner, true).unwrap();
    publish(&server, "1.0.0");
    push(&registry, "team/charts", "2.0.0");
    apps.commit(&[("prod.yaml", "")]);
    let oci = registry_front.url().replace("https://", "oci://") + "/team/charts";
    let ways = [("http", &front, front.url(), "1.0.0"), ("oci", &registry_front, oci, "2.0.0")];
    for (name, front, url, version) in ways {
        let login = [("username", "git"), ("password", "hunter2"), ("ca.crt", front.ca())];
        let client = [("tls.crt", front.client_certificate()), ("tls.key", front.client_key())];
        apps.keep(name, &[&login[..], &client].concat());
        let secret = json!({"name": name});
        let chart = json!({"repoURL": url, "name": "web", "version": version, "secretRef": secret});
        apps.chart(name, chart, json!({}));
        apps.version(name, version);
    }
    apps.says_nothing_of("hunter2");
}

#[test]
fn an_identity_of_docker_fetches_charts() {
    let (apps, registry) = (Apps::new("charts-identity"), Registry::start_with_login().unwrap());
    let front = TokenFront::start(registry.address(), "identity-hunter2").unwrap();
    push(&registry, "team", "1.0.0");
    apps.commit(&[("prod.yaml", "")]);
    let auths = json!({front.address(): {"identitytoken": "identity-hunter2"}});
    apps.keep("login", &[(".dockerconfigjson", &json!({"auths": auths}).to_string())]);
    let (url, secret) = (format!("oci://{}/team", front.address()), json!({"name": "login"}));
    let chart = json!({"repoURL": url, "name": "web", "version": "1.0.0", "secretRef": secret});
    apps.chart("web", chart, json!({}));
    apps.version("web", "1.0.0");
    apps.says_nothing_of("hunter2");
}

#[test]
fn a_chart_of_a_registry_is_followed_by_version_and_range() {
    let (apps, registry) = (Apps::new("charts-oci"), Registry::start_with_login().unwrap());
    push(&registry, "team/charts", "1.0.0");
    apps.commit(&[("prod.yaml", "color: green\n")]);
    let chart = |version: &str, more: Value| {
        let mut chart =
            json!({"repoURL": registry.url("team/charts"), "name": "web", "version": version});
        chart.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        chart
    };
    apps.chart("web", chart("1.0.0", json!({})), json!({}));
    apps.reason("web", "Ready", "ChartRefused");
    apps.login(&[]);
    let secret = json!({"secretRef": {"name": "login"}});
    apps.chart("web", chart("1.0.0", secret.clone()), json!({}));
    apps.version("web", "1.0.0");
    apps.chart("web", chart(">=1.0.0 <2", secret.clone()), json!({}));
    push(&registry, "team/charts", "1.4.0");
    push(&registry, "team/charts", "2.0.0");
    apps.version("web", "1.4.0");
    apps.chart("web", chart("9.9.9", secret), json!({}));
    apps.reason("web", "Ready", "ChartNotFound");
    apps.says_nothing_of("hunter2");
}
