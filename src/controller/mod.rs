//! Level 5: MCP itself. A decoded message in; an answer, or a call that runs, out. Once a core.
//!
//! Reading order: `dispatch` (what a body says, and who answers it), `batch` (several messages in
//! one body), `lifecycle` (`initialize`, notifications, responses), `lists`, `tools` (`tools/call`,
//! and what all calls share), `resources`, `skills`, `prompts`, `completion`, `subscriptions` (who
//! is told of changes), `tasks` (calls that go on without their request), `twins` (the code on a
//! core), `catalogue` (the answers that are bytes before anybody asks).

mod batch;
pub mod catalogue;
mod completion;
pub mod dispatch;
mod lifecycle;
mod lists;
mod prompts;
mod resources;
mod skills;
mod subscriptions;
mod tasks;
mod tools;
mod twins;
