//! Request heads, a table for each row of the rules.

use proptest::prelude::*;

use super::*;

fn with_head<T>(input: &[u8], look: impl FnOnce(&RequestHead<'_>, usize) -> T) -> T {
    let mut slots = FieldSlots::new();
    match decode(input, &mut slots, &HeadLimits::default()) {
        Ok(Decoded::Head { head, used_bytes }) => look(&head, used_bytes),
        other => panic!("{other:?} for {:?}", String::from_utf8_lossy(input)),
    }
}

fn refused(input: &[u8]) -> HeadError {
    refused_with(input, &HeadLimits::default())
}

/// The error of an input, which must come whether the input is there at once or byte by byte.
fn refused_with(input: &[u8], limits: &HeadLimits) -> HeadError {
    let whole = decode(input, &mut FieldSlots::new(), limits).expect_err("refused");
    for end in 0..input.len() {
        match decode(&input[..end], &mut FieldSlots::new(), limits) {
            Ok(Decoded::Incomplete) => {}
            Ok(head) => panic!("{head:?} from a part of {:?}", String::from_utf8_lossy(input)),
            Err(early) => {
                assert_eq!(early, whole, "cut at {end}: {:?}", String::from_utf8_lossy(input));
            }
        }
    }
    whole
}

/// A request with these field lines after `Host`.
fn with_fields(lines: &str) -> Vec<u8> {
    format!("POST /mcp HTTP/1.1\r\nHost: a\r\n{lines}\r\n\r\n").into_bytes()
}

#[test]
fn a_usual_request_is_read_in_full() {
    let input = b"POST /mcp?x=1?2 HTTP/1.1\r\nhost: localhost:8080\r\nAccept: application/json\r\n\
        Content-Type: application/json\r\nACCEPT:text/event-stream\r\nContent-Length: 42\r\n\
        Origin: http://a\r\nAuthorization: Bearer x\r\nMcp-Session-Id: s\r\n\
        mcp-protocol-version: v\r\nMcp-Method: tools/call\r\n\
        Mcp-Name: n\xc3\xa4\r\nLast-Event-ID: 7\r\nMcp-Param-Region: eu \r\n\
        Expect: 100-Continue\r\nContent-Encoding: identity\r\nEmpty:\r\n\r\nbody";
    with_head(input, |head, used_bytes| {
        assert_eq!(&input[used_bytes..], b"body");
        assert_eq!((head.method, head.path, head.query), (Method::Post, "/mcp", Some("x=1?2")));
        assert_eq!(head.authority, Some(Authority { host: "localhost", port: Some(8080) }));
        assert_eq!(head.framing, Framing::Length(42));
        assert_eq!(head.expectation, Expectation::Continue);
        assert_eq!(head.persistence, Persistence::KeepAlive);
        let accept: Vec<_> = head.accept().collect();
        assert_eq!(accept, [b"application/json".as_slice(), b"text/event-stream"]);
        for (value, wanted) in [
            (head.origin, "http://a"),
            (head.authorization, "Bearer x"),
            (head.content_type, "application/json"),
            (head.content_encoding, "identity"),
            (head.mcp_session_id, "s"),
            (head.mcp_protocol_version, "v"),
            (head.mcp_method, "tools/call"),
            (head.mcp_name, "nä"),
            (head.last_event_id, "7"),
        ] {
            assert_eq!(value, Some(wanted.as_bytes()));
        }
        let region: Vec<_> = head.fields().named("mcp-param-region").collect();
        assert_eq!(region, [b"eu"]);
        assert_eq!(head.fields().named("empty").next(), Some(b"".as_slice()));
        assert_eq!(head.fields().count(), 16);
        assert_eq!(head.fields().iter().next().map(|field| field.name), Some("host"));
    });
}

#[test]
fn every_method_is_known_by_its_exact_name() {
    for (name, method) in [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
        ("OPTIONS", Method::Options),
        ("PATCH", Method::Patch),
        ("TRACE", Method::Trace),
        ("post", Method::Other),
        ("X!", Method::Other),
    ] {
        let input = format!("{name} / HTTP/1.1\r\nHost: a\r\n\r\n");
        with_head(input.as_bytes(), |head, _| assert_eq!(head.method, method, "{name}"));
    }
}

#[test]
fn targets_in_the_four_forms_are_read() {
    for (line, path, query, host) in [
        ("GET / HTTP/1.1", "/", None, "h"),
        ("GET //a/../b%00 HTTP/1.1", "//a/../b%00", None, "h"),
        ("GET /a? HTTP/1.1", "/a", Some(""), "h"),
        ("GET HTTP://x:81/p?q HTTP/1.1", "/p", Some("q"), "x"),
        ("GET https://x HTTP/1.1", "/", None, "x"),
        ("GET https://x?q HTTP/1.1", "/", Some("q"), "x"),
        ("OPTIONS * HTTP/1.1", "*", None, "h"),
        ("CONNECT x:443 HTTP/1.1", "", None, "x"),
    ] {
        with_head(format!("{line}\r\nHost: h\r\n\r\n").as_bytes(), |head, _| {
            assert_eq!((head.path, head.query), (path, query), "{line}");
            assert_eq!(head.authority.map(|authority| authority.host), Some(host), "{line}");
        });
    }
}

#[test]
fn other_targets_are_refused() {
    for line in [
        "GET a HTTP/1.1",
        "GET * HTTP/1.1",
        "GET ?q HTTP/1.1",
        "GET /a#b HTTP/1.1",
        "GET ftp://x/ HTTP/1.1",
        "GET http:/x HTTP/1.1",
        "GET http:///p HTTP/1.1",
        "GET http://u@x/ HTTP/1.1",
        "GET x:80 HTTP/1.1",
        "GET /\u{e4} HTTP/1.1",
        "CONNECT x HTTP/1.1",
        "CONNECT /x HTTP/1.1",
        "CONNECT http://x/ HTTP/1.1",
        "OPTIONS ** HTTP/1.1",
    ] {
        let input = format!("{line}\r\nHost: h\r\n\r\n");
        assert_eq!(refused(input.as_bytes()), HeadError::Target, "{line}");
    }
}

/// Rule 1.10.
#[test]
fn the_request_line_has_three_parts_and_a_version_of_ours() {
    for line in [
        " GET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET",
        "GET / HTTP/1.1 x",
        "GET /a b HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET / http/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.",
        "GET / HTTP/",
        "GET / HTTP/1.1.1",
        "GET / HTTP/a",
        "GET /\x01 HTTP/1.1 ",
        "GET / XTTP/1.1",
        "G\u{e4}T / HTTP/1.1",
        "\u{16}\u{3}\u{1}",
        "GET /\rx HTTP/1.1 ",
    ] {
        let error = refused(format!("{line}\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!((error, error.status()), (HeadError::RequestLine, 400), "{line:?}");
    }
    for line in [
        "PRI * HTTP/2.0",
        "GET / HTTP/2",
        "GET / HTTP/3",
        "GET / HTTP/0.9",
        "GET /",
        "GET / HTTP/1.2",
        "GET / HTTP/1.10",
    ] {
        let error = refused(format!("{line}\r\nHost: h\r\n\r\n").as_bytes());
        assert_eq!((error, error.status()), (HeadError::Version, 505), "{line:?}");
    }
}

/// Rules 1.2 to 1.4.
#[test]
fn framing_is_certain_or_refused() {
    use HeadError as E;
    let length = Known::ContentLength;
    for (lines, wanted) in [
        ("X: 1", Ok(Framing::None)),
        ("Content-Length: 0", Ok(Framing::Length(0))),
        ("Content-Length: 007", Ok(Framing::Length(7))),
        ("Content-Length: 18446744073709551615", Ok(Framing::Length(u64::MAX))),
        ("Content-Length: 18446744073709551616", Err(E::ContentLength)),
        ("Content-Length: 99999999999999999999999999", Err(E::ContentLength)),
        ("Content-Length:", Err(E::ContentLength)),
        ("Content-Length: +1", Err(E::ContentLength)),
        ("Content-Length: -1", Err(E::ContentLength)),
        ("Content-Length: 0x1", Err(E::ContentLength)),
        ("Content-Length: 1_0", Err(E::ContentLength)),
        ("Content-Length: 1 0", Err(E::ContentLength)),
        ("Content-Length: 1.0", Err(E::ContentLength)),
        ("Content-Length: 5, 5", Err(E::ContentLength)),
        ("Content-Length: 5\r\nContent-Length: 5", Err(E::Repeated { field: length })),
        ("Content-Length: 5\r\nContent-Length: 6", Err(E::Repeated { field: length })),
        ("Transfer-Encoding: chunked", Ok(Framing::Chunked)),
        ("transfer-ENCODING: CHUNKED", Ok(Framing::Chunked)),
        ("Transfer-Encoding:\tchunked\t", Ok(Framing::Chunked)),
        ("Transfer-Encoding: chunked\r\nContent-Length: 5", Err(E::CodingBesideLength)),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", Err(E::CodingBesideLength)),
        ("Transfer-Encoding: gzip, chunked", Err(E::UnsupportedCoding)),
        ("Transfer-Encoding: chunked, gzip", Err(E::UnsupportedCoding)),
        ("Transfer-Encoding: identity", Err(E::UnsupportedCoding)),
        ("Transfer-Encoding: xchunked", Err(E::UnsupportedCoding)),
        ("Transfer-Encoding: chunked, chunked", Err(E::TransferEncoding)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", Err(E::TransferEncoding)),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", Err(E::UnsupportedCoding)),
        ("Transfer-Encoding:", Err(E::TransferEncoding)),
        ("Transfer-Encoding: ,chunked", Err(E::TransferEncoding)),
        ("Transfer-Encoding: \"chunked\"", Err(E::TransferEncoding)),
        ("Transfer-Encoding: chunked;q=1", Err(E::TransferEncoding)),
        ("Transfer-Encoding: \u{b}chunked", Err(E::FieldValue)),
        ("Transfer-Encoding : chunked", Err(E::FieldName)),
    ] {
        let input = with_fields(lines);
        match wanted {
            Ok(framing) => {
                with_head(&input, |head, _| assert_eq!(head.framing, framing, "{lines}"))
            }
            Err(error) => assert_eq!(refused(&input), error, "{lines}"),
        }
    }
    let old = b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(refused(old), E::TransferEncoding);
    assert_eq!(E::UnsupportedCoding.status(), 501);
}

/// Rules 1.7 and 1.8.
#[test]
fn field_lines_and_line_ends_hold_to_their_grammar() {
    use HeadError as E;
    for (lines, wanted) in [
        ("X : 1", E::FieldName),
        ("X\t: 1", E::FieldName),
        (": 1", E::FieldName),
        ("X", E::FieldName),
        ("X Y: 1", E::FieldName),
        ("X\u{e4}: 1", E::FieldName),
        ("X\0: 1", E::FieldName),
        (" X: 1", E::FoldedLine),
        ("X: 1\r\n 2", E::FoldedLine),
        ("X: 1\r\n\t2", E::FoldedLine),
        ("X: 1\r\n ", E::FoldedLine),
        ("X: a\0b", E::FieldValue),
        ("X: a\rb", E::FieldValue),
        ("X: a\r", E::FieldValue),
        ("X: \u{7f}", E::FieldValue),
        ("X: \u{1b}", E::FieldValue),
        ("X: 1\nY: 2", E::BareLineFeed),
        ("X: 1\n", E::BareLineFeed),
        ("X:\n", E::BareLineFeed),
    ] {
        assert_eq!(refused(&with_fields(lines)), wanted, "{lines:?}");
    }
    for input in [
        "GET / HTTP/1.1\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n\n",
        "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        assert_eq!(refused(input.as_bytes()), E::BareLineFeed, "{input:?}");
    }
}

/// Rule 1.9.
#[test]
fn exactly_one_valid_host_is_wanted() {
    use HeadError as E;
    for (fields, wanted) in [
        ("", E::HostMissing),
        ("X: 1\r\n", E::HostMissing),
        ("Host:\r\n", E::Host),
        ("Host: a b\r\n", E::Host),
        ("Host: a/b\r\n", E::Host),
        ("Host: u@a\r\n", E::Host),
        ("Host: a:x\r\n", E::Host),
        ("Host: a, b\r\n", E::Host),
        ("Host: a\r\nHost: a\r\n", E::Repeated { field: Known::Host }),
        ("Host: a\r\nhOST: b\r\n", E::Repeated { field: Known::Host }),
    ] {
        let line = "GET / HTTP/1.1";
        assert_eq!(refused(format!("{line}\r\n{fields}\r\n").as_bytes()), wanted, "{fields:?}");
        let line = "GET http://x/ HTTP/1.1";
        assert_eq!(refused(format!("{line}\r\n{fields}\r\n").as_bytes()), wanted, "{fields:?}");
    }
    with_head(b"GET / HTTP/1.0\r\n\r\n", |head, _| assert_eq!(head.authority, None));
}

#[test]
fn a_connection_lives_on_as_its_version_and_its_options_say() {
    for (version, options, wanted) in [
        ("1.1", "", Persistence::KeepAlive),
        ("1.1", "Connection: x, , Close", Persistence::Close),
        ("1.1", "Connection: keep-alive\r\nConnection: close", Persistence::Close),
        ("1.1", "Connection: Upgrade, HTTP2-Settings", Persistence::KeepAlive),
        ("1.0", "", Persistence::Close),
        ("1.0", "Connection: Keep-Alive", Persistence::KeepAlive),
        ("1.0", "Connection: keep-alive, close", Persistence::Close),
    ] {
        let options = if options.is_empty() { String::new() } else { format!("{options}\r\n") };
        let input = format!("GET / HTTP/{version}\r\nHost: a\r\n{options}\r\n");
        with_head(input.as_bytes(), |head, _| assert_eq!(head.persistence, wanted, "{input}"));
    }
}

/// Rule 1.13.
#[test]
fn an_expectation_is_known_refused_or_ignored() {
    let error = refused(&with_fields("Expect: 200-ok\r\nContent-Length: 1"));
    assert_eq!((error, error.status()), (HeadError::Expectation, 417));
    let old = b"POST / HTTP/1.0\r\nExpect: whatever\r\nContent-Length: 1\r\n\r\n";
    with_head(old, |head, _| assert_eq!(head.expectation, Expectation::None));
    with_head(&with_fields("Expect: 100-continue"), |head, _| {
        assert_eq!(head.expectation, Expectation::None, "there is no body to wait for");
    });
}

/// Rule 1.14.
#[test]
fn a_field_of_one_value_may_not_have_two() {
    for field in [
        Known::Origin,
        Known::Authorization,
        Known::ContentType,
        Known::McpSessionId,
        Known::LastEventId,
    ] {
        let name = field.name();
        let unlike = with_fields(&format!("{name}: a\r\nX: y\r\n{name}: b"));
        assert_eq!(refused(&unlike), HeadError::Repeated { field });
        with_head(&with_fields(&format!("{name}: a\r\n{name}: a")), |_, _| ());
    }
    for field in [Known::McpProtocolVersion, Known::McpMethod, Known::McpName] {
        let name = field.name();
        with_head(&with_fields(&format!("{name}: a\r\n{name}: b\r\n{name}: a")), |head, _| {
            assert_eq!(head.repeated, Some(field));
        });
        with_head(&with_fields(&format!("{name}: a\r\n{name}: a")), |head, _| {
            assert_eq!(head.repeated, None);
        });
    }
    for (lines, kept) in [
        ("Content-Encoding: identity\r\nContent-Encoding: gzip", "gzip"),
        ("Content-Encoding: gzip\r\nContent-Encoding: identity", "gzip"),
    ] {
        with_head(&with_fields(lines), |head, _| {
            assert_eq!(head.content_encoding, Some(kept.as_bytes()));
        });
    }
}

/// Rows 2.1, 2.2 and 2.5, at each limit and one past it.
#[test]
fn limits_hold_at_their_value_and_refuse_one_past_it() {
    let limits = HeadLimits::default();
    let line = |count: usize| {
        let path = "a".repeat(count - "GET / HTTP/1.1".len());
        format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n").into_bytes()
    };
    with_head(&line(8192), |_, _| ());
    let decode_whole = |input: &[u8], limits: &HeadLimits| {
        decode(input, &mut FieldSlots::new(), limits).map(|_| ()).expect_err("refused")
    };
    let error = decode_whole(&line(8193), &limits);
    assert_eq!((error, error.status()), (HeadError::RequestLineTooLong { limit_bytes: 8192 }, 414));

    let field = |count: usize| with_fields(&format!("X:{}", "a".repeat(count - 2)));
    with_head(&field(16384), |_, _| ());
    let error = decode_whole(&field(16385), &limits);
    assert_eq!((error, error.status()), (HeadError::FieldTooLong { limit_bytes: 16384 }, 431));

    let fields = |count: usize| with_fields(&vec!["X: 1"; count - 1].join("\r\n"));
    with_head(&fields(100), |head, _| assert_eq!(head.fields().count(), 100));
    let error = decode_whole(&fields(101), &limits);
    assert_eq!((error, error.status()), (HeadError::TooManyFields { limit_count: 100 }, 431));

    let rest = "a".repeat(10_000);
    let size = with_fields(&format!("X:{rest}\r\nY:{rest}\r\nZ:")).len();
    let head = |count: usize| {
        with_fields(&format!("X:{rest}\r\nY:{rest}\r\nZ:{}", "a".repeat(count - size)))
    };
    with_head(&head(32768), |_, used_bytes| assert_eq!(used_bytes, 32768));
    let error = decode_whole(&head(32769), &limits);
    assert_eq!((error, error.status()), (HeadError::HeadTooLong { limit_bytes: 32768 }, 431));

    with_head(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", |_, used_bytes| assert_eq!(used_bytes, 29));
    let error = refused(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((error, error.status()), (HeadError::TooManyEmptyLines { limit_count: 1 }, 400));
}

#[test]
fn small_limits_give_one_answer_at_every_cut() {
    let limits = HeadLimits {
        request_line_bytes_max: 20,
        field_bytes_max: 12,
        head_bytes_max: 60,
        fields_max: 3,
        empty_lines_max: 0,
    };
    for (input, wanted) in [
        ("GET /aaaaaaaaaaa HTTP/1.1\r\n", HeadError::RequestLineTooLong { limit_bytes: 20 }),
        ("GET /aaaaaaaaaaaaaaaaaaaaaaa", HeadError::RequestLineTooLong { limit_bytes: 20 }),
        ("GET / HTTP/1.1\r\nHost: aaaaaaa\n", HeadError::FieldTooLong { limit_bytes: 12 }),
        ("GET / HTTP/1.1\r\nHost: aaaaaa\r\r\n", HeadError::FieldTooLong { limit_bytes: 12 }),
        ("GET / HTTP/1.1\r\na:\r\nb:\r\nc:\r\nd", HeadError::TooManyFields { limit_count: 3 }),
        (
            "GET /aaaa HTTP/1.1\r\na:111111111\r\nb:111111111\r\nc:111111111\r\n\r\n",
            HeadError::HeadTooLong { limit_bytes: 60 },
        ),
        ("\r\nGET", HeadError::TooManyEmptyLines { limit_count: 0 }),
    ] {
        assert_eq!(refused_with(input.as_bytes(), &limits), wanted, "{input:?}");
    }
}

#[test]
fn an_incomplete_head_over_a_limit_is_refused_at_once() {
    let input = [b"GET /".as_slice(), &[b'a'; 9000]].concat();
    assert_eq!(refused(&input).status(), 414);
    let input = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; 17_000]].concat();
    let error = decode(&input, &mut FieldSlots::new(), &HeadLimits::default()).map(|_| ());
    assert_eq!(error, Err(HeadError::FieldTooLong { limit_bytes: 16384 }));
    assert_eq!(refused(b"\x16\x03\x01\x02\x00\x01\x00"), HeadError::RequestLine);
}

proptest! {
    /// Any mix of the bytes that matter gives one answer, whole or cut anywhere.
    #[test]
    fn where_reads_split_a_head_does_not_matter(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "GET / HTTP/1.1\r\n", "Host: a\r\n", "\r\n", "\n", "\r", " ", ":", "X: 1\r\n", "\0",
                "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "POST /é HTTP/1.1\r\n",
                "GET / HTTP/2.0\r\n", "x", "Expect: 100-continue\r\n", "Host: b c\r\n",
            ]),
            0..12,
        ),
        start in any::<bool>(),
    ) {
        let mut input = String::from(if start { "GET / HTTP/1.1\r\nHost: a\r\n" } else { "" });
        input.extend(parts);
        let input = input.as_bytes();
        let limits = HeadLimits {
            request_line_bytes_max: 40, field_bytes_max: 30, head_bytes_max: 90,
            fields_max: 5, empty_lines_max: 1,
        };
        let mut slots = FieldSlots::new();
        let whole = decode(input, &mut slots, &limits);
        for end in 0..input.len() {
            let mut slots = FieldSlots::new();
            let part = decode(&input[..end], &mut slots, &limits);
            if part != Ok(Decoded::Incomplete) {
                prop_assert_eq!(part, whole, "cut at {}", end);
            }
        }
    }
}
