//! Two reports of a run, before and after: what became worse.
//!
//! In: the JSON of `report`. Out: a line for each number that both have, and which of them are
//! worse by more than a threshold. Failures are worse as soon as there are more.
//! Invariant: what only one of them has is told, and never passes as equal.

use serde_json::Value;

/// One number of both reports.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where it stands.
    pub name: &'static str,
    /// What it was.
    pub before: f64,
    /// What it is.
    pub after: f64,
    /// Whether it is worse past the threshold.
    pub is_worse: bool,
}

impl Difference {
    /// By how much it grew, in percent; infinite from zero.
    #[must_use]
    pub fn percent(&self) -> f64 {
        if self.before == self.after {
            return 0.0;
        }
        (self.after - self.before) / self.before * 100.0
    }
}

/// Which way is worse.
#[derive(Clone, Copy)]
enum Worse {
    Higher,
    Lower,
    /// By however little.
    HigherAtAll,
}

const COMPARED: &[(&str, &str, Worse)] = &[
    ("server CPU per request, us", "/server/cpu_us_per_request", Worse::Higher),
    ("p99, us", "/latency_us/p99", Worse::Higher),
    ("requests a second", "/requests_per_second", Worse::Lower),
    ("failures", "/failed", Worse::HigherAtAll),
];

/// What has to be the same for numbers to compare.
const SETTINGS: &[&str] = &[
    "kind",
    "held",
    "tool",
    "arguments_digest",
    "era",
    "sessions",
    "connections",
    "pipeline",
    "disconnect_percent",
    "rate",
];

/// What every report has, so that what lacks it is none.
const ALWAYS: &[&str] = &["/requests_per_second", "/failed"];

/// Whether a report from before can be compared with a run of these settings, of which
/// `report::settings` is enough.
///
/// # Errors
/// What is wrong with the report from before.
pub fn check(before: &Value, settings: &Value) -> Result<(), String> {
    let lacks = |pointer: &&str| before.pointer(pointer).and_then(Value::as_f64).is_none();
    if before.get("ringlane_bench") != Some(&Value::from(1)) || ALWAYS.iter().any(lacks) {
        return Err("it is no report of bench --json".to_owned());
    }
    for name in SETTINGS {
        // A report of an earlier version may lack one.
        let Some(was) = before.get(*name) else { continue };
        let is = &settings[*name];
        if was != is {
            return Err(format!("{name} was {was} and is {is}: compare runs of the same kind"));
        }
    }
    Ok(())
}

/// Compares two reports.
///
/// # Errors
/// As [`check`].
pub fn compare(
    before: &Value,
    after: &Value,
    threshold_percent: f64,
) -> Result<Vec<Difference>, String> {
    check(before, after)?;
    let numbers = COMPARED.iter().filter_map(|(name, pointer, worse)| {
        let before = before.pointer(pointer)?.as_f64()?;
        let after = after.pointer(pointer)?.as_f64()?;
        let slack = before * threshold_percent / 100.0;
        let is_worse = match worse {
            Worse::Higher => after > before + slack,
            Worse::Lower => after < before - slack,
            Worse::HigherAtAll => after > before,
        };
        Some(Difference { name, before, after, is_worse })
    });
    Ok(numbers.collect())
}

/// The numbers that one of two reports has and the other has not.
#[must_use]
pub fn in_one_alone(before: &Value, after: &Value) -> Vec<&'static str> {
    let has = |report: &Value, pointer| report.pointer(pointer).is_some_and(Value::is_number);
    let alone = COMPARED.iter().filter(|(_, at, _)| has(before, at) != has(after, at));
    alone.map(|(name, ..)| *name).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(cpu: f64, p99: f64, rate: f64, failed: u64) -> Value {
        json!({"ringlane_bench": 1, "kind": "calls", "connections": 64,
            "server": {"cpu_us_per_request": cpu}, "latency_us": {"p99": p99},
            "requests_per_second": rate, "failed": failed})
    }

    fn worse(after: &Value) -> Vec<&'static str> {
        let differences = compare(&report(10.0, 100.0, 1000.0, 0), after, 10.0).expect("alike");
        assert_eq!(differences.len(), 4);
        differences.iter().filter(|one| one.is_worse).map(|one| one.name).collect()
    }

    #[test]
    fn what_is_worse_past_the_threshold_is_named() {
        assert_eq!(worse(&report(11.0, 110.0, 900.0, 0)), [""; 0], "at the threshold");
        assert_eq!(worse(&report(1.0, 1.0, 9000.0, 0)), [""; 0], "better");
        assert_eq!(worse(&report(11.1, 100.0, 1000.0, 0)), ["server CPU per request, us"]);
        assert_eq!(worse(&report(10.0, 110.1, 1000.0, 0)), ["p99, us"]);
        assert_eq!(worse(&report(10.0, 100.0, 899.0, 0)), ["requests a second"]);
        assert_eq!(worse(&report(10.0, 100.0, 1000.0, 1)), ["failures"]);
    }

    #[test]
    fn numbers_that_one_report_lacks_are_left_out_and_other_settings_refused() {
        let mut without = report(1.0, 1.0, 1.0, 0);
        without["server"] = Value::Null;
        let names = |value: &Value| compare(&report(1.0, 1.0, 1.0, 0), value, 0.0);
        assert_eq!(names(&without).expect("alike").len(), 3);
        let alone = in_one_alone(&report(1.0, 1.0, 1.0, 0), &without);
        assert_eq!(alone, ["server CPU per request, us"]);
        without["connections"] = json!(65);
        assert!(names(&without).expect_err("others").starts_with("connections was 64 and is 65"));
        for none in [json!({}), json!({"ringlane_bench": 1}), json!([]), json!(null)] {
            check(&none, &without).expect_err("no report");
        }
        let mut other = report(1.0, 1.0, 1.0, 0);
        other["requests_per_second"] = json!("1");
        check(&other, &without).expect_err("no number");
    }
}
