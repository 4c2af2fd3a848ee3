//! Request and response bodies: by length or in chunks, decoded in place.
//!
//! In: the caller's growing buffer, in which the body begins at `body_start`. Out: `Progress`; the
//! body's bytes stand together from `body_start` on, the framing between chunks gone.
//! Spec: RFC 9112 §6.2, §7.1. Limits: `BodyLimits`.
//! Invariant: `body_start <= body end <= bytes.len()`; what follows the body end is not yet
//! decoded.
//! Each call moves each byte at most once, and looks again at no more than one incomplete line.
//!
//! ```text
//! Size ─▶ Data ─▶ DataEnd ─▶ Size … Size(0) ─▶ Trailers ─▶ Done
//! ```

use std::ops::Range;

use crate::base::fault::Fault;
use crate::http::field::is_tchar;
use crate::http::h1::lines::check_field_line;
use crate::http::head::Framing;

/// How large a body and its framing may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimits {
    /// Bytes of the body, declared or received. Default 4 MiB; beyond it 413.
    pub body_bytes_max: u64,
    /// Bytes of a line with a chunk's length, extensions included, line end not. Default 256;
    /// beyond it 400.
    pub chunk_line_bytes_max: usize,
    /// Bytes of all trailers, line ends included. Default 8 KiB; beyond it 400.
    pub trailers_bytes_max: usize,
    /// Bytes of chunk framing that are allowed to any body. Default 16 KiB.
    pub framing_slack_bytes: u64,
    /// Bytes of chunk framing that are allowed beyond the slack for each byte of the body. Default
    /// 4; framing beyond both is answered with 400.
    pub framing_factor: u64,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 4 * 1024 * 1024,
            chunk_line_bytes_max: 256,
            trailers_bytes_max: 8 * 1024,
            framing_slack_bytes: 16 * 1024,
            framing_factor: 4,
        }
    }
}

/// Why a body was refused. The rest of the connection cannot be read after any of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body has, or declares, more than `limit_bytes`.
    #[error("body over {limit_bytes} bytes")]
    BodyTooLong {
        /// The limit.
        limit_bytes: u64,
    },
    /// A chunk's line is longer than `limit_bytes`.
    #[error("chunk line over {limit_bytes} bytes")]
    ChunkLineTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// The trailers are longer than `limit_bytes`.
    #[error("trailers over {limit_bytes} bytes")]
    TrailersTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// The chunks are so small that their framing outweighs what they carry.
    #[error("more chunk framing than its body warrants")]
    FramingTooHeavy,
    /// A chunk's length is not 1 to 16 hex digits, or its extensions break the grammar.
    #[error("malformed chunk line")]
    ChunkLine,
    /// A chunk's data is not followed by CRLF.
    #[error("chunk data without line end")]
    ChunkEnd,
    /// A line of the framing ended with LF alone.
    #[error("line feed without carriage return")]
    BareLineFeed,
    /// A trailer is no field (RFC 9110 §6.5.1).
    #[error("malformed trailer")]
    Trailer,
}

impl BodyError {
    /// The status that answers it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::BodyTooLong { .. } => 413,
            Self::ChunkLineTooLong { .. }
            | Self::TrailersTooLong { .. }
            | Self::FramingTooHeavy
            | Self::ChunkLine
            | Self::ChunkEnd
            | Self::BareLineFeed
            | Self::Trailer => 400,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        Fault::Peer
    }
}

/// How far a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More bytes are needed.
    Incomplete,
    /// The body is there.
    Complete {
        /// Where it stands in the buffer.
        body: Range<usize>,
        /// Where the next message begins; past the framing that lay between.
        next_start: usize,
    },
}

/// Decodes one body, whatever its framing.
#[derive(Clone, Debug)]
pub struct BodyDecoder(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Length { body: Range<usize> },
    Chunked(ChunkedDecoder),
}

impl BodyDecoder {
    /// A decoder for the body that begins at `body_start` of the buffer.
    ///
    /// # Errors
    /// `BodyTooLong` when the declared length is over the limit, before any of it is received.
    pub fn new(
        framing: Framing,
        body_start: usize,
        limits: &BodyLimits,
    ) -> Result<Self, BodyError> {
        let length = match framing {
            Framing::Chunked => {
                return Ok(Self(Kind::Chunked(ChunkedDecoder::new(body_start, limits))));
            }
            Framing::Length(length) => length,
            Framing::None => 0,
        };
        let too_long = BodyError::BodyTooLong { limit_bytes: limits.body_bytes_max };
        if length > limits.body_bytes_max {
            return Err(too_long);
        }
        let length = usize::try_from(length).map_err(|_| too_long)?;
        let end = body_start.checked_add(length).ok_or(too_long)?;
        Ok(Self(Kind::Length { body: body_start..end }))
    }

    /// How many bytes of the body, or of the chunk that is being read, are still to come when
    /// `bytes` are all there is.
    #[must_use]
    pub fn missing_bytes(&self, bytes: &[u8]) -> usize {
        match &self.0 {
            Kind::Length { body } => body.end.saturating_sub(bytes.len()),
            Kind::Chunked(chunked) => match chunked.state {
                State::Data { left_bytes } => usize::try_from(left_bytes).unwrap_or(usize::MAX),
                _ => 0,
            },
        }
    }

    /// Follows the body to where it is once `count` bytes before it are taken out of the buffer.
    pub fn move_down(&mut self, count: usize) {
        match &mut self.0 {
            Kind::Length { body } | Kind::Chunked(ChunkedDecoder { body, .. }) => {
                debug_assert!(count <= body.start, "the body itself was cut");
                *body = body.start.saturating_sub(count)..body.end.saturating_sub(count);
            }
        }
    }

    /// Decodes what was received since the last call. Only bytes at the end may have been added.
    ///
    /// # Errors
    /// As [`ChunkedDecoder::advance`]; never for a body with a length.
    pub fn advance(&mut self, bytes: &mut Vec<u8>) -> Result<Progress, BodyError> {
        match &mut self.0 {
            Kind::Chunked(chunked) => chunked.advance(bytes),
            Kind::Length { body } if body.end <= bytes.len() => {
                Ok(Progress::Complete { body: body.clone(), next_start: body.end })
            }
            Kind::Length { .. } => Ok(Progress::Incomplete),
        }
    }
}

/// Decodes the chunked coding (RFC 9112 §7.1).
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    limits: BodyLimits,
    state: State,
    /// Where the decoded bytes that are still in the buffer stand.
    body: Range<usize>,
    /// Bytes of all chunks begun so far, also of those that were consumed.
    data_bytes: u64,
    framing_bytes: u64,
    trailers_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A line with a chunk's length comes.
    Size,
    /// So many bytes of the chunk are still to come.
    Data { left_bytes: u64 },
    /// The CRLF after a chunk comes.
    DataEnd,
    /// Trailers or the empty line that ends the body come.
    Trailers,
    /// The body is complete; `next_start` follows it.
    Done { next_start: usize },
}

/// What one step of the machine did.
enum Step {
    /// It moved on; the next unread byte is at this offset.
    To(usize),
    /// It needs more bytes.
    Starved,
}

impl ChunkedDecoder {
    /// A decoder for the chunks that begin at `body_start` of the buffer.
    #[must_use]
    pub const fn new(body_start: usize, limits: &BodyLimits) -> Self {
        Self {
            limits: *limits,
            state: State::Size,
            body: body_start..body_start,
            data_bytes: 0,
            framing_bytes: 0,
            trailers_bytes: 0,
        }
    }

    /// Where the bytes decoded so far stand.
    #[must_use]
    pub fn body(&self) -> Range<usize> {
        self.body.clone()
    }

    /// Decodes what was received since the last call. Bytes may only have been added at the end.
    /// Unless the body is complete, what is not decoded follows the body directly.
    ///
    /// # Errors
    /// `BodyError`; the buffer's content past the body is unspecified then.
    pub fn advance(&mut self, bytes: &mut Vec<u8>) -> Result<Progress, BodyError> {
        let mut read = self.body.end;
        loop {
            if let State::Done { next_start } = self.state {
                return Ok(Progress::Complete { body: self.body(), next_start });
            }
            match self.step(bytes, read)? {
                Step::To(next) => read = next,
                Step::Starved => break,
            }
        }
        // At most one incomplete line is left behind the gap.
        if read > self.body.end && read <= bytes.len() {
            bytes.drain(self.body.end..read);
        }
        Ok(Progress::Incomplete)
    }

    /// Takes the bytes decoded so far out of the buffer, for a reader that works as they come. The
    /// limits go on counting them.
    pub fn consume(&mut self, bytes: &mut Vec<u8>) {
        debug_assert!(self.body.end <= bytes.len(), "the buffer was cut");
        let taken_bytes = self.body.len();
        if self.body.end <= bytes.len() {
            bytes.drain(self.body());
        }
        self.body.end = self.body.start;
        if let State::Done { next_start } = &mut self.state {
            *next_start -= taken_bytes;
        }
    }

    fn step(&mut self, bytes: &mut [u8], read: usize) -> Result<Step, BodyError> {
        match self.state {
            State::Size => self.size(bytes, read),
            State::Data { left_bytes } => Ok(self.data(bytes, read, left_bytes)),
            State::DataEnd => self.data_end(bytes, read),
            State::Trailers => self.trailer(bytes, read),
            State::Done { .. } => Ok(Step::Starved),
        }
    }

    fn size(&mut self, bytes: &[u8], read: usize) -> Result<Step, BodyError> {
        let limit_bytes = self.limits.chunk_line_bytes_max;
        let too_long = BodyError::ChunkLineTooLong { limit_bytes };
        let Some((line, next)) = line(bytes, read, limit_bytes, too_long)? else {
            return Ok(Step::Starved);
        };
        let length = chunk_length(line).ok_or(BodyError::ChunkLine)?;
        self.count_framing(next - read)?;
        if length == 0 {
            self.state = State::Trailers;
            return Ok(Step::To(next));
        }
        let limit_bytes = self.limits.body_bytes_max;
        self.data_bytes = self
            .data_bytes
            .checked_add(length)
            .filter(|&data_bytes| data_bytes <= limit_bytes)
            .ok_or(BodyError::BodyTooLong { limit_bytes })?;
        self.state = State::Data { left_bytes: length };
        Ok(Step::To(next))
    }

    /// Moves what is there of a chunk to the end of the body.
    fn data(&mut self, bytes: &mut [u8], read: usize, left_bytes: u64) -> Step {
        let there = bytes.len().saturating_sub(read);
        if there == 0 {
            return Step::Starved;
        }
        let count = usize::try_from(left_bytes).map_or(there, |left_bytes| left_bytes.min(there));
        if read != self.body.end {
            bytes.copy_within(read..read + count, self.body.end);
        }
        self.body.end += count;
        self.state = match left_bytes - count as u64 {
            0 => State::DataEnd,
            left_bytes => State::Data { left_bytes },
        };
        Step::To(read + count)
    }

    fn data_end(&mut self, bytes: &[u8], read: usize) -> Result<Step, BodyError> {
        match bytes.get(read..).unwrap_or_default() {
            [b'\r', b'\n', ..] => {
                self.framing_bytes += 2;
                self.state = State::Size;
                Ok(Step::To(read + 2))
            }
            [] | [b'\r'] => Ok(Step::Starved),
            _ => Err(BodyError::ChunkEnd),
        }
    }

    fn trailer(&mut self, bytes: &[u8], read: usize) -> Result<Step, BodyError> {
        let limit_bytes = self.limits.trailers_bytes_max;
        let too_long = BodyError::TrailersTooLong { limit_bytes };
        let left_bytes = limit_bytes - self.trailers_bytes;
        let Some((line, next)) = line(bytes, read, left_bytes, too_long)? else {
            return Ok(Step::Starved);
        };
        if line.is_empty() {
            self.state = State::Done { next_start: next };
            return Ok(Step::To(next));
        }
        self.trailers_bytes += next - read;
        if self.trailers_bytes > limit_bytes {
            return Err(too_long);
        }
        check_field_line(line).map_err(|_| BodyError::Trailer)?;
        Ok(Step::To(next))
    }

    /// Weighs the framing against the data of the chunks that came before it, which are complete,
    /// so that the answer does not depend on how much of the next one is there.
    fn count_framing(&mut self, count: usize) -> Result<(), BodyError> {
        self.framing_bytes += count as u64;
        let allowed = self
            .data_bytes
            .saturating_mul(self.limits.framing_factor)
            .saturating_add(self.limits.framing_slack_bytes);
        if self.framing_bytes > allowed { Err(BodyError::FramingTooHeavy) } else { Ok(()) }
    }
}

/// The line at `read` without its CRLF and the offset after it, or `None` while it is incomplete.
/// Its length is judged before its end is known, so that it is judged alike at every split.
fn line(
    bytes: &[u8],
    read: usize,
    limit_bytes: usize,
    too_long: BodyError,
) -> Result<Option<(&[u8], usize)>, BodyError> {
    let rest = bytes.get(read..).unwrap_or_default();
    // A line end and one byte past the limit decide; more need not be searched.
    let window = rest.get(..limit_bytes.saturating_add(2)).unwrap_or(rest);
    let end = memchr::memchr(b'\n', window);
    let line = window.get(..end.unwrap_or(window.len())).unwrap_or_default();
    let content = line.strip_suffix(b"\r");
    if content.unwrap_or(line).len() > limit_bytes {
        return Err(too_long);
    }
    match (end, content) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(BodyError::BareLineFeed),
        (Some(end), Some(content)) => Ok(Some((content, read + end + 1))),
    }
}

/// `chunk-size [ chunk-ext ]`, RFC 9112 §7.1.1. The extensions say nothing to us.
fn chunk_length(line: &[u8]) -> Option<u64> {
    let digit_count = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extensions) = line.split_at_checked(digit_count)?;
    if !(1..=16).contains(&digit_count) || !are_extensions(extensions) {
        return None;
    }
    digits.iter().try_fold(0u64, |length, &digit| {
        let digit = char::from(digit).to_digit(16)?;
        length.checked_mul(16)?.checked_add(u64::from(digit))
    })
}

/// `*( BWS ";" BWS token [ BWS "=" BWS ( token / quoted-string ) ] )`
fn are_extensions(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some(after) = skip_blanks(rest).strip_prefix(b";").and_then(skip_token) else {
            return false;
        };
        rest = after;
        if let Some(value) = skip_blanks(after).strip_prefix(b"=") {
            match skip_quoted(skip_blanks(value)).or_else(|| skip_token(value)) {
                Some(after) => rest = after,
                None => return false,
            }
        }
    }
    true
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blank_count = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    bytes.get(blank_count..).unwrap_or_default()
}

/// What follows the blanks and the token at the start of `bytes`.
fn skip_token(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = skip_blanks(bytes);
    let count = bytes.iter().take_while(|&&byte| is_tchar(byte)).count();
    bytes.get(count..).filter(|_| count > 0)
}

/// What follows the `quoted-string` (RFC 9110 §5.6.4) at the start of `bytes`.
fn skip_quoted(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'\t' | b' '..=b'~' | 0x80.., tail @ ..] => tail,
            [b'\\', ..] => return None,
            [b'\t' | b' '..=b'~' | 0x80.., tail @ ..] => tail,
            _ => return None,
        };
    }
}

#[cfg(test)]
mod tests;
