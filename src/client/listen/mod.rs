//! Notifications as they come, until somebody interrupts: a stream, held, and opened again.
//!
//! ```text
//! open ──stands──▶ told, told, ... ──ends──▶ pause ──▶ open    legacy: resumed by Last-Event-ID
//!   └──will never stand──▶ failure              │              modern: begun anew, nothing resumed
//! interrupted anywhere ──▶ done                 └─ what the server wants, else growing
//! ```
//!
//! Spec: MCP 2026-07-28 basic/subscriptions; MCP 2025-11-25 basic/transports (GET, resumption,
//! polling) and server/resources (subscribe). Limits: `reconnects_max`, `reconnect_wait_max`.
//! Invariant: no two tries without a pause between them; `retry` is waited for in full.

use std::ops::ControlFlow;
use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::client::answer::AnswerDecoder;
use crate::client::connection::{Connection, ConnectionError, ReplyHead};
use crate::client::era::Era;
use crate::client::error::{ClientError, Failure};
use crate::client::exchange::{Audience, Reply, read_refusal, refuse_redirection};
use crate::client::request::{Ask, LegacyStyle};
use crate::client::session::{Client, ServerInfo, object, refusal};
use crate::client::tools::Event;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const DOUBLINGS_MAX: u32 = 16;
const ACKNOWLEDGED: &str = "notifications/subscriptions/acknowledged";
const INTERNAL_ERROR: i64 = -32_603;

/// What a listener hears.
#[derive(Clone, Copy, Debug)]
pub enum Heard<'h> {
    /// The stream stands: at the beginning, and whenever it was lost.
    Standing {
        /// What the server will tell of (modern era).
        honoured: Option<&'h Value>,
    },
    /// A notification.
    Notification {
        /// Its method.
        method: &'h str,
        /// Its params, as written.
        params: Option<&'h RawValue>,
    },
    /// The stream is gone. It is opened again; in the modern era what happens meanwhile is not
    /// told.
    Lost {
        /// Why.
        reason: &'h str,
        /// After so long.
        wait: Duration,
    },
}

/// Takes what is heard, and says when it is enough.
pub type Listener<'l> = &'l mut dyn FnMut(Heard<'_>) -> ControlFlow<()>;

/// Where a stream stands.
#[derive(Debug, Default)]
struct Position {
    last_event_id: Option<String>,
    retry: Option<Duration>,
    /// The session is gone: there must be another before anything else.
    renew: bool,
}

/// How an open stream ended.
enum End {
    /// The server closed it, and wants to be asked again: no news.
    Polled,
    /// Anything else.
    Lost(String),
}

impl Client {
    /// Listens to what the server tells of itself, and of these resources, until interrupted
    /// (`Waits`) or told that it is enough.
    ///
    /// # Errors
    /// `ClientError`: the server offers nothing to listen to, refuses, or stays away.
    pub fn listen(&mut self, uris: &[String], hear: Listener<'_>) -> Result<(), ClientError> {
        match self.listen_on(uris, hear) {
            Err(Failure::Connection(error)) if error.is_interruption() => Ok(()),
            outcome => outcome.map_err(|failure| self.error(failure)),
        }
    }

    fn listen_on(&mut self, uris: &[String], hear: Listener<'_>) -> Result<(), Failure> {
        let limits = self.exchanger.options().limits;
        let filter = filter(&self.server, uris)?;
        if self.server.era == Era::Legacy {
            self.subscribe(uris)?;
        }
        let (mut position, mut failed) = (Position::default(), 0);
        let mut ear = Ear { hear, standing: false, untold: true };
        loop {
            ear.standing = false;
            let attempt = match self.server.era {
                Era::Modern => self.hear_modern(&filter, &mut position, &mut ear),
                Era::Legacy => self.hear_legacy(uris, &mut position, &mut ear),
            };
            let lost = match attempt {
                Ok(end) => {
                    failed = 0;
                    end
                }
                Err(failure) if passes(&failure) => {
                    failed += 1;
                    if failed > limits.reconnects_max {
                        return Err(failure);
                    }
                    End::Lost(failure.to_string())
                }
                Err(failure) => return Err(failure),
            };
            let doublings = u32::try_from(failed).unwrap_or(u32::MAX).saturating_sub(1);
            let doubled = FIRST_PAUSE.saturating_mul(1 << doublings.min(DOUBLINGS_MAX));
            let wait = position.retry.unwrap_or(doubled.min(limits.reconnect_wait_max));
            if let End::Lost(reason) = lost {
                ear.untold = true;
                ear.say(Heard::Lost { reason: &reason, wait })?;
            }
            self.exchanger.pause(wait)?;
        }
    }

    /// One subscription, from its request to its end.
    fn hear_modern(
        &mut self,
        filter: &Map<String, Value>,
        position: &mut Position,
        ear: &mut Ear<'_>,
    ) -> Result<End, Failure> {
        const METHOD: &str = "subscriptions/listen";
        let id = self.take_id();
        let params = object(json!({"notifications": filter}));
        let outgoing = self.outgoing(Ask { id, method: METHOD, params, ..Ask::default() });
        let (mut connection, head) = self.exchanger.fetch("POST", &outgoing)?;
        let mut decoder = self.begin_stream(&mut connection, head, METHOD)?;
        let exchanger = &mut self.exchanger;
        let read = exchanger.read_messages(&mut connection, &mut decoder, Some(id), None, ear);
        position.retry = decoder.retry();
        match read {
            Ok(Some(Ok(_))) => Ok(End::Lost("the server ended the stream".to_owned())),
            Ok(Some(Err(error))) => Err(Failure::Rpc(error)),
            Ok(None) if !ear.standing => Err(Failure::NoResponse { method: METHOD }),
            read => ended(read.map(|_| ()), ear.standing),
        }
    }

    /// One stream of a session, from its GET to its end.
    fn hear_legacy(
        &mut self,
        uris: &[String],
        position: &mut Position,
        ear: &mut Ear<'_>,
    ) -> Result<End, Failure> {
        if position.renew {
            self.session = None;
            self.handshake(None)?;
            *position = Position::default();
            self.subscribe(uris)?;
        }
        let revision = Some(self.server.revision.as_str());
        let style = LegacyStyle { revision, session: self.session.as_deref() };
        let outgoing = style.bare(position.last_event_id.as_deref());
        let (mut connection, head) = self.exchanger.fetch("GET", &outgoing)?;
        match head.status {
            404 if self.session.is_some() => {
                position.renew = true;
                return Err(Failure::SessionEnded);
            }
            404 | 405 | 501 => return Err(Failure::NotOffered { what: "stream of notifications" }),
            // The server forgot the event, or what came since, or it has nothing left to tell on
            // that stream. Either way the next is begun without it.
            status @ (204 | 400 | 410) if position.last_event_id.take().is_some() => {
                let reason = match status {
                    204 => "nothing is left of the stream",
                    _ => "the server cannot resume the stream",
                };
                return Ok(End::Lost(reason.to_owned()));
            }
            _ => {}
        }
        let mut decoder = self.begin_stream(&mut connection, head, "GET")?;
        ear.stand(None)?;
        let exchanger = &mut self.exchanger;
        let read = exchanger.read_messages(&mut connection, &mut decoder, None, Some(style), ear);
        position.retry = decoder.retry();
        if let Some(id) = decoder.last_event_id() {
            position.last_event_id = Some(id.to_owned());
        }
        if read.is_ok() && position.retry.is_some() && position.last_event_id.is_some() {
            return Ok(End::Polled);
        }
        ended(read.map(|_| ()), true)
    }

    /// The decoder of an answer that is a stream.
    fn begin_stream(
        &self,
        connection: &mut Connection,
        head: ReplyHead,
        method: &'static str,
    ) -> Result<AnswerDecoder, Failure> {
        refuse_redirection(&head)?;
        if head.status != 200 {
            let reply: Reply = read_refusal(connection, head);
            return Err(refusal(reply, method));
        }
        let bytes_max = self.exchanger.options().limits.message_bytes_max;
        Ok(AnswerDecoder::new(&head.content_type, bytes_max)?)
    }

    fn subscribe(&mut self, uris: &[String]) -> Result<(), Failure> {
        for uri in uris {
            let params = object(json!({"uri": uri}));
            let ask = Ask { method: "resources/subscribe", params, ..Ask::default() };
            self.request(ask, &mut |_: Event| {})?;
        }
        Ok(())
    }
}

/// What to ask a server to tell: all changes that it declares, and these resources.
fn filter(server: &ServerInfo, uris: &[String]) -> Result<Map<String, Value>, Failure> {
    let declares = |capability: &str, what: &str| {
        let capability = server.capabilities.get(capability);
        capability.and_then(|members| members.get(what)) == Some(&Value::Bool(true))
    };
    let mut filter = Map::new();
    let changes = [
        ("toolsListChanged", "tools"),
        ("resourcesListChanged", "resources"),
        ("promptsListChanged", "prompts"),
    ];
    for (member, capability) in changes {
        if declares(capability, "listChanged") {
            filter.insert(member.to_owned(), true.into());
        }
    }
    if !uris.is_empty() {
        if !declares("resources", "subscribe") {
            return Err(Failure::NotOffered { what: "updates of resources" });
        }
        filter.insert("resourceSubscriptions".to_owned(), uris.into());
    }
    if filter.is_empty() && server.era == Era::Modern {
        return Err(Failure::NotOffered { what: "notifications of changes" });
    }
    Ok(filter)
}

/// How a stream ended that is to be opened again; a failure if it never stood or makes no sense.
fn ended(read: Result<(), Failure>, stood: bool) -> Result<End, Failure> {
    match read {
        Ok(()) => Ok(End::Lost("the server closed the stream".to_owned())),
        Err(Failure::Connection(ConnectionError::Closed)) if stood => {
            let reason = "the server closed the connection in the midst of the stream";
            Ok(End::Lost(reason.to_owned()))
        }
        Err(Failure::Connection(error)) if stood && !error.is_interruption() => {
            Ok(End::Lost(error.to_string()))
        }
        Err(failure) => Err(failure),
    }
}

/// Whether another try may go better.
fn passes(failure: &Failure) -> bool {
    match failure {
        Failure::Connection(error) => !error.is_interruption(),
        Failure::Rpc(error) => error.code == INTERNAL_ERROR,
        Failure::Outage { .. } | Failure::NoResponse { .. } | Failure::SessionEnded => true,
        _ => false,
    }
}

/// The listener, as the audience of a stream.
struct Ear<'l> {
    hear: Listener<'l>,
    /// Whether this stream stands.
    standing: bool,
    /// Whether the listener is to be told when it does.
    untold: bool,
}

impl Ear<'_> {
    /// Enough is an interruption like any other.
    fn say(&mut self, heard: Heard<'_>) -> Result<(), Failure> {
        match (self.hear)(heard) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(ConnectionError::Interrupted.into()),
        }
    }

    fn stand(&mut self, honoured: Option<&Value>) -> Result<(), Failure> {
        self.standing = true;
        if std::mem::take(&mut self.untold) {
            return self.say(Heard::Standing { honoured });
        }
        Ok(())
    }
}

impl Audience for Ear<'_> {
    fn told(&mut self, method: String, params: Option<Box<RawValue>>) -> Result<(), Failure> {
        if method == ACKNOWLEDGED {
            let params = params.map(|params| serde_json::from_str::<Value>(params.get()));
            let params = params.and_then(Result::ok).unwrap_or_default();
            return self.stand(params.get("notifications"));
        }
        self.say(Heard::Notification { method: &method, params: params.as_deref() })
    }
}

#[cfg(test)]
mod tests;
