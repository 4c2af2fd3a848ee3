//! One HTTP/1.1 response after the other: bytes in as they come, `Part`s out.
//!
//! A document is given out whole, an event stream piece by piece.
//! Spec: RFC 9112 §4 to §7. Limits: `HeadLimits` of `http`, `DOCUMENT_BYTES_MAX`.
//! Invariant: where reads split the bytes never changes the documents, nor the pieces joined.
//! Not here: what the bodies mean (`judge`), the socket (`worker`).

use std::ops::Range;

use crate::client::connection::BODY_LIMITS;
use crate::http::h1::body::{BodyError, ChunkedDecoder, Progress};
use crate::http::h1::head::{FieldSlots, HeadLimits};
use crate::http::h1::response::{
    DecodedResponse, ResponseError, ResponseFraming, ResponseHead, decode,
};
use crate::http::head::Persistence;

/// Bytes of one document.
pub(super) const DOCUMENT_BYTES_MAX: usize = 16 << 20;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Media {
    /// `application/json`.
    Json,
    /// `text/event-stream`.
    Events,
    /// Anything else, or not said.
    Other,
}

/// The part of a head that matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) media: Media,
    pub(super) session: Option<String>,
}

/// What is there.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Nothing until more bytes come.
    Starved,
    /// A response begins.
    Head(Head),
    /// The whole body of a response that is no event stream.
    Document(&'a [u8]),
    /// A piece of an event stream.
    Piece(&'a [u8]),
    /// The response is over; whether the connection lives on.
    End(Persistence),
}

/// Why the bytes are no response. The connection is of no further use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error(transparent)]
    Head(#[from] ResponseError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("a document over {limit_bytes} bytes")]
    DocumentTooLong { limit_bytes: usize },
}

/// A head that came before. Servers send the same one for a second at a time.
#[derive(Debug, Default)]
pub(super) struct KnownHead {
    bytes: Vec<u8>,
    head: Option<(Head, ResponseFraming, Persistence)>,
}

/// Reads the responses of one connection.
#[derive(Debug)]
pub(super) struct Reader {
    unread: Vec<u8>,
    /// Where what was not given out begins.
    start: usize,
    state: State,
    persistence: Persistence,
}

#[derive(Debug)]
enum State {
    Head,
    /// A document of so many bytes, which are not there yet.
    Document {
        length_bytes: usize,
    },
    /// So much of an event stream comes.
    Events {
        left_bytes: u64,
    },
    Chunked {
        decoder: Box<ChunkedDecoder>,
        streams: bool,
    },
    UntilClose {
        streams: bool,
    },
    Ended,
}

/// What to give out, before it is borrowed.
enum Found {
    Starved,
    Head(Head),
    Document(Range<usize>),
    Piece(Range<usize>),
    End,
}

impl Reader {
    pub(super) const fn new() -> Self {
        Self {
            unread: Vec::new(),
            start: 0,
            state: State::Head,
            persistence: Persistence::KeepAlive,
        }
    }

    /// Adds bytes that came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.start == self.unread.len() && !matches!(self.state, State::Chunked { .. }) {
            self.unread.clear();
            self.start = 0;
        }
        self.unread.extend_from_slice(bytes);
    }

    /// Whether nothing is left over: no byte, no body half read.
    #[cfg(test)]
    pub(super) fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Head) && self.start == self.unread.len()
    }

    /// The next part. What it was before is forgotten.
    ///
    /// # Errors
    /// `WireError`.
    pub(super) fn next(&mut self, known: &mut KnownHead) -> Result<Part<'_>, WireError> {
        Ok(match self.find(known)? {
            Found::Starved => Part::Starved,
            Found::Head(head) => Part::Head(head),
            Found::Document(range) => Part::Document(self.unread.get(range).unwrap_or_default()),
            Found::Piece(range) => Part::Piece(self.unread.get(range).unwrap_or_default()),
            Found::End => Part::End(self.persistence),
        })
    }

    /// The connection ended: what that completes.
    pub(super) fn close(&mut self) -> Option<Part<'_>> {
        let State::UntilClose { streams } = self.state else { return None };
        self.state = State::Ended;
        self.persistence = Persistence::Close;
        let rest = self.unread.get(self.start..).unwrap_or_default();
        Some(if streams { Part::Piece(rest) } else { Part::Document(rest) })
    }

    fn find(&mut self, known: &mut KnownHead) -> Result<Found, WireError> {
        let there = self.unread.len() - self.start;
        match &mut self.state {
            State::Head => return self.head(known),
            State::Document { length_bytes } if there >= *length_bytes => {
                let range = self.start..self.start + *length_bytes;
                self.start = range.end;
                self.state = State::Ended;
                return Ok(Found::Document(range));
            }
            State::Events { left_bytes: 0 } => self.state = State::Ended,
            State::Events { left_bytes } if there > 0 => {
                let taken = usize::try_from(*left_bytes).map_or(there, |left| left.min(there));
                *left_bytes -= taken as u64;
                let range = self.start..self.start + taken;
                self.start = range.end;
                return Ok(Found::Piece(range));
            }
            State::Chunked { .. } => return self.chunks(),
            State::UntilClose { streams: true } if there > 0 => {
                let range = self.start..self.unread.len();
                self.start = range.end;
                return Ok(Found::Piece(range));
            }
            State::UntilClose { .. } if there > DOCUMENT_BYTES_MAX => return Err(too_long()),
            State::Document { .. } | State::Events { .. } | State::UntilClose { .. } => {
                return Ok(Found::Starved);
            }
            State::Ended => {}
        }
        self.state = State::Head;
        Ok(Found::End)
    }

    fn head(&mut self, known: &mut KnownHead) -> Result<Found, WireError> {
        loop {
            let input = self.unread.get(self.start..).unwrap_or_default();
            if input.is_empty() {
                return Ok(Found::Starved);
            }
            if let Some((head, framing, persistence)) = &known.head
                && input.starts_with(&known.bytes)
            {
                self.start += known.bytes.len();
                self.begin(head, *framing, *persistence)?;
                return Ok(Found::Head(head.clone()));
            }
            let mut slots = FieldSlots::new();
            let decoded = decode(input, &mut slots, &HeadLimits::default())?;
            let DecodedResponse::Head { head, used_bytes } = decoded else {
                self.unread.drain(..self.start);
                self.start = 0;
                return Ok(Found::Starved);
            };
            // After 100 to 199 another head follows.
            if head.status < 200 {
                self.start += used_bytes;
                continue;
            }
            let (framing, persistence) = (head.framing, head.persistence);
            let read = read_head(&head);
            if read.session.is_none() {
                known.bytes.clear();
                known.bytes.extend_from_slice(input.get(..used_bytes).unwrap_or_default());
                known.head = Some((read.clone(), framing, persistence));
            }
            self.start += used_bytes;
            self.begin(&read, framing, persistence)?;
            return Ok(Found::Head(read));
        }
    }

    fn begin(
        &mut self,
        head: &Head,
        framing: ResponseFraming,
        persistence: Persistence,
    ) -> Result<(), WireError> {
        self.persistence = persistence;
        let streams = head.media == Media::Events;
        self.state = match framing {
            ResponseFraming::None => State::Document { length_bytes: 0 },
            ResponseFraming::Length(left_bytes) if streams => State::Events { left_bytes },
            ResponseFraming::Length(length) => {
                let length = usize::try_from(length).ok();
                let length = length.filter(|length| *length <= DOCUMENT_BYTES_MAX);
                State::Document { length_bytes: length.ok_or_else(too_long)? }
            }
            ResponseFraming::Chunked => {
                self.unread.drain(..self.start);
                self.start = 0;
                let decoder = Box::new(ChunkedDecoder::new(0, &BODY_LIMITS));
                State::Chunked { decoder, streams }
            }
            ResponseFraming::UntilClose => State::UntilClose { streams },
        };
        Ok(())
    }

    fn chunks(&mut self) -> Result<Found, WireError> {
        let State::Chunked { decoder, streams } = &mut self.state else {
            return Ok(Found::Starved);
        };
        if *streams && self.start > 0 {
            // The piece that was given out last.
            decoder.consume(&mut self.unread);
            self.start = 0;
        }
        let progress = decoder.advance(&mut self.unread)?;
        let (body, streams) = (decoder.body(), *streams);
        if streams && !body.is_empty() {
            self.start = body.end;
            return Ok(Found::Piece(body));
        }
        if let Progress::Complete { next_start, .. } = progress {
            self.start = next_start;
            self.state = State::Ended;
            if streams {
                self.state = State::Head;
                return Ok(Found::End);
            }
            return Ok(Found::Document(body));
        }
        if body.len() > DOCUMENT_BYTES_MAX {
            return Err(too_long());
        }
        Ok(Found::Starved)
    }
}

fn too_long() -> WireError {
    WireError::DocumentTooLong { limit_bytes: DOCUMENT_BYTES_MAX }
}

fn read_head(head: &ResponseHead<'_>) -> Head {
    let media = head.content_type.unwrap_or_default();
    let essence = media.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let media = if essence.eq_ignore_ascii_case(b"application/json") {
        Media::Json
    } else if essence.eq_ignore_ascii_case(b"text/event-stream") {
        Media::Events
    } else {
        Media::Other
    };
    let session = head.mcp_session_id.map(|id| String::from_utf8_lossy(id).into_owned());
    // It is sent back in a head.
    let session = session.filter(|id| id.bytes().all(|byte| byte.is_ascii_graphic()));
    Head { status: head.status, media, session }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of these bytes, in pieces of so many, then the end of the connection.
    fn read(wire: &str, piece_bytes: usize) -> Result<String, WireError> {
        let (mut reader, mut known, mut told) =
            (Reader::new(), KnownHead::default(), String::new());
        for piece in wire.as_bytes().chunks(piece_bytes) {
            reader.push(piece);
            loop {
                let part = reader.next(&mut known)?;
                if part == Part::Starved {
                    break;
                }
                told.push_str(&in_words(&part));
            }
        }
        if let Some(part) = reader.close() {
            told.push_str(&in_words(&part));
        }
        if !reader.is_at_rest() {
            told.push('?');
        }
        Ok(told)
    }

    fn in_words(part: &Part<'_>) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match part {
            Part::Starved => String::new(),
            Part::Head(head) => {
                let session = head.session.as_ref().map(|id| format!("#{id}"));
                format!("[{}{}", head.status, session.unwrap_or_default())
            }
            Part::Document(bytes) => format!(" ={}", text(bytes)),
            Part::Piece(bytes) => text(bytes),
            Part::End(Persistence::KeepAlive) => "]".to_owned(),
            Part::End(Persistence::Close) => "]!".to_owned(),
        }
    }

    const EVENTS: &str = "Content-Type: text/event-stream; charset=utf-8\r\n";

    #[test]
    fn responses_come_out_the_same_however_their_bytes_are_split() {
        let length = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n";
        let table = [
            (format!("{length}{length}{length}"), "[200 ={}][200 ={}][200 ={}]"),
            ("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(), "[202 =]"),
            ("HTTP/1.1 204 No\r\nMcp-Session-Id: a\r\n\r\n".to_owned(), "[204#a =]"),
            (format!("HTTP/1.1 100 Continue\r\n\r\n{length}"), "[200 ={}]"),
            (format!("{chunked}\r\n1\r\n{{\r\n1\r\n}}\r\n0\r\n\r\n{length}"), "[200 ={}][200 ={}]"),
            (
                format!("{chunked}{EVENTS}\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n{length}"),
                "[200abcde][200 ={}]",
            ),
            (format!("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n{EVENTS}\r\nabc"), "[200abc]"),
            (
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na".to_owned(),
                "[200 =a]!",
            ),
            ("HTTP/1.0 200 OK\r\n\r\nabc".to_owned(), "[200 =abc?"),
            (format!("HTTP/1.1 200 OK\r\n{EVENTS}\r\nabc"), "[200abc?"),
            ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na".to_owned(), "[200?"),
        ];
        for (wire, expected) in table {
            for piece_bytes in 1..=wire.len() {
                let told = read(&wire, piece_bytes);
                assert_eq!(told.as_deref(), Ok(expected), "{wire:?} by {piece_bytes}");
            }
        }
    }

    #[test]
    fn any_number_of_heads_may_come_before_the_final_one() {
        let wire = "HTTP/1.1 100 Continue\r\n\r\n".repeat(10_000);
        let wire = wire + "HTTP/1.1 204 None\r\n\r\n";
        assert_eq!(read(&wire, wire.len()).as_deref(), Ok("[204 =]"));
    }

    #[test]
    fn what_is_no_response_is_refused() {
        let long = DOCUMENT_BYTES_MAX + 1;
        let long = format!("HTTP/1.1 200 OK\r\nContent-Length: {long}\r\n\r\n");
        assert_eq!(read(&long, 64), Err(too_long()));
        let at_most = format!("HTTP/1.1 200 OK\r\nContent-Length: {DOCUMENT_BYTES_MAX}\r\n\r\n");
        assert_eq!(read(&at_most, 64).as_deref(), Ok("[200?"));
        assert!(matches!(read("SSH-2.0-x\r\n\r\n", 4), Err(WireError::Head(_))));
        let chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n";
        assert!(matches!(read(chunk, 4), Err(WireError::Body(_))));
    }
}
