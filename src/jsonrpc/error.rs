//! An error as it travels: code, message and data.
//!
//! Spec: JSON-RPC 2.0 §5.1. The codes that MCP adds, and the HTTP status that each code travels
//! with, are `mcp::error`'s.

use std::borrow::Cow;

/// Not JSON.
pub const PARSE_ERROR: i32 = -32700;
/// JSON, but no valid message.
pub const INVALID_REQUEST: i32 = -32600;
/// No such method, or not offered.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// The parameters do not fit the method.
pub const INVALID_PARAMS: i32 = -32602;
/// A fault on our side.
pub const INTERNAL_ERROR: i32 = -32603;

/// A JSON-RPC error object.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// What kind of error; a peer acts on this.
    pub code: i32,
    /// One short sentence for a person.
    pub message: Cow<'static, str>,
    /// What the code's definition says, if anything.
    pub data: Option<serde_json::Value>,
}

impl RpcError {
    /// An error without data.
    #[must_use]
    pub fn new(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same error with data.
    #[must_use]
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        self.data = Some(data);
        self
    }
}
