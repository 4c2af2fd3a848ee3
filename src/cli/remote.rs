//! What every command that calls a server shares: its flags into options, its errors into failures.

use std::time::Duration;

use crate::cli::Failure;
use crate::cli::command::{RawEra, RawRemote};
use crate::cli::terminal::harmless;
use crate::client;
use crate::client::era::EraChoice;
use crate::client::error::ClientError;
use crate::client::options::{ClientOptions, parse_field};
use crate::client::request::ClientIdentity;
use crate::config::values::parse_duration;

/// The lowest level of the log messages that a person who calls a tool wants to see.
const LOG_LEVEL: &str = "info";

/// Checks the flags, every fault at once.
pub(super) fn options(
    raw: &RawRemote,
    identity: ClientIdentity,
) -> Result<ClientOptions, Vec<String>> {
    let mut faults = Vec::new();
    let mut options = ClientOptions::new(identity);
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
