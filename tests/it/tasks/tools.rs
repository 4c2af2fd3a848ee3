//! Tools that become tasks, in every way there is.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use ringlane::{Answer, Capability, Content, Cx, Elicited, Server, ToolError, both};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Yes {
    yes: bool,
}

#[derive(Deserialize, JsonSchema)]
pub(super) struct Seconds {
    seconds: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Bytes {
    bytes: usize,
}

pub(super) async fn slow(cx: Cx, Seconds { seconds }: Seconds) -> Result<String, ToolError> {
    let is_task = cx.become_task().await;
    assert_eq!(cx.become_task().await, is_task, "to become one twice is to be one");
    cx.task_status("sleeping");
    cx.progress(1, 2, "never heard of in a task").await;
    cx.sleep(Duration::from_secs(seconds)).await;
    Ok(if is_task { "slept as a task" } else { "slept" }.to_owned())
}

/// Asks once before it is a task, and once in it.
async fn order(cx: Cx, (): ()) -> Result<String, ToolError> {
    let asked: Elicited<Name> = cx.ask("who", "Who orders?").await?;
    let Some(Name { name }) = asked.accepted() else { return Ok("nobody".to_owned()) };
    cx.become_task().await;
    let asked: Elicited<Yes> = cx.ask("sure", &format!("Are you sure, {name}?")).await?;
    Ok(format!("{name}: {:?}", asked.accepted().map(|Yes { yes }| yes)))
}

async fn two_questions(cx: Cx, (): ()) -> Result<String, ToolError> {
    cx.become_task().await;
    let (one, two) = both(cx.ask::<Name>("one", "First?"), cx.ask::<Name>("two", "Second?")).await;
    let name =
        |said: Elicited<Name>| said.accepted().map_or_else(String::new, |Name { name }| name);
    Ok(format!("{} {}", name(one?), name(two?)))
}

/// Asks and becomes a task at the same time: the question comes first.
async fn both_at_once(cx: Cx, (): ()) -> Result<String, ToolError> {
    let (is_task, name) = both(cx.become_task(), cx.ask::<Name>("who", "Who?")).await;
    let name = name?.accepted().map_or_else(String::new, |Name { name }| name);
    Ok(format!("{is_task} {name}"))
}

/// Becomes a task and is ready at once all the same.
async fn never_waits(cx: Cx, (): ()) -> Result<&'static str, ToolError> {
    let mut becoming = pin!(cx.become_task());
    poll_fn(|context| Poll::Ready(becoming.as_mut().poll(context).is_pending())).await;
    Ok("done")
}

/// Counts how many of it are dropped.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(super) fn server(dropped: &Arc<AtomicUsize>) -> Server {
    let dropped = dropped.clone();
    Server::new("tasks", "1.0.0")
        .tasks()
        .tool("slow", "Sleeps", slow)
        .tool("order", "Asks", order)
        .tool("two_questions", "Asks", two_questions)
        .tool("both_at_once", "Asks", both_at_once)
        .tool("never_waits", "Is ready", never_waits)
        .tool("sleep", "Lets time pass", async |cx: Cx, Seconds { seconds }: Seconds| {
            cx.sleep(Duration::from_secs(seconds)).await;
            Ok(())
        })
        .tool("hold", "Waits for ever", async move |cx: Cx, (): ()| {
            let _held = Held(dropped.clone());
            cx.become_task().await;
            std::future::pending::<()>().await;
            Ok("never")
        })
        .tool("polite", "Ends when it is told", async |cx: Cx, (): ()| {
            cx.become_task().await;
            cx.cancelled().await;
            Err::<(), _>(ToolError::new("gave up"))
        })
        .tool("stubborn", "Comes to its end", async |cx: Cx, (): ()| {
            cx.become_task().await;
            cx.cancelled().await;
            Ok("done all the same")
        })
        .tool("fails", "Fails", async |cx: Cx, (): ()| {
            cx.require(Capability::Tasks)?;
            cx.become_task().await;
            Err::<(), _>(ToolError::new("as planned"))
        })
        .tool("breaks", "Breaks", async |cx: Cx, (): ()| {
            cx.become_task().await;
            Err::<(), _>(ToolError::rpc(7, "broken").with_data(json!({"part": 1})))
        })
        .tool("panics", "Panics", async |cx: Cx, (): ()| {
            cx.become_task().await;
            assert!(!cx.become_task().await, "as planned");
            Ok(())
        })
        .tool("large", "Says much", async |cx: Cx, Bytes { bytes }: Bytes| {
            cx.become_task().await;
            Ok(Answer::from(Content::text("x".repeat(bytes))))
        })
}
