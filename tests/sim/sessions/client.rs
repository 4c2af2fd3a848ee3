//! A client of the legacy era and its session: what it sends, and what it may be told.
//!
//! It never gives up what it can resume. Which refusals are due is decided here, from what the
//! client did and from the limits alone; a refusal that is not due is a fault.
//! Invariant: a session that is unknown, forged, ended or forgotten is refused in the same words.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;

use ringlane::base::clock::Clock;
use ringlane::base::time::Now;
use ringlane::http::frame::EventId;
use ringlane::session::change::Change;
use ringlane::testing::random::Random;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::script::{Events, Script, Track};
use super::wire::{Conn, Ended};
use crate::answers::Answer;

/// A fault of a server that reads what its client sends wrongly, to see that it would be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// A stream is resumed one event too early.
    EarlyResume,
    /// A stream is resumed one event too late.
    LateResume,
    /// A stream of somebody else's session is resumed.
    OtherSession,
    /// A request is taken for two.
    TakenTwice,
}

/// What all clients of a run share.
#[derive(Default)]
pub(crate) struct Common {
    pub(crate) planted: Option<Planted>,
    pub(crate) faults: RefCell<Vec<String>>,
    pub(crate) session_ids: RefCell<Vec<String>>,
    /// How a session is refused that there is not.
    pub(crate) refusal: RefCell<Option<Vec<u8>>>,
    /// When the last change is announced.
    pub(crate) quiet_at: Cell<Now>,
}

/// One client.
pub(crate) struct Client {
    pub(crate) cluster: Rc<Cluster>,
    pub(crate) common: Rc<Common>,
    pub(crate) index: u64,
    pub(crate) revision: &'static str,
    session_id: RefCell<String>,
    /// Whether it asked for the end of its session.
    pub(crate) has_ended: Cell<bool>,
    /// When it last sent something that was answered.
    last_sent: Cell<Now>,
    stream_numbers: RefCell<BTreeSet<u32>>,
    watched: RefCell<BTreeSet<String>>,
    pub(crate) left_count: Cell<usize>,
}

/// What a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It may be asked again.
    ForNow,
    /// Its session ended.
    Ended,
    /// The stream is not kept any more.
    Forgotten,
}

const REVISIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];
/// How often a client asks again that is told to.
pub(crate) const TRIES_MAX: usize = 40;

impl Client {
    pub(crate) fn new(
        cluster: Rc<Cluster>,
        common: Rc<Common>,
        index: u64,
        random: &mut Random,
    ) -> Rc<Self> {
        Rc::new(Self {
            cluster,
            common,
            index,
            revision: *random.pick(&REVISIONS),
            session_id: RefCell::default(),
            has_ended: Cell::new(false),
            last_sent: Cell::default(),
            stream_numbers: RefCell::default(),
            watched: RefCell::default(),
            left_count: Cell::new(0),
        })
    }

    pub(crate) fn now(&self) -> Now {
        self.cluster.clock.now()
    }

    pub(crate) fn fault(&self, what: impl std::fmt::Display) {
        self.note(format_args!("FAULT {what}"));
        self.common.faults.borrow_mut().push(format!("client {}: {what}", self.index));
    }

    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        self.cluster.trace.note(format_args!("client {}: {what}", self.index));
    }

    /// Whether its streams begin with an event that says nothing.
    pub(crate) fn is_primed(&self) -> bool {
        self.revision == "2025-11-25"
    }

    pub(crate) async fn pause(&self, random: &mut Random, ms_max: u64) {
        self.cluster.sleep(Duration::from_millis(random.within(1..=ms_max))).await;
    }

    pub(crate) fn session_id(&self) -> String {
        self.session_id.borrow().clone()
    }

    /// Whether a change is told to it.
    pub(crate) fn is_concerned(&self, change: &Change) -> bool {
        match change {
            Change::ResourceUpdated(uri) => self.watched.borrow().contains(&**uri),
            _ => true,
        }
    }

    // Requests.

    fn request(&self, method: &str, session_id: &str, fields: &str, body: &str) -> Vec<u8> {
        let mut head = format!("{method} /mcp HTTP/1.1\r\nHost: localhost\r\n{fields}");
        if self.revision != "2025-03-26" {
            head += &format!("MCP-Protocol-Version: {}\r\n", self.revision);
        }
        if !session_id.is_empty() {
            head += &format!("Mcp-Session-Id: {session_id}\r\n");
        }
        if !body.is_empty() {
            head += "Content-Type: application/json\r\n";
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        format!("{head}\r\n{body}").into_bytes()
    }

    pub(crate) fn post_to(&self, session_id: &str, body: &Value) -> Vec<u8> {
        let accept = "Accept: application/json, text/event-stream\r\n";
        self.request("POST", session_id, accept, &body.to_string())
    }

    pub(crate) fn post(&self, body: &Value) -> Vec<u8> {
        let mut request = self.post_to(&self.session_id.borrow(), body);
        if self.common.planted == Some(Planted::TakenTwice) {
            request.extend_from_within(..);
        }
        request
    }

    pub(crate) fn get_of(&self, session_id: &str, last_event_id: &str) -> Vec<u8> {
        let mut fields = "Accept: text/event-stream\r\n".to_owned();
        if !last_event_id.is_empty() {
            fields += &format!("Last-Event-ID: {last_event_id}\r\n");
        }
        self.request("GET", session_id, &fields, "")
    }

    /// Asks for a stream, from behind an event if there is one.
    pub(crate) fn get(&self, after: Option<EventId>) -> Vec<u8> {
        let session_id = self.session_id();
        let Some(EventId { stream, sequence }) = after else {
            return self.get_of(&session_id, "");
        };
        let last_event_id = |sequence: u64| format!("{stream}-{sequence}");
        match self.common.planted {
            Some(Planted::EarlyResume) if sequence > 0 => {
                self.get_of(&session_id, &last_event_id(sequence - 1))
            }
            Some(Planted::LateResume) => self.get_of(&session_id, &last_event_id(sequence + 1)),
            Some(Planted::OtherSession) => {
                let session_ids = self.common.session_ids.borrow();
                let other = session_ids.iter().find(|id| **id != session_id);
                self.get_of(other.unwrap_or(&session_id), &last_event_id(sequence))
            }
            _ => self.get_of(&session_id, &last_event_id(sequence)),
        }
    }

    pub(crate) fn delete_of(&self, session_id: &str) -> Vec<u8> {
        self.request("DELETE", session_id, "", "")
    }

    // Answers.

    /// Takes the events of an answer as far as they came.
    pub(crate) fn heed(
        &self,
        answer: &Answer,
        events: &mut Events,
        track: &mut Track,
        script: &mut dyn Script,
    ) -> Result<(), String> {
        if answer.content_type.as_deref() != Some("text/event-stream") {
            return Ok(());
        }
        script.opened(self.cluster.announced.borrow().len());
        while let Some(event) = events.next(&answer.body)? {
            self.note(format_args!("event {:?}: {}", event.id, event.data));
            self.cluster.count(|counts| counts.events += 1);
            let is_first = track.number().is_none();
            track.take(event, script)?;
            let is_new = |number| self.stream_numbers.borrow_mut().insert(number);
            if is_first && !track.number().is_some_and(is_new) {
                return Err(format!("stream {:?} is another one's", track.number()));
            }
        }
        Ok(())
    }

    /// What a refusal means, if it is due. `quiet_since` is when the stream was last read.
    pub(crate) fn refused(
        &self,
        answer: &Answer,
        sent_at: Now,
        quiet_since: Option<Now>,
    ) -> Result<Refused, String> {
        let (limits, now) = (&self.cluster.limits, self.now());
        let is_roomy = self.cluster.is_roomy;
        let idle_end = self.last_sent.get().after(limits.session_idle_life);
        let is_late = |since: Now| since.after(limits.replay_life).passed(now);
        let is_due = match answer.status {
            503 => self.cluster.turns_away() || !is_roomy,
            429 => !is_roomy,
            404 => self.has_ended.get() || idle_end.passed(now),
            410 => quiet_since.is_some_and(|since| !is_roomy || is_late(since)),
            _ => false,
        };
        if !is_due {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!("{} {body}, sent at {sent_at:?}, now {now:?}", answer.status));
        }
        self.note(format_args!("refused with {}", answer.status));
        match answer.status {
            404 => self.no_session(answer).map(|()| Refused::Ended),
            410 => Ok(Refused::Forgotten),
            _ => Ok(Refused::ForNow),
        }
    }

    /// Holds the refusal of a session that there is not against the first of its kind.
    pub(crate) fn no_session(&self, answer: &Answer) -> Result<(), String> {
        let mut refusal = self.common.refusal.borrow_mut();
        let first = refusal.get_or_insert_with(|| answer.body.clone());
        if answer.status != 404 || *first != answer.body {
            let body = String::from_utf8_lossy(&answer.body);
            return Err(format!("{} {body} for a session that there is not", answer.status));
        }
        Ok(())
    }

    /// Notes that a request was answered, which keeps the session alive.
    pub(crate) fn was_answered(&self, sent_at: Now) {
        self.last_sent.set(self.last_sent.get().max(sent_at));
    }

    /// Asks something that is answered at once, until it is.
    pub(crate) async fn ask(
        &self,
        request: &[u8],
        random: &mut Random,
        conn: &mut Option<Conn>,
    ) -> Option<Answer> {
        for _ in 0..TRIES_MAX {
            let sent_at = self.now();
            let open = conn.get_or_insert_with(|| Conn::open(&self.cluster, random));
            match open.exchange(request, None, &mut |_| Ok(())).await {
                Ended::Whole(answer) if matches!(answer.status, 200 | 202) => {
                    self.was_answered(sent_at);
                    if answer.closes || random.percent(30) {
                        *conn = None;
                    }
                    return Some(answer);
                }
                Ended::Whole(answer) => {
                    *conn = None;
                    match self.refused(&answer, sent_at, None) {
                        Ok(Refused::ForNow) => self.pause(random, 2_000).await,
                        Ok(_) => return None,
                        Err(fault) => return self.fail(fault),
                    }
                }
                // A connection that the server closed while it lay idle.
                Ended::ByServer => *conn = None,
                Ended::Cut => return None,
                Ended::Faulty(fault) => return self.fail(fault),
            }
        }
        None
    }

    pub(crate) fn fail<T>(&self, fault: impl std::fmt::Display) -> Option<T> {
        self.fault(fault);
        None
    }

    /// Opens a session.
    pub(crate) async fn open(&self, random: &mut Random) -> Option<()> {
        let mut conn = None;
        let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": self.revision, "capabilities": {},
            "clientInfo": {"name": "sim", "version": "0"},
        }});
        let answer = self.ask(&self.post_to("", &initialize), random, &mut conn).await?;
        let Some(session_id) = answer.session_id else { return self.fail("no session opened") };
        self.common.session_ids.borrow_mut().push(session_id.clone());
        *self.session_id.borrow_mut() = session_id;
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.ask(&self.post(&initialized), random, &mut conn).await?;
        for number in 0..random.within(0..=20) {
            if random.percent(40) {
                let uri = format!("page:{number}");
                let watch = json!({"jsonrpc": "2.0", "id": 0, "method": "resources/subscribe",
                    "params": {"uri": uri}});
                let answer = self.ask(&self.post(&watch), random, &mut conn).await?;
                let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                if told["result"].is_object() {
                    self.watched.borrow_mut().insert(uri);
                } else if self.cluster.is_roomy {
                    return self.fail(format_args!("not watched: {told}"));
                }
            }
        }
        Some(())
    }
}
