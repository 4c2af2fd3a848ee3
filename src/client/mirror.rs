//! Arguments that a tool wants to see in header fields: its input schema in, `Mcp-Param-*` out.
//!
//! A server annotates properties with `x-mcp-header`, so that proxies can route by them. A tool
//! whose annotations break the rules must be left out of the list by an HTTP client.
//! Spec: MCP 2026-07-28 basic/transports, header mirroring.
//! Limits: the depth of a schema is bounded by the JSON parser.
//! Not here: the other mirrored fields (`request`).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::http::field::is_token;

const ANNOTATION: &str = "x-mcp-header";
const ENCODED_PREFIX: &str = "=?base64?";
const ENCODED_SUFFIX: &str = "?=";

/// One argument that is repeated in a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The field's name behind `Mcp-Param-`.
    pub token: String,
    /// The property names from the root of the arguments to the value.
    pub path: Vec<String>,
}

/// Why the annotations of a schema are invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MirrorError {
    /// Not a header name.
    #[error("x-mcp-header at /{at} is not a header token")]
    Token {
        /// The way to it in the schema.
        at: String,
    },
    /// Two properties, one field.
    #[error("x-mcp-header {token} is used twice")]
    Twice {
        /// The token.
        token: String,
    },
    /// A number, an array, an object, or no type at all.
    #[error("x-mcp-header at /{at} is on a property that is no string, integer or boolean")]
    Type {
        /// The way to it in the schema.
        at: String,
    },
    /// Behind `items`, `anyOf`, `$defs` or another keyword.
    #[error("x-mcp-header at /{at} is not reachable through properties alone")]
    Unreachable {
        /// The way to it in the schema.
        at: String,
    },
}

/// Finds the annotated properties of an input schema.
///
/// # Errors
/// `MirrorError` for the first annotation that breaks a rule.
pub fn mirrors(schema: &Value) -> Result<Vec<Mirror>, MirrorError> {
    let mut found = Vec::new();
    let mut root = Walk { found: &mut found, path: Vec::new(), reachable: false };
    root.keywords(schema, true)?;
    Ok(found)
}

/// The fields that a call with these arguments must carry.
#[must_use]
pub fn mirrored_fields(
    mirrors: &[Mirror],
    arguments: &Map<String, Value>,
) -> Vec<(String, String)> {
    let fields = mirrors.iter().filter_map(|mirror| {
        let (last, way) = mirror.path.split_last()?;
        let holder = way.iter().try_fold(arguments, |object, key| object.get(key)?.as_object())?;
        let value = match holder.get(last)? {
            Value::String(text) => encode_value(text).into_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((format!("Mcp-Param-{}", mirror.token), value))
    });
    fields.collect()
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
    found: &'a mut Vec<Mirror>,
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
        let at = || self.path.join("/");
        let Some(token) = token.as_str().filter(|token| is_token(token.as_bytes())) else {
            return Err(MirrorError::Token { at: at() });
        };
        if !self.reachable {
            return Err(MirrorError::Unreachable { at: at() });
        }
        if !kind.is_some_and(is_scalar) {
            return Err(MirrorError::Type { at: at() });
        }
        if self.found.iter().any(|mirror| mirror.token.eq_ignore_ascii_case(token)) {
            return Err(MirrorError::Twice { token: token.to_owned() });
        }
        self.found.push(Mirror { token: token.to_owned(), path: self.path.clone() });
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn property(schema: Value) -> Result<Vec<Mirror>, MirrorError> {
        mirrors(&json!({"type": "object", "properties": {"a": schema}}))
    }

    #[test]
    fn values_are_encoded_where_a_field_cannot_hold_them() {
        let table = [
            ("eu-1", "eu-1"),
            ("a b", "a b"),
            ("a\tb", "a\tb"),
            ("", ""),
            (" a", "=?base64?IGE=?="),
            ("a ", "=?base64?YSA=?="),
            ("Käse", "=?base64?S8Okc2U=?="),
            ("a\r\nb", "=?base64?YQ0KYg==?="),
            ("\u{7f}", "=?base64?fw==?="),
            ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
            ("=?base64?YQ==", "=?base64?YQ=="),
            ("=?BASE64?YQ==?=", "=?BASE64?YQ==?="),
        ];
        for (text, expected) in table {
            assert_eq!(encode_value(text), expected, "{text:?}");
        }
    }

    #[test]
    fn annotations_are_found_through_properties_alone() {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "x-mcp-header": {"type": "string", "default": {"x-mcp-header": "?"}},
            "where": {"type": "object", "properties": {
                "zone": {"type": ["integer", "null"], "x-mcp-header": "Zone"}}},
        }});
        let found = mirrors(&schema).expect("valid");
        let shown: Vec<_> = found
            .iter()
            .map(|mirror| format!("{}={}", mirror.token, mirror.path.join("/")))
            .collect();
        assert_eq!(shown, ["Region=region", "Zone=where/zone"]);
    }

    #[test]
    fn broken_annotations_are_refused() {
        let at = || "a".to_owned();
        let valid = json!({"type": "string", "x-mcp-header": "A"});
        let table = [
            (json!({"type": "string", "x-mcp-header": ""}), MirrorError::Token { at: at() }),
            (json!({"type": "string", "x-mcp-header": "a b"}), MirrorError::Token { at: at() }),
            (json!({"type": "string", "x-mcp-header": 1}), MirrorError::Token { at: at() }),
            (json!({"type": "number", "x-mcp-header": "A"}), MirrorError::Type { at: at() }),
            (json!({"x-mcp-header": "A"}), MirrorError::Type { at: at() }),
            (
                json!({"type": "array", "items": valid}),
                MirrorError::Unreachable { at: "a/items".to_owned() },
            ),
            (json!({"anyOf": [valid]}), MirrorError::Unreachable { at: "a/anyOf".to_owned() }),
            (
                json!({"$defs": {"d": {"properties": {"e": valid}}}}),
                MirrorError::Unreachable { at: "a/$defs/properties".to_owned() },
            ),
            (
                json!({"type": "object", "properties": {
                    "b": valid, "c": {"type": "string", "x-mcp-header": "a"}}}),
                MirrorError::Twice { token: "a".to_owned() },
            ),
        ];
        for (schema, expected) in table {
            assert_eq!(property(schema.clone()), Err(expected), "{schema}");
        }
        let root = json!({"type": "string", "x-mcp-header": "A"});
        assert_eq!(mirrors(&root), Ok(Vec::new()), "the root is no property");
    }

    #[test]
    fn fields_follow_the_arguments() {
        let mirror = |token: &str, path: &[&str]| Mirror {
            token: token.to_owned(),
            path: path.iter().map(|&step| step.to_owned()).collect(),
        };
        let wanted = [
            mirror("S", &["s"]),
            mirror("I", &["o", "i"]),
            mirror("B", &["b"]),
            mirror("N", &["n"]),
        ];
        let arguments = json!({"s": "Käse", "o": {"i": -7}, "b": true, "n": null});
        let fields = mirrored_fields(&wanted, arguments.as_object().expect("object"));
        let shown: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            shown,
            ["Mcp-Param-S: =?base64?S8Okc2U=?=", "Mcp-Param-I: -7", "Mcp-Param-B: true"]
        );
        assert!(mirrored_fields(&wanted, &Map::new()).is_empty());
    }
}
