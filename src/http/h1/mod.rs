//! HTTP/1.1 on the wire: RFC 9112.
//!
//! Reading order: `error` (what a head can do wrong), `lines` (limits and line ends, the careful
//! path), `target` (the request target), `head` (request heads, the fast path over `httparse`),
//! `familiar` (heads that were seen before), `body` (lengths and chunks), `encode` (what we
//! answer), `response` (what a server answers us).

pub mod body;
pub mod encode;
pub mod error;
pub mod familiar;
pub mod head;
mod lines;
pub mod response;
mod target;
