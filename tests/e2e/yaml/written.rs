//! What we write is what kubectl would have written, and reads.

use std::fs;

use gitops_sync::render::yaml;
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::{Programs, Tool};

use super::{Case, kubectl_prints};

/// Texts that look like something else to somebody.
#[rustfmt::skip]
const TEXTS: &[&str] = &[
    "", " ", "~", "null", "yes", "No", "on", "y", "n", "true", "=", "<<", "-", "--", "---", "...", "?", ":", "a:", "a: b",
    "a #b", "#a", "0644", "0x1F", "0o17", "0b11", "1e3", ".5", "5.", ".inf", ".nan", "1_000", "12:30:45", "2001-01-01",
    "2001-12-14T21:59:43.1Z", "9223372036854775808", "+1", "-0", "10Mi", "100m", "[a]", "{a}", "{{ .a }}", "${var}", "${a}:${b}",
    "@a", "`a`", "%a", "&a", "*a", "!a", "|", ">", "'a'", "\"a\"", "it's", "C:\\a", "a\tb", "\ta", "a ", " a", "a\n", "a\nb", "a\n\n",
    "\n", "\na", "  a\nb", "a \nb", "a\nb ", "a\n \nb", "a\tb\nc", "a\r\nb", "# a\nb: c\n", "é", "😀", "a\u{a0}b", "\u{7f}", "\u{85}",
    "a\u{2028}b", "\u{feff}", "\u{fffd}", "\u{0}", "a\u{200b}b", "${a}\n${b}\n", "-----BEGIN KEY-----\nabc\n-----END KEY-----\n",
];

/// Each text as a value and as a key, and what only JSON says.
fn objects() -> Vec<Value> {
    let mut all: Vec<_> = Case::all().iter().filter_map(Case::ours).flatten().collect();
    // What kubectl prints is taken apart where an object begins with this.
    let begins = |object: &Value| object.as_object()?.keys().next().cloned();
    all.retain(|object| begins(object).is_some_and(|key| key == "apiVersion"));
    for (at, text) in TEXTS.iter().enumerate() {
        let spec = json!({"v": text, "list": [text, [text]], "map": {*text: {*text: 1}}});
        let metadata = json!({"name": format!("text-{at}")});
        all.push(json!({"apiVersion": "e2e.test/v1", "kind": "Case", "metadata": metadata, "spec": spec}));
    }
    all
}

/// Leaves those out that have any of these texts somewhere.
fn without(objects: &mut Vec<Value>, texts: &[&str]) {
    objects.retain(|object| !texts.iter().any(|text| object.to_string().contains(text)));
}

#[test]
fn kubectl_reads_what_we_write() {
    let programs = Programs::locate().unwrap();
    let (folder, objects) = (TempDir::new().unwrap(), objects());
    fs::write(folder.path().join("all.yaml"), yaml::write(&objects)).unwrap();
    let printed = kubectl_prints(&programs, folder.path(), "json").stdout;
    let read = serde_json::Deserializer::from_slice(&printed).into_iter();
    let read: Vec<Value> = read.map(Result::unwrap).collect();
    assert_eq!(read.len(), objects.len());
    for (read, written) in read.iter().zip(&objects) {
        assert_eq!(read, written, "{}", yaml::write([written]));
    }
}

#[test]
fn kubectl_writes_what_we_write() {
    let programs = Programs::locate().unwrap();
    let (folder, mut objects) = (TempDir::new().unwrap(), objects());
    // What kubectl cannot print, prints as it is although it breaks lines, prints with needless escapes, or as a
    // merge key. What is almost a date, we put in quotes.
    without(
        &mut objects,
        &["\u{7f}", "\u{85}", "\u{2028}", "\u{2029}", "\u{feff}", "<<", "43.10 -5", "2001-13"],
    );
    fs::write(folder.path().join("all.yaml"), yaml::write(&objects)).unwrap();
    let printed = kubectl_prints(&programs, folder.path(), "yaml").stdout;
    let printed = String::from_utf8(printed).unwrap();
    let mut rest = printed.as_str();
    for ours in objects.iter().map(|object| yaml::write([object])) {
        let end = rest.match_indices("apiVersion: ").nth(1).map_or(rest.len(), |(end, _)| end);
        let (theirs, after) = rest.split_at(end);
        assert_eq!(
            theirs
                .strip_suffix("\n---\n")
                .map_or(theirs.to_owned(), |object| format!("{object}\n")),
            ours
        );
        rest = after;
    }
}

#[test]
fn kustomize_reads_what_we_write() {
    let programs = Programs::locate().unwrap();
    let (folder, mut objects) = (TempDir::new().unwrap(), objects());
    // What kustomize writes so that it cannot read it again, and what it takes for a merge key.
    without(&mut objects, &["\u{7f}", "\u{85}", "<<"]);
    fs::write(folder.path().join("all.yaml"), yaml::write(&objects)).unwrap();
    fs::write(folder.path().join("kustomization.yaml"), "resources: [all.yaml]\n").unwrap();
    let output =
        programs.command(Tool::Kustomize).arg("build").arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let read = yaml::documents(&text).unwrap();
    assert_eq!(read.len(), objects.len());
    for written in &objects {
        assert!(read.iter().any(|read| read.value == *written), "{}", yaml::write([written]));
    }
}
