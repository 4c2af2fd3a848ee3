//! Values into bytes: what a reply is made of.
//!
//! Everything appends to a buffer that the caller took from a pool, and nothing here can fail:
//! writing to memory does not, and types whose serialisation may are serialised by their handler.
//! Spec: RFC 8259; JSON-RPC 2.0 §5.

use serde::Serialize;

use super::error::RpcError;
use super::message::Id;

/// Writes a JSON string (RFC 8259 §7), escaping no more than must be.
pub fn string(out: &mut Vec<u8>, text: &str) {
    if text.len() >= LONG_BYTES_MIN {
        return long_string(out, text);
    }
    out.reserve(text.len() + 2);
    out.push(b'"');
    escaped(out, text.as_bytes(), plain_bytes);
    out.push(b'"');
}

/// From here on a string is long.
const LONG_BYTES_MIN: usize = 4 * 1024;

/// Writes a long string: piece by piece, so that what was looked at is still in the nearest cache
/// when it is copied, and with room for some escapes and for what follows, since a buffer that
/// grows is copied whole.
#[inline(never)]
fn long_string(out: &mut Vec<u8>, text: &str) {
    const FOLLOWING_BYTES: usize = 512;
    out.reserve(text.len() + text.len() / 32 + FOLLOWING_BYTES);
    out.push(b'"');
    for piece in text.as_bytes().chunks(LONG_BYTES_MIN) {
        escaped(out, piece, plain_bytes_of_many);
    }
    out.push(b'"');
}

/// Writes what stands between the quotes. `plain_bytes` tells how many bytes at the start of some
/// stand for themselves.
#[inline]
fn escaped(out: &mut Vec<u8>, mut rest: &[u8], plain_bytes: impl Fn(&[u8]) -> usize) {
    loop {
        let (plain, tail) = rest.split_at_checked(plain_bytes(rest)).unwrap_or((rest, &[]));
        out.extend_from_slice(plain);
        let Some((&byte, behind)) = tail.split_first() else { break };
        escape(out, byte);
        rest = behind;
    }
}

/// How many bytes at the start of `bytes` stand for themselves.
fn plain_bytes(bytes: &[u8]) -> usize {
    let plain = bytes_of_plain_blocks::<32>(bytes);
    let rest = bytes.get(plain..).unwrap_or_default();
    plain + rest.iter().take_while(|&&byte| !must_be_escaped(byte)).count()
}

/// The same, in half the time where they are many.
fn plain_bytes_of_many(bytes: &[u8]) -> usize {
    let plain = bytes_of_plain_blocks::<64>(bytes);
    plain + plain_bytes(bytes.get(plain..).unwrap_or_default())
}

fn bytes_of_plain_blocks<const BLOCK_BYTES: usize>(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<BLOCK_BYTES>();
    // No early exit within a block, so that the compiler can compare all of it together.
    let is_plain = |block: &&[u8; BLOCK_BYTES]| {
        !block.iter().fold(false, |any, &byte| any | must_be_escaped(byte))
    };
    blocks.iter().take_while(is_plain).count() * BLOCK_BYTES
}

const fn must_be_escaped(byte: u8) -> bool {
    (byte < 0x20) | (byte == b'"') | (byte == b'\\')
}

#[cold]
fn escape(out: &mut Vec<u8>, byte: u8) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            let hex = |digit: u8| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', hex(byte >> 4), hex(byte & 0xf)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// Writes an integer.
pub fn unsigned(out: &mut Vec<u8>, number: u64) {
    // Ids and progress are mostly small.
    match u8::try_from(number) {
        Ok(number @ 0..=9) => out.push(b'0' + number),
        Ok(number @ 10..=99) => out.extend_from_slice(&[b'0' + number / 10, b'0' + number % 10]),
        _ => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
    }
}

/// Writes an integer.
pub fn signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    unsigned(out, number.unsigned_abs());
}

/// Writes a number: a whole one without a fraction, as people and most other programs write it; one
/// that JSON does not have as `null`.
pub fn float(out: &mut Vec<u8>, number: f64) {
    /// Up to here every whole number is exact.
    const WHOLE_MAX: i64 = 1 << 53;
    #[expect(clippy::cast_possible_truncation, reason = "compared right after")]
    let whole = number as i64;
    #[expect(clippy::cast_precision_loss, reason = "exact up to the bound")]
    if whole as f64 == number && whole.abs() <= WHOLE_MAX {
        signed(out, whole);
    } else {
        serialize(out, &number);
    }
}

/// Writes a value whose serialisation cannot fail: our own types, strings, numbers, JSON values.
pub fn serialize<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    let written = serde_json::to_writer(&mut *out, value);
    debug_assert!(written.is_ok(), "this type's serialisation can fail");
}

/// Writes a comma before every member but the first.
pub fn comma_unless_first(out: &mut Vec<u8>, index: usize) {
    if index > 0 {
        out.push(b',');
    }
}

/// Opens a response: everything before its result, which the caller writes, and then a `}`.
pub fn response_start(out: &mut Vec<u8>, id_json: &[u8]) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id_json);
    out.extend_from_slice(br#","result":"#);
}

/// Opens a notification with its method: everything before its params, then a `}`.
pub fn notification_start(out: &mut Vec<u8>, method: &'static str) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","method":""#);
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(br#"","params":"#);
}

/// Writes an error response. Without an id the member is left out, as MCP's schema wants it.
pub fn error(out: &mut Vec<u8>, id_json: Option<&[u8]>, error: &RpcError) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0""#);
    if let Some(id_json) = id_json {
        out.extend_from_slice(br#","id":"#);
        out.extend_from_slice(id_json);
    }
    out.extend_from_slice(br#","error":"#);
    error_object(out, error);
    out.push(b'}');
}

/// Writes an error object, as it stands in an error response.
pub fn error_object(out: &mut Vec<u8>, error: &RpcError) {
    out.extend_from_slice(br#"{"code":"#);
    signed(out, i64::from(error.code));
    out.extend_from_slice(br#","message":"#);
    string(out, &error.message);
    if let Some(data) = &error.data {
        out.extend_from_slice(br#","data":"#);
        serialize(out, data);
    }
    out.push(b'}');
}

/// An id as JSON, for the few places that keep one.
#[must_use]
pub fn id_json(id: Id<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    id.encode(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Strings are written as serde_json writes them, whatever stands where in a block.
        #[test]
        fn strings_are_written_as_serde_json_writes_them(
            text in "([a-z]{0,40}[\\x00-\\x7f\u{80}-\u{ff}\u{1f600}]{0,3}){0,6}"
        ) {
            let mut out = Vec::new();
            string(&mut out, &text);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }

    #[test]
    fn every_byte_is_escaped_as_serde_json_escapes_it() {
        for byte in 0..0x80_u8 {
            for before in [0, 31, 32, 33] {
                let text = format!("{}{}x", "a".repeat(before), char::from(byte));
                let mut out = Vec::new();
                string(&mut out, &text);
                let expected = serde_json::to_string(&text).unwrap();
                assert_eq!(String::from_utf8(out).unwrap(), expected, "{byte:#x} at {before}");
            }
        }
    }

    #[test]
    fn long_strings_are_written_as_short_ones_are() {
        for length in [LONG_BYTES_MIN - 2, LONG_BYTES_MIN - 1, LONG_BYTES_MIN, 3 * LONG_BYTES_MIN] {
            for inside in ["", "\n", "é\"é", "\u{1f600}"] {
                for before in [0, 1, length / 2, LONG_BYTES_MIN - 3, LONG_BYTES_MIN - 1, length] {
                    let behind = length.saturating_sub(before);
                    let text = format!("{}{inside}{}", "a".repeat(before), "b".repeat(behind));
                    let mut out = Vec::new();
                    string(&mut out, &text);
                    let expected = serde_json::to_string(&text).unwrap();
                    assert!(out == expected.as_bytes(), "{inside:?} at {before} of {length}");
                }
            }
        }
    }

    #[test]
    fn what_follows_a_long_string_finds_room() {
        let mut out = Vec::new();
        string(&mut out, &"x".repeat(256 * 1024));
        let capacity = out.capacity();
        assert!((300..16 * 1024).contains(&(capacity - out.len())), "{capacity}");
    }

    #[test]
    fn integers_are_written_to_their_last_digit() {
        for number in [i64::MIN, -100, -99, -1, 0, 9, 10, 99, 100, 255, 256, i64::MAX] {
            let mut out = Vec::new();
            signed(&mut out, number);
            assert_eq!(String::from_utf8(out), Ok(number.to_string()));
        }
        let mut out = Vec::new();
        unsigned(&mut out, u64::MAX);
        assert_eq!(out, u64::MAX.to_string().as_bytes());
    }

    #[test]
    fn whole_floats_have_no_fraction() {
        for (number, expected) in [
            (4.0, "4"),
            (-4.0, "-4"),
            (0.0, "0"),
            (-0.0, "0"),
            (0.5, "0.5"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e300, "1e+300"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ] {
            let mut out = Vec::new();
            float(&mut out, number);
            assert_eq!(String::from_utf8(out).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn an_error_without_an_id_has_no_id_member() {
        let told = RpcError::new(-32700, "no");
        let mut out = Vec::new();
        error(&mut out, None, &told);
        assert_eq!(out, br#"{"jsonrpc":"2.0","error":{"code":-32700,"message":"no"}}"#);
    }
}
