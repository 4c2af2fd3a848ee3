//! Signals: the first drains, the second ends at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use rustix::process::Signal;

use crate::child::{PATIENCE, Running, Server, connect, send};

/// Calls the countdown on a connection of its own; returns when its first progress is there.
fn begin_countdown(server: &Server, from: u8) -> BufReader<TcpStream> {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"countdown",
        "arguments":{{"from":{from}}},"_meta":{{"progressToken":"t"}}}}}}"#
    );
    let mut stream = connect(server.authority());
    send(&mut stream, server.authority(), "/mcp", &body, "keep-alive");
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    while !line.contains("notifications/progress") {
        line.clear();
        let length_bytes = reader.read_line(&mut line).expect("an event");
        assert!(length_bytes > 0, "the answer ended early");
    }
    reader
}

#[test]
fn a_call_in_flight_is_answered_before_the_end() {
    for signal in [Signal::TERM, Signal::INT] {
        let server = Server::on_loopback(&[]);
        let mut reader = begin_countdown(&server, 1);
        server.process.signal(signal);
        let mut answer = String::new();
        reader.read_to_string(&mut answer).expect("the rest of the answer");
        assert!(answer.contains("liftoff"), "{answer}");
        assert!(answer.ends_with("0\r\n\r\n"), "the last chunk is missing: {answer}");
        drop(reader);
        let (code, _, errors) = server.process.end();
        assert_eq!((code, errors.as_str()), (Some(0), ""));
    }
}

#[test]
fn a_call_that_outlasts_the_drain_is_ended_with_an_error() {
    let server = Server::on_loopback(&["--drain-timeout", "100ms"]);
    let mut reader = begin_countdown(&server, 60);
    server.process.signal(Signal::TERM);
    let mut answer = String::new();
    reader.read_to_string(&mut answer).expect("the rest of the answer");
    assert!(answer.contains("shutting down"), "{answer}");
    drop(reader);
    assert_eq!(server.process.end().0, Some(0));
}

#[test]
fn a_second_signal_ends_at_once() {
    let server = Server::on_loopback(&["--drain-timeout", "1h"]);
    let mut reader = begin_countdown(&server, 60);
    server.process.signal(Signal::INT);
    // Until the first one is obeyed a second one of its kind may melt into it; once the listening
    // socket is gone, it was.
    while TcpStream::connect(server.authority()).is_ok() {}
    server.process.signal(Signal::INT);
    let mut answer = String::new();
    // The connection is cut, with a reset or without one.
    let _ = reader.read_to_string(&mut answer);
    assert!(!answer.contains("liftoff"), "{answer}");
    assert_eq!(server.process.end().0, Some(130));
}

/// A server whose tools change once. Its threads end with the tests.
#[expect(clippy::disallowed_methods, reason = "the other end of a program that blocks")]
fn changing() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || change(stream));
        }
    });
    url
}

/// Answers one connection: a document for discovery, a stream without an end for the rest.
fn change(mut stream: TcpStream) {
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let mut reader = BufReader::new(stream.try_clone().expect("a second end"));
    let (mut head, mut body_bytes) = (String::new(), 0);
    while reader.read_line(&mut head).is_ok_and(|count| count > 2) {
        let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
        if let Some(length) = line.strip_prefix("content-length: ") {
            body_bytes = length.trim().parse().expect("a length");
        }
    }
    let mut body = vec![0; body_bytes];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let discovers = head.contains("Mcp-Method: server/discover");
    let (kind, text) = if discovers {
        let result = r#"{"supportedVersions":["2026-07-28"],
            "capabilities":{"tools":{"listChanged":true}}}"#;
        ("application/json", format!(r#"{{"jsonrpc":"2.0","id":0,"result":{result}}}"#))
    } else {
        let told = ["subscriptions/acknowledged", "tools/list_changed"].map(|method| {
            format!("data: {{\"method\":\"notifications/{method}\",\"params\":{{}}}}\n\n")
        });
        ("text/event-stream", told.concat())
    };
    let ends =
        if discovers { format!("Content-Length: {}\r\n", text.len()) } else { String::new() };
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{ends}\r\n{text}");
    stream.write_all(answer.as_bytes()).expect("sent");
    // Until the other side goes.
    let _ = reader.read_line(&mut head);
}

#[test]
fn listening_ends_well_by_either_signal() {
    let url = changing();
    for signal in [Signal::TERM, Signal::INT] {
        let mut process = Running::start(&["listen", &url]);
        assert_eq!(process.line(), "tools/list_changed");
        process.signal(signal);
        let (code, rest, errors) = process.end();
        assert_eq!((code, rest.as_str()), (Some(0), ""), "{errors}");
        assert_eq!(errors, "listening\n");
    }
}
