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
    /// The socket has something to read, its end included.
    Socket,
    /// The interruption.
    Interrupt,
    /// Neither, in all that time.
    Timeout,
}

/// Waits until one of them has something to read. A signal begins the time anew.
pub(super) fn wait(
    socket: Option<BorrowedFd<'_>>,
    interrupt: Option<BorrowedFd<'_>>,
    timeout: Duration,
) -> io::Result<Ready> {
    // A time beyond the system's own measure is for ever.
    let timeout = Timespec::try_from(timeout).ok();
    let mut waited = Vec::with_capacity(2);
    waited.extend(interrupt.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    waited.extend(socket.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    loop {
        match poll(&mut waited, timeout.as_ref()) {
            Ok(0) => return Ok(Ready::Timeout),
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let interrupted =
        interrupt.is_some() && waited.first().is_some_and(|first| !first.revents().is_empty());
    Ok(if interrupted { Ready::Interrupt } else { Ready::Socket })
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
