//! Which revision governs a request: the body first, the fields as a cross-check, per request.
//!
//! In: method, `_meta` and the mirrored fields of one message. Out: what it speaks, or the error
//! that the sender can act on best. Never decided by the connection or by an earlier request.
//! Spec: MCP 2026-07-28 versioning and streamable HTTP; MCP 2025-06-18 transports, "Protocol
//! Version Header". The order of the checks is ours, where the specification leaves it open:
//! repeated fields, envelope, equality of fields and body, then whether the revision is served, so
//! that a request whose field and body differ learns that before it learns which revisions are
//! served.

use super::error;
use super::meta::Meta;
use super::mirror::{self, MirroredFields};
use super::revision::{Era, Revision};
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::view::View;

/// What a message speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// This revision.
    Revision(Revision),
    /// A handshake, which settles the revision.
    Handshake,
}

/// Decides for a request. `settled` is what the handshake of its session settled, if it names one.
///
/// # Errors
/// The error with which the request is refused; it travels with 400.
pub fn of_request(
    method: &str,
    params: Option<View<'_>>,
    meta: &Meta<'_>,
    fields: &dyn MirroredFields,
    settled: Option<Revision>,
) -> Result<Speaks, RpcError> {
    mirror::check_single(fields)?;
    if let Some(claim) = meta.version {
        return of_claim(claim, method, params, meta, fields).map(Speaks::Revision);
    }
    let named = match fields.version() {
        None => settled.unwrap_or(Revision::ASSUMED),
        Some(_) if method == "initialize" => return Ok(Speaks::Handshake),
        Some(name) => Revision::parse(name).ok_or_else(|| unsupported(name))?,
    };
    match named.era() {
        Era::Modern => Err(error::invalid_params(
            "params._meta lacks io.modelcontextprotocol/protocolVersion and \
             io.modelcontextprotocol/clientCapabilities",
        )),
        Era::Legacy if method == "initialize" => Ok(Speaks::Handshake),
        // Clients name their newest revision; what the handshake settled governs.
        Era::Legacy => Ok(Speaks::Revision(settled.unwrap_or(named))),
    }
}

/// Decides for a notification, which needs no envelope and none of the mirrored fields.
///
/// # Errors
/// When it names a revision that is not served, or repeats a field with another value.
pub fn of_notification(
    meta: &Meta<'_>,
    fields: &dyn MirroredFields,
    settled: Option<Revision>,
) -> Result<Revision, RpcError> {
    mirror::check_single(fields)?;
    let name = meta.version.and_then(View::as_str).map(str::as_bytes);
    let Some(name) = name.or_else(|| fields.version()) else {
        return Ok(settled.unwrap_or(Revision::ASSUMED));
    };
    let named = Revision::parse(name).ok_or_else(|| unsupported(name))?;
    match named.era() {
        Era::Legacy => Ok(settled.unwrap_or(named)),
        Era::Modern => Ok(named),
    }
}

#[cold]
fn unsupported(name: &[u8]) -> RpcError {
    error::unsupported_version(&String::from_utf8_lossy(name))
}

fn of_claim(
    claim: View<'_>,
    method: &str,
    params: Option<View<'_>>,
    meta: &Meta<'_>,
    fields: &dyn MirroredFields,
) -> Result<Revision, RpcError> {
    let Some(version) = claim.as_str() else {
        return Err(error::invalid_params(
            "params._meta[\"io.modelcontextprotocol/protocolVersion\"] must be a string",
        ));
    };
    if !meta.capabilities.is_some_and(View::is_object) {
        return Err(error::invalid_params(
            "params._meta[\"io.modelcontextprotocol/clientCapabilities\"] must be an object",
        ));
    }
    mirror::check_standard(version, method, params, fields)?;
    Revision::parse(version)
        .filter(|revision| revision.era() == Era::Modern)
        .ok_or_else(|| error::unsupported_version(version))
}
