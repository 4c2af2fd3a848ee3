//! A client that answers what it is asked, in tests.
//!
//! In: a result that says `input_required`, or one question of a stream. Out: the answers that its
//! retry brings, or the one that is posted.
//! Spec: MCP 2026-07-28 basic/patterns/mrtr.

use std::fmt;

use serde_json::{Map, Value};

/// How many times one call is answered and sent again.
pub(super) const ROUNDS_MAX: usize = 10;

/// Whoever answers.
pub(super) struct Answering(Box<dyn FnMut(&Value) -> Value>);

impl Answering {
    pub(super) fn new(answer: impl FnMut(&Value) -> Value + 'static) -> Self {
        Self(Box::new(answer))
    }

    /// The answer to one question.
    pub(super) fn answer(&mut self, question: &Value) -> Value {
        (self.0)(question)
    }

    /// The answers to what a result asks, by key; `None` if it asks nothing.
    pub(super) fn answers(&mut self, result: &Value) -> Option<Value> {
        if result["resultType"] != "input_required" {
            return None;
        }
        let asked = result["inputRequests"].as_object().into_iter().flatten();
        let answers = asked.map(|(key, question)| (key.clone(), (self.0)(question)));
        Some(Value::Object(answers.collect::<Map<_, _>>()))
    }
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").finish_non_exhaustive()
    }
}
