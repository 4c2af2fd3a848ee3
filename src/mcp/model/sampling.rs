//! Sampling: what a client's model is asked, and what it said.
//!
//! Each revision is written what it knows: before 2025-11-25 a message has one block, so that
//! several become several messages.
//! Spec: MCP 2026-07-28 client/sampling (deprecated there); MCP 2025-11-25, and 2024-11-05 without
//! tools. `includeContext` is left out: the specification advises against it.

use serde_json::{Map, Value, json};

use super::annotations::Role;
use super::content::Content;
use super::malformed::Malformed;
use crate::mcp::revision::Rules;

/// The method that asks for it.
pub const METHOD: &str = "sampling/createMessage";

/// A question to the client's model. The client may change all of it but `max_tokens`, and a person
/// may refuse it.
///
/// ```
/// # use ringlane::{Content, Role, Sampling};
/// let question = Sampling::user("Name a colour.").max_tokens(20).system("Answer in one word.");
/// let further = question.and(Role::Assistant, Content::text("Red")).user_says("Another.");
/// ```
#[derive(Clone, Debug)]
pub struct Sampling {
    turns: Vec<Turn>,
    max_tokens: u32,
    tools: Vec<Value>,
    /// The other members, as every revision writes them.
    members: Map<String, Value>,
    preferences: Map<String, Value>,
}

#[derive(Clone, Debug)]
struct Turn {
    role: Role,
    blocks: Vec<Block>,
}

#[derive(Clone, Debug)]
enum Block {
    Content(Box<Content>),
    Json(Value),
}

/// Whether the model that is asked must use a tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// As it likes.
    Auto,
    /// It must.
    Required,
    /// It must not.
    None,
}

/// What the model said.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampled {
    /// Whose words they are; the model's, usually.
    pub role: Role,
    /// The blocks, as they came.
    pub content: Vec<Value>,
    /// The name of the model.
    pub model: String,
    /// Why it stopped: `endTurn`, `stopSequence`, `maxTokens`, `toolUse` or its maker's word.
    pub stop_reason: Option<String>,
}

/// How many tokens an answer may have unless a question says otherwise.
const MAX_TOKENS: u32 = 1000;

impl Sampling {
    /// A question in words, to be answered in up to 1000 tokens.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        let asked = Self {
            turns: Vec::new(),
            max_tokens: MAX_TOKENS,
            tools: Vec::new(),
            members: Map::new(),
            preferences: Map::new(),
        };
        asked.user_says(text)
    }

    /// The same conversation with one more turn of the user's.
    #[must_use]
    pub fn user_says(self, text: impl Into<String>) -> Self {
        self.and(Role::User, Content::text(text))
    }

    /// The same conversation with one more block: text, a picture or sound. A block of the same
    /// role as the one before belongs to the same message.
    #[must_use]
    pub fn and(self, role: Role, content: Content) -> Self {
        self.with_block(role, Block::Content(Box::new(content)))
    }

    /// The same conversation with one more block as JSON: a `tool_use` that the model said, or the
    /// `tool_result` that answers it.
    #[must_use]
    pub fn and_json(self, role: Role, block: Value) -> Self {
        self.with_block(role, Block::Json(block))
    }

    fn with_block(mut self, role: Role, block: Block) -> Self {
        match self.turns.last_mut().filter(|turn| turn.role == role) {
            Some(turn) => turn.blocks.push(block),
            None => self.turns.push(Turn { role, blocks: vec![block] }),
        }
        self
    }

    /// How many tokens the answer may have.
    #[must_use]
    pub fn max_tokens(mut self, count: u32) -> Self {
        self.max_tokens = count;
        self
    }

    /// What the model is told before the conversation.
    #[must_use]
    pub fn system(self, prompt: impl Into<String>) -> Self {
        self.with("systemPrompt", json!(prompt.into()))
    }

    /// How free the model is.
    #[must_use]
    pub fn temperature(self, temperature: f64) -> Self {
        self.with("temperature", json!(temperature))
    }

    /// Text at which the model stops.
    #[must_use]
    pub fn stop_at(mut self, text: impl Into<String>) -> Self {
        let sequences = self.members.entry("stopSequences").or_insert_with(|| json!([]));
        if let Value::Array(sequences) = sequences {
            sequences.push(json!(text.into()));
        }
        self
    }

    /// What the maker of the model is told besides, as the maker defines it.
    #[must_use]
    pub fn metadata(self, metadata: Map<String, Value>) -> Self {
        self.with("metadata", metadata.into())
    }

    /// A name, or part of one, of a model that would do; the first hint counts most.
    #[must_use]
    pub fn hint(mut self, name: impl Into<String>) -> Self {
        let hints = self.preferences.entry("hints").or_insert_with(|| json!([]));
        if let Value::Array(hints) = hints {
            hints.push(json!({ "name": name.into() }));
        }
        self
    }

    /// How much it matters that the answer is cheap, quick and good, each from 0 to 1.
    #[must_use]
    pub fn priorities(mut self, cost: f64, speed: f64, intelligence: f64) -> Self {
        for (name, priority) in [
            ("costPriority", cost),
            ("speedPriority", speed),
            ("intelligencePriority", intelligence),
        ] {
            self.preferences.insert(name.to_owned(), json!(priority.clamp(0.0, 1.0)));
        }
        self
    }

    /// A tool that the model may use; the client must have declared `sampling.tools`. Since
    /// 2025-11-25.
    #[must_use]
    pub fn tool(
        mut self,
        name: impl Into<String>,
        description: impl Into<String>,
        input_schema: Value,
    ) -> Self {
        let (name, description) = (name.into(), description.into());
        let tool = json!({"name": name, "description": description, "inputSchema": input_schema});
        self.tools.push(tool);
        self
    }

    /// Whether it must use one. Without tools this is left out.
    #[must_use]
    pub fn tool_choice(self, choice: ToolChoice) -> Self {
        let mode = match choice {
            ToolChoice::Auto => "auto",
            ToolChoice::Required => "required",
            ToolChoice::None => "none",
        };
        self.with("toolChoice", json!({ "mode": mode }))
    }

    /// Whether the model is given tools.
    #[must_use]
    pub fn has_tools(&self) -> bool {
        !self.tools.is_empty()
    }

    fn with(mut self, member: &str, value: Value) -> Self {
        self.members.insert(member.to_owned(), value);
        self
    }

    /// The params that ask for it, as a revision writes them.
    #[must_use]
    pub fn params(&self, rules: &Rules) -> Value {
        let mut params = Map::new();
        let messages: Vec<_> = self.turns.iter().flat_map(|turn| turn.messages(rules)).collect();
        params.insert("messages".to_owned(), messages.into());
        params.insert("maxTokens".to_owned(), json!(self.max_tokens));
        if !self.preferences.is_empty() {
            params.insert("modelPreferences".to_owned(), json!(self.preferences));
        }
        let with_tools = rules.sampling_tools && self.has_tools();
        for (member, value) in &self.members {
            if with_tools || member != "toolChoice" {
                params.insert(member.clone(), value.clone());
            }
        }
        if with_tools {
            params.insert("tools".to_owned(), json!(self.tools));
        }
        params.into()
    }
}

impl Turn {
    fn messages(&self, rules: &Rules) -> Vec<Value> {
        let role = self.role;
        let mut blocks: Vec<_> = self.blocks.iter().map(|block| block.to_json(rules)).collect();
        if rules.sampling_tools && blocks.len() > 1 {
            return vec![json!({"role": role, "content": blocks})];
        }
        blocks.drain(..).map(|block| json!({"role": role, "content": block})).collect()
    }
}

impl Block {
    fn to_json(&self, rules: &Rules) -> Value {
        match self {
            Self::Content(content) => {
                let mut out = Vec::new();
                content.encode(&mut out, rules);
                // What it writes is JSON.
                as_said(serde_json::from_slice(&out).unwrap_or_default())
            }
            Self::Json(block) => block.clone(),
        }
    }
}

/// A block as a model can be told it: resources are none of what a sampling message holds (MCP
/// schema, `SamplingMessage`), so their text takes their place, or their address.
fn as_said(block: Value) -> Value {
    let text = match block["type"].as_str() {
        Some("resource") => {
            let resource = &block["resource"];
            resource["text"].as_str().or_else(|| resource["uri"].as_str()).unwrap_or_default()
        }
        Some("resource_link") => block["uri"].as_str().unwrap_or_default(),
        _ => return block,
    };
    json!({"type": "text", "text": text})
}

impl Sampled {
    /// Reads a `CreateMessageResult`.
    ///
    /// # Errors
    /// The member that is not as it must be.
    pub fn read(result: &Value) -> Result<Self, Malformed> {
        if !result.is_object() {
            return Err(Malformed { member: "", rule: "must be an object" });
        }
        let role = match result.get("role").and_then(Value::as_str) {
            Some("assistant") => Role::Assistant,
            Some("user") => Role::User,
            _ => {
                return Err(Malformed {
                    member: "role",
                    rule: "must be \"assistant\" or \"user\"",
                });
            }
        };
        let content = match result.get("content") {
            Some(block @ Value::Object(_)) => vec![block.clone()],
            Some(Value::Array(blocks)) if blocks.iter().all(Value::is_object) => blocks.clone(),
            _ => {
                let rule = "must be a block of content or an array of them";
                return Err(Malformed { member: "content", rule });
            }
        };
        let Some(model) = result.get("model").and_then(Value::as_str) else {
            return Err(Malformed { member: "model", rule: "must be a string" });
        };
        let stop_reason = result.get("stopReason").and_then(Value::as_str).map(str::to_owned);
        Ok(Self { role, content, model: model.to_owned(), stop_reason })
    }

    /// What was said in words: the text of all text blocks, one a line.
    #[must_use]
    pub fn text(&self) -> String {
        let texts = self.content.iter().filter(|block| block["type"] == "text");
        texts.filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision::Revision;

    #[test]
    fn a_question_is_written_as_each_revision_knows_it() {
        let plain = Sampling::user("hi").max_tokens(5).tool_choice(ToolChoice::Auto);
        let message = json!({"role": "user", "content": {"type": "text", "text": "hi"}});
        for revision in Revision::ALL {
            let expected = json!({"messages": [message], "maxTokens": 5});
            assert_eq!(plain.params(revision.rules()), expected, "{revision}");
        }
        let rich = Sampling::user("a")
            .user_says("b")
            .and_json(Role::Assistant, json!({"type": "tool_use", "id": "1"}))
            .system("s")
            .temperature(0.5)
            .stop_at("x")
            .hint("big")
            .priorities(0.0, 2.0, 0.5)
            .metadata(Map::new())
            .tool("t", "d", json!({"type": "object"}))
            .tool_choice(ToolChoice::Required);
        let newest = rich.params(Revision::V2026_07_28.rules());
        assert_eq!(newest["messages"][0]["content"][1]["text"], "b");
        assert_eq!(newest["messages"][1]["content"]["type"], "tool_use");
        assert_eq!(newest["modelPreferences"]["speedPriority"], 1.0);
        assert_eq!(newest["modelPreferences"]["hints"], json!([{"name": "big"}]));
        assert_eq!(newest["toolChoice"], json!({"mode": "required"}));
        assert_eq!(newest["tools"][0]["inputSchema"], json!({"type": "object"}));
        let older = rich.params(Revision::V2025_06_18.rules());
        assert_eq!(older["messages"].as_array().map(Vec::len), Some(3));
        assert_eq!((older.get("tools"), older.get("toolChoice")), (None, None));
        assert_eq!((&older["systemPrompt"], &older["stopSequences"]), (&json!("s"), &json!(["x"])));
    }

    #[test]
    fn what_was_said_is_read_or_its_fault_is_named() {
        let text = json!({"type": "text", "text": "Paris"});
        let mut result = json!({"role": "assistant", "content": text, "model": "m"});
        assert_eq!(Sampled::read(&result).map(|said| said.text()), Ok("Paris".to_owned()));
        result["content"] = json!([text, {"type": "image"}, text]);
        result["stopReason"] = json!("endTurn");
        let said = Sampled::read(&result).expect("a result");
        assert_eq!(
            (said.text().as_str(), said.stop_reason.as_deref()),
            ("Paris\nParis", Some("endTurn"))
        );
        for (member, value) in
            [("role", json!("robot")), ("content", json!("text")), ("model", json!(null))]
        {
            let mut wrong = result.clone();
            wrong[member] = value;
            assert_eq!(Sampled::read(&wrong).map_err(|error| error.member), Err(member));
        }
        assert_eq!(Sampled::read(&json!("Paris")).map_err(|error| error.member), Err(""));
    }
}
