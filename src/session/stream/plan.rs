//! What an event stream is told and tells: how it is made, what its carrier has to do, what its
//! growth comes to, why it is not resumed.
//!
//! Values alone; the stream itself is in `mod`.

use std::time::Duration;

use crate::http::negotiate::StreamFormat;

/// How a stream is made.
#[derive(Debug)]
pub struct StreamPlan {
    /// Its number in its session, if its events are numbered and kept.
    pub number: Option<u32>,
    /// How its messages are framed.
    pub format: StreamFormat,
    /// Whether its client opened it for what belongs to no request.
    pub is_standalone: bool,
    /// With which `retry` its first event primes it, if it does.
    pub primes: Option<Duration>,
    /// How many events it keeps.
    pub events_max: usize,
    /// How many bytes may wait for its carrier.
    pub unsent_bytes_max: usize,
}

/// What a carrier has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Take events.
    Events,
    /// Take the one document that is all there is.
    Document,
    /// Nothing will come any more: end the answer.
    Ended,
    /// End the answer for now, and tell the client to come back after this long.
    Paused(Duration),
    /// Another carrier took over, or the stream is kept no more: leave at once.
    Superseded,
}

/// What an append changed in the memory that the stream takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Growth {
    /// Bytes that came, of a stream that keeps them.
    pub added_bytes: usize,
    /// Bytes that were forgotten for them.
    pub freed_bytes: usize,
}

/// Why a stream is not resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotResumed {
    /// No event had this number yet.
    NeverSent,
    /// Events behind it are no longer kept.
    Forgotten,
    /// The stream ended with it.
    Over,
}
