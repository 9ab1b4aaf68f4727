//! How the files of an app become its objects.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::api::{GitOpsAppSpec, PostBuild, Render};
use crate::render::{Content, Edits, Image, Inputs};
use crate::source::{Layout, Snapshot};

/// How the files of an app become its objects, as the app says it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipe {
    /// What makes objects of files, and how.
    pub render: Render,
    /// What is substituted in them.
    pub post_build: Option<PostBuild>,
    /// Images of their containers.
    pub images: Arc<[Image]>,
}

impl Recipe {
    /// What an app says.
    pub fn of(spec: &GitOpsAppSpec) -> Self {
        let images = spec.images.iter().map(|text| Image::parse(text)).collect();
        Self { render: spec.render.clone(), post_build: spec.post_build.clone(), images }
    }

    /// What is changed of each object, with these inputs.
    pub(super) fn edits(&self, inputs: &Arc<Inputs>) -> Edits {
        Edits { inputs: inputs.clone(), images: self.images.clone() }
    }

    /// Tells everything that is made of a snapshot from what is made of any other.
    pub(super) fn fingerprint(&self, snapshot: &Snapshot) -> String {
        let mut all = Sha256::new();
        let mut add = |part: &[u8]| {
            all.update((part.len() as u64).to_le_bytes());
            all.update(part);
        };
        match &snapshot.layout {
            Layout::Plain => {}
            Layout::Kustomize { top, .. } => add(top.as_bytes()),
        }
        add(&serde_json::to_vec(&self.render).unwrap_or_default());
        for file in &snapshot.files {
            add(file.path.as_bytes());
            match &file.content {
                Content::Read(bytes, _) => add(bytes),
                Content::Known(part) => add(part.digest()),
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
