//! All connections that come to a worker, from outside and from other workers: `Arrivals`.
//!
//! In: the listening sockets, the worker's mail. Out: one `Arrival` at a time.
//! Serving ─▶ draining, once the end begins and the sockets are let go: from then on only other
//! workers send connections, whose requests were accepted ─▶ ended, when none lives and none waits.
//! Accepted and handed connections take turns, so that neither can starve the other.
//! Limits: the gate's, for connections from outside; the mailbox, for those from other workers. One
//! that is handed over is taken even when the gate is full: it was counted when it was accepted,
//! and the worker accepts none until it has room again.
//! Invariant: mail that was read is never lost: it is kept until an arrival was made of it.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::base::mailbox::Mailbox;
use crate::rt::acceptor::{Accepted, Acceptor};
use crate::rt::ending::Ending;
use crate::rt::gate::Gate;
use crate::rt::mesh::{Handed, Mesh};
use crate::rt::socket::Socket;

/// What comes to a worker.
#[derive(Debug)]
pub enum Arrival {
    /// A connection from outside.
    Accepted(Accepted),
    /// A connection that another worker handed over.
    Handed {
        /// The connection. It counts as long as it lives.
        socket: Socket,
        /// What was received on it and not answered; it comes before what the socket holds.
        input: Vec<u8>,
    },
    /// The drain began and the listening sockets are closed. Told once; then come connections that
    /// other workers hand over, if any, and `Ended`.
    Draining,
    /// While draining: no connection lives and none waits. Told once; whoever asks on waits for one
    /// that another worker hands over, and is told again after its end.
    Ended,
}

/// Where a worker's connections come from.
#[derive(Debug)]
pub(super) struct Arrivals {
    acceptor: Acceptor,
    mesh: Mesh,
    mailbox: Mailbox<Handed>,
    /// What a wait has read.
    mail: Option<Handed>,
    gate: Gate,
    ending: Arc<Ending>,
    told_drain: bool,
    told_end: bool,
    accepts_first: bool,
    adopted_count: u64,
    failure_count: u64,
}

impl Arrivals {
    pub(super) fn new(
        acceptor: Acceptor,
        mesh: Mesh,
        mailbox: Mailbox<Handed>,
        gate: &Gate,
        ending: Arc<Ending>,
    ) -> Self {
        Self {
            acceptor,
            mesh,
            mailbox,
            mail: None,
            gate: gate.clone(),
            ending,
            told_drain: false,
            told_end: false,
            accepts_first: false,
            adopted_count: 0,
            failure_count: 0,
        }
    }

    /// The next arrival. Cancel-safe.
    pub(super) async fn next(&mut self) -> Arrival {
        loop {
            self.acceptor.rest().await;
            if let Some(end) = self.ending.begun()
                && !self.gate.is_closed()
            {
                self.acceptor.end(end);
                self.gate.close();
            }
            self.accepts_first = !self.accepts_first;
            let arrival = if self.accepts_first {
                self.accepted().or_else(|| self.handed())
            } else {
                self.handed().or_else(|| self.accepted())
            };
            if let Some(arrival) = arrival.or_else(|| self.ending()) {
                return arrival;
            }
            poll_fn(|context| self.poll_wait(context)).await;
        }
    }

    /// How many connections other workers handed over.
    pub(super) fn adopted_count(&self) -> u64 {
        self.adopted_count
    }

    /// How often a connection could not be taken for want of descriptors or memory.
    pub(super) fn failure_count(&self) -> u64 {
        self.failure_count + self.acceptor.failure_count()
    }

    /// A connection from outside that stays here. Where a worker has clearly fewer, it goes there.
    fn accepted(&mut self) -> Option<Arrival> {
        loop {
            let accepted = self.acceptor.try_next()?;
            let Some(to) = self.mesh.better_place().filter(|_| !self.gate.is_closed()) else {
                return Some(Arrival::Accepted(accepted));
            };
            let Accepted { socket, peer, listener_index } = accepted;
            if let Err((socket, _)) = self.mesh.hand_over(to, socket, Vec::new()) {
                return Some(Arrival::Accepted(Accepted { socket, peer, listener_index }));
            }
        }
    }

    fn handed(&mut self) -> Option<Arrival> {
        loop {
            let mail = self.mail.take().or_else(|| self.mailbox.try_next());
            let Handed { fd, input, place } = mail?;
            match Socket::with_pass(fd, Some(self.gate.enter(place))) {
                Ok(socket) => {
                    self.adopted_count += 1;
                    self.acceptor.note_arrival();
                    self.told_end = false;
                    return Some(Arrival::Handed { socket, input });
                }
                // The driver has no room for it: it is closed.
                Err(_) => self.failure_count += 1,
            }
        }
    }

    fn ending(&mut self) -> Option<Arrival> {
        if !self.gate.is_closed() {
            return None;
        }
        if !self.told_drain {
            self.told_drain = true;
            return Some(Arrival::Draining);
        }
        if self.told_end || self.gate.inside() > 0 {
            return None;
        }
        self.told_end = true;
        Some(Arrival::Ended)
    }

    /// Ready when another look is worth it.
    fn poll_wait(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(mail) = self.mailbox.poll_next(context) {
            self.mail = Some(mail);
            return Poll::Ready(());
        }
        // It may have rung for this alone.
        let begins_drain = self.ending.begun().is_some() && !self.gate.is_closed();
        if begins_drain {
            return Poll::Ready(());
        }
        if !self.told_drain {
            return self.acceptor.poll_wait(context);
        }
        self.gate.watch(context);
        let ends = self.gate.inside() == 0 && !self.told_end;
        if ends { Poll::Ready(()) } else { Poll::Pending }
    }
}
