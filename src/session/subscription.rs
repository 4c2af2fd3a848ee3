//! Who listens in the modern era: `subscriptions/listen`, its filter and its stream.
//!
//! A subscription is a stream that stays open on its own connection. It is told what its filter
//! names and nothing else; every message on it carries its id. Nothing is kept for one that is cut.
//! Spec: MCP 2026-07-28 `subscriptions/listen`. Limits: `subscriptions_max`,
//! `watched_resources_max`, `watched_bytes_max`, `stream_buffer_bytes_max`.
//! Invariant: the acknowledgement is the first message, the closing result the last.

use std::cell::RefCell;
use std::rc::Rc;

use super::change::{Change, TaskNews};
use super::id::TaskId;
use super::limits::SessionLimits;
use super::owner::Owner;
use super::store::{EventStore, MemoryStore};
use super::stream::{EventStream, StreamPlan};
use crate::base::time::Now;
use crate::http::negotiate::StreamFormat;
use crate::jsonrpc::encode;

/// The `_meta` member that ties a message to its subscription.
const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// How much news of tasks may wait for one that listens.
const TASK_NEWS_MAX: usize = 64;

/// How many lists there are that may change.
const LIST_COUNT: usize = 3;

/// What a client asks to be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Changes of the list of tools.
    pub tools: bool,
    /// Changes of the list of prompts.
    pub prompts: bool,
    /// Changes of the lists of resources and templates.
    pub resources: bool,
    /// Resources whose contents it watches.
    pub watched: Vec<Box<str>>,
    /// Tasks that it watches.
    pub tasks: Vec<TaskId>,
    /// Who listens, where that matters: to tasks.
    pub asker: Option<Owner>,
}

impl Filter {
    /// Which of the things that it may name a change is of, if it names that.
    fn place(&self, change: &Change) -> Option<usize> {
        match change {
            Change::Tools => self.tools.then_some(0),
            Change::Prompts => self.prompts.then_some(1),
            Change::Resources => self.resources.then_some(2),
            Change::ResourceUpdated(uri) => {
                let at = self.watched.iter().position(|held| **held == **uri)?;
                Some(LIST_COUNT + at)
            }
            // Each tells something new: see `wants_task`.
            Change::Task(_) | Change::TasksWatched(..) => None,
        }
    }

    /// Whether it names this task, and its owner listens.
    fn wants_task(&self, news: &TaskNews) -> bool {
        let may_know = self.asker.as_ref().is_some_and(|asker| news.owner.admits(asker));
        may_know && self.tasks.contains(&news.id)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let mut count = 0;
        for (name, is_wanted) in [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ] {
            if is_wanted {
                encode::comma_unless_first(out, count);
                encode::string(out, name);
                out.extend_from_slice(b":true");
                count += 1;
            }
        }
        if !self.watched.is_empty() {
            encode::comma_unless_first(out, count);
            out.extend_from_slice(br#""resourceSubscriptions":"#);
            encode::serialize(out, &self.watched);
            count += 1;
        }
        if !self.tasks.is_empty() {
            encode::comma_unless_first(out, count);
            out.extend_from_slice(br#""taskIds":"#);
            let ids: Vec<_> = self.tasks.iter().map(TaskId::as_str).collect();
            encode::serialize(out, &ids);
        }
    }
}

/// The subscriptions of one core.
#[derive(Debug)]
pub struct Subscriptions {
    limits: SessionLimits,
    open: RefCell<Vec<Subscription>>,
}

#[derive(Debug)]
struct Subscription {
    filter: Filter,
    /// The inside of the `_meta` of each of its messages.
    meta: Vec<u8>,
    /// The id of its request, as JSON.
    id_json: Vec<u8>,
    stream: Rc<EventStream>,
    /// The number of the last message of each thing that it names, in the order of `place`.
    told: RefCell<Vec<u64>>,
}

/// No message has this number.
const NEVER_TOLD: u64 = u64::MAX;

/// As many listen as may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyListen;

impl Subscriptions {
    /// Nobody listens yet.
    #[must_use]
    pub fn new(limits: SessionLimits) -> Self {
        Self { limits, open: RefCell::default() }
    }

    /// How many resources one subscription may watch.
    #[must_use]
    pub fn watched_max(&self) -> usize {
        self.limits.watched_resources_max
    }

    /// How many bytes the addresses of those may take.
    #[must_use]
    pub fn watched_bytes_max(&self) -> usize {
        self.limits.watched_bytes_max
    }

    /// Opens a subscription and acknowledges it.
    ///
    /// # Errors
    /// `subscriptions_max`.
    pub fn open(
        &self,
        filter: Filter,
        id_json: Vec<u8>,
        format: StreamFormat,
        now: Now,
    ) -> Result<Rc<EventStream>, TooManyListen> {
        let mut open = self.open.borrow_mut();
        open.retain(|held| Rc::strong_count(&held.stream) > 1);
        if open.len() >= self.limits.subscriptions_max {
            return Err(TooManyListen);
        }
        let plan = StreamPlan {
            number: None,
            format,
            is_standalone: false,
            primes: None,
            // The acknowledgement, and one of each thing: further ones would tell nothing new. The
            // rest is for tasks, whose news differ.
            events_max: 1 + LIST_COUNT + self.limits.watched_resources_max + TASK_NEWS_MAX,
            unsent_bytes_max: self.limits.stream_buffer_bytes_max,
        };
        let stream = Rc::new(EventStream::new(plan, MemoryStore.open(), now));
        let mut meta = format!("\"{SUBSCRIPTION_ID}\":").into_bytes();
        meta.extend_from_slice(&id_json);
        stream.append(&mut |out| acknowledge(out, &filter, &meta));
        let told = RefCell::new(vec![NEVER_TOLD; LIST_COUNT + filter.watched.len()]);
        open.push(Subscription { filter, meta, id_json, stream: stream.clone(), told });
        Ok(stream)
    }

    /// Tells everybody who wants to know of a change.
    pub fn announce(&self, change: &Change) {
        for held in self.open.borrow().iter() {
            if let Some(place) = held.filter.place(change) {
                held.tell(place, change);
            }
            // What finds no room is left out: whoever reads so slowly asks by `tasks/get`.
            if let Change::Task(news) = change
                && held.filter.wants_task(news)
                && held.stream.has_room()
            {
                held.stream.append(&mut |out| change.encode(out, &held.meta));
            }
        }
    }

    /// Tells everybody that what they watch changed, since nobody knows what did not.
    pub fn announce_watched(&self) {
        for held in self.open.borrow().iter() {
            for (at, uri) in held.filter.watched.iter().enumerate() {
                held.tell(LIST_COUNT + at, &Change::ResourceUpdated(uri.clone().into()));
            }
        }
    }

    /// Forgets the subscription of a stream whose connection ended.
    pub fn close(&self, stream: &Rc<EventStream>) {
        self.open.borrow_mut().retain(|held| !Rc::ptr_eq(&held.stream, stream));
    }

    /// Ends all of them, each with its closing result.
    pub fn end_all(&self) {
        for held in self.open.take() {
            held.stream.append(&mut |out| {
                encode::response_start(out, &held.id_json);
                out.extend_from_slice(br#"{"resultType":"complete","_meta":{"#);
                out.extend_from_slice(&held.meta);
                out.extend_from_slice(b"}}}");
            });
            held.stream.end();
        }
    }

    /// How many listen.
    #[must_use]
    pub fn count(&self) -> usize {
        self.open.borrow().len()
    }
}

impl Subscription {
    /// Tells of a change, unless the same waits to be read already: a client that reads slowly
    /// learns all that changed, and nothing twice.
    fn tell(&self, place: usize, change: &Change) {
        let mut told = self.told.borrow_mut();
        let Some(last) = told.get_mut(place) else { return };
        if !self.stream.is_waiting(*last) && self.stream.has_room() {
            *last = self.stream.next_number();
            self.stream.append(&mut |out| change.encode(out, &self.meta));
        }
    }
}

fn acknowledge(out: &mut Vec<u8>, filter: &Filter, meta: &[u8]) {
    encode::notification_start(out, "notifications/subscriptions/acknowledged");
    out.extend_from_slice(br#"{"notifications":{"#);
    filter.encode(out);
    out.extend_from_slice(br#"},"_meta":{"#);
    out.extend_from_slice(meta);
    out.extend_from_slice(b"}}}");
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn open(
        subscriptions: &Subscriptions,
        filter: Filter,
        id: &str,
    ) -> Result<Rc<EventStream>, TooManyListen> {
        subscriptions.open(filter, id.into(), StreamFormat::Ndjson, Now(0))
    }

    fn taken(stream: &EventStream) -> Vec<Value> {
        let mut all = String::new();
        stream.take(|lines| all = String::from_utf8(lines.to_vec()).expect("text"));
        all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    #[test]
    fn a_subscription_is_told_what_it_asked_for_between_two_ends() {
        let subscriptions = Subscriptions::new(SessionLimits::default());
        let filter = Filter { prompts: true, watched: vec!["a:1".into()], ..Filter::default() };
        let stream = open(&subscriptions, filter, "\"q\"").expect("room");
        stream.attach();
        for change in [
            Change::Tools,
            Change::Prompts,
            Change::Resources,
            Change::ResourceUpdated("a:1".into()),
            Change::ResourceUpdated("a:2".into()),
        ] {
            subscriptions.announce(&change);
        }
        subscriptions.announce_watched();
        subscriptions.end_all();
        subscriptions.announce(&Change::Prompts);
        let told = taken(&stream);
        let methods: Vec<_> = told.iter().map(|message| message["method"].as_str()).collect();
        assert_eq!(
            methods,
            [
                Some("notifications/subscriptions/acknowledged"),
                Some("notifications/prompts/list_changed"),
                Some("notifications/resources/updated"),
                None,
            ]
        );
        let held = json!({"promptsListChanged": true, "resourceSubscriptions": ["a:1"]});
        assert_eq!(told[0]["params"]["notifications"], held);
        assert_eq!(
            (&told[3]["id"], &told[3]["result"]["resultType"]),
            (&json!("q"), &json!("complete"))
        );
        for message in &told {
            let inside = if message.get("result").is_some() { "result" } else { "params" };
            assert_eq!(message[inside]["_meta"][SUBSCRIPTION_ID], "q", "{message}");
        }
        assert!(stream.has_ended());
        assert_eq!(subscriptions.count(), 0);
    }

    #[test]
    fn as_many_listen_as_may_and_one_that_leaves_makes_room() {
        let limits = SessionLimits { subscriptions_max: 2, ..SessionLimits::default() };
        let subscriptions = Subscriptions::new(limits);
        let listen = || open(&subscriptions, Filter::default(), "1");
        let (one, two) = (listen().expect("room"), listen().expect("room"));
        assert_eq!(listen().err(), Some(TooManyListen));
        subscriptions.close(&one);
        let three = listen().expect("room");
        drop(two);
        assert!(listen().is_ok(), "nobody holds the second");
        drop(three);
    }

    #[test]
    fn a_listener_that_reads_slowly_misses_nothing_and_is_told_nothing_twice() {
        let subscriptions = Subscriptions::new(SessionLimits::default());
        let watched: Vec<Box<str>> = (0..256).map(|n| format!("a:{n}").into()).collect();
        let lists = Filter { tools: true, prompts: true, resources: true, ..Filter::default() };
        let filter = Filter { watched, ..lists };
        let stream = open(&subscriptions, filter.clone(), "1").expect("room");
        stream.attach();
        for _ in 0..10 {
            subscriptions.announce_watched();
            for change in [Change::Tools, Change::Prompts, Change::Resources] {
                subscriptions.announce(&change);
            }
        }
        assert_eq!(taken(&stream).len(), 1 + LIST_COUNT + filter.watched.len());
        subscriptions.announce(&Change::Tools);
        assert_eq!(taken(&stream).len(), 1, "what was read is told anew");
    }

    #[test]
    fn a_listener_that_does_not_read_is_told_no_more_than_may_wait() {
        let limits = SessionLimits { stream_buffer_bytes_max: 1000, ..SessionLimits::default() };
        let subscriptions = Subscriptions::new(limits);
        let watched = (0..100).map(|n| format!("a:{n}").into()).collect();
        let stream = open(&subscriptions, Filter { watched, ..Filter::default() }, "1");
        let stream = stream.expect("room");
        stream.attach();
        subscriptions.announce_watched();
        let waiting = taken(&stream).len();
        assert!((2..12).contains(&waiting), "{waiting}");
    }
}
