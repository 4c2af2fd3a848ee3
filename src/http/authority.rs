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
        let host_bytes = match bytes.first()? {
            b'[' => bytes.iter().position(|&byte| byte == b']')? + 1,
            _ => reg_name_bytes(bytes)?,
        };
        let (host, rest) = bytes.split_at_checked(host_bytes)?;
        let port = match rest {
            [] | [b':'] => None,
            [b':', digits @ ..] => Some(port(digits)?),
            _ => return None,
        };
        let host = std::str::from_utf8(host).ok().filter(|host| !host.is_empty())?;
        if host.starts_with('[') {
            bracketed(host)?.parse::<Ipv6Addr>().ok()?;
        }
        Some(Self { host, port })
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

/// Digits, of which there may be leading zeros, up to 65535.
fn port(digits: &[u8]) -> Option<u16> {
    digits.iter().try_fold(0u16, |port, &digit| {
        let digit = digit.is_ascii_digit().then(|| digit - b'0')?;
        port.checked_mul(10)?.checked_add(digit.into())
    })
}

/// How many bytes at the start of `bytes` are a `reg-name`: unreserved, sub-delims, and whole
/// percent triplets (RFC 3986 §3.2.2). `None` when a percent sign begins no triplet.
fn reg_name_bytes(bytes: &[u8]) -> Option<usize> {
    let mut rest = bytes;
    loop {
        let plain_bytes = rest.iter().take_while(|&&byte| PLAIN[usize::from(byte)]).count();
        rest = rest.get(plain_bytes..)?;
        match rest {
            [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = tail;
            }
            [b'%', ..] => return None,
            _ => return Some(bytes.len() - rest.len()),
        }
    }
}

/// The bytes of a `reg-name` that stand for themselves.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let allowed = b"-._~!$&'()*+,;=0123456789\
        abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let mut index = 0;
    while index < allowed.len() {
        plain[allowed[index] as usize] = true;
        index += 1;
    }
    plain
};

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
