//! The Secrets that an app's objects are built with, and what becomes of their entries.

use std::sync::Arc;

use super::{BadKeys, Entries, KeySource, Keys, Recipe};
use crate::api::GitOpsAppSpec;
use crate::api::reference::SecretReference;
use crate::source::Credentials;
use crate::source::credentials::{BadCredentials, Login};
use crate::source::oci::Address;

/// A Secret that an app's objects are built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeededSecret<'a> {
    /// Its name.
    pub name: &'a str,
    /// The field that names it.
    pub field: &'static str,
    holds: Holds<'a>,
}

/// What one is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds<'a> {
    /// Keys that decrypt the app's files.
    Keys,
    /// A login for the chart at this URL.
    Login(&'a str),
}

/// Why a Secret is of no use. It quotes nothing of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// No keys.
    #[error(transparent)]
    Keys(#[from] BadKeys),
    /// No credentials.
    #[error(transparent)]
    Credentials(#[from] BadCredentials),
    /// A login that helm does not know.
    #[error("helm takes username and password, and no other login")]
    NotForHelm,
}

impl NeededSecret<'_> {
    /// Whether it is for keys that decrypt.
    pub fn decrypts(&self) -> bool {
        self.holds == Holds::Keys
    }
}

/// The Secrets that an app names for building its objects.
pub fn needed_secrets(spec: &GitOpsAppSpec) -> impl Iterator<Item = NeededSecret<'_>> {
    let keys = spec.decryption.as_ref().and_then(|decryption| decryption.secret_ref.as_ref());
    let keys = keys.map(|SecretReference { name }| {
        let field = "decryption.secretRef";
        NeededSecret { name: &name.0, field, holds: Holds::Keys }
    });
    let login = spec.render.helm.chart.as_ref().and_then(|chart| {
        let SecretReference { name } = chart.secret_ref.as_ref()?;
        let field = "render.helm.chart.secretRef";
        Some(NeededSecret { name: &name.0, field, holds: Holds::Login(&chart.repo_url) })
    });
    login.into_iter().chain(keys)
}

impl Recipe {
    /// The same with what a Secret of a namespace holds.
    pub fn with(
        self,
        secret: NeededSecret<'_>,
        namespace: &str,
        entries: &Entries,
    ) -> Result<Self, BadSecret> {
        match secret.holds {
            Holds::Keys => {
                let keys = KeySource::Given(Arc::new(Keys::of(entries)?));
                Ok(Self { keys: Some(keys), ..self })
            }
            Holds::Login(url) => {
                let credentials = Some(Arc::new(login(entries, url)?));
                Ok(Self { credentials, owner: format!("{namespace}/{}", secret.name), ..self })
            }
        }
    }
}

/// A login for a chart that is kept elsewhere.
fn login(entries: &Entries, url: &str) -> Result<Credentials, BadSecret> {
    let found = Credentials::from_secret(entries, url)?;
    match found.login {
        Some(Login::Bearer(_)) if !Address::is_in(url) => Err(BadSecret::NotForHelm),
        Some(Login::App(_)) => Err(BadSecret::NotForHelm),
        _ => Ok(found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_an_app_is_built_with_comes_of_the_secrets_that_it_names() {
        let check = |url: &str, entries: &[(&str, &str)], expect: Option<BadSecret>| {
            let chart = json!({"repoURL": url, "name": "c", "version": "1", "secretRef": {"name": "login"}});
            let spec: GitOpsAppSpec = serde_json::from_value(json!({
                "repoURL": "https://git.example/a.git",
                "decryption": {"secretRef": {"name": "keys"}},
                "render": {"helm": {"chart": chart}},
            }))
            .unwrap();
            let [login, keys] = needed_secrets(&spec).collect::<Vec<_>>().try_into().unwrap();
            assert_eq!((login.name, keys.name), ("login", "keys"));
            assert_eq!(login.field, "render.helm.chart.secretRef");
            assert_eq!(keys.field, "decryption.secretRef");
            let entry = |(key, text): &(&str, &str)| ((*key).to_owned(), text.as_bytes().to_vec());
            let entries = entries.iter().map(entry).collect();
            let recipe = Recipe::of(&spec, "app", "team");
            assert_eq!(recipe.keys, Some(KeySource::Given(Arc::default())));
            let age = ("a.agekey".to_owned(), b"AGE-SECRET-KEY-1X".to_vec());
            let recipe = recipe.with(keys, "team", &Entries::from([age])).unwrap();
            assert_ne!(recipe.keys, Some(KeySource::Given(Arc::default())));
            let found = recipe.with(login, "team", &entries);
            assert_eq!(found.as_ref().err(), expect.as_ref(), "{url}");
            let is_taken =
                |recipe: Recipe| recipe.credentials.is_some() && recipe.owner == "team/login";
            assert!(found.is_err() || found.is_ok_and(is_taken), "{url}");
        };
        let (http, oci) = ("https://charts.example", "oci://charts.example");
        let password = [("username", "bob"), ("password", "hunter2")];
        check(http, &password, None);
        check(oci, &password, None);
        check(oci, &[("bearerToken", "hunter2")], None);
        check(http, &[("bearerToken", "hunter2")], Some(BadSecret::NotForHelm));
        let key = "-----BEGIN RSA PRIVATE KEY-----\n";
        let app =
            [("githubAppID", "1"), ("githubAppInstallationID", "2"), ("githubAppPrivateKey", key)];
        check(http, &app, Some(BadSecret::NotForHelm));
        let missing = Credentials::from_secret(&Entries::new(), http).unwrap_err();
        check(http, &[], Some(BadSecret::Credentials(missing)));
    }
}
