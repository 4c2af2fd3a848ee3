//! Level 7: the only folder that knows the runtime, system calls, threads and clocks.
//!
//! Reading order: `server` (start, wait, drain), `settings`, `worker` (a thread and its seat),
//! `arrivals` (connections come to it), `acceptor` (from outside), `mesh` (or from other workers),
//! `gate` (and are counted), `socket` (what they are), `readiness` (how all of them wait),
//! `listener` and `address` (where they come to), `driver` (io_uring or epoll), `clock` and
//! `ticker` (time), `spawn` (tasks), `blocking` (work that blocks), `affinity`, `limits`, `signal`.
//! Invariant: monoio's types stay inside; what leaves this folder is our own or std's.

pub mod acceptor;
pub mod address;
pub mod affinity;
pub mod arrivals;
pub mod blocking;
pub mod clock;
pub mod driver;
mod edges;
mod gate;
mod limits;
pub mod listener;
pub mod mesh;
mod readiness;
pub mod server;
pub mod settings;
pub mod signal;
pub mod socket;
pub mod spawn;
#[cfg(test)]
mod tests;
mod ticker;
pub mod worker;
