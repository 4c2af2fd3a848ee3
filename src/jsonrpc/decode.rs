//! One body into a tape: strict JSON, bounded, in memory that the core uses again.
//!
//! In: the bytes of a body. Out: a `View` of its value, which lives as long as the closure that
//! reads it. The parser unescapes in place, and reads a little past the end. So a short body is
//! copied into the core's arena, and a long one is decoded where it lies ([`Body`]).
//! Spec: RFC 8259, RFC 3629. Limits: [`JsonLimits`].
//! Invariant: whoever reads a message reads the same thing, so repeated member names are refused
//! (RFC 8259 §4 leaves them open).

use simd_json::{Buffers, INPUT_PADDING, Node, Tape};

use super::view::{Value, View, extent};
use crate::base::fault::Fault;

/// What one JSON text may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// How deep arrays and objects may nest. Default 64.
    pub json_depth_max: usize,
    /// How many elements and members, names included, one text may hold. Default 100,000.
    pub json_elements_max: usize,
    /// How many characters a number may have. Default 400.
    pub number_digits_max: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self { json_depth_max: 64, json_elements_max: 100_000, number_digits_max: 400 }
    }
}

/// Why a body is not a JSON text that we read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not JSON, or not UTF-8.
    #[error("body is not valid JSON at byte {offset}")]
    NotJson {
        /// Where the parser gave up.
        offset: usize,
    },
    /// Nested too deep.
    #[error("JSON nests deeper than {limit} levels")]
    TooDeep {
        /// `json_depth_max`
        limit: usize,
    },
    /// Too many elements.
    #[error("JSON has more than {limit} elements and members")]
    TooManyElements {
        /// `json_elements_max`
        limit: usize,
    },
    /// A number too long.
    #[error("a number at byte {offset} has more than {limit} characters")]
    NumberTooLong {
        /// Where the number begins.
        offset: usize,
        /// `number_digits_max`
        limit: usize,
    },
    /// An object that names a member twice.
    #[error("an object names the member {name:?} twice")]
    RepeatedMember {
        /// The first 64 bytes of the name.
        name: String,
    },
}

impl DecodeError {
    /// Whose fault it is: the peer's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Peer
    }
}

/// A body, and what the decoder may do with it.
#[derive(Debug)]
pub enum Body<'b> {
    /// It stays as it is, and is copied to be decoded.
    Kept(&'b [u8]),
    /// Nobody reads it again: it is decoded where it lies, and is not what it was after that.
    Spent {
        /// The body, and [`PADDING_BYTES`] or more behind it, which are read and left as they are.
        /// With fewer of them the body is copied too.
        room: &'b mut [u8],
        /// How many bytes of the room are the body.
        body_bytes: usize,
    },
}

impl Body<'_> {
    fn text(&self) -> &[u8] {
        match self {
            Self::Kept(body) => body,
            Self::Spent { room, body_bytes } => room.get(..*body_bytes).unwrap_or_default(),
        }
    }
}

impl<'b> From<&'b [u8]> for Body<'b> {
    fn from(body: &'b [u8]) -> Self {
        Self::Kept(body)
    }
}

/// How far the parser reads behind the end of a body.
pub const PADDING_BYTES: usize = INPUT_PADDING;

/// The decoder of one core: arena, parser buffers and tape, all used again.
pub struct Decoder {
    arena: Vec<u8>,
    buffers: Buffers,
    tape: Option<Tape<'static>>,
    limits: JsonLimits,
}

/// What a large body grew is given back to the allocator past this.
const ARENA_KEPT_BYTES_MAX: usize = 1024 * 1024;
/// Objects up to this many members are compared pairwise, larger ones sorted.
const PAIRWISE_MEMBERS_MAX: usize = 16;
/// What the parser's buffers hold from the start; they grow with the largest body seen.
const BUFFERED_BYTES: usize = 1024;
const NAME_SHOWN_BYTES: usize = 64;

impl Decoder {
    /// A decoder with these limits.
    #[must_use]
    pub fn new(limits: JsonLimits) -> Self {
        let buffers = Buffers::with_max_depth(BUFFERED_BYTES, limits.json_depth_max);
        Self { arena: Vec::new(), buffers, tape: None, limits }
    }

    /// Decodes `body` and hands its value to `read`.
    ///
    /// # Errors
    /// When the body is no JSON text within the limits; `read` does not run then.
    pub fn decode<'b, R>(
        &mut self,
        body: impl Into<Body<'b>>,
        read: impl FnOnce(View<'_>) -> R,
    ) -> Result<R, DecodeError> {
        let Self { arena, buffers, tape: kept_tape, limits } = self;
        let body = body.into();
        // An element takes a byte at least.
        if body.text().len() > limits.json_elements_max {
            check_elements(body.text(), limits)?;
        }
        let Place { room, body_bytes, original } = match body {
            Body::Kept(body) => copied(body, arena),
            Body::Spent { room, body_bytes } => lent(room, body_bytes, arena, limits),
        };
        let mut tape: Tape<'_> = kept_tape.take().unwrap_or_else(Tape::null).reset();
        let filled = simd_json::fill_tape_padded(room, body_bytes, buffers, &mut tape)
            .map_err(|error| not_json(&error, limits));
        let result = filled
            .and_then(|()| check_numbers(original, buffers.structural_indexes(), limits))
            .and_then(|()| check_members(&tape.0, limits))
            .and_then(|()| View::first(&tape.0).ok_or(DecodeError::NotJson { offset: 0 }))
            .map(read);
        *kept_tape = Some(tape.reset());
        if arena.capacity().max(body_bytes) > ARENA_KEPT_BYTES_MAX {
            self.shrink();
        }
        result
    }
}

/// Where a body is decoded.
struct Place<'p> {
    room: &'p mut [u8],
    body_bytes: usize,
    /// The body as it came, if its numbers are still to be looked at.
    original: &'p [u8],
}

/// A place in the arena.
#[inline]
fn copied<'p>(body: &'p [u8], arena: &'p mut Vec<u8>) -> Place<'p> {
    arena.clear();
    arena.reserve(body.len() + INPUT_PADDING);
    arena.extend_from_slice(body);
    arena.extend_from_slice(&[b' '; INPUT_PADDING]);
    Place { room: arena, body_bytes: body.len(), original: body }
}

/// The place where the body lies, if it can be decoded there.
#[inline(never)]
fn lent<'p>(
    room: &'p mut [u8],
    body_bytes: usize,
    arena: &'p mut Vec<u8>,
    limits: &JsonLimits,
) -> Place<'p> {
    let is_padded = room.len().saturating_sub(body_bytes) >= INPUT_PADDING;
    let body = room.get(..body_bytes).unwrap_or_default();
    // The tape borrows the room, so numbers could not be looked at afterwards.
    if is_padded && !has_long_number(body, limits.number_digits_max) {
        return Place { room, body_bytes, original: &[] };
    }
    copied(room.get(..body_bytes).unwrap_or_default(), arena)
}

/// Whether more bytes than the limit stand together that may be those of a number, in a string or
/// out of it. So many hold one whose index is a multiple of the limit, and no other is looked at.
fn has_long_number(body: &[u8], limit: usize) -> bool {
    (0..body.len()).step_by(limit.max(1)).any(|at| {
        let (before, behind) = body.split_at_checked(at).unwrap_or((body, &[]));
        let run = behind.iter().take(limit + 1).take_while(|byte| is_of_number(byte)).count();
        run > 0 && {
            let before = before.iter().rev().take(limit + 1);
            run + before.take_while(|byte| is_of_number(byte)).count() > limit
        }
    })
}

impl Decoder {
    /// Gives back what a large body grew: the arena, and the tape and parser buffers with it.
    #[cold]
    fn shrink(&mut self) {
        self.arena = Vec::new();
        self.tape = None;
        self.buffers = Buffers::with_max_depth(BUFFERED_BYTES, self.limits.json_depth_max);
    }
}

/// Refuses a body with too many elements before the tape, several times its size, is filled with
/// them. Each element but the first of its kind follows a comma; commas in strings do not count.
fn check_elements(body: &[u8], limits: &JsonLimits) -> Result<(), DecodeError> {
    let limit = limits.json_elements_max;
    if !may_hold_more(body, limit) {
        return Ok(());
    }
    let (mut count, mut rest) = (0, body);
    while let Some(at) = memchr::memchr3(b',', b'"', b'\\', rest) {
        let (found, after) = (rest.get(at), rest.get(at + 1..).unwrap_or_default());
        rest = match found {
            Some(b'"') => after_string(after),
            Some(b',') => {
                count += 1;
                after
            }
            _ => after,
        };
    }
    if count > limit { Err(DecodeError::TooManyElements { limit }) } else { Ok(()) }
}

/// Whether there may be more commas than the limit outside of strings, where no two are neighbours.
/// Looks no further than it takes to know.
fn may_hold_more(body: &[u8], limit: usize) -> bool {
    const PIECE_BYTES: usize = 16 * 1024;
    let (mut count, mut rest) = (0, body);
    while count + rest.len().div_ceil(2) > limit {
        if rest.is_empty() {
            return true;
        }
        let (piece, behind) = rest.split_at_checked(PIECE_BYTES).unwrap_or((rest, &[]));
        count += memchr::memchr_iter(b',', piece).count();
        rest = behind;
    }
    false
}

/// What follows the string that `inside` begins in.
fn after_string(inside: &[u8]) -> &[u8] {
    let mut rest = inside;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        let escaped = rest.get(at) == Some(&b'\\');
        rest = rest.get(at + 1 + usize::from(escaped)..).unwrap_or_default();
        if !escaped {
            return rest;
        }
    }
    &[]
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cold]
fn not_json(error: &simd_json::Error, limits: &JsonLimits) -> DecodeError {
    match error.error() {
        simd_json::ErrorType::DepthLimitExceeded => {
            DecodeError::TooDeep { limit: limits.json_depth_max }
        }
        _ => DecodeError::NotJson { offset: error.index() },
    }
}

/// Holds the length of numbers. They lie between two structural characters, so only a gap that is
/// wide enough is looked at, and a body shorter than the limit not at all.
fn check_numbers(body: &[u8], structure: &[u32], limits: &JsonLimits) -> Result<(), DecodeError> {
    let limit = limits.number_digits_max;
    if body.len() <= limit {
        return Ok(());
    }
    let ends = structure.iter().skip(1).map(|&end| end as usize).chain([body.len()]);
    for (&start, end) in structure.iter().zip(ends) {
        let offset = start as usize;
        if end.saturating_sub(offset) <= limit {
            continue;
        }
        let atom = body.get(offset..end).unwrap_or_default();
        if atom.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
            && atom.iter().take_while(|byte| is_of_number(byte)).count() > limit
        {
            return Err(DecodeError::NumberTooLong { offset, limit });
        }
    }
    Ok(())
}

/// Whether a number may hold this byte.
fn is_of_number(byte: &u8) -> bool {
    byte.is_ascii_digit() || b"+-.eE".contains(byte)
}

/// Holds the number of nodes, and refuses objects that name a member twice.
fn check_members(nodes: &[Node<'_>], limits: &JsonLimits) -> Result<(), DecodeError> {
    if nodes.len() > limits.json_elements_max {
        return Err(DecodeError::TooManyElements { limit: limits.json_elements_max });
    }
    for (index, node) in nodes.iter().enumerate() {
        if let Node::Object { len, .. } = node
            && *len > 1
            && !names_differ(nodes.get(index + 1..).unwrap_or_default(), *len)
            && let Some(name) =
                View::first(nodes.get(index..).unwrap_or_default()).and_then(repeated)
        {
            return Err(DecodeError::RepeatedMember { name: shown(name) });
        }
    }
    Ok(())
}

fn repeated(object: View<'_>) -> Option<&str> {
    if let Value::Object(count) = object.value()
        && count > PAIRWISE_MEMBERS_MAX
    {
        let mut names: Vec<&str> = object.members().map(|(name, _)| name).collect();
        names.sort_unstable();
        return names
            .windows(2)
            .find(|pair| pair.first() == pair.last())
            .and_then(|pair| pair.first().copied());
    }
    let mut members = object.members();
    while let Some((name, _)) = members.next() {
        if members.clone().any(|(other, _)| other == name) {
            return Some(name);
        }
    }
    None
}

/// Whether all names of an object differ in what is seen at a glance: their lengths, first and last
/// bytes, as a bit of 64. If not, two of them may be the same.
fn names_differ(members: &[Node<'_>], count: usize) -> bool {
    let (mut seen, mut rest) = (0u64, members);
    for _ in 0..count {
        let [Node::String(name), value, behind @ ..] = rest else { return false };
        let ends = match name.as_bytes() {
            [first, .., last] => first.wrapping_mul(7) ^ last.rotate_left(3),
            [only] => *only,
            [] => 0,
        };
        let bit = 1 << ((ends ^ name.len().to_le_bytes()[0]) & 63);
        if seen & bit != 0 {
            return false;
        }
        seen |= bit;
        // All but the first of its nodes, which is gone already.
        rest = behind.get(extent(value) - 1..).unwrap_or_default();
    }
    true
}

fn shown(name: &str) -> String {
    name.get(..name.floor_char_boundary(NAME_SHOWN_BYTES)).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes a body where it lies, and as a copy, which gives the same.
    fn decode(body: &[u8]) -> Result<String, DecodeError> {
        let copied = decode_as(body);
        // What follows a body in an input is no part of it, whatever it is.
        for padding in [b"}\"],0 1e9\\".repeat(8), vec![0; PADDING_BYTES], b" ".to_vec()] {
            let mut room = [body, &padding].concat();
            let read = decode_as(Body::Spent { room: &mut room, body_bytes: body.len() });
            assert_eq!(read, copied, "{:?}", String::from_utf8_lossy(body));
            assert_eq!(room[body.len()..], padding);
        }
        copied
    }

    fn decode_as<'b>(body: impl Into<Body<'b>>) -> Result<String, DecodeError> {
        Decoder::new(JsonLimits::default()).decode(body, |view| {
            let mut out = Vec::new();
            view.encode(&mut out);
            String::from_utf8(out).expect("UTF-8")
        })
    }

    #[test]
    fn a_long_body_is_decoded_where_it_lies() {
        let mut decoder = Decoder::new(JsonLimits::default());
        let body = format!("[\"{}\\n\"]", "x".repeat(300_000));
        let mut room = [body.as_bytes(), &[0; PADDING_BYTES]].concat();
        let place = room.as_ptr_range();
        let spent = Body::Spent { room: &mut room, body_bytes: body.len() };
        let read = decoder.decode(spent, |view| {
            let text = view.elements().next().and_then(View::as_str).expect("a string");
            (place.contains(&text.as_ptr()), text.len())
        });
        assert_eq!(read, Ok((true, 300_001)));
        assert_eq!(decoder.arena.capacity(), 0);
    }

    #[test]
    fn what_a_large_body_grew_is_given_back() {
        let mut decoder = Decoder::new(JsonLimits::default());
        for is_spent in [false, true] {
            let body = format!("[{}1]", "1,".repeat(50_000));
            let mut room = (body + &" ".repeat(ARENA_KEPT_BYTES_MAX)).into_bytes();
            let body_bytes = room.len() - PADDING_BYTES;
            let body = match is_spent {
                true => Body::Spent { room: &mut room, body_bytes },
                false => Body::Kept(&room),
            };
            decoder.decode(body, |_| ()).expect("an array");
            assert_eq!(decoder.arena.capacity(), 0);
            assert_eq!(decoder.tape.as_ref().map_or(0, |tape| tape.0.capacity()), 0);
        }
    }

    #[test]
    fn what_is_not_strict_json_is_refused() {
        for body in [
            &b""[..],
            b" ",
            b"{",
            b"{}}",
            b"[1,]",
            b"{\"a\":1,}",
            b"nul",
            b"01",
            b"+1",
            b".5",
            b"1.",
            b"'a'",
            b"\"\\ud800\"",
            b"\"\xff\"",
            b"\"\xc0\x80\"",
            b"\"\xed\xa0\x80\"",
            b"\"a\nb\"",
            b"\xef\xbb\xbf{}",
            b"NaN",
            b"1 2",
            b"{a:1}",
            b"/*c*/1",
            b"\"\\x\"",
        ] {
            let shown = String::from_utf8_lossy(body);
            assert!(matches!(decode(body), Err(DecodeError::NotJson { .. })), "{shown:?}");
        }
    }

    #[test]
    fn an_integer_past_64_bits_is_a_number_like_any_other() {
        for body in ["18446744073709551616", "-9223372036854775809", "[123456789012345678901]"] {
            let read = decode(body.as_bytes()).expect(body);
            let back: serde_json::Value = serde_json::from_str(&read).expect("JSON");
            assert_eq!(serde_json::from_str(body).ok(), Some(back), "{body}");
        }
    }

    #[test]
    fn limits_hold_at_the_limit_and_one_past_it() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        decode(nested(64).as_bytes()).expect("at the limit");
        assert_eq!(decode(nested(65).as_bytes()), Err(DecodeError::TooDeep { limit: 64 }));
        decode(nested(200_000).as_bytes()).expect_err("far past the limit");

        let wide = |count: usize| format!("[{}1]", "1,".repeat(count - 2));
        decode(wide(100_000).as_bytes()).expect("at the limit");
        let error = decode(wide(100_001).as_bytes());
        assert_eq!(error, Err(DecodeError::TooManyElements { limit: 100_000 }));

        let commas = format!("[\"{}\\\"{}\"]", ",".repeat(100_001), ",".repeat(9));
        assert!(decode(commas.as_bytes()).is_ok(), "commas in a string are no elements");
        let error = decode("[1,".repeat(100_001).as_bytes());
        assert_eq!(error, Err(DecodeError::TooManyElements { limit: 100_000 }), "not parsed first");

        let number = |digits: usize| format!("[0.{}]", "1".repeat(digits - 2));
        decode(number(400).as_bytes()).expect("at the limit");
        let error = decode(number(401).as_bytes());
        assert_eq!(error, Err(DecodeError::NumberTooLong { offset: 1, limit: 400 }));
    }

    #[test]
    fn a_long_number_is_found_wherever_it_stands() {
        for offset in 1..=900 {
            let ones = |count| "1".repeat(count);
            let number = |digits: usize| format!("{:offset$}0.{}, 7]", "[", ones(digits - 2));
            decode(number(400).as_bytes()).expect("at the limit");
            let error = decode(number(401).as_bytes());
            assert_eq!(error, Err(DecodeError::NumberTooLong { offset, limit: 400 }));
        }
        let text = format!("[\"{}\", {:2000}]", "-1.5e+7".repeat(1000), 1);
        assert!(decode(text.as_bytes()).is_ok(), "digits in a string are no number, nor blanks");
    }

    #[test]
    fn elements_are_counted_wherever_they_stand() {
        let wide = |count: usize| "1,".repeat(count - 2) + "1";
        for (before, behind) in [(0, 300_000), (300_000, 0), (70_000, 70_000), (1, 1)] {
            let blanks = |count| " ".repeat(count);
            let body = |count| format!("{}[{}]{}", blanks(before), wide(count), blanks(behind));
            decode(body(100_000).as_bytes()).expect("at the limit");
            let error = decode(body(100_001).as_bytes());
            assert_eq!(error, Err(DecodeError::TooManyElements { limit: 100_000 }));
        }
    }

    #[test]
    fn a_member_named_twice_is_refused_in_any_object_and_spelling() {
        let twice = |name: &str| Err(DecodeError::RepeatedMember { name: name.to_owned() });
        assert_eq!(decode(br#"{"a":1,"b":{"c":1,"\u0063":2}}"#), twice("c"));
        assert_eq!(decode(br#"[{"id":1,"id":1}]"#), twice("id"));
        let many: String = (0..40).map(|i| format!("\"m{i}\":{i},")).collect();
        decode(format!("{{{many}\"x\":0}}").as_bytes()).expect("no name twice");
        assert_eq!(decode(format!("{{{many}\"m7\":0}}").as_bytes()), twice("m7"));
    }

    proptest! {
        /// Our reading and serde_json's agree on every text that serde_json writes.
        #[test]
        fn what_serde_json_writes_we_read_alike(value in arbitrary_json()) {
            let text = serde_json::to_string(&value).expect("writes");
            let read = decode(text.as_bytes()).expect("reads");
            let back: serde_json::Value = serde_json::from_str(&read).expect("reads back");
            prop_assert_eq!(back, value);
        }

        /// What we accept, serde_json accepts too, and no input makes us panic.
        #[test]
        fn what_we_accept_is_json(body in "[\\[\\]{}\",:0-9eE.+\\- tfnulrasv\\\\]{0,24}") {
            if decode(body.as_bytes()).is_ok() {
                prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{}", body);
            }
        }
    }

    fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<f32>()
                .prop_filter("JSON has none", |f| f.is_finite())
                .prop_map(|f| { serde_json::Value::from(f64::from(f)) }),
            ".{0,12}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 48, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::hash_map(".{0,6}", inner, 0..6)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }
}
