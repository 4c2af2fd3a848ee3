//! Level 7, beside `rt`: a server in memory, for the tests of whoever embeds one and of
//! this crate.
//!
//! Time is virtual, the network is a pair of buffers, and everything runs on the calling thread, so
//! a test is quick and gives the same answer every time. Reading order: `client` (a client and its
//! server in one value; most tests need no more), `pipe` (the network), `clock` and `executor`
//! (time and turns), `answering` (answers to what the server asks), `off_core` (blocking work, in
//! place), `legacy` (sessions, and questions while a call waits), `random` (numbers from a seed).

mod answering;
pub mod client;
pub mod clock;
mod exchange;
pub mod executor;
mod legacy;
pub mod off_core;
pub mod pipe;
pub mod random;
pub mod serving;

pub use client::{CallError, Heard, TestClient};
pub use serving::{sealer, serve, services, waiting_bytes};
