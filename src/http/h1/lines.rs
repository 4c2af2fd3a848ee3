//! The careful reading of a head: line by line, every limit, every line end.
//!
//! It decides whenever the fast path does not: while a head is incomplete, when it is refused, and
//! when it is so long that a limit may be near. Each check depends only on bytes that came before
//! its own, and a check of length comes before a check of what the line says, so that the answer to
//! a head is the same wherever reads split it.
//! Spec: RFC 9112 §2.2, §5. Limits: those of `HeadLimits`.
//! Not here: what the first line says (the caller's function), what fields mean (`head`).

use crate::http::field::{is_tchar, is_token, is_value};
use crate::http::h1::error::HeadError;
use crate::http::h1::head::HeadLimits;

/// What the careful reading found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The head goes on, and nothing is wrong so far.
    Incomplete,
    /// The head ends before this offset.
    Complete { used_bytes: usize },
}

/// Reads the head at the start of `input`; `first_line` judges its first line.
pub(super) fn scan<E: From<HeadError>>(
    input: &[u8],
    limits: &HeadLimits,
    first_line: fn(&[u8]) -> Result<(), E>,
) -> Result<Scan, E> {
    let (window, beyond) = input.split_at_checked(limits.head_bytes_max).unwrap_or((input, &[]));
    let mut rest = window;
    let mut place = Place::Before { empty_count: 0 };
    while let Some((line, tail)) = memchr::memchr(b'\n', rest).and_then(|at| split_line(rest, at)) {
        rest = tail;
        let content = line.strip_suffix(b"\r").unwrap_or(line);
        check_length(content, place, limits)?;
        if content.len() == line.len() {
            return Err(HeadError::BareLineFeed.into());
        }
        place = match (place, content.is_empty()) {
            (Place::Before { empty_count }, true) => {
                if empty_count == limits.empty_lines_max {
                    let limit_count = limits.empty_lines_max;
                    return Err(HeadError::TooManyEmptyLines { limit_count }.into());
                }
                Place::Before { empty_count: empty_count + 1 }
            }
            (Place::Before { .. }, false) => {
                first_line(content)?;
                Place::Fields { field_count: 0 }
            }
            (Place::Fields { .. }, true) => {
                return Ok(Scan::Complete { used_bytes: window.len() - rest.len() });
            }
            (Place::Fields { field_count }, false) => {
                check_field_line(content)?;
                Place::Fields { field_count: field_count + 1 }
            }
        };
    }
    check_length(rest.strip_suffix(b"\r").unwrap_or(rest), place, limits)?;
    if beyond.is_empty() {
        return Ok(Scan::Incomplete);
    }
    Err(HeadError::HeadTooLong { limit_bytes: limits.head_bytes_max }.into())
}

/// Whether a head that the fast path read to its end at `used_bytes` needs no careful reading: its
/// lines all end with CRLF, and it is shorter than what any limit of length allows a line.
pub(super) fn is_plain(input: &[u8], used_bytes: usize, limits: &HeadLimits) -> bool {
    let short = used_bytes <= limits.request_line_bytes_max
        && used_bytes <= limits.field_bytes_max
        && used_bytes <= limits.head_bytes_max;
    let Some((first, head)) = input.get(..used_bytes).and_then(<[u8]>::split_first) else {
        return false;
    };
    // No early exit, so that the compiler can look at 16 bytes at a time.
    let bare = input
        .iter()
        .zip(head)
        .fold(false, |bare, (&before, &byte)| bare | ((byte == b'\n') & (before != b'\r')));
    // An empty line before the first one is rare and counted by the careful reading.
    short && is_tchar(*first) && !bare
}

/// Holds a field line, without its line end, to `field-name ":" OWS field-value OWS`.
pub(super) fn check_field_line(line: &[u8]) -> Result<(), HeadError> {
    if matches!(line, [b' ' | b'\t', ..]) {
        return Err(HeadError::FoldedLine);
    }
    let (name, value) = memchr::memchr(b':', line)
        .and_then(|colon| line.split_at_checked(colon))
        .ok_or(HeadError::FieldName)?;
    if !is_token(name) {
        return Err(HeadError::FieldName);
    }
    if is_value(value) { Ok(()) } else { Err(HeadError::FieldValue) }
}

/// Where in the head a line stands.
#[derive(Clone, Copy)]
enum Place {
    Before { empty_count: usize },
    Fields { field_count: usize },
}

/// The line up to the line feed at `at`, and what follows it.
fn split_line(bytes: &[u8], at: usize) -> Option<(&[u8], &[u8])> {
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// What can be said of a line before its end is there. `content` is free of a CR at its end, since
/// that may turn out to belong to the line end.
fn check_length(content: &[u8], place: Place, limits: &HeadLimits) -> Result<(), HeadError> {
    let Some(&first) = content.first() else { return Ok(()) };
    match place {
        // A TLS greeting on a cleartext port, for one, has no line feed to wait for.
        Place::Before { .. } if !is_tchar(first) => Err(HeadError::RequestLine),
        Place::Before { .. } if content.len() > limits.request_line_bytes_max => {
            Err(HeadError::RequestLineTooLong { limit_bytes: limits.request_line_bytes_max })
        }
        Place::Fields { field_count } if field_count >= limits.fields_max => {
            Err(HeadError::TooManyFields { limit_count: limits.fields_max })
        }
        Place::Fields { .. } if content.len() > limits.field_bytes_max => {
            Err(HeadError::FieldTooLong { limit_bytes: limits.field_bytes_max })
        }
        _ => Ok(()),
    }
}
