//! Servers and repositories that would fill a memory: refused, and what was applied before stays.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use testbed::Fault;

use crate::support::{Daemon, Fixture, config_map};

/// A daemon that has applied a first commit.
fn begun(name: &str) -> (Fixture, Daemon) {
    let test = Fixture::new(name);
    test.commit(&[("apps/a.yaml", &config_map("a", "1"))]);
    let daemon = test.run(&[]);
    test.expect("configmap/a", ".data.key", "1");
    (test, daemon)
}

fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A number of one byte.
fn low(value: usize) -> u8 {
    u8::try_from(value).unwrap()
}

/// A number as packs and deltas have it, seven bits at a time; the first byte has so many of them, after `head`.
fn number(head: u8, first: u32, mut value: usize) -> Vec<u8> {
    let mut bytes = vec![head | low(value & ((1 << first) - 1))];
    value >>= first;
    while value > 0 {
        *bytes.last_mut().unwrap() |= 0x80;
        bytes.push(low(value & 0x7f));
        value >>= 7;
    }
    bytes
}

/// A pack of some kilobytes with two files: one of 4 MiB, and one that is a hundred times that.
fn bomb() -> Vec<u8> {
    const BASE: usize = 4 << 20;
    const TIMES: usize = 100;
    let base = [number(3 << 4, 4, BASE), deflated(&vec![0; BASE])].concat();
    // Each copies all of the base, from its start.
    let copies = [0xc0, 0x40].repeat(TIMES);
    let delta = [number(0, 7, BASE), number(0, 7, BASE * TIMES), copies].concat();
    // How far back the base is.
    let mut back = vec![low(base.len() & 0x7f)];
    let mut left = base.len() >> 7;
    while left > 0 {
        left -= 1;
        back.insert(0, 0x80 | low(left & 0x7f));
        left >>= 7;
    }
    let delta = [number(6 << 4, 4, delta.len()), back, deflated(&delta)].concat();
    [b"PACK\0\0\0\x02\0\0\0\x02".as_slice(), &base, &delta].concat()
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).current_dir(folder).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Adds a pack to a repository, and gives the names of what is in it.
fn add_pack(repository: &Path, pack: &[u8]) -> Vec<git2::Oid> {
    let folder = repository.join("objects/pack");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("pack-bomb.pack");
    fs::write(&file, pack).unwrap();
    let sum = run(&folder, "sha1sum", &["pack-bomb.pack"]);
    let sum = git2::Oid::from_str(&sum[..40]).unwrap();
    fs::write(&file, [pack, sum.as_bytes()].concat()).unwrap();
    run(&folder, "git", &["index-pack", "pack-bomb.pack"]);
    let listed = run(&folder, "sh", &["-c", "git show-index < pack-bomb.idx"]);
    let name = |line: &str| git2::Oid::from_str(line.split(' ').nth(1).unwrap()).unwrap();
    listed.lines().map(name).collect()
}

/// Commits these files beside what there is, with this message.
fn commit_raw(repository: &Path, files: &[git2::Oid], message: &str) -> git2::Oid {
    let repository = git2::Repository::open_bare(repository).unwrap();
    let main = "refs/heads/main";
    let parent = repository.find_reference(main).unwrap().peel_to_commit().unwrap();
    let mut tree = repository.treebuilder(Some(&parent.tree().unwrap())).unwrap();
    for id in files {
        tree.insert(id.to_string(), *id, 0o100_644).unwrap();
    }
    let tree = repository.find_tree(tree.write().unwrap()).unwrap();
    let who = git2::Signature::new("A", "a@example.com", &git2::Time::new(1, 0)).unwrap();
    repository.commit(Some(main), &who, &who, message, &tree, &[&parent]).unwrap()
}

#[test]
fn a_small_pack_of_a_large_file_takes_no_memory() {
    let (test, daemon) = begun("bomb-pack");
    let files = add_pack(test.repo.path(), &bomb());
    commit_raw(test.repo.path(), &files, "Grow");
    daemon.line(&["RepositoryTooLarge", "take too much memory"]);
    // What was there is still kept in place.
    test.kubectl(&["delete", "configmap", "a"]);
    test.expect("configmap/a", ".data.key", "1");
    test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    test.expect("configmap/a", ".data.key", "2");
}

#[test]
fn a_commit_that_is_a_book_is_refused() {
    let (test, daemon) = begun("bomb-commit");
    commit_raw(test.repo.path(), &[], &"x".repeat(2 << 20));
    daemon.line(&["RepositoryTooLarge"]);
    test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    test.expect("configmap/a", ".data.key", "2");
}

#[test]
fn a_list_of_refs_without_end_is_cut_off_and_a_long_one_is_read() {
    let (test, daemon) = begun("bomb-refs");
    test.git.set_fault(Fault::Endless);
    daemon.line(&["RepositoryTooLarge", "its refs"]);
    let head = test.repo.head().unwrap();
    let mut packed = "# pack-refs with: peeled fully-peeled sorted\n".to_owned();
    for n in 0..100_000 {
        writeln!(packed, "{head} refs/heads/many/{n:06}").unwrap();
    }
    fs::write(test.repo.path().join("packed-refs"), packed).unwrap();
    test.git.set_fault(Fault::None);
    test.commit(&[("apps/a.yaml", &config_map("a", "2"))]);
    test.expect("configmap/a", ".data.key", "2");
}
