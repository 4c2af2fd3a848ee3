//! Listening, over real sockets, in both eras; pauses pass at once.

use std::cell::RefCell;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::client::listen::Heard;
use crate::client::options::ClientOptions;
use crate::client::request::ClientIdentity;
use crate::client::scripted::{
    Answer, Received, Scripted, error, events, open_events, reply, result,
};
use crate::client::waits::Waits;
use crate::client::{Client, ClientError};

/// What a listener heard before it had enough, and the pauses between.
struct Listening {
    outcome: Result<(), ClientError>,
    heard: Vec<String>,
    pauses: Vec<u128>,
}

/// Listens until so many notifications came.
fn listen(server: &Scripted, uris: &[&str], enough: usize) -> Listening {
    let mut options =
        ClientOptions::new(ClientIdentity { name: "demo".to_owned(), version: "0.1".to_owned() });
    let pauses = Rc::new(RefCell::new(Vec::new()));
    let told = pauses.clone();
    options.limits.reconnects_max = 3;
    options.waits =
        Waits::default().passing(move |pause| told.borrow_mut().push(pause.as_millis()));
    let mut client = Client::connect(&server.url, options).expect("a server");
    let uris: Vec<String> = uris.iter().map(|&uri| uri.to_owned()).collect();
    let (mut heard, mut left) = (Vec::new(), enough);
    let outcome = client.listen(&uris, &mut |event| {
        match event {
            Heard::Standing { honoured: None } => heard.push("standing".to_owned()),
            Heard::Standing { honoured: Some(honoured) } => heard.push(honoured.to_string()),
            Heard::Lost { reason, .. } => heard.push(format!("lost: {reason}")),
            Heard::Notification { method, .. } => {
                heard.push(method.to_owned());
                left -= 1;
            }
        }
        if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    client.close();
    let pauses = pauses.borrow().clone();
    Listening { outcome, heard, pauses }
}

fn capabilities() -> Value {
    json!({"tools": {"listChanged": true}, "prompts": {"listChanged": false},
        "resources": {"subscribe": true}})
}

fn answer(received: &Received, content: &Value) -> Answer {
    Answer::KeepAlive(reply(200, "", &result(received, content).to_string()))
}

/// A modern server whose subscriptions are answered by `listen`, which hears how many came before.
fn modern(listen: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static) -> Scripted {
    let count = AtomicUsize::new(0);
    Scripted::start(move |received| match received.method() {
        "server/discover" => answer(
            received,
            &json!({"supportedVersions": ["2026-07-28"], "capabilities": capabilities()}),
        ),
        _ => listen(received, count.fetch_add(1, Ordering::Relaxed)),
    })
}

/// A legacy server whose GETs are answered by `listen`. Its sessions are called s1, s2 ...
fn legacy(listen: impl Fn(&Received, usize) -> Answer + Send + Sync + 'static) -> Scripted {
    let (count, sessions) = (AtomicUsize::new(0), AtomicUsize::new(0));
    Scripted::start(move |received| match received.method() {
        "server/discover" => Answer::KeepAlive(reply(400, "", "")),
        "initialize" => {
            let session = 1 + sessions.fetch_add(1, Ordering::Relaxed);
            let introduction = json!({"protocolVersion": "2025-11-25",
                "capabilities": capabilities(), "serverInfo": {"name": "old", "version": "1"}});
            let body = result(received, &introduction).to_string();
            Answer::KeepAlive(reply(200, &format!("Mcp-Session-Id: s{session}\r\n"), &body))
        }
        "resources/subscribe" => answer(received, &json!({})),
        "GET" => listen(received, count.fetch_add(1, Ordering::Relaxed)),
        _ => Answer::KeepAlive(reply(202, "", "")),
    })
}

fn told(method: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": method, "params": {}})
}

fn acknowledged(received: &Received) -> Value {
    let honoured = &received.body["params"]["notifications"];
    json!({"method": "notifications/subscriptions/acknowledged",
        "params": {"notifications": honoured}})
}

const CHANGED: &str = "notifications/tools/list_changed";
const UPDATED: &str = "notifications/resources/updated";

#[test]
fn a_modern_subscription_asks_for_what_is_declared_and_begins_anew() {
    let server = modern(|received, count| {
        let messages = match count {
            0 => vec![acknowledged(received), told(CHANGED), result(received, &json!({}))],
            1 => return Answer::KeepAlive(reply(503, "", "")),
            _ => vec![acknowledged(received), told(UPDATED)],
        };
        let open = messages.iter().map(|message| format!("id: 7\ndata: {message}\n\n"));
        Answer::Close(open_events(&open.collect::<String>()))
    });
    let Listening { outcome, heard, pauses } = listen(&server, &["note:///a"], 2);
    outcome.expect("enough");
    let filter = r#"{"toolsListChanged":true,"resourceSubscriptions":["note:///a"]}"#;
    let unable = "lost: the server is not able to answer (503)";
    let ended = "lost: the server ended the stream";
    assert_eq!(heard, [filter, CHANGED, ended, unable, filter, UPDATED]);
    assert_eq!(pauses, [1000, 1000]);
    let received = server.received();
    assert_eq!(received.len(), 4, "no session to end");
    for one in &received[1..] {
        assert_eq!(one.field("mcp-method"), Some("subscriptions/listen"));
        assert_eq!(one.field("last-event-id"), None, "nothing is resumed");
    }
}

#[test]
fn pauses_grow_while_nothing_is_heard_and_tries_end() {
    let server = modern(|received, count| match count {
        0 => Answer::Close(open_events(&format!("data: {}\n\n", acknowledged(received)))),
        _ => Answer::Close(Vec::new()),
    });
    let Listening { outcome, heard, pauses } = listen(&server, &[], 1);
    let error = outcome.expect_err("it stays away");
    assert!(error.to_string().contains("closed the connection"), "{error}");
    assert_eq!(heard.len(), 5, "{heard:?}");
    assert_eq!(pauses, [1000, 1000, 2000, 4000]);
}

#[test]
fn a_legacy_stream_is_resumed_after_the_wait_that_the_server_wants() {
    let server = legacy(|received, count| {
        let after = received.field("last-event-id").map(str::to_owned);
        match count {
            0 => {
                assert_eq!(after, None);
                let event = format!("id: g:1\nretry: 90000\ndata: {}\n\n", told(CHANGED));
                let mut bytes = open_events(&event);
                bytes.extend_from_slice(b"0\r\n\r\n");
                Answer::KeepAlive(bytes)
            }
            1 => {
                assert_eq!(after.as_deref(), Some("g:1"));
                let ping = json!({"id": "p", "method": "ping"});
                let asks = json!({"id": "r", "method": "roots/list"});
                Answer::Close(open_events(&format!("data: {ping}\n\ndata: {asks}\n\n")))
            }
            2 => {
                assert_eq!(after.as_deref(), Some("g:1"));
                Answer::KeepAlive(events(&[told(UPDATED)]))
            }
            _ => Answer::Close(Vec::new()),
        }
    });
    let Listening { outcome, heard, pauses } = listen(&server, &["note:///a", "note:///b"], 2);
    outcome.expect("enough");
    let cut = "lost: the server closed the connection in the midst of the stream";
    assert_eq!(heard, ["standing", CHANGED, cut, "standing", UPDATED]);
    assert_eq!(pauses, [90_000, 1000]);
    let received = server.received();
    let methods: Vec<_> = received[3..].iter().map(Received::method).collect();
    let expected = [
        "resources/subscribe",
        "resources/subscribe",
        "GET",
        "GET",
        "POST",
        "POST",
        "GET",
        "DELETE",
    ];
    assert_eq!(methods, expected);
    assert_eq!(received[7].body["result"], json!({}));
    assert_eq!(received[8].body["error"]["code"], -32601);
}

#[test]
fn a_stream_that_cannot_be_resumed_is_begun_anew() {
    let table = [
        (204, "lost: nothing is left of the stream"),
        (400, "lost: the server cannot resume the stream"),
        (410, "lost: the server cannot resume the stream"),
    ];
    for (status, reason) in table {
        let server = legacy(move |received, count| {
            let after = received.field("last-event-id");
            match count {
                0 => Answer::Close(open_events(&format!("id: g:1\ndata: {}\n\n", told(CHANGED)))),
                1 => {
                    assert_eq!(after, Some("g:1"));
                    let head = format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n");
                    Answer::Close(head.into_bytes())
                }
                _ => {
                    assert_eq!(after, None);
                    Answer::KeepAlive(events(&[told(CHANGED)]))
                }
            }
        });
        let Listening { outcome, heard, .. } = listen(&server, &[], 2);
        outcome.expect("enough");
        let cut = "lost: the server closed the connection in the midst of the stream";
        assert_eq!(heard, ["standing", CHANGED, cut, reason, "standing", CHANGED], "{status}");
        // Where there is nothing to resume, the same answer is final.
        let refusing = legacy(move |_, _| Answer::KeepAlive(reply(status, "", "")));
        let Listening { outcome, pauses, .. } = listen(&refusing, &[], 1);
        outcome.expect_err("refused");
        assert!(pauses.is_empty(), "{status}");
    }
}

#[test]
fn a_lost_session_is_opened_anew_with_its_subscriptions() {
    let server = legacy(|received, count| match (received.field("mcp-session-id"), count) {
        (Some("s1"), 0) => {
            Answer::Close(open_events(&format!("id: g:1\ndata: {}\n\n", told(CHANGED))))
        }
        (Some("s1"), 1) => Answer::KeepAlive(reply(404, "", "")),
        (Some("s2"), 2) => {
            assert_eq!(received.field("last-event-id"), None, "ids belong to a session");
            Answer::KeepAlive(events(&[told(CHANGED)]))
        }
        _ => Answer::Close(Vec::new()),
    });
    let Listening { outcome, .. } = listen(&server, &["note:///a"], 2);
    outcome.expect("enough");
    let methods = server.methods();
    let subscribed = methods.iter().filter(|method| *method == "resources/subscribe").count();
    assert_eq!(subscribed, 2);
}

#[test]
fn a_server_that_has_nothing_to_say_is_told_so() {
    let deaf = legacy(|_, _| Answer::KeepAlive(reply(405, "", "")));
    let refusing = modern(|received, _| {
        Answer::KeepAlive(reply(404, "", &error(received, -32601, "no").to_string()))
    });
    let silent = Scripted::start(|received| {
        answer(received, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}))
    });
    let table: [(&Scripted, &[&str], &str); 4] = [
        (&deaf, &[], "offers no stream of notifications"),
        (&refusing, &[], "no (JSON-RPC error -32601)"),
        (&silent, &[], "offers no notifications of changes"),
        (&silent, &["a:b"], "offers no updates of resources"),
    ];
    for (server, uris, expected) in table {
        let Listening { outcome, pauses, .. } = listen(server, uris, 1);
        let error = outcome.expect_err(expected);
        assert!(error.to_string().contains(expected), "{error}");
        assert!(pauses.is_empty());
    }
}

#[test]
fn an_interruption_ends_a_stream_that_is_silent_and_its_session() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let server = legacy(|_, _| Answer::KeepAlive(open_events("id: g:1\ndata:\n\n")));
    let mut options =
        ClientOptions::new(ClientIdentity { name: "demo".to_owned(), version: "0.1".to_owned() });
    options.waits = Waits::interrupted_by(ours);
    options.idle_timeout = Duration::from_hours(1);
    let mut client = Client::connect(&server.url, options).expect("legacy");
    let heard = client.listen(&[], &mut |heard| {
        assert!(matches!(heard, Heard::Standing { .. }));
        (&theirs).write_all(b"!").expect("written");
        ControlFlow::Continue(())
    });
    heard.expect("interrupted");
    client.close();
    assert_eq!(server.methods().last().map(String::as_str), Some("DELETE"));
}
