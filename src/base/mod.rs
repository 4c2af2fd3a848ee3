//! Level 0: what everything else stands on, and which knows nothing of HTTP, JSON or MCP.
//!
//! Reading order: `time` (moments), `timers` (who waits until when), `clock` (both, as a core
//! sees them), `calendar` (dates as text), `spawn` (tasks of a core), `pool` (memory that is used
//! again instead of allocated), `mailbox` (mail between threads), `broadcast` (mail to every core),
//! `fault` (whose fault an error is).

pub mod broadcast;
pub mod calendar;
pub mod clock;
pub mod fault;
pub mod mailbox;
pub mod pool;
pub mod spawn;
pub mod time;
pub mod timers;
