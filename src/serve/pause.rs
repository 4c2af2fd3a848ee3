//! Where an exchange cannot go on by itself: what it waits for there, and how it goes on.
//!
//! Most requests are there whole, are answered at once, and their answers taken at once: all of
//! that is `begin`, a function like any other. What has to wait is a `Pause`, and `run`, a future
//! in a box of the core's pool, goes from one to the next.
//!
//! ```text
//! begin ─▶ receive ─▶ step ─▶ … ─▶ send ─▶ over
//!             └────────┴── Pause ──┘
//! run:   wait for it, and go on as before
//! ```
//!
//! Spec: RFC 9112 §9.3, §9.6. Limits: `pipeline_requests_max`, `output_bytes_max`.
//! Invariant: after an answer that closes nothing more is read.

use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

use super::connection::{CloseReason, Next, Parcel, Shift};
use super::exchange::{Exchange, Step};
use super::shard::count;
use super::transport::Transport;
use super::wire;
use crate::http::head::Persistence;

/// Where an exchange cannot go on by itself.
#[derive(Debug)]
pub(super) enum Pause {
    /// The rest of a request has to come.
    Input,
    /// The peer has to take what is written.
    Output,
    /// The core's other connections have their turn first.
    Turn,
    /// The last answer of the connection is written.
    Last,
    /// It is over, and this comes of the connection.
    Over(Next),
}

impl Pause {
    /// The pause in which an exchange ends for this reason.
    fn at_end(reason: CloseReason) -> Self {
        match reason {
            CloseReason::Answered => Self::Last,
            reason => Self::Over(Next::Close(reason)),
        }
    }
}

/// What an exchange does first when it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Reads what was received.
    Read,
    /// Receives more.
    Receive,
}

impl Exchange {
    /// Receives, reads and answers as far as that goes without waiting, mostly all the way. So the
    /// usual request costs no future of its own.
    pub(super) fn begin<T: Transport>(&mut self, transport: &T, waker: &Waker) -> Pause {
        let act = if self.input.is_empty() { Act::Receive } else { Act::Read };
        self.go_on(transport, waker, act)
    }

    /// Waits for what a pause is for and goes on, pause after pause, until the exchange is over.
    pub(super) async fn run<T: Transport>(&mut self, transport: &T, pause: &mut Pause) -> Next {
        loop {
            let waited = match pause {
                Pause::Input => self.wait(transport).await.map(|()| Act::Receive),
                Pause::Output => self.send(transport).await.map(|()| Act::Read),
                Pause::Turn => {
                    self.yield_turn().await;
                    Ok(Act::Read)
                }
                Pause::Last => {
                    self.send_last(transport).await;
                    return Next::Close(CloseReason::Answered);
                }
                Pause::Over(next) => {
                    return std::mem::replace(next, Next::Close(CloseReason::Answered));
                }
            };
            *pause = match waited {
                Ok(act) => {
                    let turn = |context: &mut Context<'_>| {
                        Poll::Ready(self.go_on(transport, context.waker(), act))
                    };
                    poll_fn(turn).await
                }
                Err(reason) => Pause::at_end(reason),
            };
        }
    }

    /// Reads and answers one request after the other until it cannot go on by itself.
    fn go_on<T: Transport>(&mut self, transport: &T, waker: &Waker, act: Act) -> Pause {
        self.advance(transport, waker, act).unwrap_or_else(Pause::at_end)
    }

    fn advance<T: Transport>(
        &mut self,
        transport: &T,
        waker: &Waker,
        mut act: Act,
    ) -> Result<Pause, CloseReason> {
        loop {
            if act == Act::Receive
                && let Some(pause) = self.receive(transport)?
            {
                return Ok(pause);
            }
            act = match self.step(transport, waker) {
                Step::Starved => Act::Receive,
                Step::Answered(persistence) => self.note_answer(persistence)?,
                Step::Attends(mut attendance) => {
                    let (output, input) = self.leave();
                    attendance.take_over(output, input, &self.shard);
                    return Ok(Pause::Over(Next::Stay(Shift::Attend(attendance))));
                }
                Step::Carries(mut carriage) => {
                    let (output, input) = self.leave();
                    carriage.take_over(output, input, &self.shard);
                    return Ok(Pause::Over(Next::Stay(Shift::Carry(carriage))));
                }
                Step::Moves(_) if !self.send_at_once(transport)? => return Ok(Pause::Output),
                Step::Moves(to) => return Ok(Pause::Over(self.hand_over(to))),
            };
            let is_turn_over = self.is_turn_over();
            if (act == Act::Receive || is_turn_over || self.is_full())
                && !self.send_at_once(transport)?
            {
                return Ok(Pause::Output);
            }
            if is_turn_over && act == Act::Read && self.used < self.input.len() {
                return Ok(Pause::Turn);
            }
        }
    }

    /// Takes note of an answer that was written, and goes on reading unless it is the last.
    fn note_answer(&mut self, persistence: Persistence) -> Result<Act, CloseReason> {
        if persistence == Persistence::Close {
            return Err(CloseReason::Answered);
        }
        self.burst_count += 1;
        Ok(Act::Read)
    }

    /// Whether so many requests were answered in a row that others come first.
    pub(super) fn is_turn_over(&self) -> bool {
        self.burst_count >= self.shard.limits().pipeline_requests_max
    }

    /// Whether as much as may waits to be sent.
    fn is_full(&self) -> bool {
        self.output.len() >= self.shard.limits().output_bytes_max
    }

    /// Goes once around the core's run queue. A task that wakes itself is run again at once by some
    /// executors, so another one wakes it.
    async fn yield_turn(&mut self) {
        self.burst_count = 0;
        let mut has_yielded = false;
        poll_fn(|context| {
            if std::mem::replace(&mut has_yielded, true) {
                return Poll::Ready(());
            }
            let waker = context.waker().clone();
            self.shard.spawn(Box::pin(async move { waker.wake() }));
            Poll::Pending
        })
        .await;
    }

    /// Answers that there is no room now, and ends the connection.
    pub(super) async fn turn_away<T: Transport>(&mut self, transport: &T) {
        count(&self.shard.counters().requests);
        self.give_up(503, "the worker of this session is busy; try again");
        self.send_last(transport).await;
    }

    async fn send_last<T: Transport>(&mut self, transport: &T) {
        if self.send(transport).await.is_ok() {
            wire::linger(transport, &self.shard).await;
        }
    }

    /// Leaves the connection to another worker, with what is not answered.
    fn hand_over(&mut self, to: usize) -> Next {
        self.drop_used();
        Next::Move(Parcel { to, input: std::mem::take(&mut self.input) })
    }
}
