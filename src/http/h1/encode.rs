//! HTTP/1.1 responses as bytes: heads and chunks.
//!
//! Everything is appended to the caller's buffer and nothing else is allocated. The head of the
//! usual answers is one copy of bytes written in advance.
//! Spec: RFC 9112 §4, §6, §7.1; RFC 9110 §15. `Date` (RFC 9110 §6.6.1) is a field that the caller
//! adds, who has the clock.
//! Invariant: no field value that could split the message is ever written.

use std::ops::Range;

use crate::http::field::{is_token, is_value};
use crate::http::head::{Persistence, Version};

/// The interim answer to `Expect: 100-continue` (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The head of a response while it is written. It is complete only after one of the `finish`es.
#[derive(Debug)]
#[must_use = "a head without its end is no head"]
pub struct HeadWriter<'o> {
    out: &'o mut Vec<u8>,
}

impl<'o> HeadWriter<'o> {
    /// Begins a response with this status. A status that this crate has no words for is written
    /// without any (RFC 9112 §4).
    pub fn new(out: &'o mut Vec<u8>, status: u16) -> Self {
        debug_assert!((200..=599).contains(&status), "{status} is no final status");
        out.extend_from_slice(b"HTTP/1.1 ");
        decimal(out, u64::from(status));
        out.push(b' ');
        out.extend_from_slice(reason(status).as_bytes());
        out.extend_from_slice(b"\r\n");
        Self { out }
    }

    /// Begins 200 with one JSON document. One of the `finish`es with a length completes it.
    pub fn json(out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
        Self { out }
    }

    /// Begins 200 with a body of server-sent events, which no proxy should hold back.
    pub fn event_stream(out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
              X-Accel-Buffering: no\r\n",
        );
        Self { out }
    }

    /// Begins 200 with a body of JSON lines, which no proxy should hold back.
    pub fn ndjson(out: &'o mut Vec<u8>) -> Self {
        out.extend_from_slice(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-cache\r\n\
              X-Accel-Buffering: no\r\n",
        );
        Self { out }
    }

    /// Adds a field. One whose name is no token, or whose value could end its line, is left out:
    /// the caller has a bug, and its client must not pay for it.
    pub fn field(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let sound = is_token(name.as_bytes()) && is_value(value);
        debug_assert!(sound, "unsound field {name}");
        if sound {
            self.out.extend_from_slice(name.as_bytes());
            self.out.extend_from_slice(b": ");
            self.out.extend_from_slice(value);
            self.out.extend_from_slice(b"\r\n");
        }
        self
    }

    /// Adds a field with a decimal value.
    pub fn number(&mut self, name: &'static str, value: u64) -> &mut Self {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b": ");
        decimal(self.out, value);
        self.out.extend_from_slice(b"\r\n");
        self
    }

    /// Adds field lines that another encoder of this crate writes whole, such as those of CORS.
    pub fn lines(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        let start = self.out.len();
        write(self.out);
        debug_assert!(
            self.out.len() == start || self.out.ends_with(b"\r\n"),
            "field lines end with CRLF"
        );
        self
    }

    /// Ends the head of a response whose body has this length.
    pub fn finish_length(mut self, length: u64, version: Version, persistence: Persistence) {
        self.number("Content-Length", length);
        self.finish(version, persistence);
    }

    /// Ends the head of a response whose body is appended next and measured by
    /// [`LengthSlot::fill`]. Room is left for a length of `digits` digits: the caller's guess.
    pub fn finish_length_later(
        self,
        version: Version,
        persistence: Persistence,
        digits: usize,
    ) -> LengthSlot {
        self.out.extend_from_slice(b"Content-Length: ");
        let digits_start = self.out.len();
        self.out.resize(digits_start + digits.min(LENGTH_DIGITS_MAX), b'0');
        let digits_end = self.out.len();
        self.out.extend_from_slice(b"\r\n");
        let head = Self { out: self.out };
        let body_start = head.finish(version, persistence);
        LengthSlot { digits: digits_start..digits_end, body_start }
    }

    /// Ends the head of a response whose body is streamed. HTTP/1.0 knows no chunks: there the body
    /// ends with the connection, which the caller must then close, whatever `persistence` says.
    pub fn finish_stream(self, version: Version, persistence: Persistence) -> StreamCoding {
        let coding = StreamCoding::of(version);
        let persistence = match coding {
            StreamCoding::Chunked => {
                self.out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
                persistence
            }
            StreamCoding::UntilClose => Persistence::Close,
        };
        self.finish(version, persistence);
        coding
    }

    /// Ends the head of a response that has no body by its status or its method (204, 304, `HEAD`).
    /// Gives the offset after the head.
    pub fn finish(self, version: Version, persistence: Persistence) -> usize {
        let connection: &[u8] = match (version, persistence) {
            (Version::Http11, Persistence::KeepAlive) => b"\r\n",
            (Version::Http10, Persistence::KeepAlive) => b"Connection: keep-alive\r\n\r\n",
            (_, Persistence::Close) => b"Connection: close\r\n\r\n",
        };
        self.out.extend_from_slice(connection);
        self.out.len()
    }
}

/// The place of a `Content-Length` that is not known yet.
#[derive(Clone, Debug)]
#[must_use = "the length is wrong until it is filled in"]
pub struct LengthSlot {
    digits: Range<usize>,
    body_start: usize,
}

impl LengthSlot {
    /// Writes the length of what was appended to `out` since the head ended, and gives the number
    /// of its digits: the best guess for the next answer. A wrong guess moves the body by a few
    /// bytes.
    pub fn fill(self, out: &mut Vec<u8>) -> usize {
        let mut buffer = itoa::Buffer::new();
        let written = buffer.format(out.len().saturating_sub(self.body_start)).as_bytes();
        if written.len() == self.digits.len() {
            out.get_mut(self.digits).unwrap_or_default().copy_from_slice(written);
        } else {
            out.splice(self.digits, written.iter().copied());
        }
        written.len()
    }

    /// Where the body begins.
    #[must_use]
    pub const fn body_start(&self) -> usize {
        self.body_start
    }
}

/// How a streamed body is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamCoding {
    /// In chunks.
    Chunked,
    /// As it is; the end of the connection ends it.
    UntilClose,
}

impl StreamCoding {
    /// The coding that this version knows.
    #[must_use]
    pub const fn of(version: Version) -> Self {
        match version {
            Version::Http11 => Self::Chunked,
            Version::Http10 => Self::UntilClose,
        }
    }

    /// Appends what `write` appends, as one part of the body.
    pub fn part(self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        match self {
            Self::Chunked => chunk(out, write),
            Self::UntilClose => write(out),
        }
    }

    /// Appends the end of the body.
    pub fn end(self, out: &mut Vec<u8>) {
        match self {
            Self::Chunked => last_chunk(out),
            Self::UntilClose => {}
        }
    }
}

/// Appends what `write` appends as one chunk (RFC 9112 §7.1). When it appends nothing, nothing is
/// written, since a chunk without data would end the body.
pub fn chunk(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&CHUNK_LINE);
    let data_start = out.len();
    write(out);
    let mut length = out.len().saturating_sub(data_start);
    if length == 0 {
        out.truncate(start);
        return;
    }
    let line = out.get_mut(start..start + CHUNK_DIGITS);
    for place in line.unwrap_or_default().iter_mut().rev() {
        *place = hex_digit(length);
        length >>= 4;
    }
    debug_assert_eq!(length, 0, "a chunk of 4 GiB is in no buffer");
    out.extend_from_slice(b"\r\n");
}

/// Appends the chunk that ends the body, without trailers.
pub fn last_chunk(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Appends a number in decimal.
pub fn decimal(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// The reason phrase of a status (RFC 9110 §15; 429 and 431: RFC 6585), empty for one that this
/// crate never sends.
#[must_use]
pub const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        202 => "Accepted",
        204 => "No Content",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        410 => "Gone",
        411 => "Length Required",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "",
    }
}

/// The digits of the longest length there is.
const LENGTH_DIGITS_MAX: usize = 20;
/// Room for the length of a chunk; leading zeros are part of the grammar.
const CHUNK_DIGITS: usize = 8;
const CHUNK_LINE: [u8; CHUNK_DIGITS + 2] = *b"00000000\r\n";

/// The last hexadecimal digit of a number.
fn hex_digit(number: usize) -> u8 {
    match u8::try_from(number & 0xf).unwrap_or_default() {
        low @ 0..=9 => b'0' + low,
        high => b'a' + high - 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::h1::body::{BodyLimits, ChunkedDecoder, Progress};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn usual_answers_are_written_to_the_letter() {
        use Persistence::{Close, KeepAlive};
        use Version::{Http10, Http11};
        assert_eq!(
            written(|out| HeadWriter::json(out).finish_length(42, Http11, KeepAlive)),
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 42\r\n\r\n"
        );
        assert_eq!(
            written(|out| {
                let mut head = HeadWriter::event_stream(out);
                head.field("Mcp-Session-Id", b"s").number("Retry-After", 5);
                assert_eq!(head.finish_stream(Http11, Close), StreamCoding::Chunked);
            }),
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\
             X-Accel-Buffering: no\r\nMcp-Session-Id: s\r\nRetry-After: 5\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        );
        assert_eq!(
            written(|out| {
                let coding = HeadWriter::ndjson(out).finish_stream(Http10, KeepAlive);
                assert_eq!(coding, StreamCoding::UntilClose);
            }),
            "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nCache-Control: no-cache\r\n\
             X-Accel-Buffering: no\r\nConnection: close\r\n\r\n"
        );
        for (status, version, persistence, wanted) in [
            (202, Http11, KeepAlive, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"),
            (
                202,
                Http11,
                Close,
                "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            ),
            (204, Http11, KeepAlive, "HTTP/1.1 204 No Content\r\n\r\n"),
            (
                404,
                Http10,
                KeepAlive,
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
            ),
            (599, Http11, KeepAlive, "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n"),
        ] {
            let answer = written(|out| {
                let head = HeadWriter::new(out, status);
                match status {
                    // RFC 9110 §8.6: 204 has no length.
                    204 => assert!(head.finish(version, persistence) > 0),
                    _ => head.finish_length(0, version, persistence),
                }
            });
            assert_eq!(answer, wanted);
        }
    }

    #[test]
    fn a_length_is_filled_in_after_the_body_was_written() {
        for body in ["", "x", "0123456789"] {
            for guess in [0, 1, 3, 20] {
                let answer = written(|out| {
                    out.extend_from_slice(b"before");
                    let slot = HeadWriter::json(out).finish_length_later(
                        Version::Http11,
                        Persistence::KeepAlive,
                        guess,
                    );
                    assert_eq!(slot.body_start(), out.len());
                    out.extend_from_slice(body.as_bytes());
                    assert_eq!(slot.fill(out), body.len().to_string().len());
                });
                let wanted = format!("\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                assert!(answer.starts_with("before") && answer.ends_with(&wanted), "{answer:?}");
            }
        }
    }

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "unsound field"))]
    fn a_value_that_would_split_the_message_is_left_out() {
        let answer = written(|out| {
            let mut head = HeadWriter::new(out, 200);
            head.field("X", b"a\r\nSet-Cookie: b");
            head.finish(Version::Http11, Persistence::KeepAlive);
        });
        assert_eq!(answer, "HTTP/1.1 200 OK\r\n\r\n");
    }

    #[test]
    fn an_empty_chunk_is_not_written() {
        assert_eq!(written(|out| chunk(out, |_| ())), "");
        let chunked = written(|out| chunk(out, |out| out.extend_from_slice(&[b'x'; 0x1ab])));
        assert!(chunked.starts_with("000001ab\r\nx") && chunked.ends_with("x\r\n"));
    }

    proptest! {
        #[test]
        fn numbers_are_written_in_decimal(value in any::<u64>()) {
            prop_assert_eq!(written(|out| decimal(out, value)), value.to_string());
        }

        #[test]
        fn what_is_encoded_in_chunks_decodes_to_itself(
            parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..10),
        ) {
            let mut bytes = Vec::new();
            for part in &parts {
                StreamCoding::Chunked.part(&mut bytes, |out| out.extend_from_slice(part));
            }
            StreamCoding::Chunked.end(&mut bytes);
            let mut decoder = ChunkedDecoder::new(0, &BodyLimits::default());
            let progress = decoder.advance(&mut bytes);
            let whole = parts.concat();
            let complete = Progress::Complete { body: 0..whole.len(), next_start: bytes.len() };
            prop_assert_eq!(progress, Ok(complete));
            prop_assert_eq!(&bytes[..whole.len()], whole.as_slice());
        }
    }

    #[test]
    fn numbers_at_the_ends_are_written_in_decimal() {
        assert_eq!(written(|out| decimal(out, 0)), "0");
        assert_eq!(written(|out| decimal(out, u64::MAX)), u64::MAX.to_string());
    }
}
