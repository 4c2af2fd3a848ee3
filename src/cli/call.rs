//! `call`: one tool, once.

use std::process::ExitCode;

use serde_json::{Map, Value};

use crate::cli::Failure;
use crate::cli::answer::{Answerer, Answers};
use crate::cli::arguments::{Argument, fill_object, parse_arguments, parse_object, unnamed_keys};
use crate::cli::command::RawCall;
use crate::cli::indent::one_line;
use crate::cli::near::nearest;
use crate::cli::progress::Teller;
use crate::cli::remote::{self, ARGUMENT_BYTES_MAX, read_file};
use crate::cli::render::render;
use crate::cli::terminal::{Terminal, harmless};
use crate::client::Client;
use crate::client::request::ClientIdentity;
use crate::client::tools::{CallResult, Completion, Tool, ToolList};

/// How many tools are named where none is close to what was typed.
const NAMED_MAX: usize = 12;

/// Calls the tool and prints what it answers.
pub(super) fn call(
    raw: &RawCall,
    identity: ClientIdentity,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let options = remote::options(&raw.remote, identity, terminal);
    let answers = Answers::read(&raw.answers, terminal);
    let given = Given::read(&raw.arguments, raw.args.as_deref(), terminal);
    let (mut options, mut answers, given) = match (options, answers, given) {
        (Ok(options), Ok(answers), Ok(given)) => (options, answers, given),
        (options, answers, given) => {
            let faults = [options.err(), given.err(), answers.err()];
            return Err(Failure::Usage(faults.into_iter().flatten().flatten().collect()));
        }
    };
    options.abilities = answers.abilities();
    let mut client =
        Client::connect(&raw.remote.url, options).map_err(|error| remote::failure(&error))?;
    let url = client.endpoint().to_string();
    let outcome = call_on(&mut client, raw, given, &mut answers, terminal);
    client.close();
    answers.tell_unused(terminal);
    print(raw, &outcome?, &url, answers.exit_code(), terminal)
}

fn call_on(
    client: &mut Client,
    raw: &RawCall,
    given: Given,
    answers: &mut Answers,
    terminal: &mut Terminal,
) -> Result<CallResult, Failure> {
    let url = client.endpoint().to_string();
    let tools = client.list_tools().map_err(|error| remote::failure(&error))?;
    let tool = find_tool(&raw.tool, &url, tools)?;
    for unnamed in unnamed_keys(&given.arguments, &tool.input_schema) {
        terminal.tell(&format!("warning: {}", harmless(&unnamed)));
    }
    let arguments =
        fill_object(given.object, given.arguments, &tool.input_schema).map_err(Failure::Usage)?;
    let teller = Teller::new(terminal, &raw.tool, raw.verbose);
    let server = client.server_info().clone();
    let answerer = Answerer::new(answers, terminal, &teller, &server);
    let outcome = client.call_tool(&raw.tool, &arguments, answerer);
    teller.end();
    outcome.map_err(|error| remote::failure(&error))
}

/// Prints a result; `code` is how the command ends if the tool did not fail.
fn print(
    raw: &RawCall,
    result: &CallResult,
    url: &str,
    code: ExitCode,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let succeeded = !result.is_error && result.completion == Completion::Complete;
    if raw.json {
        terminal.print_foreign(&one_line(result.raw.get()))?;
        return Ok(if succeeded { code } else { ExitCode::FAILURE });
    }
    if let Completion::Other(kind) = &result.completion {
        return Err(Failure::Failed {
            what: format!(
                "{url}: the tool {} did not complete: its result is of the type {}",
                raw.tool,
                harmless(kind)
            ),
            fix: Some("see what it answers with --json".to_owned()),
        });
    }
    let text = render(result);
    if result.is_error {
        let told = if text.is_empty() { "it does not say why" } else { text.as_str() };
        return Err(Failure::Failed {
            what: format!("{url}: the tool {} failed: {}", raw.tool, harmless(told)),
            fix: None,
        });
    }
    if !text.is_empty() {
        terminal.print_foreign(&text)?;
    }
    Ok(code)
}

pub(super) fn find_tool<'t>(
    name: &str,
    url: &str,
    list: &'t ToolList,
) -> Result<&'t Tool, Failure> {
    if let Some(tool) = list.find(name) {
        return Ok(tool);
    }
    if let Some(left_out) = list.left_out.iter().find(|left_out| left_out.name == name) {
        return Err(Failure::Failed {
            what: format!("{url}: the tool {name} cannot be called: {}", left_out.reason),
            fix: Some("the server's description of the tool must change".to_owned()),
        });
    }
    let names = || list.tools.iter().map(|tool| tool.name.as_str());
    let near = nearest(name, names());
    let fix = if list.tools.is_empty() {
        "the server has no tools at all".to_owned()
    } else if near.is_empty() {
        let some: Vec<_> = names().take(NAMED_MAX).collect();
        let more = if list.tools.len() > NAMED_MAX { ", ..." } else { "" };
        format!("it has {}{more}", harmless(&some.join(", ")))
    } else {
        format!("did you mean {}?", harmless(&near.join(" or ")))
    };
    Err(Failure::Failed { what: format!("{url}: there is no tool {name}"), fix: Some(fix) })
}

/// The arguments as given, before the tool's schema is known.
#[derive(Debug)]
pub(super) struct Given {
    /// Those that came as one object.
    pub(super) object: Map<String, Value>,
    /// Those that were typed one by one.
    pub(super) arguments: Vec<Argument>,
}

impl Given {
    /// Reads them: `words` one by one, `args` all at once.
    ///
    /// # Errors
    /// Every fault: what cannot be read, or is given twice.
    pub(super) fn read(
        words: &[String],
        args: Option<&str>,
        terminal: &mut Terminal,
    ) -> Result<Self, Vec<String>> {
        let (dashes, words): (Vec<String>, Vec<String>) =
            words.iter().cloned().partition(|word| word == "-");
        let mut faults = Vec::new();
        let whole = match (dashes.len(), args) {
            (0, args) => args,
            (1, None) => Some("-"),
            _ => {
                faults.push("-: the whole object is given twice: give it once".to_owned());
                None
            }
        };
        let object = whole.map_or(Ok(Map::new()), |whole| read_object(whole, terminal));
        let arguments = parse_arguments(&words, read_file);
        match (object, arguments) {
            (Ok(object), Ok(arguments)) if faults.is_empty() => Ok(Self { object, arguments }),
            (object, arguments) => {
                faults.extend(object.err());
                faults.extend(arguments.err().into_iter().flatten());
                Err(faults)
            }
        }
    }
}

fn read_object(whole: &str, terminal: &mut Terminal) -> Result<Map<String, Value>, String> {
    match (whole, whole.strip_prefix('@')) {
        ("-", _) => {
            let text = terminal.read_input(ARGUMENT_BYTES_MAX);
            let text = text.map_err(|error| format!("-: cannot read standard input: {error}"))?;
            parse_object("-: standard input", &text)
        }
        (_, Some(path)) => {
            let text = read_file(path);
            let text = text.map_err(|error| format!("--args: cannot read {path}: {error}"))?;
            parse_object(&format!("--args: {path}"), &text)
        }
        (text, None) => parse_object("--args", text),
    }
}
