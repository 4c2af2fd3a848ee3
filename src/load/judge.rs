//! Whether an answer is right: its bytes and the id that was asked in, a verdict out.
//!
//! Each answer is read fully, unless it is, but for its id, byte for byte one that was read fully
//! and found right. So checking costs a comparison as long as a server answers alike.
//! Invariant: what passes by comparison would pass by reading. The id stands once in the known
//! answer; where it stands more often the answer is not kept.
//! Not here: HTTP's framing (`response`), counting (`tally`).

use serde_json::value::RawValue;

use crate::client::message::{Message, parse_messages};
use crate::client::tools::{CallResult, Completion};
use crate::load::fault::{Fault, FaultKind};
use crate::load::request::{ID_DIGITS, ID_FIXED, digits};

/// What the text of a right answer is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TextRule {
    /// Any, also none.
    #[default]
    Any,
    /// This one.
    Equals(String),
    /// One that holds this.
    Contains(String),
}

impl TextRule {
    fn allows(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Equals(whole) => text == whole,
            Self::Contains(part) => text.contains(part.as_str()),
        }
    }
}

/// What a message of a stream is to the call that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Something on the way: progress, a log message.
    Notice,
    /// The answer, and it is right.
    Answer,
}

/// Judges the answers to one kind of call.
#[derive(Debug)]
pub(super) struct Judge {
    text: TextRule,
    known: Option<KnownAnswer>,
}

/// An answer that was read and found right.
#[derive(Debug)]
struct KnownAnswer {
    bytes: Vec<u8>,
    /// Where its id stands; `None` where all have the same.
    id_start: Option<usize>,
}

impl KnownAnswer {
    fn of(bytes: &[u8], id: u64) -> Option<Self> {
        if id == ID_FIXED {
            return Some(Self { bytes: bytes.to_vec(), id_start: None });
        }
        let digits = digits(id);
        let id_start = memchr::memmem::find(bytes, &digits)?;
        let alone = memchr::memmem::rfind(bytes, &digits) == Some(id_start);
        alone.then(|| Self { bytes: bytes.to_vec(), id_start: Some(id_start) })
    }

    fn is_alike(&self, bytes: &[u8], id: u64) -> bool {
        let Some(id_start) = self.id_start else { return id == ID_FIXED && bytes == self.bytes };
        let id_end = id_start + ID_DIGITS;
        bytes.len() == self.bytes.len()
            && bytes.get(..id_start) == self.bytes.get(..id_start)
            && bytes.get(id_start..id_end) == Some(&digits(id))
            && bytes.get(id_end..) == self.bytes.get(id_end..)
    }
}

impl Judge {
    pub(super) fn new(text: TextRule) -> Self {
        Self { text, known: None }
    }

    /// Judges a document, or the data of an event, that comes while the call `id` waits.
    pub(super) fn call(&mut self, bytes: &[u8], id: u64) -> Result<Heard, Fault> {
        if self.known.as_ref().is_some_and(|known| known.is_alike(bytes, id)) {
            return Ok(Heard::Answer);
        }
        let Some(result) = result_of(bytes, id)? else { return Ok(Heard::Notice) };
        self.result(result)?;
        self.known = KnownAnswer::of(bytes, id);
        Ok(Heard::Answer)
    }

    fn result(&self, result: Box<RawValue>) -> Result<(), Fault> {
        let text = result.get().to_owned();
        let result = CallResult::parse(result)
            .map_err(|error| Fault::new(FaultKind::Json, format!("{error}: {text}")))?;
        if let Completion::Other(kind) = &result.completion {
            return Err(Fault::new(FaultKind::Incomplete, kind));
        }
        if result.is_error {
            return Err(Fault::new(FaultKind::Tool, &text));
        }
        let texts = result.content.iter().filter_map(|block| block.get("text")?.as_str());
        let texts: Vec<&str> = texts.collect();
        if !self.text.allows(&texts.join("\n")) {
            return Err(Fault::new(FaultKind::Text, &text));
        }
        Ok(())
    }
}

/// Judges the answer to a request whose result may be any: the result, or `None` for a message that
/// answers nothing.
pub(super) fn result_of(bytes: &[u8], id: u64) -> Result<Option<Box<RawValue>>, Fault> {
    let shown = || String::from_utf8_lossy(bytes).into_owned();
    let mut messages = Vec::new();
    parse_messages(bytes, &mut messages)
        .map_err(|error| Fault::new(FaultKind::Json, format!("{error}: {}", shown())))?;
    let mut result = None;
    for message in messages {
        let Message::Response { id: answered, outcome } = message else { continue };
        let outcome = outcome.map_err(|error| Fault::new(FaultKind::Rpc, error.to_string()))?;
        if answered != id {
            return Err(Fault::new(FaultKind::Id, format!("asked {id}: {}", shown())));
        }
        if result.replace(outcome).is_some() {
            return Err(Fault::new(FaultKind::Id, format!("answered twice: {}", shown())));
        }
    }
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: u64 = 123_456_789;

    fn answer(id: &str, result: &str) -> String {
        format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
    }

    fn text(text: &str) -> String {
        format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#)
    }

    fn judged(judge: &mut Judge, bytes: &str, id: u64) -> Result<Heard, FaultKind> {
        judge.call(bytes.as_bytes(), id).map_err(|fault| fault.kind)
    }

    #[test]
    fn every_way_to_be_wrong_has_its_kind() {
        let right = text("hello");
        let error = r#"{"jsonrpc":"2.0","id":123456789,"error":{"code":-32603,"message":"no"}}"#;
        let table = [
            (answer("123456789", &right), Ok(Heard::Answer)),
            (answer("123456788", &right), Err(FaultKind::Id)),
            (answer("\"123456789\"", &right), Err(FaultKind::Id)),
            (answer("null", &right), Err(FaultKind::Id)),
            (error.to_owned(), Err(FaultKind::Rpc)),
            (answer("123456789", &text("hullo")), Err(FaultKind::Text)),
            (answer("123456789", "{}"), Err(FaultKind::Text)),
            (answer("123456789", "[]"), Err(FaultKind::Json)),
            (answer("123456789", r#"{"isError":true,"content":[]}"#), Err(FaultKind::Tool)),
            (answer("123456789", r#"{"resultType":"input_required"}"#), Err(FaultKind::Incomplete)),
            ("{}".to_owned(), Err(FaultKind::Json)),
            ("<html>".to_owned(), Err(FaultKind::Json)),
            (String::new(), Err(FaultKind::Json)),
            (r#"{"method":"notifications/progress"}"#.to_owned(), Ok(Heard::Notice)),
        ];
        for (bytes, expected) in table {
            let mut judge = Judge::new(TextRule::Equals("hello".to_owned()));
            assert_eq!(judged(&mut judge, &bytes, ID), expected, "{bytes}");
        }
        let twice = format!("[{0},{0}]", answer("123456789", &right));
        assert_eq!(judged(&mut Judge::new(TextRule::Any), &twice, ID), Err(FaultKind::Id));
    }

    #[test]
    fn comparing_lets_nothing_pass_that_reading_would_not() {
        let mut judge = Judge::new(TextRule::Contains("ell".to_owned()));
        let right = answer("123456789", &text("hello"));
        assert_eq!(judged(&mut judge, &right, ID), Ok(Heard::Answer));
        assert!(judge.known.is_some());
        let next = right.replace("123456789", "123456790");
        assert_eq!(judged(&mut judge, &next, ID + 1), Ok(Heard::Answer));
        assert_eq!(judged(&mut judge, &right, ID + 1), Err(FaultKind::Id), "an old answer");
        assert_eq!(
            judged(&mut judge, &next.replace("hello", "hexxo"), ID + 1),
            Err(FaultKind::Text)
        );
        assert_eq!(judged(&mut judge, &next.replace("2.0\"", "2.0\" "), ID + 1), Ok(Heard::Answer));
        assert_eq!(judged(&mut judge, &answer("1", &text("hello")), ID_FIXED), Ok(Heard::Answer));
        assert_eq!(judged(&mut judge, &answer("1", &text("hello")), ID_FIXED), Ok(Heard::Answer));
        assert_eq!(judged(&mut judge, &answer("1", &text("hello")), ID), Err(FaultKind::Id));
        // The id stands twice: which of them must follow the next id is not known.
        let told = answer("123456789", &text("hello 123456789"));
        assert_eq!(judged(&mut judge, &told, ID), Ok(Heard::Answer));
        assert!(judge.known.is_none());
    }
}
