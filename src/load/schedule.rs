//! When requests are due in an open loop, and which of them wait.
//!
//! Requests are due at even distances, whatever the server does: the n-th at `n / rate` after the
//! start. One that is due while no connection is free waits, and its latency counts from the moment
//! when it was due. So a server that stands still for a second shows it in every request that was
//! due in that second, which a closed loop would never have sent.
//! In: `Now`. Out: the due moments, in order. Limits: `WAITING_MAX`; what is due beyond it is
//! refused and counted.
//! Invariant: each index is handed out, refused, or waits: once.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::time::Now;

/// Requests that wait for a free connection, in each thread. Beyond it they are refused.
pub(super) const WAITING_MAX: usize = 100_000;
const NANOS: u128 = 1_000_000_000;
const MICROS: f64 = 1_000_000.0;

/// A rate of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests in a million seconds, so that what people write is kept exactly.
    per_million_seconds: u64,
}

impl Rate {
    /// The lowest rate: a request in a hundred seconds.
    pub const MIN: f64 = 0.01;
    /// The highest, which is far beyond any machine.
    pub const MAX: f64 = 100_000_000.0;

    /// So many requests a second; `None` unless from [`MIN`](Self::MIN) to [`MAX`](Self::MAX).
    #[must_use]
    pub fn per_second(count: f64) -> Option<Self> {
        if !(Self::MIN..=Self::MAX).contains(&count) {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the bounds, which fit"
        )]
        let per_million_seconds = (count * MICROS).round() as u64;
        Some(Self { per_million_seconds })
    }

    /// Requests a second.
    #[must_use]
    pub fn as_per_second(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "at most 10^14")]
        let per_million_seconds = self.per_million_seconds as f64;
        per_million_seconds / MICROS
    }

    /// When the request with this index is due, after the start.
    #[must_use]
    pub fn due_after(self, index: u64) -> Duration {
        let nanos = u128::from(index) * NANOS * 1_000_000 / u128::from(self.per_million_seconds);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// The last index that is due by then, counted from the start.
    fn last_index_by(self, elapsed: Duration) -> u64 {
        let due_before = (elapsed.as_nanos() + 1) * u128::from(self.per_million_seconds);
        let count = due_before.div_ceil(NANOS * 1_000_000);
        u64::try_from(count - 1).unwrap_or(u64::MAX)
    }
}

/// The requests of one thread: every `stride`-th of the whole run.
#[derive(Debug)]
pub(super) struct Schedule {
    rate: Rate,
    start: Now,
    end: Now,
    next_index: u64,
    stride: u64,
    waiting: VecDeque<Now>,
    refused: u64,
}

impl Schedule {
    /// The share of thread `index` of `threads`, from `start` until before `end`.
    pub(super) fn new(rate: Rate, start: Now, end: Now, index: usize, threads: usize) -> Self {
        Self {
            rate,
            start,
            end,
            next_index: index as u64,
            stride: threads.max(1) as u64,
            waiting: VecDeque::new(),
            refused: 0,
        }
    }

    /// When the next request becomes due; `None` when there are no more.
    pub(super) fn next_due(&self) -> Option<Now> {
        let due = Now(self.start.after(self.rate.due_after(self.next_index)).0);
        (due < self.end).then_some(due)
    }

    /// Notes what has become due.
    pub(super) fn advance(&mut self, now: Now) {
        while let Some(due) = self.next_due().filter(|due| *due <= now) {
            if self.waiting.len() >= WAITING_MAX {
                self.refuse_until(now);
                return;
            }
            self.next_index = self.next_index.saturating_add(self.stride);
            self.waiting.push_back(due);
        }
    }

    /// Refuses what is due by now, of which there is some: at once, since at a high rate more would
    /// become due while each is looked at.
    fn refuse_until(&mut self, now: Now) {
        let until = Now(now.0.min(self.end.0.saturating_sub(1)));
        let last = self.rate.last_index_by(until.since(self.start));
        let count = last.saturating_sub(self.next_index) / self.stride + 1;
        self.refused += count;
        self.next_index = self.next_index.saturating_add(count.saturating_mul(self.stride));
    }

    /// Takes the request that waits longest: the moment when it was due.
    pub(super) fn take(&mut self) -> Option<Now> {
        self.waiting.pop_front()
    }

    /// Whether a request waits.
    pub(super) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many were refused since this was asked last.
    pub(super) fn take_refused(&mut self) -> u64 {
        std::mem::take(&mut self.refused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn rate(per_second: f64) -> Rate {
        Rate::per_second(per_second).expect("a rate")
    }

    fn drain(schedule: &mut Schedule) -> Vec<u64> {
        std::iter::from_fn(|| schedule.take()).map(|due| due.0 / MS).collect()
    }

    #[test]
    fn requests_are_due_at_even_distances_that_do_not_drift() {
        let table = [
            (1000.0, 1, MS),
            (1000.0, 1_000_000, 1000 * 1000 * MS),
            (3.0, 1, 333_333_333),
            (3.0, 3, 1000 * MS),
            (3.0, 3_000_000, 1_000_000 * 1000 * MS),
            (0.5, 1, 2000 * MS),
            (100_000_000.0, u64::MAX, u64::MAX),
        ];
        for (per_second, index, nanos) in table {
            let due = rate(per_second).due_after(index);
            assert_eq!(due, Duration::from_nanos(nanos), "{per_second} {index}");
        }
    }

    #[test]
    fn rates_outside_their_bounds_are_none() {
        for bad in [0.0, -1.0, 0.009, 100_000_001.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Rate::per_second(bad), None, "{bad}");
        }
        for good in [Rate::MIN, 0.5, 1.0, 12_345.678, Rate::MAX] {
            assert!((rate(good).as_per_second() - good).abs() < 1e-6, "{good}");
        }
    }

    #[test]
    fn threads_share_the_requests_and_leave_none_out() {
        let (start, end) = (Now(5 * MS), Now(15 * MS));
        let mut all = Vec::new();
        for index in 0..3 {
            let mut schedule = Schedule::new(rate(1000.0), start, end, index, 3);
            schedule.advance(Now(20 * MS));
            assert_eq!(schedule.next_due(), None, "over at its end");
            all.extend(drain(&mut schedule));
        }
        all.sort_unstable();
        assert_eq!(all, (5..15).collect::<Vec<_>>());
    }

    #[test]
    fn what_waits_through_a_stall_counts_from_when_it_was_due() {
        let mut schedule = Schedule::new(rate(1000.0), Now(0), Now(2000 * MS), 0, 1);
        schedule.advance(Now(0));
        assert_eq!(schedule.take(), Some(Now(0)));
        assert_eq!(schedule.take(), None, "the next one is due in 1 ms");
        assert_eq!(schedule.next_due(), Some(Now(MS)));
        // No connection is free for a second.
        let after = Now(1000 * MS);
        schedule.advance(after);
        let waited: Vec<_> = std::iter::from_fn(|| schedule.take())
            .map(|due| after.since(due).as_millis())
            .collect();
        assert_eq!(waited, (0..1000).rev().collect::<Vec<_>>());
    }

    #[test]
    fn what_waits_is_bounded_and_what_is_refused_is_counted() {
        let mut schedule = Schedule::new(rate(1_000_000.0), Now(0), Now(u64::MAX), 0, 1);
        let due = |count: usize| Now((count as u64 - 1) * 1000);
        schedule.advance(due(WAITING_MAX));
        assert_eq!(schedule.take_refused(), 0);
        schedule.advance(due(WAITING_MAX + 1));
        assert_eq!(schedule.take_refused(), 1);
        assert_eq!(std::iter::from_fn(|| schedule.take()).count(), WAITING_MAX);
        assert!(!schedule.has_waiting());
    }

    #[test]
    fn the_last_index_that_is_due_is_the_one_before_the_next() {
        for per_second in [Rate::MIN, 0.3, 3.0, 999.9, 12_345.678, 7e7, Rate::MAX] {
            for nanos in [0, 1, 9, 10, 333_333_333, 333_333_334, 1_000_000_000, 60_000_000_007] {
                let (rate, elapsed) = (rate(per_second), Duration::from_nanos(nanos));
                let last = rate.last_index_by(elapsed);
                assert!(rate.due_after(last) <= elapsed, "{per_second} {nanos}: {last}");
                assert!(rate.due_after(last + 1) > elapsed, "{per_second} {nanos}: {last}");
            }
        }
    }

    #[test]
    fn every_request_of_a_rate_that_nobody_reaches_is_accounted_for() {
        let mut refused = 0;
        for index in 0..3 {
            let end = Now(3_600_000 * MS);
            let mut schedule = Schedule::new(rate(Rate::MAX), Now(0), end, index, 3);
            for minute in 1..=61 {
                schedule.advance(Now(minute * 60_000 * MS));
            }
            assert_eq!(schedule.next_due(), None);
            refused += schedule.take_refused() + drain(&mut schedule).len() as u64;
        }
        assert_eq!(refused, 360_000_000_000, "of an hour");
    }
}
