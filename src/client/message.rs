//! JSON-RPC messages as a client meets them: text in, `Message` out.
//!
//! Results and params keep their text (`RawValue`), so that what a server wrote reaches the caller
//! as written: its key order, its long numbers.
//! Spec: JSON-RPC 2.0; MCP 2026-07-28 basic. An array is read in every era: only 2025-03-26 gives
//! it a meaning, and reading it harms nobody.
//! Not here: finding where a message begins and ends (`answer`), writing messages (`request`).

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// One JSON-RPC message from a server.
#[derive(Debug)]
pub enum Message {
    /// The answer to a request of ours.
    Response {
        /// The id of our request; `null` where the server could not tell, which absent is read as.
        id: Value,
        /// The result object, or the error.
        outcome: Result<Box<RawValue>, RpcError>,
    },
    /// A request of the server (legacy era only).
    Request {
        /// The id to answer with.
        id: Value,
        /// What it asks for.
        method: String,
        /// Its params, as written.
        params: Option<Box<RawValue>>,
    },
    /// A notification: never answered.
    Notification {
        /// What it tells.
        method: String,
        /// Its params, as written.
        params: Option<Box<RawValue>>,
    },
}

/// A JSON-RPC error object, whole.
#[derive(Clone, Debug, PartialEq, Deserialize, thiserror::Error)]
#[error("{message} (JSON-RPC error {code})")]
pub struct RpcError {
    /// The error code.
    #[serde(default)]
    pub code: i64,
    /// What the server says happened.
    #[serde(default)]
    pub message: String,
    /// What else it says.
    #[serde(default)]
    pub data: Option<Value>,
}

/// Why a text is no JSON-RPC message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is not JSON, or its members have the wrong types.
    #[error("not a JSON-RPC message: {detail}")]
    NotJson {
        /// What the JSON parser says.
        detail: String,
    },
    /// It is JSON, but has neither a method nor a result nor an error.
    #[error("not a JSON-RPC message: it has neither a method nor a result nor an error")]
    NotAMessage,
}

/// Reads one message, or an array of them, and appends them to `out`.
///
/// # Errors
/// `MessageError` when the text is not JSON or not JSON-RPC.
pub fn parse_messages(text: &[u8], out: &mut Vec<Message>) -> Result<(), MessageError> {
    let is_array = text.trim_ascii_start().first() == Some(&b'[');
    if is_array {
        let envelopes: Vec<Envelope<'_>> = serde_json::from_slice(text).map_err(not_json)?;
        for envelope in envelopes {
            out.push(envelope.into_message()?);
        }
    } else {
        let envelope: Envelope<'_> = serde_json::from_slice(text).map_err(not_json)?;
        out.push(envelope.into_message()?);
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape that map_err wants")]
fn not_json(error: serde_json::Error) -> MessageError {
    MessageError::NotJson { detail: error.to_string() }
}

#[derive(Deserialize)]
struct Envelope<'m> {
    #[serde(default, deserialize_with = "present")]
    id: Option<Value>,
    method: Option<String>,
    #[serde(borrow)]
    params: Option<&'m RawValue>,
    #[serde(borrow)]
    result: Option<&'m RawValue>,
    error: Option<RpcError>,
}

impl Envelope<'_> {
    fn into_message(self) -> Result<Message, MessageError> {
        let (id, params) = (self.id, self.params.map(RawValue::to_owned));
        match (self.method, self.error, self.result) {
            (Some(method), _, _) => Ok(match id {
                Some(id) => Message::Request { id, method, params },
                None => Message::Notification { method, params },
            }),
            (None, Some(error), _) => {
                Ok(Message::Response { id: id.unwrap_or_default(), outcome: Err(error) })
            }
            (None, None, Some(result)) => {
                Ok(Message::Response { id: id.unwrap_or_default(), outcome: Ok(result.to_owned()) })
            }
            (None, None, None) => Err(MessageError::NotAMessage),
        }
    }
}

/// Tells `"id": null` (present) from no `id` at all.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<Message>, MessageError> {
        let mut out = Vec::new();
        parse_messages(text.as_bytes(), &mut out).map(|()| out)
    }

    fn kind(text: &str) -> String {
        match parse(text) {
            Ok(messages) => messages
                .iter()
                .map(|message| match message {
                    Message::Response { id, outcome: Ok(result) } => format!("{id}={result}"),
                    Message::Response { id, outcome: Err(error) } => format!("{id}!{}", error.code),
                    Message::Request { id, method, .. } => format!("{id}?{method}"),
                    Message::Notification { method, .. } => method.clone(),
                })
                .collect::<Vec<_>>()
                .join(" "),
            Err(MessageError::NotJson { .. }) => "not json".to_owned(),
            Err(MessageError::NotAMessage) => "no message".to_owned(),
        }
    }

    #[test]
    fn every_kind_of_message_is_told_apart() {
        let table = [
            (r#"{"jsonrpc":"2.0","id":1,"result":{"z":1,"a":2}}"#, r#"1={"z":1,"a":2}"#),
            (r#"{"id":"x","error":{"code":-32601,"message":"no"}}"#, r#""x"!-32601"#),
            (r#"{"error":{"code":-32700}}"#, "null!-32700"),
            (r#"{"id":null,"error":{"code":1}}"#, "null!1"),
            (r#"{"id":3,"method":"ping"}"#, "3?ping"),
            (r#"{"id":null,"method":"ping"}"#, "null?ping"),
            (r#"{"method":"notifications/progress","params":{}}"#, "notifications/progress"),
            (r#" [{"id":1,"result":{}},{"method":"m"}]"#, "1={} m"),
            (r#"{"id":1}"#, "no message"),
            ("<html>", "not json"),
            ("", "not json"),
            ("\"text\"", "not json"),
        ];
        for (text, expected) in table {
            assert_eq!(kind(text), expected, "{text}");
        }
    }
}
