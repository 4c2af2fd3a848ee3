//! What a server asks its client, and who answers: a message's method and params in, a result out.
//!
//! ```text
//! elicitation/create      form ─▶ fill_in      url ─▶ visit      ─▶ accept, decline or cancel
//! sampling/createMessage  ─▶ write             ─▶ a text, or refused
//! roots/list              ─▶ roots
//! ```
//!
//! Spec: MCP 2026-07-28 and 2025-11-25 client/{elicitation, sampling, roots}.
//! Invariant: what was not offered (`Abilities`) is never put to the attendant.
//! Not here: how an answer travels (`exchange` posts it, `session` repeats the request with it).

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::client::form::Form;
use crate::client::message::RpcError;
use crate::client::tools::Event;

const METHOD_NOT_FOUND: i64 = -32_601;
const INVALID_PARAMS: i64 = -32_602;
/// The code that the specification of sampling uses for a person who refuses.
pub(crate) const REFUSED: i64 = -1;
/// What stands where a model would be named.
const MODEL: &str = "human";

/// What this client can be asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// To fill in a form.
    pub form: bool,
    /// To send a person to a page.
    pub url: bool,
    /// To write what a model would.
    pub sampling: bool,
    /// To name its roots.
    pub roots: bool,
}

impl Abilities {
    /// The `ClientCapabilities` that say so. Revisions before 2025-11-25 look at `elicitation`
    /// alone, not into it.
    #[must_use]
    pub fn to_json(self) -> Value {
        let mut capabilities = Map::new();
        if self.form || self.url {
            let mut modes = Map::new();
            for (mode, able) in [("form", self.form), ("url", self.url)] {
                if able {
                    modes.insert(mode.to_owned(), json!({}));
                }
            }
            capabilities.insert("elicitation".to_owned(), Value::Object(modes));
        }
        for (capability, able) in [("sampling", self.sampling), ("roots", self.roots)] {
            if able {
                capabilities.insert(capability.to_owned(), json!({}));
            }
        }
        Value::Object(capabilities)
    }
}

/// What became of a question to a person.
#[derive(Clone, Debug, PartialEq)]
pub enum Elicited {
    /// The answer; nothing in it where a page was to be visited.
    Accept(Map<String, Value>),
    /// No.
    Decline,
    /// Neither yes nor no.
    Cancel,
}

/// A page that a person should visit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visit {
    /// Why.
    pub message: String,
    /// Where. Nobody looked at it yet, and nobody may before the person agrees.
    pub url: String,
}

/// A conversation whose next message a model should write.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Sampling {
    /// What the model should be.
    #[serde(rename = "systemPrompt")]
    pub system: Option<String>,
    /// What was said.
    pub messages: Vec<Spoken>,
    /// How long the next message may be.
    #[serde(rename = "maxTokens")]
    pub tokens_max: u64,
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Spoken {
    /// `user` or `assistant`.
    pub role: String,
    /// A content block, or an array of them.
    pub content: Value,
}

impl Spoken {
    /// The content blocks.
    #[must_use]
    pub fn blocks(&self) -> &[Value] {
        match &self.content {
            Value::Array(blocks) => blocks,
            block => std::slice::from_ref(block),
        }
    }
}

/// A folder that the server should keep to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// A `file://` URI.
    pub uri: String,
    /// Its name for people.
    pub name: Option<String>,
}

/// Who watches a request: hears what the server tells, and answers what it asks. A closure hears,
/// and answers nothing.
pub trait Attendant {
    /// Something was told.
    fn on_event(&mut self, event: Event);

    /// A form is to be filled in.
    fn fill_in(&mut self, _form: &Form) -> Elicited {
        Elicited::Cancel
    }

    /// A page is to be visited.
    fn visit(&mut self, _visit: &Visit) -> Elicited {
        Elicited::Cancel
    }

    /// A message is to be written; `None` refuses.
    fn write(&mut self, _sampling: &Sampling) -> Option<String> {
        None
    }

    /// The roots.
    fn roots(&mut self) -> Vec<Root> {
        Vec::new()
    }
}

impl<F: FnMut(Event)> Attendant for F {
    fn on_event(&mut self, event: Event) {
        self(event);
    }
}

/// Puts a request of the server to the attendant.
///
/// # Errors
/// What to tell the server: it asks for what this client did not offer, its question is malformed,
/// or the attendant refused.
pub(super) fn answer(
    method: &str,
    params: Option<&RawValue>,
    abilities: Abilities,
    attendant: &mut dyn Attendant,
) -> Result<Value, RpcError> {
    let params = params.map_or("{}", RawValue::get);
    match method {
        "elicitation/create" if abilities.form || abilities.url => {
            elicit(&parse(params)?, abilities, attendant)
        }
        "sampling/createMessage" if abilities.sampling => sample(params, attendant),
        "roots/list" if abilities.roots => {
            let root = |root: Root| match root.name {
                Some(name) => json!({"uri": root.uri, "name": name}),
                None => json!({"uri": root.uri}),
            };
            let roots: Vec<Value> = attendant.roots().into_iter().map(root).collect();
            Ok(json!({"roots": roots}))
        }
        _ => Err(refusal(METHOD_NOT_FOUND, format!("this client did not offer {method}"))),
    }
}

#[derive(Deserialize)]
struct Elicitation {
    #[serde(default)]
    mode: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default, rename = "requestedSchema")]
    schema: Value,
    url: Option<String>,
}

fn elicit(
    asked: &Elicitation,
    abilities: Abilities,
    attendant: &mut dyn Attendant,
) -> Result<Value, RpcError> {
    let mode = asked.mode.as_deref().unwrap_or("form");
    let elicited = match (mode, &asked.url) {
        ("form", _) if abilities.form => {
            let form = Form::read(&asked.message, &asked.schema)
                .map_err(|fault| refusal(INVALID_PARAMS, fault))?;
            attendant.fill_in(&form)
        }
        ("url", Some(url)) if abilities.url => {
            let visit = Visit { message: asked.message.clone(), url: url.clone() };
            match attendant.visit(&visit) {
                Elicited::Accept(_) => return Ok(json!({"action": "accept"})),
                elicited => elicited,
            }
        }
        ("url", None) => return Err(refusal(INVALID_PARAMS, "url is missing".to_owned())),
        _ => {
            let fault = format!("this client did not offer the mode {mode}");
            return Err(refusal(INVALID_PARAMS, fault));
        }
    };
    Ok(match elicited {
        Elicited::Accept(content) => json!({"action": "accept", "content": content}),
        Elicited::Decline => json!({"action": "decline"}),
        Elicited::Cancel => json!({"action": "cancel"}),
    })
}

fn sample(params: &str, attendant: &mut dyn Attendant) -> Result<Value, RpcError> {
    let asked: Value = parse(params)?;
    if asked.get("tools").is_some() || asked.get("toolChoice").is_some() {
        let fault = "this client did not offer tools in sampling".to_owned();
        return Err(refusal(INVALID_PARAMS, fault));
    }
    let Some(text) = attendant.write(&parse(params)?) else {
        return Err(refusal(REFUSED, "the user refused to sample".to_owned()));
    };
    Ok(json!({"role": "assistant", "content": {"type": "text", "text": text},
        "model": MODEL, "stopReason": "endTurn"}))
}

fn parse<'p, T: Deserialize<'p>>(params: &'p str) -> Result<T, RpcError> {
    serde_json::from_str(params).map_err(|error| refusal(INVALID_PARAMS, error.to_string()))
}

fn refusal(code: i64, message: String) -> RpcError {
    RpcError { code, message, data: None }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    /// Says yes to everything.
    struct Agreeable;

    impl Attendant for Agreeable {
        fn on_event(&mut self, _: Event) {}

        fn fill_in(&mut self, form: &Form) -> Elicited {
            let answer = |field: &crate::client::form::Field| (field.name.clone(), "x".into());
            Elicited::Accept(form.fields.iter().map(answer).collect())
        }

        fn visit(&mut self, _: &Visit) -> Elicited {
            Elicited::Accept(Map::new())
        }

        fn write(&mut self, sampling: &Sampling) -> Option<String> {
            Some(format!("{} messages", sampling.messages.len()))
        }

        fn roots(&mut self) -> Vec<Root> {
            vec![Root { uri: "file:///a".to_owned(), name: Some("a".to_owned()) }]
        }
    }

    const ALL: Abilities = Abilities { form: true, url: true, sampling: true, roots: true };

    fn asked(method: &str, params: &Value, abilities: Abilities) -> Result<Value, i64> {
        let params: Option<Box<RawValue>> = to_raw_value(params).ok();
        answer(method, params.as_deref(), abilities, &mut Agreeable).map_err(|error| error.code)
    }

    #[test]
    fn questions_are_put_to_the_attendant() {
        let schema = json!({"properties": {"a": {"type": "string"}}});
        let said = json!([{"role": "user", "content": {"type": "text", "text": "hi"}}]);
        let table = [
            (
                "elicitation/create",
                json!({"message": "m", "requestedSchema": schema}),
                json!({"action": "accept", "content": {"a": "x"}}),
            ),
            (
                "elicitation/create",
                json!({"mode": "url", "message": "m", "url": "https://h/"}),
                json!({"action": "accept"}),
            ),
            (
                "sampling/createMessage",
                json!({"messages": said, "maxTokens": 5}),
                json!({"role": "assistant", "content": {"type": "text", "text": "1 messages"},
                    "model": "human", "stopReason": "endTurn"}),
            ),
            ("roots/list", json!({}), json!({"roots": [{"uri": "file:///a", "name": "a"}]})),
        ];
        for (method, params, expected) in table {
            assert_eq!(asked(method, &params, ALL), Ok(expected), "{method} {params}");
        }
    }

    #[test]
    fn what_was_not_offered_or_makes_no_sense_is_refused() {
        let none = Abilities::default();
        let forms = Abilities { form: true, ..none };
        let table = [
            ("elicitation/create", json!({"message": "m"}), none, METHOD_NOT_FOUND),
            ("sampling/createMessage", json!({}), none, METHOD_NOT_FOUND),
            ("roots/list", json!({}), forms, METHOD_NOT_FOUND),
            ("tools/list", json!({}), ALL, METHOD_NOT_FOUND),
            ("elicitation/create", json!({"mode": "url", "url": "u"}), forms, INVALID_PARAMS),
            ("elicitation/create", json!({"mode": "url"}), ALL, INVALID_PARAMS),
            ("elicitation/create", json!({"mode": "voice"}), ALL, INVALID_PARAMS),
            ("elicitation/create", json!({"message": 5}), ALL, INVALID_PARAMS),
            ("sampling/createMessage", json!({"maxTokens": 5}), ALL, INVALID_PARAMS),
            (
                "sampling/createMessage",
                json!({"messages": [], "maxTokens": 5, "tools": []}),
                ALL,
                INVALID_PARAMS,
            ),
        ];
        for (method, params, abilities, code) in table {
            assert_eq!(asked(method, &params, abilities), Err(code), "{method} {params}");
        }
        let mut deaf = |_: Event| {};
        let sampling = to_raw_value(&json!({"messages": [], "maxTokens": 5})).expect("json");
        let refused = answer("sampling/createMessage", Some(&sampling), ALL, &mut deaf);
        assert_eq!(refused.map_err(|error| error.code), Err(REFUSED));
    }

    #[test]
    fn abilities_are_declared_as_they_are() {
        let none = Abilities::default();
        let table = [
            (none, json!({})),
            (Abilities { form: true, ..none }, json!({"elicitation": {"form": {}}})),
            (Abilities { roots: true, ..none }, json!({"roots": {}})),
            (ALL, json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}})),
        ];
        for (abilities, expected) in table {
            assert_eq!(abilities.to_json(), expected);
        }
    }
}
