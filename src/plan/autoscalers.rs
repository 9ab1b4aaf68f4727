//! The workloads whose number of replicas an autoscaler in the same source decides.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::object::id::split_api_version;
use crate::object::{GroupKind, ObjectId};
use crate::render::Manifest;

/// The workloads that autoscalers among some manifests target: horizontal ones
/// (`autoscaling/HorizontalPodAutoscaler`) and KEDA's (`keda.sh/ScaledObject`). What names no namespace is
/// in `namespace`.
pub fn targets<'a>(
    manifests: impl IntoIterator<Item = &'a Arc<Manifest>>,
    namespace: &str,
) -> BTreeSet<ObjectId> {
    manifests.into_iter().filter_map(|manifest| target(manifest, namespace)).collect()
}

/// Whether objects of a kind decide about replicas.
pub fn is_autoscaler(kind: &GroupKind) -> bool {
    is_keda(kind) || kind.is("autoscaling", "HorizontalPodAutoscaler")
}

fn is_keda(kind: &GroupKind) -> bool {
    kind.is("keda.sh", "ScaledObject")
}

fn target(manifest: &Manifest, namespace: &str) -> Option<ObjectId> {
    let kind = &manifest.id.kind;
    if !is_autoscaler(kind) {
        return None;
    }
    let is_keda = is_keda(kind);
    let body = manifest.body();
    let target = &body["spec"]["scaleTargetRef"];
    // KEDA's documentation: without a kind, a Deployment is meant.
    let default = is_keda.then_some("apps/v1");
    let (group, _) = split_api_version(target["apiVersion"].as_str().or(default)?);
    let kind = target["kind"].as_str().or(is_keda.then_some("Deployment"))?;
    let own = manifest.id.namespace.as_str();
    let namespace = if own.is_empty() { namespace } else { own };
    Some(ObjectId::new(GroupKind::new(group, kind), namespace, target["name"].as_str()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Content, SourceFile, plain};

    #[test]
    fn autoscalers_name_their_targets() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            let content = Content::Read(text.as_bytes().to_vec(), None);
            let rendered = plain(vec![SourceFile { path: "a.yaml".into(), content }]);
            let found = targets(&rendered.manifests, "demo");
            let found = found.iter().map(|id| (id.namespace.clone(), id.to_string())).next();
            let expect = expect.map(|(namespace, id)| (namespace.to_owned(), id.to_owned()));
            assert_eq!(found, expect, "{text}");
        };
        let hpa = "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\n\
                   spec: {scaleTargetRef: {apiVersion: apps/v1, kind: StatefulSet, name: db}}\n";
        check(hpa, Some(("demo", "statefulset.apps/db")));
        check(
            &hpa.replace("{name: h}", "{name: h, namespace: x}"),
            Some(("x", "statefulset.apps/db")),
        );
        let keda = "apiVersion: keda.sh/v1alpha1\nkind: ScaledObject\nmetadata: {name: s}\n\
                    spec: {scaleTargetRef: {name: web}}\n";
        check(keda, Some(("demo", "deployment.apps/web")));
        check("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n", None);
        check(
            "apiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\nmetadata: {name: h}\n",
            None,
        );
    }
}
