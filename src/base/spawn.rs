//! Starting a task on this core: `Spawn`, for work that outlives the connection that began it.
//!
//! `rt::spawn` starts tasks of a worker, tests those of an executor that they turn.
//! Invariant: a task stays on the core that started it, so it may hold what is not `Send`.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// Starts tasks on the core that holds it.
pub trait Spawn: fmt::Debug {
    /// Starts a task, which runs beside all others until it ends; nobody can stop it or wait for
    /// it. It is first polled after the caller has given way. A core that has ended drops it.
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()>>>);
}
