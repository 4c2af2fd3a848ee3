//! Level 3: what is remembered between two requests: sessions of the legacy era, their event
//! streams, who listens in the modern one and which calls became tasks, and what was asked of
//! clients. No I/O, no clock: bytes and `now` in, values out.
//!
//! Reading order: `owner` (whose a session is), `id` (its name), `table` (all of a core),
//! `conversation` (one session), `stream` (one event stream) over `store` (what it keeps),
//! `question` (a request that the server sent), `change` (what clients are told of),
//! `subscription` (who listens), `task` (a call that goes on without its request) and `tasks` (all
//! of a core), `seal` (what a client carries for us, and the key to it),
//! `limits`.

pub mod change;
pub mod conversation;
pub mod id;
pub mod limits;
pub mod owner;
pub mod question;
pub mod seal;
pub mod store;
pub mod stream;
pub mod subscription;
pub mod table;
pub mod task;
pub mod tasks;
