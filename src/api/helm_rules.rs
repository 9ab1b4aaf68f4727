//! The rules of `spec.render.helm` once more.

use super::Fault;
use super::helm::{Helm, Parameter};
use super::validate::{NAMESPACE, has_length, is_framed, is_label, is_lower, of};

impl Helm {
    /// What is wrong with it.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let name = self.release_name.as_ref();
        let namespace = self.namespace.as_ref();
        let rules = [
            (
                name.is_none_or(|name| is_release(name)),
                "releaseName",
                "must have at most 53 of a-z, 0-9, '-' and '.'",
            ),
            (namespace.is_none_or(|name| is_label(&name.0)), "namespace", NAMESPACE),
            (
                self.values_files.len() <= 64
                    && self.values_files.iter().all(|path| has_length(path, 1..=1024)),
                "valuesFiles",
                "must be at most 64 paths of 1 to 1024 characters",
            ),
            (
                self.parameters.len() <= 256 && self.parameters.iter().all(is_parameter),
                "parameters",
                "must be at most 256, with names such as image.tag and values of at most 65536 characters",
            ),
            (
                self.kube_version.as_deref().is_none_or(is_version),
                "kubeVersion",
                "must be a version such as 1.36.2",
            ),
            (
                self.api_versions.len() <= 1024
                    && self.api_versions.iter().all(|text| is_api(text)),
                "apiVersions",
                "must be at most 1024 such as apps/v1 or apps/v1/Deployment",
            ),
        ];
        let broken = rules.into_iter().filter(|(is_good, ..)| !is_good);
        broken
            .map(|(_, field, reason)| Fault::new(&format!("spec.render.helm.{field}"), reason))
            .collect()
    }
}

fn is_release(name: &str) -> bool {
    name.len() <= 53 && is_framed(name) && of(name, "-.") && is_lower(name)
}

fn is_parameter(parameter: &Parameter) -> bool {
    let Parameter { name, value, .. } = parameter;
    let is_name = !name.contains(|c: char| c == '=' || c == ',' || c.is_ascii_whitespace());
    has_length(name, 1..=1024) && is_name && has_length(value, 0..=65536)
}

fn is_version(text: &str) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let numbers = text.split(['-', '+']).next().unwrap_or_default();
    let parts: Vec<_> = numbers.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let has_suffix = text.len() != numbers.len() + 1;
    (2..=3).contains(&parts.len())
        && parts.iter().all(is_number)
        && text.len() <= 63
        && has_suffix
        && of(text, ".+-")
}

fn is_api(text: &str) -> bool {
    has_length(text, 1..=512)
        && of(text, "./-")
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
}
