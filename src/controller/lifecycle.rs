//! How a conversation begins in the legacy era, and what its client sets and sends besides
//! requests.
//!
//! Spec: MCP 2025-11-25 basic/lifecycle, basic/utilities/cancellation, server/utilities/logging.

use super::dispatch::{Asked, Controller, Envelope, Reaction, Reply, refuse, refuse_with};
use crate::jsonrpc::encode;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::message::{Answered, Id};
use crate::jsonrpc::view::{Value, View};
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::era;
use crate::mcp::error;
use crate::mcp::meta::{BadLogLevel, Meta};
use crate::mcp::model::log::LogLevel;
use crate::mcp::revision::{Era, Revision};
use crate::session::conversation::Greeting;
use crate::session::limits::SessionMode;
use crate::session::table::NotOpened;

impl Controller {
    /// `initialize`: the revision asked for if it has a handshake and is served, and the newest one
    /// that has otherwise. An unknown revision is no error: it is how newer clients ask.
    pub(super) fn initialize(
        &self,
        asked: Asked<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        if envelope.session.is_some() {
            let reason = "the session is open already; initialize without Mcp-Session-Id";
            return refuse(out, Some(asked.id), &error::invalid_request(reason));
        }
        let requested = asked.params.and_then(|params| params.get("protocolVersion"));
        let Some(requested) = requested.and_then(View::as_str) else {
            let error = error::invalid_params("protocolVersion must be a string");
            return Reply { id: asked.id, revision: Revision::NEWEST_LEGACY }.error(out, &error);
        };
        let revision = Revision::parse(requested)
            .filter(|revision| revision.era() == Era::Legacy)
            .unwrap_or(Revision::NEWEST_LEGACY);
        let reply = Reply { id: asked.id, revision };
        let edition = self.catalogue.edition(revision);
        if self.session_mode == SessionMode::Off {
            return reply.result(out, &edition.sessionless_greeting);
        }
        let capabilities = asked.params.and_then(|params| params.get("capabilities"));
        let greeting = Greeting {
            revision,
            capabilities: ClientCapabilities::read(capabilities),
            owner: (envelope.asker)(),
        };
        match self.sessions.open(greeting, self.clock.now()) {
            Ok(session) => {
                reply.result(out, &edition.greeting);
                Reaction::Greeted(session)
            }
            Err(NotOpened::Full) => {
                let error = error::internal("As many sessions are open as may be; try again later");
                refuse_with(out, Some(asked.id), &error, 503)
            }
            Err(NotOpened::TooManyOfOwner) => {
                let error = error::internal("You have as many sessions open as you may; end some");
                refuse_with(out, Some(asked.id), &error, 429)
            }
        }
    }

    /// `logging/setLevel`. Without a session there is nothing to keep it in, so it is checked and
    /// acknowledged, and calls log from `info` on.
    pub(super) fn set_log_level(
        &self,
        params: Option<View<'_>>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let level = params.and_then(|params| params.get("level")).and_then(View::as_str);
        match (level.and_then(LogLevel::parse), envelope.session) {
            (Some(level), session) => {
                if let Some(session) = session {
                    session.set_log_level(level);
                }
                reply.result(out, &self.catalogue.edition(reply.revision).empty)
            }
            (None, _) => reply.error(out, &error::invalid_params(BadLogLevel)),
        }
    }

    /// Whether a message of the legacy era lacks the session that it needs.
    pub(super) fn lacks_session(&self, envelope: Envelope<'_>) -> bool {
        envelope.session.is_none() && self.session_mode == SessionMode::Required
    }

    /// Takes a notification. In a session `cancelled` has an effect; in the modern era a call is
    /// cancelled by closing its response, and nothing else has any.
    pub(super) fn notification(
        &self,
        method: &str,
        params: Option<View<'_>>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let settled = envelope.session.map(|session| session.revision());
        let meta = Meta::read(params);
        match era::of_notification(&meta, envelope.fields, settled).map(Revision::era) {
            Ok(Era::Legacy) if self.lacks_session(envelope) => {
                refuse(out, None, &error::invalid_request(NO_SESSION))
            }
            Ok(Era::Legacy) => {
                let cancelled = params.and_then(|params| params.get("requestId"));
                if let (Some(session), "notifications/cancelled", Some(id)) =
                    (envelope.session, method, cancelled.and_then(Id::read))
                {
                    session.cancel_work(&encode::id_json(id));
                }
                Reaction::Accepted
            }
            Ok(Era::Modern) => Reaction::Accepted,
            Err(error) => refuse(out, None, &error),
        }
    }

    /// Takes the answer to a question that the server asked. One that nobody waits for came too
    /// late, which is no fault.
    pub(super) fn response(
        &self,
        id: Option<Id<'_>>,
        outcome: Answered<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let settled = envelope.session.map(|session| session.revision());
        if let Err(error) = era::of_notification(&Meta::default(), envelope.fields, settled) {
            return refuse(out, None, &error);
        }
        let Some(session) = envelope.session else {
            let reason = "a response belongs to a session; send its Mcp-Session-Id";
            return refuse(out, None, &error::invalid_request(reason));
        };
        let reply = match outcome {
            Answered::Result(result) => Ok(to_json(result)),
            Answered::Error(error) => Err(read_error(error)),
        };
        if let Some(Id::Unsigned(id)) = id {
            session.settle(id, reply);
        }
        Reaction::Accepted
    }
}

/// What is told where every request but the first names a session.
pub(super) const NO_SESSION: &str = "Mcp-Session-Id is missing; begin with initialize";

fn to_json(value: View<'_>) -> serde_json::Value {
    // Every value on the tape is JSON.
    value.deserialize().unwrap_or_default()
}

/// What a client says went wrong, as far as it says it properly.
fn read_error(error: View<'_>) -> RpcError {
    let code = match error.get("code").map(View::value) {
        Some(Value::Signed(code)) => i32::try_from(code).ok(),
        Some(Value::Unsigned(code)) => i32::try_from(code).ok(),
        _ => None,
    };
    let message = error.get("message").and_then(View::as_str).unwrap_or("no reason given");
    RpcError::new(code.unwrap_or(crate::jsonrpc::error::INTERNAL_ERROR), message.to_owned())
}
