//! One request after the other, and their answers in order: what a connection does while it works.
//!
//! Bytes are received into `input`; a request is read off it as soon as it is whole; its answer
//! goes to `output`, which is sent when nothing more can be read off, or when enough has gathered.
//! So a pipelined burst costs one receive and one send. `pause` says what comes when.
//!
//! ```text
//! Head ──▶ (whole body there) ──▶ answer ─▶ Head
//!   └────▶ Body ─▶ … bytes … ───▶ answer ─┘
//! ```
//!
//! A long body is received and decoded where it lies: `input` gets room for all of it once its head
//! is read, and is as large for the next one, since the core keeps a few large buffers.
//!
//! Spec: RFC 9112 §9.3 (pipelining, order), §9.6; RFC 9110 §10.1.1 (`Expect`). Limits: those of
//! heads and bodies, `head_timeout`, `body_*`, `output_bytes_max`, `pipeline_requests_max`.
//! Invariant: `used <= input.len()`; after an answer that closes nothing more is read.

use std::ops::Range;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use super::answer::{answer, refuse};
use super::attend::Attendance;
use super::carry::Carriage;
use super::connection::{CloseReason, Next, Shift};
use super::pause::Pause;
use super::reply::{self, Draft, ReplyPlan};
use super::route::{self, Pass, Refusal, Route};
use super::shard::{ROOM_BYTES_MAX, Shard, count};
use super::transport::Transport;
use super::wire::{self, Received};
use crate::base::time::{Deadline, Now};
use crate::controller::dispatch::{Batch, RunningCall};
use crate::http::h1::body::{BodyDecoder, BodyError, Progress};
use crate::http::h1::encode::CONTINUE;
use crate::http::h1::head::{Decoded, FieldSlots, decode};
use crate::http::head::{Expectation, Framing, Persistence, RequestHead};
use crate::jsonrpc::decode::{Body, PADDING_BYTES};
use crate::session::conversation::Session;

/// The working state of a connection.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) shard: Rc<Shard>,
    /// What was received; up to `used` it is answered.
    pub(super) input: Vec<u8>,
    pub(super) used: usize,
    /// What is written; up to `sent` the peer has taken it.
    pub(super) output: Vec<u8>,
    sent: usize,
    reading: Reading,
    /// How many requests were answered since the connection last waited.
    pub(super) burst_count: usize,
    /// Whether the last receive took all there was. Then the wait for more is the readiness of the
    /// transport, and no receive is spent on finding nothing.
    is_drained: bool,
}

/// What the next bytes belong to.
#[derive(Debug)]
enum Reading {
    /// A head, whose first byte came at this moment, if it did.
    Head { since: Option<Now> },
    /// The body of the head at `used`. In a box: few requests come in pieces.
    Body(Box<BodyReading>),
}

/// A body of which something is missing.
#[derive(Debug)]
struct BodyReading {
    /// How many bytes the head takes that it belongs to.
    head_bytes: usize,
    decoder: BodyDecoder,
    /// When it began.
    since: Now,
}

/// What a look at the input came to.
pub(super) enum Step {
    /// More bytes are needed.
    Starved,
    /// An answer was written; the connection goes on as it says.
    Answered(Persistence),
    /// A call began that takes its time.
    Attends(Box<Attendance>),
    /// The answer is an event stream.
    Carries(Box<Carriage>),
    /// The request, and the connection with it, belongs to this worker.
    Moves(usize),
}

/// What was made of a request without running anything.
pub(super) enum Found {
    /// All that is to be done now was done.
    Step(Step),
    /// A call began that was not polled yet. The head of its usual answer is written.
    Call(RunningCall, ReplyPlan, Draft),
    /// Several calls began, for this session, that were not polled yet.
    Batch(Batch, Rc<Session>, ReplyPlan),
}

impl From<Step> for Found {
    fn from(step: Step) -> Self {
        Self::Step(step)
    }
}

impl Exchange {
    pub(super) fn open(shard: Rc<Shard>, input: Vec<u8>) -> Self {
        Self {
            input: if input.is_empty() { shard.buffers.take() } else { input },
            used: 0,
            output: shard.buffers.take(),
            sent: 0,
            reading: Reading::Head { since: None },
            burst_count: 0,
            is_drained: false,
            shard,
        }
    }

    pub(super) fn close(self) {
        self.shard.buffers.give(self.input);
        self.shard.buffers.give(self.output);
    }

    /// Leaves the connection to what may last, with all that it still holds: answers to send first,
    /// and bytes not read. Buffers that hold nothing stay here, to be given back.
    pub(super) fn leave(&mut self) -> (Vec<u8>, Vec<u8>) {
        debug_assert_eq!(self.sent, 0, "what is sent in part is sent first");
        let input = self.input.split_off(self.used);
        self.input.clear();
        self.used = 0;
        let has_output = !self.output.is_empty();
        (if has_output { std::mem::take(&mut self.output) } else { Vec::new() }, input)
    }

    /// Sends what was written.
    pub(super) async fn send<T: Transport>(&mut self, transport: &T) -> Result<(), CloseReason> {
        while !self.send_at_once(transport)? {
            self.shed();
            wire::writable(transport, &self.shard, Deadline::NEVER).await?;
        }
        Ok(())
    }

    /// Sends what was written, as far as the peer takes it. Returns whether that is all.
    pub(super) fn send_at_once<T: Transport>(
        &mut self,
        transport: &T,
    ) -> Result<bool, CloseReason> {
        let is_all = wire::send(transport, &self.output, &mut self.sent)?;
        if is_all {
            self.output.clear();
            self.sent = 0;
        }
        Ok(is_all)
    }

    /// Receives more of what is being read; or tells the pause there has to be first.
    pub(super) fn receive<T: Transport>(
        &mut self,
        transport: &T,
    ) -> Result<Option<Pause>, CloseReason> {
        self.drop_used();
        // To wait is also to let the core's other connections have their turn.
        if self.is_drained || self.is_turn_over() {
            return Ok(Some(self.pause_for_input()));
        }
        let missing_bytes = self.missing_bytes();
        match wire::receive_much(transport, &self.shard, &mut self.input, missing_bytes)? {
            Received::Bytes { all, .. } => {
                self.is_drained = all;
                Ok(None)
            }
            Received::Nothing => Ok(Some(self.pause_for_input())),
            Received::End if self.is_between_requests() => Err(CloseReason::PeerEnded),
            Received::End => Err(self.give_up(400, "the request has no end")),
        }
    }

    /// How many bytes of the body that is being read are known to be still to come.
    fn missing_bytes(&self) -> usize {
        match &self.reading {
            Reading::Head { .. } => 0,
            Reading::Body(body) => body.decoder.missing_bytes(&self.input),
        }
    }

    /// The pause that there is when nothing is there to read.
    fn pause_for_input(&self) -> Pause {
        if self.is_between_requests() {
            return Pause::Over(Next::Stay(Shift::Wait));
        }
        Pause::Input
    }

    /// Waits for the rest of what is being read.
    pub(super) async fn wait<T: Transport>(&mut self, transport: &T) -> Result<(), CloseReason> {
        self.burst_count = 0;
        self.is_drained = false;
        self.shed();
        let deadline = self.deadline();
        if wire::readable(transport, &self.shard, deadline).await? {
            return Ok(());
        }
        Err(self.give_up(408, "the request took too long"))
    }

    /// Gives back what a large request or answer took and nothing needs any more, before a wait
    /// that the peer may draw out.
    fn shed(&mut self) {
        let buffers = &self.shard.buffers;
        if self.input.capacity() > ROOM_BYTES_MAX && matches!(self.reading, Reading::Head { .. }) {
            let unread = self.input[self.used..].to_vec();
            self.used = 0;
            buffers.give(std::mem::replace(&mut self.input, unread));
        }
        if self.output.capacity() > ROOM_BYTES_MAX && self.output.is_empty() {
            buffers.give(std::mem::take(&mut self.output));
        }
    }

    fn is_between_requests(&self) -> bool {
        self.input.is_empty() && matches!(self.reading, Reading::Head { .. })
    }

    /// Forgets what is answered. What is left moves to the front.
    pub(super) fn drop_used(&mut self) {
        if self.used > 0 {
            self.input.drain(..self.used);
            self.used = 0;
        }
    }

    /// Until when the rest of what is being read must come.
    fn deadline(&self) -> Deadline {
        let limits = self.shard.limits();
        match self.reading {
            Reading::Head { since } => {
                since.unwrap_or_else(|| self.shard.now()).after(limits.head_timeout)
            }
            Reading::Body(ref body) => {
                let BodyReading { head_bytes, since, .. } = **body;
                let received_bytes = (self.input.len().saturating_sub(head_bytes)) as u64;
                let pace = limits.body_bytes_per_second_min.max(1);
                let earned = Duration::from_millis(received_bytes.saturating_mul(1000) / pace);
                since.after(earned.max(limits.body_grace).min(limits.body_timeout))
            }
        }
    }

    /// Reads one request off the input, if it is whole, and goes as far with it as can be gone at
    /// once.
    pub(super) fn step(&mut self, peer: &impl Transport, waker: &Waker) -> Step {
        match self.read(peer) {
            Found::Step(step) => step,
            Found::Call(running, plan, draft) => self.run_at_once(running, plan, draft, waker),
            Found::Batch(batch, session, plan) => self.run_batch(batch, session, plan, waker),
        }
    }

    /// Reads one request off the input, if it is whole.
    fn read(&mut self, peer: &impl Transport) -> Found {
        match &mut self.reading {
            Reading::Head { .. } => self.read_request(peer),
            Reading::Body(body) => match body.decoder.advance(&mut self.input) {
                Ok(Progress::Incomplete) => Step::Starved.into(),
                Ok(Progress::Complete { body, next_start }) => {
                    self.read_body(body, next_start, peer)
                }
                Err(error) => self.refuse_body(error),
            },
        }
    }

    /// Reads a request from its head on. Usually all of it is there.
    fn read_request(&mut self, peer: &impl Transport) -> Found {
        let (shard, bytes) = (&self.shard, &self.input[self.used..]);
        if bytes.is_empty() {
            return Step::Starved.into();
        }
        let recognised = shard.familiar_heads.borrow_mut().recognise(bytes);
        let (head_bytes, taken) = if let Some(recognised) = &recognised {
            let head = recognised.head();
            let admitted = route::lodge(recognised.verdict(), &head, shard);
            let behind = &bytes[recognised.head_bytes..];
            let taken = take(shard, &head, admitted, behind, peer, &mut self.output);
            (recognised.head_bytes, taken)
        } else {
            let mut slots = FieldSlots::new();
            match decode(bytes, &mut slots, &shard.limits().head) {
                Ok(Decoded::Head { head, used_bytes }) => {
                    let (text, behind) = bytes.split_at(used_bytes);
                    let admitted = admit(shard, text, &head);
                    (used_bytes, take(shard, &head, admitted, behind, peer, &mut self.output))
                }
                Ok(Decoded::Incomplete) => {
                    self.note_first_byte();
                    return Step::Starved.into();
                }
                Err(error) => {
                    self.give_up(error.status(), &error.to_string());
                    return Step::Answered(Persistence::Close).into();
                }
            }
        };
        match taken {
            Taken::Whole { found, body_bytes } => {
                self.used += head_bytes + body_bytes;
                self.reading = Reading::Head { since: None };
                found
            }
            Taken::Apart { framing, expects } => {
                self.begin_body(framing, head_bytes, expects, peer)
            }
            Taken::Elsewhere(worker) => Step::Moves(worker).into(),
        }
    }

    fn note_first_byte(&mut self) {
        if let Reading::Head { since: since @ None } = &mut self.reading {
            *since = Some(self.shard.now());
        }
    }

    /// Goes on with the body of the head at the start of the unread input. What is answered already
    /// stays before it, or many pipelined requests would each move all that follow.
    fn begin_body(
        &mut self,
        framing: Framing,
        head_bytes: usize,
        expects: bool,
        peer: &impl Transport,
    ) -> Found {
        let body_start = self.used + head_bytes;
        let begun = BodyDecoder::new(framing, body_start, &self.shard.limits().body);
        let mut decoder = match begun {
            Ok(decoder) => decoder,
            Err(error) => return self.refuse_body(error),
        };
        if expects && self.input.len() == body_start {
            self.output.extend_from_slice(CONTINUE);
        }
        // All of it may be there, in chunks or too long to be copied.
        match decoder.advance(&mut self.input) {
            Ok(Progress::Incomplete) => {
                decoder.move_down(self.used);
                self.drop_used();
                if let Framing::Length(length) = framing {
                    self.make_room(head_bytes, length);
                }
                let since = self.shard.now();
                self.reading = Reading::Body(Box::new(BodyReading { head_bytes, decoder, since }));
                Step::Starved.into()
            }
            Ok(Progress::Complete { body, next_start }) => self.read_body(body, next_start, peer),
            Err(error) => self.refuse_body(error),
        }
    }

    /// Makes room for a body at once, since growing with it would copy what came again and again.
    fn make_room(&mut self, head_bytes: usize, length: u64) {
        let body_bytes = usize::try_from(length).unwrap_or(usize::MAX).min(ROOM_BYTES_MAX);
        let wanted = head_bytes + body_bytes + PADDING_BYTES;
        self.input.reserve(wanted.saturating_sub(self.input.len()));
    }

    /// Answers the request whose head stands at the start of the unread input and whose body is
    /// whole. Nobody reads the body after that, so it is decoded where it lies.
    fn read_body(&mut self, body: Range<usize>, next_start: usize, peer: &impl Transport) -> Found {
        let received_bytes = self.input.len();
        let padded_bytes = received_bytes.max(body.end + PADDING_BYTES);
        // Not twice as much: a peer that fills the room each time would make it grow without end.
        self.input.reserve_exact(padded_bytes - received_bytes);
        self.input.resize(padded_bytes, 0);
        let (text, room) = self.input.split_at_mut(body.start.min(received_bytes));
        let text = text.get(self.used..).unwrap_or_default();
        let mut slots = FieldSlots::new();
        let decoded = decode(text, &mut slots, &self.shard.limits().head);
        let Ok(Decoded::Head { head, .. }) = decoded else {
            // The same bytes were a head when the body began.
            debug_assert!(false, "a head changed while its body came");
            self.give_up(400, "malformed request");
            return Step::Answered(Persistence::Close).into();
        };
        let found = match route::admit(&head, &self.shard) {
            Ok(route) => {
                let body = Body::Spent { room, body_bytes: body.len() };
                answer(&self.shard, &head, route, body, peer, &mut self.output)
            }
            Err(refusal) => {
                // The body is there; what it says does not matter.
                Step::Answered(refuse(&self.shard, &head, refusal, Some(room), &mut self.output))
                    .into()
            }
        };
        self.input.truncate(received_bytes);
        self.used = next_start;
        self.reading = Reading::Head { since: None };
        found
    }

    fn refuse_body(&mut self, error: BodyError) -> Found {
        self.give_up(error.status(), &error.to_string());
        Step::Answered(Persistence::Close).into()
    }

    /// Writes the last answer of a connection whose next bytes nobody can make sense of.
    pub(super) fn give_up(&mut self, status: u16, reason: &str) -> CloseReason {
        count(&self.shard.counters().refusals);
        self.used = self.input.len();
        let line = format!("{reason}\n");
        reply::last_words(&mut self.output, &self.shard, status, &line);
        CloseReason::Answered
    }
}

/// A longer body is decoded where it lies, for which its head is read twice.
const COPIED_BYTES_MAX: usize = 32 * 1024;

/// What became of a request whose head was read.
enum Taken {
    /// Its body was there too, or was not looked at.
    Whole { found: Found, body_bytes: usize },
    /// Some of its body is missing, or it is long.
    Apart { framing: Framing, expects: bool },
    /// It belongs to this worker.
    Elsewhere(usize),
}

/// Judges a head, and remembers those that may come in.
fn admit(shard: &Shard, text: &[u8], head: &RequestHead<'_>) -> Result<Route, Refusal> {
    let admitted = route::admit(head, shard);
    if let Some(pass) = Pass::of(&admitted, head) {
        shard.familiar_heads.borrow_mut().meet(text, head, pass);
    }
    admitted
}

/// Answers a request, or begins to, if its body stands at the start of `behind`.
fn take(
    shard: &Rc<Shard>,
    head: &RequestHead<'_>,
    admitted: Result<Route, Refusal>,
    behind: &[u8],
    peer: &impl Transport,
    output: &mut Vec<u8>,
) -> Taken {
    if let Ok(Route::Elsewhere(worker)) = admitted {
        return Taken::Elsewhere(worker);
    }
    // One that moves is counted where it is answered.
    count(&shard.counters().requests);
    let body = whole_body(head.framing, behind, shard.limits().body.body_bytes_max);
    let found = match (admitted, body) {
        (Ok(route), Some(body)) if body.len() <= COPIED_BYTES_MAX => {
            answer(shard, head, route, Body::Kept(body), peer, output)
        }
        (Ok(_), _) => {
            let expects = head.expectation == Expectation::Continue;
            return Taken::Apart { framing: head.framing, expects };
        }
        (Err(refusal), _) => Step::Answered(refuse(shard, head, refusal, body, output)).into(),
    };
    Taken::Whole { found, body_bytes: body.map_or(0, <[u8]>::len) }
}

/// The body at the start of `rest`, if all of it is there and it is not too large.
fn whole_body(framing: Framing, rest: &[u8], body_bytes_max: u64) -> Option<&[u8]> {
    match framing {
        Framing::None => Some(&[]),
        Framing::Length(length) if length > body_bytes_max => None,
        Framing::Length(length) => rest.get(..usize::try_from(length).ok()?),
        Framing::Chunked => None,
    }
}
