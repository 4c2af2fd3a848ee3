//! What a run counts: latencies as histograms, answers, faults.
//!
//! Each thread has one of its own; at the end they are added. Latencies are kept in nanoseconds
//! with three significant digits.
//! Limits: `LATENCY_MAX`; what took longer counts as that.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::base::time::Now;
use crate::load::fault::{Fault, FaultKind};

/// The longest latency that is told apart from longer ones.
const LATENCY_MAX: Duration = Duration::from_hours(1);
const SIGNIFICANT_DIGITS: u8 = 3;

/// Durations, and how many of each there were.
#[derive(Clone, Debug)]
pub(super) struct Latencies(Histogram<u64>);

impl Latencies {
    pub(super) fn new() -> Self {
        let most = u64::try_from(LATENCY_MAX.as_nanos()).unwrap_or(u64::MAX);
        let histogram = Histogram::new_with_bounds(1, most, SIGNIFICANT_DIGITS);
        #[expect(clippy::expect_used, reason = "bounds that are constant and right")]
        Self(histogram.expect("the bounds"))
    }

    pub(super) fn record(&mut self, duration: Duration) {
        self.0.saturating_record(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
    }

    pub(super) fn count(&self) -> u64 {
        self.0.len()
    }

    /// Microseconds within which such a share of all lie; `None` where there are none.
    pub(super) fn quantile_us(&self, quantile: f64) -> Option<f64> {
        (!self.0.is_empty()).then(|| micros(self.0.value_at_quantile(quantile)))
    }

    pub(super) fn max_us(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| micros(self.0.max()))
    }

    pub(super) fn mean_us(&self) -> Option<f64> {
        (!self.0.is_empty()).then(|| self.0.mean() / 1000.0)
    }

    fn add(&mut self, other: &Self) {
        // Both have the same bounds.
        let added = self.0.add(&other.0);
        debug_assert!(added.is_ok(), "{added:?}");
    }
}

#[expect(clippy::cast_precision_loss, reason = "an hour in nanoseconds has 42 bits")]
fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// Faults of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) count: u64,
    /// The first of them.
    pub(super) sample: String,
}

/// What one thread, or all of them, counted.
#[derive(Clone, Debug)]
pub(super) struct Tally {
    /// From when a request was due, or sent in a closed loop, to the end of its answer.
    pub(super) latency: Latencies,
    /// From there to the first event of its stream.
    pub(super) first_event: Latencies,
    /// From one event of a stream to the next.
    pub(super) event_gap: Latencies,
    /// Requests that were answered, and rightly.
    pub(super) answered: u64,
    /// Requests that were not.
    pub(super) failed: u64,
    pub(super) faults: BTreeMap<FaultKind, Seen>,
    /// Requests that were cut off on purpose.
    pub(super) disconnected: u64,
    /// Connections that were opened anew, those cut on purpose not counted.
    pub(super) reconnected: u64,
    /// When the last answer came.
    pub(super) last: Now,
    /// CPU time of the thread that counted.
    pub(super) cpu: Duration,
    /// The largest share of the time that one thread was at work, 0 to 1.
    pub(super) busy: f64,
    /// The largest share that one waited for a CPU that others had.
    pub(super) waited: f64,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self {
            latency: Latencies::new(),
            first_event: Latencies::new(),
            event_gap: Latencies::new(),
            answered: 0,
            failed: 0,
            faults: BTreeMap::new(),
            disconnected: 0,
            reconnected: 0,
            last: Now::default(),
            cpu: Duration::ZERO,
            busy: 0.0,
            waited: 0.0,
        }
    }

    /// A request that was due at this moment is over.
    pub(super) fn over(&mut self, due: Now, now: Now, verdict: Result<(), Fault>) {
        self.last = self.last.max(now);
        match verdict {
            Ok(()) => self.answered += 1,
            Err(fault) => {
                // Without an answer it waited at least so long; else faults would hide stalls.
                let counts = matches!(fault.kind, FaultKind::Timeout | FaultKind::Unsent);
                self.fault(fault, 1);
                if !counts {
                    return;
                }
            }
        }
        self.latency.record(now.since(due));
    }

    /// So many requests failed alike.
    pub(super) fn fault(&mut self, fault: Fault, count: u64) {
        if count > 0 {
            self.failed += count;
            let seen = Seen { count: 0, sample: fault.sample };
            self.faults.entry(fault.kind).or_insert(seen).count += count;
        }
    }

    /// Requests that cost CPU time, rightly answered or not.
    pub(super) fn sent(&self) -> u64 {
        let faults = self.faults.iter().filter(|(kind, _)| kind.reached_the_server());
        let failed: u64 = faults.map(|(_, seen)| seen.count).sum();
        self.answered + self.disconnected + failed
    }

    /// Adds what another thread counted at the same time.
    pub(super) fn add(&mut self, other: Self) {
        self.latency.add(&other.latency);
        self.first_event.add(&other.first_event);
        self.event_gap.add(&other.event_gap);
        self.answered += other.answered;
        self.disconnected += other.disconnected;
        self.reconnected += other.reconnected;
        self.last = self.last.max(other.last);
        self.cpu += other.cpu;
        self.busy = self.busy.max(other.busy);
        self.waited = self.waited.max(other.waited);
        self.add_faults(other.faults);
    }

    /// Adds what went wrong at another time, when nothing was measured.
    pub(super) fn add_faults(&mut self, faults: BTreeMap<FaultKind, Seen>) {
        for (kind, seen) in faults {
            self.fault(Fault { kind, sample: seen.sample }, seen.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now(ms * 1_000_000)
    }

    #[test]
    fn latencies_count_from_when_requests_were_due() {
        let mut tally = Tally::new();
        for due_ms in 0..1000 {
            // Nobody is answered before the stall is over.
            tally.over(at(due_ms), at(1000), Ok(()));
        }
        let near = |quantile: f64, ms: f64| {
            let us = tally.latency.quantile_us(quantile).expect("some");
            assert!((us / 1000.0 - ms).abs() / ms < 0.002, "{quantile}: {us} us, not {ms} ms");
        };
        near(0.5, 500.0);
        near(0.9, 900.0);
        near(0.999, 999.0);
        near(1.0, 1000.0);
        assert_eq!((tally.answered, tally.failed, tally.last), (1000, 0, at(1000)));
    }

    #[test]
    fn what_was_never_answered_counts_with_its_wait_and_what_was_wrong_does_not() {
        let mut tally = Tally::new();
        for kind in [FaultKind::Timeout, FaultKind::Unsent, FaultKind::Text, FaultKind::Closed] {
            tally.over(at(1), at(11), Err(Fault::new(kind, "x")));
        }
        assert_eq!((tally.latency.count(), tally.answered, tally.failed), (2, 0, 4));
        assert_eq!(tally.sent(), 3, "what was never sent cost nothing");
        assert_eq!(Latencies::new().quantile_us(0.5), None);
    }

    #[test]
    fn threads_add_up() {
        let (mut one, mut other) = (Tally::new(), Tally::new());
        one.over(at(0), at(1), Ok(()));
        other.over(at(0), at(3), Ok(()));
        one.fault(Fault::new(FaultKind::Text, "first"), 2);
        other.fault(Fault::new(FaultKind::Text, "second"), 3);
        other.fault(Fault::new(FaultKind::Id, "id"), 0);
        (one.busy, other.busy) = (0.25, 0.5);
        (one.waited, other.waited) = (0.125, 0.0);
        one.add(other);
        assert_eq!((one.answered, one.failed, one.last, one.busy), (2, 5, at(3), 0.5));
        assert!((one.waited - 0.125).abs() < f64::EPSILON, "{}", one.waited);
        let seen = Seen { count: 5, sample: "first".to_owned() };
        assert_eq!(one.faults, BTreeMap::from([(FaultKind::Text, seen)]));
    }
}
