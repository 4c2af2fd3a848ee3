//! Sockets that never block, and the epoll that tells when they are ready.
//!
//! In: an `Address`. Out: bytes, or `WouldBlock`. The one file of `load` that names system calls
//! of the network, as safe functions of `rustix`.
//! Not here: what the bytes mean (`connection`), when to connect again (`worker`).

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv,
    send, socket_with, sockopt,
};

use crate::client::connection::ConnectionError;
use crate::client::endpoint::{Endpoint, Site};

/// Events that one wait hands out at most.
const EVENTS_MAX: usize = 256;

/// Where a server listens, its name resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An address of the network.
    Tcp(SocketAddr),
    /// A socket file of this machine.
    Unix(PathBuf),
}

impl Address {
    /// Resolves the endpoint's name, and takes the first address that accepts a connection.
    ///
    /// # Errors
    /// `ConnectionError`: no address, or none that accepts.
    pub fn find(endpoint: &Endpoint, timeout: Duration) -> Result<Self, ConnectionError> {
        let (host, port) = match endpoint.site() {
            Site::Network { host, port } => (host, *port),
            Site::Unix { socket } => {
                return match UnixStream::connect(socket) {
                    Ok(_) => Ok(Self::Unix(socket.clone())),
                    Err(source) => {
                        Err(ConnectionError::ConnectUnix { socket: socket.clone(), source })
                    }
                };
            }
        };
        let resolve = |source| ConnectionError::Resolve { host: host.clone(), source };
        let addresses = (host.as_str(), port).to_socket_addrs().map_err(resolve)?;
        let mut last = resolve(io::Error::from(io::ErrorKind::NotFound));
        for address in addresses {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(_) => return Ok(Self::Tcp(address)),
                Err(source) => last = ConnectionError::Connect { address, source },
            }
        }
        Err(last)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

/// A connected socket, or one on its way to be.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Begins to connect. It is connected, or failed (`outcome`), once it is writable.
    pub(super) fn connect(address: &Address) -> io::Result<Self> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let begun = match address {
            Address::Tcp(address) => {
                let family = match address {
                    SocketAddr::V4(_) => AddressFamily::INET,
                    SocketAddr::V6(_) => AddressFamily::INET6,
                };
                let socket = socket_with(family, SocketType::STREAM, flags, None)?;
                sockopt::set_tcp_nodelay(&socket, true)?;
                (connect(&socket, address), socket)
            }
            Address::Unix(path) => {
                let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
                (connect(&socket, &SocketAddrUnix::new(path)?), socket)
            }
        };
        match begun {
            (Ok(()) | Err(Errno::INPROGRESS), socket) => Ok(Self(socket)),
            (Err(error), _) => Err(error.into()),
        }
    }

    /// How connecting ended.
    pub(super) fn outcome(&self) -> io::Result<()> {
        Ok(sockopt::socket_error(&self.0)??)
    }

    /// Appends what is there, as far as `room` has capacity; 0 at the end of the connection.
    pub(super) fn receive(&self, room: &mut Vec<u8>) -> io::Result<usize> {
        loop {
            match recv(&self.0, spare_capacity(room), RecvFlags::empty()) {
                Ok((_, count)) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Sends as much as the socket takes.
    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match send(&self.0, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What a socket is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interest {
    /// Bytes that came.
    Read,
    /// Bytes that came, and room for bytes to go.
    ReadWrite,
}

impl Interest {
    fn flags(self) -> epoll::EventFlags {
        match self {
            Self::Read => epoll::EventFlags::IN,
            Self::ReadWrite => epoll::EventFlags::IN | epoll::EventFlags::OUT,
        }
    }
}

/// A socket that is ready.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    /// As given to `watch`.
    pub(super) token: usize,
    /// It has bytes, its end, or an error; else it takes bytes.
    pub(super) readable: bool,
}

/// Many sockets, and which of them are ready. A closed socket is forgotten by itself.
pub(super) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl Poller {
    pub(super) fn open() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self { epoll, events: Vec::with_capacity(EVENTS_MAX) })
    }

    /// Watches a socket from now on.
    pub(super) fn watch(
        &self,
        socket: &Socket,
        token: usize,
        for_what: Interest,
    ) -> io::Result<()> {
        let token = epoll::EventData::new_u64(token as u64);
        Ok(epoll::add(&self.epoll, &socket.0, token, for_what.flags())?)
    }

    /// Watches a socket for something else.
    pub(super) fn change(
        &self,
        socket: &Socket,
        token: usize,
        for_what: Interest,
    ) -> io::Result<()> {
        let token = epoll::EventData::new_u64(token as u64);
        Ok(epoll::modify(&self.epoll, &socket.0, token, for_what.flags())?)
    }

    /// Waits until a socket is ready, or so long.
    pub(super) fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let timeout = Timespec::try_from(timeout).ok();
        self.events.clear();
        match epoll::wait(&self.epoll, spare_capacity(&mut self.events), timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The one of so many sockets that the last wait found ready, by its place from 0.
    pub(super) fn ready(&self, place: usize) -> Option<Ready> {
        let event = *self.events.get(place)?;
        let (data, flags) = (event.data, event.flags);
        let ends = epoll::EventFlags::HUP | epoll::EventFlags::ERR;
        Some(Ready {
            token: usize::try_from(data.u64()).unwrap_or(usize::MAX),
            readable: flags.intersects(epoll::EventFlags::IN | ends),
        })
    }
}
