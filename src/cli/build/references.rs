//! What an app refers to in its cluster, given by files or read there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::api::PostBuild;
use crate::api::post_build::SubstituteReference;
use crate::build::variables;
use crate::cluster::Cluster;
use crate::cluster::secret::{self, Referent};
use crate::object::GroupKind;
use crate::render::{Content, SourceFile, Substitution, plain};
use crate::sync::references::referent;

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

/// The entries of a Secret or ConfigMap.
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
        self.referent(Referent::Secret, namespace, name, field).await
    }

    /// The Secret or ConfigMap that a field names.
    async fn referent(
        &self,
        kind: Referent,
        namespace: &str,
        name: &str,
        field: &str,
    ) -> anyhow::Result<Entries> {
        let is_it = |given: &&Given| given.namespace == namespace && given.name == name;
        let mut given = self.given.iter().filter(is_it).peekable();
        match (given.peek(), self.cluster) {
            (Some(_), _) => entries(given, kind, namespace, name),
            (None, Some(cluster)) => Ok(cluster.referent(kind, namespace, name).await?.data),
            (None, None) => bail!(
                "{kind} {namespace}/{name}, which {field} names, is not given: \
                 give it by --ref {namespace}/{name}=FILE, or have it read by --context"
            ),
        }
    }

    /// What an app substitutes. What it can do without may be missing.
    pub async fn substitution(
        &self,
        post_build: &PostBuild,
        namespace: &str,
    ) -> anyhow::Result<Substitution> {
        let mut found = Vec::new();
        for SubstituteReference { kind, name, optional } in &post_build.substitute_from {
            let field = "spec.postBuild.substituteFrom";
            match self.referent(referent(*kind), namespace, &name.0, field).await {
                Ok(entries) => found.push((*kind, entries)),
                Err(_) if *optional && self.is_missing(namespace, &name.0) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(variables::substitution(post_build, found))
    }

    fn is_missing(&self, namespace: &str, name: &str) -> bool {
        !self.given.iter().any(|given| given.namespace == namespace && given.name == name)
    }
}

/// The entries of a Secret or ConfigMap, in the first file of manifests that has it.
fn entries<'a>(
    given: impl Iterator<Item = &'a Given>,
    kind: Referent,
    namespace: &str,
    name: &str,
) -> anyhow::Result<Entries> {
    let mut files = Vec::new();
    for given in given {
        if let Some(found) = entries_in(&given.file, kind, namespace, name)? {
            return Ok(found);
        }
        files.push(given.file.display().to_string());
    }
    bail!("{} holds no {kind} {namespace}/{name}", files.join(", "))
}

fn entries_in(
    file: &Path,
    kind: Referent,
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
    let wanted = GroupKind::new("", &kind.to_string());
    let found = rendered.manifests.iter().find(|manifest| {
        let id = &manifest.id;
        id.kind == wanted
            && id.name == name
            && matches!(&id.namespace, n if n.is_empty() || n == namespace)
    });
    let Some(body) = found.map(|found| found.body()) else { return Ok(None) };
    Ok(Some(secret::entries(&body, kind)))
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
        let post_build: PostBuild = serde_json::from_str(
            r#"{"substituteFrom": [{"kind": "Secret", "name": "keys"}, {"kind": "ConfigMap", "name": "x", "optional": true}]}"#,
        )
        .unwrap();
        let substitution = references.substitution(&post_build, "apps").await.unwrap();
        let made = substitution.object(&serde_json::json!({"k": "${a}${b}"})).unwrap().unwrap();
        assert_eq!(made.body["k"], "ac");
        let said = references.substitution(&post_build, "other").await.unwrap_err().to_string();
        assert!(said.contains("which spec.postBuild.substituteFrom names, is not given"), "{said}");
        for text in ["apps=f", "a/b", "a/b=", "a/=f"] {
            assert!(Given::parse(text).is_err(), "{text}");
        }
    }
}
