//! Everything the server sends, held against the official JSON Schema of each revision.
//!
//! The client does the holding (`support/schema.rs`); here every method, format and error is asked
//! for in every revision.

#[expect(clippy::allow_attributes, reason = "each test uses another part of it")]
#[allow(dead_code, unreachable_pub, reason = "shared with other tests")]
#[cfg(test)]
#[path = "../support/mod.rs"]
mod support;

use ringlane::mcp::model::{elicitation, form, root, sampling};
use ringlane::{Era, Revision, Sampling};
use serde_json::{Value, json};
use support::ask::{ALL, Ask, BOTH, JSON, MODERN, NDJSON, SSE};
use support::client::Answer;
use support::house::{House, each, each_of, plain};
use support::library::library;
use support::schema::check_question;

const FORMATS: [&str; 4] = [BOTH, JSON, SSE, NDJSON];

fn everywhere(test: impl Fn(&House, Revision, &dyn Fn(Ask) -> Answer)) {
    each(plain, |house| {
        for revision in ALL {
            for format in FORMATS {
                let conn = std::cell::RefCell::new(house.connect());
                test(house, revision, &|ask| conn.borrow_mut().ask(&ask.accept(format)));
            }
        }
    });
}

#[test]
fn greetings_lists_and_empty_results() {
    everywhere(|_, revision, ask| {
        if revision.era() == Era::Modern {
            let greeting = ask(Ask::new(revision, "server/discover"));
            assert_eq!(greeting.result()["supportedVersions"], json!([MODERN.to_string()]));
        } else {
            let greeting = ask(Ask::initialize(revision));
            assert_eq!(greeting.result()["protocolVersion"], revision.to_string());
            assert_eq!(ask(Ask::new(revision, "ping")).result(), &json!({}));
            let level = Ask::new(revision, "logging/setLevel").param("level", "debug");
            assert_eq!(ask(level).result(), &json!({}));
            let initialized = Ask::notification(revision, "notifications/initialized");
            assert_eq!((ask(initialized).status), 202);
        }
        let list = ask(Ask::new(revision, "tools/list"));
        assert!(list.result()["tools"].as_array().unwrap().len() > 20);
    });
}

#[test]
fn resources_prompts_and_completions() {
    each_of(library, plain, |house| {
        for (revision, format) in ALL.into_iter().flat_map(|it| FORMATS.map(|to| (it, to))) {
            let mut conn = house.connect();
            let mut ask = |ask: Ask| assert_eq!(conn.ask(&ask.accept(format)).status, 200);
            for method in ["resources/list", "resources/templates/list", "prompts/list"] {
                ask(Ask::new(revision, method));
            }
            for uri in [
                "test://text",
                "test://bytes",
                "test://full",
                "test://told",
                "test://nothing",
                "note:///a",
                "find:1?word=a",
                "find:x",
            ] {
                ask(Ask::read(revision, uri));
            }
            for prompt in ["hello", "review", "all", "list", "fail", "nothing"] {
                ask(Ask::prompt(revision, prompt, json!({})));
            }
            let review = json!({"type": "ref/prompt", "name": "review"});
            for argument in ["code", "rounds", "nothing"] {
                ask(Ask::complete(revision, review.clone(), argument, ""));
            }
        }
    });
}

#[test]
fn results_of_every_kind_of_tool() {
    everywhere(|_, revision, ask| {
        for tool in [
            "text",
            "image",
            "audio",
            "link",
            "resources",
            "annotated",
            "nothing",
            "list",
            "null",
            "full",
            "fail",
            "by_hand",
            "meta",
            "can",
        ] {
            let answer = ask(Ask::call(revision, tool, json!({})));
            assert_eq!(answer.status, 200);
            assert_eq!(answer.result().get("isError"), (tool == "fail").then_some(&json!(true)));
        }
        let pair = json!({"a": 1.5, "b": 1});
        let index = revision.index();
        let sum = ask(Ask::call(revision, "sum", pair.clone()));
        let structured = sum.result().get("structuredContent").cloned();
        let known = index >= Revision::V2025_06_18.index();
        assert_eq!(structured, known.then(|| json!({"sum": 2.5})), "{revision}");
        let number = ask(Ask::call(revision, "add", pair));
        let structured = number.result().get("structuredContent").cloned();
        assert_eq!(structured, (revision == MODERN).then(|| json!(2.5)), "{revision}");
        assert_eq!(number.said(), "2.5");
    });
}

#[test]
fn a_structured_result_is_what_the_listed_schema_says() {
    everywhere(|_, revision, ask| {
        let list = ask(Ask::new(revision, "tools/list"));
        for tool in list.result()["tools"].as_array().unwrap() {
            let name = tool["name"].as_str().unwrap();
            let arguments = json!({"a": 1, "b": 2});
            let structured = match name {
                "add" | "sum" => ask(Ask::call(revision, name, arguments)),
                "list" | "null" => ask(Ask::call(revision, name, json!({}))),
                _ => continue,
            };
            let structured = structured.result().get("structuredContent").cloned();
            let schema = tool.get("outputSchema");
            assert_eq!(schema.is_some(), structured.is_some(), "{revision} {name}");
            if let (Some(schema), Some(structured)) = (schema, structured) {
                assert!(jsonschema::is_valid(schema, &structured), "{schema} {structured}");
            }
        }
    });
}

#[test]
fn notifications_of_every_kind() {
    everywhere(|_, revision, ask| {
        let level = "io.modelcontextprotocol/logLevel";
        let progress = json!({"count": 3, "pad": 5});
        for token in [json!("t"), json!(7), json!("")] {
            ask(Ask::call(revision, "progress", progress.clone()).progress_token(token));
        }
        ask(Ask::call(revision, "wobble", json!({})).progress_token(1));
        let logs = Ask::call(revision, "logs", json!({}));
        ask(if revision.era() == Era::Modern { logs.meta(level, "debug") } else { logs });
    });
}

#[test]
fn errors_of_every_kind() {
    everywhere(|_, revision, ask| {
        let modern = revision.era() == Era::Modern;
        for (expected_status, code, asked) in [
            (404, -32601, Ask::new(revision, "no/such")),
            (404, -32601, Ask::new(revision, "resources/list")),
            (200, -32602, Ask::call(revision, "no_such", json!({}))),
            (200, -32602, Ask::call(revision, "text", json!([]))),
            (200, -32602, Ask::new(revision, "tools/list").param("cursor", "no")),
            (200, -32602, Ask::new(revision, "tools/list").param("cursor", 1)),
            (200, -32603, Ask::call(revision, "panic", json!({}))),
            (200, -32603, Ask::call(revision, "panic_off_core", json!({}))),
            (200, 7, Ask::call(revision, "fail_by_code", json!({}))),
        ] {
            let status = if modern { expected_status } else { 200 };
            assert_eq!(ask(asked).refusal(), (status, code), "{revision}");
        }
        let needs = ask(Ask::call(revision, "needs", json!({})));
        if modern {
            assert_eq!(needs.refusal(), (400, -32021));
        } else {
            // The legacy era has no error of its own for this, so the model is told.
            assert_eq!(needs.result()["isError"], true);
            assert!(needs.said().contains("`sampling`"), "{needs:?}");
        }
        for method in ["initialize", "ping", "logging/setLevel"] {
            if modern {
                assert_eq!(ask(Ask::new(revision, method)).refusal(), (404, -32601));
            }
        }
        if !modern {
            let unknown = "server/discover";
            assert_eq!(ask(Ask::new(revision, unknown)).refusal(), (200, -32601));
            let level = Ask::new(revision, "logging/setLevel").param("level", "loud");
            assert_eq!(ask(level).refusal(), (200, -32602));
            assert_eq!(ask(Ask::new(revision, "initialize")).refusal(), (200, -32602));
        }
    });
}

#[test]
fn wrong_input_by_revision() {
    everywhere(|_, revision, ask| {
        let wrong = json!({"count": 10, "colour": "blue", "note": 1});
        let answer = ask(Ask::call(revision, "order", wrong));
        if revision.index() >= Revision::V2025_11_25.index() {
            assert_eq!(answer.result()["isError"], true);
        } else {
            assert_eq!(answer.refusal(), (200, -32602));
        }
    });
}

#[test]
fn refusals_of_what_is_no_message_of_any_revision() {
    each(plain, |house| {
        for format in FORMATS {
            let mut conn = house.connect();
            let post = Ask::new(Revision::V2025_11_25, "ping").accept(format);
            for (body, code) in [
                ("{", -32700),
                ("[]", -32600),
                ("7", -32600),
                (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
                (r#"{"jsonrpc":"2.0","method":7}"#, -32600),
                (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, -32600),
            ] {
                let answer = conn.raw(post.with_body(body.as_bytes()));
                assert_eq!(answer.refusal(), (400, code), "{body}");
                assert!(answer.response().get("id").is_none(), "{body}");
            }
            for (version, expected) in [("2030-01-01", -32022), ("2026-07-28", -32602)] {
                let ask = Ask::new(Revision::V2025_11_25, "ping");
                let ask = ask.field("MCP-Protocol-Version", version);
                assert_eq!(conn.ask(&ask.accept(format)).refusal(), (400, expected));
            }
            let unlike = Ask::new(MODERN, "tools/list").field("Mcp-Method", "tools/call");
            assert_eq!(conn.ask(&unlike.accept(format)).refusal(), (400, -32020));
        }
    });
}

#[test]
fn questions_of_every_kind() {
    let all = json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}});
    everywhere(|_, revision, ask| {
        let asks = Ask::call(revision, "asks", json!({}));
        if revision.era() == Era::Legacy {
            // Without a session nobody can be asked, and the model is told so.
            assert_eq!(ask(asks).result()["isError"], true);
            return;
        }
        assert_eq!(ask(asks.clone()).refusal(), (400, -32021));
        let asks = asks.meta("io.modelcontextprotocol/clientCapabilities", all.clone());
        let asked = ask(asks.clone());
        assert_eq!(asked.result()["inputRequests"].as_object().unwrap().len(), 4);
        let accepted = json!({"action": "accept", "content": {"text": "a@b.c"}});
        let said = json!({"role": "assistant", "model": "m",
            "content": {"type": "text", "text": "Hello!"}});
        let answers = json!({"form": accepted, "url": {"action": "accept"}, "model": said,
            "roots": {"roots": []}});
        let state = asked.result()["requestState"].clone();
        let asks = asks.param("requestState", state);
        let some = json!({"roots": answers["roots"], "model": answers["model"]});
        let again = ask(asks.clone().param("inputResponses", some));
        let left: Vec<_> = again.result()["inputRequests"].as_object().unwrap().keys().collect();
        assert_eq!(left, ["form", "url"]);
        let retry = asks.param("inputResponses", answers);
        assert_eq!(ask(retry.clone()).said(), "answered");
        let forged = retry.param("requestState", "v1.forged");
        assert_eq!(ask(forged).refusal(), (200, -32602));
    });
}

/// What legacy clients are asked on a stream, as far as their revision can be.
#[test]
fn questions_in_the_words_of_each_revision() {
    let form = json!({"type": "object", "required": ["a"], "properties": {
        "a": {"type": "string", "format": "email", "default": "x", "pattern": "."},
        "b": {"type": "boolean", "default": true},
        "c": {"type": "string", "oneOf": [{"const": "a", "title": "A"}], "default": "a"}}});
    let question = Sampling::user("a").user_says("b").system("s").temperature(0.5).hint("h");
    let question = question.tool("t", "d", json!({"type": "object"}));
    for revision in ALL {
        let rules = revision.rules();
        let holds = |method: &str, params: Value| {
            let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
            check_question(revision, &request);
        };
        holds(sampling::METHOD, question.params(rules));
        holds(root::METHOD, json!({}));
        if rules.elicitation {
            let schema = form::for_revision(&form, rules).unwrap();
            holds(elicitation::METHOD, elicitation::form_params("?", schema, rules));
        }
        if rules.elicitation_modes {
            let page = "https://example.com/";
            holds(elicitation::METHOD, elicitation::url_params("?", page, "7", rules));
        }
    }
}
