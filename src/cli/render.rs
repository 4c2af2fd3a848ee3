//! What a tool answered, for people to read.
//!
//! Text stands as it is; what a terminal cannot show is described in brackets. Structured content
//! stands for an answer that has no text.
//! Spec: MCP 2026-07-28 server/tools, content blocks.

use serde_json::Value;

use crate::cli::indent::indented;
use crate::client::tools::CallResult;

/// The answer as text, without a line end behind it.
pub(super) fn render(result: &CallResult) -> String {
    let has_text = result.content.iter().any(|block| block["type"] == "text");
    let mut parts: Vec<String> = result.content.iter().map(render_block).collect();
    if let (false, Some(structured)) = (has_text, &result.structured) {
        parts.push(indented(structured.get()));
    }
    parts.join("\n")
}

/// One content block as text.
pub(super) fn render_block(block: &Value) -> String {
    let text_of = |key: &str| block[key].as_str().unwrap_or_default();
    match text_of("type") {
        "text" => text_of("text").to_owned(),
        kind @ ("image" | "audio") => {
            let length_bytes = decoded_bytes(text_of("data"));
            format!("[{kind} {}, {length_bytes} bytes]", mime_type(block))
        }
        "resource" => render_resource(&block["resource"]),
        "resource_link" => format!("[link {} {}]", text_of("name"), text_of("uri")),
        _ => block.to_string(),
    }
}

fn render_resource(resource: &Value) -> String {
    let uri = resource["uri"].as_str().unwrap_or_default();
    match (resource["text"].as_str(), resource["blob"].as_str()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(blob)) => {
            let length_bytes = decoded_bytes(blob);
            format!("[resource {uri} {}, {length_bytes} bytes]", mime_type(resource))
        }
        (None, None) => format!("[resource {uri}]"),
    }
}

fn mime_type(block: &Value) -> &str {
    block["mimeType"].as_str().unwrap_or("of unknown type")
}

/// How many bytes base64 text stands for.
fn decoded_bytes(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_shown_by_their_kind() {
        let table = [
            (json!({"content": [{"type": "text", "text": "5"}]}), "5"),
            (
                json!({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
                "a\nb",
            ),
            (
                json!({"content": [
                    {"type": "image", "data": "iVBORw==", "mimeType": "image/png"}]}),
                "[image image/png, 4 bytes]",
            ),
            (
                json!({"content": [{"type": "audio", "data": "AAAA"}]}),
                "[audio of unknown type, 3 bytes]",
            ),
            (
                json!({"content": [{"type": "resource", "resource": {"uri": "a:b", "text": "t"}}]}),
                "t",
            ),
            (
                json!({"content": [{"type": "resource", "resource": {
                    "uri": "a:b", "blob": "AAA=", "mimeType": "x/y"}}]}),
                "[resource a:b x/y, 2 bytes]",
            ),
            (
                json!({"content": [{"type": "resource_link", "uri": "a:b", "name": "n"}]}),
                "[link n a:b]",
            ),
            (json!({"content": [{"type": "new"}]}), "{\"type\":\"new\"}"),
            (json!({"content": [], "structuredContent": {"sum": 5}}), "{\n  \"sum\": 5\n}"),
            (
                json!({"content": [{"type": "text", "text": "5"}],
                    "structuredContent": {"sum": 5}}),
                "5",
            ),
            (json!({"content": []}), ""),
        ];
        for (result, expected) in table {
            let raw = serde_json::value::to_raw_value(&result).expect("json");
            let result = CallResult::parse(raw).expect("a result");
            assert_eq!(render(&result), expected);
        }
    }
}
