//! Connections: kept alive, pipelined, old, local, many.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc::Sender;

use ringlane::{Cx, IoChoice, ListenAddress, Server, Settings};
use serde_json::json;

use crate::support::ask::{ALL, Ask, JSON, LEGACY, MODERN, SSE};
use crate::support::client::{Conn, End};
use crate::support::gate::Gate;
use crate::support::house::{Ground, House, each, each_and_two, plain};

#[test]
fn a_connection_serves_one_request_after_another() {
    each_and_two(plain, |house| {
        let mut conn = house.connect();
        for round in 0..20 {
            for revision in ALL {
                let message = format!("{round} {revision}");
                let ask = Ask::call(revision, "echo", json!({"message": message})).id(round);
                let answer = conn.ask(&ask);
                assert_eq!((answer.said(), answer.field("Connection")), (message.as_str(), None));
            }
        }
    });
}

#[test]
fn quick_and_slow_tools_are_answered_in_the_order_of_their_requests() {
    each(plain, |house| {
        let mut conn = house.connect();
        let asks = [
            Ask::call(LEGACY, "echo", json!({"message": "m"})),
            Ask::call(LEGACY, "hold", json!({})),
            Ask::call(MODERN, "progress", json!({"count": 3})).progress_token(1),
            Ask::notification(LEGACY, "notifications/initialized"),
            Ask::call(MODERN, "patient", json!({})).progress_token(1),
            Ask::new(MODERN, "tools/list"),
            Ask::call(LEGACY, "block", json!({})).accept(SSE),
            Ask::new(MODERN, "no"),
        ];
        let mut bytes = Vec::new();
        for (id, ask) in asks.iter().enumerate() {
            let ask = if id == 3 { ask.clone() } else { ask.clone().id(id) };
            conn.expect(&ask);
            bytes.extend_from_slice(&ask.bytes());
        }
        conn.write(&bytes);
        // What is ready leaves before the slow one is.
        assert_eq!(conn.read().said(), "m");
        house.hear("started");
        house.gate.open();
        assert_eq!(conn.read().said(), "held");
        assert_eq!(conn.read().messages.len(), 4);
        assert_eq!(conn.read().status, 202);
        assert_eq!(conn.read().said(), "patient");
        assert!(conn.read().result().get("tools").is_some());
        assert_eq!(conn.read().said(), "blocked");
        assert_eq!(conn.read().refusal(), (404, -32601));
    });
}

/// A client that pipelines much at once, in one piece, keeps the others waiting for a part of it.
#[test]
fn who_pipelines_without_end_leaves_others_their_turn() {
    let tools = |gate: &Gate, told: &Sender<&'static str>| {
        let (held, tells) = (gate.clone(), told.clone());
        let stop = async move |_: Cx, (): ()| {
            tells.send("stopped")?;
            held.pass();
            Ok("stopped")
        };
        let (first, second) = (told.clone(), told.clone());
        Server::new("turns", "1")
            .tool("stop", "Holds up its core", stop)
            .tool("many", "One of many", async move |_: Cx, (): ()| {
                Ok(first.send("many").map_or("", |()| "many"))
            })
            .tool("one", "The only one", async move |_: Cx, (): ()| {
                Ok(second.send("one").map_or("", |()| "one"))
            })
    };
    for io in [IoChoice::Auto, IoChoice::Epoll] {
        let house = House::open_with(Ground { io, workers: 1 }, plain, tools);
        let (mut stops, mut pipelines, mut asks) =
            (house.connect(), house.connect(), house.connect());
        for conn in [&mut pipelines, &mut asks] {
            assert_eq!(conn.ask(&Ask::new(LEGACY, "ping")).status, 200);
        }
        stops.send(&Ask::call(LEGACY, "stop", json!({})));
        house.hear("stopped");
        let many: Vec<_> = (0..200).map(|id| Ask::call(LEGACY, "many", json!({})).id(id)).collect();
        many.iter().for_each(|ask| pipelines.expect(ask));
        pipelines.write(&many.iter().flat_map(Ask::bytes).collect::<Vec<_>>());
        asks.send(&Ask::call(LEGACY, "one", json!({})));
        house.gate.open();
        assert_eq!(asks.read().said(), "one");
        for _ in &many {
            assert_eq!(pipelines.read().said(), "many");
        }
        let before = (0..=200).position(|_| house.heard() == "one");
        // `pipeline_requests_max` at a time; a readiness may serve twice.
        assert!(before.is_some_and(|before| before <= 64), "{io:?}: {before:?} came first");
    }
}

#[test]
fn bodies_may_come_in_chunks_of_any_length() {
    each(plain, |house| {
        let mut conn = house.connect();
        let ask = Ask::call(MODERN, "echo", json!({"message": "é".repeat(500)}));
        for lengths in [&[1][..], &[2, 3], &[4000], &[7, 1, 100], &[16, 15, 17]] {
            conn.expect(&ask);
            conn.write(&ask.chunked(lengths));
            assert_eq!(conn.read().status, 200, "{lengths:?}");
        }
        // Several at once, and another framing behind them.
        let bytes = [ask.chunked(&[5]), ask.bytes(), ask.chunked(&[900])].concat();
        (0..3).for_each(|_| conn.expect(&ask));
        conn.write(&bytes);
        (0..3).for_each(|_| assert_eq!(conn.read().status, 200));
    });
}

#[test]
fn a_client_that_waits_before_its_body_is_told_to_go_on() {
    each(plain, |house| {
        let ask = Ask::call(LEGACY, "echo", json!({"message": "m"}));
        let ask = ask.field("Expect", "100-Continue");
        let length = format!("Content-Length: {}\r\n", ask.body().len());
        let mut conn = house.connect();
        for framing in [length.as_str(), "Transfer-Encoding: chunked\r\n"] {
            conn.expect(&ask);
            let head = ask.head(framing);
            conn.write(&head);
            conn.read_continue();
            let bytes = if framing == length { ask.bytes() } else { ask.chunked(&[10]) };
            conn.write(&bytes[head.len()..]);
            assert_eq!(conn.read().said(), "m");
        }
        // With the body already there nothing needs telling.
        assert_eq!(conn.ask(&ask).said(), "m");
        conn.expect(&ask);
        conn.write(&ask.chunked(&[10]));
        assert_eq!(conn.read().said(), "m");
        // What is refused is refused at once, without its body.
        for (status, refused) in [
            (415, ask.clone().field("Content-Type", "text/plain").head(&length)),
            (403, ask.clone().field("Origin", "https://evil.example").head(&length)),
            (413, ask.head("Content-Length: 99999999\r\n")),
        ] {
            let mut conn = house.connect();
            let answer = conn.raw(refused);
            assert_eq!((answer.status, answer.head.closes()), (status, true));
            assert_eq!(conn.end(), End::Clean);
        }
    });
}

#[test]
fn an_old_client_is_answered_once_unless_it_asks_for_more() {
    each(plain, |house| {
        let ask = Ask::call(LEGACY, "echo", json!({"message": "m"})).http10();
        let mut conn = house.connect();
        let answer = conn.ask(&ask);
        assert_eq!((answer.said(), answer.head.closes()), ("m", true));
        assert_eq!(conn.end(), End::Clean);

        let kept = ask.clone().field("Connection", "Keep-Alive").accept(JSON);
        let mut conn = house.connect();
        for _ in 0..3 {
            let answer = conn.ask(&kept);
            assert_eq!((answer.said(), answer.field("Connection")), ("m", Some("keep-alive")));
        }
        let hostless = ask.without("Host");
        assert_eq!(house.connect().ask(&hostless).status, 421);
    });
}

#[test]
fn several_listeners_serve_at_once_one_of_them_local() {
    for io in [IoChoice::Auto, IoChoice::Epoll] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("it.sock");
        let any_port = ListenAddress::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listen = vec![any_port.clone(), ListenAddress::Unix(path.clone()), any_port];
        let house = House::open(Ground { io, workers: 2 }, |settings: &mut Settings| {
            settings.runtime.listen.clone_from(&listen);
        });
        assert_eq!(house.addresses.len(), 3);
        let mut conns: Vec<_> = house.addresses.iter().map(Conn::open).collect();
        for revision in ALL {
            for conn in &mut conns {
                let ask = Ask::call(revision, "progress", json!({"count": 2})).progress_token(1);
                assert_eq!(conn.ask(&ask).messages.len(), 3);
            }
        }
        // A local client's cut and half-close mean what any other's do.
        conns[1].send(&Ask::call(MODERN, "hold", json!({})));
        house.hear("started");
        drop(conns.remove(1));
        house.hear("dropped");
        let mut conn = Conn::open(&house.addresses[1]);
        conn.send(&Ask::call(MODERN, "hold", json!({})));
        house.hear("started");
        conn.half_close();
        assert_eq!(conns[0].ask(&Ask::new(LEGACY, "ping")).status, 200);
        house.gate.open();
        assert_eq!(conn.read().said(), "held");
        drop((conn, conns));
        house.drain();
        house.wait();
        assert!(!path.exists(), "the socket's file goes with it");
    }
}

#[test]
fn many_connections_are_served_side_by_side() {
    each_and_two(plain, |house| {
        let mut conns: Vec<_> = (0..64).map(|_| house.connect()).collect();
        for (index, conn) in conns.iter_mut().enumerate() {
            let tool = if index % 3 == 0 { "patient" } else { "hold" };
            conn.send(&Ask::call(MODERN, tool, json!({})).id(index).progress_token(index));
        }
        conns.iter().for_each(|_| house.hear("started"));
        house.gate.open();
        for conn in &mut conns {
            assert_eq!(conn.read().status, 200);
        }
    });
}
