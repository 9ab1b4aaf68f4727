//! What an app refers to in its cluster, given by files or read there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::object::GroupKind;
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

/// The entries of a Secret.
type Entries = BTreeMap<String, Vec<u8>>;

/// What an app may refer to.
pub(super) struct References<'a> {
    /// Files.
    pub given: &'a [Given],
    /// Where else it may be.
    pub cluster: Option<&'a Cluster>,
}

impl References<'_> {
    /// The Secret that a field names.
    pub async fn secret(
        &self,
        namespace: &str,
        name: &str,
        field: &str,
    ) -> anyhow::Result<Entries> {
        let is_it = |given: &&Given| given.namespace == namespace && given.name == name;
        match (self.given.iter().find(is_it), self.cluster) {
            (Some(given), _) => entries(&given.file, namespace, name),
            (None, Some(cluster)) => Ok(cluster.secret(namespace, name).await?.data),
            (None, None) => bail!(
                "Secret {namespace}/{name}, which {field} names, is not given: \
                 give it by --ref {namespace}/{name}=FILE, or have it read by --context"
            ),
        }
    }
}

/// The entries of a Secret in a file of manifests.
fn entries(file: &Path, namespace: &str, name: &str) -> anyhow::Result<Entries> {
    let shown = file.display();
    let content = fs::read(file).with_context(|| format!("cannot read {shown}"))?;
    let (path, content) = (shown.to_string(), Content::Read(content, None));
    let rendered = plain(vec![SourceFile { path, content }]);
    if let Some(bad) = rendered.diagnostics.first() {
        bail!("{bad}");
    }
    let secret = GroupKind::new("", "Secret");
    let found = rendered.manifests.iter().find(|manifest| {
        let id = &manifest.id;
        id.kind == secret
            && id.name == name
            && matches!(&id.namespace, n if n.is_empty() || n == namespace)
    });
    let body = found.with_context(|| format!("{shown} holds no Secret {namespace}/{name}"))?.body();
    let data = body["data"].as_object().into_iter().flatten();
    Ok(data.filter_map(|(key, value)| Some((key.clone(), decoded(value)?))).collect())
}

/// What was read has been checked.
fn decoded(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
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
        let references = References { given: &given, cluster: None };
        let found = references.secret("apps", "keys", "spec.x").await.unwrap();
        assert_eq!(found, Entries::from([("a".into(), b"a".into()), ("b".into(), b"c".into())]));
        let said = references.secret("apps", "others", "spec.x").await.unwrap_err().to_string();
        assert!(said.starts_with("Secret apps/others, which spec.x names, is not given"), "{said}");
        for text in ["apps=f", "a/b", "a/b=", "a/=f"] {
            assert!(Given::parse(text).is_err(), "{text}");
        }
    }
}
