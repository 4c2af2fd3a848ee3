//! One connection, from its first byte to its last. Read this first.
//!
//! A connection waits or works. While it waits, for bytes, for something due on the event stream
//! that it carries, or for something of the call that it attends, it is this small future: a
//! transport and a timer, no buffer (a test holds its size). When bytes come it works: `begin`
//! reads requests and answers them in order, with buffers of the core's pool, until nothing is left
//! to read, and gives them back. What has to wait before that goes on as `converse`, in a box of
//! the core's pool; what may last is a stream that is carried, or a call that is attended.
//!
//! ```text
//! wait ─bytes─▶ begin: head ▶ route ▶ body ▶ decode ▶ dispatch ▶ handler ▶ reply ─┐
//!  ▲                     │ has to wait                                            │
//!  ├── all answered ◀ converse                                                    │
//!  └── all answered ◀─────────────────────────────────────────────────────────────┘
//! ```
//!
//! Spec: RFC 9112 §9. Limits: `first_byte_timeout`, `keep_alive_timeout`.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::attend::{Attendance, attend, watch};
use super::carry::{Carriage, carry, hold};
use super::exchange::Exchange;
use super::pause::Pause;
use super::shard::Shard;
use super::transport::Transport;
use super::wire;
use crate::base::fault::Fault;
use crate::base::pool::{FuturePool, Pooled};
use crate::base::time::Deadline;
use crate::base::timers::Sleep;
use crate::http::head::Persistence;

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The peer ended it between two requests.
    PeerEnded,
    /// Nothing came in time, between two requests.
    Idle,
    /// The last answer said so: by the client's wish, or after a request whose end is in doubt.
    Answered,
    /// The peer went away in the middle of an exchange.
    PeerGone,
    /// The peer took no byte of an answer in time.
    Stalled,
    /// The server drains.
    Drained,
    /// Its event stream is carried by another connection now or kept no more, or its session ended
    /// while the peer read slowly.
    Superseded,
    /// Another worker serves it.
    Moved,
}

impl CloseReason {
    /// Whose doing it is, if anybody failed.
    #[must_use]
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::PeerGone | Self::Stalled => Some(Fault::Peer),
            Self::PeerEnded
            | Self::Idle
            | Self::Answered
            | Self::Drained
            | Self::Superseded
            | Self::Moved => None,
        }
    }
}

/// What becomes of a connection after a shift.
#[derive(Debug)]
pub enum Turn<T> {
    /// It goes on here, with this.
    Stay(T, Shift),
    /// It belongs to another worker.
    Move(T, Parcel),
    /// It ends.
    Close(CloseReason),
}

/// What a connection does next.
#[derive(Debug)]
pub enum Shift {
    /// Waits for bytes, then reads requests and answers them.
    Wait,
    /// Reads requests, these bytes first, and answers them. In a box: few connections begin so.
    Converse(Box<Vec<u8>>),
    /// Carries an event stream.
    Carry(Box<Carriage>),
    /// Waits until something is due on the event stream that it carries.
    Hold(Box<Carriage>),
    /// Attends a call that takes its time.
    Attend(Box<Attendance>),
    /// Waits until something happens to the call that it attends.
    Watch(Box<Attendance>),
}

impl Shift {
    /// Reads requests, beginning with these bytes if there are any.
    #[must_use]
    pub fn with_input(input: Vec<u8>) -> Self {
        if input.is_empty() { Self::Wait } else { Self::Converse(Box::new(input)) }
    }
}

/// What becomes of a connection, as the shift itself says it.
#[derive(Debug)]
pub(super) enum Next {
    Stay(Shift),
    Move(Parcel),
    Close(CloseReason),
}

impl Next {
    /// After an answer that was sent: what the peer sent meanwhile is read, or the peer is heard
    /// out and the connection ends.
    pub(super) async fn after_answer<T: Transport>(
        persistence: Persistence,
        input: Vec<u8>,
        transport: &T,
        shard: &Shard,
    ) -> Self {
        match persistence {
            Persistence::KeepAlive => Self::Stay(Shift::with_input(input)),
            Persistence::Close => {
                Box::pin(wire::linger(transport, shard)).await;
                Self::Close(CloseReason::Answered)
            }
        }
    }

    pub(super) fn of<T>(self, transport: T) -> Turn<T> {
        match self {
            Self::Stay(shift) => Turn::Stay(transport, shift),
            Self::Move(parcel) => Turn::Move(transport, parcel),
            Self::Close(reason) => Turn::Close(reason),
        }
    }
}

/// What another worker needs besides a connection to serve it.
#[derive(Debug, PartialEq, Eq)]
pub struct Parcel {
    /// The worker.
    pub to: usize,
    /// What was received and not answered, from the head on that belongs there.
    pub input: Vec<u8>,
}

/// What a shift has to wait for, and all that it needs to go on.
#[derive(Debug)]
pub struct Work(Task);

#[derive(Debug)]
enum Task {
    /// Requests are read and answered, from this pause on.
    Converse(Exchange, Pause),
    /// An event stream is carried.
    Carry(Box<Carriage>),
    /// A call that takes its time is attended.
    Attend(Box<Attendance>),
}

/// Serves one connection. It begins with `shift`: it waits for bytes, or goes on with what another
/// worker received on it. `busy` runs what has to wait in a pooled box; it is an argument because
/// only whoever starts connections can name the futures' types:
///
/// ```text
/// let busy = workbench(shard.clone(), 1024, hand_over);
/// let reason = serve_connection(transport, Shift::Wait, shard, busy).await;
/// ```
///
/// A function with a block, not an `async fn`, which would hold its arguments twice.
#[expect(clippy::manual_async_fn, reason = "the future is a third larger as an async fn")]
pub fn serve_connection<T: Transport, F: Future<Output = Turn<T>>>(
    mut transport: T,
    mut shift: Shift,
    shard: Rc<Shard>,
    busy: impl Fn(T, Work) -> F,
) -> impl Future<Output = CloseReason> {
    async move {
        let mut is_new = true;
        // One timer for all waits, kept from one to the next, so that it is seldom armed anew.
        let mut silence = shard.clock().timers().sleep_until(Deadline::NEVER);
        loop {
            match &mut shift {
                Shift::Wait => {
                    let limits = shard.limits();
                    let patience =
                        if is_new { limits.first_byte_timeout } else { limits.keep_alive_timeout };
                    silence.reset(shard.now().after(patience));
                    match wait(&transport, &shard, &mut silence).await {
                        Ok(()) => {}
                        // A request that is here was accepted, told of or not.
                        Err(CloseReason::Drained) if transport.has_input() => {}
                        Err(reason) => return reason,
                    }
                }
                Shift::Hold(carriage) => hold(&transport, &shard, carriage, &mut silence).await,
                Shift::Watch(attendance) => {
                    watch(&transport, &shard, attendance, &mut silence).await;
                }
                Shift::Converse(_) | Shift::Carry(_) | Shift::Attend(_) => {}
            }
            is_new = false;
            let worked = poll_fn(|context| {
                Poll::Ready(begin(&transport, &mut shift, &shard, context.waker()))
            });
            let work = match worked.await {
                Ok(Some(work)) => work,
                Ok(None) => continue,
                Err(reason) => return reason,
            };
            (transport, shift) = match busy(transport, work).await {
                Turn::Stay(transport, shift) => (transport, shift),
                // It went with whoever ran the shift.
                Turn::Move(..) => return CloseReason::Moved,
                Turn::Close(reason) => return reason,
            };
        }
    }
}

/// Does of a shift what needs no waiting, which is mostly all. Leaves the next shift, unless there
/// is work that has to wait. `Err` when the connection ends.
fn begin<T: Transport>(
    transport: &T,
    shift: &mut Shift,
    shard: &Rc<Shard>,
    waker: &Waker,
) -> Result<Option<Work>, CloseReason> {
    let input = match std::mem::replace(shift, Shift::Wait) {
        Shift::Wait => Vec::new(),
        Shift::Converse(input) => *input,
        Shift::Carry(carriage) | Shift::Hold(carriage) => {
            return Ok(Some(Work(Task::Carry(carriage))));
        }
        Shift::Attend(attendance) | Shift::Watch(attendance) => {
            return Ok(Some(Work(Task::Attend(attendance))));
        }
    };
    let mut exchange = Exchange::open(shard.clone(), input);
    match exchange.begin(transport, waker) {
        Pause::Over(Next::Stay(next)) => {
            exchange.close();
            *shift = next;
            Ok(None)
        }
        Pause::Over(Next::Close(reason)) => {
            exchange.close();
            Err(reason)
        }
        pause => Ok(Some(Work(Task::Converse(exchange, pause)))),
    }
}

/// What connections of a core work at: runs what has to wait in a box that is used again. Keeps up
/// to `kept_count_max` boxes of a kind. `hand_over` gives a connection to another worker, or gives
/// it back; one that is given back is turned away.
pub fn workbench<T: Transport + 'static>(
    shard: Rc<Shard>,
    kept_count_max: usize,
    hand_over: impl Fn(T, Parcel) -> Result<(), T> + 'static,
) -> impl Fn(T, Work) -> Pooled<Turn<T>> {
    let conversations = FuturePool::new(kept_count_max);
    let carriages = FuturePool::new(kept_count_max);
    let attendances = FuturePool::new(kept_count_max);
    let hand_over = Rc::new(hand_over);
    move |transport, Work(task)| match task {
        Task::Converse(exchange, pause) => conversations.run(MoveOn {
            conversation: converse(transport, exchange, pause),
            shard: shard.clone(),
            hand_over: hand_over.clone(),
            turning_away: None,
        }),
        Task::Carry(carriage) => carriages.run(carry(transport, carriage, shard.clone())),
        Task::Attend(attendance) => attendances.run(attend(transport, attendance, shard.clone())),
    }
}

pin_project_lite::pin_project! {
    /// Runs a conversation, and hands the connection over if it belongs to another worker. Written
    /// out, since as an `async fn` it would hold the conversation twice.
    struct MoveOn<C, H> {
        #[pin]
        conversation: C,
        shard: Rc<Shard>,
        hand_over: Rc<H>,
        turning_away: Option<Pin<Box<dyn Future<Output = ()>>>>,
    }
}

impl<T: Transport + 'static, C, H> Future for MoveOn<C, H>
where
    C: Future<Output = Turn<T>>,
    H: Fn(T, Parcel) -> Result<(), T>,
{
    type Output = Turn<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Turn<T>> {
        let this = self.project();
        if this.turning_away.is_none() {
            let (transport, parcel) = match this.conversation.poll(context) {
                Poll::Ready(Turn::Move(transport, parcel)) => (transport, parcel),
                other => return other,
            };
            match (this.hand_over)(transport, parcel) {
                Ok(()) => return Poll::Ready(Turn::Close(CloseReason::Moved)),
                Err(transport) => {
                    let turning_away = turn_away(transport, this.shard.clone());
                    *this.turning_away = Some(Box::pin(turning_away));
                }
            }
        }
        let turned_away = this.turning_away.as_mut().map(|future| future.as_mut().poll(context));
        match turned_away {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready(())) | None => Poll::Ready(Turn::Close(CloseReason::Answered)),
        }
    }
}

/// Turns away a connection whose worker has no room for it, with 503.
async fn turn_away<T: Transport>(transport: T, shard: Rc<Shard>) {
    let mut exchange = Exchange::open(shard, Vec::new());
    exchange.turn_away(&transport).await;
    exchange.close();
}

/// Waits for bytes, as long as silence is borne. Everything that ends the wait without any ends the
/// connection.
fn wait<'c, T: Transport>(
    transport: &'c T,
    shard: &'c Shard,
    silence: &'c mut Sleep,
) -> impl Future<Output = Result<(), CloseReason>> {
    Wait { readable: transport.readable(), silence, shard }
}

pin_project_lite::pin_project! {
    /// Written out, since as an `async fn` it would be nearly twice as large.
    struct Wait<'c, R> {
        #[pin]
        readable: R,
        silence: &'c mut Sleep,
        shard: &'c Shard,
    }
}

impl<R: Future<Output = io::Result<()>>> Future for Wait<'_, R> {
    type Output = Result<(), CloseReason>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(ready) = this.readable.poll(context) {
            return Poll::Ready(ready.map_err(|_| CloseReason::PeerGone));
        }
        if this.shard.closes_waiting() {
            return Poll::Ready(Err(CloseReason::Drained));
        }
        Pin::new(&mut **this.silence).poll(context).map(|()| Err(CloseReason::Idle))
    }
}

/// Goes on from a pause, until nothing is left to read.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
fn converse<T: Transport>(
    transport: T,
    mut exchange: Exchange,
    mut pause: Pause,
) -> impl Future<Output = Turn<T>> {
    async move {
        let next = exchange.run(&transport, &mut pause).await;
        exchange.close();
        next.of(transport)
    }
}

/// How many bytes of a core's pool a conversation over such a transport takes.
#[must_use]
pub const fn working_bytes<T: Transport>() -> usize {
    const fn of<T, F>(_: &impl Fn(T, Exchange, Pause) -> F) -> usize {
        size_of::<F>()
    }
    of(&converse::<T>)
}
