//! Drives the timers of a core: one task, one monoio sleep at a time.
//!
//! In: `Timers` and the clock. Out: `advance` when something is due.
//! Nothing armed: it waits for `wake_when_earlier` alone, so an idle worker never ticks.
//! Invariant: the sleep lasts until `next_due` as it was when the waker was registered; whoever
//! arms an earlier timer wakes the task.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use crate::base::clock::Clock;
use crate::base::time::Deadline;
use crate::rt::clock::CoreClock;

/// Advances the clock's timers for ever. Spawned once on each worker.
#[expect(clippy::infinite_loop, reason = "it lives as long as its worker")]
pub(super) async fn drive(clock: Rc<CoreClock>) {
    loop {
        let now = clock.now();
        clock.timers().advance(now);
        let due = clock.timers().next_due();
        match due {
            None => until_earlier(&clock, Deadline::NEVER, std::future::pending()).await,
            Some(due) => {
                until_earlier(&clock, due, monoio::time::sleep(due.left(now))).await;
            }
        }
    }
}

/// Waits for `sleep`, or until a timer is armed that is due before `due`.
async fn until_earlier(clock: &CoreClock, due: Deadline, sleep: impl Future<Output = ()>) {
    let mut sleep = pin!(sleep);
    poll_fn(|context| {
        let timers = clock.timers();
        if timers.next_due().is_some_and(|next| next < due) {
            return Poll::Ready(());
        }
        timers.wake_when_earlier(context.waker());
        sleep.as_mut().poll(context)
    })
    .await;
}
