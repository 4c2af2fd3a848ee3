//! One request until it is complete: sent, asked back, sent again with the answers.
//!
//! ```text
//! request ──complete──▶ result
//!   ▲  └──input_required──▶ answer each ─┐   modern: a new id, the answers, the state as it came
//!   └────────────────────────────────────┘   legacy: pages to visit first (-32042), then the same
//! ```
//!
//! Questions of a legacy server come within the answer (`exchange`) and are put to the same
//! attendant. Spec: MCP 2026-07-28 basic (multi round-trip requests); MCP 2025-11-25
//! client/elicitation (URL mode). Limits: `rounds_max`, `questions_max`.
//! Invariant: `requestState` goes back byte for byte, and only with the request that it came for.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::client::era::Era;
use crate::client::error::Failure;
use crate::client::exchange::{Audience, Posting};
use crate::client::message::RpcError;
use crate::client::question::{Abilities, Attendant, answer};
use crate::client::request::{Ask, LegacyStyle, ModernStyle, Outgoing};
use crate::client::session::{Client, ServerInfo, refusal};
use crate::client::tools::Event;

/// The methods that may be answered with questions.
const ASKING: &[&str] = &["tools/call", "prompts/get", "resources/read"];
const PAGES_FIRST: i64 = -32_042;
const INTERNAL_ERROR: i64 = -32_603;
/// Pauses before a request whose answer asked for nothing but another try: none, then these.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

impl Client {
    /// Sends a request, and again with answers as often as the server asks for them.
    pub(super) fn ask(
        &mut self,
        ask: Ask,
        attendant: &mut dyn Attendant,
    ) -> Result<Box<RawValue>, Failure> {
        let limits = self.exchanger.options().limits;
        let (method, mut next) = (ask.method, ask.clone());
        for round in 0..=limits.rounds_max {
            match self.request(next, attendant) {
                Ok(result) => {
                    let Some(asked) = self.asked_back(method, &result)? else { return Ok(result) };
                    if round == limits.rounds_max {
                        break;
                    }
                    next = self.answered(&ask, asked, round, attendant)?;
                }
                Err(Failure::Rpc(error))
                    if error.code == PAGES_FIRST && round < limits.rounds_max =>
                {
                    if !self.visited(&error, attendant) {
                        return Err(Failure::Rpc(error));
                    }
                    next = ask.clone();
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(Failure::TooManyRounds { method, limit_count: limits.rounds_max })
    }

    /// What a result asks for; `None` if it is complete, or of a kind that others know.
    fn asked_back(
        &self,
        method: &'static str,
        result: &RawValue,
    ) -> Result<Option<AskedBack>, Failure> {
        let malformed = |detail: String| Failure::Malformed { method, detail };
        if self.server.era == Era::Legacy || !ASKING.contains(&method) {
            return Ok(None);
        }
        let kind: Kind =
            serde_json::from_str(result.get()).map_err(|error| malformed(error.to_string()))?;
        if kind.result_type.as_deref() != Some("input_required") {
            return Ok(None);
        }
        let asked: AskedBack =
            serde_json::from_str(result.get()).map_err(|error| malformed(error.to_string()))?;
        if asked.requests.is_none() && asked.state.is_none() {
            let detail = "it requires input, and has neither inputRequests nor requestState";
            return Err(malformed(detail.to_owned()));
        }
        let limit_count = self.exchanger.options().limits.questions_max;
        if asked.requests.as_ref().is_some_and(|requests| requests.len() > limit_count) {
            return Err(Failure::TooMany { method, what: "questions", limit_count });
        }
        Ok(Some(asked))
    }

    /// The request with the answers to what was asked.
    fn answered(
        &self,
        ask: &Ask,
        asked: AskedBack,
        round: usize,
        attendant: &mut dyn Attendant,
    ) -> Result<Ask, Failure> {
        let mut next = ask.clone();
        let requests = asked.requests.unwrap_or_default();
        if requests.is_empty() && round > 0 {
            let doubled = u32::try_from(round - 1).unwrap_or(u32::MAX).min(16);
            let wait = RETRY_PAUSE.saturating_mul(1 << doubled);
            self.exchanger.pause(wait.min(self.exchanger.options().limits.reconnect_wait_max))?;
        }
        let mut responses = Map::new();
        for (key, request) in requests {
            let malformed = |error: serde_json::Error| Failure::Malformed {
                method: ask.method,
                detail: format!("inputRequests.{key}: {error}"),
            };
            let InputRequest { method: wanted, params } =
                serde_json::from_value(request).map_err(malformed)?;
            let params =
                params.map(|params| to_raw_value(&params)).transpose().map_err(malformed)?;
            let abilities = self.exchanger.options().abilities;
            let response = answer(&wanted, params.as_deref(), abilities, attendant);
            let response = response.map_err(|reason| Failure::NotAnswered {
                method: ask.method,
                asked: wanted,
                reason: Box::new(reason),
            })?;
            responses.insert(key, response);
        }
        if !responses.is_empty() {
            next.params.insert("inputResponses".to_owned(), Value::Object(responses));
        }
        if let Some(state) = asked.state {
            next.params.insert("requestState".to_owned(), Value::String(state));
        }
        Ok(next)
    }

    /// Whether every page was visited that a legacy server wants visited before it goes on.
    fn visited(&self, error: &RpcError, attendant: &mut dyn Attendant) -> bool {
        let options = self.exchanger.options();
        let pages = error.data.as_ref().and_then(|data| data.get("elicitations")?.as_array());
        let Some(pages) = pages.filter(|pages| {
            self.server.era == Era::Legacy
                && options.abilities.url
                && (1..=options.limits.questions_max).contains(&pages.len())
        }) else {
            return false;
        };
        let only_pages = Abilities { url: true, ..Abilities::default() };
        pages.iter().all(|page| {
            let Ok(params) = to_raw_value(page) else { return false };
            let answered = answer("elicitation/create", Some(&params), only_pages, attendant);
            answered.is_ok_and(|answered| {
                answered.get("action").is_some_and(|action| action == "accept")
            })
        })
    }

    /// Sends a request; opens a legacy session that the server has ended anew, once.
    pub(super) fn request(
        &mut self,
        ask: Ask,
        attendant: &mut dyn Attendant,
    ) -> Result<Box<RawValue>, Failure> {
        match self.post_ask(ask.clone(), attendant) {
            Err(Failure::SessionEnded) => {
                self.session = None;
                self.handshake(None)?;
                self.post_ask(ask, attendant)
            }
            outcome => outcome,
        }
    }

    /// Sends a request in the style of the era, under an id of its own.
    pub(super) fn post_ask(
        &mut self,
        mut ask: Ask,
        attendant: &mut dyn Attendant,
    ) -> Result<Box<RawValue>, Failure> {
        let (id, method) = (self.take_id(), ask.method);
        ask.id = id;
        let outgoing = self.outgoing(ask);
        let legacy = self.server.legacy_style(self.session.as_deref());
        let offers = self.exchanger.options().abilities != Abilities::default();
        if let (Some(style), true, true) = (legacy, offers, ASKING.contains(&method)) {
            self.exchanger.open_side(style);
        }
        let repeatable = method != "tools/call";
        let posting = Posting { outgoing: &outgoing, awaited: Some(id), legacy, repeatable };
        let options = self.exchanger.options();
        let mut audience = Attending {
            attendant,
            id,
            abilities: options.abilities,
            questions_left: options.limits.questions_max,
        };
        let reply = self.exchanger.post(posting, &mut audience)?;
        match reply.outcome {
            Some(Ok(result)) => Ok(result),
            _ if reply.head.status == 404 && self.session.is_some() => Err(Failure::SessionEnded),
            _ => Err(refusal(reply, method)),
        }
    }

    /// A request in the style of the era.
    pub(super) fn outgoing(&self, ask: Ask) -> Outgoing {
        if let Some(style) = self.server.legacy_style(self.session.as_deref()) {
            return style.request(ask);
        }
        let (server, options) = (&self.server, self.exchanger.options());
        let logs = server.offers("logging");
        let style = ModernStyle {
            revision: &server.revision,
            client: &options.identity,
            log_level: options.log_level.filter(|_| logs),
            abilities: options.abilities,
        };
        style.request(ask)
    }
}

impl ServerInfo {
    /// How messages of the legacy era are written to it; `None` in the modern one.
    pub(super) fn legacy_style<'a>(&'a self, session: Option<&'a str>) -> Option<LegacyStyle<'a>> {
        let style = LegacyStyle { revision: Some(&self.revision), session };
        (self.era == Era::Legacy).then_some(style)
    }
}

/// The attendant of one request, as its audience.
struct Attending<'a> {
    attendant: &'a mut dyn Attendant,
    id: u64,
    abilities: Abilities,
    questions_left: usize,
}

impl Audience for Attending<'_> {
    fn told(&mut self, method: String, params: Option<Box<RawValue>>) -> Result<(), Failure> {
        if let Some(event) = Event::of(method, params.as_deref(), self.id) {
            self.attendant.on_event(event);
        }
        Ok(())
    }

    fn asked(&mut self, method: &str, params: Option<&RawValue>) -> Result<Value, RpcError> {
        let Some(left) = self.questions_left.checked_sub(1) else {
            let message = "too many questions within one request".to_owned();
            return Err(RpcError { code: INTERNAL_ERROR, message, data: None });
        };
        self.questions_left = left;
        answer(method, params, self.abilities, self.attendant)
    }
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "resultType")]
    result_type: Option<String>,
}

#[derive(Deserialize)]
struct AskedBack {
    #[serde(rename = "inputRequests")]
    requests: Option<Map<String, Value>>,
    #[serde(rename = "requestState")]
    state: Option<String>,
}

#[derive(Deserialize)]
struct InputRequest {
    method: String,
    params: Option<Value>,
}

#[cfg(test)]
mod tests;
