//! The state of one core: what its connections share. No I/O.
//!
//! Invariant: nothing here is shared with another core, and no borrow of it outlives a turn of the
//! loop.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::date::{DateCache, DateLine};
use super::detached::Roamers;
use super::limits::ServeLimits;
use super::route::{Pass, SESSIONLESS_METHODS};
use crate::base::clock::Clock;
use crate::base::pool::BufferPool;
use crate::base::spawn::Spawn;
use crate::base::time::{Deadline, Now};
use crate::controller::catalogue::Catalogue;
use crate::controller::dispatch::{Controller, ControllerLimits, Kept};
use crate::handler::call::Services;
use crate::http::h1::familiar::FamiliarHeads;
use crate::http::origin::{HostPolicy, OriginPolicy};
use crate::session::change::Change;
use crate::session::limits::{SessionLimits, SessionMode, SessionSettings, TaskLimits};
use crate::session::store::MemoryStore;
use crate::session::subscription::Subscriptions;
use crate::session::table::{Membership, Sessions};
use crate::session::tasks::Tasks;

/// What every core is told alike.
#[derive(Clone, Debug)]
pub struct ServeSettings {
    /// The path of the MCP endpoint. Default `/mcp`.
    pub path: String,
    /// Which web pages may call.
    pub origins: OriginPolicy,
    /// Under which names this server may be called.
    pub hosts: HostPolicy,
    /// What a connection may cost.
    pub limits: ServeLimits,
    /// Whether legacy clients get sessions, and what those may cost.
    pub sessions: SessionSettings,
    /// What tasks may cost.
    pub tasks: TaskLimits,
}

impl Default for ServeSettings {
    fn default() -> Self {
        Self {
            path: "/mcp".to_owned(),
            origins: OriginPolicy::default(),
            hosts: HostPolicy::default(),
            limits: ServeLimits::default(),
            sessions: SessionSettings::default(),
            tasks: TaskLimits::default(),
        }
    }
}

/// How far the end of the process is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Not in sight.
    Serving,
    /// Running calls go on; nothing new is taken.
    Draining,
    /// Running calls are cancelled.
    Cancelling,
}

/// What happened on a core, counted.
#[derive(Debug, Default)]
pub struct Counters {
    /// Requests whose head was complete.
    pub requests: Cell<u64>,
    /// Requests refused before their body was looked at.
    pub refusals: Cell<u64>,
    /// Tool calls begun.
    pub calls: Cell<u64>,
    /// Tool calls cancelled: by a cut, their deadline, or a drain.
    pub cancelled_calls: Cell<u64>,
    /// Handlers that panicked.
    pub panics: Cell<u64>,
    /// Responses that went out on event streams of sessions.
    pub detached_calls: Cell<u64>,
    /// Notifications that found no room.
    pub dropped_frames: Cell<u64>,
}

/// One core's share of the server.
#[derive(Debug)]
pub struct Shard {
    pub(super) settings: Arc<ServeSettings>,
    pub(super) controller: Controller,
    /// The sessions of this core.
    pub(super) sessions: Rc<Sessions>,
    /// Who listens on this core.
    pub(super) subscriptions: Rc<Subscriptions>,
    /// The tasks of this core; `None` for a server without any.
    pub(super) tasks: Option<Rc<Tasks>>,
    /// The calls of this core that run by themselves.
    pub(super) roamers: Roamers,
    /// Whether somebody looks after ended tasks.
    are_tasks_watched: Cell<bool>,
    /// Whether somebody looks after idle sessions.
    are_sessions_watched: Cell<bool>,
    pub(super) buffers: BufferPool,
    /// Where bytes are received before they are anybody's.
    pub(super) scratch: RefCell<Box<[u8]>>,
    /// The heads of messages that this core saw before, and how they were admitted.
    pub(super) familiar_heads: RefCell<FamiliarHeads<Pass>>,
    /// How many digits the last answer's length had: most likely the next one's too.
    pub(super) length_digits: Cell<usize>,
    date: DateCache,
    clock: Rc<dyn Clock>,
    spawn: Rc<dyn Spawn>,
    phase: Cell<Phase>,
    /// Whether another process serves at the same addresses.
    is_succeeded: Cell<bool>,
    cancelled_at: Cell<Option<Now>>,
    counters: Counters,
}

/// What one receive takes at most.
pub(super) const RECEIVE_BYTES_MAX: usize = 64 * 1024;
/// What one takes at most into a buffer with room for more, unless a body needs it. And the room
/// that is made at once for a body: who announces much and sends little is given no more.
pub(super) const ROOM_BYTES_MAX: usize = 1024 * 1024;
const KEPT_BUFFERS_MAX: usize = 256;
const KEPT_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// What those take together that are larger, kept for the bodies and answers that come next.
const KEPT_LARGE_BYTES_MAX: usize = 2 * 1024 * 1024;

impl Shard {
    /// The shard of a core.
    #[must_use]
    pub fn new(
        settings: Arc<ServeSettings>,
        catalogue: Arc<Catalogue>,
        services: Services,
        membership: &Membership,
    ) -> Rc<Self> {
        let (clock, spawn) = (services.clock.clone(), services.spawn.clone());
        let session_limits = settings.session_limits();
        let store = Box::new(MemoryStore);
        let sessions = Rc::new(Sessions::new(membership, session_limits.clone(), store));
        let subscriptions = Rc::new(Subscriptions::new(session_limits));
        let task_limits = &settings.tasks;
        let has_tasks = catalogue.registry().has_tasks;
        let changes = &services.changes;
        let tasks = || Rc::new(Tasks::new(membership, task_limits.clone(), changes.clone()));
        let tasks = has_tasks.then(tasks);
        let limits = ControllerLimits {
            json: settings.limits.json.clone(),
            ask: settings.limits.ask.clone(),
            stream_buffer_bytes_max: settings.limits.stream_buffer_bytes_max,
            session_mode: settings.sessions.mode,
            task_result_bytes_max: task_limits.task_result_bytes_max,
        };
        let kept = Kept {
            sessions: sessions.clone(),
            subscriptions: subscriptions.clone(),
            tasks: tasks.clone(),
        };
        let controller = Controller::new(catalogue, services, limits, kept);
        Rc::new(Self {
            controller,
            sessions,
            subscriptions,
            tasks,
            roamers: Roamers::default(),
            are_tasks_watched: Cell::new(false),
            are_sessions_watched: Cell::new(false),
            buffers: BufferPool::new(KEPT_BUFFERS_MAX, KEPT_BUFFER_BYTES_MAX, KEPT_LARGE_BYTES_MAX),
            scratch: RefCell::new(vec![0; RECEIVE_BYTES_MAX].into_boxed_slice()),
            familiar_heads: RefCell::new(FamiliarHeads::new(&settings.limits.head)),
            length_digits: Cell::new(3),
            date: DateCache::new(),
            clock,
            spawn,
            phase: Cell::new(Phase::Serving),
            is_succeeded: Cell::new(false),
            cancelled_at: Cell::new(None),
            counters: Counters::default(),
            settings,
        })
    }

    /// What a connection may cost.
    #[must_use]
    pub fn limits(&self) -> &ServeLimits {
        &self.settings.limits
    }

    /// What happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How far the end is.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase.get()
    }

    /// Whether a connection that waits between two requests is to be closed.
    pub(super) fn closes_waiting(&self) -> bool {
        match self.phase.get() {
            Phase::Serving => false,
            Phase::Draining => !self.is_succeeded.get(),
            Phase::Cancelling => true,
        }
    }

    /// Whether whoever asks at its addresses finds it at work, or another process in its place.
    pub(super) fn is_ready(&self) -> bool {
        self.phase.get() == Phase::Serving || self.is_succeeded.get()
    }

    /// As [`drain`](Self::drain), while another process takes what is new at the same addresses: a
    /// connection that waits is heard once more, since its peer cannot know, and told to close.
    pub fn step_down(&self) -> Deadline {
        self.is_succeeded.set(true);
        self.drain()
    }

    /// Takes nothing new: connections that wait are closed, answers say that theirs will be.
    /// Returns the moment at which [`cancel`](Self::cancel) is due.
    pub fn drain(&self) -> Deadline {
        self.phase.set(Phase::Draining);
        self.subscriptions.end_all();
        self.clock.timers().wake_all();
        self.now().after(self.limits().drain_timeout)
    }

    /// Cancels what still runs. Each call is answered with an error, which its peer must take
    /// within `linger_timeout`; every connection has ended by then.
    pub fn cancel(&self) {
        self.phase.set(Phase::Cancelling);
        self.cancelled_at.set(Some(self.now()));
        self.clock.timers().wake_all();
    }

    /// Until when a peer may be waited for that otherwise had until `deadline`.
    pub(super) fn patience(&self, deadline: Deadline) -> Deadline {
        match self.cancelled_at.get() {
            Some(cancelled_at) => deadline.min(cancelled_at.after(self.limits().linger_timeout)),
            None => deadline,
        }
    }

    pub(super) fn now(&self) -> Now {
        self.clock.now()
    }

    /// The `Date` of an answer that is made now.
    pub(super) fn date(&self) -> DateLine {
        self.date.line(&*self.clock)
    }

    pub(super) fn clock(&self) -> &dyn Clock {
        &*self.clock
    }

    /// Starts a task on this core.
    pub(super) fn spawn(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        self.spawn.spawn(task);
    }

    /// Whether there are sessions at all.
    pub(super) fn has_sessions(&self) -> bool {
        self.settings.sessions.mode != SessionMode::Off
    }

    /// What may be asked of the endpoint.
    pub(super) fn endpoint_methods(&self) -> &'static str {
        if self.has_sessions() { "POST, GET, DELETE, OPTIONS" } else { SESSIONLESS_METHODS }
    }

    /// How long the answer to a request may take before it is made a stream to resume.
    pub(super) fn priming_delay(&self) -> Duration {
        self.settings.sessions.limits.priming_delay
    }

    /// How many sessions live on this core.
    #[must_use]
    pub fn session_count(&self) -> usize {
        self.sessions.count()
    }

    /// Tells the clients of this core of a change.
    pub fn announce(&self, change: &Change) {
        match change {
            Change::TasksWatched(ids, asker) => {
                if let Some(tasks) = &self.tasks {
                    ids.iter().for_each(|id| tasks.watch(*id, asker));
                }
            }
            Change::Task(_) => self.subscriptions.announce(change),
            Change::Tools | Change::Prompts | Change::Resources | Change::ResourceUpdated(_) => {
                self.sessions.announce(change);
                self.subscriptions.announce(change);
            }
        }
    }

    /// Tells the clients of this core that anything may have changed: some changes were missed.
    pub fn announce_all(&self) {
        for change in [Change::Tools, Change::Prompts, Change::Resources] {
            self.announce(&change);
        }
        self.sessions.announce_watched();
        self.subscriptions.announce_watched();
    }

    /// Sees to it that idle sessions end, as long as there are any.
    pub(super) fn watch_sessions(self: &Rc<Self>) {
        if self.are_sessions_watched.replace(true) {
            return;
        }
        let shard = self.clone();
        self.spawn(Box::pin(async move {
            while let Some(due) = shard.sessions.expire(shard.now()) {
                shard.clock.timers().sleep_until(due).await;
                if shard.phase() != Phase::Serving {
                    break;
                }
            }
            shard.are_sessions_watched.set(false);
        }));
    }
}

impl Shard {
    /// Sees to it that ended tasks are forgotten, as long as there are any.
    pub(super) fn watch_tasks(self: &Rc<Self>) {
        if self.are_tasks_watched.replace(true) {
            return;
        }
        let shard = self.clone();
        self.spawn(Box::pin(async move {
            while let Some(due) = shard.tasks.as_ref().and_then(|it| it.expire(shard.now())) {
                shard.clock.timers().sleep_until(due).await;
                if shard.phase() != Phase::Serving {
                    break;
                }
            }
            shard.are_tasks_watched.set(false);
        }));
    }

    /// Waits until nothing runs by itself: no task, and no call of a session.
    pub async fn rest(&self) {
        loop {
            self.roamers.rest().await;
            if let Some(tasks) = &self.tasks {
                tasks.rest().await;
            }
            if self.roamers.is_empty() {
                return;
            }
        }
    }

    /// How many tasks are kept on this core, ended ones included.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.tasks.as_ref().map_or(0, |tasks| tasks.count())
    }
}

impl ServeSettings {
    /// The limits of sessions, which share those of streams.
    fn session_limits(&self) -> SessionLimits {
        SessionLimits {
            stream_buffer_bytes_max: self.limits.stream_buffer_bytes_max,
            ..self.sessions.limits.clone()
        }
    }
}

/// Adds one to a counter.
pub(super) fn count(counter: &Cell<u64>) {
    counter.set(counter.get().wrapping_add(1));
}
