//! One function for each decoder that hostile bytes reach, for fuzzers and for the replay of what
//! they found. No promise is kept here.
//!
//! Each function takes the bytes of a fuzzer: the first says in how many pieces the rest is cut, a
//! byte for each piece says how long it is, and what follows is the input. The decoder sees the
//! input whole and in pieces, and must answer alike.
//! A new decoder adds a function, a row of `DECODERS`, a file in `fuzz/fuzz_targets` and seeds in
//! `fuzz/corpus`.

mod bodies;
mod events;
mod heads;
mod json;
mod names;
mod skills;
mod stream;

use self::bodies::{check_chunked, check_pipeline};
use self::events::{check_ndjson, check_sse};
use self::heads::{check_accept, check_head, check_response};
use self::json::{check_client_form, check_jsonrpc};
use self::names::{check_session, check_template};
use self::skills::check_front_matter;
use self::stream::check_stream;

/// Every decoder: its name, which is also that of its corpus, and its check of one input cut in one
/// way.
pub const DECODERS: &[(&str, Check)] = &[
    ("accept", check_accept),
    ("chunked", check_chunked),
    ("client_form", check_client_form),
    ("front_matter", check_front_matter),
    ("head", check_head),
    ("jsonrpc", check_jsonrpc),
    ("ndjson", check_ndjson),
    ("pipeline", check_pipeline),
    ("response", check_response),
    ("session", check_session),
    ("sse", check_sse),
    ("stream", check_stream),
    ("template", check_template),
];

/// Asserts that a decoder answers alike to an input whole and cut; panics if not.
pub type Check = fn(&[u8], Cuts<'_>);

/// Request heads.
pub fn head(data: &[u8]) {
    run(data, check_head);
}

/// Chunked bodies.
pub fn chunked(data: &[u8]) {
    run(data, check_chunked);
}

/// Requests one after another on one connection, as a server reads them.
pub fn pipeline(data: &[u8]) {
    run(data, check_pipeline);
}

/// Response heads.
pub fn response(data: &[u8]) {
    run(data, check_response);
}

/// `Accept`, a line of the field for each line of the input.
pub fn accept(data: &[u8]) {
    run(data, check_accept);
}

/// Server-sent events.
pub fn sse(data: &[u8]) {
    run(data, check_sse);
}

/// JSON lines.
pub fn ndjson(data: &[u8]) {
    run(data, check_ndjson);
}

/// JSON-RPC messages.
pub fn jsonrpc(data: &[u8]) {
    run(data, check_jsonrpc);
}

/// A form of a server: its schema in JSON, and what is typed into it.
pub fn client_form(data: &[u8]) {
    run(data, check_client_form);
}

/// The front matter of a `SKILL.md`.
pub fn front_matter(data: &[u8]) {
    run(data, check_front_matter);
}

/// Ids of sessions, tasks and events, and sealed tokens.
pub fn session(data: &[u8]) {
    run(data, check_session);
}

/// An event stream: each byte is something that happens to it.
pub fn stream(data: &[u8]) {
    run(data, check_stream);
}

/// A template of addresses on the first line, an address on each other.
pub fn template(data: &[u8]) {
    run(data, check_template);
}

/// Where an input is cut.
#[derive(Clone, Copy, Debug)]
pub enum Cuts<'a> {
    /// At one offset.
    At(usize),
    /// After each byte.
    EachByte,
    /// After pieces of these lengths.
    Lengths(&'a [u8]),
}

impl Cuts<'_> {
    fn pieces(self, input: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::At(at) => {
                input.split_at_checked(at).map_or(vec![input], |(head, tail)| vec![head, tail])
            }
            Self::EachByte => input.chunks(1).collect(),
            Self::Lengths(lengths) => {
                let (mut pieces, mut rest) = (Vec::new(), input);
                for &length in lengths {
                    let Some((piece, tail)) = rest.split_at_checked(length.into()) else { break };
                    pieces.push(piece);
                    rest = tail;
                }
                pieces.push(rest);
                pieces
            }
        }
    }
}

/// The lengths of the pieces, and the input, that a fuzzer's bytes mean.
#[must_use]
pub fn split(data: &[u8]) -> (&[u8], &[u8]) {
    let Some((&count, rest)) = data.split_first() else { return (&[], &[]) };
    rest.split_at_checked(usize::from(count & 7)).unwrap_or((&[], rest))
}

fn run(data: &[u8], check: Check) {
    let (lengths, input) = split(data);
    check(input, Cuts::Lengths(lengths));
}

/// Asserts that a reader answers alike whether it is given the input whole or in pieces.
fn alike(input: &[u8], cuts: Cuts<'_>, read: fn(&[&[u8]]) -> String) {
    assert_eq!(read(&cuts.pieces(input)), read(&[input]), "{cuts:?} of {:?}", input.escape_ascii());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fuzzers_bytes_say_where_they_are_cut() {
        assert_eq!(split(b""), (b"".as_slice(), b"".as_slice()));
        assert_eq!(split(b"0input"), (b"".as_slice(), b"input".as_slice()));
        assert_eq!(split(b"2\x01\x02input"), (b"\x01\x02".as_slice(), b"input".as_slice()));
        assert_eq!(split(b"7abc"), (b"".as_slice(), b"abc".as_slice()));
        let pieces = Cuts::Lengths(&[1, 2, 9]).pieces(b"input");
        assert_eq!(pieces, [b"i".as_slice(), b"np", b"ut"]);
        assert_eq!(Cuts::At(9).pieces(b"input"), [b"input".as_slice()]);
    }
}
