//! `Accept` and `Content-Type`: our three media types, which of them a client takes and likes best.
//!
//! In: the lines of the field. Out: an `Acceptance` of a few bytes. Spec: RFC 9110 §12.4.2,
//! §12.5.1.
//! Rules: the most specific range that covers a type decides it, `q=0` excludes it; parameters
//! other than `q` are not looked at; of equally specific ranges the kindest counts. Malformed
//! elements are skipped, and a field without a sound element counts as absent. An absent field
//! accepts anything, but NDJSON is used only when it is named: neither absence nor a wildcard
//! selects it. Between the two stream formats the higher `q` wins; at equal `q` one that is named
//! beats one that a wildcard covers, then the one named first.

use crate::http::field::{is_token, trim};

/// How much a type is liked, in thousandths: 0 (not acceptable) to 1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quality(u16);

impl Quality {
    /// Not acceptable.
    pub const NONE: Self = Self(0);
    /// As good as any.
    pub const FULL: Self = Self(1000);

    /// Whether the type may be sent at all.
    #[must_use]
    pub const fn is_acceptable(self) -> bool {
        self.0 > 0
    }

    /// The thousandths.
    #[must_use]
    pub const fn thousandths(self) -> u16 {
        self.0
    }
}

/// A media type that we send and take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaType {
    /// `application/json`.
    Json,
    /// `text/event-stream`.
    Sse,
    /// `application/x-ndjson`.
    Ndjson,
}

impl MediaType {
    /// The type that a `Content-Type` names, whatever its case and its parameters (RFC 9110
    /// §8.3.1). `None` for any other.
    #[must_use]
    pub fn of(content_type: &[u8]) -> Option<Self> {
        let (name, _) = split_unquoted(content_type, b';');
        let name = trim(name);
        [Self::Json, Self::Sse, Self::Ndjson]
            .into_iter()
            .find(|known| name.eq_ignore_ascii_case(known.name().as_bytes()))
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Sse => "text/event-stream",
            Self::Ndjson => "application/x-ndjson",
        }
    }
}

/// A format for bodies that carry several messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamFormat {
    /// `text/event-stream`.
    Sse,
    /// `application/x-ndjson`.
    Ndjson,
}

/// What a client accepts of what we can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// `application/json`.
    pub json: Quality,
    /// `text/event-stream`.
    pub sse: Quality,
    /// `application/x-ndjson`; acceptable only if named.
    pub ndjson: Quality,
    /// The format to use at equal quality.
    first: StreamFormat,
}

impl Acceptance {
    /// What a client accepts that sent no `Accept`.
    pub const ANYTHING: Self = Self {
        json: Quality::FULL,
        sse: Quality::FULL,
        ndjson: Quality::NONE,
        first: StreamFormat::Sse,
    };

    /// Reads the lines of `Accept`; none means that the field is absent.
    #[must_use]
    pub fn parse<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut lines = lines.into_iter();
        let (first, second) = (lines.next(), lines.next());
        // What MCP tells clients to send is worth not reading anew with each request. It means what
        // no field at all means.
        if first == Some(USUAL_LINE) && second.is_none() {
            return Self::ANYTHING;
        }
        Self::parse_lines(first.into_iter().chain(second).chain(lines))
    }

    fn parse_lines<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut ranks = Ranks::default();
        let mut sound_count = 0usize;
        for line in lines {
            let mut rest = line;
            while !rest.is_empty() {
                let (element, tail) = split_element(rest);
                rest = tail;
                if let Some(range) = Range::parse(element) {
                    sound_count += 1;
                    ranks.note(&range, sound_count);
                }
            }
        }
        if sound_count == 0 { Self::ANYTHING } else { ranks.acceptance() }
    }

    /// Whether one JSON document may be sent.
    #[must_use]
    pub const fn json_acceptable(self) -> bool {
        self.json.is_acceptable()
    }

    /// The stream format to use, if any may be.
    #[must_use]
    pub fn prefers_stream(self) -> Option<StreamFormat> {
        match self.sse.max(self.ndjson) {
            Quality::NONE => None,
            _ if self.sse > self.ndjson => Some(StreamFormat::Sse),
            _ if self.sse < self.ndjson => Some(StreamFormat::Ndjson),
            _ => Some(self.first),
        }
    }

    /// Whether nothing that we can send may be sent: answer 406.
    #[must_use]
    pub fn nothing_acceptable(self) -> bool {
        !self.json_acceptable() && self.prefers_stream().is_none()
    }
}

/// MCP basic/transports, Sending Messages to the Server.
const USUAL_LINE: &[u8] = b"application/json, text/event-stream";

/// What a media range covers; the order is that of precedence (RFC 9110 §12.5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cover {
    All,
    Type,
    Exact,
}

/// One sound element of `Accept`.
struct Range<'a> {
    kind: &'a [u8],
    subtype: &'a [u8],
    quality: Quality,
}

impl<'a> Range<'a> {
    fn parse(element: &'a [u8]) -> Option<Self> {
        let (media, parameters) = split_unquoted(element, b';');
        let mut halves = trim(media).splitn(2, |&byte| byte == b'/');
        let (kind, subtype) = (halves.next()?, halves.next()?);
        // `*` is a token character, so `*/json` must be ruled out by itself.
        if !is_token(kind) || !is_token(subtype) || (kind == b"*" && subtype != b"*") {
            return None;
        }
        let quality = weight(parameters)?;
        Some(Self { kind, subtype, quality })
    }

    fn covers(&self, kind: &str, subtype: &str) -> Option<Cover> {
        if self.kind == b"*" {
            return Some(Cover::All);
        }
        if !self.kind.eq_ignore_ascii_case(kind.as_bytes()) {
            return None;
        }
        match self.subtype {
            b"*" => Some(Cover::Type),
            subtype_named if subtype_named.eq_ignore_ascii_case(subtype.as_bytes()) => {
                Some(Cover::Exact)
            }
            _ => None,
        }
    }
}

/// The best range so far for one of our types: how specific, how liked, and the how-manieth.
#[derive(Clone, Copy, Default)]
struct Rank {
    cover: Option<Cover>,
    quality: Quality,
    place: usize,
}

impl Rank {
    fn note(&mut self, cover: Option<Cover>, quality: Quality, place: usize) {
        if cover.is_some() && (cover, quality) > (self.cover, self.quality) {
            let place = if cover == self.cover { self.place } else { place };
            *self = Self { cover, quality, place };
        }
    }
}

#[derive(Default)]
struct Ranks {
    json: Rank,
    sse: Rank,
    ndjson: Rank,
}

impl Ranks {
    fn note(&mut self, range: &Range<'_>, place: usize) {
        let Range { quality, .. } = *range;
        self.json.note(range.covers("application", "json"), quality, place);
        self.sse.note(range.covers("text", "event-stream"), quality, place);
        let named = range.covers("application", "x-ndjson").filter(|&it| it == Cover::Exact);
        self.ndjson.note(named, quality, place);
    }

    fn acceptance(self) -> Acceptance {
        // NDJSON is always named. SSE comes first only if it is named too, and before it.
        let sse_first = match (self.sse.cover, self.ndjson.cover) {
            (_, None) => true,
            (Some(Cover::Exact), Some(_)) => self.sse.place < self.ndjson.place,
            (_, Some(_)) => false,
        };
        Acceptance {
            json: self.json.quality,
            sse: self.sse.quality,
            ndjson: self.ndjson.quality,
            first: if sse_first { StreamFormat::Sse } else { StreamFormat::Ndjson },
        }
    }
}

/// The value of the first `q` parameter, full if there is none; `None` if a parameter is malformed.
fn weight(parameters: &[u8]) -> Option<Quality> {
    let mut quality = None;
    let mut rest = parameters;
    while !rest.is_empty() {
        let (parameter, tail) = split_unquoted(rest, b';');
        rest = tail;
        let parameter = trim(parameter);
        if parameter.is_empty() {
            continue;
        }
        let (name, value) = split_unquoted(parameter, b'=');
        if !is_token(name) {
            return None;
        }
        if name.eq_ignore_ascii_case(b"q") && quality.is_none() {
            quality = Some(qvalue(value)?);
        }
    }
    Some(quality.unwrap_or(Quality::FULL))
}

/// `( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )`, RFC 9110 §12.4.2.
fn qvalue(text: &[u8]) -> Option<Quality> {
    let (whole, decimals) = match text {
        [whole @ (b'0' | b'1')] => (*whole, [].as_slice()),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (*whole, decimals),
        _ => return None,
    };
    let mut thousandths = u16::from(whole - b'0') * 1000;
    let mut unit = 100;
    for digit in decimals {
        if !digit.is_ascii_digit() {
            return None;
        }
        thousandths += u16::from(digit - b'0') * unit;
        unit /= 10;
    }
    (thousandths <= 1000).then_some(Quality(thousandths))
}

fn split_element(list: &[u8]) -> (&[u8], &[u8]) {
    split_unquoted(list, b',')
}

/// Splits at the first `separator` that is not inside a quoted string; without one, all and
/// nothing.
fn split_unquoted(bytes: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let mut quoted = false;
    let mut escaped = false;
    let at = bytes.iter().position(|&byte| {
        if escaped {
            escaped = false;
        } else if quoted && byte == b'\\' {
            escaped = true;
        } else if byte == b'"' {
            quoted = !quoted;
        } else {
            return byte == separator && !quoted;
        }
        false
    });
    let Some(at) = at else { return (bytes, &[]) };
    (bytes.get(..at).unwrap_or_default(), bytes.get(at + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests;
