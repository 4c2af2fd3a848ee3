//! What must hold after every run, whatever went wrong in it. Faults are told in words.
//!
//! An answer that came whole must be the right one, always. Whether it had to come depends on what
//! the client did: one that was cut off, or that let the server wait too long, may miss some.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use ringlane::base::time::{Deadline, Now};
use ringlane::serve::connection::CloseReason;
use serde_json::Value;

use crate::answers::Answer;
use crate::faults::{CutKind, Plan};
use crate::model::{Ask, CallFacts, Closing, Formats, Payload, Progress, Wanted};
use crate::net::{Ended, Link, Log};
use crate::schema;
use crate::tools::{End, Entry};

/// The longest pause of a client that never fails an exchange.
const PATIENCE: Duration = Duration::from_secs(5);
/// After which pause every time limit of the server has struck.
const LONG: Duration = Duration::from_secs(60);
/// The server's own limits of time.
const IDLE: Duration = Duration::from_secs(60);
const FIRST_BYTE: Duration = Duration::from_secs(10);
const BODY: Duration = Duration::from_secs(300);
const STALL: Duration = Duration::from_secs(30);
const LINGER: Duration = Duration::from_secs(2);
/// Within which time a call must have ended whose client went away.
const CANCEL_WITHIN: Duration = Duration::from_secs(3);
/// Beyond this much sent ahead a server may not see that its client went away.
const AHEAD_BYTES_MAX: usize = 48 * 1024;

/// When the server began to drain and to cancel, if it did.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drain {
    pub(crate) drained_at: Option<Now>,
    pub(crate) cancelled_at: Option<Now>,
}

/// The faults of one connection.
pub(crate) fn of_connection(link: &Link, drain: Drain, ledger: &[Entry]) -> Vec<String> {
    let log = link.log.borrow();
    let judge = Judge { plan: &link.plan, log: &log, drain, ledger };
    let mut faults = log.faults.clone();
    if faults.is_empty() {
        judge.answers(&mut faults);
        judge.completeness(&mut faults);
        judge.calls(&mut faults);
        judge.end(&mut faults);
    }
    faults.into_iter().map(|fault| format!("connection {}: {fault}", link.index)).collect()
}

struct Judge<'a> {
    plan: &'a Plan,
    log: &'a Log,
    drain: Drain,
    ledger: &'a [Entry],
}

impl Judge<'_> {
    /// Each answer is that of its request.
    fn answers(&self, faults: &mut Vec<String>) {
        for (index, (answer, ask)) in self.log.answers.iter().zip(&self.plan.asks).enumerate() {
            let cancelled = self.drain.cancelled_at.is_some_and(|at| at <= answer.at);
            let excuse = cancelled || self.may_time_out(index);
            let out_of_time = answer.status == 408 && answer.closes && excuse;
            let cut_short = answer.status == 400 && answer.closes && self.is_cut_short(index);
            if out_of_time || cut_short {
                continue;
            }
            if self.must_time_out(index) {
                faults.push(format!("request {index} stalled and got {}", answer.status));
            }
            if let Err(fault) = self.answer(answer, ask) {
                faults.push(format!("answer {index}: {fault}"));
            }
            let drains = self.drain.drained_at.is_some_and(|at| at <= answer.at);
            match ask.closing {
                Closing::Always if !answer.closes => {
                    faults.push(format!("answer {index} keeps a connection that must end"));
                }
                Closing::Never if answer.closes && !drains => {
                    faults.push(format!("answer {index} ends a connection that must live"));
                }
                _ => {}
            }
        }
    }

    fn answer(&self, answer: &Answer, ask: &Ask) -> Result<(), String> {
        match &ask.wanted {
            Wanted::Status(statuses) if statuses.contains(&answer.status) => Ok(()),
            Wanted::Status(statuses) => Err(format!("{} is none of {statuses:?}", answer.status)),
            Wanted::Error { id, code, status } => {
                let message: Value =
                    serde_json::from_slice(&answer.body).map_err(|e| e.to_string())?;
                check_schema(ask, std::slice::from_ref(&message))?;
                let told = (&message["id"], message["error"]["code"].as_i64(), answer.status);
                if told == (id, Some(*code), *status) {
                    Ok(())
                } else {
                    Err(format!("{told:?} is not {:?}", (id, code, status)))
                }
            }
            Wanted::Response { id, payload, formats, progress } => {
                if answer.status != 200 {
                    return Err(format!("status {}", answer.status));
                }
                let mut messages = messages(answer, *formats)?;
                check_schema(ask, &messages)?;
                let response = messages.pop().ok_or("no message")?;
                let is_stream = answer.content_type.as_deref() != Some("application/json");
                check_progress(&messages, progress.filter(|_| is_stream))?;
                if response["id"] != *id || response["jsonrpc"] != "2.0" {
                    return Err(format!("id {} is not {id}", response["id"]));
                }
                let cancelled = self.drain.cancelled_at.is_some_and(|at| at <= answer.at);
                if cancelled && response["error"]["code"] == -32603 {
                    return Ok(());
                }
                check_payload(&response, payload)?;
                let whole = progress.is_some_and(|it| it.waits && it.count > 0);
                if whole && formats.sse | formats.ndjson && !is_stream {
                    return Err("progress was not told".to_owned());
                }
                if let Some(Progress { count, waits: true, .. }) = progress.filter(|_| is_stream)
                    && messages.len() as u64 != count
                {
                    return Err(format!("{} of {count} steps were told", messages.len()));
                }
                Ok(())
            }
        }
    }

    /// Every request that had to be answered was.
    fn completeness(&self, faults: &mut Vec<String>) {
        let log = self.log;
        let excused = log.cut_at.is_some()
            || self.plan.reading.stall.is_some_and(|(_, pause)| pause >= LONG / 2)
            || log.ended == Some(Ended::Reset) && (self.drains() || !self.is_prompt());
        if excused {
            return;
        }
        if log.has_partial {
            faults.push("an answer ends in its middle".to_owned());
        }
        let closed = log.answers.last().is_some_and(|answer| answer.closes);
        let must = (0..self.plan.asks.len()).take_while(|&index| self.had_to_answer(index)).count();
        if !closed && log.answers.len() < must {
            faults.push(format!("{} answers to {must} requests", log.answers.len()));
        }
        if closed && log.ended.is_none() {
            faults.push("the connection lives on after an answer that closes".to_owned());
        }
    }

    /// Whether the server had the whole request while it served, and time for it.
    fn had_to_answer(&self, index: usize) -> bool {
        let Some(delivered) = self.log.delivered[index] else { return false };
        if self.plan.stall.is_some_and(|(place, pause)| pause > PATIENCE && place.ask <= index) {
            return self.must_time_out(index);
        }
        let Some(drained_at) = self.drain.drained_at else { return true };
        let before = index.checked_sub(1);
        let was_next = before.is_none_or(|before| {
            self.log.answers.get(before).is_some_and(|answer| answer.at < drained_at)
        });
        delivered < drained_at && was_next
    }

    fn drains(&self) -> bool {
        self.drain.drained_at.is_some()
    }

    fn is_prompt(&self) -> bool {
        self.plan.reading.is_prompt(self.plan.windows)
    }

    /// Whether the client let the server wait for this request, or for its own answers.
    fn may_time_out(&self, index: usize) -> bool {
        let stalled = self.plan.stall.is_some_and(|(place, pause)| {
            pause > PATIENCE && place.ask == index && place.offset > 0
        });
        stalled || self.plan.reading.stall.is_some()
    }

    /// Whether this request can only be answered with 408.
    fn must_time_out(&self, index: usize) -> bool {
        let ask = &self.plan.asks[index];
        let in_the_middle = self.plan.stall.is_some_and(|(place, pause)| {
            pause > LONG && place.ask == index && place.offset > 0 && place.offset < ask.bytes.len()
        });
        let before = &self.plan.asks[..index];
        let lasts: Duration = before.iter().filter_map(|ask| ask.call).map(|call| call.lasts).sum();
        in_the_middle
            && matches!(ask.wanted, Wanted::Response { .. })
            && self.plan.reading.stall.is_none()
            && lasts < PATIENCE
            && !self.drains()
    }

    /// Whether the client ended its side in the middle of this request.
    fn is_cut_short(&self, index: usize) -> bool {
        self.plan.cut.is_some_and(|cut| {
            let Some(ask) = self.plan.asks.get(index) else { return false };
            cut.kind == CutKind::End && cut.place.ask == index && cut.place.offset < ask.bytes.len()
        })
    }

    /// What became of the calls: each ran at most once, and ended as its era has it.
    fn calls(&self, faults: &mut Vec<String>) {
        for (index, ask) in self.plan.asks.iter().enumerate() {
            let Some(facts) = ask.call else { continue };
            let mut entries = self.ledger.iter().filter(|entry| entry.tag == facts.tag);
            let entry = entries.next();
            if entries.next().is_some() {
                faults.push(format!("request {index} ran twice"));
            }
            let answered = self.log.answers.get(index).is_some_and(|it| it.status == 200);
            match entry {
                None if answered => faults.push(format!("request {index} was answered unrun")),
                None => {}
                Some(entry) => {
                    let after: usize =
                        self.plan.asks[index + 1..].iter().map(|ask| ask.bytes.len()).sum();
                    if let Some(fault) = self.call(entry, facts, ask, after) {
                        faults.push(format!("request {index}: {fault}"));
                    }
                }
            }
        }
    }

    fn call(
        &self,
        entry: &Entry,
        facts: CallFacts,
        ask: &Ask,
        sent_ahead_bytes: usize,
    ) -> Option<&'static str> {
        let Some((ended_at, end)) = entry.ended else { return Some("its handler never ended") };
        let fails = matches!(&ask.wanted, Wanted::Response { payload: Payload::Error(_), .. });
        let stalled = self.plan.reading.stall.is_some_and(|(_, pause)| pause >= LONG / 2);
        let cancelled = self.drain.cancelled_at.is_some_and(|at| at <= ended_at);
        if fails || stalled || cancelled {
            return None;
        }
        let cut_at = self.log.cut_at.filter(|_| facts.is_modern);
        match (end, cut_at) {
            (End::Dropped, None) => Some("its handler was dropped"),
            (_, Some(cut_at)) if sent_ahead_bytes < AHEAD_BYTES_MAX => {
                let until = Now(cut_at.0.max(entry.started.0)).after(CANCEL_WITHIN);
                (Deadline(ended_at.0) > until).then_some("its handler ran on after its client left")
            }
            _ => None,
        }
    }

    /// For how long the server may go on after the client did its last.
    fn patience(&self) -> Duration {
        let calls = self.plan.asks.iter().filter_map(|ask| ask.call);
        let left = self.log.cut_at.is_some();
        let goes_on = |call: &CallFacts| !(left && call.is_modern);
        let lasts: Duration = calls.filter(goes_on).map(|call| call.lasts).sum();
        let sent_bytes: usize = self.plan.asks.iter().map(|ask| ask.bytes.len()).sum();
        if left && sent_bytes < AHEAD_BYTES_MAX {
            return lasts + CANCEL_WITHIN;
        }
        let earned = Duration::from_millis(2 * sent_bytes as u64).min(BODY);
        lasts + earned + IDLE + STALL + LINGER
    }

    /// The connection ended, and in time.
    fn end(&self, faults: &mut Vec<String>) {
        let Some((ended_at, reason)) = self.log.server_ended else {
            faults.push("the server never ended it".to_owned());
            return;
        };
        let silence = ended_at.since(self.log.last_active);
        let patience = self.patience();
        if silence > patience {
            faults.push(format!("{reason:?}: it lived {silence:?} after its client, {patience:?}"));
        }
        if let Some(cancelled_at) = self.drain.cancelled_at
            && ended_at.since(cancelled_at) > CANCEL_WITHIN
        {
            let late = ended_at.since(cancelled_at);
            faults.push(format!("{reason:?}: it lived {late:?} after all was cancelled"));
        }
        let (since, idle_min) = match self.log.last_written {
            Some(written) => (written, IDLE),
            None => (self.log.opened, FIRST_BYTE),
        };
        let idle = ended_at.since(since);
        if reason == CloseReason::Idle && idle < idle_min {
            faults.push(format!("it was idle for {idle:?} alone"));
        }
        if reason == CloseReason::Drained && !self.drains() {
            faults.push("it was drained while the server served".to_owned());
        }
    }
}

/// Holds messages against the official schema of the revision that was spoken.
fn check_schema(ask: &Ask, messages: &[Value]) -> Result<(), String> {
    let Some(asked) = &ask.asked else { return Ok(()) };
    let check = || messages.iter().for_each(|message| schema::check_message(asked, message));
    catch_unwind(AssertUnwindSafe(check)).map_err(|_| "breaks its revision's schema".to_owned())
}

/// The messages of an answer in a format that the client takes.
fn messages(answer: &Answer, formats: Formats) -> Result<Vec<Value>, String> {
    let text = std::str::from_utf8(&answer.body).map_err(|e| e.to_string())?;
    let json = |text: &str| serde_json::from_str(text).map_err(|e| format!("{e} in {text:?}"));
    match answer.content_type.as_deref() {
        Some("application/json") if formats.json => Ok(vec![json(text)?]),
        Some("text/event-stream") if formats.sse => {
            let text = text.strip_suffix("\n\n").ok_or("an event without end")?;
            let events = text.split("\n\n").filter(|event| *event != ":");
            events
                .map(|event| json(event.strip_prefix("data: ").ok_or("an event without data")?))
                .collect()
        }
        Some("application/x-ndjson") if formats.ndjson => {
            let text = text.strip_suffix('\n').ok_or("a line without end")?;
            text.split('\n').filter(|line| !line.is_empty()).map(json).collect()
        }
        other => Err(format!("content type {other:?}")),
    }
}

/// Progress rises, and carries its token.
fn check_progress(messages: &[Value], progress: Option<Progress>) -> Result<(), String> {
    let mut before = 0;
    for message in messages {
        let Some(Progress { token, count, .. }) = progress else {
            return Err(format!("nobody asked for {message}"));
        };
        let params = &message["params"];
        let step = params["progress"].as_u64().unwrap_or_default();
        let sound = message["method"] == "notifications/progress"
            && params["progressToken"] == token
            && step > before
            && step <= count;
        if !sound {
            return Err(format!("{message} after step {before}"));
        }
        before = step;
    }
    Ok(())
}

fn check_payload(response: &Value, payload: &Payload) -> Result<(), String> {
    let text = &response["result"]["content"][0]["text"];
    let fails = response["result"]["isError"] == true;
    let fits = match payload {
        Payload::Text(expected) => text == expected && !fails,
        Payload::Failure(expected) => text == expected && fails,
        Payload::Error(code) => response["error"]["code"] == *code,
        Payload::Member(name) => !response["result"][name].is_null(),
    };
    if fits {
        return Ok(());
    }
    let mut shown = response.to_string();
    shown.truncate(shown.floor_char_boundary(200));
    Err(format!("{shown} is another's answer"))
}
