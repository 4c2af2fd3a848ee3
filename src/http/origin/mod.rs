//! Who may ask: allow-lists for `Origin` and `Host`, and what CORS then grants.
//!
//! A page of any site can make its visitor's browser send requests to servers on the visitor's own
//! machine (DNS rebinding). Two checks stop it: `Host` must be a name that this server was given,
//! and `Origin`, which browsers send and pages cannot forge, one that was allowed.
//! Spec: RFC 6454, RFC 9110 §7.2, WHATWG Fetch §3.3, MCP basic/transports (Security).
//! Invariant: scheme, host and port are compared as wholes after parsing, never by prefix or
//! suffix.

use std::fmt;

use crate::http::authority::{Authority, Host};
use crate::http::field::{elements, is_token};

/// The serialised origin of a request (RFC 6454 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin<'b> {
    /// `null`: a sandboxed frame, a file, a redirect across sites. Says nothing of who asks.
    Null,
    /// A scheme, a host and a port.
    Site(Site<'b>),
}

/// Scheme, host and port of an origin.
#[derive(Clone, Copy, Debug)]
pub struct Site<'b> {
    scheme: &'b str,
    host: Host<'b>,
    /// Given, or that of the scheme; `None` for a scheme of which we know no port.
    port: Option<u16>,
}

impl<'b> Origin<'b> {
    /// Reads the value of `Origin`. `None` when it is no origin: a path, a userinfo, a trailing
    /// dot, a list.
    #[must_use]
    pub fn parse(value: &'b [u8]) -> Option<Self> {
        let text = std::str::from_utf8(value).ok()?;
        if text == "null" {
            return Some(Self::Null);
        }
        let (scheme, authority) = text.split_once("://")?;
        let authority = Authority::parse(authority.as_bytes())?;
        if !is_scheme(scheme) || authority.host.ends_with('.') {
            return None;
        }
        let port = authority.port.or_else(|| default_port(scheme));
        Some(Self::Site(Site { scheme, host: authority.comparable(), port }))
    }
}

impl PartialEq for Site<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.scheme.eq_ignore_ascii_case(other.scheme)
            && self.host == other.host
            && self.port == other.port
    }
}

impl Eq for Site<'_> {}

/// What a policy says of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may go on.
    Allowed,
    /// It is answered with 403 (`Origin`) or 421 (`Host`), before anything else is done.
    Refused,
}

/// Which origins may send requests.
///
/// By default those whose host is `localhost`, `127.0.0.1` or `[::1]`, by http or https and any
/// port. A request without `Origin` comes from no page and passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPolicy(AllowList);

impl OriginPolicy {
    /// A policy that allows no origin but those that are added.
    #[must_use]
    pub const fn closed() -> Self {
        Self(AllowList::closed())
    }

    /// Adds `https://app.example:8443`, `null`, or `*` for any origin.
    ///
    /// # Errors
    /// `PolicyError` when the value is none of these.
    pub fn allow(&mut self, value: &str) -> Result<(), PolicyError> {
        self.0.allow(value, &ORIGIN_ENTRIES)
    }

    /// Judges the `Origin` of a request. One that is no origin at all is refused unless any is
    /// allowed.
    #[must_use]
    pub fn judge(&self, origin: Option<&[u8]>) -> Verdict {
        let Some(value) = origin else { return Verdict::Allowed };
        if self.is_configured(value) || (self.0.loopback && is_loopback(value)) {
            Verdict::Allowed
        } else {
            Verdict::Refused
        }
    }

    /// What CORS grants to this origin: nothing unless it was configured by name or by `*`. That
    /// loopback origins are let in by default does not let their pages read answers.
    #[must_use]
    pub fn cors<'b>(&self, origin: Option<&'b [u8]>) -> Option<CorsGrant<'b>> {
        let origin = origin.filter(|origin| self.is_configured(origin))?;
        // It goes back into a field of the response.
        Origin::parse(origin).map(|_| CorsGrant { origin })
    }

    fn is_configured(&self, value: &[u8]) -> bool {
        if self.0.any {
            return true;
        }
        if self.0.entries.is_empty() {
            return false;
        }
        let Some(origin) = Origin::parse(value) else { return false };
        self.0.entries.iter().any(|entry| Origin::parse(entry.as_bytes()) == Some(origin))
    }
}

/// Which hosts a request may name, by `Host` or by an absolute target.
///
/// By default `localhost`, `127.0.0.1` and `[::1]`, with any port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPolicy(AllowList);

impl HostPolicy {
    /// A policy that allows no host but those that are added.
    #[must_use]
    pub const fn closed() -> Self {
        Self(AllowList::closed())
    }

    /// Adds `mcp.example` (any port), `mcp.example:8443` (that port, given in the request), or `*`
    /// for any host.
    ///
    /// # Errors
    /// `PolicyError` when the value is none of these.
    pub fn allow(&mut self, value: &str) -> Result<(), PolicyError> {
        self.0.allow(value, &HOST_ENTRIES)
    }

    /// Judges the authority of a request. A request without one names no host that was allowed, and
    /// is refused unless any is.
    #[must_use]
    pub fn judge(&self, authority: Option<&Authority<'_>>) -> Verdict {
        if self.0.any || authority.is_some_and(|authority| self.allows(authority)) {
            Verdict::Allowed
        } else {
            Verdict::Refused
        }
    }

    /// Whether it lets in any name beyond those of this machine's loopback addresses.
    #[must_use]
    pub fn reaches_beyond_loopback(&self) -> bool {
        self.0.any || !self.0.entries.is_empty()
    }

    /// A host that it lets in, as a request would name it.
    #[must_use]
    pub fn sample(&self) -> Option<&str> {
        if self.0.any || self.0.loopback {
            return Some("localhost");
        }
        self.0.entries.first().map(String::as_str)
    }

    fn allows(&self, authority: &Authority<'_>) -> bool {
        let host = authority.comparable();
        (self.0.loopback && host.is_loopback())
            || self.0.entries.iter().filter_map(|entry| Authority::parse(entry.as_bytes())).any(
                |entry| {
                    entry.comparable() == host
                        && (entry.port.is_none() || entry.port == authority.port)
                },
            )
    }
}

impl fmt::Display for OriginPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for HostPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a policy lets in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AllowList {
    entries: Vec<String>,
    any: bool,
    loopback: bool,
}

/// What the entries of a policy look like, and what is said of those that do not.
struct EntryRules {
    is_entry: fn(&str) -> bool,
    rule: &'static str,
    fix: &'static str,
    wildcard_rule: &'static str,
    wildcard_fix: &'static str,
}

const ORIGIN_ENTRIES: EntryRules = EntryRules {
    is_entry: |value| Origin::parse(value.as_bytes()).is_some(),
    rule: "an origin is a scheme, a host without trailing dot, and perhaps a port",
    fix: "write it like `https://app.example` or `http://localhost:3000`, without a path",
    wildcard_rule: "an origin is matched whole, without wildcards",
    wildcard_fix: "list each origin, or allow any with a lone `*`",
};

const HOST_ENTRIES: EntryRules = EntryRules {
    is_entry: |value| {
        Authority::parse(value.as_bytes()).is_some_and(|found| !found.host.ends_with('.'))
    },
    rule: "a host is a name without trailing dot or an address, and perhaps a port",
    fix: "write it like `mcp.example`, `mcp.example:8443` or `[::1]:8080`, without a scheme or \
          path",
    wildcard_rule: "a host is matched whole, without wildcards",
    wildcard_fix: "list each host, or allow any with a lone `*`",
};

impl Default for AllowList {
    fn default() -> Self {
        Self { loopback: true, ..Self::closed() }
    }
}

impl AllowList {
    const fn closed() -> Self {
        Self { entries: Vec::new(), any: false, loopback: false }
    }

    fn allow(&mut self, value: &str, rules: &EntryRules) -> Result<(), PolicyError> {
        let refuse = |rule, fix| Err(PolicyError { value: value.to_owned(), rule, fix });
        match value {
            "*" => self.any = true,
            _ if value.contains('*') => return refuse(rules.wildcard_rule, rules.wildcard_fix),
            _ if !(rules.is_entry)(value) => return refuse(rules.rule, rules.fix),
            _ => self.entries.push(value.to_owned()),
        }
        Ok(())
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.any, "*"), (self.loopback, "loopback")];
        let words = words.into_iter().filter_map(|(holds, word)| holds.then_some(word));
        let words: Vec<&str> = words.chain(self.entries.iter().map(String::as_str)).collect();
        if words.is_empty() { f.write_str("none") } else { f.write_str(&words.join(" ")) }
    }
}

/// A value of a policy that is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}`: {rule}; {fix}")]
pub struct PolicyError {
    /// The value as it was configured.
    pub value: String,
    /// The rule that it breaks.
    pub rule: &'static str,
    /// What to write instead.
    pub fix: &'static str,
}

/// Permission for the pages of one origin to read answers (CORS).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CorsGrant<'b> {
    origin: &'b [u8],
}

impl CorsGrant<'_> {
    /// Appends the field lines for an answer to a request other than a preflight.
    pub fn write(&self, out: &mut Vec<u8>) {
        self.write_origin(out);
        out.extend_from_slice(
            b"Access-Control-Expose-Headers: \
              Mcp-Session-Id, WWW-Authenticate, MCP-Protocol-Version\r\n",
        );
    }

    /// Appends the field lines for the answer to a preflight, whose
    /// `Access-Control-Request-Headers` were `requested`: the methods and fields of MCP, and of the
    /// requested ones those that carry tool arguments (`Mcp-Param-*`).
    pub fn write_preflight(&self, requested: Option<&[u8]>, out: &mut Vec<u8>) {
        self.write_origin(out);
        out.extend_from_slice(
            b"Access-Control-Allow-Methods: POST, GET, DELETE, OPTIONS\r\n\
              Access-Control-Max-Age: 600\r\n\
              Access-Control-Allow-Headers: Content-Type, Accept, Authorization, \
              MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID",
        );
        for name in elements(requested.unwrap_or_default()) {
            let prefix = name.get(..MCP_PARAM.len()).unwrap_or_default();
            if prefix.eq_ignore_ascii_case(MCP_PARAM) && is_token(name) {
                out.extend_from_slice(b", ");
                out.extend_from_slice(name);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    fn write_origin(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"Access-Control-Allow-Origin: ");
        out.extend_from_slice(self.origin);
        out.extend_from_slice(b"\r\nVary: Origin\r\n");
    }
}

const MCP_PARAM: &[u8] = b"mcp-param-";

fn is_loopback(origin: &[u8]) -> bool {
    match Origin::parse(origin) {
        Some(Origin::Site(site)) => site.host.is_loopback() && default_port(site.scheme).is_some(),
        Some(Origin::Null) | None => false,
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    if scheme.eq_ignore_ascii_case("https") {
        Some(443)
    } else if scheme.eq_ignore_ascii_case("http") {
        Some(80)
    } else {
        None
    }
}

/// RFC 3986 §3.1.
fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

#[cfg(test)]
mod tests;
