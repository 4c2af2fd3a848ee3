//! A gate that handlers wait at, async or blocking, until a test opens it from its own thread.

use std::future::{Future, poll_fn};
use std::sync::{Arc, Condvar};
use std::task::{Poll, Waker};

#[expect(clippy::disallowed_types, reason = "a test and the workers it drives share the gate")]
type Lock<T> = std::sync::Mutex<T>;

/// Closed until opened, then open for good.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Lock<State>, Condvar)>);

#[derive(Default)]
struct State {
    open: bool,
    waiting: Vec<Waker>,
}

impl Gate {
    pub fn open(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        state.open = true;
        changed.notify_all();
        state.waiting.drain(..).for_each(Waker::wake);
    }

    /// Waits without holding up the worker.
    pub fn passed(&self) -> impl Future<Output = ()> + use<> {
        let gate = self.clone();
        poll_fn(move |context| {
            let mut state = gate.0.0.lock().unwrap();
            if state.open {
                return Poll::Ready(());
            }
            state.waiting.push(context.waker().clone());
            Poll::Pending
        })
    }

    /// Waits on this very thread.
    pub fn pass(&self) {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap();
        while !state.open {
            state = changed.wait(state).unwrap();
        }
    }
}
