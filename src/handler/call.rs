//! The state of one running call, shared by its handler and its connection.
//!
//! Used again call after call (see `Calls`), so its buffers keep their memory. The handler writes
//! notifications into `frames`; the connection takes them, and marks the call cancelled.
//! Invariant: a call that a handler still holds is not used for another.

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;

use super::answer::Finished;
use super::ask::AskLimits;
use super::ask::binding::Binding;
use super::ask::rounds::Rounds;
use super::error::ToolError;
use super::frames::Frames;
use super::off_core::OffCore;
use super::task::Tasking;
use crate::base::clock::Clock;
use crate::base::spawn::Spawn;
use crate::http::negotiate::StreamFormat;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::message::Id;
use crate::jsonrpc::view::View;
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::meta::Meta;
use crate::mcp::method::Method;
use crate::mcp::model::log::LogLevel;
use crate::mcp::revision::{Era, Revision};
use crate::session::change::Changes;
use crate::session::conversation::{Session, TooMany, Work};
use crate::session::owner::Owner;
use crate::session::question::Question;
use crate::session::seal::Sealer;
use crate::session::stream::EventStream;
use crate::session::tasks::Tasks;

/// What the handlers of a core stand on.
#[derive(Clone, Debug)]
pub struct Services {
    /// The core's clock.
    pub clock: Rc<dyn Clock>,
    /// Where blocking work is done.
    pub off_core: Arc<dyn OffCore>,
    /// The core's tasks.
    pub spawn: Rc<dyn Spawn>,
    /// Tells clients what changed.
    pub changes: Changes,
    /// Seals what clients carry from one round of a call to the next.
    pub sealer: Arc<Sealer>,
}

/// What all calls of a core stand on.
#[derive(Debug)]
struct Ground {
    services: Services,
    ask: AskLimits,
}

/// One running call.
#[derive(Debug)]
pub struct Call {
    ground: Rc<Ground>,
    revision: Cell<Revision>,
    capabilities: Cell<ClientCapabilities>,
    named: RefCell<Named>,
    log_level: Cell<Option<LogLevel>>,
    progress: Cell<f64>,
    frames: RefCell<Frames>,
    /// The session that it is for, in the legacy era.
    session: RefCell<Option<Rc<Session>>>,
    /// The event stream that it answers on, once it needs one: calls of sessions alone.
    stream: RefCell<Option<Rc<EventStream>>>,
    /// How many questions its handler waits for.
    waiting_count: Cell<i32>,
    cancelled: Cell<bool>,
    cancel_wakers: RefCell<Vec<Waker>>,
    /// The connection's task, woken for frames that are made while the handler is not polled.
    task: RefCell<Option<Waker>>,
    /// What was asked and answered; `None` as long as nothing was.
    rounds: RefCell<Option<Box<Rounds>>>,
    /// Whether its method lets it ask.
    may_ask: Cell<bool>,
    /// What answers are good for, written where the client could be asked.
    binding: RefCell<Binding>,
    tasking: Tasking,
}

/// What a request says of itself, as JSON: one text behind the other, in one buffer. The progress
/// token stands first, since each notification of progress reads it.
#[derive(Debug, Default)]
struct Named {
    json: Vec<u8>,
    /// Where the token ends and the id begins.
    token_bytes: usize,
    /// Where that ends and the handler's part of `_meta` begins.
    id_end: usize,
}

impl Named {
    fn write(&mut self, id: Id<'_>, meta: &Meta<'_>) {
        const KEPT_BYTES_MAX: usize = 4096;
        self.json.clear();
        if self.json.capacity() > KEPT_BYTES_MAX {
            self.json.shrink_to(KEPT_BYTES_MAX);
        }
        if let Some(token) = meta.token() {
            token.encode(&mut self.json);
        }
        self.token_bytes = self.json.len();
        id.encode(&mut self.json);
        self.id_end = self.json.len();
        encode_own_meta(&mut self.json, meta);
    }

    fn id(&self) -> &[u8] {
        &self.json[self.token_bytes..self.id_end]
    }

    /// Empty without one.
    fn token(&self) -> &[u8] {
        &self.json[..self.token_bytes]
    }

    /// Empty without one.
    fn meta(&self) -> &[u8] {
        &self.json[self.id_end..]
    }
}

/// How a call begins.
#[derive(Debug)]
pub struct CallStart<'a> {
    /// The revision that the request speaks.
    pub revision: Revision,
    /// The request's method.
    pub method: &'a str,
    /// The request's params: what its answers are good for, and the answers that it brings.
    pub params: Option<View<'a>>,
    /// Who calls, where callers are told apart.
    pub principal: Option<&'a str>,
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
    /// The session that it is for.
    pub session: Option<&'a Rc<Session>>,
    /// Whose task it may become; `None` if it may not.
    pub task_owner: Option<Owner>,
}

impl Call {
    fn new(ground: Rc<Ground>, tasks: Option<Rc<Tasks>>) -> Self {
        Self {
            ground,
            revision: Cell::new(Revision::ASSUMED),
            capabilities: Cell::default(),
            named: RefCell::default(),
            log_level: Cell::new(None),
            progress: Cell::new(f64::NEG_INFINITY),
            frames: RefCell::default(),
            session: RefCell::default(),
            stream: RefCell::default(),
            waiting_count: Cell::new(0),
            cancelled: Cell::new(false),
            cancel_wakers: RefCell::default(),
            task: RefCell::default(),
            rounds: RefCell::default(),
            may_ask: Cell::new(false),
            binding: RefCell::default(),
            tasking: Tasking::new(tasks),
        }
    }

    fn begin(&self, start: &CallStart<'_>) -> Result<(), RpcError> {
        self.may_ask.set(Method::may_ask(start.method));
        *self.rounds.borrow_mut() = self.read_rounds(start)?;
        self.revision.set(start.revision);
        self.capabilities.set(start.capabilities);
        self.log_level.set(start.log_level);
        self.progress.set(f64::NEG_INFINITY);
        self.cancelled.set(false);
        self.cancel_wakers.borrow_mut().clear();
        *self.task.borrow_mut() = None;
        self.frames.borrow_mut().open(start.stream, start.stream_buffer_bytes_max);
        *self.session.borrow_mut() = start.session.cloned();
        *self.stream.borrow_mut() = None;
        self.tasking.open(start.task_owner.clone());
        self.named.borrow_mut().write(start.id, start.meta);
        Ok(())
    }

    /// What the request brings of earlier rounds. Rounds are of the modern era.
    fn read_rounds(&self, start: &CallStart<'_>) -> Result<Option<Box<Rounds>>, RpcError> {
        let brings = |name: &str| start.params.is_some_and(|params| params.get(name).is_some());
        let is_asked = start.capabilities.can_answer() || brings("requestState");
        if start.revision.era() == Era::Legacy || !self.may_ask.get() || !is_asked {
            return Ok(None);
        }
        let mut binding = self.binding.borrow_mut();
        binding.write(start.method, start.params, start.principal);
        let now = self.ground.services.clock.unix_seconds();
        Rounds::read(start.params, &binding, &self.ground.services.sealer, &self.ground.ask, now)
    }

    /// Whether its method lets it ask.
    pub(super) fn may_ask(&self) -> bool {
        self.may_ask.get()
    }

    /// What was asked and answered in this call.
    pub(super) fn rounds(&self) -> RefMut<'_, Rounds> {
        RefMut::map(self.rounds.borrow_mut(), |rounds| &mut **rounds.get_or_insert_default())
    }

    /// How a request is answered whose handler is not ready and will not be for it: it waits for
    /// answers that only a further call can bring, or goes on as a task. `None` if it is neither.
    /// To be asked whenever the handler was polled and is not ready.
    #[must_use]
    pub fn interim(&self) -> Option<Finished> {
        let mut rounds = self.rounds.borrow_mut();
        let Some(rounds) = rounds.as_mut().filter(|rounds| rounds.is_open()) else {
            return self.tasking.tell();
        };
        let Services { clock, sealer, .. } = &self.ground.services;
        Some(rounds.finish(&self.binding.borrow(), sealer, &self.ground.ask, clock.unix_seconds()))
    }

    pub(super) fn tasking(&self) -> &Tasking {
        &self.tasking
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
        &self.ground.services
    }

    /// The request's id as JSON.
    pub fn with_id<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(self.named.borrow().id())
    }

    pub(super) fn with_meta<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(self.named.borrow().meta())
    }

    pub(super) fn with_token<R>(&self, read: impl FnOnce(&[u8]) -> R) -> R {
        read(self.named.borrow().token())
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

    /// Makes a notification and wakes whoever sends it.
    pub(super) fn push_frame(&self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        // The caller of a task looks when it likes, and is told nothing.
        if self.cancelled.get() || self.tasking.is_told() {
            return false;
        }
        if let Some((session, stream)) = self.event_stream() {
            let mut write = Some(write);
            let taken = session.notify(&stream, &mut |out| {
                if let Some(write) = write.take() {
                    write(out);
                }
            });
            if !taken {
                self.frames.borrow_mut().note_dropped();
            }
            return taken;
        }
        let taken = self.frames.borrow_mut().push(write);
        if taken {
            self.wake_task();
        }
        taken
    }

    /// The session that it is for.
    #[must_use]
    pub fn session(&self) -> Option<Rc<Session>> {
        self.session.borrow().clone()
    }

    /// The event stream that it answers on, if one was needed so far.
    #[must_use]
    pub fn opened_stream(&self) -> Option<Rc<EventStream>> {
        self.stream.borrow().clone()
    }

    /// The session that it is for and the event stream that it answers on, which is opened now if
    /// it was not yet. `None` without a session, or when the client takes no stream.
    pub fn event_stream(&self) -> Option<(Rc<Session>, Rc<EventStream>)> {
        let session = self.session()?;
        let format = self.frames.borrow().format()?;
        let mut held = self.stream.borrow_mut();
        let now = self.ground.services.clock.now();
        let stream = held.get_or_insert_with(|| session.open_answer(format, now));
        Some((session, stream.clone()))
    }

    /// Whether nothing was told before the answer, so that a document says it all.
    #[must_use]
    pub fn told_nothing(&self) -> bool {
        self.stream.borrow().is_none() && self.frames.borrow().is_empty()
    }

    /// Whether it answers on an event stream if it takes its time.
    #[must_use]
    pub fn takes_events(&self) -> bool {
        self.session.borrow().is_some() && self.frames.borrow().is_stream()
    }

    /// Lets whoever carries its stream go, and come back.
    pub(super) fn pause(&self, retry: Duration) {
        if let Some((session, stream)) = self.event_stream() {
            session.note_growth(stream.pause(retry));
        }
    }

    /// Lets it answer on a stream that others answer on too.
    pub fn share_stream(&self, stream: Rc<EventStream>) {
        *self.stream.borrow_mut() = Some(stream);
    }

    /// Whether the next notification would find room.
    pub(super) fn has_room(&self) -> bool {
        match &*self.stream.borrow() {
            Some(stream) => stream.has_room(),
            None => self.frames.borrow().has_room(),
        }
    }

    /// Asks to be woken when there is room.
    pub(super) fn wake_at_room(&self, waker: &Waker) {
        match &*self.stream.borrow() {
            Some(stream) => stream.wake_at_room(waker),
            None => self.frames.borrow_mut().wake_at_room(waker),
        }
    }

    /// How many notifications found no room.
    #[must_use]
    pub fn dropped_count(&self) -> u64 {
        self.frames.borrow().dropped_count()
    }

    fn wake_task(&self) {
        if let Some(task) = self.task.borrow_mut().take() {
            task.wake();
        }
    }

    /// The notifications that wait to be sent.
    pub fn frames(&self) -> RefMut<'_, Frames> {
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
        self.wake_task();
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
    /// session, takes no stream, or was asked too much at once.
    pub(super) fn ask_live(
        &self,
        method: &'static str,
        params_json: &str,
    ) -> Result<Rc<Question>, ToolError> {
        if self.session.borrow().is_none() {
            return Err(ToolError::new("the client cannot be asked: it has no session"));
        }
        let Some((session, stream)) = self.event_stream() else {
            return Err(ToolError::new("the client cannot be asked: it takes no event stream"));
        };
        session.ask(&stream, method, params_json).map_err(|TooMany(limit)| {
            ToolError::new(format!("the client cannot be asked: too many questions ({limit})"))
        })
    }

    pub(super) fn note_waiting(&self, change: i32) {
        self.waiting_count.set(self.waiting_count.get() + change);
    }

    /// Whether its handler waits for what the client is asked: that is no time of the call's own.
    #[must_use]
    pub fn waits_for_client(&self) -> bool {
        self.waiting_count.get() > 0
    }

    /// Takes a question back that nobody waits for any more.
    pub(super) fn withdraw(&self, question: &Rc<Question>) {
        if let (Some(session), Some(stream)) = (self.session(), self.opened_stream()) {
            session.withdraw(&stream, question);
        }
    }

    pub(super) fn ask_limits(&self) -> &AskLimits {
        &self.ground.ask
    }

    pub(super) fn wake_at_cancel(&self, waker: &Waker) {
        let mut wakers = self.cancel_wakers.borrow_mut();
        if !wakers.iter().any(|held| held.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }
}

impl Work for Call {
    fn answers(&self, id_json: &[u8]) -> bool {
        self.named.borrow().id() == id_json
    }

    fn cancel(&self) {
        Self::cancel(self);
    }
}

/// Writes the members of `_meta` that are neither the envelope's nor the progress token, if any.
fn encode_own_meta(out: &mut Vec<u8>, meta: &Meta<'_>) {
    let start = out.len();
    for (index, (name, value)) in meta.own().enumerate() {
        out.push(if index == 0 { b'{' } else { b',' });
        crate::jsonrpc::encode::string(out, name);
        out.push(b':');
        value.encode(out);
    }
    if out.len() > start {
        out.push(b'}');
    }
}

/// The calls of one core: those that ended are used again.
#[derive(Debug)]
pub struct Calls {
    ground: Rc<Ground>,
    /// The tasks of the core, where there are any.
    tasks: Option<Rc<Tasks>>,
    kept: RefCell<Vec<Rc<Call>>>,
    kept_count_max: usize,
}

impl Calls {
    /// Keeps up to `kept_count_max` ended calls.
    #[must_use]
    pub fn new(
        services: Services,
        ask: AskLimits,
        tasks: Option<Rc<Tasks>>,
        kept_count_max: usize,
    ) -> Self {
        let ground = Rc::new(Ground { services, ask });
        Self { ground, tasks, kept: RefCell::default(), kept_count_max }
    }

    /// Begins a call.
    ///
    /// # Errors
    /// When what the request brings of an earlier round is not sound; it is refused with this.
    pub fn begin(&self, start: &CallStart<'_>) -> Result<Rc<Call>, RpcError> {
        let kept = self.kept.borrow_mut().pop();
        let fresh = || Rc::new(Call::new(self.ground.clone(), self.tasks.clone()));
        let call = kept.unwrap_or_else(fresh);
        match call.begin(start) {
            Ok(()) => Ok(call),
            Err(error) => {
                self.end(call);
                Err(error)
            }
        }
    }

    /// Ends a call. One that its handler still holds is left to it.
    pub fn end(&self, call: Rc<Call>) {
        call.tasking.close(|| call.moment());
        let mut kept = self.kept.borrow_mut();
        if Rc::strong_count(&call) == 1 && kept.len() < self.kept_count_max {
            *call.task.borrow_mut() = None;
            *call.session.borrow_mut() = None;
            *call.stream.borrow_mut() = None;
            *call.rounds.borrow_mut() = None;
            kept.push(call);
        }
    }
}
