//! `read`: one resource, as it is.
//!
//! Text and bytes go to standard output as the server holds them, so that they can be piped; bytes
//! never go to a terminal. Several contents stand one after the other, as `cat` writes files.
//! Spec: MCP 2026-07-28 server/resources.

use std::fs;
use std::process::ExitCode;

use crate::cli::Failure;
use crate::cli::answer::Answerer;
use crate::cli::command::RawRead;
use crate::cli::indent::one_line;
use crate::cli::progress::Teller;
use crate::cli::remote;
use crate::cli::terminal::Terminal;
use crate::client::request::ClientIdentity;
use crate::client::resources::{Body, Contents, ReadResult};

/// Reads the resource and prints it.
pub(super) fn read(
    raw: &RawRead,
    identity: ClientIdentity,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let (mut client, mut answers) =
        remote::connect_to_ask(&raw.remote, &raw.answers, identity, terminal)?;
    let url = client.endpoint().to_string();
    let teller = Teller::new(terminal, &raw.uri, false);
    let server = client.server_info().clone();
    let answerer = Answerer::new(&mut answers, terminal, &teller, &server);
    let outcome = client.read_resource(&raw.uri, answerer);
    teller.end();
    client.close();
    answers.tell_unused(terminal);
    let result = outcome.map_err(|error| remote::failure(&error))?;
    if raw.json {
        terminal.print_foreign(&one_line(result.raw.get()))?;
    } else if let Some(path) = &raw.output {
        save(path, &result)?;
    } else if terminal.output_is_watched() {
        show(&url, &raw.uri, &result, terminal)?;
    } else {
        for contents in &result.contents {
            terminal.print_bytes(contents.body.bytes())?;
        }
    }
    Ok(answers.exit_code())
}

fn save(path: &str, result: &ReadResult) -> Result<(), Failure> {
    let bytes: Vec<&[u8]> = result.contents.iter().map(|contents| contents.body.bytes()).collect();
    fs::write(path, bytes.concat()).map_err(|error| Failure::Failed {
        what: format!("--output: cannot write {path}: {error}"),
        fix: Some("name a file in a folder that you may write to".to_owned()),
    })
}

fn show(url: &str, uri: &str, result: &ReadResult, terminal: &mut Terminal) -> Result<(), Failure> {
    let blob = result.contents.iter().find(|contents| matches!(contents.body, Body::Blob(_)));
    if let Some(blob) = blob {
        return Err(Failure::Failed {
            what: format!(
                "{url}: {uri} is {} bytes of the type {}: they are not shown on a terminal",
                blob.body.bytes().len(),
                blob.mime_type.as_deref().unwrap_or("that it does not tell")
            ),
            fix: Some("write them to a file with --output FILE, or into a pipe".to_owned()),
        });
    }
    let several = result.contents.len() > 1;
    for Contents { uri, body, .. } in &result.contents {
        if several {
            terminal.print_foreign(&format!("==> {uri} <=="))?;
        }
        if let Body::Text(text) = body {
            terminal.print_foreign(text)?;
        }
    }
    Ok(())
}
