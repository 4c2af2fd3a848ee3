//! `prompt`: one prompt of a server, filled in: its messages, each under its role.
//!
//! Spec: MCP 2026-07-28 server/prompts; arguments of prompts are texts.

use std::process::ExitCode;

use serde_json::{Map, Value};

use crate::cli::Failure;
use crate::cli::answer::{Answerer, Answers};
use crate::cli::arguments::{Given, parse_arguments};
use crate::cli::command::RawPrompt;
use crate::cli::indent::one_line;
use crate::cli::near::nearest;
use crate::cli::progress::Teller;
use crate::cli::remote;
use crate::cli::render::render_block;
use crate::cli::terminal::{Terminal, harmless};
use crate::client::Client;
use crate::client::lists::List;
use crate::client::prompts::PromptResult;
use crate::client::request::ClientIdentity;

/// Gets the prompt and prints its messages.
pub(super) fn prompt(
    raw: &RawPrompt,
    identity: ClientIdentity,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let arguments = texts(&raw.arguments).map_err(Failure::Usage)?;
    let (mut client, mut answers) =
        remote::connect_to_ask(&raw.remote, &raw.answers, identity, terminal)?;
    let outcome = get(&mut client, raw, &arguments, &mut answers, terminal);
    client.close();
    answers.tell_unused(terminal);
    let result = outcome?;
    let text = if raw.json { one_line(result.raw.get()) } else { in_words(&result) };
    terminal.print_foreign(&text)?;
    Ok(answers.exit_code())
}

fn get(
    client: &mut Client,
    raw: &RawPrompt,
    arguments: &Map<String, Value>,
    answers: &mut Answers,
    terminal: &mut Terminal,
) -> Result<PromptResult, Failure> {
    let url = client.endpoint().to_string();
    let prompts = client.list(List::Prompts).map_err(|error| remote::failure(&error))?;
    let names = || prompts.iter().filter_map(|prompt| prompt["name"].as_str());
    if !names().any(|name| name == raw.name) {
        let near = nearest(&raw.name, names());
        let fix = match near.first() {
            Some(near) => format!("did you mean {}?", harmless(near)),
            None => "`ls` shows those that it has".to_owned(),
        };
        return Err(Failure::Failed {
            what: format!("{url}: there is no prompt {}", raw.name),
            fix: Some(fix),
        });
    }
    let teller = Teller::new(terminal, &raw.name, false);
    let server = client.server_info().clone();
    let answerer = Answerer::new(answers, terminal, &teller, &server);
    let outcome = client.get_prompt(&raw.name, arguments, answerer);
    teller.end();
    outcome.map_err(|error| remote::failure(&error))
}

fn texts(words: &[String]) -> Result<Map<String, Value>, Vec<String>> {
    let (mut texts, mut faults) = (Map::new(), Vec::new());
    for argument in parse_arguments(words, remote::read_file)? {
        match argument.value() {
            Ok(Given::Text(text)) => {
                texts.insert(argument.key().to_owned(), text.into());
            }
            Ok(Given::Json(text @ Value::String(_))) => {
                texts.insert(argument.key().to_owned(), text);
            }
            _ => faults.push(format!(
                "{key}: arguments of prompts are texts: write {key}=TEXT",
                key = argument.key()
            )),
        }
    }
    if faults.is_empty() { Ok(texts) } else { Err(faults) }
}

fn in_words(result: &PromptResult) -> String {
    let messages = result.messages.iter().map(|message| {
        let blocks: Vec<String> = message.blocks().iter().map(render_block).collect();
        format!("{}:\n{}\n", message.role, blocks.join("\n").trim_end())
    });
    messages.collect::<Vec<_>>().join("\n")
}
