//! The eight steps.

use std::time::Instant;

use anyhow::ensure;

use crate::stage::{Stage, deployment, lasted};

type Step = fn(&Stage) -> anyhow::Result<()>;

/// The story: what is claimed, and what shows it.
pub const STEPS: &[(&str, Step)] = &[
    ("a web Deployment of 2 replicas appears and becomes Available", appears),
    ("scaled to 5 by hand, it returns to 2, and the log says by what", hand_scaled),
    ("a commit to 5 stays at 5", commit_scales),
    ("git revert returns it to 2", git_revert),
    ("a deleted Service comes back", deleted_service),
    ("a manifest removed from git is pruned", pruned),
    ("objects of others are untouched, even with a copied label", foreign_objects),
    ("the metrics show it", metrics),
];

/// Tells the story and returns how many steps passed.
pub fn tell(stage: &Stage) -> usize {
    let mut passed = 0;
    for (number, (claim, step)) in STEPS.iter().enumerate() {
        stage.say("");
        let start = Instant::now();
        let result = step(stage);
        let seconds = start.elapsed().as_secs_f64();
        stage.show_log();
        match result {
            Ok(()) => {
                passed += 1;
                println!("PASS {}. {claim} ({seconds:.1} s)", number + 1);
            }
            Err(error) => println!("FAIL {}. {claim} ({seconds:.1} s)\n{error:#}", number + 1),
        }
    }
    passed
}

const WEB: &str = "deployment/web";
const REPLICAS: &str = ".spec.replicas";
const AVAILABLE: &str = ".status.availableReplicas";

fn appears(stage: &Stage) -> anyhow::Result<()> {
    stage.expect(WEB, REPLICAS, "2")?;
    stage.expect(WEB, AVAILABLE, "2")?;
    stage.synced(0, &stage.repo.head()?)
}

fn hand_scaled(stage: &Stage) -> anyhow::Result<()> {
    let mark = stage.mark();
    let watch = stage.watch(WEB, REPLICAS, "2")?;
    stage.kubectl(&["scale", WEB, "-n", "demo", "--replicas", "5"])?;
    let lasted = lasted(&watch, "5", "2")?;
    stage.say(&format!("a watch saw 5 replicas for {:.0} ms", lasted.as_secs_f64() * 1e3));
    let line = stage.line(mark, &["Drift reverted", "spec.replicas"])?;
    for word in ["wanted=2", "found=5", "manager=\"kubectl\"", "subresource=\"scale\""] {
        ensure!(line.contains(word), "the log does not say {word}: {line}");
    }
    stage.expect(WEB, REPLICAS, "2")
}

fn commit_scales(stage: &Stage) -> anyhow::Result<()> {
    stage.say("$ git commit -m 'Five replicas' && git push");
    stage.repo.write("apps/web/deployment.yaml", deployment(5))?;
    let commit = stage.repo.commit("Five replicas")?;
    stage.synced(stage.mark(), &commit)?;
    stage.expect(WEB, AVAILABLE, "5")?;
    // Two passes later it is still so.
    stage.synced(stage.mark(), &commit)?;
    stage.synced(stage.mark(), &commit)?;
    ensure!(stage.field(WEB, REPLICAS)? == "5", "it did not stay at 5");
    Ok(())
}

fn git_revert(stage: &Stage) -> anyhow::Result<()> {
    stage.say("$ git revert HEAD && git push");
    let mark = stage.mark();
    let commit = stage.repo.revert(&stage.repo.head()?)?;
    stage.synced(mark, &commit)?;
    stage.expect(WEB, REPLICAS, "2")?;
    stage.expect(WEB, ".status.replicas", "2")
}

fn deleted_service(stage: &Stage) -> anyhow::Result<()> {
    let mark = stage.mark();
    let before = stage.field("service/web", ".metadata.uid")?;
    stage.kubectl(&["delete", "service", "web", "-n", "demo"])?;
    stage.line(mark, &["Drift reverted: the object had been deleted", "service/web"])?;
    let after = stage.field("service/web", ".metadata.uid")?;
    ensure!(!after.is_empty() && after != before, "the Service is not a new one");
    Ok(())
}

fn pruned(stage: &Stage) -> anyhow::Result<()> {
    stage.say("$ git rm apps/web/settings.yaml && git commit && git push");
    let mark = stage.mark();
    stage.repo.remove("apps/web/settings.yaml")?;
    let commit = stage.repo.commit("Remove the settings")?;
    stage.line(mark, &["Pruned", "configmap/settings"])?;
    stage.synced(mark, &commit)?;
    stage.expect("configmap/settings", ".metadata.name", "")
}

/// Objects in the same namespace: one without marks, one with the label, one with all marks copied.
fn foreign_objects(stage: &Stage) -> anyhow::Result<()> {
    let label = "gitops-sync.dev/app=web";
    let create = |name: &str| {
        stage.kubectl(&["create", "configmap", name, "-n", "demo", "--from-literal", "a=b"])
    };
    for name in ["plain", "labelled", "copied"] {
        create(name)?;
    }
    for name in ["labelled", "copied"] {
        stage.kubectl(&["label", "configmap", name, "-n", "demo", label])?;
    }
    let identity = stage.field(WEB, r".metadata.annotations.gitops-sync\.dev/id")?;
    let copied = format!("gitops-sync.dev/id={identity}");
    stage.kubectl(&["annotate", "configmap", "copied", "-n", "demo", &copied])?;
    let before = stage.kubectl(&["get", "configmaps", "-n", "demo", "-o", "name"])?;
    // A pass that prunes goes over them as well.
    stage.repo.write(
        "apps/web/extra.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra, namespace: demo}\n",
    )?;
    let mark = stage.mark();
    stage.synced(mark, &stage.repo.commit("Add one more")?)?;
    stage.repo.remove("apps/web/extra.yaml")?;
    let mark = stage.mark();
    stage.synced(mark, &stage.repo.commit("Remove it again")?)?;
    stage.line(mark, &["Pruned", "configmap/extra"])?;
    let after = stage.kubectl(&["get", "configmaps", "-n", "demo", "-o", "name"])?;
    ensure!(before == after, "before:\n{before}after:\n{after}");
    Ok(())
}

fn metrics(stage: &Stage) -> anyhow::Result<()> {
    let text = stage.metrics()?;
    for line in [
        r#"gitops_sync_drift_reverts_total{app="web",kind="deployment.apps",manager="kubectl"} 1"#,
        r#"gitops_sync_drift_reverts_total{app="web",kind="service",manager="unknown"} 1"#,
        r#"gitops_sync_pruned_total{app="web"} 2"#,
        r#"gitops_sync_objects{app="web",state="synced"} 3"#,
    ] {
        ensure!(text.contains(line), "no {line} in\n{text}");
        stage.say(line);
    }
    let revision =
        format!(r#"gitops_sync_revision_info{{app="web",revision="{}"}} 1"#, stage.repo.head()?);
    ensure!(text.contains(&revision), "no {revision} in\n{text}");
    stage.say(&revision);
    Ok(())
}
