//! Starts processes that cannot outlive this one.
//!
//! Linux kills a child whose parent *thread* ends (`PR_SET_PDEATHSIG`), so all are started by one
//! thread that never ends. That covers what destructors cannot: SIGKILL, ctrl-c, abort, and
//! statics, which are never dropped. Elsewhere only destructors stop them.

use std::{
    io,
    os::unix::process::CommandExt,
    process::{Child, Command},
    sync::{
        LazyLock,
        mpsc::{self, Sender},
    },
    thread,
};

struct Job {
    command: Command,
    reply: Sender<io::Result<Child>>,
}

static JOBS: LazyLock<io::Result<Sender<Job>>> = LazyLock::new(|| {
    let (jobs, queue) = mpsc::channel::<Job>();
    thread::Builder::new().name("spawner".to_owned()).spawn(move || {
        for mut job in queue {
            let _ = job.reply.send(job.command.spawn());
        }
    })?;
    Ok(jobs)
});

/// Starts `command` in a process group of its own, which a ctrl-c at the terminal does not reach.
pub(crate) fn spawn(mut command: Command) -> io::Result<Child> {
    command.process_group(0);
    die_with_parent(&mut command);
    let gone = || io::Error::other("the spawner thread is gone");
    let jobs = JOBS.as_ref().map_err(|error| io::Error::other(error.to_string()))?;
    let (reply, answer) = mpsc::channel();
    jobs.send(Job { command, reply }).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "only a hook between fork and exec can ask for the signal")]
fn die_with_parent(command: &mut Command) {
    use rustix::{io::Errno, process};
    let parent = process::getpid();
    let hook = move || {
        process::set_parent_process_death_signal(Some(process::Signal::KILL))?;
        // The parent may have died before the call above: then no signal will come.
        if process::getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
    };
    // SAFETY: after fork the hook only makes two system calls; it neither allocates nor takes a
    // lock.
    unsafe { command.pre_exec(hook) };
}

#[cfg(not(target_os = "linux"))]
fn die_with_parent(_: &mut Command) {}
