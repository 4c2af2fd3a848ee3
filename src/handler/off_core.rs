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
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::task::Waker;

use serde::Serialize;
use serde_json::Value;

use super::context::Amount;
use crate::mcp::model::log::LogLevel;

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
#[derive(Clone, Debug)]
pub struct BlockingCx {
    cancelled: Arc<AtomicBool>,
    notes: SyncSender<Note>,
    /// Wakes the core that waits for the work, to pass the notes on.
    core: Waker,
}

/// How many notes may wait for the core; further ones are dropped.
const NOTES_MAX: usize = 256;

/// Something a blocking handler tells its client.
#[derive(Debug)]
pub(super) enum Note {
    Progress { progress: f64, total: Option<f64>, message: String },
    Log { level: LogLevel, logger: Option<String>, data: Value },
}

impl BlockingCx {
    /// A context whose notes wake `core`, and the end at which they arrive there.
    pub(super) fn open(core: Waker) -> (Self, Receiver<Note>) {
        let (notes, received) = sync_channel(NOTES_MAX);
        (Self { cancelled: Arc::default(), notes, core }, received)
    }

    /// Whether nobody waits for the answer any more: the client cancelled, or the call's time is
    /// up. Work that takes long should look now and then, and stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Tells how far the work is, as [`Cx::progress`](super::context::Cx::progress) does. What is
    /// told faster than the core passes it on is left out.
    pub fn progress(&self, progress: impl Amount, total: impl Amount, message: &str) {
        let (progress, total) = (progress.amount(), Some(total.amount()));
        self.note(Note::Progress { progress, total, message: message.to_owned() });
    }

    /// Tells how far the work is when its end is not known.
    pub fn progress_so_far(&self, progress: impl Amount, message: &str) {
        let (progress, message) = (progress.amount(), message.to_owned());
        self.note(Note::Progress { progress, total: None, message });
    }

    /// Sends a log message, as [`Cx::log`](super::context::Cx::log) does.
    pub fn log(&self, level: LogLevel, data: impl Serialize) {
        self.note(Note::Log { level, logger: None, data: logged(&data) });
    }

    /// Sends a log message under the name of the part that it comes from.
    pub fn log_from(&self, logger: &str, level: LogLevel, data: impl Serialize) {
        self.note(Note::Log { level, logger: Some(logger.to_owned()), data: logged(&data) });
    }

    /// Cancels when dropped, unless the work ended before.
    pub(super) fn cancel_on_drop(&self) -> CancelOnDrop {
        CancelOnDrop(self.cancelled.clone())
    }

    fn note(&self, note: Note) {
        // A note that finds no room, or nobody to hear it, is left out.
        if self.notes.try_send(note).is_ok() {
            self.core.wake_by_ref();
        }
    }
}

fn logged(data: &impl Serialize) -> Value {
    serde_json::to_value(data).unwrap_or_else(|error| error.to_string().into())
}

#[derive(Debug)]
pub(super) struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
