//! What the state of a call is good for: one method, name or address, arguments and principal.
//!
//! Written when a call begins whose client could be asked, and digested when it asks, which few
//! calls do. In: the params. Out: the bytes that a seal is bound to.
//! Spec: MCP 2026-07-28 basic/patterns/mrtr ("method plus a digest of the salient params").
//! Invariant: two requests have the same binding if and only if they say the same.

use ring::digest::{SHA256, digest};

use crate::jsonrpc::encode;
use crate::jsonrpc::view::{Value, View};

/// What stands before the digest, so that no other use of the key could be taken for this one.
const CONTEXT: &[u8] = b"ringlane input_required 1\0";
/// How many bytes of a request are kept as they are while its call runs.
const KEPT_BYTES_MAX: usize = 4096;
const DIGEST_BYTES: usize = 32;
/// Members of an object that are put in order without a buffer of their own.
const FEW_MEMBERS: usize = 16;

/// What a call is bound to.
#[derive(Debug, Default)]
pub(crate) struct Binding {
    /// The request as a JSON array, or its digest where that is shorter.
    bytes: Vec<u8>,
    is_digest: bool,
}

impl Binding {
    /// Binds to a request. The buffer is used again call after call.
    pub(in crate::handler) fn write(
        &mut self,
        method: &str,
        params: Option<View<'_>>,
        principal: Option<&str>,
    ) {
        let member = |name: &str| params.and_then(|params| params.get(name));
        let out = &mut self.bytes;
        self.is_digest = false;
        out.clear();
        out.push(b'[');
        encode::string(out, method);
        for part in [member("name"), member("uri")] {
            out.push(b',');
            match part {
                Some(part) => part.encode(out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b',');
        match member("arguments") {
            Some(arguments) if arguments.value() != Value::Null => canonical(out, arguments),
            _ => out.extend_from_slice(b"{}"),
        }
        out.push(b',');
        match principal {
            Some(principal) => encode::string(out, principal),
            None => out.extend_from_slice(b"null"),
        }
        out.push(b']');
        if out.len() > KEPT_BYTES_MAX {
            let digest = digest(&SHA256, out);
            out.clear();
            out.extend_from_slice(digest.as_ref());
            out.shrink_to(KEPT_BYTES_MAX);
            self.is_digest = true;
        }
    }

    /// The bytes that a seal is bound to.
    pub(super) fn bound(&self) -> Vec<u8> {
        let mut bound = Vec::with_capacity(CONTEXT.len() + DIGEST_BYTES);
        bound.extend_from_slice(CONTEXT);
        if self.is_digest {
            bound.extend_from_slice(&self.bytes);
        } else {
            bound.extend_from_slice(digest(&SHA256, &self.bytes).as_ref());
        }
        bound
    }
}

/// Writes a value such that what says the same is written the same: members by name, whole numbers
/// without a fraction. A client may write anew what it brings back.
fn canonical(out: &mut Vec<u8>, view: View<'_>) {
    match view.value() {
        Value::Float(number) => encode::float(out, number),
        Value::Array(_) => {
            out.push(b'[');
            for (index, element) in view.elements().enumerate() {
                encode::comma_unless_first(out, index);
                canonical(out, element);
            }
            out.push(b']');
        }
        Value::Object(_) => {
            let (mut few, mut many) = ([None; FEW_MEMBERS], Vec::new());
            let members = if view.members().count() <= FEW_MEMBERS {
                &mut few[..]
            } else {
                many.resize(view.members().count(), None);
                &mut many[..]
            };
            members.iter_mut().zip(view.members()).for_each(|(slot, member)| *slot = Some(member));
            members.sort_unstable_by_key(|member| member.map(|(name, _)| name));
            out.push(b'{');
            for (index, (name, value)) in members.iter().flatten().enumerate() {
                encode::comma_unless_first(out, index);
                encode::string(out, name);
                out.push(b':');
                canonical(out, *value);
            }
            out.push(b'}');
        }
        _ => view.encode(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::decode::{Decoder, JsonLimits};

    fn bound(method: &str, params: &str, principal: Option<&str>) -> Vec<u8> {
        let mut binding = Binding::default();
        Decoder::new(JsonLimits::default())
            .decode(params.as_bytes(), |view| binding.write(method, Some(view), principal))
            .expect("JSON");
        binding.bound()
    }

    #[test]
    fn the_same_request_is_bound_alike_and_every_other_is_not() {
        let same = |params: &str| bound("tools/call", params, None);
        let one = same(r#"{"name":"t","arguments":{"a":1,"b":"x"}}"#);
        let retried = r#"{ "name": "t", "arguments": {"a": 1, "b": "\u0078"}, "_meta": {},
            "inputResponses": {}, "requestState": "s" }"#;
        assert_eq!(one, same(retried));
        let written_anew = r#"{"arguments":{"b":"x","a":1.0},"name":"t"}"#;
        assert_eq!(one, same(written_anew), "in another order, with another spelling");
        let none = same(r#"{"name":"t"}"#);
        assert_eq!(none, same(r#"{"name":"t","arguments":{}}"#));
        assert_eq!(none, same(r#"{"name":"t","arguments":null}"#));
        let many = |names: &mut dyn Iterator<Item = usize>| {
            let members: Vec<_> = names.map(|name| format!(r#""m{name}":{name}"#)).collect();
            format!(r#"{{"name":"t","arguments":{{{}}}}}"#, members.join(","))
        };
        let most = FEW_MEMBERS * 3;
        assert_eq!(same(&many(&mut (0..most))), same(&many(&mut (0..most).rev())));
        assert_ne!(same(&many(&mut (0..most))), same(&many(&mut (1..most))));
        for other in [
            r#"{"name":"u","arguments":{"a":1,"b":"x"}}"#,
            r#"{"name":"t","arguments":{"a":2,"b":"x"}}"#,
            r#"{"name":"t","arguments":{"a":1}}"#,
            r#"{"name":"t"}"#,
            r#"{"uri":"t","arguments":{"a":1,"b":"x"}}"#,
        ] {
            assert_ne!(one, same(other), "{other}");
        }
        let params = r#"{"name":"t","arguments":{"a":1,"b":"x"}}"#;
        assert_ne!(one, bound("prompts/get", params, None));
        assert_ne!(one, bound("tools/call", params, Some("somebody")));
    }

    #[test]
    fn a_long_request_is_digested_at_once_to_the_same_end() {
        for count in [KEPT_BYTES_MAX - 100, KEPT_BYTES_MAX, 10 * KEPT_BYTES_MAX] {
            let params = |end: &str| format!(r#"{{"name":"{}{end}"}}"#, "x".repeat(count));
            let mut binding = Binding::default();
            Decoder::new(JsonLimits::default())
                .decode(params("a").as_bytes(), |view| {
                    binding.write("tools/call", Some(view), None);
                })
                .expect("JSON");
            assert!(binding.bytes.capacity() <= 2 * KEPT_BYTES_MAX);
            assert_eq!(binding.bound(), bound("tools/call", &params("a"), None));
            assert_ne!(binding.bound(), bound("tools/call", &params("b"), None));
        }
    }
}
