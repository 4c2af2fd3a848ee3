//! An event stream and a plain model of it, to which the same things happen.
//!
//! Fuzzed: `session/stream`, `session/store/memory`. The first byte of an input says what kind of
//! stream it is; each further one is a step: what, in its low four bits, and with what, in the
//! others.
//! Invariants: each carrier is given every event behind its start once, in order, or an error says
//! why not; what an awaited carrier has yet to take is never forgotten; what is said to be kept is.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Cuts;
use crate::base::time::Now;
use crate::http::negotiate::StreamFormat;
use crate::session::store::{EventStore, MemoryStore};
use crate::session::stream::{EventStream, Growth, News, NotResumed, StreamPlan};

const NUMBER: u32 = 3;
const RETRY: Duration = Duration::from_millis(1500);
/// Small enough for a fuzzer to find the far side of.
const EVENTS_MAX: usize = 4;
const UNSENT_BYTES_MAX: usize = 160;

/// Runs the steps, those behind a cut on a stream of their own too.
pub(super) fn check_stream(input: &[u8], cuts: Cuts<'_>) {
    for steps in std::iter::once(input).chain(cuts.pieces(input)) {
        let Some((&kind, steps)) = steps.split_first() else { continue };
        let mut model = Model::new(kind);
        for &step in steps {
            model.step(step & 15, step >> 4);
            model.check();
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Open,
    Ended,
    Cut,
}

/// The stream, and what is to be true of it.
struct Model {
    stream: EventStream,
    is_numbered: bool,
    primes: bool,
    /// Every event there ever was, as it travels.
    events: Vec<Vec<u8>>,
    /// How many of them are forgotten.
    first: usize,
    /// How many of them were taken.
    sent: usize,
    /// The carriers so far: the last one is the carrier.
    carriers: Vec<u32>,
    is_attached: bool,
    left_at: Now,
    ending: Ending,
    document: Option<Vec<u8>>,
    pause: Option<Duration>,
}

impl Model {
    fn new(kind: u8) -> Self {
        let is_numbered = kind & 1 == 0;
        let primes = kind & 2 != 0;
        let plan = StreamPlan {
            number: is_numbered.then_some(NUMBER),
            format: if is_numbered { StreamFormat::Sse } else { StreamFormat::Ndjson },
            is_standalone: false,
            primes: primes.then_some(RETRY),
            events_max: EVENTS_MAX,
            unsent_bytes_max: UNSENT_BYTES_MAX,
        };
        Self {
            stream: EventStream::new(plan, MemoryStore.open(), Now(0)),
            is_numbered,
            primes: primes && is_numbered,
            events: Vec::new(),
            first: 0,
            sent: 0,
            carriers: Vec::new(),
            is_attached: false,
            left_at: Now(0),
            ending: Ending::Open,
            document: None,
            pause: None,
        }
    }

    fn step(&mut self, what: u8, with: u8) {
        match what {
            0 => self.append(with),
            1 if self.stream.has_room() => self.append(with),
            2 => self.take(),
            3 => self.attach(),
            4 => self.resume(with.into()),
            // An event that is not forgotten is near the last one.
            5 => self.resume((self.events.len() as u64).saturating_sub(with.into())),
            6 => self.detach(with),
            7 => self.forget(),
            8 => self.pause(Duration::from_millis(with.into())),
            9 => self.open(),
            10 => self.finish(with),
            11 => self.finish_cancelled(with),
            12 => self.end(),
            13 => self.document_to_event(),
            14 if with == 0 => self.cut(),
            _ => {}
        }
    }

    fn append(&mut self, with: u8) {
        let message = self.message(with);
        let growth = self.stream.append(&mut |out| out.extend_from_slice(&message));
        self.appended(&message, growth);
    }

    fn appended(&mut self, message: &[u8], growth: Growth) {
        if self.ending != Ending::Open {
            return assert_eq!(growth, Growth::default());
        }
        let mut added = self.prime();
        let event = if self.is_numbered {
            let id = format!("id: {NUMBER}-{}\ndata: ", self.events.len());
            [id.as_bytes(), message, b"\n\n"].concat()
        } else {
            [message, b"\n"].concat()
        };
        added += event.len();
        self.events.push(event);
        let mut freed = 0;
        while self.events.len() - self.first > EVENTS_MAX && self.may_forget() {
            freed += self.forget_first();
        }
        let kept = if self.is_numbered { (added, freed) } else { (0, 0) };
        assert_eq!((growth.added_bytes, growth.freed_bytes), kept);
    }

    /// A message that no other is equal to.
    fn message(&self, with: u8) -> Vec<u8> {
        format!("<{}{}>", self.events.len(), "x".repeat(usize::from(with) * 4)).into_bytes()
    }

    fn prime(&mut self) -> usize {
        if !self.primes || !self.events.is_empty() || self.ending != Ending::Open {
            return 0;
        }
        let event = format!("id: {NUMBER}-0\nretry: {}\ndata:\n\n", RETRY.as_millis());
        self.events.push(event.into_bytes());
        self.events.iter().map(Vec::len).sum()
    }

    fn is_awaited(&self) -> bool {
        self.is_attached || self.carriers.is_empty()
    }

    /// What is taken may be forgotten; the rest only where nobody is to take it.
    fn may_forget(&self) -> bool {
        self.first < self.sent || (!self.is_awaited() && self.first < self.events.len())
    }

    fn forget_first(&mut self) -> usize {
        let length = self.events.get(self.first).map_or(0, Vec::len);
        self.first += 1;
        self.sent = self.sent.max(self.first);
        length
    }

    fn kept(&self, from: usize) -> Vec<u8> {
        self.events.get(from..).unwrap_or_default().concat()
    }

    /// The carrier does what it is told.
    fn take(&mut self) {
        let Some(&carrier) = self.carriers.last().filter(|_| self.is_attached) else { return };
        match self.stream.news(carrier) {
            Some(News::Events) => {
                let mut given = Vec::new();
                let growth = self.stream.take(|events| given.extend_from_slice(events));
                assert_eq!(given, self.kept(self.sent), "once, in order, all there are");
                self.sent = self.events.len();
                let mut freed_bytes = 0;
                if !self.is_numbered {
                    self.first = self.sent;
                } else if self.first == 0 {
                    freed_bytes = self.forget_first();
                }
                assert_eq!(growth, Growth { added_bytes: 0, freed_bytes });
            }
            Some(News::Document) => {
                assert_eq!(self.stream.take_document(), self.document.take());
            }
            Some(News::Ended | News::Paused(_) | News::Superseded) => self.detach(0),
            None => assert_eq!(self.sent, self.events.len(), "nothing is held back"),
        }
    }

    fn attach(&mut self) {
        let carrier = self.stream.attach();
        self.attached(carrier);
    }

    fn attached(&mut self, carrier: u32) {
        assert!(!self.carriers.contains(&carrier));
        self.carriers.push(carrier);
        self.is_attached = true;
    }

    fn resume(&mut self, after: u64) {
        let next = self.events.len() as u64;
        match self.stream.resume(after) {
            Ok(carrier) => {
                assert!(after < next && after + 1 >= self.first as u64);
                self.attached(carrier);
                self.sent = usize::try_from(after + 1).unwrap_or(usize::MAX);
                self.pause = None;
            }
            Err(NotResumed::NeverSent) => assert!(after >= next),
            Err(NotResumed::Forgotten) => assert!(after + 1 < self.first as u64),
            Err(NotResumed::Over) => assert!(after + 1 == next && self.ending == Ending::Ended),
        }
    }

    /// The carrier leaves, or one that was superseded does.
    fn detach(&mut self, back: u8) {
        let now = Now(self.left_at.0 + 1);
        let mut carriers = self.carriers.iter().rev();
        let Some(&carrier) = carriers.nth(back.into()) else { return };
        self.stream.detach(carrier, now);
        if back == 0 {
            self.is_attached = false;
            self.left_at = now;
        }
    }

    fn forget(&mut self) {
        let freed = self.stream.forget();
        let expected = if self.is_numbered && self.may_forget() { self.forget_first() } else { 0 };
        assert_eq!(freed, expected);
    }

    fn pause(&mut self, retry: Duration) {
        let growth = self.stream.pause(retry);
        if self.primes {
            self.pause = Some(retry);
            self.opened(growth);
        } else {
            assert_eq!(growth, Growth::default());
        }
    }

    fn open(&mut self) {
        let growth = self.stream.open();
        self.opened(growth);
    }

    fn opened(&mut self, growth: Growth) {
        let added_bytes = self.prime();
        assert_eq!(growth, Growth { added_bytes, freed_bytes: 0 });
    }

    fn finish(&mut self, with: u8) {
        let message = self.message(with);
        let growth = self.stream.finish(message.clone());
        if self.events.is_empty() {
            assert_eq!(growth, Growth::default());
            self.give_document(message);
        } else {
            self.appended(&message, growth);
        }
        self.ended();
    }

    fn finish_cancelled(&mut self, with: u8) {
        let message = self.message(with);
        self.stream.finish_cancelled(message.clone());
        self.give_document(message);
        self.ended();
    }

    fn give_document(&mut self, message: Vec<u8>) {
        if self.events.is_empty() && self.ending == Ending::Open {
            self.document = Some(message);
        }
    }

    fn end(&mut self) {
        self.stream.end();
        self.ended();
    }

    fn ended(&mut self) {
        if self.ending == Ending::Open {
            self.ending = Ending::Ended;
        }
    }

    fn document_to_event(&mut self) {
        let growth = self.stream.document_to_event();
        let Some(message) = self.document.take() else {
            return assert_eq!(growth, Growth::default());
        };
        let ending = std::mem::replace(&mut self.ending, Ending::Open);
        self.appended(&message, growth);
        self.ending = ending;
    }

    fn cut(&mut self) {
        let freed = self.stream.cut();
        assert_eq!(freed, if self.is_numbered { self.kept(self.first).len() } else { 0 });
        self.ending = Ending::Cut;
        self.document = None;
        self.first = self.events.len();
        self.sent = self.events.len();
    }

    fn check(&self) {
        let next = self.events.len();
        let stream = &self.stream;
        assert!(self.first <= self.sent && self.sent <= next);
        assert_eq!(stream.next_number(), next as u64);
        assert_eq!(stream.has_ended(), self.ending != Ending::Open);
        assert_eq!(stream.is_attached(), self.is_attached);
        assert_eq!(stream.left_since(), (!self.is_attached).then_some(self.left_at));
        assert_eq!(stream.is_untouched(), next == 0 && self.document.is_none());
        assert_eq!(stream.is_lost(), !self.is_awaited() && (!self.is_numbered || next == 0));
        for number in 0..=next {
            assert_eq!(stream.is_waiting(number as u64), (self.sent..next).contains(&number));
        }
        let waits = next - self.sent < EVENTS_MAX && self.kept(self.sent).len() < UNSENT_BYTES_MAX;
        assert_eq!(stream.has_room(), !self.is_awaited() || waits);
        let Some((&carrier, superseded)) = self.carriers.split_last() else { return };
        assert_eq!(stream.news(carrier), self.news());
        let polled = stream.poll_news(carrier, &mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, self.news().map_or(Poll::Pending, Poll::Ready));
        if let Some(&carrier) = superseded.last() {
            assert_eq!(stream.news(carrier), Some(News::Superseded));
        }
    }

    fn news(&self) -> Option<News> {
        if self.ending == Ending::Cut {
            Some(News::Superseded)
        } else if self.sent < self.events.len() {
            Some(News::Events)
        } else if self.document.is_some() {
            Some(News::Document)
        } else if self.ending == Ending::Ended {
            Some(News::Ended)
        } else {
            self.pause.map(News::Paused)
        }
    }
}
