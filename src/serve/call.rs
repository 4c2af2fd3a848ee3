//! A call as it begins and as it ends: its handler polled, its answer written.
//!
//! Most handlers are ready when they are polled first, and told nothing: their answer is one
//! document, which was drafted already. What told something is answered by a stream, whole if the
//! handler is ready, and its last part if the stream was begun before (`attend`).
//!
//! Invariant: a panic of a handler ends its call and nothing else.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::attend::Attendance;
use super::carry::Carriage;
use super::detached::{Share, detach, respond, settle};
use super::exchange::{Exchange, Step};
use super::reply::{self, Draft, ReplyPlan};
use super::shard::{Shard, count};
use crate::controller::dispatch::RunningCall;
use crate::handler::answer::Finished;
use crate::handler::error::ToolError;
use crate::http::frame;
use crate::http::h1::encode::StreamCoding;
use crate::http::head::Persistence;
use crate::http::negotiate::StreamFormat;

/// A part of an answer whose head is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opened {
    pub(super) coding: StreamCoding,
    /// How messages are framed; `None` for one document whose length was not known.
    pub(super) format: Option<StreamFormat>,
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
        let shard = &self.shard;
        let polled = poll_work(shard, &mut running, &mut Context::from_waker(waker));
        if let Poll::Ready(finished) = polled {
            let persistence = if running.call.told_nothing() {
                document(shard, &running, finished, &plan, draft, &mut self.output)
            } else {
                draft.discard(&mut self.output);
                if running.call.opened_stream().is_some() {
                    return self.carry(running, Some(finished), plan);
                }
                conclude(shard, &running, finished, &plan, None, &mut self.output)
            };
            settle(shard, running);
            return Step::Answered(persistence);
        }
        draft.discard(&mut self.output);
        if running.call.takes_events() {
            return self.carry(running, None, plan);
        }
        Step::Attends(Attendance::new(running, plan, shard))
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
}

/// Writes the answer of a call that ended: the rest of a stream if one was opened or is needed, and
/// one document otherwise.
pub(super) fn conclude(
    shard: &Shard,
    running: &RunningCall,
    finished: Finished,
    plan: &ReplyPlan,
    mut opened: Option<Opened>,
    output: &mut Vec<u8>,
) -> Persistence {
    if !running.call.frames().is_empty() {
        open_stream(shard, plan, &mut opened, output);
    }
    let Some(Opened { coding, format }) = opened else {
        let draft = Draft::open(output, plan, shard);
        return document(shard, running, finished, plan, draft, output);
    };
    coding.part(output, |out| last_part(shard, running, finished, format, out));
    coding.end(output);
    reply::persistence_after(coding, plan)
}

/// Writes the answer of a call as one document, or as the client would have it.
fn document(
    shard: &Shard,
    running: &RunningCall,
    finished: Finished,
    plan: &ReplyPlan,
    draft: Draft,
    output: &mut Vec<u8>,
) -> Persistence {
    let status = shard.controller.finish(&running.call, running.subject, finished, output);
    draft.close(output, plan, shard, status)
}

/// Writes the head of a stream, if the client takes one and it is not written yet.
pub(super) fn open_stream(
    shard: &Shard,
    plan: &ReplyPlan,
    opened: &mut Option<Opened>,
    output: &mut Vec<u8>,
) {
    if opened.is_none()
        && let Some(format) = plan.acceptance.prefers_stream()
    {
        let coding = reply::open_stream(output, plan, shard, format);
        *opened = Some(Opened { coding, format: Some(format) });
    }
}

/// Writes the last part of an answer whose head is written: what was said last, and the response.
fn last_part(
    shard: &Shard,
    running: &RunningCall,
    finished: Finished,
    format: Option<StreamFormat>,
    out: &mut Vec<u8>,
) {
    running.call.frames().take(|frames| out.extend_from_slice(frames));
    let respond = |out: &mut Vec<u8>| {
        // The status went out with the head; the message tells the rest.
        let _status = shard.controller.finish(&running.call, running.subject, finished, out);
    };
    match format {
        Some(format) => frame::frame(out, format, respond),
        None => respond(out),
    }
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
