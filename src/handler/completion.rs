//! Completion of an argument that somebody types: what is asked, and what a handler gives back.
//!
//! Spec: MCP 2026-07-28 server/utilities/completion. Limits: [`VALUES_MAX`].

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::answer::{Finished, members};
use super::code::{Code, Kind};
use super::context::Cx;
use super::error::ToolError;
use crate::jsonrpc::encode;
use crate::mcp::error;

/// How many values a completion carries; the protocol allows no more.
pub const VALUES_MAX: usize = 100;

/// An argument of a prompt, or a variable of a template, that somebody types.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completing {
    /// What was typed so far.
    pub value: String,
    /// The other arguments, as far as they are settled. Clients send them since 2025-06-18.
    pub arguments: BTreeMap<String, String>,
}

impl Completing {
    /// Those of `values` that begin with what was typed, whatever the case of its ASCII letters.
    pub fn among<'v>(&self, values: impl IntoIterator<Item = &'v str>) -> Vec<String> {
        let typed = self.value.as_bytes();
        let begins = |value: &&str| {
            value.as_bytes().get(..typed.len()).is_some_and(|it| it.eq_ignore_ascii_case(typed))
        };
        values.into_iter().filter(begins).map(str::to_owned).collect()
    }
}

/// What may be typed. Made of a list of texts, best first; the first hundred are sent, with how
/// many there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completions {
    /// The values, best first.
    pub values: Vec<String>,
    /// How many there are in all, if that is known; otherwise as many as `values` has.
    pub total: Option<u64>,
    /// Whether there are more than `values` has.
    pub more: bool,
}

impl<S: Into<String>> From<Vec<S>> for Completions {
    fn from(values: Vec<S>) -> Self {
        Self { values: values.into_iter().map(Into::into).collect(), total: None, more: false }
    }
}

impl Completions {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let count = self.values.len();
        let more = self.more || count > VALUES_MAX;
        let total = self.total.or((!self.more).then_some(count as u64));
        out.extend_from_slice(br#""completion":{"values":["#);
        for (index, value) in self.values.iter().take(VALUES_MAX).enumerate() {
            encode::comma_unless_first(out, index);
            encode::string(out, value);
        }
        out.push(b']');
        if let Some(total) = total {
            out.extend_from_slice(br#","total":"#);
            encode::unsigned(out, total);
        }
        out.extend_from_slice(br#","hasMore":"#);
        out.extend_from_slice(if more { b"true" } else { b"false" });
        out.push(b'}');
    }
}

/// What completes one argument.
#[derive(Debug)]
pub(crate) struct Completer {
    pub(crate) argument: String,
    pub(crate) code: Code<Typing>,
}

/// What the code of a completer is given.
pub(crate) enum Typing {}

impl Kind for Typing {
    type Given<'a> = Completing;
}

impl Completer {
    pub(super) fn new<R, F>(argument: String, handler: F) -> Self
    where
        R: Into<Completions> + 'static,
        F: AsyncFn(Cx, Completing) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let code = Code::new(move || {
            let handler = Rc::new(handler.clone());
            move |cx: Cx, typed: Completing| {
                let handler = handler.clone();
                Ok(async move { finish(handler(cx, typed).await) })
            }
        });
        Self { argument, code }
    }
}

fn finish(completed: Result<impl Into<Completions>, ToolError>) -> Finished {
    let not_found = || error::invalid_params(ToolError::NOT_FOUND);
    let completions: Completions = completed.map_err(|told| told.into_rpc(not_found))?.into();
    members(|out| completions.encode(out))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn written(completions: impl Into<Completions>) -> Value {
        let mut out = b"{".to_vec();
        completions.into().encode(&mut out);
        out.push(b'}');
        serde_json::from_slice::<Value>(&out).expect("JSON")["completion"].take()
    }

    #[test]
    fn a_hundred_values_are_sent_and_how_many_there_are() {
        let values = |count: usize| (0..count).map(|n| n.to_string()).collect::<Vec<_>>();
        let none = json!({"values": [], "total": 0, "hasMore": false});
        assert_eq!(written(values(0)), none);
        let (full, over) = (written(values(100)), written(values(101)));
        assert_eq!((&full["total"], &full["hasMore"]), (&json!(100), &json!(false)));
        assert_eq!((&over["total"], &over["hasMore"]), (&json!(101), &json!(true)));
        assert_eq!(over["values"].as_array().map(Vec::len), Some(VALUES_MAX));
        let page = Completions { values: values(1), total: None, more: true };
        assert_eq!(written(page), json!({"values": ["0"], "hasMore": true}));
        let page = Completions { values: values(1), total: Some(7), more: true };
        assert_eq!(written(page), json!({"values": ["0"], "total": 7, "hasMore": true}));
    }

    #[test]
    fn what_was_typed_narrows_the_values() {
        let typed = |value: &str| Completing { value: value.to_owned(), ..Completing::default() };
        let colours = ["red", "Green", "grey", "ä"];
        assert_eq!(typed("gr").among(colours), ["Green", "grey"]);
        assert_eq!(typed("").among(colours).len(), 4);
        assert!(typed("redder").among(colours).is_empty());
    }
}
