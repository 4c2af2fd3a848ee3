//! Which arguments a tool wants to see in fields: its input schema in, `Mcp-Param-*` names out; and
//! how a value stands in such a field.
//!
//! A property says so with `x-mcp-header`. A tool whose annotations break a rule is not offered by
//! a server, and left out of the list by a client.
//! Spec: MCP 2026-07-28 streamable HTTP, "Custom Headers from Tool Parameters".
//! Limits: the depth of a schema is bounded by the JSON parser.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::http::field::is_token;

const ANNOTATION: &str = "x-mcp-header";
const FIELD_PREFIX: &str = "Mcp-Param-";
pub(super) const ENCODED_PREFIX: &str = "=?base64?";
pub(super) const ENCODED_SUFFIX: &str = "?=";

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

/// Finds the annotated properties of an input schema.
///
/// # Errors
/// The first annotation that breaks a rule.
pub fn mirrored_params(schema: &Value) -> Result<Vec<MirroredParam>, MirrorError> {
    let mut found = Vec::new();
    let mut root = Walk { found: &mut found, path: Vec::new(), reachable: false };
    root.keywords(schema, true)?;
    Ok(found)
}

/// A text as a field value: plain where a field can hold it, else base64 between markers.
#[must_use]
pub fn encode_value(text: &str) -> Cow<'_, str> {
    let plain_bytes = text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    let blank_end = text.starts_with([' ', '\t']) || text.ends_with([' ', '\t']);
    let looks_encoded = text.starts_with(ENCODED_PREFIX) && text.ends_with(ENCODED_SUFFIX);
    if plain_bytes && !blank_end && !looks_encoded {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("{ENCODED_PREFIX}{}{ENCODED_SUFFIX}", STANDARD.encode(text)))
}

struct Walk<'a> {
    found: &'a mut Vec<MirroredParam>,
    path: Vec<String>,
    reachable: bool,
}

impl Walk<'_> {
    /// One schema: its own annotation, then those below it.
    fn schema(&mut self, schema: &Value) -> Result<(), MirrorError> {
        if let Some(annotation) = schema.get(ANNOTATION) {
            self.annotation(annotation, schema.get("type"))?;
        }
        let reachable = self.reachable;
        self.keywords(schema, reachable)
    }

    fn keywords(&mut self, schema: &Value, reachable: bool) -> Result<(), MirrorError> {
        for (keyword, below) in schema.as_object().into_iter().flatten() {
            match (keyword.as_str(), below) {
                // Data, not schemas.
                ("const" | "enum" | "default" | "examples", _) => {}
                ("properties", Value::Object(named)) => self.named(named, keyword, reachable)?,
                (
                    "patternProperties" | "$defs" | "definitions" | "dependentSchemas",
                    Value::Object(named),
                ) => self.named(named, keyword, false)?,
                (_, Value::Object(_)) => self.step(keyword, below, false)?,
                (_, Value::Array(list)) => {
                    for below in list {
                        self.step(keyword, below, false)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn named(
        &mut self,
        named: &Map<String, Value>,
        keyword: &str,
        reachable: bool,
    ) -> Result<(), MirrorError> {
        for (name, below) in named {
            let step = if reachable { name } else { keyword };
            self.step(step, below, reachable)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &str, below: &Value, reachable: bool) -> Result<(), MirrorError> {
        let outer = std::mem::replace(&mut self.reachable, reachable);
        self.path.push(step.to_owned());
        self.schema(below)?;
        self.path.pop();
        self.reachable = outer;
        Ok(())
    }

    fn annotation(&mut self, token: &Value, kind: Option<&Value>) -> Result<(), MirrorError> {
        let at = || self.path.join(".");
        let Some(token) = token.as_str().filter(|token| is_token(token.as_bytes())) else {
            return Err(MirrorError::NoToken { path: at() });
        };
        if !self.reachable {
            return Err(MirrorError::Unreachable { place: at() });
        }
        if !kind.is_some_and(is_scalar) {
            return Err(MirrorError::Kind { path: at() });
        }
        let field = format!("{FIELD_PREFIX}{token}");
        if self.found.iter().any(|param| param.field.eq_ignore_ascii_case(&field)) {
            return Err(MirrorError::Twice { field });
        }
        self.found.push(MirroredParam { field, path: self.path.clone() });
        Ok(())
    }
}

/// `string`, `integer` or `boolean`; in a list also `null`, whose value is never mirrored.
fn is_scalar(kind: &Value) -> bool {
    match kind {
        Value::String(kind) => matches!(kind.as_str(), "string" | "integer" | "boolean"),
        Value::Array(kinds) => {
            kinds.iter().any(is_scalar)
                && kinds.iter().all(|kind| is_scalar(kind) || kind == &Value::from("null"))
        }
        _ => false,
    }
}
