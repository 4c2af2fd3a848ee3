//! The body of an answer: bytes in as they come, JSON-RPC messages out.
//!
//! `Content-Type` tells how messages stand in it: one JSON text, a line each, or an event each.
//! Spec: MCP 2026-07-28 and 2025-11-25 basic/transports; NDJSON is this project's own. Limits:
//! `message_bytes_max`, for the JSON text, a line, an event's data.
//! Invariant: where reads split the bytes never changes the messages.
//! Not here: framing below (`http`), what the messages mean (`message`).

use std::time::Duration;

use crate::client::message::{Message, MessageError, parse_messages};
use crate::http::ndjson::{LineTooLong, NdjsonDecoder, NdjsonLimits};
use crate::http::sse::{SseDecoder, SseError, SseLimits};

/// What a line of an event may hold besides its data.
const LINE_SLACK_BYTES: usize = 1024;

/// Why the body of an answer is no MCP.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// Neither JSON nor JSON lines nor events.
    #[error("the answer is of the type \"{content_type}\"")]
    ContentType {
        /// As sent.
        content_type: String,
    },
    /// A message past the limit.
    #[error("a message of the answer is longer than {limit_bytes} bytes")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// A message that is none.
    #[error("the answer is {0}")]
    Message(#[from] MessageError),
}

impl AnswerError {
    /// What the caller can do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::ContentType { .. } | Self::Message(_) => {
                "check the path: this need not be an MCP endpoint"
            }
            Self::TooLong { .. } => "ask the tool for less",
        }
    }
}

/// Decodes the body of one answer.
#[derive(Debug)]
pub struct AnswerDecoder {
    coding: Coding,
    message_bytes_max: usize,
    last_event_id: Option<String>,
    retry: Option<Duration>,
}

#[derive(Debug)]
enum Coding {
    Json(Vec<u8>),
    Lines(NdjsonDecoder),
    Events(Box<SseDecoder>),
}

impl AnswerDecoder {
    /// A decoder at the start of a body of this type.
    ///
    /// # Errors
    /// `AnswerError::ContentType` for a type that cannot hold messages.
    pub fn new(content_type: &str, message_bytes_max: usize) -> Result<Self, AnswerError> {
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        let coding = match essence.to_ascii_lowercase().as_str() {
            "application/json" => Coding::Json(Vec::new()),
            "application/x-ndjson" => Coding::Lines(NdjsonDecoder::new(NdjsonLimits {
                line_bytes_max: message_bytes_max,
            })),
            "text/event-stream" => events(message_bytes_max),
            _ => return Err(AnswerError::ContentType { content_type: content_type.to_owned() }),
        };
        Ok(Self { coding, message_bytes_max, last_event_id: None, retry: None })
    }

    /// The decoder of the event stream that goes on where this one broke off.
    #[must_use]
    pub fn resumed(self) -> Self {
        Self { coding: events(self.message_bytes_max), ..self }
    }

    /// Takes the next bytes and appends the messages that they complete.
    ///
    /// # Errors
    /// `AnswerError`, after all messages that came before it.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<Message>) -> Result<(), AnswerError> {
        let mut input = bytes;
        match &mut self.coding {
            Coding::Json(text) => {
                if text.len() + bytes.len() > self.message_bytes_max {
                    return Err(AnswerError::TooLong { limit_bytes: self.message_bytes_max });
                }
                text.extend_from_slice(bytes);
            }
            Coding::Lines(decoder) => {
                while let Some(line) = decoder.decode(&mut input).map_err(line_too_long)? {
                    parse_messages(line, out)?;
                }
            }
            Coding::Events(decoder) => {
                while let Some(event) = decoder.decode(&mut input).map_err(event_too_long)? {
                    // An event without data primes the stream; other types are not messages.
                    if !event.data.is_empty() && matches!(event.event, b"" | b"message") {
                        parse_messages(event.data, out)?;
                    }
                }
                self.retry = decoder.last_retry().or(self.retry);
                // An id that cannot stand in a head cannot be resumed after.
                let id = std::str::from_utf8(decoder.last_event_id()).unwrap_or_default();
                if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_graphic()) {
                    self.last_event_id = Some(id.to_owned());
                }
            }
        }
        Ok(())
    }

    /// Appends what the end of the body completes.
    ///
    /// # Errors
    /// `AnswerError` when what is left is no message.
    pub fn finish(&mut self, out: &mut Vec<Message>) -> Result<(), AnswerError> {
        match &mut self.coding {
            Coding::Json(text) => {
                let text = std::mem::take(text);
                // 200 without a body: no message, and no fault in one.
                if !text.is_empty() {
                    parse_messages(&text, out)?;
                }
            }
            Coding::Lines(decoder) => {
                if let Some(line) = decoder.finish() {
                    parse_messages(line, out)?;
                }
            }
            // An event that the end cuts off never was.
            Coding::Events(_) => {}
        }
        Ok(())
    }

    /// The id to resume after, if events had one.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// How long the server wants a client to wait before it resumes.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }
}

fn events(message_bytes_max: usize) -> Coding {
    Coding::Events(Box::new(SseDecoder::new(SseLimits {
        event_bytes_max: message_bytes_max,
        line_bytes_max: message_bytes_max.saturating_add(LINE_SLACK_BYTES),
    })))
}

fn line_too_long(error: LineTooLong) -> AnswerError {
    AnswerError::TooLong { limit_bytes: error.limit_bytes }
}

fn event_too_long(error: SseError) -> AnswerError {
    match error {
        SseError::EventTooLong { limit_bytes } | SseError::LineTooLong { limit_bytes } => {
            AnswerError::TooLong { limit_bytes }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTES_MAX: usize = 64;

    /// The methods of the notifications in a body, read in pieces of `piece_bytes`.
    fn methods(kind: &str, body: &str, piece_bytes: usize) -> Result<Vec<String>, AnswerError> {
        let mut decoder = AnswerDecoder::new(kind, BYTES_MAX)?;
        let mut messages = Vec::new();
        for piece in body.as_bytes().chunks(piece_bytes) {
            decoder.push(piece, &mut messages)?;
        }
        decoder.finish(&mut messages)?;
        let methods = messages.into_iter().filter_map(|message| match message {
            Message::Notification { method, .. } => Some(method),
            Message::Response { .. } | Message::Request { .. } => None,
        });
        Ok(methods.collect())
    }

    #[test]
    fn messages_are_found_in_every_coding_however_bytes_are_split() {
        let table = [
            ("application/json", "{\"method\":\"a\"}", &["a"][..]),
            (
                "Application/JSON; charset=utf-8",
                "[{\"method\":\"a\"},{\"method\":\"b\"}]",
                &["a", "b"],
            ),
            ("application/json", "", &[]),
            ("application/x-ndjson", "{\"method\":\"a\"}\n\n{\"method\":\"b\"}", &["a", "b"]),
            (
                "text/event-stream",
                ":\n\nid: 1\ndata:\n\nevent: message\ndata: {\"method\":\ndata: \"a\"}\n\n\
                 event: endpoint\ndata: /x\n\ndata: {\"method\":\"b\"}\r\n\r\ndata: {\"cut",
                &["a", "b"],
            ),
        ];
        for (kind, body, expected) in table {
            for piece_bytes in 1..=body.len().max(1) {
                let found = methods(kind, body, piece_bytes).expect(kind);
                assert_eq!(found, expected, "{kind} in pieces of {piece_bytes}");
            }
        }
    }

    #[test]
    fn what_is_no_answer_says_so() {
        let html = AnswerError::ContentType { content_type: "text/html".to_owned() };
        assert_eq!(methods("text/html", "<html>", 1), Err(html));
        assert!(matches!(methods("application/json", "{", 1), Err(AnswerError::Message(_))));
        let fits = format!("{{\"method\":\"a\"}}{}", " ".repeat(BYTES_MAX - 14));
        let past = format!("{fits} ");
        let too_long = Err(AnswerError::TooLong { limit_bytes: BYTES_MAX });
        for kind in ["application/json", "application/x-ndjson"] {
            assert_eq!(methods(kind, &fits, 8), Ok(vec!["a".to_owned()]), "{kind}");
            assert_eq!(methods(kind, &past, 8), too_long, "{kind}");
        }
        let event = |data: &str| format!("data: {data}\n\n");
        methods("text/event-stream", &event(&fits), 8).expect("at the limit");
        assert_eq!(methods("text/event-stream", &event(&past), 8), too_long);
    }

    #[test]
    fn events_tell_how_to_resume() {
        let mut decoder = AnswerDecoder::new("text/event-stream", BYTES_MAX).expect("known");
        assert_eq!(decoder.last_event_id(), None);
        decoder.push(b"id: s:1\nretry: 20\ndata:\n\n", &mut Vec::new()).expect("an event");
        decoder.push(b"data: {\"met", &mut Vec::new()).expect("a part");
        let mut decoder = decoder.resumed();
        let mut messages = Vec::new();
        decoder.push(b"data: {\"method\":\"a\"}\n\n", &mut messages).expect("an event");
        assert_eq!(messages.len(), 1, "the part that was cut off is gone");
        assert_eq!(decoder.last_event_id(), Some("s:1"));
        assert_eq!(decoder.retry(), Some(Duration::from_millis(20)));
    }
}
