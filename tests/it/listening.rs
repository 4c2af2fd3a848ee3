//! Who is told of changes: `subscriptions/listen`, and the streams and subscriptions of sessions.

use ringlane::{Cx, Server, Settings};
use serde_json::{Value, json};

use crate::sessions::{events, greet};
use crate::support::ask::{Ask, JSON, LEGACY, MODERN, NDJSON, SSE};
use crate::support::client::{Conn, End};
use crate::support::house::{House, each, each_of, plain};

const ID: &str = "io.modelcontextprotocol/subscriptionId";

/// A server that changes when it is told to.
fn changing() -> Server {
    Server::new("changing", "1.0.0").resource("test://a", "a", "A", async |_: Cx| Ok("a")).tool(
        "change",
        "Changes",
        async |cx: Cx, (): ()| {
            cx.changes().tools();
            cx.changes().resource("test://a");
            cx.changes().resource("test://b");
            Ok("changed")
        },
    )
}

fn listen(filter: Value) -> Ask {
    Ask::new(MODERN, "subscriptions/listen").param("notifications", filter).accept(SSE)
}

fn change(house: &House) {
    assert_eq!(house.connect().ask(&Ask::call(MODERN, "change", json!({}))).said(), "changed");
}

/// The method of the next message and what it concerns.
fn heard(conn: &mut Conn) -> (String, Value) {
    let message = conn.message().expect("a message");
    assert!(message.get("id").is_none(), "{message}");
    let method = message["method"].as_str().unwrap().trim_start_matches("notifications/");
    (method.to_owned(), message["params"]["uri"].clone())
}

#[test]
fn a_listener_is_told_what_it_asked_for() {
    each_of(changing, plain, |house| {
        for accept in [SSE, NDJSON] {
            let mut conn = house.connect();
            let filter = json!({"toolsListChanged": true, "promptsListChanged": true,
                "resourceSubscriptions": ["test://a"]});
            conn.send_open(listen(filter).id("\"q\"").accept(accept).bytes());
            assert_eq!(conn.begin().field("Content-Type"), Some(accept));
            let first = conn.message().unwrap();
            assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
            let held = json!({"toolsListChanged": true, "resourceSubscriptions": ["test://a"]});
            assert_eq!(first["params"]["notifications"], held, "there are no prompts");
            change(house);
            for expected in ["notifications/tools/list_changed", "notifications/resources/updated"]
            {
                let message = conn.message().unwrap();
                assert_eq!(message["method"], expected);
                assert_eq!(message["params"]["_meta"][ID], "q");
            }
            change(house);
            assert_eq!(heard(&mut conn).0, "tools/list_changed", "nothing of test://b between");
        }
    });
}

#[test]
fn a_drain_ends_a_subscription_with_its_result() {
    each(plain, |house| {
        let mut conns: Vec<_> = [SSE, NDJSON]
            .map(|accept| {
                let mut conn = house.connect();
                conn.send_open(listen(json!({})).accept(accept).bytes());
                conn.begin();
                assert_eq!(conn.message().unwrap()["params"]["_meta"][ID], 1);
                conn
            })
            .into();
        house.drain();
        for conn in &mut conns {
            let last = conn.message().unwrap();
            assert_eq!(
                (&last["id"], &last["result"]["resultType"]),
                (&json!(1), &json!("complete"))
            );
            assert_eq!(last["result"]["_meta"][ID], 1);
            assert_eq!(conn.message(), None);
            assert_eq!(conn.end(), End::Clean);
        }
    });
}

#[test]
fn what_cannot_be_listened_to_is_refused() {
    each_of(changing, plain, |house| {
        let mut conn = house.connect();
        let mut refusal = |ask: Ask| conn.ask(&ask).refusal();
        assert_eq!(refusal(listen(json!({})).accept(JSON)), (406, -32600));
        for filter in [
            json!(null),
            json!([]),
            json!("all"),
            json!({"toolsListChanged": 1}),
            json!({"resourceSubscriptions": "test://a"}),
            json!({"resourceSubscriptions": [7]}),
            json!({"resourceSubscriptions": vec!["x"; 257]}),
            json!({"resourceSubscriptions": ["x".repeat(64 * 1024 + 1)]}),
        ] {
            assert_eq!(refusal(listen(filter.clone())).1, -32602, "{filter:.40}");
        }
        assert_eq!(refusal(listen(json!({})).without_param("notifications")).1, -32602);
        assert_eq!(refusal(Ask::new(LEGACY, "subscriptions/listen")).1, -32601);
    });
}

#[test]
fn as_many_listen_as_may_and_whoever_leaves_makes_room() {
    let one = |settings: &mut Settings| settings.serve.sessions.limits.subscriptions_max = 1;
    each(one, |house| {
        let (mut conn, mut next) = (house.connect(), house.connect());
        conn.send_open(listen(json!({})).bytes());
        assert_eq!(conn.begin().status, 200);
        let refused = next.ask(&listen(json!({})));
        assert_eq!((refused.status, refused.field("Retry-After")), (503, Some("1")));
        drop(conn);
        let has_room = (0..100_000).any(|_| {
            next.send_open(listen(json!({})).bytes());
            let head = next.begin();
            if head.status != 200 {
                next.finish();
            }
            head.status == 200
        });
        assert!(has_room);
    });
}

/// 5.14
#[test]
fn a_session_is_told_on_one_stream_of_what_it_watches() {
    each_of(changing, plain, |house| {
        let (id, mut conn) = (greet(house, LEGACY), house.connect());
        let of =
            |method: &str, uri: &str| Ask::new(LEGACY, method).param("uri", uri).of_session(&id);
        let mut readers = [house.connect(), house.connect()];
        for reader in &mut readers {
            reader.send_open(events(&id, &[]));
            assert_eq!(reader.begin().status, 200);
        }
        let [older, newer] = &mut readers;
        change(house);
        assert_eq!(conn.ask_open(of("resources/subscribe", "test://a").bytes()).status, 200);
        change(house);
        assert_eq!(conn.ask_open(of("resources/unsubscribe", "test://a").bytes()).status, 200);
        change(house);
        let tools = ("tools/list_changed".to_owned(), Value::Null);
        let updated = ("resources/updated".to_owned(), json!("test://a"));
        let told: Vec<_> = (0..4).map(|_| heard(newer)).collect();
        assert_eq!(told, [tools.clone(), tools.clone(), updated, tools]);
        house.drain();
        assert_eq!(older.message(), None, "a message goes to one stream");
    });
}

#[test]
fn there_is_nothing_to_watch_without_a_session_or_resources() {
    each_of(changing, plain, |house| {
        let ask = Ask::new(LEGACY, "resources/subscribe").param("uri", "test://a");
        assert_eq!(house.connect().ask(&ask).error()["code"], -32602);
    });
    each(plain, |house| {
        let id = greet(house, LEGACY);
        let ask = Ask::new(LEGACY, "resources/subscribe").param("uri", "test://a");
        assert_eq!(house.connect().ask(&ask.of_session(&id)).error()["code"], -32601);
    });
}
