//! One request, in any revision: what to ask, as bytes.

use ringlane::{Era, Revision};
use serde_json::{Map, Value, json};

use super::schema::Asked;

pub const ALL: [Revision; 5] = Revision::ALL;
pub const MODERN: Revision = Revision::V2026_07_28;
pub const LEGACY: Revision = Revision::V2025_11_25;

pub const BOTH: &str = "application/json, text/event-stream";
pub const JSON: &str = "application/json";
pub const SSE: &str = "text/event-stream";
pub const NDJSON: &str = "application/x-ndjson";

/// A request or notification on its way to the endpoint.
#[derive(Clone, Debug)]
pub struct Ask {
    pub revision: Revision,
    pub method: String,
    id: Option<String>,
    params: Map<String, Value>,
    meta: Map<String, Value>,
    fields: Vec<(String, String)>,
    http: &'static str,
}

impl Ask {
    pub fn new(revision: Revision, method: &str) -> Self {
        let mut ask = Self {
            revision,
            method: method.to_owned(),
            id: Some("1".to_owned()),
            params: Map::new(),
            meta: Map::new(),
            fields: Vec::new(),
            http: "HTTP/1.1",
        };
        ask = ask.field("Host", "localhost").field("Content-Type", JSON).field("Accept", BOTH);
        if method != "initialize" || revision.era() == Era::Modern {
            ask = ask.field("MCP-Protocol-Version", &revision.to_string());
        }
        if revision.era() == Era::Modern {
            ask = ask
                .field("Mcp-Method", method)
                .meta("io.modelcontextprotocol/protocolVersion", revision.to_string())
                .meta("io.modelcontextprotocol/clientCapabilities", json!({}));
        }
        ask
    }

    /// The call of a tool.
    pub fn call(revision: Revision, tool: &str, arguments: Value) -> Self {
        let mut ask = Self::new(revision, "tools/call");
        if revision.era() == Era::Modern {
            ask = ask.field("Mcp-Name", tool);
        }
        ask.param("name", tool).param("arguments", arguments)
    }

    /// The reading of a resource.
    pub fn read(revision: Revision, uri: &str) -> Self {
        let ask = Self::new(revision, "resources/read").param("uri", uri);
        if revision.era() == Era::Modern { ask.field("Mcp-Name", uri) } else { ask }
    }

    /// A prompt, to be filled in.
    pub fn prompt(revision: Revision, name: &str, arguments: Value) -> Self {
        let ask = Self::new(revision, "prompts/get").param("name", name);
        let ask = ask.param("arguments", arguments);
        if revision.era() == Era::Modern { ask.field("Mcp-Name", name) } else { ask }
    }

    /// The completion of what was typed for an argument.
    pub fn complete(revision: Revision, reference: Value, argument: &str, typed: &str) -> Self {
        Self::new(revision, "completion/complete")
            .param("ref", reference)
            .param("argument", json!({"name": argument, "value": typed}))
    }

    /// The handshake that asks for a revision.
    pub fn initialize(revision: Revision) -> Self {
        Self::new(revision, "initialize")
            .param("protocolVersion", revision.to_string())
            .param("capabilities", json!({}))
            .param("clientInfo", json!({"name": "test", "version": "0"}))
    }

    pub fn notification(revision: Revision, method: &str) -> Self {
        Self { id: None, ..Self::new(revision, method) }
    }

    /// The id, as JSON.
    pub fn id(mut self, json: impl ToString) -> Self {
        self.id = Some(json.to_string());
        self
    }

    pub fn param(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.params.insert(name.to_owned(), value.into());
        self
    }

    pub fn without_param(mut self, name: &str) -> Self {
        self.params.remove(name);
        self
    }

    pub fn meta(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(name.to_owned(), value.into());
        self
    }

    /// What the client can do, in the modern era.
    pub fn declare(self, capabilities: Value) -> Self {
        self.meta("io.modelcontextprotocol/clientCapabilities", capabilities)
    }

    /// A request about a task.
    pub fn task(method: &str, id: &str) -> Self {
        Self::new(MODERN, method).param("taskId", id).field("Mcp-Name", id)
    }

    pub fn without_meta(mut self, name: &str) -> Self {
        self.meta.remove(name);
        self
    }

    pub fn progress_token(self, token: impl Into<Value>) -> Self {
        self.meta("progressToken", token)
    }

    /// Sets a field, in place of the one of this name if there is one.
    pub fn field(self, name: &str, value: &str) -> Self {
        self.without(name).also(name, value)
    }

    /// Adds a field beside those of the same name.
    pub fn also(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(held, _)| !held.eq_ignore_ascii_case(name));
        self
    }

    /// In this session.
    pub fn of_session(self, id: &str) -> Self {
        self.field("Mcp-Session-Id", id)
    }

    pub fn accept(self, value: &str) -> Self {
        self.field("Accept", value)
    }

    pub fn http10(mut self) -> Self {
        self.http = "HTTP/1.0";
        self
    }

    pub fn body(&self) -> String {
        let mut params = self.params.clone();
        if !self.meta.is_empty() {
            params.insert("_meta".to_owned(), self.meta.clone().into());
        }
        let id = self.id.as_ref().map_or(String::new(), |id| format!(r#""id":{id},"#));
        let (method, params) = (json!(self.method), Value::Object(params));
        format!(r#"{{"jsonrpc":"2.0",{id}"method":{method},"params":{params}}}"#)
    }

    /// The request with its own body.
    pub fn bytes(&self) -> Vec<u8> {
        self.with_body(self.body().as_bytes())
    }

    /// The request with another body than its own.
    pub fn with_body(&self, body: &[u8]) -> Vec<u8> {
        let mut bytes = self.head(&format!("Content-Length: {}\r\n", body.len()));
        bytes.extend_from_slice(body);
        bytes
    }

    /// The request in chunks of these lengths, over and over.
    pub fn chunked(&self, lengths: &[usize]) -> Vec<u8> {
        let (body, mut at) = (self.body().into_bytes(), 0);
        let mut bytes = self.head("Transfer-Encoding: chunked\r\n");
        for length in lengths.iter().cycle() {
            let chunk = &body[at..body.len().min(at + length)];
            if chunk.is_empty() {
                break;
            }
            at += chunk.len();
            bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"0\r\n\r\n");
        bytes
    }

    /// The head alone, with lines that say where the body ends.
    pub fn head(&self, framing: &str) -> Vec<u8> {
        let mut head = format!("POST /mcp {}\r\n", self.http);
        for (name, value) in &self.fields {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(framing);
        head.push_str("\r\n");
        head.into_bytes()
    }

    pub fn asked(&self) -> Asked {
        let (revision, id, method) = (self.revision, self.id.clone(), self.method.clone());
        Asked { revision, id, method }
    }

    pub fn is_http10(&self) -> bool {
        self.http == "HTTP/1.0"
    }
}
