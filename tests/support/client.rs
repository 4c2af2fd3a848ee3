//! A client that reads strictly: nothing that HTTP, SSE or NDJSON does not allow passes, and every
//! JSON-RPC message is held against the schema of the revision that its request spoke.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use ringlane::{ListenAddress, Revision};
use serde_json::Value;

use super::ask::{Ask, JSON, NDJSON, SSE};
use super::schema::{Asked, check_message};

/// After this a test fails instead of waiting on.
const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Debug)]
enum Pipe {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// One connection.
#[derive(Debug)]
pub struct Conn {
    pipe: Pipe,
    /// Received and not yet read.
    buffer: Vec<u8>,
    waited_for: VecDeque<Waited>,
    current: Option<Current>,
    /// The id of the last event that had one, for its client to resume behind.
    pub last_event_id: Option<String>,
    /// How long the last event said to wait before coming back, in milliseconds.
    pub retry_ms: Option<u64>,
}

/// A request whose answer has not come.
#[derive(Clone, Debug)]
struct Waited {
    asked: Asked,
    http10: bool,
    bodiless: bool,
    /// Whether the answer is as many messages as there are, for the test itself to look at.
    is_open: bool,
}

/// The answer that is being read.
#[derive(Debug)]
struct Current {
    waited: Waited,
    media: Media,
    framing: Framing,
    /// Bytes of the body that are part of no frame yet.
    unframed: Vec<u8>,
    answered: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    Sse,
    Ndjson,
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Left(usize),
    Chunked,
    UntilClose,
    Done,
}

/// What stands before a body.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    /// The one value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(held, _)| held.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} came twice: {self:?}");
        value
    }

    pub fn closes(&self) -> bool {
        self.field("Connection") == Some("close")
    }
}

/// One part of a stream.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    Message(Value),
    KeepAlive,
    /// An event without data: it gives an id to resume behind, or says when to come back.
    Silent,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub head: Head,
    pub status: u16,
    /// The body, or what the messages of a stream say.
    pub body: Vec<u8>,
    pub messages: Vec<Value>,
    pub keep_alives: usize,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.field(name)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The response: the last message, and the only one that is no notification.
    pub fn response(&self) -> &Value {
        let (last, before) = self.messages.split_last().unwrap_or_else(|| panic!("{self:?}"));
        assert!(last.get("method").is_none(), "{last}");
        assert!(before.iter().all(|message| message.get("method").is_some()), "{before:?}");
        last
    }

    pub fn result(&self) -> &Value {
        let response = self.response();
        response.get("result").unwrap_or_else(|| panic!("no result: {response}"))
    }

    pub fn error(&self) -> &Value {
        let response = self.response();
        response.get("error").unwrap_or_else(|| panic!("no error: {response}"))
    }

    /// The status, and the code of the error.
    pub fn refusal(&self) -> (u16, i64) {
        (self.status, self.error()["code"].as_i64().unwrap())
    }

    /// What the first block of a tool's answer says.
    pub fn said(&self) -> &str {
        self.result()["content"][0]["text"].as_str().unwrap()
    }

    pub fn notifications(&self) -> &[Value] {
        &self.messages[..self.messages.len() - 1]
    }
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Clean,
    Reset,
}

impl Conn {
    pub fn open(address: &ListenAddress) -> Self {
        let pipe = match address {
            ListenAddress::Tcp(address) => {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                stream.set_nodelay(true).unwrap();
                Pipe::Tcp(stream)
            }
            ListenAddress::Unix(path) => {
                let stream = UnixStream::connect(path).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.set_write_timeout(Some(PATIENCE)).unwrap();
                Pipe::Unix(stream)
            }
            ListenAddress::Localhost(_) => panic!("a server tells its real addresses"),
        };
        Self::over(pipe)
    }

    fn over(pipe: Pipe) -> Self {
        Self {
            pipe,
            buffer: Vec::new(),
            waited_for: VecDeque::new(),
            current: None,
            last_event_id: None,
            retry_ms: None,
        }
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, ask: &Ask) -> Answer {
        self.send(ask);
        self.read()
    }

    /// Sends a request, whose answer is read later.
    pub fn send(&mut self, ask: &Ask) {
        self.expect(ask);
        self.write(&ask.bytes());
    }

    /// Sends bytes that are no request of the endpoint, and reads what answers them.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.expect_refusal();
        self.write(bytes.as_ref());
        self.read()
    }

    /// Notes that this request was sent, however its bytes were.
    pub fn expect(&mut self, ask: &Ask) {
        let (asked, http10) = (ask.asked(), ask.is_http10());
        self.waited_for.push_back(Waited { asked, http10, bodiless: false, is_open: false });
    }

    /// Notes that something was sent which no message answers but perhaps an error without an id.
    pub fn expect_refusal(&mut self) {
        let asked = Asked { revision: Revision::V2026_07_28, id: None, method: String::new() };
        let (http10, bodiless, is_open) = (false, false, false);
        self.waited_for.push_back(Waited { asked, http10, bodiless, is_open });
    }

    /// Sends what is answered by any number of messages, or by an array of them.
    pub fn send_open(&mut self, bytes: impl AsRef<[u8]>) {
        self.expect_refusal();
        self.waited_for.back_mut().unwrap().is_open = true;
        self.write(bytes.as_ref());
    }

    /// The same, and reads the answer.
    pub fn ask_open(&mut self, bytes: impl AsRef<[u8]>) -> Answer {
        self.send_open(bytes);
        self.read()
    }

    /// Notes that HEAD was sent.
    pub fn expect_head_alone(&mut self) {
        self.expect_refusal();
        self.waited_for.back_mut().unwrap().bodiless = true;
    }

    pub fn write(&mut self, bytes: &[u8]) {
        match &mut self.pipe {
            Pipe::Tcp(stream) => stream.write_all(bytes).unwrap(),
            Pipe::Unix(stream) => stream.write_all(bytes).unwrap(),
        }
    }

    /// Sends as much as the server takes before it closes. Whether it took all.
    pub fn write_some(&mut self, bytes: &[u8]) -> bool {
        let written = match &mut self.pipe {
            Pipe::Tcp(stream) => stream.write_all(bytes),
            Pipe::Unix(stream) => stream.write_all(bytes),
        };
        written.is_ok()
    }

    /// The same connection once more, to be written to from another thread.
    pub fn second_hand(&self) -> Self {
        let pipe = match &self.pipe {
            Pipe::Tcp(stream) => Pipe::Tcp(stream.try_clone().unwrap()),
            Pipe::Unix(stream) => Pipe::Unix(stream.try_clone().unwrap()),
        };
        Self::over(pipe)
    }

    /// Ends our side.
    pub fn half_close(&self) {
        match &self.pipe {
            Pipe::Tcp(stream) => stream.shutdown(Shutdown::Write).unwrap(),
            Pipe::Unix(stream) => stream.shutdown(Shutdown::Write).unwrap(),
        }
    }

    /// Reads a whole answer.
    pub fn read(&mut self) -> Answer {
        let head = self.begin();
        let (mut messages, mut body, mut keep_alives) = (Vec::new(), Vec::new(), 0);
        let is_stream = self.current.as_ref().is_some_and(|it| it.media != Media::Other);
        if is_stream {
            while let Some(frame) = self.frame() {
                match frame {
                    Frame::Message(message) => {
                        body.extend_from_slice(message.to_string().as_bytes());
                        messages.push(message);
                    }
                    Frame::KeepAlive => keep_alives += 1,
                    Frame::Silent => {}
                }
            }
        } else {
            while let Some(piece) = self.piece() {
                body.extend_from_slice(&piece);
            }
            let waited = self.current.take().unwrap().waited;
            if head.field("Content-Type") == Some(JSON) && !waited.bodiless {
                let message: Value = serde_json::from_slice(&body)
                    .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&body)));
                match message {
                    Value::Array(all) if waited.is_open => messages = all,
                    message => {
                        if !waited.is_open {
                            check_message(&waited.asked, &message);
                        }
                        messages.push(message);
                    }
                }
            }
        }
        Answer { status: head.status, head, body, messages, keep_alives }
    }

    /// Reads the head of the next answer. Its body follows by `frame`.
    pub fn begin(&mut self) -> Head {
        assert!(self.current.is_none(), "an answer is being read");
        let waited = self.waited_for.pop_front().expect("nothing was asked");
        let head = self.head();
        let framing = framing(&head, &waited);
        let media = match head.field("Content-Type") {
            Some(SSE) => Media::Sse,
            Some(NDJSON) => Media::Ndjson,
            _ => Media::Other,
        };
        let unframed = Vec::new();
        self.current = Some(Current { waited, media, framing, unframed, answered: false });
        head
    }

    /// Reads `100 Continue`, and nothing else.
    pub fn read_continue(&mut self) {
        let head = self.head();
        assert_eq!((head.status, head.fields.len()), (100, 0));
    }

    fn head(&mut self) -> Head {
        let status_line = self.line();
        let (version, rest) = status_line.split_at(9);
        assert_eq!(version, "HTTP/1.1 ", "{status_line}");
        let (status, reason) = rest.split_at(3);
        assert!(reason.starts_with(' ') && reason.len() > 1, "{status_line}");
        let mut fields = Vec::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return Head { status: status.parse().unwrap(), fields };
            }
            let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
            let token = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            assert!(!name.is_empty() && name.bytes().all(token), "{line}");
            assert!(value.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{line}");
            fields.push((name.to_owned(), value.trim_matches(' ').to_owned()));
        }
    }

    /// The next bytes of the body; `None` after its last one.
    fn piece(&mut self) -> Option<Vec<u8>> {
        let framing = self.current().framing;
        let (piece, framing) = match framing {
            Framing::Done => return None,
            Framing::Left(0) => (None, Framing::Done),
            Framing::Left(length) => (Some(self.take(length)), Framing::Done),
            Framing::UntilClose => match !self.buffer.is_empty() || self.fill() {
                true => (Some(std::mem::take(&mut self.buffer)), Framing::UntilClose),
                false => (None, Framing::Done),
            },
            Framing::Chunked => {
                let line = self.line();
                assert!(line.bytes().all(|byte| byte.is_ascii_hexdigit()), "{line:?}");
                let length = usize::from_str_radix(&line, 16).unwrap();
                let data = self.take(length);
                assert_eq!(self.line(), "", "a chunk ends with CRLF");
                match length {
                    0 => (None, Framing::Done),
                    _ => (Some(data), Framing::Chunked),
                }
            }
        };
        self.current().framing = framing;
        if piece.is_none() { self.piece() } else { piece }
    }

    /// The next frame of a stream; `None` after its end, which must be the response's.
    pub fn frame(&mut self) -> Option<Frame> {
        loop {
            if let Some(text) = next_frame(self.current()) {
                return Some(self.read_frame(&text));
            }
            let Some(piece) = self.piece() else {
                let current = self.current();
                assert!(current.unframed.is_empty(), "a stream ends with a whole frame");
                let is_over = current.answered || current.waited.is_open;
                assert!(is_over, "a stream ends with its response");
                self.current = None;
                return None;
            };
            self.current().unframed.extend_from_slice(&piece);
        }
    }

    /// Reads a frame, and holds its message against the schema.
    fn read_frame(&mut self, frame: &str) -> Frame {
        let current = self.current.as_mut().expect("an answer is being read");
        let json = match current.media {
            Media::Ndjson if frame.is_empty() => return Frame::KeepAlive,
            Media::Sse if frame == ":" => return Frame::KeepAlive,
            Media::Sse => {
                let mut lines = frame.split('\n').peekable();
                if let Some(id) = lines.peek().and_then(|line| line.strip_prefix("id: ")) {
                    self.last_event_id = Some(id.to_owned());
                    lines.next();
                }
                if let Some(ms) = lines.peek().and_then(|line| line.strip_prefix("retry: ")) {
                    self.retry_ms = Some(ms.parse().unwrap());
                    lines.next();
                }
                let data = lines.next();
                assert_eq!(lines.next(), None, "{frame:?}");
                match data {
                    None | Some("data:") => return Frame::Silent,
                    Some(line) => {
                        line.strip_prefix("data: ").unwrap_or_else(|| panic!("{frame:?}"))
                    }
                }
            }
            _ => frame,
        };
        assert!(!current.answered, "nothing follows the response: {json}");
        let message: Value = serde_json::from_str(json).unwrap();
        if !current.waited.is_open {
            check_message(&current.waited.asked, &message);
            current.answered = message.get("method").is_none();
        }
        Frame::Message(message)
    }

    /// The next message of a stream, comments left out.
    pub fn message(&mut self) -> Option<Value> {
        loop {
            match self.frame()? {
                Frame::Message(message) => return Some(message),
                Frame::KeepAlive | Frame::Silent => {}
            }
        }
    }

    /// Reads what is left of an answer that was begun.
    pub fn finish(&mut self) {
        while self.piece().is_some() {}
        self.current = None;
    }

    /// Stops reading the answer that was begun: the connection is about to end in its midst.
    pub fn abandon(&mut self) {
        self.current = None;
    }

    /// Reads on to the end of the connection; nothing may come before it.
    pub fn end(&mut self) -> End {
        assert!(self.waited_for.is_empty(), "answers are due: {:?}", self.waited_for);
        let mut scratch = [0; 1024];
        assert_eq!(String::from_utf8_lossy(&self.buffer), "", "an answer nobody asked for");
        match self.receive(&mut scratch) {
            Ok(0) => End::Clean,
            Ok(count) => panic!("{:?}", String::from_utf8_lossy(&scratch[..count])),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
            Err(error) => panic!("{error}"),
        }
    }

    fn current(&mut self) -> &mut Current {
        self.current.as_mut().expect("an answer is being read")
    }

    /// A line without its CRLF.
    fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8(self.take(end + 1)).unwrap();
                let line = line.strip_suffix("\r\n").unwrap_or_else(|| panic!("{line:?}"));
                return line.to_owned();
            }
            assert!(self.fill(), "the connection ended in an answer: {:?}", self.buffer);
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill(), "the connection ended in an answer");
        }
        self.buffer.drain(..length).collect()
    }

    /// Receives more; false at the end.
    fn fill(&mut self) -> bool {
        let mut scratch = [0; 16 * 1024];
        loop {
            match self.receive(&mut scratch) {
                Ok(count) => {
                    self.buffer.extend_from_slice(&scratch[..count]);
                    return count > 0;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    fn receive(&mut self, scratch: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let received = match &mut self.pipe {
                Pipe::Tcp(stream) => stream.read(scratch),
                Pipe::Unix(stream) => stream.read(scratch),
            };
            // A read with a timeout is not begun again by the kernel.
            match received {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => return received,
            }
        }
    }
}

/// How the body ends: one way, and one that this request allows (RFC 9112 §6.3).
fn framing(head: &Head, waited: &Waited) -> Framing {
    let length = head.field("Content-Length");
    let coding = head.field("Transfer-Encoding");
    match (length, coding) {
        (None, None) if head.status == 204 => Framing::Done,
        _ if head.status == 204 => panic!("204 has no body: {head:?}"),
        (Some(length), None) => {
            assert!(length.bytes().all(|byte| byte.is_ascii_digit()), "{length:?}");
            let length = length.parse().unwrap();
            if waited.bodiless { Framing::Done } else { Framing::Left(length) }
        }
        (None, Some("chunked")) => {
            assert!(!waited.http10, "HTTP/1.0 knows no chunks");
            Framing::Chunked
        }
        (None, None) => {
            assert!(waited.http10 && head.closes(), "nothing says where it ends: {head:?}");
            Framing::UntilClose
        }
        _ => panic!("two ends: {head:?}"),
    }
}

/// Takes a frame off the front.
fn next_frame(current: &mut Current) -> Option<String> {
    let end: &[u8] = if current.media == Media::Sse { b"\n\n" } else { b"\n" };
    let at = current.unframed.windows(end.len()).position(|window| window == end)?;
    let frame: Vec<u8> = current.unframed.drain(..at + end.len()).collect();
    let frame = std::str::from_utf8(&frame[..at]).unwrap();
    let line_end_count = if current.media == Media::Sse { 2 } else { 0 };
    assert!(frame.matches('\n').count() <= line_end_count && !frame.contains('\r'), "{frame:?}");
    Some(frame.to_owned())
}
