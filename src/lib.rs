//! Ringlane: Model Context Protocol servers over Streamable HTTP, thread per core on io_uring.
//!
//! ```no_run
//! use ringlane::{Cx, Server};
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! struct Add {
//!     a: f64,
//!     b: f64,
//! }
//!
//! fn main() -> std::process::ExitCode {
//!     Server::new("calculator", "1.0.0")
//!         .tool("add", "Add two numbers", async |_: Cx, Add { a, b }: Add| Ok(a + b))
//!         .main()
//! }
//! ```
//!
//! [`Server`] is where to begin; [`Tool`] says what a tool can be, [`Resource`],
//! [`ResourceTemplate`] and [`Prompt`] what else there is to offer, [`Cx`] what a running handler
//! may ask for, [`Answer`] and [`ToolError`] what it gives back, [`Settings`] what can be set.
//!
//! # The way through the code
//!
//! The modules below are the floors of the house, lowest first, and a request climbs them: bytes
//! come from a socket (`rt`), are read as a request and routed (`serve`, on `http`), its body is
//! decoded (`jsonrpc`), its message judged by the rules of its revision (`mcp`) and dispatched
//! (`controller`) to the code behind a name (`handler`); the answer takes the same way down. Each
//! floor uses only those below it. They are public for the crate's own tests and tools; only what
//! is exported here, at the top, is a promise.

#[doc(hidden)]
pub mod base;

#[doc(hidden)]
pub mod host;
#[doc(hidden)]
pub mod http;
#[doc(hidden)]
pub mod jsonrpc;

#[doc(hidden)]
pub mod mcp;

#[doc(hidden)]
pub mod client;
#[doc(hidden)]
pub mod session;

#[doc(hidden)]
pub mod handler;
#[doc(hidden)]
pub mod load;

#[doc(hidden)]
pub mod catalog;
#[doc(hidden)]
pub mod controller;

#[doc(hidden)]
pub mod serve;
pub mod testing;

#[doc(hidden)]
pub mod rt;

#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod config;
mod server;

#[doc(hidden)]
pub mod fuzzing;

pub use config::Settings;
pub use controller::catalogue::ListSettings;
pub use handler::answer::Answer;
pub use handler::ask::{AskLimits, both};
pub use handler::completion::{Completing, Completions};
pub use handler::context::{Amount, Cx, Room};
pub use handler::error::ToolError;
pub use handler::off_core::BlockingCx;
pub use handler::prompt::{IntoMessages, Prompt};
pub use handler::resource::{IntoContents, Resource, ResourceTemplate};
pub use handler::tool::Tool;
pub use mcp::capability::Capability;
pub use mcp::model::annotations::{Annotations, Role, ToolAnnotations};
pub use mcp::model::cache::CacheScope;
pub use mcp::model::content::{Content, ResourceBody, ResourceContents, ResourceLink};
pub use mcp::model::elicitation::{Elicited, Form};
pub use mcp::model::icon::{Icon, Theme};
pub use mcp::model::log::LogLevel;
pub use mcp::model::prompt::{PromptMessage, PromptMessages};
pub use mcp::model::root::Root;
pub use mcp::model::sampling::{Sampled, Sampling, ToolChoice};
pub use mcp::revision::{Era, Revision};
pub use rt::address::ListenAddress;
pub use rt::affinity::CpuList;
pub use rt::driver::IoChoice;
pub use rt::server::{DrainHandle, Running, StartError};
pub use rt::settings::RtSettings;
pub use serve::limits::ServeLimits;
pub use server::{ServeError, Server};
pub use session::change::Changes;
pub use session::limits::{SessionLimits, SessionMode, SessionSettings, TaskLimits};
pub use session::seal::{StateKey, StateKeyError};

/// The code of README.md, compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
