//! Level 3: a client for any server of either era, over `http://` or a Unix socket.
//!
//! Reading order: `session` (`Client`, the story), `settle` and `era` (which era to speak),
//! `exchange` and `side` (one message and its answer), `rounds` (a request that is asked back),
//! `question` and `form` (what servers ask), `listen` (notifications), `request` and `mirror`
//! (what is sent), `answer` and `message` (what comes back), `lists`, `tools`, `resources` and
//! `prompts` (what it means), `connection` and `pipe` (the socket), `waits`, `endpoint`,
//! `options`, `error`.
//! The protocol parts take and give values; only `connection`, `pipe` and `waits` touch the
//! system, blocking, since their user is a command line.

#![deny(clippy::indexing_slicing)]

pub mod answer;
pub mod connection;
pub mod endpoint;
pub mod era;
pub mod error;
mod exchange;
pub mod form;
pub mod listen;
pub mod lists;
pub mod message;
pub mod mirror;
pub mod options;
mod pipe;
pub mod prompts;
pub mod question;
pub mod request;
pub mod resources;
mod rounds;
pub mod session;
mod settle;
mod side;
pub mod tools;
pub mod waits;

pub use error::ClientError;
pub use session::Client;

#[cfg(test)]
pub(crate) mod scripted;
#[cfg(test)]
mod tests;
