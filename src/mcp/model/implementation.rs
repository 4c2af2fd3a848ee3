//! Who a server or client is.

use serde_json::{Map, Value, json};

use super::icon::Icon;
use crate::mcp::revision::Rules;

/// Name and version of a program, and what else describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Implementation {
    /// Its name for programs.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its name for people. Since 2025-06-18.
    pub title: Option<String>,
    /// What it is. Since 2025-11-25.
    pub description: Option<String>,
    /// Its home. Since 2025-11-25.
    pub website_url: Option<String>,
    /// Its pictures. Since 2025-11-25.
    pub icons: Vec<Icon>,
}

impl Implementation {
    /// The implementation as a revision writes it.
    #[must_use]
    pub fn to_json(&self, rules: &Rules) -> Value {
        let mut members = Map::new();
        members.insert("name".to_owned(), json!(self.name));
        if let Some(title) = self.title.as_ref().filter(|_| rules.titles) {
            members.insert("title".to_owned(), json!(title));
        }
        members.insert("version".to_owned(), json!(self.version));
        if rules.implementation_details {
            for (member, value) in
                [("description", &self.description), ("websiteUrl", &self.website_url)]
            {
                if let Some(value) = value {
                    members.insert(member.to_owned(), json!(value));
                }
            }
        }
        if rules.icons && !self.icons.is_empty() {
            members.insert("icons".to_owned(), json!(self.icons));
        }
        members.into()
    }
}
