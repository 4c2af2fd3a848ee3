//! What a run does: checked, and the same for all of its threads.

use std::time::Duration;

use crate::load::judge::TextRule;
use crate::load::request::Requests;
use crate::load::schedule::Rate;
use crate::load::socket::Address;

/// Connections of one run at most.
pub const CONNECTIONS_MAX: usize = 1_000_000;
/// Threads of one run at most.
pub const THREADS_MAX: usize = 256;
/// Requests that one connection has in flight at most.
pub const PIPELINE_MAX: usize = 1024;

/// What is done again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// A call that is answered by a document, or by the one event of a stream.
    Calls,
    /// A call that tells its progress on a stream.
    Stream,
    /// A session from its begin to its end.
    Churn,
    /// Nothing: all connections are opened, and held.
    Hold(Held),
}

impl Load {
    /// Its name in reports, which scripts compare.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Stream => "stream",
            Self::Churn => "churn",
            Self::Hold(_) => "hold",
        }
    }
}

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// A call that waits, on each connection.
    Calls,
    /// Connections that were of use once.
    Connections,
    /// Event streams on which nothing comes.
    Streams,
}

impl Held {
    /// Its name in reports, which scripts compare.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Connections => "connections",
            Self::Streams => "streams",
        }
    }
}

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the server is.
    pub address: Address,
    /// What is sent to it.
    pub requests: Requests,
    /// What the text of right answers is.
    pub text: TextRule,
    /// What is done.
    pub load: Load,
    /// Connections, 1 to `CONNECTIONS_MAX`.
    pub connections: usize,
    /// Requests in flight on each, 1 to `PIPELINE_MAX`.
    pub pipeline: usize,
    /// Threads, 1 to `THREADS_MAX`, not more than connections.
    pub threads: usize,
    /// Whether each connection opens a session first.
    pub sessions: bool,
    /// Requests a second; `None` for as many as the server answers.
    pub rate: Option<Rate>,
    /// How long it is measured; `None` until `count` is reached.
    pub duration: Option<Duration>,
    /// How many requests are measured; `None` for any number within `duration`.
    pub count: Option<u64>,
    /// How long it runs before it is measured.
    pub warmup: Duration,
    /// How long the server may stay silent while an answer is due.
    pub timeout: Duration,
    /// The share of calls that are cut off once sent, in percent.
    pub disconnect_percent: u8,
    /// The processes that serve.
    pub servers: Vec<u32>,
}

impl Plan {
    /// The share of a thread, of so many things in all.
    pub(super) fn share(&self, index: usize, all: u64) -> u64 {
        let (index, threads) = (index as u64, self.threads.max(1) as u64);
        all / threads + u64::from(index < all % threads)
    }
}
