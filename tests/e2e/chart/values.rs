//! The values: what is refused, and that file, schema and README say the same.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use super::{CHART, helm, render, said, template};
use crate::install::repository;
use crate::support::plane;

fn file(name: &str) -> String {
    fs::read_to_string(repository(CHART).join(name)).unwrap()
}

/// What helm says of values that it refuses.
fn refusal(values: &Value) -> String {
    let words = template("chart");
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let done = helm(plane(), &words, values);
    assert!(!done.status.success(), "{values} is taken");
    String::from_utf8(done.stderr).unwrap()
}

#[test]
fn helm_has_nothing_to_remark() {
    let chart = repository(CHART);
    for values in [json!({}), json!({"app": {"repo": "https://git.example/config.git"}})] {
        let lint = ["lint", "--strict", chart.to_str().unwrap(), "-f", "-"];
        said(plane(), &lint, &values);
    }
}

#[test]
fn what_the_schema_does_not_know_is_refused_by_name() {
    let check = |values: Value, words: &[&str]| {
        let said = refusal(&values);
        assert!(words.iter().all(|word| said.contains(word)), "{values}: {said}");
    };
    check(json!({"replica": 2}), &["'replica' not allowed"]);
    check(json!({"app": {"repoURL": "x"}}), &["/app", "'repoURL' not allowed"]);
    check(json!({"replicas": "two"}), &["/replicas", "want integer"]);
    check(json!({"replicas": -1}), &["/replicas"]);
    check(json!({"shards": "yes"}), &["/shards", "want boolean"]);
    check(json!({"logFormat": "xml"}), &["/logFormat", "'text', 'json'"]);
    check(json!({"app": {"repo": "x", "drift": "fix"}}), &["/app/drift", "'warn'"]);
    check(json!({"app": {"repo": "x", "interval": "soon"}}), &["/app/interval"]);
    check(json!({"sweep": 1}), &["/sweep"]);
    let files = json!({"secretName": "git", "files": {"gpg": "x"}});
    check(json!({"app": {"repo": "x", "credentials": files}}), &["files", "'gpg' not allowed"]);
    check(json!({"rbac": {"managed": "admin"}}), &["/rbac/managed", "'cluster-admin'"]);
    check(json!({"rbac": {"managed": []}}), &["/rbac/managed"]);
    check(json!({"rbac": {"managed": [{"namespace": "a"}]}}), &["'clusterRole'", "'role'"]);
    check(json!({"rbac": {"managed": [{"role": "a"}]}}), &["'namespace'"]);
    let both = json!([{"namespace": "a", "role": "x", "clusterRole": "y"}]);
    check(json!({"rbac": {"managed": both}}), &["/rbac/managed/0"]);
    check(json!({"namespaces": ["A"]}), &["/namespaces/0"]);
    check(json!({"image": {"digest": "latest"}}), &["/image/digest"]);
    check(json!({"podDisruptionBudget": {"maxUnavailable": "one"}}), &["maxUnavailable"]);
}

#[test]
fn what_does_not_fit_together_is_refused_with_a_way_out() {
    let check = |values: Value, words: &str| {
        let said = refusal(&values);
        assert!(said.contains(words), "{values}: {said}");
        assert!(!said.contains("hunter2"), "{said}");
    };
    let repo = "https://git.example/config.git";
    check(json!({"app": {"path": "apps"}}), "app.path is set, and app.repo is not");
    check(json!({"app": {"credentials": {"secretName": "git"}}}), "secretRef of a GitOpsApp");
    check(json!({"app": {"submodules": true}}), "spec.submodules of a GitOpsApp");
    let files = json!({"files": {"ca": "ca.crt"}});
    check(
        json!({"app": {"repo": repo, "credentials": files}}),
        "app.credentials.secretName is not",
    );
    check(json!({"app": {"verify": {"noRollback": true}}}), "spec.verify of a GitOpsApp");
    let verify = json!({"mode": "Tag"});
    check(json!({"app": {"repo": repo, "verify": verify}}), "app.verify.mode needs app.verify");
    for url in [
        "https://me:hunter2@git.example/a",
        "ssh://me:hunter2@git.example/a",
        "https://git.example/a?t=hunter2",
    ] {
        check(json!({"app": {"repo": url}}), "app.credentials.secretName");
    }
    check(json!({"app": {"repo": repo}, "shards": true}), "Unset shards or app.repo");
    check(json!({"app": {"repo": repo}, "tenancy": {"allowedRepos": ["x"]}}), "tenancy is for");
    let apps = json!({"app": {"repo": repo}, "watchLabelSelector": "team=a"});
    check(apps, "watchLabelSelector is for");
    let watch = json!({"managed": "watch"});
    check(json!({"rbac": watch, "namespaces": ["a"]}), "list of {namespace, clusterRole}");
    let list = json!([{"namespace": "a", "clusterRole": "edit"}]);
    check(json!({"rbac": {"managed": list}, "namespaces": ["b"]}), "grants nothing there");
    let account = json!({"defaultServiceAccount": "gitops"});
    check(json!({"rbac": watch, "tenancy": account}), "set rbac.impersonate");
    check(json!({"ingress": {"enabled": true}}), "set webhook.secretName");
    check(json!({"updateStrategy": {"type": "RollingUpdate"}}), "raise replicas");
    let odd = json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}});
    check(json!({"updateStrategy": odd}), "not for Recreate");
}

#[test]
fn the_entries_of_the_secret_are_the_files_that_flags_name() {
    let credentials = json!({
        "secretName": "git", "passwordKey": "",
        "files": {"ssh-key": "identity", "known-hosts": "known_hosts", "proxy-password": "proxy"},
    });
    let repo = "ssh://git@git.example/config.git";
    let app = json!({"repo": repo, "submodules": true, "credentials": credentials});
    let objects = render("chart", &json!({"app": app}));
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let args: Vec<_> = container["args"].as_array().unwrap().iter().collect();
    let git = args.iter().filter_map(|arg| arg.as_str()).filter(|arg| arg.starts_with("--git-"));
    let at = |flag: &str, file: &str| format!("--git-{flag}-file=/etc/gitops-sync/git/{file}");
    assert_eq!(
        git.collect::<BTreeSet<_>>(),
        [
            at("ssh-key", "identity").as_str(),
            &at("known-hosts", "known_hosts"),
            &at("proxy-password", "proxy"),
            "--git-submodules",
        ]
        .into()
    );
}

/// A key of values.yaml with the comment above it.
#[derive(Debug)]
struct Key {
    path: Vec<String>,
    comment: String,
}

/// All keys, in order.
fn keys() -> Vec<Key> {
    let (mut keys, mut path, mut comment) = (Vec::new(), Vec::<String>::new(), Vec::new());
    for line in file("values.yaml").lines() {
        let text = line.trim_start();
        if let Some(words) = text.strip_prefix('#') {
            comment.push(words.trim().to_owned());
            continue;
        }
        if let Some((name, _)) = text.split_once(':') {
            path.truncate((line.len() - text.len()) / 2);
            path.push(name.to_owned());
            keys.push(Key { path: path.clone(), comment: comment.join(" ") });
        }
        comment.clear();
    }
    keys
}

/// Whether the keys below this one are values of their own.
fn is_group(keys: &[Key], path: &[String]) -> bool {
    let is_below = |key: &&Key| key.path.len() > path.len() && key.path.starts_with(path);
    keys.iter().filter(is_below).any(|key| !key.comment.is_empty())
}

fn defaults() -> Value {
    serde_saphyr::from_str(&file("values.yaml")).unwrap()
}

#[test]
fn the_readme_lists_the_values() {
    let (keys, defaults) = (keys(), defaults());
    let mut rows = Vec::new();
    for key in keys.iter().filter(|key| !is_group(&keys, &key.path)) {
        if key.comment.is_empty() {
            let above = keys.iter().filter(|other| !other.comment.is_empty());
            let mut above = above.filter(|other| !is_group(&keys, &other.path));
            let is_part = above.any(|other| key.path.starts_with(&other.path));
            assert!(is_part, "{:?} has no comment", key.path);
            continue;
        }
        let value = defaults.pointer(&format!("/{}", key.path.join("/"))).unwrap();
        rows.push(format!("| `{}` | `{value}` | {} |", key.path.join("."), key.comment));
    }
    let readme = file("README.md");
    let table: Vec<_> = readme.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(table == rows, "the table of {CHART}/README.md should be:\n{}", rows.join("\n"));
}

#[test]
fn the_schema_knows_the_values_and_no_others() {
    let schema: Value = serde_json::from_str(&file("values.schema.json")).unwrap();
    let (keys, defaults) = (keys(), defaults());
    let groups = keys.iter().map(|key| key.path.as_slice()).filter(|path| is_group(&keys, path));
    // What Helm adds to the values of a chart within a chart.
    let added = ["enabled", "global"];
    for path in groups.chain([&[][..]]) {
        let at = |prefix: &str| [&[String::new()], path].concat().join(prefix);
        let known = schema.pointer(&at("/properties/")).unwrap();
        assert_eq!(known["additionalProperties"], false, "{path:?}");
        let names =
            |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let mut known = names(&known["properties"]);
        known.retain(|name| !path.is_empty() || !added.contains(&name.as_str()));
        assert_eq!(known, names(defaults.pointer(&at("/")).unwrap()), "{path:?}");
    }
}
