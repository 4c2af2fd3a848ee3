//! What the simulated servers with sessions offer: a tool that speaks for long, one that answers at
//! once, and resources, so that clients may watch what changes.

use std::sync::Arc;
use std::time::Duration;

use ringlane::controller::catalogue::{Catalogue, ListSettings};
use ringlane::handler::registry::Registry;
use ringlane::{Cx, LogLevel, ResourceTemplate, Tool, ToolError};
use serde_json::json;

use crate::tools::Guard;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Recite {
    tag: u64,
    count: u64,
    /// It pauses for so long after so many steps.
    gap_ms: u64,
    every: u64,
    pad: u64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    tag: u64,
    text: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Page {
    number: String,
}

pub(crate) fn catalogue() -> Arc<Catalogue> {
    let mut registry = Registry::default();
    let echo = Tool::new("echo", "Gives back its text", async |_: Cx, Echo { tag, text }: Echo| {
        Guard::enter(tag).complete();
        Ok(text)
    });
    for tool in [echo, Tool::new("recite", "Tells its steps, waiting for room", recite)] {
        registry.add_tool(tool).expect("a sound tool");
    }
    let page = async |_: Cx, Page { number }: Page| Ok(number);
    let pages = ResourceTemplate::new("page:{number}", "page", page);
    registry.add_template(pages).expect("a sound template");
    Catalogue::new(registry, &ListSettings::default())
}

async fn recite(cx: Cx, recite: Recite) -> Result<String, ToolError> {
    let Recite { tag, count, gap_ms, every, pad } = recite;
    let guard = Guard::enter(tag);
    let pad = "p".repeat(usize::try_from(pad)?);
    for step in 1..=count {
        cx.progress(step, count, &pad).await;
        cx.log(LogLevel::Info, json!({"tag": tag, "step": step})).await;
        if gap_ms > 0 && step % every == 0 {
            cx.sleep(Duration::from_millis(gap_ms)).await;
        }
    }
    guard.complete();
    Ok(format!("told {tag}"))
}
