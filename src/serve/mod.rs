//! Level 6: connections. From the first byte of a request to the last of its answer.
//!
//! Read `connection` first: it is the whole way in one page. Then `pause` (how far it goes at
//! once), `exchange` (one request after the other), `route` (who may ask what, and where),
//! `answer` (who answers a request), `call` (how a call begins and ends), `attend` (one that takes
//! its time), `detached` (one that runs by itself), `batch` (several at once), `carry` (an event
//! stream on a connection), `reply` (answers as HTTP), `date` (when they were made), `wire` (bytes
//! in and out, with patience), `shard` (the state of a core), `limits` (what a connection may
//! cost), `transport` (what it stands on).

mod answer;
mod attend;
mod batch;
mod call;
mod carry;
pub mod connection;
mod date;
mod detached;
mod exchange;
pub mod limits;
mod pause;
mod reply;
mod route;
pub mod shard;
pub mod transport;
mod wire;
