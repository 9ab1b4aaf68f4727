//! Scalars mean what they mean to kubectl.
//!
//! The table says of no text what it means: that say the real kubectl and kustomize when the test
//! runs. Each text is read by us, by kubectl, and by both again from what kustomize makes of it.

mod table;
mod texts;
mod written;

use std::collections::HashMap;
use std::fs;
use std::iter;
use std::path::Path;
use std::process::Output;
use std::thread;

use gitops_sync::render::yaml;
use serde_json::Value;
use table::{GROUPS, Group, Meaning, Place};
use tempfile::TempDir;
use testbed::{Programs, Tool};

/// The objects of a file; none if it is refused.
type Read = Option<Vec<Value>>;
/// The same of many files, by name of case.
type ByName = HashMap<String, Vec<Value>>;

struct Case {
    group: &'static Group,
    text: &'static str,
    /// `case-0017`, with which the name of each of its objects begins.
    name: String,
    /// What is in the file.
    content: Vec<u8>,
}

impl Case {
    fn all() -> Vec<Self> {
        let texts =
            GROUPS.iter().flat_map(|group| group.texts.iter().map(move |text| (group, *text)));
        let case = |(number, (group, text)): (usize, (&'static Group, &'static str))| {
            let name = format!("case-{number:04}");
            let content = content(group.place, text).replace("NAME", &name);
            Self { group, text, content: encoded(group.place, content), name }
        };
        texts.enumerate().map(case).collect()
    }

    fn file(&self) -> String {
        let extension = if self.group.place == Place::Json { "json" } else { "yaml" };
        format!("{}.{extension}", self.name)
    }

    /// What is wrong: the source as kubectl reads it, and what kustomize made of it as kubectl and
    /// we read it, are not as the table says.
    fn check(&self, kubectl: Read, kustomize: Read, ours_of_kustomize: Read) -> Option<String> {
        let ours = self.ours();
        let Group { kubectl: by_kubectl, kustomize: by_kustomize, .. } = *self.group;
        let found = (meaning(&ours, &kubectl), meaning(&ours, &kustomize));
        let is_one_reading = by_kubectl != Meaning::Same || kustomize == ours_of_kustomize;
        if found == (by_kubectl, by_kustomize) && is_one_reading {
            return None;
        }
        let [ours, kubectl, kustomize, both] =
            [ours, kubectl, kustomize, ours_of_kustomize].map(|read| shown(&read));
        Some(format!(
            "{:?}\n  to be {by_kubectl:?} and {by_kustomize:?}, found {found:?}\n  we: {ours}\n  \
             kubectl: {kubectl}\n  kustomize, then kubectl: {kustomize}\n  kustomize, then we: {both}",
            self.text
        ))
    }

    fn ours(&self) -> Read {
        let read = if self.group.place == Place::Json { yaml::json } else { yaml::documents };
        values(yaml::text(&self.content).and_then(|text| read(&text)))
    }
}

const HEAD: &str = "apiVersion: e2e.test/v1\nkind: Case\nmetadata: {name: NAME}\nspec:\n";
const JSON: &str = r#"{"apiVersion": "e2e.test/v1", "kind": "Case",
    "metadata": {"name": "NAME"}, "spec": {"w": 1"#;

fn content(place: Place, text: &str) -> String {
    let spec = || format!("{HEAD}  {}\n", text.replace('\n', "\n  "));
    match place {
        Place::Value => format!("{HEAD}  v: {text}\n"),
        Place::Spec | Place::Utf16Le | Place::Utf16Be => spec(),
        Place::Crlf => spec().replace('\n', "\r\n"),
        Place::File | Place::Utf16File | Place::Json => {
            let next = |head: &str| head.replace("NAME", "NAME-b");
            let text = text.replace("HEAD", HEAD).replace("NEXT", &next(HEAD));
            text.replace("{JSON2", &next(JSON)).replace("{JSON", JSON)
        }
    }
}

fn encoded(place: Place, text: String) -> Vec<u8> {
    let units = || iter::once(0xfeff).chain(text.encode_utf16());
    match place {
        Place::Utf16Le | Place::Utf16File => units().flat_map(u16::to_le_bytes).collect(),
        Place::Utf16Be => units().flat_map(u16::to_be_bytes).collect(),
        _ => text.into_bytes(),
    }
}

fn values(read: Result<Vec<yaml::Document>, yaml::Malformed>) -> Read {
    read.ok().map(|documents| documents.into_iter().map(|document| document.value).collect())
}

fn by_name(objects: impl Iterator<Item = Value>) -> ByName {
    let mut read = ByName::new();
    for object in objects {
        let name = object["metadata"]["name"].as_str().unwrap()[..9].to_owned();
        read.entry(name).or_default().push(object);
    }
    read
}

/// kubectl's reading of each file of a folder. One call, which asks no server.
fn kubectl(programs: &Programs, folder: &Path) -> ByName {
    let Output { stdout, stderr, .. } = kubectl_prints(programs, folder, "json");
    let objects = serde_json::Deserializer::from_slice(&stdout).into_iter();
    let mut read = by_name(objects.map(Result::unwrap));
    let stderr = String::from_utf8(stderr).unwrap();
    read.retain(|name, _| !stderr.contains(&format!("/{name}.")));
    read
}

/// What kubectl reads in a folder, as it prints it.
fn kubectl_prints(programs: &Programs, folder: &Path, format: &str) -> Output {
    let mut command = programs.command(Tool::Kubectl);
    command.args(["patch", "--local", "--type=merge", "--patch={}", "--output", format]);
    command.arg("--filename").arg(folder).env("KUBECONFIG", "/dev/null").env("KUBERC", "off");
    command.output().unwrap()
}

/// Builds some files with kustomize in one call, which fails if it refuses any of them.
fn kustomize(programs: &Programs, cases: &[&Case]) -> Output {
    let folder = TempDir::new().unwrap();
    for case in cases {
        fs::write(folder.path().join(case.file()), &case.content).unwrap();
    }
    let files: Vec<_> = cases.iter().map(|case| case.file()).collect();
    let kustomization = format!("resources: {files:?}\n");
    fs::write(folder.path().join("kustomization.yaml"), kustomization).unwrap();
    let mut command = programs.command(Tool::Kustomize);
    command.arg("build").arg(folder.path()).output().unwrap()
}

/// What kustomize makes of all cases: in one call those that it should take, each other alone.
fn kustomize_all(programs: &Programs, cases: &[Case]) -> Vec<String> {
    let is_taken = |case: &&Case| match case.group.kustomize {
        Meaning::Same => case.ours().is_some(),
        Meaning::Other | Meaning::Taken => true,
        Meaning::Refused => false,
    };
    let (taken, refused): (Vec<_>, Vec<_>) = cases.iter().partition(is_taken);
    let text = |output: Output| String::from_utf8(output.stdout).unwrap();
    let each_alone = |cases: &[&Case]| -> Vec<_> {
        let outputs = cases.iter().map(|case| kustomize(programs, &[case]));
        outputs.filter(|output| output.status.success()).map(text).collect()
    };
    let all = kustomize(programs, &taken);
    let (mut built, mut alone) = (Vec::new(), refused);
    if all.status.success() {
        built.push(text(all));
    } else {
        // The table is wrong about some: each is asked for alone, so that all of them are named.
        alone.extend(taken);
    }
    let (some, others) = alone.split_at(alone.len() / 2);
    thread::scope(|scope| {
        let others = scope.spawn(|| each_alone(others));
        built.extend(each_alone(some));
        built.extend(others.join().unwrap());
    });
    built
}

fn meaning(ours: &Read, theirs: &Read) -> Meaning {
    match (ours, theirs) {
        _ if ours == theirs => Meaning::Same,
        (_, None) => Meaning::Refused,
        (None, _) => Meaning::Taken,
        _ => Meaning::Other,
    }
}

#[test]
fn every_text_means_what_it_means_to_kubectl() {
    let programs = Programs::locate().unwrap();
    let (sources, built) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let cases = Case::all();
    for case in &cases {
        fs::write(sources.path().join(case.file()), &case.content).unwrap();
    }
    let kustomized = kustomize_all(&programs, &cases);
    for (number, text) in kustomized.iter().enumerate() {
        fs::write(built.path().join(format!("{number}.yaml")), text).unwrap();
    }
    let kubectl = [kubectl(&programs, sources.path()), kubectl(&programs, built.path())];
    let kustomized = kustomized.iter().flat_map(|text| values(yaml::documents(text)).unwrap());
    let kustomized = by_name(kustomized);
    let check = |case: &Case| {
        case.check(
            kubectl[0].get(&case.name).cloned(),
            kubectl[1].get(&case.name).cloned(),
            kustomized.get(&case.name).cloned(),
        )
    };
    let wrong: Vec<_> = cases.iter().filter_map(check).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn shown(read: &Read) -> String {
    read.as_ref().map_or("refused".to_owned(), |objects| {
        objects.iter().map(|object| object["spec"].to_string()).collect::<Vec<_>>().join(" and ")
    })
}

#[test]
fn the_table_is_large_and_every_difference_has_a_reason() {
    assert!(Case::all().len() >= 900);
    for group in GROUPS {
        let is_same = (group.kubectl, group.kustomize) == (Meaning::Same, Meaning::Same);
        assert_eq!(is_same, group.why.is_empty(), "{:?}", group.texts);
    }
}
