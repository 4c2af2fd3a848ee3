//! Tools as a client sees them: the list, and what calling one gives.
//!
//! In: results as text. Out: `ToolList`, `CallResult`, and the `Event`s that a running call sends.
//! A tool that breaks the rules is left out of the list with the reason, the others stay.
//! Spec: MCP 2026-07-28 server/tools, basic/utilities (progress, logging).

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::era::Era;
use crate::mcp::mirror::{MirroredParam, mirrored_params};

/// One tool of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it does.
    pub description: Option<String>,
    /// The JSON Schema of its arguments.
    pub input_schema: Value,
    /// The arguments that are repeated in header fields (modern era).
    pub mirrors: Vec<MirroredParam>,
    /// All that the server says of it.
    pub raw: Value,
}

/// A tool that is left out of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name, as far as it has one.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// The tools of a server, all pages.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolList {
    /// Those that can be called, in the server's order.
    pub tools: Vec<Tool>,
    /// Those that cannot.
    pub left_out: Vec<LeftOut>,
}

impl ToolList {
    /// The tool of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    /// The tools of a list, as their server describes them.
    pub(crate) fn of(items: Vec<Value>, era: Era) -> Self {
        let mut list = Self::default();
        for raw in items {
            match read_tool(raw, era) {
                Ok(tool) => list.tools.push(tool),
                Err(left_out) => list.left_out.push(left_out),
            }
        }
        list
    }
}

fn read_tool(raw: Value, era: Era) -> Result<Tool, LeftOut> {
    let text_of = |key: &str| raw.get(key).and_then(Value::as_str).map(str::to_owned);
    let Some(name) = text_of("name") else {
        return Err(LeftOut { name: String::new(), reason: "it has no name".to_owned() });
    };
    let input_schema = raw.get("inputSchema").cloned().unwrap_or_default();
    let mirrors = match era {
        Era::Legacy => Vec::new(),
        Era::Modern => mirrored_params(&input_schema)
            .map_err(|error| LeftOut { name: name.clone(), reason: error.to_string() })?,
    };
    Ok(Tool {
        title: text_of("title"),
        description: text_of("description"),
        name,
        input_schema,
        mirrors,
        raw,
    })
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub struct CallResult {
    /// The result object, as written.
    pub raw: Box<RawValue>,
    /// Whether the tool says that it failed.
    pub is_error: bool,
    /// The content blocks.
    pub content: Vec<Value>,
    /// The structured content, as written.
    pub structured: Option<Box<RawValue>>,
    /// Whether this is the whole answer.
    pub completion: Completion,
}

/// Whether a result is the whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    /// It is.
    Complete,
    /// It is of another `resultType`: the server wants input first, or runs it as a task.
    Other(String),
}

impl CallResult {
    /// Reads a result.
    ///
    /// # Errors
    /// What the JSON parser says, if it is no result of a tool.
    pub fn parse(raw: Box<RawValue>) -> Result<Self, serde_json::Error> {
        let members: Members = serde_json::from_str(raw.get())?;
        let completion = match members.result_type {
            None => Completion::Complete,
            Some(kind) if kind == "complete" => Completion::Complete,
            Some(kind) => Completion::Other(kind),
        };
        Ok(Self {
            is_error: members.is_error,
            content: members.content,
            structured: members.structured,
            completion,
            raw,
        })
    }
}

#[derive(Deserialize)]
struct Members {
    #[serde(default, rename = "isError")]
    is_error: bool,
    #[serde(default)]
    content: Vec<Value>,
    #[serde(rename = "structuredContent")]
    structured: Option<Box<RawValue>>,
    #[serde(rename = "resultType")]
    result_type: Option<String>,
}

/// What a server tells while a call runs.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// How far it is.
    Progress(Progress),
    /// A log message.
    Log(LogMessage),
    /// Another notification.
    Other {
        /// Its method.
        method: String,
    },
}

/// How far a call is.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Progress {
    /// So much is done.
    pub progress: f64,
    /// Of so much, if known.
    pub total: Option<f64>,
    /// In words.
    pub message: Option<String>,
    #[serde(rename = "progressToken")]
    token: Option<Value>,
}

/// A log message.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LogMessage {
    /// How grave it is: `debug` to `emergency`.
    #[serde(default)]
    pub level: String,
    /// Which part of the server tells it.
    pub logger: Option<String>,
    /// What it tells.
    #[serde(default)]
    pub data: Value,
}

impl Event {
    /// Reads a notification that came while request `id` ran. Progress of other requests and
    /// notifications that cannot be read are none of its events.
    #[must_use]
    pub fn of(method: String, params: Option<&RawValue>, id: u64) -> Option<Self> {
        let params = params.map_or("{}", RawValue::get);
        match method.as_str() {
            "notifications/progress" => {
                let progress: Progress = serde_json::from_str(params).ok()?;
                let ours = progress.token.as_ref().is_some_and(|token| token == &Value::from(id));
                ours.then_some(Self::Progress(progress))
            }
            "notifications/message" => serde_json::from_str(params).ok().map(Self::Log),
            _ => Some(Self::Other { method }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn a_tool_that_breaks_the_rules_is_left_out_alone() {
        let items = || {
            vec![
                json!({"name": "good", "inputSchema": {"type": "object"}}),
                json!({"title": "nameless"}),
                json!({"name": "bad", "inputSchema": {"properties": {
                    "a": {"type": "number", "x-mcp-header": "A"}}}}),
            ]
        };
        let list = ToolList::of(items(), Era::Modern);
        assert!(list.find("good").is_some());
        let left_out: Vec<_> = list.left_out.iter().map(|tool| tool.name.as_str()).collect();
        assert_eq!(left_out, ["", "bad"]);
        let legacy = ToolList::of(items(), Era::Legacy);
        assert!(legacy.find("bad").is_some(), "the annotation means nothing there");
    }

    #[test]
    fn notifications_become_events() {
        let event = |method: &str, params: Value| {
            Event::of(method.to_owned(), Some(&to_raw_value(&params).expect("json")), 7)
        };
        let progress = event("notifications/progress", json!({"progressToken": 7, "progress": 1}));
        assert!(matches!(progress, Some(Event::Progress(progress)) if progress.total.is_none()));
        let other = event("notifications/progress", json!({"progressToken": "7", "progress": 1}));
        assert_eq!(other, None);
        let log = event("notifications/message", json!({"level": "info", "data": {"a": 1}}));
        assert!(matches!(log, Some(Event::Log(log)) if log.level == "info"));
        let more = event("notifications/tools/list_changed", json!({}));
        assert!(matches!(more, Some(Event::Other { .. })));
    }
}
