//! What a connection needs of its byte pipe: `Transport`.
//!
//! `rt/` implements it over sockets, tests over memory. The split into waiting (`readable`,
//! `writable`) and doing (`receive`, `send`) keeps a waiting connection free of buffers, and no
//! wait ever loses a byte when it is dropped.

use std::io::{self, IoSlice};
use std::net::IpAddr;

/// A connected byte pipe, TCP or Unix or simulated. All methods take `&self`: a connection may wait
/// for its peer to hang up while it answers.
#[expect(async_fn_in_trait, reason = "connections are local to their core, so no Send bound")]
pub trait Transport {
    /// Waits until `receive` would not block: bytes, the end of the stream, or an error are there.
    /// Cancel-safe: dropping the future consumes nothing.
    async fn readable(&self) -> io::Result<()>;

    /// Whether bytes are there that `readable` may not have told of yet, as one does that hears
    /// from the kernel a turn later. Asked before a connection that waits is closed.
    fn has_input(&self) -> bool {
        false
    }

    /// Receives what is there without blocking. `Ok(0)` for a non-empty buffer is the end of the
    /// peer's stream.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is there; otherwise what the connection died of.
    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Like `receive`, behind what `buffer` holds, as much as it has capacity for. `Ok(0)` is the
    /// end of the peer's stream if there was any capacity left.
    ///
    /// # Errors
    /// As `receive`.
    fn receive_behind(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let held_bytes = buffer.len();
        buffer.resize(buffer.capacity(), 0);
        let received = self.receive(&mut buffer[held_bytes..]);
        buffer.truncate(held_bytes + *received.as_ref().unwrap_or(&0));
        received
    }

    /// Waits until `send` would not block. Cancel-safe.
    async fn writable(&self) -> io::Result<()>;

    /// Sends without blocking; may take fewer bytes than given.
    ///
    /// # Errors
    /// `WouldBlock` when the peer has no room; otherwise what the connection died of.
    fn send(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Like `send`, of several slices in one call.
    ///
    /// # Errors
    /// As `send`.
    fn send_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize>;

    /// The error that waits on the connection, if one does, without touching its bytes. This is how
    /// a connection whose peer sent its end learns that the peer is gone rather than listening.
    fn pending_error(&self) -> Option<io::Error>;

    /// The address of the peer; `None` where there is none, as over a Unix socket.
    fn address(&self) -> Option<IpAddr>;

    /// Ends our sending side: the peer sees the end of the stream after what was sent.
    fn shutdown_send(&self);

    /// Makes closing reset the connection, so that unsent bytes are dropped instead of lingering in
    /// the kernel on behalf of a peer that takes none.
    fn reset_on_close(&self);
}
