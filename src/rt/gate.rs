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

/// How many connections the process has.
#[derive(Debug)]
pub(super) struct House {
    inside: AtomicUsize,
    inside_max: usize,
}

/// The right to be one of them, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    /// Gone once a pass stands for it.
    house: Option<Arc<House>>,
}

#[derive(Debug)]
struct State {
    inside: Cell<usize>,
    inside_max: usize,
    house: Arc<House>,
    closed: Cell<bool>,
    watcher: RefCell<Option<Waker>>,
}

impl Gate {
    pub(super) fn new(inside_max: usize, house: Arc<House>) -> Self {
        let state = State {
            inside: Cell::new(0),
            inside_max,
            house,
            closed: Cell::new(false),
            watcher: RefCell::new(None),
        };
        Self { state: Rc::new(state) }
    }

    /// Lets a connection in, even one more than should be: whoever can choose asks `is_full` first.
    /// The place, which must be one of this gate's house, is given back with the pass.
    pub(super) fn enter(&self, mut place: Place) -> Pass {
        let house = place.house.take();
        debug_assert!(house.is_some_and(|house| Arc::ptr_eq(&house, self.house())));
        self.state.inside.set(self.state.inside.get() + 1);
        Pass { state: self.state.clone() }
    }

    /// The house that this gate leads to.
    pub(super) fn house(&self) -> &Arc<House> {
        &self.state.house
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
    pub(super) fn new(inside_max: usize) -> Arc<Self> {
        Arc::new(Self { inside: AtomicUsize::new(0), inside_max })
    }

    /// A place, unless all are taken.
    pub(super) fn try_take(self: &Arc<Self>) -> Option<Place> {
        // Nothing but the count itself hangs on it, so no order is needed.
        let before = self.inside.fetch_add(1, Ordering::Relaxed);
        let place = Place { house: Some(self.clone()) };
        (before < self.inside_max).then_some(place)
    }

    /// A place for a connection that has one, which it is about to give back.
    pub(super) fn take_over(self: &Arc<Self>) -> Place {
        self.inside.fetch_add(1, Ordering::Relaxed);
        Place { house: Some(self.clone()) }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(house) = &self.house {
            house.inside.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let inside = self.state.inside.get();
        debug_assert!(inside > 0, "a pass was counted when it was given");
        self.state.inside.set(inside - 1);
        self.state.house.inside.fetch_sub(1, Ordering::Relaxed);
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
        let house = House::new(3);
        let gate = Gate::new(2, house.clone());
        let enter = || gate.enter(house.try_take().unwrap());
        let (first, second) = (enter(), enter());
        assert!(gate.is_full());
        let third = enter();
        assert_eq!(gate.inside(), 3, "one that is handed over comes in all the same");
        assert!(house.try_take().is_none());
        let moved = house.take_over();
        drop(third);
        assert!(house.try_take().is_none(), "a move frees no place");
        drop(moved);
        assert!(house.try_take().is_some() && gate.is_full());
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
}
