//! From a resource to the app that is run: whose rights it has, which cluster it goes to, what fetches it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::secrets::{Secrets, Used};
use super::{Common, Seen};
use crate::api::reference::{SecretKeyReference, SecretReference};
use crate::api::{Fault, GitOpsApp, GitOpsAppSpec, Verify};
use crate::builder::{Recipe, needed_secrets};
use crate::cluster::Cluster;
use crate::cluster::secret::SecretData;
use crate::object::ServiceAccount;
use crate::report::Notice;
use crate::source::credentials::Proxy;
use crate::source::verify::{BadKeys, Keyring};
use crate::source::{Credentials, Keys, Verification};
use crate::sync::ground::Remote;
use crate::sync::references::Home;
use crate::sync::{App, Destination, Ground, Origin};

/// An app that is ready to run.
pub struct Prepared {
    /// The resource that describes it.
    pub resource: Arc<GitOpsApp>,
    /// The app.
    pub app: App,
}

/// Other clusters, by the Secrets that give access to them: apps of one share its watches.
#[derive(Default)]
pub struct Clusters(Mutex<BTreeMap<String, (String, Destination)>>);

/// The app that a resource describes, or why there is none; and in both cases, the Secrets that were looked at.
pub async fn app(common: &Common, seen: &Seen, used: &mut Vec<Used>) -> Result<Prepared, Notice> {
    let resource = seen.resource.clone().map_err(Notice::InvalidSpec)?;
    let account = common.tenancy.identity(&resource).map_err(Notice::InvalidSpec)?;
    let own = acting(common, account);
    let (namespace, spec) = (&seen.id.namespace, &resource.spec);
    let mut secrets = Secrets::new(&own, namespace, used);
    let Access { credentials, owner } = access(spec, &mut secrets).await?;
    let verification = verification(spec, &mut secrets).await?;
    let target = spec.target_namespace.as_ref().map_or(namespace, |name| &name.0).clone();
    let recipe = Recipe::of(spec, &seen.id.name, &target);
    let recipe = Arc::new(with_secrets(recipe, spec, &mut secrets).await?);
    let (ground, cluster) = place(common, &own, spec, &mut secrets).await?;
    let home = Home::new(own, namespace);
    let allowed = &common.tenancy.allowed_repos;
    let fetcher = ground.checkout.fetcher_of(spec, &owner, credentials, allowed);
    let app = App::new(seen.app.clone(), spec, Origin::Git(fetcher), &ground).map_err(|bad| {
        let fault = Fault::new("spec.pruneGuard.protectKinds", &bad.to_string());
        Notice::InvalidSpec(fault.into())
    })?;
    let app = App { target_namespace: target, cluster, home, verification, recipe, ..app };
    Ok(Prepared { resource, app })
}

/// What has to be true of the app's commits. Without its keys it is not run.
async fn verification(
    spec: &GitOpsAppSpec,
    secrets: &mut Secrets<'_>,
) -> Result<Option<Arc<Verification>>, Notice> {
    let Some(verify) = &spec.verify else { return Ok(None) };
    let mut keys = Vec::new();
    keys.extend(own_keys(verify).map_err(|fault| Notice::InvalidSpec(fault.into()))?);
    if let Some(secret) = &verify.secret_ref {
        let name = &secret.name.0;
        let SecretData { data, .. } = secrets.read(name).await?;
        let texts = data.iter().map(|(key, text)| (key.as_str(), text.as_slice()));
        let keyring = Keyring::parse(texts, "it");
        keys.push(keyring.map_err(|bad| secrets.unusable(name, bad))?);
    }
    let keys = Keys::Given(Arc::new(Keyring::joined(keys)));
    let signed = verify.wanted().map(|mode| (mode, keys));
    Ok(Some(Arc::new(Verification { signed, no_rollback: verify.no_rollback })))
}

/// The keys of those who may sign that the app holds itself.
pub fn own_keys(verify: &Verify) -> Result<Option<Keyring>, Fault> {
    const FIELD: &str = "spec.verify.keys";
    let Some(given) = &verify.keys else { return Ok(None) };
    let texts = given.iter().map(|text| (FIELD, text.as_bytes()));
    let keys = Keyring::parse(texts, FIELD).map(Some);
    keys.map_err(|bad: BadKeys| Fault::new(FIELD, &bad.to_string()))
}

/// How the app's objects are built, with what is in the Secrets that it names for that.
async fn with_secrets(
    mut recipe: Recipe,
    spec: &GitOpsAppSpec,
    secrets: &mut Secrets<'_>,
) -> Result<Recipe, Notice> {
    for secret in needed_secrets(spec) {
        let (name, data) = (secret.name, secrets.read(secret.name).await?.data);
        let with = recipe.with(secret, secrets.namespace(), &data);
        recipe = with.map_err(|bad| secrets.unusable(name, bad))?;
    }
    Ok(recipe)
}

/// Where an app's objects are, or what keeps it from being known. It needs no repository.
pub async fn place_of(
    common: &Common,
    seen: &Seen,
    spec: &GitOpsAppSpec,
) -> Result<(Ground, Cluster), Notice> {
    let namespace = &seen.id.namespace;
    let account = common.tenancy.account(namespace, spec);
    let own = acting(common, account.map_err(|fault| Notice::InvalidSpec(fault.into()))?);
    place(common, &own, spec, &mut Secrets::new(&own, namespace, &mut Vec::new())).await
}

/// The daemon's cluster with the rights of an account. What that may not read, nobody reads for it.
fn acting(common: &Common, account: Option<ServiceAccount>) -> Cluster {
    let here = &common.ground.destination.cluster;
    account.map_or_else(|| here.clone(), |account| here.acting_as(&account))
}

/// Where an app's objects are, and with whose rights they are dealt with.
async fn place(
    common: &Common,
    own: &Cluster,
    spec: &GitOpsAppSpec,
    secrets: &mut Secrets<'_>,
) -> Result<(Ground, Cluster), Notice> {
    let ground = common.ground.clone();
    let Some(kubeconfig) = &spec.kube_config else { return Ok((ground, own.clone())) };
    let destination = remote(common, &kubeconfig.secret_ref, secrets).await?;
    // There its kubeconfig says who acts.
    let cluster = destination.cluster.clone();
    Ok((Ground { destination, ..ground }, cluster))
}

/// How an app's repository is reached.
struct Access {
    credentials: Option<Arc<Credentials>>,
    /// Whose credentials they are: only who has the same shares a clone.
    owner: String,
}

async fn access(spec: &GitOpsAppSpec, secrets: &mut Secrets<'_>) -> Result<Access, Notice> {
    let (url, namespace) = (&spec.repo_url, secrets.namespace());
    let (mut credentials, mut owner) = (None, String::new());
    if let Some(SecretReference { name }) = &spec.secret_ref {
        let found = Credentials::from_secret(&secrets.read(&name.0).await?.data, url);
        credentials = Some(found.map_err(|bad| secrets.unusable(&name.0, bad))?);
        owner = format!("{namespace}/{}", name.0);
    }
    if let Some(SecretReference { name }) = &spec.proxy_secret_ref {
        let proxy = Proxy::from_secret(&secrets.read(&name.0).await?.data);
        let found = proxy.and_then(|proxy| credentials.unwrap_or_default().by(proxy, url));
        credentials = Some(found.map_err(|bad| secrets.unusable(&name.0, bad))?);
        owner = format!("{owner}\nby {namespace}/{}", name.0);
    }
    Ok(Access { credentials: credentials.map(Arc::new), owner })
}

/// The cluster that the kubeconfig in a Secret gives access to.
async fn remote(
    common: &Common,
    secret: &SecretKeyReference,
    secrets: &mut Secrets<'_>,
) -> Result<Destination, Notice> {
    let (name, key) = (&secret.name.0, &secret.key);
    let SecretData { version, data } = secrets.read(name).await?;
    let place = format!("{}/{name}/{key}", secrets.namespace());
    if let Some(known) = common.clusters.at(&place, &version) {
        return Ok(known);
    }
    let missing = || secrets.unusable(name, format_args!("it has no key {key}"));
    let kubeconfig = data.get(key).ok_or_else(missing)?;
    let Remote { timeout, count, selector } = common.remote.clone();
    let cluster = Cluster::remote(kubeconfig, timeout, count).await;
    let cluster = cluster.map_err(|bad| secrets.unusable(name, bad))?;
    let destination = Destination::new(cluster, selector, common.ground.store.namespace());
    common.clusters.keep(place, version, destination.clone());
    Ok(destination)
}

impl Clusters {
    fn at(&self, place: &str, version: &str) -> Option<Destination> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (known, destination) = all.get(place)?;
        (known == version).then(|| destination.clone())
    }

    /// Keeps it for the others that go there. Those that no app goes to any more are forgotten.
    fn keep(&self, place: String, version: String, destination: Destination) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, (_, known)| known.informers.is_shared());
        all.insert(place, (version, destination));
    }
}
