//! A daemon whose git goes wrong in every way there is, one after the other: it ends with what git says, and leaves
//! nothing behind.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use testbed::{Fault, eventually};

use crate::support::{DEADLINE, Daemon, Fixture, config_map};

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
enum Trouble {
    Hang,
    Stall,
    Cut,
    Status,
    WebPage,
    Trickle,
    Elsewhere,
    Refused,
    Rewritten,
    Locked,
    Damaged,
    Gone,
    Killed,
}

use Trouble::*;

const ALL: [Trouble; 13] = [
    Hang, Stall, Cut, Status, WebPage, Trickle, Elsewhere, Refused, Rewritten, Locked, Damaged,
    Gone, Killed,
];

impl Trouble {
    /// What the server does meanwhile.
    fn fault(self, random: &mut StdRng) -> Fault {
        let after_bytes = random.random_range(0..400);
        match self {
            Hang | Killed => Fault::Hang,
            Stall => Fault::Stall { after_bytes },
            Cut => Fault::Cut { after_bytes },
            Status => Fault::Status(*[403, 404, 429, 500, 502, 503].choose(random).unwrap()),
            WebPage => Fault::WebPage,
            Trickle => Fault::Trickle,
            Elsewhere => Fault::Redirect { to: "http://localhost:1".to_owned() },
            Refused => Fault::BasicAuth { user: "bob".into(), password: "hunter2".into() },
            Rewritten | Locked | Damaged | Gone => Fault::None,
        }
    }

    /// What happens to the clone.
    fn befall(self, clone: &Path, random: &mut StdRng) {
        match self {
            Locked => ["HEAD.lock", "shallow.lock", "packed-refs.lock", "config.lock"]
                .iter()
                .for_each(|name| fs::write(clone.join(name), "").unwrap()),
            Damaged => {
                let files = files(&clone.join("objects"));
                let Some(file) = files.choose(random) else { return };
                // The fetching child may have replaced it meanwhile, and git makes its files read-only.
                let Ok(file) = fs::OpenOptions::new().write(true).open(file) else { return };
                let length = file.metadata().unwrap().len().max(1);
                file.write_at(b"damaged", random.random_range(0..length)).unwrap();
            }
            Gone => drop(fs::remove_dir_all(clone.join("objects"))),
            _ => {}
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let below = |path: PathBuf| if path.is_dir() { files(&path) } else { vec![path] };
    entries.flat_map(|entry| below(entry.path())).collect()
}

/// The bytes of all files below a folder.
fn size(folder: &Path) -> u64 {
    files(folder).iter().filter_map(|file| Some(fs::metadata(file).ok()?.len())).sum()
}

/// The only clone of a test.
fn clone(test: &Fixture) -> Option<PathBuf> {
    let entries = fs::read_dir(test.data.path()).unwrap().flatten();
    entries.map(|entry| entry.path()).find(|path| path.join("objects").is_dir())
}

/// The children of a process.
pub fn children(id: u32) -> Vec<String> {
    let tasks = fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
    let children = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
    children
        .flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// Open files and pipes of a process; its connections come and go.
fn open_files(id: u32) -> usize {
    let entries = fs::read_dir(format!("/proc/{id}/fd")).unwrap().flatten();
    let targets = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
    targets.filter(|target| !target.to_string_lossy().starts_with("socket:")).count()
}

/// Waits until no child is left.
fn is_alone(daemon: &Daemon) {
    eventually(DEADLINE, "the end of all children", || {
        let left = children(daemon.0.id());
        if left.is_empty() { Ok(Some(())) } else { Err(format!("{left:?}")) }
    })
    .unwrap();
}

/// Waits until the server was asked once more.
fn is_asked(test: &Fixture, before: usize) {
    eventually(DEADLINE, "another request", || {
        Ok::<_, String>((test.git.requests().len() > before).then_some(()))
    })
    .unwrap();
}

/// Lets one trouble come over a daemon, with a new commit in the middle of it.
fn go_through(
    test: &Fixture,
    daemon: &Daemon,
    trouble: Trouble,
    round: usize,
    random: &mut StdRng,
) {
    test.git.set_fault(trouble.fault(random));
    if let Some(clone) = clone(test) {
        trouble.befall(&clone, random);
    }
    let before = test.git.requests().len();
    test.repo.write("apps/a.yaml", config_map("a", &round.to_string())).unwrap();
    match trouble {
        Rewritten => test.repo.force_push_rewritten("Rewrite").unwrap(),
        _ => test.repo.commit("Change").unwrap(),
    };
    is_asked(test, before);
    if let Killed = trouble {
        for child in children(daemon.0.id()) {
            // It may have ended by itself.
            let _ = Command::new("kill").args(["-KILL", &child]).output();
        }
    }
    test.git.set_fault(Fault::None);
}

/// Goes through so many troubles, and asserts that it ends well.
fn goes_through(rounds: usize) {
    let mut random = StdRng::seed_from_u64(7);
    let test = Fixture::new("sticks");
    let settled = |daemon: &Daemon, value: &str| {
        let commit = test.commit(&[("apps/a.yaml", &config_map("a", value))]);
        daemon.line(&["INFO Synced", &commit]);
        test.expect("configmap/a", ".data.key", value);
        is_alone(daemon);
    };
    test.commit(&[("apps/a.yaml", &config_map("a", "start"))]);
    let daemon = test.run(&["--fetch-timeout", "1s"]);
    daemon.line(&["INFO Synced", "created=1"]);
    settled(&daemon, "before");
    let files = open_files(daemon.0.id());
    let kinds = ALL.iter().cycle();
    for (round, trouble) in kinds.take(rounds).enumerate() {
        // Each kind in turn, and now and then two that come at once.
        go_through(&test, &daemon, *trouble, round, &mut random);
        if random.random_bool(0.2) {
            let other = ALL.choose(&mut random).unwrap();
            go_through(&test, &daemon, *other, round, &mut random);
        }
        if random.random_bool(0.2) {
            settled(&daemon, &format!("round-{round}"));
        }
    }
    settled(&daemon, "after");
    assert!(open_files(daemon.0.id()) <= files, "files stay open");
    let size = size(test.data.path());
    assert!(size < 2 << 20, "{size} bytes on disk");
    let clones = fs::read_dir(test.data.path()).unwrap().flatten();
    let clones = clones.filter(|entry| entry.path().is_dir()).count();
    assert_eq!(clones, 1, "one clone for one repository");
    assert!(!daemon.0.lines().iter().any(|line| line.contains("panicked")));
}

#[test]
fn through_fifty_troubles_it_ends_with_what_git_says_and_leaves_nothing_behind() {
    goes_through(50);
}

#[test]
#[ignore = "takes minutes: SOAK=1 cargo test -- --ignored"]
fn through_a_thousand_troubles_it_ends_with_what_git_says_and_leaves_nothing_behind() {
    goes_through(1000);
}

#[test]
fn a_full_disk_is_said_and_its_end_is_enough() {
    let test = Fixture::new("full");
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let inner = test.run_command_at(test.repo.url(), "apps", &[]);
    let mut command = Command::new("unshare");
    // A disk of its own, that is easily full.
    let script = r#"mount -t tmpfs -o size=4m tmpfs "$0" && exec "$@""#;
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    command.arg(test.data.path()).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let daemon = Daemon::start(command);
    daemon.line(&["INFO Synced", "created=1"]);
    let disk = PathBuf::from(format!("/proc/{}/root", daemon.0.id()))
        .join(test.data.path().strip_prefix("/").unwrap());
    let filler = disk.join("filler");
    let filled = fs::write(&filler, vec![7; 8 << 20]);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
    let noise: Vec<u8> = StdRng::seed_from_u64(7).random_iter().take(1 << 20).collect();
    test.repo.write("noise", noise).unwrap();
    test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    daemon.line(&["Sync failed", "CloneUnusable", "has space"]);
    test.kubectl(&["delete", "configmap", "a"]);
    daemon.line(&["Drift reverted", "configmap/a"]);
    fs::remove_file(&filler).unwrap();
    test.expect("configmap/a", ".data.key", "2");
}
