//! HTTP/1.1 messages: where each ends, and what is refused because nobody can tell (section 1).

use ringlane::Revision;
use serde_json::json;

use crate::support::ask::{Ask, LEGACY, MODERN};
use crate::support::client::{Conn, End};
use crate::support::house::{House, each, plain};

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

fn ping() -> Ask {
    Ask::new(LEGACY, "ping")
}

/// A request for a probe with these lines in its head.
fn probe(lines: &str) -> String {
    format!("GET /healthz HTTP/1.1\r\n{lines}\r\n")
}

/// Sends bytes, followed by a request that would be answered if anything after them were read.
fn refused(house: &House, bytes: impl AsRef<[u8]>) -> u16 {
    let mut conn = house.connect();
    let (shown, bytes) = (String::from_utf8_lossy(bytes.as_ref()).into_owned(), bytes.as_ref());
    conn.expect_refusal();
    conn.write_some(bytes);
    conn.write_some(probe("Host: localhost\r\n").as_bytes());
    let answer = conn.read();
    assert!(answer.head.closes(), "{shown:?}");
    assert_eq!(conn.end(), End::Clean, "{shown:?}");
    answer.status
}

fn all_refused(house: &House, status: u16, cases: &[String]) {
    for case in cases {
        assert_eq!(refused(house, case), status, "{case:?}");
    }
}

/// A ping whose body ends as these lines say.
fn framed(lines: &str, body: &str) -> String {
    format!("{}{body}", String::from_utf8(ping().head(lines)).unwrap())
}

/// 1.1, 1.2, 1.3
#[test]
fn a_length_is_one_number() {
    each(plain, |house| {
        let length = PING.len();
        for line in [format!("Content-Length: {length}"), format!("content-LENGTH:0{length}  ")] {
            let mut conn = house.connect();
            conn.expect(&ping());
            conn.write(framed(&format!("{line}\r\n"), PING).as_bytes());
            assert_eq!(conn.read().status, 200, "{line}");
        }
        all_refused(
            house,
            400,
            &[
                framed(
                    &format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"),
                    PING,
                ),
                framed(
                    &format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"),
                    PING,
                ),
                framed(&format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"), PING),
                framed(&format!("Content-Length: {length}\r\nContent-Length: 1\r\n"), PING),
                framed(&format!("Content-Length: {length}, {length}\r\n"), PING),
                framed(&format!("Content-Length: +{length}\r\n"), PING),
                framed("Content-Length: 0x28\r\n", PING),
                framed("Content-Length: 4_0\r\n", PING),
                framed("Content-Length: -1\r\n", PING),
                framed("Content-Length: \r\n", PING),
                framed("Content-Length: 40 40\r\n", PING),
                framed("Content-Length: 18446744073709551616\r\n", PING),
            ],
        );
        // The largest that fits is a length, though one past any limit.
        let largest = framed("Content-Length: 18446744073709551615\r\n", PING);
        assert_eq!(refused(house, largest), 413);
    });
}

/// 1.4
#[test]
fn the_one_transfer_coding_is_chunked() {
    each(plain, |house| {
        let chunks = format!("{:x}\r\n{PING}\r\n0\r\n\r\n", PING.len());
        for coding in ["chunked", "Chunked", "CHUNKED", " chunked\t"] {
            let mut conn = house.connect();
            conn.expect(&ping());
            conn.write(framed(&format!("Transfer-Encoding:{coding}\r\n"), &chunks).as_bytes());
            assert_eq!(conn.read().status, 200, "{coding}");
        }
        for (status, coding) in [
            (501, "gzip"),
            (501, "gzip, chunked"),
            (501, "chunked, gzip"),
            (501, "identity"),
            (501, "xchunked"),
            (400, "chunked, chunked"),
            (400, "chunked;q=1"),
            (400, "\"chunked\""),
            (400, "chunked,"),
            (400, ""),
        ] {
            let case = framed(&format!("Transfer-Encoding: {coding}\r\n"), &chunks);
            assert_eq!(refused(house, case), status, "{coding:?}");
        }
        let twice = framed("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", &chunks);
        let old = framed("Transfer-Encoding: chunked\r\n", &chunks).replace("/1.1", "/1.0");
        all_refused(house, 400, &[twice, old]);
    });
}

/// 1.5, 1.6
#[test]
fn chunks_hold_to_their_grammar() {
    each(plain, |house| {
        let chunked = |body: &str| framed("Transfer-Encoding: chunked\r\n", body);
        let size = format!("{:x}", PING.len());
        for body in [
            format!("{size}\r\n{PING}\r\n0\r\n\r\n"),
            format!("{size};a=b;c=\"d;\\\"\"\r\n{PING}\r\n000;x\r\nX-Trailer: 1\r\n\r\n"),
            format!(
                "{size:0>16}\r\n{PING}\r\n0\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n"
            ),
        ] {
            let mut conn = house.connect();
            conn.expect(&ping());
            conn.write(chunked(&body).as_bytes());
            assert_eq!(conn.read().status, 200, "{body:?}");
            assert_eq!(conn.ask(&ping()).status, 200, "trailers change nothing");
        }
        all_refused(
            house,
            400,
            &[
                chunked(&format!("{size:0>17}\r\n{PING}\r\n0\r\n\r\n")),
                chunked(&format!("0x{size}\r\n{PING}\r\n0\r\n\r\n")),
                chunked(&format!("+{size}\r\n{PING}\r\n0\r\n\r\n")),
                chunked(&format!(" {size}\r\n{PING}\r\n0\r\n\r\n")),
                chunked(&format!("\r\n{PING}\r\n0\r\n\r\n")),
                chunked(&format!("g\r\n{PING}\r\n0\r\n\r\n")),
                chunked(&format!("{size}\n{PING}\r\n0\r\n\r\n")),
                chunked(&format!("{size}\r\n{PING}\n0\r\n\r\n")),
                chunked(&format!("{size}\r\n{PING}x\r\n0\r\n\r\n")),
                chunked(&format!("{size};a\0b\r\n{PING}\r\n0\r\n\r\n")),
                chunked(&format!("{size};a\rb\r\n{PING}\r\n0\r\n\r\n")),
                chunked(&format!("{size}\r\n{PING}\r\n0\r\nno colon\r\n\r\n")),
                chunked(&format!("{size}\r\n{PING}\r\n0\r\nA : b\r\n\r\n")),
                chunked(&format!("{size}\r\n{PING}\r\n0\r\nA: b\n\r\n")),
                chunked(&format!("{size}\r\n{PING}\r\n0\r\nA: b\r\n c\r\n\r\n")),
            ],
        );
        let huge = chunked(&format!("ffffffffffffffff\r\n{PING}\r\n0\r\n\r\n"));
        assert_eq!(refused(house, huge), 413);
    });
}

/// 1.7, 1.8
#[test]
fn fields_and_line_ends_hold_to_their_grammar() {
    each(plain, |house| {
        let host = "Host: localhost\r\n";
        let mut conn = house.connect();
        assert_eq!(conn.raw(probe(&format!("{host}X:\r\nx-Y_z!: a\tb é\r\n"))).status, 200);
        all_refused(
            house,
            400,
            &[
                probe(&format!("{host}A : b\r\n")),
                probe(&format!("{host}: b\r\n")),
                probe(&format!("{host}no colon\r\n")),
                probe(&format!("{host}A: b\0c\r\n")),
                probe(&format!("{host}A: b\rc\r\n")),
                probe(&format!("{host}A: b\x01\r\n")),
                probe(&format!("{host}A: b\r\n c\r\n")),
                probe(&format!("{host}(A): b\r\n")),
                probe("Host: localhost\n"),
                probe(&format!("{host}A: b\n")),
                "GET /healthz HTTP/1.1\nHost: localhost\r\n\r\n".to_owned(),
                format!("GET /healthz HTTP/1.1\r\n{host}\n"),
            ],
        );
    });
}

/// 1.9
#[test]
fn host_comes_once_and_an_absolute_target_replaces_it() {
    each(plain, |house| {
        let mut conn = house.connect();
        for (target, host, status) in [
            ("/healthz", "localhost", 200),
            ("/healthz", "LOCALHOST:1", 200),
            ("/healthz", "[::1]:80", 200),
            ("http://localhost/healthz", "evil.example", 200),
            ("HTTP://127.0.0.1:9/healthz?q", "localhost", 200),
            ("http://evil.example/healthz", "localhost", 200), // a probe, by any name
            ("http://evil.example/mcp", "localhost", 421),
            ("http://localhost/mcp", "evil.example", 400), // it lacks a session
            ("http://localhost", "localhost", 404),
        ] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(conn.raw(request).status, status, "{target} {host}");
        }
        all_refused(
            house,
            400,
            &[
                probe(""),
                probe("Host: localhost\r\nHost: localhost\r\n"),
                probe("Host: localhost\r\nhost: other\r\n"),
                probe("Host: a b\r\n"),
                probe("Host: user@localhost\r\n"),
                probe("Host: localhost:99999\r\n"),
                probe("Host: local/host\r\n"),
                "GET http://localhost/healthz HTTP/1.1\r\n\r\n".to_owned(),
                "GET ftp://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                "GET healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
                "GET /a#b HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            ],
        );
    });
}

/// 1.10
#[test]
fn request_lines_hold_to_their_grammar() {
    each(plain, |house| {
        let request = |line: &str| format!("{line}\r\nHost: localhost\r\n\r\n");
        all_refused(
            house,
            400,
            &[
                request("GET  /healthz HTTP/1.1"),
                request("GET /healthz  HTTP/1.1"),
                request(" GET /healthz HTTP/1.1"),
                request("GET /healthz HTTP/1.1 "),
                request("GET\t/healthz HTTP/1.1"),
                request("GET /health z HTTP/1.1"),
                request("GET /healthz http/1.1"),
                request("GET /healthz HTTP/1.1x"),
                request("G(T /healthz HTTP/1.1"),
                "\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n".to_owned(),
            ],
        );
        all_refused(
            house,
            505,
            &[
                request("GET /healthz HTTP/2.0"),
                request("GET /healthz HTTP/1.2"),
                request("GET /healthz HTTP/0.9"),
                request("GET /healthz"),
                "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
            ],
        );
        // CONNECT opens no tunnel: it is one more method that nothing here serves.
        let mut conn = house.connect();
        let answer = conn.raw("CONNECT localhost:80 HTTP/1.1\r\nHost: localhost:80\r\n\r\n");
        assert_eq!(answer.status, 404);
        assert_eq!(conn.raw(probe("Host: localhost\r\n")).status, 200);
    });
}

/// 1.11
#[test]
fn a_refused_request_without_its_body_ends_its_connection() {
    each(plain, |house| {
        let late = ping().field("Origin", "https://evil.example");
        let mut conn = house.connect();
        conn.expect(&late);
        conn.write(&late.head("Content-Length: 1000\r\n"));
        let answer = conn.read();
        assert_eq!((answer.status, answer.head.closes()), (403, true));
        // What comes late is heard out, so that no reset destroys the answer, and never answered.
        conn.write_some(&[b' '; 1000]);
        conn.write_some(probe("Host: localhost\r\n").as_bytes());
        assert_eq!(conn.end(), End::Clean);
        // With its body there, the connection lives on.
        let mut conn = house.connect();
        let answer = conn.ask(&late);
        assert_eq!((answer.status, answer.head.closes()), (403, false));
        assert_eq!(conn.ask(&ping()).status, 200);
    });
}

/// 1.12
#[test]
fn pipelined_answers_keep_their_order_and_nothing_follows_a_close() {
    each(plain, |house| {
        let mut conn = house.connect();
        let slow = Ask::call(LEGACY, "hold", json!({})).id(1);
        let fast: Vec<_> =
            (2..8).map(|id| Ask::call(MODERN, "echo", json!({"message": "m"})).id(id)).collect();
        let mut bytes = slow.bytes();
        conn.expect(&slow);
        for ask in &fast {
            conn.expect(ask);
            bytes.extend_from_slice(&ask.bytes());
        }
        conn.write(&bytes);
        house.hear("started");
        house.gate.open();
        assert_eq!(conn.read().said(), "held");
        for ask in &fast {
            assert_eq!(conn.read().response()["id"].to_string(), ask.asked().id.unwrap());
        }

        let mut conn = house.connect();
        let last = ping().field("Connection", "x, Close");
        conn.expect(&last);
        conn.write(&[last.bytes(), ping().bytes()].concat());
        assert!(conn.read().head.closes());
        assert_eq!(conn.end(), End::Clean);
    });
}

/// 1.13
#[test]
fn upgrades_are_answered_as_plain_requests_and_other_expectations_refused() {
    each(plain, |house| {
        let mut conn = house.connect();
        for lines in [
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: eA==\r\n",
        ] {
            assert_eq!(conn.raw(probe(&format!("Host: localhost\r\n{lines}"))).status, 200);
        }
        let other = probe("Host: localhost\r\nExpect: 200-ok\r\n");
        assert_eq!(refused(house, other), 417);
        // HTTP/1.0 knows no interim answers: none is sent to it.
        let mut conn = house.connect();
        let old = ping().http10().field("Expect", "100-continue");
        conn.expect(&old);
        conn.write(&old.head(&format!("Content-Length: {}\r\n", PING.len())));
        conn.write(PING.as_bytes());
        assert_eq!(conn.read().status, 200);
    });
}

/// 1.14
#[test]
fn a_field_of_one_value_has_one() {
    each(plain, |house| {
        for (name, one, other) in [
            ("Origin", "http://localhost", "http://localhost:1"),
            ("Authorization", "a", "b"),
            ("Content-Type", "application/json", "application/json; a=b"),
            ("Mcp-Session-Id", "a", "b"),
            ("Last-Event-ID", "a", "b"),
        ] {
            let same = ping().field(name, one).also(name, one);
            // There is no session of this name; the request is whole all the same.
            let expected = if name == "Mcp-Session-Id" { 404 } else { 200 };
            assert_eq!(house.connect().ask(&same).status, expected, "{name}");
            let unlike = ping().field(name, one).also(name, other);
            assert_eq!(refused(house, unlike.bytes()), 400, "{name}");
        }
        // These are fields of MCP, which has an error of its own for them, or reads the first.
        let mut conn = house.connect();
        for (name, other) in [
            ("MCP-Protocol-Version", "2025-11-25"),
            ("Mcp-Method", "tools/list"),
            ("Mcp-Name", "echo"),
        ] {
            let ask = Ask::call(MODERN, "text", json!({})).also(name, other);
            assert_eq!(conn.ask(&ask).refusal(), (400, -32020), "{name}");
        }
    });
}

/// 1.14 in the legacy era, where there is no such error: still 400.
#[test]
fn a_legacy_version_field_that_comes_twice_is_refused() {
    each(plain, |house| {
        let twice = ping().also("MCP-Protocol-Version", &Revision::V2025_06_18.to_string());
        assert_eq!(house.connect().ask(&twice).refusal(), (400, -32020));
        let twice = Ask::notification(LEGACY, "notifications/initialized")
            .also("MCP-Protocol-Version", "2025-03-26");
        assert_eq!(house.connect().ask(&twice).refusal(), (400, -32020));
    });
}

/// 1.15
#[test]
fn where_the_bytes_are_split_does_not_matter() {
    each(plain, |house| {
        let ask = Ask::call(LEGACY, "echo", json!({"message": "é"})).id(9);
        for bytes in [ask.bytes(), ask.chunked(&[1, 7, 3])] {
            let mut conn = house.connect();
            for at in (1..bytes.len()).step_by(13) {
                conn.expect(&ask);
                conn.write(&bytes[..at]);
                conn.write(&bytes[at..]);
                assert_eq!(conn.read().said(), "é", "split at {at}");
            }
            conn.expect(&ask);
            bytes.iter().for_each(|byte| conn.write(&[*byte]));
            assert_eq!(conn.read().said(), "é");
        }
    });
}

#[test]
fn a_request_without_an_end_is_told_so() {
    each(plain, |house| {
        let bytes = ping().bytes();
        for at in [10, bytes.len() - PING.len(), bytes.len() - 1] {
            let mut conn = house.connect();
            conn.expect_refusal();
            conn.write(&bytes[..at]);
            conn.half_close();
            assert_eq!(conn.read().status, 400, "cut at {at}");
            assert_eq!(conn.end(), End::Clean);
        }
        let silent: Vec<Conn> = (0..4).map(|_| house.connect()).collect();
        silent.iter().for_each(Conn::half_close);
        silent.into_iter().for_each(|mut conn| assert_eq!(conn.end(), End::Clean));
    });
}
