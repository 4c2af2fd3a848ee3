//! Bytes in and out, with bounded patience: what an exchange does to its transport.
//!
//! Spec: RFC 9112 §9.6 (closing so that the last answer arrives). Limits: `send_stall_timeout`,
//! `linger_timeout`, `linger_bytes_max`.

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::connection::CloseReason;
use super::shard::{RECEIVE_BYTES_MAX, ROOM_BYTES_MAX, Shard};
use super::transport::Transport;
use crate::base::time::Deadline;
use crate::base::timers::{Elapsed, Sleep};

/// What a receive found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// Bytes, at the end of the buffer.
    Bytes {
        /// How many.
        count: usize,
        /// Whether they were all there was.
        all: bool,
    },
    /// Nothing yet.
    Nothing,
    /// The end of the peer's stream.
    End,
}

/// Receives what is there to the end of `buffer`, one scratch of it at most.
pub(super) fn receive<T: Transport>(
    transport: &T,
    shard: &Shard,
    buffer: &mut Vec<u8>,
) -> Result<Received, CloseReason> {
    let mut scratch = shard.scratch.borrow_mut();
    let received = received(scratch.len(), || transport.receive(&mut scratch))?;
    if let Received::Bytes { count, .. } = received {
        buffer.extend_from_slice(&scratch[..count]);
    }
    Ok(received)
}

/// Receives what is there to the end of `buffer`. One that has room for as much as the scratch is
/// received into, all its room at once: it is a large body's, of which `missing_bytes` are to come,
/// or was. One that is larger than usual and than the body needs is not: whatever a peer sends
/// behind the body would be held with it.
pub(super) fn receive_much<T: Transport>(
    transport: &T,
    shard: &Shard,
    buffer: &mut Vec<u8>,
    missing_bytes: usize,
) -> Result<Received, CloseReason> {
    let room_bytes = buffer.capacity() - buffer.len();
    let is_fit = buffer.capacity() <= ROOM_BYTES_MAX
        || room_bytes <= missing_bytes.saturating_add(RECEIVE_BYTES_MAX);
    if room_bytes < RECEIVE_BYTES_MAX || !is_fit {
        return receive(transport, shard, buffer);
    }
    received(room_bytes, || transport.receive_behind(buffer))
}

/// Receives until no signal comes between.
fn received(
    asked_bytes: usize,
    mut receive: impl FnMut() -> io::Result<usize>,
) -> Result<Received, CloseReason> {
    loop {
        match receive() {
            Ok(0) => return Ok(Received::End),
            Ok(count) => return Ok(Received::Bytes { count, all: count < asked_bytes }),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(CloseReason::PeerGone),
        }
    }
}

/// Waits until there is something to receive; `Ok(false)` if `deadline` came first.
pub(super) async fn readable<T: Transport>(
    transport: &T,
    shard: &Shard,
    deadline: Deadline,
) -> Result<bool, CloseReason> {
    match in_time(shard, deadline, transport.readable()).await {
        Ok(Ok(())) => Ok(true),
        Ok(Err(_)) => Err(CloseReason::PeerGone),
        Err(_elapsed) => Ok(false),
    }
}

/// Sends `output` from `sent` on, as far as the peer takes it, and moves `sent` along. Returns
/// whether that was all.
pub(super) fn send<T: Transport>(
    transport: &T,
    output: &[u8],
    sent: &mut usize,
) -> Result<bool, CloseReason> {
    while *sent < output.len() {
        match transport.send(&output[*sent..]) {
            Ok(count) => *sent += count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(CloseReason::PeerGone),
        }
    }
    Ok(true)
}

/// Sends all of `output` and empties it, by `deadline`; a peer that takes no byte for a while is
/// given up before.
pub(super) async fn flush<T: Transport>(
    transport: &T,
    shard: &Shard,
    output: &mut Vec<u8>,
    deadline: Deadline,
) -> Result<(), CloseReason> {
    let mut sent = 0;
    while !send(transport, output, &mut sent)? {
        writable(transport, shard, deadline).await?;
    }
    output.clear();
    Ok(())
}

/// Sends slices in one call as far as the peer takes them, and leaves the rest in `output`.
pub(super) fn send_slices<T: Transport>(
    transport: &T,
    slices: &[IoSlice<'_>],
    output: &mut Vec<u8>,
) -> Result<(), CloseReason> {
    let mut sent = match transport.send_vectored(slices) {
        Ok(count) => count,
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
        Err(_) => return Err(CloseReason::PeerGone),
    };
    for slice in slices {
        let taken = sent.min(slice.len());
        output.extend_from_slice(&slice[taken..]);
        sent -= taken;
    }
    Ok(())
}

/// Waits until the peer takes more, by `deadline`; one that takes nothing for a while is given up
/// before.
pub(super) async fn writable<T: Transport>(
    transport: &T,
    shard: &Shard,
    deadline: Deadline,
) -> Result<(), CloseReason> {
    let deadline = deadline.min(shard.now().after(shard.limits().send_stall_timeout));
    match in_time(shard, deadline, transport.writable()).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(CloseReason::PeerGone),
        Err(_elapsed) => {
            transport.reset_on_close();
            Err(CloseReason::Stalled)
        }
    }
}

/// Waits for the peer until `deadline`, or as long as there still is when all is cancelled
/// meanwhile.
fn in_time<F: Future>(shard: &Shard, deadline: Deadline, future: F) -> InTime<'_, F> {
    let until = shard.patience(deadline);
    let sleep = shard.clock().timers().sleep_until(until);
    InTime { future, sleep, until, deadline, shard }
}

pin_project_lite::pin_project! {
    /// Written out, since as an `async fn` it would hold the future twice.
    struct InTime<'s, F> {
        #[pin]
        future: F,
        sleep: Sleep,
        until: Deadline,
        deadline: Deadline,
        shard: &'s Shard,
    }
}

impl<F: Future> Future for InTime<'_, F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(context) {
            return Poll::Ready(Ok(output));
        }
        let patience = this.shard.patience(*this.deadline);
        if patience != *this.until {
            *this.until = patience;
            *this.sleep = this.shard.clock().timers().sleep_until(patience);
        }
        Pin::new(this.sleep).poll(context).map(|()| Err(Elapsed))
    }
}

/// Ends our side and hears the peer out for a while: bytes that arrive at a closed socket make the
/// kernel reset it, and a reset destroys answers that the peer did not read yet.
pub(super) async fn linger<T: Transport>(transport: &T, shard: &Shard) {
    transport.shutdown_send();
    let deadline = shard.now().after(shard.limits().linger_timeout);
    let mut left_bytes = shard.limits().linger_bytes_max;
    loop {
        let received = {
            let mut scratch = shard.scratch.borrow_mut();
            transport.receive(&mut scratch)
        };
        match received {
            Ok(count) if count > 0 && count < left_bytes => left_bytes -= count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                if !matches!(readable(transport, shard, deadline).await, Ok(true)) {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::net::IpAddr;
    use std::rc::Rc;
    use std::sync::Arc;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::time::Now;
    use crate::controller::catalogue::{Catalogue, ListSettings};
    use crate::handler::registry::Registry;
    use crate::serve::shard::ServeSettings;
    use crate::session::table::Membership;
    use crate::testing::clock::VirtualClock;
    use crate::testing::executor::Executor;
    use crate::testing::pipe::{ServerEnd, Windows, pipe};
    use crate::testing::services;

    /// A transport whose first receive is interrupted by a signal.
    struct Interrupted {
        inner: ServerEnd,
        once: Cell<bool>,
    }

    impl Transport for Interrupted {
        async fn readable(&self) -> io::Result<()> {
            self.inner.readable().await
        }
        fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
            if !self.once.replace(true) {
                return Err(ErrorKind::Interrupted.into());
            }
            self.inner.receive(buffer)
        }
        async fn writable(&self) -> io::Result<()> {
            self.inner.writable().await
        }
        fn send(&self, bytes: &[u8]) -> io::Result<usize> {
            self.inner.send(bytes)
        }
        fn send_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            self.inner.send_vectored(slices)
        }
        fn pending_error(&self) -> Option<io::Error> {
            self.inner.pending_error()
        }
        fn address(&self) -> Option<IpAddr> {
            self.inner.address()
        }
        fn shutdown_send(&self) {
            self.inner.shutdown_send();
        }
        fn reset_on_close(&self) {
            self.inner.reset_on_close();
        }
    }

    fn shard(executor: &Rc<Executor>, clock: &Rc<VirtualClock>) -> Rc<Shard> {
        let settings = ServeSettings::default();
        let membership = Membership::alone().expect("random bytes");
        let catalogue = Catalogue::new(Registry::default(), &ListSettings::default());
        let services = services(clock.clone(), executor.spawner());
        Shard::new(Arc::new(settings), catalogue, services, &membership)
    }

    #[test]
    fn a_peer_that_takes_nothing_is_not_waited_for_once_all_is_cancelled() {
        let clock = VirtualClock::starting_at(Now(0));
        let executor = Executor::new(clock.clone());
        let shard = shard(&executor, &clock);
        let windows = Windows { to_client_bytes_max: 1, ..Windows::default() };
        let (transport, _client) = pipe(windows);
        let (cancelling, timers) = (shard.clone(), clock.clone());
        executor.spawn(async move {
            timers.timers().sleep_until(Now(0).after(std::time::Duration::from_secs(5))).await;
            cancelling.cancel();
        });
        let mut answer = b"answer".to_vec();
        let sent = flush(&transport, &shard, &mut answer, Deadline::NEVER);
        let flushed = executor.block_on(sent).expect("an end");
        assert_eq!(flushed, Err(CloseReason::Stalled));
        assert_eq!(clock.now(), Now(7_000_000_000));
    }

    #[test]
    fn a_signal_does_not_cut_the_last_answer_off() {
        let clock = VirtualClock::starting_at(Now(0));
        let executor = Executor::new(clock.clone());
        let shard = shard(&executor, &clock);
        let (server_end, client) = pipe(Windows::default());
        let transport = Interrupted { inner: server_end, once: Cell::new(false) };
        let read = executor.block_on(async {
            client.write(b"more than was asked for").await?;
            transport.send(b"the last answer")?;
            linger(&transport, &shard).await;
            drop(transport);
            client.read(&mut [0; 64]).await
        });
        assert!(matches!(read, Some(Ok(15))), "{read:?}");
    }
}
