//! One event stream: what its writers said, what its reader took, and what is kept for a reader
//! that was cut off.
//!
//! Writers append events; one *carrier* at a time (a connection) takes them. A numbered stream
//! outlives its carriers: the next one resumes behind the event that it names, and supersedes the
//! one before. So its first event is not kept once it is taken: no id is before it. An unnumbered
//! stream keeps nothing.
//!
//! ```text
//! append ─▶ [ kept, taken │ kept, not yet taken ] ─▶ take
//!           first        sent                 next
//! ```
//!
//! Spec: MCP 2025-11-25 transports, "Resumability and Redelivery". Limits: `replay_events_max`,
//! `stream_buffer_bytes_max`.
//! Invariant: `first <= sent <= next`; a carrier is given every event from `sent` on, once, in
//! order; what a carrier that is attached, or the first one that is yet to come, did not take is
//! never forgotten.

mod plan;

use std::cell::RefCell;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

pub use self::plan::{Growth, News, NotResumed, StreamPlan};
use crate::base::time::Now;
use crate::http::frame::{EventId, frame, priming_event};
use crate::http::negotiate::StreamFormat;
use crate::session::store::EventLog;

/// An event stream.
#[derive(Debug)]
pub struct EventStream {
    plan: StreamPlan,
    inner: RefCell<Inner>,
}

#[derive(Debug)]
struct Inner {
    log: Box<dyn EventLog>,
    sent: u64,
    unsent_bytes: usize,
    /// Which carrier is the last one, counted from 1.
    carrier: u32,
    is_attached: bool,
    /// When the last carrier left.
    left_at: Now,
    ending: Ending,
    carrier_waker: Option<Waker>,
    /// In a box, since most streams wait for events and have nothing of it.
    more: Option<Box<More>>,
}

/// What few streams have.
#[derive(Debug, Default)]
struct More {
    /// The answer that became due before any event: it may travel as a document.
    document: Option<Vec<u8>>,
    /// The carrier is to leave, and come back after this long.
    pause: Option<Duration>,
    room_wakers: Vec<Waker>,
}

/// How far the end of a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Open,
    Ended,
    /// Ended before its time: carriers end the connection at once.
    Cut,
}

impl EventStream {
    /// A stream with nothing in it.
    #[must_use]
    pub fn new(plan: StreamPlan, log: Box<dyn EventLog>, now: Now) -> Self {
        let inner = Inner {
            log,
            sent: 0,
            unsent_bytes: 0,
            carrier: 0,
            is_attached: false,
            left_at: now,
            ending: Ending::Open,
            carrier_waker: None,
            more: None,
        };
        Self { plan, inner: RefCell::new(inner) }
    }

    /// Its number in its session.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        self.plan.number
    }

    /// How its messages are framed.
    #[must_use]
    pub fn format(&self) -> StreamFormat {
        self.plan.format
    }

    /// Whether its client opened it for what belongs to no request.
    #[must_use]
    pub fn is_standalone(&self) -> bool {
        self.plan.is_standalone
    }

    /// Whether its clients may be told to leave and come back.
    #[must_use]
    pub fn can_pause(&self) -> bool {
        self.plan.primes.is_some() && self.plan.number.is_some()
    }

    /// Whether the next notification would be taken: a carrier that reads slowly holds them up.
    #[must_use]
    pub fn has_room(&self) -> bool {
        let inner = self.inner.borrow();
        let waiting = inner.log.next().saturating_sub(inner.sent);
        !inner.is_awaited()
            || (inner.unsent_bytes < self.plan.unsent_bytes_max
                && waiting < self.plan.events_max as u64)
    }

    /// Whether somebody reads it.
    #[must_use]
    pub fn is_attached(&self) -> bool {
        self.inner.borrow().is_attached
    }

    /// Whether nothing will be appended any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.inner.borrow().ending != Ending::Open
    }

    /// Whether nothing was ever said on it.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        let inner = self.inner.borrow();
        inner.log.next() == 0 && !inner.has_document()
    }

    /// Whether its carrier left and no client has an id to resume it by.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        let inner = self.inner.borrow();
        !inner.is_awaited() && (self.plan.number.is_none() || inner.log.next() == 0)
    }

    /// Since when nobody reads it; `None` while somebody does.
    #[must_use]
    pub fn left_since(&self) -> Option<Now> {
        let inner = self.inner.borrow();
        (!inner.is_attached).then_some(inner.left_at)
    }

    /// How many messages were appended so far: the number of the next one.
    #[must_use]
    pub fn next_number(&self) -> u64 {
        self.inner.borrow().log.next()
    }

    /// Whether the message of this number was appended, and its reader has yet to take it.
    #[must_use]
    pub fn is_waiting(&self, number: u64) -> bool {
        let inner = self.inner.borrow();
        (inner.sent..inner.log.next()).contains(&number)
    }

    /// Asks to be woken when there is room again.
    pub fn wake_at_room(&self, waker: &Waker) {
        let mut inner = self.inner.borrow_mut();
        let wakers = &mut inner.more().room_wakers;
        if !wakers.iter().any(|held| held.will_wake(waker)) {
            wakers.push(waker.clone());
        }
    }

    /// Appends a message, whether there is room or not. After the end it is left out.
    pub fn append(&self, write: &mut dyn FnMut(&mut Vec<u8>)) -> Growth {
        let mut inner = self.inner.borrow_mut();
        if inner.ending != Ending::Open {
            return Growth::default();
        }
        let mut growth = self.prime(&mut inner);
        let number = inner.log.next();
        let added = inner.log.append(&mut |out| {
            if let Some(stream) = self.plan.number {
                EventId { stream, sequence: number }.write_line(out);
            }
            frame(out, self.plan.format, &mut *write);
        });
        inner.unsent_bytes += added;
        growth.added_bytes += added;
        while inner.log.next() - inner.log.first() > self.plan.events_max as u64 {
            match inner.forget() {
                0 => break,
                freed => growth.freed_bytes += freed,
            }
        }
        inner.wake_carrier();
        // What is not kept for another carrier is counted neither when it comes nor when it goes.
        if self.plan.number.is_some() { growth } else { Growth::default() }
    }

    /// Makes sure that the stream is primed, if it primes.
    pub fn open(&self) -> Growth {
        let mut inner = self.inner.borrow_mut();
        let growth = self.prime(&mut inner);
        inner.wake_carrier();
        growth
    }

    fn prime(&self, inner: &mut Inner) -> Growth {
        let (Some(retry), Some(stream), 0) = (self.plan.primes, self.plan.number, inner.log.next())
        else {
            return Growth::default();
        };
        if inner.ending != Ending::Open {
            return Growth::default();
        }
        let id = EventId { stream, sequence: 0 };
        let added_bytes = inner.log.append(&mut |out| priming_event(out, id, retry));
        inner.unsent_bytes += added_bytes;
        Growth { added_bytes, freed_bytes: 0 }
    }

    /// Ends the stream with its answer: as its last event, or as a document if there was no event.
    pub fn finish(&self, message: Vec<u8>) -> Growth {
        let growth = if self.inner.borrow().log.next() > 0 {
            self.append(&mut |out| out.extend_from_slice(&message))
        } else {
            self.inner.borrow_mut().give_document(message);
            Growth::default()
        };
        self.end();
        growth
    }

    /// Ends the stream of a request that its client cancelled, which gets no answer on a stream
    /// that was opened, and `message` otherwise.
    pub fn finish_cancelled(&self, message: Vec<u8>) {
        self.inner.borrow_mut().give_document(message);
        self.end();
    }

    /// Ends the stream: its carrier takes what is left and ends its answer.
    pub fn end(&self) {
        let mut inner = self.inner.borrow_mut();
        if inner.ending == Ending::Open {
            inner.ending = Ending::Ended;
        }
        inner.wake_carrier();
        inner.wake_room();
    }

    /// Ends the stream at once: its carrier leaves, and nobody can resume it. Returns how many
    /// kept bytes that frees.
    pub fn cut(&self) -> usize {
        let mut inner = self.inner.borrow_mut();
        inner.ending = Ending::Cut;
        inner.take_document();
        let mut freed = 0;
        while let length @ 1.. = inner.log.forget() {
            freed += length;
        }
        inner.sent = inner.log.next();
        inner.unsent_bytes = 0;
        inner.wake_carrier();
        inner.wake_room();
        if self.plan.number.is_some() { freed } else { 0 }
    }

    /// Asks the carrier, or the first one to come, to leave, and the client to come back after
    /// `retry`. Without effect on a stream whose client cannot.
    pub fn pause(&self, retry: Duration) -> Growth {
        if !self.can_pause() {
            return Growth::default();
        }
        let growth = self.open();
        let mut inner = self.inner.borrow_mut();
        inner.more().pause = Some(retry);
        inner.wake_carrier();
        growth
    }

    /// A carrier begins at the first event that none took. Whoever carried it is superseded.
    pub fn attach(&self) -> u32 {
        let mut inner = self.inner.borrow_mut();
        // 0 says that there was none yet.
        inner.carrier = inner.carrier.checked_add(1).unwrap_or(1);
        inner.is_attached = true;
        inner.wake_carrier();
        inner.carrier
    }

    /// A carrier begins behind the event of this number.
    ///
    /// # Errors
    /// When there was no such event, those behind it are not all kept, or it was the last one.
    pub fn resume(&self, after: u64) -> Result<u32, NotResumed> {
        {
            let mut inner = self.inner.borrow_mut();
            if after >= inner.log.next() {
                return Err(NotResumed::NeverSent);
            }
            let due = inner.log.since(after + 1).ok_or(NotResumed::Forgotten)?.len();
            if due == 0 && inner.ending == Ending::Ended {
                return Err(NotResumed::Over);
            }
            if let Some(more) = &mut inner.more {
                more.pause = None;
            }
            inner.sent = after + 1;
            inner.unsent_bytes = due;
        }
        Ok(self.attach())
    }

    /// A carrier leaves. Nothing changes if another took over before.
    pub fn detach(&self, carrier: u32, now: Now) {
        let mut inner = self.inner.borrow_mut();
        if inner.carrier == carrier {
            inner.is_attached = false;
            inner.left_at = now;
            inner.carrier_waker = None;
            inner.wake_room();
        }
    }

    /// What the carrier has to do, if it has to do something.
    #[must_use]
    pub fn news(&self, carrier: u32) -> Option<News> {
        self.inner.borrow().news(carrier)
    }

    /// What the carrier has to do, once it has to do something.
    pub fn poll_news(&self, carrier: u32, context: &mut Context<'_>) -> Poll<News> {
        let mut inner = self.inner.borrow_mut();
        if let Some(news) = inner.news(carrier) {
            return Poll::Ready(news);
        }
        inner.carrier_waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Whether another carrier took over. If none did, the next thing that happens to the stream
    /// wakes this one, as it does who asks for news.
    pub fn is_superseded(&self, carrier: u32, context: &Context<'_>) -> bool {
        let mut inner = self.inner.borrow_mut();
        if inner.carrier == carrier {
            inner.carrier_waker = Some(context.waker().clone());
        }
        inner.carrier != carrier
    }

    /// Hands the events that wait to `send`, all at once, and wakes who waits for room. What nobody
    /// can ask for again is forgotten.
    pub fn take(&self, send: impl FnOnce(&[u8])) -> Growth {
        let mut inner = self.inner.borrow_mut();
        send(inner.log.since(inner.sent).unwrap_or_default());
        inner.sent = inner.log.next();
        inner.unsent_bytes = 0;
        let mut growth = Growth::default();
        if self.plan.number.is_none() {
            while inner.log.forget() > 0 {}
        } else if inner.log.first() == 0 {
            growth.freed_bytes = inner.log.forget();
        }
        inner.wake_room();
        growth
    }

    /// The document that is all there is.
    pub fn take_document(&self) -> Option<Vec<u8>> {
        self.inner.borrow_mut().take_document()
    }

    /// The document becomes an event after all: its client takes streams alone.
    pub fn document_to_event(&self) -> Growth {
        let Some(message) = self.take_document() else { return Growth::default() };
        let ending = std::mem::replace(&mut self.inner.borrow_mut().ending, Ending::Open);
        let growth = self.append(&mut |out| out.extend_from_slice(&message));
        self.inner.borrow_mut().ending = ending;
        growth
    }

    /// Forgets the oldest event, unless a carrier has yet to take it. Returns how many kept bytes
    /// that frees.
    pub fn forget(&self) -> usize {
        if self.plan.number.is_none() {
            return 0;
        }
        self.inner.borrow_mut().forget()
    }
}

impl Inner {
    fn news(&self, carrier: u32) -> Option<News> {
        if self.carrier != carrier || self.ending == Ending::Cut {
            Some(News::Superseded)
        } else if self.unsent_bytes > 0 {
            Some(News::Events)
        } else if self.has_document() {
            Some(News::Document)
        } else if self.ending == Ending::Ended {
            Some(News::Ended)
        } else {
            self.more.as_ref().and_then(|more| more.pause).map(News::Paused)
        }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    fn has_document(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.document.is_some())
    }

    fn take_document(&mut self) -> Option<Vec<u8>> {
        self.more.as_mut()?.document.take()
    }

    /// Whether somebody reads it, or is about to for the first time.
    fn is_awaited(&self) -> bool {
        self.is_attached || self.carrier == 0
    }

    fn give_document(&mut self, message: Vec<u8>) {
        if self.ending == Ending::Open && self.log.next() == 0 {
            self.more().document = Some(message);
        }
    }

    fn forget(&mut self) -> usize {
        let is_taken = self.log.first() < self.sent;
        if !is_taken && self.is_awaited() {
            return 0;
        }
        let freed = self.log.forget();
        if !is_taken {
            self.sent = self.log.first();
            self.unsent_bytes -= freed;
        }
        freed
    }

    fn wake_carrier(&mut self) {
        if let Some(waker) = self.carrier_waker.take() {
            waker.wake();
        }
    }

    fn wake_room(&mut self) {
        let Some(more) = &mut self.more else { return };
        for waker in more.room_wakers.drain(..) {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests;
