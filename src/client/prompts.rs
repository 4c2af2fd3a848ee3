//! Prompts as a client gets them: a result as text in, messages out.
//!
//! Spec: MCP 2026-07-28 server/prompts, `GetPromptResult`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::client::question::Spoken;

/// What getting a prompt gave.
#[derive(Clone, Debug)]
pub struct PromptResult {
    /// The result object, as written.
    pub raw: Box<RawValue>,
    /// The messages.
    pub messages: Vec<Spoken>,
}

impl PromptResult {
    /// Reads a result.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(raw: Box<RawValue>) -> Result<Self, String> {
        let members: Members =
            serde_json::from_str(raw.get()).map_err(|error| error.to_string())?;
        Ok(Self { raw, messages: members.messages })
    }
}

#[derive(Deserialize)]
struct Members {
    messages: Vec<Spoken>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn messages_have_roles_and_blocks() {
        let read = |result| PromptResult::parse(to_raw_value(&result).expect("json"));
        let result = read(json!({"messages": [
            {"role": "user", "content": {"type": "text", "text": "a"}}]}));
        let result = result.expect("messages");
        assert_eq!(result.messages[0].role, "user");
        assert_eq!(result.messages[0].blocks()[0]["text"], "a");
        read(json!({"messages": [{"content": 5}]})).expect_err("no role");
    }
}
