//! Level 5: MCP itself. A decoded message in; an answer, or a call that runs, out. Once a core.
//!
//! Reading order: `dispatch` (what a body says, and who answers it), `lifecycle` (`initialize`,
//! `server/discover`), `tools` (`tools/list`, `tools/call`), `catalogue` (the answers that are
//! bytes before anybody asks).

pub mod catalogue;
pub mod dispatch;
mod lifecycle;
mod tools;
