//! Values with units, as people write them: `10s`, `4MiB`, `128`.
//!
//! In: the text behind a flag. Out: a `Duration`, a number of bytes or a count, or a `ValueError`
//! that names the rule and an example. Rendering gives the text back in its largest whole unit.
//! Limits: every value fits 64 bits, durations count milliseconds.

use std::fmt;
use std::time::Duration;

/// What kind of value a limit has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitKind {
    /// A time: `10s`.
    Duration,
    /// A number of bytes: `4MiB`.
    Bytes,
    /// A number of things: `128`.
    Count,
}

/// The value of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitValue {
    /// A time.
    Duration(Duration),
    /// A number of bytes.
    Bytes(u64),
    /// A number of things.
    Count(u64),
}

/// A text that is not a value of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not a time.
    #[error("\"{text}\" is not a duration: write a whole number and ms, s, m or h, such as 10s")]
    Duration {
        /// As written.
        text: String,
    },
    /// Not a number of bytes.
    #[error(
        "\"{text}\" is not a size: write a whole number, alone for bytes or with KiB, MiB or GiB, \
         such as 4MiB"
    )]
    Bytes {
        /// As written.
        text: String,
    },
    /// Not a count.
    #[error("\"{text}\" is not a count: write a whole number, such as 128")]
    Count {
        /// As written.
        text: String,
    },
}

impl LimitKind {
    /// Reads a value of this kind.
    ///
    /// # Errors
    /// `ValueError` with the rule that the text breaks.
    pub fn parse(self, text: &str) -> Result<LimitValue, ValueError> {
        match self {
            Self::Duration => parse_duration(text).map(LimitValue::Duration),
            Self::Bytes => parse_bytes(text).map(LimitValue::Bytes),
            Self::Count => parse_count(text).map(LimitValue::Count),
        }
    }

    /// The unit in words, for reference tables.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::Duration => "duration",
            Self::Bytes => "bytes",
            Self::Count => "count",
        }
    }
}

impl fmt::Display for LimitValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Duration(duration) => f.write_str(&render_duration(*duration)),
            Self::Bytes(bytes) => f.write_str(&in_largest_unit(*bytes, BYTE_UNITS)),
            Self::Count(count) => write!(f, "{count}"),
        }
    }
}

/// Reads a duration: `500ms`, `10s`, `5m`, `1h`, or `0`.
///
/// # Errors
/// `ValueError::Duration`.
pub fn parse_duration(text: &str) -> Result<Duration, ValueError> {
    let millis = if text == "0" { Some(0) } else { with_unit(text, MILLI_UNITS) };
    millis.map(Duration::from_millis).ok_or_else(|| ValueError::Duration { text: text.to_owned() })
}

/// Reads a number of bytes: `512`, `16KiB`, `4MiB`, `1GiB`.
///
/// # Errors
/// `ValueError::Bytes`.
pub fn parse_bytes(text: &str) -> Result<u64, ValueError> {
    with_unit(text, BYTE_UNITS).ok_or_else(|| ValueError::Bytes { text: text.to_owned() })
}

/// Reads a count: digits.
///
/// # Errors
/// `ValueError::Count`.
pub fn parse_count(text: &str) -> Result<u64, ValueError> {
    with_unit(text, &[("", 1)]).ok_or_else(|| ValueError::Count { text: text.to_owned() })
}

/// A duration in its largest whole unit.
#[must_use]
pub fn render_duration(duration: Duration) -> String {
    match u64::try_from(duration.as_millis()) {
        Ok(0) => "0".to_owned(),
        Ok(millis) => in_largest_unit(millis, MILLI_UNITS),
        Err(_) => "forever".to_owned(),
    }
}

type Unit = (&'static str, u64);

/// Largest first.
const BYTE_UNITS: &[Unit] = &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];
const MILLI_UNITS: &[Unit] = &[("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

fn with_unit(text: &str, units: &[Unit]) -> Option<u64> {
    let digits_end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, written) = text.split_at(digits_end);
    let (_, factor) = units.iter().find(|(unit, _)| *unit == written)?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

fn in_largest_unit(value: u64, units: &[Unit]) -> String {
    let fits = units.iter().find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor));
    match fits {
        Some((unit, factor)) => format!("{}{unit}", value / factor),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_and_rendered_alike() {
        let table = [
            (LimitKind::Duration, "500ms", "500ms"),
            (LimitKind::Duration, "1000ms", "1s"),
            (LimitKind::Duration, "90s", "90s"),
            (LimitKind::Duration, "60s", "1m"),
            (LimitKind::Duration, "2h", "2h"),
            (LimitKind::Duration, "0", "0"),
            (LimitKind::Bytes, "4MiB", "4MiB"),
            (LimitKind::Bytes, "4096", "4KiB"),
            (LimitKind::Bytes, "1000", "1000"),
            (LimitKind::Bytes, "0", "0"),
            (LimitKind::Bytes, "3GiB", "3GiB"),
            (LimitKind::Count, "128", "128"),
        ];
        for (kind, text, rendered) in table {
            let value = kind.parse(text).expect(text);
            assert_eq!(value.to_string(), rendered, "{text}");
            assert_eq!(kind.parse(rendered), Ok(value), "{text}");
        }
    }

    #[test]
    fn what_breaks_the_rule_is_refused() {
        let wrong = [
            (
                LimitKind::Duration,
                &["", "10", "s", "1.5s", "-1s", "10 s", "10S", "9999999999999999h"][..],
            ),
            (LimitKind::Bytes, &["", "4MB", "4Mb", "KiB", "-1", "1.5MiB", "99999999999GiB"][..]),
            (LimitKind::Count, &["", "many", "1k", "-1", "+1", "18446744073709551616"][..]),
        ];
        for (kind, texts) in wrong {
            for text in texts {
                let error = kind.parse(text).expect_err(text).to_string();
                assert!(error.contains(text) && error.contains("such as"), "{error}");
            }
        }
    }
}
