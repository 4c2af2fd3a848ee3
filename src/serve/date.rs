//! `Date`: the moment at which an answer was made, written once a second.
//!
//! Spec: RFC 9110 §6.6.1 (an origin server with a clock sends it), §5.6.7 (its form).

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

use crate::base::clock::Clock;

const LINE_BYTES: usize = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n".len();

/// A whole field line.
#[derive(Clone, Copy, Debug)]
pub(super) struct DateLine([u8; LINE_BYTES]);

impl DateLine {
    /// The line of a second since 1970.
    fn at(unix_seconds: u64) -> Self {
        let moment = UNIX_EPOCH.checked_add(Duration::from_secs(unix_seconds));
        let text = format!("Date: {}\r\n", httpdate::fmt_http_date(moment.unwrap_or(UNIX_EPOCH)));
        let mut line = [b' '; LINE_BYTES];
        // Years have four digits until 9999, and so the form has one length.
        if text.len() == LINE_BYTES {
            line.copy_from_slice(text.as_bytes());
        }
        Self(line)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

/// The line of the present second, kept.
#[derive(Debug)]
pub(super) struct DateCache(Cell<(u64, DateLine)>);

impl DateCache {
    pub(super) fn new() -> Self {
        Self(Cell::new((0, DateLine::at(0))))
    }

    pub(super) fn line(&self, clock: &dyn Clock) -> DateLine {
        let second = clock.unix_seconds();
        let (kept, line) = self.0.get();
        if kept == second {
            return line;
        }
        let line = DateLine::at(second);
        self.0.set((second, line));
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_written_in_the_form_of_http() {
        let mut out = Vec::new();
        DateLine::at(784_111_777).write(&mut out);
        assert_eq!(out, b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
    }
}
