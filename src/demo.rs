//! What `ringlane` serves when nobody told it anything: tools, one of which streams and one asks, a
//! resource, a template and a prompt.

use std::time::Duration;

use ringlane::{Cx, Elicited, Server, Tool, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Add {
    /// The first addend.
    a: f64,
    /// The second addend.
    b: f64,
}

#[derive(Deserialize, JsonSchema)]
struct Echo {
    /// What to say.
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Countdown {
    /// Where to begin, 60 at most.
    #[schemars(range(max = 60))]
    from: u8,
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    /// What to call you.
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Number {
    number: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Code {
    /// The code to look at.
    code: String,
}

/// The demo.
pub(crate) fn server() -> Server {
    Server::new("ringlane", env!("CARGO_PKG_VERSION"))
        .description("Serves MCP tools over Streamable HTTP, one pinned io_uring loop per core")
        .instructions("A demonstration: add, echo, count down while streaming, greet by name.")
        .add(
            Tool::new("add", "Add two numbers", async |_: Cx, Add { a, b }: Add| Ok(a + b))
                .read_only(),
        )
        .add(
            Tool::new("echo", "Repeat a message", async |_: Cx, Echo { message }: Echo| {
                Ok(message)
            })
            .read_only(),
        )
        .add(Tool::new("countdown", "Count down, a number a second", countdown).read_only())
        .add(Tool::new("greet", "Ask for a name, and greet by it", greet).read_only())
        .resource("ringlane:///about", "about", "What this server is", async |_: Cx| {
            Ok("Ringlane: MCP servers over Streamable HTTP, one pinned io_uring loop per core.")
        })
        .resource_template("ringlane:///square/{number}", "square", "A number times itself", {
            async |_: Cx, Number { number }: Number| Ok((u64::from(number).pow(2)).to_string())
        })
        .prompt("review", "Have code reviewed", async |_: Cx, Code { code }: Code| {
            Ok(format!("Review this code, the worst fault first:\n\n{code}"))
        })
}

async fn greet(cx: Cx, (): ()) -> Result<String, ToolError> {
    match cx.ask("name", "What is your name?").await? {
        Elicited::Accepted(Name { name }) => Ok(format!("Hello, {name}!")),
        Elicited::Declined | Elicited::Cancelled => Ok("Hello, whoever you are!".to_owned()),
    }
}

async fn countdown(cx: Cx, Countdown { from }: Countdown) -> Result<&'static str, ToolError> {
    for left in (0..from).rev() {
        cx.progress(from - left, from, &format!("{left} to go")).await;
        cx.sleep(Duration::from_secs(1)).await;
    }
    Ok("liftoff")
}
