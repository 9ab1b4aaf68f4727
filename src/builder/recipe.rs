//! How the files of an app become its objects.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{Inputs, KeySource, Keys};
use crate::api::{GitOpsAppSpec, PostBuild, Render};
use crate::render::{Content, Edits, Image};
use crate::source::{Credentials, Layout, Snapshot};

/// How the files of an app become its objects, as the app says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// What makes objects of files, and how.
    pub render: Render,
    /// What is substituted in them.
    pub post_build: Option<PostBuild>,
    /// Images of their containers.
    pub images: Arc<[Image]>,
    /// Where the keys are that decrypt its files, if any do.
    pub keys: Option<KeySource>,
    /// The app's name.
    pub app: String,
    /// The namespace that its objects go to.
    pub namespace: String,
    /// Credentials for a chart that is kept elsewhere.
    pub credentials: Option<Arc<Credentials>>,
    /// Whose they are: what was fetched with some is for nobody else.
    pub owner: String,
}

impl Recipe {
    /// What an app of this name says, whose objects go to this namespace: all but what Secrets hold ([`Recipe::with`]).
    pub fn of(spec: &GitOpsAppSpec, app: &str, namespace: &str) -> Self {
        let (app, namespace) = (app.to_owned(), namespace.to_owned());
        let images = spec.images.iter().map(|text| Image::parse(text)).collect();
        let (render, post_build) = (spec.render.clone(), spec.post_build.clone());
        // Without keys of its own, an app that decrypts has what the daemon is let have.
        let keys = spec.decryption.as_ref().map(|_| KeySource::Given(Arc::default()));
        Self { render, post_build, images, keys, app, namespace, ..Self::default() }
    }

    /// What is changed of each object, with these inputs.
    pub(super) fn edits(&self, inputs: &Inputs) -> Edits {
        let (substitution, images) = (inputs.referred.substitution.clone(), self.images.clone());
        Edits { substitution, images, ..Edits::default() }
    }

    /// The name of the release that a chart is rendered for.
    pub(super) fn release(&self) -> &str {
        self.render.helm.release_name.as_ref().unwrap_or(&self.app)
    }

    /// The namespace of that release.
    pub(super) fn release_namespace(&self) -> &str {
        self.render.helm.namespace.as_ref().map_or(&self.namespace, |name| &name.0)
    }

    /// Tells everything that is made of a snapshot from what is made of any other.
    pub(super) fn fingerprint(&self, inputs: &Inputs, snapshot: &Snapshot) -> String {
        let mut all = Sha256::new();
        let mut add = |part: &[u8]| {
            all.update((part.len() as u64).to_le_bytes());
            all.update(part);
        };
        match &snapshot.layout {
            Layout::Plain => {}
            Layout::Kustomize { top, .. } => add(top.as_bytes()),
            Layout::Helm { chart, values } => {
                let known = inputs.capabilities.as_deref();
                add(known.map_or("", |known| &known.version).as_bytes());
                let apis = known.into_iter().flat_map(|known| &known.apis);
                for api in apis {
                    add(api.as_bytes());
                }
                add(inputs.chart.as_ref().map_or("", |chart| &chart.digest).as_bytes());
                add(self.release().as_bytes());
                add(self.release_namespace().as_bytes());
                add(chart.as_deref().unwrap_or_default().as_bytes());
                for path in values {
                    add(path.as_bytes());
                }
            }
        }
        add(&serde_json::to_vec(&self.render).unwrap_or_default());
        add(&inputs.keys.as_deref().map(Keys::fingerprint).unwrap_or_default());
        for file in &snapshot.files {
            add(file.path.as_bytes());
            match &file.content {
                Content::Read(bytes, _) => add(bytes),
                Content::Known(part) => add(part.digest()),
                Content::Decrypted(decrypted) => add(&decrypted.digest),
            }
        }
        for link in &snapshot.links {
            add(link.path.as_bytes());
            add(link.target.as_bytes());
        }
        for diagnostic in &snapshot.diagnostics {
            add(diagnostic.to_string().as_bytes());
        }
        hex::encode(all.finalize())
    }
}
