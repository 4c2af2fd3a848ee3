//! Level 5: MCP itself. A decoded message in; an answer, or a call that runs, out. Once a core.
//!
//! Reading order: `dispatch` (what a body says, and who answers it), `batch` (several messages in
//! one body), `lifecycle` (`initialize`, notifications, responses), `tools` (`tools/list`,
//! `tools/call`), `subscriptions` (who is told of changes), `catalogue` (the answers that are bytes
//! before anybody asks).

mod batch;
pub mod catalogue;
pub mod dispatch;
mod lifecycle;
mod subscriptions;
mod tools;
