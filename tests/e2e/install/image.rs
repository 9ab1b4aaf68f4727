//! The image, without anything that builds or runs images: a folder with what the last stage of the Dockerfile copies
//! and the libraries that its base has, as the root of a process without privileges.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use serde_json::Value;
use tempfile::TempDir;
use testbed::{Tool, eventually, http};

use super::{apply, build, only, output, pod, repository};
use crate::support::{DEADLINE, Daemon, Fixture, config_map, plane};

/// Libraries of the base image that a Rust program may want.
const LIBRARIES: [&str; 5] = ["ld-linux", "libc.so", "libgcc_s.so", "libm.so", "libpthread.so"];
/// What the base image sets.
const ENVIRONMENT: [(&str, &str); 2] = [
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
    ("SSL_CERT_FILE", CERTIFICATES),
];
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Where a pod finds its account.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The Dockerfile.
struct Image(String);

impl Image {
    fn read() -> Self {
        Self(fs::read_to_string(repository("Dockerfile")).unwrap())
    }

    /// What follows a word at the start of a line of the last stage.
    fn lines(&self, word: &str) -> Vec<&str> {
        let stage = &self.0[self.0.rfind("\nFROM ").unwrap()..];
        stage.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' ')).collect()
    }

    /// ENTRYPOINT and CMD.
    fn command(&self) -> Vec<String> {
        let words = ["ENTRYPOINT", "CMD"].map(|word| self.lines(word).concat());
        words.iter().flat_map(|words| serde_json::from_str::<Vec<_>>(words).unwrap()).collect()
    }

    /// Files that the last stage copies: where to, and what the tests have in their place.
    fn copies(&self) -> Vec<(PathBuf, PathBuf)> {
        let mut copies = Vec::new();
        for line in self.lines("COPY") {
            let words: Vec<_> = line.split(' ').filter(|word| !word.starts_with("--")).collect();
            let (folder, files) = words.split_last().unwrap();
            assert!(folder.ends_with('/'), "COPY {line}: not to a folder");
            for file in files {
                let name = Path::new(file).file_name().unwrap().to_str().unwrap();
                copies.push((Path::new(folder).join(name), built(name)));
            }
        }
        copies
    }

    /// Whether the base image has a library, or the build links it statically.
    fn has(&self, library: &Path) -> bool {
        let name = library.file_name().unwrap().to_str().unwrap();
        LIBRARIES.iter().any(|known| name.starts_with(known))
            || (name.starts_with("libz.so") && self.0.contains("ENV LIBZ_SYS_STATIC=1"))
    }
}

/// A program of the image, as the tests have it.
fn built(name: &str) -> PathBuf {
    if name == "gitops-sync" {
        return env!("CARGO_BIN_EXE_gitops-sync").into();
    }
    let tool = Tool::ALL.into_iter().find(|tool| tool.name() == name);
    plane().programs().path(tool.unwrap_or_else(|| panic!("COPY of {name}: what is that?")))
}

/// The shared libraries that a program is loaded with.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let listed = output(Command::new("ldd").arg(program));
    listed.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// A folder that is the root of a process of `user`.
struct Root {
    folder: TempDir,
    user: u32,
}

impl Root {
    /// The image's own files, and what its programs need of the base image.
    fn of(image: &Image, user: u32) -> Self {
        let root = Self { folder: TempDir::new().unwrap(), user };
        fs::set_permissions(root.folder.path(), Permissions::from_mode(0o755)).unwrap();
        for (to, from) in image.copies() {
            root.copy(&from, &to);
        }
        for library in libraries(&built("gitops-sync")) {
            assert!(image.has(&library), "the image has no {}", library.display());
            root.copy(&library, &library);
        }
        if Path::new(CERTIFICATES).exists() {
            root.copy(Path::new(CERTIFICATES), Path::new(CERTIFICATES));
        }
        root
    }

    /// Where an absolute path of the process is.
    fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(path.as_ref().strip_prefix("/").unwrap())
    }

    fn place(&self, path: impl AsRef<Path>) -> PathBuf {
        let file = self.at(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        file
    }

    fn copy(&self, from: &Path, to: &Path) {
        fs::copy(from, self.place(to)).unwrap();
    }

    /// A folder of the process's own.
    fn volume(&self, path: &str) {
        fs::create_dir(self.at(path)).unwrap();
        self.give(path);
    }

    fn give(&self, path: &str) {
        if is_root() {
            chown(self.at(path), Some(self.user), Some(self.user)).unwrap();
        }
    }

    /// The folder of a service account, as the kubelet mounts it.
    fn account(&self, namespace: &str, name: &str) {
        let token = plane().service_account_token(namespace, name).unwrap();
        let at = |file: &str| format!("{ACCOUNT}/{file}");
        fs::write(self.place(at("token")), token).unwrap();
        fs::write(self.place(at("namespace")), namespace).unwrap();
        fs::copy(plane().ca_pem_path(), self.place(at("ca.crt"))).unwrap();
        fs::set_permissions(self.at(at("token")), Permissions::from_mode(0o600)).unwrap();
        self.give(&at("token"));
    }

    /// A command to be run in here, as process 1 of its own, by the user.
    fn command(&self) -> Command {
        confined(self.folder.path(), self.user)
    }

    /// What a container runtime provides. A plain file stands in for the device, which only root could make.
    fn runtime(&self) {
        fs::create_dir(self.at("/proc")).unwrap();
        fs::write(self.place("/dev/null"), "").unwrap();
        self.give("/dev/null");
    }

    /// Length and time of everything but volumes and devices.
    fn files(&self) -> BTreeMap<PathBuf, (u64, SystemTime)> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![self.folder.path().to_owned()]);
        let skipped = ["/data", "/dev"].map(|path| self.at(path));
        while let Some(folder) = folders.pop() {
            let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            for path in entries.filter(|path| !skipped.contains(path)) {
                let meta = fs::symlink_metadata(&path).unwrap();
                if meta.is_dir() {
                    folders.push(path.clone());
                }
                files.insert(path, (meta.len(), meta.modified().unwrap()));
            }
        }
        files
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

/// A command in a user namespace in which there is but one user. Root becomes that user before.
fn confined(root: &Path, user: u32) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--no-new-privs", "--pdeathsig=KILL"]);
    if is_root() {
        command.args(["--clear-groups", &format!("--reuid={user}"), &format!("--regid={user}")]);
    }
    command.args(["unshare", &format!("--map-user={user}"), &format!("--map-group={user}")]);
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--root"]);
    command.arg(root).env_clear().envs(ENVIRONMENT);
    command
}

/// Whether the system lets this user have user namespaces; if not, says so past cargo's capture.
fn can_be_confined(user: u32) -> bool {
    let tried = confined(Path::new("/"), user).arg("true").output();
    let why = match tried {
        Ok(done) if done.status.success() => return true,
        Ok(done) => String::from_utf8_lossy(&done.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    let skipped = format!("SKIPPED: the image is not run, for lack of user namespaces: {why}\n");
    io::stderr().write_all(skipped.as_bytes()).unwrap();
    false
}

/// The environment that a Deployment gives its container.
fn environment(objects: &[Value]) -> BTreeMap<&str, &str> {
    let settings = only(objects, "ConfigMap")["data"].as_object().unwrap();
    let settings = settings.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    let own = pod(only(objects, "Deployment")).unwrap()["containers"][0]["env"].as_array().unwrap();
    let own = own.iter().map(|v| (v["name"].as_str().unwrap(), v["value"].as_str().unwrap()));
    settings.chain(own).collect()
}

/// Sends SIGTERM to the child of a process.
fn terminate_child_of(parent: u32) {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    output(Command::new("sh").args(["-c", "kill -TERM $0", children.trim()]));
}

/// The tools start, and are the pinned ones.
fn check_tools(root: &Root) {
    for tool in [Tool::Kustomize, Tool::Helm, Tool::Sops] {
        let arguments: &[&str] = match tool {
            Tool::Sops => &["--version", "--disable-version-check"],
            _ => &["version"],
        };
        let said = output(root.command().arg(tool.name()).args(arguments));
        assert!(said.contains(tool.version()), "{tool:?}: {said}");
    }
}

/// The daemon as the Deployment runs it, but for the repository's URL and the port.
fn start(root: &Root, image: &Image, objects: &[Value], url: &str) -> Daemon {
    let (host, port) = plane().server().trim_start_matches("https://").split_once(':').unwrap();
    let mut command = root.command();
    command.args(image.command()).envs(environment(objects));
    command.envs([("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", port)]);
    command.envs([("GITOPS_SYNC_REPO", url), ("GITOPS_SYNC_LISTEN", "127.0.0.1:0")]);
    Daemon::start(command)
}

/// The daemon passes a probe of its container.
fn check_probe(daemon: &Daemon, probe: &Value) {
    let url = format!("{}{}", daemon.url(), probe["httpGet"]["path"].as_str().unwrap());
    let passes = || http("GET", &url, &[], b"").map(|(code, _)| (code == 200).then_some(()));
    eventually(DEADLINE, &url, passes).unwrap();
}

#[test]
fn the_image_is_built_with_what_is_tested() {
    let Image(text) = Image::read();
    let rust = env!("CARGO_PKG_RUST_VERSION");
    let go = fs::read_to_string(repository("tests/controlplane/go.mod")).unwrap();
    let go = go.lines().find_map(|line| line.strip_prefix("go ")).unwrap().trim_end_matches(".0");
    // The base image's libraries are older than those of a later Debian, which a program built there would want.
    for line in [
        format!("FROM rust:{rust}-slim-bookworm AS build"),
        format!("FROM --platform=$BUILDPLATFORM golang:{go}-bookworm AS tools"),
        "FROM gcr.io/distroless/cc-debian12:nonroot".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_image_runs_in_a_pod_without_privileges() {
    let (image, objects) = (Image::read(), build("examples/narrow"));
    let pod = pod(only(&objects, "Deployment")).unwrap();
    let user = u32::try_from(pod["securityContext"]["runAsUser"].as_u64().unwrap()).unwrap();
    assert_eq!(image.lines("USER"), [format!("{user}:{user}")]);
    let root = Root::of(&image, user);
    if !can_be_confined(user) {
        return;
    }
    root.runtime();
    check_tools(&root);

    apply(&objects, &[]);
    root.account("gitops-sync", "gitops-sync");
    root.volume("/data");
    let test = Fixture::new("image");
    test.commit(&[("a.yaml", &config_map(&test.namespace, "1"))]);
    let before = root.files();
    let daemon = start(&root, &image, &objects, test.repo.url());
    daemon.line(&["Synced", "created=1"]);
    for probe in ["livenessProbe", "readinessProbe"] {
        check_probe(&daemon, &pod["containers"][0][probe]);
    }
    plane().kubectl(&["get", "-n", "apps", "configmap", &test.namespace]).unwrap();
    assert_eq!(root.files(), before, "it wrote elsewhere than to /data");
    assert!(fs::read_dir(root.at("/data")).unwrap().next().is_some(), "no clone in /data");
    terminate_child_of(daemon.0.id());
    assert_eq!(daemon.0.wait_exit(DEADLINE).unwrap().code(), Some(0));
}
