//! Apps of GitHub, at a stand-in for its API that checks what they say of themselves.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use ring::signature::{KeyPair, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs1KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use testbed::{Asked, StandIn, TlsFront, rsa_key};

use super::{Site, basic};
use crate::apps::Apps;
use crate::support::config_map;

/// What the stand-in has seen, and what it answers.
#[derive(Default)]
struct Seen {
    /// The token that is given.
    token: String,
    /// Why it refused, and what it gave.
    answers: Vec<Result<String, String>>,
}

/// What asks for the installations of an app.
const LIST: &str = "GET /api/v3/app/installations?per_page=100&page=1";

/// The API of GitHub, as far as apps need it to get tokens.
struct Api {
    url: String,
    _server: StandIn,
    seen: Arc<Mutex<Seen>>,
}

impl Api {
    /// Knows the app 7 by its key, and its installation 42.
    fn start(key: &str) -> Self {
        let key = PrivatePkcs1KeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let key = RsaKeyPair::from_der(key.secret_pkcs1_der()).unwrap();
        let public = key.public_key().as_ref().to_vec();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        "ghs_canary0".clone_into(&mut seen.lock().unwrap().token);
        let shared = seen.clone();
        let server = StandIn::start("GitHub", move |asked| answer(asked, &public, &shared));
        let server = server.unwrap();
        Self { url: server.url(), _server: server, seen }
    }

    fn answers(&self) -> Vec<Result<String, String>> {
        self.seen.lock().unwrap().answers.clone()
    }
}

fn answer(asked: &Asked, public: &[u8], seen: &Mutex<Seen>) -> (u16, String) {
    let mut seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let (status, body) = match judge(asked, public) {
        Ok(()) if asked.what == LIST => {
            let at = |id: u64, login: &str| json!({"id": id, "account": {"login": login}});
            (200, json!([at(41, "others"), at(42, "Team")]))
        }
        Ok(()) => {
            let token = seen.token.clone();
            seen.answers.push(Ok(token.clone()));
            let end = Timestamp::now() + SignedDuration::from_hours(1);
            (201, json!({"token": token, "expires_at": end.to_string()}))
        }
        Err(why) => {
            seen.answers.push(Err(why.clone()));
            (401, json!({"message": why}))
        }
    };
    (status, body.to_string())
}

/// Whether GitHub would give a token.
fn judge(asked: &Asked, public: &[u8]) -> Result<(), String> {
    if ![LIST, "POST /api/v3/app/installations/42/access_tokens"].contains(&&*asked.what) {
        return Err(format!("no such request: {}", asked.what));
    }
    let header = |name: &str| asked.header(name).ok_or(format!("no {name}"));
    if !header("user-agent")?.contains("gitops-sync") {
        return Err("who asks?".to_owned());
    }
    let token = header("authorization")?;
    let token = token.strip_prefix("Bearer ").ok_or("no bearer")?;
    let (text, signature) = token.rsplit_once('.').ok_or("no token")?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|error| error.to_string());
    UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)
        .verify(text.as_bytes(), &decode(signature)?)
        .map_err(|_| "the signature is wrong")?;
    let (header, claims) = text.split_once('.').ok_or("no claims")?;
    let parse = |part: &str| -> Result<Value, String> {
        serde_json::from_slice(&decode(part)?).map_err(|error| error.to_string())
    };
    let (header, claims) = (parse(header)?, parse(claims)?);
    let now = Timestamp::now().as_second();
    let time = |name: &str| claims[name].as_i64().ok_or(format!("no {name}"));
    let (begin, end) = (time("iat")?, time("exp")?);
    let is_right = header["alg"] == "RS256"
        && claims["iss"] == "7"
        && (now - 120..=now).contains(&begin)
        && end > now
        && end - begin <= 600;
    if is_right { Ok(()) } else { Err(format!("{header} {claims} at {now}")) }
}

#[test]
fn an_app_of_github_gets_a_token_and_keeps_it() {
    let (Some(key), Some(other)) = (rsa_key().unwrap(), rsa_key().unwrap()) else { return };
    let apps = Apps::new("github-app");
    let api = Api::start(&key);
    let api_tls = TlsFront::start(&api.url, false).unwrap();
    let site = Site::new("site", basic("x-access-token", "ghs_canary0"));
    let git_tls = TlsFront::start(site.git.url(), false).unwrap();
    let ca = format!("{}{}", api_tls.ca(), git_tls.ca());
    let base = format!("{}/api/v3/", api_tls.url());
    let keys = |key| {
        [
            ("githubAppID", "7"),
            ("githubAppInstallationID", "42"),
            ("githubAppPrivateKey", key),
            ("githubAppBaseURL", &base),
            ("ca.crt", &ca),
        ]
    };
    let url = site.behind(&git_tls.url());
    apps.reached("site", &url, &keys(&key), &[]);
    apps.wait("site", "Ready");
    // Many looks, no other token.
    let before = api.answers();
    for _ in 0..3 {
        let name = format!("app={}/site}}", apps.test.namespace);
        apps.daemon.line_after(apps.daemon.mark(), &["Synced", &name]);
    }
    assert_eq!(api.answers(), before);
    // One that is refused is replaced at once.
    "ghs_canary1".clone_into(&mut api.seen.lock().unwrap().token);
    site.git.set_fault(basic("x-access-token", "ghs_canary1"));
    site.repo.write("a.yaml", config_map("site", "2")).unwrap();
    apps.applied("site", &site.repo.commit("Change").unwrap());
    assert_eq!(api.answers().split_off(before.len()), [Ok("ghs_canary1".to_owned())]);

    // Where it is installed may be said by whom.
    let by_owner = |owner| {
        let mut keys = keys(&key);
        keys[1] = ("githubAppInstallationOwner", owner);
        keys
    };
    apps.reached("owner", &url, &by_owner("team"), &[]);
    apps.reached("nobody", &url, &by_owner("nobody"), &[]);
    apps.refused("nobody", "CredentialsRefused", &["not installed at githubAppInstallationOwner"]);
    let said = apps.reason("owner", "Ready", "OwnershipConflict");
    assert!(said.contains("configmap/site"), "{said}");

    apps.reached("stranger", &url, &keys(&other), &[]);
    let words = ["status code 401", "githubAppPrivateKey"];
    let said = apps.refused("stranger", "CredentialsRefused", &words);
    assert!(!said.contains("signature"), "{said}");
    let answers = api.answers();
    let refusals: Vec<_> = answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert!(refusals.iter().all(|why| *why == "the signature is wrong"), "{refusals:?}");
}
