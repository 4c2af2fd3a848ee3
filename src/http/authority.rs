//! Host and port: the `Host` field, the authority of a target, the end of an `Origin`.
//!
//! In: text of a peer or of a configuration. Out: an `Authority` that borrows from it.
//! Spec: RFC 3986 §3.2, RFC 9110 §4.2 and §7.2. Userinfo, zone ids and `IPvFuture` are refused.
//! Invariant: two authorities that name one host compare equal by `Host`, however they are written.
//! Not here: which hosts are allowed (`origin`).

use std::net::{Ipv4Addr, Ipv6Addr};

/// A host and, if one was given, a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Authority<'b> {
    /// The host as written, with the brackets of an IPv6 address; never empty.
    pub host: &'b str,
    /// The port; `None` when absent or empty (`host:`), which RFC 3986 §3.2.3 takes for the same.
    pub port: Option<u16>,
}

impl<'b> Authority<'b> {
    /// Reads `host [ ":" port ]`. `None` when it is anything else.
    #[must_use]
    pub fn parse(bytes: &'b [u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let host_end = match text.find(']') {
            Some(bracket) => bracket + 1,
            None => text.find(':').unwrap_or(text.len()),
        };
        let (host, port) = text.split_at_checked(host_end)?;
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            None => return None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        is_host(host).then_some(Self { host, port })
    }

    /// The host in the form in which hosts are compared.
    #[must_use]
    pub fn comparable(&self) -> Host<'b> {
        Host::of(self.host)
    }
}

/// A host for comparison: addresses by value, names without case.
#[derive(Clone, Copy, Debug)]
pub enum Host<'b> {
    /// A dotted quad.
    V4(Ipv4Addr),
    /// A bracketed IPv6 address.
    V6(Ipv6Addr),
    /// Any other name.
    Name(&'b str),
}

impl<'b> Host<'b> {
    /// The comparable form of a host that [`Authority::parse`] accepted.
    #[must_use]
    pub fn of(host: &'b str) -> Self {
        if let Some(address) = bracketed(host).and_then(|inner| inner.parse().ok()) {
            return Self::V6(address);
        }
        // Names begin with a digit rarely enough to make this look worth its branch.
        match host.as_bytes().first() {
            Some(b'0'..=b'9') => host.parse().map_or(Self::Name(host), Self::V4),
            _ => Self::Name(host),
        }
    }

    /// Whether this is `localhost`, `127.0.0.1` or `[::1]`. Other names of the loopback network are
    /// not, since a browser may be led to them by a name of the attacker's choice.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        match self {
            Self::V4(address) => address == Ipv4Addr::LOCALHOST,
            Self::V6(address) => address == Ipv6Addr::LOCALHOST,
            Self::Name(name) => name.eq_ignore_ascii_case("localhost"),
        }
    }
}

impl PartialEq for Host<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::V4(one), Self::V4(two)) => one == two,
            (Self::V6(one), Self::V6(two)) => one == two,
            (Self::Name(one), Self::Name(two)) => one.eq_ignore_ascii_case(two),
            _ => false,
        }
    }
}

impl Eq for Host<'_> {}

fn bracketed(host: &str) -> Option<&str> {
    host.strip_prefix('[')?.strip_suffix(']')
}

fn is_host(host: &str) -> bool {
    match bracketed(host) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && is_reg_name(host.as_bytes()),
    }
}

/// `reg-name`, RFC 3986 §3.2.2: unreserved, sub-delims, and whole percent triplets.
fn is_reg_name(name: &[u8]) -> bool {
    let mut rest = name;
    loop {
        rest = match rest {
            [] => return true,
            [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                tail
            }
            [b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~', tail @ ..]
            | [
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=',
                tail @ ..,
            ] => tail,
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_read_apart() {
        for (text, host, port) in [
            ("localhost", "localhost", None),
            ("localhost:", "localhost", None),
            ("localhost:0", "localhost", Some(0)),
            ("a.example:65535", "a.example", Some(65535)),
            ("127.0.0.1:80", "127.0.0.1", Some(80)),
            ("[::1]", "[::1]", None),
            ("[::1]:8080", "[::1]", Some(8080)),
            ("a%2Db", "a%2Db", None),
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), Some(Authority { host, port }), "{text}");
        }
    }

    #[test]
    fn whatever_is_not_a_host_is_refused() {
        for text in [
            "",
            ":80",
            "a b",
            "a/b",
            "user@a",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:+1",
            "[::1",
            "::1",
            "[::1]x",
            "[::1]80",
            "[]",
            "[v1.a]",
            "[fe80::1%25eth0]",
            "a%2",
            "a%zz",
            "a\\b",
            "a?b",
            "a#b",
            "ä",
            "a,b:1:2",
            "x[::1]",
            "[127.0.0.1]",
            "a\tb",
        ] {
            assert_eq!(Authority::parse(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Authority::parse(b"\xff"), None);
    }

    #[test]
    fn hosts_compare_by_what_they_name() {
        let same = [("LOCALHOST", "localhost"), ("[::1]", "[0:0:0:0:0:0:0:1]")];
        for (one, two) in same {
            assert_eq!(Host::of(one), Host::of(two));
            assert!(Host::of(one).is_loopback() && Host::of(two).is_loopback());
        }
        for (one, two) in [("a.example", "a.example."), ("127.0.0.1", "[::ffff:127.0.0.1]")] {
            assert_ne!(Host::of(one), Host::of(two));
        }
        for name in ["localhost.", "127.0.0.2", "localhost.evil.example", "[::2]", "0.0.0.0"] {
            assert!(!Host::of(name).is_loopback(), "{name}");
        }
    }
}
