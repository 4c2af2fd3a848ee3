//! Panics, cuts and half-closed clients: what ends, and what lives on (5.15, 8.1, 8.3).

use serde_json::json;

use crate::support::ask::{ALL, Ask, BOTH, JSON, LEGACY, MODERN, NDJSON, SSE};
use crate::support::client::End;
use crate::support::house::{each, each_and_two, plain};

/// 8.1
#[test]
fn a_tool_that_panics_ends_its_own_call_alone() {
    each_and_two(plain, |house| {
        let (mut conn, mut other) = (house.connect(), house.connect());
        other.send(&Ask::call(LEGACY, "hold", json!({})));
        house.hear("started");
        for revision in ALL {
            for accept in [BOTH, JSON, SSE, NDJSON] {
                for tool in ["panic", "panic_off_core"] {
                    let ask = Ask::call(revision, tool, json!({})).accept(accept);
                    let answer = conn.ask(&ask);
                    assert_eq!(answer.refusal(), (200, -32603));
                    assert!(!answer.head.closes());
                }
            }
        }
        assert_eq!(conn.ask(&Ask::call(MODERN, "echo", json!({"message": "m"}))).said(), "m");
        house.gate.open();
        assert_eq!(other.read().said(), "held");
    });
}

/// 8.3: a client that ended its side is given its whole answer, in each era and format, over quick
/// tools and slow ones, told while it works or not.
#[test]
fn a_half_closed_client_gets_its_whole_answer() {
    each(plain, |house| {
        for revision in [LEGACY, MODERN] {
            for accept in [BOTH, JSON, SSE, NDJSON] {
                let mut conn = house.connect();
                conn.send(&Ask::call(revision, "echo", json!({"message": "m"})).accept(accept));
                conn.half_close();
                assert_eq!(conn.read().said(), "m", "{revision} {accept}");
                assert_eq!(conn.end(), End::Clean);
            }
        }
    });
}

/// 8.3
#[test]
fn a_half_closed_client_gets_the_answer_of_a_slow_tool() {
    for revision in [LEGACY, MODERN] {
        each(plain, |house| {
            let formats = [BOTH, JSON, SSE, NDJSON];
            let tools = ["hold", "patient"];
            let asks = formats.into_iter().flat_map(|accept| {
                tools.map(|tool| Ask::call(revision, tool, json!({})).accept(accept))
            });
            let mut conns: Vec<_> = asks
                .map(|ask| {
                    let mut conn = house.connect();
                    conn.send(&ask.progress_token("p"));
                    house.hear("started");
                    conn.half_close();
                    conn
                })
                .collect();
            // Another client is served meanwhile, after the ends were seen.
            assert_eq!(house.connect().ask(&Ask::new(LEGACY, "ping")).status, 200);
            house.gate.open();
            for conn in &mut conns {
                let answer = conn.read();
                assert!(["held", "patient"].contains(&answer.said()));
                assert_eq!(conn.end(), End::Clean);
            }
        });
    }
}

/// 8.3: pipelined requests before the end of a client's side are answered all of them.
#[test]
fn a_half_closed_client_gets_all_its_answers() {
    each(plain, |house| {
        for revision in [LEGACY, MODERN] {
            let mut conn = house.connect();
            let mut bytes = Vec::new();
            for id in 0..5 {
                let ask = Ask::call(revision, "progress", json!({"count": 2})).id(id);
                let ask = ask.progress_token("p");
                conn.expect(&ask);
                bytes.extend_from_slice(&ask.bytes());
            }
            conn.write(&bytes);
            conn.half_close();
            for id in 0..5 {
                let answer = conn.read();
                assert_eq!(
                    (&answer.response()["id"], answer.notifications().len()),
                    (&json!(id), 2)
                );
            }
            assert_eq!(conn.end(), End::Clean);
        }
    });
}

/// 5.15: in the modern era a cut cancels, whatever the format and however the tool waits.
#[test]
fn a_modern_cut_cancels_the_call() {
    each_and_two(plain, |house| {
        for accept in [BOTH, JSON, SSE, NDJSON] {
            let call = |tool: &str| Ask::call(MODERN, tool, json!({})).accept(accept);
            let mut conn = house.connect();
            conn.send(&call("hold"));
            house.hear("started");
            drop(conn);
            house.hear("dropped");

            let mut conn = house.connect();
            conn.send(&call("tidy"));
            house.hear("started");
            drop(conn);
            house.hear("cancelled");

            let mut conn = house.connect();
            conn.send(&call("block_until_cancelled"));
            house.hear("started");
            drop(conn);
            house.hear("cancelled");
        }
        assert!(house.is_quiet());
    });
}

/// 5.15: a cut is seen although the request was large and more was pipelined behind it.
#[test]
fn a_modern_cut_is_seen_behind_a_large_request() {
    each(plain, |house| {
        let large = "x".repeat(200 * 1024);
        let mut conn = house.connect();
        conn.send(&Ask::call(MODERN, "hold", json!({})).meta("example.com/k", large));
        house.hear("started");
        conn.send(&Ask::new(MODERN, "tools/list"));
        // The server takes in the second request before it sees the end.
        assert_eq!(house.connect().ask(&Ask::new(LEGACY, "ping")).status, 200);
        drop(conn);
        house.hear("dropped");
    });
}

/// 5.15: after a stream began.
#[test]
fn a_modern_cut_of_a_stream_cancels_the_call() {
    each(plain, |house| {
        let mut conn = house.connect();
        let ask = Ask::call(MODERN, "patient", json!({})).progress_token(1);
        conn.send(&ask);
        house.hear("started");
        conn.begin();
        assert_eq!(conn.message().unwrap()["params"]["progress"], 1);
        drop(conn);
        // The call is gone, and with it its place at the gate: the server drains at once.
        house.drain();
    });
}

/// 5.15: before, a cut does not cancel.
#[test]
fn a_legacy_cut_does_not_cancel_the_call() {
    for revision in &ALL[..4] {
        each(plain, |house| {
            let mut conns = Vec::new();
            for accept in [BOTH, JSON, SSE, NDJSON] {
                let mut conn = house.connect();
                conn.send(&Ask::call(*revision, "hold", json!({})).accept(accept));
                house.hear("started");
                conns.push(conn);
            }
            drop(conns);
            assert_eq!(house.connect().ask(&Ask::new(LEGACY, "ping")).status, 200);
            house.gate.open();
            for _ in 0..4 {
                house.hear("passed");
                house.hear("dropped");
            }
        });
    }
}

/// Nor does a posted `notifications/cancelled`, whose sender nobody can tell apart from another.
#[test]
fn a_posted_cancellation_is_acknowledged_and_cancels_nobody() {
    each(plain, |house| {
        for revision in [LEGACY, MODERN] {
            let mut conn = house.connect();
            conn.send(&Ask::call(revision, "hold", json!({})).id(77));
            house.hear("started");
            let ask = Ask::notification(revision, "notifications/cancelled").param("requestId", 77);
            assert_eq!(house.connect().ask(&ask).status, 202);
            if revision == MODERN {
                house.gate.open();
                assert_eq!(conn.read().said(), "held");
            }
        }
    });
}
