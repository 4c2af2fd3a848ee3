//! Signals: the first drains, the second ends at once.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::TcpStream;

use rustix::process::Signal;

use crate::child::{Server, connect, send};

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
