//! Level 4: load on an MCP server, and what comes of it.
//!
//! Reading order: `plan` (what is done), `run` (a run from its begin to its end), `worker` (a
//! thread with its epoll loop), `lane` (one connection and what it does next), `connection` (what
//! was asked and answered), `response` and `request` (the bytes), `judge` and `fault` (whether an
//! answer is right), `schedule` (what is due when), `tally` (what is counted), `server` (what the
//! kernel says of its processes), `report`, `compare`, `socket` and `machine` (the system).
//! It shares the machine with the server that it measures, so it must be cheap: no runtime, no task
//! for each connection, requests that are written once, and answers that are compared rather than
//! read where that proves as much.
//! `connection`, `response`, `request`, `judge`, `schedule` and `tally` take and give values; only
//! `socket`, `machine`, `server` and `run` touch the system.

pub mod compare;
mod connection;
mod fault;
mod judge;
mod lane;
mod machine;
pub mod plan;
pub mod report;
pub mod request;
mod response;
pub mod run;
mod schedule;
mod server;
mod socket;
mod tally;
mod worker;

pub use judge::TextRule;
pub use schedule::Rate;
pub use socket::Address;
