//! People who encrypt: with age, and with OpenPGP, by the real sops.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use testbed::Tool;

use crate::support::plane;

/// A folder with keys, which a daemon can be given.
pub struct Vault {
    folder: TempDir,
    work: TempDir,
}

/// For whom something is encrypted.
pub struct Recipient {
    /// The flag of sops, and what names them.
    flag: [String; 2],
    /// The entry of a Secret that holds their key.
    pub entry: String,
    /// The key.
    pub key: String,
}

impl Vault {
    /// Without keys.
    pub fn new() -> Self {
        let folder = || TempDir::with_prefix("vault").unwrap();
        Self { folder: folder(), work: folder() }
    }

    /// Where keys are that were `given`.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Somebody with a new age key.
    pub fn age(name: &str) -> Recipient {
        let made = plane().programs().command(Tool::AgeKeygen).output().unwrap();
        let key = String::from_utf8(made.stdout).unwrap();
        let public = key.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
        let flag = ["--age".to_owned(), public.to_owned()];
        Recipient { flag, entry: format!("{name}.agekey"), key }
    }

    /// Somebody with a new OpenPGP key.
    pub fn pgp(&self, name: &str) -> Recipient {
        let home = self.home();
        fs::create_dir_all(&home).unwrap();
        let gpg = |arguments: &[&str]| {
            let mut command = Command::new("gpg");
            command.args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
            let output = command.env("GNUPGHOME", &home).args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        gpg(&["--quick-generate-key", name, "rsa2048", "sign,encr", "0"]);
        let listed = gpg(&["--list-keys", "--with-colons", name]);
        let print = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
        let flag = ["--pgp".to_owned(), print.trim_end_matches(':').to_owned()];
        let key = gpg(&["--armor", "--export-secret-keys", name]);
        Recipient { flag, entry: format!("{name}.asc"), key }
    }

    fn home(&self) -> PathBuf {
        self.work.path().join("gnupg")
    }

    /// Has the folder hold somebody's key.
    pub fn give(&self, to: &Recipient) {
        fs::write(self.path().join(&to.entry), &to.key).unwrap();
    }

    /// Encrypts a file: of Kubernetes objects, what a Secret holds.
    pub fn encrypt(&self, name: &str, text: &str, whom: &Recipient) -> String {
        let file = self.work.path().join(name);
        fs::write(&file, text).unwrap();
        let mut command = plane().programs().command(Tool::Sops);
        command.arg("encrypt").args(&whom.flag).env("GNUPGHOME", self.home());
        if text.contains("apiVersion") {
            command.args(["--encrypted-regex", "^(data|stringData)$"]);
        }
        let output = command.arg(&file).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Whether gpg is installed. Without it, tests that need it say so.
#[expect(clippy::print_stderr, reason = "whoever runs the tests has to hear of it")]
pub fn has_gpg() -> bool {
    let is_there = Command::new("gpg").arg("--version").output().is_ok();
    if !is_there && testbed::may_skip() {
        eprintln!("skipped: gpg is not installed");
        return false;
    }
    true
}
