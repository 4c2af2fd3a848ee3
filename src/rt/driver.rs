//! Which driver a worker stands on, and the monoio runtime that it gives.
//!
//! In: `IoChoice`, as set by the operator. Out: `Driver`, decided once by a trial ring, and `Core`,
//! a runtime of that driver, built on the thread that will run it (`SINGLE_ISSUER` demands it).
//! The flags COOP_TASKRUN, TASKRUN_FLAG and SINGLE_ISSUER need Linux 6.0; an older kernel answers
//! EINVAL and gets a ring without flags. DEFER_TASKRUN is not used: monoio submits without asking
//! for events, so deferred work would starve while the run queue is not empty.
//! Invariant: a runtime that ran is never dropped. Its ring may still hold operations, and wakers
//! on other threads may hold its tasks; dropping it would free them under the kernel or on the
//! wrong thread. A process ends after its drain, so the leak is bounded by the number of workers.

use std::fmt;
use std::future::Future;
use std::io;
use std::str::FromStr;
use std::time::Duration;

use io_uring::IoUring;
use monoio::time::TimeDriver;
use monoio::{IoUringDriver, LegacyDriver, Runtime, RuntimeBuilder};
use rustix::io::Errno;

use crate::base::fault::Fault;
use crate::rt::edges::Edges;

/// Entries of a worker's submission queue. monoio panics when it stays full after a submit.
const RING_ENTRIES: u32 = 4096;

/// Which driver is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum IoChoice {
    /// `io_uring` where the machine allows it, `epoll` otherwise.
    #[default]
    Auto,
    /// `io_uring`, or no start.
    IoUring,
    /// `epoll`.
    Epoll,
}

/// An `--io` value that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown driver `{value}`: expected auto, io_uring or epoll")]
pub struct IoChoiceError {
    /// What was given.
    pub value: String,
}

impl IoChoiceError {
    /// Whose fault it is: the configuration's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

impl FromStr for IoChoice {
    type Err = IoChoiceError;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        match value {
            "auto" => Ok(Self::Auto),
            "io_uring" => Ok(Self::IoUring),
            "epoll" => Ok(Self::Epoll),
            _ => Err(IoChoiceError { value: value.to_owned() }),
        }
    }
}

impl fmt::Display for IoChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::IoUring => "io_uring",
            Self::Epoll => "epoll",
        })
    }
}

/// The driver that was decided on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Driver {
    /// A ring for each worker.
    IoUring {
        /// Which flags its rings are set up with.
        flags: RingFlags,
    },
    /// An epoll descriptor for each worker.
    Epoll,
}

/// How a ring is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RingFlags {
    /// COOP_TASKRUN, TASKRUN_FLAG and SINGLE_ISSUER: no interrupts for completions, one thread.
    Cooperative,
    /// None: the kernel is older than 6.0.
    Plain,
}

impl fmt::Display for Driver {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::IoUring { flags: RingFlags::Cooperative } => {
                "io_uring (coop_taskrun, single_issuer)"
            }
            Self::IoUring { flags: RingFlags::Plain } => "io_uring (no flags)",
            Self::Epoll => "epoll",
        })
    }
}

/// The machine refused the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// No ring could be set up, and a ring was asked for.
    #[error("cannot set up io_uring: {}; use `--io epoll`, or allow io_uring", ring_cause(*cause))]
    NoRing {
        /// What the kernel answered.
        cause: Errno,
    },
    /// A worker's own driver could not be built.
    #[error("cannot build the {driver} driver: {}", io::Error::from(*cause))]
    Build {
        /// The driver that was decided on.
        driver: Driver,
        /// What the kernel answered.
        cause: Errno,
    },
}

impl DriverError {
    /// Whose fault it is: the machine's or its operator's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

fn ring_cause(cause: Errno) -> String {
    match cause {
        Errno::NOSYS => "the kernel has none, or a sandbox hides it (ENOSYS)".to_owned(),
        Errno::PERM | Errno::ACCESS => {
            "it is forbidden by a sandbox or by kernel.io_uring_disabled".to_owned()
        }
        Errno::NOMEM => "too little locked memory (raise LimitMEMLOCK)".to_owned(),
        other => io::Error::from(other).to_string(),
    }
}

impl Driver {
    /// Decides on a driver: sets up a ring, if one is wanted, and drops it again.
    ///
    /// # Errors
    /// `NoRing` when `io_uring` was demanded and the machine refuses it.
    pub fn decide(choice: IoChoice) -> Result<Self, DriverError> {
        decide(choice, try_ring)
    }
}

fn decide(
    choice: IoChoice,
    try_ring: impl Fn(RingFlags) -> Result<(), Errno>,
) -> Result<Driver, DriverError> {
    if choice == IoChoice::Epoll {
        return Ok(Driver::Epoll);
    }
    let mut flags = RingFlags::Cooperative;
    let mut tried = try_ring(flags);
    if tried == Err(Errno::INVAL) {
        flags = RingFlags::Plain;
        tried = try_ring(flags);
    }
    match (tried, choice) {
        (Ok(()), _) => Ok(Driver::IoUring { flags }),
        (Err(_), IoChoice::Auto) => Ok(Driver::Epoll),
        (Err(cause), _) => Err(DriverError::NoRing { cause }),
    }
}

fn try_ring(flags: RingFlags) -> Result<(), Errno> {
    ring_builder(flags).build(RING_ENTRIES).map(drop).map_err(|error| errno(&error))
}

fn ring_builder(flags: RingFlags) -> io_uring::Builder {
    let mut builder = IoUring::builder();
    if flags == RingFlags::Cooperative {
        builder.setup_coop_taskrun().setup_taskrun_flag().setup_single_issuer();
    }
    builder
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// A monoio runtime with its timer, for the current thread.
pub(super) enum Core {
    Ring(Box<Runtime<TimeDriver<IoUringDriver>>>),
    Epoll(Box<Runtime<TimeDriver<LegacyDriver>>>),
}

impl Core {
    /// Builds the runtime on the thread that will run it.
    ///
    /// # Errors
    /// `Build` when the kernel refuses the ring or the epoll descriptor.
    pub(super) fn build(driver: Driver) -> Result<Self, DriverError> {
        let built = match driver {
            Driver::IoUring { flags } => RuntimeBuilder::<IoUringDriver>::new()
                .uring_builder(ring_builder(flags))
                .with_entries(RING_ENTRIES)
                .enable_timer()
                .build()
                .map(|runtime| Self::Ring(Box::new(runtime))),
            Driver::Epoll => RuntimeBuilder::<LegacyDriver>::new()
                .enable_timer()
                .build()
                .map(|runtime| Self::Epoll(Box::new(runtime))),
        };
        built.map_err(|error| DriverError::Build { driver, cause: errno(&error) })
    }

    /// Runs `future` to its end, with all that it spawns, and leaks the runtime.
    pub(super) fn block_on<F: Future>(self, future: F) -> F::Output {
        let future = async {
            let _entered = Edges::enter();
            let output = future.await;
            // Descriptors dropped last are closed by operations that wait for the next submit.
            monoio::time::sleep(Duration::from_millis(1)).await;
            output
        };
        match self {
            Self::Ring(runtime) => Box::leak(runtime).block_on(future),
            Self::Epoll(runtime) => Box::leak(runtime).block_on(future),
        }
    }
}

/// Builds a runtime of `driver` on the current thread and runs `future` on it.
///
/// # Errors
/// `Build` when the kernel refuses the ring or the epoll descriptor.
///
/// # Panics
/// On a worker: a runtime cannot run inside another one.
pub fn block_on<F: Future>(driver: Driver, future: F) -> Result<F::Output, DriverError> {
    Core::build(driver).map(|core| core.block_on(future))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_parsed_as_it_is_shown() {
        for choice in [IoChoice::Auto, IoChoice::IoUring, IoChoice::Epoll] {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        let error = "uring".parse::<IoChoice>().unwrap_err();
        assert_eq!(error.to_string(), "unknown driver `uring`: expected auto, io_uring or epoll");
    }

    #[test]
    fn auto_falls_back_and_io_uring_does_not() {
        let cooperative = Driver::IoUring { flags: RingFlags::Cooperative };
        let plain = Driver::IoUring { flags: RingFlags::Plain };
        assert_eq!(decide(IoChoice::Auto, |_| Ok(())), Ok(cooperative));
        assert_eq!(decide(IoChoice::Epoll, |_| Ok(())), Ok(Driver::Epoll));
        let old_kernel = |flags| match flags {
            RingFlags::Cooperative => Err(Errno::INVAL),
            RingFlags::Plain => Ok(()),
        };
        assert_eq!(decide(IoChoice::IoUring, old_kernel), Ok(plain));
        for cause in [Errno::NOSYS, Errno::PERM, Errno::ACCESS, Errno::NOMEM, Errno::INVAL] {
            assert_eq!(decide(IoChoice::Auto, |_| Err(cause)), Ok(Driver::Epoll));
            let error = decide(IoChoice::IoUring, |_| Err(cause)).unwrap_err();
            assert_eq!(error, DriverError::NoRing { cause });
            assert!(error.to_string().contains("`--io epoll`"), "{error}");
        }
    }

    #[test]
    fn both_drivers_run_a_future_and_its_timer() {
        for choice in [IoChoice::Auto, IoChoice::Epoll] {
            let driver = Driver::decide(choice).unwrap();
            let output = block_on(driver, async {
                monoio::time::sleep(Duration::from_millis(1)).await;
                7
            });
            assert_eq!(output, Ok(7));
        }
    }
}
