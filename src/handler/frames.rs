//! The notifications of one call on their way out: framed as they are made, sent when the
//! connection next writes.
//!
//! In: JSON-RPC notifications. Out: the bytes of a stream in its format, every frame that became
//! ready in one turn of the loop in one piece. Spec: WHATWG HTML §9.2 (server-sent events); NDJSON:
//! one message a line. Limit: `stream_buffer_bytes_max`; a frame that finds no room is dropped and
//! counted, so a handler that must not lose one waits for room before it goes on.
//! Invariant: whole frames only; what a stream carries first is what was made first.

use std::task::Waker;

use crate::http::frame::frame;
use crate::http::negotiate::StreamFormat;

/// The frames of one call that are not sent yet.
#[derive(Debug, Default)]
pub struct Frames {
    format: Option<StreamFormat>,
    bytes: Vec<u8>,
    bytes_max: usize,
    dropped_count: u64,
    waiting: Vec<Waker>,
}

impl Frames {
    /// Makes this ready for a call. Without a format the client takes no stream, and every frame is
    /// left out.
    pub fn open(&mut self, format: Option<StreamFormat>, bytes_max: usize) {
        self.bytes.clear();
        self.waiting.clear();
        self.dropped_count = 0;
        self.format = format;
        self.bytes_max = bytes_max;
    }

    /// Appends the message that `write` writes. Returns whether it was taken.
    pub fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(format) = self.format else { return false };
        if !self.has_room() {
            self.note_dropped();
            return false;
        }
        frame(&mut self.bytes, format, write);
        true
    }

    /// How they are framed; `None` when the client takes no stream.
    #[must_use]
    pub fn format(&self) -> Option<StreamFormat> {
        self.format
    }

    /// Whether the client takes a stream.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.format.is_some()
    }

    /// Whether the next frame would be taken.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.bytes.len() < self.bytes_max
    }

    /// Whether nothing waits to be sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Asks to be woken when frames were taken.
    pub fn wake_at_room(&mut self, waker: &Waker) {
        if !self.waiting.iter().any(|held| held.will_wake(waker)) {
            self.waiting.push(waker.clone());
        }
    }

    /// Hands the frames over by `send` and wakes who waits for room.
    pub fn take(&mut self, send: impl FnOnce(&[u8])) {
        send(&self.bytes);
        self.bytes.clear();
        for waker in self.waiting.drain(..) {
            waker.wake();
        }
    }

    /// Notes that one found no room, here or where it went instead.
    pub fn note_dropped(&mut self) {
        self.dropped_count += 1;
    }

    /// How many frames found no room.
    #[must_use]
    pub fn dropped_count(&self) -> u64 {
        self.dropped_count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_stop_at_their_limit_and_start_again_once_taken() {
        let mut frames = Frames::default();
        frames.open(Some(StreamFormat::Ndjson), 4);
        assert!(frames.push(|out| out.extend_from_slice(b"{}")));
        assert!(frames.push(|out| out.extend_from_slice(b"{}")), "three bytes are below four");
        assert!(!frames.push(|out| out.extend_from_slice(b"{}")));
        assert_eq!(frames.dropped_count(), 1);
        let mut sent = Vec::new();
        frames.take(|bytes| sent.extend_from_slice(bytes));
        assert_eq!(sent, b"{}\n{}\n");
        assert!(frames.push(|out| out.extend_from_slice(b"{}")));
    }
}
