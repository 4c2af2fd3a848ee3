//! One connection, from its first byte to its last. Read this first.
//!
//! A connection waits or works. While it waits it is this small future: a transport and a timer, no
//! buffer (a test holds its size). When bytes come it works: `converse` reads requests and answers
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
use std::time::Duration;

use super::exchange::Exchange;
use super::shard::{Phase, Shard};
use super::transport::Transport;
use crate::base::fault::Fault;
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
}

impl CloseReason {
    /// Whose doing it is, if anybody failed.
    #[must_use]
    pub fn fault(self) -> Option<Fault> {
        match self {
            Self::PeerEnded | Self::Idle | Self::Answered | Self::Drained => None,
            Self::PeerGone | Self::Stalled => Some(Fault::Peer),
        }
    }
}

/// What becomes of a connection after its requests were answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It waits for more.
    Wait,
    /// It ends.
    Close(CloseReason),
}

/// Serves one connection. `busy` runs [`converse`] in a pooled box; it is an argument because only
/// whoever starts connections can name that future's type:
///
/// ```text
/// let pool = FuturePool::new(1024);
/// let busy = move |transport| pool.run(converse(transport, shard.clone()));
/// let reason = serve_connection(transport, shard, busy).await;
/// ```
///
/// A function with a block, not an `async fn`, which would hold its arguments twice.
#[expect(clippy::manual_async_fn, reason = "the future is a third larger as an async fn")]
pub fn serve_connection<T: Transport, F: Future<Output = (T, Turn)>>(
    mut transport: T,
    shard: Rc<Shard>,
    busy: impl Fn(T) -> F,
) -> impl Future<Output = CloseReason> {
    async move {
        let mut patience = shard.limits().first_byte_timeout;
        loop {
            if let Err(reason) = wait(&transport, &shard, patience).await {
                return reason;
            }
            let (returned, turn) = busy(transport).await;
            transport = returned;
            match turn {
                Turn::Wait => patience = shard.limits().keep_alive_timeout,
                Turn::Close(reason) => return reason,
            }
        }
    }
}

/// Waits for bytes. Everything that ends the wait without any ends the connection.
fn wait<T: Transport>(
    transport: &T,
    shard: &Shard,
    patience: Duration,
) -> impl Future<Output = Result<(), CloseReason>> {
    let deadline = shard.now().after(patience);
    let silence = shard.clock().timers().sleep_until(deadline);
    Wait { readable: transport.readable(), silence, shard }
}

pin_project_lite::pin_project! {
    /// Written out, since as an `async fn` it would be nearly twice as large.
    struct Wait<'c, R> {
        #[pin]
        readable: R,
        silence: Sleep,
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
        if this.shard.phase() != Phase::Serving {
            return Poll::Ready(Err(CloseReason::Drained));
        }
        Pin::new(this.silence).poll(context).map(|()| Err(CloseReason::Idle))
    }
}

/// Reads what the peer sent and answers it, until nothing is left to read.
#[expect(clippy::manual_async_fn, reason = "an async fn would hold its arguments twice")]
pub fn converse<T: Transport>(transport: T, shard: Rc<Shard>) -> impl Future<Output = (T, Turn)> {
    async move {
        let mut exchange = Exchange::open(&shard);
        let turn = exchange.run(&transport).await;
        exchange.close();
        (transport, turn)
    }
}
