//! Resources as a client reads them: a result as text in, contents out, their bytes decoded.
//!
//! Spec: MCP 2026-07-28 server/resources, `ResourceContents`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What reading a resource gave.
#[derive(Clone, Debug)]
pub struct ReadResult {
    /// The result object, as written.
    pub raw: Box<RawValue>,
    /// The resource's contents; several for what holds others, such as a folder.
    pub contents: Vec<Contents>,
}

/// One of the contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Whose.
    pub uri: String,
    /// Their media type, if known.
    pub mime_type: Option<String>,
    /// What they are.
    pub body: Body,
}

/// What contents are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Text.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
}

impl Body {
    /// Their bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Blob(bytes) => bytes,
        }
    }
}

impl ReadResult {
    /// Reads a result.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(raw: Box<RawValue>) -> Result<Self, String> {
        let members: Members =
            serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        let contents = members.contents.into_iter().map(|each| {
            let body = match (each.text, each.blob) {
                (Some(text), _) => Body::Text(text),
                (None, Some(blob)) => Body::Blob(
                    STANDARD
                        .decode(blob)
                        .map_err(|error| format!("the blob of {}: {error}", each.uri))?,
                ),
                (None, None) => return Err(format!("{} has neither text nor blob", each.uri)),
            };
            Ok(Contents { uri: each.uri, mime_type: each.mime_type, body })
        });
        let contents = contents.collect::<Result<_, String>>()?;
        Ok(Self { raw, contents })
    }
}

#[derive(Deserialize)]
struct Members {
    contents: Vec<Member>,
}

#[derive(Deserialize)]
struct Member {
    #[serde(default)]
    uri: String,
    #[serde(rename = "mimeType")]
    mime_type: Option<String>,
    text: Option<String>,
    blob: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn contents_are_text_or_bytes() {
        let read = |result| ReadResult::parse(to_raw_value(&result).expect("json"));
        let result = read(json!({"contents": [
            {"uri": "a:t", "text": "t", "mimeType": "text/plain"},
            {"uri": "a:b", "blob": "AAE="}]}))
        .expect("contents");
        let bytes: Vec<_> = result.contents.iter().map(|contents| contents.body.bytes()).collect();
        assert_eq!(bytes, [&b"t"[..], &[0, 1]]);
        assert_eq!(result.contents[0].mime_type.as_deref(), Some("text/plain"));
        let table = [
            (json!({}), "contents"),
            (json!({"contents": [{"uri": "a:b"}]}), "a:b has neither"),
            (json!({"contents": [{"uri": "a:b", "blob": "="}]}), "the blob of a:b"),
        ];
        for (result, expected) in table {
            let fault = read(result).expect_err(expected);
            assert!(fault.contains(expected), "{fault}");
        }
    }
}
