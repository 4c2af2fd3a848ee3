//! JSON: messages, and the schemas of forms that servers ask with.
//!
//! Fuzzed: `jsonrpc/decode`, `jsonrpc/message`, `mcp/meta`, `client/form`.
//! Invariant: a decoder keeps nothing of the body before, reads what another JSON reader reads, and
//! reads a body where it lies as it reads a copy.

use serde_json::Value;

use super::Cuts;
use crate::client::form::Form;
use crate::jsonrpc::decode::{Body, DecodeError, Decoder, JsonLimits, PADDING_BYTES};
use crate::jsonrpc::message::{InvalidMessage, Message};
use crate::mcp::meta::Meta;

/// A body is never decoded in pieces; here the pieces are other bodies that the same decoder read
/// before, of which nothing may be left. What it accepts, another JSON reader accepts and reads
/// alike.
pub(super) fn check_jsonrpc(input: &[u8], cuts: Cuts<'_>) {
    let mut used = Decoder::new(JsonLimits::default());
    for piece in cuts.pieces(input) {
        let _ = describe_message(&mut used, piece);
    }
    let fresh = describe_message(&mut Decoder::new(JsonLimits::default()), input);
    assert_eq!(describe_message(&mut used, input), fresh, "{:?}", input.escape_ascii());
    // The same bytes once more stand for those of the request behind it.
    let mut room = [input, input, &[0; PADDING_BYTES]].concat();
    let spent = Body::Spent { room: &mut room, body_bytes: input.len() };
    assert_eq!(describe_message(&mut used, spent), fresh, "{:?}", input.escape_ascii());
    assert!(room[input.len()..].starts_with(input), "{:?}", input.escape_ascii());
    if let Ok((json, _)) = fresh {
        let twin: Value = serde_json::from_slice(input).unwrap_or_default();
        let ours: Value = serde_json::from_slice(&json).unwrap_or_default();
        assert!(same_value(&ours, &twin), "{ours} is not {twin}");
    }
}

/// Whether two JSON values say the same; `-0` is `0`.
fn same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| same_value(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let found = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| same_value(value, other))
            };
            one.len() == other.len() && one.iter().all(found)
        }
        _ => one == other,
    }
}

/// The value as JSON and the message as words; or why there is none.
fn describe_message<'b>(
    decoder: &mut Decoder,
    body: impl Into<Body<'b>>,
) -> Result<(Vec<u8>, String), DecodeError> {
    decoder.decode(body, |value| {
        let mut json = Vec::new();
        value.encode(&mut json);
        let message = match Message::read(value) {
            Ok(Message::Request { id, method, params }) => {
                let meta = Meta::read(params);
                let fits = (meta.token().is_some(), meta.level().is_ok());
                format!("request {id:?} {method:?} {fits:?}")
            }
            Ok(Message::Notification { method, .. }) => format!("notification {method:?}"),
            Ok(Message::Response { .. }) => "response".to_owned(),
            Ok(Message::Batch(batch)) => format!("batch of {}", batch.elements().count()),
            Err(InvalidMessage { reason, id }) => format!("{reason} {id:?}"),
        };
        (json, message)
    })
}

/// A schema on the first line, and what a person types on each other. What a form takes fits its
/// schema, and so do its defaults.
pub(super) fn check_client_form(input: &[u8], _: Cuts<'_>) {
    let mut lines = input.split(|&byte| byte == b'\n');
    let schema = lines.next().unwrap_or_default();
    let Ok(schema) = serde_json::from_slice::<Value>(schema) else { return };
    let form = match Form::read("why", &schema) {
        Ok(form) => form,
        Err(fault) => return assert!(!fault.is_empty()),
    };
    let typed: Vec<_> = lines.map(String::from_utf8_lossy).collect();
    for field in &form.fields {
        assert!(!field.rule().is_empty());
        if let Some(default) = &field.default {
            assert_eq!(field.check(default), Ok(()));
        }
        for typed in &typed {
            match field.parse(typed) {
                Ok(value) => assert_eq!(field.check(&value), Ok(()), "{typed}"),
                Err(fault) => assert!(!fault.is_empty()),
            }
        }
    }
}
