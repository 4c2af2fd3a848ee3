//! `ls`: what a server is and which tools it has.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::Failure;
use crate::cli::arguments::kinds_in_words;
use crate::cli::command::RawLs;
use crate::cli::remote;
use crate::cli::terminal::{Terminal, harmless};
use crate::client::Client;
use crate::client::request::ClientIdentity;
use crate::client::session::ServerInfo;
use crate::client::tools::{Tool, ToolList};

/// Prints the server and its tools.
pub(super) fn ls(
    raw: &RawLs,
    identity: ClientIdentity,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let options = remote::options(&raw.remote, identity).map_err(Failure::Usage)?;
    let mut client =
        Client::connect(&raw.remote.url, options).map_err(|error| remote::failure(&error))?;
    let outcome = client.list_tools().cloned().map_err(|error| remote::failure(&error));
    let (server, url) = (client.server_info().clone(), client.endpoint().to_string());
    client.close();
    let tools = outcome?;
    if raw.json {
        terminal.print_foreign(&in_json(&url, &server, &tools).to_string())?;
    } else {
        terminal.print(&harmless(&in_words(&url, &server, &tools)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn in_json(url: &str, server: &ServerInfo, tools: &ToolList) -> Value {
    let left_out: Vec<Value> = tools
        .left_out
        .iter()
        .map(|left_out| json!({"name": left_out.name, "reason": left_out.reason}))
        .collect();
    let tools: Vec<&Value> = tools.tools.iter().map(|tool| &tool.raw).collect();
    json!({
        "url": url,
        "era": server.era.name(),
        "revision": server.revision,
        "server": server.implementation,
        "capabilities": server.capabilities,
        "instructions": server.instructions,
        "tools": tools,
        "leftOut": left_out,
    })
}

fn in_words(url: &str, server: &ServerInfo, tools: &ToolList) -> String {
    let name = server.name().unwrap_or("(a server without a name)");
    let version = server.version().unwrap_or_default();
    let mut text = format!("{name} {version}").trim_end().to_owned();
    let _ = write!(text, "\n{url}, revision {} ({})\n", server.revision, server.era.name());
    if let Some(instructions) = &server.instructions {
        let _ = write!(text, "\n{}\n", instructions.trim_end());
    }
    for tool in &tools.tools {
        text.push('\n');
        describe_tool(tool, &mut text);
    }
    if tools.tools.is_empty() {
        text.push_str("\nno tools\n");
    }
    for left_out in &tools.left_out {
        let _ = write!(text, "\n{}: left out: {}\n", left_out.name, left_out.reason);
    }
    text
}

fn describe_tool(tool: &Tool, text: &mut String) {
    let about = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
    let _ = writeln!(text, "{}", tool.name);
    for line in about.trim().lines() {
        let _ = writeln!(text, "    {}", line.trim_end());
    }
    let schema = &tool.input_schema;
    let properties = schema["properties"].as_object();
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|required| required.iter().any(|key| key == name));
    let rows: Vec<_> = properties
        .into_iter()
        .flatten()
        .map(|(name, property)| {
            let kind = kinds_in_words(schema, property);
            let need = if is_required(name) { "required" } else { "optional" };
            (name, kind, need, about_property(property))
        })
        .collect();
    let name_width = rows.iter().map(|row| row.0.chars().count()).max().unwrap_or_default();
    let kind_width = rows.iter().map(|row| row.1.chars().count()).max().unwrap_or_default();
    for (name, kind, need, about) in rows {
        let row = format!("  {name:name_width$}  {kind:kind_width$}  {need}  {about}");
        let _ = writeln!(text, "{}", row.trim_end());
    }
}

fn about_property(property: &Value) -> String {
    let described = property["description"].as_str().unwrap_or_default();
    let mut about = described.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(default) = property.get("default") {
        let _ = write!(about, " [default: {default}]");
    }
    about.trim_start().to_owned()
}
