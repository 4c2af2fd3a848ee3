//! A call that takes its time: its handler, its notifications and its peer, watched together.
//!
//! Most handlers are ready at once, and their answer is one document. One that is not is attended:
//! its notifications leave as they are made, which turns the answer into a stream; a silent stream
//! is kept alive; a peer that goes away, a deadline or the end of the process cancels the call.
//!
//! A peer that only ended its own side may still want the answer, and one that closed looks the
//! same until something is sent to it. So, where going away cancels, the head of the answer is sent
//! as soon as the peer's end is seen: a peer that is gone resets the connection.
//!
//! Spec: MCP 2026-07-28 "Cancellation" (a closed response cancels), MCP 2025-11-25 transports
//! ("disconnection SHOULD NOT be interpreted as the client cancelling"); WHATWG HTML §9.2
//! (comments).
//! Limits: `call_timeout`, `keep_alive_interval`, `pipeline_bytes_max`.
//! Invariant: an attended call is answered once, or its connection ends.

use std::future::{Future, poll_fn};
use std::io::IoSlice;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::carry::Carriage;
use super::connection::CloseReason;
use super::detached::{Share, detach, respond, settle};
use super::exchange::{Exchange, Step};
use super::reply::{self, Draft, ReplyPlan};
use super::shard::{Phase, Shard, count};
use super::transport::Transport;
use super::wire::{self, Received};
use crate::base::time::{Deadline, Now};
use crate::controller::dispatch::RunningCall;
use crate::handler::answer::Finished;
use crate::handler::error::ToolError;
use crate::http::frame;
use crate::http::h1::encode::StreamCoding;
use crate::http::head::Persistence;
use crate::http::negotiate::StreamFormat;
use crate::session::conversation::{Session, Work};

/// The first and the longest pause between two looks at a peer that ended its side.
const PROBE_PAUSE_MIN: Duration = Duration::from_millis(20);
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(1);

/// A part of an answer whose head is sent.
#[derive(Clone, Copy, Debug)]
struct Opened {
    coding: StreamCoding,
    /// How messages are framed; `None` for one document whose length was not known.
    format: Option<StreamFormat>,
}

/// What an attended call waits for.
enum Event {
    Finished(Finished),
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
    /// It ended its side, and may or may not listen. Looked at again at `probe_at`.
    Ended { probe_at: Deadline, pause: Duration },
    /// It is gone, and its call runs to its end all the same.
    Gone,
}

/// Where an attended call stands.
struct Attendance {
    opened: Option<Opened>,
    peer: Peer,
    call_deadline: Deadline,
    last_sent: Now,
}

impl Exchange {
    /// Polls a handler for the first time. One that is ready, as most are, and told nothing before,
    /// is answered by what `draft` begins.
    pub(super) fn run_at_once(
        &mut self,
        mut running: RunningCall,
        plan: ReplyPlan,
        draft: Draft,
        waker: &Waker,
    ) -> Step {
        let polled = poll_work(&self.shard, &mut running, &mut Context::from_waker(waker));
        if let Poll::Ready(finished) = polled {
            let persistence = if running.call.told_nothing() {
                self.document(&running, finished, &plan, draft)
            } else {
                draft.discard(&mut self.output);
                if running.call.opened_stream().is_some() {
                    return self.carry(running, Some(finished), plan);
                }
                self.conclude(&running, finished, &plan, None)
            };
            settle(&self.shard, running);
            return Step::Answered(persistence);
        }
        draft.discard(&mut self.output);
        if running.call.takes_events() {
            return self.carry(running, None, plan);
        }
        Step::Calls(running, plan)
    }

    /// Lets a session's call answer on an event stream, which this connection carries first.
    fn carry(&mut self, running: RunningCall, finished: Option<Finished>, plan: ReplyPlan) -> Step {
        let Some((session, stream)) = running.call.event_stream() else {
            // Whoever calls this has seen that there is one.
            debug_assert!(false, "no stream to answer on");
            return Step::Answered(Persistence::Close);
        };
        let carriage = Carriage::answer(stream.clone(), session.clone(), plan, self.shard.now());
        match finished {
            Some(finished) => {
                respond(&self.shard, &running, &session, &stream, finished);
                settle(&self.shard, running);
            }
            None => detach(&self.shard, running, session, stream, Share::Whole),
        }
        Step::Carries(carriage)
    }

    /// Writes the answer of a call that ended: the rest of a stream if one was opened or is needed,
    /// and one document otherwise.
    fn conclude(
        &mut self,
        running: &RunningCall,
        finished: Finished,
        plan: &ReplyPlan,
        mut opened: Option<Opened>,
    ) -> Persistence {
        if !running.call.frames().is_empty() {
            self.open_stream(plan, &mut opened);
        }
        let Some(Opened { coding, format }) = opened else {
            let draft = Draft::open(&mut self.output, plan, &self.shard);
            return self.document(running, finished, plan, draft);
        };
        self.last_part(running, finished, coding, format);
        coding.end(&mut self.output);
        reply::persistence_after(coding, plan)
    }

    /// Writes the answer of a call as one document, or as the client would have it.
    fn document(
        &mut self,
        running: &RunningCall,
        finished: Finished,
        plan: &ReplyPlan,
        draft: Draft,
    ) -> Persistence {
        let status = self.finish(running, finished);
        draft.close(&mut self.output, plan, &self.shard, status)
    }

    fn finish(&mut self, running: &RunningCall, finished: Finished) -> u16 {
        self.shard.controller.finish(&running.call, running.subject, finished, &mut self.output)
    }

    /// Watches a call that takes its time to its end and writes its answer. Returns what becomes of
    /// the connection.
    pub(super) async fn attend<T: Transport>(
        &mut self,
        transport: &T,
        running: &mut RunningCall,
        plan: &mut ReplyPlan,
    ) -> Result<Persistence, CloseReason> {
        let now = self.shard.now();
        let mut at = Attendance {
            opened: None,
            peer: Peer::Watched,
            call_deadline: now.after(self.shard.limits().call_timeout),
            last_sent: now,
        };
        let noted = note_work(running, &self.shard);
        let watched = self.watch(transport, running, plan, &mut at).await;
        drop(noted);
        let finished = watched?;
        if at.peer == Peer::Gone {
            return Err(CloseReason::PeerGone);
        }
        // A head that is sent has told already whether the next request is answered.
        if at.opened.is_none() && self.shard.phase() != Phase::Serving {
            plan.manner.persistence = Persistence::Close;
        }
        Ok(self.conclude(running, finished, plan, at.opened))
    }

    /// Waits for the end of the call, sending what it says meanwhile. An error ends the connection,
    /// and with it the call.
    async fn watch<T: Transport>(
        &mut self,
        transport: &T,
        running: &mut RunningCall,
        plan: &ReplyPlan,
        at: &mut Attendance,
    ) -> Result<Finished, CloseReason> {
        let shard = &self.shard.clone();
        let cut_cancels = running.call.revision().rules().cut_cancels;
        let mut readable = std::pin::pin!(transport.readable());
        loop {
            if let Err(reason) = self.tell(transport, running, plan, at).await {
                self.lose(running, at, reason, cut_cancels).await?;
            }
            self.release_buffers();
            match next_event(shard, running, at, readable.as_mut()).await {
                Event::Finished(finished) => return Ok(finished),
                Event::Frames => {}
                Event::Cancelled => {
                    let reason = "the client cancelled the request";
                    return Ok(cancel(shard, running, reason).await);
                }
                Event::Cancelling => {
                    return Ok(cancel(shard, running, "the server is shutting down").await);
                }
                Event::PeerReadable => {
                    self.listen(transport, plan, at, cut_cancels);
                    readable.set(transport.readable());
                }
                Event::PeerGone => {
                    self.lose(running, at, CloseReason::PeerGone, cut_cancels).await?;
                }
                Event::Moment if at.call_deadline.passed(shard.now()) => {
                    return Ok(cancel(shard, running, "the tool call took too long").await);
                }
                Event::Moment => {
                    if self.moment(transport, plan, at) {
                        self.lose(running, at, CloseReason::PeerGone, cut_cancels).await?;
                    }
                }
            }
        }
    }

    /// Sends what the call said and what waits besides.
    async fn tell<T: Transport>(
        &mut self,
        transport: &T,
        running: &RunningCall,
        plan: &ReplyPlan,
        at: &mut Attendance,
    ) -> Result<(), CloseReason> {
        if at.peer == Peer::Gone {
            running.call.frames().take(|_| ());
            return Ok(());
        }
        if !running.call.frames().is_empty() {
            self.open_stream(plan, &mut at.opened);
            self.send_frames(transport, running, at)?;
        }
        if !self.output.is_empty() {
            // A peer that reads too slowly must not hold the call beyond its time.
            self.send_by(transport, at.call_deadline).await?;
            at.last_sent = self.shard.now();
        }
        Ok(())
    }

    /// Sends all frames made so far in one vectored write, copying none that the peer takes.
    fn send_frames<T: Transport>(
        &mut self,
        transport: &T,
        running: &RunningCall,
        at: &mut Attendance,
    ) -> Result<(), CloseReason> {
        let mut sent = Ok(());
        running.call.frames().take(|frames| {
            let (line, end) = match at.opened {
                Some(Opened { coding: StreamCoding::Chunked, .. }) => {
                    (format!("{:x}\r\n", frames.len()), &b"\r\n"[..])
                }
                _ => (String::new(), &b""[..]),
            };
            let head = self.take_output();
            let slices = [&head[..], line.as_bytes(), frames, end].map(IoSlice::new);
            sent = wire::send_slices(transport, &slices, &mut self.output);
            self.shard.buffers.give(head);
        });
        at.last_sent = self.shard.now();
        sent
    }

    /// Takes in what the peer sent while its call runs: further requests, or its end.
    fn listen<T: Transport>(
        &mut self,
        transport: &T,
        plan: &ReplyPlan,
        at: &mut Attendance,
        cut_cancels: bool,
    ) {
        match wire::receive(transport, &self.shard, &mut self.input) {
            Ok(Received::Nothing) => {}
            Ok(Received::Bytes { .. }) => {
                if self.input.len() >= self.shard.limits().pipeline_bytes_max {
                    at.peer = Peer::Unwatched;
                }
            }
            Ok(Received::End) if cut_cancels => {
                self.open_ahead(plan, at);
                let pause = PROBE_PAUSE_MIN;
                at.peer = Peer::Ended { probe_at: self.shard.now().after(pause), pause };
            }
            Ok(Received::End) => at.peer = Peer::Unwatched,
            // `readable` and `pending_error` tell the same, and are looked at anyway.
            Err(_) => {
                let pause = PROBE_PAUSE_MIN;
                at.peer = Peer::Ended { probe_at: self.shard.now().after(Duration::ZERO), pause };
            }
        }
    }

    /// Does what the moment asks for. Returns whether the peer turned out to be gone.
    fn moment<T: Transport>(
        &mut self,
        transport: &T,
        plan: &ReplyPlan,
        at: &mut Attendance,
    ) -> bool {
        let now = self.shard.now();
        if let Peer::Ended { probe_at, pause } = at.peer
            && probe_at.passed(now)
        {
            if transport.pending_error().is_some() {
                return true;
            }
            let pause = (pause * 2).min(PROBE_PAUSE_MAX);
            at.peer = Peer::Ended { probe_at: now.after(pause), pause };
        }
        if keep_alive_at(&self.shard, at, plan).is_some_and(|moment| moment.passed(now)) {
            self.open_stream(plan, &mut at.opened);
            if let Some(Opened { coding, format: Some(format) }) = at.opened {
                coding.part(&mut self.output, |out| frame::keep_alive(out, format));
            }
            at.last_sent = now;
        }
        false
    }

    /// The peer is gone. Where that cancels, the call and the connection end; elsewhere the call
    /// goes on, for its effects.
    async fn lose(
        &mut self,
        running: &mut RunningCall,
        at: &mut Attendance,
        reason: CloseReason,
        cut_cancels: bool,
    ) -> Result<(), CloseReason> {
        self.forget_output();
        if cut_cancels {
            // Nobody is left to be told how it ended.
            let _unheard = cancel(&self.shard, running, "the client went away").await;
            return Err(reason);
        }
        at.peer = Peer::Gone;
        Ok(())
    }

    /// Sends the head of the answer ahead: of a stream if the client takes one, of a document
    /// otherwise.
    fn open_ahead(&mut self, plan: &ReplyPlan, at: &mut Attendance) {
        self.open_stream(plan, &mut at.opened);
        if at.opened.is_none() {
            let coding = reply::open_document(&mut self.output, plan, &self.shard);
            at.opened = Some(Opened { coding, format: None });
        }
    }

    fn open_stream(&mut self, plan: &ReplyPlan, opened: &mut Option<Opened>) {
        if opened.is_none()
            && let Some(format) = plan.acceptance.prefers_stream()
        {
            let coding = reply::open_stream(&mut self.output, plan, &self.shard, format);
            *opened = Some(Opened { coding, format: Some(format) });
        }
    }

    /// Writes the last part of an answer whose head is sent: what was said last, and the response.
    fn last_part(
        &mut self,
        running: &RunningCall,
        finished: Finished,
        coding: StreamCoding,
        format: Option<StreamFormat>,
    ) {
        let shard = &self.shard.clone();
        coding.part(&mut self.output, |out| {
            running.call.frames().take(|frames| out.extend_from_slice(frames));
            let respond = |out: &mut Vec<u8>| {
                // The status went out with the head; the message tells the rest.
                let _status =
                    shard.controller.finish(&running.call, running.subject, finished, out);
            };
            match format {
                Some(format) => frame::frame(out, format, respond),
                None => respond(out),
            }
        });
    }
}

/// Lets the session of a call, if it has one, cancel it as long as what this returns lives.
fn note_work(running: &RunningCall, shard: &Rc<Shard>) -> Option<NotedWork> {
    let (session, work) = (running.call.session()?, running.call.clone() as Rc<dyn Work>);
    // Room was made sure of before the call began.
    session.begin_work(work.clone()).ok()?;
    Some(NotedWork { session, work, shard: shard.clone() })
}

/// A call that its session knows of.
struct NotedWork {
    session: Rc<Session>,
    work: Rc<dyn Work>,
    shard: Rc<Shard>,
}

impl Drop for NotedWork {
    fn drop(&mut self) {
        self.session.end_work(&self.work, self.shard.now());
    }
}

/// Waits for whatever comes first.
async fn next_event(
    shard: &Shard,
    running: &mut RunningCall,
    at: &Attendance,
    mut readable: Pin<&mut impl Future<Output = std::io::Result<()>>>,
) -> Event {
    let mut moment = shard.clock().timers().sleep_until(next_moment(shard, running, at));
    poll_fn(move |context| {
        running.call.wake_for_frames(context.waker());
        if let Poll::Ready(finished) = poll_work(shard, running, context) {
            return Poll::Ready(Event::Finished(finished));
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
        if at.peer == Peer::Watched
            && let Poll::Ready(ready) = readable.as_mut().poll(context)
        {
            let event = if ready.is_ok() { Event::PeerReadable } else { Event::PeerGone };
            return Poll::Ready(event);
        }
        Pin::new(&mut moment).poll(context).map(|()| Event::Moment)
    })
    .await
}

/// The next moment at which something is due.
fn next_moment(shard: &Shard, running: &RunningCall, at: &Attendance) -> Deadline {
    let probe_at = match at.peer {
        Peer::Ended { probe_at, .. } => probe_at,
        Peer::Watched | Peer::Unwatched | Peer::Gone => Deadline::NEVER,
    };
    let keep_alive_at = match at.peer {
        Peer::Gone => Deadline::NEVER,
        _ if running.call.frames().is_stream() => {
            at.last_sent.after(shard.limits().keep_alive_interval)
        }
        _ => Deadline::NEVER,
    };
    at.call_deadline.min(probe_at).min(keep_alive_at)
}

/// When a silent stream is due a sign of life; never for a document.
fn keep_alive_at(shard: &Shard, at: &Attendance, plan: &ReplyPlan) -> Option<Deadline> {
    let is_stream = match at.opened {
        Some(Opened { format, .. }) => format.is_some(),
        None => plan.acceptance.prefers_stream().is_some(),
    };
    is_stream.then(|| at.last_sent.after(shard.limits().keep_alive_interval))
}

/// Ends a call before its time: the handler is told, polled once more, and dropped.
pub(super) async fn cancel(
    shard: &Shard,
    running: &mut RunningCall,
    reason: &'static str,
) -> Finished {
    count(&shard.counters().cancelled_calls);
    running.call.cancel();
    let last = poll_fn(|context| Poll::Ready(poll_work(shard, running, context))).await;
    match last {
        Poll::Ready(finished) => finished,
        Poll::Pending => Err(ToolError::cancelled(reason)),
    }
}

/// Polls a handler. A panic ends the call with an error, and nothing else; a handler that waits for
/// answers that only a further call brings has ended too, and so has the request of a call that
/// became a task.
pub(super) fn poll_work(
    shard: &Shard,
    running: &mut RunningCall,
    context: &mut Context<'_>,
) -> Poll<Finished> {
    // The future is not polled again after a panic, only dropped.
    let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut running.work).poll(context)));
    if matches!(polled, Ok(Poll::Pending))
        && let Some(interim) = running.call.interim()
    {
        return Poll::Ready(interim);
    }
    polled.unwrap_or_else(|_panic| {
        count(&shard.counters().panics);
        Poll::Ready(Err(ToolError::panicked()))
    })
}
