//! The whole server over real sockets, on both drivers: one module a feature.
//!
//! Rows named in comments are those of the project's hardening requirements. No test waits by
//! sleeping, and none looks at a clock; the client gives up after a while instead of hanging.

#[cfg(test)]
mod asking;
#[cfg(test)]
mod batches;
#[cfg(test)]
mod carrying;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod cuts;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod features;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod life;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod listening;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod moving;
#[cfg(test)]
mod protocol;
#[cfg(test)]
mod resuming;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod skills;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod tasks;
#[cfg(test)]
mod tools;

#[expect(clippy::allow_attributes, reason = "each test uses another part of it")]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests")]
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;
