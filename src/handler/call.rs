//! The state of one running call, shared by its handler and its connection.
//!
//! Used again call after call (see `Calls`), so its buffers keep their memory. The handler writes
//! notifications into `frames`; the connection takes them, and marks the call cancelled.
//! Invariant: a call that a handler still holds is not used for another.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use super::error::ToolError;
use super::frames::Frames;
use super::off_core::OffCore;
use crate::base::clock::Clock;
use crate::base::spawn::Spawn;
use crate::http::negotiate::StreamFormat;
use crate::jsonrpc::message::Id;
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::meta::{Meta, RESERVED_PREFIX};
use crate::mcp::model::log::LogLevel;
use crate::mcp::revision::Revision;
use crate::session::question::Question;

/// What the handlers of a core stand on.
#[derive(Clone, Debug)]
pub struct Services {
    /// The core's clock.
    pub clock: Rc<dyn Clock>,
    /// Where blocking work is done.
    pub off_core: Arc<dyn OffCore>,
    /// The core's tasks.
    pub spawn: Rc<dyn Spawn>,
}

/// One running call.
#[derive(Debug)]
pub struct Call {
    services: Services,
    revision: Cell<Revision>,
    capabilities: Cell<ClientCapabilities>,
    /// The request's id, as JSON.
    id_json: RefCell<Vec<u8>>,
    /// The progress token, as JSON; empty without one.
    token_json: RefCell<Vec<u8>>,
    /// The handler's part of `_meta`, as JSON; empty without one.
    meta_json: RefCell<Vec<u8>>,
    log_level: Cell<Option<LogLevel>>,
    progress: Cell<f64>,
    frames: RefCell<Frames>,
    cancelled: Cell<bool>,
    cancel_wakers: RefCell<Vec<Waker>>,
    /// The connection's task, woken for frames that are made while the handler is not polled.
    task: RefCell<Option<Waker>>,
}

/// How a call begins.
#[derive(Debug)]
pub struct CallStart<'a> {
    /// The revision that the request speaks.
    pub revision: Revision,
    /// The request's id.
    pub id: Id<'a>,
    /// The request's `_meta`.
    pub meta: &'a Meta<'a>,
    /// What the client can do.
    pub capabilities: ClientCapabilities,
    /// From which level on logs are sent; `None` sends none.
    pub log_level: Option<LogLevel>,
    /// How a stream would be framed; `None` when the client takes none.
    pub stream: Option<StreamFormat>,
    /// How many bytes of frames may wait.
    pub stream_buffer_bytes_max: usize,
}

impl Call {
    fn new(services: Services) -> Self {
        Self {
            services,
            revision: Cell::new(Revision::ASSUMED),
            capabilities: Cell::default(),
            id_json: RefCell::default(),
            token_json: RefCell::default(),
            meta_json: RefCell::default(),
            log_level: Cell::new(None),
            progress: Cell::new(f64::NEG_INFINITY),
            frames: RefCell::default(),
            cancelled: Cell::new(false),
            cancel_wakers: RefCell::default(),
            task: RefCell::default(),
        }
    }

    fn begin(&self, start: &CallStart<'_>) {
        self.revision.set(start.revision);
        self.capabilities.set(start.capabilities);
        self.log_level.set(start.log_level);
        self.progress.set(f64::NEG_INFINITY);
        self.cancelled.set(false);
        self.cancel_wakers.borrow_mut().clear();
        *self.task.borrow_mut() = None;
        self.frames.borrow_mut().open(start.stream, start.stream_buffer_bytes_max);
        rewrite(&self.id_json, |out| start.id.encode(out));
        rewrite(&self.token_json, |out| {
            if let Some(token) = start.meta.token() {
                token.encode(out);
            }
        });
        rewrite(&self.meta_json, |out| encode_own_meta(out, start.meta));
    }

    /// The revision that the request speaks.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.revision.get()
    }

    /// What the client can do.
    #[must_use]
    pub fn capabilities(&self) -> ClientCapabilities {
        self.capabilities.get()
    }

    /// What handlers stand on.
    #[must_use]
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// The request's id as JSON.
    pub fn with_id<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(&self.id_json.borrow())
    }

    pub(super) fn with_meta<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(&self.meta_json.borrow())
    }

    pub(super) fn with_token<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(&self.token_json.borrow())
    }

    /// Whether logs of this level are sent.
    pub(super) fn logs(&self, level: LogLevel) -> bool {
        self.log_level.get().is_some_and(|least| level >= least)
    }

    /// Takes the next value of progress if it is larger than every earlier one.
    pub(super) fn advance(&self, progress: f64) -> bool {
        let larger = progress > self.progress.get();
        if larger {
            self.progress.set(progress);
        }
        larger
    }

    /// Makes a notification and wakes the connection to send it.
    pub(super) fn push_frame(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.cancelled.get() {
            return false;
        }
        let taken = self.frames.borrow_mut().push(write);
        if taken && let Some(task) = self.task.borrow_mut().take() {
            task.wake();
        }
        taken
    }

    /// The notifications that wait to be sent.
    pub fn frames(&self) -> std::cell::RefMut<'_, Frames> {
        self.frames.borrow_mut()
    }

    /// Asks for the connection's task to be woken when a frame is made between two polls.
    pub fn wake_for_frames(&self, task: &Waker) {
        let mut held = self.task.borrow_mut();
        match &mut *held {
            Some(held) => held.clone_from(task),
            none @ None => *none = Some(task.clone()),
        }
    }

    /// Tells the handler that nobody waits for its answer. It is polled once more, then dropped.
    pub fn cancel(&self) {
        self.cancelled.set(true);
        for waker in self.cancel_wakers.borrow_mut().drain(..) {
            waker.wake();
        }
    }

    /// Whether nobody waits for the answer any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.get()
    }

    /// Sends a request to the client on the stream of this call, and gives the question that its
    /// response will settle. For callers that speak the legacy era.
    ///
    /// # Errors
    /// A failure told to the model, when this client cannot be asked: it is served without a
    /// session, or takes no stream.
    pub(super) fn ask_live(
        &self,
        _method: &'static str,
        _params_json: &str,
    ) -> Result<Rc<Question>, ToolError> {
        Err(ToolError::new("the client cannot be asked: it has no session"))
    }

    pub(super) fn wake_at_cancel(&self, waker: &Waker) {
        let mut wakers = self.cancel_wakers.borrow_mut();
        if !wakers.iter().any(|held| held.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }
}

/// Writes the members of `_meta` that are neither the envelope's nor the progress token, if any.
fn encode_own_meta(out: &mut Vec<u8>, meta: &Meta<'_>) {
    let own = |name: &str| !name.starts_with(RESERVED_PREFIX) && name != "progressToken";
    let members = meta.all.into_iter().flat_map(crate::jsonrpc::view::View::members);
    for (index, (name, value)) in members.filter(|(name, _)| own(name)).enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        crate::jsonrpc::encode::string(out, name);
        out.push(b':');
        value.encode(out);
    }
    if !out.is_empty() {
        out.push(b'}');
    }
}

fn rewrite(buffer: &RefCell<Vec<u8>>, write: impl FnOnce(&mut Vec<u8>)) {
    const KEPT_BYTES_MAX: usize = 4096;
    let mut buffer = buffer.borrow_mut();
    buffer.clear();
    if buffer.capacity() > KEPT_BYTES_MAX {
        buffer.shrink_to(KEPT_BYTES_MAX);
    }
    write(&mut buffer);
}

/// The calls of one core: those that ended are used again.
#[derive(Debug)]
pub struct Calls {
    services: Services,
    kept: RefCell<Vec<Rc<Call>>>,
    kept_count_max: usize,
}

impl Calls {
    /// Keeps up to `kept_count_max` ended calls.
    #[must_use]
    pub fn new(services: Services, kept_count_max: usize) -> Self {
        Self { services, kept: RefCell::default(), kept_count_max }
    }

    /// Begins a call.
    #[must_use]
    pub fn begin(&self, start: &CallStart<'_>) -> Rc<Call> {
        let kept = self.kept.borrow_mut().pop();
        let call = kept.unwrap_or_else(|| Rc::new(Call::new(self.services.clone())));
        call.begin(start);
        call
    }

    /// Ends a call. One that its handler still holds is left to it.
    pub fn end(&self, call: Rc<Call>) {
        let mut kept = self.kept.borrow_mut();
        if Rc::strong_count(&call) == 1 && kept.len() < self.kept_count_max {
            *call.task.borrow_mut() = None;
            kept.push(call);
        }
    }
}
