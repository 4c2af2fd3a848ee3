//! What goes wrong between a client and a server: what happened, where, and what to do about it.
//!
//! Display names the server and the failure; [`ClientError::fix`] names the way out where there is
//! one, [`ClientError::added`] what the server said beside it. Values of arguments and of sent
//! fields appear in none of ours.

use std::time::Duration;

use serde_json::Value;

use crate::base::fault::Fault;
use crate::client::answer::AnswerError;
use crate::client::connection::ConnectionError;
use crate::client::endpoint::EndpointError;
use crate::client::message::RpcError;
use crate::client::question::REFUSED;

/// A failure, and the server it happened with.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {failure}")]
pub struct ClientError {
    /// The server's URL.
    pub url: String,
    /// What happened. Boxed, since most results are none.
    pub failure: Box<Failure>,
}

/// What happened.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The URL cannot be called.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// The way to the server or back is broken.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// What came back is not MCP.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// The server answered with a JSON-RPC error.
    #[error(transparent)]
    Rpc(#[from] RpcError),
    /// The server sent the client elsewhere. Credentials must not follow blindly.
    #[error("the server redirects ({status}) to {location}")]
    Redirected {
        /// 3xx.
        status: u16,
        /// Where to.
        location: String,
    },
    /// 401 or 403.
    #[error("the server refuses access ({status}{})", shown(.challenge))]
    Unauthorized {
        /// The status.
        status: u16,
        /// `WWW-Authenticate`.
        challenge: String,
    },
    /// 429 or 5xx.
    #[error("the server is not able to answer ({status}{})", shown(.excerpt))]
    Outage {
        /// The status.
        status: u16,
        /// `Retry-After` in whole seconds, if given so.
        retry_after: Option<Duration>,
        /// How the body begins.
        excerpt: String,
    },
    /// Any other status without a JSON-RPC error.
    #[error("the server answered {method} with status {status}{}", shown(.excerpt))]
    Refused {
        /// What was asked.
        method: &'static str,
        /// The status.
        status: u16,
        /// How the body begins.
        excerpt: String,
    },
    /// It understood neither a modern request nor the handshake.
    #[error("this is no MCP endpoint: server/discover got {probe}, initialize got {handshake}")]
    NeitherEra {
        /// What the modern probe got.
        probe: String,
        /// What the handshake got.
        handshake: String,
    },
    /// Only the modern era was allowed.
    #[error("the server does not speak the modern era: server/discover got {probe}")]
    NotModern {
        /// What the modern probe got.
        probe: String,
    },
    /// The server speaks MCP, in revisions unknown here.
    #[error("no revision in common: the server speaks {}", .supported.join(", "))]
    NoSharedRevision {
        /// What the server says it speaks.
        supported: Vec<String>,
    },
    /// The session is gone (404), twice in a row.
    #[error("the server ended the session")]
    SessionEnded,
    /// The answer ended before the response came.
    #[error("the answer to {method} ended without a response")]
    NoResponse {
        /// What was asked.
        method: &'static str,
    },
    /// The server wants its client to wait longer than that will.
    #[error("the server goes on in {wait:?}, and {limit:?} is the longest wait")]
    LongWait {
        /// What it wants.
        wait: Duration,
        /// What is waited for at most.
        limit: Duration,
    },
    /// The server does not do this at all.
    #[error("the server offers no {what}")]
    NotOffered {
        /// What it does not do.
        what: &'static str,
    },
    /// The server asked something, in the modern era, that could not be answered.
    #[error("{method} asks {asked}, which was not answered: {reason}")]
    NotAnswered {
        /// What was asked of the server.
        method: &'static str,
        /// What the server asked for.
        asked: String,
        /// Why it got no answer.
        reason: Box<RpcError>,
    },
    /// The server answered with questions, again and again.
    #[error("{method} asked {limit_count} times and did not complete")]
    TooManyRounds {
        /// What was asked of the server.
        method: &'static str,
        /// The limit.
        limit_count: usize,
    },
    /// A result that is not what its method promises.
    #[error("the result of {method} is malformed: {detail}")]
    Malformed {
        /// What was asked.
        method: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// A list without end.
    #[error("{method} has more than {limit_count} {what}")]
    TooMany {
        /// What was asked.
        method: &'static str,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit_count: usize,
    },
}

impl ClientError {
    /// What the caller can do about it, where there is something.
    #[must_use]
    pub fn fix(&self) -> Option<String> {
        self.failure.fix()
    }

    /// The `data` of the server's error, unless its message says the same.
    #[must_use]
    pub fn added(&self) -> Option<&Value> {
        let Failure::Rpc(error) = self.failure.as_ref() else { return None };
        error.data.as_ref().filter(|data| !is_repeated(data, &error.message))
    }

    /// Whose fault it is.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match *self.failure {
            Failure::Endpoint(_) => Fault::Local,
            _ => Fault::Upstream,
        }
    }
}

impl Failure {
    fn fix(&self) -> Option<String> {
        let fix = match self {
            Self::Endpoint(error) => error.fix(),
            Self::Connection(error) => error.fix()?,
            Self::Answer(error) => error.fix(),
            Self::Redirected { .. } => "call the new address itself if you trust it",
            Self::Unauthorized { status: 403, .. } => {
                "the credentials do not suffice, or the server does not answer to this Host or \
                 Origin"
            }
            Self::Unauthorized { .. } => "send an Authorization header",
            Self::Outage { retry_after: Some(wait), .. } => {
                return Some(format!("try again in {} s", wait.as_secs()));
            }
            Self::Outage { .. } => "try again later",
            Self::NeitherEra { .. } => {
                "check the path; the HTTP+SSE transport of 2024-11-05 is not supported"
            }
            Self::NotModern { .. } => "allow the legacy era",
            Self::NoSharedRevision { .. } => "use a newer client, or an older one",
            Self::LongWait { .. } => "call again later, if calling twice does no harm",
            Self::NotAnswered { reason, .. } if reason.code == REFUSED => return None,
            Self::NotAnswered { .. } => {
                "the server may only ask for what the client offers: offer more, or have the \
                 server ask for less"
            }
            Self::TooManyRounds { .. } => "give other answers",
            Self::SessionEnded | Self::NoResponse { .. } => {
                "call again, if calling twice does no harm"
            }
            Self::NotOffered { .. } => "`ls` shows what the server has",
            Self::Rpc(_) | Self::Refused { .. } | Self::Malformed { .. } | Self::TooMany { .. } => {
                return None;
            }
        };
        Some(fix.to_owned())
    }
}

/// Whether all that `data` holds are faults whose rules stand in the message: so our own server
/// tells which arguments are wrong.
fn is_repeated(data: &Value, message: &str) -> bool {
    let only = data.as_object().filter(|members| members.len() == 1);
    let faults = only.and_then(|members| members.get("errors")?.as_array());
    faults.is_some_and(|faults| {
        let rules = faults.iter().map(|fault| fault.get("rule").and_then(Value::as_str));
        rules.into_iter().all(|rule| rule.is_some_and(|rule| message.contains(rule)))
    })
}

fn shown(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {detail}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_server_adds_is_told_unless_its_message_says_it() {
        let added = |data: Value| {
            let message = "Invalid arguments:\n- `a` is required. Fix: add `a`.".to_owned();
            let error = RpcError { code: -32_602, message, data: Some(data) };
            let failure = Box::new(Failure::Rpc(error));
            ClientError { url: "http://h/mcp".to_owned(), failure }.added().is_some()
        };
        let fault = |rule: &str| json!({"field": "a", "rule": rule, "fix": "add `a`"});
        let table = [
            (json!({"errors": [fault("is required")]}), false),
            (json!({"errors": [fault("is required"), fault("is odd")]}), true),
            (json!({"errors": [fault("is required")], "more": 1}), true),
            (json!({"errors": "is required"}), true),
            (json!({"uri": "a:b"}), true),
            (json!("is required"), true),
        ];
        for (data, expected) in table {
            assert_eq!(added(data.clone()), expected, "{data}");
        }
    }
}
