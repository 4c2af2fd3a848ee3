//! The request line and its target: four forms, of which each method allows some.
//!
//! Spec: RFC 9112 §3. Non-ASCII bytes and fragments are refused; other characters that a URI may
//! not hold are left alone, since paths are compared as they are and never decoded.

use crate::http::authority::Authority;
use crate::http::field::is_token;
use crate::http::h1::error::HeadError;
use crate::http::head::Method;

/// The parts of a request target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'b> {
    pub(super) path: &'b str,
    pub(super) query: Option<&'b str>,
    pub(super) authority: Option<Authority<'b>>,
}

impl<'b> Target<'b> {
    /// Reads the target of a request with this method.
    pub(super) fn parse(method: Method, text: &'b str) -> Result<Self, HeadError> {
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(HeadError::Target);
        }
        if method == Method::Connect {
            return connect(text).ok_or(HeadError::Target);
        }
        if text.starts_with('/') {
            let (path, query) = split_query(text);
            return Ok(Self { path, query, authority: None });
        }
        if text == "*" && method == Method::Options {
            return Ok(Self { path: text, query: None, authority: None });
        }
        absolute(text).ok_or(HeadError::Target)
    }
}

/// Judges a request line without its line end.
pub(super) fn check_request_line(line: &[u8]) -> Result<(), HeadError> {
    let mut parts = line.splitn(3, |&byte| byte == b' ');
    let method = parts.next().filter(|method| is_token(method)).ok_or(HeadError::RequestLine)?;
    let target = parts.next().ok_or(HeadError::RequestLine)?;
    let version = parts.next();
    if target.is_empty() {
        return Err(HeadError::RequestLine);
    }
    match version {
        Some(b"HTTP/1.1" | b"HTTP/1.0") => {}
        // HTTP/0.9 had no version.
        None => return Err(HeadError::Version),
        Some(version) if is_other_version(version) => return Err(HeadError::Version),
        Some(_) => return Err(HeadError::RequestLine),
    }
    let text = |bytes| std::str::from_utf8(bytes).map_err(|_| HeadError::Target);
    Target::parse(Method::of(text(method)?), text(target)?).map(|_| ())
}

/// `HTTP/2.0`, `HTTP/3`, `HTTP/1.2`: well-formed, and none of ours.
fn is_other_version(version: &[u8]) -> bool {
    let is_number = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    version.strip_prefix(b"HTTP/").is_some_and(|numbers| {
        let mut parts = numbers.splitn(2, |&byte| byte == b'.');
        parts.all(is_number)
    })
}

fn split_query(text: &str) -> (&str, Option<&str>) {
    text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)))
}

/// `authority-form`: host and port, both there (RFC 9112 §3.2.3).
fn connect(text: &str) -> Option<Target<'_>> {
    let authority = Authority::parse(text.as_bytes()).filter(|it| it.port.is_some())?;
    Some(Target { path: "", query: None, authority: Some(authority) })
}

/// `absolute-form` with scheme http or https (RFC 9112 §3.2.2).
fn absolute(text: &str) -> Option<Target<'_>> {
    let (scheme, rest) = text.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at_checked(end)?;
    let authority = Some(Authority::parse(authority.as_bytes())?);
    let (path, query) = split_query(rest);
    Some(Target { path: if path.is_empty() { "/" } else { path }, query, authority })
}
