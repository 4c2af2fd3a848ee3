//! The program from outside: what it prints, what it serves, how it ends.
//!
//! Each test starts the real binary. Ports are picked by the system, a child is waited for by
//! reading what it says, and killed when its test fails.

#![expect(clippy::expect_used, reason = "a helper that fails fails its test")]

mod applying;
mod bench;
mod child;
mod ending;
mod host;
mod manager;
mod readme;
mod reloading;
mod scripted;
mod serving;
mod tuning;
mod words;
