//! What goes wrong with a request under load, by kind, with a sample of each.
//!
//! Limits: `SAMPLE_BYTES_MAX`.

/// Bytes of a sample.
const SAMPLE_BYTES_MAX: usize = 300;

/// What is wrong with an answer, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FaultKind {
    /// No connection.
    Connect,
    /// The connection ended before the answer.
    Closed,
    /// No answer in time.
    Timeout,
    /// Due while as many as may wait did.
    Refused,
    /// Due, or wanted by `--requests`, and never sent.
    Unsent,
    /// Not HTTP, or bytes that nobody asked for.
    Framing,
    /// Another HTTP status than expected.
    Status,
    /// A body that is neither JSON nor events.
    Media,
    /// No JSON-RPC message, or no result of a tool.
    Json,
    /// The answer to another request, or a second one.
    Id,
    /// A JSON-RPC error.
    Rpc,
    /// The tool says that it failed.
    Tool,
    /// The tool asks something first, or became a task.
    Incomplete,
    /// Another text than expected.
    Text,
    /// A stream that ended without an answer, or a document where a stream was asked for.
    Stream,
    /// A call that was answered, or a stream that ended, while it was to be held.
    Held,
}

impl FaultKind {
    /// Its name in reports, which scripts compare.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Closed => "closed",
            Self::Timeout => "timeout",
            Self::Refused => "refused",
            Self::Unsent => "unsent",
            Self::Framing => "framing",
            Self::Status => "status",
            Self::Media => "content-type",
            Self::Json => "json",
            Self::Id => "id",
            Self::Rpc => "rpc-error",
            Self::Tool => "tool-error",
            Self::Incomplete => "incomplete",
            Self::Text => "text",
            Self::Stream => "stream",
            Self::Held => "held",
        }
    }

    /// Whether the server was asked at all, so that it may have cost something.
    pub(super) const fn reached_the_server(self) -> bool {
        !matches!(self, Self::Connect | Self::Refused | Self::Unsent)
    }

    /// What happened, for people.
    pub(super) const fn in_words(self) -> &'static str {
        match self {
            Self::Connect => "no connection",
            Self::Closed => "the server closed the connection before it had answered",
            Self::Timeout => "no answer in time",
            Self::Refused => {
                "due while too many waited already: --rate is too much for the server, or for so \
                 few --connections"
            }
            Self::Unsent => {
                "never sent: the server is gone, or --rate is too much for it or for so few \
                 --connections"
            }
            Self::Framing => "not HTTP/1.1",
            Self::Status => "another HTTP status than expected",
            Self::Media => "neither application/json nor text/event-stream",
            Self::Json => "no JSON-RPC message, or no result of a tool",
            Self::Id => "the id is not the one that was asked",
            Self::Rpc => "a JSON-RPC error",
            Self::Tool => "the tool says that it failed",
            Self::Incomplete => "the tool did not complete",
            Self::Text => "another text than expected",
            Self::Stream => "a stream was expected, and the answer at its end",
            Self::Held => {
                "what was to be held ended before the run: for calls, give a --tool that takes \
                 longer than --duration"
            }
        }
    }
}

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// What was seen of it.
    pub(super) sample: String,
}

impl Fault {
    pub(super) fn new(kind: FaultKind, sample: impl AsRef<str>) -> Self {
        let sample = sample.as_ref();
        let end = sample.floor_char_boundary(SAMPLE_BYTES_MAX.min(sample.len()));
        let mut kept = sample.get(..end).unwrap_or_default().to_owned();
        if end < sample.len() {
            kept.push_str(" ...");
        }
        Self { kind, sample: kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_bounded_between_letters() {
        let long = "ä".repeat(SAMPLE_BYTES_MAX);
        let sample = Fault::new(FaultKind::Text, &long).sample;
        assert_eq!(sample, format!("{} ...", "ä".repeat(SAMPLE_BYTES_MAX / 2)));
        let whole = "x".repeat(SAMPLE_BYTES_MAX);
        assert_eq!(Fault::new(FaultKind::Text, &whole).sample, whole);
    }
}
