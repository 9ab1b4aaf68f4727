//! What an app refers to in its cluster, given by files or read there.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::api::reference::ReferenceKind;
use crate::builder::{Entries, Recipe, Reference, Referred, VALUES_FROM};
use crate::cluster::Cluster;
use crate::cluster::secret::SecretError;
use crate::render::{Content, SourceFile, plain};

/// A file that stands for an object of the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Given {
    namespace: String,
    name: String,
    file: PathBuf,
}

impl Given {
    /// Reads `namespace/name=file`.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = text.split_once('=').and_then(|(id, file)| Some((id.split_once('/')?, file)));
        match parts {
            Some(((namespace, name), file)) if !name.is_empty() && !file.is_empty() => {
                Ok(Self { namespace: namespace.into(), name: name.into(), file: file.into() })
            }
            _ => Err("write it as namespace/name=FILE".to_owned()),
        }
    }
}

/// What an app may refer to.
pub(super) struct References<'a> {
    /// Files.
    pub given: &'a [Given],
    /// Where else it may be.
    pub cluster: Option<&'a Cluster>,
    /// The app's namespace.
    pub namespace: &'a str,
}

impl References<'_> {
    /// The Secret that a field names.
    pub async fn secret(&self, name: &str, field: &str) -> anyhow::Result<Entries> {
        let found = self.find(ReferenceKind::Secret, name).await?;
        found.with_context(|| self.not_given("Secret", name, field))
    }

    /// What a recipe has from what it refers to.
    pub async fn referred(&self, recipe: &Recipe) -> anyhow::Result<Referred> {
        let mut entries = Vec::new();
        for Reference { kind, name, optional, field } in recipe.references() {
            let found = self.find(kind, name).await?;
            if found.is_none() && !optional {
                bail!(self.not_given(kind.into(), name, field));
            }
            entries.push(found);
        }
        recipe.referred(entries).with_context(|| format!("spec.{VALUES_FROM}"))
    }

    fn not_given(&self, kind: &str, name: &str, field: &str) -> String {
        let namespace = self.namespace;
        format!(
            "{kind} {namespace}/{name}, which spec.{field} names, is not given: \
             give it by --ref {namespace}/{name}=FILE, or have it read by --context"
        )
    }

    async fn find(&self, what: ReferenceKind, name: &str) -> anyhow::Result<Option<Entries>> {
        let namespace = self.namespace;
        let is_it = |given: &&Given| given.namespace == namespace && given.name == name;
        for given in self.given.iter().filter(is_it) {
            if let Some(found) = entries(&given.file, what, namespace, name)? {
                return Ok(Some(found));
            }
        }
        let Some(cluster) = self.cluster else { return Ok(None) };
        match cluster.referent(what, namespace, name).await {
            Ok(found) => Ok(Some(found.data)),
            Err(SecretError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The entries of a Secret or ConfigMap in a file of manifests.
fn entries(
    file: &Path,
    what: ReferenceKind,
    namespace: &str,
    name: &str,
) -> anyhow::Result<Option<Entries>> {
    let shown = file.display();
    let content = fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let (path, content) = (shown.to_string(), Content::Read(content, None));
    let rendered = plain(vec![SourceFile { path, content }]);
    if let Some(bad) = rendered.diagnostics.first() {
        bail!("{bad}");
    }
    let found = rendered.manifests.iter().find(|manifest| {
        let id = &manifest.id;
        id.kind == what.kind()
            && id.name == name
            && matches!(&id.namespace, n if n.is_empty() || n == namespace)
    });
    Ok(found.map(|manifest| what.entries(&manifest.body())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_not_given_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.yaml");
        let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: keys}\ndata: {a: YQ==}\nstringData: {b: c}\n";
        fs::write(&file, secret).unwrap();
        let given = [Given::parse(&format!("apps/keys={}", file.display())).unwrap()];
        let references = References { given: &given, cluster: None, namespace: "apps" };
        let found = references.secret("keys", "x").await.unwrap();
        assert_eq!(found, Entries::from([("a".into(), b"a".into()), ("b".into(), b"c".into())]));
        let said = references.secret("others", "x").await.unwrap_err().to_string();
        assert!(said.starts_with("Secret apps/others, which spec.x names, is not given"), "{said}");
        for text in ["apps=f", "a/b", "a/b=", "a/=f"] {
            assert!(Given::parse(text).is_err(), "{text}");
        }
    }
}
