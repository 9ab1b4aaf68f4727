//! What sort of file was encrypted.

use std::path::Path;

use serde_json::Value;

use super::is_encrypted;
use crate::render::yaml;

/// What sort of file it is, as SOPS tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Format {
    /// YAML.
    Yaml,
    /// JSON.
    Json,
    /// Lines of `NAME=value`.
    Dotenv,
    /// INI.
    Ini,
    /// Anything, as a text within JSON.
    Binary,
}

impl Format {
    /// Of a file that is encrypted; `None` of any other.
    pub fn of(path: &str, content: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content).ok()?;
        // Reading every file of a repository would take long.
        if !text.contains("sops") || !text.contains("ENC[") {
            return None;
        }
        match Path::new(path).extension().and_then(|end| end.to_str()) {
            Some("yaml" | "yml") => any_document(text).then_some(Self::Yaml),
            Some("json") => any_document(text).then_some(Self::Json),
            Some("ini") => has_line(text, |line| line == "[sops]").then_some(Self::Ini),
            Some("env") => is_dotenv(text).then_some(Self::Dotenv),
            _ => Self::of_content(text),
        }
    }

    /// The names of other files say nothing: `.env.prod`, `Kustomization`, `password.txt`.
    fn of_content(text: &str) -> Option<Self> {
        if let Ok(Value::Object(map)) = serde_json::from_str(text) {
            let is_binary = map.len() == 2 && map.contains_key("data");
            let document = Value::Object(map);
            let format = if is_binary { Self::Binary } else { Self::Json };
            return is_encrypted(&document).then_some(format);
        }
        if is_dotenv(text) {
            return Some(Self::Dotenv);
        }
        any_document(text).then_some(Self::Yaml)
    }
}

fn any_document(text: &str) -> bool {
    yaml::documents(text).is_ok_and(|all| all.iter().any(|document| is_encrypted(&document.value)))
}

fn is_dotenv(text: &str) -> bool {
    has_line(text, |line| line.starts_with("sops_mac="))
}

fn has_line(text: &str, is: impl Fn(&str) -> bool) -> bool {
    text.lines().any(|line| is(line.trim()))
}
