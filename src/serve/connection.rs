//! One connection, from its first byte to its last. Read this first.
//!
//! A connection waits or works. While it waits, for bytes or for something due on the event stream
//! that it carries, it is this small future: a transport and a timer, no buffer (a test holds its
//! size). When bytes come it works: `converse` reads requests and answers
//! them in order, in a box of the core's pool with buffers of the core's pool, until nothing is
//! left to read, and gives them back.
//!
//! ```text
//! wait ─bytes─▶ converse: head ▶ route ▶ body ▶ decode ▶ dispatch ▶ handler ▶ reply ─┐
//!  ▲                                                                               │
//!  └────────────────────────────── all answered ◀──────────────────────────────────┘
//! ```
//!
//! Spec: RFC 9112 §9. Limits: `first_byte_timeout`, `keep_alive_timeout`.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::carry::{Carriage, carry, hold};
use super::exchange::Exchange;
use super::shard::Shard;
use super::transport::Transport;
use crate::base::fault::Fault;
use crate::base::pool::{FuturePool, Pooled};
use crate::base::time::Deadline;
use crate::base::timers::Sleep;

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

/// Serves one connection. It begins with `shift`: it waits for bytes, or goes on with what another
/// worker received on it. `busy` runs a shift in a pooled box; it is an argument because only
/// whoever starts connections can name the futures' types:
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
    busy: impl Fn(T, Shift) -> F,
) -> impl Future<Output = CloseReason> {
    async move {
        let mut is_new = true;
        // Kept from wait to wait, so that its timer is seldom armed anew.
        let mut silence = shard.clock().timers().sleep_until(Deadline::NEVER);
        loop {
            match &shift {
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
                Shift::Hold(carriage) => hold(&transport, &shard, carriage).await,
                Shift::Converse(_) | Shift::Carry(_) => {}
            }
            (transport, shift) = match busy(transport, shift).await {
                Turn::Stay(transport, shift) => (transport, shift),
                // It went with whoever ran the shift.
                Turn::Move(..) => return CloseReason::Moved,
                Turn::Close(reason) => return reason,
            };
            is_new = false;
        }
    }
}

/// What connections of a core work at: runs each shift in a box that is used again. Keeps up to
/// `kept_count_max` boxes of a kind. `hand_over` gives a connection to another worker, or gives it
/// back; one that is given back is turned away.
pub fn workbench<T: Transport + 'static>(
    shard: Rc<Shard>,
    kept_count_max: usize,
    hand_over: impl Fn(T, Parcel) -> Result<(), T> + 'static,
) -> impl Fn(T, Shift) -> Pooled<Turn<T>> {
    let conversations = FuturePool::new(kept_count_max);
    let carriages = FuturePool::new(kept_count_max);
    let hand_over = Rc::new(hand_over);
    let talk = move |transport, input, shard: &Rc<Shard>| {
        let conversation = converse(transport, input, shard.clone());
        conversations.run(MoveOn {
            conversation,
            shard: shard.clone(),
            hand_over: hand_over.clone(),
            turning_away: None,
        })
    };
    move |transport, shift| match shift {
        Shift::Wait => talk(transport, Vec::new(), &shard),
        Shift::Converse(input) => talk(transport, *input, &shard),
        Shift::Carry(carriage) | Shift::Hold(carriage) => {
            carriages.run(carry(transport, carriage, shard.clone()))
        }
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
    let mut exchange = Exchange::open(&shard, Vec::new());
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

/// Reads what the peer sent, `input` first, and answers it, until nothing is left to read.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
pub fn converse<T: Transport>(
    transport: T,
    input: Vec<u8>,
    shard: Rc<Shard>,
) -> impl Future<Output = Turn<T>> {
    async move {
        let mut exchange = Exchange::open(&shard, input);
        let next = exchange.run(&transport).await;
        exchange.close();
        next.of(transport)
    }
}
