//! A call that takes its time: its handler, its notifications and its peer, watched together.
//!
//! Most handlers are ready at once, and their answer is one document (`call`). One that is not is
//! attended: its notifications leave as they are made, which turns the answer into a stream; a
//! silent stream is kept alive; a peer that goes away, a deadline or the end of the process cancels
//! the call. Nothing is held for sending while nothing is to be sent: a connection *watches* its
//! call in the same small future in which it waits for bytes, and works, in a box of the core's
//! pool, when something is due.
//!
//! ```text
//! attend: send what was told ─▶ watch: handler │ frames │ peer │ moment │ cancelled ─┐
//!    ▲                                                                              │
//!    └──────────────── what happened ◀──────────────────────────────────────────────┘
//! ```
//!
//! A peer that only ended its own side may still want the answer, and one that closed looks the
//! same until something is sent to it. So, where going away cancels, the head of the answer is sent
//! as soon as the peer's end is seen: a peer that is gone resets the connection.
//!
//! Spec: MCP 2026-07-28 "Cancellation" (a closed response cancels), MCP 2025-11-25 transports
//! ("disconnection SHOULD NOT be interpreted as the client cancelling"); WHATWG HTML §9.2
//! (comments). Limits: `call_timeout`, `keep_alive_interval`, `pipeline_bytes_max`.
//! Invariant: an attended call is answered once, or its connection ends.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::call::{self, Opened, cancel, open_stream, poll_work};
use super::connection::{CloseReason, Next, Shift, Turn};
use super::detached::settle;
use super::reply::{self, ReplyPlan};
use super::shard::{Phase, Shard};
use super::transport::Transport;
use super::wire::{self, Received};
use crate::base::time::{Deadline, Now};
use crate::base::timers::Sleep;
use crate::controller::dispatch::RunningCall;
use crate::handler::answer::Finished;
use crate::handler::call::Call;
use crate::http::frame;
use crate::http::h1::encode::StreamCoding;
use crate::http::head::Persistence;
use crate::session::conversation::{Session, Work};

/// The first and the longest pause between two looks at a peer that ended its side.
const PROBE_PAUSE_MIN: Duration = Duration::from_millis(20);
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A call that takes its time, and what its connection knows of it.
#[derive(Debug)]
pub struct Attendance {
    running: RunningCall,
    plan: ReplyPlan,
    opened: Option<Opened>,
    peer: Peer,
    call_deadline: Deadline,
    last_sent: Now,
    /// What the peer sent behind its request.
    input: Vec<u8>,
    /// What is written and not sent.
    output: Vec<u8>,
    /// What happened while the call was watched, and is to be looked at.
    event: Option<Event>,
    /// That the call's session knows of it, if it has one.
    noted: Option<Box<NotedWork>>,
}

/// What an attended call waits for.
#[derive(Debug)]
enum Event {
    /// In a box: calls wait long and end once.
    Finished(Box<Finished>),
    Frames,
    PeerReadable,
    PeerGone,
    Moment,
    Cancelled,
    Cancelling,
}

/// What is known of the peer while its call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    /// It may send more.
    Watched,
    /// It sent as much as is taken in meanwhile; whether it is still there shows when we send.
    Unwatched,
    /// It ended its side, and may or may not listen. Looked at again at `probe_at`; it was this
    /// often before.
    Ended { probe_at: Deadline, probed_count: u8 },
    /// It is gone, and its call runs to its end all the same.
    Gone,
}

/// How far an attended call came.
enum Attended {
    /// Nothing is due now.
    SoFar,
    /// The answer is written.
    Whole(Persistence),
}

impl Attendance {
    /// A call that was polled once and is not ready.
    pub(super) fn new(running: RunningCall, plan: ReplyPlan, shard: &Rc<Shard>) -> Box<Self> {
        let now = shard.now();
        Box::new(Self {
            noted: NotedWork::of(&running, shard),
            running,
            plan,
            opened: None,
            peer: Peer::Watched,
            call_deadline: now.after(shard.limits().call_timeout),
            last_sent: now,
            input: Vec::new(),
            output: Vec::new(),
            event: None,
        })
    }

    /// Takes over what the connection still holds: answers to send first, and bytes not read.
    pub(super) fn take_over(&mut self, output: Vec<u8>, input: Vec<u8>, shard: &Shard) {
        if input.len() >= shard.limits().pipeline_bytes_max {
            self.peer = Peer::Unwatched;
        }
        self.output = output;
        self.input = input;
    }

    /// Does all that is due. An error ends the connection, and with it the call.
    async fn run<T: Transport>(
        &mut self,
        transport: &T,
        shard: &Shard,
    ) -> Result<Attended, CloseReason> {
        if let Some(event) = self.event.take()
            && let Some(finished) = self.meet(event, transport, shard).await?
        {
            return self.conclude(finished, shard).map(Attended::Whole);
        }
        if let Err(reason) = self.tell(transport, shard).await {
            self.lose(reason, shard).await?;
        }
        if self.output.is_empty() {
            // It may wait long.
            shard.buffers.give(std::mem::take(&mut self.output));
        }
        Ok(Attended::SoFar)
    }

    /// Does what an event asks for. Gives how the call ended, if it did.
    async fn meet<T: Transport>(
        &mut self,
        event: Event,
        transport: &T,
        shard: &Shard,
    ) -> Result<Option<Finished>, CloseReason> {
        let cancelled_by = match event {
            Event::Finished(finished) => return Ok(Some(*finished)),
            Event::Cancelled => "the client cancelled the request",
            Event::Cancelling => "the server is shutting down",
            Event::Moment if self.call_deadline.passed(shard.now()) => {
                "the tool call took too long"
            }
            Event::Frames => return Ok(None),
            Event::PeerReadable => {
                self.listen(transport, shard);
                return Ok(None);
            }
            Event::Moment if !self.moment(transport, shard) => return Ok(None),
            Event::Moment | Event::PeerGone => {
                self.lose(CloseReason::PeerGone, shard).await?;
                return Ok(None);
            }
        };
        Ok(Some(cancel(shard, &mut self.running, cancelled_by).await))
    }

    /// Sends what the call said and what waits besides.
    async fn tell<T: Transport>(
        &mut self,
        transport: &T,
        shard: &Shard,
    ) -> Result<(), CloseReason> {
        if self.peer == Peer::Gone {
            self.running.call.frames().take(|_| ());
            return Ok(());
        }
        if !self.running.call.frames().is_empty() {
            open_stream(shard, &self.plan, &mut self.opened, &mut self.output);
            self.send_frames(transport, shard)?;
        }
        if !self.output.is_empty() {
            // A peer that reads too slowly must not hold the call beyond its time.
            wire::flush(transport, shard, &mut self.output, self.call_deadline).await?;
            self.last_sent = shard.now();
        }
        Ok(())
    }

    /// Sends all frames made so far in one vectored write, copying none that the peer takes.
    fn send_frames<T: Transport>(
        &mut self,
        transport: &T,
        shard: &Shard,
    ) -> Result<(), CloseReason> {
        let mut sent = Ok(());
        let (opened, output) = (self.opened, &mut self.output);
        self.running.call.frames().take(|frames| {
            let (line, end) = match opened {
                Some(Opened { coding: StreamCoding::Chunked, .. }) => {
                    (format!("{:x}\r\n", frames.len()), &b"\r\n"[..])
                }
                _ => (String::new(), &b""[..]),
            };
            let head = std::mem::take(output);
            let slices = [&head[..], line.as_bytes(), frames, end].map(IoSlice::new);
            sent = wire::send_slices(transport, &slices, output);
            shard.buffers.give(head);
        });
        self.last_sent = shard.now();
        sent
    }

    /// Takes in what the peer sent while its call runs: further requests, or its end.
    fn listen<T: Transport>(&mut self, transport: &T, shard: &Shard) {
        match wire::receive(transport, shard, &mut self.input) {
            Ok(Received::Nothing) => {}
            Ok(Received::Bytes { .. }) => {
                if self.input.len() >= shard.limits().pipeline_bytes_max {
                    self.peer = Peer::Unwatched;
                }
            }
            Ok(Received::End) if self.cut_cancels() => {
                self.open_ahead(shard);
                let probe_at = shard.now().after(PROBE_PAUSE_MIN);
                self.peer = Peer::Ended { probe_at, probed_count: 0 };
            }
            Ok(Received::End) => self.peer = Peer::Unwatched,
            // `readable` and `pending_error` tell the same, and are looked at anyway.
            Err(_) => {
                let probe_at = shard.now().after(Duration::ZERO);
                self.peer = Peer::Ended { probe_at, probed_count: 0 };
            }
        }
    }

    /// Does what the moment asks for. Returns whether the peer turned out to be gone.
    fn moment<T: Transport>(&mut self, transport: &T, shard: &Shard) -> bool {
        let now = shard.now();
        if let Peer::Ended { probe_at, probed_count } = self.peer
            && probe_at.passed(now)
        {
            if transport.pending_error().is_some() {
                return true;
            }
            let probed_count = probed_count.saturating_add(1);
            self.peer =
                Peer::Ended { probe_at: now.after(probe_pause(probed_count)), probed_count };
        }
        if self.keep_alive_at(shard).is_some_and(|moment| moment.passed(now)) {
            open_stream(shard, &self.plan, &mut self.opened, &mut self.output);
            if let Some(Opened { coding, format: Some(format) }) = self.opened {
                coding.part(&mut self.output, |out| frame::keep_alive(out, format));
            }
            self.last_sent = now;
        }
        false
    }

    /// The peer is gone. Where that cancels, the call and the connection end; elsewhere the call
    /// goes on, for its effects.
    async fn lose(&mut self, reason: CloseReason, shard: &Shard) -> Result<(), CloseReason> {
        self.output.clear();
        if self.cut_cancels() {
            // Nobody is left to be told how it ended.
            let _unheard = cancel(shard, &mut self.running, "the client went away").await;
            return Err(reason);
        }
        self.peer = Peer::Gone;
        Ok(())
    }

    /// Whether a peer that goes away cancels the call.
    fn cut_cancels(&self) -> bool {
        self.running.call.revision().rules().cut_cancels
    }

    /// Sends the head of the answer ahead: of a stream if the client takes one, of a document
    /// otherwise.
    fn open_ahead(&mut self, shard: &Shard) {
        open_stream(shard, &self.plan, &mut self.opened, &mut self.output);
        if self.opened.is_none() {
            let coding = reply::open_document(&mut self.output, &self.plan, shard);
            self.opened = Some(Opened { coding, format: None });
        }
    }

    /// The next moment at which something is due.
    fn due_at(&self, shard: &Shard) -> Deadline {
        let probe_at = match self.peer {
            Peer::Ended { probe_at, .. } => probe_at,
            Peer::Watched | Peer::Unwatched | Peer::Gone => Deadline::NEVER,
        };
        let keep_alive_at = match self.peer {
            Peer::Gone => Deadline::NEVER,
            _ if self.running.call.frames().is_stream() => {
                self.last_sent.after(shard.limits().keep_alive_interval)
            }
            _ => Deadline::NEVER,
        };
        self.call_deadline.min(probe_at).min(keep_alive_at)
    }

    /// When a silent stream is due a sign of life; never for a document.
    fn keep_alive_at(&self, shard: &Shard) -> Option<Deadline> {
        let is_stream = match self.opened {
            Some(Opened { format, .. }) => format.is_some(),
            None => self.plan.acceptance.prefers_stream().is_some(),
        };
        is_stream.then(|| self.last_sent.after(shard.limits().keep_alive_interval))
    }

    /// Writes the answer, if anybody is left to read it.
    fn conclude(&mut self, finished: Finished, shard: &Shard) -> Result<Persistence, CloseReason> {
        if self.peer == Peer::Gone {
            return Err(CloseReason::PeerGone);
        }
        // A head that is sent has told already whether the next request is answered.
        if self.opened.is_none() && shard.phase() != Phase::Serving {
            self.plan.manner.persistence = Persistence::Close;
        }
        let Self { running, plan, opened, output, .. } = self;
        Ok(call::conclude(shard, running, finished, plan, *opened, output))
    }

    /// Ends the call. What is written and not sent is left, and what the peer sent meanwhile.
    fn end(self, shard: &Rc<Shard>) -> (Vec<u8>, Vec<u8>) {
        drop(self.noted);
        settle(shard, self.running);
        (self.output, self.input)
    }

    /// What has happened, once something has.
    fn poll_event<R: Future<Output = io::Result<()>>>(
        &mut self,
        shard: &Shard,
        readable: Pin<&mut R>,
        moment: &mut Sleep,
        context: &mut Context<'_>,
    ) -> Poll<Event> {
        let running = &mut self.running;
        running.call.wake_for_frames(context.waker());
        if let Poll::Ready(finished) = poll_work(shard, running, context) {
            return Poll::Ready(Event::Finished(Box::new(finished)));
        }
        if !running.call.frames().is_empty() {
            return Poll::Ready(Event::Frames);
        }
        if running.call.is_cancelled() {
            return Poll::Ready(Event::Cancelled);
        }
        if shard.phase() == Phase::Cancelling {
            return Poll::Ready(Event::Cancelling);
        }
        if self.peer == Peer::Watched
            && let Poll::Ready(ready) = readable.poll(context)
        {
            let event = if ready.is_ok() { Event::PeerReadable } else { Event::PeerGone };
            return Poll::Ready(event);
        }
        Pin::new(moment).poll(context).map(|()| Event::Moment)
    }
}

/// How long to wait after so many looks until the next one: twice as long each time.
fn probe_pause(probed_count: u8) -> Duration {
    let doubled = 1u32.checked_shl(probed_count.into()).unwrap_or(u32::MAX);
    PROBE_PAUSE_MIN.saturating_mul(doubled).min(PROBE_PAUSE_MAX)
}

/// That a session knows of a call, and may cancel it, as long as this lives.
#[derive(Debug)]
struct NotedWork {
    session: Rc<Session>,
    call: Rc<Call>,
    shard: Rc<Shard>,
}

impl NotedWork {
    fn of(running: &RunningCall, shard: &Rc<Shard>) -> Option<Box<Self>> {
        let (session, call) = (running.call.session()?, running.call.clone());
        // Room was made sure of before the call began.
        session.begin_work(call.clone()).ok()?;
        Some(Box::new(Self { session, call, shard: shard.clone() }))
    }
}

impl Drop for NotedWork {
    fn drop(&mut self) {
        let work: Rc<dyn Work> = self.call.clone();
        self.session.end_work(&work, self.shard.now());
    }
}

/// Watches a call until something happens, which the attendance notes. The moment at which
/// something is due is told by the timer of the connection's `silence`, which has nothing else to
/// do.
pub(super) fn watch<'c, T: Transport>(
    transport: &'c T,
    shard: &'c Shard,
    attendance: &'c mut Attendance,
    silence: &'c mut Sleep,
) -> impl Future<Output = ()> {
    silence.reset(attendance.due_at(shard));
    Watch { readable: transport.readable(), silence, shard, attendance }
}

pin_project_lite::pin_project! {
    /// Written out, since as an `async fn` it would be nearly twice as large.
    struct Watch<'c, R> {
        #[pin]
        readable: R,
        silence: &'c mut Sleep,
        shard: &'c Shard,
        attendance: &'c mut Attendance,
    }
}

impl<R: Future<Output = io::Result<()>>> Future for Watch<'_, R> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (attendance, silence) = (&mut **this.attendance, &mut **this.silence);
        attendance.poll_event(this.shard, this.readable, silence, context).map(|event| {
            attendance.event = Some(event);
        })
    }
}

/// Attends a call as far as something is due, or until it or the connection ends.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
pub(super) fn attend<T: Transport>(
    transport: T,
    mut attendance: Box<Attendance>,
    shard: Rc<Shard>,
) -> impl Future<Output = Turn<T>> {
    async move {
        let next = match attendance.run(&transport, &shard).await {
            Ok(Attended::SoFar) => Next::Stay(Shift::Watch(attendance)),
            Ok(Attended::Whole(persistence)) => {
                let (mut output, input) = attendance.end(&shard);
                match wire::flush(&transport, &shard, &mut output, Deadline::NEVER).await {
                    Ok(()) => {
                        shard.buffers.give(output);
                        Next::after_answer(persistence, input, &transport, &shard).await
                    }
                    Err(reason) => Next::Close(reason),
                }
            }
            Err(reason) => {
                attendance.end(&shard);
                Next::Close(reason)
            }
        };
        next.of(transport)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_ended_its_side_is_looked_at_less_and_less_often() {
        let pauses: Vec<_> = (0..7).map(|count| probe_pause(count).as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1000]);
        assert_eq!(probe_pause(u8::MAX), PROBE_PAUSE_MAX);
    }
}
