//! What may change while a server runs, and how everybody hears of it: `Change` and `Announce`.
//!
//! In: a change, told by a handler or by the program around the server, on any thread. Out: the
//! same on every core, whose sessions tell their clients.
//! Spec: MCP `notifications/{tools,prompts,resources}/list_changed`, `notifications/resources/
//! updated`. Not here: who listens for what.
//! Invariant: a change says that something is not what it was, never what it is; so one that is
//! told twice does no harm, and who missed some assumes them all.

use std::fmt;
use std::sync::Arc;

/// Something that clients may hold is not what it was. Cheap to clone: every core gets one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources, or of their templates.
    Resources,
    /// What the resource of this URI holds.
    ResourceUpdated(Arc<str>),
}

/// Tells changes to every core.
pub trait Announce: fmt::Debug + Send + Sync {
    /// Tells every core, the caller's own included, without waiting. A core that has no room for it
    /// learns that it missed something.
    fn announce(&self, change: Change);
}
