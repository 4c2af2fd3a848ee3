//! The report of a run for people: its JSON in, text out.

use std::fmt::Write as _;

use serde_json::Value;

use crate::load::compare::Difference;

const QUANTILES: [(&str, &str); 7] = [
    ("p50", "p50"),
    ("p90", "p90"),
    ("p99", "p99"),
    ("p99_9", "p99.9"),
    ("p99_99", "p99.99"),
    ("max", "max"),
    ("mean", "mean"),
];

/// The share of the time that bench may wait for a CPU without a word.
const WAITED_MAX: f64 = 0.05;

/// The whole report.
#[must_use]
pub(super) fn render(report: &Value) -> String {
    let mut text = heading(report);
    let seconds = report["seconds"].as_f64().unwrap_or_default();
    let line = |out: &mut String, name: &str, told: &str| {
        let _ = writeln!(out, "{name:<14}{told}");
    };
    let mut told = format!("{} right, {} failed", report["requests"], report["failed"]);
    for (member, what) in [("disconnected", "cut off"), ("reconnected", "connections anew")] {
        if report[member] != 0 {
            let _ = write!(told, ", {} {what}", report[member]);
        }
    }
    line(&mut text, "requests", &format!("{told}, in {seconds:.2} s"));
    if report["kind"] != "hold" {
        let rate = report["requests_per_second"].as_f64().unwrap_or_default();
        line(&mut text, "throughput", &format!("{rate:.1} a second"));
    }
    text.push_str(&latencies(report));
    if let Some(server) = report["server"].as_object() {
        line(&mut text, "server CPU", &cpu(&report["server"]));
        let memory = server.get("memory").unwrap_or(&Value::Null);
        line(&mut text, "server memory", &self::memory(memory));
    }
    let client = &report["client"];
    let busy = client["busy"].as_f64().unwrap_or_default() * 100.0;
    let own = format!(
        "{} a request; its busiest thread of {} at work {busy:.0} %",
        time(client["cpu_us_per_request"].as_f64()),
        client["threads"]
    );
    line(&mut text, "bench CPU", &own);
    text.push_str(&failures(report));
    text
}

/// What was done: two lines.
fn heading(report: &Value) -> String {
    let word = |name: &str| report[name].as_str().unwrap_or_default();
    let tool = word("tool");
    let what = match (word("kind"), word("held")) {
        ("stream", _) => format!("tools/call {tool} on event streams"),
        ("churn", _) => "sessions from their begin to their end".to_owned(),
        (_, "streams") => "idle event streams, held".to_owned(),
        (_, "connections") => "idle connections, held".to_owned(),
        (_, "calls") => format!("tools/call {tool}, held"),
        _ => format!("tools/call {tool}"),
    };
    let loop_of = match report["rate"].as_f64() {
        _ if word("kind") == "hold" => String::new(),
        Some(rate) => format!(", open loop at {rate} a second"),
        None => ", closed loop".to_owned(),
    };
    let pipeline = match report["pipeline"].as_u64() {
        Some(0 | 1) | None => String::new(),
        Some(count) => format!(", {count} requests in flight on each"),
    };
    let sessions = if report["sessions"] == true { ", a session on each" } else { "" };
    let connections = &report["connections"];
    let plural = if *connections == 1 { "connection" } else { "connections" };
    let interrupted =
        if report["interrupted"] == true { "interrupted: this is what was measured\n" } else { "" };
    format!(
        "{}\n{what}, {} ({}), {connections} {plural}{sessions}{pipeline}{loop_of}\n{interrupted}\n",
        word("url"),
        word("revision"),
        word("era"),
    )
}

fn latencies(report: &Value) -> String {
    let rows = [
        ("latency_us", if report["kind"] == "hold" { "to open" } else { "latency" }),
        ("first_event_us", "first event"),
        ("event_gap_us", "event gap"),
    ];
    if report["latency_us"]["p50"].is_null() {
        return String::new();
    }
    let mut text = format!("{:<14}", "");
    for (_, name) in QUANTILES {
        let _ = write!(text, "{name:>9}");
    }
    text.push('\n');
    for (member, name) in rows {
        let row = &report[member];
        if row["p50"].is_null() {
            continue;
        }
        let _ = write!(text, "{name:<14}");
        for (quantile, _) in QUANTILES {
            let _ = write!(text, "{:>9}", time(row[quantile].as_f64()));
        }
        text.push('\n');
    }
    text
}

fn cpu(server: &Value) -> String {
    let part = |name: &str| time(server[name].as_f64());
    let used = server["cpus_used"].as_f64().unwrap_or_default();
    format!(
        "{} a request ({} user, {} system); {used:.2} CPUs",
        part("cpu_us_per_request"),
        part("user_us_per_request"),
        part("system_us_per_request"),
    )
}

fn memory(memory: &Value) -> String {
    let part = |name: &str| bytes(memory[name].as_f64());
    format!(
        "{} before, {} at most, {} after\n{:14}private {} before, {} after, {} a connection",
        part("before_bytes"),
        part("peak_bytes"),
        part("after_bytes"),
        "",
        part("private_before_bytes"),
        part("private_after_bytes"),
        part("private_bytes_per_connection"),
    )
}

fn failures(report: &Value) -> String {
    let mut text = String::new();
    for failure in report["failures"].as_array().into_iter().flatten() {
        let word = |name: &str| failure[name].as_str().unwrap_or_default();
        let sample = word("sample").replace(['\r', '\n'], " ");
        let (count, kind, about) = (&failure["count"], word("kind"), word("about"));
        let _ = writeln!(text, "\nfailed        {count} {kind}: {about}\n  such as     {sample}");
    }
    text
}

/// What somebody who trusts the numbers should know.
#[must_use]
pub(super) fn warnings(report: &Value) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(fault) = report["server_fault"].as_str() {
        warnings.push(format!("what the server spent is not known: {fault}"));
    }
    if report["client"]["limit"] == true {
        warnings.push(
            "bench itself was the limit, and the server may do more: give more --threads, or CPUs"
                .to_owned(),
        );
    }
    let waited = report["client"]["waited_for_cpu"].as_f64().unwrap_or_default();
    if waited > WAITED_MAX {
        let percent = waited * 100.0;
        warnings.push(format!(
            "bench waited {percent:.0} % of the time for a CPU, which is in the latencies: give it \
             and the server CPUs of their own (taskset), on a machine that does nothing else"
        ));
    }
    let server = &report["server"];
    if server["cpu_us_per_request"] == 0.0 && report["requests"] != 0 && report["kind"] != "hold" {
        let pids = &server["pids"];
        warnings.push(format!(
            "the processes {pids} spent no CPU time: give --server-pid the server, not what \
             started it"
        ));
    }
    let reached = report["requests_per_second"].as_f64().unwrap_or_default();
    if let Some(rate) = report["rate"].as_f64()
        && reached < rate * 0.99
        && report["interrupted"] == false
        && report["failed"] != 0
    {
        warnings.push(format!("the rate was not reached: {reached:.1} of {rate} a second"));
    }
    let refused = report["failures"].as_array().into_iter().flatten();
    let refused = refused.filter(|failure| failure["kind"] == "status").count() > 0;
    if refused && report["era"] == "legacy" && report["sessions"] == false {
        warnings.push("the server may want sessions: give --sessions".to_owned());
    }
    warnings
}

/// A comparison with an earlier run, a line for each number.
#[must_use]
pub(super) fn differences(differences: &[Difference], threshold_percent: f64) -> String {
    let mut text = format!("compared, worse by more than {threshold_percent} % is worse:");
    for difference in differences {
        let Difference { name, before, after, is_worse } = difference;
        let verdict = if *is_worse { "  WORSE" } else { "" };
        let percent = difference.percent();
        let _ =
            write!(text, "\n{name:<28}{before:>12.2} -> {after:>12.2}{percent:>+8.1} %{verdict}");
    }
    text
}

/// Microseconds with a unit that suits them.
fn time(us: Option<f64>) -> String {
    match us {
        None => "-".to_owned(),
        // By what the digits round to, so that none is longer than its column.
        Some(us) if us < 999.95 => format!("{us:.1} us"),
        Some(us) if us < 99_995.0 => format!("{:.2} ms", us / 1000.0),
        Some(us) if us < 999_950.0 => format!("{:.1} ms", us / 1000.0),
        Some(us) if us < 99_995_000.0 => format!("{:.2} s", us / 1_000_000.0),
        Some(us) => format!("{:.1} s", us / 1_000_000.0),
    }
}

fn bytes(count: Option<f64>) -> String {
    match count {
        None => "-".to_owned(),
        Some(count) if count.abs() < 10.0 * 1024.0 => format!("{count:.0} B"),
        Some(count) if count.abs() < 10.0 * 1024.0 * 1024.0 => format!("{:.1} KiB", count / 1024.0),
        Some(count) => format!("{:.1} MiB", count / 1024.0 / 1024.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowded_machine_is_told() {
        let crowded = |waited: f64| {
            let report = serde_json::json!({"client": {"waited_for_cpu": waited}});
            warnings(&report).iter().any(|warning| warning.starts_with("bench waited "))
        };
        assert_eq!((crowded(0.05), crowded(0.051)), (false, true));
    }

    #[test]
    fn times_and_sizes_have_the_unit_that_suits_them() {
        let times = [
            (0.25, "0.2 us"),
            (999.94, "999.9 us"),
            (999.96, "1.00 ms"),
            (99_994.0, "99.99 ms"),
            (99_996.0, "100.0 ms"),
            (999_949.0, "999.9 ms"),
            (999_951.0, "1.00 s"),
            (99_994_000.0, "99.99 s"),
            (99_996_000.0, "100.0 s"),
            (3.6e9, "3600.0 s"),
        ];
        for (us, expected) in times {
            assert_eq!(time(Some(us)), expected);
            assert!(expected.len() <= 8, "a column has room for a space and that");
        }
        assert_eq!(time(None), "-");
        let sizes = [(700.0, "700 B"), (-20480.0, "-20.0 KiB"), (2e7, "19.1 MiB")];
        for (count, expected) in sizes {
            assert_eq!(bytes(Some(count)), expected);
        }
    }
}
