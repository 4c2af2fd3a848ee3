//! Several messages in one body: what 2025-03-26 knows, in its sessions alone.
//!
//! Every message is answered as if it had come by itself; the responses travel together. An array
//! holds requests and notifications, or responses; never a handshake, nor a request of the modern
//! era, which no array may smuggle in. Spec: MCP 2025-03-26 transports; JSON-RPC 2.0 §6. Limit:
//! `session_requests_max` requests in one array; past it 400, and 429 when others still run.

use super::dispatch::{Batch, Controller, Envelope, Reaction, TOO_MANY_REQUESTS, refuse_with};
use crate::jsonrpc::encode;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::message::{InvalidMessage, Message};
use crate::jsonrpc::view::{Value, View};
use crate::mcp::era;
use crate::mcp::error;
use crate::mcp::meta::Meta;

impl Controller {
    /// Answers an array of messages.
    pub(super) fn batch(
        &self,
        messages: View<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        if let Err((error, status)) = self.batch_fault(messages, envelope) {
            return refuse_with(out, None, &error, status);
        }
        let mut batch = Batch::default();
        for message in messages.elements() {
            let mut answer = Vec::new();
            let reaction = match Message::read(message) {
                Ok(message) => self.message(message, envelope, &mut answer),
                Err(InvalidMessage { reason, id }) => {
                    let id = id.map(encode::id_json);
                    encode::error(&mut answer, id.as_deref(), &error::invalid_request(reason));
                    Reaction::Answered { status: 400 }
                }
            };
            match reaction {
                Reaction::Answered { .. } => batch.answers.push(answer),
                Reaction::Calls(running) => batch.calls.push(running),
                // None of these comes of a message that an array may hold.
                Reaction::Accepted
                | Reaction::Greeted(_)
                | Reaction::Listens(_)
                | Reaction::Batch(_) => {}
            }
        }
        if batch.answers.is_empty() && batch.calls.is_empty() {
            return Reaction::Accepted;
        }
        Reaction::Batch(batch)
    }

    /// What keeps an array from being answered at all, and the status that tells.
    fn batch_fault(
        &self,
        messages: View<'_>,
        envelope: Envelope<'_>,
    ) -> Result<(), (RpcError, u16)> {
        let bad = |reason: &str| Err((error::invalid_request(reason), 400));
        let Some(session) = envelope.session.filter(|held| held.revision().rules().batches) else {
            return bad("a body holds one message, not an array, except in sessions of 2025-03-26");
        };
        // The fields speak of the whole body.
        era::of_notification(&Meta::default(), envelope.fields, Some(session.revision()))
            .map_err(|error| (error, 400))?;
        let Value::Array(1..) = messages.value() else {
            return bad("the array holds no message");
        };
        // Messages that are none are answered like requests, and bounded with them.
        let (mut answered_count, mut response_count) = (0, 0);
        for message in messages.elements() {
            match Message::read(message) {
                Ok(Message::Request { method: "initialize", .. }) => {
                    return bad("initialize comes by itself, not in an array");
                }
                Ok(Message::Request { params, .. } | Message::Notification { params, .. })
                    if Meta::read(params).version.is_some() =>
                {
                    return bad("requests of the modern era come one to a body");
                }
                Ok(Message::Request { .. } | Message::Batch(_)) | Err(_) => answered_count += 1,
                Ok(Message::Response { .. }) => response_count += 1,
                Ok(Message::Notification { .. }) => {}
            }
        }
        if answered_count > 0 && response_count > 0 {
            return bad("an array holds requests or responses, not both");
        }
        let most = session.work_max();
        if answered_count > most {
            let reason = format!("an array holds up to {most} requests");
            return Err((error::invalid_request(&reason), 400));
        }
        if answered_count > session.work_room() {
            return Err((error::internal(TOO_MANY_REQUESTS), 429));
        }
        Ok(())
    }
}
