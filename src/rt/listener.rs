//! Listening sockets: bound before any worker starts, so that a taken address is a start error.
//!
//! In: `ListenAddress`es, or sockets that were `passed`. Out: descriptors of each address, dealt to
//! the workers; the real addresses.
//! TCP: a socket for each worker, spread by SO_REUSEPORT. The first one is bound and listens
//! without that option, which the kernel refuses when anyone else listens there, even another
//! process of the same user; only then is it opened to its siblings. Unix: one socket, shared.
//! Passed ones are dealt as they are: several of one address in turn, one of an address to all.
//! A stale socket file is removed when nobody answers on it; ours is removed at the end.
//! Not here: waiting for connections (`acceptor`).

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::base::fault::Fault;
use crate::rt::address::ListenAddress;
use crate::rt::passed::{Keeper, Passed};

/// An address on which nobody can listen, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot listen on {address}: {}", describe(*cause))]
pub struct ListenError {
    /// The address, as it was given.
    pub address: ListenAddress,
    /// What the kernel answered.
    pub cause: Errno,
}

impl ListenError {
    /// Whose fault it is: the machine's or its configuration's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

fn describe(cause: Errno) -> String {
    match cause {
        Errno::ADDRINUSE => {
            "address already in use; stop the other server or choose another --listen".to_owned()
        }
        Errno::ADDRNOTAVAIL => {
            "no interface of this machine has that address; choose another --listen".to_owned()
        }
        Errno::ACCESS | Errno::PERM => {
            "permission denied; choose a port from 1024 up, or a directory that you may write to"
                .to_owned()
        }
        Errno::EXIST => {
            "a file that is no socket is in the way; remove it or choose another --listen"
                .to_owned()
        }
        Errno::NOENT => "the directory does not exist; make it first".to_owned(),
        Errno::NOTDIR => "a part of the path is no directory; choose another --listen".to_owned(),
        Errno::ROFS => "the file system is read-only; choose another --listen".to_owned(),
        Errno::NAMETOOLONG => "the path is longer than 107 bytes; choose a shorter one".to_owned(),
        Errno::AFNOSUPPORT => "this machine has no such kind of address".to_owned(),
        other => io::Error::from(other).to_string(),
    }
}

/// How to listen.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListenOptions {
    pub(super) workers: usize,
    pub(super) backlog: i32,
    pub(super) unix_mode: u32,
}

/// What all addresses together became.
#[derive(Debug)]
pub(super) struct Bound {
    /// With the ports that were picked, and `localhost` as the addresses that it stands for.
    pub(super) addresses: Vec<ListenAddress>,
    /// Each one once: what the workers are dealt are duplicates.
    pub(super) sockets: Vec<Dealt>,
    pub(super) keeper: Keeper,
    /// Removed when dropped.
    pub(super) files: Vec<SocketFile>,
}

/// A listening socket.
#[derive(Debug)]
pub(super) struct Dealt {
    /// Which of the addresses it is.
    pub(super) address_index: usize,
    pub(super) fd: OwnedFd,
}

/// Binds all `addresses`, for all workers.
///
/// # Errors
/// The first address that cannot be bound; what was bound before is closed again.
pub(super) fn bind_all(
    addresses: &[ListenAddress],
    options: ListenOptions,
) -> Result<Bound, ListenError> {
    let mut bound = Bound::of(Keeper::Server);
    for address in addresses {
        bind(address, options, &mut bound)
            .map_err(|cause| ListenError { address: address.clone(), cause })?;
    }
    Ok(bound)
}

/// Listens on sockets that were passed.
///
/// # Errors
/// A socket file of ours that is gone.
pub(super) fn adopt(passed: Passed) -> Result<Bound, ListenError> {
    let mut bound = Bound::of(passed.keeper);
    for (address, fd) in passed.sockets {
        let known = bound.addresses.iter().position(|known| *known == address);
        let address_index = known.unwrap_or(bound.addresses.len());
        if known.is_none() {
            if let (Keeper::Server, ListenAddress::Unix(path)) = (bound.keeper, &address) {
                let file = SocketFile::of(path)
                    .map_err(|cause| ListenError { address: address.clone(), cause })?;
                bound.files.push(file);
            }
            bound.addresses.push(address);
        }
        bound.sockets.push(Dealt { address_index, fd });
    }
    Ok(bound)
}

fn bind(address: &ListenAddress, options: ListenOptions, bound: &mut Bound) -> Result<(), Errno> {
    match address {
        ListenAddress::Tcp(address) => bind_tcp(*address, options, bound).map(drop),
        ListenAddress::Localhost(port) => {
            let port = bind_tcp((Ipv4Addr::LOCALHOST, *port).into(), options, bound)?;
            match bind_tcp((Ipv6Addr::LOCALHOST, port).into(), options, bound) {
                // A machine without IPv6 is fine.
                Ok(_) | Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) => Ok(()),
                Err(cause) => Err(cause),
            }
        }
        ListenAddress::Unix(path) => bind_unix(path, options, bound),
    }
}

/// Binds a TCP address for all workers and tells its port.
fn bind_tcp(wanted: SocketAddr, options: ListenOptions, bound: &mut Bound) -> Result<u16, Errno> {
    let first = open_tcp(wanted)?;
    rustix::net::bind(&first, &wanted)?;
    rustix::net::listen(&first, options.backlog)?;
    sockopt::set_socket_reuseport(&first, true)?;
    let address = SocketAddr::try_from(rustix::net::getsockname(&first)?)?;
    let mut sockets = vec![first];
    for _ in 1..options.workers {
        let sibling = open_tcp(address)?;
        sockopt::set_socket_reuseport(&sibling, true)?;
        rustix::net::bind(&sibling, &address)?;
        rustix::net::listen(&sibling, options.backlog)?;
        sockets.push(sibling);
    }
    bound.add(ListenAddress::Tcp(address), sockets);
    Ok(address.port())
}

fn open_tcp(address: SocketAddr) -> Result<OwnedFd, Errno> {
    let family = AddressFamily::from_raw(match address {
        SocketAddr::V4(_) => AddressFamily::INET.as_raw(),
        SocketAddr::V6(_) => AddressFamily::INET6.as_raw(),
    });
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    if address.is_ipv6() {
        // Else `[::]` would take the port of `0.0.0.0` as well, or not, as the system is set.
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    Ok(socket)
}

fn bind_unix(path: &Path, options: ListenOptions, bound: &mut Bound) -> Result<(), Errno> {
    let address = SocketAddrUnix::new(path)?;
    remove_stale(path, &address)?;
    let socket = open_unix()?;
    // The file takes the socket's mode, less the umask: it is never open wider than it should be.
    let mode = Mode::from_raw_mode(options.unix_mode);
    rustix::fs::fchmod(&socket, mode)?;
    rustix::net::bind(&socket, &address)?;
    let file = SocketFile::of(path)?;
    rustix::fs::chmod(path, mode)?;
    rustix::net::listen(&socket, options.backlog)?;
    bound.files.push(file);
    bound.add(ListenAddress::Unix(path.to_owned()), vec![socket]);
    Ok(())
}

fn open_unix() -> Result<OwnedFd, Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
}

/// Removes the socket file of a server that is gone.
fn remove_stale(path: &Path, address: &SocketAddrUnix) -> Result<(), Errno> {
    let Ok(metadata) = std::fs::symlink_metadata(path) else {
        return Ok(());
    };
    if !metadata.file_type().is_socket() {
        return Err(Errno::EXIST);
    }
    // A full backlog answers EAGAIN: somebody listens. Only a refusal says that nobody does.
    match rustix::net::connect(open_unix()?, address) {
        Err(Errno::CONNREFUSED) => std::fs::remove_file(path).map_err(|error| errno(&error)),
        Err(Errno::NOENT) => Ok(()),
        Err(cause @ (Errno::ACCESS | Errno::PERM)) => Err(cause),
        Ok(()) | Err(_) => Err(Errno::ADDRINUSE),
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

impl Bound {
    fn of(keeper: Keeper) -> Self {
        Self { addresses: Vec::new(), sockets: Vec::new(), keeper, files: Vec::new() }
    }

    fn add(&mut self, address: ListenAddress, sockets: Vec<OwnedFd>) {
        let address_index = self.addresses.len();
        self.addresses.push(address);
        self.sockets.extend(sockets.into_iter().map(|fd| Dealt { address_index, fd }));
    }

    /// For each worker what it accepts from: of each address one socket, and more where there are
    /// more than workers, since nobody else would look after them.
    ///
    /// # Errors
    /// The first address whose socket cannot be duplicated, for want of descriptors.
    pub(super) fn deal(&self, workers: usize) -> Result<Vec<Vec<Dealt>>, ListenError> {
        let mut hands: Vec<Vec<Dealt>> = (0..workers).map(|_| Vec::new()).collect();
        for (address_index, address) in self.addresses.iter().enumerate() {
            let all = self.sockets.iter().filter(|socket| socket.address_index == address_index);
            let all: Vec<_> = all.collect();
            for (turn, socket) in (0..workers.max(all.len())).zip(all.iter().cycle()) {
                let fd = socket.fd.try_clone().map_err(|error| ListenError {
                    address: address.clone(),
                    cause: errno(&error),
                })?;
                hands[turn % workers].push(Dealt { address_index, fd });
            }
        }
        Ok(hands)
    }
}

/// A socket file that we made. Dropping it removes the file, if it is still the same one.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn of(path: &Path) -> Result<Self, Errno> {
        let metadata = std::fs::symlink_metadata(path).map_err(|error| errno(&error))?;
        Ok(Self { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() })
    }

    /// Leaves the file to whoever listens behind it.
    pub(super) fn leave(mut self) {
        self.path = PathBuf::new();
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // No file has an empty path.
        let same = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if same {
            // Nobody is left to tell; the next start removes what stays behind.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TWO: ListenOptions = ListenOptions { workers: 2, backlog: 16, unix_mode: 0o600 };

    fn parsed(address: &str) -> ListenAddress {
        address.parse().unwrap()
    }

    fn bind_one(address: &str) -> Result<Bound, ListenError> {
        bind_all(&[parsed(address)], TWO)
    }

    #[test]
    fn a_taken_port_is_reported_even_when_we_took_it() {
        let bound = bind_one("127.0.0.1:0").unwrap();
        let taken = bound.addresses[0].to_string();
        let error = bind_one(&taken).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "cannot listen on {taken}: address already in use; \
                 stop the other server or choose another --listen"
            )
        );
        drop(bound);
        assert_eq!(bind_one(&taken).unwrap().addresses[0].to_string(), taken);
    }

    #[test]
    fn localhost_is_one_port_on_each_loopback_address() {
        let bound = bind_one("localhost:0").unwrap();
        let ports: Vec<_> = bound
            .addresses
            .iter()
            .map(|address| match address {
                ListenAddress::Tcp(address) if address.ip().is_loopback() => address.port(),
                other => panic!("{other} is no loopback address"),
            })
            .collect();
        assert!(ports[0] != 0 && ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    }

    #[test]
    fn a_socket_file_is_private_guarded_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let address = format!("unix:{}", path.display());
        let bound = bind_one(&address).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(bind_one(&address).unwrap_err().cause, Errno::ADDRINUSE);
        drop(bound);
        assert!(!path.exists());
        // What a killed server leaves behind is no obstacle.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(bind_one(&address).unwrap());
        // Somebody's file is.
        std::fs::write(&path, "precious").unwrap();
        let error = bind_one(&address).unwrap_err();
        assert_eq!(error.cause, Errno::EXIST);
        assert!(path.exists());
    }

    #[test]
    fn unusable_addresses_are_named() {
        for (address, part) in [
            ("192.0.2.1:0", "no interface of this machine"),
            ("unix:/no/such/folder/a.sock", "the directory does not exist"),
            ("unix:/dev/null/a.sock", "a part of the path is no directory"),
            (&format!("unix:/{}", "a".repeat(200)), "the path is longer"),
        ] {
            let text = bind_one(address).unwrap_err().to_string();
            assert!(text.contains(address) && text.contains(part), "{text}");
        }
    }
}
