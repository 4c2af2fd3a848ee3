//! Ringlane with the tools of its peers, on one worker.

use std::process::ExitCode;
use std::time::Duration;

use ringlane::{Cx, Server, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize, JsonSchema)]
struct Echo {
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Count {
    events: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Wait {
    seconds: u32,
}

/// The whole command line is Ringlane's: `serve --listen 127.0.0.1:0 --workers 1`.
fn main() -> ExitCode {
    let echo = async |_: Cx, Echo { message }: Echo| Ok(message);
    Server::new("ours", env!("CARGO_PKG_VERSION"))
        .tool("echo", "Repeat a message", echo)
        .tool("count", "Tell of progress so many times, without a pause", count)
        .tool("wait", "Answer after so many seconds", wait)
        .main()
}

async fn count(cx: Cx, Count { events }: Count) -> Result<&'static str, ToolError> {
    for event in 1..=events {
        cx.progress(event, events, "").await;
    }
    Ok("counted")
}

async fn wait(cx: Cx, Wait { seconds }: Wait) -> Result<&'static str, ToolError> {
    cx.sleep(Duration::from_secs(seconds.into())).await;
    Ok("waited")
}
