//! Every feature there is, one short tool, resource or prompt each, named as the official
//! conformance suite asks for.
//!
//!     cargo run --release --example everything -- serve --listen 127.0.0.1:8080
//!
//! Copy from here: each function below is one way to write one; `asking` has those that ask,
//! `changing` what changes, `tasks` those that take long.

mod asking;
mod changing;
mod tasks;

use std::process::ExitCode;
use std::time::Duration;

use ringlane::{
    Answer, BlockingCx, Capability, Completing, Content, Cx, Icon, LogLevel, Prompt,
    PromptMessages, Resource, ResourceContents, ResourceLink, ResourceTemplate, Server, Tool,
    ToolAnnotations, ToolError,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let server = Server::new("everything", env!("CARGO_PKG_VERSION"))
        .title("Everything")
        .description("Every feature of Ringlane, one short tool each")
        .instructions("For tests: each tool shows one feature.")
        .skills(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/everything/skills"));
    let server = prompts(resources(debugging(structured(streaming(content(server))))));
    tasks::tasks(asking::rounds(asking::asking(changing::changing(server)))).main()
}

// Content: what a tool can give back.

fn content(server: Server) -> Server {
    server
        .tool("test_simple_text", "Returns one block of text", async |_: Cx, (): ()| {
            Ok("This is a simple text response for testing.")
        })
        .tool("test_image_content", "Returns a picture", async |_: Cx, (): ()| {
            Ok(Content::image(&red_pixel(), "image/png"))
        })
        .tool("test_audio_content", "Returns sound", async |_: Cx, (): ()| {
            Ok(Content::audio(&silence(), "audio/wav"))
        })
        .tool("test_embedded_resource", "Returns a resource", async |_: Cx, (): ()| {
            Ok(Content::resource(ResourceContents::text(
                "test://embedded-resource",
                "text/plain",
                "This is an embedded resource content.",
            )))
        })
        .tool("test_resource_link", "Returns the address of a resource", async |_: Cx, (): ()| {
            Ok(Content::resource_link(ResourceLink {
                uri: "test://static-text".to_owned(),
                name: "static-text".to_owned(),
                mime_type: Some("text/plain".to_owned()),
                ..ResourceLink::default()
            }))
        })
        .tool("test_multiple_content_types", "Returns three kinds of content", mixed)
        .tool("test_error_handling", "Always fails, in words", async |_: Cx, (): ()| {
            Err::<(), _>(ToolError::new("This tool intentionally returns an error for testing"))
        })
}

async fn mixed(_: Cx, (): ()) -> Result<Vec<Content>, ToolError> {
    let resource = ResourceContents::text(
        "test://mixed-content-resource",
        "application/json",
        json!({"test": "data", "value": 123}).to_string(),
    );
    Ok(vec![
        Content::text("Multiple content types test:"),
        Content::image(&red_pixel(), "image/png"),
        Content::resource(resource),
    ])
}

// Streaming: what a tool can say while it works.

#[derive(Deserialize, JsonSchema)]
struct Stream {
    /// How many notifications to send.
    count: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Sleep {
    /// How long to sleep, in milliseconds.
    ms: u32,
}

fn streaming(server: Server) -> Server {
    server
        .tool("test_tool_with_progress", "Tells its progress three times", with_progress)
        .tool("test_tool_with_logging", "Logs three messages", with_logging)
        .tool("stream", "Tells its progress as often as asked", stream)
        .tool("sleep", "Sleeps, without holding up anybody", async |cx: Cx, Sleep { ms }: Sleep| {
            cx.sleep(Duration::from_millis(ms.into())).await;
            Ok("slept")
        })
        .tool_blocking("block", "Sleeps on a thread beside the cores", block)
}

async fn with_progress(cx: Cx, (): ()) -> Result<&'static str, ToolError> {
    for done in [0, 50, 100] {
        cx.progress(done, 100, "").await;
        cx.sleep(Duration::from_millis(50)).await;
    }
    Ok("Tool with progress executed successfully")
}

async fn with_logging(cx: Cx, (): ()) -> Result<&'static str, ToolError> {
    for message in ["Tool execution started", "Tool processing data", "Tool execution completed"] {
        cx.log(LogLevel::Info, message).await;
        cx.sleep(Duration::from_millis(50)).await;
    }
    Ok("Tool with logging executed successfully")
}

async fn stream(cx: Cx, Stream { count }: Stream) -> Result<&'static str, ToolError> {
    for done in 1..=count {
        cx.progress(done, count, "").await;
    }
    Ok("done")
}

fn block(cx: BlockingCx, Sleep { ms }: Sleep) -> Result<&'static str, ToolError> {
    let steps = ms.div_ceil(10);
    for step in 1..=steps {
        cx.progress(step, steps, "blocked on purpose");
        if cx.is_cancelled() {
            return Err(ToolError::new("cancelled"));
        }
        std::thread::park_timeout(Duration::from_millis(10));
    }
    Ok("blocked")
}

// Structure: what a tool takes and gives back, in types.

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// What to repeat.
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Pair {
    /// The first addend.
    a: f64,
    /// The second addend.
    b: f64,
}

#[derive(Deserialize, JsonSchema)]
struct City {
    /// Its name.
    #[schemars(length(min = 1))]
    city: String,
    /// The unit of the temperature.
    #[serde(default)]
    unit: Unit,
}

#[derive(Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Unit {
    #[default]
    Celsius,
    Fahrenheit,
}

#[derive(Serialize, JsonSchema)]
struct Weather {
    city: String,
    temperature: f64,
    unit: Unit,
}

#[derive(Deserialize, JsonSchema)]
struct CustomHeader {
    /// Repeated by the caller in the field Mcp-Param-Value.
    #[schemars(extend("x-mcp-header" = "Value"))]
    value: String,
}

fn structured(server: Server) -> Server {
    let hints = ToolAnnotations {
        read_only_hint: Some(true),
        idempotent_hint: Some(true),
        open_world_hint: Some(false),
        ..ToolAnnotations::default()
    };
    server
        .tool("echo", "Repeats a message", async |_: Cx, Echo { message }: Echo| Ok(message))
        .tool("add", "Adds two numbers", async |_: Cx, Pair { a, b }: Pair| Ok(a + b))
        .add(
            Tool::new("weather", "Makes up the weather of a city", weather)
                .title("Weather")
                .annotations(hints)
                .icon(Icon::new("https://example.com/sun.png"))
                .meta("example.com/made-up", true),
        )
        .tool("test_custom_header", "Takes an argument that is mirrored in a field", {
            async |_: Cx, CustomHeader { value }: CustomHeader| Ok(value)
        })
        .add(
            Tool::new("json_schema_2020_12_tool", "Takes a schema written by hand", {
                async |_: Cx, arguments: Value| {
                    let members = arguments.as_object().map_or(0, |members| members.len());
                    Ok(Answer::from(Content::text(format!("{members} arguments"))))
                }
            })
            .input_schema(schema_2020_12()),
        )
}

async fn weather(_: Cx, City { city, unit }: City) -> Result<Weather, ToolError> {
    let temperature = match unit {
        Unit::Celsius => 20.0,
        Unit::Fahrenheit => 68.0,
    };
    Ok(Weather { city, temperature, unit })
}

fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"}
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {
            "properties": {"contactMethod": {"const": "phone"}},
            "required": ["contactMethod"]
        },
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false
    })
}

// Resources: what a client can read.

#[derive(Deserialize, JsonSchema)]
struct Id {
    id: String,
}

fn resources(server: Server) -> Server {
    server
        .resource("test://static-text", "static-text", "A text", async |_: Cx| {
            Ok("This is the content of the static text resource.")
        })
        .add_resource(
            Resource::new("test://static-binary", "static-binary", async |_: Cx| Ok(red_pixel()))
                .description("A picture")
                .mime_type("image/png"),
        )
        .add_resource_template(
            ResourceTemplate::new("test://template/{id}/data", "template", data)
                .description("What is known of an id")
                .mime_type("application/json"),
        )
}

async fn data(_: Cx, Id { id }: Id) -> Result<String, ToolError> {
    let data = format!("Data for ID: {id}");
    Ok(json!({"id": id, "templateTest": true, "data": data}).to_string())
}

// Prompts: what a person can begin with.

#[derive(Deserialize, JsonSchema)]
struct Two {
    /// The first argument.
    arg1: String,
    /// The second argument.
    arg2: String,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Embedded {
    /// The address of the resource to embed.
    resource_uri: String,
}

fn prompts(server: Server) -> Server {
    let two = async |_: Cx, Two { arg1, arg2 }: Two| {
        Ok(format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"))
    };
    server
        .prompt("test_simple_prompt", "One message", async |_: Cx, (): ()| {
            Ok("This is a simple prompt for testing.")
        })
        .add_prompt(
            Prompt::new("test_prompt_with_arguments", "A message made of two arguments", two)
                .complete("arg1", async |_: Cx, typed: Completing| {
                    Ok(typed.among(["testing", "test value", "other"]))
                }),
        )
        .prompt("test_prompt_with_embedded_resource", "A message with a resource", embedded)
        .prompt("test_prompt_with_image", "A message with a picture", async |_: Cx, (): ()| {
            Ok(PromptMessages::new()
                .user(Content::image(&red_pixel(), "image/png"))
                .user("Please analyze the image above."))
        })
}

async fn embedded(_: Cx, Embedded { resource_uri }: Embedded) -> Result<PromptMessages, ToolError> {
    let text = "Embedded resource content for testing.";
    let resource = ResourceContents::text(resource_uri, "text/plain", text);
    Ok(PromptMessages::new()
        .user(Content::resource(resource))
        .user("Please process the embedded resource above."))
}

// Diagnosis: what a server must hold, and what it does when a tool breaks.

fn debugging(server: Server) -> Server {
    server
        .tool("test_missing_capability", "Needs a client that can sample", {
            async |cx: Cx, (): ()| {
                cx.require(Capability::Sampling)?;
                Ok("The client can sample")
            }
        })
        .tool("test_logging_tool", "Logs, if the client wants logs", async |cx: Cx, (): ()| {
            cx.log(LogLevel::Info, "This is a log message").await;
            Ok("Logged if asked for")
        })
        .tool("panic", "Breaks, which ends this call alone", async |_: Cx, (): ()| Ok(broken()))
}

#[expect(clippy::panic, reason = "this shows what becomes of a handler that panics")]
fn broken() -> &'static str {
    panic!("this tool always panics");
}

/// A PNG of one red pixel.
fn red_pixel() -> Vec<u8> {
    let header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\x90wS\xde";
    let data = b"\0\0\0\x0cIDAT\x08\xd7c\xf8\xcf\xc0\0\0\x03\x01\x01\0\x18\xdd\x8d\xb0";
    [&header[..], data, b"\0\0\0\0IEND\xaeB`\x82"].concat()
}

/// A WAV of no samples: 8 kHz, mono, 8 bits.
fn silence() -> Vec<u8> {
    let format = b"fmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0";
    [&b"RIFF\x24\0\0\0WAVE"[..], format, b"data\0\0\0\0"].concat()
}
