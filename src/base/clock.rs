//! Time, as one core sees it: the present moment, and the timers that wait for later ones.
//!
//! `rt::clock` reads the machine's; tests have one that they turn.

use std::fmt;

use super::time::Now;
use super::timers::Timers;

/// The clock of one core.
pub trait Clock: fmt::Debug {
    /// The present moment.
    fn now(&self) -> Now;

    /// The second of the calendar, counted from 1970 in UTC. It may jump.
    fn unix_seconds(&self) -> u64;

    /// The core's timers, which whoever drives this clock advances.
    fn timers(&self) -> &Timers;
}
