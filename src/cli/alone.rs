//! The one app that a daemon is given by its command line.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::access::AccessArguments;
use super::app_file;
use crate::api::reference::NamespaceName;
use crate::api::{DeletionPolicy, GitOpsApp, GitOpsAppSpec};
use crate::controller::prepare;
use crate::object::AppId;
use crate::source::{Keys, Verification};

/// One app, as a resource would say it.
pub(super) struct Alone {
    /// Its name.
    pub name: AppId,
    /// What is wanted of it.
    pub spec: GitOpsAppSpec,
    /// Where what it refers to is, if not with the daemon's own Secrets.
    pub namespace: Option<String>,
}

/// What flags give in the place of Secrets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InFiles {
    login: bool,
    proxy: bool,
    keys: bool,
}

impl InFiles {
    /// What these flags give.
    pub(super) fn of(access: &AccessArguments, has_keys: bool) -> Self {
        Self { login: access.has_login(), proxy: access.has_proxy(), keys: has_keys }
    }
}

impl Alone {
    /// The app in a file.
    pub(super) fn read(file: &Path, given: InFiles) -> anyhow::Result<Self> {
        let app = app_file::read(file)?;
        let shown = file.display();
        let refused: Vec<_> = refused(&app.spec, given)
            .map(|(field, why)| format!("{shown}: {field} {why}"))
            .collect();
        if !refused.is_empty() {
            bail!("{}", refused.join("\nerror: "));
        }
        Self::of(app).with_context(|| shown.to_string())
    }

    fn of(app: GitOpsApp) -> anyhow::Result<Self> {
        let GitOpsApp { metadata, mut spec, .. } = app;
        let name = metadata.name.unwrap_or_default().parse()?;
        let namespace = metadata.namespace;
        let own = || namespace.clone().map(NamespaceName);
        spec.target_namespace = spec.target_namespace.take().or_else(own);
        Ok(Self { name, spec, namespace })
    }

    /// What has to be true of its commits by its own word.
    pub(super) fn verification(&self) -> anyhow::Result<Option<Arc<Verification>>> {
        let Some(verify) = &self.spec.verify else { return Ok(None) };
        let keys = prepare::own_keys(verify).map_err(|fault| anyhow::anyhow!("{fault}"))?;
        let keys = keys.map(|keys| Keys::Given(Arc::new(keys)));
        let signed = verify.wanted().zip(keys);
        Ok(Some(Arc::new(Verification { signed, no_rollback: verify.no_rollback })))
    }
}

/// The fields that mean nothing without a resource in a cluster, and what does what they would.
fn refused(
    spec: &GitOpsAppSpec,
    given: InFiles,
) -> impl Iterator<Item = (&'static str, &'static str)> {
    let of_chart = spec.render.helm.chart.as_ref();
    let by_secret = |secret: bool, is_given: bool| secret && !is_given;
    let decryption = spec.decryption.as_ref().is_some_and(|it| it.secret_ref.is_some());
    let verify = spec.verify.as_ref().is_some_and(|it| it.secret_ref.is_some());
    let all = [
        (
            by_secret(spec.secret_ref.is_some(), given.login),
            "spec.secretRef",
            "is not read for an app of --app: give what it holds by --git-password-file, --git-ssh-key-file or their like",
        ),
        (
            by_secret(spec.proxy_secret_ref.is_some(), given.proxy),
            "spec.proxySecretRef",
            "is not read for an app of --app: give what it holds by --git-proxy",
        ),
        (
            by_secret(decryption, given.keys),
            "spec.decryption.secretRef",
            "is not read for an app of --app: give what it holds by --decryption-keys",
        ),
        (
            verify,
            "spec.verify.secretRef",
            "is not read for an app of --app: write the public keys into spec.verify.keys",
        ),
        (
            of_chart.is_some_and(|chart| chart.secret_ref.is_some()),
            "spec.render.helm.chart.secretRef",
            "is not read for an app of --app: apply the file to the cluster, and run with --watch-apps",
        ),
        (
            spec.kube_config.is_some(),
            "spec.kubeConfig",
            "is not read for an app of --app: give --kubeconfig",
        ),
        (
            spec.service_account_name.is_some(),
            "spec.serviceAccountName",
            "does not count for an app of --app, which has the daemon's rights: run it with that account's, and remove this",
        ),
        (
            !spec.depends_on.is_empty(),
            "spec.dependsOn",
            "needs other apps, and --app is one alone: apply the file to the cluster, and run with --watch-apps",
        ),
        (
            spec.suspend,
            "spec.suspend",
            "does not count for an app of --app: remove this, and use gitops-sync suspend --name",
        ),
        (
            spec.deletion_policy == DeletionPolicy::Delete,
            "spec.deletionPolicy",
            "does not count for an app of --app, which has no resource that could be deleted: remove this",
        ),
    ];
    all.into_iter().filter_map(|(is_refused, field, why)| is_refused.then_some((field, why)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api;
    use serde_json::{Value, json};

    fn app(spec: &Value) -> GitOpsApp {
        let mut app = json!({"metadata": {"name": "web", "namespace": "team"}, "spec": spec});
        app["spec"]["repoURL"] = json!("https://git.example/c");
        api::decode(&app).unwrap()
    }

    #[test]
    fn what_needs_a_resource_is_refused() {
        let check = |spec: Value, given: InFiles, expect: &[&str]| {
            let found: Vec<_> = refused(&app(&spec).spec, given).map(|(field, _)| field).collect();
            assert_eq!(found, expect, "{spec}");
        };
        let secret = json!({"name": "s"});
        let none = InFiles::default();
        check(json!({"prune": false, "syncPolicy": "manual"}), none, &[]);
        check(json!({"verify": {"keys": ["k"]}, "decryption": {}}), none, &[]);
        check(
            json!({"suspend": true, "dependsOn": [{"name": "a"}], "deletionPolicy": "Delete"}),
            none,
            &["spec.dependsOn", "spec.suspend", "spec.deletionPolicy"],
        );
        check(json!({"serviceAccountName": "a"}), none, &["spec.serviceAccountName"]);
        let kube_config = json!({"secretRef": {"name": "s"}});
        check(json!({"kubeConfig": kube_config}), none, &["spec.kubeConfig"]);
        check(json!({"verify": {"secretRef": secret}}), none, &["spec.verify.secretRef"]);
        let chart = json!({"repoURL": "https://c.example", "name": "web", "version": "1", "secretRef": secret});
        let expect = "spec.render.helm.chart.secretRef";
        check(json!({"render": {"helm": {"chart": chart}}}), none, &[expect]);
        let secrets = json!({
            "secretRef": secret, "proxySecretRef": secret, "decryption": {"secretRef": secret},
        });
        let expect = ["spec.secretRef", "spec.proxySecretRef", "spec.decryption.secretRef"];
        check(secrets.clone(), none, &expect);
        check(secrets, InFiles { login: true, proxy: true, keys: true }, &[]);
    }

    #[test]
    fn objects_go_where_those_of_a_resource_would() {
        let check = |spec: Value, expect: &str| {
            let alone = Alone::of(app(&spec)).unwrap();
            let target = alone.spec.target_namespace.map(|name| name.0);
            assert_eq!(
                (target.as_deref(), alone.namespace.as_deref()),
                (Some(expect), Some("team"))
            );
            assert_eq!(alone.name.to_string(), "web");
        };
        check(json!({}), "team");
        check(json!({"targetNamespace": "prod"}), "prod");
    }
}
