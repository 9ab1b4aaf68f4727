//! People who sign, by gpg and by ssh-keygen, with keys that are made for the test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use testbed::Repo;

/// Keys and those who have them.
pub struct People {
    folder: TempDir,
}

/// Somebody who signs.
pub struct Signer {
    /// What git has to be told.
    settings: Vec<String>,
    /// The public key.
    pub public: String,
}

/// Runs a program and gives what it printed.
fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("install {program}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

impl People {
    /// Nobody yet; or `None` where gpg or ssh-keygen is not installed and tests may be skipped.
    #[expect(clippy::print_stderr, reason = "whoever runs the tests has to hear of it")]
    pub fn new() -> Option<Self> {
        let is_there = |program: &&str| Command::new(program).arg("--version").output().is_ok();
        let missing = ["gpg", "ssh-keygen"].into_iter().find(|program| !is_there(program));
        if let Some(program) = missing.filter(|_| testbed::may_skip()) {
            eprintln!("skipped: {program} is not installed");
            return None;
        }
        Some(Self { folder: TempDir::with_prefix("keys").unwrap() })
    }

    fn home(&self, name: &str) -> PathBuf {
        let home = self.folder.path().join(name);
        fs::create_dir_all(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        home
    }

    /// Somebody with an OpenPGP key of this algorithm.
    pub fn gpg(&self, name: &str, algorithm: &str) -> Signer {
        self.gpg_by_clock(name, algorithm, "0", &["", ""])
    }

    /// Somebody with a key that expired years ago, who signs as if it were then.
    pub fn gpg_expired(&self, name: &str) -> Signer {
        let clock = ["--faked-system-time 20200101T000000", "--faked-system-time 20200601T000000"];
        self.gpg_by_clock(name, "ed25519", "1y", &clock)
    }

    fn gpg_by_clock(&self, name: &str, algorithm: &str, lasts: &str, clock: &[&str; 2]) -> Signer {
        let home = self.home(name);
        let [made, signs] = clock.map(|clock| {
            let script = home.join(format!("gpg-{}", clock.len() + clock.matches('6').count()));
            let text = format!(
                "#!/bin/sh\nexec gpg --homedir {} --batch --no-tty --pinentry-mode loopback --passphrase '' {clock} \"$@\"\n",
                home.display()
            );
            fs::write(&script, text).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
            script.to_str().unwrap().to_owned()
        });
        let user = format!("{name} <{name}@example.com>");
        run(&made, &["--quiet", "--quick-generate-key", &user, algorithm, "sign", lasts]);
        let public = run(&made, &["--armor", "--export"]);
        let settings =
            vec![format!("user.signingkey={name}@example.com"), format!("gpg.program={signs}")];
        Signer { settings, public }
    }

    /// The public key of somebody who has lost the private one, and said so.
    pub fn revoked(&self, name: &str, signer: &Signer) -> String {
        let revocations = self.home(name).join("openpgp-revocs.d");
        let revocation = fs::read_dir(revocations).unwrap().next().unwrap().unwrap().path();
        let revocation =
            fs::read_to_string(revocation).unwrap().replace(":-----BEGIN", "-----BEGIN");
        let home = self.home(&format!("{name}-revoked"));
        let home = home.to_str().unwrap();
        for text in [&signer.public, &revocation] {
            let file = Path::new(home).join("import");
            fs::write(&file, text).unwrap();
            run(
                "gpg",
                &["--homedir", home, "--batch", "--quiet", "--import", file.to_str().unwrap()],
            );
        }
        run("gpg", &["--homedir", home, "--batch", "--armor", "--export"])
    }

    /// Somebody with an SSH key of this algorithm.
    pub fn ssh(&self, name: &str, algorithm: &[&str]) -> Signer {
        let file = self.home("ssh").join(name);
        let file = file.to_str().unwrap();
        run("ssh-keygen", &[&["-q", "-N", "", "-C", name, "-f", file, "-t"], algorithm].concat());
        let public = fs::read_to_string(format!("{file}.pub")).unwrap();
        let settings = vec![format!("user.signingkey={file}"), "gpg.format=ssh".to_owned()];
        Signer { settings, public }
    }
}

impl Drop for People {
    fn drop(&mut self) {
        for home in fs::read_dir(self.folder.path()).into_iter().flatten().flatten() {
            let home = home.path();
            let kill = ["--homedir", home.to_str().unwrap_or_default(), "--kill", "gpg-agent"];
            let _ = Command::new("gpgconf").args(kill).output();
        }
    }
}

impl Signer {
    /// Runs a git command that signs.
    pub fn git(&self, repo: &Repo, arguments: &[&str]) -> String {
        let settings = self.settings.iter().flat_map(|setting| ["-c", setting.as_str()]);
        repo.git(&settings.chain(arguments.iter().copied()).collect::<Vec<_>>()).unwrap()
    }

    /// Commits the work clone as it is, without pushing it.
    pub fn commit(&self, repo: &Repo, message: &str) -> String {
        repo.git(&["add", "--all"]).unwrap();
        self.git(repo, &["commit", "-q", "--allow-empty", "-S", "-m", message]);
        repo.head().unwrap()
    }

    /// The same, and pushes it.
    pub fn push(&self, repo: &Repo, message: &str) -> String {
        self.commit(repo, message);
        push(repo)
    }
}

/// Pushes what is checked out.
pub fn push(repo: &Repo) -> String {
    repo.git(&["push", "-q", "--force", "origin", "HEAD"]).unwrap();
    repo.head().unwrap()
}
