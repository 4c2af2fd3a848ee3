//! What a client reads of a stream: server-sent events and JSON lines.
//!
//! Fuzzed: `http/sse` (WHATWG HTML §9.2.6) and `http/ndjson`.
//! Invariant: where reads cut a stream never changes its events, nor the error.

use super::{Cuts, alike};
use crate::http::ndjson::{NdjsonDecoder, NdjsonLimits};
use crate::http::sse::{SseDecoder, SseLimits};

pub(super) fn check_sse(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut decoder = SseDecoder::new(SseLimits { event_bytes_max: 256, line_bytes_max: 300 });
        let mut told = String::new();
        for mut piece in pieces.iter().copied() {
            loop {
                match decoder.decode(&mut piece) {
                    Ok(Some(event)) => told.push_str(&format!("{event:?}\n")),
                    Ok(None) => break,
                    Err(error) => return format!("{told}{error}"),
                }
            }
            assert!(piece.is_empty());
        }
        format!("{told}{:?}{:?}", decoder.last_event_id(), decoder.last_retry())
    });
}

pub(super) fn check_ndjson(input: &[u8], cuts: Cuts<'_>) {
    alike(input, cuts, |pieces| {
        let mut decoder = NdjsonDecoder::new(NdjsonLimits { line_bytes_max: 256 });
        let mut told = String::new();
        for mut piece in pieces.iter().copied() {
            loop {
                match decoder.decode(&mut piece) {
                    Ok(Some(line)) => told.push_str(&format!("{line:?}\n")),
                    Ok(None) => break,
                    Err(error) => return format!("{told}{error}"),
                }
            }
            assert!(piece.is_empty());
        }
        format!("{told}{:?}", decoder.finish())
    });
}
