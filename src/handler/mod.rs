//! Level 4: the code behind the names. What a programmer hands over, and what a call of it needs.
//!
//! Reading order: `context` (what a running handler may ask for), `call` (the state of one running
//! call), `frames` (its notifications on their way out), `answer` and `error` (what it gives back),
//! `input` (what it takes), `code` (a closure on each core), `tool`, `resource`, `prompt` and
//! `completion` (what it is behind), `skill` (files that teach a model), `off_core` (work that
//! blocks), `ask` (questions to the client), `task` (long work), `registry` (all of them, frozen).

pub mod answer;
pub mod ask;
pub mod call;
pub(crate) mod code;
pub mod completion;
pub mod context;
pub mod error;
pub mod frames;
pub mod input;
pub mod off_core;
pub mod prompt;
pub mod registry;
pub mod resource;
pub mod skill;
pub mod task;
pub mod tool;
