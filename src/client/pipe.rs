//! The byte pipe below a connection: a TCP or a Unix socket, blocking, with timeouts.
//!
//! Also the one place where the client waits for descriptors.
//! Not here: what the bytes mean (`connection`).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

/// What a wait ended with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// The socket at this place has something to read, its end included.
    Socket(usize),
    /// The interruption.
    Interrupt,
    /// Neither, in all that time.
    Timeout,
}

/// Waits until one of them has something to read; the first that has counts. A signal begins the
/// time anew.
pub(super) fn wait(
    sockets: &[BorrowedFd<'_>],
    interrupt: Option<BorrowedFd<'_>>,
    timeout: Duration,
) -> io::Result<Ready> {
    // A time beyond the system's own measure is for ever.
    let timeout = Timespec::try_from(timeout).ok();
    let waited = interrupt.into_iter().chain(sockets.iter().copied());
    let mut waited: Vec<PollFd<'_>> =
        waited.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    loop {
        match poll(&mut waited, timeout.as_ref()) {
            Ok(0) => return Ok(Ready::Timeout),
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let first = waited.iter().position(|fd| !fd.revents().is_empty()).unwrap_or_default();
    Ok(match (interrupt, first.checked_sub(1)) {
        (Some(_), None) => Ready::Interrupt,
        (Some(_), Some(index)) => Ready::Socket(index),
        (None, _) => Ready::Socket(first),
    })
}

/// A connected socket.
#[derive(Debug)]
pub(super) enum Pipe {
    /// To a host and port.
    Tcp(TcpStream),
    /// To a socket file of this machine.
    Unix(UnixStream),
}

impl Pipe {
    /// Sends small writes at once, and waits this long for bytes to come or to be taken.
    pub(super) fn set_up(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                stream.set_write_timeout(Some(timeout))?;
            }
            Self::Unix(stream) => stream.set_write_timeout(Some(timeout))?,
        }
        self.set_read_timeout(timeout)
    }

    /// Waits this long for bytes to come.
    pub(super) fn set_read_timeout(&self, timeout: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_read_timeout(Some(timeout)),
            Self::Unix(stream) => stream.set_read_timeout(Some(timeout)),
        }
    }

    /// Whether it is open and nothing waits to be read.
    pub(super) fn is_quiet(&self) -> bool {
        let peeked = recv(self.as_fd(), &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(peeked, Err(Errno::AGAIN))
    }

    /// Its descriptor, to wait for.
    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(room),
            Self::Unix(stream) => stream.read(room),
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
