//! Sessions of the legacy era: opened, named, bounded, ended (2.15, 2.16, 5.6 to 5.10, 5.15).

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use ringlane::{ListenAddress, Revision, SessionMode, Settings};
use serde_json::{Value, json};

use crate::support::ask::{ALL, Ask, BOTH, JSON, LEGACY, NDJSON, SSE};
use crate::support::client::{Answer, Conn, End};
use crate::support::house::{Ground, House, each, each_and_two, plain};

pub(crate) const OLD: Revision = Revision::V2025_03_26;

/// Opens a session.
pub(crate) fn greet(house: &House, revision: Revision) -> String {
    let answer = house.connect().ask(&Ask::initialize(revision));
    assert_eq!(answer.result()["protocolVersion"], revision.to_string());
    answer.field("Mcp-Session-Id").expect("a session").to_owned()
}

/// A request without a body, with these lines in its head.
pub(crate) fn bare(method: &str, lines: &[&str]) -> Vec<u8> {
    let mut head = format!("{method} /mcp HTTP/1.1\r\nHost: localhost\r\n");
    for line in lines {
        head.push_str(&format!("{line}\r\n"));
    }
    (head + "\r\n").into_bytes()
}

/// The line of a head that names a session.
pub(crate) fn named(id: &str) -> String {
    format!("Mcp-Session-Id: {id}")
}

/// A GET for the events of a session.
pub(crate) fn events(id: &str, lines: &[&str]) -> Vec<u8> {
    let session = named(id);
    bare("GET", &[&[session.as_str(), "Accept: text/event-stream"], lines].concat())
}

fn ping(id: &str) -> Ask {
    Ask::new(LEGACY, "ping").of_session(id)
}

fn mode(mode: SessionMode) -> impl Fn(&mut Settings) {
    move |settings| settings.serve.sessions.mode = mode
}

fn delete(conn: &mut Conn, id: &str) -> Answer {
    conn.raw(bare("DELETE", &[&named(id)]))
}

/// 5.6, 5.7
#[test]
fn a_request_without_a_session_is_answered_as_the_mode_says() {
    let told = Ask::notification(LEGACY, "notifications/initialized");
    let response = br#"{"jsonrpc":"2.0","id":0,"result":{}}"#;
    each(mode(SessionMode::Required), |house| {
        let mut conn = house.connect();
        let id = greet(house, LEGACY);
        assert_eq!(conn.ask(&ping(&id)).status, 200);
        assert_eq!(conn.ask(&Ask::new(LEGACY, "ping")).refusal(), (400, -32600));
        assert_eq!(conn.ask(&told).refusal(), (400, -32600));
        assert_eq!(conn.raw(Ask::new(LEGACY, "x").with_body(response)).status, 400);
        assert_eq!(conn.ask(&told.clone().of_session(&id)).status, 202);
        for method in ["GET", "DELETE"] {
            let answer = conn.raw(bare(method, &["Accept: text/event-stream"]));
            assert_eq!(answer.refusal(), (400, -32600));
        }
    });
    each(mode(SessionMode::Optional), |house| {
        let mut conn = house.connect();
        assert_eq!(conn.ask(&ping(&greet(house, LEGACY))).status, 200);
        assert_eq!(conn.ask(&Ask::new(LEGACY, "ping")).status, 200);
        assert_eq!(conn.ask(&told).status, 202);
    });
    each(mode(SessionMode::Off), |house| {
        let mut conn = house.connect();
        assert_eq!(conn.ask(&Ask::initialize(LEGACY)).field("Mcp-Session-Id"), None);
        assert_eq!(conn.ask(&ping("whatever")).status, 200);
        for method in ["GET", "DELETE"] {
            let answer = conn.raw(bare(method, &["Accept: text/event-stream"]));
            assert_eq!((answer.status, answer.field("Allow")), (405, Some("POST, OPTIONS")));
        }
    });
}

/// 5.6, 5.7: alike, to the byte; and a client's own choice is never adopted.
#[test]
fn a_session_that_is_not_there_is_not_found_whoever_asks_why() {
    let other = House::open(Ground { io: ringlane::IoChoice::Auto, workers: 1 }, plain);
    each_and_two(plain, |house| {
        let mut conn = house.connect();
        let ended = greet(house, LEGACY);
        assert_eq!(delete(&mut conn, &ended).status, 200);
        let mut forged = greet(house, LEGACY).into_bytes();
        forged[40] = if forged[40] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        let ids =
            ["mine", &"A".repeat(48), &"~".repeat(48), &ended, &forged, &greet(&other, LEGACY)];
        let mut answers = Vec::new();
        for id in ids {
            let post = Ask::new(LEGACY, "ping").of_session(id).bytes();
            let adopt = Ask::initialize(LEGACY).of_session(id).bytes();
            let get = events(id, &[]);
            for request in [post, adopt, get, bare("DELETE", &[&named(id)])] {
                let answer = house.connect().raw(request);
                assert_eq!((answer.status, answer.field("Mcp-Session-Id")), (404, None), "{id}");
                answers.push((answer.text(), answer.field("Content-Type").map(str::to_owned)));
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    });
}

#[test]
fn a_session_is_opened_once() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, LEGACY), house.connect());
        let again = conn.ask(&Ask::initialize(LEGACY).of_session(&id));
        assert_eq!(again.refusal(), (400, -32600));
        assert_eq!(conn.ask(&ping(&id)).status, 200);
        assert_ne!(greet(house, LEGACY), id);
        let broken = Ask::initialize(LEGACY).param("protocolVersion", 7);
        assert_eq!(conn.ask(&broken).field("Mcp-Session-Id"), None, "not before it is accepted");
    });
}

/// 5.9
#[test]
fn delete_ends_a_session_and_all_that_is_of_it() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, LEGACY), house.connect());
        let (mut reader, mut caller) = (house.connect(), house.connect());
        reader.send_open(events(&id, &[]));
        assert_eq!(reader.begin().status, 200);
        caller.send(&Ask::call(LEGACY, "tidy", json!({})).of_session(&id));
        let mut json_caller = house.connect();
        json_caller.send(&Ask::call(LEGACY, "tidy", json!({})).of_session(&id).accept(JSON));
        house.hear("started");
        house.hear("started");
        let answer = delete(&mut conn, &id);
        assert_eq!((answer.status, answer.text().as_str()), (200, ""));
        house.hear("cancelled");
        house.hear("cancelled");
        assert_eq!(reader.message(), None, "a complete last chunk");
        for mut conn in [caller, json_caller] {
            assert_eq!(conn.read().said(), "tidied up");
            assert_eq!(conn.ask(&Ask::new(LEGACY, "ping")).status, 200, "the connection lives on");
        }
        assert_eq!(conn.raw(ping(&id).bytes()).status, 404);
        assert_eq!(delete(&mut conn, &id).status, 404);
    });
}

#[test]
fn a_get_says_what_it_takes_and_whose_it_is() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, LEGACY), house.connect());
        let mut status = |lines: &[&str]| {
            let session = named(&id);
            conn.raw(bare("GET", &[&[session.as_str()], lines].concat())).status
        };
        assert_eq!(status(&["Accept: application/json"]), 406);
        assert_eq!(status(&["Accept: application/x-ndjson"]), 406);
        let sse = "Accept: text/event-stream";
        for id in ["", "0", "x-y", "0-0", "7-0", "99999999999-1"] {
            assert_eq!(status(&[sse, &format!("Last-Event-ID: {id}")]), 400, "{id}");
        }
        assert_eq!(status(&[sse, "MCP-Protocol-Version: 1999-01-01"]), 400);
        assert_eq!(status(&[sse, "MCP-Protocol-Version: 2026-07-28"]), 405);
        let answer = conn.raw(bare("GET", &[sse]));
        assert_eq!(answer.status, 400);
        conn.send_open(events(&id, &["MCP-Protocol-Version: 2025-06-18"]));
        assert_eq!(conn.begin().field("Content-Type"), Some(SSE));
    });
}

/// 5.10: what the handshake settled governs.
#[test]
fn a_field_that_names_another_revision_does_not_change_the_session() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, OLD), house.connect());
        let field = "MCP-Protocol-Version";
        let response = br#"{"jsonrpc":"2.0","id":0,"result":{}}"#;
        for (ask, taken) in [
            (Ask::new(OLD, "ping"), 200),
            (Ask::notification(OLD, "notifications/initialized"), 202),
        ] {
            let ask = ask.of_session(&id);
            for named in ALL[..4].iter().map(ToString::to_string) {
                assert_eq!(conn.ask(&ask.clone().field(field, &named)).status, taken);
            }
            assert_eq!(conn.ask(&ask.clone().without(field)).status, taken);
            assert_eq!(conn.ask(&ask.field(field, "1999-01-01")).refusal(), (400, -32022));
        }
        let posted = Ask::new(OLD, "x").of_session(&id);
        assert_eq!(conn.raw(posted.with_body(response)).status, 202);
        let unknown = posted.field(field, "1999-01-01");
        assert_eq!(conn.raw(unknown.with_body(response)).refusal(), (400, -32022));
        let delete = bare("DELETE", &[&named(&id), "MCP-Protocol-Version: 1999-01-01"]);
        assert_eq!(conn.raw(delete).status, 400);
        assert_eq!(conn.ask(&ping(&id)).status, 200);
    });
}

/// 5.15
#[test]
fn a_call_is_cancelled_by_its_own_session_alone() {
    each(plain, |house| {
        let ids = [greet(house, LEGACY), greet(house, LEGACY)];
        let mut conns = ids.each_ref().map(|id| {
            let mut conn = house.connect();
            conn.send(&Ask::call(LEGACY, "tidy", json!({})).id(9).of_session(id));
            house.hear("started");
            conn
        });
        let cancel = Ask::notification(LEGACY, "notifications/cancelled");
        let mut control = house.connect();
        let stray = cancel.clone().param("requestId", "9").of_session(&ids[0]);
        assert_eq!(control.ask(&stray).status, 202);
        assert_eq!(control.ask(&cancel.clone().param("requestId", 9)).status, 202);
        assert!(house.is_quiet(), "neither another id nor no session cancels");
        for (id, conn) in ids.iter().zip(&mut conns) {
            let named = cancel.clone().param("requestId", 9).of_session(id);
            assert_eq!(control.ask(&named).status, 202);
            house.hear("cancelled");
            assert!(house.is_quiet());
            assert_eq!(conn.read().said(), "tidied up");
        }
    });
}

/// What comes as data of events, up to so many or to the end of the stream.
fn told(stream: &mut impl BufRead, count_max: usize) -> Vec<Value> {
    let lines = stream.lines().map(Result::unwrap).take_while(|line| line != "0");
    let data = lines.filter_map(|line| line.strip_prefix("data: ").map(str::to_owned));
    data.take(count_max).map(|json| serde_json::from_str(&json).unwrap()).collect()
}

#[test]
fn a_cancelled_call_takes_its_questions_back() {
    each(plain, |house| {
        let mut control = house.connect();
        let can = json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}});
        let greeting = control.ask(&Ask::initialize(LEGACY).param("capabilities", can));
        let id = greeting.field("Mcp-Session-Id").unwrap();
        let ListenAddress::Tcp(address) = house.addresses[0] else { panic!("TCP") };
        let mut caller = TcpStream::connect(address).unwrap();
        caller.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let call = Ask::call(LEGACY, "asks", json!({})).id(9).of_session(id);
        caller.write_all(&call.bytes()).unwrap();
        let mut stream = BufReader::new(caller);
        let asked: Vec<_> = told(&mut stream, 4).iter().map(|it| it["id"].clone()).collect();
        assert_eq!(asked, [0, 1, 2, 3]);
        let cancel = Ask::notification(LEGACY, "notifications/cancelled").param("requestId", 9);
        assert_eq!(control.ask(&cancel.of_session(id)).status, 202);
        let mut taken_back = told(&mut stream, usize::MAX);
        taken_back.sort_by_key(|it| it["params"]["requestId"].as_u64());
        assert_eq!(taken_back.len(), asked.len());
        for (back, id) in taken_back.iter().zip(&asked) {
            assert_eq!(back["method"], "notifications/cancelled");
            assert_eq!(&back["params"]["requestId"], id);
        }
    });
}

/// 5.16
#[test]
fn each_session_has_its_own_log_level() {
    each(plain, |house| {
        let (loud, quiet) = (greet(house, LEGACY), greet(house, LEGACY));
        let mut conn = house.connect();
        let level = |id: &str, level: Value| {
            Ask::new(LEGACY, "logging/setLevel").param("level", level).of_session(id)
        };
        assert_eq!(conn.ask(&level(&quiet, json!("error"))).status, 200);
        assert_eq!(conn.ask(&level(&quiet, json!("loud"))).error()["code"], -32602);
        for (id, expected) in [(&loud, 7), (&quiet, 4)] {
            let ask = Ask::call(LEGACY, "logs", json!({})).of_session(id);
            assert_eq!(conn.ask(&ask).notifications().len(), expected);
        }
    });
}

/// 2.16
#[test]
fn as_many_requests_of_a_session_run_as_may() {
    let few = |settings: &mut Settings| settings.serve.sessions.limits.session_requests_max = 2;
    each(few, |house| {
        let (id, other) = (greet(house, LEGACY), greet(house, LEGACY));
        let hold =
            |id: &str, accept| Ask::call(LEGACY, "hold", json!({})).of_session(id).accept(accept);
        let mut conns = [BOTH, JSON].map(|accept| {
            let mut conn = house.connect();
            conn.send(&hold(&id, accept));
            house.hear("started");
            conn
        });
        let mut conn = house.connect();
        let refused = conn.ask(&hold(&id, BOTH));
        assert_eq!((refused.status, refused.field("Retry-After")), (429, Some("1")));
        assert_eq!(conn.ask(&ping(&id)).status, 200);
        let text = Ask::call(LEGACY, "text", json!({}));
        assert_eq!(conn.ask(&text.clone().of_session(&other)).status, 200);
        house.gate.open();
        for conn in &mut conns {
            assert_eq!(conn.read().said(), "held");
        }
        assert_eq!(conn.ask(&text.of_session(&id)).status, 200);
    });
}

/// 2.15, 2.16
#[test]
fn sessions_and_streams_past_their_limits_are_turned_away() {
    let few = |settings: &mut Settings| {
        settings.serve.sessions.limits.sessions_max = 3;
        settings.serve.sessions.limits.session_streams_max = 1;
    };
    each(few, |house| {
        let (id, mut conn) = (greet(house, LEGACY), house.connect());
        let ids = [id, greet(house, LEGACY), greet(house, LEGACY)];
        let refused = conn.ask(&Ask::initialize(LEGACY));
        assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")));
        assert_eq!(refused.field("Mcp-Session-Id"), None);
        assert_eq!(delete(&mut conn, &ids[2]).status, 200);
        greet(house, LEGACY);
        let mut reader = house.connect();
        reader.send_open(events(&ids[0], &[]));
        assert_eq!(reader.begin().status, 200);
        let refused = conn.raw(events(&ids[0], &[]));
        assert_eq!((refused.status, refused.field("Retry-After")), (429, Some("1")));
        conn.send_open(events(&ids[1], &[]));
        assert_eq!(conn.begin().status, 200);
    });
    let few = |settings: &mut Settings| settings.serve.sessions.limits.sessions_per_address_max = 2;
    each(few, |house| {
        let _ids = [greet(house, LEGACY), greet(house, LEGACY)];
        let refused = house.connect().ask(&Ask::initialize(LEGACY));
        assert_eq!((refused.status, refused.field("Retry-After")), (429, Some("1")));
    });
}

/// An answer to a question that nobody asked, or not any more, is no fault.
#[test]
fn responses_are_taken() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, LEGACY), house.connect());
        let post = Ask::new(LEGACY, "x").of_session(&id);
        for body in [
            r#"{"jsonrpc":"2.0","id":77,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"77","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":0,"error":{"code":-1,"message":"no"}}"#,
        ] {
            let answer = conn.raw(post.with_body(body.as_bytes()));
            assert_eq!((answer.status, answer.text().as_str()), (202, ""), "{body}");
            let alone = post.clone().without("Mcp-Session-Id");
            assert_eq!(conn.raw(alone.with_body(body.as_bytes())).refusal(), (400, -32600));
        }
    });
}

/// Each media type alone, and both: in every revision that has sessions.
#[test]
fn clients_of_one_format_are_answered_in_it() {
    each(plain, |house| {
        house.gate.open();
        let mut conn = house.connect();
        for revision in &ALL[..4] {
            let id = greet(house, *revision);
            for (accept, media) in [(BOTH, JSON), (JSON, JSON), (SSE, SSE), (NDJSON, NDJSON)] {
                let call =
                    |tool| Ask::call(*revision, tool, json!({})).of_session(&id).accept(accept);
                let answer = conn.ask(&call("text"));
                assert_eq!(answer.field("Content-Type"), Some(media), "{revision}");
                let told = conn.ask(&call("patient").progress_token(1));
                house.hear("started");
                assert_eq!(told.said(), "patient");
                assert_eq!(told.notifications().is_empty(), accept == JSON);
                let refused = conn.ask(&call("text").param("name", "none"));
                assert_eq!(refused.error()["code"], -32602);
            }
            assert_eq!(delete(&mut conn, &id).status, 200);
        }
    });
}

/// A handler that tells much before its client can read waits for it, as it does without a session.
#[test]
fn nothing_is_lost_that_is_told_at_once() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, LEGACY), house.connect());
        for accept in [SSE, NDJSON] {
            let ask = Ask::call(LEGACY, "progress", json!({"count": 1000})).of_session(&id);
            let answer = conn.ask(&ask.accept(accept).progress_token(1));
            assert_eq!((answer.notifications().len(), answer.said()), (1000, "told"));
        }
    });
}

/// Whichever worker accepts a connection, its requests are answered by the session they name.
#[test]
fn sessions_of_two_workers_are_found_over_any_connection() {
    const SESSIONS: usize = 200;
    const LEVELS: [&str; 4] = ["info", "warning", "error", "alert"];
    const LOGS: [usize; 4] = [7, 5, 4, 2];
    for io in [ringlane::IoChoice::Auto, ringlane::IoChoice::Epoll] {
        let house = House::open(Ground { io, workers: 2 }, plain);
        let ids: Vec<_> = (0..SESSIONS).map(|_| greet(&house, LEGACY)).collect();
        let (mut answered, mut moved) = (0, 0);
        let mut ask = |ask: Ask, id: &str| {
            answered += 1;
            house.connect().ask(&ask.of_session(id))
        };
        for (index, id) in ids.iter().enumerate() {
            let set = Ask::new(LEGACY, "logging/setLevel").param("level", LEVELS[index % 4]);
            assert_eq!(ask(set, id).status, 200);
            moved += usize::from(id.as_bytes()[2] != ids[0].as_bytes()[2]);
        }
        for round in 0..4 {
            for (index, id) in ids.iter().enumerate() {
                let answer = ask(Ask::call(LEGACY, "logs", json!({})), id);
                assert_eq!(answer.notifications().len(), LOGS[index % 4], "{index} in {round}");
            }
        }
        assert_eq!(answered, SESSIONS * 5);
        assert!((1..SESSIONS).contains(&moved), "both workers have sessions: {moved}");
    }
}

/// 8.2
#[test]
fn a_drain_ends_the_streams_of_sessions_and_answers_what_runs() {
    each(plain, |house| {
        let id = greet(house, LEGACY);
        let (mut reader, mut caller) = (house.connect(), house.connect());
        reader.send_open(events(&id, &[]));
        assert_eq!(reader.begin().status, 200);
        caller.send(&Ask::call(LEGACY, "hold", json!({})).of_session(&id));
        house.hear("started");
        house.drain();
        assert_eq!(reader.message(), None, "a complete last chunk");
        assert_eq!(reader.end(), End::Clean);
        house.gate.open();
        assert_eq!(caller.read().said(), "held");
        assert_eq!(caller.end(), End::Clean);
    });
}
