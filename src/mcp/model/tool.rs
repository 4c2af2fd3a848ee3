//! How a tool is listed.
//!
//! Schemas pass through as they are, every keyword kept. Spec: MCP 2026-07-28 server/tools.

use serde_json::{Map, Value, json};

use super::annotations::ToolAnnotations;
use super::icon::Icon;
use crate::mcp::revision::{Rules, Structured};

/// What a client is told about a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolDefinition {
    /// What it is called by: 1 to 128 of `A-Z a-z 0-9 _ - .`
    pub name: String,
    /// What it is called for people. Since 2025-06-18.
    pub title: Option<String>,
    /// What it does, for the model.
    pub description: String,
    /// What it takes: a JSON Schema whose root has `type: "object"`.
    pub input_schema: Value,
    /// What its structured content is. Since 2025-06-18; before 2026-07-28 objects alone.
    pub output_schema: Option<Value>,
    /// Hints. Since 2025-03-26.
    pub annotations: Option<ToolAnnotations>,
    /// Pictures. Since 2025-11-25.
    pub icons: Vec<Icon>,
    /// `_meta`. Since 2025-06-18.
    pub meta: Map<String, Value>,
}

impl ToolDefinition {
    /// The tool as a revision lists it.
    #[must_use]
    pub fn to_json(&self, rules: &Rules) -> Value {
        let mut members = Map::new();
        let mut insert = |name: &str, value: Value| members.insert(name.to_owned(), value);
        insert("name", json!(self.name));
        if let Some(title) = self.title.as_ref().filter(|_| rules.titles) {
            insert("title", json!(title));
        }
        insert("description", json!(self.description));
        insert("inputSchema", self.input_schema.clone());
        if let Some(schema) = self.output_schema.as_ref().filter(|_| self.is_structured(rules)) {
            insert("outputSchema", schema.clone());
        }
        if let Some(annotations) = self.annotations.as_ref().filter(|_| rules.tool_annotations) {
            insert("annotations", json!(annotations));
        }
        if rules.icons && !self.icons.is_empty() {
            insert("icons", json!(self.icons));
        }
        if rules.block_meta && !self.meta.is_empty() {
            insert("_meta", json!(self.meta));
        }
        members.into()
    }

    /// Whether results of this tool carry structured content in this revision.
    #[must_use]
    pub fn is_structured(&self, rules: &Rules) -> bool {
        match rules.structured {
            Structured::Absent => false,
            Structured::Object => self.output_schema.as_ref().is_some_and(is_object_schema),
            Structured::Any => self.output_schema.is_some(),
        }
    }
}

fn is_object_schema(schema: &Value) -> bool {
    schema.get("type").and_then(Value::as_str) == Some("object")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision::Revision;

    #[test]
    fn each_revision_is_shown_what_it_knows() {
        let tool = ToolDefinition {
            name: "t".to_owned(),
            title: Some("T".to_owned()),
            description: "d".to_owned(),
            input_schema: json!({"type": "object"}),
            output_schema: Some(json!({"type": "number"})),
            annotations: Some(ToolAnnotations {
                read_only_hint: Some(true),
                ..ToolAnnotations::default()
            }),
            icons: vec![Icon::new("https://example.com/i.png")],
            meta: Map::from_iter([("example.com/k".to_owned(), json!(1))]),
        };
        let listed = |revision: Revision| {
            let json = tool.to_json(revision.rules());
            json.as_object().expect("object").keys().cloned().collect::<Vec<_>>().join(" ")
        };
        let common = "name description inputSchema";
        assert_eq!(listed(Revision::V2024_11_05), common);
        assert_eq!(listed(Revision::V2025_03_26), format!("{common} annotations"));
        let titled = "name title description inputSchema";
        assert_eq!(listed(Revision::V2025_06_18), format!("{titled} annotations _meta"));
        assert_eq!(listed(Revision::V2025_11_25), format!("{titled} annotations icons _meta"));
        let modern = format!("{titled} outputSchema annotations icons _meta");
        assert_eq!(listed(Revision::V2026_07_28), modern);
    }
}
