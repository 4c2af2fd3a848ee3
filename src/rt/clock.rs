//! The machine's clock: `CoreClock`, one for each worker, all with the same origin.
//!
//! In: the monotonic clock of the system. Out: `Now`, and the `Timers` of the core.
//! Invariant: moments of two workers of one `serve` compare, because their origin is the same.
//! Not here: who advances the timers (`ticker`).

use std::time::Instant;

use crate::base::clock::Clock;
use crate::base::time::Now;
use crate::base::timers::Timers;

/// The moment from which all clocks of a process count.
#[derive(Clone, Copy, Debug)]
pub struct Origin(Instant);

impl Origin {
    /// The present moment, as an origin.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the clock is what all others ask")]
    pub fn now() -> Self {
        Self(Instant::now())
    }
}

/// For how many sleeps there is room from the start: those of some ten thousand connections.
const SLEEPS_RESERVED: usize = 32 * 1024;

/// Time as one worker sees it.
#[derive(Debug)]
pub struct CoreClock {
    origin: Origin,
    timers: Timers,
}

impl CoreClock {
    /// A clock that counts from `origin`, with no timer armed.
    #[must_use]
    pub fn new(origin: Origin) -> Self {
        Self { origin, timers: Timers::with_room(SLEEPS_RESERVED) }
    }
}

impl Clock for CoreClock {
    fn now(&self) -> Now {
        // 2^64 nanoseconds are 584 years.
        Now(u64::try_from(self.origin.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn unix_seconds(&self) -> u64 {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::RealtimeCoarse);
        u64::try_from(now.tv_sec).unwrap_or(0)
    }

    fn timers(&self) -> &Timers {
        &self.timers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_of_one_origin_agree() {
        let origin = Origin::now();
        let (one, other) = (CoreClock::new(origin), CoreClock::new(origin));
        let (a, b, c) = (one.now(), other.now(), one.now());
        assert!(a <= b && b <= c);
    }
}
