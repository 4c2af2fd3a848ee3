//! Waiting for a descriptor: `Readiness`, the only way in which this crate waits for a socket.
//!
//! In: any pollable descriptor, TCP, Unix or listening. Out: `ready(Direction)`, cancel-safe.
//! Dropping monoio's `readable()` takes the poll back only at the next submit, by a cancellation,
//! and until that is done the poll holds the descriptor open; each wait would cost two operations.
//! So the poll is kept here, at most one for each direction: a wait that was dropped is resumed by
//! the next one, and closing shuts the socket down so that the peer sees it at once.
//! States of a direction: no poll made ─▶ in flight ─▶ done (result taken) ─▶ in flight ─▶ …
//! Let go, for a connection that lives on elsewhere: no shutdown; a poll in flight is cancelled and
//! the descriptor closed within two turns of the worker's loop.
//! Invariant: one waiter for each direction at a time; a second one takes the first one's place.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use monoio::net::UnixStream;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::net::Shutdown;

/// Which way a descriptor is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// Until it can be read from, or accepted from, or has ended.
    Read,
    /// Until it can be written to.
    Write,
}

/// A descriptor that this worker's driver can wait for. Closes it when dropped.
pub(super) struct Readiness {
    read_watcher: Watcher,
    write_watcher: Watcher,
    shared: Rc<Shared>,
}

/// Never ends; it fills the result of its direction whenever a poll is done, and begins the next
/// poll when it is polled after the result was taken. Allocated once, by the first wait.
type Watcher = RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>>;

struct Shared {
    /// Only `readable` and `writable` of it are used, and those are polls of the bare descriptor:
    /// any kind of descriptor will do. Of monoio's streams this is the one that holds nothing else.
    stream: UnixStream,
    read: Side,
    write: Side,
}

/// What is known of one direction.
#[derive(Default)]
struct Side {
    result: Cell<Option<Result<(), Errno>>>,
    in_flight: Cell<bool>,
}

impl Readiness {
    /// Takes over `fd`, which must be non-blocking.
    ///
    /// # Errors
    /// What the driver says when it cannot register the descriptor (epoll: `ENOSPC`, `ENOMEM`).
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        let stream = UnixStream::from_std(std::os::unix::net::UnixStream::from(fd))?;
        let shared = Shared { stream, read: Side::default(), write: Side::default() };
        Ok(Self {
            read_watcher: RefCell::new(None),
            write_watcher: RefCell::new(None),
            shared: Rc::new(shared),
        })
    }

    /// Waits until the descriptor is ready. Cancel-safe.
    pub(super) async fn ready(&self, direction: Direction) -> io::Result<()> {
        // A poll that an earlier wait left behind may have ended long ago.
        let mut may_be_stale = self.shared.side(direction).in_flight.get();
        poll_fn(|context| {
            loop {
                let polled = self.poll_ready(direction, context);
                let stale = may_be_stale && matches!(polled, Poll::Ready(Ok(())));
                may_be_stale = false;
                if !(stale && self.now(direction).is_empty()) {
                    return polled;
                }
            }
        })
        .await
    }

    /// Like `ready`, for callers that poll several descriptors. May report a readiness that is
    /// over, once.
    pub(super) fn poll_ready(
        &self,
        direction: Direction,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let watcher = match direction {
            Direction::Read => &self.read_watcher,
            Direction::Write => &self.write_watcher,
        };
        let mut watcher = watcher.borrow_mut();
        let watcher =
            watcher.get_or_insert_with(|| Box::pin(watch(self.shared.clone(), direction)));
        let polled = watcher.as_mut().poll(context);
        debug_assert!(polled.is_pending(), "a watcher never ends");
        let side = self.shared.side(direction);
        let result = side.result.take();
        side.in_flight.set(result.is_none());
        result.map_or(Poll::Pending, |result| Poll::Ready(result.map_err(io::Error::from)))
    }

    /// Closes the descriptor without shutting down what it stands for.
    pub(super) fn let_go(self) {
        // Their polls are cancelled all the same, as the watchers are dropped.
        self.shared.read.in_flight.set(false);
        self.shared.write.in_flight.set(false);
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

impl Shared {
    fn side(&self, direction: Direction) -> &Side {
        match direction {
            Direction::Read => &self.read,
            Direction::Write => &self.write,
        }
    }
}

/// Polls for one direction again and again; see [`Watcher`].
#[expect(clippy::infinite_loop, reason = "it ends with the box that holds it")]
async fn watch(shared: Rc<Shared>, direction: Direction) {
    let mut resumed;
    loop {
        let result = match direction {
            Direction::Read => shared.stream.readable(false).await,
            Direction::Write => shared.stream.writable(false).await,
        };
        let result = result.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO));
        shared.side(direction).result.set(Some(result));
        resumed = false;
        // Return to `poll_ready`, which takes the result; its next call goes on from here.
        poll_fn(|_| {
            if std::mem::replace(&mut resumed, true) { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl Drop for Readiness {
    fn drop(&mut self) {
        if self.shared.read.in_flight.get() || self.shared.write.in_flight.get() {
            // Ends the poll; the driver closes the descriptor when it is done. A socket that is
            // not connected any more refuses, and its poll has ended by itself.
            let _ = rustix::net::shutdown(&*self, Shutdown::Both);
        }
    }
}

impl AsFd for Readiness {
    fn as_fd(&self) -> BorrowedFd<'_> {
        let fd = self.shared.stream.as_raw_fd();
        #[expect(unsafe_code, reason = "monoio's stream hands out a bare number only")]
        // SAFETY: `shared.stream` owns the descriptor and closes it when dropped, not earlier;
        // `self` keeps it alive for the borrow.
        unsafe {
            BorrowedFd::borrow_raw(fd)
        }
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Readiness")
            .field("fd", &self.shared.stream.as_raw_fd())
            .field("read_in_flight", &self.shared.read.in_flight.get())
            .field("write_in_flight", &self.shared.write.in_flight.get())
            .finish_non_exhaustive()
    }
}
