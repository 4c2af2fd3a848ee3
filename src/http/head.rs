//! What the head of a request says, whatever HTTP version wrote it.
//!
//! A `RequestHead` borrows everything from the connection's buffer and the caller's field slots, so
//! decoding one allocates nothing. The fields that decide framing, routing and admission were
//! collected in one pass and are checked; all others are reachable by name.
//! Spec: RFC 9110 §5 to §10. Not here: bytes (`h1::head`), policy (`origin`, `negotiate`).

use crate::http::authority::Authority;
use crate::http::field::{Field, Known, classify};

/// A request method (RFC 9110 §9; `PATCH` RFC 5789). Compared with case, as the RFC has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names are the methods")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Options,
    Patch,
    Trace,
    Connect,
    /// Any other token. Its text is not kept: nothing here answers it with more than 405.
    Other,
}

impl Method {
    /// The method of this token.
    #[must_use]
    pub fn of(token: &str) -> Self {
        match token {
            "POST" => Self::Post,
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "PUT" => Self::Put,
            "DELETE" => Self::Delete,
            "OPTIONS" => Self::Options,
            "PATCH" => Self::Patch,
            "TRACE" => Self::Trace,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// The HTTP version of a message. Both are answered as HTTP/1.1 (RFC 9110 §2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `HTTP/1.0`: no chunks, no 100, one request a connection unless it asks for more.
    Http10,
    /// `HTTP/1.1`.
    Http11,
}

/// How the end of a request body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Neither `Content-Length` nor `Transfer-Encoding`: no body.
    None,
    /// So many bytes, possibly zero.
    Length(u64),
    /// Chunks, until the last one.
    Chunked,
}

/// Whether a connection lives on after an exchange (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Persistence {
    /// The peer may send its next request.
    KeepAlive,
    /// Nothing more is read after this request.
    Close,
}

/// Whether the client waits for `100 Continue` before it sends its body (RFC 9110 §10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// It does not wait.
    None,
    /// It waits. Never so for HTTP/1.0, nor for a request without a body.
    Continue,
}

/// The head of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestHead<'b> {
    /// The method.
    pub method: Method,
    /// The path as sent, not decoded: begins with `/`, or is `*` (`OPTIONS` only), or empty
    /// (`CONNECT` only).
    pub path: &'b str,
    /// What followed the first `?`, if there was one.
    pub query: Option<&'b str>,
    /// The version.
    pub version: Version,
    /// How the body ends.
    pub framing: Framing,
    /// What the client wants to become of the connection.
    pub persistence: Persistence,
    /// Whether the client waits before it sends the body.
    pub expectation: Expectation,
    /// The authority of the target if it has one, else that of `Host`. `None` only for HTTP/1.0.
    pub authority: Option<Authority<'b>>,
    /// `Origin`.
    pub origin: Option<&'b [u8]>,
    /// `Authorization`.
    pub authorization: Option<&'b [u8]>,
    /// `Content-Type`.
    pub content_type: Option<&'b [u8]>,
    /// `Content-Encoding`; of several lines the first that is not `identity`.
    pub content_encoding: Option<&'b [u8]>,
    /// `MCP-Protocol-Version`; the first, see `repeated`.
    pub mcp_protocol_version: Option<&'b [u8]>,
    /// `Mcp-Method`; the first, see `repeated`.
    pub mcp_method: Option<&'b [u8]>,
    /// `Mcp-Name`; the first, see `repeated`.
    pub mcp_name: Option<&'b [u8]>,
    /// `Mcp-Session-Id`.
    pub mcp_session_id: Option<&'b [u8]>,
    /// `Last-Event-ID`.
    pub last_event_id: Option<&'b [u8]>,
    /// `Access-Control-Request-Method`.
    pub access_control_request_method: Option<&'b [u8]>,
    /// `Access-Control-Request-Headers`.
    pub access_control_request_headers: Option<&'b [u8]>,
    /// The last of `MCP-Protocol-Version`, `Mcp-Method` and `Mcp-Name` that came twice with unlike
    /// values. Such a head is well-formed HTTP; MCP 2026-07-28 has its own error for it.
    pub repeated: Option<Known>,
    pub(in crate::http) fields: Fields<'b>,
    pub(in crate::http) accept: Lines,
}

impl<'b> RequestHead<'b> {
    /// All fields in the order in which they were sent.
    #[must_use]
    pub fn fields(&self) -> Fields<'b> {
        self.fields
    }

    /// The values of `Accept`, a line each, for [`crate::http::negotiate`].
    pub fn accept(&self) -> impl Iterator<Item = &'b [u8]> + Clone + use<'b> {
        self.fields.of_lines(self.accept, Known::Accept)
    }
}

/// Which lines hold a known field: the first one's index, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::http) struct Lines {
    pub(in crate::http) first_index: usize,
    pub(in crate::http) line_count: usize,
}

impl Lines {
    /// Notes that the line at `index` is one more.
    pub(in crate::http) fn note(&mut self, index: usize) {
        if self.line_count == 0 {
            self.first_index = index;
        }
        self.line_count += 1;
    }
}

/// The fields of a head, in the order in which they were sent.
#[derive(Clone, Copy)]
pub struct Fields<'b>(Source<'b>);

/// Where fields are read from.
#[derive(Clone, Copy)]
enum Source<'b> {
    /// The fields as they were parsed.
    Parsed(&'b [httparse::Header<'b>]),
    /// The text of a head that was recognised, and what fills its gaps.
    Shape { text: &'b str, places: &'b [FieldPlace], gaps: Gaps<'b> },
}

/// What fills the gaps of a recognised head, by number.
pub(in crate::http) type Gaps<'b> = [Option<&'b [u8]>; GAP_COUNT];

/// How many kinds of gaps there are.
pub(in crate::http) const GAP_COUNT: usize = 3;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct Span {
    start: u16,
    len: u16,
}

impl Span {
    /// The `len` bytes from `start` on; `None` where it cannot be said in 16 bits.
    pub(in crate::http) fn new(start: usize, len: usize) -> Option<Self> {
        Some(Self { start: start.try_into().ok()?, len: len.try_into().ok()? })
    }

    pub(in crate::http) fn of(self, text: &str) -> Option<&str> {
        text.get(usize::from(self.start)..usize::from(self.start) + usize::from(self.len))
    }
}

/// Where a field of a recognised head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) struct FieldPlace {
    pub(in crate::http) name: Span,
    pub(in crate::http) value: ValuePlace,
}

/// Where the value of a field is: in the text, or what fills this gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum ValuePlace {
    Text(Span),
    Gap(usize),
}

impl ValuePlace {
    pub(in crate::http) fn value<'b>(self, text: &'b str, gaps: &Gaps<'b>) -> Option<&'b [u8]> {
        match self {
            Self::Text(span) => span.of(text).map(str::as_bytes),
            Self::Gap(gap) => gaps.get(gap).copied().flatten(),
        }
    }
}

impl<'b> Fields<'b> {
    /// Fields as they were parsed.
    pub(in crate::http) fn parsed(headers: &'b [httparse::Header<'b>]) -> Self {
        Self(Source::Parsed(headers))
    }

    /// The fields of a head that was recognised.
    pub(in crate::http) fn of_shape(
        text: &'b str,
        places: &'b [FieldPlace],
        gaps: Gaps<'b>,
    ) -> Self {
        Self(Source::Shape { text, places, gaps })
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        match self.0 {
            Source::Parsed(headers) => headers.len(),
            Source::Shape { places, .. } => places.len(),
        }
    }

    /// Each in turn.
    pub fn iter(&self) -> impl Iterator<Item = Field<'b>> + Clone + use<'b> {
        let fields = *self;
        (0..self.count()).map_while(move |index| fields.at(index))
    }

    fn at(&self, index: usize) -> Option<Field<'b>> {
        match self.0 {
            Source::Parsed(headers) => {
                headers.get(index).map(|header| Field { name: header.name, value: header.value })
            }
            Source::Shape { text, places, gaps } => {
                let place = places.get(index)?;
                Some(Field { name: place.name.of(text)?, value: place.value.value(text, &gaps)? })
            }
        }
    }

    /// The values of every field of this name, whatever its case.
    pub fn named<'n>(&self, name: &'n str) -> impl Iterator<Item = &'b [u8]> + use<'b, 'n> {
        self.iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| field.value)
    }

    pub(in crate::http) fn of_lines(
        &self,
        lines: Lines,
        known: Known,
    ) -> impl Iterator<Item = &'b [u8]> + Clone + use<'b> {
        self.iter()
            .skip(lines.first_index)
            .filter(move |field| classify(field.name) == Some(known))
            .map(|field| field.value)
            .take(lines.line_count)
    }
}

impl PartialEq for Fields<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields<'_> {}

impl std::fmt::Debug for Fields<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.iter()).finish()
    }
}
