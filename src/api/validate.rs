//! The rules of the resource's schema once more, for apps that an older schema let in.

use std::collections::BTreeMap;
use std::fmt;

use kube::ResourceExt as _;

use super::names::OURS;
use super::post_build::is_variable;
use super::reference::{AppReference, KubeConfig};
use super::resources::Resources;
use super::retry::Retry;
use super::spec::CreateNamespace;
use super::{GitOpsApp, GitOpsAppSpec, PostBuild, PruneGuard};
use crate::object::AppId;

/// A field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field, such as `spec.path`.
    pub field: String,
    /// What is wrong with it, never its value.
    pub reason: String,
}

impl Fault {
    /// What is wrong with this field.
    pub fn new(field: &str, reason: &str) -> Self {
        Self { field: field.to_owned(), reason: reason.to_owned() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

/// Why an object is no app: at least one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(Vec<Fault>);

impl Invalid {
    /// What these faults come to: nothing if there are none.
    pub(super) fn unless_none(faults: Vec<Fault>) -> Result<(), Self> {
        if faults.is_empty() { Ok(()) } else { Err(Self(faults)) }
    }

    /// What is wrong.
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }
}

impl From<Fault> for Invalid {
    fn from(fault: Fault) -> Self {
        Self(vec![fault])
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&all.join("; "))
    }
}

impl std::error::Error for Invalid {}

impl GitOpsApp {
    /// Whether it keeps the rules of the schema; else all that it breaks.
    pub fn validate(&self) -> Result<(), Invalid> {
        let mut faults = Faults::default();
        let name = self.name_any();
        let is_name = name.parse::<AppId>().is_ok();
        faults.unless(is_name, "metadata.name", "must have at most 200 of a-z, 0-9, '-' and '.'");
        faults.source(&self.spec);
        faults.verify(&self.spec);
        faults.0.extend(self.spec.render.faults());
        faults.0.extend(self.spec.render.kustomize.faults());
        faults.0.extend(self.spec.render.helm.faults());
        faults.retry(&self.spec.retry);
        faults.guard(&self.spec.prune_guard);
        faults.images(&self.spec.images);
        faults.post_build(self.spec.post_build.as_ref());
        faults.place(&self.spec);
        faults.labels("spec.commonLabels", &self.spec.common_labels.0);
        faults.annotations("spec.commonAnnotations", &self.spec.common_annotations.0);
        faults.dependencies(&self.spec.depends_on, &name, self.namespace().as_deref());
        faults.identity(&self.spec);
        faults.resources(&self.spec.resources);
        Invalid::unless_none(faults.0)
    }
}

/// What is wrong so far. Each method judges one part of an app.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn unless(&mut self, is_good: bool, field: &str, reason: &str) {
        if !is_good {
            self.0.push(Fault::new(field, reason));
        }
    }

    fn source(&mut self, spec: &GitOpsAppSpec) {
        let (url, path) = (&spec.repo_url, &spec.path);
        let reason = "must be a URL of https, http, ssh or oci, or user@host:path";
        self.unless(has_length(url, 1..=2048) && is_url(url), "spec.repoURL", reason);
        let reason = "must not hold credentials or a query: put credentials into a Secret and name it in secretRef";
        self.unless(!has_secrets(url), "spec.repoURL", reason);
        let is_proxied = spec.proxy_secret_ref.is_some();
        let is_http = ["http://", "https://", "oci://"].iter().any(|it| url.starts_with(it));
        let reason = "needs a repoURL of https, http or oci: ssh does not go through a proxy";
        self.unless(!is_proxied || is_http, "spec.proxySecretRef", reason);
        let reason = "is for a repoURL of oci: write http:// for a git server without TLS";
        let is_artifact = !spec.insecure || url.starts_with("oci://");
        self.unless(is_artifact, "spec.insecure", reason);
        let reason = "is for repositories of git, and repoURL is one of OCI artifacts";
        let is_git = !spec.submodules || !url.starts_with("oci://");
        self.unless(is_git, "spec.submodules", reason);
        let revision = &spec.target_revision;
        let starts_well = !revision.starts_with(|c: char| c == '-' || c.is_ascii_whitespace());
        let is_revision = has_length(revision, 1..=255)
            && starts_well
            && !revision.contains(|c: char| c.is_ascii_control());
        let reason = "must be a branch, a tag, a commit or a range of versions";
        self.unless(is_revision, "spec.targetRevision", reason);
        self.unless(has_length(path, 1..=1024), "spec.path", "must have 1 to 1024 characters");
        let reason = "must not begin with /: it is a folder of the repository";
        self.unless(!path.starts_with('/'), "spec.path", reason);
        let reason = "must not contain ..: it may not leave the repository";
        self.unless(path.split('/').all(|part| part != ".."), "spec.path", reason);
    }

    fn verify(&mut self, spec: &GitOpsAppSpec) {
        let verify = spec.verify.as_ref();
        let Some(verify) = verify else { return };
        let reason = "is for repositories of git, and repoURL is one of OCI artifacts";
        self.unless(!spec.repo_url.starts_with("oci://"), "spec.verify", reason);
        let has_keys = verify.secret_ref.is_some() || verify.keys.is_some();
        let reason = "needs secretRef or keys, which say who may sign";
        self.unless(has_keys || verify.mode.is_none(), "spec.verify.mode", reason);
        let reason = "must have one of secretRef, keys and noRollback";
        self.unless(has_keys || verify.no_rollback, "spec.verify", reason);
        let is_name = verify.secret_ref.as_ref().is_none_or(|secret| is_subdomain(&secret.name.0));
        self.unless(is_name, "spec.verify.secretRef.name", NAME);
        let are_keys = |keys: &Vec<String>| {
            (1..=32).contains(&keys.len()) && keys.iter().all(|key| has_length(key, 1..=32_768))
        };
        let reason = "must be 1 to 32 texts of at most 32768 characters";
        self.unless(verify.keys.as_ref().is_none_or(are_keys), "spec.verify.keys", reason);
    }

    fn retry(&mut self, retry: &Retry) {
        let backoff = &retry.backoff;
        self.unless(retry.limit <= 100, "spec.retry.limit", "must be at most 100");
        let is_factor = (1..=10).contains(&backoff.factor);
        self.unless(is_factor, "spec.retry.backoff.factor", "must be 1 to 10");
        let reason = "must not be shorter than duration";
        let grows = backoff.max_duration >= backoff.duration;
        self.unless(grows, "spec.retry.backoff.maxDuration", reason);
    }

    fn guard(&mut self, guard: &PruneGuard) {
        let reason = "must be at most 1000000";
        self.unless(guard.max_objects <= 1_000_000, "spec.pruneGuard.maxObjects", reason);
        self.unless(guard.max_percent <= 100, "spec.pruneGuard.maxPercent", "must be at most 100");
        let kinds = &guard.protect_kinds;
        let are_kinds = kinds.len() <= 64 && kinds.iter().all(|kind| is_protectable(kind));
        let reason = "must be at most 64 kinds, each as Namespace or Database.example.com";
        self.unless(are_kinds, "spec.pruneGuard.protectKinds", reason);
    }

    fn images(&mut self, images: &[String]) {
        let is_image = |text: &String| {
            let has_space = text.contains(|c: char| c.is_ascii_whitespace());
            let parts = text.split_once(['=', ':', '@']);
            let is_set = parts.is_some_and(|(name, new)| !name.is_empty() && !new.is_empty());
            has_length(text, 1..=1024) && !has_space && is_set && text.matches('=').count() <= 1
        };
        let reason = "must be at most 64 of name:tag@digest or name=newname:tag@digest";
        let are_images = images.len() <= 64 && images.iter().all(is_image);
        self.unless(are_images, "spec.images", reason);
    }

    fn post_build(&mut self, post_build: Option<&PostBuild>) {
        let Some(PostBuild { substitute, substitute_from, .. }) = post_build else { return };
        let reason = "must have names of at most 128 of A-Z, a-z, 0-9 and '_', which do not begin with a digit";
        let are_names = substitute.0.keys().all(|name| is_variable(name));
        self.unless(are_names, "spec.postBuild.substitute", reason);
        let are_short = substitute.0.values().all(|text| has_length(text, 0..=16_384));
        let reason = "must have at most 256 values, each of at most 16384 characters";
        let are_few = substitute.0.len() <= 256;
        self.unless(are_short && are_few, "spec.postBuild.substitute", reason);
        let reason = "must have at most 32 items";
        self.unless(substitute_from.len() <= 32, "spec.postBuild.substituteFrom", reason);
        for (index, from) in substitute_from.iter().enumerate() {
            let field = format!("spec.postBuild.substituteFrom[{index}].name");
            self.unless(is_subdomain(&from.name.0), &field, NAME);
        }
    }

    fn place(&mut self, spec: &GitOpsAppSpec) {
        if let Some(name) = &spec.target_namespace {
            self.unless(is_label(&name.0), "spec.targetNamespace", NAMESPACE);
        }
        if let Some(CreateNamespace { labels, annotations }) = &spec.create_namespace {
            let reason = "needs targetNamespace, the name of the namespace to create";
            self.unless(spec.target_namespace.is_some(), "spec.createNamespace", reason);
            self.labels("spec.createNamespace.labels", &labels.0);
            self.annotations("spec.createNamespace.annotations", &annotations.0);
        }
    }

    fn labels(&mut self, field: &str, labels: &BTreeMap<String, String>) {
        let are_values = labels.values().all(|value| value.is_empty() || is_word(value));
        self.unless(
            are_values,
            field,
            "must have values of at most 63 of A-Z, a-z, 0-9, '-', '_' and '.'",
        );
        self.keys(field, labels);
    }

    fn annotations(&mut self, field: &str, annotations: &BTreeMap<String, String>) {
        let are_short = annotations.values().all(|value| has_length(value, 0..=4096));
        self.unless(are_short, field, "must have values of at most 4096 characters");
        self.keys(field, annotations);
    }

    fn keys(&mut self, field: &str, map: &BTreeMap<String, String>) {
        self.unless(map.len() <= 32, field, "must have at most 32 entries");
        let are_others = map.keys().all(|key| !key.starts_with(OURS));
        let reason = "must not set labels or annotations of gitops-sync.dev, which it sets itself";
        self.unless(are_others, field, reason);
        let reason = "must have keys such as team or example.com/team";
        self.unless(map.keys().all(|key| is_key(key)), field, reason);
    }

    fn dependencies(&mut self, apps: &[AppReference], name: &str, namespace: Option<&str>) {
        self.unless(apps.len() <= 32, "spec.dependsOn", "must be at most 32 apps");
        for (index, app) in apps.iter().enumerate() {
            let field = |name: &str| format!("spec.dependsOn[{index}].{name}");
            self.unless(is_subdomain(&app.name.0), &field("name"), NAME);
            let other = app.namespace.as_ref().map(|namespace| namespace.0.as_str());
            self.unless(other.is_none_or(is_label), &field("namespace"), NAMESPACE);
            let is_itself = app.name.0 == name && (other.is_none() || other == namespace);
            self.unless(!is_itself, "spec.dependsOn", "must not name the app itself");
        }
    }

    fn identity(&mut self, spec: &GitOpsAppSpec) {
        let account = spec.service_account_name.as_ref();
        let is_name = account.is_none_or(|name| is_subdomain(&name.0));
        self.unless(is_name, "spec.serviceAccountName", NAME);
        let is_one = account.is_none() || spec.kube_config.is_none();
        let reason =
            "must not be set together with kubeConfig, which says who acts in the other cluster";
        self.unless(is_one, "spec.serviceAccountName", reason);
        for (secret, field) in [
            (&spec.secret_ref, "spec.secretRef.name"),
            (&spec.proxy_secret_ref, "spec.proxySecretRef.name"),
        ] {
            let is_name = secret.as_ref().is_none_or(|secret| is_subdomain(&secret.name.0));
            self.unless(is_name, field, NAME);
        }
        if let Some(KubeConfig { secret_ref }) = &spec.kube_config {
            self.unless(is_subdomain(&secret_ref.name.0), "spec.kubeConfig.secretRef.name", NAME);
            let is_key = has_length(&secret_ref.key, 1..=253) && of(&secret_ref.key, "._-");
            let reason = "must be the key of an entry: A-Z, a-z, 0-9, '-', '_' and '.'";
            self.unless(is_key, "spec.kubeConfig.secretRef.key", reason);
        }
    }

    fn resources(&mut self, resources: &Resources) {
        for (field, patterns) in [("allow", &resources.allow), ("deny", &resources.deny)] {
            let field = format!("spec.resources.{field}");
            let is_group = |group: &str| group.is_empty() || group == "*" || is_subdomain(group);
            let is_kind = |kind: &str| kind == "*" || (has_length(kind, 1..=63) && of(kind, ""));
            let are_kinds = patterns.iter().all(|p| is_group(&p.group) && is_kind(&p.kind));
            let reason = "must be at most 64 of group and kind, each a name or *";
            self.unless(patterns.len() <= 64 && are_kinds, &field, reason);
        }
    }
}

pub(super) const NAME: &str = "must be the name of an object: a-z, 0-9, '-' and '.'";
pub(super) const NAMESPACE: &str =
    "must be the name of a namespace: at most 63 of a-z, 0-9 and '-'";

/// In characters, as the API server counts.
pub(super) fn has_length(text: &str, range: std::ops::RangeInclusive<usize>) -> bool {
    range.contains(&text.chars().count())
}

/// Whether a text has only letters, digits and these.
pub(super) fn of(text: &str, others: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

/// Whether a text begins and ends with a letter or digit.
pub(super) fn is_framed(text: &str) -> bool {
    let is_frame = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(is_frame) && text.ends_with(is_frame)
}

pub(super) fn is_lower(text: &str) -> bool {
    !text.contains(|c: char| c.is_ascii_uppercase())
}

pub(super) fn is_label(text: &str) -> bool {
    text.len() <= 63 && is_framed(text) && of(text, "-") && is_lower(text)
}

pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && is_framed(text) && of(text, "-.") && is_lower(text)
}

/// The name part of a label's key, and a label's value.
fn is_word(text: &str) -> bool {
    text.len() <= 63 && is_framed(text) && of(text, "-_.")
}

fn is_key(text: &str) -> bool {
    text.split_once('/')
        .map_or(is_word(text), |(prefix, name)| is_subdomain(prefix) && is_word(name))
}

fn is_protectable(text: &str) -> bool {
    let (kind, group) = text.split_once('.').unwrap_or((text, "any"));
    let is_group = !group.is_empty() && of(group, "-.") && is_lower(group);
    text.len() <= 253 && !kind.is_empty() && of(kind, "") && is_group
}

/// Whether a repository is reached over a network: a path would be one of the daemon's own machine.
fn is_url(url: &str) -> bool {
    let is_solid =
        |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_ascii_whitespace());
    let scheme =
        ["https://", "http://", "ssh://", "oci://"].iter().find_map(|it| url.strip_prefix(it));
    let parts = match scheme {
        Some(rest) => rest.split_once('/'),
        None => url.split_once(':').filter(|(login, _)| {
            let login = login.split_once('@');
            login.is_some_and(|(user, host)| {
                !user.is_empty() && !host.is_empty() && of(user, "._-") && of(host, "._-")
            })
        }),
    };
    parts.is_some_and(|(host, path)| is_solid(host) && is_solid(path))
}

/// Whether a URL has a password, a token in place of a user, or a query.
fn has_secrets(url: &str) -> bool {
    let authority = |rest: &str| rest.split('/').next().map(str::to_owned);
    let user = |scheme: &str| {
        let authority = url.strip_prefix(scheme).and_then(authority)?;
        authority.rsplit_once('@').map(|(user, _)| user.to_owned())
    };
    let is_http = ["https://", "http://", "oci://"].iter().any(|scheme| user(scheme).is_some());
    let is_ssh = user("ssh://").is_some_and(|user| user.contains(':'));
    is_http || is_ssh || url.contains(['?', '#'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::reference::{Name, NamespaceName};

    #[test]
    fn an_app_may_depend_on_its_namesake_elsewhere_only() {
        let check = |namespace: Option<&str>, expect: &[&str]| {
            let mut app = GitOpsApp::new("web", GitOpsAppSpec::of("https://git.example/c"));
            app.metadata.namespace = Some("apps".to_owned());
            let namespace = namespace.map(|name| NamespaceName(name.to_owned()));
            app.spec.depends_on = vec![AppReference { name: Name("web".to_owned()), namespace }];
            let invalid = app.validate().err();
            let faults = invalid.as_ref().map_or(&[][..], Invalid::faults);
            let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(fields, expect);
        };
        check(None, &["spec.dependsOn"]);
        check(Some("apps"), &["spec.dependsOn"]);
        check(Some("other"), &[]);
        check(Some("a/b"), &["spec.dependsOn[0].namespace"]);
    }

    #[test]
    fn credentials_are_found_wherever_a_url_has_them() {
        let check = |url: &str, expect: bool| assert_eq!(has_secrets(url), expect, "{url}");
        check("https://git.example/a@b", false);
        check("ssh://git@git.example:22/c", false);
        check("git@git.example:c", false);
        check("https://a:b@c@git.example/c", true);
        check("http://token@git.example/c", true);
        check("ssh://git:pw@git.example/c", true);
        check("https://git.example/c?private_token=x", true);
        check("https://git.example/c#x", true);
    }
}
