//! Where the events of a stream are kept, so that a client that was cut off can go on behind the
//! last one it saw.
//!
//! `EventStore` opens a log for each stream; a log numbers its events without a gap and forgets
//! from the front. `memory` keeps them in the process. Another store keeps the same promises.
//! Spec: MCP 2025-11-25 transports, "Resumability and Redelivery".

mod memory;

use std::fmt;

pub use self::memory::MemoryStore;

/// Opens logs.
pub trait EventStore: fmt::Debug {
    /// A log for a stream that begins.
    fn open(&self) -> Box<dyn EventLog>;
}

/// The events of one stream, oldest first, whole and framed.
///
/// Invariant: `first() <= next()`; the events from `first()` up to `next()` are kept.
pub trait EventLog: fmt::Debug {
    /// Appends what `write` writes as one event. Returns how many bytes it takes.
    fn append(&mut self, write: &mut dyn FnMut(&mut Vec<u8>)) -> usize;

    /// The number of the oldest event that is kept.
    fn first(&self) -> u64;

    /// The number that the next event will have.
    fn next(&self) -> u64;

    /// The bytes of all events from this number on; `None` if any of them is no longer kept, or if
    /// there was never one before it.
    fn since(&self, number: u64) -> Option<&[u8]>;

    /// Forgets the oldest event. Returns how many bytes that frees; 0 when there is none.
    fn forget(&mut self) -> usize;
}
