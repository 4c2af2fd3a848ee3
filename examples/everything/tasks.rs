//! Tasks: tools whose work takes so long that their caller is given a task and looks after it.
//!
//! A tool turns its own call into a task and goes on from there; for a client that knows no tasks
//! it simply takes its time. What is asked before ends the call, as ever; what is asked after waits
//! with the task.

use std::time::Duration;

use ringlane::{Capability, Cx, Elicited, Server, ToolError, both};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) fn tasks(server: Server) -> Server {
    server
        .tasks()
        .tool("greet", "Greets, at once", async |_: Cx, Name { name }: Name| {
            Ok(format!("Hello, {name}!"))
        })
        .tool("slow_compute", "Takes as long as asked", compute)
        .tool("failing_job", "Fails as a task, in words", async |cx: Cx, (): ()| {
            cx.require(Capability::Tasks)?;
            cx.become_task().await;
            cx.sleep(Duration::from_secs(1)).await;
            Err::<(), _>(ToolError::new("The job failed, as it always does"))
        })
        .tool("protocol_error_job", "Fails as a task, with an error", async |cx: Cx, (): ()| {
            cx.require(Capability::Tasks)?;
            cx.become_task().await;
            cx.sleep(Duration::from_millis(100)).await;
            Err::<(), _>(ToolError::rpc(-32603, "The job broke, as it always does"))
        })
        .tool("confirm_delete", "Asks before it deletes", delete)
        .tool("multi_input", "Asks two things at once", gather)
        .tool("test_tool_with_task", "Asks, and then becomes a task", async |cx: Cx, (): ()| {
            let said: Elicited<Name> = cx.ask("user_name", "What is your name?").await?;
            let name = said.accepted().map_or("stranger".to_owned(), |Name { name }| name);
            cx.become_task().await;
            cx.sleep(Duration::from_millis(100)).await;
            Ok(format!("Hello, {name}! The task is done."))
        })
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    /// What to call you
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Compute {
    /// How long to compute
    seconds: u32,
    /// What to call the result
    label: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Delete {
    /// What to delete
    filename: String,
}

#[derive(Deserialize, JsonSchema)]
struct Confirmation {
    /// Whether to go on
    confirm: bool,
}

async fn compute(cx: Cx, Compute { seconds, label }: Compute) -> Result<String, ToolError> {
    cx.become_task().await;
    for second in 0..seconds {
        cx.task_status(&format!("second {second} of {seconds}"));
        cx.sleep(Duration::from_secs(1)).await;
    }
    Ok(format!("{}: computed for {seconds} s", label.as_deref().unwrap_or("unnamed")))
}

async fn delete(cx: Cx, Delete { filename }: Delete) -> Result<String, ToolError> {
    cx.become_task().await;
    let asked: Elicited<Confirmation> =
        cx.ask("confirm", &format!("Delete {filename} for good?")).await?;
    match asked {
        Elicited::Accepted(Confirmation { confirm: true }) => Ok(format!("Deleted {filename}")),
        _ => Ok(format!("Kept {filename}")),
    }
}

async fn gather(cx: Cx, (): ()) -> Result<String, ToolError> {
    cx.become_task().await;
    let first = cx.ask::<Name>("first_name", "What is your first name?");
    let last = cx.ask::<Name>("last_name", "What is your last name?");
    let (first, last) = both(first, last).await;
    let name =
        |said: Elicited<Name>| said.accepted().map_or("…".to_owned(), |Name { name }| name);
    Ok(format!("Hello, {} {}!", name(first?), name(last?)))
}
