//! The command line from its words to its exit code, against servers behind real sockets.

mod questions;
mod reading;

use std::cell::RefCell;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::cli::terminal::Terminal;
use crate::cli::{Application, run_with};
use crate::client::scripted::{
    Answer, Received, Scripted, error, events, legacy, modern, reply, result, text,
};
use crate::config::Settings;
use crate::rt::address::ListenAddress;
use crate::rt::passed::Passed;

/// A program whose server only remembers how it was started.
#[derive(Default)]
struct Calculator {
    settings: Settings,
    served: RefCell<Option<Settings>>,
}

impl Application for &Calculator {
    fn name(&self) -> &str {
        "calculator"
    }

    fn version(&self) -> &str {
        "1.2.3"
    }

    fn about(&self) -> &str {
        "Adds numbers"
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn check(&self, settings: &Settings) -> Result<String, Vec<String>> {
        match settings.serve.path.as_str() {
            "/taken" => Err(vec!["--path: /taken is taken: choose another".to_owned()]),
            _ => Ok("tools           1\n".to_owned()),
        }
    }

    fn serve(
        self,
        settings: Settings,
        _: Option<Passed>,
        _: &mut Terminal,
    ) -> Result<ExitCode, String> {
        self.served.replace(Some(settings.clone()));
        match settings.runtime.listen.first() {
            Some(ListenAddress::Unix(_)) => Err("unix:/x: it is in use: stop its user".to_owned()),
            _ => Ok(ExitCode::SUCCESS),
        }
    }
}

#[derive(Clone, Default)]
struct Sink(Rc<RefCell<Vec<u8>>>);

impl Sink {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Its reader went away.
struct Gone;

impl Write for Gone {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Ran {
    code: ExitCode,
    output: String,
    errors: String,
}

impl Ran {
    #[track_caller]
    fn ended_with(&self, code: u8) -> &Self {
        let same = format!("{:?}", self.code) == format!("{:?}", ExitCode::from(code));
        assert!(same, "{:?}, not {code}\n{}\n{}", self.code, self.output, self.errors);
        self
    }
}

fn words(words: &[&str]) -> Vec<OsString> {
    ["calculator"].iter().chain(words).map(OsString::from).collect()
}

fn run_as(application: &Calculator, input: &'static [u8], line: &[&str]) -> Ran {
    run_on(application, input, line, |terminal| terminal)
}

/// Runs a line on the terminal that `set_up` makes of one that nobody watches.
fn run_on(
    application: &Calculator,
    input: &'static [u8],
    line: &[&str],
    set_up: impl FnOnce(Terminal) -> Terminal,
) -> Ran {
    let (output, errors) = (Sink::default(), Sink::default());
    let terminal =
        Terminal::piped(Box::new(output.clone()), Box::new(errors.clone()), Box::new(input));
    let code = run_with(application, words(line), &mut set_up(terminal));
    Ran { code, output: output.text(), errors: errors.text() }
}

fn run(line: &[&str]) -> Ran {
    run_as(&Calculator::default(), b"", line)
}

fn answer(received: &Received, content: &Value) -> Answer {
    Answer::KeepAlive(reply(200, "", &result(received, content).to_string()))
}

/// Repeats the arguments as text.
fn repeater() -> Scripted {
    Scripted::start(|received| {
        modern(received, |received| {
            answer(received, &text(&received.body["params"]["arguments"].to_string()))
        })
    })
}

#[test]
fn arguments_reach_the_tool_with_their_types() {
    let server = repeater();
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "12").expect("written");
    let from_file = format!("text=@{}", file.path().display());
    let table: [(&[&str], &str); 6] = [
        (&["add", "a=2", "b:=3"], r#"{"a":2,"b":3}"#),
        (&["echo", "text=2"], r#"{"text":"2"}"#),
        (&["echo", &from_file], r#"{"text":"12"}"#),
        (&["add", "--args", r#"{"a":1,"b":1}"#, "b=2"], r#"{"a":1,"b":2}"#),
        (&["add", "-"], r#"{"a":7}"#),
        (&["echo"], "{}"),
    ];
    for (line, expected) in table {
        let line = [&["call", &server.url], line].concat();
        let ran = run_as(&Calculator::default(), br#"{"a":7}"#, &line);
        assert_eq!(ran.ended_with(0).output, format!("{expected}\n"));
        assert_eq!(ran.errors, "");
    }
}

#[test]
fn a_wrong_command_line_ends_with_2_and_every_fault() {
    let server = repeater();
    let table: [(&[&str], &[&str]); 10] = [
        (
            &["call", "h", "add", "alone", "--timeout", "5", "--header", "x"],
            &[
                "\"alone\" is no argument",
                "--timeout: \"5\" is not a duration",
                "--header: a field is written",
            ],
        ),
        (&["call", &server.url, "add", "a=many"], &["a: the tool wants number here"]),
        (&["call", "h", "add", "-", "--args", "{}"], &["given twice"]),
        (&["call", "h", "add", "-"], &["-: standard input holds no arguments: write {\"key\""]),
        (
            &["ls", "h", "--header", "A: b", "--header", "c"],
            &["--header (2 of 2): a field is written \"Name: value\""],
        ),
        (&["call", "h"], &["TOOL", "Usage: calculator call"]),
        (&["call", "h", "t", "--era", "bronze"], &["auto, modern, legacy"]),
        (&["call", "https://h", "t"], &["https is not supported by this build yet\n  fix: "]),
        (&["fetch"], &["fetch", "Usage", "serve, check, call"]),
        (&["man", "fetch"], &["serve, check, call"]),
    ];
    for (line, faults) in table {
        let ran = run(line);
        for fault in faults {
            assert!(ran.ended_with(2).errors.contains(fault), "{fault}: {}", ran.errors);
        }
        assert_eq!(ran.output, "");
    }
}

#[test]
fn an_unknown_tool_is_met_with_the_closest_names() {
    let server = repeater();
    let ran = run(&["call", &server.url, "ad"]);
    let expected =
        format!("error: {}: there is no tool ad\n  fix: did you mean add?\n", server.url);
    assert_eq!(ran.ended_with(1).errors, expected);
    let ran = run(&["call", &server.url, "search"]);
    assert!(ran.ended_with(1).errors.contains("it has add, echo"), "{}", ran.errors);
}

#[test]
fn failures_end_with_1_and_say_what_where_and_the_fix() {
    let failing = Scripted::start(|received| {
        modern(received, |received| {
            let mut content = text("no such number");
            content["isError"] = true.into();
            answer(received, &content)
        })
    });
    let refusing = Scripted::start(|received| {
        legacy(received, |received| {
            Answer::KeepAlive(reply(200, "", &error(received, -32602, "bad\u{1b}[2J").to_string()))
        })
    });
    let asking = Scripted::start(|received| {
        modern(received, |received| answer(received, &json!({"resultType": "input_required"})))
    });
    let tasking = Scripted::start(|received| {
        modern(received, |received| answer(received, &json!({"resultType": "task"})))
    });
    let gone = Scripted::start(|_| Answer::Close(Vec::new()));
    let table = [
        (&failing.url, "the tool add failed: no such number"),
        (&refusing.url, "bad\\u{1b}[2J (JSON-RPC error -32602)"),
        (&asking.url, "it requires input, and has neither inputRequests nor requestState"),
        (&tasking.url, "its result is of the type task"),
        (&gone.url, "closed the connection before it had answered\n  fix: "),
    ];
    for (url, expected) in table {
        let ran = run(&["call", url, "add", "a=1"]);
        assert!(ran.ended_with(1).errors.contains(expected), "{}", ran.errors);
        assert!(ran.errors.starts_with(&format!("error: {url}")), "{}", ran.errors);
        assert_eq!(ran.output, "");
    }
    let ran = run(&["call", &failing.url, "add", "a=1", "--json"]);
    assert!(ran.ended_with(1).output.contains("no such number"), "{}", ran.output);
    assert_eq!(refusing.methods().last().map(String::as_str), Some("DELETE"));
}

#[test]
fn no_word_of_a_server_steers_the_terminal() {
    let server = |properties: Value| {
        Scripted::start(move |received| match received.method() {
            "tools/list" => {
                let schema = json!({"type": "object", "properties": properties});
                answer(received, &json!({"tools": [{"name": "t", "inputSchema": schema}]}))
            }
            _ => modern(received, |received| answer(received, &text(""))),
        })
    };
    let typed = server(json!({"a": {"type": "\u{1b}[31mint"}}));
    let ran = run(&["call", &typed.url, "t", "a=many"]);
    let told = "a: the tool wants \\u{1b}[31mint here";
    assert!(ran.ended_with(2).errors.contains(told), "{:?}", ran.errors);
    let mirrored = server(json!({"\u{1b}[31m": {"type": "object", "x-mcp-header": "A"}}));
    let ran = run(&["call", &mirrored.url, "t"]);
    let told = "the tool t cannot be called";
    assert!(ran.ended_with(1).errors.contains(told), "{:?}", ran.errors);
    assert!(ran.errors.contains("\\u{1b}[31m"), "{:?}", ran.errors);
    assert!(!ran.errors.contains('\u{1b}'), "{:?}", ran.errors);
}

#[test]
fn results_and_events_go_to_their_streams() {
    let server = Scripted::start(|received| {
        modern(received, |received| {
            let token = &received.body["params"]["_meta"]["progressToken"];
            Answer::KeepAlive(events(&[
                json!({"method": "notifications/progress", "params": {
                    "progressToken": token, "progress": 1, "total": 2, "message": "half"}}),
                json!({"method": "notifications/message",
                    "params": {"level": "warning", "logger": "db", "data": "slow"}}),
                result(received, &json!({"content": [], "structuredContent": {"sum": 5}})),
            ]))
        })
    });
    let ran = run(&["call", &server.url, "add", "a=1"]);
    assert_eq!(ran.ended_with(0).output, "{\n  \"sum\": 5\n}\n");
    assert_eq!(ran.errors, "[warning db] slow\n");
    let ran = run(&["call", &server.url, "add", "a=1", "-v", "--json"]);
    assert_eq!(ran.ended_with(0).output, "{\"content\":[],\"structuredContent\":{\"sum\":5}}\n");
    assert_eq!(ran.errors, "1/2 half\n[warning db] slow\n");
}

#[test]
fn ls_shows_the_server_and_its_tools() {
    let server = repeater();
    let ran = run(&["ls", &server.url]);
    let expected = format!(
        "calc 2.0
{}, revision 2026-07-28 (modern)

Arithmetic only.

TOOLS

add
    Add two numbers
  a       number  required  first addend
  b       number  optional
  region  string  optional  [default: \"eu\"]

echo
  text  string  optional
",
        server.url
    );
    assert_eq!(ran.ended_with(0).output, expected);
    let without_scheme = server.url.trim_start_matches("http://").trim_end_matches("/mcp");
    let ran = run(&["ls", without_scheme, "--json", "--header", "X-Token: t"]);
    let listed: Value = serde_json::from_str(&ran.ended_with(0).output).expect("json");
    assert_eq!(listed["url"], server.url);
    assert_eq!(listed["era"], "modern");
    assert_eq!(listed["server"]["name"], "calc");
    assert_eq!(listed["tools"][1]["name"], "echo");
    assert_eq!(listed["prompts"], json!([]));
    assert!(server.received().iter().any(|received| received.field("x-token") == Some("t")));
}

#[test]
fn serve_is_what_happens_without_a_command() {
    let application = Calculator::default();
    for line in [&["--workers", "2"][..], &["serve", "--workers", "2"]] {
        run_as(&application, b"", line).ended_with(0);
        let args = application.served.take().expect("served");
        assert_eq!(args.runtime.workers, Some(2));
        assert_eq!(args.runtime.listen.len(), 1);
        assert_eq!(args.runtime.listen[0].to_string(), "127.0.0.1:8080");
    }
    let ran = run(&["--listen", "unix:/x"]);
    assert_eq!(ran.ended_with(1).errors, "error: unix:/x: it is in use: stop its user\n");
    assert!(run(&["--workers", "0"]).ended_with(2).errors.contains("--workers"));
}

#[test]
fn check_tells_every_setting_or_every_fault() {
    let ran = run(&["check", "--limit", "head_timeout=5s"]);
    let output = &ran.ended_with(0).output;
    for part in ["listen          127.0.0.1:8080\n", "limit head_timeout", "tools  "] {
        assert!(output.contains(part), "{output}");
    }
    let ran = run(&["check", "--io", "kqueue", "--path", "/taken", "--limit", "head_timeou=1s"]);
    for fault in ["--io: unknown driver `kqueue`", "/taken is taken", "did you mean head_timeout?"]
    {
        assert!(ran.ended_with(2).errors.contains(fault), "{}", ran.errors);
    }
}

#[test]
fn help_names_the_program_its_limits_and_examples() {
    let table: [(&[&str], &[&str]); 11] = [
        (&["--version"], &["calculator 1.2.3\n"]),
        (&["--help"], &["Adds numbers", "Examples:", "calculator call localhost:8080 add a=2"]),
        (&["serve", "--help"], &["head_timeout", "10s", "408", "[default: 10s]", "Who may call:"]),
        (&["call", "--help"], &["KEY:=JSON", "[default: 5m]", "code=@main.rs"]),
        (&["call", "--help"], &["--answer <KEY=VALUE>", "--root <PATH>", "--answer name=Ada"]),
        (&["read", "--help"], &["--output <FILE>", "calculator read localhost:8080 note:///"]),
        (&["prompt", "--help"], &["ARG=VALUE", "calculator prompt localhost:8080 greet"]),
        (&["completions", "bash"], &["_calculator()"]),
        (&["completions", "--help"], &["> /usr/share/bash-completion/completions/calculator\n"]),
        (&["man"], &[".TH calculator"]),
        (&["man", "call"], &["calculator\\-call"]),
    ];
    for (line, parts) in table {
        let ran = run(line);
        for part in parts {
            assert!(ran.ended_with(0).output.contains(part), "{part}: {}", ran.output);
        }
    }
}

#[test]
fn a_reader_that_went_away_ends_the_program_quietly() {
    let errors = Sink::default();
    for line in [&["--help"][..], &["check"], &["man"], &["completions", "zsh"]] {
        let mut terminal =
            Terminal::piped(Box::new(Gone), Box::new(errors.clone()), Box::new(io::empty()));
        let code = run_with(&Calculator::default(), words(line), &mut terminal);
        assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(errors.text(), "");
    }
}
