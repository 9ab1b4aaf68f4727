//! What an object's annotations say about how it is handled: ours, and those of our peers, which mean
//! here what they mean there.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use strum::EnumString;

use super::pattern::FieldPattern;

/// What is done when others change or delete what git declares.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumString,
    strum::VariantNames,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum OnDrift {
    /// It is put back at once.
    #[default]
    Revert,
    /// It is told.
    Warn,
    /// Nothing.
    Ignore,
}

/// What is done when people add fields that git does not declare.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumString,
    strum::VariantNames,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum OnAdditions {
    /// They are removed.
    #[default]
    Revert,
    /// They are told.
    Report,
    /// Nothing.
    Ignore,
}

/// What is done when others own fields that git declares otherwise.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    EnumString,
    strum::VariantNames,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum OnConflict {
    /// They are taken over.
    #[default]
    Force,
    /// It is told, and the object is left as it is.
    Report,
    /// They are left to the others.
    Yield,
}

/// What is done about what others do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// About changes and deletions.
    pub drift: OnDrift,
    /// About additions.
    pub additions: OnAdditions,
    /// About fields that others own.
    pub conflicts: OnConflict,
    /// Whether what cannot be changed is deleted and created again.
    pub replace: bool,
}

/// When an object is written at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Touch {
    /// Whenever it is not as git declares it.
    #[default]
    Always,
    /// Only while there is no such object.
    OnlyCreate,
    /// Never, because of this mark.
    Never(&'static str),
}

/// How one object is handled, where it differs from the app's way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Handling {
    /// `gitops-sync.dev/drift`.
    pub drift: Option<OnDrift>,
    /// `gitops-sync.dev/additions`.
    pub additions: Option<OnAdditions>,
    /// `gitops-sync.dev/conflicts`.
    pub conflicts: Option<OnConflict>,
    /// `gitops-sync.dev/ignore-fields`: fields that others may have.
    pub ignored: Vec<FieldPattern>,
    /// When it is written.
    pub touch: Touch,
    /// Whether it is never deleted.
    pub keep: bool,
    /// `gitops-sync.dev/replace`: whether it is deleted and created again where it cannot be changed.
    pub replace: bool,
}

impl Handling {
    /// What is done about this object, where `default` is done about others.
    pub fn policy(&self, default: Policy) -> Policy {
        Policy {
            drift: self.drift.unwrap_or(default.drift),
            additions: self.additions.unwrap_or(default.additions),
            conflicts: self.conflicts.unwrap_or(default.conflicts),
            ..default
        }
    }
}

/// An annotation of ours with a value that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAnnotation {
    /// Its key.
    pub key: &'static str,
    /// What its value has to be.
    pub expected: &'static str,
}

const DRIFT: &str = "gitops-sync.dev/drift";
const ADDITIONS: &str = "gitops-sync.dev/additions";
const CONFLICTS: &str = "gitops-sync.dev/conflicts";
/// Annotation that allows to delete an object and create it again, where it cannot be changed.
pub const REPLACE: &str = "gitops-sync.dev/replace";
const IGNORE_FIELDS: &str = "gitops-sync.dev/ignore-fields";

/// How an object is pruned: `keep`, or `allow` to let the guard pass it.
const PRUNE: &str = "gitops-sync.dev/prune";

/// A key, and the values by which it says something. `*` stands for any; comma-separated lists match by
/// item; case does not matter.
type Mark = (&'static str, &'static [&'static str]);

/// Marks that say "do not touch", on the manifest or on the object in the cluster.
const HANDS_OFF: &[Mark] = &[
    ("gitops-sync.dev/reconcile", &["disabled"]),
    ("kustomize.toolkit.fluxcd.io/reconcile", &["disabled"]),
    ("kustomize.toolkit.fluxcd.io/ssa", &["Ignore"]),
    ("configmanagement.gke.io/managed", &["disabled"]),
    ("fluxcd.io/ignore", &["true", "sync_only"]),
    ("kluctl.io/ignore", &["true"]),
    ("kapp.k14s.io/noop", &["*"]),
];

/// Marks of manifests that say "create it, then hands off".
const ONLY_CREATE: &[Mark] = &[
    ("kustomize.toolkit.fluxcd.io/ssa", &["IfNotPresent"]),
    ("client.lifecycle.config.k8s.io/mutation", &["ignore"]),
];

/// Marks of manifests that say "leave what others add".
const MERGE: &[Mark] = &[("kustomize.toolkit.fluxcd.io/ssa", &["Merge"])];

/// Marks that say "do not delete", on the manifest or on the object in the cluster; so do those of
/// [`HANDS_OFF`].
const KEEP: &[Mark] = &[
    (PRUNE, &["keep", "disabled", "false"]),
    (
        "argocd.argoproj.io/sync-options",
        &["Prune=false", "Delete=false", "Prune=confirm", "Delete=confirm"],
    ),
    ("kustomize.toolkit.fluxcd.io/prune", &["disabled"]),
    ("client.lifecycle.config.k8s.io/deletion", &["detach"]),
    ("cli-utils.sigs.k8s.io/on-remove", &["keep"]),
    ("helm.sh/resource-policy", &["keep"]),
    ("kapp.k14s.io/delete-strategy", &["orphan"]),
    ("kluctl.io/skip-delete", &["true"]),
];

/// How a manifest wants to be handled.
pub fn handling(manifest: &Value) -> Result<Handling, BadAnnotation> {
    let annotation = |key: &str| manifest["metadata"]["annotations"][key].as_str().map(str::trim);
    let drift = annotation(DRIFT).map(str::parse).transpose();
    let expected = "revert, warn or ignore";
    let drift = drift.map_err(|_| BadAnnotation { key: DRIFT, expected })?;
    let additions = annotation(ADDITIONS).map(str::parse).transpose();
    let expected = "revert, report or ignore";
    let additions = additions.map_err(|_| BadAnnotation { key: ADDITIONS, expected })?;
    let additions = additions.or(says(manifest, MERGE).map(|_| OnAdditions::Ignore));
    let conflicts = annotation(CONFLICTS).map(str::parse).transpose();
    let expected = "force, report or yield";
    let conflicts = conflicts.map_err(|_| BadAnnotation { key: CONFLICTS, expected })?;
    let replace = annotation(REPLACE).map(str::parse).transpose();
    let expected = "true or false";
    let replace = replace.map_err(|_| BadAnnotation { key: REPLACE, expected })?;
    let ignored = FieldPattern::parse_all(annotation(IGNORE_FIELDS).unwrap_or_default());
    let expected = "paths such as /spec/replicas, separated by commas";
    let ignored = ignored.ok_or(BadAnnotation { key: IGNORE_FIELDS, expected })?;
    let touch = match (hands_off(manifest), says(manifest, ONLY_CREATE)) {
        (Some(mark), _) => Touch::Never(mark),
        (None, Some(_)) => Touch::OnlyCreate,
        (None, None) => Touch::Always,
    };
    let (keep, replace) = (keep(manifest).is_some(), replace.unwrap_or_default());
    Ok(Handling { drift, additions, conflicts, ignored, touch, keep, replace })
}

/// The mark that says not to touch an object at all.
pub fn hands_off(object: &Value) -> Option<&'static str> {
    says(object, HANDS_OFF)
}

/// The mark on an object, or on a manifest, that forbids its deletion.
pub fn keep(object: &Value) -> Option<&'static str> {
    says(object, KEEP).or_else(|| hands_off(object))
}

/// Whether an object says that it may be deleted without a person's word.
pub fn may_go(object: &Value) -> bool {
    says(object, &[(PRUNE, &["allow"])]).is_some()
}

/// Whether a document is only for tools on a laptop and never for a cluster.
pub fn is_local(document: &Value) -> bool {
    let text = &document["metadata"]["annotations"]["config.kubernetes.io/local-config"];
    text.as_str().is_some_and(|text| text != "false")
}

/// Whether what looks like a variable in an object is none, by our word or by Flux's.
pub fn is_not_substituted(object: &Value) -> bool {
    const MARKS: [&str; 2] =
        ["gitops-sync.dev/substitute", "kustomize.toolkit.fluxcd.io/substitute"];
    let meta = &object["metadata"];
    let says = |map: &Value| MARKS.iter().any(|mark| map[*mark] == "disabled");
    says(&meta["annotations"]) || says(&meta["labels"])
}

/// The first of some marks that an object carries, as an annotation or a label.
fn says(object: &Value, marks: &[Mark]) -> Option<&'static str> {
    let meta = &object["metadata"];
    let hit = |map: &Value, (key, values): &Mark| {
        let mut items = map[*key].as_str()?.split(',');
        let is_one = |item: &str| {
            values.iter().any(|value| *value == "*" || value.eq_ignore_ascii_case(item.trim()))
        };
        items.any(is_one).then_some(*key)
    };
    let find = |mark| hit(&meta["annotations"], mark).or_else(|| hit(&meta["labels"], mark));
    marks.iter().find_map(find)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn keeps_what_any_tool_says_to_keep() {
        let check = |key: &str, value: &str, kept: bool| {
            let object = json!({"metadata": {"annotations": {key: value}}});
            assert_eq!(keep(&object).is_some(), kept, "{key}: {value}");
            let object = json!({"metadata": {"labels": {key: value}}});
            assert_eq!(keep(&object).is_some(), kept, "label {key}: {value}");
        };
        check("argocd.argoproj.io/sync-options", "ServerSideApply=true, Prune=false", true);
        check("argocd.argoproj.io/sync-options", "ServerSideApply=true", false);
        check("kustomize.toolkit.fluxcd.io/prune", "Disabled", true);
        check("helm.sh/resource-policy", "keep", true);
        check("kapp.k14s.io/noop", "", true);
        check("gitops-sync.dev/prune", "allow", false);
        check("example.com/keep", "true", false);
    }

    #[test]
    fn annotations_say_how_an_object_is_handled() {
        let of =
            |key: &str, value: &str| handling(&json!({"metadata": {"annotations": {key: value}}}));
        let check = |key: &str, value: &str, expect: Handling| {
            assert_eq!(of(key, value), Ok(expect), "{key}: {value}");
        };
        let none = Handling::default;
        check(DRIFT, "warn", Handling { drift: Some(OnDrift::Warn), ..none() });
        check(ADDITIONS, "ignore", Handling { additions: Some(OnAdditions::Ignore), ..none() });
        let conflicts = Some(OnConflict::Yield);
        check(CONFLICTS, "yield", Handling { conflicts, ..none() });
        check(REPLACE, "true", Handling { replace: true, ..none() });
        check(REPLACE, "false", none());
        check(
            IGNORE_FIELDS,
            "/spec/replicas",
            Handling { ignored: vec![FieldPattern::replicas()], ..none() },
        );
        let merge = Handling { additions: Some(OnAdditions::Ignore), ..none() };
        check("kustomize.toolkit.fluxcd.io/ssa", "Merge", merge);
        let create = Handling { touch: Touch::OnlyCreate, ..none() };
        check("kustomize.toolkit.fluxcd.io/ssa", "IfNotPresent", create.clone());
        check("client.lifecycle.config.k8s.io/mutation", "ignore", create);
        for (key, value) in [
            ("gitops-sync.dev/reconcile", "disabled"),
            ("kustomize.toolkit.fluxcd.io/reconcile", "Disabled"),
            ("configmanagement.gke.io/managed", "disabled"),
            ("kapp.k14s.io/noop", ""),
        ] {
            check(key, value, Handling { touch: Touch::Never(key), keep: true, ..none() });
        }
        check("example.com/drift", "warn", none());
        for (key, value) in [
            (DRIFT, "report"),
            (ADDITIONS, "warn"),
            (IGNORE_FIELDS, "replicas"),
            (CONFLICTS, "ignore"),
            (REPLACE, "yes"),
        ] {
            assert_eq!(of(key, value).unwrap_err().key, key);
        }
    }
}
