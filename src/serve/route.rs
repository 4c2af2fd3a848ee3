//! Who may ask what, and where: a head in, a route or a refusal out. No bytes of the body are read
//! before this was answered.
//!
//! The order is: Host, Origin, path, method, media types. Spec: MCP 2025-11-25 transports "Security
//! Warning" (Origin, Host), RFC 9110 §15.5 (statuses), §12.5.1 (`Accept`), Fetch "CORS protocol".

use super::shard::{Phase, Shard};
use crate::http::field::Known;
use crate::http::head::{Method, RequestHead};
use crate::http::negotiate::Acceptance;
use crate::http::origin::Verdict;
use crate::mcp::mirror::{MirroredFields, RepeatedField};

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The MCP endpoint: a message to be read.
    Message(Acceptance),
    /// A question whether the process lives or is ready; answered as text.
    Probe {
        /// The answer's status.
        status: u16,
        /// The answer.
        text: &'static str,
    },
    /// What may be asked of the endpoint; with CORS, a preflight.
    Options,
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The rule and the fix, in one sentence.
    pub(super) reason: &'static str,
    /// What `Allow` says, for 405.
    pub(super) allow: Option<&'static str>,
    /// Whether the endpoint refused, which speaks JSON-RPC.
    pub(super) by_endpoint: bool,
}

pub(super) const ENDPOINT_METHODS: &str = "POST, OPTIONS";
const PROBE_METHODS: &str = "GET, HEAD";

/// Finds the way of a request.
pub(super) fn admit(head: &RequestHead<'_>, shard: &Shard) -> Result<Route, Refusal> {
    let settings = &*shard.settings;
    let at_endpoint = head.path == settings.path;
    let refuse =
        |status, reason| Err(Refusal { status, reason, allow: None, by_endpoint: at_endpoint });
    let is_probe = matches!(head.path, "/healthz" | "/readyz");
    // Supervisors probe by address, and learn nothing that a page could not know anyway.
    if !is_probe && settings.hosts.judge(head.authority.as_ref()) != Verdict::Allowed {
        return refuse(421, "Host is not a name of this server; allow it with --allow-host");
    }
    if settings.origins.judge(head.origin) != Verdict::Allowed {
        return refuse(403, "Origin is not allowed to call; allow it with --allow-origin");
    }
    if at_endpoint {
        return admit_at_endpoint(head);
    }
    let (status, text) = match (head.path, shard.phase()) {
        ("/healthz", _) => (200, "ok\n"),
        ("/readyz", Phase::Serving) => (200, "ready\n"),
        ("/readyz", Phase::Draining | Phase::Cancelling) => (503, "draining\n"),
        _ => return refuse(404, "there is nothing here"),
    };
    match head.method {
        Method::Get | Method::Head => Ok(Route::Probe { status, text }),
        _ => Err(method_not_allowed(PROBE_METHODS, false)),
    }
}

fn admit_at_endpoint(head: &RequestHead<'_>) -> Result<Route, Refusal> {
    let refuse = |status, reason| Err(Refusal { status, reason, allow: None, by_endpoint: true });
    match head.method {
        Method::Post => {}
        Method::Options => return Ok(Route::Options),
        _ => return Err(method_not_allowed(ENDPOINT_METHODS, true)),
    }
    if !head.content_encoding.is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity")) {
        return refuse(415, "Content-Encoding is not taken; send the body as it is");
    }
    if !head.content_type.is_some_and(is_json) {
        return refuse(415, "Content-Type must be application/json");
    }
    let acceptance = Acceptance::parse(head.accept());
    if acceptance.nothing_acceptable() {
        let reason =
            "Accept must allow application/json, text/event-stream or application/x-ndjson";
        return refuse(406, reason);
    }
    Ok(Route::Message(acceptance))
}

fn method_not_allowed(allow: &'static str, by_endpoint: bool) -> Refusal {
    let reason = "the method is not served here; see Allow";
    Refusal { status: 405, reason, allow: Some(allow), by_endpoint }
}

/// Whether a media type is `application/json`, parameters aside (RFC 9110 §8.3.1).
fn is_json(content_type: &[u8]) -> bool {
    let end = memchr::memchr(b';', content_type).unwrap_or(content_type.len());
    content_type[..end].trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// The fields of a head that mirror its body.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadFields<'h>(pub(super) &'h RequestHead<'h>);

impl MirroredFields for HeadFields<'_> {
    fn version(&self) -> Option<&str> {
        self.0.mcp_protocol_version.and_then(|value| std::str::from_utf8(value).ok())
    }

    fn method(&self) -> Option<&[u8]> {
        self.0.mcp_method
    }

    fn name(&self) -> Option<&[u8]> {
        self.0.mcp_name
    }

    fn repeated(&self) -> Option<&'static str> {
        self.0.repeated.map(Known::name)
    }

    fn other(&self, name: &str) -> Result<Option<&[u8]>, RepeatedField> {
        let mut values = self.0.fields().named(name);
        let first = values.next();
        if values.next().is_some() { Err(RepeatedField) } else { Ok(first) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_type_alone() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/json ;x=y", true),
            ("application/jsonp", false),
            ("text/json", false),
            ("", false),
        ] {
            assert_eq!(is_json(value.as_bytes()), expected, "{value}");
        }
    }
}
