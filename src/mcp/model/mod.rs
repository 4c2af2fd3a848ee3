//! The nouns that travel, one file each: their fields, and how each revision writes them.
//!
//! Reading order: `implementation` (who somebody is), `icon`, `annotations`, `content` (what a tool
//! gives back), `tool`, `resource` and `prompt` (how each is listed), `cache`, `log`; what a client
//! is asked: `form`, `elicitation`, `sampling`, `root`, and `malformed` (what is wrong with its
//! answer).

pub mod annotations;
pub mod cache;
pub mod content;
pub mod elicitation;
pub mod form;
pub mod icon;
pub mod implementation;
pub mod log;
pub mod malformed;
pub mod prompt;
pub mod resource;
pub mod root;
pub mod sampling;
pub mod tool;
