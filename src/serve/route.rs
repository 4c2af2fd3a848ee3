//! Who may ask what, and where: a head in, a route or a refusal out. No bytes of the body are read
//! before this was answered.
//!
//! The order is: Host, Origin, path, method, media types, session.
//! Spec: MCP 2025-11-25 transports "Security
//! Warning" (Origin, Host), RFC 9110 §15.5 (statuses), §12.5.1 (`Accept`), Fetch "CORS protocol".

use std::rc::Rc;

use super::shard::Shard;
use crate::http::field::Known;
use crate::http::frame::EventId;
use crate::http::head::{Method, RequestHead};
use crate::http::negotiate::{Acceptance, Quality};
use crate::http::origin::Verdict;
use crate::mcp::method::{Method as McpMethod, NamedBy};
use crate::mcp::mirror::{self, MirroredFields, RepeatedField};
use crate::mcp::revision::{Era, Revision};
use crate::session::conversation::Session;
use crate::session::owner::Owner;
use crate::session::table::Found;

/// Where a request goes.
#[derive(Debug)]
pub(super) enum Route {
    /// The MCP endpoint: a message to be read.
    Message {
        /// What its sender takes.
        acceptance: Acceptance,
        /// The session that it names.
        session: Option<Rc<Session>>,
    },
    /// An event stream of a session.
    Events {
        /// What its reader takes.
        acceptance: Acceptance,
        /// The session.
        session: Rc<Session>,
        /// The event behind which to go on, for one that was cut.
        after: Option<EventId>,
    },
    /// The end of a session.
    End(Rc<Session>),
    /// The session or task that it names lives on this worker.
    Elsewhere(usize),
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

/// What may be asked of the endpoint where there are no sessions.
pub(super) const SESSIONLESS_METHODS: &str = "POST, OPTIONS";
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
        return admit_at_endpoint(head, shard);
    }
    let (status, text) = match head.path {
        "/healthz" => (200, "ok\n"),
        "/readyz" if shard.is_ready() => (200, "ready\n"),
        "/readyz" => (503, "draining\n"),
        _ => return refuse(404, "there is nothing here"),
    };
    match head.method {
        Method::Get | Method::Head => Ok(Route::Probe { status, text }),
        _ => Err(method_not_allowed(PROBE_METHODS, false)),
    }
}

fn admit_at_endpoint(head: &RequestHead<'_>, shard: &Shard) -> Result<Route, Refusal> {
    match head.method {
        Method::Post => admit_message(head, shard),
        Method::Options => Ok(Route::Options),
        Method::Get | Method::Delete if shard.has_sessions() && !is_modern(head) => {
            admit_to_session(head, shard)
        }
        _ if is_modern(head) => Err(method_not_allowed(SESSIONLESS_METHODS, true)),
        _ => Err(method_not_allowed(shard.endpoint_methods(), true)),
    }
}

fn admit_message(head: &RequestHead<'_>, shard: &Shard) -> Result<Route, Refusal> {
    if !head.content_encoding.is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity")) {
        return Err(refusal(415, "Content-Encoding is not taken; send the body as it is"));
    }
    if !head.content_type.is_some_and(is_json) {
        return Err(refusal(415, "Content-Type must be application/json"));
    }
    let acceptance = Acceptance::parse(head.accept());
    if acceptance.nothing_acceptable() {
        let reason =
            "Accept must allow application/json, text/event-stream or application/x-ndjson";
        return Err(refusal(406, reason));
    }
    lodge(Pass { acceptance, is_modern: is_modern(head) }, head, shard)
}

/// What a head of a message was found to be, by what it says alone: whoever sends the same one
/// again may pass without being asked again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pass {
    acceptance: Acceptance,
    is_modern: bool,
}

impl Pass {
    /// The pass that a head was given which was admitted so, if it was one.
    pub(super) fn of(admitted: &Result<Route, Refusal>, head: &RequestHead<'_>) -> Option<Self> {
        let Ok(Route::Message { acceptance, .. }) = admitted else { return None };
        Some(Self { acceptance: *acceptance, is_modern: is_modern(head) })
    }
}

/// Finds where a message goes that may come in.
pub(super) fn lodge(pass: Pass, head: &RequestHead<'_>, shard: &Shard) -> Result<Route, Refusal> {
    let Pass { acceptance, is_modern } = pass;
    if is_modern && let Some(worker) = task_worker(head, shard) {
        return Ok(Route::Elsewhere(worker));
    }
    let session = match head.mcp_session_id {
        // In the modern era there are none, and naming one means nothing.
        Some(id) if shard.has_sessions() && !is_modern => match find(id, shard)? {
            Lodging::Here(session) => Some(session),
            Lodging::Elsewhere(worker) => return Ok(Route::Elsewhere(worker)),
        },
        _ => None,
    };
    Ok(Route::Message { acceptance, session })
}

/// The other worker that keeps the task that a request names, before its body is there to say so.
fn task_worker(head: &RequestHead<'_>, shard: &Shard) -> Option<usize> {
    let tasks = shard.tasks.as_ref()?;
    let method = std::str::from_utf8(head.mcp_method?).ok()?;
    if McpMethod::named_by(method)? != NamedBy::TaskId {
        return None;
    }
    tasks.elsewhere(&mirror::decode(head.mcp_name?)?)
}

/// GET and DELETE, which are nothing without a session.
fn admit_to_session(head: &RequestHead<'_>, shard: &Shard) -> Result<Route, Refusal> {
    if HeadFields(head).version().is_some_and(|name| Revision::parse(name).is_none()) {
        return Err(refusal(400, "MCP-Protocol-Version is not one that this server speaks"));
    }
    let Some(id) = head.mcp_session_id else {
        return Err(refusal(400, "Mcp-Session-Id is missing; begin with initialize"));
    };
    let session = match find(id, shard)? {
        Lodging::Here(session) => session,
        Lodging::Elsewhere(worker) => return Ok(Route::Elsewhere(worker)),
    };
    if head.method == Method::Delete {
        return Ok(Route::End(session));
    }
    let acceptance = Acceptance::parse(head.accept());
    if acceptance.sse == Quality::NONE {
        return Err(refusal(406, "the answer is a stream; Accept must allow text/event-stream"));
    }
    let after = match head.last_event_id {
        None => None,
        Some(id) => Some(
            EventId::parse(id)
                .ok_or_else(|| refusal(400, "Last-Event-ID is no event of this session"))?,
        ),
    };
    Ok(Route::Events { acceptance, session, after })
}

/// What is told of a session that is unknown, ended, forged or somebody else's, all alike.
const NO_SESSION: &str = "there is no such session; begin anew with initialize";

/// Where a session is that is one.
enum Lodging {
    Here(Rc<Session>),
    Elsewhere(usize),
}

fn find(id: &[u8], shard: &Shard) -> Result<Lodging, Refusal> {
    match shard.sessions.find(id, &Owner::Address(None), shard.now()) {
        Found::Here(session) => Ok(Lodging::Here(session)),
        Found::Elsewhere(worker) => Ok(Lodging::Elsewhere(worker)),
        Found::Nowhere => Err(refusal(404, NO_SESSION)),
    }
}

/// Whether the head says that its body speaks the modern era. A body that then does not is refused.
fn is_modern(head: &RequestHead<'_>) -> bool {
    let named = HeadFields(head).version().and_then(Revision::parse);
    named.is_some_and(|revision| revision.era() == Era::Modern)
}

fn refusal(status: u16, reason: &'static str) -> Refusal {
    Refusal { status, reason, allow: None, by_endpoint: true }
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
    fn version(&self) -> Option<&[u8]> {
        self.0.mcp_protocol_version
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
