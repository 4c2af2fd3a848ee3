//! A client's connection that may be cut at any byte, and the requests of a session.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use ringlane::base::time::Now;
use ringlane::http::frame::EventId;
use rustix::net::sockopt::set_socket_linger;
use serde_json::{Value, json};

use crate::support::answers::{Answer, Expects, Reader};

/// After this a test fails instead of waiting on.
const PATIENCE: Duration = Duration::from_secs(20);

/// One connection. Closed when dropped.
pub(super) struct Wire {
    stream: TcpStream,
    reader: Reader,
    /// How many bytes are read before it is cut.
    left: usize,
    /// Whether the cut is a reset.
    resets: bool,
}

/// What reading came to.
pub(super) enum Heard {
    /// A whole answer.
    Whole(Answer),
    /// As much as was wanted.
    Enough,
    /// As much as may be read before the cut.
    Cut,
}

impl Wire {
    pub(super) fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("a server that listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("an option");
        Self { stream, reader: Reader::new(), left: usize::MAX, resets: false }
    }

    /// Cuts it after so many bytes of answers.
    pub(super) fn cut_after(mut self, bytes: usize, resets: bool) -> Self {
        (self.left, self.resets) = (bytes, resets);
        self
    }

    pub(super) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("a server that reads");
    }

    /// Reads an answer until it is whole, or `heed`, who sees it as far as it came, has enough.
    pub(super) fn read(&mut self, heed: &mut dyn FnMut(&Answer) -> bool) -> Heard {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(answer) = self.reader.next(Expects::default(), Now(0)).expect("HTTP") {
                heed(&answer);
                return Heard::Whole(answer);
            }
            if self.reader.unfinished().is_some_and(&mut *heed) {
                return Heard::Enough;
            }
            if self.left == 0 {
                return Heard::Cut;
            }
            let room = buffer.len().min(self.left);
            let count = match self.stream.read(&mut buffer[..room]) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.expect("bytes in time"),
            };
            assert_ne!(count, 0, "the server ended a connection");
            self.left -= count;
            self.reader.feed(&buffer[..count]);
        }
    }

    /// Sends a request and reads the whole answer.
    pub(super) fn ask(&mut self, request: &[u8]) -> Answer {
        self.send(request);
        self.answer()
    }

    pub(super) fn answer(&mut self) -> Answer {
        match self.read(&mut |_| false) {
            Heard::Whole(answer) => answer,
            Heard::Enough | Heard::Cut => panic!("an answer was cut"),
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.resets {
            set_socket_linger(&self.stream, Some(Duration::ZERO)).expect("an option");
        }
    }
}

/// A session, as its client knows it.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) id: String,
    pub(super) revision: &'static str,
}

impl Session {
    /// Opens a session on this connection.
    pub(super) fn open(wire: &mut Wire, revision: &'static str) -> Self {
        let unnamed = Self { id: String::new(), revision };
        let answer = wire.ask(&unnamed.post(&json!({
            "jsonrpc": "2.0", "id": 0, "method": "initialize",
            "params": {"protocolVersion": revision, "capabilities": {},
                "clientInfo": {"name": "test", "version": "0"}},
        })));
        assert_eq!(answer.status, 200, "{answer:?}");
        Self { id: answer.session_id.expect("a session"), revision }
    }

    /// Whether its streams begin with an event that says nothing.
    pub(super) fn is_primed(&self) -> bool {
        self.revision == "2025-11-25"
    }

    pub(super) fn post(&self, body: &Value) -> Vec<u8> {
        let body = body.to_string();
        let fields = format!(
            "Content-Type: application/json\r\nContent-Length: {}\r\n\
             Accept: application/json, text/event-stream\r\n",
            body.len()
        );
        self.request("POST", &fields, &body)
    }

    pub(super) fn call(&self, id: u64, tool: &str, arguments: &Value) -> Vec<u8> {
        let params = json!({"name": tool, "arguments": arguments, "_meta": {"progressToken": id}});
        self.post(&json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params}))
    }

    /// Asks for a stream, from behind an event if there is one.
    pub(super) fn get(&self, after: Option<EventId>) -> Vec<u8> {
        let mut fields = "Accept: text/event-stream\r\n".to_owned();
        if let Some(EventId { stream, sequence }) = after {
            fields += &format!("Last-Event-ID: {stream}-{sequence}\r\n");
        }
        self.request("GET", &fields, "")
    }

    pub(super) fn delete(&self) -> Vec<u8> {
        self.request("DELETE", "", "")
    }

    fn request(&self, method: &str, fields: &str, body: &str) -> Vec<u8> {
        let mut head = format!("{method} /mcp HTTP/1.1\r\nHost: localhost\r\n{fields}");
        if self.revision != "2025-03-26" {
            head += &format!("MCP-Protocol-Version: {}\r\n", self.revision);
        }
        if !self.id.is_empty() {
            head += &format!("Mcp-Session-Id: {}\r\n", self.id);
        }
        format!("{head}\r\n{body}").into_bytes()
    }
}
