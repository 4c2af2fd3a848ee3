//! A connected socket, TCP or Unix: `Transport` over the machine's own byte pipes.
//!
//! Waits by `Readiness`, receives and sends by direct system calls that never block
//! (`MSG_DONTWAIT`), so an idle connection owns no buffer and both drivers share one path. What a
//! call finds to be all there is ends the readiness.
//! `MSG_NOSIGNAL`: a peer that is gone is an error here, never a signal.
//! Invariant: what killed the connection is remembered; the kernel tells it only once.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, sockopt};

use crate::rt::gate::Pass;
use crate::rt::readiness::{Direction, Readiness};
use crate::serve::transport::Transport;

/// The kernel takes no more slices than this in one call (`UIO_MAXIOV`).
const SLICES_MAX: usize = 1024;

/// A connected socket on this worker. Closes when dropped.
#[derive(Debug)]
pub struct Socket {
    readiness: Readiness,
    died_of: Cell<Option<Errno>>,
    sent_end: Cell<bool>,
    _pass: Option<Pass>,
}

impl Socket {
    /// Takes over a connected stream socket. Must be called on a worker.
    ///
    /// # Errors
    /// What the driver says when it cannot register the descriptor.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        Self::with_pass(fd, None)
    }

    /// Like `new`, for a connection that counts as long as it lives.
    pub(super) fn with_pass(fd: OwnedFd, pass: Option<Pass>) -> io::Result<Self> {
        Ok(Self {
            readiness: Readiness::new(fd)?,
            died_of: Cell::new(None),
            sent_end: Cell::new(false),
            _pass: pass,
        })
    }

    /// A second descriptor of the same connection, for whoever takes it over.
    ///
    /// # Errors
    /// `EMFILE` when no descriptor is left.
    pub(super) fn duplicate(&self) -> io::Result<OwnedFd> {
        Ok(rustix::io::fcntl_dupfd_cloexec(self, 0)?)
    }

    /// Notes what a receive found that asked for so many bytes.
    fn received(&self, received: Result<usize, Errno>, asked_bytes: usize) -> io::Result<usize> {
        match received {
            Ok(received_bytes) => {
                if received_bytes > 0 && received_bytes < asked_bytes {
                    self.readiness.drained(Direction::Read, false);
                }
                Ok(received_bytes)
            }
            Err(cause) => Err(self.note(Direction::Read, cause)),
        }
    }

    fn note(&self, direction: Direction, cause: Errno) -> io::Error {
        if cause == Errno::AGAIN {
            self.readiness.drained(direction, true);
        }
        if !matches!(cause, Errno::AGAIN | Errno::INTR | Errno::NOBUFS | Errno::NOMEM) {
            self.died_of.set(Some(cause));
        }
        cause.into()
    }
}

impl Transport for Socket {
    fn has_input(&self) -> bool {
        self.readiness.now(Direction::Read).contains(PollFlags::IN)
    }

    fn readable(&self) -> impl Future<Output = io::Result<()>> {
        // No `async fn`, which would be five times as large, and every connection waits in it.
        poll_fn(|context| self.readiness.poll_ready(Direction::Read, context).map(Ok))
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let received = rustix::net::recv(self, &mut *buffer, RecvFlags::DONTWAIT);
        self.received(received.map(|(count, _)| count), buffer.len())
    }

    fn receive_behind(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let asked_bytes = buffer.capacity() - buffer.len();
        let received = rustix::net::recv(self, spare_capacity(buffer), RecvFlags::DONTWAIT);
        self.received(received.map(|(count, _)| count), asked_bytes)
    }

    fn writable(&self) -> impl Future<Output = io::Result<()>> {
        poll_fn(|context| self.readiness.poll_ready(Direction::Write, context).map(Ok))
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        rustix::net::send(self, bytes, send_flags())
            .map_err(|cause| self.note(Direction::Write, cause))
    }

    fn send_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let slices = &slices[..slices.len().min(SLICES_MAX)];
        let mut control = SendAncillaryBuffer::default();
        rustix::net::sendmsg(self, slices, &mut control, send_flags())
            .map_err(|cause| self.note(Direction::Write, cause))
    }

    fn pending_error(&self) -> Option<io::Error> {
        if self.died_of.get().is_none() {
            match sockopt::socket_error(self) {
                Ok(Ok(())) => {}
                Ok(Err(cause)) | Err(cause) => self.died_of.set(Some(cause)),
            }
        }
        // A hang-up is both directions closed. Unless we closed ours, the peer is gone: so a Unix
        // socket tells it, which knows no reset.
        if self.died_of.get().is_none()
            && !self.sent_end.get()
            && self.readiness.now(Direction::Write).contains(PollFlags::HUP)
        {
            self.died_of.set(Some(Errno::PIPE));
        }
        self.died_of.get().map(io::Error::from)
    }

    fn address(&self) -> Option<IpAddr> {
        let peer = rustix::net::getpeername(self).ok().flatten()?;
        SocketAddr::try_from(peer).ok().map(|peer| peer.ip())
    }

    fn shutdown_send(&self) {
        self.sent_end.set(true);
        // Not connected any more: then there is no one to tell.
        let _ = rustix::net::shutdown(self, Shutdown::Write);
    }

    fn reset_on_close(&self) {
        // Unix sockets ignore it, and have nothing that lingers.
        let _ = sockopt::set_socket_linger(self, Some(Duration::ZERO));
    }
}

fn send_flags() -> SendFlags {
    SendFlags::DONTWAIT | SendFlags::NOSIGNAL
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readiness.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;
    use std::rc::Rc;

    use super::*;
    use crate::rt::driver::{Driver, IoChoice, block_on};

    fn on_both<F: Future<Output = ()>>(test: impl Fn() -> F) {
        for choice in [IoChoice::Auto, IoChoice::Epoll] {
            block_on(Driver::decide(choice).unwrap(), test()).unwrap();
        }
    }

    fn tcp_pair() -> (Socket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (Socket::new(listener.accept().unwrap().0.into()).unwrap(), peer)
    }

    fn unix_pair() -> (Socket, UnixStream) {
        let (ours, peer) = UnixStream::pair().unwrap();
        (Socket::new(ours.into()).unwrap(), peer)
    }

    /// Lets the worker's loop turn, and with it the edges be told that the kernel has.
    async fn a_turn() {
        let (waited, mut rings) = unix_pair();
        rings.write_all(b"!").unwrap();
        waited.readable().await.unwrap();
    }

    /// Waits, off the driver, until the kernel noted that the connection is dead.
    fn until_dead(socket: &Socket) {
        let mut fds = [rustix::event::PollFd::new(socket, PollFlags::empty())];
        rustix::event::poll(&mut fds, None).unwrap();
    }

    #[test]
    fn bytes_go_both_ways_without_blocking() {
        on_both(async || {
            let (socket, mut peer) = tcp_pair();
            let mut buffer = [0; 16];
            let error = socket.receive(&mut buffer).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            peer.write_all(b"ping").unwrap();
            socket.readable().await.unwrap();
            assert_eq!(socket.receive(&mut buffer).unwrap(), 4);
            assert_eq!(socket.send(b"po").unwrap(), 2);
            let slices = [IoSlice::new(b"n"), IoSlice::new(b"g")];
            assert_eq!(socket.send_vectored(&slices).unwrap(), 2);
            socket.shutdown_send();
            let mut answer = String::new();
            peer.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "pong");
            drop(peer);
            socket.readable().await.unwrap();
            assert_eq!(socket.receive(&mut buffer).unwrap(), 0);
        });
    }

    #[test]
    fn a_dropped_wait_loses_nothing_and_what_is_taken_is_not_told_again() {
        on_both(async || {
            let (socket, mut peer) = unix_pair();
            let timers = crate::base::timers::Timers::new();
            let passed = crate::base::time::Deadline(0);
            for _ in 0..3 {
                timers.timeout(passed, socket.readable()).await.unwrap_err();
            }
            let mut buffer = [0; 16];
            peer.write_all(b"one").unwrap();
            // Taken without a wait, before its edge is told.
            assert_eq!(socket.receive(&mut buffer).unwrap(), 3);
            a_turn().await;
            timers.timeout(passed, socket.readable()).await.unwrap_err();
            peer.write_all(b"two").unwrap();
            socket.readable().await.unwrap();
            assert_eq!(socket.receive(&mut buffer).unwrap(), 3);
            let socket = Rc::new(socket);
            let (waits, told) = (socket.clone(), Rc::new(Cell::new(false)));
            let tells = told.clone();
            drop(monoio::spawn(async move {
                waits.readable().await.unwrap();
                tells.set(true);
            }));
            for _ in 0..3 {
                a_turn().await;
            }
            assert!(!told.get(), "less came than was asked for");
        });
    }

    #[test]
    fn bytes_that_are_left_and_an_end_that_came_with_them_need_no_edge() {
        on_both(async || {
            for (socket, mut peer) in [unix_pair(), unix_pair()] {
                peer.write_all(b"three").unwrap();
                drop(peer);
                socket.readable().await.unwrap();
                let mut buffer = [0; 4];
                assert_eq!(socket.receive(&mut buffer).unwrap(), 4, "the buffer was full");
                socket.readable().await.unwrap();
                assert_eq!(socket.receive(&mut buffer).unwrap(), 1, "less than was asked for");
                socket.readable().await.unwrap();
                assert_eq!(socket.receive(&mut buffer).unwrap(), 0);
            }
        });
    }

    #[test]
    fn what_is_received_behind_something_tells_what_is_left() {
        on_both(async || {
            let (socket, mut peer) = unix_pair();
            let timers = crate::base::timers::Timers::new();
            let passed = crate::base::time::Deadline(0);
            let mut buffer = Vec::with_capacity(64);
            buffer.extend_from_slice(b"before ");
            let room_bytes = buffer.capacity() - buffer.len();
            peer.write_all(&vec![b'x'; room_bytes + 1]).unwrap();
            socket.readable().await.unwrap();
            assert_eq!(socket.receive_behind(&mut buffer).unwrap(), room_bytes);
            assert_eq!(buffer, [&b"before "[..], &vec![b'x'; room_bytes]].concat());
            socket.readable().await.unwrap();
            let mut rest = Vec::with_capacity(64);
            assert_eq!(socket.receive_behind(&mut rest).unwrap(), 1, "less than was asked for");
            // What is left over is told at the second wait at the latest.
            for _ in 0..2 {
                timers.timeout(passed, socket.readable()).await.unwrap_err();
            }
            let error = socket.receive_behind(&mut rest).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert_eq!(rest, b"x");
            drop(peer);
            socket.readable().await.unwrap();
            assert_eq!(socket.receive_behind(&mut rest).unwrap(), 0);
        });
    }

    #[test]
    fn bytes_that_are_not_taken_starve_nobody() {
        on_both(async || {
            let (socket, mut peer) = tcp_pair();
            peer.write_all(b"x").unwrap();
            let others_ran = Rc::new(Cell::new(0));
            let counts = others_ran.clone();
            drop(monoio::spawn(async move {
                let (other, mut sender) = tcp_pair();
                loop {
                    sender.write_all(b"y").unwrap();
                    other.readable().await.unwrap();
                    assert_eq!(other.receive(&mut [0; 2]).unwrap(), 1);
                    counts.set(counts.get() + 1);
                }
            }));
            let mut waits = 0;
            while others_ran.get() < 3 {
                socket.readable().await.unwrap();
                waits += 1;
                assert!(waits < 100_000, "nobody else came to run");
            }
        });
    }

    #[test]
    fn a_new_socket_is_told_nothing_of_the_one_before_it() {
        on_both(async || {
            let timers = crate::base::timers::Timers::new();
            let passed = crate::base::time::Deadline(0);
            let (old, mut old_peer) = unix_pair();
            let kept = old.duplicate().unwrap();
            timers.timeout(passed, old.readable()).await.unwrap_err();
            drop(old);
            // In the same slot; the connection before it lives on in the duplicate.
            let (new, mut peer) = unix_pair();
            old_peer.write_all(b"old").unwrap();
            a_turn().await;
            timers.timeout(passed, new.readable()).await.unwrap_err();
            peer.write_all(b"new").unwrap();
            new.readable().await.unwrap();
            drop(kept);
        });
    }

    #[test]
    fn closing_with_a_wait_in_flight_closes() {
        on_both(async || {
            let (socket, mut peer) = tcp_pair();
            let timers = crate::base::timers::Timers::new();
            let passed = crate::base::time::Deadline(0);
            timers.timeout(passed, socket.readable()).await.unwrap_err();
            drop(socket);
            assert_eq!(peer.read(&mut [0; 1]).unwrap(), 0);
        });
    }

    #[test]
    fn a_full_peer_blocks_until_it_reads() {
        on_both(async || {
            let (socket, mut peer) = unix_pair();
            let block = [7; 4096];
            let mut sent_bytes = 0;
            let error = loop {
                match socket.send(&block) {
                    Ok(taken) => sent_bytes += taken,
                    Err(error) => break error,
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
            assert!(socket.pending_error().is_none());
            peer.read_exact(&mut vec![0; sent_bytes]).unwrap();
            socket.writable().await.unwrap();
            assert_eq!(socket.send(b"x").unwrap(), 1);
        });
    }

    #[test]
    fn a_peer_that_is_gone_is_told_from_one_that_listens() {
        on_both(async || {
            let (socket, peer) = tcp_pair();
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            socket.readable().await.unwrap();
            assert!(socket.pending_error().is_none(), "half-closed: it still reads");
            drop(peer);
            assert_eq!(socket.send(b"x").unwrap(), 1);
            until_dead(&socket);
            for _ in 0..2 {
                let kind = socket.pending_error().unwrap().kind();
                assert!(
                    matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset),
                    "{kind}"
                );
            }

            let (socket, peer) = unix_pair();
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            socket.readable().await.unwrap();
            assert!(socket.pending_error().is_none());
            drop(peer);
            assert_eq!(socket.pending_error().unwrap().kind(), io::ErrorKind::BrokenPipe);
        });
    }

    #[test]
    fn a_reset_drops_what_was_not_sent() {
        on_both(async || {
            let (socket, mut peer) = tcp_pair();
            socket.reset_on_close();
            socket.send(b"lost").unwrap();
            drop(socket);
            let error = peer.read_to_end(&mut Vec::new()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        });
    }
}
