//! What a program may ask of the kernel beside files: no other process, and no network unless it needs one.
//!
//! Landlock knows of TCP since Linux 6.7, of signals since 6.12, and of UDP not at all; this any Linux does, also in a
//! container.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use seccompiler::{
    BackendError, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

/// What makes processes, besides threads. The programs are one process each, and what they left behind would be
/// nobody's.
#[cfg(target_arch = "x86_64")]
const PROCESSES: &[i64] = &[libc::SYS_fork, libc::SYS_vfork, libc::SYS_setsid, libc::SYS_setpgid];
#[cfg(not(target_arch = "x86_64"))]
const PROCESSES: &[i64] = &[libc::SYS_setsid, libc::SYS_setpgid];
/// What reaches into others.
const OTHERS: &[i64] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_tkill,
    libc::SYS_unshare,
    libc::SYS_setns,
];
/// What does so unless its first argument names the program itself.
const SIGNALS: &[i64] = &[libc::SYS_kill, libc::SYS_tgkill];
/// What does so unless its first argument is 0.
const LIMITS: &[i64] = &[libc::SYS_prlimit64];
/// What does all of that by another way.
const RINGS: &[i64] = &[libc::SYS_io_uring_setup];
/// What opens the network.
const NETWORK: &[i64] = &[libc::SYS_socket];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Restricts this process for good.
pub(super) fn restrict(network: bool) -> Result<(), Error> {
    let mut rules = Rules::new();
    for list in [PROCESSES, OTHERS, RINGS, if network { &[] } else { NETWORK }] {
        rules.extend(list.iter().map(|call| (*call, Vec::new())));
    }
    let itself = u64::from(std::process::id());
    for (list, allowed) in [(SIGNALS, itself), (LIMITS, 0)] {
        for call in list {
            let first = condition(SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, allowed)?;
            rules.insert(*call, vec![first]);
        }
    }
    let thread = u64::try_from(libc::CLONE_THREAD).unwrap_or_default();
    let no_thread = condition(SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(thread), 0)?;
    rules.insert(libc::SYS_clone, vec![no_thread]);
    refuse(rules, libc::EPERM)?;
    // Its arguments are in memory, where no filter sees them. Whoever is told that there is no such call takes the other.
    refuse(Rules::from([(libc::SYS_clone3, Vec::new())]), libc::ENOSYS)
}

/// A rule about the first argument.
fn condition(
    length: SeccompCmpArgLen,
    is: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(0, length, is, value)?])
}

fn refuse(rules: Rules, error: i32) -> Result<(), Error> {
    let error = SeccompAction::Errno(error.unsigned_abs());
    let filter =
        SeccompFilter::new(rules, SeccompAction::Allow, error, TargetArch::try_from(ARCH)?)?;
    let program: seccompiler::BpfProgram = filter.try_into()?;
    apply_filter(&program)
}
