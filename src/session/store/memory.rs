//! Events kept in the memory of the process: a run of bytes and where each event ends.
//!
//! The bytes of all events stand one behind the other, so that whatever is due is one slice. A log
//! that keeps nothing is a number.
//! Invariant: `front + sum(lengths) == bytes.len()`; what is kept is not empty.

use std::collections::VecDeque;

use super::{EventLog, EventStore};

/// Keeps events as long as the process and its bounds let it.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemoryStore;

impl EventStore for MemoryStore {
    fn open(&self) -> Box<dyn EventLog> {
        Box::<MemoryLog>::default()
    }
}

#[derive(Debug, Default)]
struct MemoryLog {
    first: u64,
    kept: Option<Box<Kept>>,
}

/// The events that are kept.
#[derive(Debug, Default)]
struct Kept {
    bytes: Vec<u8>,
    /// Up to here `bytes` is forgotten.
    front: usize,
    lengths: VecDeque<usize>,
}

impl EventLog for MemoryLog {
    fn append(&mut self, write: &mut dyn FnMut(&mut Vec<u8>)) -> usize {
        let kept = self.kept.get_or_insert_default();
        let start = kept.bytes.len();
        write(&mut kept.bytes);
        let length = kept.bytes.len() - start;
        kept.lengths.push_back(length);
        length
    }

    fn first(&self) -> u64 {
        self.first
    }

    fn next(&self) -> u64 {
        self.first + self.kept.as_ref().map_or(0, |kept| kept.lengths.len() as u64)
    }

    fn since(&self, number: u64) -> Option<&[u8]> {
        let behind = usize::try_from(self.next().checked_sub(number)?).ok()?;
        if number < self.first {
            return None;
        }
        let Some(kept) = &self.kept else { return Some(&[]) };
        let due: usize = kept.lengths.iter().rev().take(behind).sum();
        kept.bytes.get(kept.bytes.len() - due..)
    }

    fn forget(&mut self) -> usize {
        let Some(kept) = &mut self.kept else { return 0 };
        let length = kept.lengths.pop_front().unwrap_or_default();
        self.first += 1;
        kept.front += length;
        if kept.lengths.is_empty() {
            // A stream that is taken as fast as it is written holds nothing.
            self.kept = None;
        } else if kept.front > kept.bytes.len() / 2 {
            kept.bytes.drain(..kept.front);
            kept.front = 0;
        }
        length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(count: u64) -> Box<dyn EventLog> {
        let mut log = MemoryStore.open();
        for number in 0..count {
            log.append(&mut |out| out.extend_from_slice(format!("<{number}>").as_bytes()));
        }
        log
    }

    #[test]
    fn what_is_kept_is_given_whole_and_what_is_not_is_refused() {
        let mut log = numbered(5);
        assert_eq!(log.since(0), Some(&b"<0><1><2><3><4>"[..]));
        assert_eq!(log.since(4), Some(&b"<4>"[..]));
        assert_eq!(log.since(5), Some(&b""[..]));
        assert_eq!(log.since(6), None);
        assert_eq!((log.forget(), log.forget()), (3, 3));
        assert_eq!((log.first(), log.next()), (2, 5));
        assert_eq!(log.since(1), None);
        assert_eq!(log.since(2), Some(&b"<2><3><4>"[..]));
        log.append(&mut |out| out.extend_from_slice(b"<5>"));
        assert_eq!(log.since(4), Some(&b"<4><5>"[..]));
        while log.forget() > 0 {}
        assert_eq!((log.first(), log.next()), (6, 6));
        assert_eq!(log.since(6), Some(&b""[..]));
        log.append(&mut |out| out.extend_from_slice(b"<6>"));
        assert_eq!(log.since(6), Some(&b"<6>"[..]));
    }
}
