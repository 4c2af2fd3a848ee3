//! What a tool gives back, and the result that it becomes in each revision.
//!
//! A handler returns any `Serialize` type: a string becomes text; [`Content`], a `Vec<Content>` and
//! [`Answer`] are content as they say; `()` is nothing; everything else is structured content, with
//! its JSON as text beside it for clients that read text alone.
//! Spec: MCP 2026-07-28 server/tools "Tool Result", `resultType`, and `_meta` with the server's
//! name.

use std::any::Any;
use std::borrow::Cow;

use schemars::{JsonSchema, SchemaGenerator};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::error::{Kind, ToolError};
use crate::jsonrpc::encode;
use crate::mcp::model::content::{Content, encode_text};
use crate::mcp::revision::{Revision, Rules, Structured};

/// A result said in full: blocks of content, structured content, whether it is an error, `_meta`.
///
/// ```
/// # use ringlane::{Answer, Content};
/// let answer = Answer::from(Content::text("done")).and(Content::image(b"\x89PNG", "image/png"));
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    content: Vec<Content>,
    structured: Option<Value>,
    is_error: bool,
    meta: Map<String, Value>,
}

impl Answer {
    /// An answer with no content yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same answer with one more block.
    #[must_use]
    pub fn and(mut self, content: Content) -> Self {
        self.content.push(content);
        self
    }

    /// The same answer with structured content. Revisions that know none leave it out; before
    /// 2026-07-28 it is sent if it is an object.
    #[must_use]
    pub fn structured(mut self, value: impl Into<Value>) -> Self {
        self.structured = Some(value.into());
        self
    }

    /// The same answer, as a failure that the model is told of.
    #[must_use]
    pub fn failed(mut self) -> Self {
        self.is_error = true;
        self
    }

    /// The same answer with a member in its `_meta`.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }
}

impl From<Content> for Answer {
    fn from(content: Content) -> Self {
        Self { content: vec![content], ..Self::default() }
    }
}

/// What a handler returned, ready to be written.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// One block of text.
    Text(Cow<'static, str>),
    /// A serialised value: structured content, and text beside it.
    Json(String),
    /// A result said in full.
    Full(Box<Answer>),
    /// The members of a result that is no tool's, in the words of the caller's revision.
    Members {
        /// What `resultType` says, where there is one.
        result_type: &'static str,
        /// The members as JSON, separated by commas, without braces; not empty.
        json: String,
    },
}

/// How a running handler ends.
pub type Finished = Result<Outcome, ToolError>;

/// A complete result of these members, which `write` writes.
pub(super) fn members(write: impl FnOnce(&mut Vec<u8>)) -> Finished {
    let mut json = Vec::new();
    write(&mut json);
    Ok(Outcome::Members { result_type: "complete", json: String::from_utf8(json)? })
}

/// Sorts out what a handler returned by its type; each question is settled when the handler's code
/// is generated, not when it runs.
pub(crate) fn outcome<R: Serialize + 'static>(value: R) -> Finished {
    let value = match take::<R, String>(value) {
        Ok(text) => return Ok(Outcome::Text(text.into())),
        Err(value) => value,
    };
    let value = match take::<R, &'static str>(value) {
        Ok(text) => return Ok(Outcome::Text(text.into())),
        Err(value) => value,
    };
    let value = match take::<R, Answer>(value) {
        Ok(answer) => return Ok(Outcome::Full(Box::new(answer))),
        Err(value) => value,
    };
    let value = match take::<R, Content>(value) {
        Ok(content) => return Ok(Outcome::Full(Box::new(content.into()))),
        Err(value) => value,
    };
    let value = match take::<R, Vec<Content>>(value) {
        Ok(content) => {
            return Ok(Outcome::Full(Box::new(Answer { content, ..Answer::default() })));
        }
        Err(value) => value,
    };
    let value = match take::<R, f64>(value) {
        Ok(number) => return Ok(Outcome::Json(number_text(number))),
        Err(value) => value,
    };
    match take::<R, ()>(value) {
        Ok(()) => Ok(Outcome::Full(Box::default())),
        Err(value) => Ok(Outcome::Json(serde_json::to_string(&value)?)),
    }
}

fn number_text(number: f64) -> String {
    let mut text = Vec::new();
    encode::float(&mut text, number);
    // Numbers are ASCII.
    String::from_utf8(text).unwrap_or_default()
}

/// The output schema of what a handler returns, if it returns structured content.
pub(crate) fn output_schema<R: JsonSchema + 'static>() -> Option<Value> {
    let plain = [
        is::<R, String>(),
        is::<R, &'static str>(),
        is::<R, Answer>(),
        is::<R, Content>(),
        is::<R, Vec<Content>>(),
        is::<R, ()>(),
    ];
    if plain.contains(&true) {
        return None;
    }
    Some(super::input::schema_of::<R>(schemars::generate::Contract::Serialize))
}

fn is<R: 'static, T: 'static>() -> bool {
    std::any::TypeId::of::<R>() == std::any::TypeId::of::<T>()
}

/// The value as a `T`, if that is its type, and itself otherwise.
fn take<R: 'static, T: 'static>(value: R) -> Result<T, R> {
    let mut slot = Some(value);
    let taken = (&mut slot as &mut dyn Any).downcast_mut::<Option<T>>().and_then(Option::take);
    match (taken, slot) {
        (Some(taken), _) => Ok(taken),
        (None, Some(value)) => Err(value),
        (None, None) => unreachable!("only a take empties the slot"),
    }
}

/// What the writing of a result depends on besides the outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResultFrame<'a> {
    pub(crate) rules: &'static Rules,
    /// Whether the tool's results are structured in this revision.
    pub(crate) structured: bool,
    /// The server's `Implementation`, as JSON.
    pub(crate) server_info: &'a [u8],
}

impl Outcome {
    /// Writes the `result` member of a response.
    pub(crate) fn encode(&self, out: &mut Vec<u8>, frame: ResultFrame<'_>) {
        let result_type = match self {
            Self::Members { result_type, .. } => result_type,
            Self::Text(_) | Self::Json(_) | Self::Full(_) => "complete",
        };
        out.push(b'{');
        if frame.rules.result_type {
            out.extend_from_slice(br#""resultType":""#);
            out.extend_from_slice(result_type.as_bytes());
            out.extend_from_slice(br#"","#);
        }
        match self {
            Self::Members { json, .. } => out.extend_from_slice(json.as_bytes()),
            Self::Text(text) => {
                out.extend_from_slice(br#""content":["#);
                encode_text(out, text);
                out.push(b']');
            }
            Self::Json(json) => {
                out.extend_from_slice(br#""content":["#);
                encode_text(out, json);
                out.push(b']');
                if frame.structured {
                    out.extend_from_slice(br#","structuredContent":"#);
                    out.extend_from_slice(json.as_bytes());
                }
            }
            Self::Full(answer) => answer.encode(out, frame.rules),
        }
        let meta = if let Self::Full(answer) = self { Some(&answer.meta) } else { None };
        encode_meta(out, meta, frame);
        out.push(b'}');
    }
}

impl Answer {
    fn encode(&self, out: &mut Vec<u8>, rules: &Rules) {
        out.extend_from_slice(br#""content":["#);
        for (index, content) in self.content.iter().enumerate() {
            encode::comma_unless_first(out, index);
            content.encode(out, rules);
        }
        out.push(b']');
        let known = match rules.structured {
            Structured::Absent => None,
            Structured::Object => self.structured.as_ref().filter(|value| value.is_object()),
            Structured::Any => self.structured.as_ref(),
        };
        if let Some(value) = known {
            out.extend_from_slice(br#","structuredContent":"#);
            encode::serialize(out, value);
        }
        if self.is_error {
            out.extend_from_slice(br#","isError":true"#);
        }
    }
}

/// Writes a result's `_meta`: the handler's members, and in the modern era the server's name.
fn encode_meta(out: &mut Vec<u8>, meta: Option<&Map<String, Value>>, frame: ResultFrame<'_>) {
    let members = meta.into_iter().flatten();
    if frame.rules.result_type {
        out.extend_from_slice(br#","_meta":{"io.modelcontextprotocol/serverInfo":"#);
        out.extend_from_slice(frame.server_info);
        for (name, value) in members {
            out.push(b',');
            encode::string(out, name);
            out.push(b':');
            encode::serialize(out, value);
        }
        out.push(b'}');
    } else if let Some(meta) = meta.filter(|meta| !meta.is_empty()) {
        out.extend_from_slice(br#","_meta":"#);
        encode::serialize(out, meta);
    }
}

/// Turns a tool's failure into what is written: a result with `isError`, or a JSON-RPC error.
pub(crate) fn failure(error: ToolError) -> Result<Outcome, crate::jsonrpc::error::RpcError> {
    let text = match error.kind {
        Kind::Told(text) => text,
        Kind::NotFound => ToolError::NOT_FOUND.into(),
        Kind::Rpc(error) => return Err(error),
    };
    Ok(Outcome::Full(Box::new(Answer::from(Content::text(text)).failed())))
}

/// Content as the newest revision writes it.
impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = Vec::new();
        self.encode(&mut out, Revision::V2026_07_28.rules());
        let json: Value = serde_json::from_slice(&out).map_err(serde::ser::Error::custom)?;
        json.serialize(serializer)
    }
}

/// The answer as the newest revision writes it, without the members that are the server's.
impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = b"{".to_vec();
        self.encode(&mut out, Revision::V2026_07_28.rules());
        out.push(b'}');
        let json: Value = serde_json::from_slice(&out).map_err(serde::ser::Error::custom)?;
        json.serialize(serializer)
    }
}

/// Any block: a handler that returns content has no output schema.
impl JsonSchema for Content {
    fn schema_name() -> Cow<'static, str> {
        "Content".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object"})
    }
}

/// Any result: a handler that returns one has no output schema.
impl JsonSchema for Answer {
    fn schema_name() -> Cow<'static, str> {
        "Answer".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "object"})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written<R: Serialize + JsonSchema + 'static>(value: R, revision: Revision) -> Value {
        let rules = revision.rules();
        let structured = match rules.structured {
            Structured::Absent => false,
            Structured::Object => {
                output_schema::<R>().is_some_and(|schema| schema["type"] == "object")
            }
            Structured::Any => output_schema::<R>().is_some(),
        };
        let frame = ResultFrame { rules, structured, server_info: br#"{"name":"s"}"# };
        let mut out = Vec::new();
        outcome(value).expect("serialises").encode(&mut out, frame);
        serde_json::from_slice(&out).expect("JSON")
    }

    #[derive(Serialize, JsonSchema)]
    struct Sum {
        sum: f64,
    }

    #[test]
    fn each_return_type_becomes_what_it_says() {
        let old = Revision::V2024_11_05;
        let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
        assert_eq!(written("hi", old), text("hi"));
        assert_eq!(written("hi".to_owned(), old), text("hi"));
        assert_eq!(written(Content::text("hi"), old), text("hi"));
        assert_eq!(written(vec![Content::text("hi")], old), text("hi"));
        assert_eq!(written((), old), json!({"content": []}));
        assert_eq!(written(5, old), text("5"));
        assert_eq!(written(5.0, old), text("5"));
        assert_eq!(written(5.25, old), text("5.25"));
        let failed = Answer::from(Content::text("no")).failed();
        assert_eq!(written(failed, old)["isError"], json!(true));
    }

    #[test]
    fn structured_content_follows_the_revision() {
        let with = |revision, value| written(value, revision).get("structuredContent").cloned();
        assert_eq!(with(Revision::V2025_03_26, Sum { sum: 1.5 }), None);
        assert_eq!(with(Revision::V2025_06_18, Sum { sum: 1.5 }), Some(json!({"sum": 1.5})));
        assert_eq!(with(Revision::V2026_07_28, Sum { sum: 1.5 }), Some(json!({"sum": 1.5})));
        let number = |revision| written(7, revision).get("structuredContent").cloned();
        assert_eq!(number(Revision::V2025_11_25), None);
        assert_eq!(number(Revision::V2026_07_28), Some(json!(7)));
        let null = written(None::<u8>, Revision::V2026_07_28);
        assert_eq!(null.get("structuredContent"), Some(&Value::Null));
    }

    #[test]
    fn the_modern_era_names_the_server_beside_the_handlers_meta() {
        let answer = Answer::new().with_meta("a.b/c", 1);
        let modern = written(answer.clone(), Revision::V2026_07_28);
        assert_eq!(modern["resultType"], "complete");
        let meta = json!({"io.modelcontextprotocol/serverInfo": {"name": "s"}, "a.b/c": 1});
        assert_eq!(modern["_meta"], meta);
        let legacy = written(answer, Revision::V2025_11_25);
        assert_eq!(legacy, json!({"content": [], "_meta": {"a.b/c": 1}}));
    }
}
