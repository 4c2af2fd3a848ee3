//! Moments on the one clock of a process: `Now` and `Deadline`.
//!
//! Both count nanoseconds from an origin that the clock chose when it started, so that arithmetic
//! is cheap and a test can begin at zero. Durations are `std::time::Duration`.
//! Invariant: a clock never runs backwards; `Now` values of one clock compare in the order in which
//! they were read.
//! Not here: who reads the clock (`rt::clock`, the test clock), who waits (`timers`).

use std::time::Duration;

/// A moment, as its clock told it: nanoseconds since the clock's origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Now(pub u64);

/// A moment until which something may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(pub u64);

impl Now {
    /// The moment `timeout` after this one. Saturates at the end of time.
    #[must_use]
    pub fn after(self, timeout: Duration) -> Deadline {
        Deadline(self.0.saturating_add(nanos(timeout)))
    }

    /// The time that passed from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Deadline {
    /// A deadline that never comes.
    pub const NEVER: Self = Self(u64::MAX);

    /// Whether `now` is this moment or later.
    #[must_use]
    pub fn passed(self, now: Now) -> bool {
        now.0 >= self.0
    }

    /// The time left at `now`; zero once passed.
    #[must_use]
    pub fn left(self, now: Now) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(now.0))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_passed_at_its_moment_and_saturates() {
        let now = Now(10);
        let deadline = now.after(Duration::from_nanos(5));
        assert!(!deadline.passed(Now(14)));
        assert!(deadline.passed(Now(15)));
        assert_eq!(deadline.left(Now(12)), Duration::from_nanos(3));
        assert_eq!(Now(1).after(Duration::MAX), Deadline::NEVER);
    }
}
