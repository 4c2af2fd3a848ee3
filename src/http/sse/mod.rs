//! Server-sent events, both directions: appended to a buffer, and decoded as bytes arrive.
//!
//! Spec: WHATWG HTML §9.2.5, §9.2.6; MCP basic/transports. Lines end with LF, CR or CRLF, cut
//! anywhere. Text is not decoded: `data` is JSON, whose decoder checks its UTF-8.
//! Limits: `SseLimits`. Invariant: where reads split the bytes never changes the events.
//! Not here: reconnecting and resuming (`client`).

use std::time::Duration;

use crate::base::fault::Fault;
use crate::http::h1::encode::decimal;
use crate::http::h1::head::decimal as parse_decimal;

/// Appends an event. `data_json` is one JSON document; should it hold line ends between its tokens,
/// blanks take their place. An `id` or `event` that holds CR, LF or NUL is left out: it is a bug of
/// the caller.
pub fn event(out: &mut Vec<u8>, id: Option<&str>, event: Option<&str>, data_json: &[u8]) {
    for (name, value) in [(b"id: ".as_slice(), id), (b"event: ", event)] {
        let Some(value) = value else { continue };
        let sound = !value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0));
        debug_assert!(sound, "unsound {} of an event", String::from_utf8_lossy(name));
        if sound {
            out.extend_from_slice(name);
            out.extend_from_slice(value.as_bytes());
            out.push(b'\n');
        }
    }
    out.extend_from_slice(b"data: ");
    one_line(out, data_json);
    out.extend_from_slice(b"\n\n");
}

/// Appends a comment, which keeps a quiet connection alive and says nothing.
pub fn comment(out: &mut Vec<u8>) {
    out.extend_from_slice(b":\n\n");
}

/// Appends how long the client should wait before it connects again.
pub fn retry(out: &mut Vec<u8>, wait: Duration) {
    out.extend_from_slice(b"retry: ");
    decimal(out, u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    out.extend_from_slice(b"\n\n");
}

/// Appends a JSON document without line ends, which JSON has only where it may have blanks.
pub(in crate::http) fn one_line(out: &mut Vec<u8>, json: &[u8]) {
    let start = out.len();
    out.extend_from_slice(json);
    if memchr::memchr2(b'\r', b'\n', json).is_some() {
        for byte in out.iter_mut().skip(start).filter(|byte| matches!(byte, b'\r' | b'\n')) {
            *byte = b' ';
        }
    }
}

/// How large an event may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SseLimits {
    /// Bytes of an event's data, name and id together. Default 4 MiB.
    pub event_bytes_max: usize,
    /// Bytes of one line, without its end. Default 4 MiB and 1 KiB.
    pub line_bytes_max: usize,
}

impl Default for SseLimits {
    fn default() -> Self {
        Self { event_bytes_max: 4 * 1024 * 1024, line_bytes_max: 4 * 1024 * 1024 + 1024 }
    }
}

/// Why events were refused. The decoder is of no further use after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SseError {
    /// An event is longer than `limit_bytes`.
    #[error("event over {limit_bytes} bytes")]
    EventTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// A line is longer than `limit_bytes`.
    #[error("event line over {limit_bytes} bytes")]
    LineTooLong {
        /// The limit.
        limit_bytes: usize,
    },
}

impl SseError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        Fault::Upstream
    }
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Its type; empty when none was given, which means `message`.
    pub event: &'a [u8],
    /// Its id, when it has one; may be empty, which takes the last one back.
    pub id: Option<&'a [u8]>,
    /// Its data, lines joined by LF; may be empty.
    pub data: &'a [u8],
    /// How long to wait before connecting again, if said since the event before.
    pub retry: Option<Duration>,
}

/// Decodes a body of server-sent events.
#[derive(Clone, Debug)]
pub struct SseDecoder {
    limits: SseLimits,
    /// The part of a line whose end has not come.
    line: Vec<u8>,
    /// The last byte was a CR: an LF that comes first belongs to it.
    after_carriage_return: bool,
    before_first_line: bool,
    event: Vec<u8>,
    data: Vec<u8>,
    /// `data` is empty unless a line of it came, but an event may well have empty data.
    has_data: bool,
    id: Vec<u8>,
    has_id: bool,
    retry: Option<Duration>,
    last_event_id: Vec<u8>,
    last_retry: Option<Duration>,
    /// The parts of an event were given out and must go before the next.
    dispatched: bool,
}

impl SseDecoder {
    /// A decoder at the start of a body.
    #[must_use]
    pub const fn new(limits: SseLimits) -> Self {
        Self {
            limits,
            line: Vec::new(),
            after_carriage_return: false,
            before_first_line: true,
            event: Vec::new(),
            data: Vec::new(),
            has_data: false,
            id: Vec::new(),
            has_id: false,
            retry: None,
            last_event_id: Vec::new(),
            last_retry: None,
            dispatched: false,
        }
    }

    /// Takes bytes off the front of `input` up to the end of the next event. `None` when `input` is
    /// empty and the event goes on. An event that the end of the body cuts off never comes.
    ///
    /// # Errors
    /// `SseError`, after all events that came before it.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Event<'_>>, SseError> {
        if self.dispatched {
            self.reset();
        }
        while self.next_line(input)? {
            let line = std::mem::take(&mut self.line);
            let ended = self.take_line(&line);
            self.line = line;
            self.line.clear();
            if ended? {
                self.dispatched = true;
                return Ok(Some(Event {
                    event: &self.event,
                    id: self.has_id.then_some(&self.id),
                    data: &self.data,
                    retry: self.retry,
                }));
            }
        }
        Ok(None)
    }

    /// The id to resume after; empty when there is none.
    #[must_use]
    pub fn last_event_id(&self) -> &[u8] {
        &self.last_event_id
    }

    /// How long to wait before connecting again, as was said last.
    #[must_use]
    pub const fn last_retry(&self) -> Option<Duration> {
        self.last_retry
    }

    /// Completes `self.line`; `false` when `input` ended first.
    fn next_line(&mut self, input: &mut &[u8]) -> Result<bool, SseError> {
        if self.after_carriage_return && !input.is_empty() {
            self.after_carriage_return = false;
            *input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        let end = memchr::memchr2(b'\r', b'\n', input);
        let (part, rest) = input.split_at_checked(end.unwrap_or(input.len())).unwrap_or_default();
        let limit_bytes = self.limits.line_bytes_max;
        if self.line.len() + part.len() > limit_bytes {
            return Err(SseError::LineTooLong { limit_bytes });
        }
        self.line.extend_from_slice(part);
        *input = rest;
        let Some((&line_end, rest)) = rest.split_first() else { return Ok(false) };
        *input = rest;
        self.after_carriage_return = line_end == b'\r';
        Ok(true)
    }

    /// Interprets a line; whether an event ends with it.
    fn take_line(&mut self, line: &[u8]) -> Result<bool, SseError> {
        let mut line = line;
        if std::mem::take(&mut self.before_first_line) {
            line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
        }
        if line.is_empty() {
            return Ok(self.end_event());
        }
        let mut parts = line.splitn(2, |&byte| byte == b':');
        let name = parts.next().unwrap_or_default();
        let value = parts.next().unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"event" => value.clone_into(&mut self.event),
            b"data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            b"id" if !value.contains(&0) => {
                value.clone_into(&mut self.id);
                self.has_id = true;
            }
            b"retry" => self.take_retry(value),
            _ => {}
        }
        let held_bytes = self.event.len() + self.data.len() + self.id.len();
        let limit_bytes = self.limits.event_bytes_max;
        if held_bytes > limit_bytes {
            Err(SseError::EventTooLong { limit_bytes })
        } else {
            Ok(false)
        }
    }

    fn take_retry(&mut self, value: &[u8]) {
        if let Some(wait_ms) = parse_decimal(value) {
            self.retry = Some(Duration::from_millis(wait_ms));
            self.last_retry = self.retry;
        }
    }

    /// At an empty line: whether there is an event to give out.
    fn end_event(&mut self) -> bool {
        if self.has_id {
            self.last_event_id.clone_from(&self.id);
        }
        if !self.has_data {
            // No event, but what was said about reconnecting holds.
            let retry = self.retry;
            self.reset();
            self.retry = retry;
        }
        self.has_data
    }

    fn reset(&mut self) {
        self.event.clear();
        self.data.clear();
        self.has_data = false;
        self.id.clear();
        self.has_id = false;
        self.retry = None;
        self.dispatched = false;
    }
}

#[cfg(test)]
mod tests;
