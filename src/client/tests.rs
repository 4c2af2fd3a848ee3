//! A client against servers of every kind, over real sockets.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Map, Value, json};

use crate::client::era::{Era, EraChoice};
use crate::client::error::Failure;
use crate::client::options::ClientOptions;
use crate::client::request::ClientIdentity;
use crate::client::scripted::{
    Answer, Received, Scripted, error, events, legacy, modern, open_events, reply, result, text,
};
use crate::client::tools::{CallResult, Event};
use crate::client::{Client, ClientError};

fn options() -> ClientOptions {
    let mut options =
        ClientOptions::new(ClientIdentity { name: "demo".to_owned(), version: "0.1".to_owned() });
    options.log_level = Some("info");
    options
}

fn arguments(value: Value) -> Map<String, Value> {
    serde_json::from_value(value).expect("an object")
}

fn add(client: &mut Client) -> Result<CallResult, ClientError> {
    client.call_tool("add", &arguments(json!({"a": 2, "region": "Käse"})), |_: Event| {})
}

fn five(received: &Received) -> Answer {
    Answer::KeepAlive(reply(200, "", &result(received, &text("5")).to_string()))
}

fn failure(url: &str, options: ClientOptions) -> Failure {
    *Client::connect(url, options).expect_err("no connection").failure
}

#[test]
fn a_modern_server_is_called_with_mirrored_fields_on_one_connection() {
    let server = Scripted::start(|received| modern(received, five));
    let mut client = Client::connect(&server.url, options()).expect("modern");
    let info = client.server_info();
    assert_eq!((info.era, info.revision.as_str()), (Era::Modern, "2026-07-28"));
    assert_eq!((info.name(), info.version()), (Some("calc"), Some("2.0")));
    assert_eq!(add(&mut client).expect("a result").content[0]["text"], "5");
    client.close();
    let received = server.received();
    let methods: Vec<_> = received.iter().map(Received::method).collect();
    assert_eq!(methods, ["server/discover", "tools/list", "tools/call"]);
    let call = &received[2];
    let fields = ["mcp-protocol-version", "mcp-method", "mcp-name", "mcp-param-region"];
    let values = fields.map(|name| call.field(name));
    let expected = ["2026-07-28", "tools/call", "add", "=?base64?S8Okc2U=?="].map(Some);
    assert_eq!(values, expected);
    assert_eq!(call.body["params"]["_meta"]["io.modelcontextprotocol/logLevel"], "info");
}

#[test]
fn events_of_a_call_arrive_before_its_result() {
    let server = Scripted::start(|received| {
        modern(received, |received| {
            let token = &received.body["params"]["_meta"]["progressToken"];
            Answer::KeepAlive(events(&[
                json!({"method": "notifications/progress",
                    "params": {"progressToken": token, "progress": 1, "total": 2}}),
                json!({"method": "notifications/progress",
                    "params": {"progressToken": "another", "progress": 1}}),
                json!({"method": "notifications/message",
                    "params": {"level": "info", "data": "half way"}}),
                result(received, &text("done")),
            ]))
        })
    });
    let mut client = Client::connect(&server.url, options()).expect("modern");
    let mut told = Vec::new();
    let result = client.call_tool("add", &Map::new(), |event: Event| told.push(event));
    assert_eq!(result.expect("a result").content[0]["text"], "done");
    assert!(matches!(&told[..], [Event::Progress(progress), Event::Log(log)]
        if progress.total == Some(2.0) && log.data == "half way"));
}

#[test]
fn a_legacy_session_is_opened_asked_and_ended() {
    let server = Scripted::start(|received| {
        legacy(received, |received| {
            Answer::KeepAlive(events(&[
                json!({"jsonrpc": "2.0", "id": "p1", "method": "ping"}),
                json!({"jsonrpc": "2.0", "id": "r1", "method": "roots/list"}),
                result(received, &text("5")),
            ]))
        })
    });
    let mut client = Client::connect(&server.url, options()).expect("legacy");
    assert_eq!(client.server_info().era, Era::Legacy);
    assert_eq!(client.list_tools().expect("tools").tools.len(), 2);
    add(&mut client).expect("a result");
    client.close();
    let received = server.received();
    let methods: Vec<_> = received.iter().map(Received::method).collect();
    let expected = [
        "server/discover",
        "initialize",
        "notifications/initialized",
        "tools/list",
        "tools/call",
        "POST",
        "POST",
        "DELETE",
    ];
    assert_eq!(methods, expected);
    assert_eq!(received[5].body, json!({"jsonrpc": "2.0", "id": "p1", "result": {}}));
    assert_eq!(received[6].body["error"]["code"], -32601);
    for after in &received[2..] {
        assert_eq!(after.field("mcp-session-id"), Some("s1"));
        assert_eq!(after.field("mcp-protocol-version"), Some("2025-06-18"));
    }
}

#[test]
fn an_error_keeps_code_message_and_data() {
    let server = Scripted::start(|received| {
        legacy(received, |received| {
            let mut body = error(received, -32602, "bad arguments");
            body["error"]["data"] = json!({"field": "a"});
            Answer::KeepAlive(reply(200, "", &body.to_string()))
        })
    });
    let mut client = Client::connect(&server.url, options()).expect("legacy");
    match *add(&mut client).expect_err("an error").failure {
        Failure::Rpc(error) => {
            assert_eq!((error.code, error.message.as_str()), (-32602, "bad arguments"));
            assert_eq!(error.data, Some(json!({"field": "a"})));
        }
        other => panic!("{other}"),
    }
}

#[test]
fn a_session_that_the_server_ended_is_opened_anew_once() {
    let calls = AtomicUsize::new(0);
    let server = Scripted::start(move |received| {
        legacy(received, |received| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => Answer::KeepAlive(reply(404, "", "")),
            _ => five(received),
        })
    });
    let mut client = Client::connect(&server.url, options()).expect("legacy");
    add(&mut client).expect("a result");
    let methods = server.methods();
    assert_eq!(methods.iter().filter(|method| *method == "initialize").count(), 2);
    assert_eq!(methods.iter().filter(|method| *method == "tools/call").count(), 2);
}

#[test]
fn a_stream_that_breaks_off_is_resumed_after_its_last_event() {
    let server = Scripted::start(|received| {
        legacy(received, |received| match received.verb.as_str() {
            "POST" => Answer::Close(open_events("id: e1\nretry: 1\ndata:\n\n")),
            _ => {
                assert_eq!(received.field("last-event-id"), Some("e1"));
                // The call was the fourth request: ids count from 0, notifications have none.
                let response = json!({"jsonrpc": "2.0", "id": 2, "result": text("late")});
                Answer::KeepAlive(events(&[response]))
            }
        })
    });
    let mut client = Client::connect(&server.url, options()).expect("legacy");
    assert_eq!(add(&mut client).expect("a result").content[0]["text"], "late");
}

#[test]
fn a_stale_connection_is_replaced_before_anything_is_sent_on_it() {
    let server = Scripted::start(|received| match modern(received, five) {
        Answer::KeepAlive(bytes) | Answer::Close(bytes) => Answer::Close(bytes),
    });
    let mut client = Client::connect(&server.url, options()).expect("modern");
    client.list_tools().expect("tools");
}

#[test]
fn a_call_is_never_sent_twice() {
    let server = Scripted::start(|received| modern(received, |_| Answer::Close(Vec::new())));
    let mut client = Client::connect(&server.url, options()).expect("modern");
    let error = add(&mut client).expect_err("hung up");
    assert!(error.to_string().contains("closed the connection"), "{error}");
    assert!(error.fix().is_some_and(|fix| fix.contains("not known")));
    let methods = server.methods();
    assert_eq!(methods.iter().filter(|method| *method == "tools/call").count(), 1);
}

#[test]
fn stale_annotations_are_fetched_again() {
    let calls = AtomicUsize::new(0);
    let server = Scripted::start(move |received| {
        modern(received, |received| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => {
                let body = error(received, -32020, "Mcp-Param-Region is missing");
                Answer::KeepAlive(reply(400, "", &body.to_string()))
            }
            _ => five(received),
        })
    });
    let mut client = Client::connect(&server.url, options()).expect("modern");
    add(&mut client).expect("a result");
    let expected = ["server/discover", "tools/list", "tools/call", "tools/list", "tools/call"];
    assert_eq!(server.methods(), expected);
}

#[test]
fn an_endless_list_is_given_up() {
    let server = Scripted::start(|received| match received.method() {
        "tools/list" => {
            let page = result(received, &json!({"tools": [], "nextCursor": "again"}));
            Answer::KeepAlive(reply(200, "", &page.to_string()))
        }
        _ => modern(received, five),
    });
    let mut options = options();
    options.limits.pages_max = 3;
    let mut client = Client::connect(&server.url, options).expect("modern");
    let failure = *client.list_tools().expect_err("endless").failure;
    assert!(matches!(failure, Failure::TooMany { limit_count: 3, .. }), "{failure}");
    assert_eq!(server.methods().len(), 4);
}

#[test]
fn refusals_say_what_happened_and_what_to_do() {
    let table: [(Vec<u8>, &str, &str); 6] = [
        (
            reply(307, "Location: http://elsewhere/\r\n", ""),
            "redirects (307) to http://elsewhere/",
            "if you trust it",
        ),
        (
            reply(401, "WWW-Authenticate: Bearer realm=\"x\"\r\n", ""),
            "refuses access (401: Bearer realm=\"x\")",
            "Authorization",
        ),
        (reply(503, "Retry-After: 7\r\n", "busy"), "not able to answer (503: busy)", "in 7 s"),
        (reply(404, "", "<h1>not here</h1>"), "status 404: <h1>not here</h1>", "check the path"),
        (b"SSH-2.0-server\r\n\r\n".to_vec(), "does not answer in HTTP/1.1", "not HTTPS"),
        (Vec::new(), "closed the connection before", "server's log"),
    ];
    for (bytes, what, fix) in table {
        let server = Scripted::start(move |_| Answer::Close(bytes.clone()));
        let error = Client::connect(&server.url, options()).expect_err(what);
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.to_string().starts_with(&server.url), "{error}");
        assert!(error.fix().is_some_and(|told| told.contains(fix)), "{:?}", error.fix());
    }
}

#[test]
fn the_chosen_era_is_kept_to() {
    let server = Scripted::start(|received| legacy(received, five));
    let modern_only = ClientOptions { era: EraChoice::Modern, ..options() };
    assert!(matches!(failure(&server.url, modern_only), Failure::NotModern { .. }));
    assert_eq!(server.methods(), ["server/discover"]);
    let legacy_only = ClientOptions { era: EraChoice::Legacy, ..options() };
    Client::connect(&server.url, legacy_only).expect("legacy");
    assert_eq!(server.methods(), ["initialize", "notifications/initialized"]);
    assert!(matches!(failure("https://h/mcp", options()), Failure::Endpoint(_)));
}

#[test]
fn a_message_past_the_limit_is_refused() {
    let server = Scripted::start(|received| {
        modern(received, |received| {
            let body = result(received, &text(&"x".repeat(8192))).to_string();
            Answer::KeepAlive(reply(200, "", &body))
        })
    });
    let mut options = options();
    options.limits.message_bytes_max = 4096;
    let mut client = Client::connect(&server.url, options).expect("modern");
    let error = add(&mut client).expect_err("too long");
    assert!(error.to_string().contains("longer than 4096 bytes"), "{error}");
}
