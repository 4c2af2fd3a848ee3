//! How a resource, or a template of resources, is listed.
//!
//! Spec: MCP 2026-07-28 server/resources, schema `Resource` and `ResourceTemplate`. What a resource
//! holds is `content`'s.

use serde_json::{Map, Value, json};

use super::annotations::Annotations;
use super::icon::Icon;
use crate::mcp::revision::Rules;

/// What a client is told about a resource or a template.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceDefinition {
    /// Where it is.
    pub address: Address,
    /// What it is called by programs.
    pub name: String,
    /// What it is called for people. Since 2025-06-18.
    pub title: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
    /// Its size before any encoding, in bytes. A template has none.
    pub size_bytes: Option<u64>,
    /// Whom it is for.
    pub annotations: Option<Annotations>,
    /// Pictures. Since 2025-11-25.
    pub icons: Vec<Icon>,
    /// `_meta`. Since 2025-06-18.
    pub meta: Map<String, Value>,
}

/// Where a resource is, or where those of a template are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// At one URI.
    Uri(String),
    /// At any URI that this template of RFC 6570 gives.
    Template(String),
}

impl ResourceDefinition {
    /// A definition that says no more than it must.
    #[must_use]
    pub fn new(address: Address, name: String) -> Self {
        Self {
            address,
            name,
            title: None,
            description: None,
            mime_type: None,
            size_bytes: None,
            annotations: None,
            icons: Vec::new(),
            meta: Map::new(),
        }
    }

    /// Its URI or template.
    #[must_use]
    pub fn address(&self) -> &str {
        match &self.address {
            Address::Uri(text) | Address::Template(text) => text,
        }
    }

    /// The resource as a revision lists it.
    #[must_use]
    pub fn to_json(&self, rules: &Rules) -> Value {
        let mut members = Map::new();
        let mut insert = |name: &str, value: Value| members.insert(name.to_owned(), value);
        match &self.address {
            Address::Uri(uri) => insert("uri", json!(uri)),
            Address::Template(template) => insert("uriTemplate", json!(template)),
        };
        insert("name", json!(self.name));
        if let Some(title) = self.title.as_ref().filter(|_| rules.titles) {
            insert("title", json!(title));
        }
        for (member, value) in [("description", &self.description), ("mimeType", &self.mime_type)] {
            if let Some(value) = value {
                insert(member, json!(value));
            }
        }
        if let Some(size) = self.size_bytes {
            insert("size", json!(size));
        }
        if let Some(annotations) = &self.annotations {
            insert("annotations", annotations.to_json(rules));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision::Revision;

    #[test]
    fn each_revision_is_shown_what_it_knows() {
        let resource = ResourceDefinition {
            title: Some("T".to_owned()),
            description: Some("d".to_owned()),
            mime_type: Some("text/plain".to_owned()),
            size_bytes: Some(7),
            annotations: Some(Annotations {
                priority: Some(1.0),
                last_modified: Some("2026-01-01T00:00:00Z".to_owned()),
                ..Annotations::default()
            }),
            icons: vec![Icon::new("https://example.com/i.png")],
            meta: Map::from_iter([("example.com/k".to_owned(), json!(1))]),
            ..ResourceDefinition::new(Address::Uri("test://r".to_owned()), "r".to_owned())
        };
        let listed = |revision: Revision| {
            let json = resource.to_json(revision.rules());
            let annotations = json["annotations"].as_object().expect("object").len();
            let names = json.as_object().expect("object").keys().cloned().collect::<Vec<_>>();
            format!("{} {annotations}", names.join(" "))
        };
        let old = "uri name description mimeType size annotations 1";
        assert_eq!(listed(Revision::V2024_11_05), old);
        assert_eq!(listed(Revision::V2025_03_26), old);
        let titled = "uri name title description mimeType size annotations";
        assert_eq!(listed(Revision::V2025_06_18), format!("{titled} _meta 2"));
        assert_eq!(listed(Revision::V2025_11_25), format!("{titled} icons _meta 2"));
        assert_eq!(listed(Revision::V2026_07_28), format!("{titled} icons _meta 2"));
    }
}
