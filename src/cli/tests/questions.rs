//! Questions of servers, answered by flags and at a terminal.

use serde_json::{Value, json};

use super::{Calculator, Ran, answer, run, run_on};
use crate::client::scripted::{Answer, Scripted, events, legacy, modern, result, text};

const CANCELLED: &str = "{\"action\":\"cancel\"}\n";

/// A modern server that asks this before it answers with what it got.
fn asks(requests: Value) -> Scripted {
    Scripted::start(move |received| {
        modern(received, |received| match &received.body["params"]["inputResponses"] {
            Value::Null => answer(
                received,
                &json!({"resultType": "input_required", "inputRequests": requests}),
            ),
            responses => answer(received, &text(&responses["k"].to_string())),
        })
    })
}

fn form(properties: &Value, required: &[&str]) -> Value {
    json!({"k": {"method": "elicitation/create", "params": {"message": "Who\nare you?",
        "requestedSchema": {"type": "object", "properties": properties, "required": required}}}})
}

fn person() -> Value {
    form(
        &json!({
            "name": {"type": "string", "title": "Full name", "minLength": 2},
            "age": {"type": "integer", "minimum": 18, "default": 40},
            "colour": {"type": "string", "enum": ["red", "green"], "description": "A colour"},
            "news": {"type": "boolean"}}),
        &["name", "colour"],
    )
}

/// Calls the tool at a terminal where this is typed.
fn type_in(server: &Scripted, typed: &'static str, flags: &[&str]) -> Ran {
    let line = [&["call", &server.url, "echo"], flags].concat();
    run_on(&Calculator::default(), typed.as_bytes(), &line, |terminal| terminal.watched())
}

fn accepted(content: &Value) -> String {
    format!("{}\n", json!({"action": "accept", "content": content}))
}

#[test]
fn a_form_is_filled_in_at_the_terminal() {
    let server = asks(person());
    let typed = "A\nAda\nmany\n\n3\n2\n\n\n";
    let ran = type_in(&server, typed, &[]);
    let content = json!({"name": "Ada", "age": 40, "colour": "green"});
    assert_eq!(ran.ended_with(0).output, accepted(&content));
    let parts = [
        "\ncalc asks: Who\n    are you?\n",
        "\nname (Full name), required: text, at least 2 letters\n> ",
        "  write at least 2 letters\n> ",
        "\nage, optional: a whole number, at least 18 [40]\n> ",
        "  write a whole number, such as 5\n> ",
        "\ncolour, required: one of these\n    A colour\n  1  red\n  2  green\n> ",
        "\"3\" is none of them: write its number, from 1 to 2\n> ",
        "\nnews, optional: yes or no\n> ",
        "  name = \"Ada\"\n  age = 40\n  colour = \"green\"\nSend this? yes, no, edit or cancel",
    ];
    for part in parts {
        assert!(ran.errors.contains(part), "{part}: {}", ran.errors);
    }
}

#[test]
fn a_form_can_be_declined_cancelled_and_edited() {
    let server = asks(person());
    let (declined, cancelled) = ("{\"action\":\"decline\"}\n", "{\"action\":\"cancel\"}\n");
    let edited = accepted(&json!({"name": ":-)", "age": 18, "colour": "red", "news": true}));
    let table = [
        (":decline\n", declined),
        (":cancel\n", cancelled),
        ("Ada\n", cancelled),
        ("Ada\n\n1\n\nno\n", declined),
        ("Ada\n\n1\n\nperhaps\ncancel\n", cancelled),
        ("Ada\n\n1\n\ne\n:help\n::-)\n18\n1\nyes\nyes\n", &edited),
    ];
    for (typed, expected) in table {
        let ran = type_in(&server, typed, &[]);
        assert_eq!(ran.ended_with(0).output, expected, "{typed}: {}", ran.errors);
    }
}

#[test]
fn flags_answer_before_the_person_and_without_one() {
    let server = asks(person());
    let flags = ["--answer", "name=Ada", "--answer", "colour=1", "--answer", "news:=true"];
    let content = json!({"name": "Ada", "colour": "red", "news": true, "age": 40});
    let line = [&["call", &server.url, "echo"], &flags[..]].concat();
    let ran = run(&line);
    assert_eq!(ran.ended_with(0).output, accepted(&content));
    assert!(ran.errors.contains("calc asks: Who\nare you?\n  answered: name,"), "{}", ran.errors);
    // The person is asked for the rest alone.
    let ran = type_in(&server, "18\n\n", &flags);
    assert_eq!(
        ran.ended_with(0).output,
        accepted(&json!({"name": "Ada", "colour": "red", "news": true, "age": 18}))
    );
    assert!(!ran.errors.contains("Full name"), "{}", ran.errors);
}

#[test]
fn what_nobody_answers_is_cancelled_and_told() {
    let server = asks(person());
    let ran = run(&["call", &server.url, "echo", "--answer", "name=A", "--answer", "tea=green"]);
    assert_eq!(ran.ended_with(1).output, CANCELLED);
    let parts = [
        "warning: --answer name: write at least 2 letters\n",
        "  name is not answered: text, at least 2 letters\n",
        "  colour is not answered: one of these\n",
        "  cancelled: nobody can be asked here: give --answer name=VALUE",
        "warning: --answer tea: no question asked for it\n",
    ];
    for part in parts {
        assert!(ran.errors.contains(part), "{part}: {}", ran.errors);
    }
    let mistyped = ["--answer", "nam=Ada", "--answer", "colour=red"];
    let ran = run(&[&["call", &server.url, "echo", "--json"], &mistyped[..]].concat());
    assert!(ran.ended_with(1).output.contains("cancel"), "the result is printed all the same");
    let expected = "warning: --answer nam: no question asked for it: did you mean name?\n";
    assert!(ran.errors.ends_with(expected), "{}", ran.errors);
    // Nothing is offered that cannot be answered, and a server that asks all the same is told off.
    let ran = run(&["call", &server.url, "echo"]);
    let expected = "asks elicitation/create, which was not answered: this client did not offer";
    assert!(ran.ended_with(1).errors.contains(expected), "{}", ran.errors);
}

#[test]
fn nobody_agrees_to_a_form_by_answering_another() {
    let table = [
        // A default is no consent.
        (
            json!({"news": {"type": "boolean", "default": true}}),
            "give --answer news=VALUE, or call",
        ),
        (json!({"news": {"type": "boolean"}}), "give --answer news=VALUE, or call"),
        (json!({}), "no --answer is a yes: call from a terminal"),
    ];
    for (properties, fix) in table {
        let server = asks(form(&properties, &[]));
        let ran = run(&["call", &server.url, "echo", "--answer", "x=1"]);
        assert_eq!(ran.ended_with(1).output, CANCELLED);
        let told = format!("  cancelled: nobody can be asked here: {fix}");
        assert!(ran.errors.contains(&told), "{}", ran.errors);
    }
}

#[test]
fn capabilities_are_those_that_can_be_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().display().to_string();
    let server = asks(json!({"k": {"method": "roots/list"}}));
    let all = json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}});
    let declared = |server: &Scripted| {
        let calls = server.received();
        let last = calls.last().expect("a call");
        last.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"].clone()
    };
    type_in(&server, "", &[]);
    assert_eq!(declared(&server), all);
    run(&["call", &server.url, "echo", "--answer", "a=b"]);
    assert_eq!(declared(&server), json!({"elicitation": {"form": {}}}));
    run(&["call", &server.url, "echo"]);
    assert_eq!(declared(&server), json!({}));
    let ran = run(&["call", &server.url, "echo", "--root", &path]);
    assert_eq!(declared(&server), json!({"roots": {}}));
    let roots: Value = serde_json::from_str(&ran.ended_with(0).output).expect("JSON");
    let uri = roots["roots"][0]["uri"].as_str().expect("a URI");
    assert!(uri.starts_with("file:///") && uri.ends_with(path.rsplit('/').next().expect("a name")));
    let ran = run(&["call", &server.url, "echo", "--root", "/no/such", "--answer", "x"]);
    for fault in ["--root: /no/such: ", "--answer: \"x\" is no argument"] {
        assert!(ran.ended_with(2).errors.contains(fault), "{}", ran.errors);
    }
}

#[test]
fn a_page_is_shown_and_agreed_to() {
    let url = "https://h.example/a?b=c";
    let server = asks(json!({"k": {"method": "elicitation/create",
        "params": {"mode": "url", "message": "Pay", "url": url}}}));
    let table =
        [("yes\n", "accept"), ("perhaps\nn\n", "decline"), ("\nc\n", "cancel"), ("", "cancel")];
    for (typed, action) in table {
        let ran = type_in(&server, typed, &[]);
        assert_eq!(ran.ended_with(0).output, format!("{{\"action\":\"{action}\"}}\n"), "{typed}");
        assert!(
            ran.errors
                .contains("calc asks you to visit a page: Pay\n    https://h.example/a?b=c\n")
        );
        assert!(ran.errors.contains("It is not opened for you."), "{}", ran.errors);
    }
}

#[test]
fn a_message_is_written_or_refused() {
    let server = asks(json!({"k": {"method": "sampling/createMessage", "params": {
        "systemPrompt": "Be brief.", "maxTokens": 3, "messages": [
            {"role": "user", "content": {"type": "text", "text": "Why?\nOh \u{1b}[2Jwhy?"}}]}}}));
    let ran = type_in(&server, "one two three four\n.\n.\nbe\ncause\n.\n", &[]);
    let written: Value = serde_json::from_str(&ran.ended_with(0).output).expect("JSON");
    assert_eq!(written["content"]["text"], "be\ncause");
    let parts =
        ["system: Be brief.\nuser: Why?\n    Oh \\u{1b}[2Jwhy?\n", "4 words: begin anew", "empty"];
    for part in parts {
        assert!(ran.errors.contains(part), "{part}: {}", ran.errors);
    }
    let ran = type_in(&server, "but\n:decline\n", &[]);
    assert!(ran.ended_with(1).errors.contains("the user refused to sample"), "{}", ran.errors);
}

#[test]
fn a_legacy_server_is_answered_while_it_waits() {
    let server = Scripted::start(|received| {
        legacy(received, |received| {
            let question = &person()["k"];
            Answer::KeepAlive(events(&[
                json!({"id": "q", "method": question["method"], "params": question["params"]}),
                result(received, &text("hello")),
            ]))
        })
    });
    let ran = type_in(&server, "Ada\n\n1\n\n\n", &[]);
    assert_eq!(ran.ended_with(0).output, "hello\n");
    let received = server.received();
    let posted = received.iter().find(|one| one.method() == "POST").expect("an answer");
    assert_eq!(posted.body["result"]["content"]["name"], "Ada");
    assert_eq!(posted.field("mcp-session-id"), Some("s1"));
}
