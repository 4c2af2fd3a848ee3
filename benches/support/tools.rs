//! The tools that are called: one that answers at once, and one that streams.

use ringlane::{Cx, Tool};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    message: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Count {
    events: u32,
}

/// `echo {message}` repeats it; `count {events}` tells of progress so many times without a pause.
pub(crate) fn tools() -> [Tool; 2] {
    let echo = async |_: Cx, Echo { message }: Echo| Ok(message);
    let count = async |cx: Cx, Count { events }: Count| {
        for event in 1..=events {
            cx.progress(event, events, "").await;
        }
        Ok("counted")
    };
    [Tool::new("echo", "Repeat a message", echo), Tool::new("count", "Count up", count)]
}
