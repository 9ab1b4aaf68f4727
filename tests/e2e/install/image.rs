//! The image, without anything that builds or runs images: a folder with what the last stage of the Dockerfile copies
//! into it and the libraries that its base has, as the root of an unprivileged process.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;
use testbed::{Tool, eventually};

use super::{apply, build, only, output, pod, repository, strings};
use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane};

/// Shared libraries of `distroless/cc` on Debian 12 that a Rust program may want.
const LIBRARIES: [&str; 7] = ["ld-linux", "libc.", "libdl.", "libgcc_s.", "libm.", "libpthread.", "librt."];
/// What the base image sets.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt"),
];
/// Where a pod finds its account.
const ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// What the last stage of the Dockerfile says.
struct Image {
    text: String,
}

impl Image {
    fn read() -> Self {
        let text = fs::read_to_string(repository("Dockerfile")).unwrap();
        Self { text }
    }

    /// The rest of each line of the last stage that begins with a word.
    fn lines(&self, word: &str) -> Vec<&str> {
        let stage = &self.text[self.text.rfind("\nFROM ").unwrap() + 1..];
        stage.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
    }

    /// ENTRYPOINT and CMD.
    fn command(&self) -> Vec<String> {
        let words = ["ENTRYPOINT", "CMD"].map(|word| self.lines(word).concat());
        words.iter().flat_map(|words| serde_json::from_str::<Vec<String>>(words).unwrap()).collect()
    }

    /// Where each copied file ends up, and a file to put there.
    fn copies(&self) -> BTreeMap<String, PathBuf> {
        let mut copies = BTreeMap::new();
        for line in self.lines("COPY") {
            let mut words: Vec<_> = line.split(' ').filter(|word| !word.starts_with("--")).collect();
            let folder = words.pop().unwrap();
            assert!(folder.starts_with('/') && folder.ends_with('/'), "COPY {line}");
            for name in words.iter().map(|word| word.rsplit('/').next().unwrap()) {
                copies.insert(format!("{}{name}", &folder[1..]), built(name));
            }
        }
        copies
    }
}

/// The same program, as the tests have it.
fn built(name: &str) -> PathBuf {
    if name == "gitops-sync" {
        return env!("CARGO_BIN_EXE_gitops-sync").into();
    }
    let tool = Tool::ALL.into_iter().find(|tool| tool.name() == name);
    plane().programs().path(tool.unwrap_or_else(|| panic!("COPY of {name}: what is it?")))
}
