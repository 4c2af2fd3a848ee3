//! A request that is admitted and whole: who answers it, and how that is written.
//!
//! In: a head, its route, its body. Out: an answer in the connection's output, or what has to run
//! before there is one. Nothing here waits. Spec: RFC 9110 §9.3, §15; MCP 2025-11-25 transports.

use std::rc::Rc;

use super::carry::{Carriage, Purpose};
use super::exchange::{Found, Step};
use super::reply::{self, Draft, Manner, ReplyPlan};
use super::route::{HeadFields, Refusal, Route};
use super::shard::{Phase, Shard, count};
use super::transport::Transport;
use crate::controller::dispatch::{Envelope, Reaction};
use crate::http::frame::EventId;
use crate::http::h1::encode::HeadWriter;
use crate::http::head::{Method, Persistence, RequestHead};
use crate::jsonrpc::decode::Body;
use crate::session::conversation::{ResumeError, Session, TooMany};
use crate::session::owner::Owner;

/// Answers a request that was admitted and is whole, or begins what it asks for.
pub(super) fn answer(
    shard: &Rc<Shard>,
    head: &RequestHead<'_>,
    route: Route,
    body: Body<'_>,
    peer: &impl Transport,
    out: &mut Vec<u8>,
) -> Found {
    let manner = manner(shard, head);
    let persistence = manner.persistence;
    match route {
        Route::Message { acceptance, session } => {
            let asker = || Owner::Address(peer.address());
            let envelope = Envelope {
                fields: &HeadFields(head),
                stream: acceptance.prefers_stream(),
                session: session.as_ref(),
                asker: &asker,
            };
            return message(shard, ReplyPlan { manner, acceptance }, body, envelope, out);
        }
        Route::Events { acceptance, session, after } => {
            return events(shard, head, ReplyPlan { manner, acceptance }, session, after, out)
                .into();
        }
        Route::End(session) => {
            shard.sessions.end(&session);
            let mut answer = HeadWriter::new(out, 200);
            answer.lines(|out| manner.write_lines(out, shard));
            answer.finish_length(0, head.version, persistence);
        }
        Route::Probe { status, text } => {
            let with_body = head.method != Method::Head;
            reply::state(out, shard, status, text, &manner, with_body);
        }
        Route::Options => {
            let mut answer = HeadWriter::new(out, 204);
            answer.field("Allow", shard.endpoint_methods().as_bytes());
            answer.lines(|out| shard.date().write(out));
            if let Some(grant) = shard.settings.origins.cors(head.origin) {
                let requested = head.access_control_request_headers;
                answer.lines(|out| grant.write_preflight(requested, out));
            }
            answer.finish(head.version, persistence);
        }
        Route::Elsewhere(worker) => return Step::Moves(worker).into(),
    }
    Step::Answered(persistence).into()
}

/// Answers a message.
fn message(
    shard: &Rc<Shard>,
    plan: ReplyPlan,
    body: Body<'_>,
    envelope: Envelope<'_>,
    out: &mut Vec<u8>,
) -> Found {
    let persistence = plan.manner.persistence;
    let draft = Draft::open(out, &plan, shard);
    let reaction = shard.controller.receive(body, envelope, out);
    if let Reaction::Answered { status } = reaction {
        return Step::Answered(draft.close(out, &plan, shard, status)).into();
    }
    if let Reaction::Greeted(session) = reaction {
        shard.watch_sessions();
        return Step::Answered(draft.close_greeting(out, &plan, shard, session.id())).into();
    }
    if let Reaction::Calls(running) = reaction {
        count(&shard.counters().calls);
        return Found::Call(running, plan, draft);
    }
    draft.discard(out);
    let step = match reaction {
        Reaction::Answered { .. }
        | Reaction::Greeted(_)
        | Reaction::Calls(_)
        | Reaction::Accepted => {
            reply::accepted(out, &plan, shard);
            Step::Answered(persistence)
        }
        Reaction::Batch(batch) => match envelope.session {
            Some(session) => return Found::Batch(batch, session.clone(), plan),
            None => Step::Answered(persistence), // A batch without a session was refused.
        },
        Reaction::Listens(stream) => {
            if shard.phase() != Phase::Serving {
                // It came too late to be among those that the drain ended.
                shard.subscriptions.end_all();
            }
            let carrier = stream.attach();
            let purpose = Purpose::Subscription;
            Step::Carries(Carriage::new(stream, carrier, purpose, plan, shard.now()))
        }
    };
    step.into()
}

/// Answers a GET: with a new stream, or with the rest of one that was cut.
fn events(
    shard: &Rc<Shard>,
    head: &RequestHead<'_>,
    plan: ReplyPlan,
    session: Rc<Session>,
    after: Option<EventId>,
    out: &mut Vec<u8>,
) -> Step {
    let now = shard.now();
    let opened = match after {
        None => session.open_standalone(now).map_err(|TooMany(_)| TOO_MANY_STREAMS).map(|stream| {
            session.note_growth(stream.open());
            let carrier = stream.attach();
            (stream, carrier)
        }),
        Some(after) => match session.resume(after, now) {
            Ok(resumed) => Ok(resumed),
            Err(ResumeError::Unknown) => Err(UNKNOWN_EVENT),
            Err(ResumeError::Forgotten) => Err(FORGOTTEN_EVENTS),
            Err(ResumeError::Over) => return nothing_left(shard, &plan, out),
        },
    };
    match opened {
        Ok((stream, carrier)) => {
            let purpose = Purpose::Events(session);
            Step::Carries(Carriage::new(stream, carrier, purpose, plan, now))
        }
        Err((status, reason)) => {
            let refusal = Refusal { status, reason, allow: None, by_endpoint: true };
            Step::Answered(refuse(shard, head, refusal, Some(&[]), out))
        }
    }
}

/// Tells a client that its stream has ended and it has all of it. An empty stream would not do:
/// clients come back for an answer that never comes, as after a call that they cancelled, and then
/// open one stream more (HTML, "Server-sent events": 204 ends the reconnecting).
fn nothing_left(shard: &Shard, plan: &ReplyPlan, out: &mut Vec<u8>) -> Step {
    let mut answer = HeadWriter::new(out, 204);
    answer.lines(|out| plan.manner.write_lines(out, shard));
    answer.finish(plan.manner.version, plan.manner.persistence);
    Step::Answered(plan.manner.persistence)
}

const TOO_MANY_STREAMS: (u16, &str) =
    (429, "as many streams of this session are open as may; close one");
const UNKNOWN_EVENT: (u16, &str) = (400, "Last-Event-ID is no event of this session");
const FORGOTTEN_EVENTS: (u16, &str) =
    (410, "events after Last-Event-ID are no longer kept; ask again for what you miss");

/// Writes a refusal. A request whose body is not there ends its connection (RFC 9112 §9.3).
pub(super) fn refuse(
    shard: &Shard,
    head: &RequestHead<'_>,
    refusal: Refusal,
    body: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Persistence {
    count(&shard.counters().refusals);
    let mut manner = manner(shard, head);
    if body.is_none() {
        manner.persistence = Persistence::Close;
    }
    // An origin that may not call may not read why either.
    if refusal.status == 403 {
        manner.lines.clear();
    }
    reply::refusal(out, shard, refusal, &manner, head.method != Method::Head);
    manner.persistence
}

/// How a request's answer is written, whatever it says.
fn manner(shard: &Shard, head: &RequestHead<'_>) -> Manner {
    let persistence = persistence(shard, head);
    Manner { version: head.version, persistence, lines: cors(shard, head) }
}

/// What becomes of the connection: what the client wishes, unless the server is about to end.
fn persistence(shard: &Shard, head: &RequestHead<'_>) -> Persistence {
    match shard.phase() {
        Phase::Serving => head.persistence,
        Phase::Draining | Phase::Cancelling => Persistence::Close,
    }
}

fn cors(shard: &Shard, head: &RequestHead<'_>) -> Vec<u8> {
    let mut lines = Vec::new();
    if let Some(grant) = shard.settings.origins.cors(head.origin) {
        grant.write(&mut lines);
    }
    lines
}
