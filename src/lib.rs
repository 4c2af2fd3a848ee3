//! Ringlane: Model Context Protocol servers over Streamable HTTP, thread per core.

pub mod base;
pub mod cli;
pub mod client;
pub mod controller;
#[doc(hidden)]
pub mod fuzzing;
pub mod handler;
pub mod http;
pub mod jsonrpc;
pub mod mcp;
pub mod rt;
pub mod serve;

pub use handler::answer::Answer;
pub use handler::context::Cx;
pub use handler::error::ToolError;
pub use handler::tool::Tool;
pub use mcp::model::content::Content;
