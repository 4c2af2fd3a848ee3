//! Level 3: what is remembered between two requests: sessions of the legacy era, their event
//! streams, and what was asked of their clients. No I/O, no clock: bytes and `now` in, values out.
//!
//! Reading order: `question` (a request that the server sent, and its answer).

pub mod question;
