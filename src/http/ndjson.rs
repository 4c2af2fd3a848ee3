//! JSON lines (`application/x-ndjson`), both directions: one JSON document a line.
//!
//! Lines end with LF; a CR before it is dropped. An empty line says nothing, which makes it the way
//! to keep a quiet connection alive.
//! Limits: `line_bytes_max`. Invariant: where reads split the bytes never changes the lines.

use crate::base::fault::Fault;
use crate::http::sse::one_line;

/// Appends one JSON document; should it hold line ends between its tokens, blanks take their place.
pub fn line(out: &mut Vec<u8>, json: &[u8]) {
    one_line(out, json);
    out.push(b'\n');
}

/// Appends an empty line, which keeps a quiet connection alive and says nothing.
pub fn keep_alive(out: &mut Vec<u8>) {
    out.push(b'\n');
}

/// How long a line may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NdjsonLimits {
    /// Bytes of one line, without its end. Default 4 MiB.
    pub line_bytes_max: usize,
}

impl Default for NdjsonLimits {
    fn default() -> Self {
        Self { line_bytes_max: 4 * 1024 * 1024 }
    }
}

/// A line was longer than `limit_bytes`. The decoder is of no further use after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line over {limit_bytes} bytes")]
pub struct LineTooLong {
    /// The limit.
    pub limit_bytes: usize,
}

impl LineTooLong {
    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        Fault::Upstream
    }
}

/// Decodes a body of JSON lines.
#[derive(Clone, Debug)]
pub struct NdjsonDecoder {
    limits: NdjsonLimits,
    /// The part of a line whose end has not come, or the line that was given out last.
    line: Vec<u8>,
    dispatched: bool,
}

impl NdjsonDecoder {
    /// A decoder at the start of a body.
    #[must_use]
    pub const fn new(limits: NdjsonLimits) -> Self {
        Self { limits, line: Vec::new(), dispatched: false }
    }

    /// Takes bytes off the front of `input` up to the end of the next line that is not empty.
    /// `None` when `input` is empty and the line goes on.
    ///
    /// # Errors
    /// `LineTooLong`, after all lines that came before it.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<&[u8]>, LineTooLong> {
        loop {
            if std::mem::take(&mut self.dispatched) {
                self.line.clear();
            }
            let end = memchr::memchr(b'\n', input);
            let (part, rest) =
                input.split_at_checked(end.unwrap_or(input.len())).unwrap_or_default();
            self.line.extend_from_slice(part.get(..self.room(part)?).unwrap_or_default());
            *input = rest;
            let Some((_, rest)) = rest.split_first() else { return Ok(None) };
            *input = rest;
            self.dispatched = true;
            if !content(&self.line).is_empty() {
                return Ok(Some(content(&self.line)));
            }
        }
    }

    /// What is left at the end of the body: a last line without its LF, whole or cut off.
    #[must_use]
    pub fn finish(&self) -> Option<&[u8]> {
        let line = if self.dispatched { &[] } else { content(&self.line) };
        (!line.is_empty()).then_some(line)
    }

    /// How many bytes of `part` the line takes: all, or too many for the limit. A CR at the end is
    /// not counted, since it may belong to the line's end.
    fn room(&self, part: &[u8]) -> Result<usize, LineTooLong> {
        let limit_bytes = self.limits.line_bytes_max;
        let ends_with_return = match part.last() {
            Some(&last) => last == b'\r',
            None => self.line.last() == Some(&b'\r'),
        };
        let line_bytes = self.line.len() + part.len() - usize::from(ends_with_return);
        if line_bytes > limit_bytes { Err(LineTooLong { limit_bytes }) } else { Ok(part.len()) }
    }
}

fn content(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The lines of `input` in pieces that end at `cuts`, what is left, and the error.
    fn decode_cut(
        input: &[u8],
        cuts: impl IntoIterator<Item = usize>,
        limits: NdjsonLimits,
    ) -> (Vec<Vec<u8>>, Option<Vec<u8>>, Option<LineTooLong>) {
        let mut decoder = NdjsonDecoder::new(limits);
        let (mut lines, mut start) = (Vec::new(), 0);
        for end in cuts.into_iter().chain([input.len()]) {
            let mut piece = &input[start..end];
            start = end;
            loop {
                match decoder.decode(&mut piece) {
                    Ok(Some(line)) => lines.push(line.to_vec()),
                    Ok(None) => break,
                    Err(error) => return (lines, None, Some(error)),
                }
            }
        }
        let left = decoder.finish().map(<[u8]>::to_vec);
        (lines, left, None)
    }

    #[test]
    fn lines_are_read_and_empty_ones_skipped() {
        for (input, lines, left) in [
            ("{}\n[]\n", vec!["{}", "[]"], None),
            ("\n\r\n{}\r\n\n", vec!["{}"], None),
            ("{}\n[", vec!["{}"], Some("[")),
            ("{}", vec![], Some("{}")),
            ("{}\r", vec![], Some("{}")),
            ("a\rb\n", vec!["a\rb"], None),
            ("", vec![], None),
        ] {
            for cut in 0..=input.len() {
                let (read, rest, error) =
                    decode_cut(input.as_bytes(), [cut], NdjsonLimits::default());
                let wanted: Vec<_> = lines.iter().map(|line| line.as_bytes().to_vec()).collect();
                assert_eq!((read, error), (wanted, None), "{input:?} cut at {cut}");
                assert_eq!(rest.as_deref(), left.map(str::as_bytes), "{input:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn the_limit_holds_at_its_value_and_refuses_one_past_it() {
        let limits = NdjsonLimits { line_bytes_max: 4 };
        let too_long = Some(LineTooLong { limit_bytes: 4 });
        for (input, wanted) in [
            ("1234\n1234\r\n", None),
            ("12345", too_long),
            ("12345\n", too_long),
            ("1234\r5", too_long),
            ("1234\r\r\n", too_long),
        ] {
            for cut in 0..=input.len() {
                let (_, _, error) = decode_cut(input.as_bytes(), [cut], limits);
                assert_eq!(error, wanted, "{input:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn documents_are_written_on_one_line() {
        let mut out = Vec::new();
        line(&mut out, b"{\n}");
        keep_alive(&mut out);
        line(&mut out, b"[]");
        assert_eq!(out, b"{ }\n\n[]\n");
    }

    proptest! {
        #[test]
        fn where_reads_split_lines_does_not_matter(
            parts in prop::collection::vec(
                prop::sample::select(vec!["{}", "x", "\r", "\n", "\r\n"]), 0..16,
            ),
        ) {
            let input = parts.concat();
            let limits = NdjsonLimits { line_bytes_max: 5 };
            let whole = decode_cut(input.as_bytes(), [], limits);
            for cut in 0..=input.len() {
                prop_assert_eq!(&decode_cut(input.as_bytes(), [cut], limits), &whole);
            }
            prop_assert_eq!(&decode_cut(input.as_bytes(), 0..input.len(), limits), &whole);
        }
    }
}
