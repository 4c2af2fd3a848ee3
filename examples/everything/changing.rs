//! What changes while a server runs, and calls that outlive their connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringlane::{Cx, Server, ToolError};

/// How often the watched text was changed.
static EDITION: AtomicU64 = AtomicU64::new(1);

const WATCHED: &str = "test://watched-resource";

pub(crate) fn changing(server: Server) -> Server {
    server
        .resource(WATCHED, "watched-resource", "A text to watch", async |_: Cx| {
            Ok(format!("This is edition {} of the text.", EDITION.load(Ordering::Relaxed)))
        })
        .tool(
            "test_trigger_resource_update",
            "Changes the text to watch",
            async |cx: Cx, (): ()| {
                let edition = EDITION.fetch_add(1, Ordering::Relaxed) + 1;
                cx.changes().resource(WATCHED);
                Ok(format!("The text is in edition {edition}"))
            },
        )
        .tool("test_trigger_tool_change", "Tells that the tools changed", {
            async |cx: Cx, (): ()| {
                cx.changes().tools();
                Ok("Told those who listen")
            }
        })
        .tool("test_trigger_prompt_change", "Tells that the prompts changed", {
            async |cx: Cx, (): ()| {
                cx.changes().prompts();
                Ok("Told those who listen")
            }
        })
        .tool("test_trigger_resource_change", "Tells that the resources changed", {
            async |cx: Cx, (): ()| {
                cx.changes().resources();
                Ok("Told those who listen")
            }
        })
        .tool("test_reconnection", "Lets its client go, and ends when it is back", reconnection)
}

async fn reconnection(cx: Cx, (): ()) -> Result<&'static str, ToolError> {
    cx.pause(Duration::from_millis(100));
    cx.sleep(Duration::from_millis(200)).await;
    Ok("Reconnection test completed")
}
