//! HTTP/1.1 response head: bytes in, `ResponseHead` out. The client's side of `head`.
//!
//! In: the unread part of the connection's buffer. Out: a head that borrows from it, `Incomplete`,
//! or an error. A server that we call is trusted no more than a client that calls us.
//! Spec: RFC 9112 §4 to §6. Limits: `HeadLimits`; its request line is the status line here.
//! Invariant: where reads split the bytes never changes the answer.
//! Not here: answers to `HEAD` and `CONNECT`, which we never send and whose framing differs.

use httparse::{Header, ParserConfig, Response, Status};

use crate::base::fault::Fault;
use crate::http::field::{Known, classify, is_value};
use crate::http::h1::head::{FieldSlots, HeadError, HeadLimits, MessageFields};
use crate::http::h1::lines::{self, Scan};
use crate::http::head::{Fields, Framing, Lines, Persistence, Version};

/// How the end of a response body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFraming {
    /// The status has no body (1xx, 204, 304).
    None,
    /// So many bytes, possibly zero.
    Length(u64),
    /// Chunks, until the last one.
    Chunked,
    /// The end of the connection ends it.
    UntilClose,
}

/// The head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseHead<'b> {
    /// The status, 100 to 599. After 100 to 199 another head follows.
    pub status: u16,
    /// The version.
    pub version: Version,
    /// How the body ends.
    pub framing: ResponseFraming,
    /// Whether the connection may be used again after the body.
    pub persistence: Persistence,
    /// `Content-Type`.
    pub content_type: Option<&'b [u8]>,
    /// `Content-Encoding`; of several lines the first that is not `identity`.
    pub content_encoding: Option<&'b [u8]>,
    /// `Location`.
    pub location: Option<&'b [u8]>,
    /// `Retry-After`: seconds or a date.
    pub retry_after: Option<&'b [u8]>,
    /// `Mcp-Session-Id`.
    pub mcp_session_id: Option<&'b [u8]>,
    fields: Fields<'b>,
    challenges: Lines,
}

impl<'b> ResponseHead<'b> {
    /// All fields in the order in which they were sent.
    #[must_use]
    pub fn fields(&self) -> Fields<'b> {
        self.fields
    }

    /// The values of `WWW-Authenticate`, a line each.
    pub fn www_authenticate(&self) -> impl Iterator<Item = &'b [u8]> + Clone + use<'b> {
        self.fields.of_lines(self.challenges, Known::WwwAuthenticate)
    }
}

/// What `decode` made of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack for one match")]
pub enum DecodedResponse<'b> {
    /// The head goes on; nothing was consumed.
    Incomplete,
    /// A head.
    Head {
        /// What it says.
        head: ResponseHead<'b>,
        /// Where its body begins in the input.
        used_bytes: usize,
    },
}

/// Why the head of a response was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResponseError {
    /// The status line has not its parts.
    #[error("malformed status line")]
    StatusLine,
    /// Something that heads of either direction can do wrong.
    #[error(transparent)]
    Head(#[from] HeadError),
}

impl ResponseError {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::StatusLine => Fault::Upstream,
            Self::Head(error) => match error.fault() {
                Fault::Bug => Fault::Bug,
                Fault::Peer | Fault::Local | Fault::Upstream => Fault::Upstream,
            },
        }
    }
}

/// Decodes the response head at the start of `input`.
///
/// # Errors
/// `ResponseError`; the connection is then of no further use.
pub fn decode<'h, 'b: 'h>(
    input: &'b [u8],
    slots: &'h mut FieldSlots<'b>,
    limits: &HeadLimits,
) -> Result<DecodedResponse<'h>, ResponseError> {
    let limits = limits.clamped();
    let mut response = Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        input,
        slots.first(limits.fields_max),
    );
    let used_bytes = match parsed {
        Ok(Status::Complete(used_bytes)) if lines::is_plain(input, used_bytes, &limits) => {
            used_bytes
        }
        parsed => match lines::scan(input, &limits, check_status_line)? {
            Scan::Incomplete => return Ok(DecodedResponse::Incomplete),
            Scan::Complete { used_bytes } if parsed == Ok(Status::Complete(used_bytes)) => {
                used_bytes
            }
            Scan::Complete { .. } => return Err(HeadError::Malformed.into()),
        },
    };
    let (Some(status), Some(minor)) = (response.code, response.version) else {
        return Err(HeadError::Malformed.into());
    };
    if !is_status(status) {
        return Err(ResponseError::StatusLine);
    }
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let head = collect(status, version, response.headers)?;
    Ok(DecodedResponse::Head { head, used_bytes })
}

/// `HTTP-version SP status-code SP [ reason-phrase ]`; the blank before an empty reason may be
/// missing, as many servers have it.
fn check_status_line(line: &[u8]) -> Result<(), ResponseError> {
    let (version, rest) = line.split_at_checked(8).ok_or(ResponseError::StatusLine)?;
    if !matches!(version, b"HTTP/1.1" | b"HTTP/1.0") {
        let http = version.starts_with(b"HTTP/");
        return Err(if http { HeadError::Version.into() } else { ResponseError::StatusLine });
    }
    let [b' ', hundreds, tens, ones, reason @ ..] = rest else {
        return Err(ResponseError::StatusLine);
    };
    let is_code = [hundreds, tens, ones].iter().all(|digit| digit.is_ascii_digit())
        && matches!(hundreds, b'1'..=b'5');
    let is_reason = reason.is_empty() || (reason.starts_with(b" ") && is_value(reason));
    if is_code && is_reason { Ok(()) } else { Err(ResponseError::StatusLine) }
}

fn is_status(status: u16) -> bool {
    (100..=599).contains(&status)
}

fn collect<'h>(
    status: u16,
    version: Version,
    headers: &'h [Header<'h>],
) -> Result<ResponseHead<'h>, HeadError> {
    let mut head = ResponseHead {
        status,
        version,
        framing: ResponseFraming::None,
        persistence: Persistence::Close,
        content_type: None,
        content_encoding: None,
        location: None,
        retry_after: None,
        mcp_session_id: None,
        fields: Fields::parsed(headers),
        challenges: Lines::default(),
    };
    let mut message = MessageFields::default();
    for (index, &Header { name, value }) in headers.iter().enumerate() {
        let Some(field) = classify(name) else { continue };
        let slot = match field {
            Known::ContentLength | Known::TransferEncoding | Known::Connection => {
                message.take(field, value)?;
                continue;
            }
            Known::WwwAuthenticate => {
                head.challenges.note(index);
                continue;
            }
            Known::ContentEncoding => {
                let decisive =
                    head.content_encoding.filter(|it| !it.eq_ignore_ascii_case(b"identity"));
                head.content_encoding = decisive.or(Some(value));
                continue;
            }
            Known::ContentType => &mut head.content_type,
            Known::Location => &mut head.location,
            Known::RetryAfter => &mut head.retry_after,
            Known::McpSessionId => &mut head.mcp_session_id,
            _ => continue,
        };
        if slot.replace(value).is_some_and(|before| before != value) {
            return Err(HeadError::Repeated { field });
        }
    }
    head.framing = framing(status, message.framing(version)?);
    head.persistence = match head.framing {
        ResponseFraming::UntilClose => Persistence::Close,
        _ => message.persistence(version),
    };
    Ok(head)
}

fn framing(status: u16, fields: Framing) -> ResponseFraming {
    match (status, fields) {
        (100..=199 | 204 | 304, _) => ResponseFraming::None,
        (_, Framing::Length(length)) => ResponseFraming::Length(length),
        (_, Framing::Chunked) => ResponseFraming::Chunked,
        (_, Framing::None) => ResponseFraming::UntilClose,
    }
}

#[cfg(test)]
mod tests;
