//! Takes connections in: `Acceptor`, all listening sockets of one worker.
//!
//! Waits for readiness, then accepts directly and without blocking: no accept is ever in flight, so
//! none can be lost when the drain ends the loop.
//! Open ─▶ paused for 100 ms when descriptors, memory or places ran out ─▶ open.
//! Open ─▶ full, while as many connections live as may ─▶ open.
//! Any ─▶ draining: what waits in the backlog is still taken, then the sockets are closed; those
//! that a service manager lent go on listening for it.
//! Any ─▶ handing over: the sockets are let go as they are, with their backlogs.
//! Limits: `BATCH` connections in a row before other tasks run; the gate's number on this worker,
//! the house's in the process.
//! Invariant: nothing here is tried again without a wait in between.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{Shutdown, SocketFlags, sockopt};

use crate::base::clock::Clock;
use crate::base::timers::Sleep;
use crate::rt::clock::CoreClock;
use crate::rt::ending::End;
use crate::rt::gate::Gate;
use crate::rt::listener::Dealt;
use crate::rt::passed::Keeper;
use crate::rt::readiness::{Direction, Readiness};
use crate::rt::socket::Socket;

const BATCH: usize = 64;
const PAUSE: Duration = Duration::from_millis(100);

/// A connection that was taken in.
#[derive(Debug)]
pub struct Accepted {
    /// The connection. It counts against the limit until it is dropped.
    pub socket: Socket,
    /// Its other end.
    pub peer: Peer,
    /// Which of the addresses it came to, as `Running::addresses` lists them.
    pub listener_index: usize,
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// An address, as the network tells it.
    Tcp(SocketAddr),
    /// A process of this machine.
    Unix,
}

/// The listening sockets of one worker.
#[derive(Debug)]
pub(super) struct Acceptor {
    listeners: Vec<Listener>,
    /// Whose turn it is, so that a busy listener cannot starve the others.
    turn: usize,
    batch_left: usize,
    pause: Option<Sleep>,
    failure_count: u64,
    /// What becomes of the sockets when no more is accepted.
    farewell: Farewell,
    gate: Gate,
    clock: Rc<CoreClock>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Farewell {
    /// Their backlogs are taken, then they stop listening, in whatever process they are open.
    Shut,
    /// Their backlogs are taken, then they are closed here.
    Close,
    /// They are closed here, with their backlogs.
    Leave,
}

#[derive(Debug)]
struct Listener {
    address_index: usize,
    /// Gone once closed.
    readiness: Option<Readiness>,
    /// Whether connections may wait; false once accepting would have blocked.
    ready: bool,
}

/// What to do about an accept that failed; see accept(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    Wait,
    /// That one connection died before it was taken.
    TryNext,
    /// No descriptors or memory, or something unknown.
    Pause,
    /// The listening socket was shut down.
    Close,
}

impl Acceptor {
    /// # Errors
    /// What the driver says when it cannot register a descriptor.
    pub(super) fn new(
        sockets: Vec<Dealt>,
        keeper: Keeper,
        gate: Gate,
        clock: Rc<CoreClock>,
    ) -> io::Result<Self> {
        let mut listeners = Vec::new();
        for Dealt { address_index, fd } in sockets {
            let readiness = Some(Readiness::new(fd)?);
            listeners.push(Listener { address_index, readiness, ready: false });
        }
        let farewell = match keeper {
            Keeper::Server => Farewell::Shut,
            Keeper::Manager => Farewell::Close,
        };
        let batch_left = BATCH;
        let (turn, pause, failure_count) = (0, None, 0);
        Ok(Self { listeners, turn, batch_left, pause, failure_count, farewell, gate, clock })
    }

    /// Told before the gate is closed.
    pub(super) fn end(&mut self, end: End) {
        if end == End::HandOver {
            self.farewell = Farewell::Leave;
        }
    }

    /// Lets other tasks run after a batch.
    pub(super) async fn rest(&mut self) {
        if self.batch_left == 0 {
            step_aside().await;
            self.batch_left = BATCH;
        }
    }

    /// A connection that came some other way is part of the batch.
    pub(super) fn note_arrival(&mut self) {
        self.batch_left = self.batch_left.saturating_sub(1);
    }

    /// The next connection, if there is one. Once the gate is closed, `None` says that the backlog
    /// is empty and the sockets are closed.
    pub(super) fn try_next(&mut self) -> Option<Accepted> {
        if self.gate.is_closed() { self.take_backlog() } else { self.try_accept() }
    }

    /// How often accepting failed for want of descriptors or memory.
    pub(super) fn failure_count(&self) -> u64 {
        self.failure_count
    }

    /// Ready when another try may succeed, or the gate is closed.
    pub(super) fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if self.gate.is_closed() {
            return Poll::Ready(());
        }
        self.gate.watch(context);
        if let Some(pause) = &mut self.pause {
            if Pin::new(pause).poll(context).is_pending() {
                return Poll::Pending;
            }
            self.pause = None;
        }
        if self.gate.is_full() {
            return Poll::Pending;
        }
        let mut any_ready = false;
        for listener in &mut self.listeners {
            let Some(readiness) = &listener.readiness else { continue };
            if !listener.ready {
                // A wait that failed is looked into by the accept that follows.
                listener.ready = readiness.poll_ready(Direction::Read, context).is_ready();
            }
            any_ready |= listener.ready;
        }
        if any_ready { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Tries each ready listener in turn.
    fn try_accept(&mut self) -> Option<Accepted> {
        for _ in 0..self.listeners.len() {
            let index = self.turn;
            self.turn = (self.turn + 1) % self.listeners.len();
            if self.listeners[index].ready
                && let Some(accepted) = self.try_accept_from(index)
            {
                return Some(accepted);
            }
            if self.pause.is_some() {
                return None;
            }
        }
        None
    }

    fn try_accept_from(&mut self, index: usize) -> Option<Accepted> {
        while self.batch_left > 0 && !self.gate.is_full() {
            let readiness = self.listeners[index].readiness.as_ref()?;
            let listener_index = self.listeners[index].address_index;
            self.batch_left -= 1;
            let Some(place) = self.gate.try_take() else {
                // Other workers have more than their share; they cannot wake this one.
                self.pause();
                return None;
            };
            let accepted = accept(readiness).and_then(|(fd, peer)| {
                let pass = self.gate.enter(place);
                let socket = Socket::with_pass(fd, Some(pass)).map_err(|error| errno(&error))?;
                Ok(Accepted { socket, peer, listener_index })
            });
            match accepted.map_err(|cause| (remedy(cause), cause)) {
                Ok(accepted) => return Some(accepted),
                Err((Remedy::TryNext, _)) => {}
                Err((Remedy::Wait, _)) => {
                    readiness.drained(Direction::Read, true);
                    self.listeners[index].ready = false;
                    return None;
                }
                Err((Remedy::Pause, _)) => {
                    self.failure_count += 1;
                    self.pause();
                    return None;
                }
                Err((Remedy::Close, _)) => {
                    self.listeners[index].readiness = None;
                    return None;
                }
            }
        }
        None
    }

    fn pause(&mut self) {
        let until = self.clock.now().after(PAUSE);
        self.pause = Some(self.clock.timers().sleep_until(until));
    }

    /// While draining: what is left in the backlogs, each listener closed when it has none.
    fn take_backlog(&mut self) -> Option<Accepted> {
        if self.farewell == Farewell::Leave {
            self.listeners.clear();
        }
        for index in 0..self.listeners.len() {
            // The one before may have used the batch up to find that nobody waits; none is closed
            // unasked.
            if self.batch_left == 0 {
                self.batch_left = BATCH;
            }
            if let Some(accepted) = self.try_accept_from(index) {
                return Some(accepted);
            }
            // A closed listener resets what it has left; without a free place that is all we can.
            let readiness = self.listeners[index].readiness.take();
            if let Some(readiness) = readiness.filter(|_| self.farewell == Farewell::Shut) {
                // Others may hold duplicates; this stops the listening in all of them.
                let _ = rustix::net::shutdown(&readiness, Shutdown::Both);
            }
        }
        None
    }
}

fn accept(listener: &Readiness) -> Result<(OwnedFd, Peer), Errno> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let (fd, address) = rustix::net::acceptfrom_with(listener, flags)?;
    match address.map(SocketAddr::try_from) {
        Some(Ok(address)) => {
            // A peer that is gone already makes this fail; its connection will tell.
            let _ = sockopt::set_tcp_nodelay(&fd, true);
            Ok((fd, Peer::Tcp(address)))
        }
        _ => Ok((fd, Peer::Unix)),
    }
}

fn remedy(cause: Errno) -> Remedy {
    match cause {
        Errno::AGAIN => Remedy::Wait,
        // Linux passes on errors of the network that concern the new connection alone.
        Errno::INTR
        | Errno::CONNABORTED
        | Errno::PROTO
        | Errno::PERM
        | Errno::NETDOWN
        | Errno::NOPROTOOPT
        | Errno::HOSTDOWN
        | Errno::HOSTUNREACH
        | Errno::NETUNREACH
        | Errno::OPNOTSUPP => Remedy::TryNext,
        Errno::INVAL | Errno::BADF | Errno::NOTSOCK => Remedy::Close,
        _ => Remedy::Pause,
    }
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

/// Lets the other tasks of this worker run once. A task that wakes itself would be put at the front
/// of monoio's queue again; one that is woken by another task goes to its end.
async fn step_aside() {
    let mut stepped = false;
    poll_fn(|context| {
        if std::mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        let waker = context.waker().clone();
        drop(monoio::spawn(async move { waker.wake() }));
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::rt::clock::Origin;
    use crate::rt::driver::{Driver, IoChoice, block_on};
    use crate::rt::gate::House;

    #[test]
    fn a_drain_closes_no_listener_before_its_backlog_is_taken() {
        for choice in [IoChoice::Auto, IoChoice::Epoll] {
            let came = block_on(Driver::decide(choice).unwrap(), async {
                let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
                for listener in &listeners {
                    listener.set_nonblocking(true).unwrap();
                }
                let _client = TcpStream::connect(listeners[1].local_addr().unwrap()).unwrap();
                let gate = Gate::new(4, House::new(4, 1), 0);
                let clock = Rc::new(CoreClock::new(Origin::now()));
                let sockets = (0..).zip(listeners);
                let sockets = sockets
                    .map(|(address_index, listener)| Dealt { address_index, fd: listener.into() });
                let mut acceptor =
                    Acceptor::new(sockets.collect(), Keeper::Server, gate.clone(), clock).unwrap();
                gate.close();
                // All of a batch but one, which finds the first listener's backlog empty.
                acceptor.batch_left = 1;
                acceptor.try_next().map(|accepted| accepted.listener_index)
            });
            assert_eq!(came, Ok(Some(1)), "{choice:?}");
        }
    }

    #[test]
    fn want_of_descriptors_pauses_and_a_dead_connection_does_not() {
        for cause in [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::IO] {
            assert_eq!(remedy(cause), Remedy::Pause, "{cause:?}");
        }
        assert_eq!(remedy(Errno::CONNABORTED), Remedy::TryNext);
        assert_eq!(remedy(Errno::AGAIN), Remedy::Wait);
        assert_eq!(remedy(Errno::INVAL), Remedy::Close);
    }
}
