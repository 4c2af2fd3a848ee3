//! A server that runs: its greeting, and what `call` and `ls` get from it.

use std::io::BufRead as _;
use std::process::Command;

use serde_json::{Value, json};

use crate::child::{Server, connect, connect_unix, exchange, run, run_with_input, text};

const SUM: &str = r#""content":[{"type":"text","text":"4"}]"#;

/// The JSON behind `-d`.
fn body_of(curl: &str) -> &str {
    curl.split_once(" -d '").expect("a body").1.trim_end_matches('\'')
}

#[test]
fn the_line_to_paste_gets_an_answer() {
    let server = Server::on_loopback(&[]);
    let lines = server.curl_lines();
    let [line] = lines[..] else { panic!("{}", server.greeting) };
    assert!(line.contains(&format!(" {} ", server.url())), "{line}");
    let stream = connect(server.authority());
    let answer = exchange(stream, server.authority(), "/mcp", body_of(line));
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains(SUM), "{answer}");
    paste(line);
    server.end_well();
}

/// Runs a line as it would be pasted, where there is something to run it.
fn paste(line: &str) {
    let found = Command::new("curl").arg("--version").output();
    if found.is_ok_and(|found| found.status.success()) {
        let pasted = Command::new("sh").arg("-c").arg(format!("curl {line}")).output();
        let pasted = pasted.expect("a shell");
        assert!(text(&pasted.stdout).contains(SUM), "{line}: {}", text(&pasted.stdout));
    }
}

#[test]
fn every_kind_of_address_has_its_line_and_its_url() {
    let folder = tempfile::tempdir().expect("a folder");
    let socket = folder.path().join("a.sock").display().to_string();
    let listen = format!("unix:{socket}");
    let server = Server::on_loopback(&["--listen", &listen, "--path", "/tools"]);
    assert_eq!(server.urls[1], format!("{listen}:/tools"));
    let lines = server.curl_lines();
    let [first, second] = lines[..] else { panic!("{}", server.greeting) };
    assert!(
        second.contains(&format!("--unix-socket {socket} http://localhost/tools ")),
        "{second}"
    );
    let answer = exchange(connect_unix(&socket), "localhost", "/tools", body_of(second));
    assert!(answer.contains(SUM), "{answer}");
    for line in [first, second] {
        paste(line);
    }
    for url in &server.urls {
        for era in ["modern", "legacy"] {
            let ran = run(&["call", url, "add", "a=2", "b=2", "--era", era]);
            assert_eq!(text(&ran.stdout), "4\n", "{url} {era}: {}", text(&ran.stderr));
        }
    }
    server.end_well();
    assert!(!folder.path().join("a.sock").exists(), "the socket file is left behind");
}

#[test]
fn an_address_that_others_reach_by_no_name_is_warned_of() {
    let listen = ["--listen", "0.0.0.0:0"];
    let mut server = Server::start(&listen);
    let mut warning = String::new();
    server.process.take_errors().read_line(&mut warning).expect("a warning");
    assert!(warning.starts_with("warning: 0.0.0.0:"), "{warning}");
    assert!(warning.contains("add --allow-host NAME"), "{warning}");
    for line in server.curl_lines() {
        paste(line);
    }
    drop(server);
    Server::start(&[&listen[..], &["--allow-host", "mcp.example"]].concat()).end_well();
}

#[test]
fn workers_cores_and_drivers_are_as_asked_for() {
    let server = Server::on_loopback(&["--workers", "1", "--io", "epoll"]);
    assert!(server.greeting.contains("\n  1 worker "), "{}", server.greeting);
    assert!(server.greeting.contains(", epoll\n"), "{}", server.greeting);
    server.end_well();
    let allowed = std::fs::read_to_string("/proc/self/status").expect("the status");
    let allowed = allowed.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let cpu = allowed.expect("a list").trim().split(['-', ',']).next().expect("a core");
    let server =
        Server::on_loopback(&["--cpus", cpu, "--workers", "2", "--limit", "call_timeout=7s"]);
    let workers = format!("\n  2 workers on CPUs {cpu} {cpu}, ");
    assert!(server.greeting.contains(&workers), "{}", server.greeting);
    assert!(server.greeting.contains(" 7s a call"), "{}", server.greeting);
    server.end_well();
}

#[test]
fn io_uring_is_had_or_refused_clearly() {
    let tried = run(&["--io", "io_uring", "--listen", "192.0.2.1:0"]);
    let errors = text(&tried.stderr);
    assert_eq!(tried.status.code(), Some(1), "{errors}");
    // The driver is decided on before any address is bound.
    if errors.contains("no interface of this machine") {
        let server = Server::on_loopback(&["--io", "io_uring"]);
        assert!(server.greeting.contains(", io_uring"), "{}", server.greeting);
        server.end_well();
    } else {
        assert!(errors.contains("io_uring"), "{errors}");
    }
}

#[test]
fn ls_and_call_work_in_both_eras() {
    let server = Server::on_loopback(&[]);
    let url = server.url();
    for (era, revision) in [("modern", "2026-07-28"), ("legacy", "2025-11-25")] {
        let listed = run(&["ls", url, "--era", era]);
        let listed = text(&listed.stdout);
        let parts = ["ringlane ", revision, "\nadd\n", "  a  number  required  The first addend"];
        for part in parts {
            assert!(listed.contains(part), "{era} lacks {part}: {listed}");
        }
        let listed = run(&["ls", url, "--era", era, "--json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
        assert_eq!((&listed["era"], &listed["url"]), (&json!(era), &json!(url)));
        assert_eq!(listed["tools"].as_array().map(Vec::len), Some(4));

        let from_input =
            run_with_input(&["call", url, "echo", "-", "--era", era], "{\"message\":\"5\"}");
        assert_eq!(text(&from_input.stdout), "5\n", "{}", text(&from_input.stderr));
        let calls: &[(&[&str], i32, &str, &str)] = &[
            (&["echo", "message=5"], 0, "5\n", ""),
            (&["add", "a=2", "b=2", "--json"], 0, SUM, ""),
            (&["countdown", "from=1", "-v"], 0, "liftoff\n", "1/1 0 to go\n"),
            (&["countdown", "from=61"], 1, "", "`from` must be at most 60. Fix: "),
            (&["add", "a=2"], 1, "", "`b` is required. Fix: add `b`."),
            (
                &["add", "a=2", "b=2", "c=1"],
                0,
                "4\n",
                "warning: c: the tool names no such argument",
            ),
            (&["ad"], 1, "", "there is no tool ad\n  fix: did you mean add?\n"),
            (&["add", "a=x", "b=2"], 2, "", "a: the tool wants number here: write a=2.5\n"),
        ];
        for (words, code, output, errors) in calls {
            let ran = run(&[&["call", url, "--era", era], *words].concat());
            let said = (text(&ran.stdout), text(&ran.stderr));
            assert_eq!(ran.status.code(), Some(*code), "{era} {words:?}: {said:?}");
            assert!(said.0.contains(output) && said.1.contains(errors), "{words:?}: {said:?}");
        }
    }
    server.end_well();
}
