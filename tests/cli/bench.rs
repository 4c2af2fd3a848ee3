//! `bench` against the demo, and against servers that answer wrongly, late or not at all.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::child::{Running, Server, run, text};
use crate::scripted::{Reply, Scripted};

/// Few requests, and none before they count.
const SHORT: &[&str] = &["--json", "--warmup", "0s"];

/// Runs it, on four connections unless told otherwise; expects this exit status, and gives its
/// report.
#[track_caller]
fn report(url: &str, flags: &[&str], status: i32) -> Value {
    let mut words = [&["bench", url], SHORT, flags].concat();
    if !flags.contains(&"--connections") {
        words.extend(["--connections", "4"]);
    }
    let ran = run(&words);
    assert_eq!(ran.status.code(), Some(status), "{words:?}: {}", text(&ran.stderr));
    serde_json::from_slice(&ran.stdout).expect("a report")
}

fn number(report: &Value, pointer: &str) -> f64 {
    report.pointer(pointer).and_then(Value::as_f64).expect(pointer)
}

fn kinds(report: &Value) -> Vec<(&str, u64)> {
    let failures = report["failures"].as_array().expect("a list").iter();
    failures
        .map(|one| (one["kind"].as_str().expect("a kind"), one["count"].as_u64().expect("a count")))
        .collect()
}

#[test]
fn every_way_to_call_is_answered_rightly_and_counted() {
    let server = Server::on_loopback(&[]);
    let table: &[(&[&str], &str)] = &[
        (&["--era", "modern"], "2026-07-28"),
        (&["--era", "legacy"], "2025-11-25"),
        (&["--sessions"], "2025-11-25"),
        (&["--pipeline", "8"], "2026-07-28"),
        (&["--threads", "3"], "2026-07-28"),
        (&["--rate", "2000"], "2026-07-28"),
        (&["--tool", "add", "a=2", "b=3", "--expect", "5"], "2026-07-28"),
        (&["message=a \"quoted\" text"], "2026-07-28"),
        (&["--era", "legacy", "--pipeline", "3", "--threads", "2", "--sessions"], "2025-11-25"),
    ];
    for (flags, revision) in table {
        let report = report(server.url(), &[&["--requests", "200"], *flags].concat(), 0);
        assert_eq!(report["requests"], 200, "{flags:?}: {report}");
        assert_eq!(
            (report["failed"].as_u64(), &report["failures"]),
            (Some(0), &Value::from([(); 0]))
        );
        assert_eq!(report["revision"], *revision, "{flags:?}");
        let sessions = flags.contains(&"--sessions");
        assert_eq!(report["sessions"], sessions, "{flags:?}");
        let quantiles = ["p50", "p90", "p99", "p99_9", "p99_99", "max"];
        let quantiles = quantiles.map(|name| number(&report["latency_us"], &format!("/{name}")));
        assert!(quantiles[0] > 0.0 && quantiles.is_sorted(), "{quantiles:?}");
        assert!(number(&report, "/client/cpu_us_per_request") > 0.0);
        assert!(number(&report, "/requests_per_second") > 0.0);
        assert_eq!(report["server"], Value::Null);
    }
    server.end_well();
}

#[test]
fn a_server_behind_a_socket_file_is_measured() {
    let folder = tempfile::tempdir().expect("a folder");
    let listen = format!("unix:{}", folder.path().join("mcp.sock").display());
    let server = Server::start(&["--listen", &listen]);
    assert_eq!(report(server.url(), &["--requests", "50"], 0)["requests"], 50);
    server.end_well();
}

#[test]
fn the_server_s_cpu_and_memory_are_told() {
    let server = Server::on_loopback(&["--workers", "1"]);
    let pid = server.process.id().to_string();
    let flags = ["--requests", "2000", "--server-pid", &pid];
    let report = report(server.url(), &flags, 0);
    assert_eq!(report["server"]["pids"][0].to_string(), pid);
    assert!(number(&report, "/server/cpu_us_per_request") > 0.0, "{report}");
    let memory = |name: &str| number(&report, &format!("/server/memory/{name}_bytes"));
    assert!(memory("before") > 0.0 && memory("private_before") > 0.0);
    assert!(memory("peak") >= memory("after"), "{report}");
    server.end_well();
}

#[test]
fn streams_tell_their_first_event_and_the_gaps() {
    let server = Server::on_loopback(&[]);
    for era in ["modern", "legacy"] {
        let flags = ["--requests", "4", "--stream", "--tool", "countdown", "from=1", "--era", era];
        let report = report(server.url(), &flags, 0);
        assert_eq!((&report["requests"], &report["kind"]), (&4.into(), &"stream".into()));
        // Progress at once, the answer a second later.
        assert_eq!(report["first_event_us"]["count"], 4);
        assert_eq!(report["event_gap_us"]["count"], 4);
        assert!(number(&report, "/event_gap_us/p50") > 900_000.0, "{report}");
        assert!(number(&report, "/latency_us/p50") > 1_000_000.0, "{report}");
    }
    server.end_well();
}

#[test]
fn sessions_begin_and_end_as_fast_as_they_can() {
    let server = Server::on_loopback(&[]);
    let report = report(server.url(), &["--requests", "100", "--churn"], 0);
    assert_eq!((&report["requests"], &report["kind"]), (&100.into(), &"churn".into()));
    assert_eq!(report["tool"], Value::Null);
    server.end_well();
}

#[test]
fn what_is_held_is_counted_and_weighed() {
    let server = Server::on_loopback(&[]);
    let pid = server.process.id().to_string();
    let table: &[&[&str]] = &[
        &["connections"],
        &["connections", "--sessions"],
        &["streams", "--era", "modern"],
        &["streams", "--era", "legacy"],
        &["calls", "--tool", "countdown", "from=60"],
    ];
    for flags in table {
        let words = ["--server-pid", &pid, "--duration", "100ms", "--hold"];
        let report = report(server.url(), &[&words, *flags].concat(), 0);
        assert_eq!(
            (&report["requests"], &report["held"]),
            (&4.into(), &flags[0].into()),
            "{report}"
        );
        assert!(number(&report, "/seconds") >= 0.1);
        number(&report, "/server/memory/private_bytes_per_connection");
    }
    server.end_well();
}

#[test]
fn calls_that_are_cut_off_leave_the_others_answered() {
    let server = Server::on_loopback(&[]);
    for sessions in [&["--era", "modern"][..], &["--sessions"]] {
        let flags = [&["--requests", "100", "--disconnect", "25"], sessions].concat();
        let report = report(server.url(), &flags, 0);
        assert_eq!((&report["requests"], &report["disconnected"]), (&75.into(), &25.into()));
    }
    server.end_well();
}

#[test]
fn wrong_answers_are_told_by_kind_and_end_with_1() {
    let body =
        |id: &str, result: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
    let json = |text: String| Reply::Other("200 OK", "application/json", text);
    type Script = Box<dyn Fn(&Value) -> Reply + Send + Sync>;
    let table: Vec<(&str, Script)> = vec![
        ("status", Box::new(|_| Reply::Other("503 Busy", "text/plain", "later".to_owned()))),
        ("content-type", Box::new(|_| Reply::Other("200 OK", "text/html", "<p>".to_owned()))),
        ("json", Box::new(move |_| json("{".to_owned()))),
        ("id", Box::new(move |_| json(body("7", r#"{"content":[]}"#)))),
        (
            "text",
            Box::new(move |it| {
                json(body(&it["id"].to_string(), r#"{"content":[{"type":"text","text":"no"}]}"#))
            }),
        ),
        (
            "tool-error",
            Box::new(move |it| {
                json(body(&it["id"].to_string(), r#"{"isError":true,"content":[]}"#))
            }),
        ),
        ("closed", Box::new(|_| Reply::Close)),
    ];
    for (kind, script) in table {
        // The first call is made to see whether it works at all.
        let wrong = move |number, message: &Value| match number {
            0 => Reply::Right,
            _ if number % 10 == 0 => script(message),
            _ => Reply::Right,
        };
        let server = Scripted::start(wrong);
        let report = report(&server.url, &["--requests", "99"], 1);
        assert_eq!(kinds(&report), [(kind, 9)], "{report}");
        assert_eq!(report["requests"], 90, "{report}");
        let sample = report["failures"][0]["sample"].as_str().expect("a sample");
        assert!(!sample.is_empty());
    }
}

#[test]
fn answers_on_event_streams_are_right_as_well() {
    let server = Scripted::start(|_, _| Reply::Events);
    assert_eq!(report(&server.url, &["--requests", "50"], 0)["requests"], 50);
    assert_eq!(server.calls(), 51, "one to see whether it works");
    let report = report(&server.url, &["--requests", "50", "--stream"], 0);
    assert_eq!(report["first_event_us"]["count"], 50);
    let server = Scripted::start(|_, _| Reply::Right);
    let report = self::report(&server.url, &["--requests", "5", "--stream"], 1);
    assert_eq!(kinds(&report), [("stream", 5)], "documents where streams were asked for");
}

#[test]
fn a_server_that_stalls_shows_it_in_an_open_loop() {
    const STALL: Duration = Duration::from_millis(200);
    let server = Scripted::start(|number, _| match number {
        20 => Reply::Late(STALL),
        _ => Reply::Right,
    });
    // One connection: what is due during the stall waits. 1000 a second for half a second.
    let flags = ["--connections", "1", "--rate", "1000", "--requests", "500"];
    let report = report(&server.url, &flags, 0);
    assert_eq!(report["requests"], 500, "{report}");
    assert!(number(&report, "/latency_us/max") >= 200_000.0, "{report}");
    // 200 of 500 were due in the stall, half of them more than 100 ms before its end.
    assert!(number(&report, "/latency_us/p90") >= 100_000.0, "{report}");
    assert!(number(&report, "/latency_us/p99_9") >= 190_000.0, "{report}");
}

#[test]
fn a_rate_that_no_server_reaches_is_not_said_to_be_reached() {
    let server = Scripted::start(|_, _| Reply::Late(Duration::from_millis(20)));
    let flags = ["--connections", "1", "--rate", "1000", "--duration", "300ms"];
    let report = report(&server.url, &flags, 1);
    let (answered, failed) = (number(&report, "/requests"), number(&report, "/failed"));
    assert!(answered <= 20.0, "{report}");
    assert!(
        (answered + failed - 300.0).abs() < 0.5,
        "each that was due is accounted for: {report}"
    );
    assert_eq!(kinds(&report)[0].0, "unsent");
}

#[test]
fn a_server_that_goes_away_ends_the_run_and_slows_it_down() {
    // How long each takes at least, and how many requests it was to make.
    let table: &[(&[&str], f64, Option<u64>)] = &[
        (&["--duration", "300ms"], 0.3, None),
        (&["--rate", "1000", "--duration", "300ms"], 0.3, Some(300)),
        (&["--requests", "500", "--timeout", "200ms"], 0.2, Some(500)),
        (&["--rate", "1000", "--requests", "500", "--timeout", "200ms"], 0.2, Some(500)),
        (&["--requests", "500", "--timeout", "200ms", "--threads", "2"], 0.2, Some(500)),
    ];
    for &(flags, seconds, wanted) in table {
        // The first call is made to see whether it works at all.
        let server = Scripted::start(|number, _| match number {
            0..50 => Reply::Right,
            _ => Reply::Gone,
        });
        let report = report(&server.url, flags, 1);
        assert_eq!(report["requests"], 49, "{flags:?}: {report}");
        let took = number(&report, "/seconds");
        assert!(took >= seconds, "{flags:?}: {report}");
        assert!(number(&report, "/requests_per_second") <= 49.0 / seconds, "{flags:?}: {report}");
        let lost = kinds(&report).into_iter().filter(|(kind, _)| *kind != "connect");
        let lost: u64 = lost.map(|(_, count)| count).sum();
        assert!(wanted.is_none_or(|wanted| 49 + lost == wanted), "{flags:?}: {report}");
    }
}

#[test]
fn an_open_loop_is_not_faster_than_its_rate() {
    let server = Scripted::start(|_, _| Reply::Right);
    // Due at once, and after 100 ms.
    let report = report(&server.url, &["--rate", "10", "--duration", "200ms"], 0);
    assert_eq!(report["requests"], 2, "{report}");
    let reached = number(&report, "/requests_per_second");
    assert!(reached > 5.0 && reached <= 10.0, "{report}");
}

#[test]
fn a_process_that_dies_hides_nothing_that_was_measured() {
    let process = Server::on_loopback(&[]).process;
    let number = process.id();
    let id = Pid::from_raw(i32::try_from(number).expect("a number")).expect("a process id");
    let server = Scripted::start(move |call, _| {
        if call == 50 {
            kill_process(id, Signal::KILL).expect("a living process");
            while std::fs::read(format!("/proc/{number}/smaps_rollup")).is_ok() {}
        }
        Reply::Right
    });
    let flags = ["--requests", "100", "--server-pid", &number.to_string()];
    let report = report(&server.url, &flags, 1);
    assert_eq!((&report["requests"], &report["failed"]), (&100.into(), &0.into()));
    assert_eq!(report["server"], Value::Null);
    let fault = report["server_fault"].as_str().expect("a reason");
    assert!(fault.starts_with(&format!("process {number}: cannot read ")), "{fault}");
}

#[test]
fn silence_ends_a_request_and_not_the_run() {
    let server = Scripted::start(|number, _| match number {
        3 => Reply::Late(Duration::from_secs(20)),
        _ => Reply::Right,
    });
    let report = report(&server.url, &["--requests", "20", "--timeout", "100ms"], 1);
    assert_eq!(kinds(&report), [("timeout", 1)], "{report}");
    assert_eq!(report["requests"], 19, "{report}");
}

#[test]
fn fixed_bytes_are_measured_without_asking_before() {
    let body = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}]}}"#;
    let answer = move |_, _: &Value| Reply::Other("200 OK", "application/json", body.to_owned());
    let server = Scripted::start(answer);
    assert_eq!(report(&server.url, &["--requests", "50", "--fixed-id"], 0)["requests"], 50);
    assert_eq!(server.calls(), 50);
}

#[test]
fn reports_are_compared_and_what_is_worse_ends_with_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name).display().to_string();
    let server = Server::on_loopback(&[]);
    let mut before = report(server.url(), &["--requests", "50"], 0);
    let compared = |before: &Value, flags: &[&str], status: i32| {
        let path = file("before.json");
        std::fs::write(&path, before.to_string()).expect("written");
        let words =
            ["bench", server.url(), "--warmup", "0s", "--requests", "50", "--compare", &path];
        let ran = run(&[&words[..], flags].concat());
        assert_eq!(ran.status.code(), Some(status), "{}", text(&ran.stderr));
        (text(&ran.stdout).to_owned(), text(&ran.stderr).to_owned())
    };
    // As slow as can be: nothing is worse.
    before["latency_us"]["p99"] = 1e9.into();
    before["requests_per_second"] = 1e-3.into();
    let (told, _) = compared(&before, &["--connections", "4"], 0);
    assert!(told.contains("requests a second") && !told.contains("WORSE"), "{told}");
    before["requests_per_second"] = 1e9.into();
    let (told, _) = compared(&before, &["--connections", "4", "--threshold", "50"], 1);
    let worse: Vec<_> = told.lines().filter(|line| line.ends_with("WORSE")).collect();
    assert!(worse.len() == 1 && worse[0].starts_with("requests a second"), "{told}");
    let (_, told) = compared(&before, &["--connections", "5"], 1);
    assert!(told.contains("connections was 4 and is 5"), "{told}");
    let (told, why) = compared(&before, &["--connections", "4", "message=another"], 1);
    assert!(told.is_empty() && why.contains("arguments_digest was"), "before any load: {why}");
    before["server"] = serde_json::json!({"cpu_us_per_request": 1.0});
    let (_, told) = compared(&before, &["--connections", "4"], 1);
    assert!(told.contains("server CPU per request, us is not compared"), "{told}");
    let (_, told) = compared(&serde_json::json!({"ringlane_bench": 1}), &[], 1);
    assert!(told.contains("it is no report of bench --json"), "{told}");
    server.end_well();
}

#[test]
fn an_interrupted_run_prints_what_it_measured() {
    let server = Scripted::start(|_, _| Reply::Right);
    let words = ["bench", &server.url, "--json", "--warmup", "0s", "--duration", "1h"];
    let process = Running::start(&words);
    while server.calls() < 10 {
        std::thread::yield_now();
    }
    process.signal(Signal::INT);
    let (code, told, errors) = process.end();
    let report: Value = serde_json::from_str(&told).expect(&errors);
    assert_eq!((code, &report["interrupted"]), (Some(0), &Value::Bool(true)), "{errors}");
    assert!(number(&report, "/requests") >= 1.0, "{report}");
}

#[test]
fn an_interrupted_warm_up_says_so_and_what_came_of_it() {
    let server = Scripted::start(|number, _| match number {
        5 => Reply::Close,
        _ => Reply::Right,
    });
    let process = Running::start(&["bench", &server.url, "--warmup", "1h"]);
    while server.calls() < 200 {
        std::thread::yield_now();
    }
    process.signal(Signal::INT);
    let (code, told, errors) = process.end();
    assert_eq!((code, told.as_str()), (Some(1), ""), "{errors}");
    let parts = [
        "interrupted before the warm-up was over",
        "answered rightly, 1 failed",
        "a shorter --warmup",
    ];
    for part in parts {
        assert!(errors.contains(part), "{part} is not in\n{errors}");
    }
}

#[test]
fn more_connections_than_files_may_be_open_name_the_limit_and_the_fix() {
    let server = Server::on_loopback(&[]);
    let line = format!(
        "ulimit -n 100 && exec {} bench {} --connections 50",
        env!("CARGO_BIN_EXE_ringlane"),
        server.url()
    );
    let ran = Command::new("sh").arg("-c").arg(&line).output().expect("a shell");
    let errors = text(&ran.stderr);
    assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(1), ""), "{errors}");
    let told = "50 connections need more open files than the 100 that are allowed";
    assert!(
        errors.contains(told) && errors.contains("fix: raise the limit (ulimit -n"),
        "{errors}"
    );
    server.end_well();
}

#[test]
fn the_table_tells_the_same_in_words() {
    let server = Server::on_loopback(&[]);
    let words =
        ["bench", server.authority(), "--warmup", "0s", "--requests", "20", "--rate", "500"];
    let ran = run(&words);
    let told = text(&ran.stdout);
    let parts = [
        server.url(),
        "tools/call echo, 2026-07-28 (modern), 64 connections, open loop at 500 a second",
        "requests      20 right, 0 failed",
        "p99.99",
        "latency  ",
        "bench CPU",
    ];
    for part in parts {
        assert!(told.contains(part), "{part} is not in\n{told}");
    }
    server.end_well();
}

#[test]
fn the_table_fits_a_terminal_of_80_columns() {
    let server = Server::on_loopback(&[]);
    let pid = server.process.id().to_string();
    let words = ["bench", server.url(), "--warmup", "0s", "--requests", "4", "--stream"];
    let flags = ["--tool", "countdown", "from=1", "--server-pid", &pid, "--connections", "4"];
    let ran = run(&[&words[..], &flags].concat());
    let told = text(&ran.stdout);
    let (_, numbers) = told.split_once("\n\n").expect("a heading, and numbers");
    assert!(numbers.contains("event gap") && numbers.contains("private"), "{told}");
    for line in numbers.lines() {
        assert!(line.len() <= 80, "{} columns: {line}", line.len());
    }
    server.end_well();
}

#[test]
fn flags_that_would_be_of_no_effect_are_refused() {
    let table: &[(&[&str], &str)] = &[
        (&["--churn", "--expect", "x"], "--churn: calls no tool"),
        (&["--churn", "--tool", "add"], "--churn: calls no tool"),
        (&["--hold", "streams", "--tool", "add"], "--hold streams: calls no tool"),
        (&["--hold", "streams", "--expect", "x"], "--hold streams: calls no tool"),
        (&["--hold", "streams", "a=1"], "--hold streams: calls no tool"),
        (&["--requests", "99999999999999999999"], "--requests: 99999999999999999999 is too many"),
        (&["--threshold", "1001"], "write percent from 0 to 1000"),
        (&["--rate", "-1"], "--rate: \"-1\" is no rate"),
        (&["--connections", "-1"], "--connections: \"-1\" is no count"),
    ];
    for (flags, expected) in table {
        // Nobody is asked: the flags are wrong by themselves.
        let ran = run(&[&["bench", "127.0.0.1:1"], *flags].concat());
        let errors = text(&ran.stderr);
        assert_eq!((ran.status.code(), text(&ran.stdout)), (Some(2), ""), "{flags:?}: {errors}");
        assert!(errors.contains(expected), "{flags:?}: {errors}");
    }
}

#[test]
fn a_server_that_is_asked_nothing_before_has_sessions_in_their_era() {
    let server = Server::on_loopback(&[]);
    for flags in [&["--sessions"][..], &["--churn"]] {
        let report = report(server.url(), &[&["--requests", "8", "--fixed-id"], flags].concat(), 0);
        assert_eq!((&report["era"], &report["requests"]), (&"legacy".into(), &8.into()));
    }
    server.end_well();
}

#[test]
fn a_process_that_did_nothing_is_not_taken_for_the_server() {
    let mut idle = Command::new("cat");
    let mut idle = idle.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("cat");
    let mut line = [0; 2];
    idle.stdin.as_mut().expect("a pipe").write_all(b"x\n").expect("written");
    idle.stdout.as_mut().expect("a pipe").read_exact(&mut line).expect("read");
    let server = Scripted::start(|_, _| Reply::Right);
    let pid = idle.id().to_string();
    let ran = run(&["bench", &server.url, "--requests", "20", "--server-pid", &pid]);
    drop(idle.stdin.take());
    idle.wait().expect("its end");
    let warned = format!("warning: the processes [{pid}] spent no CPU time");
    assert!(text(&ran.stderr).contains(&warned), "{}", text(&ran.stderr));
}

#[test]
fn an_answer_that_never_ends_is_not_called_silence() {
    // One byte in each 10 ms: never silent for long, and over in 20 s.
    let server = Scripted::start(|number, _| match number {
        0 => Reply::Right,
        _ => Reply::Slow(Duration::from_millis(10)),
    });
    let flags = ["--connections", "1", "--duration", "100ms", "--timeout", "300ms"];
    let report = report(&server.url, &flags, 1);
    assert_eq!(kinds(&report), [("timeout", 1)], "{report}");
    let sample = report["failures"][0]["sample"].as_str().expect("a sample");
    assert!(sample.starts_with("unfinished 0."), "{sample}");
}

#[test]
fn a_call_that_is_answered_was_not_held() {
    let server = Scripted::start(|_, _| Reply::Right);
    let report = report(&server.url, &["--hold", "calls", "--duration", "100ms"], 1);
    assert_eq!(kinds(&report), [("held", 4)], "{report}");
}

#[test]
fn every_member_of_a_report_is_in_its_documentation() {
    let documented = include_str!("../../docs/bench.md");
    let server = Scripted::start(|number, _| match number {
        5 => Reply::Close,
        _ => Reply::Events,
    });
    let own = std::process::id().to_string();
    let report = report(&server.url, &["--requests", "20", "--stream", "--server-pid", &own], 1);
    let (mut left, mut seen) = (vec![&report], 0);
    while let Some(value) = left.pop() {
        left.extend(value.as_array().into_iter().flatten());
        for (name, value) in value.as_object().into_iter().flatten() {
            assert!(documented.contains(&format!("`{name}`")), "{name} is not in docs/bench.md");
            left.push(value);
            seen += 1;
        }
    }
    assert!(seen > 60, "only {seen} members: {report}");
}
