//! What an app adds to its kustomization.

use serde_json::{Map, Value, json};

use super::super::images::Image;
use super::Kustomization;
use super::fields::{items, set, texts};
use crate::api::kustomize::Kustomize;

impl Kustomization {
    /// Sets what an app says. Of lists, what it adds comes last; of images and replicas of one name, its own counts.
    pub fn apply(&mut self, options: &Kustomize) {
        let Value::Object(mut fields) = options.fields() else { return };
        if let Some(Value::Array(images)) = fields.remove("images") {
            let images = images.iter().filter_map(|text| text.as_str().map(image)).collect();
            self.replace_named("images", images);
        }
        if let Some(Value::Array(replicas)) = fields.remove("replicas") {
            self.replace_named("replicas", replicas);
        }
        for (name, value) in fields {
            match value {
                Value::Array(added) => self.extend(&name, added),
                Value::Object(added) => self.merge(&name, added),
                value => set(&mut self.0, &name, value),
            }
        }
    }

    /// Has kustomize say of each object which file it is from. Returns whether that was not asked for.
    pub fn with_origins(&mut self) -> bool {
        const ORIGINS: &str = "originAnnotations";
        if texts(&self.0, "buildMetadata").any(|text| text == ORIGINS) {
            return false;
        }
        self.extend("buildMetadata", vec![json!(ORIGINS)]);
        true
    }

    fn extend(&mut self, field: &str, added: Vec<Value>) {
        let all =
            items(&self.0, field).filter(|item| !item.is_null()).cloned().chain(added).collect();
        set(&mut self.0, field, Value::Array(all));
    }

    fn merge(&mut self, field: &str, added: Map<String, Value>) {
        let before = items(&self.0, field).filter_map(Value::as_object).flatten();
        let before = before.map(|(key, value)| (key.clone(), value.clone()));
        let all = before.chain(added).collect();
        set(&mut self.0, field, Value::Object(all));
    }

    /// Puts items in the place of those of the same name.
    fn replace_named(&mut self, field: &str, added: Vec<Value>) {
        let is_other = |item: &&Value| !added.iter().any(|new| new["name"] == item["name"]);
        let before: Vec<_> = items(&self.0, field).filter(is_other).cloned().collect();
        set(&mut self.0, field, Value::Array(before.into_iter().chain(added).collect()));
    }
}

/// `name=newname:tag@digest`, as a kustomization says it.
fn image(text: &str) -> Value {
    let Image { name, new_name, tag, digest } = Image::parse(text);
    let mut image = json!({"name": name});
    for (field, value) in [("newName", new_name), ("newTag", tag), ("digest", digest)] {
        if let Some(value) = value {
            image[field] = json!(value);
        }
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_read_as_kustomize_edit_does() {
        let check = |text: &str, expect: Value| assert_eq!(image(text), expect, "{text}");
        check("nginx:1.2", json!({"name": "nginx", "newTag": "1.2"}));
        check("nginx=reg:5000/nginx", json!({"name": "nginx", "newName": "reg:5000/nginx"}));
        check("reg:5000/a:2", json!({"name": "reg:5000/a", "newTag": "2"}));
        check(
            "a=b:1@sha256:c",
            json!({"name": "a", "newName": "b", "newTag": "1", "digest": "sha256:c"}),
        );
        check("a@sha256:c", json!({"name": "a", "digest": "sha256:c"}));
        check("a=:2", json!({"name": "a", "newTag": "2"}));
    }

    #[test]
    fn what_an_app_says_counts() {
        let check = |text: &str, options: Value, expect: Value| {
            let mut kustomization = Kustomization::parse(text.as_bytes()).unwrap();
            kustomization.apply(&serde_json::from_value(options).unwrap());
            assert_eq!(Value::Object(kustomization.0), expect, "{text}");
        };
        check("namePrefix: a-", json!({}), json!({"namePrefix": "a-"}));
        check("NamePrefix: a-", json!({"namePrefix": "b-"}), json!({"namePrefix": "b-"}));
        check(
            "images: [{name: a, newTag: x}, {name: b, newTag: x}]",
            json!({"images": ["a:y"]}),
            json!({"images": [{"name": "b", "newTag": "x"}, {"name": "a", "newTag": "y"}]}),
        );
        check(
            "replicas: [{name: a, count: 1}]",
            json!({"replicas": [{"name": "a", "count": 3}]}),
            json!({"replicas": [{"name": "a", "count": 3}]}),
        );
        check("components: [x]", json!({"components": ["y"]}), json!({"components": ["x", "y"]}));
        check(
            "commonLabels: {a: b, c: d}",
            json!({"commonLabels": {"a": "z"}}),
            json!({"commonLabels": {"a": "z", "c": "d"}}),
        );
        check(
            "patches: [{path: p.yaml}]",
            json!({"patches": [{"patch": "[]", "target": {"kind": "A"}}]}),
            json!({"patches": [{"path": "p.yaml"}, {"patch": "[]", "target": {"kind": "A"}}]}),
        );
    }
}
