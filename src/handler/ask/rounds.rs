//! The questions and answers of one call, and how a call of the modern era ends with questions.
//!
//! In: what the request brought (`inputResponses`, `requestState`); what the handler asks, by key.
//! Out: answers by key; the result that says `input_required`, with every open question.
//! Spec: MCP 2026-07-28 basic/patterns/mrtr. Limits: `ask_rounds_max`, `KEY_BYTES_MAX`.
//! Invariant: an answer that an earlier round brought stands; only answers that were used travel
//! on.

use serde_json::{Map, Value, json};

use super::AskLimits;
use super::binding::Binding;
use super::state::{Stamp, State};
use crate::handler::answer::{Finished, Outcome};
use crate::handler::error::ToolError;
use crate::jsonrpc::encode;
use crate::jsonrpc::error::{INVALID_PARAMS, RpcError};
use crate::jsonrpc::view::View;
use crate::mcp::error;
use crate::session::seal::Sealer;

/// How long a key may be.
const KEY_BYTES_MAX: usize = 128;

/// What a key names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Question,
    Work,
}

/// The questions and answers of one call.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    /// What earlier rounds brought.
    state: State,
    /// What this request brought, not looked at yet.
    fresh: Map<String, Value>,
    /// What was named since the handler runs.
    named: Vec<(Named, String)>,
    open: Vec<OpenQuestion>,
}

#[derive(Debug)]
struct OpenQuestion {
    key: String,
    method: &'static str,
    params: Value,
}

impl Rounds {
    /// What a request brings to its call; `None` when it brings nothing.
    ///
    /// # Errors
    /// The error with which the request is refused before its handler runs.
    pub(in crate::handler) fn read(
        params: Option<View<'_>>,
        binding: &Binding,
        sealer: &Sealer,
        limits: &AskLimits,
        unix_seconds: u64,
    ) -> Result<Option<Box<Self>>, RpcError> {
        let member = |name: &str| params.and_then(|params| params.get(name));
        let (responses, token) = (member("inputResponses"), member("requestState"));
        if responses.is_none() && token.is_none() {
            return Ok(None);
        }
        let fresh = match responses {
            None => Map::new(),
            Some(view) if view.is_object() => view.deserialize().map_err(error::invalid_params)?,
            Some(_) => return Err(error::invalid_params("inputResponses must be an object")),
        };
        let state = match token.map(View::as_str) {
            None => State::default(),
            Some(None) => return Err(error::invalid_params("requestState must be a string")),
            Some(Some(token)) => State::open(token, binding, sealer, limits, unix_seconds)?,
        };
        Ok(Some(Box::new(Self { state, fresh, ..Self::default() })))
    }

    /// Takes a key for one question, or one piece of work, of this run.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub(super) fn name(&mut self, what: Named, key: &str) -> Result<(), &'static str> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX {
            return Err("a key has 1 to 128 bytes");
        }
        // A handler that asked in a loop would be given the same answer for ever.
        if self.named.iter().any(|(named, taken)| *named == what && taken == key) {
            return Err("the key is used already: give each question of a call its own");
        }
        self.named.push((what, key.to_owned()));
        Ok(())
    }

    /// What the client answered, if it did.
    pub(super) fn answer(&self, key: &str) -> Option<Value> {
        self.state.answers.get(key).or_else(|| self.fresh.get(key)).cloned()
    }

    /// Keeps an answer for the rounds to come: it was found to be one.
    pub(super) fn keep(&mut self, key: &str) {
        if let Some(answer) = self.fresh.remove(key) {
            self.state.answers.entry(key).or_insert(answer);
        }
    }

    /// What work gave that was done in an earlier round.
    pub(super) fn done(&self, key: &str) -> Option<Value> {
        self.state.once.get(key).cloned()
    }

    /// Keeps what work gave.
    pub(super) fn set_done(&mut self, key: &str, value: Value) {
        self.state.once.insert(key.to_owned(), value);
    }

    /// Opens a question.
    pub(super) fn open(&mut self, key: &str, method: &'static str, params: Value) {
        self.open.push(OpenQuestion { key: key.to_owned(), method, params });
    }

    /// Closes a question that nobody waits for any more.
    pub(super) fn close(&mut self, key: &str) {
        self.open.retain(|question| question.key != key);
    }

    /// Whether the handler waits for answers.
    pub(in crate::handler) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The end of a call that waits for answers: its questions, and its state sealed.
    pub(in crate::handler) fn finish(
        &mut self,
        binding: &Binding,
        sealer: &Sealer,
        limits: &AskLimits,
        unix_seconds: u64,
    ) -> Finished {
        if self.state.round >= limits.ask_rounds_max {
            let most = limits.ask_rounds_max;
            let text = format!(
                "Invalid params: the call asked {most} times (ask_rounds_max) and still lacks \
                 answers; call again without requestState, and answer every question"
            );
            return Err(ToolError::rpc(INVALID_PARAMS, text));
        }
        self.state.round += 1;
        let stamp = Stamp::after(unix_seconds, limits.state_life);
        let token = self.state.seal(stamp, binding, sealer, limits)?;
        let mut out = br#""inputRequests":{"#.to_vec();
        for (index, OpenQuestion { key, method, params }) in self.open.iter().enumerate() {
            encode::comma_unless_first(&mut out, index);
            encode::string(&mut out, key);
            out.push(b':');
            encode::serialize(&mut out, &json!({"method": method, "params": params}));
        }
        out.extend_from_slice(br#"},"requestState":"#);
        encode::string(&mut out, &token);
        // Serialised JSON is UTF-8.
        let json = String::from_utf8(out).unwrap_or_default();
        Ok(Outcome::Members { result_type: "input_required", json })
    }
}
