//! What a person asks of apps by their resources, with the real program: `status`, `tree`, `trigger`, `suspend`, `resume`,
//! `prune-approve`.

use std::path::Path;

use serde_json::{Value, json};
use testbed::{ControlPlane, eventually};

use crate::apps::Apps;
use crate::support::{
    DEADLINE, DEPLOYMENT, Finished, Fixture, config_map, define_apps, plane, program,
};

/// Runs a verb to its end.
fn run(kubeconfig: &Path, arguments: &[&str]) -> Finished {
    let mut command = program();
    command.args(arguments).arg("--kubeconfig").arg(kubeconfig);
    Finished::of(command.output().unwrap())
}

/// A verb as the administrator.
fn ask(arguments: &[&str]) -> Finished {
    run(plane().kubeconfig(), arguments)
}

/// What a verb prints that succeeds and has nothing to complain about.
fn told(arguments: &[&str]) -> String {
    let done = ask(arguments);
    assert!(done.code == Some(0) && done.stderr.is_empty(), "{done:#?}");
    done.stdout
}

/// What a verb says that fails: one line on standard error, and nothing else.
fn refused(kubeconfig: &Path, arguments: &[&str]) -> String {
    let done = run(kubeconfig, arguments);
    assert!(done.code == Some(1) && done.stdout.is_empty(), "{done:#?}");
    let line = done.stderr.strip_prefix("error: ").unwrap().trim_end();
    assert!(!line.contains('\n'), "{line}");
    line.to_owned()
}

/// The lines of a table, each as its words.
fn words(table: &str) -> Vec<Vec<&str>> {
    table.lines().map(|line| line.split_whitespace().collect()).collect()
}

/// An app `web` of these files, synced; it looks at the repository once an hour.
fn web(name: &str, files: &[(&str, &str)], more: Value) -> (Apps, String) {
    let apps = Apps::new(name);
    let commit = apps.test.commit(files);
    let mut spec = json!({"interval": "1h"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    apps.app("web", "apps", spec);
    apps.wait("web", "Ready");
    (apps, commit)
}

impl Apps {
    /// The name by which a person finds an app from anywhere.
    fn of(&self, name: &str) -> String {
        format!("{}/{name}", self.test.namespace)
    }
}

#[test]
fn status_is_a_table_of_all_or_a_page_about_one() {
    let (apps, commit) = web("v-status", &[("apps/a.yaml", &config_map("a", "1"))], json!({}));
    let (namespace, short) = (&apps.test.namespace, &commit[..8]);
    apps.apply("bad", &json!({"repoURL": "http://127.0.0.1:1/none.git"}));
    apps.reason("bad", "Ready", "RepositoryUnreachable");
    let table = told(&["status", "-n", namespace]);
    let table = words(&table);
    assert_eq!(table[0], ["NAMESPACE", "NAME", "READY", "SYNC", "REVISION", "AGE", "MESSAGE"]);
    assert_eq!(table[1][..5], [&**namespace, "bad", "False", "RepositoryUnreachable", "-"]);
    assert_eq!(table[2][..5], [&**namespace, "web", "True", "Synced", short]);
    assert_eq!(table[2][6..].join(" "), format!("Applied HEAD@{short}"));
    assert_eq!(table.len(), 3);
    let wide = told(&["status", "-n", namespace, "-o", "wide"]);
    let wide = words(&wide);
    assert_eq!(wide[0][6..12], ["REPO", "PATH", "LAST-NEWS", "OBJECTS", "HELD", "MESSAGE"]);
    let [repo, path, _, objects, held] = &wide[2][6..11] else { panic!("{wide:?}") };
    assert_eq!([*repo, *path, *objects, *held], [apps.test.repo.url(), "apps", "synced=1", "0"]);
    // One is named from anywhere, and of all namespaces there are others.
    let page = told(&["status", &apps.of("web")]);
    let time = apps.test.field("gapp/web", ".status.lastAppliedRevision.time");
    let lines: Vec<_> = page.lines().collect();
    assert_eq!(lines[0], format!("App:        {namespace}/web"));
    assert_eq!(lines[1], format!("Source:     {}, HEAD, path apps", apps.test.repo.url()));
    assert_eq!(lines[2], format!("Ready:      True, Synced: Applied HEAD@{short}"));
    let applied = format!("Applied:    {short} Change (");
    assert!(lines[3].starts_with(&applied) && lines[3].contains(&time), "{page}");
    assert_eq!(lines[4], "Objects:    1 synced");
    assert!(page.contains("\n  Drifted   False    "), "{page}");
    let (_, history) = page.split_once("Last syncs that brought news:\n").unwrap();
    assert_eq!(words(history)[1][1..4], ["Synced", short, "start"]);
    let all = told(&["status", "-A", "-o", "json"]);
    let all: Vec<Value> = serde_json::from_str(&all).unwrap();
    let web = all.iter().find(|app| app["namespace"] == **namespace && app["name"] == "web");
    assert_eq!(web.unwrap()["status"], apps.get("web")["status"]);
    let one = told(&["status", "web", "-n", namespace, "-o", "json"]);
    let one: Vec<Value> = serde_json::from_str(&one).unwrap();
    assert_eq!((one.len(), &one[0]["suspended"]), (1, &json!(false)));
}

#[test]
fn drift_and_failures_are_on_the_page() {
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: [1]\n";
    let files = [("apps/a.yaml", &*config_map("a", "1"))];
    let (apps, _) = web("v-page", &files, json!({"interval": "1s"}));
    apps.test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    apps.test.expect("gapp/web", ".status.lastDrifts[0].field", "data.key");
    apps.test.commit(&[("apps/bad.yaml", bad)]);
    apps.reason("web", "Ready", "ApplyFailed");
    let page = told(&["status", &apps.of("web")]);
    let section = |name: &str| {
        let (_, rest) =
            page.split_once(&format!("\n{name}:\n")).unwrap_or_else(|| panic!("{page}"));
        words(rest.split("\n\n").next().unwrap()).swap_remove(1)
    };
    let namespace = &*apps.test.namespace;
    assert_eq!(section("Failures")[..3], [namespace, "configmap/bad", "ApplyFailed"]);
    let drift = section("Last drifts");
    assert_eq!(drift[1..], [namespace, "configmap/a", "data.key", "kubectl-patch"]);
}

#[test]
fn who_is_named_wrongly_or_not_at_all_is_told_what_to_do() {
    let apps = Apps::new("v-names");
    let namespace = &*apps.test.namespace;
    let none = ask(&["status", "-n", namespace]);
    let expect = format!("No GitOpsApps found in {namespace}.\n");
    assert_eq!((none.code, &*none.stdout, none.stderr), (Some(0), "", expect));
    let spec = json!({"repoURL": "http://127.0.0.1:1/none.git"});
    for name in ["billing", "web"] {
        apps.apply(name, &spec);
    }
    let said = |arguments: &[&str]| refused(plane().kubeconfig(), arguments);
    let place = ["-n", namespace];
    let expect = format!("there is no GitOpsApp {namespace}/wbe: did you mean {namespace}/web?");
    for verb in ["status", "tree", "trigger", "suspend", "resume"] {
        assert_eq!(said(&[&[verb, "wbe"], &place[..]].concat()), expect);
    }
    let approval = ["prune-approve", "wbe", "0fbb1b8c2d1c"];
    assert_eq!(said(&[&approval, &place[..]].concat()), expect);
    let unlike = said(&["status", "nothing-like-it", "-n", namespace]);
    assert!(unlike.ends_with("/nothing-like-it: gitops-sync status -A lists all"), "{unlike}");
    let which = said(&["suspend", "-n", namespace]);
    assert_eq!(which, "which app? Name its GitOpsApp as APP, or an app without one by --name");
    let two = said(&["status", "elsewhere/web", "-n", namespace]);
    assert!(two.contains("leave one of them out"), "{two}");
}

#[test]
fn a_cluster_without_the_definition_is_told_apart() {
    let own = ControlPlane::api_only().unwrap();
    for arguments in [&["status"][..], &["status", "web"], &["tree", "web"], &["suspend", "web"]] {
        let said = refused(own.kubeconfig(), arguments);
        assert!(said.contains("the cluster has no GitOpsApp: install its definition"), "{said}");
    }
}

#[test]
fn a_suspended_app_says_why_and_reverts_nothing_until_it_is_resumed() {
    let (apps, _) = web("v-suspend", &[("apps/a.yaml", &config_map("a", "1"))], json!({}));
    let app = apps.of("web");
    let said = told(&["suspend", &app, "--reason", "incident 42"]);
    assert_eq!(
        said,
        format!("{app} suspended: nothing is synced until gitops-sync resume {app}\n")
    );
    let message = apps.reason("web", "Ready", "Suspended");
    assert_eq!(message, "Nothing is synced until it is resumed: incident 42");
    apps.daemon.line(&["Suspended: nothing is synced", "reason=\"incident 42\""]);
    let page = told(&["status", &app]);
    let line = page.lines().find(|line| line.starts_with("Suspended:")).unwrap();
    assert!(line.ends_with("by gitops-sync-suspend, for \"incident 42\""), "{page}");
    let said = refused(plane().kubeconfig(), &["trigger", &app, "--wait"]);
    assert_eq!(
        said,
        format!("{app} is suspended: nothing is synced until gitops-sync resume {app}")
    );
    apps.test.kubectl(&["patch", "configmap", "a", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    // Another reason is told as well, and shows that the daemon goes on to leave it alone.
    told(&["suspend", &app, "--reason", "incident 43"]);
    apps.test.expect(
        "gapp/web",
        ".metadata.annotations.gitops-sync\\.dev/suspend-reason",
        "incident 43",
    );
    eventually(DEADLINE, "the other reason", || {
        let message = apps.reason("web", "Ready", "Suspended");
        if message.ends_with(": incident 43") { Ok(Some(())) } else { Err(message) }
    })
    .unwrap();
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "9");
    assert_eq!(told(&["resume", &app]), format!("{app} resumed\n"));
    apps.test.expect("configmap/a", ".data.key", "1");
    apps.reason("web", "Ready", "Synced");
    let resource = apps.get("web");
    assert_eq!(resource["spec"]["suspend"], false, "{resource:#}");
    assert!(!resource["metadata"]["annotations"].to_string().contains("suspend"), "{resource:#}");
    assert_eq!(told(&["resume", &app]), format!("{app} is not suspended\n"));
}

#[test]
fn an_app_out_of_git_stays_suspended_unless_git_says_otherwise() {
    let apps = Apps::new("v-parent");
    let (namespace, url) = (&*apps.test.namespace, apps.test.repo.url());
    let child = |more: &str| {
        format!(
            "apiVersion: gitops-sync.dev/v1alpha1\nkind: GitOpsApp\nmetadata: {{name: child, namespace: {namespace}}}\n\
             spec: {{repoURL: {url:?}, path: apps, interval: 1h{more}}}\n"
        )
    };
    apps.test.commit(&[("parent/child.yaml", &child("")), ("apps/a.yaml", &config_map("a", "1"))]);
    apps.app("parent", "parent", json!({"interval": "1h"}));
    apps.wait("parent", "Ready");
    apps.wait("child", "Ready");
    let (parent, app) = (apps.of("parent"), apps.of("child"));
    told(&["suspend", &app]);
    apps.reason("child", "Ready", "Suspended");
    told(&["trigger", &parent, "--wait"]);
    assert_eq!(apps.test.field("gapp/child", ".spec.suspend"), "true");
    told(&["resume", &app]);
    apps.reason("child", "Ready", "Synced");
    apps.test.commit(&[("parent/child.yaml", &child(", suspend: false"))]);
    told(&["trigger", &parent, "--wait"]);
    let done = ask(&["suspend", &app]);
    assert!(done.stderr.starts_with("note: git declares spec.suspend of"), "{done:#?}");
    apps.test.expect("gapp/parent", ".status.lastDrifts[0].field", "spec.suspend");
    apps.test.expect("gapp/child", ".spec.suspend", "false");
}

#[test]
fn who_triggers_may_wait_for_what_becomes_of_it() {
    let (apps, _) = web("v-trigger", &[("apps/a.yaml", &config_map("a", "1"))], json!({}));
    let app = apps.of("web");
    let commit = apps.test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    let said = told(&["trigger", &app, "--wait", "--timeout", "1m"]);
    let expect = format!("{app}: Synced: Applied HEAD@{} (", &commit[..8]);
    assert!(said.starts_with(&expect), "{said}");
    assert_eq!(apps.test.field("configmap/a", ".data.key"), "2");
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bad}\ndata: [1]\n";
    apps.test.commit(&[("apps/bad.yaml", bad)]);
    let failed = ask(&["trigger", &app, "--wait"]);
    assert_eq!(failed.code, Some(1), "{failed:#?}");
    assert!(failed.stdout.starts_with(&format!("{app}: ApplyFailed: ")), "{failed:#?}");
    // Without waiting it is there soon.
    apps.test.repo.remove("apps/bad.yaml").unwrap();
    let commit = apps.test.commit(&[("apps/a.yaml", &config_map("a", "3"))]);
    let said = told(&["trigger", &app]);
    assert!(said.starts_with(&format!("{app} triggered: ")), "{said}");
    apps.applied("web", &commit);
}

#[test]
fn an_app_without_a_resource_is_triggered_by_its_name() {
    let test = Fixture::new("v-flags");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&["--interval", "1h"]);
    daemon.line(&["INFO Synced"]);
    test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    let name = &*test.namespace;
    let said = told(&["trigger", "--name", name, "-n", name]);
    assert_eq!(said, format!("{name} triggered\n"));
    test.expect("configmap/a", ".data.key", "2");
    // In the daemon's pod it need not be named.
    test.commit(&[("apps/a.yaml", &config_map("a", "3"))]);
    let mut command = program();
    command.env("GITOPS_SYNC_NAME", name).env("GITOPS_SYNC_NAMESPACE", name);
    command.arg("trigger").arg("--kubeconfig").arg(plane().kubeconfig());
    let done = Finished::of(command.output().unwrap());
    assert_eq!(done.code, Some(0), "{done:#?}");
    test.expect("configmap/a", ".data.key", "3");
}

#[test]
fn without_a_daemon_nobody_waits_for_ever() {
    define_apps();
    let test = Fixture::new("v-nobody");
    let app = json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp", "metadata": {"name": "web"},
        "spec": {"repoURL": "https://git.example/c.git"},
    });
    plane()
        .kubectl_with_stdin(&["create", "-n", &test.namespace, "-f", "-"], &app.to_string())
        .unwrap();
    let arguments = ["trigger", "web", "--wait", "--timeout", "1s", "-n", &test.namespace];
    let said = refused(plane().kubeconfig(), &arguments);
    assert_eq!(
        said,
        format!(
            "{}/web was not synced within 1s: No daemon has looked at it yet: gitops-sync run --watch-apps does, if it runs",
            test.namespace
        )
    );
}

/// An app of 24 `ConfigMap`s of which a commit removed twelve, and the hash of what is held.
fn held(name: &str) -> (Apps, String) {
    let all: Vec<_> = (0..24).map(|n| config_map(&format!("m{n}"), "1")).collect();
    let (apps, _) = web(name, &[("apps/all.yaml", &all.join("---\n"))], json!({"interval": "1s"}));
    apps.test.commit(&[("apps/all.yaml", &all[..12].join("---\n"))]);
    apps.reason("web", "Ready", "PruneHeld");
    let hash = apps.test.field("gapp/web", ".status.held[0].hash");
    (apps, hash)
}

fn left(apps: &Apps) -> usize {
    apps.test.named("configmaps", "m")
}

fn expect_left(apps: &Apps, number: usize) {
    eventually(DEADLINE, &format!("{number} to be left"), || {
        let left = left(apps);
        if left == number { Ok(Some(())) } else { Err(left) }
    })
    .unwrap();
}

#[test]
fn held_deletions_are_approved_by_the_command_that_the_status_names() {
    let (apps, hash) = held("v-approve");
    let app = apps.of("web");
    // The log, the resource and the page say the same command.
    let command = format!("gitops-sync prune-approve {app} {hash}");
    apps.daemon.line(&["Prune held: 12 of 24 objects", &command]);
    assert!(apps.reason("web", "Ready", "PruneHeld").contains(&command));
    let page = told(&["status", &app]);
    let (_, section) = page.split_once("\nHeld until a person approves:\n").unwrap();
    let lines: Vec<_> = section.lines().take(3).collect();
    let namespace = &apps.test.namespace;
    assert!(
        lines[0].starts_with(&format!("  {hash} 12 of 24 objects are too many at once: ")),
        "{page}"
    );
    assert!(lines[0].ends_with(&format!("configmap/m14 in {namespace} and 9 more")), "{page}");
    assert_eq!(lines[1], format!("    to delete them:          {command}"));
    assert_eq!(lines[2], format!("    to leave them to others: {command} --abandon"));
    // Another hash approves nothing, and says which there are.
    let wrong = ask(&["prune-approve", &app, "aaaaaaaaaaaa", &hash]);
    assert_eq!(wrong.code, Some(1));
    let first = format!(
        "error: {app} holds no aaaaaaaaaaaa: nothing is approved\nHeld are:\n{hash} 12 of 24"
    );
    assert!(wrong.stderr.starts_with(&first), "{wrong:#?}");
    let which = ask(&["prune-approve", &app]);
    assert!(
        which.stderr.starts_with(&format!("error: which held sets of {app}?\nHeld are:\n{hash}"))
    );
    assert_eq!(apps.get("web")["metadata"]["annotations"], Value::Null);
    assert_eq!(left(&apps), 24);
    let arguments: Vec<_> =
        lines[1].split_whitespace().skip_while(|word| *word != "prune-approve").collect();
    let said = told(&arguments);
    let expect = format!("{app}: with the next sync exactly the objects of {hash} are deleted");
    assert!(said.starts_with(&expect), "{said}");
    expect_left(&apps, 12);
    apps.reason("web", "Ready", "Synced");
    let none = ask(&["prune-approve", &app, &hash]);
    assert!(none.stderr.ends_with("nothing is approved\nNothing is held there.\n"), "{none:#?}");
}

#[test]
fn held_objects_may_be_abandoned() {
    let (apps, hash) = held("v-abandon");
    told(&["prune-approve", "web", &hash, "--abandon", "-n", &apps.test.namespace]);
    apps.test.expect("gapp/web", ".status.abandoned.count", "12");
    assert_eq!(left(&apps), 24);
    assert_eq!(apps.test.field("configmap/m20", ".metadata.labels"), "");
    let page = told(&["status", &apps.of("web")]);
    assert!(page.contains("\nAbandoned:\n  configmap/m12 in "), "{page}");
}

#[test]
fn a_tree_shows_how_each_object_stands_and_who_else_has_a_hand_in_it() {
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: reader}\nrules: []\n";
    let secret =
        "apiVersion: v1\nkind: Secret\nmetadata: {name: pin}\nstringData: {pin: hunter2}\n";
    let files = [
        ("apps/a.yaml", &*config_map("a", "1")),
        ("apps/b.yaml", &*config_map("b", "1")),
        ("apps/role.yaml", role),
        ("apps/secret.yaml", secret),
        ("apps/web.yaml", DEPLOYMENT),
    ];
    let (apps, _) = web("v-tree", &files, json!({"drift": "warn", "interval": "1s"}));
    let (app, namespace) = (apps.of("web"), &*apps.test.namespace);
    apps.test.kubectl(&["patch", "configmap", "b", "-p", "{\"data\":{\"key\":\"9\"}}"]);
    apps.test.expect("gapp/web", ".status.drifted[0].name", "b");
    apps.test.kubectl(&["wait", "--for=condition=Available", "--timeout=180s", "deployment/web"]);
    // Labels are copied, and anybody may write one.
    let label = format!("gitops-sync.dev/app={namespace}.web");
    apps.test.kubectl(&["create", "configmap", "forged"]);
    apps.test.kubectl(&["label", "configmap", "forged", &label]);
    apps.test.kubectl(&[
        "annotate",
        "configmap",
        "forged",
        &format!("gitops-sync.dev/id=x_{namespace}.other:/ConfigMap:{namespace}/forged"),
    ]);
    let tree = told(&["tree", &app]);
    assert!(tree.starts_with(&format!("{app}: Synced: Applied HEAD@")), "{tree}");
    let (_, table) = tree.split_once("\n\n").unwrap();
    let table = words(table);
    assert_eq!(table[0][..5], ["OBJECT", "NAMESPACE", "SYNC", "HEALTH", "OWNER"]);
    let expect: [&[&str]; 7] = [
        &["Classes"],
        &["└", "role.rbac.authorization.k8s.io/reader", namespace, "Synced", "Healthy", "-", "-"],
        &["Objects"],
        &["└", "configmap/a", namespace, "Synced", "Healthy", "-", "-"],
        &["└", "configmap/b", namespace, "Drifted", "Healthy", "-", "kubectl-patch"],
        &["└", "secret/pin", namespace, "Synced", "Healthy", "-", "-"],
        &["└", "deployment.apps/web", namespace, "Synced", "Healthy", "-", "-"],
    ];
    assert_eq!(table[1..], expect, "{tree}");
    assert!(!tree.contains("hunter2"));
    // What cannot be created is missing.
    apps.test.commit(&[(
        "apps/c.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: [1]\n",
    )]);
    apps.reason("web", "Ready", "ApplyFailed");
    let tree = told(&["tree", &app]);
    let missing: &[&str] = &["└", "configmap/c", namespace, "ApplyFailed", "Missing", "-", "-"];
    assert!(words(&tree).contains(&missing.to_vec()), "{tree}");
    // While nobody looks, nothing is said to be in sync.
    told(&["suspend", &app]);
    apps.reason("web", "Ready", "Suspended");
    let tree = ask(&["tree", &app]);
    let unknown: &[&str] = &["└", "configmap/a", namespace, "Unknown", "Healthy", "-", "-"];
    assert!(words(&tree.stdout).contains(&unknown.to_vec()), "{tree:#?}");
    assert!(
        tree.stderr
            .starts_with("note: Not of all objects is known how they stand to git: Suspended: ")
    );
}

#[test]
fn who_may_only_read_reads_and_is_told_what_is_missing_for_the_rest() {
    let (apps, hash) = held("v-reader");
    let (namespace, app) = (&*apps.test.namespace, apps.of("web"));
    let (user, kubeconfig) = apps.test.account();
    let said = |arguments: &[&str]| refused(&kubeconfig, arguments);
    let forbidden = |verb: &str| {
        format!(
            "you may not {verb} GitOpsApps in namespace {namespace}: ask for a Role with {verb} on gitopsapps.gitops-sync.dev ("
        )
    };
    let none = said(&["status", "-n", namespace]);
    assert!(none.starts_with(&forbidden("list")) && none.contains(&user), "{none}");
    let none = said(&["status", &app]);
    assert!(none.starts_with(&forbidden("get")), "{none}");
    let all = said(&["status", "-A"]);
    assert!(all.starts_with("you may not list GitOpsApps of all namespaces: "), "{all}");
    let resources = "--resource=gitopsapps.gitops-sync.dev,configmaps";
    apps.test.kubectl(&["create", "role", "reader", "--verb=get,list", resources]);
    let account = format!("--serviceaccount={namespace}:sync");
    apps.test.kubectl(&["create", "rolebinding", "reader", "--role=reader", &account]);
    let table = eventually(DEADLINE, "the Role to count", || {
        let done = run(&kubeconfig, &["status", "-n", namespace]);
        if done.code == Some(0) { Ok(Some(done)) } else { Err(done.stderr) }
    });
    let table = table.unwrap().stdout;
    assert_eq!(words(&table)[1][..4], [namespace, "web", "True", "PruneHeld"]);
    for arguments in [
        &["trigger", &*app][..],
        &["suspend", &app, "--reason", "x"],
        &["prune-approve", &app, &hash],
    ] {
        let said = said(arguments);
        assert!(said.starts_with(&forbidden("patch")), "{said}");
    }
    let before = apps.get("web")["metadata"]["annotations"].clone();
    assert_eq!(before, Value::Null);
    // A tree has what may be listed where it may be, and says what it lacks.
    let tree = run(&kubeconfig, &["tree", &app]);
    assert_eq!(tree.code, Some(0), "{tree:#?}");
    for (name, sync) in [("m12", "PruneHeld"), ("m0", "Unknown")] {
        let object = format!("configmap/{name}");
        let line: &[&str] = &["└", &object, namespace, sync, "Healthy", "-", "-"];
        assert!(words(&tree.stdout).contains(&line.to_vec()), "{tree:#?}");
    }
    let notes: Vec<_> = tree.stderr.lines().collect();
    let [why, forbidden, narrow] = &notes[..] else { panic!("{tree:#?}") };
    assert!(why.ends_with(": 2 held are among them, which the status does not name"), "{why}");
    assert!(
        forbidden.starts_with("note: You may not list, so that none of them are shown: "),
        "{tree:#?}"
    );
    assert!(forbidden.contains(", secret,") && forbidden.contains("deployment.apps"), "{tree:#?}");
    assert_eq!(
        *narrow,
        format!(
            "note: You may list only by namespace, so that only those in {namespace} are shown: configmap, gitopsapp.gitops-sync.dev"
        )
    );
}
