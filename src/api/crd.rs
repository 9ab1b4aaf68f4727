//! The definition of the resource, from its types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
    ValidationRule,
};
use kube::CustomResourceExt as _;

use super::GitOpsApp;

/// Rules that look at an app's name, and what a broken one says.
const RULES: [(&str, &str, Option<&str>); 2] = [
    ("self.metadata.name.size() <= 200", "metadata.name must have at most 200 characters", None),
    (
        "!has(self.spec.dependsOn) || self.spec.dependsOn.all(app, app.name != self.metadata.name || has(app.namespace))",
        "must not name the app itself",
        Some(".spec.dependsOn"),
    ),
];

/// The definition of GitOpsApp for the API server.
pub fn crd() -> CustomResourceDefinition {
    let mut crd = GitOpsApp::crd();
    for version in &mut crd.spec.versions {
        let schema = version.schema.as_mut();
        if let Some(schema) = schema.and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            tidy(schema);
            schema.x_kubernetes_validations = Some(RULES.map(rule).into());
        }
    }
    crd
}

fn rule((rule, message, path): (&str, &str, Option<&str>)) -> ValidationRule {
    ValidationRule {
        rule: rule.to_owned(),
        message: Some(message.to_owned()),
        field_path: path.map(str::to_owned),
        ..ValidationRule::default()
    }
}

/// Takes out what comes from the types and is not for the API server: formats that it does not know, nulls,
/// which stand for the default where they are not allowed, and line breaks of comments.
fn tidy(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.description = schema.description.take().map(|text| text.replace('\n', " "));
    if schema.format.as_ref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    let properties = schema.properties.iter_mut().flat_map(|properties| properties.values_mut());
    properties.for_each(tidy);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy(values);
    }
}
