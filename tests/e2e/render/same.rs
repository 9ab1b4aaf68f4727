//! What kustomize makes of a folder and what we make of it are the same objects.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use gitops_sync::api::Render;
use gitops_sync::builder::{Inputs, Recipe, Tools, build};
use gitops_sync::render::{Content, Rendered, SourceFile, plain};
use gitops_sync::source::{Limits, folder};
use serde_json::Value;
use tempfile::TempDir;
use testbed::Tool;

use crate::support::plane;

/// A workload that much can be done to.
const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
      - name: web
        image: registry.example/web:1
        envFrom: [{configMapRef: {name: settings}}, {secretRef: {name: credentials}}]
      - {name: side, image: 'side@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3'}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
";

/// A tree and a folder of it to build. A text that begins with -> is a link.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)]);

const BASE: (&str, &str) = ("base/kustomization.yaml", "resources: [web.yaml]");
const BASE_WEB: (&str, &str) = ("base/web.yaml", WEB);

const CASES: &[Case] = &[
    (
        "resources of every form",
        &[
            ("top/kustomization.yml", "resources: [web.yaml, list.json, more]"),
            ("top/web.yaml", WEB),
            (
                "top/list.json",
                r#"{"apiVersion": "v1", "kind": "List", "items": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}]}"#,
            ),
            ("top/more/Kustomization", "resources: [b.yaml]"),
            (
                "top/more/b.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {on: 'yes', n: '1e3'}\n",
            ),
        ],
    ),
    (
        "names and what refers to them",
        &[
            BASE,
            BASE_WEB,
            (
                "top/kustomization.yaml",
                "resources: [../base]\nnamePrefix: a-\nnameSuffix: -z\nnamespace: shop",
            ),
        ],
    ),
    (
        "labels and annotations",
        &[
            BASE,
            BASE_WEB,
            (
                "top/kustomization.yaml",
                "resources: [../base]\ncommonAnnotations: {note: '1'}\nlabels:\n- {pairs: {team: a}, includeSelectors: true}\n- {pairs: {env: b}, includeTemplates: true}",
            ),
        ],
    ),
    (
        "labels of the old form",
        &[BASE, BASE_WEB, ("top/kustomization.yaml", "bases: [../base]\ncommonLabels: {team: a}")],
    ),
    (
        "images and replicas",
        &[
            BASE,
            BASE_WEB,
            (
                "top/kustomization.yaml",
                "resources: [../base]\nimages:\n- {name: registry.example/web, newName: other/web, newTag: '2'}\n- {name: side, digest: 'sha256:aaaa0000b4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3'}\nreplicas: [{name: web, count: 4}]",
            ),
        ],
    ),
    (
        "patches",
        &[
            BASE,
            BASE_WEB,
            (
                "top/kustomization.yaml",
                "resources: [../base]\npatches:\n- path: p.yaml\n- target: {kind: Service, name: w.*}\n  patch: |\n    - {op: replace, path: /spec/ports/0/port, value: 8080}\n- path: drop.yaml",
            ),
            (
                "top/p.yaml",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers: [{name: web, resources: {requests: {cpu: 10m}}}]\n",
            ),
            (
                "top/drop.yaml",
                "$patch: delete\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}\n",
            ),
        ],
    ),
    (
        "patches of the old forms",
        &[
            BASE,
            BASE_WEB,
            (
                "top/kustomization.yaml",
                "resources: [../base]\npatchesStrategicMerge:\n- p.yaml\n- |-\n  apiVersion: v1\n  kind: Service\n  metadata: {name: web}\n  spec: {type: NodePort}\npatchesJson6902:\n- {target: {version: v1, kind: Service, name: web}, path: j.json}",
            ),
            (
                "top/p.yaml",
                "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {replicas: 9}\n",
            ),
            ("top/j.json", r#"[{"op": "add", "path": "/metadata/labels", "value": {"j": "1"}}]"#),
        ],
    ),
    (
        "generators",
        &[
            (
                "base/kustomization.yaml",
                "resources: [web.yaml]\nconfigMapGenerator:\n- {name: settings, literals: [a=1, b=2], files: [c.txt, d=sub/d.bin]}\nsecretGenerator:\n- {name: credentials, envs: [.env], type: Opaque}",
            ),
            BASE_WEB,
            ("base/c.txt", "one\ntwo\n"),
            ("base/sub/d.bin", "\u{1}\u{2}"),
            ("base/.env", "# note\nUSER=me\nPASSWORD=p=q\n"),
            (
                "top/kustomization.yaml",
                "resources: [../base]\nconfigMapGenerator:\n- {name: settings, behavior: merge, literals: [b=3]}\nsecretGenerator:\n- {name: credentials, behavior: replace, literals: [TOKEN=x]}\ngeneratorOptions: {labels: {made: 'yes'}}",
            ),
        ],
    ),
    (
        "generators without hashes",
        &[(
            "top/kustomization.yaml",
            "configMapGenerator:\n- {name: a, literals: [x=y], options: {disableNameSuffixHash: true, immutable: true}}\ngeneratorOptions: {annotations: {note: a}}",
        )],
    ),
    (
        "components",
        &[
            BASE,
            BASE_WEB,
            (
                "parts/a/kustomization.yaml",
                "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nreplicas: [{name: web, count: 3}]\nresources: [x.yaml]",
            ),
            ("parts/a/x.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n"),
            ("top/kustomization.yaml", "resources: [../base]\ncomponents: [../parts/a]"),
        ],
    ),
    (
        "replacements",
        &[
            BASE,
            BASE_WEB,
            (
                "top/kustomization.yaml",
                "resources: [../base]\nreplacements:\n- path: r.yaml\n- source: {kind: Service, name: web, fieldPath: metadata.name}\n  targets: [{select: {kind: Deployment}, fieldPaths: ['metadata.annotations.service'], options: {create: true}}]",
            ),
            (
                "top/r.yaml",
                "source: {kind: Deployment, name: web, fieldPath: 'spec.template.spec.containers.[name=web].image', options: {delimiter: ':', index: 1}}\ntargets: [{select: {kind: Service}, fieldPaths: ['metadata.labels.version'], options: {create: true}}]\n",
            ),
        ],
    ),
    (
        "plugins that are built in",
        &[
            (
                "top/kustomization.yaml",
                "resources: [web.yaml]\ngenerators: [g.yaml]\ntransformers:\n- t.yaml\n- |-\n  apiVersion: builtin\n  kind: NamespaceTransformer\n  metadata: {name: n, namespace: inline}\n  fieldSpecs: [{path: metadata/namespace, create: true}]",
            ),
            ("top/web.yaml", WEB),
            (
                "top/g.yaml",
                "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: made}\nfiles: [c.txt]\n",
            ),
            ("top/c.txt", "text"),
            (
                "top/t.yaml",
                "apiVersion: builtin\nkind: PrefixTransformer\nmetadata: {name: p}\nprefix: t-\nfieldSpecs: [{path: metadata/name}]\n",
            ),
        ],
    ),
    (
        "configurations and custom kinds",
        &[
            (
                "top/kustomization.yaml",
                "resources: [c.yaml]\nnamePrefix: a-\nconfigMapGenerator: [{name: settings, literals: [a=b]}]\nconfigurations: [conf.yaml]\ncrds: [crd.json]",
            ),
            (
                "top/c.yaml",
                "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: t}\nspec: {settings: settings, image: 'x:1'}\n",
            ),
            (
                "top/conf.yaml",
                "nameReference:\n- kind: ConfigMap\n  version: v1\n  fieldSpecs: [{kind: Thing, path: spec/settings}]\n",
            ),
            ("top/crd.json", "{}"),
        ],
    ),
    (
        "what is said of the build",
        &[
            BASE,
            BASE_WEB,
            (
                "top/kustomization.yaml",
                "resources: [../base]\nbuildMetadata: [managedByLabel, originAnnotations, transformerAnnotations]\nnamePrefix: a-\nsortOptions: {order: fifo}",
            ),
        ],
    ),
    (
        "links of the tree",
        &[
            BASE,
            BASE_WEB,
            ("top/kustomization.yaml", "resources: [linked, web-link.yaml]\nnamePrefix: a-"),
            ("top/linked", "-> ../shared"),
            ("shared/kustomization.yaml", "resources: [../other/cm.yaml]"),
            ("other/cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: shared}\n"),
            ("top/web-link.yaml", "-> ../base/web.yaml"),
        ],
    ),
    (
        "variables of the old form",
        &[
            (
                "top/kustomization.yaml",
                "resources: [web.yaml, p.yaml]\nnamePrefix: a-\nvars:\n- {name: SERVICE, objref: {apiVersion: v1, kind: Service, name: web}}",
            ),
            ("top/web.yaml", WEB),
            (
                "top/p.yaml",
                "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: c, image: i, args: ['$(SERVICE)']}]}\n",
            ),
        ],
    ),
    (
        "a diamond",
        &[
            BASE,
            BASE_WEB,
            ("l/kustomization.yaml", "resources: [../base]\nnamePrefix: l-"),
            ("r/kustomization.yaml", "resources: [../base]\nnamePrefix: r-"),
            ("top/kustomization.yaml", "resources: [../l, ../r]"),
        ],
    ),
    (
        "keys in whatever case, a comment, and a document mark",
        &[
            BASE,
            BASE_WEB,
            (
                "top/kustomization.yaml",
                "--- # begins\nResources:\n- ../base # the base\nNamePrefix: a-\n",
            ),
        ],
    ),
];

#[test]
fn kustomize_and_we_make_the_same_of_a_folder() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let data = TempDir::new().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_gitops-sync"));
    let tools = Tools::new(program, data.path(), Duration::from_mins(1))
        .with_path(plane().programs().search_path());
    for (name, files) in CASES {
        let tree = TempDir::new().unwrap();
        for (path, text) in *files {
            let at = tree.path().join(path);
            fs::create_dir_all(at.parent().unwrap()).unwrap();
            match text.strip_prefix("-> ") {
                Some(target) => std::os::unix::fs::symlink(target, at).unwrap(),
                None => fs::write(at, text).unwrap(),
            }
        }
        let snapshot =
            folder::read_below(tree.path(), "top", &Render::default(), Limits::default()).unwrap();
        let (recipe, inputs) = (Recipe::default(), Inputs::default());
        let ours = runtime.block_on(build(&tools, &recipe, &inputs, snapshot, None)).unwrap();
        assert_eq!(said(&ours), Vec::<String>::new(), "{name}");
        let mut command = plane().programs().command(Tool::Kustomize);
        command.arg("build").arg(tree.path().join("top"));
        let output = command.args(["--load-restrictor", "LoadRestrictionsNone"]).output().unwrap();
        assert!(output.status.success(), "{name}: {output:?}");
        let path = "all.yaml".to_owned();
        let theirs = plain(vec![SourceFile { path, content: Content::Read(output.stdout, None) }]);
        assert!(!theirs.manifests.is_empty(), "{name}");
        assert_eq!(bodies(&ours), bodies(&theirs), "{name}");
    }
}

fn said(rendered: &Rendered) -> Vec<String> {
    rendered.diagnostics.iter().map(ToString::to_string).collect()
}

fn bodies(rendered: &Rendered) -> BTreeSet<String> {
    let text = |body: Value| serde_json::to_string_pretty(&body).unwrap();
    rendered.manifests.iter().map(|manifest| text(manifest.body())).collect()
}
