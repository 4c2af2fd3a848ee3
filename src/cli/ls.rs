//! `ls`: what a server is and what it has: tools, resources, resource templates, prompts.
//!
//! A list is asked for if the server declares it, and all its pages are shown.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::Failure;
use crate::cli::arguments::kinds_in_words;
use crate::cli::command::RawLs;
use crate::cli::remote;
use crate::cli::terminal::{Terminal, harmless};
use crate::client::lists::List;
use crate::client::request::ClientIdentity;
use crate::client::session::ServerInfo;
use crate::client::tools::{LeftOut, Tool, ToolList};
use crate::client::{Client, ClientError};

/// The lists that are passed on as the server describes them.
const PLAIN: [List; 3] = [List::Resources, List::ResourceTemplates, List::Prompts];

/// What a server is and has.
struct Listing {
    url: String,
    server: ServerInfo,
    tools: ToolList,
    /// Those of `PLAIN` that the server declares.
    others: Vec<(List, Vec<Value>)>,
}

/// Prints the server and what it has.
pub(super) fn ls(
    raw: &RawLs,
    identity: ClientIdentity,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let options = remote::options(&raw.remote, identity, terminal).map_err(Failure::Usage)?;
    let mut client =
        Client::connect(&raw.remote.url, options).map_err(|error| remote::failure(&error))?;
    let outcome = Listing::fetch(&mut client);
    client.close();
    let listing = outcome.map_err(|error| remote::failure(&error))?;
    if raw.json {
        terminal.print_foreign(&listing.in_json().to_string())?;
    } else {
        terminal.print(&harmless(&listing.in_words()))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Listing {
    fn fetch(client: &mut Client) -> Result<Self, ClientError> {
        let server = client.server_info().clone();
        let mut tools = ToolList::default();
        if server.offers(List::Tools.capability()) {
            tools = client.list_tools()?.clone();
        }
        let mut others = Vec::new();
        for list in PLAIN {
            if server.offers(list.capability()) {
                others.push((list, client.list(list)?));
            }
        }
        Ok(Self { url: client.endpoint().to_string(), server, tools, others })
    }

    fn in_json(&self) -> Value {
        let Self { url, server, tools, others } = self;
        let left_out = |LeftOut { name, reason }: &LeftOut| json!({"name": name, "reason": reason});
        let left_out: Vec<Value> = tools.left_out.iter().map(left_out).collect();
        let tools: Vec<&Value> = tools.tools.iter().map(|tool| &tool.raw).collect();
        let mut listing = json!({
            "url": url,
            "era": server.era.name(),
            "revision": server.revision,
            "server": server.implementation,
            "capabilities": server.capabilities,
            "instructions": server.instructions,
            "tools": tools,
            "leftOut": left_out,
        });
        for list in PLAIN {
            let items = others.iter().find(|(other, _)| *other == list).map(|(_, items)| items);
            listing[list.member()] = items.cloned().unwrap_or_default().into();
        }
        listing
    }

    fn in_words(&self) -> String {
        let Self { url, server, tools, others } = self;
        let name = server.name().unwrap_or("(a server without a name)");
        let version = server.version().unwrap_or_default();
        let mut text = format!("{name} {version}").trim_end().to_owned();
        let _ = write!(text, "\n{url}, revision {} ({})\n", server.revision, server.era.name());
        if let Some(instructions) = &server.instructions {
            let _ = write!(text, "\n{}\n", instructions.trim_end());
        }
        let offers_tools = server.offers(List::Tools.capability());
        if offers_tools {
            let entries: Vec<String> = tools.tools.iter().map(tool).collect();
            section(List::Tools, &entries, &mut text);
            for left_out in &tools.left_out {
                let _ = write!(text, "\n{}: left out: {}\n", left_out.name, left_out.reason);
            }
        }
        for (list, items) in others {
            if *list == List::ResourceTemplates && items.is_empty() {
                // No capability says whether there are any.
                continue;
            }
            let entry = if *list == List::Prompts { prompt } else { resource };
            let entries: Vec<String> = items.iter().map(entry).collect();
            section(*list, &entries, &mut text);
        }
        if !offers_tools && others.is_empty() {
            text.push_str("\nno tools, resources or prompts\n");
        }
        text
    }
}

fn section(list: List, entries: &[String], text: &mut String) {
    let _ = writeln!(text, "\n{}", list.in_words().to_uppercase());
    if entries.is_empty() {
        text.push_str("  none\n");
    }
    for entry in entries {
        let _ = write!(text, "\n{entry}");
    }
}

fn tool(tool: &Tool) -> String {
    let about = tool.description.as_deref().or(tool.title.as_deref());
    let mut text = headed(&tool.name, about.unwrap_or_default());
    let schema = &tool.input_schema;
    let required = schema["required"].as_array();
    let is_required =
        |name: &str| required.is_some_and(|required| required.iter().any(|key| key == name));
    let properties = schema["properties"].as_object().into_iter().flatten();
    let rows = properties.map(|(name, property)| {
        let kind = kinds_in_words(schema, property);
        [name.clone(), kind, need(is_required(name)).to_owned(), about_property(property)]
    });
    table(&rows.collect::<Vec<_>>(), &mut text);
    text
}

fn resource(resource: &Value) -> String {
    let text_of = |key: &str| resource[key].as_str();
    let uri = text_of("uri").or(text_of("uriTemplate")).unwrap_or("(a resource without a URI)");
    let mut about = text_of("title").or(text_of("name")).unwrap_or_default().to_owned();
    if let Some(description) = text_of("description") {
        let _ = write!(about, ": {description}");
    }
    let size = resource["size"].as_u64().map(|bytes| format!("{bytes} bytes"));
    let facts: Vec<String> =
        text_of("mimeType").map(str::to_owned).into_iter().chain(size).collect();
    if !facts.is_empty() {
        let _ = write!(about, " ({})", facts.join(", "));
    }
    headed(uri, &about)
}

fn prompt(prompt: &Value) -> String {
    let text_of = |key: &str| prompt[key].as_str();
    let about = text_of("description").or(text_of("title")).unwrap_or_default();
    let mut text = headed(text_of("name").unwrap_or("(a prompt without a name)"), about);
    let arguments = prompt["arguments"].as_array().into_iter().flatten();
    let rows = arguments.map(|argument| {
        let text_of = |key: &str| argument[key].as_str().unwrap_or_default();
        let need = need(argument["required"] == true);
        [text_of("name").to_owned(), need.to_owned(), one_line(text_of("description"))]
    });
    table(&rows.collect::<Vec<_>>(), &mut text);
    text
}

/// A name, and what it means in one line below it.
fn headed(name: &str, about: &str) -> String {
    let about = one_line(about);
    let about = if about.is_empty() { about } else { format!("    {about}\n") };
    format!("{}\n{about}", one_line(name))
}

/// Rows whose columns begin below each other.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]], text: &mut String) {
    let width =
        |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    for row in rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        let _ = writeln!(text, "  {}", line.trim_end());
    }
}

fn need(required: bool) -> &'static str {
    if required { "required" } else { "optional" }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn about_property(property: &Value) -> String {
    let mut about = one_line(property["description"].as_str().unwrap_or_default());
    if let Some(default) = property.get("default") {
        let _ = write!(about, " [default: {default}]");
    }
    about.trim_start().to_owned()
}
