//! Bytes in and out, with bounded patience: what an exchange does to its transport.
//!
//! Spec: RFC 9112 §9.6 (closing so that the last answer arrives). Limits: `send_stall_timeout`,
//! `linger_timeout`, `linger_bytes_max`.

use std::io::{ErrorKind, IoSlice};

use super::connection::CloseReason;
use super::shard::Shard;
use super::transport::Transport;
use crate::base::time::Deadline;

/// What a receive found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Bytes, at the end of the buffer.
    Bytes {
        /// Whether they were all there was.
        all: bool,
    },
    /// Nothing yet.
    Nothing,
    /// The end of the peer's stream.
    End,
}

/// Receives what is there to the end of `buffer`.
pub(super) fn receive<T: Transport>(
    transport: &T,
    shard: &Shard,
    buffer: &mut Vec<u8>,
) -> Result<Received, CloseReason> {
    let mut scratch = shard.scratch.borrow_mut();
    loop {
        match transport.receive(&mut scratch) {
            Ok(0) => return Ok(Received::End),
            Ok(count) => {
                buffer.extend_from_slice(&scratch[..count]);
                return Ok(Received::Bytes { all: count < scratch.len() });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(CloseReason::PeerGone),
        }
    }
}

/// Waits until there is something to receive; `Ok(false)` if `deadline` came first.
pub(super) async fn readable<T: Transport>(
    transport: &T,
    shard: &Shard,
    deadline: Deadline,
) -> Result<bool, CloseReason> {
    match shard.clock().timers().timeout(deadline, transport.readable()).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(_)) => Err(CloseReason::PeerGone),
        Err(_elapsed) => Ok(false),
    }
}

/// Sends all of `output` and empties it.
pub(super) async fn flush<T: Transport>(
    transport: &T,
    shard: &Shard,
    output: &mut Vec<u8>,
) -> Result<(), CloseReason> {
    let mut sent = 0;
    while sent < output.len() {
        match transport.send(&output[sent..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                writable(transport, shard).await?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(CloseReason::PeerGone),
        }
    }
    output.clear();
    Ok(())
}

/// Sends slices in one call as far as the peer takes them, and leaves the rest in `output`.
pub(super) fn send_slices<T: Transport>(
    transport: &T,
    slices: &[IoSlice<'_>],
    output: &mut Vec<u8>,
) -> Result<(), CloseReason> {
    let mut sent = match transport.send_vectored(slices) {
        Ok(count) => count,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
        Err(_) => return Err(CloseReason::PeerGone),
    };
    for slice in slices {
        let taken = sent.min(slice.len());
        output.extend_from_slice(&slice[taken..]);
        sent -= taken;
    }
    Ok(())
}

async fn writable<T: Transport>(transport: &T, shard: &Shard) -> Result<(), CloseReason> {
    let deadline = shard.now().after(shard.limits().send_stall_timeout);
    match shard.clock().timers().timeout(deadline, transport.writable()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(CloseReason::PeerGone),
        Err(_elapsed) => {
            transport.reset_on_close();
            Err(CloseReason::Stalled)
        }
    }
}

/// Ends our side and hears the peer out for a while: bytes that arrive at a closed socket make the
/// kernel reset it, and a reset destroys answers that the peer did not read yet.
pub(super) async fn linger<T: Transport>(transport: &T, shard: &Shard) {
    transport.shutdown_send();
    let deadline = shard.now().after(shard.limits().linger_timeout);
    let mut left_bytes = shard.limits().linger_bytes_max;
    loop {
        let received = {
            let mut scratch = shard.scratch.borrow_mut();
            transport.receive(&mut scratch)
        };
        match received {
            Ok(count) if count > 0 && count < left_bytes => left_bytes -= count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !matches!(readable(transport, shard, deadline).await, Ok(true)) {
                    return;
                }
            }
            _ => return,
        }
    }
}
