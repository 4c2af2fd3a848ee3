//! Elicitation: what a person is asked, and what the person did.
//!
//! A form asks for plain values, a page for what no form may ask for: passwords, keys, payments.
//! Spec: MCP 2026-07-28 client/elicitation; MCP 2025-11-25 the same with `elicitationId`; MCP
//! 2025-06-18 forms alone, without `mode`.
//! Not here: what a form's schema may say (`form`).

use serde_json::{Value, json};

use super::malformed::Malformed;
use crate::mcp::revision::Rules;

/// The method that asks for it.
pub const METHOD: &str = "elicitation/create";

/// A form whose schema is written by hand.
///
/// ```
/// # use ringlane::Form;
/// # use serde_json::json;
/// let form = Form::new("How hot?", json!({
///     "type": "object",
///     "properties": {"degrees": {"type": "integer", "minimum": 0}},
///     "required": ["degrees"],
/// }));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Form {
    pub(crate) message: String,
    pub(crate) schema: Value,
}

impl Form {
    /// A form with this message above it, and fields as the schema says: a flat object of strings,
    /// numbers, booleans and choices. Revisions before 2025-11-25 know fewer of them: what can be
    /// said in an older way is.
    #[must_use]
    pub fn new(message: impl Into<String>, schema: Value) -> Self {
        Self { message: message.into(), schema }
    }
}

/// What a person did who was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Elicited<T> {
    /// Said this; of a page: agreed to open it, which is not that anything happened there.
    Accepted(T),
    /// Said no.
    Declined,
    /// Turned away without an answer.
    Cancelled,
}

impl<T> Elicited<T> {
    /// What was said, if anything was.
    #[must_use]
    pub fn accepted(self) -> Option<T> {
        if let Self::Accepted(said) = self { Some(said) } else { None }
    }

    /// The same, with what was said turned into something else.
    pub fn map<U>(self, turn: impl FnOnce(T) -> U) -> Elicited<U> {
        match self {
            Self::Accepted(said) => Elicited::Accepted(turn(said)),
            Self::Declined => Elicited::Declined,
            Self::Cancelled => Elicited::Cancelled,
        }
    }

    /// What was done, in the protocol's word: `accept`, `decline` or `cancel`.
    #[must_use]
    pub fn action(&self) -> &'static str {
        match self {
            Self::Accepted(_) => "accept",
            Self::Declined => "decline",
            Self::Cancelled => "cancel",
        }
    }
}

/// The params that ask with a form; the schema is one of this revision.
#[must_use]
pub fn form_params(message: &str, schema: Value, rules: &Rules) -> Value {
    if rules.elicitation_modes {
        json!({"mode": "form", "message": message, "requestedSchema": schema})
    } else {
        json!({"message": message, "requestedSchema": schema})
    }
}

/// The params that send a person to a page; the id is written where the revision has one.
#[must_use]
pub fn url_params(message: &str, url: &str, id: &str, rules: &Rules) -> Value {
    let mut params = json!({"mode": "url", "message": message, "url": url});
    if rules.elicitation_ids {
        params["elicitationId"] = json!(id);
    }
    params
}

/// Reads an `ElicitResult`. An accepted one without content counts as an empty form.
///
/// # Errors
/// The member that is not as it must be.
pub fn read(result: &Value) -> Result<Elicited<Value>, Malformed> {
    if !result.is_object() {
        return Err(Malformed { member: "", rule: "must be an object" });
    }
    match result.get("action").and_then(Value::as_str) {
        Some("accept") => {}
        Some("decline") => return Ok(Elicited::Declined),
        Some("cancel") => return Ok(Elicited::Cancelled),
        _ => {
            let rule = "must be \"accept\", \"decline\" or \"cancel\"";
            return Err(Malformed { member: "action", rule });
        }
    }
    match result.get("content") {
        // Some write what is absent as null.
        None | Some(Value::Null) => Ok(Elicited::Accepted(json!({}))),
        Some(content @ Value::Object(_)) => Ok(Elicited::Accepted(content.clone())),
        Some(_) => Err(Malformed { member: "content", rule: "must be an object" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision::Revision;

    #[test]
    fn the_mode_and_the_id_are_written_where_the_revision_has_them() {
        let form = |revision: Revision| form_params("m", json!({}), revision.rules());
        let plain = json!({"message": "m", "requestedSchema": {}});
        assert_eq!(form(Revision::V2025_06_18), plain);
        let moded = json!({"mode": "form", "message": "m", "requestedSchema": {}});
        assert_eq!(form(Revision::V2025_11_25), moded);
        assert_eq!(form(Revision::V2026_07_28), moded);
        let url = |revision: Revision| url_params("m", "https://a", "7", revision.rules());
        let mut page = json!({"mode": "url", "message": "m", "url": "https://a"});
        assert_eq!(url(Revision::V2026_07_28), page);
        page["elicitationId"] = json!("7");
        assert_eq!(url(Revision::V2025_11_25), page);
    }

    #[test]
    fn answers_are_read_or_their_fault_is_named() {
        let accepted = read(&json!({"action": "accept", "content": {"a": 1}}));
        assert_eq!(accepted, Ok(Elicited::Accepted(json!({"a": 1}))));
        assert_eq!(read(&json!({"action": "accept"})), Ok(Elicited::Accepted(json!({}))));
        let declined = read(&json!({"action": "decline", "content": 7}));
        assert_eq!(declined.map(|said| said.action()), Ok("decline"));
        assert_eq!(read(&json!({"action": "cancel"})).map(Elicited::accepted), Ok(None));
        for (result, member) in [
            (json!(12345), ""),
            (json!({}), "action"),
            (json!({"action": "Accept"}), "action"),
            (json!({"action": "accept", "content": []}), "content"),
        ] {
            assert_eq!(read(&result).map_err(|error| error.member), Err(member), "{result}");
        }
    }
}
