//! Files that SOPS encrypted: which they are, for whom, and what in them is secret. Pure; the program sops decrypts.

mod format;
mod leaves;
mod opened;
mod pieces;

pub use format::Format;
pub use leaves::secrets;
pub use opened::{Decrypted, Opened};
pub use pieces::{Piece, pieces};

use serde_json::Value;

use super::yaml;

/// What an encrypted value begins with. (sops `aes.Cipher`.)
const CIPHERTEXT: &str = "ENC[AES256_GCM,data:";
/// Where SOPS keeps what it needs.
const METADATA: &str = "sops";
/// Lists of recipients in there, and what names each.
const RECIPIENTS: [(&str, &str); 7] = [
    ("age", "recipient"),
    ("pgp", "fp"),
    ("kms", "arn"),
    ("gcp_kms", "resource_id"),
    ("azure_kv", "name"),
    ("hc_vault", "key_name"),
    ("hckms", "key_id"),
];
/// Recipients that are named.
const NAMED: usize = 4;

/// Whether a value is ciphertext.
pub fn is_ciphertext(text: &str) -> bool {
    text.starts_with(CIPHERTEXT) && text.ends_with(']')
}

/// Whether a document is encrypted, with the keys it needs beside it.
pub fn is_encrypted(document: &Value) -> bool {
    let metadata = &document[METADATA];
    metadata["mac"].is_string()
        || metadata["lastmodified"].is_string() && metadata["version"].is_string()
}

/// Where in an object ciphertext stands, if anywhere.
pub fn ciphertext(object: &Value) -> Option<String> {
    match object {
        Value::String(text) if is_ciphertext(text) => Some(String::new()),
        Value::Object(map) => map.iter().find_map(|(key, value)| {
            let below = ciphertext(value)?;
            Some(if below.is_empty() { key.clone() } else { format!("{key}.{below}") })
        }),
        Value::Array(items) => items.iter().find_map(ciphertext),
        _ => None,
    }
}

/// For whom a file is encrypted, as people know them.
pub fn recipients(format: Format, content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content);
    let mut names: Vec<String> = match format {
        Format::Yaml | Format::Json | Format::Binary => {
            let documents = yaml::documents(&text).unwrap_or_default();
            documents.iter().flat_map(|document| named(&document.value[METADATA])).collect()
        }
        // sops_age__list_0__map_recipient=age1…, or age__list_0__map_recipient = age1…
        Format::Dotenv | Format::Ini => text.lines().filter_map(named_in_line).collect(),
    };
    names.sort_unstable();
    names.dedup();
    names.truncate(NAMED);
    if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }
}

fn named(metadata: &Value) -> Vec<String> {
    let groups = metadata["key_groups"].as_array().into_iter().flatten();
    let places = std::iter::once(metadata).chain(groups);
    places
        .flat_map(|place| RECIPIENTS.iter().map(move |(list, name)| (&place[*list], *name)))
        .flat_map(|(list, name)| {
            list.as_array().into_iter().flatten().filter_map(move |entry| entry[name].as_str())
        })
        .map(str::to_owned)
        .collect()
}

fn named_in_line(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let is_name = |(list, name): &(&str, &str)| {
        let key = key.trim();
        let key = key.strip_prefix("sops_").unwrap_or(key);
        key.starts_with(&format!("{list}__list_")) && key.ends_with(&format!("map_{name}"))
    };
    RECIPIENTS.iter().any(is_name).then(|| value.trim().to_owned())
}
