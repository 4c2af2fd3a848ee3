//! Level 3: a client for any server of either era, over `http://`.
//!
//! Reading order: `session` (`Client`, the story), `era` (which era to speak), `request` and
//! `mirror` (what is sent), `message` and `answer` (what comes back), `endpoint`, `connection` (the
//! socket), `error`.
//! The protocol parts take and give values; only `connection` does I/O, blocking, since its user is
//! a command line.

#![deny(clippy::indexing_slicing)]

pub mod endpoint;
pub mod era;
pub mod message;
pub mod mirror;
pub mod request;
