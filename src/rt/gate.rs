//! Counts connections: those of a worker by its `Gate`, all of the process by the `House`.
//!
//! A gate: open ─▶ full ─▶ open again as passes are dropped; any ─▶ closed, when the drain begins.
//! It is local to its worker. One watcher at a time: whoever waits for arrivals, or for the end.
//! The house is shared: a connection takes a `Place` in it where it is accepted, and keeps one when
//! it moves to another worker. So moves may fill a worker beyond its share, but never the process.
//! Invariant: `Gate::inside` is the number of its passes, each of which has a place;
//! `House::inside` is the number of places, `<= inside_max` but for the second place that a
//! connection has while it is being handed over.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

/// Lets connections in, up to a number, until it is closed. Clones are handles to the same gate.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    state: Rc<State>,
}

/// The right to be inside, given back when dropped.
#[derive(Debug)]
pub(super) struct Pass {
    state: Rc<State>,
}

/// How many connections the process has, and each of its workers.
#[derive(Debug)]
pub(super) struct House {
    inside: AtomicUsize,
    inside_max: usize,
    /// By worker; those on their way to it included.
    shares: Box<[Share]>,
}

/// How many connections a worker has. On a cache line of its own, since it changes often.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Share(AtomicUsize);

/// The right to be one of them, on a worker, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// Gone once a pass stands for it.
    house: Option<Arc<House>>,
    worker: usize,
}

#[derive(Debug)]
struct State {
    inside: Cell<usize>,
    inside_max: usize,
    house: Arc<House>,
    worker: usize,
    closed: Cell<bool>,
    watcher: RefCell<Option<Waker>>,
}

impl Gate {
    /// The gate of a worker, through which `inside_max` may come.
    pub(super) fn new(inside_max: usize, house: Arc<House>, worker: usize) -> Self {
        let state = State {
            inside: Cell::new(0),
            inside_max,
            house,
            worker,
            closed: Cell::new(false),
            watcher: RefCell::new(None),
        };
        Self { state: Rc::new(state) }
    }

    /// Lets a connection in, even one more than should be: whoever can choose asks `is_full` first.
    /// The place, which must be one of this gate's house and worker, is given back with the pass.
    pub(super) fn enter(&self, mut place: Place) -> Pass {
        let house = place.house.take();
        debug_assert!(house.is_some_and(|house| Arc::ptr_eq(&house, &self.state.house)));
        debug_assert_eq!(place.worker, self.state.worker);
        self.state.inside.set(self.state.inside.get() + 1);
        Pass { state: self.state.clone() }
    }

    /// A place for a connection that comes to this gate, unless all are taken.
    pub(super) fn try_take(&self) -> Option<Place> {
        self.state.house.try_take(self.state.worker)
    }

    pub(super) fn is_full(&self) -> bool {
        self.state.inside.get() >= self.state.inside_max
    }

    pub(super) fn inside(&self) -> usize {
        self.state.inside.get()
    }

    /// Lets no one in any more, and wakes the watcher.
    pub(super) fn close(&self) {
        self.state.closed.set(true);
        self.state.wake();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state.closed.get()
    }

    /// Asks for the context's waker to be woken when a pass comes back or the gate is closed.
    pub(super) fn watch(&self, context: &Context<'_>) {
        *self.state.watcher.borrow_mut() = Some(context.waker().clone());
    }

    /// Waits until no pass is out.
    pub(super) async fn emptied(&self) {
        poll_fn(|context| {
            if self.inside() == 0 {
                return Poll::Ready(());
            }
            self.watch(context);
            Poll::Pending
        })
        .await;
    }
}

impl State {
    fn wake(&self) {
        let watcher = self.watcher.borrow_mut().take();
        if let Some(watcher) = watcher {
            watcher.wake();
        }
    }
}

impl House {
    pub(super) fn new(inside_max: usize, workers: usize) -> Arc<Self> {
        let shares = (0..workers).map(|_| Share::default()).collect();
        Arc::new(Self { inside: AtomicUsize::new(0), inside_max, shares })
    }

    /// A place on a worker, unless all are taken.
    fn try_take(self: &Arc<Self>, worker: usize) -> Option<Place> {
        let (before, place) = self.count_in(worker);
        (before < self.inside_max).then_some(place)
    }

    /// A place on a worker for a connection that has one, which it is about to give back.
    pub(super) fn take_over(self: &Arc<Self>, worker: usize) -> Place {
        self.count_in(worker).1
    }

    /// One more, and how many there were before.
    fn count_in(self: &Arc<Self>, worker: usize) -> (usize, Place) {
        // Nothing but the counts themselves hangs on them, so no order is needed.
        let before = self.inside.fetch_add(1, Ordering::Relaxed);
        self.change(worker, |share| share.fetch_add(1, Ordering::Relaxed));
        (before, Place { house: Some(self.clone()), worker })
    }

    /// The worker that should have a connection which just came to `worker`: one that has clearly
    /// fewer, if there is any. The kernel spreads connections by a hash of their addresses, and of
    /// few connections that may leave a worker idle.
    pub(super) fn better_for(&self, worker: usize) -> Option<usize> {
        let count = |share: &Share| share.0.load(Ordering::Relaxed);
        let own = self.shares.get(worker).map(count)?;
        // A connection that moves costs a little; one or an eighth more than others is no skew.
        if own < 2 {
            return None;
        }
        let least = self.shares.iter().map(count).enumerate().min_by_key(|&(_, count)| count);
        least.filter(|&(_, least)| own >= least + 2 + least / 8).map(|(index, _)| index)
    }

    fn leave(&self, worker: usize) {
        self.inside.fetch_sub(1, Ordering::Relaxed);
        self.change(worker, |share| share.fetch_sub(1, Ordering::Relaxed));
    }

    fn change(&self, worker: usize, change: impl FnOnce(&AtomicUsize) -> usize) {
        debug_assert!(worker < self.shares.len(), "worker {worker} of {}", self.shares.len());
        if let Some(Share(share)) = self.shares.get(worker) {
            change(share);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(house) = &self.house {
            house.leave(self.worker);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let inside = self.state.inside.get();
        debug_assert!(inside > 0, "a pass was counted when it was given");
        self.state.inside.set(inside - 1);
        self.state.house.leave(self.state.worker);
        // A watcher waits for room, or for the last one; nothing between the two concerns it.
        if inside == self.state.inside_max || inside == 1 {
            self.state.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[test]
    fn passes_are_limited_and_come_back() {
        let house = House::new(3, 1);
        let gate = Gate::new(2, house.clone(), 0);
        let enter = || gate.enter(gate.try_take().unwrap());
        let (first, second) = (enter(), enter());
        assert!(gate.is_full());
        let third = enter();
        assert_eq!(gate.inside(), 3, "one that is handed over comes in all the same");
        assert!(gate.try_take().is_none());
        let moved = house.take_over(0);
        drop(third);
        assert!(gate.try_take().is_none(), "a move frees no place");
        drop(moved);
        assert!(gate.try_take().is_some() && gate.is_full());
        drop(first);
        assert!(!gate.is_full() && gate.inside() == 1);
        let mut context = Context::from_waker(Waker::noop());
        let mut emptied = pin!(gate.emptied());
        assert!(emptied.as_mut().poll(&mut context).is_pending());
        drop(second);
        assert!(emptied.poll(&mut context).is_ready());
        gate.close();
        assert!(gate.is_closed());
    }

    #[test]
    fn a_connection_belongs_to_the_emptiest_worker_once_there_is_a_clear_one() {
        let house = House::new(1000, 3);
        let take = |worker: usize, count: usize| -> Vec<Place> {
            (0..count).map(|_| house.take_over(worker)).collect()
        };
        let one = take(0, 1);
        assert_eq!(house.better_for(0), None, "it may stay alone");
        let two = take(0, 1);
        assert_eq!(house.better_for(0), Some(1));
        let three = take(1, 1);
        assert_eq!(house.better_for(0), Some(2), "those on their way count");
        let four = take(2, 1);
        assert_eq!(house.better_for(0), None, "one more than others is no skew");
        drop((one, two, three, four));
        let (_many, _less) = (take(0, 90), take(1, 80));
        assert_eq!(house.better_for(0), Some(2));
        let _rest = take(2, 80);
        let _more = take(0, 1);
        assert_eq!(house.better_for(0), None, "nor is an eighth");
        let _most = take(0, 1);
        assert_eq!(house.better_for(0), Some(1));
    }
}
