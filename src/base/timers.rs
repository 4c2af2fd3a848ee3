//! Who waits until when: a hierarchical timer wheel and the `Sleep` future on it.
//!
//! One per core. Arming and disarming cost O(1) and no allocation once the slab has grown, because
//! every request re-arms its connection's idle deadline. The wheel has six levels of 64 slots; a
//! tick is one millisecond and deadlines round up to it, so a sleep never ends early.
//! The owner of the core drives it: it waits until `next_due`, then calls `advance`.
//! Invariant: an armed entry is in exactly one slot list; a slot's bit is set while its list is not
//! empty.
//! Not here: reading the clock (`rt::clock`).

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::base::time::{Deadline, Now};

const TICK_NANOS: u64 = 1_000_000;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
const LEVELS: usize = 6;
/// The furthest a deadline can lie ahead before it is filed in the last slot and looked at again.
const HORIZON_TICKS: u64 = (1 << (SLOT_BITS as u64 * LEVELS as u64)) - 1;
const NONE: u32 = u32::MAX;

/// The timers of one core. Clones are handles to the same wheel.
#[derive(Clone, Debug, Default)]
pub struct Timers {
    wheel: Rc<RefCell<Wheel>>,
}

impl Timers {
    /// An empty wheel that stands at the origin of the clock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty wheel with room for this many sleeps from the start. That is address space alone;
    /// memory is what was used. One that grows is copied, and the copies are left behind.
    #[must_use]
    pub fn with_room(sleeps_count: usize) -> Self {
        let timers = Self::default();
        timers.wheel.borrow_mut().entries.reserve_exact(sleeps_count);
        timers
    }

    /// A future that is ready once the wheel was advanced to `deadline`. Costs nothing until
    /// polled.
    pub fn sleep_until(&self, deadline: Deadline) -> Sleep {
        Sleep { timers: self.clone(), deadline, key: NONE }
    }

    /// Runs `future` until it is ready or `deadline` comes, whichever is first. The future is
    /// polled first, so one that is ready wins over a deadline that passed.
    ///
    /// # Errors
    /// `Elapsed` when the deadline came first; the future is dropped then.
    pub async fn timeout<F: Future>(
        &self,
        deadline: Deadline,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        let mut sleep = self.sleep_until(deadline);
        std::future::poll_fn(move |context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            Pin::new(&mut sleep).poll(context).map(|()| Err(Elapsed))
        })
        .await
    }

    /// Moves the wheel to `now` and wakes every sleep whose deadline has come.
    pub fn advance(&self, now: Now) {
        let now_tick = now.0 / TICK_NANOS;
        loop {
            // Wakers run outside the borrow: one may arm or drop another timer at once.
            let due = self.wheel.borrow_mut().next_expired(now_tick);
            match due {
                Some(Some(waker)) => waker.wake(),
                Some(None) => {}
                None => return,
            }
        }
    }

    /// The moment at which `advance` has work to do, if any timer is armed. It may come before the
    /// earliest deadline (when entries move to a finer level), never after it.
    #[must_use]
    pub fn next_due(&self) -> Option<Deadline> {
        self.wheel.borrow().next_due_tick().map(|tick| Deadline(tick.saturating_mul(TICK_NANOS)))
    }

    /// Asks for `waker` to be woken when a timer is armed that is due before `next_due` was.
    pub fn wake_when_earlier(&self, waker: &Waker) {
        let mut wheel = self.wheel.borrow_mut();
        match &mut wheel.driver {
            Some(driver) => driver.clone_from(waker),
            driver @ None => *driver = Some(waker.clone()),
        }
        wheel.driver_due_tick = wheel.next_due_tick().unwrap_or(u64::MAX);
    }

    /// Wakes everyone who waits, without anybody's moment having come, so that each can look at
    /// what changed for all of them. Costs those who wait nothing until it is used.
    pub fn wake_all(&self) {
        let wheel = self.wheel.borrow();
        let armed = wheel.entries.iter().filter(|entry| entry.slot != NONE);
        let wakers: Vec<Waker> = armed.filter_map(|entry| entry.waker.clone()).collect();
        drop(wheel);
        for waker in wakers {
            waker.wake();
        }
    }

    /// How many timers are armed.
    #[must_use]
    pub fn armed_count(&self) -> usize {
        self.wheel.borrow().armed_count
    }
}

/// The deadline came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("deadline elapsed")]
pub struct Elapsed;

/// Waits for a moment; see [`Timers::sleep_until`]. Disarmed when dropped.
#[derive(Debug)]
#[must_use = "a sleep does nothing unless awaited"]
pub struct Sleep {
    timers: Timers,
    deadline: Deadline,
    key: u32,
}

impl Sleep {
    /// Waits for another moment from now on. One that is not earlier costs nothing: the timer that
    /// is armed stays, and the sleep goes on when it fires.
    pub fn reset(&mut self, deadline: Deadline) {
        if deadline < self.deadline {
            self.disarm();
        }
        self.deadline = deadline;
    }

    fn disarm(&mut self) {
        if self.key != NONE {
            self.timers.wheel.borrow_mut().disarm(self.key);
            self.key = NONE;
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.deadline == Deadline::NEVER {
            return Poll::Pending;
        }
        let this = &mut *self;
        let mut wheel = this.timers.wheel.borrow_mut();
        if this.key != NONE && !wheel.fired(this.key) {
            wheel.rewake(this.key, context.waker());
            return Poll::Pending;
        }
        if this.key != NONE {
            wheel.free(this.key);
            this.key = NONE;
        }
        let tick = this.deadline.0.div_ceil(TICK_NANOS);
        if tick <= wheel.now_tick {
            return Poll::Ready(());
        }
        this.key = wheel.arm(tick, context.waker());
        // Wake the driver outside the borrow.
        let driver = wheel.driver_if_earlier();
        drop(wheel);
        if let Some(driver) = driver {
            driver.wake();
        }
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.disarm();
    }
}

#[derive(Debug)]
struct Entry {
    tick: u64,
    waker: Option<Waker>,
    next: u32,
    prev: u32,
    /// The slot list this entry hangs in, or `NONE` when it fired or is free.
    slot: u32,
}

#[derive(Debug)]
struct Wheel {
    entries: Vec<Entry>,
    free: u32,
    heads: [[u32; SLOTS]; LEVELS],
    occupied: [u64; LEVELS],
    now_tick: u64,
    armed_count: usize,
    driver: Option<Waker>,
    driver_due_tick: u64,
}

impl Default for Wheel {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: NONE,
            heads: [[NONE; SLOTS]; LEVELS],
            occupied: [0; LEVELS],
            now_tick: 0,
            armed_count: 0,
            driver: None,
            driver_due_tick: u64::MAX,
        }
    }
}

impl Wheel {
    fn arm(&mut self, tick: u64, waker: &Waker) -> u32 {
        let entry = Entry { tick, waker: Some(waker.clone()), next: NONE, prev: NONE, slot: NONE };
        let key = if self.free == NONE {
            self.entries.push(entry);
            index_u32(self.entries.len() - 1)
        } else {
            let key = self.free;
            self.free = self.entries[key as usize].next;
            self.entries[key as usize] = entry;
            key
        };
        self.armed_count += 1;
        self.file(key);
        key
    }

    /// Hangs an entry into the slot that its distance from now calls for.
    fn file(&mut self, key: u32) {
        let tick = self.entries[key as usize].tick.min(self.now_tick + HORIZON_TICKS);
        // The highest bit in which the deadline differs from now names the level.
        let differing = (tick ^ self.now_tick) | (SLOTS as u64 - 1);
        let level = ((u64::BITS - 1 - differing.leading_zeros()) / SLOT_BITS) as usize;
        let level = level.min(LEVELS - 1);
        let slot = slot_at(tick, level);
        let head = self.heads[level][slot];
        let entry = &mut self.entries[key as usize];
        entry.next = head;
        entry.prev = NONE;
        entry.slot = index_u32(level * SLOTS + slot);
        if head != NONE {
            self.entries[head as usize].prev = key;
        }
        self.heads[level][slot] = key;
        self.occupied[level] |= 1 << slot;
    }

    fn unfile(&mut self, key: u32) {
        let Entry { next, prev, slot, .. } = self.entries[key as usize];
        debug_assert_ne!(slot, NONE, "an entry that fired is in no list");
        let (level, index) = (slot as usize / SLOTS, slot as usize % SLOTS);
        if prev == NONE {
            self.heads[level][index] = next;
            if next == NONE {
                self.occupied[level] &= !(1 << index);
            }
        } else {
            self.entries[prev as usize].next = next;
        }
        if next != NONE {
            self.entries[next as usize].prev = prev;
        }
        self.entries[key as usize].slot = NONE;
    }

    fn disarm(&mut self, key: u32) {
        if self.entries[key as usize].slot != NONE {
            self.unfile(key);
            self.armed_count -= 1;
        }
        self.free(key);
    }

    fn free(&mut self, key: u32) {
        self.entries[key as usize].waker = None;
        self.entries[key as usize].next = self.free;
        self.free = key;
    }

    fn fired(&self, key: u32) -> bool {
        self.entries[key as usize].slot == NONE
    }

    fn rewake(&mut self, key: u32, waker: &Waker) {
        match &mut self.entries[key as usize].waker {
            Some(held) => held.clone_from(waker),
            held @ None => *held = Some(waker.clone()),
        }
    }

    fn driver_if_earlier(&mut self) -> Option<Waker> {
        let due = self.next_due_tick().unwrap_or(u64::MAX);
        if due < self.driver_due_tick {
            self.driver_due_tick = due;
            return self.driver.clone();
        }
        None
    }

    /// The first tick at which some slot must be looked at.
    fn next_due_tick(&self) -> Option<u64> {
        (0..LEVELS).filter_map(|level| self.next_slot(level).map(|(tick, _)| tick)).min()
    }

    /// The next occupied slot of a level and the tick at which it begins.
    fn next_slot(&self, level: usize) -> Option<(u64, usize)> {
        let occupied = self.occupied[level];
        if occupied == 0 {
            return None;
        }
        let shift = SLOT_BITS * index_u32(level);
        let here = index_u32(slot_at(self.now_tick, level));
        let ahead = occupied.rotate_right(here).trailing_zeros();
        let slot = (here + ahead) as usize % SLOTS;
        let base = self.now_tick >> shift;
        // On the last level a slot that equals now's is a whole turn ahead.
        let turns = if ahead == 0 && level == LEVELS - 1 { SLOTS as u64 } else { u64::from(ahead) };
        Some(((base + turns) << shift, slot))
    }

    /// Takes one entry that is due at `now_tick`: `Some(waker)`, or `None` when none is left, with
    /// the wheel standing at `now_tick`.
    fn next_expired(&mut self, now_tick: u64) -> Option<Option<Waker>> {
        loop {
            let next = (0..LEVELS)
                .filter_map(|level| self.next_slot(level).map(|(tick, slot)| (tick, level, slot)))
                .min_by_key(|&(tick, level, _)| (tick, std::cmp::Reverse(level)));
            let Some((tick, level, slot)) = next.filter(|&(tick, ..)| tick <= now_tick) else {
                self.now_tick = self.now_tick.max(now_tick);
                self.driver_due_tick = u64::MAX;
                return None;
            };
            self.now_tick = self.now_tick.max(tick);
            let key = self.heads[level][slot];
            self.unfile(key);
            if self.entries[key as usize].tick <= self.now_tick {
                self.armed_count -= 1;
                return Some(self.entries[key as usize].waker.take());
            }
            self.file(key);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the mask leaves less than SLOTS")]
fn slot_at(tick: u64, level: usize) -> usize {
    ((tick >> (SLOT_BITS * index_u32(level))) & (SLOTS as u64 - 1)) as usize
}

#[expect(clippy::cast_possible_truncation, reason = "a slab of 2^32 timers exceeds any memory")]
fn index_u32(index: usize) -> u32 {
    debug_assert!(index < NONE as usize);
    index as u32
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn poll(sleep: &mut Sleep, waker: &Waker) -> Poll<()> {
        Pin::new(sleep).poll(&mut Context::from_waker(waker))
    }

    #[test]
    fn a_dropped_sleep_leaves_nothing_armed() {
        let timers = Timers::new();
        let mut sleep = timers.sleep_until(Deadline(5 * TICK_NANOS));
        assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending);
        assert_eq!(timers.armed_count(), 1);
        drop(sleep);
        assert_eq!(timers.armed_count(), 0);
        assert_eq!(timers.next_due(), None);
    }

    #[test]
    fn a_wheel_with_room_is_not_moved_as_it_fills() {
        let timers = Timers::with_room(100);
        let place = || timers.wheel.borrow().entries.as_ptr();
        let before = place();
        let mut sleeps: Vec<_> =
            (1..=100).map(|tick| timers.sleep_until(Deadline(tick * TICK_NANOS))).collect();
        for sleep in &mut sleeps {
            assert_eq!(poll(sleep, Waker::noop()), Poll::Pending);
        }
        assert_eq!((timers.armed_count(), place()), (100, before));
    }

    #[test]
    fn a_sleep_that_is_put_off_keeps_its_timer_and_one_that_is_brought_forward_does_not() {
        let timers = Timers::new();
        let mut sleep = timers.sleep_until(Deadline(5 * TICK_NANOS));
        assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending);
        sleep.reset(Deadline(9 * TICK_NANOS));
        assert_eq!((timers.armed_count(), poll(&mut sleep, Waker::noop())), (1, Poll::Pending));
        timers.advance(Now(5 * TICK_NANOS));
        assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending, "it was put off");
        timers.advance(Now(8 * TICK_NANOS));
        assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending);
        sleep.reset(Deadline(8 * TICK_NANOS));
        assert_eq!((timers.armed_count(), poll(&mut sleep, Waker::noop())), (0, Poll::Ready(())));
        sleep.reset(Deadline(20 * TICK_NANOS));
        assert_eq!(poll(&mut sleep, Waker::noop()), Poll::Pending);
        drop(sleep);
        assert_eq!(timers.armed_count(), 0);
    }

    #[test]
    fn everyone_can_be_woken_before_their_time() {
        let (timers, count) = (Timers::new(), Arc::new(Count::default()));
        let waker = Waker::from(count.clone());
        let mut sleeps: Vec<_> =
            (1..4).map(|tick| timers.sleep_until(Deadline(tick * TICK_NANOS))).collect();
        for sleep in &mut sleeps {
            assert_eq!(poll(sleep, &waker), Poll::Pending);
        }
        drop(sleeps.pop());
        timers.wake_all();
        assert_eq!(count.0.load(Ordering::Relaxed), 2);
        assert_eq!(poll(&mut sleeps[0], &waker), Poll::Pending, "its moment did not come");
    }

    #[test]
    fn the_driver_is_woken_for_an_earlier_timer_only() {
        let (timers, count) = (Timers::new(), Arc::new(Count::default()));
        let waker = Waker::from(count.clone());
        let mut late = timers.sleep_until(Deadline(50 * TICK_NANOS));
        let _ = poll(&mut late, Waker::noop());
        timers.wake_when_earlier(&waker);
        let mut later = timers.sleep_until(Deadline(60 * TICK_NANOS));
        let _ = poll(&mut later, Waker::noop());
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        let mut early = timers.sleep_until(Deadline(10 * TICK_NANOS));
        let _ = poll(&mut early, Waker::noop());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    proptest! {
        /// Each timer fires once, not before its deadline and by the first advance past it, when
        /// the wheel is driven by `next_due` as well as when it is driven in arbitrary steps.
        #[test]
        fn every_timer_fires_once_and_on_time(
            delays in prop::collection::vec(1u64..5_000_000_000, 1..40),
            steps in prop::collection::vec(1u64..300_000_000, 0..40),
            follow_due in any::<bool>(),
        ) {
            let timers = Timers::new();
            let mut now = 0u64;
            let mut sleeps: Vec<_> = delays
                .iter()
                .map(|&d| (d, timers.sleep_until(Deadline(d * 1000)), Cell::new(false)))
                .collect();
            for (_, sleep, _) in &mut sleeps {
                let _ = poll(sleep, Waker::noop());
            }
            let mut steps = steps.into_iter();
            loop {
                let due = timers.next_due().map(|due| due.0);
                now = match (follow_due, due) {
                    (_, None) => break,
                    (true, Some(due)) => due.max(now),
                    (false, Some(due)) => steps.next().map_or(due.max(now), |s| now + s * 1000),
                };
                timers.advance(Now(now));
                for (delay, sleep, done) in &mut sleeps {
                    if done.get() { continue; }
                    let ready = poll(sleep, Waker::noop()).is_ready();
                    let tick = (*delay * 1000).div_ceil(TICK_NANOS) * TICK_NANOS;
                    prop_assert_eq!(ready, now / TICK_NANOS * TICK_NANOS >= tick);
                    done.set(ready);
                }
            }
            prop_assert!(sleeps.iter().all(|(_, _, done)| done.get()));
            prop_assert_eq!(timers.armed_count(), 0);
        }
    }
}
