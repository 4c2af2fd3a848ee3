//! A server hands over to a new process of the same program, which listens on the same sockets.
//!
//! ```text
//! this process                       the new one
//! pass sockets, start it ──────────▶ read files and flags, start workers
//!                        ◀── ready ─
//! let the sockets go     ── yours ─▶ tell the service manager from now on
//! answer what was taken, end
//! ```
//!
//! The sockets stay open throughout, so no connection is refused, and what waits in a backlog waits
//! for whoever accepts next. A new process that ends, or is silent for `START_TIMEOUT`, changes
//! nothing here. One that is not told `yours` drains: this process was told to end meanwhile.
//! Sessions, tasks and streams live in memory and end with the process that has them.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};

use crate::rt::passed::{Keeper, LENT, LINE, OWN};

/// How long a new process may take until its workers stand.
const START_TIMEOUT: Duration = Duration::from_secs(60);
/// The first passed descriptor; see sd_listen_fds(3).
const FIRST: i32 = 3;
const READY: u8 = b'R';
const YOURS: u8 = b'Y';

/// How this process was started.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// This process's. To be called at the start: the file at that path may be replaced later, and
    /// is then what a handover starts.
    ///
    /// # Errors
    /// What the system says when it does not tell the path.
    pub fn of_process() -> io::Result<Self> {
        let path = std::env::current_exe()?;
        Ok(Self { path, arguments: std::env::args_os().skip(1).collect() })
    }
}

/// The new process does not serve.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandoverError {
    #[error("cannot start {}: {cause}", path.display())]
    Start { path: PathBuf, cause: io::Error },
    #[error("the new process ended before it served ({0})")]
    Ended(ExitStatus),
    #[error("the new process did not serve within {} s", START_TIMEOUT.as_secs())]
    Silent,
    #[error("the new process could not be heard: {0}")]
    Line(io::Error),
}

/// The process before did not hand over after all.
#[derive(Debug, thiserror::Error)]
#[error("the process before ended before it handed over: start the server anew")]
pub struct Orphaned;

/// A new process whose workers stand.
#[derive(Debug)]
pub(super) struct Successor {
    child: Child,
    line: UnixStream,
}

/// Starts a new process on `sockets` and waits until its workers stand.
pub(super) fn start(
    program: &Program,
    sockets: &[OwnedFd],
    keeper: Keeper,
) -> Result<Successor, HandoverError> {
    let failed = |cause| HandoverError::Start { path: program.path.clone(), cause };
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let line = prepared(program, sockets, keeper, theirs).map_err(failed)?.spawn();
    let mut child = line.map_err(failed)?;
    match hear_ready(&ours) {
        Ok(true) => Ok(Successor { child, line: ours }),
        Ok(false) => Err(child.wait().map_or_else(HandoverError::Line, HandoverError::Ended)),
        Err(error) => {
            end(&mut child);
            Err(match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => HandoverError::Silent,
                _ => HandoverError::Line(error),
            })
        }
    }
}

fn prepared(
    program: &Program,
    sockets: &[OwnedFd],
    keeper: Keeper,
    line: UnixStream,
) -> io::Result<Command> {
    let mut passed = Vec::new();
    for socket in sockets {
        passed.push(socket.try_clone()?);
    }
    passed.push(line.into());
    let name = if keeper == Keeper::Server { OWN } else { LENT };
    let mut names = vec![name; sockets.len()];
    names.push(LINE);
    let mut command = Command::new(&program.path);
    command
        .args(&program.arguments)
        .env("LISTEN_FDS", passed.len().to_string())
        .env("LISTEN_FDNAMES", names.join(":"))
        // These name this process.
        .env_remove("LISTEN_PID")
        .env_remove("WATCHDOG_PID");
    let mappings = (FIRST..).zip(passed);
    let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
    command.fd_mappings(mappings.collect()).map_err(io::Error::other)?;
    Ok(command)
}

/// Whether it said that it is ready; false when it ended first.
fn hear_ready(line: &UnixStream) -> io::Result<bool> {
    line.set_read_timeout(Some(START_TIMEOUT))?;
    let mut said = [0];
    Ok((&*line).read(&mut said)? == 1 && said == [READY])
}

/// Ends a process that is not wanted, and waits for its end.
fn end(child: &mut Child) {
    // One that has ended already cannot be killed.
    let _ = child.kill();
    let _ = child.wait();
}

impl Successor {
    /// Its process id.
    pub(super) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Tells it that it is the server from now on. It is nobody's to wait for: this process ends,
    /// and whoever is there for orphans takes it.
    pub(super) fn take_over(self) {
        // If it ended just now, its supervisor sees it.
        let _ = (&self.line).write_all(&[YOURS]);
    }

    /// Lets it end: it sees that the line is cut, and answers what it has taken by then.
    pub(super) fn dismiss(mut self) {
        drop(self.line);
        // Until this process ends; then whoever is there for orphans waits.
        let _ = self.child.wait();
    }
}

/// Says to the process before that the workers stand, and waits until it let the sockets go.
///
/// # Errors
/// `Orphaned` when it ended, or was told to end, before that.
pub(super) fn succeed(line: &UnixStream) -> Result<(), Orphaned> {
    let mut line = line;
    let mut said = [0];
    let agreed = line
        .set_read_timeout(Some(START_TIMEOUT))
        .and_then(|()| line.write_all(&[READY]))
        .and_then(|()| line.read_exact(&mut said));
    if agreed.is_ok() && said == [YOURS] { Ok(()) } else { Err(Orphaned) }
}
