//! What a connection may cost: every bound of this layer, with unit and default.
//!
//! The bounds of heads, bodies and JSON are their decoders' own (`HeadLimits`, `BodyLimits`,
//! `JsonLimits`), those of questions `AskLimits`; they are gathered here.

use std::time::Duration;

use crate::handler::ask::AskLimits;
use crate::http::h1::body::BodyLimits;
use crate::http::h1::head::HeadLimits;
use crate::jsonrpc::decode::JsonLimits;

/// The limits of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeLimits {
    /// Request heads.
    pub head: HeadLimits,
    /// Request bodies.
    pub body: BodyLimits,
    /// JSON texts.
    pub json: JsonLimits,
    /// Questions to clients.
    pub ask: AskLimits,
    /// The wait for the first byte of a new connection. Default 10 s; then it is closed.
    pub first_byte_timeout: Duration,
    /// The time for a whole head from its first byte on. Default 10 s; then 408.
    pub head_timeout: Duration,
    /// The time for a body before its pace is looked at. Default 10 s.
    pub body_grace: Duration,
    /// The average pace that a body must keep after the grace. Default 500 bytes a second; below
    /// it 408.
    pub body_bytes_per_second_min: u64,
    /// The time for a whole body. Default 5 min; then 408.
    pub body_timeout: Duration,
    /// The wait for the next request. Default 60 s; then the connection is closed.
    pub keep_alive_timeout: Duration,
    /// How long a peer may take no byte of an answer. Default 30 s; then the connection is reset.
    pub send_stall_timeout: Duration,
    /// How many bytes of answers may wait before pipelined requests wait too. Default 256 KiB.
    pub output_bytes_max: usize,
    /// How many pipelined requests are answered before their answers are sent, and before other
    /// connections have their turn. Default 32.
    pub pipeline_requests_max: usize,
    /// How many bytes of further requests are taken in while a call runs. Default 64 KiB.
    pub pipeline_bytes_max: usize,
    /// How many bytes of a call's notifications may wait. Default 256 KiB; further ones are
    /// dropped.
    pub stream_buffer_bytes_max: usize,
    /// After how long a silence a stream is kept alive. Default 15 s.
    pub keep_alive_interval: Duration,
    /// How long a tool call may run. Default 5 min; then it is cancelled and answered with an
    /// error.
    pub call_timeout: Duration,
    /// How long a closing connection listens so that its last answer is not reset away. Default
    /// 2 s.
    pub linger_timeout: Duration,
    /// How many bytes it hears out meanwhile. Default 1 MiB.
    pub linger_bytes_max: usize,
    /// How long a drain waits for running calls. Default 10 s; then they are cancelled.
    pub drain_timeout: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            head: HeadLimits::default(),
            body: BodyLimits::default(),
            json: JsonLimits::default(),
            ask: AskLimits::default(),
            first_byte_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            body_grace: Duration::from_secs(10),
            body_bytes_per_second_min: 500,
            body_timeout: Duration::from_secs(300),
            keep_alive_timeout: Duration::from_secs(60),
            send_stall_timeout: Duration::from_secs(30),
            output_bytes_max: 256 * 1024,
            pipeline_requests_max: 32,
            pipeline_bytes_max: 64 * 1024,
            stream_buffer_bytes_max: 256 * 1024,
            keep_alive_interval: Duration::from_secs(15),
            call_timeout: Duration::from_secs(300),
            linger_timeout: Duration::from_secs(2),
            linger_bytes_max: 1024 * 1024,
            drain_timeout: Duration::from_secs(10),
        }
    }
}
