//! Limits, each at its value and one past it, and time (section 2).

use std::time::Duration;

use ringlane::{ServeLimits, Settings};
use serde_json::{Value, json};

use crate::support::ask::{Ask, LEGACY, MODERN, SSE};
use crate::support::client::{Conn, End};
use crate::support::house::{House, each, plain};

const HEAD: &str = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
const SHORT: Duration = Duration::from_millis(40);

fn limits(change: impl Fn(&mut ServeLimits)) -> impl Fn(&mut Settings) {
    move |settings| change(&mut settings.serve.limits)
}

/// Sends a request that is within a limit, then one that is past it: 200, then this status and the
/// end.
fn at_and_past(house: &House, within: &str, past: &str, status: u16) {
    let mut conn = house.connect();
    assert_eq!(conn.raw(within).status, 200, "{within:?}");
    let answer = conn.raw(past);
    assert_eq!((answer.status, answer.head.closes()), (status, true), "{past:?}");
    assert_eq!(conn.end(), End::Clean);
}

/// 2.1
#[test]
fn request_lines() {
    each(limits(|limits| limits.head.request_line_bytes_max = 40), |house| {
        let line = |bytes: usize| {
            let target = format!("/healthz?{}", "q".repeat(bytes - "GET /healthz? HTTP/1.1".len()));
            format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")
        };
        at_and_past(house, &line(40), &line(41), 414);
        // Told before its end is there.
        let mut conn = house.connect();
        assert_eq!(conn.raw(&line(60)[..41]).status, 414);
    });
}

/// 2.2
#[test]
fn fields_and_heads() {
    let small = limits(|limits| {
        limits.head.field_bytes_max = 50;
        limits.head.head_bytes_max = 190;
        limits.head.fields_max = 4;
    });
    each(small, |house| {
        let padded = |fields: &[usize]| {
            let mut head = HEAD.to_owned();
            for &bytes in fields {
                head.push_str(&format!("X: {}\r\n", "x".repeat(bytes - 3)));
            }
            head + "\r\n"
        };
        at_and_past(house, &padded(&[50]), &padded(&[51]), 431);
        at_and_past(house, &padded(&[5, 5, 5]), &padded(&[5, 5, 5, 5]), 431);
        let left = 190 - HEAD.len() - 2;
        let (whole, over) = ([50, 50, left - 106], [50, 50, left - 105]);
        assert_eq!((padded(&whole).len(), padded(&over).len()), (190, 191));
        at_and_past(house, &padded(&whole), &padded(&over), 431);
    });
}

/// 2.3
#[test]
fn bodies() {
    let ask = Ask::call(LEGACY, "echo", json!({"message": "m"}));
    let (bytes, longer) = (ask.body().len(), ask.clone().id(10));
    each(limits(|limits| limits.body.body_bytes_max = bytes as u64), |house| {
        let mut conn = house.connect();
        assert_eq!(conn.ask(&ask).said(), "m");
        conn.expect(&ask);
        conn.write(&ask.chunked(&[bytes]));
        assert_eq!(conn.read().said(), "m");
        // Told by the declared length alone, without a body.
        let declared = longer.head(&format!("Content-Length: {}\r\n", bytes + 1));
        for past in [declared, longer.bytes(), longer.chunked(&[16])] {
            let mut conn = house.connect();
            let answer = conn.raw(past);
            assert_eq!((answer.status, answer.head.closes()), (413, true));
            assert_eq!(conn.end(), End::Clean);
        }
    });
}

/// 2.4
#[test]
fn chunk_overhead() {
    let small = limits(|limits| {
        limits.body.chunk_line_bytes_max = 20;
        limits.body.trailers_bytes_max = 10;
        limits.body.framing_slack_bytes = 500;
        limits.body.framing_factor = 1;
    });
    each(small, |house| {
        let ask = Ask::new(LEGACY, "ping");
        let head = String::from_utf8(ask.head("Transfer-Encoding: chunked\r\n")).unwrap();
        let chunked = |extension: usize, trailer: usize| {
            let (size, x) = (format!("{:x}", ask.body().len()), "x".repeat(extension));
            let trailers = if trailer == 0 {
                String::new()
            } else {
                format!("A: {}\r\n", "t".repeat(trailer - 5))
            };
            format!("{head}{size};{x}\r\n{}\r\n0\r\n{trailers}\r\n", ask.body())
        };
        for (within, past) in [(chunked(17, 0), chunked(18, 0)), (chunked(1, 10), chunked(1, 11))] {
            let mut conn = house.connect();
            conn.expect(&ask);
            conn.write(within.as_bytes());
            assert_eq!(conn.read().status, 200, "{within:?}");
            let answer = conn.raw(&past);
            assert_eq!((answer.status, answer.head.closes()), (400, true), "{past:?}");
            assert_eq!(conn.end(), End::Clean);
        }
        // Framing: five bytes a chunk of one byte. The slack pays for what the factor does not.
        let body = ask.body() + &" ".repeat(120 - ask.body().len());
        let tiny = |chunks: usize| {
            let (ones, rest) = body.split_at(chunks);
            let ones: String = ones.chars().map(|one| format!("1\r\n{one}\r\n")).collect();
            format!("{head}{ones}{:x}\r\n{rest}\r\n0\r\n\r\n", rest.len())
        };
        let mut conn = house.connect();
        conn.expect(&ask);
        conn.write(tiny(100).as_bytes());
        assert_eq!(conn.read().status, 200);
        let many = format!("{head}{}", "1;xxxxxxxxxxxxxxx\r\n \r\n".repeat(40));
        assert_eq!(conn.raw(many).status, 400);
    });
}

/// 2.5
#[test]
fn empty_lines_before_a_request() {
    each(plain, |house| {
        let request = format!("{HEAD}\r\n");
        at_and_past(house, &format!("\r\n{request}"), &format!("\r\n\r\n{request}"), 400);
    });
}

/// 2.6
#[test]
fn a_connection_that_says_nothing_is_closed() {
    each(limits(|limits| limits.first_byte_timeout = SHORT), |house| {
        assert_eq!(house.connect().end(), End::Clean);
    });
}

/// 2.7
#[test]
fn a_head_that_takes_too_long() {
    each(limits(|limits| limits.head_timeout = SHORT), |house| {
        let mut conn = house.connect();
        let answer = conn.raw("GET /healthz HTTP/1.1\r\nHo");
        assert_eq!((answer.status, answer.head.closes()), (408, true));
        assert_eq!(conn.end(), End::Clean);
    });
}

/// 2.7: bytes that trickle in do not put it off.
#[test]
fn a_head_that_trickles_in_takes_too_long_too() {
    each(limits(|limits| limits.head_timeout = SHORT), |house| {
        let mut conn = house.connect();
        conn.expect_refusal();
        conn.write(b"GET /healthz HTTP/1.1\r\nX: ");
        let answer = std::thread::scope(|scope| {
            let mut slow = conn.second_hand();
            let (stop, stopped) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                let pause = Duration::from_millis(5);
                while stopped
                    .recv_timeout(pause)
                    .is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Timeout)
                {
                    slow.write_some(b"x");
                }
            });
            let answer = conn.read();
            drop(stop);
            answer
        });
        assert_eq!((answer.status, answer.head.closes()), (408, true));
    });
}

/// 2.8
#[test]
fn a_body_that_takes_too_long() {
    let slow = limits(|limits| limits.body_grace = SHORT);
    let never = limits(|limits| {
        limits.body_bytes_per_second_min = 1;
        limits.body_timeout = SHORT;
    });
    let ask = Ask::new(LEGACY, "ping");
    let whole = ask.bytes();
    let test = |house: &House| {
        for cut in [ask.head("Content-Length: 4000\r\n"), whole[..whole.len() - 1].to_vec()] {
            let mut conn = house.connect();
            let answer = conn.raw(cut);
            assert_eq!((answer.status, answer.head.closes()), (408, true));
            assert_eq!(conn.end(), End::Clean);
        }
    };
    each(slow, test);
    each(never, test);
}

/// 2.9
#[test]
fn an_idle_connection_is_closed_without_an_answer() {
    each(limits(|limits| limits.keep_alive_timeout = SHORT), |house| {
        let mut conn = house.connect();
        assert_eq!(conn.ask(&Ask::new(LEGACY, "ping")).status, 200);
        assert_eq!(conn.end(), End::Clean);
    });
}

/// 2.10
#[test]
fn a_peer_that_takes_no_byte_is_reset() {
    each(limits(|limits| limits.send_stall_timeout = SHORT), |house| {
        // Nothing is read until the buffers of both kernels are full, and the server gave up.
        let ask = Ask::call(LEGACY, "echo", json!({"message": "x".repeat(3 * 1024 * 1024)}));
        let (mut conn, bytes) = (house.connect(), ask.bytes());
        let taken_count = (0..64).take_while(|_| conn.write_some(&bytes)).count();
        assert!(taken_count < 64);
        assert_eq!(house.connect().ask(&Ask::new(LEGACY, "ping")).status, 200);
    });
}

/// 2.11, 2.13
#[test]
fn more_pipelined_requests_than_may_wait_are_answered_in_turn() {
    let small = limits(|limits| {
        limits.pipeline_requests_max = 3;
        limits.pipeline_bytes_max = 512;
        limits.output_bytes_max = 1000;
    });
    each(small, |house| {
        let mut conn = house.connect();
        let hold = Ask::call(LEGACY, "hold", json!({})).id(0);
        conn.send(&hold);
        house.hear("started");
        let all: Vec<_> = (1..100).map(|id| Ask::new(LEGACY, "ping").id(id)).collect();
        all.iter().for_each(|ask| conn.send(ask));
        house.gate.open();
        assert_eq!(conn.read().said(), "held");
        for id in 1..100 {
            assert_eq!(conn.read().response()["id"], id);
        }
    });
}

/// 2.14
#[test]
fn json() {
    let small = limits(|limits| {
        limits.json.json_depth_max = 8;
        limits.json.json_elements_max = 64;
        limits.json.number_digits_max = 24;
    });
    each(small, |house| {
        let ask = |arguments: &str| {
            let call = Ask::call(LEGACY, "by_hand", json!({"x": null}));
            call.with_body(call.body().replace("null", arguments).as_bytes())
        };
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let digits = |count: usize| format!("0.{}", "1".repeat(count - 2));
        // What stands around the argument: three levels.
        let spent = node_count(&Ask::call(LEGACY, "by_hand", json!({"x": null})).body());
        let wide = |count: usize| format!("[{}0]", "0,".repeat(count - spent - 1));
        for (within, past) in
            [(nested(5), nested(6)), (digits(24), digits(25)), (wide(64), wide(65))]
        {
            let mut conn = house.connect();
            conn.expect(&Ask::call(LEGACY, "by_hand", json!({})));
            conn.write(&ask(&within));
            assert_eq!(conn.read().status, 200, "{within}");
            assert_eq!(conn.raw(ask(&past)).refusal(), (400, -32700), "{past}");
            assert_eq!(conn.ask(&Ask::new(LEGACY, "ping")).status, 200);
        }
    });
}

/// Values, and names of members.
fn node_count(json: &str) -> usize {
    fn count(value: &Value) -> usize {
        match value {
            Value::Array(elements) => 1 + elements.iter().map(count).sum::<usize>(),
            Value::Object(members) => {
                1 + members.values().map(|value| 1 + count(value)).sum::<usize>()
            }
            _ => 1,
        }
    }
    count(&serde_json::from_str(json).unwrap())
}

/// 2.18
#[test]
fn a_call_that_takes_too_long_is_cancelled_and_answered() {
    each(limits(|limits| limits.call_timeout = SHORT), |house| {
        for revision in [LEGACY, MODERN] {
            let mut conn = house.connect();
            let answer = conn.ask(&Ask::call(revision, "hold", json!({})));
            assert_eq!(answer.refusal(), (200, -32603));
            house.hear("started");
            house.hear("dropped");
            // A handler that hears of it may still say its last word.
            let answer = conn.ask(&Ask::call(revision, "tidy", json!({})).accept(SSE));
            assert_eq!(answer.said(), "tidied up");
            house.hear("started");
            house.hear("cancelled");
            let blocking = Ask::call(revision, "block_until_cancelled", json!({}));
            assert_eq!(conn.ask(&blocking).refusal(), (200, -32603));
            house.hear("started");
            house.hear("cancelled");
        }
    });
}

/// 2.12
#[test]
fn connections_beyond_the_limit_wait_until_there_is_room() {
    each(
        |settings| settings.runtime.connections_max = 2,
        |house| {
            let ping = Ask::new(LEGACY, "ping");
            let mut inside: Vec<Conn> = (0..2).map(|_| house.connect()).collect();
            inside.iter_mut().for_each(|conn| assert_eq!(conn.ask(&ping).status, 200));
            let mut outside = house.connect();
            outside.send(&ping);
            assert_eq!(inside[0].ask(&ping).status, 200);
            inside.pop();
            assert_eq!(outside.read().status, 200);
        },
    );
}
