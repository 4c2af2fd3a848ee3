//! HTTP/1.1 request head: bytes in, `RequestHead` out.
//!
//! In: the unread part of the connection's buffer. Out: a head that borrows from it, `Incomplete`,
//! or an error. `httparse` reads the usual head; whatever it does not finish, or accepts too
//! kindly, is read again line by line (`lines`), and that reading decides.
//! Spec: RFC 9112 §2 to §6, RFC 9110 §5. Limits: `HeadLimits`.
//! Invariant: where reads split the bytes never changes the answer, and bytes after the head do not
//! either. Not here: bodies (`body`).

use std::fmt;
use std::mem::MaybeUninit;

use httparse::{Header, ParserConfig, Request, Status};

use crate::http::authority::Authority;
use crate::http::field::{Known, classify, elements, is_token};
pub use crate::http::h1::error::HeadError;
use crate::http::h1::lines::{self, Scan};
use crate::http::h1::target::{Target, check_request_line};
use crate::http::head::{
    Expectation, Fields, Framing, Lines, Method, Persistence, RequestHead, Version,
};

/// How large a head may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes of the first line, without its line end. Default 8 KiB; beyond it 414.
    pub request_line_bytes_max: usize,
    /// Bytes of one field line, without its line end. Default 16 KiB; beyond it 431.
    pub field_bytes_max: usize,
    /// Bytes of the whole head, its last empty line included. Default 32 KiB; beyond it 431.
    pub head_bytes_max: usize,
    /// Fields. Default 100, which is also the most there is room for; beyond it 431.
    pub fields_max: usize,
    /// Empty lines before the first line (RFC 9112 §2.2). Default 1; beyond it 400.
    pub empty_lines_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self {
            request_line_bytes_max: 8 * 1024,
            field_bytes_max: 16 * 1024,
            head_bytes_max: 32 * 1024,
            fields_max: FIELDS_MAX,
            empty_lines_max: 1,
        }
    }
}

impl HeadLimits {
    pub(super) fn clamped(&self) -> Self {
        Self { fields_max: self.fields_max.min(FIELDS_MAX), ..*self }
    }
}

/// Room for the fields of one head, on the caller's stack. Costs nothing to make.
pub struct FieldSlots<'b>([MaybeUninit<Header<'b>>; FIELDS_MAX]);

impl<'b> FieldSlots<'b> {
    /// Empty slots.
    #[must_use]
    pub const fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; FIELDS_MAX])
    }

    pub(super) fn first(&mut self, count: usize) -> &mut [MaybeUninit<Header<'b>>] {
        self.0.get_mut(..count).unwrap_or_default()
    }
}

impl Default for FieldSlots<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for FieldSlots<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FieldSlots")
    }
}

/// What `decode` made of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it lives on the stack for one match")]
pub enum Decoded<'b> {
    /// The head goes on; nothing was consumed.
    Incomplete,
    /// A head.
    Head {
        /// What it says.
        head: RequestHead<'b>,
        /// Where its body begins in the input.
        used_bytes: usize,
    },
}

/// Decodes the request head at the start of `input`.
///
/// A field that has one value may come twice with the same value; `Host` and `Content-Length` may
/// not even that, since hops in front of us may have counted otherwise.
///
/// # Errors
/// `HeadError`; the end of the request is then unknown, so nothing after it may be read.
#[inline]
pub fn decode<'h, 'b: 'h>(
    input: &'b [u8],
    slots: &'h mut FieldSlots<'b>,
    limits: &HeadLimits,
) -> Result<Decoded<'h>, HeadError> {
    let limits = limits.clamped();
    let mut request = Request::new(&mut []);
    let parsed = ParserConfig::default().parse_request_with_uninit_headers(
        &mut request,
        input,
        slots.first(limits.fields_max),
    );
    let used_bytes = match parsed {
        Ok(Status::Complete(used_bytes)) if lines::is_plain(input, used_bytes, &limits) => {
            used_bytes
        }
        parsed => match lines::scan(input, &limits, check_request_line)? {
            Scan::Incomplete => return Ok(Decoded::Incomplete),
            Scan::Complete { used_bytes } if parsed == Ok(Status::Complete(used_bytes)) => {
                used_bytes
            }
            Scan::Complete { .. } => return Err(HeadError::Malformed),
        },
    };
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version)
    else {
        return Err(HeadError::Malformed);
    };
    let method = Method::of(method);
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let target = Target::parse(method, target)?;
    let head = collect(method, version, target, request.headers)?;
    Ok(Decoded::Head { head, used_bytes })
}

/// The number of field slots.
pub const FIELDS_MAX: usize = 100;

/// Collects the known fields in one pass and judges them.
#[inline]
fn collect<'h>(
    method: Method,
    version: Version,
    target: Target<'h>,
    headers: &'h [Header<'h>],
) -> Result<RequestHead<'h>, HeadError> {
    let mut head = empty_head(method, version, target, headers);
    let mut message = MessageFields::default();
    let mut host = None;
    let mut expects_continue = false;
    for (index, &Header { name, value }) in headers.iter().enumerate() {
        let Some(known) = classify(name) else { continue };
        match known {
            Known::Accept => head.accept.note(index),
            Known::Host if host.is_some() => return Err(HeadError::Repeated { field: known }),
            Known::Host => host = Some(Authority::parse(value).ok_or(HeadError::Host)?),
            Known::Expect if version == Version::Http11 => {
                if !value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(HeadError::Expectation);
                }
                expects_continue = true;
            }
            Known::ContentLength | Known::TransferEncoding | Known::Connection => {
                message.take(known, value)?;
            }
            _ => take_single(&mut head, known, value)?,
        }
    }
    if host.is_none() && version == Version::Http11 {
        return Err(HeadError::HostMissing);
    }
    head.authority = target.authority.or(host);
    head.framing = message.framing(version)?;
    head.persistence = message.persistence(version);
    if expects_continue && !matches!(head.framing, Framing::None | Framing::Length(0)) {
        head.expectation = Expectation::Continue;
    }
    Ok(head)
}

#[inline]
fn empty_head<'h>(
    method: Method,
    version: Version,
    target: Target<'h>,
    headers: &'h [Header<'h>],
) -> RequestHead<'h> {
    RequestHead {
        method,
        path: target.path,
        query: target.query,
        version,
        framing: Framing::None,
        persistence: Persistence::Close,
        expectation: Expectation::None,
        authority: None,
        origin: None,
        authorization: None,
        content_type: None,
        content_encoding: None,
        mcp_protocol_version: None,
        mcp_method: None,
        mcp_name: None,
        mcp_session_id: None,
        last_event_id: None,
        access_control_request_method: None,
        access_control_request_headers: None,
        repeated: None,
        fields: Fields::parsed(headers),
        accept: Lines::default(),
    }
}

/// Puts the value of a field that has one value where it belongs.
#[inline]
fn take_single<'h>(
    head: &mut RequestHead<'h>,
    field: Known,
    value: &'h [u8],
) -> Result<(), HeadError> {
    let slot = match field {
        Known::Origin => &mut head.origin,
        Known::Authorization => &mut head.authorization,
        Known::ContentType => &mut head.content_type,
        Known::ContentEncoding => &mut head.content_encoding,
        Known::McpProtocolVersion => &mut head.mcp_protocol_version,
        Known::McpMethod => &mut head.mcp_method,
        Known::McpName => &mut head.mcp_name,
        Known::McpSessionId => &mut head.mcp_session_id,
        Known::LastEventId => &mut head.last_event_id,
        Known::AccessControlRequestMethod => &mut head.access_control_request_method,
        Known::AccessControlRequestHeaders => &mut head.access_control_request_headers,
        _ => return Ok(()),
    };
    let Some(before) = slot.replace(value).filter(|before| *before != value) else {
        return Ok(());
    };
    match field {
        Known::McpProtocolVersion | Known::McpMethod | Known::McpName => {
            *slot = Some(before);
            head.repeated = Some(field);
        }
        // A list over several lines; one coding that is not `identity` decides.
        Known::ContentEncoding if !before.eq_ignore_ascii_case(b"identity") => {
            *slot = Some(before);
        }
        Known::ContentEncoding => {}
        _ => return Err(HeadError::Repeated { field }),
    }
    Ok(())
}

/// The fields that decide where a message and its connection end; requests and responses alike.
#[derive(Default)]
pub(super) struct MessageFields {
    length: Option<u64>,
    chunked: Option<()>,
    closes: bool,
    keeps_alive: bool,
}

impl MessageFields {
    pub(super) fn take(&mut self, field: Known, value: &[u8]) -> Result<(), HeadError> {
        match field {
            Known::ContentLength if self.length.is_some() => Err(HeadError::Repeated { field }),
            Known::ContentLength => {
                self.length = Some(decimal(value).ok_or(HeadError::ContentLength)?);
                Ok(())
            }
            Known::TransferEncoding => elements(value).try_for_each(|coding| self.coding(coding)),
            Known::Connection => {
                for option in elements(value) {
                    self.closes |= option.eq_ignore_ascii_case(b"close");
                    self.keeps_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// `chunked` must be the one coding (RFC 9112 §6.1), over all lines of the field.
    fn coding(&mut self, coding: &[u8]) -> Result<(), HeadError> {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err(if is_token(coding) {
                HeadError::UnsupportedCoding
            } else {
                HeadError::TransferEncoding
            });
        }
        match self.chunked.replace(()) {
            None => Ok(()),
            Some(()) => Err(HeadError::TransferEncoding),
        }
    }

    pub(super) fn framing(&self, version: Version) -> Result<Framing, HeadError> {
        match (self.chunked, self.length) {
            (Some(()), _) if version == Version::Http10 => Err(HeadError::TransferEncoding),
            (Some(()), Some(_)) => Err(HeadError::CodingBesideLength),
            (Some(()), None) => Ok(Framing::Chunked),
            (None, Some(length)) => Ok(Framing::Length(length)),
            (None, None) => Ok(Framing::None),
        }
    }

    /// RFC 9112 §9.3: `close` wins; HTTP/1.0 lives on only if it asks to.
    pub(super) fn persistence(&self, version: Version) -> Persistence {
        match version {
            _ if self.closes => Persistence::Close,
            Version::Http11 => Persistence::KeepAlive,
            Version::Http10 if self.keeps_alive => Persistence::KeepAlive,
            Version::Http10 => Persistence::Close,
        }
    }
}

/// `1*DIGIT` that fits 64 bits (RFC 9110 §8.6).
pub(in crate::http) fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |value, &digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests;
