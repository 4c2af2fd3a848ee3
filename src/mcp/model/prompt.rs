//! How a prompt is listed, and the messages that it becomes.
//!
//! Spec: MCP 2026-07-28 server/prompts, schema `Prompt`, `PromptArgument`, `PromptMessage`.

use serde_json::{Map, Value, json};

use super::annotations::Role;
use super::content::Content;
use super::icon::Icon;
use crate::jsonrpc::encode;
use crate::mcp::revision::Rules;

/// What a client is told about a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptDefinition {
    /// What it is called by: 1 to 128 of `A-Z a-z 0-9 _ - .`
    pub name: String,
    /// What it is called for people. Since 2025-06-18.
    pub title: Option<String>,
    /// What it is for.
    pub description: String,
    /// What it takes.
    pub arguments: Vec<PromptArgument>,
    /// Pictures. Since 2025-11-25.
    pub icons: Vec<Icon>,
    /// `_meta`. Since 2025-06-18.
    pub meta: Map<String, Value>,
}

/// An argument of a prompt; its value is text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PromptArgument {
    /// Its name for programs.
    pub name: String,
    /// Its name for people. Since 2025-06-18.
    pub title: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Whether it must be given.
    pub required: bool,
}

impl PromptDefinition {
    /// The prompt as a revision lists it.
    #[must_use]
    pub fn to_json(&self, rules: &Rules) -> Value {
        let mut members = Map::new();
        let mut insert = |name: &str, value: Value| members.insert(name.to_owned(), value);
        insert("name", json!(self.name));
        if let Some(title) = self.title.as_ref().filter(|_| rules.titles) {
            insert("title", json!(title));
        }
        insert("description", json!(self.description));
        if !self.arguments.is_empty() {
            let arguments = self.arguments.iter().map(|argument| argument.to_json(rules));
            insert("arguments", arguments.collect());
        }
        if rules.icons && !self.icons.is_empty() {
            insert("icons", json!(self.icons));
        }
        if rules.block_meta && !self.meta.is_empty() {
            insert("_meta", json!(self.meta));
        }
        members.into()
    }
}

impl PromptArgument {
    fn to_json(&self, rules: &Rules) -> Value {
        let mut members = Map::from_iter([("name".to_owned(), json!(self.name))]);
        if let Some(title) = self.title.as_ref().filter(|_| rules.titles) {
            members.insert("title".to_owned(), json!(title));
        }
        if let Some(description) = &self.description {
            members.insert("description".to_owned(), json!(description));
        }
        members.insert("required".to_owned(), json!(self.required));
        members.into()
    }
}

/// What one side says.
#[derive(Clone, Debug, PartialEq)]
pub struct PromptMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: Content,
}

/// What a prompt becomes: messages in order, and in a few words what they are for.
///
/// ```
/// # use ringlane::PromptMessages;
/// let messages = PromptMessages::new()
///     .user("Is this sentence right?")
///     .assistant("Which one?")
///     .description("A conversation about grammar");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PromptMessages {
    description: Option<String>,
    messages: Vec<PromptMessage>,
}

impl PromptMessages {
    /// No messages yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same messages, and then one from the person.
    #[must_use]
    pub fn user(mut self, content: impl Into<Content>) -> Self {
        self.messages.push(PromptMessage { role: Role::User, content: content.into() });
        self
    }

    /// The same messages, and then one from the model.
    #[must_use]
    pub fn assistant(mut self, content: impl Into<Content>) -> Self {
        self.messages.push(PromptMessage { role: Role::Assistant, content: content.into() });
        self
    }

    /// The same messages, and what they are for.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Writes the members of a `prompts/get` result as a revision knows them.
    pub fn encode(&self, out: &mut Vec<u8>, rules: &Rules) {
        if let Some(description) = &self.description {
            out.extend_from_slice(br#""description":"#);
            encode::string(out, description);
            out.push(b',');
        }
        out.extend_from_slice(br#""messages":["#);
        for (index, message) in self.messages.iter().enumerate() {
            encode::comma_unless_first(out, index);
            out.extend_from_slice(br#"{"role":"#);
            encode::serialize(out, &message.role);
            out.extend_from_slice(br#","content":"#);
            message.content.encode(out, rules);
            out.push(b'}');
        }
        out.push(b']');
    }
}

impl From<Vec<PromptMessage>> for PromptMessages {
    fn from(messages: Vec<PromptMessage>) -> Self {
        Self { description: None, messages }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision::Revision;

    #[test]
    fn titles_and_pictures_are_for_those_who_know_them() {
        let prompt = PromptDefinition {
            name: "p".to_owned(),
            title: Some("P".to_owned()),
            description: "d".to_owned(),
            arguments: vec![PromptArgument {
                name: "a".to_owned(),
                title: Some("A".to_owned()),
                description: Some("d".to_owned()),
                required: true,
            }],
            icons: vec![Icon::new("https://example.com/i.png")],
            meta: Map::from_iter([("example.com/k".to_owned(), json!(1))]),
        };
        let old = json!({"name": "p", "description": "d",
            "arguments": [{"name": "a", "description": "d", "required": true}]});
        assert_eq!(prompt.to_json(Revision::V2025_03_26.rules()), old);
        let mut titled = json!({"name": "p", "title": "P", "description": "d", "arguments":
            [{"name": "a", "title": "A", "description": "d", "required": true}]});
        titled["_meta"] = json!({"example.com/k": 1});
        assert_eq!(prompt.to_json(Revision::V2025_06_18.rules()), titled);
        titled["icons"] = json!([{"src": "https://example.com/i.png"}]);
        assert_eq!(prompt.to_json(Revision::V2026_07_28.rules()), titled);
    }

    #[test]
    fn messages_are_written_as_the_revision_knows_their_content() {
        let messages = PromptMessages::new()
            .user("hear")
            .assistant(Content::audio(b"RIFF", "audio/wav"))
            .description("d");
        let written = |revision: Revision| {
            let mut out = b"{".to_vec();
            messages.encode(&mut out, revision.rules());
            out.push(b'}');
            serde_json::from_slice::<Value>(&out).expect("JSON")
        };
        let new = written(Revision::V2026_07_28);
        assert_eq!(new["description"], "d");
        let hear = json!({"role": "user", "content": {"type": "text", "text": "hear"}});
        assert_eq!(new["messages"][0], hear);
        assert_eq!(new["messages"][1]["role"], "assistant");
        assert_eq!(new["messages"][1]["content"]["type"], "audio");
        let old = written(Revision::V2024_11_05);
        assert_eq!(old["messages"][1]["content"]["type"], "resource");
    }
}
