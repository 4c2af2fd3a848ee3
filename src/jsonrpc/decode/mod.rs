//! One body into a tape: strict JSON, bounded, in memory that the core uses again.
//!
//! In: the bytes of a body. Out: a `View` of its value, which lives as long as the closure that
//! reads it. The parser unescapes in place, and reads a little past the end. So a short body is
//! copied into the core's arena, and a long one is decoded where it lies ([`Body`]).
//! Spec: RFC 8259, RFC 3629. Limits: [`JsonLimits`].
//! Invariant: whoever reads a message reads the same thing, so repeated member names are refused
//! (RFC 8259 §4 leaves them open).

use simd_json::{Buffers, INPUT_PADDING, Node, Tape};

use crate::base::fault::Fault;
use crate::jsonrpc::view::{Value, View, extent};

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
mod tests;
