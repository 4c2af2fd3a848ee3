//! Streams of notifications: framing, silence, slow readers (5.12, 2.11).

use std::time::Duration;

use ringlane::Settings;
use serde_json::json;

use crate::support::ask::{Ask, BOTH, LEGACY, MODERN, NDJSON, SSE};
use crate::support::client::{End, Frame};
use crate::support::house::{each, plain};

/// 5.12: the client checks each frame; here that a message is sent when it is made.
#[test]
fn a_notification_is_sent_while_its_tool_still_works() {
    each(plain, |house| {
        let mut conns = Vec::new();
        for revision in [LEGACY, MODERN] {
            for accept in [BOTH, SSE, NDJSON] {
                let mut conn = house.connect();
                let ask = Ask::call(revision, "patient", json!({})).accept(accept);
                conn.send(&ask.progress_token("p"));
                house.hear("started");
                let head = conn.begin();
                assert_eq!(head.field("X-Accel-Buffering"), Some("no"));
                assert!(head.field("Cache-Control").unwrap().contains("no-cache"));
                assert_eq!(conn.message().unwrap()["params"]["progress"], 1);
                conns.push(conn);
            }
        }
        house.gate.open();
        for mut conn in conns {
            assert_eq!(conn.message().unwrap()["params"]["progress"], 2);
            assert!(conn.message().unwrap().get("result").is_some());
            assert_eq!(conn.message(), None);
            // The connection lives on.
            assert_eq!(conn.ask(&Ask::new(LEGACY, "ping")).status, 200);
        }
    });
}

#[test]
fn a_silent_stream_is_kept_alive() {
    let often = |settings: &mut Settings| {
        settings.serve.limits.keep_alive_interval = Duration::from_millis(20);
    };
    each(often, |house| {
        let mut conns = Vec::new();
        for (tool, accept) in [("hold", BOTH), ("hold", SSE), ("hold", NDJSON), ("patient", SSE)] {
            let mut conn = house.connect();
            conn.send(&Ask::call(MODERN, tool, json!({})).accept(accept).progress_token(1));
            house.hear("started");
            conn.begin();
            if tool == "patient" {
                conn.message().unwrap();
            }
            assert_eq!(
                [conn.frame(), conn.frame()],
                [Some(Frame::KeepAlive), Some(Frame::KeepAlive)]
            );
            conns.push(conn);
        }
        house.gate.open();
        for mut conn in conns {
            while conn.message().is_some() {}
            assert_eq!(conn.ask(&Ask::new(LEGACY, "ping")).status, 200);
        }
    });
}

/// A document cannot be kept alive: nothing is sent before it.
#[test]
fn a_silent_document_says_nothing() {
    let often = |settings: &mut Settings| {
        settings.serve.limits.keep_alive_interval = Duration::from_millis(10);
        settings.serve.limits.call_timeout = Duration::from_millis(50);
    };
    each(often, |house| {
        let ask = Ask::call(MODERN, "hold", json!({})).accept("application/json");
        let answer = house.connect().ask(&ask);
        assert!(answer.field("Content-Length").is_some());
        assert_eq!(answer.refusal(), (200, -32603));
    });
}

/// 2.11: a handler that awaits loses nothing, however slowly its client reads.
#[test]
fn a_slow_reader_holds_the_handler_back_and_loses_nothing() {
    let small = |settings: &mut Settings| {
        settings.serve.limits.stream_buffer_bytes_max = 4096;
        settings.serve.limits.output_bytes_max = 4096;
    };
    each(small, |house| {
        for (accept, count) in [(SSE, 600), (NDJSON, 600)] {
            let mut conn = house.connect();
            let arguments = json!({"count": count, "pad": 20_000});
            conn.send(&Ask::call(MODERN, "progress", arguments).accept(accept).progress_token(1));
            // Others are served while that stream waits for its reader.
            assert_eq!(house.connect().ask(&Ask::new(LEGACY, "ping")).status, 200);
            conn.begin();
            for done in 1..=count {
                assert_eq!(conn.message().unwrap()["params"]["progress"], done);
            }
            assert!(conn.message().unwrap().get("result").is_some());
            assert_eq!(conn.message(), None);
        }
    });
}

/// HTTP/1.0 knows no chunks: a stream goes on until the connection ends.
#[test]
fn an_old_client_reads_until_the_end() {
    each(plain, |house| {
        for accept in [BOTH, SSE, NDJSON] {
            let ask = Ask::call(LEGACY, "progress", json!({"count": 3})).accept(accept);
            let ask = ask.progress_token(1).http10().field("Connection", "keep-alive");
            let mut conn = house.connect();
            let answer = conn.ask(&ask);
            assert_eq!((answer.messages.len(), answer.head.closes()), (4, true));
            assert_eq!(conn.end(), End::Clean);
        }
    });
}

/// 5.12: line ends inside JSON strings are escaped, so frames stay whole.
#[test]
fn client_text_cannot_break_a_frame() {
    each(plain, |house| {
        let mut conn = house.connect();
        for accept in [SSE, NDJSON] {
            let text = "\r\n\r\ndata: {}\n\nid: 1\nevent: x\n\n";
            let ask = Ask::call(LEGACY, "echo", json!({"message": text})).accept(accept);
            assert_eq!(conn.ask(&ask.id(json!(text))).said(), text);
            let ask = Ask::call(LEGACY, "progress", json!({"count": 1})).accept(accept);
            let answer = conn.ask(&ask.progress_token(text));
            assert_eq!(answer.notifications()[0]["params"]["progressToken"], text);
        }
    });
}
