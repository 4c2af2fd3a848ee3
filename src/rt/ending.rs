//! How a server ends: `Ending`, a flag that every worker looks at when its bell rings.
//!
//! Runs ─▶ drains, or ─▶ hands over. The first order decides; later ones change nothing, so that of
//! a signal to end and a successor that is ready exactly one wins.

use std::sync::atomic::{AtomicU8, Ordering};

const RUNS: u8 = 0;
const DRAINS: u8 = 1;
const HANDS_OVER: u8 = 2;

/// What is to become of the listening sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// What waits in their backlogs is taken, then they stop listening, unless they are lent.
    Drain,
    /// They are let go at once: another process accepts from the same ones.
    HandOver,
}

/// Set once, before the bells are rung.
#[derive(Debug, Default)]
pub(super) struct Ending(AtomicU8);

impl Ending {
    /// Begins the end, unless it has begun. Whether it is this one that begins.
    pub(super) fn begin(&self, end: End) -> bool {
        let wanted = match end {
            End::Drain => DRAINS,
            End::HandOver => HANDS_OVER,
        };
        self.0.compare_exchange(RUNS, wanted, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The end that has begun, if one has.
    pub(super) fn begun(&self) -> Option<End> {
        match self.0.load(Ordering::Acquire) {
            RUNS => None,
            HANDS_OVER => Some(End::HandOver),
            _ => Some(End::Drain),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_order_decides() {
        for (first, second) in [(End::Drain, End::HandOver), (End::HandOver, End::Drain)] {
            let ending = Ending::default();
            assert_eq!(ending.begun(), None);
            assert!(ending.begin(first) && !ending.begin(second) && !ending.begin(first));
            assert_eq!(ending.begun(), Some(first));
        }
    }
}
