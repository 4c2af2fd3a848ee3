//! Hints: of a tool about what it does, of content about whom it is for.
//!
//! Spec: MCP 2025-11-25 schema `ToolAnnotations` and `Annotations`. Clients must not trust them.

use serde::Serialize;

use crate::mcp::revision::Rules;

/// What a tool says about its behaviour. Since 2025-03-26. A hint that is not given has the
/// protocol's default: not read-only, destructive, not idempotent, open world.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolAnnotations {
    /// A name for people, older than the tool's own `title`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// It may destroy something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// Calling it twice is calling it once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// It reaches beyond this server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}

/// Whom a piece of content is for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// For whom.
    pub audience: Vec<Role>,
    /// How much it matters, from 0 to 1.
    pub priority: Option<f64>,
    /// When it last changed, ISO 8601. Since 2025-06-18.
    pub last_modified: Option<String>,
}

/// A side of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Annotations {
    /// The annotations as a revision writes them.
    #[must_use]
    pub fn to_json(&self, rules: &Rules) -> serde_json::Value {
        let mut members = serde_json::Map::new();
        if !self.audience.is_empty() {
            members.insert("audience".to_owned(), serde_json::json!(self.audience));
        }
        if let Some(priority) = self.priority {
            members.insert("priority".to_owned(), priority.into());
        }
        if let Some(moment) = self.last_modified.as_ref().filter(|_| rules.last_modified) {
            members.insert("lastModified".to_owned(), moment.clone().into());
        }
        members.into()
    }
}
