//! Heads of requests and responses, and what a client says that it accepts.
//!
//! Fuzzed: `http/h1/head`, `http/h1/familiar`, `http/h1/response`, `http/negotiate` (RFC 9110,
//! RFC 9112).
//! Invariant: where reads cut a head never changes what is read, nor the error.

use super::{Cuts, alike};
use crate::http::h1::familiar::FamiliarHeads;
use crate::http::h1::head::{Decoded, FieldSlots, HeadLimits, decode as decode_head};
use crate::http::h1::response::{DecodedResponse, decode as decode_response};
use crate::http::negotiate::Acceptance;

pub(super) fn check_head(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend_from_slice(piece);
            let mut slots = FieldSlots::new();
            match decode_head(&bytes, &mut slots, &HeadLimits::default()) {
                Ok(Decoded::Incomplete) => {}
                Ok(Decoded::Head { head, used_bytes }) => {
                    let accept: Vec<_> = head.accept().collect();
                    return format!("{used_bytes} {head:?} {accept:?}");
                }
                Err(error) => return format!("{error} {}", error.status()),
            }
        }
        "incomplete".to_owned()
    });
    check_familiar(input);
}

/// A head that was met is recognised as what the decoder reads, whatever follows it.
fn check_familiar(input: &[u8]) {
    let limits = HeadLimits::default();
    let mut heads = FamiliarHeads::new(&limits);
    for text in input.split_inclusive(|&byte| byte == 0) {
        let mut slots = FieldSlots::new();
        let decoded = decode_head(text, &mut slots, &limits);
        if let Some(recognised) = heads.recognise(text) {
            let (head, used_bytes) = (recognised.head(), recognised.head_bytes);
            assert_eq!(decoded, Ok(Decoded::Head { head, used_bytes }));
        } else if let Ok(Decoded::Head { head, used_bytes }) = decoded {
            heads.meet(text.get(..used_bytes).unwrap_or_default(), &head, ());
        }
    }
}

pub(super) fn check_response(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend_from_slice(piece);
            let mut slots = FieldSlots::new();
            match decode_response(&bytes, &mut slots, &HeadLimits::default()) {
                Ok(DecodedResponse::Incomplete) => {}
                Ok(DecodedResponse::Head { head, used_bytes }) => {
                    let challenges: Vec<_> = head.www_authenticate().collect();
                    return format!("{used_bytes} {head:?} {challenges:?}");
                }
                Err(error) => return error.to_string(),
            }
        }
        "incomplete".to_owned()
    });
}

pub(super) fn check_accept(input: &[u8], _: Cuts<'_>) {
    let lines = || input.split(|&byte| byte == b'\n');
    let acceptance = Acceptance::parse(lines());
    for quality in [acceptance.json, acceptance.sse, acceptance.ndjson] {
        assert!(quality.thousandths() <= 1000);
    }
    assert_eq!(
        acceptance.prefers_stream().is_some(),
        acceptance.sse.max(acceptance.ndjson).is_acceptable()
    );
    // Lines of a list are one list (RFC 9110 §5.3), unless a quoted string is left open.
    if !input.contains(&b'"') {
        let joined: Vec<u8> =
            input.iter().map(|&byte| if byte == b'\n' { b',' } else { byte }).collect();
        assert_eq!(Acceptance::parse([joined.as_slice()]), acceptance);
    }
}
