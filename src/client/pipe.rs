//! The byte pipe below a connection: a TCP or a Unix socket, blocking, with timeouts.
//!
//! Not here: what the bytes mean (`connection`).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

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

    fn as_fd(&self) -> BorrowedFd<'_> {
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
