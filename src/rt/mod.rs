//! Level 7: the only folder that knows the runtime, system calls, threads and clocks.
//!
//! Reading order: `server` (start, wait, drain), `settings`, `worker` (a thread and its seat),
//! `arrivals` (connections come to it), `acceptor` (from outside), `mesh` (or from other workers),
//! `gate` (and are counted), `socket` (what they are), `readiness` and `edges` (how all of them
//! wait), `listener`, `passed` and `address` (where they come to), `driver` (io_uring or epoll),
//! `clock` and `ticker` (time), `spawn` (tasks), `blocking` (work that blocks), `affinity`,
//! `limits`, `ending` (how it ends); then what a whole process adds: `life` (from start to end),
//! `signal`, `notify` and `watchdog` (its service manager), `handover` (its successor).
//! Invariant: monoio's types stay inside; what leaves this folder is our own or std's.

pub mod acceptor;
pub mod address;
pub mod affinity;
pub mod arrivals;
pub mod blocking;
pub mod clock;
pub mod driver;
mod edges;
mod ending;
mod gate;
pub mod handover;
pub mod life;
mod limits;
pub mod listener;
pub mod mesh;
mod notify;
pub mod passed;
mod readiness;
pub mod server;
pub mod settings;
pub mod signal;
pub mod socket;
pub mod spawn;
#[cfg(test)]
mod tests;
mod ticker;
mod watchdog;
pub mod worker;
