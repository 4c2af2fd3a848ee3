//! Heads that were seen before: recognised by their bytes instead of read again.
//!
//! In: the start of the unread input. Out: the `RequestHead` that `head::decode` would give, and
//! what its first reader concluded from it; or nothing, and then it is read. Clients send the same
//! head again and again but for a few values. Those are *gaps* of a remembered *shape*: the length
//! of the body, the session, the credential. So nothing that stands for a person is kept here.
//! Limits: `SHAPES_MAX` shapes of up to `TEXT_BYTES_MAX` bytes; past that one head in `TRIED_EVERY`
//! that was not recognised takes the place of the one that was longest of no use.
//! Invariant: what is recognised reads as `head::decode` reads it (a property and a fuzz target).
//! Not here: what depends on more than the head, as whether a session lives.

use std::fmt;
use std::rc::Rc;

use crate::http::authority::Authority;
use crate::http::field::{Field, Known, classify};
use crate::http::h1::head::{HeadLimits, decimal};
use crate::http::head::{
    Expectation, FieldPlace, Fields, Framing, GAP_COUNT, Gaps, Lines, Method, Persistence,
    RequestHead, Span, ValuePlace, Version,
};

/// How many shapes a core remembers.
pub const SHAPES_MAX: usize = 16;
/// How many bytes a shape may have, gaps aside.
pub const TEXT_BYTES_MAX: usize = 1024;
/// How many fields a shape may have.
const FIELDS_MAX: usize = 32;
/// How many bytes a gap may be filled with.
const GAP_BYTES_MAX: usize = 4096;
/// When all places are taken: of so many heads that were not recognised, one is remembered.
const TRIED_EVERY: u32 = 32;

/// The heads that a core remembers, with what `V` says of each.
pub struct FamiliarHeads<V> {
    shapes: Vec<Rc<Shape<V>>>,
    stranger_count: u32,
    head_bytes_max: usize,
}

impl<V: Copy> FamiliarHeads<V> {
    /// An empty memory, for heads within these limits.
    #[must_use]
    pub fn new(limits: &HeadLimits) -> Self {
        // Shorter than what any limit of length allows a line, a head breaks none of them.
        let line_bytes_max = limits.request_line_bytes_max.min(limits.field_bytes_max);
        let head_bytes_max = line_bytes_max.min(limits.head_bytes_max);
        Self { shapes: Vec::new(), stranger_count: 0, head_bytes_max }
    }

    /// The shape of the head at the start of `input`, if it is a familiar one.
    #[inline]
    pub fn recognise<'b>(&mut self, input: &'b [u8]) -> Option<Recognised<'b, V>> {
        let fits = |(index, shape): (usize, &Rc<Shape<V>>)| Some((index, shape.fit(input)?));
        let (index, (gaps, head_bytes)) = self.shapes.iter().enumerate().find_map(fits)?;
        let shape = self.shapes.get(index).filter(|_| head_bytes <= self.head_bytes_max)?.clone();
        // What is often met moves to the front, where it is found at once and replaced last.
        self.shapes.swap(index, index.saturating_sub(1));
        Some(Recognised { shape, gaps, head_bytes })
    }

    /// Remembers a head that was read, perhaps. `head_text` is all of it, `verdict` what it came
    /// to.
    pub fn meet(&mut self, head_text: &[u8], head: &RequestHead<'_>, verdict: V) {
        self.stranger_count = self.stranger_count.wrapping_add(1);
        let is_full = self.shapes.len() == SHAPES_MAX;
        if is_full && !self.stranger_count.is_multiple_of(TRIED_EVERY) {
            return;
        }
        if let Some(shape) = Shape::of(head_text, head, verdict) {
            self.shapes.truncate(SHAPES_MAX - 1);
            self.shapes.push(Rc::new(shape));
        }
    }
}

impl<V> fmt::Debug for FamiliarHeads<V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.shapes.len();
        formatter.debug_struct("FamiliarHeads").field("count", &count).finish_non_exhaustive()
    }
}

/// A familiar head in the input.
pub struct Recognised<'b, V> {
    shape: Rc<Shape<V>>,
    gaps: Gaps<'b>,
    /// Where its body begins in the input.
    pub head_bytes: usize,
}

impl<V: Copy> Recognised<'_, V> {
    /// What it came to when it was read.
    #[must_use]
    pub fn verdict(&self) -> V {
        self.shape.verdict
    }

    /// What it says.
    #[must_use]
    #[inline]
    pub fn head(&self) -> RequestHead<'_> {
        let shape = &*self.shape;
        let length = self.gaps[LENGTH].and_then(decimal);
        let value = |place: ValuePlace| place.value(&shape.text, &self.gaps);
        let single = |index: usize| shape.singles.get(index).copied().flatten().and_then(value);
        RequestHead {
            method: shape.method,
            path: shape.path.of(&shape.text).unwrap_or_default(),
            query: None,
            version: shape.version,
            framing: length.map_or(shape.framing, Framing::Length),
            persistence: shape.persistence,
            expectation: Expectation::None,
            authority: shape.host.map(|(host, port)| Authority {
                host: host.of(&shape.text).unwrap_or_default(),
                port,
            }),
            origin: single(0),
            authorization: self.gaps[CREDENTIAL],
            content_type: single(1),
            content_encoding: single(2),
            mcp_protocol_version: single(3),
            mcp_method: single(4),
            mcp_name: single(5),
            mcp_session_id: self.gaps[SESSION],
            last_event_id: None,
            access_control_request_method: None,
            access_control_request_headers: None,
            repeated: None,
            fields: Fields::of_shape(&shape.text, &shape.fields, self.gaps),
            accept: shape.accept,
        }
    }
}

impl<V> fmt::Debug for Recognised<'_, V> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Recognised")
            .field("head_bytes", &self.head_bytes)
            .finish_non_exhaustive()
    }
}

const LENGTH: usize = 0;
const SESSION: usize = 1;
const CREDENTIAL: usize = 2;

/// The gap that the value of this field is.
fn gap_of(known: Option<Known>) -> Option<usize> {
    match known {
        Some(Known::ContentLength) => Some(LENGTH),
        Some(Known::McpSessionId) => Some(SESSION),
        Some(Known::Authorization) => Some(CREDENTIAL),
        _ => None,
    }
}

/// Whether a gap may be filled so. What may not is read as any other head.
fn takes(gap: usize, value: &[u8]) -> bool {
    if gap == LENGTH {
        return decimal(value).is_some();
    }
    let is_visible = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_graphic);
    // No early exit, so that the compiler can look at 16 bytes at a time.
    let is_plain = value.iter().fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'));
    is_visible(value.first()) && is_visible(value.last()) && is_plain
}

/// A head without what fills its gaps.
struct Shape<V> {
    /// All bytes of it, to the last line end; ASCII.
    text: Box<str>,
    /// Where in the text each gap is, in order.
    gaps: Vec<(usize, usize)>,
    fields: Vec<FieldPlace>,
    /// `Origin`, `Content-Type`, `Content-Encoding`, `MCP-Protocol-Version`, `Mcp-Method`,
    /// `Mcp-Name`.
    singles: [Option<ValuePlace>; SINGLES.len()],
    method: Method,
    path: Span,
    version: Version,
    framing: Framing,
    persistence: Persistence,
    host: Option<(Span, Option<u16>)>,
    accept: Lines,
    verdict: V,
}

const SINGLES: [Known; 6] = [
    Known::Origin,
    Known::ContentType,
    Known::ContentEncoding,
    Known::McpProtocolVersion,
    Known::McpMethod,
    Known::McpName,
];

impl<V: Copy> Shape<V> {
    /// The shape of a head, unless there is something about it that is not worth remembering.
    fn of(head_text: &[u8], head: &RequestHead<'_>, verdict: V) -> Option<Self> {
        if !is_usual(head) {
            return None;
        }
        let cut = Cut::of(std::str::from_utf8(head_text).ok()?, head)?;
        let field = |field: Field<'_>| {
            let name = cut.span(field.name.as_bytes())?;
            let value = match gap_of(classify(field.name)) {
                Some(gap) => ValuePlace::Gap(gap),
                None => ValuePlace::Text(cut.span(field.value)?),
            };
            Some(FieldPlace { name, value })
        };
        let fields = head.fields().iter().map(field).collect::<Option<Vec<_>>>()?;
        let single = |known| {
            let of_name = |field: &Field<'_>| classify(field.name) == Some(known);
            fields.get(head.fields().iter().position(|field| of_name(&field))?)
        };
        let host = match head.authority {
            Some(authority) => Some((cut.span(authority.host.as_bytes())?, authority.port)),
            None => None,
        };
        Some(Self {
            singles: SINGLES.map(|known| single(known).map(|place| place.value)),
            method: head.method,
            path: cut.span(head.path.as_bytes())?,
            version: head.version,
            framing: head.framing,
            persistence: head.persistence,
            host,
            accept: head.accept,
            verdict,
            text: cut.text.into_boxed_str(),
            gaps: cut.gaps.iter().map(|gap| (gap.at, gap.of)).collect(),
            fields,
        })
    }

    /// What fills the gaps, and how many bytes the head has, if the input begins with this shape.
    #[inline]
    fn fit<'b>(&self, input: &'b [u8]) -> Option<(Gaps<'b>, usize)> {
        let text = self.text.as_bytes();
        let mut gaps = [None; GAP_COUNT];
        let (mut rest, mut compared) = (input, 0);
        for &(at, gap) in &self.gaps {
            rest = rest.strip_prefix(text.get(compared..at)?)?;
            let window = rest.get(..GAP_BYTES_MAX).unwrap_or(rest);
            let (value, behind) = rest.split_at_checked(memchr::memchr(b'\r', window)?)?;
            if !takes(gap, value) {
                return None;
            }
            *gaps.get_mut(gap)? = Some(value);
            (rest, compared) = (behind, at);
        }
        rest = rest.strip_prefix(text.get(compared..)?)?;
        Some((gaps, input.len() - rest.len()))
    }
}

/// Whether a head is one of those that clients send again and again.
fn is_usual(head: &RequestHead<'_>) -> bool {
    let mut singles_before = Vec::new();
    let is_fine = |field: Field<'_>| match classify(field.name) {
        // Its meaning depends on the length of the body.
        Some(Known::Expect) => false,
        Some(Known::Accept) => true,
        Some(known) => {
            let is_first = !singles_before.contains(&known);
            singles_before.push(known);
            is_first
        }
        // What stands for a person is not kept.
        None => !["cookie", "proxy-authorization"]
            .iter()
            .any(|private| field.name.eq_ignore_ascii_case(private)),
    };
    head.query.is_none()
        && head.last_event_id.is_none()
        && head.access_control_request_method.is_none()
        && head.access_control_request_headers.is_none()
        && head.fields().count() <= FIELDS_MAX
        && head.fields().iter().all(is_fine)
}

/// The text of a head with what fills the gaps cut out.
struct Cut<'h> {
    whole: &'h str,
    text: String,
    gaps: Vec<CutGap>,
}

/// A gap: which, where in the text, and what it held in the whole.
struct CutGap {
    of: usize,
    at: usize,
    start: usize,
    end: usize,
}

impl<'h> Cut<'h> {
    fn of(whole: &'h str, head: &RequestHead<'_>) -> Option<Self> {
        let mut cut = Self { whole, text: String::new(), gaps: Vec::new() };
        let mut copied = 0;
        for field in head.fields().iter() {
            let Some(gap) = gap_of(classify(field.name)) else { continue };
            if !takes(gap, field.value) {
                return None;
            }
            let start = offset_in(whole, field.value)?;
            cut.text.push_str(whole.get(copied..start)?);
            copied = start + field.value.len();
            cut.gaps.push(CutGap { of: gap, at: cut.text.len(), start, end: copied });
        }
        cut.text.push_str(whole.get(copied..)?);
        (cut.text.is_ascii() && cut.text.len() <= TEXT_BYTES_MAX).then_some(cut)
    }

    /// Where in the text a part of the whole is that holds no gap.
    fn span(&self, part: &[u8]) -> Option<Span> {
        let start = offset_in(self.whole, part)?;
        let end = start + part.len();
        let mut cut_bytes = 0;
        for gap in &self.gaps {
            if end <= gap.start {
                break;
            }
            if start < gap.end {
                return None;
            }
            cut_bytes += gap.end - gap.start;
        }
        Span::new(start - cut_bytes, part.len())
    }
}

/// Where `part`, a part of `whole`, begins in it.
fn offset_in(whole: &str, part: &[u8]) -> Option<usize> {
    let start = part.as_ptr().addr().checked_sub(whole.as_ptr().addr())?;
    (start + part.len() <= whole.len()).then_some(start)
}

#[cfg(test)]
mod tests;
