//! Level 1: HTTP/1.1 as bytes in, values out, and back. No sockets, no clocks, no MCP behaviour.
//!
//! Reading order: `field` (names and grammar), `authority` (host and port), `head` (what a request
//! head says), `h1` (how HTTP/1.1 writes it), `negotiate` (`Accept`), `origin` (who may ask, CORS),
//! `sse`, `ndjson` and `frame` (what streamed bodies carry).
//! Invariant: where reads split the bytes never changes an answer.

pub mod authority;
pub mod field;
pub mod frame;
pub mod h1;
pub mod head;
pub mod ndjson;
pub mod negotiate;
pub mod origin;
pub mod sse;
