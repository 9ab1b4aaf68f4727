//! The rules of `spec.render.helm` once more.

use super::Fault;
use super::helm::{Helm, HelmChart, Parameter, ValuesReference};
use super::validate::{
    NAME, NAMESPACE, has_length, is_framed, is_label, is_lower, is_subdomain, of,
};

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
        let chart = self.chart.as_ref().map(chart).into_iter().flatten();
        let broken = rules.into_iter().chain(chart).filter(|(is_good, ..)| !is_good);
        let fault = |field: &str, reason| Fault::new(&format!("spec.render.helm.{field}"), reason);
        let mut faults: Vec<_> = broken.map(|(_, field, reason)| fault(field, reason)).collect();
        if self.values_from.len() > 32 {
            faults.push(fault("valuesFrom", "must have at most 32 items"));
        }
        for (index, reference) in self.values_from.iter().enumerate() {
            let broken = values_from(reference).into_iter().filter(|(is_good, ..)| !is_good);
            faults.extend(
                broken.map(|(_, field, reason)| {
                    fault(&format!("valuesFrom[{index}].{field}"), reason)
                }),
            );
        }
        faults
    }
}

fn values_from(reference: &ValuesReference) -> [Rule; 3] {
    let ValuesReference { name, values_key: key, target_path, .. } = reference;
    [
        (is_subdomain(&name.0), "name", NAME),
        (
            has_length(key, 1..=253) && of(key, "._-"),
            "valuesKey",
            "must be the key of an entry: A-Z, a-z, 0-9, '.', '_' and '-'",
        ),
        (
            target_path.as_deref().is_none_or(is_target),
            "targetPath",
            "must be a path of names such as image.tag, with a backslash before a dot of a name",
        ),
    ]
}

/// Whether it is a path of names, none of them empty.
fn is_target(path: &str) -> bool {
    let dots_as_letters = path.replace("\\.", "_");
    has_length(path, 1..=250)
        && of(&dots_as_letters, "_/-.")
        && dots_as_letters.split('.').all(|name| !name.is_empty())
}

/// Whether a rule is kept, of which field, and what it says.
type Rule = (bool, &'static str, &'static str);

fn chart(chart: &HelmChart) -> [Rule; 5] {
    let HelmChart { repo_url: url, name, version, secret_ref, insecure } = chart;
    let is_oci = url.starts_with("oci://");
    let is_name = has_length(name, 1..=253)
        && of(name, "._/-")
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains("..")
        && (is_oci || !name.contains('/'));
    let is_version = has_length(version, 1..=255)
        && !version.starts_with(|c: char| c == '-' || c.is_ascii_whitespace())
        && !version.contains(|c: char| c.is_ascii_control());
    let is_secret = secret_ref.as_ref().is_none_or(|secret| is_subdomain(&secret.name.0));
    [
        (
            has_length(url, 1..=2048) && is_url(url),
            "chart.repoURL",
            "must be a URL of https, http or oci, without credentials and query: put credentials into a Secret and name it in secretRef",
        ),
        (is_name, "chart.name", "must be the name of a chart"),
        (is_version, "chart.version", "must be a version or a range of versions"),
        (is_secret, "chart.secretRef.name", NAME),
        (
            !insecure || is_oci,
            "chart.insecure",
            "is for registries: for a repository of charts say http in repoURL",
        ),
    ]
}

fn is_url(url: &str) -> bool {
    let mut schemes = ["https://", "http://", "oci://"].into_iter();
    let rest = schemes.find_map(|scheme| url.strip_prefix(scheme)).unwrap_or_default();
    let is_bad = |c: char| "@?#".contains(c) || c.is_ascii_whitespace();
    !rest.is_empty() && !rest.starts_with('/') && !rest.contains(is_bad)
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
