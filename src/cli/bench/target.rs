//! Whom `bench` asks, and what: the server's era, the tool, its arguments.
//!
//! The server is asked as `call` asks it, and the tool is called once, so that what cannot work is
//! told in full before there is any load.

use serde_json::{Map, Value, json};

use crate::cli::Failure;
use crate::cli::arguments::{fill_object, unnamed_keys};
use crate::cli::bench::raw::RawBench;
use crate::cli::call::{Given, find_tool};
use crate::cli::remote;
use crate::cli::terminal::{Terminal, harmless};
use crate::client::Client;
use crate::client::endpoint::Endpoint;
use crate::client::era::{Era, EraChoice, LEGACY_REVISIONS, MODERN_REVISIONS};
use crate::client::error::{ClientError, Failure as ClientFailure};
use crate::client::mirror::mirrored_fields;
use crate::client::options::ClientOptions;
use crate::client::tools::{Completion, Tool, ToolList};
use crate::load::TextRule;
use crate::load::plan::{Held, Load};
use crate::load::request::{CallPlan, Requests};

/// The tool that is called where nothing is said.
const TOOL_DEFAULT: &str = "echo";
/// What it is told.
const TEXT_DEFAULT: &str = "hello";
const ACCEPT: &str = "application/json, text/event-stream";

/// What is sent, and what must come back.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) requests: Requests,
    pub(super) text: TextRule,
}

/// Finds out what can be asked.
pub(super) fn find(
    raw: &RawBench,
    load: Load,
    options: ClientOptions,
    given: Given,
    terminal: &mut Terminal,
) -> Result<Target, Failure> {
    let (identity, mut fields) = (options.identity.clone(), options.fields.clone());
    let has = |name: &str| fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name));
    let usual = [
        ("Accept", ACCEPT.to_owned()),
        ("User-Agent", format!("{}/{}", identity.name, identity.version)),
    ];
    let missing = usual.into_iter().filter(|(name, _)| !has(name));
    let missing: Vec<_> = missing.map(|(name, value)| (name.to_owned(), value)).collect();
    fields.extend(missing);
    let found = if raw.fixed_id {
        unasked(raw, load, &options, given)?
    } else {
        asked(raw, load, options, given, terminal)?
    };
    let text = match (&raw.expect, found.call.tool.as_str()) {
        (Some(text), _) => TextRule::Contains(text.clone()),
        (None, TOOL_DEFAULT) => echoed(&found.call.arguments),
        (None, _) => TextRule::Any,
    };
    let Found { endpoint, era, revision, mut call } = found;
    call.streams = load == Load::Stream;
    let fixed_id = raw.fixed_id;
    let requests = Requests { endpoint, fields, identity, era, revision, call, fixed_id };
    Ok(Target { requests, text })
}

/// What a tool that repeats its only text answers.
fn echoed(arguments: &Map<String, Value>) -> TextRule {
    let mut values = arguments.values();
    match (values.next(), values.next()) {
        (Some(Value::String(text)), None) => TextRule::Equals(text.clone()),
        _ => TextRule::Any,
    }
}

/// The era to speak: sessions are the legacy era's alone.
fn era_of(raw: &RawBench, load: Load, era: EraChoice) -> EraChoice {
    match era {
        EraChoice::Auto if load == Load::Churn || raw.sessions => EraChoice::Legacy,
        era => era,
    }
}

struct Found {
    endpoint: Endpoint,
    era: Era,
    revision: String,
    call: CallPlan,
}

/// What is asked of a server that was not asked anything.
fn unasked(
    raw: &RawBench,
    load: Load,
    options: &ClientOptions,
    given: Given,
) -> Result<Found, Failure> {
    let endpoint = Endpoint::parse(&raw.url).map_err(|error| {
        let failure = Box::new(ClientFailure::Endpoint(error));
        remote::failure(&ClientError { url: raw.url.clone(), failure })
    })?;
    let (era, revisions) = match era_of(raw, load, options.era) {
        EraChoice::Auto | EraChoice::Modern => (Era::Modern, MODERN_REVISIONS),
        EraChoice::Legacy => (Era::Legacy, LEGACY_REVISIONS),
    };
    let tool = raw.tool.clone().unwrap_or_else(|| TOOL_DEFAULT.to_owned());
    let mut arguments =
        fill_object(given.object, given.arguments, &Value::Null).map_err(Failure::Usage)?;
    if arguments.is_empty() && tool == TOOL_DEFAULT {
        arguments.insert("message".to_owned(), TEXT_DEFAULT.into());
    }
    let revision = revisions.first().copied().unwrap_or_default().to_owned();
    let call = CallPlan { tool, arguments, ..CallPlan::default() };
    Ok(Found { endpoint, era, revision, call })
}

fn asked(
    raw: &RawBench,
    load: Load,
    mut options: ClientOptions,
    given: Given,
    terminal: &mut Terminal,
) -> Result<Found, Failure> {
    options.era = era_of(raw, load, options.era);
    options.log_level = None;
    let mut client = Client::connect(&raw.url, options).map_err(|error| remote::failure(&error))?;
    let calls = !matches!(load, Load::Churn | Load::Hold(Held::Streams));
    let call = if calls {
        call_of(&mut client, raw, load, given, terminal)
    } else {
        Ok(CallPlan::default())
    };
    let (endpoint, server) = (client.endpoint().clone(), client.server_info().clone());
    client.close();
    Ok(Found { endpoint, era: server.era, revision: server.revision, call: call? })
}

fn call_of(
    client: &mut Client,
    raw: &RawBench,
    load: Load,
    given: Given,
    terminal: &mut Terminal,
) -> Result<CallPlan, Failure> {
    let url = client.endpoint().to_string();
    let tools = client.list_tools().map_err(|error| remote::failure(&error))?;
    let tool = choose(raw.tool.as_deref(), &url, tools)?;
    for unnamed in unnamed_keys(&given.arguments, &tool.input_schema) {
        terminal.tell(&format!("warning: {}", harmless(&unnamed)));
    }
    let nothing = given.object.is_empty() && given.arguments.is_empty();
    let mut arguments =
        fill_object(given.object, given.arguments, &tool.input_schema).map_err(Failure::Usage)?;
    if nothing && tool.name == TOOL_DEFAULT {
        arguments = something_to_say(&tool.input_schema);
    }
    let mirrored = mirrored_fields(&tool.mirrors, &arguments);
    let call = CallPlan { tool: tool.name.clone(), arguments, mirrored, streams: false };
    // A call that streams, or that is held, may take its time.
    if load == Load::Calls || load == Load::Hold(Held::Connections) {
        try_once(client, &call, &url)?;
    }
    Ok(call)
}

fn choose<'t>(wanted: Option<&str>, url: &str, list: &'t ToolList) -> Result<&'t Tool, Failure> {
    match (wanted, list.find(TOOL_DEFAULT)) {
        (None, Some(tool)) => Ok(tool),
        (Some(name), _) => find_tool(name, url, list),
        (None, None) => {
            let names: Vec<_> = list.tools.iter().take(12).map(|tool| tool.name.as_str()).collect();
            let fix = if names.is_empty() {
                "the server has no tools at all".to_owned()
            } else {
                format!("give --tool one that may be called often: {}", harmless(&names.join(", ")))
            };
            let what = format!("{url}: there is no tool {TOOL_DEFAULT} to call");
            Err(Failure::Failed { what, fix: Some(fix) })
        }
    }
}

/// Arguments for a tool that repeats: its text, whatever that is called.
fn something_to_say(schema: &Value) -> Map<String, Value> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let text = properties.into_iter().flatten().find(|(_, property)| property["type"] == "string");
    let name = text.map_or("message", |(name, _)| name.as_str());
    Map::from_iter([(name.to_owned(), json!(TEXT_DEFAULT))])
}

/// Calls once, so that a call that cannot work is told in the server's own words.
fn try_once(client: &mut Client, call: &CallPlan, url: &str) -> Result<(), Failure> {
    let result = client
        .call_tool(&call.tool, &call.arguments, |_| {})
        .map_err(|error| remote::failure(&error))?;
    let what = match &result.completion {
        Completion::Complete if !result.is_error => return Ok(()),
        Completion::Complete => format!("failed: {}", harmless(result.raw.get())),
        Completion::Other(kind) => format!("did not complete: {}", harmless(kind)),
    };
    let what = format!("{url}: the tool {} {what}", call.tool);
    let fix = Some("give arguments with which it works: KEY=VALUE behind the URL".to_owned());
    Err(Failure::Failed { what, fix })
}
