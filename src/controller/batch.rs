//! Several messages in one body: what 2025-03-26 knows, in its sessions alone.
//!
//! Every message is answered as if it had come by itself; the responses travel together. An array
//! holds requests and notifications, or responses; never a handshake, nor a request of the modern
//! era, which no array may smuggle in. Spec: MCP 2025-03-26 transports; JSON-RPC 2.0 §6. Limit:
//! `session_requests_max` requests in one array.

use super::dispatch::{Batch, Controller, Envelope, Reaction, refuse};
use crate::jsonrpc::encode;
use crate::jsonrpc::message::{InvalidMessage, Message};
use crate::jsonrpc::view::{Value, View};
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
        if let Some(reason) = self.batch_fault(messages, envelope) {
            return refuse(out, None, &error::invalid_request(reason));
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

    /// What keeps an array from being answered at all.
    fn batch_fault(&self, messages: View<'_>, envelope: Envelope<'_>) -> Option<&'static str> {
        const NOT_HERE: &str =
            "a body holds one message, not an array, except in sessions of 2025-03-26";
        let Some(session) = envelope.session else { return Some(NOT_HERE) };
        if !session.revision().rules().batches {
            return Some(NOT_HERE);
        }
        let Value::Array(1..) = messages.value() else {
            return Some("the array holds no message");
        };
        let (mut request_count, mut response_count) = (0, 0);
        for message in messages.elements() {
            match Message::read(message) {
                Ok(Message::Request { method: "initialize", .. }) => {
                    return Some("initialize comes by itself, not in an array");
                }
                Ok(Message::Request { params, .. } | Message::Notification { params, .. })
                    if Meta::read(params).version.is_some() =>
                {
                    return Some("requests of the modern era come one to a body");
                }
                Ok(Message::Request { .. }) => request_count += 1,
                Ok(Message::Response { .. }) => response_count += 1,
                _ => {}
            }
        }
        if request_count > 0 && response_count > 0 {
            return Some("an array holds requests or responses, not both");
        }
        (request_count > session.work_room()).then_some("more requests than a session may run")
    }
}
