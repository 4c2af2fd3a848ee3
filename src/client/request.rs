//! What a client posts: method and params in, header fields and body out.
//!
//! A modern request describes itself, in its envelope (`params._meta`) and once more in its fields;
//! a legacy one names its session and, after the handshake, its revision.
//! Spec: MCP 2026-07-28 basic (envelope) and basic/transports (fields); MCP 2025-11-25
//! basic/lifecycle and basic/transports.
//! Not here: `Mcp-Param-*` (`mirror`), the request line and framing (`connection`).

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::client::message::RpcError;
use crate::client::question::Abilities;
use crate::mcp::method::Method;
use crate::mcp::mirror::encode_value;

const META_REVISION: &str = "io.modelcontextprotocol/protocolVersion";
const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const META_LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

const FIELD_REVISION: &str = "MCP-Protocol-Version";
pub(crate) const FIELD_SESSION: &str = "Mcp-Session-Id";

/// Who calls, as told to servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClientIdentity {
    /// The program's name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// A request head's own fields and the body behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Field names and values, in the order in which they are sent.
    pub fields: Vec<(String, String)>,
    /// The body: one JSON-RPC message, or nothing.
    pub body: Vec<u8>,
}

/// One request of either era, before it is written down.
#[derive(Clone, Debug, Default)]
pub struct Ask {
    /// The JSON-RPC id.
    pub id: u64,
    /// The method.
    pub method: &'static str,
    /// Its params, without `_meta`.
    pub params: Map<String, Value>,
    /// Whether the server may report progress. The token is the id.
    pub wants_progress: bool,
    /// `Mcp-Param-*` fields (modern era only).
    pub mirrored: Vec<(String, String)>,
}

/// How modern requests are written.
#[derive(Clone, Copy, Debug)]
pub struct ModernStyle<'a> {
    /// The revision of the request.
    pub revision: &'a str,
    /// Who calls.
    pub client: &'a ClientIdentity,
    /// The lowest level of log messages wanted, if any.
    pub log_level: Option<&'a str>,
    /// What the server may ask meanwhile.
    pub abilities: Abilities,
}

/// How legacy messages are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct LegacyStyle<'a> {
    /// The negotiated revision; `None` before the handshake ended.
    pub revision: Option<&'a str>,
    /// The session, where the server assigned one.
    pub session: Option<&'a str>,
}

impl ModernStyle<'_> {
    /// A request with its envelope and its mirrored fields.
    #[must_use]
    pub fn request(&self, mut ask: Ask) -> Outgoing {
        let mut fields =
            vec![field(FIELD_REVISION, self.revision), field("Mcp-Method", ask.method)];
        if let Some(name) = mirrored_name(ask.method, &ask.params) {
            fields.push(field("Mcp-Name", &encode_value(name)));
        }
        fields.append(&mut ask.mirrored);
        let mut meta = Map::new();
        meta.insert(META_REVISION.to_owned(), self.revision.into());
        meta.insert(META_CAPABILITIES.to_owned(), self.abilities.to_json());
        meta.insert(META_CLIENT.to_owned(), json!(self.client));
        if let Some(level) = self.log_level {
            meta.insert(META_LOG_LEVEL.to_owned(), level.into());
        }
        Outgoing { fields, body: request_body(ask, meta) }
    }
}

impl LegacyStyle<'_> {
    /// A request of a session.
    #[must_use]
    pub fn request(&self, ask: Ask) -> Outgoing {
        Outgoing { fields: self.fields(), body: request_body(ask, Map::new()) }
    }

    /// The handshake's request: the only one before there is a session.
    #[must_use]
    pub fn initialize(
        id: u64,
        revision: &str,
        client: &ClientIdentity,
        abilities: Abilities,
    ) -> Outgoing {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "initialize", "params": {
            "protocolVersion": revision, "capabilities": abilities.to_json(),
            "clientInfo": client}});
        Outgoing { fields: Vec::new(), body: body.to_string().into_bytes() }
    }

    /// A notification without params.
    #[must_use]
    pub fn notification(&self, method: &str) -> Outgoing {
        let body = json!({"jsonrpc": "2.0", "method": method});
        Outgoing { fields: self.fields(), body: body.to_string().into_bytes() }
    }

    /// The answer to a request of the server.
    #[must_use]
    pub fn answer(&self, id: &Value, outcome: &Result<Value, RpcError>) -> Outgoing {
        let body = match outcome {
            Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
            Err(error) => json!({"jsonrpc": "2.0", "id": id, "error": {
                "code": error.code, "message": error.message}}),
        };
        Outgoing { fields: self.fields(), body: body.to_string().into_bytes() }
    }

    /// No message: a GET that resumes an event stream, or a DELETE that ends the session.
    #[must_use]
    pub fn bare(&self, last_event_id: Option<&str>) -> Outgoing {
        let mut fields = self.fields();
        fields.extend(last_event_id.map(|id| field("Last-Event-ID", id)));
        Outgoing { fields, body: Vec::new() }
    }

    fn fields(&self) -> Vec<(String, String)> {
        let revision = self.revision.map(|revision| field(FIELD_REVISION, revision));
        let session = self.session.map(|session| field(FIELD_SESSION, session));
        revision.into_iter().chain(session).collect()
    }
}

fn field(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

fn request_body(ask: Ask, mut meta: Map<String, Value>) -> Vec<u8> {
    let mut params = ask.params;
    if ask.wants_progress {
        meta.insert("progressToken".to_owned(), ask.id.into());
    }
    if !meta.is_empty() {
        params.insert("_meta".to_owned(), Value::Object(meta));
    }
    let mut message = json!({"jsonrpc": "2.0", "id": ask.id, "method": ask.method});
    if let (false, Some(message)) = (params.is_empty(), message.as_object_mut()) {
        message.insert("params".to_owned(), Value::Object(params));
    }
    message.to_string().into_bytes()
}

/// The params member that the `Mcp-Name` field repeats.
fn mirrored_name<'p>(method: &str, params: &'p Map<String, Value>) -> Option<&'p str> {
    params.get(Method::named_by(method)?.member())?.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> ClientIdentity {
        ClientIdentity { name: "demo".to_owned(), version: "0.1".to_owned() }
    }

    fn style(client: &ClientIdentity) -> ModernStyle<'_> {
        let abilities = Abilities::default();
        ModernStyle { revision: "2026-07-28", client, log_level: None, abilities }
    }

    fn shown(outgoing: &Outgoing) -> (Vec<String>, Value) {
        let fields = outgoing.fields.iter().map(|(name, value)| format!("{name}: {value}"));
        (fields.collect(), serde_json::from_slice(&outgoing.body).unwrap_or_default())
    }

    fn params(value: &Value) -> Map<String, Value> {
        value.as_object().cloned().expect("object")
    }

    #[test]
    fn a_modern_call_describes_itself_twice() {
        let client = identity();
        let style = ModernStyle { log_level: Some("info"), ..style(&client) };
        let ask = Ask {
            id: 7,
            method: "tools/call",
            params: params(&json!({"name": "zähle", "arguments": {"a": 2}})),
            wants_progress: true,
            mirrored: vec![("Mcp-Param-Region".to_owned(), "eu".to_owned())],
        };
        let (fields, body) = shown(&style.request(ask));
        assert_eq!(
            fields,
            [
                "MCP-Protocol-Version: 2026-07-28",
                "Mcp-Method: tools/call",
                "Mcp-Name: =?base64?esOkaGxl?=",
                "Mcp-Param-Region: eu",
            ]
        );
        assert_eq!(
            body,
            json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {
                "name": "zähle", "arguments": {"a": 2}, "_meta": {
                    META_REVISION: "2026-07-28", META_CAPABILITIES: {},
                    META_CLIENT: {"name": "demo", "version": "0.1"},
                    META_LOG_LEVEL: "info", "progressToken": 7}}})
        );
    }

    #[test]
    fn every_modern_method_carries_an_envelope_and_its_name() {
        let client = identity();
        let style = style(&client);
        let table = [
            ("server/discover", json!({}), None),
            ("tools/list", json!({"cursor": "c"}), None),
            ("tools/call", json!({"name": "add"}), Some("Mcp-Name: add")),
            ("prompts/get", json!({"name": "review"}), Some("Mcp-Name: review")),
            ("resources/read", json!({"uri": "note:///a"}), Some("Mcp-Name: note:///a")),
        ];
        for (method, given, name) in table {
            let ask = Ask { id: 1, method, params: params(&given), ..Ask::default() };
            let (fields, body) = shown(&style.request(ask));
            assert_eq!(fields.get(2).map(String::as_str), name, "{method}");
            let meta = &body["params"]["_meta"];
            assert_eq!(meta[META_REVISION], "2026-07-28", "{method}");
            assert_eq!(meta[META_CAPABILITIES], json!({}), "{method}");
            assert!(meta.get(META_LOG_LEVEL).is_none() && meta.get("progressToken").is_none());
        }
    }

    #[test]
    fn legacy_messages_name_their_session_and_revision() {
        let style = LegacyStyle { revision: Some("2025-11-25"), session: Some("s1") };
        let both = ["MCP-Protocol-Version: 2025-11-25", "Mcp-Session-Id: s1"];
        let list = Ask { id: 2, method: "tools/list", ..Ask::default() };
        let call = Ask { id: 3, method: "tools/call", wants_progress: true, ..Ask::default() };
        let table = [
            (style.request(list), json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})),
            (
                style.request(call),
                json!({"jsonrpc": "2.0", "id": 3, "method": "tools/call",
                    "params": {"_meta": {"progressToken": 3}}}),
            ),
            (
                style.notification("notifications/initialized"),
                json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
            ),
            (
                style.answer(&json!("p"), &Ok(json!({}))),
                json!({"jsonrpc": "2.0", "id": "p", "result": {}}),
            ),
            (style.bare(None), Value::Null),
        ];
        for (outgoing, expected) in table {
            let (fields, body) = shown(&outgoing);
            assert_eq!(fields, both);
            assert_eq!(body, expected);
        }
        let error = RpcError { code: -32601, message: "no".to_owned(), data: None };
        let (_, refused) = shown(&style.answer(&json!(1), &Err(error)));
        assert_eq!(refused["error"]["code"], -32601);
        let (fields, _) = shown(&style.bare(Some("e:1")));
        assert_eq!(fields.last().map(String::as_str), Some("Last-Event-ID: e:1"));
    }

    #[test]
    fn the_handshake_carries_no_session() {
        let (fields, body) = shown(&LegacyStyle::initialize(
            0,
            "2025-11-25",
            &identity(),
            Abilities { roots: true, ..Abilities::default() },
        ));
        assert!(fields.is_empty());
        assert_eq!(
            body,
            json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
                "protocolVersion": "2025-11-25", "capabilities": {"roots": {}},
                "clientInfo": {"name": "demo", "version": "0.1"}}})
        );
    }
}
