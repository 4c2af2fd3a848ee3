//! A second of the calendar in the form of RFC 3339: `2026-11-22T10:00:00Z`.
//!
//! In: seconds since 1970 in UTC. Out: text. Spec: RFC 3339 §5.6, ISO 8601; the days of the
//! Gregorian calendar, counted in eras of 400 years that begin in March, so that the leap day is
//! the last of its year. Limit: years after 9999, which have no such form, are written as its end.

use std::fmt;

/// A second of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp(pub u64);

const DAY_SECONDS: u64 = 86_400;
const ERA_DAYS: u64 = 146_097;
/// Days from the first of March of the year 0 to the first of January 1970.
const DAYS_BEFORE_1970: u64 = 719_468;
/// The last second of the year 9999.
const LAST: u64 = 253_402_300_799;

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.min(LAST);
        let days = seconds / DAY_SECONDS + DAYS_BEFORE_1970;
        let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
        let leaps = day_of_era / 1_460;
        let lost = day_of_era / 36_524;
        let year_of_era = (day_of_era - leaps + lost - day_of_era / (ERA_DAYS - 1)) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Five months from March on have 153 days, and so have the next five.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let is_next_year = month_from_march >= 10;
        let month = if is_next_year { month_from_march - 9 } else { month_from_march + 3 };
        let year = era * 400 + year_of_era + u64::from(is_next_year);
        let second = seconds % DAY_SECONDS;
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_written_as_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (784_111_777, "1994-11-06T08:49:37Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_341_600, "2026-11-22T10:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Timestamp(seconds).to_string(), expected);
        }
    }

    /// Every day of four centuries follows the day before it, as httpdate has them.
    #[test]
    fn every_day_agrees_with_another_calendar() {
        for day in (0..ERA_DAYS).step_by(7) {
            let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(day * DAY_SECONDS);
            let http = httpdate::fmt_http_date(moment);
            let ours = Timestamp(day * DAY_SECONDS).to_string();
            assert_eq!((&ours[..4], &ours[8..10]), (&http[12..16], &http[5..7]), "{http}");
        }
    }
}
