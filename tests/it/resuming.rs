//! Event streams that are cut and taken up again (2.17, 5.13, 5.14).

use std::time::Duration;

use ringlane::{Revision, Settings};
use serde_json::{Value, json};

use crate::sessions::{events, greet};
use crate::support::ask::{ALL, Ask, BOTH, JSON, LEGACY, SSE};
use crate::support::client::{Conn, End, Frame};
use crate::support::house::{House, each, each_and_two};

/// Calls that take their time are made resumable at once.
pub(crate) fn at_once(settings: &mut Settings) {
    settings.serve.sessions.limits.priming_delay = Duration::ZERO;
}

/// Never in the time that a test takes.
fn late(settings: &mut Settings) {
    settings.serve.sessions.limits.priming_delay = Duration::from_secs(3600);
}

/// Calls a tool, and reads as far as the event that primes the answer.
fn primed(house: &House, id: &str, tool: &str) -> (Conn, String) {
    let mut conn = house.connect();
    conn.send(&Ask::call(LEGACY, tool, json!({})).of_session(id).progress_token("p"));
    assert_eq!(conn.begin().field("Content-Type"), Some(SSE));
    assert_eq!(conn.frame(), Some(Frame::Silent));
    let event_id = conn.last_event_id.clone().expect("an id");
    (conn, event_id)
}

fn resume(house: &House, id: &str, event_id: &str) -> Conn {
    let mut conn = house.connect();
    conn.send_open(events(id, &[&format!("Last-Event-ID: {event_id}")]));
    assert_eq!(conn.begin().status, 200);
    conn
}

/// Leaves a call running that no connection stands for.
pub(crate) fn leave_running(house: &House, id: &str, tool: &str) {
    let (mut caller, event_id) = primed(house, id, tool);
    house.hear("started");
    let mut reader = resume(house, id, &event_id);
    reader.half_close();
    for conn in [&mut caller, &mut reader] {
        conn.abandon();
        assert_eq!(conn.end(), End::Clean);
    }
}

/// Reads on to the end: the messages, and the id of each.
fn rest(conn: &mut Conn) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    while let Some(message) = conn.message() {
        all.push((conn.last_event_id.clone().expect("an id"), message));
    }
    all
}

/// An event without data confuses clients of revisions that do not know it.
#[test]
fn streams_are_primed_where_the_revision_says_so() {
    each(at_once, |house| {
        house.gate.open();
        for revision in &ALL[..4] {
            let id = greet(house, *revision);
            let primes = *revision == Revision::V2025_11_25;
            let mut reader = house.connect();
            reader.send_open(events(&id, &[]));
            assert_eq!(reader.begin().field("Cache-Control"), Some("no-cache"));
            if primes {
                assert_eq!(reader.frame(), Some(Frame::Silent));
                let told = (reader.last_event_id.as_deref(), reader.retry_ms);
                assert_eq!(told, (Some("0-0"), Some(1000)));
            }
            let mut conn = house.connect();
            let ask = Ask::call(*revision, "patient", json!({})).of_session(&id);
            conn.send(&ask.accept(SSE).progress_token(1));
            house.hear("started");
            conn.begin();
            if primes {
                assert_eq!((conn.frame(), conn.retry_ms), (Some(Frame::Silent), Some(1000)));
                assert_eq!(conn.last_event_id.as_deref(), Some("1-0"));
            }
            let last = if primes { 3 } else { 2 };
            for sequence in last - 2..=last {
                assert!(matches!(conn.frame(), Some(Frame::Message(_))));
                assert_eq!(conn.last_event_id, Some(format!("1-{sequence}")));
            }
            assert_eq!(conn.frame(), None);
        }
    });
}

/// A call that takes its time and says nothing need not be a stream.
#[test]
fn a_slow_answer_is_still_one_document() {
    each(late, |house| {
        let (id, mut conn) = (greet(house, LEGACY), house.connect());
        conn.send(&Ask::call(LEGACY, "hold", json!({})).of_session(&id));
        house.hear("started");
        house.gate.open();
        let answer = conn.read();
        assert_eq!((answer.field("Content-Type"), answer.said()), (Some(JSON), "held"));
        assert_eq!(conn.ask(&Ask::new(LEGACY, "ping").of_session(&id)).status, 200);
    });
}

/// 5.13: cut at each event in turn.
#[test]
fn a_stream_that_was_cut_goes_on_behind_any_of_its_events() {
    each_and_two(at_once, |house| {
        let id = greet(house, LEGACY);
        let (mut cut, first) = primed(house, &id, "patient");
        house.hear("started");
        assert_eq!(cut.message().unwrap()["params"]["progress"], 1);
        let second = cut.last_event_id.clone().unwrap();
        assert_ne!(first, second);
        cut.half_close();
        drop(cut);
        house.gate.open();
        let mut whole = Vec::new();
        for after in [&first, &second] {
            let mut conn = resume(house, &id, after);
            let told = rest(&mut conn);
            assert_eq!(told.last().unwrap().1["result"]["content"][0]["text"], "patient");
            let mut ids: Vec<_> = told.iter().map(|(id, _)| id.clone()).collect();
            ids.dedup();
            assert_eq!(ids.len(), told.len(), "each id once");
            whole.push(told);
            // The connection lives on.
            assert_eq!(conn.ask(&Ask::new(LEGACY, "ping").of_session(&id)).status, 200);
        }
        let steps: Vec<_> = whole[0].iter().map(|(_, told)| &told["params"]["progress"]).collect();
        assert_eq!(steps, [&json!(1), &json!(2), &Value::Null]);
        assert_eq!(whole[1], whole[0][1..], "the same events under the same ids");
        // Behind the last there is nothing, and the stream has ended: a client that comes back for
        // it all the same is told so, and stays away.
        let last = &whole[0].last().unwrap().0;
        let mut conn = house.connect();
        conn.send_open(events(&id, &[&format!("Last-Event-ID: {last}")]));
        assert_eq!(conn.read().status, 204);
        assert_eq!(conn.ask(&Ask::new(LEGACY, "ping").of_session(&id)).status, 200);
    });
}

/// 5.13
#[test]
fn events_are_given_to_their_session_alone() {
    each(at_once, |house| {
        let (id, other) = (greet(house, LEGACY), greet(house, LEGACY));
        let (_conn, event_id) = primed(house, &id, "hold");
        let mut thief = house.connect();
        let stolen = events(&other, &[&format!("Last-Event-ID: {event_id}")]);
        assert_eq!(thief.raw(stolen).refusal(), (400, -32600));
        house.gate.open();
    });
}

/// 5.14
#[test]
fn whoever_resumes_takes_over_from_the_connection_before() {
    each(at_once, |house| {
        let id = greet(house, LEGACY);
        let (mut before, event_id) = primed(house, &id, "hold");
        house.hear("started");
        let mut after = resume(house, &id, &event_id);
        before.abandon();
        assert_eq!(before.end(), End::Clean);
        house.gate.open();
        let told = rest(&mut after);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].1["result"]["content"][0]["text"], "held");
    });
}

/// 2.17: never a gap without an error.
#[test]
fn events_that_are_no_longer_kept_are_gone() {
    let few = |settings: &mut Settings| {
        at_once(settings);
        settings.serve.sessions.limits.replay_events_max = 3;
    };
    each(few, |house| {
        let (id, mut conn) = (greet(house, LEGACY), house.connect());
        let ask = Ask::call(LEGACY, "progress", json!({"count": 10})).of_session(&id);
        let answer = conn.ask(&ask.progress_token(1).accept(BOTH));
        assert_eq!(answer.notifications().len(), 10, "all were read");
        let last = conn.last_event_id.clone().unwrap();
        let (stream, sequence) = last.split_once('-').unwrap();
        assert_eq!(sequence, "11", "a priming event, ten notifications, a response");
        for (after, status) in [(0, 410), (7, 410), (8, 200), (11, 204), (12, 400)] {
            let mut conn = house.connect();
            let line = format!("Last-Event-ID: {stream}-{after}");
            conn.send_open(events(&id, &[&line]));
            let answer = conn.read();
            assert_eq!(answer.status, status, "{after}");
            if status == 200 {
                assert_eq!(answer.messages.len(), 11 - after);
            }
        }
    });
}

/// 8.2: what is taken up again is answered like any other call.
#[test]
fn a_resumed_answer_is_given_before_the_end() {
    each(at_once, |house| {
        let id = greet(house, LEGACY);
        let (cut, event_id) = primed(house, &id, "hold");
        house.hear("started");
        drop(cut);
        let mut resumed = resume(house, &id, &event_id);
        let mut reader = house.connect();
        reader.send_open(events(&id, &[]));
        assert_eq!((reader.begin().status, reader.frame()), (200, Some(Frame::Silent)));
        house.drain();
        assert_eq!(reader.message(), None);
        house.gate.open();
        assert_eq!(rest(&mut resumed)[0].1["result"]["content"][0]["text"], "held");
        assert_eq!(resumed.end(), End::Clean);
    });
}
