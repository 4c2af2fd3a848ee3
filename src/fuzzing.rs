//! One function for each decoder that hostile bytes reach, for fuzzers and for the replay of what
//! they found. No promise is kept here.
//!
//! Each function takes the bytes of a fuzzer: the first says in how many pieces the rest is cut, a
//! byte for each piece says how long it is, and what follows is the input. The decoder sees the
//! input whole and in pieces, and must answer alike.
//! A new decoder adds a function, a row of `DECODERS`, a file in `fuzz/fuzz_targets` and seeds in
//! `fuzz/corpus`.

use std::fmt::Write as _;

use serde_json::Value;

use crate::http::h1::body::{BodyDecoder, BodyLimits, ChunkedDecoder, Progress};
use crate::http::h1::head::{Decoded, FieldSlots, HeadLimits, decode as decode_head};
use crate::http::h1::response::{DecodedResponse, decode as decode_response};
use crate::http::head::Persistence;
use crate::http::ndjson::{NdjsonDecoder, NdjsonLimits};
use crate::http::negotiate::Acceptance;
use crate::http::sse::{SseDecoder, SseLimits};
use crate::jsonrpc::decode::{DecodeError, Decoder, JsonLimits};
use crate::jsonrpc::message::{InvalidMessage, Message};
use crate::mcp::meta::Meta;

/// Every decoder: its name, which is also that of its corpus, and its check of one input cut in one
/// way.
pub const DECODERS: &[(&str, Check)] = &[
    ("accept", check_accept),
    ("chunked", check_chunked),
    ("head", check_head),
    ("jsonrpc", check_jsonrpc),
    ("ndjson", check_ndjson),
    ("pipeline", check_pipeline),
    ("response", check_response),
    ("sse", check_sse),
];

/// Asserts that a decoder answers alike to an input whole and cut; panics if not.
pub type Check = fn(&[u8], Cuts<'_>);

/// Request heads.
pub fn head(data: &[u8]) {
    run(data, check_head);
}

/// Chunked bodies.
pub fn chunked(data: &[u8]) {
    run(data, check_chunked);
}

/// Requests one after another on one connection, as a server reads them.
pub fn pipeline(data: &[u8]) {
    run(data, check_pipeline);
}

/// Response heads.
pub fn response(data: &[u8]) {
    run(data, check_response);
}

/// `Accept`, a line of the field for each line of the input.
pub fn accept(data: &[u8]) {
    run(data, check_accept);
}

/// Server-sent events.
pub fn sse(data: &[u8]) {
    run(data, check_sse);
}

/// JSON lines.
pub fn ndjson(data: &[u8]) {
    run(data, check_ndjson);
}

/// JSON-RPC messages.
pub fn jsonrpc(data: &[u8]) {
    run(data, check_jsonrpc);
}

/// Where an input is cut.
#[derive(Clone, Copy, Debug)]
pub enum Cuts<'a> {
    /// At one offset.
    At(usize),
    /// After each byte.
    EachByte,
    /// After pieces of these lengths.
    Lengths(&'a [u8]),
}

impl Cuts<'_> {
    fn pieces(self, input: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::At(at) => {
                input.split_at_checked(at).map_or(vec![input], |(head, tail)| vec![head, tail])
            }
            Self::EachByte => input.chunks(1).collect(),
            Self::Lengths(lengths) => {
                let (mut pieces, mut rest) = (Vec::new(), input);
                for &length in lengths {
                    let Some((piece, tail)) = rest.split_at_checked(length.into()) else { break };
                    pieces.push(piece);
                    rest = tail;
                }
                pieces.push(rest);
                pieces
            }
        }
    }
}

/// The lengths of the pieces, and the input, that a fuzzer's bytes mean.
#[must_use]
pub fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return (&[], &[]) };
    rest.split_at_checked(usize::from(count & 7)).unwrap_or((&[], rest))
}

fn run(data: &[u8], check: Check) {
    let (lengths, input) = split(data);
    check(input, Cuts::Lengths(lengths));
}

/// Asserts that a reader answers alike whether it is given the input whole or in pieces.
fn alike(input: &[u8], cuts: Cuts<'_>, read: fn(&[&[u8]]) -> String) {
    assert_eq!(read(&cuts.pieces(input)), read(&[input]), "{cuts:?} of {:?}", input.escape_ascii());
}

fn check_head(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend_from_slice(piece);
            let mut slots = FieldSlots::new();
            match decode_head(&bytes, &mut slots, &HeadLimits::default()) {
                Ok(Decoded::Incomplete) => {}
                Ok(Decoded::Head { head, used_bytes }) => {
                    let accept: Vec<_> = head.accept().collect();
                    return format!("{used_bytes} {head:?} {accept:?}");
                }
                Err(error) => return format!("{error} {}", error.status()),
            }
        }
        "incomplete".to_owned()
    });
}

/// A body is never decoded in pieces; here the pieces are other bodies that the same decoder read
/// before, of which nothing may be left. What it accepts, another JSON reader accepts and reads
/// alike.
fn check_jsonrpc(input: &[u8], cuts: Cuts<'_>) {
    let mut used = Decoder::new(JsonLimits::default());
    for piece in cuts.pieces(input) {
        let _ = describe_message(&mut used, piece);
    }
    let fresh = describe_message(&mut Decoder::new(JsonLimits::default()), input);
    assert_eq!(describe_message(&mut used, input), fresh, "{:?}", input.escape_ascii());
    if let Ok((json, _)) = fresh {
        let twin: Value = serde_json::from_slice(input).unwrap_or_default();
        let ours: Value = serde_json::from_slice(&json).unwrap_or_default();
        assert!(same_value(&ours, &twin), "{ours} is not {twin}");
    }
}

/// Whether two JSON values say the same; `-0` is `0`.
fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same_value(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let found = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| same_value(value, other))
            };
            one.len() == other.len() && one.iter().all(found)
        }
        _ => one == other,
    }
}

/// The value as JSON and the message as words; or why there is none.
fn describe_message(decoder: &mut Decoder, body: &[u8]) -> Result<(Vec<u8>, String), DecodeError> {
    decoder.decode(body, |value| {
        let mut json = Vec::new();
        value.encode(&mut json);
        let message = match Message::read(value) {
            Ok(Message::Request { id, method, params }) => {
                let meta = Meta::read(params);
                let fits = (meta.token().is_some(), meta.level().is_ok());
                format!("request {id:?} {method:?} {fits:?}")
            }
            Ok(Message::Notification { method, .. }) => format!("notification {method:?}"),
            Ok(Message::Response { .. }) => "response".to_owned(),
            Ok(Message::Batch(batch)) => format!("batch of {}", batch.elements().count()),
            Err(InvalidMessage { reason, id }) => format!("{reason} {id:?}"),
        };
        (json, message)
    })
}

fn check_response(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend_from_slice(piece);
            let mut slots = FieldSlots::new();
            match decode_response(&bytes, &mut slots, &HeadLimits::default()) {
                Ok(DecodedResponse::Incomplete) => {}
                Ok(DecodedResponse::Head { head, used_bytes }) => {
                    let challenges: Vec<_> = head.www_authenticate().collect();
                    return format!("{used_bytes} {head:?} {challenges:?}");
                }
                Err(error) => return error.to_string(),
            }
        }
        "incomplete".to_owned()
    });
}

/// Small enough for a fuzzer to find the far side of.
const BODY_LIMITS: BodyLimits = BodyLimits {
    body_bytes_max: 4096,
    chunk_line_bytes_max: 64,
    trailers_bytes_max: 128,
    framing_slack_bytes: 64,
    framing_factor: 4,
};

fn check_chunked(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut bytes = b"head".to_vec();
        let mut decoder = ChunkedDecoder::new(bytes.len(), &BODY_LIMITS);
        let mut received_bytes = 0;
        for piece in pieces {
            bytes.extend_from_slice(piece);
            received_bytes += piece.len();
            match decoder.advance(&mut bytes) {
                Ok(Progress::Incomplete) => {}
                Ok(Progress::Complete { body, next_start }) => {
                    let used_bytes = received_bytes - (bytes.len() - next_start);
                    return format!("{used_bytes} {:?}", bytes.get(body));
                }
                Err(error) => return error.to_string(),
            }
            assert!(bytes.starts_with(b"head") && decoder.body().end <= bytes.len());
        }
        format!("incomplete {:?}", bytes.get(decoder.body()))
    });
}

fn check_pipeline(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut connection = Connection::default();
        for piece in pieces {
            connection.buffer.extend_from_slice(piece);
            while connection.state != Reading::Nothing && connection.step() {}
        }
        format!("{:?} {}", connection.state, connection.told)
    });
}

/// A server's reading side, without a server.
#[derive(Default)]
struct Connection {
    buffer: Vec<u8>,
    state: Reading,
    body: Option<BodyDecoder>,
    persistence: Option<Persistence>,
    told: String,
}

#[derive(Debug, Default, PartialEq)]
enum Reading {
    #[default]
    Head,
    Body,
    /// After an error, or after a request that ends its connection.
    Nothing,
}

impl Connection {
    /// Reads a head or a body; `false` when more bytes are needed.
    fn step(&mut self) -> bool {
        match self.read() {
            Ok(progressed) => progressed,
            Err((status, error)) => {
                self.tell(format_args!("{status} {error}"));
                self.state = Reading::Nothing;
                false
            }
        }
    }

    fn read(&mut self) -> Result<bool, (u16, String)> {
        let Some(body) = &mut self.body else { return self.read_head() };
        match body.advance(&mut self.buffer) {
            Ok(Progress::Incomplete) => Ok(false),
            Ok(Progress::Complete { body, next_start }) => {
                let text = format!("{:?}", self.buffer.get(body));
                self.tell(format_args!("{text}"));
                self.buffer.drain(..next_start);
                self.body = None;
                self.state = match self.persistence {
                    Some(Persistence::KeepAlive) => Reading::Head,
                    Some(Persistence::Close) | None => Reading::Nothing,
                };
                Ok(true)
            }
            Err(error) => Err((error.status(), error.to_string())),
        }
    }

    fn read_head(&mut self) -> Result<bool, (u16, String)> {
        let mut slots = FieldSlots::new();
        let decoded = decode_head(&self.buffer, &mut slots, &HeadLimits::default())
            .map_err(|error| (error.status(), error.to_string()))?;
        let Decoded::Head { head, used_bytes } = decoded else { return Ok(false) };
        let text = format!("{head:?}");
        let body = BodyDecoder::new(head.framing, used_bytes, &BODY_LIMITS)
            .map_err(|error| (error.status(), error.to_string()))?;
        self.persistence = Some(head.persistence);
        self.body = Some(body);
        self.state = Reading::Body;
        self.tell(format_args!("{text}"));
        Ok(true)
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.told, "{what}");
    }
}

fn check_accept(input: &[u8], _: Cuts<'_>) {
    let lines = || input.split(|&byte| byte == b'\n');
    let acceptance = Acceptance::parse(lines());
    for quality in [acceptance.json, acceptance.sse, acceptance.ndjson] {
        assert!(quality.thousandths() <= 1000);
    }
    assert_eq!(
        acceptance.prefers_stream().is_some(),
        acceptance.sse.max(acceptance.ndjson).is_acceptable()
    );
    // Lines of a list are one list (RFC 9110 §5.3), unless a quoted string is left open.
    if !input.contains(&b'"') {
        let joined: Vec<u8> =
            input.iter().map(|&byte| if byte == b'\n' { b',' } else { byte }).collect();
        assert_eq!(Acceptance::parse([joined.as_slice()]), acceptance);
    }
}

fn check_sse(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut decoder = SseDecoder::new(SseLimits { event_bytes_max: 256, line_bytes_max: 300 });
        let mut told = String::new();
        for mut piece in pieces.iter().copied() {
            loop {
                match decoder.decode(&mut piece) {
                    Ok(Some(event)) => told.push_str(&format!("{event:?}\n")),
                    Ok(None) => break,
                    Err(error) => return format!("{told}{error}"),
                }
            }
            assert!(piece.is_empty());
        }
        format!("{told}{:?}{:?}", decoder.last_event_id(), decoder.last_retry())
    });
}

fn check_ndjson(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut decoder = NdjsonDecoder::new(NdjsonLimits { line_bytes_max: 256 });
        let mut told = String::new();
        for mut piece in pieces.iter().copied() {
            loop {
                match decoder.decode(&mut piece) {
                    Ok(Some(line)) => told.push_str(&format!("{line:?}\n")),
                    Ok(None) => break,
                    Err(error) => return format!("{told}{error}"),
                }
            }
            assert!(piece.is_empty());
        }
        format!("{told}{:?}", decoder.finish())
    });
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Requests, sound and broken, in any order: the cuts never change what a server reads.
        #[test]
        fn where_reads_split_a_pipeline_does_not_matter(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                    "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
                    "POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "2\r\n{}\r\n", "1;a=\"b\"\r\nx\r\n", "0\r\n\r\n",
                    "0\r\nX: 1\r\n\r\n", "\r\n", "\n", "x",
                    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n",
                ]),
                0..10,
            ),
            lengths in prop::collection::vec(0u8..60, 0..10),
            at in any::<prop::sample::Index>(),
        ) {
            let input = parts.concat();
            check_pipeline(input.as_bytes(), Cuts::Lengths(&lengths));
            check_pipeline(input.as_bytes(), Cuts::EachByte);
            check_pipeline(input.as_bytes(), Cuts::At(at.index(input.len() + 1)));
        }
    }

    #[test]
    fn a_pipeline_ends_where_its_framing_is_in_doubt() {
        let pieces = [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\
            Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
            .as_slice()];
        let mut connection = Connection::default();
        connection.buffer.extend_from_slice(pieces[0]);
        assert!(!connection.step());
        assert_eq!(connection.told, "400 transfer encoding beside content length\n");
        assert_eq!(connection.state, Reading::Nothing);
    }

    #[test]
    fn a_fuzzers_bytes_say_where_they_are_cut() {
        assert_eq!(split(b""), (b"".as_slice(), b"".as_slice()));
        assert_eq!(split(b"0input"), (b"".as_slice(), b"input".as_slice()));
        assert_eq!(split(b"2\x01\x02input"), (b"\x01\x02".as_slice(), b"input".as_slice()));
        assert_eq!(split(b"7abc"), (b"".as_slice(), b"abc".as_slice()));
        let pieces = Cuts::Lengths(&[1, 2, 9]).pieces(b"input");
        assert_eq!(pieces, [b"i".as_slice(), b"np", b"ut"]);
        assert_eq!(Cuts::At(9).pieces(b"input"), [b"input".as_slice()]);
    }
}
