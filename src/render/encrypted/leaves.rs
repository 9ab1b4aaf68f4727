//! What in a file was secret.

use serde_json::Value;

use super::{Format, is_ciphertext};
use crate::render::yaml;

/// The texts that stand in a decrypted file where there was ciphertext before.
pub fn secrets(format: Format, before: &[u8], after: &[u8]) -> Vec<String> {
    let (before, after) = (String::from_utf8_lossy(before), String::from_utf8_lossy(after));
    let mut found = Vec::new();
    match format {
        Format::Yaml | Format::Json => {
            let before = yaml::documents(&before).unwrap_or_default();
            let after = yaml::documents(&after).unwrap_or_default();
            for (before, after) in before.iter().zip(&after) {
                collect(&before.value, &after.value, &mut found);
            }
        }
        Format::Dotenv | Format::Ini => {
            let values = after.lines().filter_map(|line| Some(line.split_once('=')?.1));
            found.extend(values.map(|value| value.trim().to_owned()));
        }
        Format::Binary => found.push(after.into_owned()),
    }
    found.retain(|text| !text.is_empty());
    found
}

fn collect(before: &Value, after: &Value, found: &mut Vec<String>) {
    match (before, after) {
        (Value::String(text), after) if is_ciphertext(text) => found.push(match after {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        }),
        (Value::Object(before), Value::Object(after)) => {
            for (key, before) in before {
                if let Some(after) = after.get(key) {
                    collect(before, after, found);
                }
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            for (before, after) in before.iter().zip(after) {
                collect(before, after, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::encrypted::recipients;

    const ENC: &str = "ENC[AES256_GCM,data:x,iv:y,tag:z,type:str]";

    #[test]
    fn encrypted_files_are_told_from_others() {
        let yaml = format!("a: {ENC}\nsops:\n  mac: {ENC}\n  age: [{{recipient: age1x}}]\n");
        let json = format!("{{\"a\": \"{ENC}\", \"sops\": {{\"mac\": \"{ENC}\"}}}}");
        let binary = format!("{{\"data\": \"{ENC}\", \"sops\": {{\"mac\": \"{ENC}\"}}}}");
        let env = format!("A={ENC}\nsops_age__list_0__map_recipient=age1y\nsops_mac={ENC}\n");
        let ini =
            format!("[a]\nb = {ENC}\n\n[sops]\nmac = {ENC}\nage__list_0__map_recipient = age1z\n");
        let check = |path: &str, text: &str, expect: Option<Format>, whom: &str| {
            assert_eq!(Format::of(path, text.as_bytes()), expect, "{path}");
            if let Some(format) = expect {
                assert_eq!(recipients(format, text.as_bytes()), whom, "{path}");
            }
        };
        check("a.yaml", &yaml, Some(Format::Yaml), "age1x");
        check("a.yml", &format!("b: c\n---\n{yaml}"), Some(Format::Yaml), "age1x");
        check("a.json", &json, Some(Format::Json), "nobody");
        check("password.txt", &binary, Some(Format::Binary), "nobody");
        check("a.env", &env, Some(Format::Dotenv), "age1y");
        check(".env.prod", &env, Some(Format::Dotenv), "age1y");
        check("a.ini", &ini, Some(Format::Ini), "age1z");
        check("a.yaml", "sops: {}\na: ENC[\n", None, "");
        check("a.yaml", "a: sops\n", None, "");
        check("a.txt", "a: sops ENC[", None, "");
    }

    #[test]
    fn what_was_ciphertext_is_secret() {
        let check = |format: Format, before: &str, after: &str, expect: &[&str]| {
            assert_eq!(secrets(format, before.as_bytes(), after.as_bytes()), expect);
        };
        let before = format!("a: {ENC}\nb: open\nc:\n- {ENC}\n- x\nd:\n  e: {ENC}\nsops: {{}}\n");
        check(
            Format::Yaml,
            &before,
            "a: one\nb: open\nc: [two, x]\nd: {e: 3}\n",
            &["one", "two", "3"],
        );
        check(Format::Dotenv, "A=ENC[]", "A=one\nB=two\n", &["one", "two"]);
        check(Format::Binary, "{}", "key", &["key"]);
    }
}
