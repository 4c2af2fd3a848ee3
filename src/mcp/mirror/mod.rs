//! Fields that repeat the body, so that proxies can route without reading it: `Mcp-Method`,
//! `Mcp-Name`, `Mcp-Param-*`, and `MCP-Protocol-Version`.
//!
//! A server that trusted the body while a proxy trusted the fields could be led around the proxy's
//! rules, so a missing, malformed or different field refuses the request (-32020).
//! Spec: MCP 2026-07-28 streamable HTTP, "Standard Request Headers" and "Custom Headers from Tool
//! Parameters" with the `=?base64?…?=` form. Values are compared as code points, without folding.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;

use super::error;
use super::method::Method;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::view::{Value, View};

/// The mirrored fields of one HTTP request, blanks around their values stripped.
pub trait MirroredFields {
    /// `MCP-Protocol-Version`; one that is not text counts as absent.
    fn version(&self) -> Option<&str>;
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

/// A tool's parameter that its caller repeats in a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredParam {
    /// The whole name of the field: `Mcp-Param-` and the suffix.
    pub field: String,
    /// The way to the parameter through the arguments.
    pub path: Vec<String>,
}

/// A broken `x-mcp-header` annotation in an input schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// The annotation is no HTTP token.
    #[error(
        "x-mcp-header of `{path}` must be a non-empty HTTP token (letters, digits, !#$%&'*+-.^_`|~)"
    )]
    NoToken {
        /// The property.
        path: String,
    },
    /// Two properties share a header.
    #[error("x-mcp-header {field:?} is used twice; names must differ in more than case")]
    Twice {
        /// The header.
        field: String,
    },
    /// The property's type cannot be mirrored.
    #[error("x-mcp-header of `{path}` needs a property of type string, integer or boolean")]
    Kind {
        /// The property.
        path: String,
    },
    /// The annotation stands where `properties` alone do not lead.
    #[error("x-mcp-header at `{place}` is not reached through `properties` alone")]
    Unreachable {
        /// Where in the schema.
        place: String,
    },
}

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
    same("MCP-Protocol-Version", fields.version().map(str::as_bytes), version)?;
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
fn decode(field: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(field).ok()?;
    let Some(encoded) = text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="))
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

/// Finds the `x-mcp-header` annotations of an input schema.
///
/// # Errors
/// The first annotation that breaks a rule; such a tool must not be offered.
pub fn mirrored_params(schema: &Json) -> Result<Vec<MirroredParam>, MirrorError> {
    let mut found = Vec::new();
    collect(schema, &mut Vec::new(), &mut found)?;
    for (index, param) in found.iter().enumerate() {
        let twice = |other: &MirroredParam| other.field.eq_ignore_ascii_case(&param.field);
        if found[..index].iter().any(twice) {
            return Err(MirrorError::Twice { field: param.field.clone() });
        }
    }
    Ok(found)
}

fn collect(
    schema: &Json,
    path: &mut Vec<String>,
    found: &mut Vec<MirroredParam>,
) -> Result<(), MirrorError> {
    let Some(members) = schema.as_object() else { return Ok(()) };
    if let Some(annotation) = members.get("x-mcp-header") {
        found.push(annotated(annotation, members, path)?);
    }
    for (keyword, value) in members {
        match (keyword.as_str(), value) {
            ("properties", Json::Object(properties)) => {
                for (name, property) in properties {
                    path.push(name.clone());
                    collect(property, path, found)?;
                    path.pop();
                }
            }
            // Data, not schemas: an annotation's name in them means nothing.
            ("const" | "default" | "enum" | "examples", _) => {}
            _ if holds_annotation(value) => {
                let place = path.iter().map(String::as_str).chain([keyword.as_str()]);
                let place = place.collect::<Vec<_>>().join(".");
                return Err(MirrorError::Unreachable { place });
            }
            _ => {}
        }
    }
    Ok(())
}

fn annotated(
    annotation: &Json,
    property: &serde_json::Map<String, Json>,
    path: &[String],
) -> Result<MirroredParam, MirrorError> {
    let shown = || path.join(".");
    if path.is_empty() {
        return Err(MirrorError::Unreachable { place: "the root".to_owned() });
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let Some(suffix) = annotation.as_str().filter(|s| !s.is_empty() && s.bytes().all(is_token))
    else {
        return Err(MirrorError::NoToken { path: shown() });
    };
    if !matches!(
        property.get("type").and_then(Json::as_str),
        Some("string" | "integer" | "boolean")
    ) {
        return Err(MirrorError::Kind { path: shown() });
    }
    Ok(MirroredParam { field: format!("Mcp-Param-{suffix}"), path: path.to_vec() })
}

fn holds_annotation(value: &Json) -> bool {
    match value {
        Json::Object(members) => {
            members.contains_key("x-mcp-header") || members.values().any(holds_annotation)
        }
        Json::Array(elements) => elements.iter().any(holds_annotation),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
