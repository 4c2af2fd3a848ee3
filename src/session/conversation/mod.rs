//! `Session`: what is remembered of one legacy client between its requests.
//!
//! Opened by `initialize`, ended by DELETE, by its idle life or with the process. It holds what the
//! handshake settled, the calls that run, the event streams and what they keep, the questions that
//! wait for the client, and what the client watches.
//! Spec: MCP 2025-11-25 lifecycle, transports "Session Management", "Resumability". Limits:
//! `SessionLimits`. Invariant: a message goes to one stream; an ended session holds nothing.

mod client;

use std::cell::{Cell, RefCell, RefMut};
use std::rc::Rc;

use self::client::{ToldLists, Watched, announcements_max};
use crate::base::time::Now;
use crate::http::frame::EventId;
use crate::http::negotiate::StreamFormat;
use crate::jsonrpc::error::RpcError;
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::error;
use crate::mcp::model::log::LogLevel;
use crate::mcp::revision::Revision;
use crate::session::id::SessionId;
use crate::session::limits::SessionLimits;
use crate::session::owner::Owner;
use crate::session::question::Question;
use crate::session::store::EventStore;
use crate::session::stream::{EventStream, Growth, NotResumed, StreamPlan};

/// A call that runs for a session.
pub trait Work {
    /// Whether it answers the request of this id, written as JSON.
    fn answers(&self, id_json: &[u8]) -> bool;

    /// Its client, or the end of its session, cancelled it.
    fn cancel(&self);
}

/// What the handshake settled.
#[derive(Clone, Debug)]
pub struct Greeting {
    /// The revision that both speak.
    pub revision: Revision,
    /// What the client can do.
    pub capabilities: ClientCapabilities,
    /// Who opened it.
    pub owner: Owner,
}

/// What all sessions of a core share.
#[derive(Debug)]
pub struct Shared {
    pub(in crate::session) limits: SessionLimits,
    pub(in crate::session) store: Box<dyn EventStore>,
}

/// Which session it is, and where its table keeps it.
#[derive(Clone, Copy, Debug)]
pub(in crate::session) struct Seat {
    pub(in crate::session) id: SessionId,
    pub(in crate::session) slot: u32,
    /// Which of the sessions that had this slot.
    pub(in crate::session) serial: u32,
}

/// A session of the legacy era.
pub struct Session {
    seat: Seat,
    greeting: Greeting,
    log_level: Cell<LogLevel>,
    last_used: Cell<Now>,
    has_ended: Cell<bool>,
    kept_bytes: Cell<usize>,
    next_stream: Cell<u32>,
    streams: RefCell<Vec<Rc<EventStream>>>,
    /// In a box, since most sessions lie idle and never had any.
    affairs: RefCell<Option<Box<Affairs>>>,
    shared: Rc<Shared>,
}

/// What a session is occupied with besides its streams.
#[derive(Default)]
struct Affairs {
    work: Vec<Rc<dyn Work>>,
    questions: Vec<Rc<Question>>,
    next_question: u64,
    watched: Vec<Watched>,
    told_lists: ToldLists,
}

/// As many as may are there already; the limit's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany(pub &'static str);

/// Why no stream is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeError {
    /// The id was never given to this session.
    Unknown,
    /// The stream, or events behind the one named, are no longer kept.
    Forgotten,
    /// The stream ended with the event named.
    Over,
}

/// How many ended streams are kept for resumption besides those that live.
const ENDED_STREAMS_MAX: usize = 64;

impl Session {
    pub(in crate::session) fn new(
        seat: Seat,
        greeting: Greeting,
        shared: Rc<Shared>,
        now: Now,
    ) -> Self {
        Self {
            seat,
            greeting,
            log_level: Cell::new(LogLevel::Info),
            last_used: Cell::new(now),
            has_ended: Cell::new(false),
            kept_bytes: Cell::new(0),
            next_stream: Cell::new(0),
            streams: RefCell::default(),
            affairs: RefCell::default(),
            shared,
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &SessionId {
        &self.seat.id
    }

    /// Its slot in the table.
    pub(in crate::session) fn slot(&self) -> u32 {
        self.seat.slot
    }

    /// Which of the sessions that had its slot it is.
    pub(in crate::session) fn serial(&self) -> u32 {
        self.seat.serial
    }

    /// The revision that was settled.
    #[must_use]
    pub fn revision(&self) -> Revision {
        self.greeting.revision
    }

    /// What its client can do.
    #[must_use]
    pub fn capabilities(&self) -> ClientCapabilities {
        self.greeting.capabilities
    }

    /// Who opened it.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.greeting.owner
    }

    /// From which level on its client wants logs. `info` until it says.
    #[must_use]
    pub fn log_level(&self) -> LogLevel {
        self.log_level.get()
    }

    /// Sets the level from which on its client wants logs.
    pub fn set_log_level(&self, level: LogLevel) {
        self.log_level.set(level);
    }

    /// Whether it was ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Notes that it was used.
    pub fn touch(&self, now: Now) {
        self.last_used.set(now);
    }

    /// Since when it lies idle; `None` while it does something.
    pub(in crate::session) fn idle_since(&self) -> Option<Now> {
        let is_read = self.streams.borrow().iter().any(|stream| stream.is_attached());
        (!is_read && self.work_count() == 0).then(|| self.last_used.get())
    }

    /// Bytes of events that it keeps.
    #[must_use]
    pub fn kept_bytes(&self) -> usize {
        self.kept_bytes.get()
    }

    fn affairs(&self) -> RefMut<'_, Affairs> {
        RefMut::map(self.affairs.borrow_mut(), |affairs| &mut **affairs.get_or_insert_default())
    }

    // Work.

    fn work_count(&self) -> usize {
        self.affairs.borrow().as_ref().map_or(0, |affairs| affairs.work.len())
    }

    /// How many calls may run at once.
    #[must_use]
    pub fn work_max(&self) -> usize {
        self.shared.limits.session_requests_max
    }

    /// How many more calls may run.
    #[must_use]
    pub fn work_room(&self) -> usize {
        self.shared.limits.session_requests_max.saturating_sub(self.work_count())
    }

    /// Notes a call that runs.
    ///
    /// # Errors
    /// `session_requests_max`.
    pub fn begin_work(&self, work: Rc<dyn Work>) -> Result<(), TooMany> {
        let mut affairs = self.affairs();
        let running = &mut affairs.work;
        if running.len() >= self.shared.limits.session_requests_max {
            return Err(TooMany("session_requests_max"));
        }
        running.push(work);
        Ok(())
    }

    /// Notes that a call ended.
    pub fn end_work(&self, work: &Rc<dyn Work>, now: Now) {
        self.affairs().work.retain(|held| !Rc::ptr_eq(held, work));
        self.touch(now);
    }

    /// Cancels the call that answers this request, if it runs.
    pub fn cancel_work(&self, id_json: &[u8]) {
        let found = self.affairs().work.iter().find(|work| work.answers(id_json)).cloned();
        if let Some(work) = found {
            work.cancel();
        }
    }

    // Streams.

    /// Opens the stream of a request.
    #[must_use]
    pub fn open_answer(&self, format: StreamFormat, now: Now) -> Rc<EventStream> {
        self.open_stream(format, false, now)
    }

    /// Opens a stream for what belongs to no request.
    ///
    /// # Errors
    /// `session_streams_max`.
    pub fn open_standalone(&self, now: Now) -> Result<Rc<EventStream>, TooMany> {
        self.drop_old_streams(now);
        let is_open = |stream: &&Rc<EventStream>| stream.is_standalone() && stream.is_attached();
        let open_count = self.streams.borrow().iter().filter(is_open).count();
        if open_count >= self.shared.limits.session_streams_max {
            return Err(TooMany("session_streams_max"));
        }
        // What was left by a client that opens anew instead of resuming is not read any more.
        self.retire(|stream| stream.is_standalone() && !stream.is_attached());
        Ok(self.open_stream(StreamFormat::Sse, true, now))
    }

    fn open_stream(&self, format: StreamFormat, is_standalone: bool, now: Now) -> Rc<EventStream> {
        let limits = &self.shared.limits;
        // Only server-sent events have ids to resume by.
        let number = (format == StreamFormat::Sse).then(|| {
            let number = self.next_stream.get();
            self.next_stream.set(number.wrapping_add(1));
            number
        });
        let watched_max = limits.watched_resources_max;
        let events_min = if is_standalone { announcements_max(watched_max) } else { 0 };
        let plan = StreamPlan {
            number,
            format,
            is_standalone,
            primes: self.revision().rules().priming.then_some(limits.retry_delay),
            events_max: limits.replay_events_max.max(events_min),
            unsent_bytes_max: limits.stream_buffer_bytes_max,
        };
        let stream = Rc::new(EventStream::new(plan, self.shared.store.open(), now));
        self.drop_old_streams(now);
        let mut streams = self.streams.borrow_mut();
        if streams.is_empty() {
            // Few have more than one.
            streams.reserve_exact(1);
        }
        streams.push(stream.clone());
        stream
    }

    /// Finds the stream that an event id names, and attaches a carrier behind that event.
    ///
    /// # Errors
    /// Why it cannot be resumed without a gap.
    pub fn resume(&self, id: EventId, now: Now) -> Result<(Rc<EventStream>, u32), ResumeError> {
        self.drop_old_streams(now);
        let is_it = |stream: &&Rc<EventStream>| stream.number() == Some(id.stream);
        let found = self.streams.borrow().iter().find(is_it).cloned();
        let Some(stream) = found else {
            let was_given = id.stream < self.next_stream.get();
            return Err(if was_given { ResumeError::Forgotten } else { ResumeError::Unknown });
        };
        match stream.resume(id.sequence) {
            Ok(carrier) => Ok((stream, carrier)),
            Err(NotResumed::Forgotten) => Err(ResumeError::Forgotten),
            Err(NotResumed::NeverSent) => Err(ResumeError::Unknown),
            Err(NotResumed::Over) => Err(ResumeError::Over),
        }
    }

    /// Appends a notification, if there is room. Returns whether there was.
    pub fn notify(&self, stream: &EventStream, write: &mut dyn FnMut(&mut Vec<u8>)) -> bool {
        let has_room = stream.has_room();
        if has_room {
            self.append(stream, write);
        }
        has_room
    }

    /// Appends a message that must not be lost, whether there is room or not.
    pub fn append(&self, stream: &EventStream, write: &mut dyn FnMut(&mut Vec<u8>)) {
        let growth = stream.append(write);
        self.note_growth(growth);
    }

    /// Ends the stream of a request with its response.
    pub fn finish(&self, stream: &EventStream, message: Vec<u8>) {
        let growth = stream.finish(message);
        self.note_growth(growth);
    }

    /// Notes what a stream of this session took or gave back, and keeps within the bounds.
    pub fn note_growth(&self, growth: Growth) {
        let kept = self.kept_bytes.get() + growth.added_bytes;
        self.kept_bytes.set(kept.saturating_sub(growth.freed_bytes));
        let streams = self.streams.borrow();
        for stream in streams.iter() {
            while self.kept_bytes.get() > self.shared.limits.replay_bytes_max {
                match stream.forget() {
                    0 => break,
                    freed => self.free(freed),
                }
            }
        }
    }

    fn free(&self, freed_bytes: usize) {
        self.kept_bytes.set(self.kept_bytes.get().saturating_sub(freed_bytes));
    }

    /// Lets go of streams that nobody came back for.
    pub(in crate::session) fn drop_old_streams(&self, now: Now) {
        let life = self.shared.limits.replay_life;
        self.retire(|stream| {
            let is_over = stream.is_standalone() || stream.has_ended();
            let left_at = stream.left_since();
            is_over && left_at.is_some_and(|left_at| left_at.after(life).passed(now))
        });
        let is_kept = |stream: &&Rc<EventStream>| stream.has_ended() && !stream.is_attached();
        let ended_count = self.streams.borrow().iter().filter(is_kept).count();
        let mut surplus = ended_count.saturating_sub(ENDED_STREAMS_MAX);
        self.retire(|stream| {
            let goes = surplus > 0 && is_kept(&stream);
            surplus -= usize::from(goes);
            goes
        });
    }

    fn retire(&self, mut goes: impl FnMut(&Rc<EventStream>) -> bool) {
        let mut freed = 0;
        self.streams.borrow_mut().retain(|stream| {
            let goes = goes(stream);
            if goes {
                freed += stream.cut();
            }
            !goes
        });
        self.free(freed);
    }

    /// Forgets a stream that nobody will come back for.
    pub fn drop_stream(&self, stream: &Rc<EventStream>) {
        self.retire(|held| Rc::ptr_eq(held, stream));
    }

    /// Ends the session: calls are cancelled, and end their streams themselves; the other streams
    /// end, questions fail.
    pub fn end(&self) {
        if self.has_ended.replace(true) {
            return;
        }
        if let Some(affairs) = self.affairs.take() {
            affairs.work.iter().for_each(|work| work.cancel());
            for question in affairs.questions {
                question.settle(Err(ended()));
            }
        }
        let streams = self.streams.take();
        // One that has ended may still be carried to a peer that reads slowly, which is to leave.
        let ends = |stream: &&Rc<EventStream>| stream.is_standalone() || stream.has_ended();
        streams.iter().filter(ends).for_each(|stream| stream.end());
        self.kept_bytes.set(0);
    }
}

fn ended() -> RpcError {
    error::internal("the session ended")
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", self.id()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
