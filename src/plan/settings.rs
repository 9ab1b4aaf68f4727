//! By what the manifests of an app are resolved.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{CommonMetadata, Reach, autoscalers};
use crate::api::resources::Resources;
use crate::object::marks::HashKey;
use crate::object::{AppId, ObjectId};
use crate::render::Manifest;

/// Whose objects they are, where those without a namespace go, where any may go, and what they may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The app.
    pub app: AppId,
    /// Key of the manifest hashes.
    pub key: HashKey,
    /// Namespace of namespaced objects that name none.
    pub namespace: String,
    /// Where objects may be.
    pub reach: Reach,
    /// What all objects get.
    pub common: Arc<CommonMetadata>,
    /// Of which kinds they may be.
    pub resources: Arc<Resources>,
}

impl Settings {
    /// The manifests of kinds that the app may have.
    pub(super) fn allowed<'a>(
        &self,
        manifests: &'a [Arc<Manifest>],
    ) -> impl Iterator<Item = &'a Arc<Manifest>> {
        manifests.iter().filter(|manifest| self.resources.allows(&manifest.id.kind))
    }

    /// The workloads whose replicas an autoscaler decides.
    pub(super) fn autoscaled(&self, manifests: &[Arc<Manifest>]) -> BTreeSet<ObjectId> {
        autoscalers::targets(self.allowed(manifests), &self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::api::resources::KindPattern;
    use crate::object::GroupKind;
    use crate::object::handling::{OnConflict, Policy};
    use crate::plan::desired::{Scaling, resolve};
    use crate::plan::{Desired, Kinds, Resource};
    use crate::render::{Content, Diagnostic, SourceFile, plain};

    fn served() -> Kinds {
        let mut served = Kinds::default();
        for (group, kind) in [
            ("", "ConfigMap"),
            ("autoscaling", "HorizontalPodAutoscaler"),
            ("apiextensions.k8s.io", "CustomResourceDefinition"),
        ] {
            served.insert(Resource {
                kind: GroupKind::new(group, kind),
                version: if group == "autoscaling" { "v2" } else { "v1" }.into(),
                plural: String::new(),
                namespaced: group != "apiextensions.k8s.io",
                listable: true,
            });
        }
        served
    }

    /// What becomes of a text where a kind is denied, and where all objects get a label.
    fn resolved(
        text: &str,
        denied: (&str, &str),
        team: &str,
    ) -> (Vec<Arc<Desired>>, Vec<Diagnostic>) {
        let pattern = KindPattern { group: denied.0.to_owned(), kind: denied.1.to_owned() };
        let resources = Resources { deny: vec![pattern], ..Resources::default() };
        let labels = BTreeMap::from([("team".to_owned(), team.to_owned())]);
        let common = CommonMetadata { labels, ..CommonMetadata::default() };
        let (app, key) = ("web".parse().unwrap(), HashKey(vec![1]));
        let (namespace, reach) = ("demo".into(), Reach::default());
        let (common, resources) = (Arc::new(common), Arc::new(resources));
        let settings = Settings { app, key, namespace, reach, common, resources };
        let content = Content::Read(text.as_bytes().to_vec(), None);
        let rendered = plain(vec![SourceFile { path: "a.yaml".into(), content }]);
        resolve(&rendered.manifests, &served(), &settings, &[])
    }

    #[test]
    fn a_kind_that_is_not_allowed_is_said_and_defines_nothing() {
        let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n\
             {apiVersion: v1, kind: Secret, metadata: {name: s}}\n---\n\
             apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\n\
             metadata: {name: w.example.com}\nspec:\n  group: example.com\n  scope: Cluster\n  \
             names: {kind: W, plural: ws}\n  versions: [{name: v1}]\n---\n\
             {apiVersion: example.com/v1, kind: W, metadata: {name: x}}\n";
        let check = |denied: (&str, &str), expect: &str, words: &[&str]| {
            let (desired, diagnostics) = resolved(text, denied, "a");
            let names: Vec<_> = desired.iter().map(|d| d.id.name.as_str()).collect();
            assert_eq!(names.join(" "), expect, "{denied:?}");
            let said: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
            assert_eq!(said.len(), words.len(), "{said:#?}");
            for (said, words) in said.iter().zip(words) {
                assert!(said.contains(words), "{said}");
            }
        };
        let unserved = "serves no kind Secret";
        check(("x", "X"), "a w.example.com x", &[unserved]);
        let secret = "a.yaml:3: secret/s is of a kind that the resources of its app do not allow: \
                      have {group: \"\", kind: Secret} allowed there, or move it";
        check(("", "secret"), "a w.example.com x", &[secret]);
        check(
            ("apiextensions.k8s.io", "*"),
            "a",
            &[
                unserved,
                "{group: \"apiextensions.k8s.io\", kind: CustomResourceDefinition}",
                "serves no kind W",
            ],
        );
        check(("*", "*"), "", &["configmap/a", "secret/s", "w.example.com", "w.example.com/x"]);
    }

    #[test]
    fn an_autoscaler_that_is_not_allowed_decides_nothing() {
        let text = "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n---\n\
             {apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h}, \
             spec: {scaleTargetRef: {apiVersion: v1, kind: ConfigMap, name: a}}}\n";
        let check = |denied: (&str, &str), expect: Scaling| {
            assert_eq!(resolved(text, denied, "a").0[0].scaling, expect, "{denied:?}");
        };
        check(("x", "X"), Scaling::Autoscaler);
        check(("autoscaling", "*"), Scaling::Unset);
    }

    #[test]
    fn what_all_objects_get_is_part_of_what_is_applied() {
        let text =
            "{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {team: b, app: w}}}";
        let denied = ("x", "X");
        let [one, two] = ["a", "c"].map(|team| resolved(text, denied, team).0.remove(0));
        assert_ne!(one.hash, two.hash);
        let labels = one.body(&"web".parse().unwrap())["metadata"]["labels"].clone();
        assert_eq!((&labels["team"], &labels["app"]), (&"a".into(), &"w".into()));
        let yielding = Policy { conflicts: OnConflict::Yield, ..Policy::default() };
        assert_eq!(one.yielded(yielding).unwrap()["metadata"]["labels"]["team"], "a");
    }
}
