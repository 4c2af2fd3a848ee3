//! Counts the connections of a worker: `Gate`, and the `Pass` that each of them holds.
//!
//! Open ─▶ full ─▶ open again as passes are dropped; any ─▶ closed, when the drain begins.
//! Local to its worker: no atomics. One watcher at a time: the accept loop, and once that has
//! ended, whoever waits for the last connection.
//! Invariant: `inside` is the number of passes alive, `inside <= inside_max`.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
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

#[derive(Debug)]
struct State {
    inside: Cell<usize>,
    inside_max: usize,
    closed: Cell<bool>,
    watcher: RefCell<Option<Waker>>,
}

impl Gate {
    pub(super) fn new(inside_max: usize) -> Self {
        let state = State {
            inside: Cell::new(0),
            inside_max,
            closed: Cell::new(false),
            watcher: RefCell::new(None),
        };
        Self { state: Rc::new(state) }
    }

    /// A pass, unless as many are out as may be.
    pub(super) fn try_enter(&self) -> Option<Pass> {
        if self.is_full() {
            return None;
        }
        self.state.inside.set(self.state.inside.get() + 1);
        Some(Pass { state: self.state.clone() })
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

impl Drop for Pass {
    fn drop(&mut self) {
        let inside = self.state.inside.get();
        debug_assert!(inside > 0, "a pass was counted when it was given");
        self.state.inside.set(inside - 1);
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
        let gate = Gate::new(2);
        let first = gate.try_enter().unwrap();
        let second = gate.try_enter().unwrap();
        assert!(gate.try_enter().is_none() && gate.is_full());
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
