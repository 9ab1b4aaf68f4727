//! A running process whose output is kept.

use crate::{Error, Signal, lock::lock, spawner};
use rustix::process::{Pid, kill_process, kill_process_group};
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Lines of output that an error shows.
const TAIL: usize = 40;
const PAUSE: Duration = Duration::from_millis(10);

/// A process that keeps each line it prints, on either stream, and is killed with its process group
/// on drop.
pub struct Spawned {
    name: String,
    child: Mutex<Child>,
    output: Arc<Output>,
}

#[derive(Default)]
struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    open_streams: usize,
}

impl Spawned {
    /// Starts `command`, keeping what it prints.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start(command: Command) -> Result<Self, Error> {
        Self::launch(command, false)
    }

    /// Starts `command`, keeping what it prints and passing it on to standard error.
    ///
    /// # Errors
    /// If the program cannot be started.
    pub fn start_echoing(command: Command) -> Result<Self, Error> {
        Self::launch(command, true)
    }

    fn launch(mut command: Command, echo: bool) -> Result<Self, Error> {
        let program = Path::new(command.get_program());
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = spawner::spawn(command).map_err(Error::io(format!("start {name}")))?;
        let output = Arc::new(Output::default());
        if let Some(stream) = child.stdout.take() {
            Output::collect(&output, stream, echo);
        }
        if let Some(stream) = child.stderr.take() {
            Output::collect(&output, stream, echo);
        }
        Ok(Self { name, child: Mutex::new(child), output })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// All lines so far. Their number is a mark for
    /// [`wait_for_line_after`](Self::wait_for_line_after).
    pub fn lines(&self) -> Vec<String> {
        lock(&self.output.state).lines.clone()
    }

    /// The first line for which `wanted` holds, among those printed already and those to come.
    ///
    /// # Errors
    /// With the last 40 lines, if none comes before the deadline or the process ends.
    pub fn wait_for_line(
        &self,
        wanted: impl Fn(&str) -> bool,
        deadline: Duration,
    ) -> Result<String, Error> {
        self.wait_for_line_after(0, wanted, deadline)
    }

    /// Like [`wait_for_line`](Self::wait_for_line), ignoring the first `mark` lines.
    ///
    /// # Errors
    /// With the last 40 lines, if none comes before the deadline or the process ends.
    pub fn wait_for_line_after(
        &self,
        mark: usize,
        wanted: impl Fn(&str) -> bool,
        deadline: Duration,
    ) -> Result<String, Error> {
        let start = Instant::now();
        let mut state = lock(&self.output.state);
        let mut seen = mark;
        loop {
            if let Some(line) = state.lines.iter().skip(seen).find(|line| wanted(line)) {
                return Ok(line.clone());
            }
            seen = seen.max(state.lines.len());
            if state.open_streams == 0 {
                return Err(self.ended(&state));
            }
            let Some(left) = deadline.checked_sub(start.elapsed()) else {
                return Err(self.late("the line that was waited for", deadline, &state));
            };
            state = self.output.wait(state, left);
        }
    }

    /// How the process ended, or `None` if it runs on for `time`.
    ///
    /// # Errors
    /// If the system cannot tell.
    pub fn exit_within(&self, time: Duration) -> Result<Option<ExitStatus>, Error> {
        let status = self.poll_exit(time).map_err(Error::io(format!("wait for {}", self.name)))?;
        if status.is_some() {
            self.output.drain();
        }
        Ok(status)
    }

    /// Waits for the process to end by itself; afterwards [`lines`](Self::lines) holds all it
    /// printed.
    ///
    /// # Errors
    /// With the last 40 lines, if it runs on past the deadline.
    pub fn wait_exit(&self, deadline: Duration) -> Result<ExitStatus, Error> {
        let late = || self.late("the end of the process", deadline, &lock(&self.output.state));
        self.exit_within(deadline)?.ok_or_else(late)
    }

    /// Sends `signal` to the process, not to its children; one that has ended already is left
    /// alone.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        self.send(signal, kill_process)
    }

    /// Kills the process group and waits for its leader to be gone.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn kill(&self) -> Result<(), Error> {
        self.send(Signal::KILL, kill_process_group)?;
        lock(&self.child).wait().map_err(Error::io(format!("wait for {}", self.name)))?;
        Ok(())
    }

    /// The process id is ours as long as nobody has waited for its end: hence under the lock.
    fn send(
        &self,
        signal: Signal,
        to: fn(Pid, Signal) -> rustix::io::Result<()>,
    ) -> Result<(), Error> {
        let mut child = lock(&self.child);
        if !matches!(child.try_wait(), Ok(None)) {
            return Ok(());
        }
        let doing = format!("send {signal:?} to {}", self.name);
        to(Pid::from_child(&child), signal).map_err(|error| Error::io(doing)(error.into()))
    }

    /// An error if the process has ended.
    pub(crate) fn check_alive(&self) -> Result<(), Error> {
        match self.exit_within(Duration::ZERO)? {
            Some(_) => Err(self.ended(&lock(&self.output.state))),
            None => Ok(()),
        }
    }

    /// The last lines, for an error.
    pub(crate) fn tail(&self) -> String {
        tail(&lock(&self.output.state).lines)
    }

    fn poll_exit(&self, time: Duration) -> io::Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            let status = lock(&self.child).try_wait()?;
            if status.is_some() || start.elapsed() >= time {
                return Ok(status);
            }
            thread::sleep(PAUSE);
        }
    }

    fn ended(&self, state: &State) -> Error {
        let status = match self.poll_exit(Duration::from_secs(1)) {
            Ok(Some(status)) => status.to_string(),
            _ => "its output is closed".to_owned(),
        };
        Error::Ended { program: self.name.clone(), status, output: tail(&state.lines) }
    }

    fn late(&self, what: &str, waited: Duration, state: &State) -> Error {
        Error::Late { what: format!("{}: {what}", self.name), waited, state: tail(&state.lines) }
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

impl Output {
    fn collect(output: &Arc<Self>, stream: impl Read + Send + 'static, echo: bool) {
        lock(&output.state).open_streams += 1;
        let output = Arc::clone(output);
        thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                output.push(String::from_utf8_lossy(&line).into_owned(), echo);
            }
            lock(&output.state).open_streams -= 1;
            output.changed.notify_all();
        });
    }

    fn push(&self, line: String, echo: bool) {
        if echo {
            let _ = writeln!(io::stderr(), "{line}");
        }
        lock(&self.state).lines.push(line);
        self.changed.notify_all();
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, time: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, time).unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for the readers to reach the end of what a dead process printed. A grandchild may hold
    /// the streams open for ever, so not longer than a second.
    fn drain(&self) {
        let more = |state: &mut State| state.open_streams > 0;
        let _ = self.changed.wait_timeout_while(lock(&self.state), Duration::from_secs(1), more);
    }
}

fn tail(lines: &[String]) -> String {
    lines[lines.len().saturating_sub(TAIL)..].join("\n")
}
