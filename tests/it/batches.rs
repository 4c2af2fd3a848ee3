//! Several messages in one body: sessions of 2025-03-26 alone (4.7).

use std::time::Duration;

use ringlane::Settings;
use serde_json::{Value, json};

use crate::sessions::{OLD, greet};
use crate::support::ask::{ALL, Ask, JSON, MODERN, SSE};
use crate::support::client::{Answer, Conn};
use crate::support::house::{each, plain};

fn request(id: impl Into<Value>, method: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": {}})
}

fn call(id: impl Into<Value>, tool: &str) -> Value {
    let params = json!({"name": tool, "arguments": {}, "_meta": {"progressToken": "p"}});
    json!({"jsonrpc": "2.0", "id": id.into(), "method": "tools/call", "params": params})
}

fn notification() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}

fn response() -> Value {
    json!({"jsonrpc": "2.0", "id": 5, "result": {}})
}

fn envelope(id: &str) -> Ask {
    Ask::new(OLD, "x").of_session(id)
}

fn post(conn: &mut Conn, ask: &Ask, messages: &[Value]) -> Answer {
    conn.ask_open(ask.with_body(json!(messages).to_string().as_bytes()))
}

/// The ids of the responses, in any order.
fn ids(answer: &Answer) -> Vec<String> {
    let responses = answer.messages.iter().filter(|message| message.get("method").is_none());
    let mut ids: Vec<_> = responses.map(|response| response["id"].to_string()).collect();
    ids.sort();
    ids
}

#[test]
fn what_is_ready_is_answered_by_one_array() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, OLD), house.connect());
        let messages = [
            request(1, "ping"),
            notification(),
            call("two", "text"),
            request(3, "no/such"),
            json!(7),
            json!({"jsonrpc": "2.0", "id": 9}),
            json!([]),
        ];
        let answer = post(&mut conn, &envelope(&id), &messages);
        assert_eq!((answer.status, answer.field("Content-Type")), (200, Some(JSON)));
        assert!(answer.text().starts_with('['));
        assert_eq!(ids(&answer), ["\"two\"", "1", "3", "9", "null", "null"]);
        let streamed = post(&mut conn, &envelope(&id).accept(SSE), &messages[..3]);
        assert_eq!((streamed.field("Content-Type"), ids(&streamed).len()), (Some(SSE), 2));
        let pings = [request(1, "ping"), call(2, "text")];
        let answer = post(&mut conn, &envelope(&id).accept(JSON), &pings);
        assert_eq!((answer.status, ids(&answer).len()), (200, 2));
    });
}

#[test]
fn what_takes_its_time_is_answered_by_one_stream() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, OLD), house.connect());
        let messages = [call(1, "hold"), request(2, "ping"), call(3, "text"), call(4, "patient")];
        conn.send_open(envelope(&id).with_body(json!(messages).to_string().as_bytes()));
        house.hear("started");
        house.hear("started");
        assert_eq!(conn.begin().field("Content-Type"), Some(SSE));
        let (mut answered, mut told) = (Vec::new(), 0);
        while answered.len() < 2 {
            let message = conn.message().unwrap();
            match message.get("method") {
                Some(_) => told += 1,
                None => answered.push(message["id"].clone()),
            }
        }
        assert_eq!(
            (answered, told),
            (vec![json!(2), json!(3)], 1),
            "what is ready is not held back"
        );
        house.gate.open();
        let mut rest = Vec::new();
        while let Some(message) = conn.message() {
            rest.extend(message.get("id").cloned());
        }
        rest.sort_by_key(Value::to_string);
        assert_eq!(rest, [1, 4]);
        assert_eq!(conn.ask(&Ask::new(OLD, "ping").of_session(&id)).status, 200);
    });
}

/// One of several calls is cancelled: the others are answered, and the stream ends.
#[test]
fn a_call_of_several_is_cancelled_alone() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, OLD), house.connect());
        let messages = [call(1, "tidy"), call(2, "hold")];
        conn.send_open(envelope(&id).with_body(json!(messages).to_string().as_bytes()));
        house.hear("started");
        house.hear("started");
        let cancel = Ask::notification(OLD, "notifications/cancelled").param("requestId", 1);
        assert_eq!(house.connect().ask(&cancel.of_session(&id)).status, 202);
        house.hear("cancelled");
        house.gate.open();
        assert_eq!(ids(&conn.read()), ["2"]);
    });
}

#[test]
fn what_needs_no_answer_is_taken() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, OLD), house.connect());
        for messages in [
            vec![notification()],
            vec![notification(), notification()],
            vec![response(), response()],
            vec![response(), notification()],
        ] {
            let answer = post(&mut conn, &envelope(&id), &messages);
            assert_eq!((answer.status, answer.text().as_str()), (202, ""), "{messages:?}");
        }
    });
}

#[test]
fn an_array_is_refused_where_it_does_not_belong() {
    each(plain, |house| {
        let (id, mut conn) = (greet(house, OLD), house.connect());
        let mut modern = request(1, "ping");
        modern["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN.to_string(),
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        for messages in [
            vec![],
            vec![request(1, "initialize")],
            vec![request(1, "ping"), request(2, "initialize")],
            vec![modern],
            vec![request(1, "ping"), response()],
            vec![json!(7), response()],
        ] {
            let answer = post(&mut conn, &envelope(&id), &messages);
            assert_eq!(answer.refusal(), (400, -32600), "{messages:?}");
        }
        let pings = [request(1, "ping"), request(2, "ping")];
        for revision in ALL {
            let alone = Ask::new(revision, "ping");
            assert_eq!(post(&mut conn, &alone, &pings).refusal(), (400, -32600), "{revision}");
            if revision != OLD && revision != MODERN {
                let other = greet(house, revision);
                let refused = post(&mut conn, &alone.of_session(&other), &pings).refusal();
                assert_eq!(refused, (400, -32600), "{revision}");
            }
        }
        let unknown = envelope(&id).field("MCP-Protocol-Version", "1999-01-01");
        assert_eq!(post(&mut conn, &unknown, &pings).refusal(), (400, -32022));
        // The session's own revision governs, whatever the field names.
        let newer = envelope(&id).field("MCP-Protocol-Version", "2025-11-25");
        assert_eq!(post(&mut conn, &newer, &pings).status, 200);
    });
}

/// 2.16
#[test]
fn an_array_holds_as_many_requests_as_may_run() {
    let few = |settings: &mut Settings| {
        settings.serve.sessions.limits.session_requests_max = 3;
        settings.serve.sessions.limits.priming_delay = Duration::from_secs(3600);
    };
    each(few, |house| {
        let (id, mut conn) = (greet(house, OLD), house.connect());
        let of = |count: i32| -> Vec<_> { (0..count).map(|id| call(id, "text")).collect() };
        assert_eq!(ids(&post(&mut conn, &envelope(&id), &of(3))).len(), 3);
        assert_eq!(post(&mut conn, &envelope(&id), &of(4)).refusal(), (400, -32600));
        let none: Vec<_> = (0..4).map(|_| json!(7)).collect();
        assert_eq!(post(&mut conn, &envelope(&id), &none).refusal(), (400, -32600));
        let mut slow = house.connect();
        slow.send_open(envelope(&id).with_body(json!([call(7, "hold")]).to_string().as_bytes()));
        house.hear("started");
        let refused = post(&mut conn, &envelope(&id), &of(3));
        assert_eq!((refused.refusal(), refused.field("Retry-After")), ((429, -32603), Some("1")));
        assert_eq!(ids(&post(&mut conn, &envelope(&id), &of(2))).len(), 2);
        house.gate.open();
        assert_eq!(ids(&slow.read()), ["7"]);
    });
}
