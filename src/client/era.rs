//! Which era a server speaks: its answer to a probe in, a `Verdict` out.
//!
//! The probe is a modern `server/discover`. States:
//!
//! ```text
//! offered ──result, shared revision──▶ Modern
//!    │ ──-32022, shared revision──▶ repeated (once) ──▶ Modern, or GiveUp
//!    │ ──anything a legacy server could have said──▶ Legacy (POST initialize)
//!    └ ──401, 403, 429, 5xx──▶ no verdict: an obstacle or an outage, not an era
//! ```
//!
//! Spec: MCP 2026-07-28 basic/lifecycle; no single error code triggers the fallback.
//! Not here: sending anything (`session`).

use serde::Deserialize;

use crate::client::message::RpcError;
use crate::mcp::error;
pub use crate::mcp::revision::Era;
use crate::mcp::revision::Revision;

/// The modern revisions this client speaks, newest first.
pub const MODERN_REVISIONS: &[&str] = &Revision::MODERN_NAMES;

/// The legacy revisions this client speaks, newest first. The last one never had Streamable HTTP;
/// servers that name it in a handshake over HTTP exist, and their tools work the same.
pub const LEGACY_REVISIONS: &[&str] = &Revision::LEGACY_NAMES;

/// The codes as clients compare them: a server's may be any number.
const UNSUPPORTED_REVISION: i64 = error::UNSUPPORTED_VERSION as i64;
pub(crate) const HEADER_MISMATCH: i64 = error::HEADER_MISMATCH as i64;

/// Which eras a client may use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EraChoice {
    /// Probe for the modern era first, fall back to the handshake.
    #[default]
    Auto,
    /// The modern era or nothing.
    Modern,
    /// The handshake, without a probe.
    Legacy,
}

/// What came back for a probe.
#[derive(Clone, Copy, Debug)]
pub struct ProbeAnswer<'a> {
    /// The HTTP status.
    pub status: u16,
    /// The JSON-RPC outcome in the body: the result's text or the error; `None` for a foreign body.
    pub outcome: Option<Result<&'a str, &'a RpcError>>,
}

/// What to do after a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Speak the modern era at this revision.
    Modern {
        /// The newest revision both ends speak.
        revision: &'static str,
    },
    /// Probe once more at this revision.
    Repeat {
        /// The revision to offer.
        revision: &'static str,
    },
    /// POST `initialize`.
    Legacy,
    /// No revision in common, and no handshake could help.
    GiveUp {
        /// What the server says it speaks.
        supported: Vec<String>,
    },
    /// 401 or 403: says nothing of eras.
    Unauthorized,
    /// The server is not in a state to answer: says nothing of eras.
    Outage,
}

/// The probe of one server: what was offered, and whether that was the second try.
#[derive(Clone, Debug)]
pub struct Probe {
    spoken: &'static [&'static str],
    offered: &'static str,
    repeated: bool,
}

impl Probe {
    /// A probe that offers the newest of `spoken`, which is not empty.
    #[must_use]
    pub fn new(spoken: &'static [&'static str]) -> Self {
        Self { spoken, offered: spoken.first().copied().unwrap_or_default(), repeated: false }
    }

    /// The revision that the next probe request names.
    #[must_use]
    pub fn offered(&self) -> &'static str {
        self.offered
    }

    /// Judges an answer.
    pub fn judge(&mut self, answer: ProbeAnswer<'_>) -> Verdict {
        match (answer.status, answer.outcome) {
            (401 | 403, _) => Verdict::Unauthorized,
            (429 | 500.., _) => Verdict::Outage,
            (_, Some(Err(error))) if error.code == UNSUPPORTED_REVISION => {
                self.judge_unsupported(error)
            }
            (200, Some(Ok(result))) => self.judge_result(result),
            // Other modern errors included: legacy servers use the same codes for their own ends,
            // and a modern server that refused a probe like ours will refuse the handshake as well.
            _ => Verdict::Legacy,
        }
    }

    fn judge_result(&self, result: &str) -> Verdict {
        let discovered = serde_json::from_str::<DiscoverResult>(result).unwrap_or_default();
        match self.shared(&discovered.supported_versions) {
            Some(revision) => Verdict::Modern { revision },
            None => Verdict::Legacy,
        }
    }

    fn judge_unsupported(&mut self, error: &RpcError) -> Verdict {
        let supported = supported_of(error);
        if let Some(revision) = self.shared(&supported) {
            if self.repeated {
                return Verdict::GiveUp { supported };
            }
            self.repeated = true;
            self.offered = revision;
            return Verdict::Repeat { revision };
        }
        if supported.is_empty() || supported.iter().any(|revision| is_legacy(revision)) {
            Verdict::Legacy
        } else {
            Verdict::GiveUp { supported }
        }
    }

    fn shared(&self, supported: &[String]) -> Option<&'static str> {
        self.spoken.iter().copied().find(|ours| supported.iter().any(|theirs| theirs == ours))
    }
}

/// Revisions are dates, and dates sort as text.
fn is_legacy(revision: &str) -> bool {
    let first_modern = MODERN_REVISIONS.last().copied().unwrap_or_default();
    revision < first_modern
}

fn supported_of(error: &RpcError) -> Vec<String> {
    let listed = error.data.as_ref().and_then(|data| data.get("supported")?.as_array());
    listed
        .into_iter()
        .flatten()
        .filter_map(|revision| revision.as_str().map(str::to_owned))
        .collect()
}

#[derive(Default, Deserialize)]
struct DiscoverResult {
    #[serde(default, rename = "supportedVersions")]
    supported_versions: Vec<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn error(code: i64, data: Value) -> RpcError {
        RpcError { code, message: "no".to_owned(), data: Some(data) }
    }

    fn modern() -> Verdict {
        Verdict::Modern { revision: "2026-07-28" }
    }

    fn give_up(supported: &[&str]) -> Verdict {
        Verdict::GiveUp { supported: supported.iter().map(|&text| text.to_owned()).collect() }
    }

    #[test]
    fn results_are_judged_by_the_revisions_they_share() {
        let table = [
            (r#"{"supportedVersions":["2026-07-28"]}"#, modern()),
            (r#"{"supportedVersions":["2031-01-01","2026-07-28","2025-11-25"]}"#, modern()),
            (r#"{"supportedVersions":["2025-11-25"]}"#, Verdict::Legacy),
            (r#"{"supportedVersions":["2031-01-01"]}"#, Verdict::Legacy),
            (r#"{"supportedVersions":"2026-07-28"}"#, Verdict::Legacy),
            (r#"{"tools":[]}"#, Verdict::Legacy),
        ];
        for (result, expected) in table {
            let answer = ProbeAnswer { status: 200, outcome: Some(Ok(result)) };
            assert_eq!(Probe::new(MODERN_REVISIONS).judge(answer), expected, "{result}");
        }
    }

    #[test]
    fn errors_are_judged_by_code_and_status() {
        let unsupported =
            |supported: Value| error(UNSUPPORTED_REVISION, json!({"supported": supported}));
        let table = [
            (400, unsupported(json!(["2026-07-28"])), Verdict::Repeat { revision: "2026-07-28" }),
            (200, unsupported(json!(["2026-07-28"])), Verdict::Repeat { revision: "2026-07-28" }),
            (400, unsupported(json!(["2031-01-01"])), give_up(&["2031-01-01"])),
            (400, unsupported(json!(["2025-11-25", "2025-06-18"])), Verdict::Legacy),
            (400, unsupported(json!(["2031-01-01", "2025-06-18"])), Verdict::Legacy),
            (400, unsupported(json!([])), Verdict::Legacy),
            (400, error(UNSUPPORTED_REVISION, Value::Null), Verdict::Legacy),
            (400, error(HEADER_MISMATCH, Value::Null), Verdict::Legacy),
            (400, error(-32_021, Value::Null), Verdict::Legacy),
            (400, error(-32_602, Value::Null), Verdict::Legacy),
            (404, error(-32_601, Value::Null), Verdict::Legacy),
            (200, error(-32_601, Value::Null), Verdict::Legacy),
            (400, error(-32_000, Value::Null), Verdict::Legacy),
            (401, error(-32_000, Value::Null), Verdict::Unauthorized),
            (503, error(-32_000, Value::Null), Verdict::Outage),
        ];
        for (status, error, expected) in table {
            let answer = ProbeAnswer { status, outcome: Some(Err(&error)) };
            let judged = Probe::new(MODERN_REVISIONS).judge(answer);
            assert_eq!(judged, expected, "{status} {error:?}");
        }
    }

    #[test]
    fn foreign_bodies_are_judged_by_status() {
        let table = [
            (400, Verdict::Legacy),
            (404, Verdict::Legacy),
            (405, Verdict::Legacy),
            (200, Verdict::Legacy),
            (202, Verdict::Legacy),
            (401, Verdict::Unauthorized),
            (403, Verdict::Unauthorized),
            (429, Verdict::Outage),
            (500, Verdict::Outage),
            (503, Verdict::Outage),
        ];
        for (status, expected) in table {
            let answer = ProbeAnswer { status, outcome: None };
            assert_eq!(Probe::new(MODERN_REVISIONS).judge(answer), expected, "{status}");
        }
    }

    #[test]
    fn a_probe_is_repeated_once_at_the_shared_revision() {
        const SPOKEN: &[&str] = &["2027-01-01", "2026-07-28"];
        let mut probe = Probe::new(SPOKEN);
        assert_eq!(probe.offered(), "2027-01-01");
        let refusal = error(UNSUPPORTED_REVISION, json!({"supported": ["2026-07-28"]}));
        let refused = ProbeAnswer { status: 400, outcome: Some(Err(&refusal)) };
        assert_eq!(probe.judge(refused), Verdict::Repeat { revision: "2026-07-28" });
        assert_eq!(probe.offered(), "2026-07-28");
        assert_eq!(probe.judge(refused), give_up(&["2026-07-28"]));
    }
}
