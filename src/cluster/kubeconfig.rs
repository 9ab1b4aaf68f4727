//! What is taken of a kubeconfig that a tenant wrote: who and where, and nothing that would run a program,
//! read a file, trust any server or lead elsewhere. No error quotes it. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, Uri};
use serde_json::{Map, Value, json};

use crate::render::yaml;

/// Why a kubeconfig is not used. Names fields, never what is in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKubeconfig {
    /// It is no YAML.
    #[error("the kubeconfig cannot be read (line {line}, column {column}): {why}")]
    Malformed {
        /// Line, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
        /// What is wrong.
        why: String,
    },
    /// A field that no app may set.
    #[error("the kubeconfig must not set {field}: {why}")]
    Refused {
        /// The field.
        field: &'static str,
        /// What it would do, and what to use instead.
        why: &'static str,
    },
    /// A field of a name that is not known, and that may mean anything.
    #[error(
        "the {place} of the kubeconfig has a field that is not supported: leave only {supported}"
    )]
    Unknown {
        /// Where it is.
        place: &'static str,
        /// The fields that may be there.
        supported: String,
    },
    /// A field is missing, or is not what it has to be.
    #[error("{field} of the kubeconfig {why}")]
    Bad {
        /// The field.
        field: &'static str,
        /// What it has to be.
        why: &'static str,
    },
    /// The certificates or keys in it are of no use.
    #[error(
        "the certificates or the key of the kubeconfig cannot be used: certificate-authority-data, client-certificate-data and client-key-data have to be PEM in base64"
    )]
    Unusable,
}

/// Fields that are used, of each part.
const CONTEXT: &[&str] = &["cluster", "user", "namespace"];
const CLUSTER: &[&str] = &["server", "certificate-authority-data", "tls-server-name"];
const USER: &[&str] = &["token", "client-certificate-data", "client-key-data"];

/// Fields that say nothing about who and where.
const IGNORED: &[&str] = &["extensions", "disable-compression"];

const FILE: &str =
    "it names a file of the daemon: put the content itself into the field of that name with -data";
const RUNS: &str = "it would run a program: use the token of a service account";
const ACTS: &str = "it would act as another user: use that user's own credentials";
const PASSWORD: &str = "API servers take no passwords any more: use the token of a service account";

/// Fields that are refused, and why.
const REFUSED: &[(&str, &str)] = &[
    ("exec", RUNS),
    ("auth-provider", RUNS),
    ("tokenFile", "it names a file of the daemon: put the token itself into token"),
    ("client-certificate", FILE),
    ("client-key", FILE),
    ("certificate-authority", FILE),
    (
        "insecure-skip-tls-verify",
        "it would trust any server: put the cluster's certificate authority into certificate-authority-data",
    ),
    ("proxy-url", "it would send everything elsewhere: name the API server itself in server"),
    ("username", PASSWORD),
    ("password", PASSWORD),
    ("as", ACTS),
    ("as-uid", ACTS),
    ("as-groups", ACTS),
    ("as-user-extra", ACTS),
];

/// The current context of a kubeconfig, as a kubeconfig of just the fields that are used.
pub fn checked(kubeconfig: &[u8]) -> Result<Value, BadKubeconfig> {
    let config = document(kubeconfig)?;
    let current = text(&config, "current-context")?.ok_or_else(missing("current-context"))?;
    let context = part(&config, "contexts", "context", &current, CONTEXT)?;
    let of = |key: &'static str| text(&context, key)?.ok_or_else(missing(key));
    let cluster = part(&config, "clusters", "cluster", &of("cluster")?, CLUSTER)?;
    let user = part(&config, "users", "user", &of("user")?, USER)?;
    let (cluster, user) = (checked_cluster(&cluster)?, checked_user(&user)?);
    let namespace = text(&context, "namespace")?;
    let context = json!({"cluster": NAME, "user": NAME, "namespace": namespace});
    Ok(json!({
        "current-context": NAME,
        "contexts": [{"name": NAME, "context": context}],
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": NAME, "user": user}],
    }))
}

/// What all parts are called in what is left.
const NAME: &str = "remote";

type Fields = Map<String, Value>;

fn document(kubeconfig: &[u8]) -> Result<Fields, BadKubeconfig> {
    let malformed =
        |line, column, why: &str| BadKubeconfig::Malformed { line, column, why: why.to_owned() };
    let text = str::from_utf8(kubeconfig).map_err(|_| malformed(1, 1, "it is not UTF-8"))?;
    let documents = yaml::documents(text);
    let mut documents = documents.map_err(|bad| malformed(bad.line, bad.column, &bad.why))?;
    match (documents.pop().map(|document| document.value), documents.is_empty()) {
        (Some(Value::Object(config)), true) => Ok(config),
        _ => Err(malformed(1, 1, "it has to be one map")),
    }
}

/// The part of a list that has this name, if it has no fields but these.
fn part(
    config: &Fields,
    list: &'static str,
    place: &'static str,
    name: &str,
    supported: &[&'static str],
) -> Result<Fields, BadKubeconfig> {
    let all = config.get(list).and_then(Value::as_array).into_iter().flatten();
    let mut named = all.filter(|item| item["name"] == name);
    let (Some(found), None) = (named.next(), named.next()) else {
        return Err(BadKubeconfig::Bad {
            field: list,
            why: "must have one entry of each name that is used",
        });
    };
    let fields = found[place].as_object().cloned().unwrap_or_default();
    let is_set = |(_, value): &(&String, &Value)| !is_empty(value);
    for (field, _) in fields.iter().filter(is_set) {
        if let Some((field, why)) = REFUSED.iter().find(|(refused, _)| refused == field) {
            return Err(BadKubeconfig::Refused { field, why });
        }
        if !supported.contains(&field.as_str()) && !IGNORED.contains(&field.as_str()) {
            return Err(BadKubeconfig::Unknown { place, supported: supported.join(", ") });
        }
    }
    Ok(fields)
}

/// Whether a field is as good as not there.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

fn checked_cluster(cluster: &Fields) -> Result<Fields, BadKubeconfig> {
    let server = text(cluster, "server")?.ok_or_else(missing("server"))?;
    let bad = BadKubeconfig::Bad {
        field: "server",
        why: "must be a URL of https without user, query and fragment",
    };
    let is_plain = !server.contains(['?', '#', '@', '\\']) && server.starts_with("https://");
    let uri = server.parse::<Uri>().ok().filter(|_| is_plain).ok_or(bad.clone())?;
    uri.host().filter(|host| !host.is_empty()).ok_or(bad)?;
    let mut checked = Fields::from_iter([("server".to_owned(), json!(server))]);
    keep(&mut checked, "tls-server-name", text(cluster, "tls-server-name")?);
    keep(&mut checked, "certificate-authority-data", data(cluster, "certificate-authority-data")?);
    Ok(checked)
}

fn checked_user(user: &Fields) -> Result<Fields, BadKubeconfig> {
    let token = text(user, "token")?;
    let is_token = |token: &str| HeaderValue::from_str(token).is_ok() && !token.contains(' ');
    if token.as_ref().is_some_and(|token| !is_token(token)) {
        return Err(BadKubeconfig::Bad { field: "token", why: "must be a token on one line" });
    }
    let certificate = data(user, "client-certificate-data")?;
    let key = data(user, "client-key-data")?;
    if certificate.is_some() != key.is_some() || (token.is_none() && key.is_none()) {
        let why = "must have a token, or client-certificate-data with client-key-data";
        return Err(BadKubeconfig::Bad { field: "user", why });
    }
    let mut checked = Fields::new();
    keep(&mut checked, "token", token);
    keep(&mut checked, "client-certificate-data", certificate);
    keep(&mut checked, "client-key-data", key);
    Ok(checked)
}

fn keep(fields: &mut Fields, key: &str, value: Option<String>) {
    fields.extend(value.map(|value| (key.to_owned(), json!(value))));
}

fn text(fields: &Fields, field: &'static str) -> Result<Option<String>, BadKubeconfig> {
    match fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(_) => Err(BadKubeconfig::Bad { field, why: "must be a string" }),
    }
}

/// A field in base64.
fn data(fields: &Fields, field: &'static str) -> Result<Option<String>, BadKubeconfig> {
    let Some(data) = text(fields, field)? else { return Ok(None) };
    let data: String = data.split_whitespace().collect();
    let is_base64 = STANDARD.decode(&data).is_ok();
    is_base64.then_some(Some(data)).ok_or(BadKubeconfig::Bad { field, why: "must be base64" })
}

fn missing(field: &'static str) -> impl Fn() -> BadKubeconfig {
    move || BadKubeconfig::Bad { field, why: "is missing" }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A good kubeconfig, with one more field in its cluster or its user.
    fn with(place: &str, field: &str, value: Value) -> Vec<u8> {
        let mut cluster =
            json!({"server": "https://api.example:6443", "certificate-authority-data": "Q0E="});
        let mut user = json!({"token": "hunter2"});
        let mut context = json!({"cluster": "c", "user": "u", "namespace": "apps"});
        match place {
            "cluster" => cluster[field] = value,
            "user" => user[field] = value,
            _ => context[field] = value,
        }
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "x",
            "contexts": [{"name": "other", "context": {}}, {"name": "x", "context": context}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
        });
        config.to_string().into_bytes()
    }

    #[test]
    fn only_who_and_where_are_taken() {
        let config = checked(&with("user", "extensions", json!([{"name": "x"}]))).unwrap();
        let expect = json!({
            "current-context": "remote",
            "contexts": [{"name": "remote", "context": {"cluster": "remote", "user": "remote", "namespace": "apps"}}],
            "clusters": [{"name": "remote", "cluster":
                {"server": "https://api.example:6443", "certificate-authority-data": "Q0E="}}],
            "users": [{"name": "remote", "user": {"token": "hunter2"}}],
        });
        assert_eq!(config, expect);
    }

    #[test]
    fn what_could_do_harm_is_refused_by_name_and_never_quoted() {
        let check = |place: &str, field: &str, value: Value, words: &str| {
            let error = checked(&with(place, field, value)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains("hunter2") && !error.contains("evil"), "{error}");
        };
        let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/evil"});
        check("user", "exec", exec, "must not set exec: it would run a program");
        check("user", "exec", json!("evil"), "exec");
        check("user", "auth-provider", json!({"name": "evil"}), "auth-provider");
        check("user", "tokenFile", json!("/evil"), "tokenFile: it names a file");
        check("user", "client-certificate", json!("/evil"), "client-certificate: it names a file");
        check("user", "client-key", json!("/evil"), "client-key: it names a file");
        check("user", "username", json!("evil"), "username");
        check("user", "password", json!("evil"), "password");
        check("user", "as", json!("evil"), "as: it would act as another");
        check("user", "as-uid", json!("evil"), "as-uid");
        check("user", "as-groups", json!(["evil"]), "as-groups");
        check("user", "as-user-extra", json!({"evil": ["x"]}), "as-user-extra");
        check("user", "EXEC", json!("evil"), "the user of the kubeconfig has a field");
        check("user", "token-file", json!("/evil"), "leave only token, ");
        check("user", "evil", json!(1), "not supported");
        check(
            "user",
            "token",
            json!("evil\r\nImpersonate-User: x"),
            "token of the kubeconfig must be",
        );
        check("user", "token", json!("evil two"), "token of the kubeconfig must be");
        check("user", "token", json!(["evil"]), "token of the kubeconfig must be a string");
        check("user", "token", Value::Null, "user of the kubeconfig must have a token");
        check("user", "client-key-data", json!("ZXZpbA=="), "client-certificate-data with");
        check(
            "user",
            "client-key-data",
            json!("evil!"),
            "client-key-data of the kubeconfig must be base64",
        );
        check(
            "cluster",
            "certificate-authority",
            json!("/evil"),
            "certificate-authority: it names",
        );
        check("cluster", "certificate-authority-data", json!("evil!"), "must be base64");
        check(
            "cluster",
            "insecure-skip-tls-verify",
            json!(true),
            "insecure-skip-tls-verify: it would trust",
        );
        check("cluster", "insecure-skip-tls-verify", json!("true"), "insecure-skip-tls-verify");
        check("cluster", "proxy-url", json!("http://evil"), "proxy-url: it would send");
        check("context", "evil", json!("x"), "the context of the kubeconfig has a field");
        check("context", "user", json!("evil"), "users of the kubeconfig must have one entry");
        for server in [
            json!("http://evil"),
            json!("HTTP://evil"),
            json!("evil"),
            json!("//evil"),
            json!("unix:///evil"),
            json!("https://"),
            json!("https:///evil"),
            json!("https://hunter2@evil"),
            json!("https://api.example\\@evil"),
            json!("https://evil?hunter2"),
            json!("https://evil#x"),
            json!("https://evil x"),
            json!("file:///evil"),
            json!({"evil": 1}),
        ] {
            check("cluster", "server", server, "server of the kubeconfig must be a");
        }
        check("cluster", "server", Value::Null, "server of the kubeconfig is missing");
    }

    #[test]
    fn what_is_not_set_is_not_refused() {
        for (place, field, value) in [
            ("user", "exec", Value::Null),
            ("user", "as", json!("")),
            ("user", "as-groups", json!([])),
            ("cluster", "insecure-skip-tls-verify", json!(false)),
            ("cluster", "disable-compression", json!(true)),
            ("cluster", "server", json!("https://[::1]:6443/k8s/clusters/c-1")),
            ("user", "token", json!("hunter2\n")),
        ] {
            assert_eq!(checked(&with(place, field, value)).err(), None, "{field}");
        }
    }

    #[test]
    fn what_is_no_kubeconfig_is_told_by_place() {
        let check = |text: &[u8], words: &str| {
            let error = checked(text).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        };
        check(b"hunter2: [", "line ");
        check(b"hunter2", "has to be one map");
        check(b"", "has to be one map");
        check(b"a: hunter2\n---\nb: 1\n", "has to be one map");
        check(b"token: hunter2\xff", "not UTF-8");
        check(b"users: [{user: {token: hunter2}}]", "current-context of the kubeconfig is missing");
        check(b"current-context: hunter2", "contexts of the kubeconfig must have one entry");
        check(b"current-context: x\ncontexts: [{name: x}]", "cluster of the kubeconfig is missing");
        // Which of two is meant may not depend on who reads it.
        let twice = "contexts: [{name: x, context: {cluster: c, user: u}}]\nclusters: [{name: c, cluster: \
            {server: 'https://a'}}, {name: c, cluster: {server: 'https://b'}}]\nusers: [{name: u, user: {token: t}}]";
        check(
            format!("current-context: x\n{twice}").as_bytes(),
            "clusters of the kubeconfig must have one",
        );
    }
}
