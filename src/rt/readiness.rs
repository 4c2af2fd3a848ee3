//! Waiting for a descriptor: `Readiness`, the only way in which this crate waits for a socket.
//!
//! In: any pollable descriptor, TCP, Unix or listening. Out: `poll_ready(Direction)`.
//! What the kernel tells of it is kept in the worker's `Edges`; a wait makes no system call. So
//! whoever used the descriptor says when it has nothing left (`drained`), or a wait ends at once.
//! Invariant: one waiter for each direction at a time; a second one takes the first one's place.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, Timespec};

use crate::rt::edges::{Edges, Token};

/// Which way a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Until it can be read from, or accepted from, or has ended.
    Read,
    /// Until it can be written to.
    Write,
}

/// A descriptor that this worker can wait for. Closes it when dropped.
pub(super) struct Readiness {
    fd: OwnedFd,
    token: Token,
    edges: Rc<Edges>,
}

impl Readiness {
    /// Takes over `fd`, which must be non-blocking.
    ///
    /// # Errors
    /// What the kernel says when it cannot register the descriptor (`ENOSPC`, `ENOMEM`).
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        let edges = Edges::current()?;
        let token = edges.add(fd.as_fd())?;
        Ok(Self { fd, token, edges })
    }

    /// Whether the descriptor is ready; if not, the context's task is woken when it is. Whoever
    /// waits may stop at any time.
    pub(super) fn poll_ready(&self, direction: Direction, context: &Context<'_>) -> Poll<()> {
        self.edges.poll(self.token, direction, context)
    }

    /// Notes that a direction has nothing left; see [`Edges::drained`].
    pub(super) fn drained(&self, direction: Direction, whole: bool) {
        self.edges.drained(self.token, direction, whole);
    }

    /// What the descriptor is ready for at this moment, hang-up and error included.
    pub(super) fn now(&self, direction: Direction) -> PollFlags {
        let wanted = match direction {
            Direction::Read => PollFlags::IN,
            Direction::Write => PollFlags::OUT,
        };
        let mut fds = [PollFd::new(self, wanted)];
        match rustix::event::poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) {
            Ok(_) => fds[0].revents(),
            Err(_) => PollFlags::empty(),
        }
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        self.edges.remove(self.fd.as_fd(), self.token);
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = formatter.debug_struct("Readiness");
        debug.field("fd", &self.fd.as_raw_fd()).field("token", &self.token).finish_non_exhaustive()
    }
}
