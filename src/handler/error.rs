//! What goes wrong in a handler, and how the caller is told.
//!
//! A failure that a model can act on is a result with `isError`; a failure of the protocol is a
//! JSON-RPC error. Any error type turns into the first by `?`. Spec: MCP 2025-11-25 server/tools,
//! "Error Handling".

use std::borrow::Cow;

use crate::jsonrpc::error::{INTERNAL_ERROR, RpcError};
use crate::mcp::capability::Capability;
use crate::mcp::error;

/// Why a handler did not do what it was asked.
///
/// What a tool tells becomes a result with `isError`; resources, prompts and completions have no
/// such results, so that all they fail with becomes a JSON-RPC error.
///
/// ```
/// # use ringlane::ToolError;
/// fn parse(text: &str) -> Result<u32, ToolError> {
///     Ok(text.trim().parse()?) // told to the model as text
/// }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ToolError {
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Told(Cow<'static, str>),
    NotFound,
    Rpc(RpcError),
}

impl ToolError {
    /// A failure told to the model: a result with `isError` and this text. Where there are no such
    /// results, an error (-32603) with this text.
    #[must_use]
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::Told(text.into()) }
    }

    /// A failure of the protocol: a JSON-RPC error with a code of your own, which should lie
    /// outside -32768 to -32000.
    #[must_use]
    pub fn rpc(code: i32, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind: Kind::Rpc(RpcError::new(code, message)) }
    }

    /// There is no resource at the address that was asked for: -32602, and -32002 in the legacy
    /// era, with the address as `data.uri`. For the handlers of resources and their templates;
    /// elsewhere it is a failure told as `Not found`.
    #[must_use]
    pub fn not_found() -> Self {
        Self { kind: Kind::NotFound }
    }

    /// The call cannot go on without something that the client did not declare (-32021).
    #[must_use]
    pub fn needs(capability: Capability) -> Self {
        Self { kind: Kind::Rpc(error::missing_capability(capability)) }
    }

    /// What a caller is told of a handler that panicked: nothing but that.
    pub(crate) fn panicked() -> Self {
        Self { kind: Kind::Rpc(error::internal("Internal error: the handler failed unexpectedly")) }
    }

    /// What a caller is told of a call that was ended before its time.
    pub(crate) fn cancelled(reason: &'static str) -> Self {
        Self { kind: Kind::Rpc(error::internal(reason)) }
    }

    /// The same failure where results have no `isError`: an error of the protocol, whatever it is.
    pub(crate) fn into_rpc(self, not_found: impl FnOnce() -> RpcError) -> Self {
        let error = match self.kind {
            Kind::Told(text) => RpcError::new(INTERNAL_ERROR, text),
            Kind::NotFound => not_found(),
            Kind::Rpc(error) => error,
        };
        Self { kind: Kind::Rpc(error) }
    }

    /// What is told of a thing that is not there, where it is no resource.
    pub(crate) const NOT_FOUND: &str = "Not found";

    /// The same protocol error with data; without effect on a failure told to the model.
    #[must_use]
    pub fn with_data(mut self, data: serde_json::Value) -> Self {
        if let Kind::Rpc(error) = &mut self.kind {
            error.data = Some(data);
        }
        self
    }
}

/// Any error becomes a failure told to the model, its causes included. `ToolError` is no
/// `std::error::Error` itself, so that this holds for every type that is one.
impl<E: std::error::Error> From<E> for ToolError {
    fn from(error: E) -> Self {
        const CAUSES_MAX: usize = 8;
        let causes = std::iter::successors(error.source(), |cause| cause.source());
        let text = causes
            .take(CAUSES_MAX)
            .fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::num::ParseIntError);

    #[test]
    fn causes_are_told_too() {
        let inner = "x".parse::<u8>().expect_err("no number");
        let expected = ToolError::new("outer: invalid digit found in string");
        assert_eq!(ToolError::from(Outer(inner)), expected);
    }
}
