//! What every command that calls a server shares: its flags into options, its errors into failures.

use std::fs::File;
use std::io;
use std::time::Duration;

use serde_json::Value;

use crate::cli::Failure;
use crate::cli::answer::Answers;
use crate::cli::command::{RawAnswers, RawEra, RawRemote};
use crate::cli::terminal::{Terminal, harmless, read_bounded};
use crate::client::era::EraChoice;
use crate::client::error::ClientError;
use crate::client::message::RpcError;
use crate::client::options::{ClientOptions, parse_field};
use crate::client::request::ClientIdentity;
use crate::client::{self, Client};
use crate::config::values::parse_duration;

/// The lowest level of the log messages that a person who calls a tool wants to see.
const LOG_LEVEL: &str = "info";

/// JSON-RPC code of MCP 2026-07-28: the request needs what its client did not declare.
const MISSING_CAPABILITY: i64 = -32_021;

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
    let count = raw.header.len();
    for (number, text) in (1..).zip(&raw.header) {
        match parse_field(text) {
            Ok(field) => options.fields.push(field),
            Err(error) if count == 1 => faults.push(format!("--header: {error}")),
            // Told by its place, since what was written may be a secret.
            Err(error) => faults.push(format!("--header ({number} of {count}): {error}")),
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
    let mut what = harmless(&error.to_string()).into_owned();
    let fix = error.fix().map(|fix| harmless(&fix).into_owned());
    let fix = fix.or_else(|| what_to_offer(error).map(str::to_owned));
    if let (Some(added), None) = (error.added(), &fix) {
        what.push_str(&harmless(&format!("\n  the server adds {added}")));
    }
    match (error.failure.as_ref(), &fix) {
        (client::error::Failure::Endpoint(_), Some(fix)) => {
            Failure::Usage(vec![format!("{what}\n  fix: {fix}")])
        }
        _ => Failure::Failed { what, fix },
    }
}

/// The flags that offer a server what it says it needs; `None` where none does.
fn what_to_offer(error: &ClientError) -> Option<&'static str> {
    let client::error::Failure::Rpc(RpcError { code: MISSING_CAPABILITY, .. }) = *error.failure
    else {
        return None;
    };
    let needed = error.added()?.get("requiredCapabilities")?.as_object()?;
    let members = |capability: &str| needed.get(capability).and_then(Value::as_object);
    let elicitation = members("elicitation");
    // Before there were modes there were forms.
    let form = elicitation.is_some_and(|modes| modes.is_empty() || modes.contains_key("form"));
    let url = elicitation.is_some_and(|modes| modes.contains_key("url"));
    let sampling = members("sampling");
    let known = ["elicitation", "sampling", "roots"];
    if needed.keys().any(|key| !known.contains(&key.as_str()))
        || sampling.is_some_and(|parts| !parts.is_empty())
    {
        return None;
    }
    match (form, url || sampling.is_some(), needed.contains_key("roots")) {
        (false, false, false) => None,
        (true, false, false) => Some("give --answer KEY=VALUE, or call from a terminal"),
        (_, true, false) => Some("call from a terminal"),
        (false, false, true) => Some("give --root PATH"),
        (true, false, true) => {
            Some("give --root PATH, and --answer KEY=VALUE or call from a terminal")
        }
        (_, true, true) => Some("give --root PATH, and call from a terminal"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(code: i64, data: Value) -> (String, Option<String>) {
        let error = RpcError { code, message: "no".to_owned(), data: Some(data) };
        let error = client::error::Failure::Rpc(error);
        let error = ClientError { url: "u".to_owned(), failure: Box::new(error) };
        match failure(&error) {
            Failure::Failed { what, fix } => (what, fix),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_capability_that_is_missing_is_named_by_its_flags() {
        let table = [
            (json!({"elicitation": {"form": {}}}), "give --answer KEY=VALUE, or call from a"),
            (json!({"elicitation": {}}), "give --answer KEY=VALUE, or call from a"),
            (json!({"elicitation": {"url": {}}}), "call from a terminal"),
            (json!({"elicitation": {"form": {}, "url": {}}}), "call from a terminal"),
            (json!({"sampling": {}}), "call from a terminal"),
            (json!({"roots": {}}), "give --root PATH"),
            (json!({"roots": {}, "elicitation": {"form": {}}}), "give --root PATH, and --answer"),
            (json!({"roots": {}, "sampling": {}}), "give --root PATH, and call from a terminal"),
        ];
        for (needed, expected) in table {
            let (what, fix) = told(-32_021, json!({"requiredCapabilities": needed}));
            assert!(fix.expect("a fix").starts_with(expected), "{needed}");
            assert_eq!(what, "u: no (JSON-RPC error -32021)");
        }
    }

    #[test]
    fn what_no_flag_helps_against_is_told_as_the_server_does() {
        let table = [
            (-32_021, json!({"requiredCapabilities": {"extensions": {"x": {}}}})),
            (-32_021, json!({"requiredCapabilities": {"sampling": {"tools": {}}}})),
            (-32_021, json!({"requiredCapabilities": {}})),
            (-32_602, json!({"requiredCapabilities": {"roots": {}}})),
        ];
        for (code, data) in table {
            let expected = format!("u: no (JSON-RPC error {code})\n  the server adds {data}");
            assert_eq!(told(code, data), (expected, None));
        }
    }
}
