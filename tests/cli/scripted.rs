//! A server of the modern era with one tool, `echo`, whose calls are answered as a script says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::net::{Shutdown, shutdown};
use serde_json::{Value, json};

/// What becomes of a call.
pub(crate) enum Reply {
    /// The right answer.
    Right,
    /// The right answer, so much later.
    Late(Duration),
    /// The right answer, byte by byte, so much time between them.
    Slow(Duration),
    /// Another body, with this status line and type.
    Other(&'static str, &'static str, String),
    /// The right answer, split into an event stream after a notice of progress.
    Events,
    /// The connection is closed.
    Close,
    /// The connection is closed, and there will be no other.
    Gone,
}

/// A running server. Its threads end with the tests.
pub(crate) struct Scripted {
    pub(crate) url: String,
    calls: Arc<AtomicU64>,
}

type Script = dyn Fn(u64, &Value) -> Reply + Send + Sync;

impl Scripted {
    /// Starts it; the script is given the number of the call, from 0, and its message.
    #[expect(clippy::disallowed_methods, reason = "the other end of a program that blocks")]
    pub(crate) fn start(script: impl Fn(u64, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
        let calls = Arc::new(AtomicU64::new(0));
        let (script, counted): (Arc<Script>, _) = (Arc::new(script), calls.clone());
        std::thread::spawn(move || {
            let listener = Arc::new(listener);
            for stream in listener.incoming().map_while(Result::ok) {
                let (script, calls) = (script.clone(), counted.clone());
                let door = listener.clone();
                std::thread::spawn(move || serve(stream, &*script, &calls, &door));
            }
        });
        Self { url, calls }
    }

    /// How many calls came.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }
}

fn serve(mut stream: TcpStream, script: &Script, calls: &AtomicU64, door: &TcpListener) {
    let mut unread = Vec::new();
    while let Some(message) = receive(&mut stream, &mut unread) {
        let reply = if message["method"] == "tools/call" {
            script(calls.fetch_add(1, Ordering::Relaxed), &message)
        } else {
            Reply::Right
        };
        let (id, right) = (&message["id"], right(&message));
        let right = json!({"jsonrpc": "2.0", "id": id, "result": right}).to_string();
        let bytes = match reply {
            Reply::Close => return,
            Reply::Gone => {
                // It is shut once; those who come later find it so.
                let _ = shutdown(door, Shutdown::Both);
                return;
            }
            Reply::Right => whole("200 OK", "application/json", &right),
            Reply::Late(after) => {
                pass(&stream, after);
                whole("200 OK", "application/json", &right)
            }
            Reply::Slow(pause) => {
                let bytes = whole("200 OK", "application/json", &right).into_bytes();
                let _ = bytes.iter().try_for_each(|byte| {
                    pass(&stream, pause);
                    stream.write_all(&[*byte])
                });
                continue;
            }
            Reply::Other(status, media, body) => whole(status, media, &body),
            Reply::Events => {
                let token = &message["params"]["_meta"]["progressToken"];
                let notice = json!({"jsonrpc": "2.0", "method": "notifications/progress",
                    "params": {"progressToken": token, "progress": 1}});
                let events = format!("data: {notice}\n\ndata: {right}\n\n");
                whole("200 OK", "text/event-stream", &events)
            }
        };
        if stream.write_all(bytes.as_bytes()).is_err() {
            return;
        }
    }
}

/// Lets so much time pass: the peer says nothing while its answer is due.
fn pass(stream: &TcpStream, time: Duration) {
    stream.set_read_timeout(Some(time)).expect("a timeout");
    let _ = stream.peek(&mut [0]);
    stream.set_read_timeout(None).expect("no timeout");
}

fn right(message: &Value) -> Value {
    let schema = json!({"type": "object", "properties": {"message": {"type": "string"}}});
    match message["method"].as_str() {
        Some("server/discover") => {
            json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})
        }
        Some("tools/list") => json!({"tools": [{"name": "echo", "inputSchema": schema}]}),
        _ => {
            let text = &message["params"]["arguments"]["message"];
            json!({"content": [{"type": "text", "text": text}]})
        }
    }
}

fn whole(status: &str, media: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn receive(stream: &mut TcpStream, unread: &mut Vec<u8>) -> Option<Value> {
    loop {
        let text = String::from_utf8_lossy(unread).into_owned();
        if let Some((head, rest)) = text.split_once("\r\n\r\n") {
            let fields = head.lines().filter_map(|line| line.split_once(": "));
            let mut lengths =
                fields.filter(|(name, _)| name.eq_ignore_ascii_case("content-length"));
            let length: usize =
                lengths.next().map_or(0, |(_, text)| text.parse().expect("a number"));
            if rest.len() >= length {
                let message = serde_json::from_str(&rest[..length]).expect("JSON");
                unread.drain(..head.len() + 4 + length);
                return Some(message);
            }
        }
        let mut room = [0; 4096];
        match stream.read(&mut room) {
            Ok(0) | Err(_) => return None,
            Ok(count) => unread.extend_from_slice(&room[..count]),
        }
    }
}
