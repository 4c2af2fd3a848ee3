//! Tasks of a worker: `Spawn` over monoio.
//!
//! In: boxed futures. Out: nothing; a task's handle must not be awaited from elsewhere, so nobody
//! gets it.
//! Invariant: only used on a worker, as all that holds it stays on its core.

use std::future::Future;
use std::pin::Pin;

use crate::base::spawn::Spawn;

/// Starts tasks on the worker that calls it.
#[derive(Clone, Copy, Debug, Default)]
pub struct WorkerTasks;

impl Spawn for WorkerTasks {
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        drop(monoio::spawn(task));
    }
}
