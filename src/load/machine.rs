//! What load needs of the machine beside sockets: time, threads, their CPU time and their wait for
//! it, open files.
//!
//! In: nothing but the kernel. Out: `Now` on one clock for all threads, `Duration` of CPU time.
//! Invariant: moments of all threads of one run compare, because their origin is the same.

use std::io;
use std::num::NonZeroU64;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

use crate::base::time::Now;

/// Files that a run opens beside its connections: standard streams, epolls, readings of `/proc`.
const OTHER_FILES: u64 = 64;

/// The moment from which a run counts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin(Instant);

impl Origin {
    /// The present moment.
    #[expect(clippy::disallowed_methods, reason = "the clock of the load, which is no worker")]
    pub(super) fn begin() -> Self {
        Self(Instant::now())
    }

    /// The time since then.
    pub(super) fn now(&self) -> Now {
        Now(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

/// The CPU time that the calling thread has used so far.
pub(super) fn thread_cpu() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(spent.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(spent.tv_nsec).unwrap_or_default())
}

/// How long the calling thread has been ready to run so far while others had the CPUs; zero where
/// the kernel keeps no such count.
pub(super) fn thread_wait() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    parse_wait(&text).unwrap_or_default()
}

/// The second number of three: time on a CPU, time ready without one, turns.
fn parse_wait(text: &str) -> Option<Duration> {
    text.split_ascii_whitespace().nth(1)?.parse().ok().map(Duration::from_nanos)
}

/// The CPUs that this process may use.
pub(super) fn cpu_count() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Starts a thread that makes load. It wakes when it asked to, not up to 50 µs later, as the kernel
/// would have it to save power.
pub(super) fn start<T: Send + 'static>(
    index: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    std::thread::Builder::new().name(format!("ringlane-load-{index}")).spawn(move || {
        // Where the kernel has no such setting, latencies of an open loop are that much coarser.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        work()
    })
}

/// Raises the process's own limit of open files so that so many connections fit.
///
/// # Errors
/// The limit that it may not go over.
pub(super) fn grant_files(connections: usize) -> Result<(), u64> {
    let needed = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHER_FILES);
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let most = limit.maximum.unwrap_or(u64::MAX);
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    if most >= needed && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    Err(most.min(limit.current.unwrap_or(u64::MAX).max(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_grows_with_work_alone() {
        let before = thread_cpu();
        let mut sum = 0_u64;
        while thread_cpu() == before {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        assert!(thread_cpu() > before);
    }

    #[test]
    fn the_wait_for_a_cpu_is_the_second_number() {
        assert_eq!(parse_wait("123 45 6\n"), Some(Duration::from_nanos(45)));
        assert_eq!(parse_wait("123"), None);
        let before = thread_wait();
        assert!(thread_wait() >= before);
    }

    #[test]
    fn more_files_than_the_system_grants_name_the_limit() {
        assert_eq!(grant_files(1), Ok(()));
        let most = getrlimit(Resource::Nofile).maximum;
        let refused = grant_files(usize::MAX);
        assert_eq!(refused.err(), most, "only a system without any limit grants that");
    }
}
