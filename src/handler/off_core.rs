//! Work that blocks, away from the cores that serve.
//!
//! The pool of threads is `rt::blocking`'s; this is the seam to it, so that handlers know no
//! threads and a test can run the work in place.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A piece of work and its product.
pub type Job = Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>;

/// The end of a job: its product, or word that it panicked.
pub type Completion = Pin<Box<dyn Future<Output = Result<Box<dyn Any + Send>, JobPanicked>>>>;

/// Where work that blocks is done.
pub trait OffCore: fmt::Debug + Send + Sync {
    /// Takes a job.
    ///
    /// # Errors
    /// [`Busy`] when as many jobs wait as may.
    fn submit(&self, job: Job) -> Result<Completion, Busy>;
}

/// The job panicked; nothing more is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JobPanicked;

/// As many jobs wait as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy;

/// What a blocking handler may ask for, from whichever thread runs it.
#[derive(Clone, Debug, Default)]
pub struct BlockingCx {
    cancelled: Arc<AtomicBool>,
}

impl BlockingCx {
    /// Whether nobody waits for the answer any more: the client cancelled, or the call's time is
    /// up. Work that takes long should look now and then, and stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Cancels when dropped, unless the work ended before.
    pub(crate) fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.cancelled.clone())
    }
}

#[derive(Debug)]
pub(crate) struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
