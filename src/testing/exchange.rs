//! The client's half of an exchange: a request written, an answer read.
//!
//! Spec: RFC 9112; MCP 2026-07-28 and 2025-11-25 transports. Not here: what is asked (`client`).

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::pipe::ClientEnd;
use crate::http::h1::body::{BodyDecoder, BodyLimits, ChunkedDecoder, Progress};
use crate::http::h1::head::{FieldSlots, HeadLimits};
use crate::http::h1::response::{DecodedResponse, ResponseFraming, decode};
use crate::http::head::{Framing, Persistence};

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: Vec<u8>,
    pub(super) persistence: Persistence,
    /// The session that the answer opened.
    pub(super) session: Option<String>,
}

/// What the head of an answer says.
struct Head {
    reply: Reply,
    framing: ResponseFraming,
}

/// Reads one answer, interim ones skipped. `hear` is shown what there is of a stream each time that
/// more of it came. `input` keeps what follows the answer. `None` when the connection ended before
/// it did, or when it cannot be understood.
pub(super) async fn read_reply(
    connection: &ClientEnd,
    input: &mut Vec<u8>,
    hear: &mut dyn FnMut(&Reply),
) -> Option<Reply> {
    let mut head = loop {
        match take_head(input)? {
            Some(head) if head.reply.status >= 200 => break head,
            Some(_interim) => {}
            None if fill(connection, input).await? == 0 => return None,
            None => {}
        }
    };
    let framing = match head.framing {
        ResponseFraming::None => return Some(head.reply),
        ResponseFraming::Length(length) => Framing::Length(length),
        ResponseFraming::Chunked => return read_chunks(connection, input, head.reply, hear).await,
        ResponseFraming::UntilClose => {
            while fill(connection, input).await? > 0 {}
            head.reply.body = std::mem::take(input);
            return Some(head.reply);
        }
    };
    let limits = BodyLimits { body_bytes_max: u64::MAX, ..BodyLimits::default() };
    let mut decoder = BodyDecoder::new(framing, 0, &limits).ok()?;
    loop {
        match decoder.advance(input).ok()? {
            Progress::Complete { body, next_start } => {
                head.reply.body = input.get(body)?.to_vec();
                input.drain(..next_start);
                return Some(head.reply);
            }
            Progress::Incomplete if fill(connection, input).await? == 0 => return None,
            Progress::Incomplete => {}
        }
    }
}

async fn read_chunks(
    connection: &ClientEnd,
    input: &mut Vec<u8>,
    mut reply: Reply,
    hear: &mut dyn FnMut(&Reply),
) -> Option<Reply> {
    let limits = BodyLimits { body_bytes_max: u64::MAX, ..BodyLimits::default() };
    let mut decoder = ChunkedDecoder::new(0, &limits);
    loop {
        let progress = decoder.advance(input).ok()?;
        reply.body.extend_from_slice(input.get(decoder.body())?);
        if let Progress::Complete { next_start, .. } = progress {
            input.drain(..next_start);
            return Some(reply);
        }
        decoder.consume(input);
        hear(&reply);
        if fill(connection, input).await? == 0 {
            return None;
        }
    }
}

/// Takes a head off the front. The outer `None` is one that is no head.
#[expect(clippy::option_option, reason = "both are gone one line after")]
fn take_head(input: &mut Vec<u8>) -> Option<Option<Head>> {
    let mut slots = FieldSlots::new();
    let (head, used_bytes) = match decode(input, &mut slots, &HeadLimits::default()).ok()? {
        DecodedResponse::Incomplete => return Some(None),
        DecodedResponse::Head { head, used_bytes } => {
            let content_type = head.content_type.unwrap_or_default();
            let reply = Reply {
                status: head.status,
                content_type: String::from_utf8_lossy(content_type).into_owned(),
                body: Vec::new(),
                persistence: head.persistence,
                session: head.mcp_session_id.map(|id| String::from_utf8_lossy(id).into_owned()),
            };
            (Head { reply, framing: head.framing }, used_bytes)
        }
    };
    input.drain(..used_bytes);
    Some(Some(head))
}

/// Reads more; zero at the end. `None` for a connection that broke.
async fn fill(connection: &ClientEnd, input: &mut Vec<u8>) -> Option<usize> {
    let mut buffer = [0; 1024];
    let read: io::Result<usize> = connection.read(&mut buffer).await;
    let count = read.ok()?;
    input.extend_from_slice(&buffer[..count]);
    Some(count)
}

impl Reply {
    /// The messages of the answer, whatever its format.
    pub(super) fn messages(&self) -> Option<Vec<Value>> {
        let text = std::str::from_utf8(&self.body).ok()?;
        let json = |text: &str| serde_json::from_str(text).ok();
        match self.content_type.as_str() {
            "text/event-stream" => {
                let whole = text.rsplit_once("\n\n").map_or("", |(whole, _begun)| whole);
                whole.lines().filter_map(|line| line.strip_prefix("data: ")).map(json).collect()
            }
            "application/x-ndjson" => {
                text.lines().filter(|line| !line.is_empty()).map(json).collect()
            }
            "application/json" => json(text).map(|message| vec![message]),
            _ => None,
        }
    }
}

/// The value of a field that mirrors text: as it is, or in the Base64 form where it would not
/// survive (MCP 2026-07-28, "Custom Headers from Tool Parameters").
pub(super) fn mirrored(text: &str) -> String {
    let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
        && text.trim() == text
        && !text.starts_with("=?base64?");
    if plain { text.to_owned() } else { format!("=?base64?{}?=", STANDARD.encode(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_a_field_would_change_is_encoded() {
        assert_eq!(mirrored("plain text"), "plain text");
        assert_eq!(mirrored(" x"), "=?base64?IHg=?=");
        assert_eq!(mirrored("ä"), "=?base64?w6Q=?=");
        assert_eq!(mirrored("=?base64?"), "=?base64?PT9iYXNlNjQ/?=");
    }
}
