//! A connection in memory: the server's end is a `Transport`, the client's end is a test's.
//!
//! Each direction is a bounded buffer, so that a reader who does not read holds up the writer. What
//! the serving side relies on is as TCP has it:
//! - a peer that closed is not told from one that only ended its side, until something is sent to
//!   it: the first send goes through, and then a reset is pending;
//! - a reset destroys what was sent and not read yet, in both directions;
//! - closing with unread bytes, or sending to a peer that closed, makes a reset.
//!
//! Invariant: `bytes.len() <= bytes_max` for each direction. One waiter a direction and end.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::serve::transport::Transport;

/// How many bytes may be on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// From the client to the server. Default 64 KiB.
    pub to_server_bytes_max: usize,
    /// From the server to the client. Default 64 KiB.
    pub to_client_bytes_max: usize,
}

impl Default for Windows {
    fn default() -> Self {
        Self { to_server_bytes_max: 64 * 1024, to_client_bytes_max: 64 * 1024 }
    }
}

/// A connection: the server's end and the client's.
#[must_use]
pub fn pipe(windows: Windows) -> (ServerEnd, ClientEnd) {
    let shared = Rc::new(RefCell::new(Shared {
        to_server: Lane::new(windows.to_server_bytes_max),
        to_client: Lane::new(windows.to_client_bytes_max),
        client_closed: false,
        server_closed: false,
        reset: false,
        reset_on_close: false,
    }));
    (ServerEnd { shared: shared.clone() }, ClientEnd { shared })
}

#[derive(Debug)]
struct Shared {
    to_server: Lane,
    to_client: Lane,
    client_closed: bool,
    server_closed: bool,
    reset: bool,
    reset_on_close: bool,
}

/// One direction.
#[derive(Debug)]
struct Lane {
    bytes: VecDeque<u8>,
    bytes_max: usize,
    /// The writer ended it.
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Lane {
    fn new(bytes_max: usize) -> Self {
        debug_assert!(bytes_max > 0, "a window of no bytes lets none through");
        Self { bytes: VecDeque::new(), bytes_max, ended: false, reader: None, writer: None }
    }

    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let room = self.bytes_max - self.bytes.len();
        if room == 0 && slices.iter().any(|slice| !slice.is_empty()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        let mut left = room;
        for slice in slices {
            let taken = left.min(slice.len());
            self.bytes.extend(&slice[..taken]);
            left -= taken;
        }
        wake(&mut self.reader);
        Ok(room - left)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        self.take(buffer.len(), |piece| {
            buffer[filled..filled + piece.len()].copy_from_slice(piece);
            filled += piece.len();
        })
    }

    fn read_behind(&mut self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        self.take(buffer.capacity() - buffer.len(), |piece| buffer.extend_from_slice(piece))
    }

    /// Takes so many bytes at most, in two pieces.
    fn take(&mut self, room: usize, mut put: impl FnMut(&[u8])) -> io::Result<usize> {
        if self.bytes.is_empty() && room > 0 {
            return if self.ended { Ok(0) } else { Err(ErrorKind::WouldBlock.into()) };
        }
        let count = room.min(self.bytes.len());
        let (front, back) = self.bytes.as_slices();
        let at = count.min(front.len());
        put(&front[..at]);
        put(&back[..count - at]);
        self.bytes.drain(..count);
        wake(&mut self.writer);
        Ok(count)
    }

    fn is_readable(&self) -> bool {
        self.ended || !self.bytes.is_empty()
    }

    fn is_writable(&self) -> bool {
        self.bytes.len() < self.bytes_max
    }

    fn end(&mut self) {
        self.ended = true;
        wake(&mut self.reader);
    }
}

impl Shared {
    fn reset(&mut self) {
        self.reset = true;
        for lane in [&mut self.to_server, &mut self.to_client] {
            lane.bytes.clear();
            wake(&mut lane.reader);
            wake(&mut lane.writer);
        }
    }

    fn close_client(&mut self) {
        if self.client_closed {
            return;
        }
        self.client_closed = true;
        if !self.to_client.bytes.is_empty() {
            self.reset();
        }
        self.to_server.end();
        wake(&mut self.to_client.reader);
        // What is sent to it from here on finds nobody: room enough for that.
        wake(&mut self.to_client.writer);
    }

    fn close_server(&mut self) {
        self.server_closed = true;
        if self.reset_on_close || !self.to_server.bytes.is_empty() {
            self.reset();
        }
        self.to_client.end();
        wake(&mut self.to_server.writer);
    }

    fn send(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        if self.to_client.ended {
            return Err(ErrorKind::BrokenPipe.into());
        }
        if self.client_closed {
            self.reset();
            return Ok(slices.iter().map(|slice| slice.len()).sum());
        }
        self.to_client.write(slices)
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

fn wait<T>(waker: &mut Option<Waker>, context: &Context<'_>) -> Poll<T> {
    *waker = Some(context.waker().clone());
    Poll::Pending
}

/// The server's end. Closes when dropped.
#[derive(Debug)]
pub struct ServerEnd {
    shared: Rc<RefCell<Shared>>,
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.shared.borrow_mut().close_server();
    }
}

impl Transport for ServerEnd {
    async fn readable(&self) -> io::Result<()> {
        poll_fn(|context| {
            let mut shared = self.shared.borrow_mut();
            if shared.reset || shared.to_server.is_readable() {
                return Poll::Ready(Ok(()));
            }
            wait(&mut shared.to_server.reader, context)
        })
        .await
    }

    fn receive_behind(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let mut shared = self.shared.borrow_mut();
        if shared.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        shared.to_server.read_behind(buffer)
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut shared = self.shared.borrow_mut();
        if shared.reset {
            return Err(ErrorKind::ConnectionReset.into());
        }
        shared.to_server.read(buffer)
    }

    async fn writable(&self) -> io::Result<()> {
        poll_fn(|context| {
            let mut shared = self.shared.borrow_mut();
            let over = shared.reset || shared.client_closed || shared.to_client.ended;
            if over || shared.to_client.is_writable() {
                return Poll::Ready(Ok(()));
            }
            wait(&mut shared.to_client.writer, context)
        })
        .await
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.shared.borrow_mut().send(&[IoSlice::new(bytes)])
    }

    fn send_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.shared.borrow_mut().send(slices)
    }

    fn pending_error(&self) -> Option<io::Error> {
        self.shared.borrow().reset.then(|| ErrorKind::ConnectionReset.into())
    }

    fn address(&self) -> Option<IpAddr> {
        Some(Ipv4Addr::LOCALHOST.into())
    }

    fn shutdown_send(&self) {
        self.shared.borrow_mut().to_client.end();
    }

    fn reset_on_close(&self) {
        self.shared.borrow_mut().reset_on_close = true;
    }
}

/// The client's end. Closes when dropped.
#[derive(Debug)]
pub struct ClientEnd {
    shared: Rc<RefCell<Shared>>,
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        self.close();
    }
}

impl ClientEnd {
    /// Sends all of `bytes`, waiting while the server does not read.
    ///
    /// # Errors
    /// `ConnectionReset` when the server closed, `BrokenPipe` after an end of our own.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut sent = 0;
        poll_fn(|context| {
            let mut shared = self.shared.borrow_mut();
            while sent < bytes.len() {
                if shared.server_closed && !shared.reset {
                    shared.reset();
                }
                if shared.reset {
                    return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
                }
                if shared.to_server.ended {
                    return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
                }
                match shared.to_server.write(&[IoSlice::new(&bytes[sent..])]) {
                    Ok(count) => sent += count,
                    Err(_full) => return wait(&mut shared.to_server.writer, context),
                }
            }
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Receives what the server sent, waiting until something is there. `Ok(0)` is the end.
    ///
    /// # Errors
    /// `ConnectionReset` when the server reset the connection.
    pub async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| {
            let mut shared = self.shared.borrow_mut();
            if shared.reset {
                return Poll::Ready(Err(ErrorKind::ConnectionReset.into()));
            }
            if shared.client_closed {
                return Poll::Ready(Ok(0));
            }
            match shared.to_client.read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    wait(&mut shared.to_client.reader, context)
                }
                read => Poll::Ready(read),
            }
        })
        .await
    }

    /// Ends our side; the server may still answer.
    pub fn end(&self) {
        self.shared.borrow_mut().to_server.end();
    }

    /// Closes both sides. The server sees an end until it sends.
    pub fn close(&self) {
        self.shared.borrow_mut().close_client();
    }

    /// Resets the connection: nothing on its way arrives.
    pub fn reset(&self) {
        let mut shared = self.shared.borrow_mut();
        shared.client_closed = true;
        shared.reset();
    }

    /// Whether the server dropped its end.
    #[must_use]
    pub fn is_closed_by_server(&self) -> bool {
        self.shared.borrow().server_closed
    }

    /// Wakes whoever waits, without cause: a future must look again and wait on.
    pub fn wake_all(&self) {
        let mut shared = self.shared.borrow_mut();
        let Shared { to_server, to_client, .. } = &mut *shared;
        for lane in [to_server, to_client] {
            wake(&mut lane.reader);
            wake(&mut lane.writer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now<O>(future: impl Future<Output = O>) -> Option<O> {
        let mut future = std::pin::pin!(future);
        match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        }
    }

    fn kind<T>(result: io::Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn a_full_window_holds_the_writer_up() {
        let (server, client) = pipe(Windows { to_server_bytes_max: 4, to_client_bytes_max: 3 });
        assert!(now(client.write(b"abcdef")).is_none());
        let mut buffer = [0; 8];
        assert_eq!(server.receive(&mut buffer).ok(), Some(4));
        assert_eq!(server.send(b"12345").ok(), Some(3));
        assert_eq!(kind(server.send(b"45")), Some(ErrorKind::WouldBlock));
        assert!(now(server.writable()).is_none());
        assert!(matches!(now(client.read(&mut buffer)), Some(Ok(3))));
        assert!(now(server.writable()).is_some());
    }

    #[test]
    fn what_is_received_behind_something_fills_its_capacity_and_no_more() {
        let (server, client) = pipe(Windows::default());
        let mut buffer = Vec::with_capacity(8);
        let capacity = buffer.capacity();
        buffer.extend_from_slice(b"ab");
        assert_eq!(kind(server.receive_behind(&mut buffer)), Some(ErrorKind::WouldBlock));
        assert!(matches!(now(client.write(&[b'c'; 64])), Some(Ok(()))));
        assert_eq!(server.receive_behind(&mut buffer).ok(), Some(capacity - 2));
        assert_eq!(buffer, [&b"ab"[..], &vec![b'c'; capacity - 2]].concat());
        assert_eq!(buffer.capacity(), capacity);
        client.end();
        let mut rest = Vec::with_capacity(128);
        assert_eq!(server.receive_behind(&mut rest).ok(), Some(66 - capacity));
        assert_eq!(server.receive_behind(&mut rest).ok(), Some(0));
        assert_eq!(rest.len(), 66 - capacity);
    }

    #[test]
    fn a_peer_that_closed_shows_at_the_second_send() {
        let (server, client) = pipe(Windows::default());
        assert!(matches!(now(client.write(b"ab")), Some(Ok(()))));
        client.close();
        let mut buffer = [0; 8];
        assert_eq!(server.receive(&mut buffer).ok(), Some(2));
        assert_eq!(server.receive(&mut buffer).ok(), Some(0));
        assert!(server.pending_error().is_none());
        assert_eq!(server.send(b"answer").ok(), Some(6));
        assert!(server.pending_error().is_some());
        assert_eq!(kind(server.send(b"more")), Some(ErrorKind::ConnectionReset));
    }

    #[test]
    fn a_peer_that_ended_its_side_still_listens() {
        let (server, client) = pipe(Windows::default());
        client.end();
        let mut buffer = [0; 8];
        assert_eq!(server.receive(&mut buffer).ok(), Some(0));
        assert_eq!(server.send(b"answer").ok(), Some(6));
        assert!(server.pending_error().is_none());
        drop(server);
        assert!(matches!(now(client.read(&mut buffer)), Some(Ok(6))));
        assert!(matches!(now(client.read(&mut buffer)), Some(Ok(0))));
    }

    #[test]
    fn closing_on_unread_bytes_destroys_the_answer() {
        let (server, client) = pipe(Windows::default());
        assert!(matches!(now(client.write(b"unread")), Some(Ok(()))));
        assert_eq!(server.send(b"answer").ok(), Some(6));
        drop(server);
        let read = now(client.read(&mut [0; 8])).expect("an end");
        assert_eq!(kind(read), Some(ErrorKind::ConnectionReset));
    }
}
