//! The answer to several messages in one body.
//!
//! Responses that are there at once travel as one array. As soon as one call takes its time, all
//! travel on one event stream, each as an event of its own, and the stream ends with the last.
//! Spec: MCP 2025-03-26 transports, "Sending Messages to the Server".

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::call::poll_work;
use super::carry::Carriage;
use super::detached::{Share, detach, settle};
use super::exchange::{Exchange, Step};
use super::reply::{Draft, ReplyPlan};
use crate::controller::dispatch::{Batch, RunningCall};
use crate::jsonrpc::encode;
use crate::mcp::error;
use crate::session::conversation::Session;

impl Exchange {
    /// Runs the calls of a batch as far as they go at once, and answers it.
    pub(super) fn run_batch(
        &mut self,
        batch: Batch,
        session: Rc<Session>,
        plan: ReplyPlan,
        waker: &Waker,
    ) -> Step {
        let Batch { mut answers, calls } = batch;
        let Some(format) = plan.acceptance.prefers_stream() else {
            return self.refuse_batch(calls, answers, &plan);
        };
        let stream = session.open_answer(format, self.shard.now());
        let mut slow = Vec::new();
        for mut running in calls {
            running.call.share_stream(stream.clone());
            match poll_work(&self.shard, &mut running, &mut Context::from_waker(waker)) {
                Poll::Ready(finished) => {
                    let mut answer = Vec::new();
                    let controller = &self.shard.controller;
                    controller.finish(&running.call, running.subject, finished, &mut answer);
                    answers.push(answer);
                    settle(&self.shard, running);
                }
                Poll::Pending => slow.push(running),
            }
        }
        if slow.is_empty() && stream.is_untouched() && plan.acceptance.json_acceptable() {
            session.drop_stream(&stream);
            return self.array(&answers, &plan);
        }
        for answer in answers {
            session.append(&stream, &mut |out| out.extend_from_slice(&answer));
        }
        let left = Rc::new(Cell::new(slow.len()));
        if slow.is_empty() {
            stream.end();
        }
        for running in slow {
            let share = Share::OneOf(left.clone());
            detach(&self.shard, running, session.clone(), stream.clone(), share);
        }
        Step::Carries(Carriage::answer(stream, session, plan, self.shard.now()))
    }

    /// A client that takes no stream is given an array of what needs none.
    fn refuse_batch(
        &mut self,
        calls: Vec<RunningCall>,
        mut answers: Vec<Vec<u8>>,
        plan: &ReplyPlan,
    ) -> Step {
        for running in calls {
            let mut answer = Vec::new();
            let reason = "calls in an array need text/event-stream in Accept";
            let error = error::invalid_request(reason);
            running.call.with_id(|id| encode::error(&mut answer, Some(id), &error));
            answers.push(answer);
            settle(&self.shard, running);
        }
        self.array(&answers, plan)
    }

    fn array(&mut self, answers: &[Vec<u8>], plan: &ReplyPlan) -> Step {
        let draft = Draft::open(&mut self.output, plan, &self.shard);
        self.output.push(b'[');
        self.output.extend_from_slice(&answers.join(&b','));
        self.output.push(b']');
        Step::Answered(draft.close(&mut self.output, plan, &self.shard, 200))
    }
}
