//! Listening sockets that were open before this process began: `Passed`.
//!
//! In: descriptors from 3 on, as `LISTEN_FDS` and `LISTEN_PID` tell, from systemd by its socket
//! activation, or from the process before by `handover`. Out: sockets with their addresses, or
//! which descriptor is none that connections can be accepted from.
//! A handover names its descriptors (`LISTEN_FDNAMES`), the last one its line to the process
//! before, and leaves out `LISTEN_PID`, which nobody knows before the fork.
//! Limit: `PASSED_MAX`. Invariant: taken once, before the process has a second thread, since the
//! variables are removed, so that no child takes them for its own.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use listenfd::ListenFd;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, sockopt};

use crate::base::fault::Fault;
use crate::rt::address::ListenAddress;

/// More sockets than anybody passes; a larger number is a mistake.
const PASSED_MAX: usize = 4096;
/// The first passed descriptor; see sd_listen_fds(3).
const FIRST: usize = 3;

/// The name of a socket that the process before had from a service manager.
pub(super) const LENT: &str = "ringlane-lent";
/// The name of a socket that the process before bound itself.
pub(super) const OWN: &str = "ringlane-own";
/// The name of the line to the process before.
pub(super) const LINE: &str = "ringlane-line";

/// Sockets to listen on.
#[derive(Debug)]
pub struct Passed {
    pub(super) sockets: Vec<(ListenAddress, OwnedFd)>,
    pub(super) keeper: Keeper,
    line: Option<UnixStream>,
}

/// Whose the sockets are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeper {
    /// The service manager's: it goes on listening when this process ends.
    Manager,
    /// The server's: they end with it, and so do their files.
    Server,
}

/// A descriptor that cannot be listened on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassedError {
    /// It is no stream socket.
    #[error(
        "descriptor {descriptor} of LISTEN_FDS is no TCP or Unix stream socket: \
         let the socket unit say ListenStream="
    )]
    NoStream {
        /// The descriptor.
        descriptor: usize,
    },
    /// It is a connection.
    #[error(
        "descriptor {descriptor} of LISTEN_FDS does not listen: \
         let the socket unit say Accept=no"
    )]
    NotListening {
        /// The descriptor.
        descriptor: usize,
    },
    /// The kernel does not tell about it.
    #[error("descriptor {descriptor} of LISTEN_FDS: {}", io::Error::from(*cause))]
    Unreadable {
        /// The descriptor.
        descriptor: usize,
        /// What the kernel answered.
        cause: Errno,
    },
    /// The process that hands over has stopped listening: it ends.
    #[error("the process before ended before it handed over: start the server anew")]
    Orphaned,
    /// More than anybody passes.
    #[error("LISTEN_FDS is {count}, over {PASSED_MAX}: pass a socket for each address")]
    TooMany {
        /// How many.
        count: usize,
    },
}

impl PassedError {
    /// Whose fault it is: that of whoever started this process.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

impl Passed {
    /// Takes the sockets that were passed to this process, if any were. To be called once, while
    /// the process has one thread.
    ///
    /// # Errors
    /// The first descriptor that is no listening stream socket.
    pub fn take() -> Result<Option<Self>, PassedError> {
        let told = std::env::var("LISTEN_FDS").ok().and_then(|count| count.parse::<usize>().ok());
        if let Some(count) = told.filter(|count| *count > PASSED_MAX) {
            return Err(PassedError::TooMany { count });
        }
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut descriptors = ListenFd::from_env();
        let mut count = descriptors.len();
        if count == 0 {
            return Ok(None);
        }
        let names: Vec<&str> = names.split(':').collect();
        let mut line = None;
        if names.len() == count && names.last() == Some(&LINE) {
            count -= 1;
            line = take_line(&mut descriptors, count);
        }
        let is_own = line.is_some() && names.first() == Some(&OWN);
        let keeper = if is_own { Keeper::Server } else { Keeper::Manager };
        let sockets = (0..count).map(|index| take_socket(&mut descriptors, index));
        let sockets = sockets.collect::<Result<_, _>>();
        let sockets = sockets.map_err(|error| match line {
            Some(_) => PassedError::Orphaned,
            None => error,
        })?;
        Ok(Some(Self { sockets, keeper, line }))
    }

    /// The line to the process that hands over, if it is one that does. There is one: `None` after
    /// the first call.
    pub(super) fn take_line(&mut self) -> Option<UnixStream> {
        self.line.take()
    }

    /// Whether the process before hands over, which listens to what the same flags say.
    #[must_use]
    pub fn is_handover(&self) -> bool {
        self.line.is_some()
    }
}

fn take_line(descriptors: &mut ListenFd, index: usize) -> Option<UnixStream> {
    let (family, stream) = (i32::from(AddressFamily::UNIX.as_raw()), 1);
    descriptors.take_custom(index, family, stream, "unix stream socket").ok().flatten()
}

fn take_socket(
    descriptors: &mut ListenFd,
    index: usize,
) -> Result<(ListenAddress, OwnedFd), PassedError> {
    let descriptor = FIRST + index;
    let tcp = descriptors.take_tcp_listener(index).ok().flatten().map(OwnedFd::from);
    let unix = || descriptors.take_unix_listener(index).ok().flatten().map(OwnedFd::from);
    let Some(socket) = tcp.or_else(unix) else {
        return Err(PassedError::NoStream { descriptor });
    };
    let unreadable = |cause| PassedError::Unreadable { descriptor, cause };
    if !sockopt::socket_acceptconn(&socket).map_err(unreadable)? {
        return Err(PassedError::NotListening { descriptor });
    }
    rustix::io::ioctl_fionbio(&socket, true).map_err(unreadable)?;
    Ok((address_of(&socket).map_err(unreadable)?, socket))
}

fn address_of(socket: impl AsFd) -> Result<ListenAddress, Errno> {
    let address = rustix::net::getsockname(socket)?;
    if let Ok(address) = SocketAddr::try_from(address.clone()) {
        return Ok(ListenAddress::Tcp(address));
    }
    let address = SocketAddrUnix::try_from(address)?;
    if let Some(path) = address.path_bytes() {
        return Ok(ListenAddress::Unix(PathBuf::from(std::ffi::OsStr::from_bytes(path))));
    }
    // Without a file: written with an @, as systemd and ss write it.
    let name = address.abstract_name().unwrap_or_default();
    Ok(ListenAddress::Unix(format!("@{}", String::from_utf8_lossy(name)).into()))
}
