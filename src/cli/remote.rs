//! What every command that calls a server shares: its flags into options, its errors into failures.

use std::fs::File;
use std::io;
use std::time::Duration;

use crate::cli::Failure;
use crate::cli::answer::Answers;
use crate::cli::command::{RawAnswers, RawEra, RawRemote};
use crate::cli::terminal::{Terminal, harmless, read_bounded};
use crate::client::era::EraChoice;
use crate::client::error::ClientError;
use crate::client::options::{ClientOptions, parse_field};
use crate::client::request::ClientIdentity;
use crate::client::{self, Client};
use crate::config::values::parse_duration;

/// The lowest level of the log messages that a person who calls a tool wants to see.
const LOG_LEVEL: &str = "info";

/// Bytes of an argument from a file, or of all arguments together.
pub(super) const ARGUMENT_BYTES_MAX: u64 = 16 << 20;

/// Checks the flags, every fault at once.
pub(super) fn options(
    raw: &RawRemote,
    identity: ClientIdentity,
    terminal: &Terminal,
) -> Result<ClientOptions, Vec<String>> {
    let mut faults = Vec::new();
    let mut options = ClientOptions::new(identity);
    options.waits = terminal.waits();
    options.era = match raw.era {
        RawEra::Auto => EraChoice::Auto,
        RawEra::Modern => EraChoice::Modern,
        RawEra::Legacy => EraChoice::Legacy,
    };
    options.log_level = Some(LOG_LEVEL);
    match parse_duration(&raw.timeout) {
        Ok(Duration::ZERO) => faults.push("--timeout: 0 leaves no time: write 5m".to_owned()),
        Ok(timeout) => options.idle_timeout = timeout,
        Err(error) => faults.push(format!("--timeout: {error}")),
    }
    for text in &raw.header {
        match parse_field(text) {
            Ok(field) => options.fields.push(field),
            Err(error) => faults.push(format!("--header: {error}")),
        }
    }
    if faults.is_empty() { Ok(options) } else { Err(faults) }
}

/// Connects to a server that may ask questions; every fault of the flags at once.
pub(super) fn connect_to_ask(
    raw: &RawRemote,
    answers: &RawAnswers,
    identity: ClientIdentity,
    terminal: &Terminal,
) -> Result<(Client, Answers), Failure> {
    let options = options(raw, identity, terminal);
    match (options, Answers::read(answers, terminal)) {
        (Ok(mut options), Ok(answers)) => {
            options.abilities = answers.abilities();
            let client = Client::connect(&raw.url, options).map_err(|error| failure(&error))?;
            Ok((client, answers))
        }
        (options, answers) => {
            let faults = [options.err(), answers.err()];
            Err(Failure::Usage(faults.into_iter().flatten().flatten().collect()))
        }
    }
}

/// Reads the file of an argument.
pub(super) fn read_file(path: &str) -> io::Result<String> {
    read_bounded(File::open(path)?, ARGUMENT_BYTES_MAX)
}

/// A client's error for people to read. A URL that cannot be one is a wrong command line.
pub(super) fn failure(error: &ClientError) -> Failure {
    let what = harmless(&error.to_string()).into_owned();
    let fix = error.fix().map(|fix| harmless(&fix).into_owned());
    match (error.failure.as_ref(), &fix) {
        (client::error::Failure::Endpoint(_), Some(fix)) => {
            Failure::Usage(vec![format!("{what}\n  fix: {fix}")])
        }
        _ => Failure::Failed { what, fix },
    }
}
