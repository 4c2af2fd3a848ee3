//! What a session asks its client, and what it tells it of changes.
//!
//! Questions go out on the stream of the call that asks; changes on one stream that the client
//! opened for what belongs to no request. Spec: MCP 2025-11-25 transports, "Multiple Connections",
//! server/resources "Subscriptions". Limits: `session_questions_max`, `watched_resources_max`,
//! `watched_bytes_max`.

use std::rc::Rc;

use super::{Affairs, Session, TooMany};
use crate::jsonrpc::encode;
use crate::session::change::Change;
use crate::session::question::{Question, Reply};
use crate::session::stream::EventStream;

/// How many lists there are that may change.
const LIST_COUNT: usize = 3;

/// How many messages may wait on a stream for what belongs to no request, where so many resources
/// are watched: the one that primes it, and one of each thing that may change.
pub(super) fn announcements_max(watched_resources_max: usize) -> usize {
    1 + LIST_COUNT + watched_resources_max
}

/// The message that told of something last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    stream: Option<u32>,
    number: u64,
}

/// The last that was told of each list; a box, which a session that is told nothing need not hold.
pub(super) type ToldLists = Option<Box<[Option<Told>; LIST_COUNT]>>;

/// A resource that the client watches.
#[derive(Debug)]
pub(super) struct Watched {
    uri: Box<str>,
    told: Option<Told>,
}

impl Session {
    /// Sends a request to the client on this stream.
    ///
    /// # Errors
    /// `session_questions_max`.
    pub fn ask(
        &self,
        stream: &EventStream,
        method: &str,
        params_json: &str,
    ) -> Result<Rc<Question>, TooMany> {
        let mut affairs = self.affairs();
        // A question that its asker let go of waits for nobody.
        affairs.questions.retain(|question| Rc::strong_count(question) > 1);
        if affairs.questions.len() >= self.shared.limits.session_questions_max {
            return Err(TooMany("session_questions_max"));
        }
        let id = affairs.next_question;
        affairs.next_question += 1;
        let question = Question::new(id);
        affairs.questions.push(question.clone());
        drop(affairs);
        self.append(stream, &mut |out| {
            out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
            encode::unsigned(out, id);
            out.extend_from_slice(br#","method":"#);
            encode::string(out, method);
            out.extend_from_slice(br#","params":"#);
            out.extend_from_slice(params_json.as_bytes());
            out.push(b'}');
        });
        Ok(question)
    }

    /// Settles the question of this id. One that nobody waits for is none: it came too late.
    pub fn settle(&self, id: u64, reply: Reply) {
        let mut affairs = self.affairs();
        let questions = &mut affairs.questions;
        let Some(at) = questions.iter().position(|question| question.id() == id) else { return };
        let question = questions.swap_remove(at);
        drop(affairs);
        question.settle(reply);
    }

    /// Takes a question back that nobody waits for, and tells the client, unless it was settled.
    pub fn withdraw(&self, stream: &EventStream, question: &Rc<Question>) {
        let mut affairs = self.affairs();
        let questions = &mut affairs.questions;
        let Some(at) = questions.iter().position(|held| Rc::ptr_eq(held, question)) else { return };
        questions.swap_remove(at);
        drop(affairs);
        self.append(stream, &mut |out| {
            encode::notification_start(out, "notifications/cancelled");
            out.extend_from_slice(br#"{"requestId":"#);
            encode::unsigned(out, question.id());
            out.extend_from_slice(br#","reason":"nobody waits for the answer any more"}}"#);
        });
    }

    /// Watches a resource.
    ///
    /// # Errors
    /// `watched_resources_max`, `watched_bytes_max`.
    pub fn watch(&self, uri: &str) -> Result<(), TooMany> {
        let mut affairs = self.affairs();
        let watched = &mut affairs.watched;
        if watched.iter().any(|held| &*held.uri == uri) {
            return Ok(());
        }
        if watched.len() >= self.shared.limits.watched_resources_max {
            return Err(TooMany("watched_resources_max"));
        }
        let held_bytes: usize = watched.iter().map(|held| held.uri.len()).sum();
        if held_bytes + uri.len() > self.shared.limits.watched_bytes_max {
            return Err(TooMany("watched_bytes_max"));
        }
        watched.push(Watched { uri: uri.into(), told: None });
        Ok(())
    }

    /// Watches a resource no more. To end what never began is no fault.
    pub fn unwatch(&self, uri: &str) {
        self.affairs().watched.retain(|held| &*held.uri != uri);
    }

    /// Tells the client of a change, on the newest stream that it opened for such things, unless
    /// the same waits there to be read: one that reads slowly learns all that changed, and nothing
    /// twice.
    pub fn announce(&self, change: &Change) {
        // Without a stream there is nobody to tell.
        let Some(stream) = self.newest_standalone() else { return };
        let mut affairs = self.affairs();
        let Affairs { told_lists, watched, .. } = &mut *affairs;
        let lists = &mut **told_lists.get_or_insert_default();
        let told = match change {
            Change::Tools => &mut lists[0],
            Change::Prompts => &mut lists[1],
            Change::Resources => &mut lists[2],
            Change::ResourceUpdated(uri) => {
                match watched.iter_mut().find(|held| *held.uri == **uri) {
                    Some(held) => &mut held.told,
                    None => return,
                }
            }
            // Legacy clients know nothing of tasks.
            Change::Task(_) | Change::TasksWatched(..) => return,
        };
        let waits = |told: Told| told.stream == stream.number() && stream.is_waiting(told.number);
        if told.is_some_and(waits) {
            return;
        }
        // What is written first may be the event that primes the stream.
        self.note_growth(stream.open());
        let next = Told { stream: stream.number(), number: stream.next_number() };
        if self.notify(&stream, &mut |out| change.encode(out, b"")) {
            *told = Some(next);
        }
    }

    /// The newest stream for what belongs to no request: of those that are read, if any is.
    fn newest_standalone(&self) -> Option<Rc<EventStream>> {
        let streams = self.streams.borrow();
        let mut standalone = streams.iter().rev().filter(|stream| stream.is_standalone());
        let read = standalone.clone().find(|stream| stream.is_attached());
        read.or_else(|| standalone.next()).cloned()
    }

    /// Tells the client that all it watches changed.
    pub(in crate::session) fn announce_watched(&self) {
        let watched: Vec<_> =
            self.affairs().watched.iter().map(|held| held.uri.as_ref().into()).collect();
        for uri in watched {
            self.announce(&Change::ResourceUpdated(uri));
        }
    }
}
