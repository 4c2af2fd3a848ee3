//! Roots: the folders that a client says its user works in. Hints, no bounds of what is allowed.
//!
//! Spec: MCP 2026-07-28 client/roots (deprecated there); MCP 2024-11-05 the same.

use serde_json::Value;

use super::malformed::Malformed;

/// The method that asks for them.
pub const METHOD: &str = "roots/list";

/// A folder or file that the user works in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// Its address, `file://` so far.
    pub uri: String,
    /// Its name for people.
    pub name: Option<String>,
}

/// Reads a `ListRootsResult`.
///
/// # Errors
/// The member that is not as it must be.
pub fn read(result: &Value) -> Result<Vec<Root>, Malformed> {
    let Some(roots) = result.get("roots").and_then(Value::as_array) else {
        return Err(Malformed { member: "roots", rule: "must be an array" });
    };
    let read = |root: &Value| {
        let uri = root.get("uri").and_then(Value::as_str)?.to_owned();
        let name = root.get("name").and_then(Value::as_str).map(str::to_owned);
        Some(Root { uri, name })
    };
    let roots: Option<_> = roots.iter().map(read).collect();
    roots.ok_or(Malformed { member: "roots", rule: "must be objects with a string `uri`" })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn roots_are_read_or_their_fault_is_named() {
        let roots = read(&json!({"roots": [{"uri": "file:///a", "name": "A"}, {"uri": "b"}]}));
        let root = |uri: &str, name: Option<&str>| Root {
            uri: uri.to_owned(),
            name: name.map(str::to_owned),
        };
        assert_eq!(roots, Ok(vec![root("file:///a", Some("A")), root("b", None)]));
        for result in [json!(1), json!({}), json!({"roots": {}}), json!({"roots": [{"uri": 1}]})] {
            assert_eq!(read(&result).map_err(|error| error.member), Err("roots"));
        }
    }
}
