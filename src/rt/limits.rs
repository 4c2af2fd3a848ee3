//! How many connections fit: the limit that was set, under the descriptors that the system grants.
//!
//! In: `connections_max`, the workers, RLIMIT_NOFILE (raised to its hard limit). Out: a number for
//! the process, and each worker's share of it.
//! Invariant: connections plus what the workers hold stay `DESCRIPTORS_SPARED` under the limit, so
//! that files, upstreams and logs still open while the server is full.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that connections never take.
const DESCRIPTORS_SPARED: usize = 64;
/// The driver's two (a ring or an epoll instance, and its event descriptor), and the worker's own
/// epoll instance, which its table of edges and its driver each hold.
const DESCRIPTORS_PER_WORKER: usize = 4;

/// Raises the soft limit of descriptors to the hard one; tells the limit that now holds.
pub(super) fn raise_descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        // Refused: what we had is still ours.
        Err(_) => limit.current,
    };
    current.map_or(usize::MAX, |current| usize::try_from(current).unwrap_or(usize::MAX))
}

/// The connections of the process: at most `wanted`, at least one for each worker. `listening` are
/// the descriptors of listening sockets, duplicates and all.
pub(super) fn connections_max(
    wanted: usize,
    descriptors_max: usize,
    workers: usize,
    listening: usize,
) -> usize {
    let held = workers.saturating_mul(DESCRIPTORS_PER_WORKER).saturating_add(listening);
    let room = descriptors_max.saturating_sub(DESCRIPTORS_SPARED).saturating_sub(held);
    wanted.min(room).max(workers)
}

/// What a worker gets of `total`: equal parts, the first ones one more.
pub(super) fn share(total: usize, workers: usize, index: usize) -> usize {
    total / workers + usize::from(index < total % workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_stay_under_the_descriptors() {
        assert_eq!(connections_max(10_000, 20_000, 2, 1), 10_000);
        assert_eq!(connections_max(10_000, 1_024, 4, 8), 1_024 - 64 - 24);
        assert_eq!(connections_max(10_000, 10, 4, 2), 4);
        assert_eq!(connections_max(1, usize::MAX, 1, 1), 1);
    }

    #[test]
    fn shares_add_up() {
        for total in [4, 5, 10_000, 10_003] {
            assert_eq!((0..4).map(|index| share(total, 4, index)).sum::<usize>(), total);
        }
    }

    #[test]
    fn the_descriptor_limit_is_raised_to_the_hard_one() {
        let limit = raise_descriptor_limit();
        assert!(limit > 0);
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, now.maximum);
    }
}
