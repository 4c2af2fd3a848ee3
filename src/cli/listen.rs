//! `listen`: what a server tells of itself, a line each, until Ctrl-C.
//!
//! Notifications go to standard output; what becomes of the stream goes to standard error.
//! Ends with 0 at Ctrl-C or SIGTERM, and when the reader of its output went away.

use std::io;
use std::ops::ControlFlow;
use std::process::ExitCode;

use serde_json::Value;
use serde_json::value::RawValue;

use crate::cli::Failure;
use crate::cli::command::RawListen;
use crate::cli::indent::one_line;
use crate::cli::remote;
use crate::cli::terminal::{Terminal, harmless};
use crate::client::Client;
use crate::client::listen::Heard;
use crate::client::request::ClientIdentity;
use crate::client::tools::LogMessage;

/// Listens and prints.
pub(super) fn listen(
    raw: &RawListen,
    identity: ClientIdentity,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let mut options = remote::options(&raw.remote, identity, terminal).map_err(Failure::Usage)?;
    options.waits = terminal.interruptible_waits().map_err(|error| Failure::Failed {
        what: format!("cannot watch for Ctrl-C: {error}"),
        fix: None,
    })?;
    let mut client =
        Client::connect(&raw.remote.url, options).map_err(|error| remote::failure(&error))?;
    let mut printed = Ok(());
    let outcome = client.listen(&raw.resource, &mut |heard| {
        printed = tell(&heard, raw.json, terminal);
        if printed.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    client.close();
    printed?;
    outcome.map_err(|error| remote::failure(&error))?;
    Ok(ExitCode::SUCCESS)
}

fn tell(heard: &Heard<'_>, json: bool, terminal: &mut Terminal) -> io::Result<()> {
    match heard {
        Heard::Standing { honoured } => {
            let told = match honoured.map(in_words) {
                Some(words) if words.is_empty() => {
                    "warning: the server will tell of nothing that was asked for".to_owned()
                }
                Some(words) => format!("listening: {words}"),
                None => "listening".to_owned(),
            };
            terminal.tell(&harmless(&told));
        }
        Heard::Lost { reason, wait } => {
            let seconds = wait.as_secs_f64();
            terminal.tell(&harmless(&format!("lost: {reason}: again in {seconds} s")));
        }
        Heard::Notification { method, params } if json => {
            let method = Value::from(*method);
            let params = params.map(|params| format!(",\"params\":{}", one_line(params.get())));
            let params = params.unwrap_or_default();
            let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":{method}{params}}}");
            return terminal.print_foreign(&line);
        }
        Heard::Notification { method, params } => {
            return terminal.print_foreign(&line(method, *params));
        }
    }
    Ok(())
}

/// What a server honours of what was asked: `tools, prompts, note:///a`.
fn in_words(honoured: &Value) -> String {
    let flags = [
        ("toolsListChanged", "tools"),
        ("resourcesListChanged", "resources"),
        ("promptsListChanged", "prompts"),
    ];
    let flags = flags.iter().filter(|(member, _)| honoured[*member] == true);
    let uris = honoured["resourceSubscriptions"].as_array().into_iter().flatten();
    let words = flags.map(|(_, word)| *word).chain(uris.filter_map(Value::as_str));
    words.collect::<Vec<_>>().join(", ")
}

/// A notification on one line: its method without its first word, and what it is about.
fn line(method: &str, params: Option<&RawValue>) -> String {
    let params = params.map_or("{}", RawValue::get);
    let short = method.strip_prefix("notifications/").unwrap_or(method);
    let about = match method {
        "notifications/message" => serde_json::from_str::<LogMessage>(params).ok().map(|log| {
            let logger = log.logger.map(|logger| format!(" {logger}")).unwrap_or_default();
            let text = log.data.as_str().map_or_else(|| log.data.to_string(), str::to_owned);
            format!("[{}{logger}] {text}", log.level)
        }),
        _ => serde_json::from_str::<Value>(params).ok().and_then(|mut params| {
            if let Some(members) = params.as_object_mut() {
                members.remove("_meta");
            }
            match (params["uri"].as_str(), params.as_object()) {
                (Some(uri), _) => Some(uri.to_owned()),
                (None, Some(members)) if members.is_empty() => None,
                (None, _) => Some(params.to_string()),
            }
        }),
    };
    format!("{short} {}", about.unwrap_or_default()).trim_end().replace(['\r', '\n'], " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn notifications_stand_on_one_line() {
        let meta = json!({"io.modelcontextprotocol/subscriptionId": 1});
        let table = [
            ("notifications/tools/list_changed", json!({"_meta": meta}), "tools/list_changed"),
            (
                "notifications/resources/updated",
                json!({"uri": "note:///a", "_meta": meta}),
                "resources/updated note:///a",
            ),
            (
                "notifications/message",
                json!({"level": "info", "logger": "db", "data": "slow\nvery"}),
                "message [info db] slow very",
            ),
            ("tea/ready", json!({"cups": 2}), "tea/ready {\"cups\":2}"),
        ];
        for (method, params, expected) in table {
            let params = to_raw_value(&params).expect("json");
            assert_eq!(line(method, Some(&params)), expected);
        }
        assert_eq!(line("notifications/x", None), "x");
    }
}
