//! Requests that are asked back, over real sockets, in both eras.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::client::Client;
use crate::client::error::Failure;
use crate::client::form::Form;
use crate::client::options::ClientOptions;
use crate::client::question::{Abilities, Attendant, Elicited, Root, Sampling, Visit};
use crate::client::request::ClientIdentity;
use crate::client::scripted::{
    Answer, Received, Scripted, error, events, legacy, modern, open_events, reply, result, text,
};
use crate::client::tools::Event;
use crate::client::waits::Waits;

const ALL: Abilities = Abilities { form: true, url: true, sampling: true, roots: true };

/// Options of a client that can answer, and the pauses it makes, which pass at once.
fn options(abilities: Abilities) -> (ClientOptions, Rc<RefCell<Vec<Duration>>>) {
    let mut options =
        ClientOptions::new(ClientIdentity { name: "demo".to_owned(), version: "0.1".to_owned() });
    options.abilities = abilities;
    let pauses = Rc::new(RefCell::new(Vec::new()));
    let told = pauses.clone();
    options.waits = Waits::default().passing(move |pause| told.borrow_mut().push(pause));
    (options, pauses)
}

/// Answers everything, and remembers what it was asked.
#[derive(Default)]
struct Ada {
    asked: Vec<String>,
}

impl Attendant for &mut Ada {
    fn on_event(&mut self, _: Event) {}

    fn fill_in(&mut self, form: &Form) -> Elicited {
        self.asked.push(form.message.clone());
        let mut answers = Map::new();
        answers.insert("name".to_owned(), "Ada".into());
        Elicited::Accept(answers)
    }

    fn visit(&mut self, visit: &Visit) -> Elicited {
        self.asked.push(visit.url.clone());
        Elicited::Accept(Map::new())
    }

    fn write(&mut self, _: &Sampling) -> Option<String> {
        None
    }

    fn roots(&mut self) -> Vec<Root> {
        self.asked.push("roots".to_owned());
        vec![Root { uri: "file:///home".to_owned(), name: None }]
    }
}

fn form(message: &str) -> Value {
    json!({"message": message, "requestedSchema": {"type": "object",
        "properties": {"name": {"type": "string"}}, "required": ["name"]}})
}

fn answer(received: &Received, content: &Value) -> Answer {
    Answer::KeepAlive(reply(200, "", &result(received, content).to_string()))
}

fn call(client: &mut Client, ada: &mut Ada) -> Result<Value, Failure> {
    let called = client.call_tool("add", &Map::new(), ada);
    called.map(|result| result.content[0]["text"].clone()).map_err(|error| *error.failure)
}

#[test]
fn a_modern_request_is_repeated_with_the_answers_and_the_state() {
    const STATE: &str = "v1.eyJ\u{e4}\\\"/ =";
    let server = Scripted::start(|received| {
        modern(received, |received| match received.body["params"]["inputResponses"] {
            Value::Null => answer(
                received,
                &json!({"resultType": "input_required", "requestState": STATE, "inputRequests": {
                    "who": {"method": "elicitation/create", "params": form("Who?")},
                    "where": {"method": "roots/list"}}}),
            ),
            _ => answer(received, &text("done")),
        })
    });
    let mut client = Client::connect(&server.url, options(ALL).0).expect("modern");
    let mut ada = Ada::default();
    assert_eq!(call(&mut client, &mut ada).expect("a result"), "done");
    assert_eq!(ada.asked, ["Who?", "roots"]);
    let received = server.received();
    let calls: Vec<_> =
        received.iter().filter(|received| received.method() == "tools/call").collect();
    let [first, second] = calls[..] else { panic!("{} calls", calls.len()) };
    assert_ne!(first.body["id"], second.body["id"]);
    let capabilities = &first.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    assert_eq!(*capabilities, ALL.to_json());
    let params = &second.body["params"];
    assert_eq!(params["requestState"], STATE);
    assert_eq!(
        params["inputResponses"],
        json!({"who": {"action": "accept", "content": {"name": "Ada"}},
            "where": {"roots": [{"uri": "file:///home"}]}})
    );
    assert_eq!(params["name"], first.body["params"]["name"]);
    assert_eq!(params["arguments"], first.body["params"]["arguments"]);
    assert_eq!(params["_meta"]["progressToken"], second.body["id"]);
}

#[test]
fn resources_and_prompts_are_asked_back_as_well() {
    let server = Scripted::start(|received| {
        let done = received.body["params"].get("requestState").is_some();
        let complete = match received.method() {
            "resources/read" => json!({"contents": [{"uri": "note:///ä", "text": "t"}]}),
            "prompts/get" => json!({"messages": [
                {"role": "user", "content": {"type": "text", "text": "hi"}}]}),
            _ => return modern(received, |received| answer(received, &text("5"))),
        };
        match done {
            true => answer(received, &complete),
            false => {
                answer(received, &json!({"resultType": "input_required", "requestState": "s"}))
            }
        }
    });
    let (options, pauses) = options(Abilities::default());
    let mut client = Client::connect(&server.url, options).expect("modern");
    let read = client.read_resource("note:///ä", |_: Event| {}).expect("contents");
    assert_eq!(read.contents[0].body.bytes(), b"t");
    let prompt = client.get_prompt("review", &Map::new(), |_: Event| {}).expect("messages");
    assert_eq!(prompt.messages.len(), 1);
    assert!(pauses.borrow().is_empty(), "the first try again comes at once");
    let received = server.received();
    let names: Vec<_> = received.iter().filter_map(|one| one.field("mcp-name")).collect();
    let uri = "=?base64?bm90ZTovLy/DpA==?=";
    assert_eq!(names, [uri, uri, "review", "review"]);
    assert!(received[2].body["params"].get("inputResponses").is_none());
}

#[test]
fn questions_end_after_so_many_rounds() {
    let server = Scripted::start(|received| {
        modern(received, |received| {
            answer(received, &json!({"resultType": "input_required", "requestState": "again"}))
        })
    });
    let (mut options, pauses) = options(ALL);
    options.limits.rounds_max = 4;
    let mut client = Client::connect(&server.url, options).expect("modern");
    let failure = call(&mut client, &mut Ada::default()).expect_err("no end");
    assert!(matches!(failure, Failure::TooManyRounds { limit_count: 4, .. }), "{failure}");
    let calls = server.methods().iter().filter(|method| *method == "tools/call").count();
    assert_eq!(calls, 5);
    assert_eq!(*pauses.borrow(), [250, 500, 1000].map(Duration::from_millis));
}

#[test]
fn what_cannot_be_answered_fails_clearly() {
    let asks = |method: &str, params: Value| {
        json!({"resultType": "input_required", "inputRequests": {
            "k": {"method": method, "params": params}}})
    };
    let sampling = json!({"messages": [], "maxTokens": 5});
    let table = [
        (asks("tools/list", json!({})), ALL, "tools/call asks tools/list, which was not answered"),
        (asks("elicitation/create", form("?")), Abilities::default(), "did not offer"),
        (asks("sampling/createMessage", sampling), ALL, "refused to sample"),
        (
            asks("elicitation/create", json!({"requestedSchema": {"properties": 5}})),
            ALL,
            "no object",
        ),
        (json!({"resultType": "input_required"}), ALL, "neither inputRequests nor requestState"),
        (
            json!({"resultType": "input_required", "inputRequests": {"k": {}}}),
            ALL,
            "inputRequests.k: missing field `method`",
        ),
        (json!({"resultType": "input_required", "requestState": 5}), ALL, "malformed"),
    ];
    for (asked, abilities, expected) in table {
        let server =
            Scripted::start(move |received| modern(received, |received| answer(received, &asked)));
        let mut client = Client::connect(&server.url, options(abilities).0).expect("modern");
        let failure = call(&mut client, &mut Ada::default()).expect_err(expected);
        assert!(failure.to_string().contains(expected), "{failure}");
        let calls = server.methods().iter().filter(|method| *method == "tools/call").count();
        assert_eq!(calls, 1, "{expected}");
    }
}

#[test]
fn requests_of_a_legacy_server_are_answered_on_another_connection() {
    let server = Scripted::start(|received| {
        legacy(received, |received| {
            Answer::KeepAlive(events(&[
                json!({"jsonrpc": "2.0", "id": "q1", "method": "elicitation/create",
                    "params": form("Who?")}),
                json!({"jsonrpc": "2.0", "id": "q2", "method": "sampling/createMessage",
                    "params": {"messages": [], "maxTokens": 5}}),
                json!({"jsonrpc": "2.0", "id": "q3", "method": "tea/make", "params": {}}),
                json!({"jsonrpc": "2.0", "id": "q4", "method": "elicitation/create",
                    "params": {"mode": "url", "message": "m", "url": "https://h/x"}}),
                result(received, &text("5")),
            ]))
        })
    });
    let mut client = Client::connect(&server.url, options(ALL).0).expect("legacy");
    let mut ada = Ada::default();
    assert_eq!(call(&mut client, &mut ada).expect("a result"), "5");
    assert_eq!(ada.asked, ["Who?", "https://h/x"]);
    let received = server.received();
    let handshake = received.iter().find(|received| received.method() == "initialize");
    let handshake = handshake.expect("a handshake");
    assert_eq!(handshake.body["params"]["capabilities"], ALL.to_json());
    let answers: Vec<_> = received.iter().filter(|one| one.method() == "POST").collect();
    let shown: Vec<_> = answers
        .iter()
        .map(|one| (&one.body["id"], &one.body["result"]["action"], &one.body["error"]["code"]))
        .collect();
    let null = Value::Null;
    assert_eq!(
        shown,
        [
            (&json!("q1"), &json!("accept"), &null),
            (&json!("q2"), &null, &json!(-1)),
            (&json!("q3"), &null, &json!(-32601)),
            (&json!("q4"), &json!("accept"), &null),
        ]
    );
    for answer in answers {
        assert_eq!(answer.field("mcp-session-id"), Some("s1"));
    }
}

#[test]
fn questions_on_the_stream_of_the_session_are_answered_while_the_call_waits() {
    for streams in [false, true] {
        // The call is answered once its question is.
        let answered = Barrier::new(2);
        let server = Scripted::start(move |received| match received.method() {
            "GET" => {
                let question =
                    json!({"id": "q", "method": "elicitation/create", "params": form("Who?")});
                Answer::KeepAlive(open_events(&format!("id: 1\ndata: {question}\n\n")))
            }
            "POST" if received.body.get("result").is_some() => {
                answered.wait();
                Answer::KeepAlive(reply(202, "", ""))
            }
            _ => legacy(received, |received| {
                answered.wait();
                match streams {
                    true => Answer::KeepAlive(events(&[result(received, &text("5"))])),
                    false => answer(received, &text("5")),
                }
            }),
        });
        let mut client = Client::connect(&server.url, options(ALL).0).expect("legacy");
        let mut ada = Ada::default();
        assert_eq!(call(&mut client, &mut ada).expect("a result"), "5");
        assert_eq!(ada.asked, ["Who?"]);
        client.close();
        let mut methods = server.methods();
        // The question is there before the call: either may be received first.
        methods[4..6].sort_unstable();
        assert_eq!(methods[3..], ["GET", "POST", "tools/call", "DELETE"]);
    }
}

#[test]
fn too_many_questions_of_a_legacy_server_are_refused() {
    let server = Scripted::start(|received| {
        legacy(received, |received| {
            let ask = |id: u64| json!({"id": id, "method": "roots/list"});
            Answer::KeepAlive(events(&[ask(1), ask(2), ask(3), result(received, &text("5"))]))
        })
    });
    let (mut options, _) = options(ALL);
    options.limits.questions_max = 2;
    let mut client = Client::connect(&server.url, options).expect("legacy");
    call(&mut client, &mut Ada::default()).expect("a result");
    let received = server.received();
    let answers = received.iter().filter(|one| one.method() == "POST");
    let codes: Vec<_> = answers.map(|one| one.body["error"]["code"].as_i64()).collect();
    assert_eq!(codes, [None, None, Some(-32603)]);
}

#[test]
fn pages_that_a_legacy_server_wants_visited_first_are_visited() {
    let calls = AtomicUsize::new(0);
    let server = Scripted::start(move |received| {
        legacy(received, |received| match calls.fetch_add(1, Ordering::Relaxed) {
            0 => {
                let mut body = error(received, -32042, "visit first");
                body["error"]["data"] = json!({"elicitations": [
                    {"mode": "url", "message": "m", "url": "https://h/1", "elicitationId": "e"}]});
                Answer::KeepAlive(reply(200, "", &body.to_string()))
            }
            _ => answer(received, &text("5")),
        })
    });
    let mut client = Client::connect(&server.url, options(ALL).0).expect("legacy");
    let mut ada = Ada::default();
    assert_eq!(call(&mut client, &mut ada).expect("a result"), "5");
    assert_eq!(ada.asked, ["https://h/1"]);
}

#[test]
fn a_polling_server_is_waited_for_as_long_as_it_says() {
    let polls = AtomicUsize::new(0);
    let server = Scripted::start(move |received| {
        legacy(received, |received| {
            let poll = match received.verb.as_str() {
                "POST" => 0,
                _ => 1 + polls.fetch_add(1, Ordering::Relaxed),
            };
            let after = received.field("last-event-id").map(str::to_owned);
            match poll {
                0 => Answer::Close(open_events("id: s:0\nretry: 45000\ndata:\n\n")),
                // Nothing new, and a proxy in its way the next time.
                1 => {
                    assert_eq!(after.as_deref(), Some("s:0"));
                    Answer::KeepAlive(events(&[]))
                }
                2 => Answer::Close(reply(503, "", "")),
                3 => {
                    let told = json!({"method": "notifications/message", "params": {}});
                    let event = format!("id: s:1\nretry: 2000\ndata: {told}\n\n");
                    Answer::Close(open_events(&event))
                }
                _ => {
                    assert_eq!(after.as_deref(), Some("s:1"));
                    let late = json!({"jsonrpc": "2.0", "id": 2, "result": text("late")});
                    Answer::KeepAlive(events(&[late]))
                }
            }
        })
    });
    let (options, pauses) = options(ALL);
    let mut client = Client::connect(&server.url, options).expect("legacy");
    assert_eq!(call(&mut client, &mut Ada::default()).expect("a result"), "late");
    assert_eq!(*pauses.borrow(), [45, 45, 45, 2].map(Duration::from_secs));
}

#[test]
fn a_wait_past_the_limit_is_not_begun() {
    let server = Scripted::start(|received| {
        legacy(received, |_| Answer::Close(open_events("id: e\nretry: 86400000\ndata:\n\n")))
    });
    let (options, pauses) = options(ALL);
    let mut client = Client::connect(&server.url, options).expect("legacy");
    let failure = call(&mut client, &mut Ada::default()).expect_err("too long");
    assert!(failure.to_string().contains("goes on in 86400s"), "{failure}");
    assert!(pauses.borrow().is_empty());
}

#[test]
fn a_stream_without_news_is_given_up() {
    let server = Scripted::start(|received| {
        legacy(received, |_| Answer::Close(open_events("id: e\nretry: 1\ndata:\n\n")))
    });
    let (mut options, pauses) = options(ALL);
    options.limits.resumes_max = 5;
    let mut client = Client::connect(&server.url, options).expect("legacy");
    call(&mut client, &mut Ada::default()).expect_err("no end");
    assert_eq!(pauses.borrow().len(), 5);
    let methods = server.methods();
    assert_eq!(methods.iter().filter(|method| *method == "tools/call").count(), 1);
}

#[test]
fn a_modern_stream_is_never_resumed() {
    let server = Scripted::start(|received| {
        modern(received, |_| Answer::Close(open_events("id: e\nretry: 1\ndata:\n\n")))
    });
    let (options, pauses) = options(ALL);
    let mut client = Client::connect(&server.url, options).expect("modern");
    let failure = call(&mut client, &mut Ada::default()).expect_err("cut");
    assert!(failure.to_string().contains("closed the connection"), "{failure}");
    assert!(pauses.borrow().is_empty());
    assert!(!server.methods().contains(&"GET".to_owned()));
}
