//! A call that runs by itself. One of a session answers on an event stream, whoever carries that;
//! one that became a task answers whoever looks.
//!
//! So a connection that is cut, or told to leave, takes nothing from the call; its client resumes
//! the stream. The call ends with its handler, its deadline, its client's word, its session, or the
//! process. Spec: MCP 2025-11-25 transports ("disconnection SHOULD NOT be interpreted as the client
//! cancelling"), basic/utilities/cancellation; MCP extension
//! `io.modelcontextprotocol/tasks`. Limits: `call_timeout`, `task_life`.
//! Invariant: a stream that a call answers on ends, once.

use std::cell::{Cell, RefCell};
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::call::{cancel, poll_work};
use super::shard::{Phase, Shard, count};
use crate::base::pool::FuturePool;
use crate::base::time::Deadline;
use crate::controller::dispatch::RunningCall;
use crate::handler::answer::Finished;
use crate::session::conversation::{Session, Work};
use crate::session::stream::EventStream;
use crate::session::task::Task;

/// Whose stream a call answers on.
#[derive(Clone, Debug)]
pub(super) enum Share {
    /// Its own: the response is the last event, or one document.
    Whole,
    /// One of several calls': the last of so many ends it.
    OneOf(Rc<Cell<usize>>),
}

/// How a call ended.
enum End {
    Finished(Finished),
    /// Its client said so: it wants no response.
    Cancelled(Finished),
}

/// The calls of a core that run by themselves and are no tasks: no connection need stand for them.
#[derive(Debug, Default)]
pub(super) struct Roamers {
    state: Rc<RoamersState>,
}

#[derive(Debug, Default)]
struct RoamersState {
    count: Cell<usize>,
    /// Who waits until there is none.
    waiting: RefCell<Vec<Waker>>,
}

/// One of them, as long as it lives.
struct Roaming(Rc<RoamersState>);

impl Roamers {
    fn join(&self) -> Roaming {
        self.state.count.set(self.state.count.get() + 1);
        Roaming(self.state.clone())
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.state.count.get() == 0
    }

    /// Waits until there is none.
    pub(super) fn rest(&self) -> impl Future<Output = ()> {
        poll_fn(|context| {
            if self.is_empty() {
                return Poll::Ready(());
            }
            let mut waiting = self.state.waiting.borrow_mut();
            if !waiting.iter().any(|held| held.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
    }
}

impl Drop for Roaming {
    fn drop(&mut self) {
        self.0.count.set(self.0.count.get() - 1);
        if self.0.count.get() == 0 {
            self.0.waiting.take().into_iter().for_each(Waker::wake);
        }
    }
}

/// Lets a call go on by itself.
pub(super) fn detach(
    shard: &Rc<Shard>,
    mut running: RunningCall,
    session: Rc<Session>,
    stream: Rc<EventStream>,
    share: Share,
) {
    let work: Rc<dyn Work> = running.call.clone();
    // Room was made sure of before the call began.
    let began = session.begin_work(work.clone());
    debug_assert!(began.is_ok(), "a call began without room");
    let (task_shard, roaming) = (shard.clone(), shard.roamers.join());
    shard.spawn(Box::pin(async move {
        let shard = task_shard;
        let deadline = shard.now().after(shard.limits().call_timeout);
        let end = run(&shard, &mut running, deadline).await;
        conclude(&shard, &running, &session, &stream, &share, end);
        session.end_work(&work, shard.now());
        drop(work);
        settle(&shard, running);
        drop(roaming);
    }));
}

/// Writes the response of a call that ended on the stream that it answers on.
pub(super) fn respond(
    shard: &Shard,
    running: &RunningCall,
    session: &Session,
    stream: &EventStream,
    finished: Finished,
) {
    session.finish(stream, message(shard, running, finished));
}

/// Gives back what a call held; one that became a task goes on.
pub(super) fn settle(shard: &Rc<Shard>, running: RunningCall) {
    if let Some(task) = running.call.task() {
        return go_on(shard, running, task);
    }
    let dropped = &shard.counters().dropped_frames;
    dropped.set(dropped.get() + running.call.dropped_count());
    shard.controller.end(running);
}

/// Lets a call go on as a task.
fn go_on(shard: &Rc<Shard>, mut running: RunningCall, task: Rc<Task>) {
    task.begin_work(running.call.clone());
    shard.watch_tasks();
    let task_shard = shard.clone();
    shard.spawn(Box::pin(async move {
        let shard = task_shard;
        let (End::Finished(finished) | End::Cancelled(finished)) =
            run(&shard, &mut running, task.deadline()).await;
        shard.controller.end_task(&running.call, &task, running.subject, finished);
        shard.controller.end(running);
    }));
}

async fn run(shard: &Shard, running: &mut RunningCall, deadline: Deadline) -> End {
    let mut late = shard.clock().timers().sleep_until(deadline);
    let reason = poll_fn(|context| {
        running.call.wake_for_frames(context.waker());
        // First: a handler that ends because it was cancelled gives no answer either.
        if running.call.is_cancelled() {
            return Poll::Ready(Err(None));
        }
        if let Poll::Ready(finished) = poll_work(shard, running, context) {
            return Poll::Ready(Ok(finished));
        }
        if shard.phase() == Phase::Cancelling {
            return Poll::Ready(Err(Some("the server is shutting down")));
        }
        // Nobody can answer a server that takes no requests any more.
        let is_asking = || running.call.task().is_some_and(|task| task.is_asking());
        if shard.phase() == Phase::Draining && is_asking() {
            return Poll::Ready(Err(Some("the server is shutting down")));
        }
        while Pin::new(&mut late).poll(context).is_ready() {
            if !running.call.waits_for_client() {
                return Poll::Ready(Err(Some("the tool call took too long")));
            }
            // A person's time is bounded by `answer_timeout`, and is none of the call's.
            let deadline = shard.now().after(shard.limits().call_timeout);
            late = shard.clock().timers().sleep_until(deadline);
        }
        Poll::Pending
    })
    .await;
    match reason {
        Ok(finished) => End::Finished(finished),
        Err(reason) => {
            let said = reason.unwrap_or("the client cancelled the request");
            let finished = cancel(shard, running, said).await;
            let_go(shard, running);
            if reason.is_some() { End::Finished(finished) } else { End::Cancelled(finished) }
        }
    }
}

/// Drops the handler of a call that ended before its time, so that its questions are taken back on
/// the stream while that is open. A task's are taken back with the task.
fn let_go(shard: &Shard, running: &mut RunningCall) {
    if running.call.task().is_some() {
        return;
    }
    let nothing = FuturePool::new(0).run(pending());
    let work = std::mem::replace(&mut running.work, nothing);
    // A handler that panics as it is dropped harms its own call alone.
    if catch_unwind(AssertUnwindSafe(|| drop(work))).is_err() {
        count(&shard.counters().panics);
    }
}

fn conclude(
    shard: &Shard,
    running: &RunningCall,
    session: &Session,
    stream: &EventStream,
    share: &Share,
    end: End,
) {
    match (share, end) {
        (Share::Whole, End::Finished(finished)) => {
            respond(shard, running, session, stream, finished);
        }
        (Share::Whole, End::Cancelled(finished)) => {
            stream.finish_cancelled(message(shard, running, finished));
        }
        (Share::OneOf(left), end) => {
            if let End::Finished(finished) = end {
                let message = message(shard, running, finished);
                session.append(stream, &mut |out| out.extend_from_slice(&message));
            }
            left.set(left.get() - 1);
            if left.get() == 0 {
                stream.end();
            }
        }
    }
}

fn message(shard: &Shard, running: &RunningCall, finished: Finished) -> Vec<u8> {
    let mut message = Vec::new();
    // On a stream the status went out before; the message tells the rest.
    let _status = shard.controller.finish(&running.call, running.subject, finished, &mut message);
    count(&shard.counters().detached_calls);
    message
}
