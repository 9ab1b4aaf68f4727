//! The test bed itself: does each part do what the tests of gitops-sync rely on?

#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};
use testbed::{
    ApiRequest, ControlPlane, Error, Fault, GitServer, Repo, Signal, Spawned, Tool, User,
    eventually,
};

const SOON: Duration = Duration::from_secs(120);
/// Set in the process that is killed while it holds a control plane.
const VICTIM: &str = "TESTBED_SMOKE_VICTIM";

const WEB: &str = r#"{"apiVersion": "v1", "kind": "List", "items": [
    {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {
        "replicas": 2, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}},
                     "spec": {"containers": [{"name": "web", "image": "registry.example/web:1"}]}}}},
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
     "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}]}"#;

fn shared() -> &'static ControlPlane {
    let start = Instant::now();
    let plane = ControlPlane::shared().unwrap();
    eprintln!("control plane after {:?}", start.elapsed());
    plane
}

#[test]
fn deployments_become_available_and_services_get_endpoints() -> Result<(), Error> {
    let plane = shared();
    let start = Instant::now();
    plane.kubectl_with_stdin(&["apply", "-f", "-"], WEB)?;
    plane.kubectl(&["wait", "deployment/web", "--for=condition=Available", "--timeout=180s"])?;
    eprintln!("available after {:?}", start.elapsed());
    eventually(SOON, "two endpoints of the service", || {
        let jsonpath = "-o=jsonpath={.items[*].endpoints[*].addresses[0]}";
        let addresses = plane.kubectl(&[
            "get",
            "endpointslices",
            "-l=kubernetes.io/service-name=web",
            jsonpath,
        ])?;
        if addresses.split_whitespace().count() == 2 {
            Ok(Some(()))
        } else {
            Err(Error::Invalid(addresses))
        }
    })
}

#[test]
fn a_job_completes() -> Result<(), Error> {
    let plane = shared();
    plane.kubectl(&["create", "job", "once", "--image=registry.example/once:1"])?;
    plane.kubectl(&["wait", "job/once", "--for=condition=Complete", "--timeout=180s"]).map(drop)
}

#[test]
fn a_deleted_namespace_goes_away() -> Result<(), Error> {
    let plane = shared();
    plane.kubectl(&["create", "namespace", "short-lived"])?;
    plane.kubectl(&["create", "configmap", "content", "--namespace=short-lived"])?;
    plane.kubectl(&["delete", "namespace", "short-lived", "--timeout=60s"]).map(drop)
}

#[test]
fn the_audit_log_has_each_request_once_it_is_answered() -> Result<(), Error> {
    let plane = shared();
    for round in 0..3 {
        let mark = plane.audit().mark()?;
        let name = format!("audited-{round}");
        plane.kubectl(&["create", "configmap", &name])?;
        let requests = plane.audit().requests_since(mark, "kubectl/")?;
        let ours: Vec<_> = requests.iter().filter(|request| request.name == name).collect();
        let is_it = |request: &ApiRequest| request.verb == "create" && request.code == 201;
        assert!(ours.iter().any(|request| is_it(request) && request.user == "admin"), "{ours:?}");
        assert!(plane.audit().requests_since(mark, "nobody/")?.is_empty());
    }
    Ok(())
}

#[test]
fn users_may_do_what_is_bound_to_them() -> Result<(), Error> {
    let plane = shared();
    let as_alice = |args: &[&str]| {
        let mut command = plane.kubectl_command(args);
        command
            .env("KUBECONFIG", plane.kubeconfig_of(User::Alice))
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(!as_alice(&["get", "pods"]));
    plane.kubectl(&["create", "rolebinding", "alice", "--clusterrole=view", "--user=alice"])?;
    eventually(SOON, "alice's right", || Ok::<_, Error>(as_alice(&["get", "pods"]).then_some(())))?;
    assert!(!as_alice(&["get", "secrets"]));
    Ok(())
}

#[test]
fn service_accounts_have_tokens() -> Result<(), Error> {
    let plane = shared();
    let token = plane.service_account_token("default", "default")?;
    let kubeconfig = plane.kubeconfig_for_token("default-account", &token)?;
    let kubeconfig = kubeconfig.to_string_lossy();
    let whoami = plane.kubectl(&["auth", "whoami", "--kubeconfig", &kubeconfig])?;
    assert!(whoami.contains("system:serviceaccount:default:default"), "{whoami}");
    Ok(())
}

#[test]
fn the_api_server_can_be_taken_away_and_comes_back_with_its_data() -> Result<(), Error> {
    let start = Instant::now();
    let plane = ControlPlane::api_only()?;
    eprintln!("API server alone after {:?}", start.elapsed());
    plane.kubectl(&["create", "configmap", "kept"])?;
    plane.stop_api()?;
    assert!(plane.kubectl(&["get", "configmap", "kept"]).is_err());
    let start = Instant::now();
    plane.start_api()?;
    eprintln!("API server again after {:?}", start.elapsed());
    plane.kubectl(&["get", "configmap", "kept"])?;
    plane.pause_api()?;
    let frozen = ["get", "configmap", "kept", "--request-timeout=300ms"];
    assert!(plane.kubectl(&frozen).is_err());
    plane.resume_api()?;
    plane.kubectl(&["get", "configmap", "kept"]).map(drop)
}

#[test]
#[cfg(target_os = "linux")]
fn nothing_outlives_a_killed_process() -> Result<(), Error> {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "victim", "--nocapture"]).env(VICTIM, "1");
    let victim = Spawned::start(command)?;
    victim.wait_for_line(|line| line.contains("holding"), Duration::from_secs(120))?;
    let children = children_of(victim.id());
    assert!(children.len() >= 2, "etcd and the API server: {children:?}");
    victim.kill()?;
    eventually(SOON, "their end", || {
        let left: Vec<_> = children.iter().filter(|pid| is_running(**pid)).collect();
        if left.is_empty() { Ok(Some(())) } else { Err(format!("{left:?}")) }
    })
}

#[test]
fn victim() -> Result<(), Error> {
    if env::var_os(VICTIM).is_none() {
        return Ok(());
    }
    let _plane = ControlPlane::api_only()?;
    println!("holding");
    thread::sleep(Duration::from_secs(600));
    Ok(())
}

fn children_of(parent: u32) -> Vec<u32> {
    let pids = fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| status_field(*pid, "PPid:") == Some(parent.to_string())).collect()
}

fn is_running(pid: u32) -> bool {
    status_field(pid, "State:").is_some_and(|state| state != "Z")
}

fn status_field(pid: u32, field: &str) -> Option<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(field))?;
    value.split_whitespace().next().map(str::to_owned)
}

fn served_repo() -> Result<(GitServer, Repo), Error> {
    let server = GitServer::start()?;
    let repo = server.create_repo("config")?;
    repo.write("apps/a.yaml", "a: 1\n")?;
    repo.write("apps/large", pseudo_random(1 << 20))?;
    repo.commit("first")?;
    Ok((server, repo))
}

/// Bytes that do not compress.
fn pseudo_random(length: usize) -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

fn clone(url: &str, into: &Path) -> Spawned {
    let mut command = Command::new("git");
    command.args(["clone", "--quiet", url]).arg(into);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    command.env("GIT_TERMINAL_PROMPT", "0").env("LC_ALL", "C");
    Spawned::start(command).unwrap()
}

fn cloned(url: &str) -> Result<Vec<String>, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let git = clone(url, &folder.path().join("clone"));
    if git.wait_exit(SOON).unwrap().success() { Ok(git.lines()) } else { Err(git.lines()) }
}

#[test]
fn a_repository_is_served_and_counted() -> Result<(), Error> {
    let (server, repo) = served_repo()?;
    let folder = tempfile::tempdir().unwrap();
    assert!(clone(repo.url(), folder.path()).wait_exit(SOON)?.success());
    assert_eq!(fs::read_to_string(folder.path().join("apps/a.yaml")).unwrap(), "a: 1\n");
    assert!(server.bytes_served() > 1 << 20, "{}", server.bytes_served());
    assert_eq!(
        server.requests().first().unwrap(),
        "GET /config.git/info/refs?service=git-upload-pack"
    );
    Ok(())
}

#[test]
fn a_git_server_lives_in_async_code_too() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async { served_repo().map(drop) }).unwrap();
}

#[test]
fn history_can_be_added_reverted_and_rewritten() -> Result<(), Error> {
    let (_server, repo) = served_repo()?;
    let first = repo.head()?;
    repo.remove("apps/large")?;
    repo.symlink("apps/link", "../../outside")?;
    let second = repo.commit("second")?;
    let third = repo.revert(&second)?;
    assert_eq!(repo.git(&["diff", &first, &third])?, "");
    let rewritten = repo.force_push_rewritten("rewritten")?;
    assert_eq!(repo.git(&["rev-parse", &format!("{rewritten}^")])?, second);
    repo.branch("next")?;
    let on_branch = repo.commit("on a branch")?;
    repo.branch("main")?;
    let heads = repo.git(&["ls-remote", "origin", "refs/heads/*"])?;
    assert_eq!(heads, format!("{rewritten}\trefs/heads/main\n{on_branch}\trefs/heads/next"));
    Ok(())
}

#[test]
fn basic_auth_wants_the_right_credentials() -> Result<(), Error> {
    let (server, repo) = served_repo()?;
    server.set_fault(Fault::BasicAuth { user: "bot".into(), password: "s3cret".into() });
    let with = |credentials: &str| repo.url().replace("http://", &format!("http://{credentials}@"));
    assert!(cloned(repo.url()).is_err());
    assert!(cloned(&with("bot:wrong")).is_err());
    assert!(cloned(&with("bot:s3cret")).is_ok());
    Ok(())
}

#[test]
fn faults_are_seen_and_end() -> Result<(), Error> {
    let (server, repo) = served_repo()?;
    server.set_fault(Fault::Status(500));
    assert!(cloned(repo.url()).unwrap_err().concat().contains("500"));
    server.set_fault_for("/git-upload-pack", Fault::Cut { after_bytes: 1000 });
    let before = server.bytes_served();
    assert!(cloned(repo.url()).is_err());
    assert!(server.bytes_served() - before < 10_000);
    for silent in [Fault::Hang, Fault::Stall { after_bytes: 1000 }] {
        server.set_fault(silent);
        let folder = tempfile::tempdir().unwrap();
        let git = clone(repo.url(), folder.path());
        assert!(git.exit_within(Duration::from_secs(1))?.is_none());
        git.signal(Signal::TERM)?;
        git.wait_exit(SOON)?;
    }
    server.set_fault(Fault::None);
    assert!(cloned(repo.url()).is_ok());
    Ok(())
}

#[test]
fn an_error_shows_the_last_lines() {
    let mut command = Command::new("git");
    command.arg("no-such-verb");
    let git = Spawned::start(command).unwrap();
    let error = git.wait_for_line(|line| line == "never", SOON).unwrap_err();
    assert!(error.to_string().contains("no-such-verb"), "{error}");
}

#[test]
fn the_pinned_tools_are_found_first() {
    let path = shared().programs().search_path();
    for tool in Tool::ALL {
        let found = env::split_paths(&path)
            .map(|folder| folder.join(tool.name()))
            .find(|file| file.is_file());
        assert_eq!(found, Some(shared().programs().path(tool)));
    }
}
