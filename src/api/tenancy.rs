//! What the operator of the daemon allows apps. Pure.

use kube::ResourceExt as _;

use super::repository::{RepoPattern, is_unambiguous};
use super::validate::{Fault, Invalid};
use super::{GitOpsApp, GitOpsAppSpec};
use crate::object::ServiceAccount;

/// What apps may do, whatever they say themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tenancy {
    /// The service account of its own namespace that an app acts as if it names none. Without one, such
    /// apps have the daemon's rights.
    pub default_service_account: Option<String>,
    /// Whether apps may refer to apps of other namespaces.
    pub allow_cross_namespace_refs: bool,
    /// Repositories that apps may use; all if there are none.
    pub allowed_repos: Vec<RepoPattern>,
}

impl Tenancy {
    /// The service account with whose rights an app is synced, and its Secrets are read; `None` for the
    /// daemon's own. With faults the app is not to be synced.
    ///
    /// In another cluster its kubeconfig says who acts; there this account has no meaning.
    pub fn identity(&self, app: &GitOpsApp) -> Result<Option<ServiceAccount>, Invalid> {
        let namespace = app.namespace().unwrap_or_default();
        let account = self.account(&namespace, &app.spec);
        let (spec, place) = (&app.spec, &namespace);
        let chart = spec.render.helm.chart.as_ref();
        let faults = [
            self.references(place, spec),
            self.repository("spec.repoURL", &spec.repo_url),
            chart.and_then(|c| self.repository("spec.render.helm.chart.repoURL", &c.repo_url)),
            self.proxy(spec),
        ];
        let faults = faults.into_iter().flatten().chain(account.as_ref().err().cloned());
        Invalid::unless_none(faults.collect())?;
        account.map_err(Invalid::from)
    }

    /// The same, whatever else is wrong with the app: a name that is no name is a fault, and never nobody.
    pub fn account(
        &self,
        namespace: &str,
        spec: &GitOpsAppSpec,
    ) -> Result<Option<ServiceAccount>, Fault> {
        let own = spec.service_account_name.as_ref().map(|name| name.0.as_str());
        let Some(name) = own.or(self.default_service_account.as_deref()) else { return Ok(None) };
        let (field, reason) = match own {
            Some(_) => ("spec.serviceAccountName", "must be the name of a service account"),
            None => (
                "spec.serviceAccountName",
                "is missing, and --default-service-account of the daemon is no name of a service account",
            ),
        };
        let account = ServiceAccount::new(namespace, name);
        account.map(Some).ok_or_else(|| Fault::new(field, reason))
    }

    fn references(&self, namespace: &str, spec: &GitOpsAppSpec) -> Option<Fault> {
        let others = spec.depends_on.iter().filter_map(|app| app.namespace.as_ref());
        let is_elsewhere = others.into_iter().any(|other| other.0 != namespace);
        let reason = "must not name apps of other namespaces, which the daemon does not allow (--allow-cross-namespace-refs)";
        let is_fault = is_elsewhere && !self.allow_cross_namespace_refs;
        is_fault.then(|| Fault::new("spec.dependsOn", reason))
    }

    /// By a proxy of their own, and an authority of their own for its certificates, anybody could pass off
    /// anything as a repository that is allowed.
    fn proxy(&self, spec: &GitOpsAppSpec) -> Option<Fault> {
        let is_fault = spec.proxy_secret_ref.is_some() && !self.allowed_repos.is_empty();
        let reason = "must not be set where the daemon allows only some repositories (--allowed-repos): ask who runs it for HTTPS_PROXY in the daemon's environment";
        is_fault.then(|| Fault::new("spec.proxySecretRef", reason))
    }

    fn repository(&self, field: &str, url: &str) -> Option<Fault> {
        let reason = if self.allowed_repos.is_empty() {
            return None;
        } else if !is_unambiguous(url) {
            "must be written plainly where only some repositories are allowed: no '..', '//', '\\', query or encoded character in it"
        } else if self.allowed_repos.iter().any(|pattern| pattern.matches(url)) {
            return None;
        } else {
            "is none of the repositories that the daemon allows (--allowed-repos): ask who runs it"
        };
        Some(Fault::new(field, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reference::{AppReference, Name, NamespaceName, SecretReference};

    fn app(url: &str) -> GitOpsApp {
        let mut app = GitOpsApp::new("web", GitOpsAppSpec::of(url));
        app.metadata.namespace = Some("apps".to_owned());
        app
    }

    /// The identity, or the fields that are wrong.
    fn judged(tenancy: &Tenancy, app: &GitOpsApp) -> String {
        match tenancy.identity(app) {
            Ok(identity) => identity.map_or("the daemon".to_owned(), |account| account.to_string()),
            Err(invalid) => {
                let fields = invalid.faults().iter().map(|fault| fault.field.as_str());
                fields.collect::<Vec<_>>().join(" ")
            }
        }
    }

    #[test]
    fn an_app_acts_as_its_account_or_the_default_and_an_empty_one_as_nobody() {
        let check = |own: Option<&str>, default: Option<&str>, expect: &str| {
            let default_service_account = default.map(str::to_owned);
            let tenancy = Tenancy { default_service_account, ..Tenancy::default() };
            let mut app = app("https://git.example/c");
            app.spec.service_account_name = own.map(|name| Name(name.to_owned()));
            assert_eq!(judged(&tenancy, &app), expect, "{own:?} {default:?}");
        };
        let fault = "spec.serviceAccountName";
        check(None, None, "the daemon");
        check(Some("own"), None, "system:serviceaccount:apps:own");
        check(None, Some("default"), "system:serviceaccount:apps:default");
        check(Some("own"), Some("default"), "system:serviceaccount:apps:own");
        check(Some(""), Some("default"), fault);
        check(Some(""), None, fault);
        check(None, Some(""), fault);
        check(Some("kube-system:admin"), None, fault);
        check(Some("../kube-system/admin"), None, fault);
        check(Some("admin\r\nimpersonate-group: system:masters"), None, fault);
        let mut homeless = app("https://git.example/c");
        homeless.metadata.namespace = None;
        homeless.spec.service_account_name = Some(Name("own".to_owned()));
        assert_eq!(judged(&Tenancy::default(), &homeless), fault);
    }

    #[test]
    fn apps_of_other_namespaces_are_named_only_where_that_is_allowed() {
        let check = |namespace: Option<&str>, allow: bool, expect: &str| {
            let tenancy = Tenancy { allow_cross_namespace_refs: allow, ..Tenancy::default() };
            let mut app = app("https://git.example/c");
            let namespace = namespace.map(|name| NamespaceName(name.to_owned()));
            app.spec.depends_on = vec![AppReference { name: Name("db".to_owned()), namespace }];
            assert_eq!(judged(&tenancy, &app), expect);
        };
        check(None, false, "the daemon");
        check(Some("apps"), false, "the daemon");
        check(Some("other"), false, "spec.dependsOn");
        check(Some(""), false, "spec.dependsOn");
        check(Some("other"), true, "the daemon");
    }

    #[test]
    fn only_allowed_repositories_are_used() {
        let patterns = ["git.example/team/*", "git.example:8443/**"];
        let allowed_repos = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        let tenancy = Tenancy { allowed_repos, ..Tenancy::default() };
        let check = |url: &str, is_allowed: bool| {
            let expect = if is_allowed { "the daemon" } else { "spec.repoURL" };
            assert_eq!(judged(&tenancy, &app(url)), expect, "{url}");
            assert_eq!(judged(&Tenancy::default(), &app(url)), "the daemon");
        };
        check("https://git.example/team/config", true);
        check("https://git.example:8443/a/b/c", true);
        check("git@git.example:team/config.git", true);
        check("https://git.example/other/config", false);
        check("https://git.example/team/../other/config", false);
        check("https://git.example/team/%2e%2e", false);
        check("https://git.example@evil.example/team/config", false);
        check("https://evil.example/git.example/team/config", false);
        check("git@evil.example://git.example/team/config", false);
        check("git@evil.example:git.example/team/config", false);
        check("https://git.example:8444/team/config", false);
        check("https://git.example./team/config", false);
        check("/git.example/team/config", false);
        check("", false);
    }

    #[test]
    fn where_only_some_repositories_are_allowed_no_proxy_of_an_app_is_used() {
        let check = |patterns: &[&str], expect: &str| {
            let allowed_repos = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
            let tenancy = Tenancy { allowed_repos, ..Tenancy::default() };
            let mut app = app("https://git.example/team/config");
            app.spec.proxy_secret_ref = Some(SecretReference { name: Name("proxy".to_owned()) });
            assert_eq!(judged(&tenancy, &app), expect, "{patterns:?}");
        };
        check(&[], "the daemon");
        check(&["git.example/**"], "spec.proxySecretRef");
    }

    #[test]
    fn all_that_is_wrong_is_said() {
        let allowed_repos = vec!["git.example/team/*".parse().unwrap()];
        let tenancy = Tenancy { allowed_repos, ..Tenancy::default() };
        let mut app = app("https://evil.example/x");
        app.spec.service_account_name = Some(Name(String::new()));
        let namespace = Some(NamespaceName("other".to_owned()));
        app.spec.depends_on = vec![AppReference { name: Name("db".to_owned()), namespace }];
        let expect = "spec.dependsOn spec.repoURL spec.serviceAccountName";
        assert_eq!(judged(&tenancy, &app), expect);
    }
}
