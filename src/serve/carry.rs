//! An event stream on a connection: what a session's call says, what a client opened by GET, a
//! subscription.
//!
//! The stream is written by others and outlives its carrier. A carrier takes what is due, keeps the
//! connection alive, and leaves when the stream ends, when it is told to, or when its peer is gone;
//! then the client resumes elsewhere, or nobody does. It holds no buffer while nothing is due.
//!
//! ```text
//! due ─▶ (head, once) ─▶ take ─▶ send ─▶ hold: events │ document │ end │ peer │ moment │ drain
//! ```
//!
//! Spec: MCP 2025-11-25 transports; MCP 2026-07-28 `subscriptions/listen`. Limits:
//! `keep_alive_interval`, `priming_delay`, `pipeline_bytes_max`, `send_stall_timeout`.
//! Invariant: one carrier at a time; a head, once sent, is followed by a whole body or a cut.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::connection::{CloseReason, Next, Shift, Turn};
use super::reply::{self, Draft, ReplyPlan};
use super::shard::{Phase, Shard};
use super::transport::Transport;
use super::wire::{self, Received};
use crate::base::time::{Deadline, Now};
use crate::base::timers::Sleep;
use crate::http::frame;
use crate::http::h1::encode::StreamCoding;
use crate::http::head::Persistence;
use crate::http::sse;
use crate::session::conversation::Session;
use crate::session::stream::{EventStream, News};

/// Why a stream is on this connection.
#[derive(Debug)]
pub(super) enum Purpose {
    /// It answers a request that came on this connection.
    Answer(Rc<Session>),
    /// The client asked for it by GET.
    Events(Rc<Session>),
    /// A client of the modern era listens.
    Subscription,
}

impl Purpose {
    /// Whether its session has ended, which wakes all carriers of that session's streams.
    fn is_over(&self) -> bool {
        match self {
            Self::Answer(session) | Self::Events(session) => session.has_ended(),
            Self::Subscription => false,
        }
    }
}

/// A stream and how it goes out.
#[derive(Debug)]
pub struct Carriage {
    stream: Rc<EventStream>,
    /// Which of the stream's carriers this is.
    carrier: u32,
    purpose: Purpose,
    plan: ReplyPlan,
    /// How the body is coded, once the head is written.
    coding: Option<StreamCoding>,
    /// What the peer sent behind its request.
    input: Vec<u8>,
    /// What is written and not sent.
    output: Vec<u8>,
    /// When something was sent last; when it began, before that.
    last_sent: Now,
    /// Whether the peer may send more.
    is_watched: bool,
    /// Whether the peer has sent something that was not looked at.
    is_readable: Cell<bool>,
}

/// How far a carrier came.
enum Carried {
    /// Nothing is due now.
    SoFar,
    /// The answer is written.
    Whole(Persistence),
}

impl Carriage {
    /// The stream of a request's answer. Its head is written when something is due.
    pub(super) fn answer(
        stream: Rc<EventStream>,
        session: Rc<Session>,
        plan: ReplyPlan,
        now: Now,
    ) -> Box<Self> {
        let carrier = stream.attach();
        Self::new(stream, carrier, Purpose::Answer(session), plan, now)
    }

    /// A stream that the client asked for, whose head is due at once.
    pub(super) fn new(
        stream: Rc<EventStream>,
        carrier: u32,
        purpose: Purpose,
        plan: ReplyPlan,
        now: Now,
    ) -> Box<Self> {
        Box::new(Self {
            stream,
            carrier,
            purpose,
            plan,
            coding: None,
            input: Vec::new(),
            output: Vec::new(),
            last_sent: now,
            is_watched: true,
            is_readable: Cell::new(false),
        })
    }

    /// Takes over what the connection still holds: answers to send first, and bytes not read.
    pub(super) fn take_over(&mut self, output: Vec<u8>, input: Vec<u8>, shard: &Shard) {
        self.is_watched = input.len() < shard.limits().pipeline_bytes_max;
        self.output = output;
        self.input = input;
    }

    /// Does all that is due.
    async fn run<T: Transport>(
        &mut self,
        transport: &T,
        shard: &Shard,
    ) -> Result<Carried, CloseReason> {
        if !matches!(self.purpose, Purpose::Answer(_)) {
            self.open(shard);
        }
        loop {
            self.flush(transport, shard).await?;
            match self.stream.news(self.carrier) {
                Some(News::Events) => self.send_events(transport, shard)?,
                Some(News::Document) => {
                    if let Some(persistence) = self.document(shard) {
                        return Ok(Carried::Whole(persistence));
                    }
                }
                Some(News::Ended) => return Ok(Carried::Whole(self.end(shard))),
                Some(News::Paused(retry)) => {
                    let coding = self.open(shard);
                    coding.part(&mut self.output, |out| sse::retry(out, retry));
                    return Ok(Carried::Whole(self.end(shard)));
                }
                Some(News::Superseded) => return Err(CloseReason::Superseded),
                None if self.drains(shard) => return Ok(Carried::Whole(self.end(shard))),
                None if self.is_readable.take() => self.listen(transport, shard)?,
                None if self.due_at(shard).passed(shard.now()) => self.moment(shard),
                None => return Ok(Carried::SoFar),
            }
        }
    }

    /// Whether the drain ends it. One that answers a request, resumed or not, is carried to its
    /// end.
    fn drains(&self, shard: &Shard) -> bool {
        shard.phase() != Phase::Serving && self.stream.is_standalone()
    }

    /// The next moment at which something is due.
    fn due_at(&self, shard: &Shard) -> Deadline {
        let keep_alive_at = self.last_sent.after(shard.limits().keep_alive_interval);
        keep_alive_at.min(self.priming_at(shard))
    }

    /// Writes the head, if it is not written yet.
    fn open(&mut self, shard: &Shard) -> StreamCoding {
        if let Some(coding) = self.coding {
            return coding;
        }
        let format = self.stream.format();
        let coding = reply::open_stream(&mut self.output, &self.plan, shard, format);
        self.coding = Some(coding);
        coding
    }

    /// Sends all events that are due in one vectored write, copying none that the peer takes.
    fn send_events<T: Transport>(
        &mut self,
        transport: &T,
        shard: &Shard,
    ) -> Result<(), CloseReason> {
        let coding = self.open(shard);
        let mut sent = Ok(());
        let growth = self.stream.take(|events| {
            let (line, end) = match coding {
                StreamCoding::Chunked => (format!("{:x}\r\n", events.len()), &b"\r\n"[..]),
                StreamCoding::UntilClose => (String::new(), &b""[..]),
            };
            let head = std::mem::take(&mut self.output);
            let slices = [&head[..], line.as_bytes(), events, end].map(IoSlice::new);
            sent = wire::send_slices(transport, &slices, &mut self.output);
        });
        if let Purpose::Answer(session) | Purpose::Events(session) = &self.purpose {
            session.note_growth(growth);
        }
        self.last_sent = shard.now();
        sent
    }

    /// Writes the answer that became due before any event: as one document, if the client takes
    /// that.
    fn document(&mut self, shard: &Shard) -> Option<Persistence> {
        if self.coding.is_some() || !self.plan.acceptance.json_acceptable() {
            let growth = self.stream.document_to_event();
            if let Purpose::Answer(session) = &self.purpose {
                session.note_growth(growth);
            }
            return None;
        }
        let message = self.stream.take_document()?;
        if shard.phase() != Phase::Serving {
            self.plan.manner.persistence = Persistence::Close;
        }
        let draft = Draft::open(&mut self.output, &self.plan, shard);
        self.output.extend_from_slice(&message);
        Some(draft.close(&mut self.output, &self.plan, shard, 200))
    }

    fn end(&mut self, shard: &Shard) -> Persistence {
        let coding = self.open(shard);
        coding.end(&mut self.output);
        reply::persistence_after(coding, &self.plan)
    }

    /// Takes in what the peer sent meanwhile. Its end ends a stream that it asked for; one that
    /// answers it may still be waited for.
    fn listen<T: Transport>(&mut self, transport: &T, shard: &Shard) -> Result<(), CloseReason> {
        match wire::receive(transport, shard, &mut self.input)? {
            Received::Nothing => {}
            Received::Bytes { .. } => {
                self.is_watched = self.input.len() < shard.limits().pipeline_bytes_max;
            }
            Received::End if matches!(self.purpose, Purpose::Answer(_)) => self.is_watched = false,
            Received::End => return Err(CloseReason::PeerGone),
        }
        Ok(())
    }

    /// Does what the moment asks for: to prime the stream, or to keep it alive.
    fn moment(&mut self, shard: &Shard) {
        let now = shard.now();
        if self.priming_at(shard).passed(now)
            && let Purpose::Answer(session) = &self.purpose
        {
            session.note_growth(self.stream.open());
        } else if self.last_sent.after(shard.limits().keep_alive_interval).passed(now) {
            let (coding, format) = (self.open(shard), self.stream.format());
            coding.part(&mut self.output, |out| frame::keep_alive(out, format));
            self.last_sent = now;
        }
    }

    /// When an answer that takes its time is made a stream that its client can resume.
    fn priming_at(&self, shard: &Shard) -> Deadline {
        let primes = self.coding.is_none() && self.stream.can_pause();
        if primes { self.last_sent.after(shard.priming_delay()) } else { Deadline::NEVER }
    }

    /// Sends what is written. Mostly the peer takes it at once; a box is made to wait for it, which
    /// silent streams need not hold room for. Who waits leaves when the stream is none of its
    /// business any more: what it holds was copied, and a client may have many such connections.
    async fn flush<T: Transport>(
        &mut self,
        transport: &T,
        shard: &Shard,
    ) -> Result<(), CloseReason> {
        if self.output.is_empty() {
            return Ok(());
        }
        let output = std::mem::take(&mut self.output);
        wire::send_slices(transport, &[IoSlice::new(&output)], &mut self.output)?;
        drop(output);
        if !self.output.is_empty() {
            let (stream, carrier, purpose) = (&self.stream, self.carrier, &self.purpose);
            let mut rest =
                Box::pin(wire::flush(transport, shard, &mut self.output, Deadline::NEVER));
            poll_fn(|context| {
                let sent = rest.as_mut().poll(context);
                if sent.is_ready() || !stream.is_superseded(carrier, context) && !purpose.is_over()
                {
                    return sent;
                }
                transport.reset_on_close();
                Poll::Ready(Err(CloseReason::Superseded))
            })
            .await?;
            drop(rest);
            // A stream may be silent for long, and hold nothing.
            self.output = Vec::new();
        }
        self.last_sent = shard.now();
        Ok(())
    }

    /// Leaves the stream, which others may take up.
    fn leave(&self, shard: &Shard) {
        self.stream.detach(self.carrier, shard.now());
        match &self.purpose {
            Purpose::Subscription => shard.subscriptions.close(&self.stream),
            Purpose::Answer(session) | Purpose::Events(session) => {
                session.touch(shard.now());
                if self.stream.is_lost() {
                    session.drop_stream(&self.stream);
                }
            }
        }
    }
}

/// Waits until something is due on a stream: events, its end, the peer, a moment, or the drain. The
/// moment is told by the timer of the connection's `silence`, which has nothing else to do.
pub(super) fn hold<'c, T: Transport>(
    transport: &'c T,
    shard: &'c Shard,
    carriage: &'c Carriage,
    silence: &'c mut Sleep,
) -> impl Future<Output = ()> {
    silence.reset(carriage.due_at(shard));
    Hold { readable: transport.readable(), silence, shard, carriage }
}

pin_project_lite::pin_project! {
    /// Written out, since as an `async fn` it would be nearly twice as large.
    struct Hold<'c, R> {
        #[pin]
        readable: R,
        silence: &'c mut Sleep,
        shard: &'c Shard,
        carriage: &'c Carriage,
    }
}

impl<R: Future<Output = io::Result<()>>> Future for Hold<'_, R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let carriage = *this.carriage;
        if carriage.stream.poll_news(carriage.carrier, context).is_ready()
            || carriage.drains(this.shard)
        {
            return Poll::Ready(());
        }
        // What broke the connection shows when it is looked at.
        if carriage.is_watched && this.readable.poll(context).is_ready() {
            carriage.is_readable.set(true);
            return Poll::Ready(());
        }
        Pin::new(&mut **this.silence).poll(context)
    }
}

/// Carries a stream as far as something is due, or until it or the connection ends.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
pub(super) fn carry<T: Transport>(
    transport: T,
    mut carriage: Box<Carriage>,
    shard: Rc<Shard>,
) -> impl Future<Output = Turn<T>> {
    async move {
        let next = match carriage.run(&transport, &shard).await {
            Ok(Carried::SoFar) => Next::Stay(Shift::Hold(carriage)),
            Ok(Carried::Whole(persistence)) => {
                carriage.leave(&shard);
                finish(&transport, &shard, &mut carriage, persistence).await
            }
            Err(reason) => {
                carriage.leave(&shard);
                Next::Close(reason)
            }
        };
        next.of(transport)
    }
}

/// Sends what is left, and says what becomes of the connection.
async fn finish<T: Transport>(
    transport: &T,
    shard: &Shard,
    carriage: &mut Carriage,
    persistence: Persistence,
) -> Next {
    if let Err(reason) = carriage.flush(transport, shard).await {
        return Next::Close(reason);
    }
    Next::after_answer(persistence, std::mem::take(&mut carriage.input), transport, shard).await
}
