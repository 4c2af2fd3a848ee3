//! What a decoded value says: a request, a notification, or a response.
//!
//! Spec: JSON-RPC 2.0 §4 and §5, as narrowed by MCP (ids are strings or integers, `params` is an
//! object, one message a body). Invariant: a message with an `id` member is never taken for a
//! notification, and an id comes back with its type and its value.

use super::encode;
use super::view::{Value, View};

/// One JSON-RPC message.
#[derive(Clone, Copy, Debug)]
pub enum Message<'a> {
    /// Wants one response.
    Request {
        /// Comes back with the response.
        id: Id<'a>,
        /// What to do.
        method: &'a str,
        /// With what; an object if present.
        params: Option<View<'a>>,
    },
    /// Wants none.
    Notification {
        /// What happened.
        method: &'a str,
        /// With what; an object if present.
        params: Option<View<'a>>,
    },
    /// Answers a request that the other side sent.
    Response {
        /// Whose answer it is; `None` when it cannot be told.
        id: Option<Id<'a>>,
        /// What came of it.
        outcome: Answered<'a>,
    },
    /// Several messages in an array.
    Batch(View<'a>),
}

/// What a response says.
#[derive(Clone, Copy, Debug)]
pub enum Answered<'a> {
    /// It was done, with this result.
    Result(View<'a>),
    /// It was not; the error object as it came.
    Error(View<'a>),
}

/// How long an id may be that is a string: it is repeated in answers, and kept while they are due.
pub const ID_BYTES_MAX: usize = 1024;

/// The id of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id<'a> {
    /// A negative integer.
    Signed(i64),
    /// An integer that is not negative.
    Unsigned(u64),
    /// A string.
    Text(&'a str),
}

/// Why a JSON value is no message, and the id if it could be read all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidMessage<'a> {
    /// The rule that was broken.
    pub reason: &'static str,
    /// The id of the would-be request.
    pub id: Option<Id<'a>>,
}

impl<'a> Message<'a> {
    /// Reads a value as a message.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn read(value: View<'a>) -> Result<Self, InvalidMessage<'a>> {
        match value.value() {
            Value::Array(_) => return Ok(Self::Batch(value)),
            Value::Object(_) => {}
            _ => return Err(InvalidMessage { reason: "a message is a JSON object", id: None }),
        }
        let mut parts = Parts::default();
        for (name, value) in value.members() {
            parts.take(name, value);
        }
        parts.into_message()
    }
}

impl<'a> Id<'a> {
    /// The id that a JSON value is: an integer of 64 bits, or a string of up to [`ID_BYTES_MAX`].
    #[must_use]
    pub fn read(value: View<'a>) -> Option<Self> {
        match value.value() {
            Value::Signed(number) => Some(Self::Signed(number)),
            Value::Unsigned(number) => Some(Self::Unsigned(number)),
            Value::Text(text) if text.len() <= ID_BYTES_MAX => Some(Self::Text(text)),
            _ => None,
        }
    }

    /// Writes the id as JSON.
    pub fn encode(self, out: &mut Vec<u8>) {
        match self {
            Self::Signed(number) => encode::signed(out, number),
            Self::Unsigned(number) => encode::unsigned(out, number),
            Self::Text(text) => encode::string(out, text),
        }
    }
}

#[derive(Default)]
struct Parts<'a> {
    jsonrpc: Option<View<'a>>,
    id: Option<View<'a>>,
    method: Option<View<'a>>,
    params: Option<View<'a>>,
    outcome: Option<Answered<'a>>,
    /// Whether there is a result and an error.
    both: bool,
}

impl<'a> Parts<'a> {
    fn take(&mut self, name: &str, value: View<'a>) {
        match name {
            "jsonrpc" => self.jsonrpc = Some(value),
            "id" => self.id = Some(value),
            "method" => self.method = Some(value),
            "params" => self.params = Some(value),
            "result" => self.answer(Answered::Result(value)),
            "error" => self.answer(Answered::Error(value)),
            _ => {}
        }
    }

    fn answer(&mut self, outcome: Answered<'a>) {
        self.both = self.outcome.replace(outcome).is_some();
    }

    fn into_message(self) -> Result<Message<'a>, InvalidMessage<'a>> {
        let id = self.id.and_then(Id::read);
        let invalid = |reason| Err(InvalidMessage { reason, id });
        if self.jsonrpc.and_then(View::as_str) != Some("2.0") {
            return invalid("jsonrpc must be \"2.0\"");
        }
        let method = match (self.method, self.outcome) {
            (Some(_), Some(_)) => return invalid("a message has a method or a result, not both"),
            (None, Some(_)) if self.both => {
                return invalid("a response has a result or an error, not both");
            }
            (None, Some(outcome)) => return Ok(Message::Response { id, outcome }),
            (None, None) => return invalid("method is missing"),
            (Some(method), None) => method,
        };
        let Some(method) = method.as_str() else {
            return invalid("method must be a string");
        };
        if self.params.is_some_and(|params| !params.is_object()) {
            return invalid("params must be an object");
        }
        let params = self.params;
        match (self.id, id) {
            (None, _) => Ok(Message::Notification { method, params }),
            (Some(_), Some(id)) => Ok(Message::Request { id, method, params }),
            (Some(_), None) => {
                invalid("id must be a string of up to 1 KiB or an integer of 64 bits")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::decode::{Decoder, JsonLimits};

    fn describe(body: &str) -> String {
        let read = |view: View<'_>| match Message::read(view) {
            Ok(Message::Request { id, method, params }) => {
                let mut text = b"request ".to_vec();
                id.encode(&mut text);
                format!("{} {method} {}", String::from_utf8_lossy(&text), params.is_some())
            }
            Ok(Message::Notification { method, .. }) => format!("notification {method}"),
            Ok(Message::Response { id, outcome: Answered::Result(_) }) => {
                format!("result of {id:?}")
            }
            Ok(Message::Response { id, outcome: Answered::Error(_) }) => format!("error of {id:?}"),
            Ok(Message::Batch(batch)) => format!("batch of {}", batch.elements().count()),
            Err(InvalidMessage { reason, id }) => format!("{reason} (id {})", id.is_some()),
        };
        Decoder::new(JsonLimits::default()).decode(body.as_bytes(), read).expect("JSON")
    }

    #[test]
    fn messages_are_told_apart_by_their_members() {
        for (body, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"method":"m"}"#, "request 1 m false"),
            (r#"{"jsonrpc":"2.0","id":"1","method":"m","params":{}}"#, r#"request "1" m true"#),
            (r#"{"\u006asonrpc":"2.0","id":0,"method":"m"}"#, "request 0 m false"),
            (r#"{"jsonrpc":"2.0","method":"m"}"#, "notification m"),
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "result of Some(Unsigned(1))"),
            (r#"{"jsonrpc":"2.0","error":{}}"#, "error of None"),
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
                "a response has a result or an error, not both (id true)",
            ),
            ("[{},{}]", "batch of 2"),
            ("3", "a message is a JSON object (id false)"),
            (r#"{"id":1,"method":"m"}"#, "jsonrpc must be \"2.0\" (id true)"),
            (r#"{"jsonrpc":2.0,"id":1,"method":"m"}"#, "jsonrpc must be \"2.0\" (id true)"),
            (r#"{"jsonrpc":"2.0","id":7}"#, "method is missing (id true)"),
            (r#"{"jsonrpc":"2.0","id":7,"method":3}"#, "method must be a string (id true)"),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"m","params":[]}"#,
                "params must be an object (id true)",
            ),
            (
                r#"{"jsonrpc":"2.0","id":7,"method":"m","result":1}"#,
                "a message has a method or a result, not both (id true)",
            ),
        ] {
            assert_eq!(describe(body), expected, "{body}");
        }
    }

    #[test]
    fn ids_keep_type_and_value_and_others_are_refused() {
        for id in [
            "0",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            "\"\"",
            r#""a\"b""#,
        ] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
            assert_eq!(describe(&body), format!("request {id} m false"));
        }
        for id in ["null", "1.0", "1e3", "true", "{}", "[1]"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m"}}"#);
            let expected = "id must be a string of up to 1 KiB or an integer of 64 bits (id false)";
            assert_eq!(describe(&body), expected, "{id}");
        }
        for (bytes, is_taken) in [(ID_BYTES_MAX, true), (ID_BYTES_MAX + 1, false)] {
            let id = "i".repeat(bytes);
            let body = format!(r#"{{"jsonrpc":"2.0","id":"{id}","method":"m"}}"#);
            assert_eq!(describe(&body).starts_with("request"), is_taken);
        }
    }
}
