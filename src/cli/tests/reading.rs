//! `ls`, `read`, `prompt` and `listen` against a server that has everything.

use std::cell::Cell;
use std::io::Write as _;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use super::{Calculator, answer, run, run_on};
use crate::client::scripted::{
    Answer, Received, Scripted, calculator_tools, error, open_events, reply,
};
use crate::client::waits::Waits;

/// A server with resources in two pages, a template and a prompt.
fn library() -> Scripted {
    Scripted::start(|received| {
        let params = &received.body["params"];
        let content = match received.method() {
            "server/discover" => json!({"supportedVersions": ["2026-07-28"], "capabilities": {
                "tools": {"listChanged": true}, "resources": {"subscribe": true}, "prompts": {}},
                "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "library"}}}),
            "tools/list" => calculator_tools(),
            "resources/list" => match params["cursor"].as_str() {
                None => json!({"nextCursor": "2", "resources": [{"uri": "note:///a", "name": "a",
                    "title": "First", "description": "A\nnote", "mimeType": "text/plain",
                    "size": 5}]}),
                Some(_) => json!({"resources": [{"uri": "pic:///b", "name": "b"}]}),
            },
            "resources/templates/list" => json!({"resourceTemplates": [
                {"uriTemplate": "note:///{day}", "name": "day"}]}),
            "prompts/list" => json!({"prompts": [{"name": "greet", "description": "Greets",
                "arguments": [{"name": "who", "required": true, "description": "whom"},
                    {"name": "how"}]}]}),
            "prompts/get" => json!({"messages": [
                {"role": "user", "content": {"type": "text", "text": params["arguments"]["who"]}},
                {"role": "assistant", "content": {"type": "image", "data": "AAAA",
                    "mimeType": "image/png"}}]}),
            "resources/read" => return read(received),
            _ => return listen(received),
        };
        answer(received, &content)
    })
}

fn read(received: &Received) -> Answer {
    let text = |uri: &str, text: &str| json!({"uri": uri, "text": text});
    let contents = match received.body["params"]["uri"].as_str() {
        Some("note:///a") => vec![text("note:///a", "first\u{1b}")],
        Some("pic:///b") => vec![json!({"uri": "pic:///b", "blob": "AP8=", "mimeType": "image/x"})],
        Some("evil:///") => {
            vec![json!({"uri": "e", "blob": "AP8=", "mimeType": "\u{1b}]0;PWN\u{7}\u{1b}[31m"})]
        }
        Some("all:///") => vec![text("a", "one"), text("b", "two\n")],
        _ => {
            let body = error(received, -32602, "there is no such resource").to_string();
            return Answer::KeepAlive(reply(400, "", &body));
        }
    };
    answer(received, &json!({"contents": contents}))
}

fn listen(received: &Received) -> Answer {
    let honoured = &received.body["params"]["notifications"];
    let messages = [
        json!({"method": "notifications/subscriptions/acknowledged",
            "params": {"notifications": honoured}}),
        json!({"method": "notifications/tools/list_changed", "params": {}}),
        json!({"method": "notifications/resources/updated", "params": {"uri": "note:///a"}}),
    ];
    let events = messages.iter().map(|message| format!("data: {message}\n\n"));
    Answer::Close(open_events(&events.collect::<String>()))
}

#[test]
fn ls_shows_all_that_a_server_has() {
    let server = library();
    let ran = run(&["ls", &server.url]);
    let (_, lists) = ran.ended_with(0).output.split_once("\nRESOURCES\n").expect("resources");
    assert_eq!(
        lists,
        "
note:///a
    First: A note (text/plain, 5 bytes)

pic:///b
    b

RESOURCE TEMPLATES

note:///{day}
    day

PROMPTS

greet
    Greets
  who  required  whom
  how  optional
"
    );
    let ran = run(&["ls", &server.url, "--json"]);
    let listed: Value = serde_json::from_str(&ran.ended_with(0).output).expect("JSON");
    assert_eq!(listed["resources"][1]["uri"], "pic:///b");
    assert_eq!(listed["resourceTemplates"][0]["name"], "day");
    assert_eq!(listed["prompts"][0]["arguments"][0]["name"], "who");
    let bare = Scripted::start(|received| {
        answer(received, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {}}))
    });
    let ran = run(&["ls", &bare.url]);
    assert!(ran.ended_with(0).output.ends_with("\nno tools, resources or prompts\n"));
    assert_eq!(bare.methods(), ["server/discover"]);
}

#[test]
fn a_resource_is_read_as_it_is() {
    let server = library();
    let table = [("note:///a", "first\u{1b}"), ("all:///", "onetwo\n"), ("pic:///b", "\0\u{fffd}")];
    for (uri, expected) in table {
        assert_eq!(run(&["read", &server.url, uri]).ended_with(0).output, expected);
    }
    let watched = |uri: &str| {
        let line = ["read", &server.url, uri];
        run_on(&Calculator::default(), b"", &line, |terminal| terminal.watched())
    };
    assert_eq!(watched("note:///a").ended_with(0).output, "first\\u{1b}\n");
    assert_eq!(watched("all:///").ended_with(0).output, "==> a <==\none\n==> b <==\ntwo\n");
    let ran = watched("pic:///b");
    assert_eq!(ran.ended_with(1).output, "");
    let parts = ["pic:///b is 2 bytes of the type image/x: they are not shown", "--output FILE"];
    for part in parts {
        assert!(ran.errors.contains(part), "{}", ran.errors);
    }
    let ran = watched("evil:///");
    let told = "of the type \\u{1b}]0;PWN\\u{7}\\u{1b}[31m: they are not shown";
    assert!(ran.ended_with(1).errors.contains(told), "{:?}", ran.errors);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("b.png").display().to_string();
    run(&["read", &server.url, "pic:///b", "--output", &file]).ended_with(0);
    assert_eq!(std::fs::read(&file).expect("a file"), [0, 255]);
    let ran = run(&["read", &server.url, "pic:///b", "-o", "/no/such/file"]);
    assert!(ran.ended_with(1).errors.contains("--output: cannot write /no/such/file"));
    let ran = run(&["read", &server.url, "pic:///b", "--json"]);
    assert!(ran.ended_with(0).output.starts_with("{\"contents\":[{\"uri\":\"pic:///b\""));
    let ran = run(&["read", &server.url, "no:///"]);
    assert!(ran.ended_with(1).errors.contains("there is no such resource"), "{}", ran.errors);
    assert!(
        run(&["read", &server.url]).ended_with(2).errors.contains("ls URL lists the resources")
    );
}

#[test]
fn a_prompt_is_filled_in() {
    let server = library();
    let ran = run(&["prompt", &server.url, "greet", "who=Ada"]);
    let expected = "user:\nAda\n\nassistant:\n[image image/png, 3 bytes]\n";
    assert_eq!(ran.ended_with(0).output, expected);
    let ran = run(&["prompt", &server.url, "greet", "who:=\"5\"", "--json"]);
    assert!(ran.ended_with(0).output.contains("\"text\":\"5\""), "{}", ran.output);
    let ran = run(&["prompt", &server.url, "gret"]);
    let expected = "there is no prompt gret\n  fix: did you mean greet?\n";
    assert!(ran.ended_with(1).errors.ends_with(expected), "{}", ran.errors);
    let ran = run(&["prompt", &server.url, "greet", "who:=5"]);
    assert!(
        ran.ended_with(2).errors.contains("who: arguments of prompts are texts: write who=TEXT")
    );
}

#[test]
fn notifications_are_printed_until_the_end_is_wanted() {
    let server = library();
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let pauses = Cell::new(0);
    // The stream is cut after its last line: the second pause is the end.
    let waits = Waits::interrupted_by(ours).passing(move |_| {
        pauses.set(pauses.get() + 1);
        if pauses.get() == 2 {
            (&theirs).write_all(b"!").expect("written");
        }
    });
    let line = ["listen", &server.url, "--resource", "note:///a"];
    let ran = run_on(&Calculator::default(), b"", &line, |terminal| terminal.waiting(waits));
    let once = "tools/list_changed\nresources/updated note:///a\n";
    assert_eq!(ran.ended_with(0).output, [once, once].concat());
    let lost = "lost: the server closed the connection in the midst of the stream: again in 1 s\n";
    let standing = "listening: tools, note:///a\n";
    assert_eq!(ran.errors, [standing, lost, standing, lost].concat());
}

#[test]
fn notifications_are_json_for_scripts_and_end_with_their_reader() {
    let server = library();
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let waits = Waits::interrupted_by(ours).passing(move |_| {
        (&theirs).write_all(b"!").expect("written");
    });
    let line = ["listen", &server.url, "--json"];
    let ran = run_on(&Calculator::default(), b"", &line, |terminal| terminal.waiting(waits));
    let lines: Vec<&str> = ran.ended_with(0).output.lines().collect();
    assert_eq!(
        lines,
        [
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{}}"#,
            concat!(
                r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","#,
                r#""params":{"uri":"note:///a"}}"#
            ),
        ]
    );
}
