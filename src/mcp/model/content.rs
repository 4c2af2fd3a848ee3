//! What a tool gives back and a prompt says: blocks of text, pictures, sound and resources.
//!
//! Each revision is written the types that it knows: what came later is turned into the nearest
//! older form, because an old client validates the union of types and would refuse the whole
//! result.
//! Spec: MCP 2026-07-28 schema `ContentBlock`; base64 is RFC 4648 §4.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::annotations::Annotations;
use crate::jsonrpc::encode;
use crate::mcp::revision::Rules;

/// One block of content.
#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    kind: Kind,
    annotations: Option<Annotations>,
    meta: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Text(String),
    Image { data: String, mime_type: String },
    Audio { data: String, mime_type: String },
    // Boxed, since text and pictures would be as large as these otherwise.
    Resource(Box<ResourceContents>),
    ResourceLink(Box<ResourceLink>),
}

/// The contents of a resource, embedded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceContents {
    /// Its address.
    pub uri: String,
    /// Its media type.
    pub mime_type: Option<String>,
    /// What it holds.
    pub body: ResourceBody,
    /// `_meta`. Since 2025-06-18.
    pub meta: Map<String, Value>,
}

/// What a resource holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResourceBody {
    /// Text.
    Text(String),
    /// Bytes, as they are; they travel in base64.
    Blob(Vec<u8>),
}

/// A resource that the client may read for itself. Since 2025-06-18.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceLink {
    /// Its address.
    pub uri: String,
    /// Its name for programs.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it is.
    pub description: Option<String>,
    /// Its media type.
    pub mime_type: Option<String>,
    /// Its size before any encoding, in bytes.
    pub size_bytes: Option<u64>,
}

impl Content {
    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::of(Kind::Text(text.into()))
    }

    /// A picture from its bytes.
    #[must_use]
    pub fn image(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self::of(Kind::Image { data: STANDARD.encode(bytes), mime_type: mime_type.into() })
    }

    /// Sound from its bytes. Since 2025-03-26; an older client is given an embedded resource.
    #[must_use]
    pub fn audio(bytes: &[u8], mime_type: impl Into<String>) -> Self {
        Self::of(Kind::Audio { data: STANDARD.encode(bytes), mime_type: mime_type.into() })
    }

    /// A resource, with its contents.
    #[must_use]
    pub fn resource(contents: ResourceContents) -> Self {
        Self::of(Kind::Resource(Box::new(contents)))
    }

    /// A resource, by its address. Since 2025-06-18; an older client is given a line of text.
    #[must_use]
    pub fn resource_link(link: ResourceLink) -> Self {
        Self::of(Kind::ResourceLink(Box::new(link)))
    }

    /// The same block with annotations.
    #[must_use]
    pub fn annotated(mut self, annotations: Annotations) -> Self {
        self.annotations = Some(annotations);
        self
    }

    /// The same block with a member in its `_meta`. Since 2025-06-18.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: Value) -> Self {
        self.meta.insert(key.into(), value);
        self
    }

    /// The text, if the block is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Kind::Text(text) = &self.kind { Some(text) } else { None }
    }

    fn of(kind: Kind) -> Self {
        Self { kind, annotations: None, meta: Map::new() }
    }

    /// Writes the block as a revision knows it.
    pub fn encode(&self, out: &mut Vec<u8>, rules: &Rules) {
        self.encode_kind(out, rules);
        if let Some(annotations) = &self.annotations {
            out.extend_from_slice(br#","annotations":"#);
            encode::serialize(out, &annotations.to_json(rules));
        }
        if rules.block_meta && !self.meta.is_empty() {
            out.extend_from_slice(br#","_meta":"#);
            encode::serialize(out, &self.meta);
        }
        out.push(b'}');
    }

    /// Everything but the members that all kinds share, and the closing brace.
    fn encode_kind(&self, out: &mut Vec<u8>, rules: &Rules) {
        match &self.kind {
            Kind::Text(text) => encode_text_open(out, text),
            Kind::Image { data, mime_type } => encode_media(out, "image", data, mime_type),
            Kind::Audio { data, mime_type } if rules.audio => {
                encode_media(out, "audio", data, mime_type);
            }
            Kind::Audio { data, mime_type } => {
                let resource = json!({"uri": "data:audio", "mimeType": mime_type, "blob": data});
                out.extend_from_slice(RESOURCE_OPEN);
                encode::serialize(out, &resource);
            }
            Kind::Resource(contents) => {
                out.extend_from_slice(RESOURCE_OPEN);
                contents.encode(out, rules);
            }
            Kind::ResourceLink(link) if rules.resource_links => {
                out.extend_from_slice(br#"{"type":"resource_link""#);
                for (name, value) in link.to_json().as_object().into_iter().flatten() {
                    out.push(b',');
                    encode::string(out, name);
                    out.push(b':');
                    encode::serialize(out, value);
                }
            }
            Kind::ResourceLink(link) => {
                encode_text_open(out, &format!("{}: {}", link.name, link.uri));
            }
        }
    }
}

/// Writes a whole text block: what most answers are, without building a [`Content`].
pub fn encode_text(out: &mut Vec<u8>, text: &str) {
    encode_text_open(out, text);
    out.push(b'}');
}

fn encode_text_open(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(br#"{"type":"text","text":"#);
    encode::string(out, text);
}

fn encode_media(out: &mut Vec<u8>, kind: &str, data: &str, mime_type: &str) {
    out.extend_from_slice(br#"{"type":""#);
    out.extend_from_slice(kind.as_bytes());
    out.extend_from_slice(br#"","data":""#);
    out.extend_from_slice(data.as_bytes()); // base64 needs no escaping
    out.extend_from_slice(br#"","mimeType":"#);
    encode::string(out, mime_type);
}

const RESOURCE_OPEN: &[u8] = br#"{"type":"resource","resource":"#;

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl ResourceContents {
    /// A text resource.
    #[must_use]
    pub fn text(
        uri: impl Into<String>,
        mime_type: impl Into<String>,
        text: impl Into<String>,
    ) -> Self {
        let body = ResourceBody::Text(text.into());
        Self { uri: uri.into(), mime_type: Some(mime_type.into()), body, meta: Map::new() }
    }

    /// A binary resource.
    #[must_use]
    pub fn blob(uri: impl Into<String>, mime_type: impl Into<String>, bytes: Vec<u8>) -> Self {
        let body = ResourceBody::Blob(bytes);
        Self { uri: uri.into(), mime_type: Some(mime_type.into()), body, meta: Map::new() }
    }

    /// The same contents with a member in their `_meta`. Since 2025-06-18.
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// Writes the contents as a revision knows them.
    pub fn encode(&self, out: &mut Vec<u8>, rules: &Rules) {
        out.extend_from_slice(br#"{"uri":"#);
        encode::string(out, &self.uri);
        if let Some(mime_type) = &self.mime_type {
            out.extend_from_slice(br#","mimeType":"#);
            encode::string(out, mime_type);
        }
        match &self.body {
            ResourceBody::Text(text) => {
                out.extend_from_slice(br#","text":"#);
                encode::string(out, text);
            }
            ResourceBody::Blob(bytes) => {
                out.extend_from_slice(br#","blob":""#);
                out.extend_from_slice(STANDARD.encode(bytes).as_bytes());
                out.push(b'"');
            }
        }
        if rules.block_meta && !self.meta.is_empty() {
            out.extend_from_slice(br#","_meta":"#);
            encode::serialize(out, &self.meta);
        }
        out.push(b'}');
    }
}

impl ResourceLink {
    fn to_json(&self) -> Value {
        let mut members = Map::new();
        members.insert("uri".to_owned(), json!(self.uri));
        members.insert("name".to_owned(), json!(self.name));
        for (member, value) in [
            ("title", &self.title),
            ("description", &self.description),
            ("mimeType", &self.mime_type),
        ] {
            if let Some(value) = value {
                members.insert(member.to_owned(), json!(value));
            }
        }
        if let Some(size) = self.size_bytes {
            members.insert("size".to_owned(), json!(size));
        }
        members.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision::Revision;

    fn written(content: &Content, revision: Revision) -> Value {
        let mut out = Vec::new();
        content.encode(&mut out, revision.rules());
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn blocks_that_a_revision_does_not_know_become_older_ones() {
        let audio = Content::audio(b"RIFF", "audio/wav");
        let new = json!({"type": "audio", "data": "UklGRg==", "mimeType": "audio/wav"});
        assert_eq!(written(&audio, Revision::V2025_03_26), new);
        let old = json!({"type": "resource", "resource":
            {"uri": "data:audio", "mimeType": "audio/wav", "blob": "UklGRg=="}});
        assert_eq!(written(&audio, Revision::V2024_11_05), old);

        let link = Content::resource_link(ResourceLink {
            uri: "file:///a".to_owned(),
            name: "a".to_owned(),
            size_bytes: Some(3),
            ..ResourceLink::default()
        });
        let new = json!({"type": "resource_link", "uri": "file:///a", "name": "a", "size": 3});
        assert_eq!(written(&link, Revision::V2025_06_18), new);
        let old = json!({"type": "text", "text": "a: file:///a"});
        assert_eq!(written(&link, Revision::V2025_03_26), old);
    }

    #[test]
    fn annotations_and_meta_follow_the_revision() {
        let annotations = Annotations {
            priority: Some(0.5),
            last_modified: Some("2026-01-01T00:00:00Z".to_owned()),
            ..Annotations::default()
        };
        let text = Content::text("\"q\"\n").annotated(annotations).with_meta("a.b/c", json!(1));
        let new = json!({"type": "text", "text": "\"q\"\n", "_meta": {"a.b/c": 1},
            "annotations": {"priority": 0.5, "lastModified": "2026-01-01T00:00:00Z"}});
        assert_eq!(written(&text, Revision::V2026_07_28), new);
        let old = json!({"type": "text", "text": "\"q\"\n", "annotations": {"priority": 0.5}});
        assert_eq!(written(&text, Revision::V2025_03_26), old);
    }
}
