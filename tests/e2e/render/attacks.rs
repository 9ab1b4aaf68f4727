//! What who may commit to one path of a repository tries to reach beyond it.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::build::Tree;
use super::vault::Vault;
use crate::support::{Finished, program};

const CHART: &str = "apiVersion: v2\nname: web\nversion: 1.0.0\n";
const LIBRARY: &str = "apiVersion: v2\nname: lib\nversion: 0.1.0\n";
const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

/// What is left in the folder that programs run in.
fn left(tree: &Tree) -> Vec<String> {
    let mut all = Vec::new();
    let mut folders = vec![tree.data.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            all.push(entry.file_name().to_string_lossy().into_owned());
            folders.extend(entry.file_type().unwrap().is_dir().then(|| entry.path()));
        }
    }
    all.sort();
    all
}

/// That the tree is refused, and what is said.
fn refused(tree: &Tree, path: &str, words: &str) {
    let built = tree.build(&[path]);
    assert!(built.stderr.contains(words), "{words}: {built:#?}");
    assert_eq!(built.code, Some(1));
    assert_eq!(built.stdout, "");
}

fn depending_on(name: &str) -> Tree {
    let dependency = json!({"name": name, "version": "0.1.0", "repository": "file://../../lib"});
    Tree::new(&[
        ("apps/web/Chart.yaml", &format!("{CHART}dependencies: [{dependency}]\n")),
        ("apps/web/templates/a.yaml", MAP),
        ("lib/Chart.yaml", LIBRARY),
    ])
}

#[test]
fn a_chart_puts_nothing_where_it_does_not_run() {
    for name in
        ["../../../../../planted", "../../../../../../planted/deep", "../templates/x", "..", "a/b"]
    {
        let tree = depending_on(name);
        tree.build(&["apps/web"]);
        assert_eq!(left(&tree), Vec::<String>::new(), "{name}");
        refused(&tree, "apps/web", "apps/web/Chart.yaml: refers to");
    }
    // Through a link, another folder would be that of the charts.
    let tree = depending_on("lib");
    symlink("../../shared", tree.at("apps/web/charts")).unwrap();
    tree.write("shared/other.txt", "");
    refused(&tree, "apps/web", "apps/web/Chart.yaml: refers to");
    assert_eq!(depending_on("lib").objects(&["apps/web"]).len(), 1);
}

/// What kustomize makes of a path: it takes names and `..` out in pairs, and follows links only then.
#[test]
fn kustomize_reads_what_was_looked_at_and_nothing_else() {
    let build = |kustomization: Value| {
        let tree = Tree::new(&[
            ("apps/web/kustomization.yaml", &kustomization.to_string()),
            ("apps/web/a.yaml", MAP),
            ("deep/er/and/deeper/x.yaml", ""),
            // The folders that programs run in have such a file.
            ("lock", "decoy"),
            ("apps/lock", "decoy"),
        ]);
        symlink("../../deep/er/and/deeper", tree.at("apps/web/link")).unwrap();
        tree
    };
    let files = |path: &str| json!({"configMapGenerator": [{"name": "a", "files": [path]}]});
    refused(&build(files("link/../../../../lock")), "apps/web", "leads out of the tree");
    for field in ["patchesStrategicMerge", "generators", "transformers", "validators"] {
        for path in [
            "x{/../../../../lock",
            "a: b\n /../../../../lock",
            "kind: ConfigMap\nmetadata: {name: a}\nx: /../../../../lock",
            "/{/../../../../lock",
        ] {
            let tree = build(json!({"resources": ["a.yaml"], field: [path]}));
            refused(&tree, "apps/web", &format!(" in {field}, which leads out of the tree"));
        }
        for url in ["http://127.0.0.1:1/{a}", "https://{127.0.0.1:1/a", "HTTP://127.0.0.1:1/{"] {
            let tree = build(json!({"resources": ["a.yaml"], field: [url]}));
            refused(&tree, "apps/web", "is not in this repository");
        }
    }
    // What leads there either way is read.
    let tree = build(files("x=../../lock"));
    assert_eq!(tree.objects(&["apps/web"])[0]["data"], json!({"x": "decoy"}));
    let tree = build(files("x=link/../../lock"));
    assert_eq!(tree.objects(&["apps/web"])[0]["data"], json!({"x": "decoy"}));
}

#[test]
fn kustomizations_that_grow_are_not_kept() {
    let line = "x".repeat(1 << 10);
    let sixteen = |of: &str| vec![format!("*{of}"); 16].join(", ");
    // 2 KiB that come to 256.
    let bomb = format!(
        "resources: []\ncommonAnnotations: {{a: &l '{line}'}}\nvars: [&m [{}], [{}]]\n",
        sixteen("l"),
        sixteen("m")
    );
    let names: Vec<_> = (0..8).map(|at| format!("b{at}")).collect();
    let tree = Tree::new(&[("apps/kustomization.yaml", &json!({"resources": names}).to_string())]);
    for name in &names {
        tree.write(&format!("apps/{name}/kustomization.yaml"), &bomb);
    }
    let built = tree.build(&["apps", "--max-source-mib=1"]);
    let words = "the source holds more than 100000 entries or 1 MiB";
    assert!(built.stderr.contains(words), "{built:#?}");
}

fn app(helm: Value) -> String {
    json!({
        "apiVersion": "gitops-sync.dev/v1alpha1", "kind": "GitOpsApp",
        "metadata": {"name": "web", "namespace": "team"},
        "spec": {"repoURL": "https://git.example/config", "path": "web", "render": {"helm": helm}},
    })
    .to_string()
}

#[test]
fn a_file_with_values_is_one_file_whatever_its_name() {
    let map = format!("{MAP}data: {{a: {{{{ .Values.a }}}}, b: {{{{ .Values.b }}}}}}\n");
    let tree = Tree::new(&[
        ("web/Chart.yaml", CHART),
        ("web/values.yaml", "{a: own, b: own}"),
        ("web/templates/map.yaml", &map),
        ("web/x,web/b.yaml", "a: given"),
        ("web/b.yaml", "b: stolen"),
        ("web/x", "{}"),
        ("app.yaml", &app(json!({"valuesFiles": ["x,web/b.yaml"]}))),
    ]);
    let found = tree.objects(&["--app", "app.yaml"]);
    assert_eq!(found[0]["data"], json!({"a": "given", "b": "own"}));
    tree.write("web/x \"y\".yaml", "a: quoted");
    tree.write("app.yaml", &app(json!({"valuesFiles": ["x \"y\".yaml"]})));
    let found = tree.objects(&["--app", "app.yaml"]);
    assert_eq!(found[0]["data"], json!({"a": "quoted", "b": "own"}));
}

#[test]
fn a_schema_reads_nothing_beside_the_chart() {
    for reference in ["file:///etc/hostname", "http://127.0.0.1:1/a.json"] {
        let schema = json!({"$ref": reference});
        let tree = Tree::new(&[
            ("web/Chart.yaml", CHART),
            ("web/values.schema.json", &schema.to_string()),
            ("web/templates/map.yaml", MAP),
        ]);
        refused(&tree, "web", "helm says");
    }
}

#[test]
fn a_program_may_complain_at_length() {
    let names: Vec<_> = (0..900).map(|at| format!("b{at}")).collect();
    let tree = Tree::new(&[("apps/kustomization.yaml", &json!({"resources": names}).to_string())]);
    for name in &names {
        // kustomize says of each in a hundred letters that a field is an old one.
        let old = json!({"resources": ["a.yaml"], "commonLabels": {"a": "b"}, "namePrefix": name});
        tree.write(&format!("apps/{name}/kustomization.yaml"), &old.to_string());
        tree.write(&format!("apps/{name}/a.yaml"), MAP);
    }
    assert_eq!(tree.objects(&["apps"]).len(), names.len());
}

#[test]
fn what_sops_cannot_read_is_not_quoted() {
    const CANARY: &str = "hunter2canary";
    let vault = Vault::new();
    let ada = Vault::age("ada");
    vault.give(&ada);
    let check = |name: &str, text: &str, more: &str| {
        let encrypted = vault.encrypt(name, text, &ada);
        let kustomization = json!({"secretGenerator": [{"name": "a", "files": [name]}]});
        let tree = Tree::new(&[
            ("apps/kustomization.yaml", &kustomization.to_string()),
            (&format!("apps/{name}"), &format!("{more}{encrypted}")),
        ]);
        let keys = vault.path().to_str().unwrap().to_owned();
        let built = tree.build(&["apps", "--decryption-keys", &keys]);
        assert_eq!(built.code, Some(1), "{built:#?}");
        assert!(!built.stderr.contains(CANARY) && built.stderr.contains("sops says"), "{built:#?}");
    };
    check("a.env", "A=b\n", &format!("{CANARY}\n"));
    check("a.ini", "[a]\nb=c\n", &format!("{CANARY}\n"));
}

/// What a program does that is not what it should be, by the names of what it could do.
const ROGUE: &str = "
{ echo x > written; } 2> /dev/null && echo writes
{ : > empty; } 2> /dev/null && echo makes files
{ echo x > /dev/udp/127.0.0.1/9; } 2> /dev/null && echo network
kill -0 $PPID 2> /dev/null && echo signals
{ read x < /proc/$PPID/environ; } 2> /dev/null && echo environment
{ read x < /proc/self/environ; } 2> /dev/null && echo own environment
{ read x < /etc/hostname; } 2> /dev/null && echo files
/bin/true 2> /dev/null && echo processes
exit 0
";

#[test]
fn a_program_reaches_neither_the_network_nor_other_processes() {
    let run = |flags: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = program();
        command.arg("confine").arg("--dir").arg(folder.path()).args(flags);
        command.args(["--seconds=60", "--memory=1000000000", "--parent"]);
        command.arg(std::process::id().to_string());
        command.args(["/bin/bash", "--", "-c", ROGUE]).current_dir(folder.path());
        Finished::of(command.output().unwrap())
    };
    let check = |flags: &[&str], expect: &str| {
        let done = run(flags);
        // Where the kernel knows no Landlock, it does not start.
        if done.code != Some(125) {
            assert_eq!(done.stdout, expect, "{flags:?} {done:#?}");
        }
    };
    check(&[], "");
    check(&["--network"], "network\n");
    check(&["--file=10000"], "writes\nmakes files\n");
    check(&["--file=10000", "--network"], "writes\nmakes files\nnetwork\n");
    let done = run(&["--or-not"]);
    for word in ["writes", "network", "signals", "processes"] {
        assert!(!done.stdout.contains(word), "{done:#?}");
    }
}
