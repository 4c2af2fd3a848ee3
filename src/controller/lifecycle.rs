//! How a conversation begins in the legacy era, and the one setting that it has.
//!
//! Spec: MCP 2025-11-25 basic/lifecycle and server/utilities/logging.

use super::dispatch::{Asked, Controller, Reaction, Reply};
use crate::jsonrpc::view::View;
use crate::mcp::error;
use crate::mcp::meta::BadLogLevel;
use crate::mcp::model::log::LogLevel;
use crate::mcp::revision::{Era, Revision};

impl Controller {
    /// `initialize`: the revision asked for if it has a handshake and is served, and the newest one
    /// that has otherwise. An unknown revision is no error: it is how newer clients ask.
    pub(super) fn initialize(&self, asked: Asked<'_>, out: &mut Vec<u8>) -> Reaction {
        let requested = asked.params.and_then(|params| params.get("protocolVersion"));
        let Some(requested) = requested.and_then(View::as_str) else {
            let error = error::invalid_params("protocolVersion must be a string");
            return Reply { id: asked.id, revision: Revision::NEWEST_LEGACY }.error(out, &error);
        };
        let revision = Revision::parse(requested)
            .filter(|revision| revision.era() == Era::Legacy)
            .unwrap_or(Revision::NEWEST_LEGACY);
        let greeting = &self.catalogue.edition(revision).greeting;
        Reply { id: asked.id, revision }.result(out, greeting)
    }

    /// `logging/setLevel`: checked and acknowledged. Without a session there is nothing to keep it
    /// in, so calls log from `info` on.
    pub(super) fn set_log_level(
        &self,
        params: Option<View<'_>>,
        reply: Reply<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let level = params.and_then(|params| params.get("level")).and_then(View::as_str);
        match level.and_then(LogLevel::parse) {
            Some(_) => reply.result(out, &self.catalogue.edition(reply.revision).empty),
            None => reply.error(out, &error::invalid_params(BadLogLevel)),
        }
    }
}
