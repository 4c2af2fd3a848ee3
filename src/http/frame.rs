//! One message in a stream, whichever format the stream has.
//!
//! In: a format and a message that is written as JSON. Out: its bytes in the stream.
//! Spec: WHATWG HTML §9.2 (server-sent events); NDJSON: one message a line.
//! Invariant: a frame is whole, and its message stands on one line.

use std::time::Duration;

use crate::http::h1::encode::decimal;
use crate::http::negotiate::StreamFormat;
use crate::http::{ndjson, sse};

/// Writes one message as a frame of a stream.
pub fn frame(out: &mut Vec<u8>, format: StreamFormat, write: impl FnOnce(&mut Vec<u8>)) {
    match format {
        StreamFormat::Sse => {
            out.extend_from_slice(b"data: ");
            let start = out.len();
            write(out);
            debug_assert!(one_line(&out[start..]), "JSON without raw line ends");
            out.extend_from_slice(b"\n\n");
        }
        StreamFormat::Ndjson => {
            let start = out.len();
            write(out);
            debug_assert!(one_line(&out[start..]), "JSON without raw line ends");
            out.push(b'\n');
        }
    }
}

/// Writes what keeps a silent stream alive and says nothing: a comment, or an empty line.
pub fn keep_alive(out: &mut Vec<u8>, format: StreamFormat) {
    match format {
        StreamFormat::Sse => sse::comment(out),
        StreamFormat::Ndjson => ndjson::keep_alive(out),
    }
}

fn one_line(bytes: &[u8]) -> bool {
    memchr::memchr2(b'\n', b'\r', bytes).is_none()
}

/// The place of an event among all of its session: which stream, and which of its events.
/// Written `stream-sequence`, in decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The number of the stream in its session.
    pub stream: u32,
    /// The number of the event in its stream.
    pub sequence: u64,
}

impl EventId {
    /// Reads an id that came back as `Last-Event-ID`; `None` for one that was never ours.
    #[must_use]
    pub fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let (stream, sequence) = text.split_once('-')?;
        let plain = |part: &str| {
            part.bytes().all(|byte| byte.is_ascii_digit())
                && (part == "0" || !part.starts_with('0'))
        };
        if !plain(stream) || !plain(sequence) {
            return None;
        }
        Some(Self { stream: stream.parse().ok()?, sequence: sequence.parse().ok()? })
    }

    /// Writes the line of an event that names it.
    pub fn write_line(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"id: ");
        decimal(out, self.stream.into());
        out.push(b'-');
        decimal(out, self.sequence);
        out.push(b'\n');
    }
}

/// Writes the event that comes first and says nothing but its id, so that a client can resume
/// before anything else came, and how long to wait before it does (MCP 2025-11-25, transports,
/// "Sending Messages to the Server").
pub fn priming_event(out: &mut Vec<u8>, id: EventId, retry: Duration) {
    id.write_line(out);
    out.extend_from_slice(b"retry: ");
    decimal(out, u64::try_from(retry.as_millis()).unwrap_or(u64::MAX));
    out.extend_from_slice(b"\ndata:\n\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_id_is_read_back_and_nothing_else_is() {
        for id in [EventId { stream: 0, sequence: 0 }, EventId { stream: 7, sequence: u64::MAX }] {
            let mut line = Vec::new();
            id.write_line(&mut line);
            let text = line.strip_prefix(b"id: ").and_then(|rest| rest.strip_suffix(b"\n"));
            assert_eq!(text.and_then(EventId::parse), Some(id));
        }
        for text in [
            "",
            "-",
            "1",
            "1-",
            "-1",
            "01-1",
            "1-01",
            "+1-1",
            "1-1 ",
            "1-1-1",
            "a-b",
            "4294967296-0",
            "0-18446744073709551616",
            "\u{661}-1",
        ] {
            assert_eq!(EventId::parse(text.as_bytes()), None, "{text}");
        }
    }
}
