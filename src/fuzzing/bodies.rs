//! Bodies, and requests one after another on one connection, as a server reads them.
//!
//! Fuzzed: `http/h1/body` with `http/h1/head` before it (RFC 9112 §6, §7, §9.3).
//! Invariant: where reads cut the bytes never changes where a request ends, nor the error.

use std::fmt::Write as _;

use super::{Cuts, alike};
use crate::http::h1::body::{BodyDecoder, BodyLimits, ChunkedDecoder, Progress};
use crate::http::h1::head::{Decoded, FieldSlots, HeadLimits, decode as decode_head};
use crate::http::head::Persistence;

/// Small enough for a fuzzer to find the far side of.
const BODY_LIMITS: BodyLimits = BodyLimits {
    body_bytes_max: 4096,
    chunk_line_bytes_max: 64,
    trailers_bytes_max: 128,
    framing_slack_bytes: 64,
    framing_factor: 4,
};

pub(super) fn check_chunked(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut bytes = b"head".to_vec();
        let mut decoder = ChunkedDecoder::new(bytes.len(), &BODY_LIMITS);
        let mut received_bytes = 0;
        for piece in pieces {
            bytes.extend_from_slice(piece);
            received_bytes += piece.len();
            match decoder.advance(&mut bytes) {
                Ok(Progress::Incomplete) => {}
                Ok(Progress::Complete { body, next_start }) => {
                    let used_bytes = received_bytes - (bytes.len() - next_start);
                    return format!("{used_bytes} {:?}", bytes.get(body));
                }
                Err(error) => return error.to_string(),
            }
            assert!(bytes.starts_with(b"head") && decoder.body().end <= bytes.len());
        }
        format!("incomplete {:?}", bytes.get(decoder.body()))
    });
}

pub(super) fn check_pipeline(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut connection = Connection::default();
        for piece in pieces {
            connection.buffer.extend_from_slice(piece);
            while connection.state != Reading::Nothing && connection.step() {}
        }
        format!("{:?} {}", connection.state, connection.told)
    });
}

/// A server's reading side, without a server.
#[derive(Default)]
struct Connection {
    buffer: Vec<u8>,
    state: Reading,
    body: Option<BodyDecoder>,
    persistence: Option<Persistence>,
    told: String,
}

#[derive(Debug, Default, PartialEq)]
enum Reading {
    #[default]
    Head,
    Body,
    /// After an error, or after a request that ends its connection.
    Nothing,
}

impl Connection {
    /// Reads a head or a body; `false` when more bytes are needed.
    fn step(&mut self) -> bool {
        match self.read() {
            Ok(progressed) => progressed,
            Err((status, error)) => {
                self.tell(format_args!("{status} {error}"));
                self.state = Reading::Nothing;
                false
            }
        }
    }

    fn read(&mut self) -> Result<bool, (u16, String)> {
        let Some(body) = &mut self.body else { return self.read_head() };
        match body.advance(&mut self.buffer) {
            Ok(Progress::Incomplete) => Ok(false),
            Ok(Progress::Complete { body, next_start }) => {
                let text = format!("{:?}", self.buffer.get(body));
                self.tell(format_args!("{text}"));
                self.buffer.drain(..next_start);
                self.body = None;
                self.state = match self.persistence {
                    Some(Persistence::KeepAlive) => Reading::Head,
                    Some(Persistence::Close) | None => Reading::Nothing,
                };
                Ok(true)
            }
            Err(error) => Err((error.status(), error.to_string())),
        }
    }

    fn read_head(&mut self) -> Result<bool, (u16, String)> {
        let mut slots = FieldSlots::new();
        let decoded = decode_head(&self.buffer, &mut slots, &HeadLimits::default())
            .map_err(|error| (error.status(), error.to_string()))?;
        let Decoded::Head { head, used_bytes } = decoded else { return Ok(false) };
        let text = format!("{head:?}");
        let body = BodyDecoder::new(head.framing, used_bytes, &BODY_LIMITS)
            .map_err(|error| (error.status(), error.to_string()))?;
        self.persistence = Some(head.persistence);
        self.body = Some(body);
        self.state = Reading::Body;
        self.tell(format_args!("{text}"));
        Ok(true)
    }

    fn tell(&mut self, what: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.told, "{what}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Requests, sound and broken, in any order: the cuts never change what a server reads.
        #[test]
        fn where_reads_split_a_pipeline_does_not_matter(
            parts in prop::collection::vec(
                prop::sample::select(vec![
                    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                    "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
                    "POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                    "2\r\n{}\r\n", "1;a=\"b\"\r\nx\r\n", "0\r\n\r\n",
                    "0\r\nX: 1\r\n\r\n", "\r\n", "\n", "x",
                    "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
                    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
                    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\n",
                ]),
                0..10,
            ),
            lengths in prop::collection::vec(0u8..60, 0..10),
            at in any::<prop::sample::Index>(),
        ) {
            let input = parts.concat();
            check_pipeline(input.as_bytes(), Cuts::Lengths(&lengths));
            check_pipeline(input.as_bytes(), Cuts::EachByte);
            check_pipeline(input.as_bytes(), Cuts::At(at.index(input.len() + 1)));
        }
    }

    #[test]
    fn a_pipeline_ends_where_its_framing_is_in_doubt() {
        let pieces = [b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\
            Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"
            .as_slice()];
        let mut connection = Connection::default();
        connection.buffer.extend_from_slice(pieces[0]);
        assert!(!connection.step());
        assert_eq!(connection.told, "400 transfer encoding beside content length\n");
        assert_eq!(connection.state, Reading::Nothing);
    }
}
