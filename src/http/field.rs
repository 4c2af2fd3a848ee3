//! Field names that this crate acts on, and the grammar of names, values and lists.
//!
//! `classify` is the one place that knows how the names are spelled. It looks at the length first,
//! so that a field of no interest costs one comparison of integers.
//! Spec: RFC 9110 §5.1 (names), §5.5 (values), §5.6 (tokens, white space, lists).
//! Not here: what a field means (`head`, `negotiate`, `origin`).

/// A field that some part of the crate reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// `Accept`, RFC 9110 §12.5.1. A list; may stand on several lines.
    Accept,
    /// `Access-Control-Request-Headers`, WHATWG Fetch §3.3.2.
    AccessControlRequestHeaders,
    /// `Access-Control-Request-Method`, WHATWG Fetch §3.3.2.
    AccessControlRequestMethod,
    /// `Authorization`, RFC 9110 §11.6.2.
    Authorization,
    /// `Connection`, RFC 9110 §7.6.1. A list.
    Connection,
    /// `Content-Encoding`, RFC 9110 §8.4. A list.
    ContentEncoding,
    /// `Content-Length`, RFC 9110 §8.6.
    ContentLength,
    /// `Content-Type`, RFC 9110 §8.3.
    ContentType,
    /// `Expect`, RFC 9110 §10.1.1.
    Expect,
    /// `Host`, RFC 9110 §7.2.
    Host,
    /// `Last-Event-ID`, WHATWG HTML §9.2.4.
    LastEventId,
    /// `Location`, RFC 9110 §10.2.2.
    Location,
    /// `Mcp-Method`, MCP 2026-07-28.
    McpMethod,
    /// `Mcp-Name`, MCP 2026-07-28.
    McpName,
    /// `MCP-Protocol-Version`, MCP since 2025-06-18.
    McpProtocolVersion,
    /// `Mcp-Session-Id`, MCP 2025-03-26 to 2025-11-25.
    McpSessionId,
    /// `Origin`, RFC 6454 §7.
    Origin,
    /// `Retry-After`, RFC 9110 §10.2.3.
    RetryAfter,
    /// `Transfer-Encoding`, RFC 9112 §6.1. A list.
    TransferEncoding,
    /// `WWW-Authenticate`, RFC 9110 §11.6.1. A list.
    WwwAuthenticate,
}

impl Known {
    /// Every known field.
    pub const ALL: [Self; 20] = [
        Self::Accept,
        Self::AccessControlRequestHeaders,
        Self::AccessControlRequestMethod,
        Self::Authorization,
        Self::Connection,
        Self::ContentEncoding,
        Self::ContentLength,
        Self::ContentType,
        Self::Expect,
        Self::Host,
        Self::LastEventId,
        Self::Location,
        Self::McpMethod,
        Self::McpName,
        Self::McpProtocolVersion,
        Self::McpSessionId,
        Self::Origin,
        Self::RetryAfter,
        Self::TransferEncoding,
        Self::WwwAuthenticate,
    ];

    /// The name as its specification spells it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "Accept",
            Self::AccessControlRequestHeaders => "Access-Control-Request-Headers",
            Self::AccessControlRequestMethod => "Access-Control-Request-Method",
            Self::Authorization => "Authorization",
            Self::Connection => "Connection",
            Self::ContentEncoding => "Content-Encoding",
            Self::ContentLength => "Content-Length",
            Self::ContentType => "Content-Type",
            Self::Expect => "Expect",
            Self::Host => "Host",
            Self::LastEventId => "Last-Event-ID",
            Self::Location => "Location",
            Self::McpMethod => "Mcp-Method",
            Self::McpName => "Mcp-Name",
            Self::McpProtocolVersion => "MCP-Protocol-Version",
            Self::McpSessionId => "Mcp-Session-Id",
            Self::Origin => "Origin",
            Self::RetryAfter => "Retry-After",
            Self::TransferEncoding => "Transfer-Encoding",
            Self::WwwAuthenticate => "WWW-Authenticate",
        }
    }
}

/// The known field of this name, a token, whatever its case (RFC 9110 §5.1).
#[must_use]
#[inline]
pub fn classify(name: &str) -> Option<Known> {
    let name = name.as_bytes();
    let (known, same) = match (name.len(), name.first().map(|first| first | 0x20)) {
        (4, Some(b'h')) => (Known::Host, is(name, b"host")),
        (6, Some(b'a')) => (Known::Accept, is(name, b"accept")),
        (6, Some(b'e')) => (Known::Expect, is(name, b"expect")),
        (6, Some(b'o')) => (Known::Origin, is(name, b"origin")),
        (8, Some(b'l')) => (Known::Location, is(name, b"location")),
        (8, Some(b'm')) => (Known::McpName, is(name, b"mcp-name")),
        (10, Some(b'c')) => (Known::Connection, is(name, b"connection")),
        (10, Some(b'm')) => (Known::McpMethod, is(name, b"mcp-method")),
        (11, Some(b'r')) => (Known::RetryAfter, is(name, b"retry-after")),
        (12, Some(b'c')) => (Known::ContentType, is(name, b"content-type")),
        (13, Some(b'a')) => (Known::Authorization, is(name, b"authorization")),
        (13, Some(b'l')) => (Known::LastEventId, is(name, b"last-event-id")),
        (14, Some(b'c')) => (Known::ContentLength, is(name, b"content-length")),
        (14, Some(b'm')) => (Known::McpSessionId, is(name, b"mcp-session-id")),
        (16, Some(b'c')) => (Known::ContentEncoding, is(name, b"content-encoding")),
        (16, Some(b'w')) => (Known::WwwAuthenticate, is(name, b"www-authenticate")),
        (17, Some(b't')) => (Known::TransferEncoding, is(name, b"transfer-encoding")),
        (20, Some(b'm')) => (Known::McpProtocolVersion, is(name, b"mcp-protocol-version")),
        (29, Some(b'a')) => {
            (Known::AccessControlRequestMethod, is(name, b"access-control-request-method"))
        }
        (30, Some(b'a')) => {
            (Known::AccessControlRequestHeaders, is(name, b"access-control-request-headers"))
        }
        _ => return None,
    };
    same.then_some(known)
}

/// Whether a token is this name, given in lower case. All its bytes are compared at once: of the
/// bytes of a token, only a letter becomes a letter when its bit for the case is set, and only a
/// hyphen a hyphen.
#[inline]
fn is<const N: usize>(name: &[u8], lower: &[u8; N]) -> bool {
    name.first_chunk::<N>().is_some_and(|name| {
        name.iter().zip(lower).fold(0, |unlike, (byte, lower)| unlike | ((byte | 0x20) ^ lower))
            == 0
    })
}

/// One field as it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'b> {
    /// The name, a token, in the sender's case.
    pub name: &'b str,
    /// The value without white space at its ends; may be empty, may hold bytes above ASCII.
    pub value: &'b [u8],
}

/// Whether `byte` may stand in a token (`tchar`, RFC 9110 §5.6.2).
#[must_use]
#[inline]
pub const fn is_tchar(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`'
        | b'|' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

/// Whether `bytes` are a token (RFC 9110 §5.6.2): at least one byte, all of them [`is_tchar`].
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_tchar)
}

/// Whether `byte` may stand in a field value: visible, blank, tab, or above ASCII (RFC 9110 §5.5).
#[must_use]
pub const fn is_value_byte(byte: u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// Whether `bytes` can be sent as a field value: no CR, LF, NUL or other control character.
#[must_use]
pub fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().copied().all(is_value_byte)
}

/// `bytes` without blanks and tabs at either end (`OWS`, RFC 9110 §5.6.3).
#[must_use]
pub fn trim(bytes: &[u8]) -> &[u8] {
    let mut bytes = bytes;
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// The elements of a comma list of tokens, trimmed, empty ones included (RFC 9110 §5.6.1). Knows no
/// quoted strings.
pub fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_name_is_found_in_any_case_and_nothing_near_it_is() {
        for known in Known::ALL {
            let name = known.name();
            assert_eq!(classify(name), Some(known));
            assert_eq!(classify(&name.to_lowercase()), Some(known));
            assert_eq!(classify(&name.to_uppercase()), Some(known));
            assert_eq!(classify(&format!("{name}x")), None);
            assert_eq!(classify(&name[1..]), None);
            assert_eq!(classify(&name.replace('-', "_")).is_some(), !name.contains('-'));
        }
        assert_eq!(classify(""), None);
    }

    #[test]
    fn trimming_takes_blanks_and_tabs_only() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b"\x0ba\r"), b"\x0ba\r");
    }

    #[test]
    fn list_elements_are_trimmed_and_empty_ones_kept() {
        let list: Vec<_> = elements(b"close, ,\tkeep-alive ").collect();
        assert_eq!(list, [b"close".as_slice(), b"", b"keep-alive"]);
    }

    #[test]
    fn tokens_and_values_hold_to_their_grammar() {
        assert!(is_token(b"X-a.b!#$%&'*+^_`|~9"));
        for bad in [b"".as_slice(), b"a b", b"a:", b"a\x7f", "ä".as_bytes(), b"a\"", b"(a)"] {
            assert!(!is_token(bad), "{bad:?}");
        }
        assert!(is_value("a\tb ä".as_bytes()));
        for bad in [b"\r".as_slice(), b"\n", b"\0", b"\x7f", b"\x1b"] {
            assert!(!is_value(bad), "{bad:?}");
        }
    }
}
