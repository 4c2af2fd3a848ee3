//! Fields that repeat the body, so that proxies can route without reading it: `Mcp-Method`,
//! `Mcp-Name`, `Mcp-Param-*`, and `MCP-Protocol-Version`.
//!
//! A server that trusted the body while a proxy trusted the fields could be led around the proxy's
//! rules, so a missing, malformed or different field refuses the request (-32020).
//! Spec: MCP 2026-07-28 streamable HTTP, "Standard Request Headers" and "Custom Headers from Tool
//! Parameters" with the `=?base64?…?=` form. Values are compared as code points, without folding.

mod annotation;

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use self::annotation::{ENCODED_PREFIX, ENCODED_SUFFIX};
pub use self::annotation::{MirrorError, MirroredParam, encode_value, mirrored_params};
use super::error;
use super::method::Method;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::view::{Value, View};

/// The mirrored fields of one HTTP request, blanks around their values stripped.
pub trait MirroredFields {
    /// `MCP-Protocol-Version`
    fn version(&self) -> Option<&[u8]>;
    /// `Mcp-Method`
    fn method(&self) -> Option<&[u8]>;
    /// `Mcp-Name`
    fn name(&self) -> Option<&[u8]>;
    /// Which of the three came more than once with different values.
    fn repeated(&self) -> Option<&'static str>;
    /// Any other field, by its name without regard to case; `Err` if it came twice.
    ///
    /// # Errors
    /// [`RepeatedField`] when the field came more than once.
    fn other(&self, name: &str) -> Result<Option<&[u8]>, RepeatedField>;
}

/// A field that must come once came more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RepeatedField;

/// Refuses requests in which a mirrored field came twice with different values.
///
/// # Errors
/// -32020
pub fn check_single(fields: &dyn MirroredFields) -> Result<(), RpcError> {
    fields.repeated().map_or(Ok(()), |name| {
        Err(error::header_mismatch(format_args!("{name} came more than once")))
    })
}

/// Holds the three standard fields against the body.
///
/// # Errors
/// -32020, naming the field.
pub fn check_standard(
    version: &str,
    method: &str,
    params: Option<View<'_>>,
    fields: &dyn MirroredFields,
) -> Result<(), RpcError> {
    same("MCP-Protocol-Version", fields.version(), version)?;
    same("Mcp-Method", fields.method(), method)?;
    let Some(named_by) = Method::named_by(method) else { return Ok(()) };
    let named = params.and_then(|params| params.get(named_by.member())).and_then(View::as_str);
    match (fields.name(), named) {
        (None, None) => Ok(()), // The method's own check tells what its parameters lack.
        (None, Some(_)) => Err(error::header_mismatch("Mcp-Name is missing")),
        (Some(_), None) => Err(error::header_mismatch(format_args!(
            "Mcp-Name has no params.{} to mirror",
            named_by.member()
        ))),
        (Some(field), Some(named)) => match decode(field) {
            Some(text) if text == named => Ok(()),
            Some(_) => Err(error::header_mismatch(format_args!(
                "Mcp-Name differs from params.{}",
                named_by.member()
            ))),
            None => Err(error::header_mismatch("Mcp-Name is malformed")),
        },
    }
}

/// Holds the fields of a tool's annotated parameters against the arguments.
///
/// # Errors
/// -32020, naming the field.
pub fn check_params(
    mirrored: &[MirroredParam],
    arguments: Option<View<'_>>,
    fields: &dyn MirroredFields,
) -> Result<(), RpcError> {
    for MirroredParam { field, path } in mirrored {
        let argument = path
            .iter()
            .try_fold(arguments, |at, name| Some(at.and_then(|value| value.get(name))))
            .flatten()
            .filter(|value| value.value() != Value::Null);
        let Ok(value) = fields.other(field) else {
            return Err(error::header_mismatch(format_args!("{field} came more than once")));
        };
        match (argument, value) {
            (None, None) => {}
            (None, Some(_)) => {
                return Err(error::header_mismatch(format_args!("{field} has no argument")));
            }
            (Some(_), None) => {
                return Err(error::header_mismatch(format_args!("{field} is missing")));
            }
            (Some(argument), Some(value)) => match decode(value) {
                None => return Err(error::header_mismatch(format_args!("{field} is malformed"))),
                Some(text) if equals(argument, &text) => {}
                Some(_) => {
                    return Err(error::header_mismatch(format_args!(
                        "{field} differs from the argument `{}`",
                        path.join(".")
                    )));
                }
            },
        }
    }
    Ok(())
}

fn same(name: &str, field: Option<&[u8]>, body: &str) -> Result<(), RpcError> {
    match field {
        None => Err(error::header_mismatch(format_args!("{name} is missing"))),
        Some(value) if value == body.as_bytes() => Ok(()),
        Some(_) => Err(error::header_mismatch(format_args!("{name} differs from the body"))),
    }
}

/// A field's value as text: plain visible ASCII, or UTF-8 in the Base64 form. `None` if malformed.
#[must_use]
pub fn decode(field: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(field).ok()?;
    let Some(encoded) =
        text.strip_prefix(ENCODED_PREFIX).and_then(|rest| rest.strip_suffix(ENCODED_SUFFIX))
    else {
        let plain = text.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'));
        return plain.then_some(Cow::Borrowed(text));
    };
    let bytes = STANDARD.decode(encoded).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

fn equals(argument: View<'_>, text: &str) -> bool {
    match argument.value() {
        Value::Text(value) => value == text,
        Value::Bool(value) => text == if value { "true" } else { "false" },
        // Integers are compared as numbers: `42` equals `42.0`.
        Value::Signed(value) => text.parse() == Ok(value) || float(text) == Some(value.to_string()),
        Value::Unsigned(value) => {
            text.parse() == Ok(value) || float(text) == Some(value.to_string())
        }
        Value::Float(value) => text.parse::<f64>().is_ok_and(|parsed| parsed == value),
        _ => false,
    }
}

/// `42.0` or `4.2e1` as the integer it is, within the range that doubles hold exactly.
fn float(text: &str) -> Option<String> {
    const EXACT: f64 = 9_007_199_254_740_991.0;
    let value: f64 = text.parse().ok()?;
    (value.fract() == 0.0 && value.abs() <= EXACT).then(|| format!("{value:.0}"))
}

#[cfg(test)]
mod tests;
