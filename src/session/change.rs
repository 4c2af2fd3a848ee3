//! What may change while a server runs, and how everybody hears of it: `Change` and `Announce`.
//!
//! In: a change, told by a handler or by the program around the server, on any thread. Out: the
//! same on every core, whose sessions and subscriptions tell their clients. A change says that
//! something is not what it was, never what it is; so one that is told twice does no harm, and who
//! missed some assumes them all.
//! Tasks are the exception: the core that keeps one is asked to tell of it, and tells what it is.
//! Spec: MCP 2026-07-28 and 2025-11-25, `notifications/*/list_changed` and
//! `notifications/resources/updated`; `notifications/tasks` of the extension
//! `io.modelcontextprotocol/tasks`.

use std::fmt;
use std::sync::Arc;

use super::id::TaskId;
use super::owner::Owner;
use crate::base::broadcast::Broadcaster;
use crate::jsonrpc::encode;

/// Something that clients may want to look at anew.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// The list of tools.
    Tools,
    /// The list of prompts.
    Prompts,
    /// The list of resources or of their templates.
    Resources,
    /// The contents of the resource of this address.
    ResourceUpdated(Arc<str>),
    /// A task that somebody watches.
    Task(Arc<TaskNews>),
    /// Somebody wants to hear of these tasks, from now on. Told to cores, and to no client.
    TasksWatched(Arc<[TaskId]>, Owner),
}

/// What a task is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaskNews {
    /// Its id.
    pub id: TaskId,
    /// Whose it is.
    pub owner: Owner,
    /// All that is told of it, as JSON: members, separated by commas.
    pub json: Vec<u8>,
}

/// Tells changes to every core.
pub trait Announce: fmt::Debug + Send + Sync {
    /// Tells every core, the caller's own included, without waiting. A core that has no room for it
    /// learns that it missed something.
    fn announce(&self, change: Change);
}

impl Announce for Broadcaster<Change> {
    fn announce(&self, change: Change) {
        match change {
            // Whoever misses news of a task asks for it; and a core that is told of tasks tells of
            // them itself, which must not fill its own mailbox for ever.
            Change::Task(_) | Change::TasksWatched(..) => self.tell_if_room(change),
            Change::Tools | Change::Prompts | Change::Resources | Change::ResourceUpdated(_) => {
                self.tell(change);
            }
        }
    }
}

/// A handle to tell clients that something changed, from any thread. Clones tell the same clients.
///
/// Clients of the legacy era hear it on the stream that they opened for such things, those of the
/// modern one on their `subscriptions/listen`. Whoever listens to neither hears nothing.
#[derive(Clone, Debug)]
pub struct Changes(Arc<dyn Announce>);

impl Changes {
    pub(crate) fn new(announce: Arc<dyn Announce>) -> Self {
        Self(announce)
    }

    /// The list of tools is not what it was.
    pub fn tools(&self) {
        self.0.announce(Change::Tools);
    }

    /// The list of prompts is not what it was.
    pub fn prompts(&self) {
        self.0.announce(Change::Prompts);
    }

    /// The list of resources, or of their templates, is not what it was.
    pub fn resources(&self) {
        self.0.announce(Change::Resources);
    }

    /// The resource of this address does not hold what it held. Told to those who watch it.
    pub fn resource(&self, uri: &str) {
        self.0.announce(Change::ResourceUpdated(uri.into()));
    }

    /// A task is not what it was.
    pub(crate) fn task(&self, news: TaskNews) {
        self.0.announce(Change::Task(Arc::new(news)));
    }

    /// Somebody wants to hear of these tasks.
    pub(crate) fn watch_tasks(&self, ids: &[TaskId], asker: Owner) {
        self.0.announce(Change::TasksWatched(ids.into(), asker));
    }
}

impl Change {
    /// The method of the notification that tells it.
    #[must_use]
    pub fn method(&self) -> &'static str {
        match self {
            Self::Tools => "notifications/tools/list_changed",
            Self::Prompts => "notifications/prompts/list_changed",
            Self::Resources => "notifications/resources/list_changed",
            Self::ResourceUpdated(_) => "notifications/resources/updated",
            Self::Task(_) | Self::TasksWatched(..) => "notifications/tasks",
        }
    }

    /// Writes the whole notification. `meta` is the inside of its `_meta`, empty for none.
    pub fn encode(&self, out: &mut Vec<u8>, meta: &[u8]) {
        out.extend_from_slice(br#"{"jsonrpc":"2.0","method":""#);
        out.extend_from_slice(self.method().as_bytes());
        out.push(b'"');
        let has_members = matches!(self, Self::ResourceUpdated(_) | Self::Task(_));
        if has_members || !meta.is_empty() {
            out.extend_from_slice(br#","params":{"#);
            match self {
                Self::ResourceUpdated(uri) => {
                    out.extend_from_slice(br#""uri":"#);
                    encode::string(out, uri);
                }
                Self::Task(news) => out.extend_from_slice(&news.json),
                Self::Tools | Self::Prompts | Self::Resources | Self::TasksWatched(..) => {}
            }
            if !meta.is_empty() {
                encode::comma_unless_first(out, usize::from(has_members));
                out.extend_from_slice(br#""_meta":{"#);
                out.extend_from_slice(meta);
                out.push(b'}');
            }
            out.push(b'}');
        }
        out.push(b'}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_tasks_never_counts_as_lost() {
        use std::task::{Context, Poll, Waker};

        use crate::base::broadcast::{Notice, broadcast};

        let (broadcaster, mut notices) = broadcast(1, 1);
        let mut next = || notices[0].poll_next(&mut Context::from_waker(Waker::noop()));
        for _ in 0..2 {
            broadcaster.announce(Change::TasksWatched([].into(), Owner::Address(None)));
        }
        assert!(matches!(next(), Poll::Ready(Notice::Message(Change::TasksWatched(..)))));
        assert!(next().is_pending());
        for _ in 0..2 {
            broadcaster.announce(Change::Tools);
        }
        assert_eq!(next(), Poll::Ready(Notice::Lost));
    }

    #[test]
    fn a_change_is_written_with_what_it_concerns() {
        let written = |change: &Change, meta: &[u8]| {
            let mut out = Vec::new();
            change.encode(&mut out, meta);
            String::from_utf8(out).expect("text")
        };
        let start = |name: &str| format!(r#"{{"jsonrpc":"2.0","method":"notifications/{name}""#);
        let tools = start("tools/list_changed") + "}";
        assert_eq!(written(&Change::Tools, b""), tools);
        let prompts = start("prompts/list_changed") + r#","params":{"_meta":{"k":1}}}"#;
        assert_eq!(written(&Change::Prompts, br#""k":1"#), prompts);
        let updated = start("resources/updated") + r#","params":{"uri":"a:b","_meta":{"k":1}}}"#;
        assert_eq!(written(&Change::ResourceUpdated("a:b".into()), br#""k":1"#), updated);
    }
}
