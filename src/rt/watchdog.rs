//! Whether the workers turn: `Pulse`, raised by each one's loop, and `Watchdog`, which looks.
//!
//! In: a counter for each worker, which a task on it raises: an idle worker raises it too, one
//! whose handler does not give its core back does not. Out: a sign of life to the service manager,
//! at half of the time that it waits, and only if every counter was raised since the last one. If
//! one was not, it is looked at again soon, so that a worker that comes back in time saves the
//! process. Without a manager that watches nothing ticks.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::rt::clock::CoreClock;
use crate::rt::notify::Notifier;

/// Looks and raises within the time that the manager waits.
const STEPS: u32 = 8;
/// Looks between two signs of life: half of that time.
const STEPS_PER_SIGN: u32 = STEPS / 2;

/// A worker's sign of life.
#[derive(Clone, Debug)]
pub(super) struct Pulse {
    count: Arc<AtomicU64>,
    every: Duration,
}

impl Pulse {
    /// One that is raised often enough for a manager that waits `limit`.
    pub(super) fn new(limit: Duration) -> Self {
        Self { count: Arc::new(AtomicU64::new(0)), every: limit / STEPS }
    }

    /// Raises it for ever. Spawned once on its worker.
    #[expect(clippy::infinite_loop, reason = "it lives as long as its worker")]
    pub(super) async fn beat(self, clock: Rc<CoreClock>) {
        loop {
            self.count.fetch_add(1, Ordering::Relaxed);
            clock.timers().sleep_until(clock.now().after(self.every)).await;
        }
    }

    fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Gives signs of life until dropped.
#[derive(Debug)]
pub(super) struct Watchdog {
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watchdog {
    /// Begins to watch, for a manager that waits `limit`.
    ///
    /// # Errors
    /// What the system says when it has no thread to give.
    pub(super) fn open(
        pulses: Vec<Pulse>,
        limit: Duration,
        notifier: Notifier,
    ) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let mut watch = Watch::new(pulses);
        let thread =
            std::thread::Builder::new().name("ringlane-watch".to_owned()).spawn(move || {
                while stopped.recv_timeout(limit / STEPS) == Err(RecvTimeoutError::Timeout) {
                    if watch.look() {
                        notifier.alive();
                    }
                }
            })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it was told by the hook.
            let _ = thread.join();
        }
    }
}

/// The counters as they were at the last sign.
struct Watch {
    pulses: Vec<Pulse>,
    last: Vec<u64>,
    looks: u32,
}

impl Watch {
    fn new(pulses: Vec<Pulse>) -> Self {
        let last = pulses.iter().map(Pulse::count).collect();
        Self { pulses, last, looks: 0 }
    }

    /// Whether a sign is due and deserved.
    fn look(&mut self) -> bool {
        self.looks += 1;
        let counts: Vec<u64> = self.pulses.iter().map(Pulse::count).collect();
        let all_turned = counts.iter().zip(&self.last).all(|(now, last)| now != last);
        if self.looks < STEPS_PER_SIGN || !all_turned {
            return false;
        }
        (self.last, self.looks) = (counts, 0);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_needs_every_worker_to_have_turned_since_the_last_one() {
        let pulses = [(); 2].map(|()| Pulse::new(Duration::from_secs(8)));
        let turn = |which: &[usize]| {
            for index in which {
                pulses[*index].count.fetch_add(1, Ordering::Relaxed);
            }
        };
        let mut watch = Watch::new(pulses.to_vec());
        turn(&[0, 1]);
        assert_eq!([(); 4].map(|()| watch.look()), [false, false, false, true], "at half");
        turn(&[0]);
        assert_eq!([(); 9].map(|()| watch.look()), [false; 9], "one does not turn");
        turn(&[1]);
        assert!(watch.look(), "it came back, and is not kept waiting");
    }
}
