//! A clock that is turned: time passes when its executor has nothing else to do.
//!
//! Invariant: it never runs backwards, and its timers stand where it stands.

use std::cell::Cell;
use std::rc::Rc;

use crate::base::clock::Clock;
use crate::base::time::{Deadline, Now};
use crate::base::timers::Timers;

/// Time that somebody turns.
#[derive(Debug)]
pub struct VirtualClock {
    now: Cell<Now>,
    timers: Timers,
}

impl VirtualClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn starting_at(now: Now) -> Rc<Self> {
        let timers = Timers::new();
        timers.advance(now);
        Rc::new(Self { now: Cell::new(now), timers })
    }

    /// Turns the clock to `moment` and wakes who waited for it. A moment that has passed does
    /// nothing.
    pub fn advance_to(&self, moment: Deadline) {
        if moment != Deadline::NEVER {
            self.now.set(Now(self.now.get().0.max(moment.0)));
            self.timers.advance(self.now.get());
        }
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        self.now.get()
    }

    fn unix_seconds(&self) -> u64 {
        EPOCH_UNIX_SECONDS + self.now.get().0 / 1_000_000_000
    }

    fn timers(&self) -> &Timers {
        &self.timers
    }
}

/// The calendar's second at the origin of every virtual clock: 2026-07-28 00:00:00 UTC.
const EPOCH_UNIX_SECONDS: u64 = 1_785_196_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_forward_only() {
        let clock = VirtualClock::starting_at(Now(7_000_000));
        clock.advance_to(Deadline(9_000_000));
        clock.advance_to(Deadline(8_000_000));
        clock.advance_to(Deadline::NEVER);
        assert_eq!(clock.now(), Now(9_000_000));
    }
}
