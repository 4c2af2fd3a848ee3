//! What a stream of a session must say, and what a client heard of it so far.
//!
//! `Events` reads the events of a body. A `Track` follows one event stream over all the connections
//! that carry it: each event comes with the number after the one before, and one that comes again,
//! because the client asked for it, says what it said. What is new is held against a script: a
//! call's own notifications and its response, or the changes that were announced meanwhile.
//! Invariant: `heard[n]` is the event of number `n`; a number that is missing is a fault.

use ringlane::http::frame::EventId;
use ringlane::session::change::Change;
use serde_json::{Value, json};

/// One event as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) id: EventId,
    pub(crate) data: String,
}

/// Reads the events of a body that grows.
#[derive(Debug, Default)]
pub(crate) struct Events {
    read: usize,
}

impl Events {
    /// The next event that is whole. Comments are passed over; nothing else is.
    pub(crate) fn next(&mut self, body: &[u8]) -> Result<Option<Heard>, String> {
        loop {
            let rest = &body[self.read..];
            let Some(length) = rest.windows(2).position(|pair| pair == b"\n\n") else {
                return Ok(None);
            };
            self.read += length + 2;
            let text = std::str::from_utf8(&rest[..length]).map_err(|error| error.to_string())?;
            if text != ":" {
                return event(text).map(Some).ok_or_else(|| format!("no event: {text:?}"));
            }
        }
    }

    /// Whether nothing is left over.
    pub(crate) fn is_done(&self, body: &[u8]) -> bool {
        self.read == body.len()
    }
}

fn event(text: &str) -> Option<Heard> {
    let mut lines = text.split('\n').peekable();
    let id = EventId::parse(lines.next()?.strip_prefix("id: ")?.as_bytes())?;
    let is_priming = lines.next_if(|line| line.starts_with("retry: ")).is_some();
    let data = lines.next()?.strip_prefix("data:")?;
    if lines.next().is_some() || is_priming != data.is_empty() {
        return None;
    }
    Some(Heard { id, data: data.trim_start().to_owned() })
}

/// What a stream says.
pub(crate) trait Script {
    /// Takes the next message that the stream says for the first time.
    fn next(&mut self, message: &Value) -> Result<(), String>;

    /// The stream is there, after so many announcements.
    fn opened(&mut self, _announced_count: usize) {}
}

/// One event stream, as its client knows it.
#[derive(Debug)]
pub(crate) struct Track {
    is_primed: bool,
    number: Option<u32>,
    heard: Vec<String>,
    /// The number that the next event must have.
    next: u64,
}

impl Track {
    pub(crate) fn new(is_primed: bool) -> Self {
        Self { is_primed, number: None, heard: Vec::new(), next: 0 }
    }

    /// The number of the stream in its session, once an event told it.
    pub(crate) fn number(&self) -> Option<u32> {
        self.number
    }

    /// The last event that came for the first time.
    pub(crate) fn last(&self) -> Option<EventId> {
        let sequence = (self.heard.len() as u64).checked_sub(1)?;
        Some(EventId { stream: self.number?, sequence })
    }

    /// Whether no event is missing on the connection that ended.
    pub(crate) fn is_at_end(&self) -> bool {
        self.next == self.heard.len() as u64
    }

    /// A connection begins that carries the stream from behind this event.
    pub(crate) fn resume(&mut self, after: EventId) {
        self.next = after.sequence + 1;
    }

    /// Takes an event.
    pub(crate) fn take(&mut self, event: Heard, script: &mut dyn Script) -> Result<(), String> {
        let Heard { id: EventId { stream, sequence }, data } = event;
        if *self.number.get_or_insert(stream) != stream {
            return Err(format!("an event of stream {stream} on stream {:?}", self.number));
        }
        if sequence != self.next {
            return Err(format!("event {stream}-{sequence} in place of {}", self.next));
        }
        self.next += 1;
        if let Some(before) = usize::try_from(sequence).ok().and_then(|at| self.heard.get(at)) {
            let same = *before == data;
            return if same { Ok(()) } else { Err(format!("{before} became {data}")) };
        }
        self.heard.push(data);
        let data = &self.heard[self.heard.len() - 1];
        match (self.is_primed && sequence == 0, data.is_empty()) {
            (true, true) => Ok(()),
            (false, false) => script.next(&serde_json::from_str(data).map_err(|e| e.to_string())?),
            _ => Err(format!("event {stream}-{sequence} says {data:?}")),
        }
    }
}

/// A call that recites: step by step, each told as progress and as a log, then its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recital {
    pub(crate) tag: u64,
    pub(crate) count: u64,
    /// Whether there is room for all that it says.
    pub(crate) is_whole: bool,
    /// How much of it was heard: two for each step.
    place: u64,
    pub(crate) is_answered: bool,
}

impl Recital {
    pub(crate) fn new(tag: u64, count: u64, is_whole: bool) -> Self {
        Self { tag, count, is_whole, place: 0, is_answered: false }
    }

    /// Where in the recital a message is, counted from 1.
    fn place(&self, message: &Value) -> Result<u64, String> {
        let stray = || format!("{message} is not of call {}", self.tag);
        let params = &message["params"];
        let place = match message["method"].as_str() {
            Some("notifications/progress") if params["progressToken"] == self.tag => {
                params["progress"].as_u64().map(|step| 2 * step - 1)
            }
            Some("notifications/message") if params["data"]["tag"] == self.tag => {
                params["data"]["step"].as_u64().map(|step| 2 * step)
            }
            None if message["id"] == self.tag => {
                let told = format!("told {}", self.tag);
                let said = &message["result"]["content"][0]["text"];
                (*said == told).then_some(2 * self.count + 1)
            }
            _ => None,
        };
        place.ok_or_else(stray)
    }
}

impl Script for Recital {
    fn next(&mut self, message: &Value) -> Result<(), String> {
        let place = self.place(message)?;
        if self.is_answered {
            return Err(format!("{message} came after the response"));
        }
        self.is_answered = place == 2 * self.count + 1;
        let follows = if self.is_whole { place == self.place + 1 } else { place > self.place };
        if !follows {
            return Err(format!("call {}: {place} after {}", self.tag, self.place));
        }
        self.place = place;
        Ok(())
    }
}

/// The changes that a client hears of on a stream of its own.
#[derive(Debug)]
pub(crate) struct Bulletin {
    /// How many changes had been announced when the stream was asked for, and when it was there.
    asked_at: usize,
    open_at: Option<usize>,
    is_whole: bool,
    /// What was heard, in order.
    heard: Vec<Value>,
}

impl Bulletin {
    pub(crate) fn new(asked_at: usize, is_whole: bool) -> Self {
        Self { asked_at, open_at: None, is_whole, heard: Vec::new() }
    }

    /// Holds what was heard against what was announced and concerns the client. `is_over` when the
    /// stream was read to its end.
    pub(crate) fn judge(
        &self,
        announced: &[Change],
        concerns: impl Fn(&Change) -> bool,
        is_over: bool,
    ) -> Result<(), String> {
        let due_from = |from: usize| {
            announced[from..].iter().filter(|change| concerns(change)).map(told).collect::<Vec<_>>()
        };
        let Some(open_at) = self.open_at else { return Ok(()) };
        let fits = (self.asked_at..=open_at).any(|from| {
            let due = due_from(from);
            if self.is_whole {
                return self.misses_nothing(&due, is_over);
            }
            let mut due = due.iter();
            self.heard.iter().all(|heard| due.any(|change| change == heard))
        });
        let due = || due_from(self.asked_at);
        if fits { Ok(()) } else { Err(format!("heard {:?} of {:?}", self.heard, due())) }
    }
}

impl Bulletin {
    /// Whether all that was due was heard, in order, but for what the same said that came before:
    /// a change that waits to be read is not told again.
    fn misses_nothing(&self, due: &[Value], is_over: bool) -> bool {
        let mut heard_count = 0;
        for change in due {
            match self.heard.get(heard_count) {
                Some(heard) if heard == change => heard_count += 1,
                None if !is_over => {}
                _ if self.heard[..heard_count].contains(change) => {}
                _ => return false,
            }
        }
        heard_count == self.heard.len()
    }
}

impl Script for Bulletin {
    fn next(&mut self, message: &Value) -> Result<(), String> {
        self.heard.push(message.clone());
        Ok(())
    }

    fn opened(&mut self, announced_count: usize) {
        self.open_at.get_or_insert(announced_count);
    }
}

/// A change as a client is told of it.
fn told(change: &Change) -> Value {
    match change {
        Change::ResourceUpdated(uri) => {
            json!({"jsonrpc": "2.0", "method": change.method(), "params": {"uri": **uri}})
        }
        _ => json!({"jsonrpc": "2.0", "method": change.method()}),
    }
}
