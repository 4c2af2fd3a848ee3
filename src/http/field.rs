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

/// The known field of this name, whatever its case (RFC 9110 §5.1).
#[must_use]
pub fn classify(name: &str) -> Option<Known> {
    let candidates: &[Known] = match name.len() {
        4 => &[Known::Host],
        6 => &[Known::Accept, Known::Origin, Known::Expect],
        8 => &[Known::McpName, Known::Location],
        10 => &[Known::Connection, Known::McpMethod],
        11 => &[Known::RetryAfter],
        12 => &[Known::ContentType],
        13 => &[Known::Authorization, Known::LastEventId],
        14 => &[Known::ContentLength, Known::McpSessionId],
        16 => &[Known::ContentEncoding, Known::WwwAuthenticate],
        17 => &[Known::TransferEncoding],
        20 => &[Known::McpProtocolVersion],
        29 => &[Known::AccessControlRequestMethod],
        30 => &[Known::AccessControlRequestHeaders],
        _ => &[],
    };
    candidates.iter().copied().find(|known| name.eq_ignore_ascii_case(known.name()))
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
