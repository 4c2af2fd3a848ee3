//! How workers reach each other: `Mesh`, by which one hands a connection over to another.
//!
//! In: a connection, and the bytes that were received on it but not answered. Out: the same, as an
//! `Arrival::Handed` of the other worker; or back to the caller, which then answers by itself.
//! Limits: a worker's mailbox; the process's connections, whom a move neither adds nor ends.
//! Cost of a move, measured on a shared machine: 1 us on io_uring and 4 us on epoll between workers
//! that are busy, 30 us when the other must be woken.
//! Invariant: whoever handed a connection over has no way to it any more, and the old worker holds
//! nothing of it: its descriptor is closed before the call returns.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::base::mailbox::{Full, Postman};
use crate::rt::gate::{House, Place};
use crate::rt::socket::Socket;

/// The workers of a server, as one of them sees them. Clones see the same.
#[derive(Clone, Debug)]
pub struct Mesh {
    index: usize,
    postmen: Arc<[Postman<Handed>]>,
    house: Arc<House>,
}

/// A connection on its way from one worker to another. Dropped, it is closed.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) fd: OwnedFd,
    pub(super) input: Vec<u8>,
    pub(super) place: Place,
}

impl Mesh {
    pub(super) fn new(index: usize, postmen: Arc<[Postman<Handed>]>, house: Arc<House>) -> Self {
        Self { index, postmen, house }
    }

    /// How many workers there are.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.postmen.len()
    }

    /// Which of them this one is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The worker that should have a connection which just came to this one, if it is another.
    pub(super) fn better_place(&self) -> Option<usize> {
        self.house.better_for(self.index)
    }

    /// Hands a connection over to worker `to`, without waiting. `input` is what was received and
    /// not answered; it comes before what the socket holds. The peer notices nothing. A worker that
    /// ends before it looked closes the connection.
    ///
    /// # Errors
    /// Gives both back when there is no such worker, when its mailbox is full or it has ended, or
    /// when no descriptor is left.
    pub fn hand_over(
        &self,
        to: usize,
        socket: Socket,
        input: Vec<u8>,
    ) -> Result<(), (Socket, Vec<u8>)> {
        let Some(postman) = self.postmen.get(to) else { return Err((socket, input)) };
        let Ok(fd) = socket.duplicate() else { return Err((socket, input)) };
        let handed = Handed { fd, input, place: self.house.take_over(to) };
        match postman.try_post(handed) {
            Ok(()) => {
                drop(socket);
                Ok(())
            }
            Err(Full(handed)) => Err((socket, handed.input)),
        }
    }
}

#[cfg(test)]
mod tests;
