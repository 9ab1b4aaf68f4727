//! Fetches an artifact: which one it is now, and its content if the clone lacks it.

use futures::StreamExt as _;
use git2::Repository;
use oci_client::client::{Certificate, CertificateEncoding, ClientConfig, ClientProtocol};
use oci_client::errors::{OciDistributionError as Oci, OciErrorCode as Code};
use oci_client::manifest::{OciDescriptor, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};

use super::address::{Address, Wanted};
use super::{commit, unpack};
use crate::source::SourceError;
use crate::source::credentials::Login;
use crate::source::error::display_url;
use crate::source::git::head;
use crate::source::head::Head;
use crate::source::reference::{self, Kind, Listed, Unmatched};
use crate::source::request::Request;

/// Bytes of an artifact that are fetched.
const PACKED: u64 = 64 << 20;
/// Tags that are asked for at once, and how often.
const TAGS: (usize, usize) = (1000, 20);
/// What layers with manifests are, beside the one of Flux.
const LAYERS: [&str; 3] = [
    "application/vnd.cncf.flux.content.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// Fetches the artifact that is wanted into the clone.
pub fn fetch(request: &Request, clone: &Repository) -> Result<Head, SourceError> {
    let fetcher = Fetcher::new(request)?;
    let failed = |error: std::io::Error| SourceError::ChildFailed { why: error.to_string() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(failed)?.block_on(fetcher.fetch(clone))
}

struct Fetcher<'a> {
    request: &'a Request,
    address: Address,
    client: Client,
    auth: RegistryAuth,
}

impl<'a> Fetcher<'a> {
    fn new(request: &'a Request) -> Result<Self, SourceError> {
        let url = &request.repository.url;
        let address = Address::of(url)
            .ok_or_else(|| SourceError::RepositoryNotFound { url: display_url(url) })?;
        // Another one may be installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let credentials = request.credentials.as_ref();
        let ca = credentials.and_then(|found| found.tls.ca.as_ref());
        // On this machine nobody listens, and TLS is spoken where an authority is given for it.
        let is_plain = request.repository.insecure || (address.is_loopback() && ca.is_none());
        let protocol = if is_plain { ClientProtocol::Http } else { ClientProtocol::Https };
        let certificate = |pem: &String| Certificate {
            encoding: CertificateEncoding::Pem,
            data: pem.clone().into_bytes(),
        };
        let tls_certs_only = ca.map(certificate).into_iter().collect();
        let config = ClientConfig {
            protocol,
            platform_resolver: None,
            tls_certs_only,
            ..ClientConfig::default()
        };
        let auth = match credentials.and_then(|found| found.login.as_ref()) {
            Some(Login::Basic { username, password }) => {
                RegistryAuth::Basic(username.clone(), password.0.clone())
            }
            Some(Login::Bearer(token)) => RegistryAuth::Bearer(token.0.clone()),
            Some(Login::App(_)) | None => RegistryAuth::Anonymous,
        };
        Ok(Self { request, address, client: Client::new(config), auth })
    }

    async fn fetch(&self, clone: &Repository) -> Result<Head, SourceError> {
        let text = &self.request.repository.branch;
        let wanted = Wanted::of(text).ok_or_else(|| self.missing())?;
        let (tag, kind) = match wanted {
            Wanted::Digest(_) => (None, Kind::Commit),
            Wanted::Tag(tag) => (Some(tag.to_owned()), Kind::Tag),
            Wanted::Range(range) => (Some(self.newest(range).await?), Kind::Range),
        };
        let (manifest, digest) = match commit::known(clone, text) {
            // A digest never means anything else.
            Some(_) if tag.is_none() => (None, text.clone()),
            _ => {
                let reference = self.reference(tag.as_deref().unwrap_or(text));
                let (manifest, digest) = self
                    .client
                    .pull_image_manifest(&reference, &self.auth)
                    .await
                    .map_err(|error| self.failed(error))?;
                (Some(manifest), digest)
            }
        };
        let found = match (commit::known(clone, &digest), manifest) {
            (Some(known), _) => known,
            (None, Some(manifest)) => self.bring(clone, &digest, &manifest).await?,
            (None, None) => return Err(self.missing()),
        };
        let _ = clone.set_head_detached(found.id());
        Ok(Head { kind, reference: tag, digest: Some(digest), ..head::head(&found) })
    }

    /// Fetches and unpacks the content.
    async fn bring<'c>(
        &self,
        clone: &'c Repository,
        digest: &str,
        manifest: &OciImageManifest,
    ) -> Result<git2::Commit<'c>, SourceError> {
        let is_content = |layer: &&OciDescriptor| LAYERS.contains(&layer.media_type.as_str());
        let layer = manifest.layers.iter().find(is_content);
        let layer = layer.ok_or_else(|| self.unfit("it has no layer of type tar+gzip"))?;
        let packed = self.content(layer).await?;
        let tree = unpack::unpack(clone, &packed).map_err(|why| self.unfit(&why.to_string()))?;
        let annotations = manifest.annotations.clone().unwrap_or_default();
        let made = commit::make(clone, digest, tree, &annotations);
        made.map_err(|error| SourceError::CloneUnusable {
            dir: self.request.dir.clone(),
            why: error.message().to_owned(),
        })
    }

    /// The bytes of a layer, which have its digest.
    async fn content(&self, layer: &OciDescriptor) -> Result<Vec<u8>, SourceError> {
        let reference = self.reference(&layer.digest);
        let stream = self.client.pull_blob_stream(&reference, layer).await;
        let mut stream = stream.map_err(|error| self.failed(error))?.stream;
        let mut packed = Vec::new();
        while let Some(part) = stream.next().await {
            packed.extend_from_slice(&part.map_err(|error| self.unreachable(&error))?);
            if packed.len() as u64 > PACKED {
                return Err(self.unfit("it has more than 64 MiB"));
            }
        }
        Ok(packed)
    }

    /// The newest tag of a range.
    async fn newest(&self, range: &str) -> Result<String, SourceError> {
        let tags = self.tags().await?;
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

    async fn tags(&self) -> Result<Vec<String>, SourceError> {
        let reference = self.reference("latest");
        let mut all: Vec<String> = Vec::new();
        for _ in 0..TAGS.1 {
            let last = all.last().cloned();
            let page = self.client.list_tags(&reference, &self.auth, Some(TAGS.0), last.as_deref());
            let mut tags = page.await.map_err(|error| self.failed(error))?.tags;
            let is_last = tags.len() < TAGS.0;
            all.append(&mut tags);
            if is_last {
                break;
            }
        }
        Ok(all)
    }

    /// A tag or a digest of the repository.
    fn reference(&self, what: &str) -> Reference {
        let Address { registry, repository } = self.address.clone();
        if what.contains(':') {
            Reference::with_digest(registry, repository, what.to_owned())
        } else {
            Reference::with_tag(registry, repository, what.to_owned())
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

    fn unreachable(&self, why: &impl ToString) -> SourceError {
        let url = display_url(&self.request.repository.url);
        SourceError::RepositoryUnreachable { url, why: why.to_string() }
    }

    /// Sorts a registry's refusal into what a user can act on.
    fn failed(&self, error: Oci) -> SourceError {
        let url = display_url(&self.request.repository.url);
        let why = error.to_string();
        match &error {
            Oci::AuthenticationFailure(_) | Oci::UnauthorizedError { .. } => {
                SourceError::CredentialsRefused { url, why: "it wants others".to_owned() }
            }
            Oci::ImageManifestNotFoundError(_) => self.missing(),
            Oci::RegistryError { envelope, .. } => {
                let is = |codes: &[Code]| envelope.errors.iter().any(|it| codes.contains(&it.code));
                if is(&[Code::Unauthorized, Code::Denied]) {
                    SourceError::CredentialsRefused { url, why: "it wants others".to_owned() }
                } else if is(&[Code::ManifestUnknown, Code::NotFound]) {
                    self.missing()
                } else if is(&[Code::NameUnknown]) {
                    SourceError::RepositoryNotFound { url }
                } else {
                    SourceError::RepositoryUnreachable { url, why }
                }
            }
            Oci::RequestError(error) => match root(error) {
                why if why.contains("certificate") => {
                    SourceError::CertificateUntrusted { url, why }
                }
                why => SourceError::RepositoryUnreachable { url, why },
            },
            Oci::DigestError(_) => self.unfit("it is not what its digest says"),
            Oci::ImageIndexParsingNoPlatformResolverError => {
                self.unfit("it is a list of images: give the digest of one")
            }
            _ => SourceError::RepositoryUnreachable { url, why },
        }
    }
}

/// What an error comes from: what is around that names the URL again.
fn root(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), root)
}
