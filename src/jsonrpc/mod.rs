//! Level 1: JSON-RPC 2.0 as MCP uses it. Bytes in, borrowed messages out, and back.
//!
//! Reading order: `decode` (one body into a tape that the core uses again), `view` (a value on that
//! tape), `message` (request, notification or response), `deserialize` (a view into a Rust type),
//! `encode` (values into a reply's bytes), `error` (the codes, and an error as it travels).

pub mod decode;
mod deserialize;
pub mod encode;
pub mod error;
pub mod message;
pub mod view;
