//! From a resource to the app that is run: whose rights it has, which cluster it goes to, what fetches it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Common, Seen};
use crate::api::reference::{SecretKeyReference, SecretReference};
use crate::api::{Decryption, Fault, GitOpsApp, GitOpsAppSpec, Verify};
use crate::builder::{self, KeySource, Recipe};
use crate::cluster::Cluster;
use crate::cluster::secret::SecretData;
use crate::object::ServiceAccount;
use crate::report::Notice;
use crate::source::credentials::{Login, Proxy};
use crate::source::oci::Address;
use crate::source::verify::{BadKeys, Keyring};
use crate::source::{Credentials, Keys, Verification};
use crate::sync::ground::Remote;
use crate::sync::references::Home;
use crate::sync::{App, Destination, Ground, Origin};

/// A Secret that an app was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// An app that is ready to run.
pub struct Prepared {
    /// The resource that describes it.
    pub resource: Arc<GitOpsApp>,
    /// The app.
    pub app: App,
    /// The Secrets that it was made of.
    pub secrets: Vec<Used>,
}

/// Other clusters, by the Secrets that give access to them: apps of one share its watches.
#[derive(Default)]
pub struct Clusters(Mutex<BTreeMap<String, (String, Destination)>>);

/// The app that a resource describes, or why there is none.
pub async fn app(common: &Common, seen: &Seen) -> Result<Prepared, Notice> {
    let resource = seen.resource.clone().map_err(Notice::InvalidSpec)?;
    let account = common.tenancy.identity(&resource).map_err(Notice::InvalidSpec)?;
    let own = acting(common, account);
    let (namespace, spec) = (&seen.id.namespace, &resource.spec);
    let Access { credentials, owner, used: mut secrets } = access(&own, namespace, spec).await?;
    let verification = verification(&own, namespace, spec, &mut secrets).await?;
    let chart = chart_access(&own, namespace, spec).await?;
    secrets.extend(chart.used);
    let keys = keys(&own, namespace, spec, &mut secrets).await?;
    let home = Home::new(own.clone(), namespace);
    let Place { ground, cluster, used } = place(common, own, namespace, spec).await?;
    secrets.extend(used);
    let allowed = &common.tenancy.allowed_repos;
    let fetcher = ground.checkout.fetcher_of(spec, &owner, credentials, allowed);
    let app = App::new(seen.app.clone(), spec, Origin::Git(fetcher), &ground).map_err(|bad| {
        let fault = Fault::new("spec.pruneGuard.protectKinds", &bad.to_string());
        Notice::InvalidSpec(fault.into())
    })?;
    let target = spec.target_namespace.as_ref().map_or(namespace, |name| &name.0).clone();
    let recipe = Recipe {
        credentials: chart.credentials,
        owner: chart.owner,
        keys,
        ..Recipe::of(spec, &seen.id.name, &target)
    };
    let recipe = Arc::new(recipe);
    let app = App { target_namespace: target, cluster, home, verification, recipe, ..app };
    Ok(Prepared { resource, app, secrets })
}

/// What has to be true of the app's commits. Without its keys it is not run.
async fn verification(
    own: &Cluster,
    namespace: &str,
    spec: &GitOpsAppSpec,
    secrets: &mut Vec<Used>,
) -> Result<Option<Arc<Verification>>, Notice> {
    let Some(verify) = &spec.verify else { return Ok(None) };
    let mut keys = Vec::new();
    keys.extend(own_keys(verify).map_err(|fault| Notice::InvalidSpec(fault.into()))?);
    if let Some(secret) = &verify.secret_ref {
        let name = &secret.name.0;
        let SecretData { version, data } = read(own, namespace, name).await?;
        let texts = data.iter().map(|(key, text)| (key.as_str(), text.as_slice()));
        let unusable = |bad: BadKeys| unusable(namespace, name, &bad.to_string());
        keys.push(Keyring::parse(texts, "it").map_err(unusable)?);
        secrets.push(Used { name: name.clone(), version });
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

/// What decrypts the app's files, if it says that anything does.
async fn keys(
    own: &Cluster,
    namespace: &str,
    spec: &GitOpsAppSpec,
    secrets: &mut Vec<Used>,
) -> Result<Option<KeySource>, Notice> {
    let Some(Decryption { secret_ref, .. }) = &spec.decryption else { return Ok(None) };
    let Some(SecretReference { name }) = secret_ref else {
        return Ok(Some(KeySource::Given(Arc::default())));
    };
    let SecretData { version, data } = read(own, namespace, &name.0).await?;
    let keys = builder::Keys::of(&data);
    let keys = keys.map_err(|bad| unusable(namespace, &name.0, &bad.to_string()))?;
    secrets.push(Used { name: name.0.clone(), version });
    Ok(Some(KeySource::Given(Arc::new(keys))))
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
    let Place { ground, cluster, .. } = place(common, own, namespace, spec).await?;
    Ok((ground, cluster))
}

/// The daemon's cluster with the rights of an account. What that may not read, nobody reads for it.
fn acting(common: &Common, account: Option<ServiceAccount>) -> Cluster {
    let here = &common.ground.destination.cluster;
    account.map_or_else(|| here.clone(), |account| here.acting_as(&account))
}

/// Where an app's objects are, and with whose rights they are dealt with.
struct Place {
    ground: Ground,
    cluster: Cluster,
    /// The Secret that gives access to it.
    used: Option<Used>,
}

async fn place(
    common: &Common,
    own: Cluster,
    namespace: &str,
    spec: &GitOpsAppSpec,
) -> Result<Place, Notice> {
    let ground = common.ground.clone();
    let Some(kubeconfig) = &spec.kube_config else {
        return Ok(Place { ground, cluster: own, used: None });
    };
    let (destination, used) = remote(common, &own, namespace, &kubeconfig.secret_ref).await?;
    // There its kubeconfig says who acts.
    let cluster = destination.cluster.clone();
    Ok(Place { ground: Ground { destination, ..ground }, cluster, used: Some(used) })
}

/// How an app's repository is reached.
struct Access {
    credentials: Option<Arc<Credentials>>,
    /// Whose credentials they are: only who has the same shares a clone.
    owner: String,
    used: Vec<Used>,
}

async fn access(own: &Cluster, namespace: &str, spec: &GitOpsAppSpec) -> Result<Access, Notice> {
    let url = &spec.repo_url;
    let (mut used, mut owner) = (Vec::new(), String::new());
    let mut credentials = None;
    if let Some(SecretReference { name }) = &spec.secret_ref {
        let SecretData { version, data } = read(own, namespace, &name.0).await?;
        let found = Credentials::from_secret(&data, url);
        credentials = Some(found.map_err(|bad| unusable(namespace, &name.0, &bad.to_string()))?);
        owner = format!("{namespace}/{}", name.0);
        used.push(Used { name: name.0.clone(), version });
    }
    if let Some(SecretReference { name }) = &spec.proxy_secret_ref {
        let SecretData { version, data } = read(own, namespace, &name.0).await?;
        let proxy = Proxy::from_secret(&data);
        let found = proxy.and_then(|proxy| credentials.unwrap_or_default().by(proxy, url));
        credentials = Some(found.map_err(|bad| unusable(namespace, &name.0, &bad.to_string()))?);
        owner = format!("{owner}\nby {namespace}/{}", name.0);
        used.push(Used { name: name.0.clone(), version });
    }
    Ok(Access { credentials: credentials.map(Arc::new), owner, used })
}

/// How a chart is reached that is kept elsewhere.
async fn chart_access(
    own: &Cluster,
    namespace: &str,
    spec: &GitOpsAppSpec,
) -> Result<Access, Notice> {
    let none = || Access { credentials: None, owner: String::new(), used: Vec::new() };
    let Some(chart) = &spec.render.helm.chart else { return Ok(none()) };
    let Some(SecretReference { name }) = &chart.secret_ref else { return Ok(none()) };
    let SecretData { version, data } = read(own, namespace, &name.0).await?;
    let found = Credentials::from_secret(&data, &chart.repo_url);
    let found = found.map_err(|bad| unusable(namespace, &name.0, &bad.to_string()))?;
    let is_bearer = matches!(found.login, Some(Login::Bearer(_)));
    let is_taken = !is_bearer || Address::is_in(&chart.repo_url);
    if !is_taken || matches!(found.login, Some(Login::App(_))) {
        let why = "helm takes username and password, and no other login";
        return Err(unusable(namespace, &name.0, why));
    }
    let (owner, used) =
        (format!("{namespace}/{}", name.0), vec![Used { name: name.0.clone(), version }]);
    Ok(Access { credentials: Some(Arc::new(found)), owner, used })
}

async fn read(own: &Cluster, namespace: &str, name: &str) -> Result<SecretData, Notice> {
    let read = own.secret(namespace, name).await;
    read.map_err(|error| Notice::SecretUnavailable(error.to_string()))
}

fn unusable(namespace: &str, name: &str, why: &str) -> Notice {
    Notice::SecretUnavailable(format!("Secret {namespace}/{name}: {why}"))
}

/// The cluster that the kubeconfig in a Secret gives access to.
async fn remote(
    common: &Common,
    own: &Cluster,
    namespace: &str,
    secret: &SecretKeyReference,
) -> Result<(Destination, Used), Notice> {
    let (name, key) = (&secret.name.0, &secret.key);
    let SecretData { version, data } = read(own, namespace, name).await?;
    let used = Used { name: name.clone(), version: version.clone() };
    let place = format!("{namespace}/{name}/{key}");
    let known = common.clusters.at(&place, &version);
    if let Some(known) = known {
        return Ok((known, used));
    }
    let why = format!("it has no key {key}");
    let kubeconfig = data.get(key).ok_or_else(|| unusable(namespace, name, &why))?;
    let Remote { timeout, count, selector } = common.remote.clone();
    let cluster = Cluster::remote(kubeconfig, timeout, count).await;
    let cluster = cluster.map_err(|bad| unusable(namespace, name, &bad.to_string()))?;
    let destination = Destination::new(cluster, selector, common.ground.store.namespace());
    common.clusters.keep(place, version, destination.clone());
    Ok((destination, used))
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
