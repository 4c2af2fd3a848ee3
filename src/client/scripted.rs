//! A server for tests: one function from requests to answers, behind a real socket.
//!
//! Every connection has a thread of its own, so that an answer may be under way on one while a
//! request comes in on another. All requests are told to the test in the order of their arrival.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::{Value, json};

/// A request as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) verb: String,
    pub(crate) head: String,
    pub(crate) body: Value,
}

impl Received {
    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The JSON-RPC method, or the HTTP one where there is no body.
    pub(crate) fn method(&self) -> &str {
        self.body["method"].as_str().unwrap_or(&self.verb)
    }
}

/// What to do with a request.
pub(crate) enum Answer {
    /// Answer it and go on.
    KeepAlive(Vec<u8>),
    /// Answer it and close.
    Close(Vec<u8>),
}

/// A running server.
pub(crate) struct Scripted {
    pub(crate) url: String,
    received: Receiver<Received>,
}

impl Scripted {
    /// Starts a server on a free port.
    #[expect(clippy::disallowed_methods, reason = "the other end of a blocking client")]
    pub(crate) fn start(answer: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let (told, received) = channel();
        let answer = Arc::new(answer);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (answer, told) = (answer.clone(), told.clone());
                std::thread::spawn(move || serve(stream, &*answer, &told));
            }
        });
        Self { url, received }
    }

    /// The requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.try_iter().collect()
    }

    /// The methods of the requests so far.
    pub(crate) fn methods(&self) -> Vec<String> {
        self.received().iter().map(|received| received.method().to_owned()).collect()
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&Received) -> Answer, told: &Sender<Received>) {
    let mut unread = Vec::new();
    while let Some(received) = receive(&mut stream, &mut unread) {
        let _ = told.send(received.clone());
        let (bytes, ends) = match answer(&received) {
            Answer::KeepAlive(bytes) => (bytes, false),
            Answer::Close(bytes) => (bytes, true),
        };
        if stream.write_all(&bytes).is_err() || ends {
            return;
        }
    }
}

fn receive(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Received> {
    loop {
        let text = String::from_utf8_lossy(unread).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let verb = head.split(' ').next()?.to_owned();
            let mut received = Received { verb, head: head.to_owned(), body: Value::Null };
            let length: usize =
                received.field("content-length").map_or(0, |text| text.parse().expect("a length"));
            if rest.len() >= length {
                received.body = serde_json::from_str(&rest[..length]).unwrap_or_default();
                unread.drain(..head.len() + 4 + length);
                return Some(received);
            }
        }
        let mut room = [0; 4096];
        match stream.read(&mut room) {
            Ok(0) | Err(_) => return None,
            Ok(count) => unread.extend_from_slice(&room[..count]),
        }
    }
}

/// A response with a JSON body.
pub(crate) fn reply(status: u16, fields: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Whatever\r\n{fields}Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A response with events, in chunks that cut them in two, without its last chunk.
pub(crate) fn open_events(events: &str) -> Vec<u8> {
    let mut bytes =
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
            .to_vec();
    for piece in events.as_bytes().chunks(50) {
        bytes.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// A response with messages, an event each.
pub(crate) fn events(messages: &[Value]) -> Vec<u8> {
    let events: String = messages.iter().map(|message| format!("data: {message}\n\n")).collect();
    let mut bytes = open_events(&events);
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

/// The JSON-RPC result for a request.
pub(crate) fn result(received: &Received, result: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": received.body["id"], "result": result})
}

/// The JSON-RPC error for a request.
pub(crate) fn error(received: &Received, code: i64, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": received.body["id"],
        "error": {"code": code, "message": message}})
}

/// The calculator's only page of tools.
pub(crate) fn calculator_tools() -> Value {
    json!({"tools": [
        {"name": "add", "description": "Add two numbers", "inputSchema": {"type": "object",
            "properties": {
                "a": {"type": "number", "description": "first addend"},
                "b": {"type": "number"},
                "region": {"type": "string", "x-mcp-header": "Region", "default": "eu"}},
            "required": ["a"]}},
        {"name": "echo", "inputSchema": {"type": "object",
            "properties": {"text": {"type": "string"}}}}]})
}

/// A modern server: a calculator that knows tools by `call`.
pub(crate) fn modern(received: &Received, call: impl Fn(&Received) -> Answer) -> Answer {
    let answer = match received.method() {
        "server/discover" => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}, "logging": {}}, "instructions": "Arithmetic only.",
            "ttlMs": 0, "cacheScope": "private",
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "calc", "version": "2.0"}}}),
        "tools/list" => calculator_tools(),
        "tools/call" => return call(received),
        method => {
            let body = error(received, -32601, &format!("no {method}")).to_string();
            return Answer::KeepAlive(reply(404, "", &body));
        }
    };
    Answer::KeepAlive(reply(200, "", &result(received, &answer).to_string()))
}

/// A legacy server with session `s1`, up to its tools.
pub(crate) fn legacy(received: &Received, call: impl Fn(&Received) -> Answer) -> Answer {
    let answer = match received.method() {
        "initialize" => {
            let body = result(
                received,
                &json!({"protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "1"}}),
            );
            let session = "Mcp-Session-Id: s1\r\n";
            return Answer::KeepAlive(reply(200, session, &body.to_string()));
        }
        "server/discover" => return Answer::KeepAlive(reply(400, "", "{\"error\":\"session?\"}")),
        _ if received.field("mcp-session-id") != Some("s1") => {
            return Answer::KeepAlive(reply(404, "", ""));
        }
        "notifications/initialized" | "POST" => return Answer::KeepAlive(reply(202, "", "")),
        "tools/list" => calculator_tools(),
        // It has no stream but those of calls, which can be resumed.
        "GET" if received.field("last-event-id").is_none() => {
            return Answer::KeepAlive(reply(405, "", ""));
        }
        "tools/call" | "GET" => return call(received),
        _ => return Answer::KeepAlive(reply(200, "", "")),
    };
    Answer::KeepAlive(reply(200, "", &result(received, &answer).to_string()))
}

/// A tool's answer in one text.
pub(crate) fn text(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}
