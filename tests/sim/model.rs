//! The reference: requests as a client may send them, each with the answer that it must get.
//!
//! In: random numbers. Out: `Ask`s. Nothing here looks at the code under test; what an answer must
//! be is derived from the protocol and from what the tools promise.

use std::time::Duration;

use ringlane::Revision;
use ringlane::testing::random::Random;
use serde_json::{Value, json};

use crate::answers::Expects;
use crate::schema::Asked;

/// One request and what must become of it.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// All that is sent.
    pub(crate) bytes: Vec<u8>,
    /// How many of the bytes are the head.
    pub(crate) head_bytes: usize,
    /// Whether the client waits a little for `100 Continue`.
    pub(crate) expects_continue: bool,
    /// Whether the answer has no body whatever its head says.
    pub(crate) is_head: bool,
    /// Whether it is HTTP/1.0, to which no chunks and no 100 may be sent.
    pub(crate) is_http10: bool,
    pub(crate) wanted: Wanted,
    pub(crate) closing: Closing,
    pub(crate) call: Option<CallFacts>,
    /// What a JSON-RPC request asked; the messages of its answer are held against the schema.
    pub(crate) asked: Option<Asked>,
}

impl Ask {
    /// What it allows its answer.
    pub(crate) fn expects(&self) -> Expects {
        Expects {
            expects_continue: self.expects_continue,
            is_head: self.is_head,
            is_http10: self.is_http10,
        }
    }
}

/// Whether the connection ends after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    Never,
    /// It depends on what was there when the answer was made.
    Maybe,
    Always,
}

/// The answer.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    /// A JSON-RPC response, in one of the formats.
    Response { id: Value, payload: Payload, formats: Formats, progress: Option<Progress> },
    /// A JSON-RPC error as one document.
    Error { id: Value, code: i64, status: u16 },
    /// One of these statuses.
    Status(&'static [u16]),
}

/// What a response says.
#[derive(Clone, Debug)]
pub(crate) enum Payload {
    Text(String),
    Failure(String),
    Error(i64),
    Member(&'static str),
}

/// The progress that a stream must tell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    pub(crate) token: u64,
    pub(crate) count: u64,
    /// Whether the handler waits for room, so that none may be missing.
    pub(crate) waits: bool,
}

/// What the client takes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Formats {
    pub(crate) accept: Option<&'static str>,
    pub(crate) json: bool,
    pub(crate) sse: bool,
    pub(crate) ndjson: bool,
}

/// What is known of a call beforehand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallFacts {
    pub(crate) tag: u64,
    pub(crate) is_modern: bool,
    pub(crate) lasts: Duration,
}

const fn takes(accept: &'static str, json: bool, sse: bool, ndjson: bool) -> Formats {
    Formats { accept: Some(accept), json, sse, ndjson }
}

const FORMATS: [Formats; 7] = [
    takes("application/json, text/event-stream", true, true, false),
    takes("application/json", true, false, false),
    takes("text/event-stream", false, true, false),
    takes("application/x-ndjson", false, false, true),
    takes("application/x-ndjson, application/json;q=0.5", true, false, true),
    takes("*/*", true, true, false),
    Formats { accept: None, json: true, sse: true, ndjson: false },
];

const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];
const MODERN: &str = "2026-07-28";

/// How a message is put into a request.
struct Manner {
    formats: Formats,
    revision: &'static str,
    is_http10: bool,
    keeps: bool,
    chunked: bool,
    expects_continue: bool,
}

impl Manner {
    fn draw(random: &mut Random) -> Self {
        let is_http10 = random.percent(8);
        let revision = if random.percent(60) { MODERN } else { random.pick(&LEGACY) };
        Self {
            formats: *random.pick(&FORMATS),
            revision,
            is_http10,
            keeps: if is_http10 { random.percent(50) } else { !random.percent(5) },
            chunked: !is_http10 && random.percent(30),
            expects_continue: random.percent(10),
        }
    }

    fn is_modern(&self) -> bool {
        self.revision == MODERN
    }

    fn closing(&self) -> Closing {
        match (self.keeps, self.is_http10) {
            (false, _) => Closing::Always,
            (true, true) => Closing::Maybe, // A stream ends with the connection there.
            (true, false) => Closing::Never,
        }
    }
}

/// Draws a request.
pub(crate) fn draw(random: &mut Random, tag: u64) -> Ask {
    match random.within(1..=100) {
        1..=70 => call(random, tag),
        71..=78 => other_method(random, tag),
        79..=83 => notification(random),
        84..=88 => not_a_request(random),
        89..=96 => elsewhere(random),
        97..=98 => malformed_head(random),
        _ => bad_body(random),
    }
}

fn id(random: &mut Random, tag: u64) -> Value {
    match random.within(0..=3) {
        0 => json!(format!("id-{tag}")),
        1 => json!(format!("\"ü\\\u{1}{tag}")),
        2 => json!(-9_007_199_254_740_993_i64 - i64::try_from(tag).unwrap_or_default()),
        _ => json!(tag),
    }
}

fn call(random: &mut Random, tag: u64) -> Ask {
    let manner = Manner::draw(random);
    let nap_ms = match random.within(0..=9) {
        0 => random.within(10_000..=250_000),
        1 if random.percent(20) => 400_000,
        _ => random.within(1..=3_000),
    };
    let mut lasts_ms = 0;
    let mut progress = None;
    let (tool, arguments, payload) = match random.within(0..=12) {
        0..=3 => {
            let text = text(random, tag);
            ("echo", json!({ "tag": tag, "text": text }), Payload::Text(text))
        }
        4 => {
            let (a, b) = (random.within(0..=1 << 40), tag);
            let sum = Payload::Text((a + b).to_string());
            ("add", json!({ "tag": tag, "a": a, "b": b }), sum)
        }
        5..=8 => {
            let (count, pad) = (random.within(0..=40), random.within(0..=600));
            let gap_ms = if random.percent(50) { 0 } else { random.within(1..=700) };
            let waits = random.percent(60);
            progress = Some(Progress { token: tag, count, waits });
            lasts_ms = if waits { gap_ms * count } else { gap_ms };
            let arguments = json!({ "tag": tag, "count": count, "gap_ms": gap_ms, "pad": pad });
            let tool = if waits { "tell" } else { "blurt" };
            (tool, arguments, Payload::Text(format!("told {tag}")))
        }
        9..=10 => {
            lasts_ms = nap_ms;
            let timed_out = nap_ms > 300_000;
            let rested = Payload::Text(format!("rested {tag}"));
            let payload = if timed_out { Payload::Error(-32603) } else { rested };
            ("nap", json!({ "tag": tag, "ms": nap_ms }), payload)
        }
        11 => ("fail", json!({ "tag": tag, "ms": 0 }), Payload::Failure(format!("failed {tag}"))),
        _ => {
            lasts_ms = if random.percent(50) { 0 } else { random.within(1..=500) };
            ("panic", json!({ "tag": tag, "ms": lasts_ms }), Payload::Error(-32603))
        }
    };
    let mut params = json!({ "name": tool, "arguments": arguments });
    if random.percent(80) {
        params["_meta"] = json!({ "progressToken": tag });
    } else {
        progress = None;
    }
    let id = id(random, tag);
    let call =
        CallFacts { tag, is_modern: manner.is_modern(), lasts: Duration::from_millis(lasts_ms) };
    let wanted = Wanted::Response { id: id.clone(), payload, formats: manner.formats, progress };
    let mut ask = request(random, &manner, &id, "tools/call", params, wanted);
    ask.call = Some(call);
    ask
}

/// Text that no other request has, of any length up to some 100 KiB.
fn text(random: &mut Random, tag: u64) -> String {
    const PIECES: [&str; 6] = ["a", "\"", "\\", "\n", "é", "\u{2028}"];
    let length = match random.within(0..=19) {
        0 => random.within(20_000..=200_000),
        1..=4 => random.within(200..=20_000),
        _ => random.within(0..=200),
    };
    let mut text = format!("{tag}:");
    let piece = random.pick(&PIECES);
    let repeats = usize::try_from(length).unwrap_or_default() / piece.len();
    text.push_str(&piece.repeat(repeats));
    text.push_str(&format!(":{tag}"));
    text
}

fn other_method(random: &mut Random, tag: u64) -> Ask {
    let mut manner = Manner::draw(random);
    let id = id(random, tag);
    let respond = |member, formats| Wanted::Response {
        id: id.clone(),
        payload: Payload::Member(member),
        formats,
        progress: None,
    };
    let (method, params, wanted) = match random.within(0..=3) {
        0 => ("tools/list", json!({}), respond("tools", manner.formats)),
        1 if manner.is_modern() => {
            ("server/discover", json!({}), respond("supportedVersions", manner.formats))
        }
        1 => {
            let params = json!({ "protocolVersion": manner.revision, "capabilities": {},
                "clientInfo": { "name": "sim", "version": "1" } });
            ("initialize", params, respond("serverInfo", manner.formats))
        }
        2 => {
            let status = if manner.is_modern() { 404 } else { 200 };
            manner.formats = FORMATS[0];
            let wanted = Wanted::Error { id: id.clone(), code: -32601, status };
            ("no/such", json!({}), wanted)
        }
        _ => {
            manner.formats = FORMATS[0];
            let wanted = Wanted::Error { id: id.clone(), code: -32602, status: 200 };
            ("tools/call", json!({ "name": "none", "arguments": {} }), wanted)
        }
    };
    request(random, &manner, &id, method, params, wanted)
}

fn notification(random: &mut Random) -> Ask {
    let manner = Manner::draw(random);
    let body = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
    post(random, &manner, "", body.as_bytes(), Wanted::Status(&[202]))
}

fn not_a_request(random: &mut Random) -> Ask {
    let mut manner = Manner::draw(random);
    manner.formats = FORMATS[0];
    let cases: [(&[u8], i64); 5] = [
        (b"{\"jsonrpc\":\"2.0\",", -32700),
        (b"", -32700),
        (b"\xff\xfe{}", -32700),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", -32600),
        (b"{\"jsonrpc\":\"1.0\",\"method\":\"ping\"}", -32600),
    ];
    let (body, code) = *random.pick(&cases);
    let wanted = Wanted::Error { id: Value::Null, code, status: 400 };
    post(random, &manner, "", body, wanted)
}

/// Requests that never reach the controller.
fn elsewhere(random: &mut Random) -> Ask {
    const CASES: [(&str, &str, &str, &[u16]); 10] = [
        ("GET", "/mcp", "", &[400]),
        ("HEAD", "/mcp", "", &[405]),
        ("OPTIONS", "/mcp", "", &[204]),
        ("BREW", "/mcp", "", &[405]),
        ("GET", "/healthz", "", &[200]),
        ("HEAD", "/healthz", "", &[200]),
        ("GET", "/nowhere", "", &[404]),
        ("GET", "/mcp", "Origin: https://evil.example\r\n", &[403]),
        ("DELETE", "/mcp", "", &[400]),
        ("GET", "http://elsewhere.example/mcp", "", &[421]),
    ];
    if random.percent(30) {
        let mut manner = Manner::draw(random);
        let (fields, statuses): (_, &[u16]) = if random.percent(50) {
            manner.formats = takes("image/png", false, false, false);
            ("", &[406])
        } else {
            ("Content-Encoding: gzip\r\n", &[415])
        };
        let mut ask = post(random, &manner, fields, b"{}", Wanted::Status(statuses));
        ask.closing = if manner.keeps { Closing::Maybe } else { Closing::Always };
        return ask;
    }
    let (method, path, fields, statuses) = *random.pick(&CASES);
    let bytes = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").into_bytes();
    Ask { is_head: method == "HEAD", ..plain(bytes, statuses, Closing::Never) }
}

/// Heads whose end, or whose body's end, is in doubt.
fn malformed_head(random: &mut Random) -> Ask {
    const REFUSED: &[u16] = &[400, 501, 505];
    let long = "x".repeat(20_000);
    match random.within(0..=9) {
        0 => {
            let head = format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            return plain(head.into_bytes(), &[414], Closing::Always);
        }
        1 => {
            let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n");
            return plain(head.into_bytes(), &[431], Closing::Always);
        }
        _ => {}
    }
    const CASES: [&str; 8] = [
        "GARBAGE\r\n\r\n",
        "POST /mcp HTTP/2.0\r\nHost: localhost\r\n\r\n",
        "POST /mcp HTTP/1.1\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\
         Transfer-Encoding: chunked\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost : localhost\r\n\r\n",
    ];
    plain(random.pick(&CASES).as_bytes().to_vec(), REFUSED, Closing::Always)
}

/// Bodies that end the connection.
fn bad_body(random: &mut Random) -> Ask {
    const HEAD: &str =
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let (rest, statuses): (String, &[u16]) = match random.within(0..=2) {
        0 => (format!("Content-Length: 5000000\r\n\r\n{}", "x".repeat(3000)), &[413]),
        1 => ("Transfer-Encoding: chunked\r\n\r\nfffffff\r\nabc".to_owned(), &[413]),
        _ => ("Transfer-Encoding: chunked\r\n\r\n5\r\n{\"a\":1\r\n".to_owned(), &[400]),
    };
    plain(format!("{HEAD}{rest}").into_bytes(), statuses, Closing::Always)
}

fn plain(bytes: Vec<u8>, statuses: &'static [u16], closing: Closing) -> Ask {
    Ask {
        head_bytes: bytes.len(),
        bytes,
        expects_continue: false,
        is_head: false,
        is_http10: false,
        wanted: Wanted::Status(statuses),
        closing,
        call: None,
        asked: None,
    }
}

/// A JSON-RPC request in its revision's form.
fn request(
    random: &mut Random,
    manner: &Manner,
    id: &Value,
    method: &str,
    mut params: Value,
    wanted: Wanted,
) -> Ask {
    let mut fields = String::new();
    if manner.is_modern() {
        params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
        fields.push_str(&format!("Mcp-Method: {method}\r\n"));
        if let Some(name) = params["name"].as_str() {
            fields.push_str(&format!("Mcp-Name: {name}\r\n"));
        }
    }
    let body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let asked = Revision::parse(manner.revision).map(|revision| Asked {
        revision,
        id: Some(id.to_string()),
        method: method.to_owned(),
    });
    Ask { asked, ..post(random, manner, &fields, body.to_string().as_bytes(), wanted) }
}

fn post(random: &mut Random, manner: &Manner, fields: &str, body: &[u8], wanted: Wanted) -> Ask {
    let version = if manner.is_http10 { "1.0" } else { "1.1" };
    let mut head = format!(
        "POST /mcp HTTP/{version}\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         MCP-Protocol-Version: {}\r\n{fields}",
        manner.revision
    );
    if let Some(accept) = manner.formats.accept {
        head.push_str(&format!("Accept: {accept}\r\n"));
    }
    match (manner.keeps, manner.is_http10) {
        (true, true) => head.push_str("Connection: keep-alive\r\n"),
        (false, false) => head.push_str("Connection: close\r\n"),
        _ => {}
    }
    let expects_continue = manner.expects_continue && !body.is_empty();
    if expects_continue {
        head.push_str("Expect: 100-continue\r\n");
    }
    let framed = if manner.chunked {
        head.push_str("Transfer-Encoding: chunked\r\n\r\n");
        chunks(random, body)
    } else {
        head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len()));
        body.to_vec()
    };
    let head_bytes = head.len();
    Ask {
        bytes: [head.as_bytes(), &framed].concat(),
        head_bytes,
        expects_continue,
        is_head: false,
        is_http10: manner.is_http10,
        wanted,
        closing: manner.closing(),
        call: None,
        asked: None,
    }
}

fn chunks(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let longest = 1 + body.len() as u64 / random.within(1..=8);
    let (mut framed, mut rest) = (Vec::new(), body);
    while !rest.is_empty() {
        let length = usize::try_from(random.within(1..=longest)).unwrap_or(1).min(rest.len());
        let (chunk, tail) = rest.split_at(length);
        let extension = if random.percent(10) { ";note=\"x\"" } else { "" };
        framed.extend_from_slice(format!("{length:x}{extension}\r\n").as_bytes());
        framed.extend_from_slice(chunk);
        framed.extend_from_slice(b"\r\n");
        rest = tail;
    }
    let trailer = if random.percent(10) { "Trailer-Field: x\r\n" } else { "" };
    framed.extend_from_slice(format!("0\r\n{trailer}\r\n").as_bytes());
    framed
}
