//! Response heads.

use super::*;

fn with_head<T>(input: &str, look: impl FnOnce(&ResponseHead<'_>, usize) -> T) -> T {
    let mut slots = FieldSlots::new();
    match decode(input.as_bytes(), &mut slots, &HeadLimits::default()) {
        Ok(DecodedResponse::Head { head, used_bytes }) => look(&head, used_bytes),
        other => panic!("{other:?} for {input:?}"),
    }
}

/// The error of an input, which must come whether the input is there at once or byte by byte.
fn refused(input: &str) -> ResponseError {
    let limits = HeadLimits::default();
    let whole = decode(input.as_bytes(), &mut FieldSlots::new(), &limits).expect_err(input);
    for end in 0..input.len() {
        match decode(&input.as_bytes()[..end], &mut FieldSlots::new(), &limits) {
            Ok(DecodedResponse::Incomplete) => {}
            Ok(head) => panic!("{head:?} from a part of {input:?}"),
            Err(early) => assert_eq!(early, whole, "cut at {end}: {input:?}"),
        }
    }
    whole
}

#[test]
fn a_usual_response_is_read_in_full() {
    let input = "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\n\
        Mcp-Session-Id: s\r\nLocation: /x\r\nRetry-After: 5\r\nWWW-Authenticate: Bearer a\r\n\
        X: 1\r\nwww-authenticate: Basic b\r\nContent-Length: 2\r\n\r\n{}";
    with_head(input, |head, used_bytes| {
        assert_eq!(&input[used_bytes..], "{}");
        assert_eq!((head.status, head.version), (401, Version::Http11));
        assert_eq!(head.framing, ResponseFraming::Length(2));
        assert_eq!(head.persistence, Persistence::KeepAlive);
        for (value, wanted) in [
            (head.content_type, "application/json"),
            (head.mcp_session_id, "s"),
            (head.location, "/x"),
            (head.retry_after, "5"),
            (head.fields().named("x").next(), "1"),
        ] {
            assert_eq!(value, Some(wanted.as_bytes()));
        }
        let challenges: Vec<_> = head.www_authenticate().collect();
        assert_eq!(challenges, [b"Bearer a".as_slice(), b"Basic b"]);
    });
}

#[test]
fn the_body_ends_as_status_and_fields_say() {
    use ResponseFraming as F;
    for (input, framing, persistence) in [
        ("HTTP/1.1 200 OK\r\n\r\n", F::UntilClose, Persistence::Close),
        ("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", F::Length(0), Persistence::KeepAlive),
        ("HTTP/1.1 200 \r\nTransfer-Encoding: Chunked\r\n\r\n", F::Chunked, Persistence::KeepAlive),
        ("HTTP/1.1 100 Continue\r\n\r\n", F::None, Persistence::KeepAlive),
        ("HTTP/1.1 204 x\r\nContent-Length: 5\r\n\r\n", F::None, Persistence::KeepAlive),
        ("HTTP/1.1 304 x\r\n\r\n", F::None, Persistence::KeepAlive),
        ("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", F::Length(5), Persistence::Close),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n",
            F::Length(5),
            Persistence::Close,
        ),
    ] {
        with_head(input, |head, _| {
            assert_eq!((head.framing, head.persistence), (framing, persistence), "{input}");
        });
    }
}

#[test]
fn broken_heads_are_refused() {
    use HeadError as E;
    for line in [
        "HTTP/1.1 99 x",
        "HTTP/1.1 099 x",
        "HTTP/1.1 600 x",
        "HTTP/1.1 2000",
        "HTTP/1.1  200 OK",
        "HTTP/1.1 20x OK",
        "HTTP/1.1 200x",
        "HTTP/1.1",
        "http/1.1 200 OK",
        "ICY 200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "HTTP/1.1\t200 OK",
    ] {
        assert_eq!(refused(&format!("{line}\r\n\r\n")), ResponseError::StatusLine, "{line:?}");
    }
    for (input, wanted) in [
        ("HTTP/2.0 200 OK\r\n\r\n", E::Version),
        ("HTTP/1.2 200 OK\r\n\r\n", E::Version),
        ("\u{16}\u{3}\u{1}", E::RequestLine),
        ("HTTP/1.1 200 OK\n\r\n", E::BareLineFeed),
        ("HTTP/1.1 200 OK\r\nX: 1\n\r\n", E::BareLineFeed),
        ("HTTP/1.1 200 OK\r\nX : 1\r\n\r\n", E::FieldName),
        ("HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\n\r\n", E::FoldedLine),
        ("HTTP/1.1 200 OK\r\nX: \0\r\n\r\n", E::FieldValue),
        ("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", E::ContentLength),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            E::CodingBesideLength,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", E::UnsupportedCoding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", E::TransferEncoding),
        (
            "HTTP/1.1 200 OK\r\nMcp-Session-Id: a\r\nMcp-Session-Id: b\r\n\r\n",
            E::Repeated { field: Known::McpSessionId },
        ),
    ] {
        let error = refused(input);
        assert_eq!(error, ResponseError::Head(wanted), "{input:?}");
        assert_eq!(error.fault(), Fault::Upstream);
    }
}
