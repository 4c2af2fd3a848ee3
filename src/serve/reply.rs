//! Answers as HTTP: one document, a stream, or a refusal.
//!
//! A document is drafted: its head is written as if all went well, the body behind it, and the
//! length filled in, so that the usual answer is written once and copied never. An answer that
//! turns out otherwise is taken apart and written anew, which is rare.
//! Spec: RFC 9112 §6, MCP 2025-11-25 transports "Sending Messages to the Server".

use super::route::Refusal;
use super::shard::Shard;
use crate::http::frame::frame;
use crate::http::h1::encode::{HeadWriter, LengthSlot, StreamCoding};
use crate::http::head::{Persistence, Version};
use crate::http::negotiate::{Acceptance, StreamFormat};
use crate::jsonrpc::encode;
use crate::mcp::error;
use crate::session::id::SessionId;

/// What every answer says in its head besides itself.
#[derive(Clone, Debug)]
pub(super) struct Manner {
    pub(super) version: Version,
    pub(super) persistence: Persistence,
    /// Lines besides: those that let a web page read the answer, the id of a session that opened.
    pub(super) lines: Vec<u8>,
}

impl Manner {
    /// For the last answer on a connection whose next bytes nobody can make sense of.
    pub(super) fn last() -> Self {
        let (version, persistence) = (Version::Http11, Persistence::Close);
        Self { version, persistence, lines: Vec::new() }
    }

    pub(super) fn write_lines(&self, out: &mut Vec<u8>, shard: &Shard) {
        shard.date().write(out);
        out.extend_from_slice(&self.lines);
    }
}

/// What an answer needs to know about its request, once the head is gone.
#[derive(Clone, Debug)]
pub(super) struct ReplyPlan {
    pub(super) manner: Manner,
    pub(super) acceptance: Acceptance,
}

/// A document whose body is being written.
#[derive(Debug)]
#[must_use = "a draft is closed or discarded"]
pub(super) struct Draft {
    head_start: usize,
    slot: LengthSlot,
}

impl Draft {
    pub(super) fn open(out: &mut Vec<u8>, plan: &ReplyPlan, shard: &Shard) -> Self {
        let head_start = out.len();
        let mut head = HeadWriter::json(out);
        head.lines(|out| plan.manner.write_lines(out, shard));
        Self {
            head_start,
            slot: head.finish_length_later(
                plan.manner.version,
                plan.manner.persistence,
                shard.length_digits.get(),
            ),
        }
    }

    /// Ends the document that `out` holds. Returns what becomes of the connection.
    pub(super) fn close(
        self,
        out: &mut Vec<u8>,
        plan: &ReplyPlan,
        shard: &Shard,
        status: u16,
    ) -> Persistence {
        if status == 200 && plan.acceptance.json_acceptable() {
            shard.length_digits.set(self.slot.fill(out));
            return plan.manner.persistence;
        }
        let body = out.split_off(self.slot.body_start());
        out.truncate(self.head_start);
        // An error's status tells more than its media type, so errors are JSON for everybody.
        match plan.acceptance.prefers_stream() {
            Some(format) if status == 200 => {
                let coding = open_stream(out, plan, shard, format);
                coding.part(out, |out| frame(out, format, |out| out.extend_from_slice(&body)));
                coding.end(out);
                persistence_after(coding, plan)
            }
            _ => {
                let mut head = HeadWriter::new(out, status);
                head.field("Content-Type", b"application/json");
                retry_after(&mut head, status);
                head.lines(|out| plan.manner.write_lines(out, shard));
                head.finish_length(body.len() as u64, plan.manner.version, plan.manner.persistence);
                out.extend_from_slice(&body);
                plan.manner.persistence
            }
        }
    }

    /// Ends the answer to a handshake, which names the session that it opened.
    pub(super) fn close_greeting(
        self,
        out: &mut Vec<u8>,
        plan: &ReplyPlan,
        shard: &Shard,
        id: &SessionId,
    ) -> Persistence {
        let mut plan = plan.clone();
        let lines = &mut plan.manner.lines;
        lines.extend_from_slice(b"Mcp-Session-Id: ");
        lines.extend_from_slice(id.as_bytes());
        lines.extend_from_slice(b"\r\n");
        let body = out.split_off(self.slot.body_start());
        out.truncate(self.head_start);
        let draft = Self::open(out, &plan, shard);
        out.extend_from_slice(&body);
        draft.close(out, &plan, shard, 200)
    }

    /// Takes the head back: there is nothing to answer, or not yet.
    pub(super) fn discard(self, out: &mut Vec<u8>) {
        out.truncate(self.head_start);
    }
}

/// Tells a client that asked too much when to ask again (RFC 9110 §10.2.3).
fn retry_after(head: &mut HeadWriter<'_>, status: u16) {
    if matches!(status, 429 | 503) {
        head.number("Retry-After", RETRY_AFTER_SECONDS);
    }
}

/// How long a client waits that is turned away: what holds it up is mostly short.
const RETRY_AFTER_SECONDS: u64 = 1;

/// Writes the answer to a notification: taken, and that is all.
pub(super) fn accepted(out: &mut Vec<u8>, plan: &ReplyPlan, shard: &Shard) {
    let mut head = HeadWriter::new(out, 202);
    head.lines(|out| plan.manner.write_lines(out, shard));
    head.finish_length(0, plan.manner.version, plan.manner.persistence);
}

/// Writes the head of a stream.
pub(super) fn open_stream(
    out: &mut Vec<u8>,
    plan: &ReplyPlan,
    shard: &Shard,
    format: StreamFormat,
) -> StreamCoding {
    let mut head = match format {
        StreamFormat::Sse => HeadWriter::event_stream(out),
        StreamFormat::Ndjson => HeadWriter::ndjson(out),
    };
    head.lines(|out| plan.manner.write_lines(out, shard));
    head.finish_stream(plan.manner.version, plan.manner.persistence)
}

/// Writes the head of a document whose length is not known yet, because its body is not.
pub(super) fn open_document(out: &mut Vec<u8>, plan: &ReplyPlan, shard: &Shard) -> StreamCoding {
    let mut head = HeadWriter::json(out);
    head.lines(|out| plan.manner.write_lines(out, shard));
    head.finish_stream(plan.manner.version, plan.manner.persistence)
}

/// What becomes of the connection after a stream.
pub(super) fn persistence_after(coding: StreamCoding, plan: &ReplyPlan) -> Persistence {
    match coding {
        StreamCoding::Chunked => plan.manner.persistence,
        StreamCoding::UntilClose => Persistence::Close,
    }
}

/// Writes a refusal: as a JSON-RPC error from the endpoint, as a line of text from anywhere else.
pub(super) fn refusal(
    out: &mut Vec<u8>,
    shard: &Shard,
    refusal: Refusal,
    manner: &Manner,
    with_body: bool,
) {
    let (content_type, body) = if refusal.by_endpoint {
        let mut body = Vec::new();
        encode::error(&mut body, None, &error::invalid_request(refusal.reason));
        ("application/json", body)
    } else {
        ("text/plain; charset=utf-8", format!("{}\n", refusal.reason).into_bytes())
    };
    let mut head = HeadWriter::new(out, refusal.status);
    head.field("Content-Type", content_type.as_bytes());
    retry_after(&mut head, refusal.status);
    if let Some(allow) = refusal.allow {
        head.field("Allow", allow.as_bytes());
    }
    head.lines(|out| manner.write_lines(out, shard));
    head.finish_length(body.len() as u64, manner.version, manner.persistence);
    if with_body {
        out.extend_from_slice(&body);
    }
}

/// Writes what a probe asked for, as a line of text. Who probes knows when to ask again.
pub(super) fn state(
    out: &mut Vec<u8>,
    shard: &Shard,
    status: u16,
    text: &str,
    manner: &Manner,
    with_body: bool,
) {
    let head = HeadWriter::new(out, status);
    write_text(head, shard, text, manner);
    if with_body {
        out.extend_from_slice(text.as_bytes());
    }
}

/// Writes the last answer of a connection, as a line of text.
pub(super) fn last_words(out: &mut Vec<u8>, shard: &Shard, status: u16, text: &str) {
    let mut head = HeadWriter::new(out, status);
    retry_after(&mut head, status);
    write_text(head, shard, text, &Manner::last());
    out.extend_from_slice(text.as_bytes());
}

fn write_text(mut head: HeadWriter<'_>, shard: &Shard, text: &str, manner: &Manner) {
    head.field("Content-Type", b"text/plain; charset=utf-8");
    head.field("Cache-Control", b"no-store");
    head.lines(|out| manner.write_lines(out, shard));
    head.finish_length(text.len() as u64, manner.version, manner.persistence);
}
