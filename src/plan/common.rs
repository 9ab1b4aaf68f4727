//! Labels and annotations that all objects of an app get.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::api::GitOpsAppSpec;

/// Labels and annotations for the metadata of each object itself, never for pod templates or selectors. As
/// with Flux and kustomize they win over what a manifest says for the same key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommonMetadata {
    /// Labels by key.
    pub labels: BTreeMap<String, String>,
    /// Annotations by key.
    pub annotations: BTreeMap<String, String>,
}

impl CommonMetadata {
    /// Those that an app says.
    pub fn of(spec: &GitOpsAppSpec) -> Self {
        let (labels, annotations) = (&spec.common_labels.0, &spec.common_annotations.0);
        Self { labels: labels.clone(), annotations: annotations.clone() }
    }

    /// Gives them to an object.
    pub fn set(&self, body: &mut Value) {
        for (map, entries) in [("labels", &self.labels), ("annotations", &self.annotations)] {
            for (key, value) in entries {
                body["metadata"][map][key] = json!(value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_win_on_the_object_itself_and_reach_no_template() {
        let map = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let common = CommonMetadata { labels: map("team", "a"), annotations: map("note", "b") };
        let check = |metadata: Value, expect: Value| {
            let spec = json!({
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web", "team": "mine"}}},
            });
            let mut body = json!({"metadata": metadata, "spec": spec});
            common.set(&mut body);
            assert_eq!(body, json!({"metadata": expect, "spec": spec}));
        };
        let both = json!({"name": "x", "labels": {"team": "a"}, "annotations": {"note": "b"}});
        check(json!({"name": "x"}), both.clone());
        check(json!({"name": "x", "labels": null, "annotations": {}}), both.clone());
        check(json!({"name": "x", "labels": {"team": "mine"}}), both);
        check(
            json!({"labels": {"app": "web"}, "annotations": {"other": "c"}}),
            json!({"labels": {"app": "web", "team": "a"}, "annotations": {"other": "c", "note": "b"}}),
        );
        let mut body = json!({"metadata": {"name": "x"}});
        CommonMetadata::default().set(&mut body);
        assert_eq!(body, json!({"metadata": {"name": "x"}}));
    }
}
