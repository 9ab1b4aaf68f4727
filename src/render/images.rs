//! Which images containers have, as an app says it (`spec.images`), whatever its objects are rendered by. Pure.

use serde_json::Value;

/// Lists of containers, wherever in an object they are.
const LISTS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];
/// Fields that are one container, which needs no name: of Argo's workflows and Tekton's tasks.
const SINGLE: [&str; 3] = ["container", "script", "stepTemplate"];
/// Fields of an object that hold no containers, whatever is in them.
const OTHER: [&str; 5] = ["metadata", "status", "data", "stringData", "binaryData"];
/// Groups whose objects have the image of their own containers in `spec.image`.
const OWN_IMAGE: [&str; 2] = ["monitoring.coreos.com", "opentelemetry.io"];

/// An image in place of others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The name of those that it replaces, without tag and digest.
    pub name: String,
    /// Its name, if that is another.
    pub new_name: Option<String>,
    /// Its tag.
    pub tag: Option<String>,
    /// Its digest.
    pub digest: Option<String>,
}

impl Image {
    /// Reads `name[:tag][@digest]` or `name=newname[:tag][@digest]`, as `kustomize edit set image` does.
    pub fn parse(text: &str) -> Self {
        let (name, new) =
            text.split_once('=').map_or((None, text), |(name, new)| (Some(name), new));
        let (new, tag, digest) = parts(new);
        let new_name = name.is_some_and(|name| name != new) && !new.is_empty();
        Self {
            name: name.unwrap_or(new).to_owned(),
            new_name: new_name.then(|| new.to_owned()),
            tag: tag.map(str::to_owned),
            digest: digest.map(str::to_owned),
        }
    }

    /// What stands in the place of an image, if this is for it.
    fn instead_of(&self, image: &str) -> Option<String> {
        let (name, tag, digest) = parts(image);
        if name != self.name {
            return None;
        }
        let (tag, digest) = match (&self.tag, &self.digest) {
            (None, None) => (tag, digest),
            (tag, digest) => (tag.as_deref(), digest.as_deref()),
        };
        let mut image = self.new_name.clone().unwrap_or_else(|| name.to_owned());
        for (sign, part) in [(':', tag), ('@', digest)] {
            if let Some(part) = part {
                image.push(sign);
                image += part;
            }
        }
        Some(image)
    }
}

/// Name, tag and digest of an image.
fn parts(image: &str) -> (&str, Option<&str>, Option<&str>) {
    let (image, digest) =
        image.split_once('@').map_or((image, None), |(image, digest)| (image, Some(digest)));
    // A colon before a slash is one of a port.
    let tag_at = image.rfind(':').filter(|at| !image[*at..].contains('/'));
    let (name, tag) = tag_at.map_or((image, None), |at| (&image[..at], Some(&image[at + 1..])));
    (name, tag, digest)
}

/// Replaces images wherever an object has containers: in lists of that name, in volumes of images, in fields `image`
/// beside a `name`, and where custom resources that are known have them.
pub fn replace(body: &mut Value, images: &[Image]) {
    if images.is_empty() || body["kind"] == "CustomResourceDefinition" {
        return;
    }
    let api_version = body["apiVersion"].as_str().unwrap_or_default();
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if OWN_IMAGE.contains(&group) {
        body.get_mut("spec").into_iter().for_each(|spec| set(spec, "image", images));
    }
    let Some(fields) = body.as_object_mut() else { return };
    for (_, value) in fields.iter_mut().filter(|(key, _)| !OTHER.contains(&key.as_str())) {
        walk(value, images);
    }
}

fn walk(value: &mut Value, images: &[Image]) {
    match value {
        Value::Object(fields) => {
            if fields.get("name").is_some_and(Value::is_string) {
                set(value, "image", images);
            }
            for (key, value) in value.as_object_mut().into_iter().flatten() {
                if SINGLE.contains(&key.as_str()) {
                    set(value, "image", images);
                }
                let items = value.as_array_mut().into_iter().flatten();
                if LISTS.contains(&key.as_str()) {
                    items.for_each(|item| set(item, "image", images));
                } else if key == "volumes" {
                    let held = items.filter_map(|item| item.get_mut("image"));
                    held.for_each(|image| set(image, "reference", images));
                }
                walk(value, images);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, images)),
        _ => {}
    }
}

/// Of several images that are for one, the last counts.
fn set(holder: &mut Value, field: &str, images: &[Image]) {
    let Some(image) = holder.as_object_mut().and_then(|holder| holder.get_mut(field)) else {
        return;
    };
    let Some(text) = image.as_str() else { return };
    let instead = images.iter().rev().find_map(|image| image.instead_of(text));
    if let Some(instead) = instead {
        *image = instead.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_tags_and_digests_are_replaced_as_kustomize_does() {
        let check = |set: &str, image: &str, expect: &str| {
            let found = Image::parse(set).instead_of(image);
            assert_eq!(found.as_deref().unwrap_or(image), expect, "{set} {image}");
        };
        check("nginx:2", "nginx", "nginx:2");
        check("nginx:2", "nginx:1", "nginx:2");
        check("nginx:2", "nginx:1@sha256:a", "nginx:2");
        check("nginx:2", "nginx@sha256:a", "nginx:2");
        check("nginx:2", "nginxx:1", "nginxx:1");
        check("nginx:2", "r.example/nginx:1", "r.example/nginx:1");
        check("nginx@sha256:b", "nginx:1@sha256:a", "nginx@sha256:b");
        check("nginx:2@sha256:b", "nginx:1", "nginx:2@sha256:b");
        check("nginx=r:5000/web", "nginx:1@sha256:a", "r:5000/web:1@sha256:a");
        check("nginx=web:3", "nginx:1", "web:3");
        check("r:5000/nginx:2", "r:5000/nginx", "r:5000/nginx:2");
        check("nginx=:2", "nginx:1", "nginx:2");
        check("nginx=nginx:2", "nginx:1", "nginx:2");
    }

    fn containers() -> Value {
        json!([{"name": "a", "image": "nginx:1"}, {"name": "b", "image": "other:1"}])
    }

    #[test]
    fn containers_are_found_wherever_they_are() {
        let images = [Image::parse("nginx:0"), Image::parse("nginx:2")];
        let check = |mut body: Value, expect: usize| {
            replace(&mut body, &images);
            let text = body.to_string();
            assert_eq!(text.matches("nginx:2").count(), expect, "{text}");
            assert!(!text.contains("other:2") && !text.contains("nginx:0"), "{text}");
        };
        let pod = json!({"containers": containers(), "initContainers": containers(),
            "ephemeralContainers": containers(),
            "volumes": [{"name": "v", "image": {"reference": "nginx:1"}}, {"name": "w"}]});
        check(json!({"kind": "Pod", "spec": pod}), 4);
        check(json!({"kind": "Deployment", "spec": {"template": {"spec": pod}}}), 4);
        check(json!({"kind": "PodTemplate", "template": {"spec": pod}}), 4);
        let job = json!({"spec": {"template": {"spec": pod}}});
        check(json!({"kind": "CronJob", "spec": {"jobTemplate": job}}), 4);
        check(
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "spec": {"template": {"spec": pod}}}),
            4,
        );
        check(
            json!({"apiVersion": "serving.knative.dev/v1", "kind": "Service", "spec": {"template": {"spec": pod}}}),
            4,
        );
        let tekton = json!({"stepTemplate": {"image": "nginx:1"}, "steps": containers(), "sidecars": containers()});
        check(json!({"apiVersion": "tekton.dev/v1", "kind": "Task", "spec": tekton}), 3);
        let templates = json!([{"name": "t", "container": {"image": "nginx:1"}}, {"script": {"image": "nginx:1"}}]);
        check(
            json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "spec": {"templates": templates}}),
            2,
        );
        let prometheus = json!({"image": "nginx:1", "containers": containers()});
        check(
            json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "spec": prometheus}),
            2,
        );
        check(
            json!({"apiVersion": "example.com/v1", "kind": "Disk", "spec": {"image": "nginx:1"}}),
            0,
        );
        check(json!({"kind": "ConfigMap", "data": {"image": "nginx:1", "name": "x"}}), 0);
        check(json!({"kind": "X", "metadata": {"name": "x", "image": "nginx:1"}}), 0);
        check(json!({"kind": "CustomResourceDefinition", "spec": pod}), 0);
        check(
            json!({"kind": "Pod", "spec": {"containers": [{"image": "nginx:1"}, {"image": 7}, "x"]}}),
            1,
        );
        check(json!({"kind": "List", "spec": null}), 0);
        check(json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "X"}), 0);
    }

    #[test]
    fn nothing_is_added_to_an_object() {
        let before = json!({"apiVersion": "monitoring.coreos.com/v1", "kind": "X", "volumes": [{"name": "v"}]});
        let mut body = before.clone();
        replace(&mut body, &[Image::parse("nginx:2")]);
        assert_eq!(body, before);
    }
}
