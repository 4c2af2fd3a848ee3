//! Arguments in header fields: what a tool wants mirrored and the arguments in, fields out.
//!
//! Spec: MCP 2026-07-28 streamable HTTP, "Custom Headers from Tool Parameters".
//! Not here: which arguments those are (`mcp::mirror`), the other mirrored fields (`request`).

use serde_json::{Map, Value};

use crate::mcp::mirror::{MirroredParam, encode_value};

/// The fields that a call with these arguments must carry.
#[must_use]
pub fn mirrored_fields(
    mirrored: &[MirroredParam],
    arguments: &Map<String, Value>,
) -> Vec<(String, String)> {
    let fields = mirrored.iter().filter_map(|param| {
        let (last, way) = param.path.split_last()?;
        let holder = way.iter().try_fold(arguments, |object, key| object.get(key)?.as_object())?;
        let value = match holder.get(last)? {
            Value::String(text) => encode_value(text).into_owned(),
            Value::Bool(flag) => flag.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        Some((param.field.clone(), value))
    });
    fields.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_follow_the_arguments() {
        let mirror = |token: &str, path: &[&str]| MirroredParam {
            field: format!("Mcp-Param-{token}"),
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
