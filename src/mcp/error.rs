//! MCP's own error codes, the errors that more than one place answers, and the HTTP status that a
//! code travels with.
//!
//! Spec: MCP 2026-07-28 basic "Error Codes" and streamable HTTP "Responses". In the legacy era an
//! error that answers a request travels with 200. Invariant: no message tells a source path, a
//! stack or the environment.

use serde_json::json;

use super::capability::Capability;
use super::revision::Revision;
use crate::jsonrpc::error::{
    INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, RpcError,
};

/// A field that mirrors the body is missing, malformed or differs.
pub const HEADER_MISMATCH: i32 = -32020;
/// The request needs a capability that the client did not declare.
pub const MISSING_CAPABILITY: i32 = -32021;
/// The request speaks a revision that is not served.
pub const UNSUPPORTED_VERSION: i32 = -32022;

/// The body is no JSON text that we read.
#[must_use]
pub fn parse_error(reason: &dyn std::fmt::Display) -> RpcError {
    RpcError::new(PARSE_ERROR, format!("Parse error: {reason}"))
}

/// JSON, but no message.
#[must_use]
pub fn invalid_request(reason: &str) -> RpcError {
    RpcError::new(INVALID_REQUEST, format!("Invalid request: {reason}"))
}

/// The parameters do not fit.
#[must_use]
pub fn invalid_params(reason: impl std::fmt::Display) -> RpcError {
    RpcError::new(INVALID_PARAMS, format!("Invalid params: {reason}"))
}

/// No such method, or the feature is not offered. The method is not echoed: it may be long.
#[must_use]
pub fn method_not_found() -> RpcError {
    RpcError::new(METHOD_NOT_FOUND, "Method not found")
}

/// There is no resource at this address.
#[must_use]
pub fn resource_not_found(uri: &str, revision: Revision) -> RpcError {
    RpcError::new(revision.rules().resource_not_found, "Resource not found")
        .with_data(json!({ "uri": uri }))
}

/// There is no task of this id for this caller.
#[must_use]
pub fn task_not_found() -> RpcError {
    RpcError::new(INVALID_PARAMS, "Invalid params: taskId names no task, or one that is over")
}

/// A fault on our side, told without detail.
#[must_use]
pub fn internal(reason: &'static str) -> RpcError {
    RpcError::new(INTERNAL_ERROR, reason)
}

/// A mirrored field and the body disagree.
#[must_use]
pub fn header_mismatch(reason: impl std::fmt::Display) -> RpcError {
    RpcError::new(HEADER_MISMATCH, format!("Header mismatch: {reason}"))
}

/// The call needs what the client did not declare.
#[must_use]
pub fn missing_capability(capability: Capability) -> RpcError {
    RpcError::new(MISSING_CAPABILITY, "The client did not declare a capability this call needs")
        .with_data(json!({ "requiredCapabilities": capability.required() }))
}

/// The revision asked for is not served.
#[must_use]
pub fn unsupported_version(requested: &str) -> RpcError {
    const SHOWN_BYTES: usize = 64;
    let shown = &requested[..requested.floor_char_boundary(SHOWN_BYTES)];
    let supported: Vec<_> = Revision::MODERN_NAMES.into();
    RpcError::new(UNSUPPORTED_VERSION, "Unsupported protocol version")
        .with_data(json!({ "supported": supported, "requested": shown }))
}

/// The HTTP status with which an error travels that the dispatcher found before the work began.
#[must_use]
pub fn status(code: i32, revision: Revision) -> u16 {
    if !revision.rules().status_by_code {
        return 200;
    }
    match code {
        PARSE_ERROR | INVALID_REQUEST | HEADER_MISMATCH | MISSING_CAPABILITY
        | UNSUPPORTED_VERSION => 400,
        METHOD_NOT_FOUND => 404,
        _ => 200,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_the_code_in_the_modern_era_alone() {
        for (code, modern) in [
            (PARSE_ERROR, 400),
            (INVALID_REQUEST, 400),
            (METHOD_NOT_FOUND, 404),
            (INVALID_PARAMS, 200),
            (INTERNAL_ERROR, 200),
            (HEADER_MISMATCH, 400),
            (MISSING_CAPABILITY, 400),
            (UNSUPPORTED_VERSION, 400),
            (-1, 200),
        ] {
            assert_eq!(status(code, Revision::V2026_07_28), modern);
            assert_eq!(status(code, Revision::V2025_11_25), 200);
        }
    }

    #[test]
    fn a_requested_version_is_shown_short() {
        let data = unsupported_version(&"é".repeat(100)).data.expect("data");
        assert_eq!(data["requested"].as_str().map(str::len), Some(64));
        assert_eq!(data["supported"], json!(["2026-07-28"]));
    }
}
