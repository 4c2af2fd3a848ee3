//! The end of a server: what runs is answered, nothing new is taken (8.2).

use std::net::TcpStream;
use std::time::Duration;

use ringlane::ListenAddress;
use serde_json::json;

use crate::resuming::{at_once, leave_running};
use crate::sessions::greet;
use crate::support::ask::{Ask, BOTH, JSON, LEGACY, MODERN, NDJSON, SSE};
use crate::support::client::{Conn, End, Frame};
use crate::support::house::{Ground, House, each, plain};

/// Begins the drain, and waits until the one worker heard of it: then it closes what is idle.
fn drain(house: &House) {
    let mut idle = house.connect();
    assert_eq!(idle.ask(&Ask::new(LEGACY, "ping")).status, 200);
    house.drain();
    assert_eq!(idle.end(), End::Clean);
}

#[test]
fn running_calls_are_answered_and_told_that_the_connection_ends() {
    each(plain, |house| {
        let mut conns = Vec::new();
        for revision in [LEGACY, MODERN] {
            for accept in [BOTH, JSON, SSE, NDJSON] {
                let mut conn = house.connect();
                conn.send(&Ask::call(revision, "hold", json!({})).accept(accept));
                house.hear("started");
                conns.push(conn);
            }
        }
        drain(house);
        house.gate.open();
        for mut conn in conns {
            let answer = conn.read();
            assert_eq!((answer.said(), answer.head.closes()), ("held", true));
            assert_eq!(conn.end(), End::Clean);
        }
    });
}

#[test]
fn streams_end_with_their_response_and_a_complete_chunk() {
    each(plain, |house| {
        let mut conns: Vec<Conn> = Vec::new();
        for accept in [SSE, NDJSON] {
            let mut conn = house.connect();
            conn.send(&Ask::call(MODERN, "patient", json!({})).accept(accept).progress_token(1));
            house.hear("started");
            conn.begin();
            assert!(matches!(conn.frame(), Some(Frame::Message(_))));
            conns.push(conn);
        }
        drain(house);
        house.gate.open();
        for mut conn in conns {
            assert_eq!(conn.message().unwrap()["params"]["progress"], 2);
            assert_eq!(conn.message().unwrap()["result"]["content"][0]["text"], "patient");
            assert_eq!(conn.message(), None);
            assert_eq!(conn.end(), End::Clean);
        }
    });
}

#[test]
fn what_was_pipelined_behind_a_stream_is_answered_and_readiness_is_gone() {
    each(plain, |house| {
        let ready = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let stream = Ask::call(LEGACY, "patient", json!({})).progress_token(1);
        let mut streaming = house.connect();
        streaming.send(&stream);
        house.hear("started");
        streaming.expect_refusal();
        streaming.write(ready);
        // The head of a stream is out before the drain, so it promises that the next is answered.
        streaming.begin();
        drain(house);
        house.gate.open();
        while streaming.message().is_some() {}
        let answer = streaming.read();
        assert_eq!((answer.status, answer.text().as_str()), (503, "draining\n"));
        assert!(answer.head.closes());
        assert_eq!(streaming.end(), End::Clean);
    });
}

#[test]
fn idle_connections_are_closed_and_listeners_refuse() {
    for workers in [1, 2] {
        for io in [ringlane::IoChoice::Auto, ringlane::IoChoice::Epoll] {
            let house = House::open(Ground { io, workers }, plain);
            let mut conns: Vec<_> = (0..6).map(|_| house.connect()).collect();
            for conn in &mut conns[..3] {
                assert_eq!(conn.ask(&Ask::new(LEGACY, "ping")).status, 200);
            }
            let ListenAddress::Tcp(address) = house.addresses[0] else { panic!("TCP") };
            house.drain();
            for conn in &mut conns {
                // Those that said nothing yet may still wait to be accepted: the kernel resets
                // them.
                let end = conn.end();
                assert!(end == End::Clean || workers == 2, "{end:?}");
            }
            house.wait();
            TcpStream::connect(address).expect_err("nobody listens any more");
        }
    }
}

#[test]
fn after_drain_timeout_the_rest_is_cancelled_and_answered() {
    let short = |settings: &mut ringlane::Settings| {
        settings.serve.limits.drain_timeout = Duration::from_millis(30);
    };
    for io in [ringlane::IoChoice::Auto, ringlane::IoChoice::Epoll] {
        let house = House::open(Ground { io, workers: 1 }, short);
        let mut conns = Vec::new();
        for revision in [LEGACY, MODERN] {
            for (tool, accept) in [("hold", JSON), ("hold", SSE), ("tidy", NDJSON)] {
                let mut conn = house.connect();
                conn.send(&Ask::call(revision, tool, json!({})).accept(accept));
                house.hear("started");
                conns.push((tool, conn));
            }
        }
        let mut streaming = house.connect();
        streaming.send(&Ask::call(MODERN, "patient", json!({})).progress_token(1));
        house.hear("started");
        streaming.begin();
        house.drain();
        for (tool, mut conn) in conns {
            let answer = conn.read();
            match tool {
                "tidy" => assert_eq!(answer.said(), "tidied up"),
                _ => assert_eq!(answer.refusal(), (200, -32603)),
            }
            assert!(answer.head.closes());
            assert_eq!(conn.end(), End::Clean);
        }
        streaming.message().unwrap();
        assert_eq!(streaming.message().unwrap()["error"]["code"], -32603);
        assert_eq!(streaming.message(), None);
        assert_eq!(streaming.end(), End::Clean);
        house.wait();
    }
}

/// A client that has a request under way when the drain begins is answered, not cut.
#[test]
fn a_request_whose_body_is_still_coming_is_answered() {
    each(plain, |house| {
        let ask = Ask::new(LEGACY, "ping");
        let bytes = ask.bytes();
        let (first, rest) = bytes.split_at(bytes.len() - 5);
        let mut conn = house.connect();
        conn.expect(&ask.clone());
        conn.expect(&ask);
        conn.write(&[&bytes[..], first].concat());
        // Its first answer tells that the server has read what came with it.
        assert_eq!(conn.read().status, 200);
        drain(house);
        conn.write(rest);
        let answer = conn.read();
        assert_eq!((answer.status, answer.head.closes()), (200, true));
        assert_eq!(conn.end(), End::Clean);
    });
}

#[test]
fn calls_that_run_without_a_connection_have_their_time_too() {
    each(at_once, |house| {
        leave_running(house, &greet(house, LEGACY), "hold");
        drain(house);
        house.gate.open();
        house.hear("passed");
        house.hear("dropped");
    });
    let short = |settings: &mut ringlane::Settings| {
        at_once(settings);
        settings.serve.limits.drain_timeout = Duration::from_millis(30);
    };
    each(short, |house| {
        leave_running(house, &greet(house, LEGACY), "tidy");
        drain(house);
        house.hear("cancelled");
    });
}

/// The worker that keeps a session, as its id says.
fn worker_of(id: &str) -> u8 {
    id.as_bytes()[2]
}

#[test]
fn a_worker_whose_connections_are_gone_serves_those_that_others_hand_over() {
    for io in [ringlane::IoChoice::Auto, ringlane::IoChoice::Epoll] {
        let house = House::open(Ground { io, workers: 2 }, at_once);
        let open = || {
            let mut conn = house.connect();
            let answer = conn.ask(&Ask::initialize(LEGACY));
            (answer.field("Mcp-Session-Id").unwrap().to_owned(), conn)
        };
        let (id, mut here) = open();
        let mut there = open();
        while worker_of(&there.0) == worker_of(&id) {
            there = open();
        }
        let mut there = there.1;
        leave_running(&house, &id, "hold");
        let ping = Ask::new(LEGACY, "ping");
        let bytes = ping.clone().of_session(&id).bytes();
        let (first, rest) = bytes.split_at(20);
        there.expect(&ping);
        there.expect(&ping);
        there.write(&[&ping.bytes(), first].concat());
        assert_eq!(there.read().status, 200);
        house.drain();
        assert_eq!(here.end(), End::Clean);
        there.write(rest);
        let answer = there.read();
        assert_eq!((answer.status, answer.head.closes()), (200, true));
        house.gate.open();
        house.hear("passed");
    }
}
