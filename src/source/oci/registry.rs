//! Fetches an artifact: which one it is now, and its content if the clone lacks it.

use std::collections::BTreeMap;

use git2::Repository;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::form_urlencoded::byte_serialize;

use super::address::{Address, Wanted, is_tag};
use super::client::Client;
use super::{commit, unpack};
use crate::source::SourceError;
use crate::source::credentials::Credentials;
use crate::source::error::display_url;
use crate::source::git::answer::Reply;
use crate::source::git::head;
use crate::source::head::Head;
use crate::source::reference::{self, Kind, Listed, Unmatched};
use crate::source::request::Request;

/// Bytes of an artifact that are fetched.
const PACKED: usize = 64 << 20;
/// Tags that are asked for at once, and how often.
const TAGS: (usize, usize) = (1000, 20);
/// What layers with manifests are, beside the one of Flux.
const LAYERS: [&str; 3] = [
    "application/vnd.cncf.flux.content.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// The types of manifests that are read, and of lists of them, which are told as such.
const MANIFESTS: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";
/// Bytes of a manifest or of a page of tags.
const PAGE: usize = 4 << 20;

/// What an artifact is made of.
#[derive(Deserialize)]
struct Manifest {
    layers: Option<Vec<Layer>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    media_type: String,
    digest: String,
}

#[derive(Deserialize)]
struct Tags {
    tags: Option<Vec<String>>,
}

/// What a registry says of a failure.
#[derive(Default, Deserialize)]
struct Errors {
    errors: Vec<Failure>,
}

#[derive(Deserialize)]
struct Failure {
    code: String,
}

/// Fetches the artifact that is wanted into the clone.
pub fn fetch(request: &Request, clone: &Repository) -> Result<Head, SourceError> {
    let nobody = Credentials::default();
    let credentials = request.credentials.as_ref().unwrap_or(&nobody);
    Fetcher::new(request, credentials)?.fetch(clone)
}

/// The commit of an artifact, and its digest.
type Artifact<'c> = (git2::Commit<'c>, String);

struct Fetcher<'a> {
    request: &'a Request,
    client: Client<'a>,
}

impl<'a> Fetcher<'a> {
    fn new(request: &'a Request, credentials: &'a Credentials) -> Result<Self, SourceError> {
        let shown = display_url(&request.repository.url);
        let address = Address::of(&request.repository.url)
            .ok_or_else(|| SourceError::RepositoryNotFound { url: shown.clone() })?;
        // On this machine nobody listens, and TLS is spoken where there are certificates for it.
        let has_tls = credentials.tls.ca.is_some() || credentials.tls.client.is_some();
        let is_plain = request.repository.insecure || (address.is_loopback() && !has_tls);
        let client = Client::new(address, is_plain, credentials, shown)?;
        Ok(Self { request, client })
    }

    fn fetch(&self, clone: &Repository) -> Result<Head, SourceError> {
        let text = &self.request.repository.branch;
        let wanted = Wanted::of(text).ok_or_else(|| self.missing())?;
        let (kind, tag, (found, digest)) = match wanted {
            Wanted::Digest(digest) => (Kind::Commit, None, self.artifact(clone, digest)?),
            Wanted::Tag(tag) => (Kind::Tag, Some(tag.to_owned()), self.artifact(clone, tag)?),
            Wanted::Range(range) => {
                let (kind, tag, found) = self.version(clone, range)?;
                (kind, Some(tag), found)
            }
        };
        let _ = clone.set_head_detached(found.id());
        Ok(Head { kind, reference: tag, digest: Some(digest), ..head::head(&found) })
    }

    /// The artifact that a range means. Its tag is looked for by its name first: whoever may read artifacts need not
    /// be allowed to list tags.
    fn version<'c>(
        &self,
        clone: &'c Repository,
        range: &str,
    ) -> Result<(Kind, String, Artifact<'c>), SourceError> {
        if is_tag(range) {
            match self.artifact(clone, range) {
                Err(SourceError::BranchNotFound { .. }) => {}
                found => return Ok((Kind::Tag, range.to_owned(), found?)),
            }
        }
        let tag = self.newest(range)?;
        let found = self.artifact(clone, &tag)?;
        Ok((Kind::Range, tag, found))
    }

    /// What a tag or a digest stands for now, fetched if the clone lacks it.
    fn artifact<'c>(&self, clone: &'c Repository, name: &str) -> Result<Artifact<'c>, SourceError> {
        // A digest never means anything else.
        if let Some(known) = commit::known(clone, name) {
            return Ok((known, name.to_owned()));
        }
        if commit::has_any(clone)
            && let Some(known) = self.unchanged(clone, name)?
        {
            return Ok(known);
        }
        let (manifest, digest) = self.manifest(name)?;
        let found = match commit::known(clone, &digest) {
            Some(known) => known,
            None => self.bring(clone, &digest, &manifest)?,
        };
        Ok((found, digest))
    }

    /// What a tag stands for, if the clone has it. It is not pulled for that: registries count how often that is done.
    fn unchanged<'c>(
        &self,
        clone: &'c Repository,
        tag: &str,
    ) -> Result<Option<Artifact<'c>>, SourceError> {
        let told = self.client.head(&format!("manifests/{tag}"), MANIFESTS)?;
        if told.status == 404 {
            return Err(self.missing());
        }
        let digest = told.header("docker-content-digest").filter(|_| told.status == 200);
        let digest = digest.filter(|it| matches!(Wanted::of(it), Some(Wanted::Digest(_))));
        Ok(digest.and_then(|digest| Some((commit::known(clone, digest)?, digest.to_owned()))))
    }

    /// What a tag or a digest stands for, and its digest.
    fn manifest(&self, name: &str) -> Result<(Manifest, String), SourceError> {
        let reply = self.get(&format!("manifests/{name}"), MANIFESTS, PAGE)?;
        let digest = digest(&reply.body);
        if name.contains(':') && name != digest {
            return Err(self.unfit("it is not what its digest says"));
        }
        let manifest = serde_json::from_slice(&reply.body);
        let manifest = manifest.map_err(|_| self.unfit("its manifest cannot be read"))?;
        Ok((manifest, digest))
    }

    /// Fetches and unpacks the content.
    fn bring<'c>(
        &self,
        clone: &'c Repository,
        digest: &str,
        manifest: &Manifest,
    ) -> Result<git2::Commit<'c>, SourceError> {
        let layers = manifest.layers.as_ref();
        let list = || self.unfit("it is a list of images: give the digest of one");
        let is_content = |layer: &&Layer| LAYERS.contains(&layer.media_type.as_str());
        let layer = layers.ok_or_else(list)?.iter().find(is_content);
        let layer = layer.ok_or_else(|| self.unfit("it has no layer of type tar+gzip"))?;
        let packed = self.content(&layer.digest)?;
        let tree = unpack::unpack(clone, &packed).map_err(|why| self.unfit(&why.to_string()))?;
        let annotations = manifest.annotations.clone().unwrap_or_default();
        let made = commit::make(clone, digest, tree, &annotations);
        made.map_err(|error| SourceError::CloneUnusable {
            dir: self.request.dir.clone(),
            why: error.message().to_owned(),
        })
    }

    /// The bytes of a layer, which have its digest.
    fn content(&self, named: &str) -> Result<Vec<u8>, SourceError> {
        if !matches!(Wanted::of(named), Some(Wanted::Digest(_))) {
            return Err(self.unfit("its layer has no digest of sha256"));
        }
        let packed = self.get(&format!("blobs/{named}"), "", PACKED)?.body;
        let is_it = digest(&packed) == named;
        is_it.then_some(packed).ok_or_else(|| self.unfit("it is not what its digest says"))
    }

    /// The newest tag of a range.
    fn newest(&self, range: &str) -> Result<String, SourceError> {
        let tags = self.tags()?;
        let names: Vec<_> = tags.iter().map(|tag| format!("refs/tags/{tag}")).collect();
        let listed: Vec<_> = names.iter().map(|name| Listed { name, id: "" }).collect();
        let chosen = reference::choose(range, &listed);
        let found = chosen.map_err(|why| match why {
            Unmatched::NoVersion(newest) => {
                let (url, range) = (display_url(&self.request.repository.url), range.to_owned());
                let newest = format!("the newest are {}", newest.join(", "));
                SourceError::VersionNotFound { url, range, newest }
            }
            Unmatched::Nothing | Unmatched::Shortened => self.missing(),
        })?;
        let tag = found.reference.as_deref().and_then(|name| name.strip_prefix("refs/tags/"));
        tag.map(ToOwned::to_owned).ok_or_else(|| self.missing())
    }

    fn tags(&self) -> Result<Vec<String>, SourceError> {
        let mut all: Vec<String> = Vec::new();
        for _ in 0..TAGS.1 {
            let mut path = format!("tags/list?n={}", TAGS.0);
            if let Some(last) = all.last() {
                path.push_str("&last=");
                path.extend(byte_serialize(last.as_bytes()));
            }
            let page = self.get(&path, "application/json", PAGE)?.body;
            let page = serde_json::from_slice(&page);
            let Tags { tags } = page.map_err(|_| self.unfit("its tags cannot be read"))?;
            let mut tags = tags.unwrap_or_default();
            let is_last = tags.len() < TAGS.0;
            all.append(&mut tags);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// What the repository has at a path, or why it has nothing.
    fn get(&self, path: &str, accept: &str, limit: usize) -> Result<Reply, SourceError> {
        let reply = self.client.get(path, accept, limit)?;
        let url = display_url(&self.request.repository.url);
        let said: Errors = serde_json::from_slice(&reply.body).unwrap_or_default();
        let is = |code: &str| said.errors.iter().any(|it| it.code == code);
        match reply.status {
            200..=299 => Ok(reply),
            401 | 403 => Err(self.client.refused()),
            404 if is("NAME_UNKNOWN") => Err(SourceError::RepositoryNotFound { url }),
            404 => Err(self.missing()),
            407 => {
                let why = "status code 407".to_owned();
                Err(SourceError::ProxyFailed { url, why })
            }
            status => Err(self.client.unreachable(format!("status code {status}"))),
        }
    }

    fn missing(&self) -> SourceError {
        let (url, branch) =
            (display_url(&self.request.repository.url), self.request.repository.branch.clone());
        SourceError::BranchNotFound { url, branch }
    }

    fn unfit(&self, why: &str) -> SourceError {
        let url = display_url(&self.request.repository.url);
        SourceError::ArtifactUnusable { url, why: why.to_owned() }
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
