//! What is substituted in objects, as the command line says it.

use clap::Args;

use crate::api::GitOpsAppSpec;
use crate::api::post_build::{SubstituteReference, is_variable};
use crate::api::reference::Name;
use crate::api::reference::ReferenceKind;

/// What is substituted in objects.
#[derive(Debug, Args)]
pub(super) struct SubstituteArguments {
    /// Value of a variable, which stands in manifests as ${NAME}; repeatable, in the environment one a line
    #[arg(
        long,
        env = "GITOPS_SYNC_SUBSTITUTE",
        value_name = "NAME=VALUE",
        value_delimiter = '\n',
        value_parser = variable,
        hide_env_values = true
    )]
    substitute: Vec<(String, String)>,
    /// What in gitops-sync's namespace has values of variables, as secret/NAME or configmap/NAME
    #[arg(
        long,
        env = "GITOPS_SYNC_SUBSTITUTE_FROM",
        value_name = "REFERENCES",
        value_delimiter = ',',
        value_parser = reference
    )]
    substitute_from: Vec<SubstituteReference>,
}

impl SubstituteArguments {
    /// An app with these substitutions beside its own.
    pub(super) fn applied_to(&self, spec: GitOpsAppSpec) -> GitOpsAppSpec {
        if self.substitute.is_empty() && self.substitute_from.is_empty() {
            return spec;
        }
        let mut post_build = spec.post_build.unwrap_or_default();
        post_build.substitute.0.extend(self.substitute.iter().cloned());
        post_build.substitute_from.extend(self.substitute_from.iter().cloned());
        GitOpsAppSpec { post_build: Some(post_build), ..spec }
    }
}

fn variable(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    if !is_variable(name) {
        return Err("names have A-Z, a-z, 0-9 and _, and do not begin with a digit");
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn reference(text: &str) -> Result<SubstituteReference, &'static str> {
    let (kind, name) = text.trim().split_once('/').unwrap_or_default();
    let kind = match kind.to_ascii_lowercase().as_str() {
        "secret" => ReferenceKind::Secret,
        "configmap" => ReferenceKind::ConfigMap,
        _ => return Err("write it as secret/NAME or configmap/NAME"),
    };
    let is_part = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '-' | '.');
    let is_name = (1..=253).contains(&name.len()) && name.chars().all(is_part);
    let name = is_name.then(|| Name(name.to_owned())).ok_or("it is not the name of an object")?;
    Ok(SubstituteReference { kind, name, optional: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_and_references_are_read() {
        let check = |text: &str, expect: Option<(&str, &str)>| {
            let read = variable(text).ok();
            let read = read.as_ref().map(|(name, value)| (name.as_str(), value.as_str()));
            assert_eq!(read, expect, "{text}");
        };
        check("a=b=c,d", Some(("a", "b=c,d")));
        check("_A1=", Some(("_A1", "")));
        check("a", None);
        check("a-b=c", None);
        check("1=c", None);
        let check = |text: &str, expect: Option<(ReferenceKind, &str)>| {
            let read = reference(text).ok();
            let read = read.as_ref().map(|r| (r.kind, r.name.0.as_str()));
            assert_eq!(read, expect, "{text}");
        };
        check("secret/a", Some((ReferenceKind::Secret, "a")));
        check("ConfigMap/a.b", Some((ReferenceKind::ConfigMap, "a.b")));
        check("a", None);
        check("secret/", None);
        check("secret/a/b", None);
        check("pod/a", None);
    }
}
