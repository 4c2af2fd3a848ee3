//! What `ringlane` serves when nobody told it anything: three tools, one of which streams.

use std::time::Duration;

use ringlane::{Cx, Server, Tool};
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

/// The demo.
pub(crate) fn server() -> Server {
    Server::new("ringlane", env!("CARGO_PKG_VERSION"))
        .description("Serves MCP tools over Streamable HTTP, one pinned io_uring loop per core")
        .instructions("A demonstration: add numbers, repeat text, or count down while streaming.")
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
}

async fn countdown(
    cx: Cx,
    Countdown { from }: Countdown,
) -> Result<&'static str, ringlane::ToolError> {
    for left in (0..from).rev() {
        cx.progress(from - left, from, &format!("{left} to go")).await;
        cx.sleep(Duration::from_secs(1)).await;
    }
    Ok("liftoff")
}
