//! One exchange: a message posted, its answer read to the response, events told on the way.
//!
//! A legacy event stream may break off before the response and be resumed by its last event id; a
//! legacy server may ask something meanwhile, which is answered on a connection of its own.
//! Spec: MCP 2026-07-28 and 2025-11-25 basic/transports. Limits: `ClientLimits`.
//! Invariant: a call is never sent twice; a connection that went stale is noticed before sending.
//! Not here: what is sent and what the response means (`session`).

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::answer::AnswerDecoder;
use crate::client::connection::{Connection, ConnectionError, Piece, ReplyHead, Timeouts};
use crate::client::endpoint::Endpoint;
use crate::client::error::Failure;
use crate::client::message::{Message, RpcError, parse_messages};
use crate::client::options::ClientOptions;
use crate::client::request::{LegacyStyle, Outgoing};
use crate::client::side::Side;
use crate::client::waits::Pause;

const ACCEPT: &str = "application/json, text/event-stream";
const METHOD_NOT_FOUND: i64 = -32_601;
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
const EXCERPT_LETTERS_MAX: usize = 120;
/// How long the end of a body may lag behind the response in it.
const FINISH_PATIENCE: Duration = Duration::from_millis(200);
/// How long a server may take to end a session that its client has no more use for.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait before resuming where the server does not say.
const RESUME_WAIT_DEFAULT: Duration = Duration::from_secs(1);

/// What a response says.
pub(super) type Outcome = Result<Box<RawValue>, RpcError>;

/// Who takes what comes before the response.
pub(super) trait Audience {
    /// A notification came. An error ends the reading.
    fn told(&mut self, method: String, params: Option<Box<RawValue>>) -> Result<(), Failure>;

    /// The server asks something (legacy era).
    fn asked(&mut self, method: &str, _params: Option<&RawValue>) -> Result<Value, RpcError> {
        let message = format!("this client did not offer {method}");
        Err(RpcError { code: METHOD_NOT_FOUND, message, data: None })
    }
}

/// An audience for requests that nobody is told of.
pub(super) struct Nobody;

impl Audience for Nobody {
    fn told(&mut self, _: String, _: Option<Box<RawValue>>) -> Result<(), Failure> {
        Ok(())
    }
}

/// What came back for a posted message.
#[derive(Debug, Default)]
pub(super) struct Reply {
    /// The head.
    pub(super) head: ReplyHead,
    /// The response in the body, if there was one.
    pub(super) outcome: Option<Outcome>,
    /// How a body that is no JSON-RPC begins.
    pub(super) excerpt: String,
}

/// A request about to be posted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Posting<'a> {
    /// Fields and body.
    pub(super) outgoing: &'a Outgoing,
    /// The id of the response to wait for; `None` for a notification.
    pub(super) awaited: Option<u64>,
    /// How to resume and to answer the server, in a legacy session.
    pub(super) legacy: Option<LegacyStyle<'a>>,
    /// Whether the server may get it twice.
    pub(super) repeatable: bool,
}

/// Connects, posts and reads for one endpoint.
#[derive(Debug)]
pub(super) struct Exchanger {
    endpoint: Endpoint,
    options: ClientOptions,
    common: Vec<(String, String)>,
    connection: Option<Connection>,
    /// The session's own stream, where it is of use to a call.
    pub(super) side: Option<Side>,
}

impl Exchanger {
    pub(super) fn new(endpoint: Endpoint, options: ClientOptions) -> Self {
        let mut common = options.fields.clone();
        let has = |name: &str, fields: &[(String, String)]| {
            fields.iter().any(|(field, _)| field.eq_ignore_ascii_case(name))
        };
        if !has("accept", &common) {
            common.push(("Accept".to_owned(), ACCEPT.to_owned()));
        }
        let agent = format!("{}/{}", options.identity.name, options.identity.version);
        if !has("user-agent", &common) && agent.bytes().all(|byte| byte.is_ascii_graphic()) {
            common.push(("User-Agent".to_owned(), agent));
        }
        Self { endpoint, options, common, connection: None, side: None }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(super) fn options(&self) -> &ClientOptions {
        &self.options
    }

    /// Posts a message and reads its answer.
    pub(super) fn post(
        &mut self,
        posting: Posting<'_>,
        audience: &mut dyn Audience,
    ) -> Result<Reply, Failure> {
        let (mut connection, head) = self.begin("POST", posting, audience)?;
        refuse_redirection(&head)?;
        let reply = match (head.status, posting.awaited) {
            (200, Some(id)) => self.read_answer(&mut connection, head, id, posting, audience)?,
            _ => read_refusal(&mut connection, head),
        };
        connection.finish(FINISH_PATIENCE);
        self.connection = Some(connection);
        Ok(reply)
    }

    /// Ends a session. Whatever the server makes of it, it has been told.
    pub(super) fn delete(&mut self, outgoing: &Outgoing) {
        (self.connection, self.side) = (None, None);
        let options = &mut self.options;
        options.idle_timeout = options.idle_timeout.min(FAREWELL_TIMEOUT);
        options.connect_timeout = options.connect_timeout.min(FAREWELL_TIMEOUT);
        // Who interrupted it wants this as well.
        options.waits = std::mem::take(&mut options.waits).uninterrupted();
        // What goes wrong here concerns nobody any more.
        let _ = self.fetch("DELETE", outgoing);
    }

    fn open(&self) -> Result<Connection, ConnectionError> {
        let options = &self.options;
        let timeouts = Timeouts { connect: options.connect_timeout, idle: options.idle_timeout };
        Connection::open(&self.endpoint, timeouts, options.waits.clone())
    }

    /// Sends on the connection kept from before, if it still stands, else on a new one.
    fn begin(
        &mut self,
        method: &str,
        posting: Posting<'_>,
        audience: &mut dyn Audience,
    ) -> Result<(Connection, ReplyHead), Failure> {
        let Posting { outgoing, legacy, repeatable, .. } = posting;
        if let Some(mut kept) = self.connection.take().filter(Connection::is_reusable) {
            let sent = kept.send(method, &self.endpoint, &self.common, outgoing);
            if sent.is_ok() {
                self.hear_beside(&kept, legacy, audience)?;
            }
            match sent.and_then(|()| kept.receive_head()) {
                Ok(head) => return Ok((kept, head)),
                // The server closed it while the request was under way.
                Err(ConnectionError::Closed) if repeatable => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut connection = self.send_apart(method, outgoing)?;
        self.hear_beside(&connection, legacy, audience)?;
        let head = connection.receive_head()?;
        Ok((connection, head))
    }

    fn read_answer(
        &mut self,
        connection: &mut Connection,
        head: ReplyHead,
        id: u64,
        posting: Posting<'_>,
        audience: &mut dyn Audience,
    ) -> Result<Reply, Failure> {
        let limits = self.options.limits;
        let Ok(mut decoder) = AnswerDecoder::new(&head.content_type, limits.message_bytes_max)
        else {
            return Ok(read_refusal(connection, head));
        };
        let (mut resumes_left, mut resumed_after) = (limits.resumes_max, None::<String>);
        loop {
            let read =
                self.read_messages(connection, &mut decoder, Some(id), posting.legacy, audience);
            let unanswered = match read {
                Ok(Some(outcome)) => {
                    return Ok(Reply { head, outcome: Some(outcome), excerpt: String::new() });
                }
                Ok(None) => Ok(Reply { head: head.clone(), ..Reply::default() }),
                Err(Failure::Connection(error)) if !error.is_interruption() => Err(error.into()),
                Err(failure) => return Err(failure),
            };
            let last_event_id = decoder.last_event_id().map(str::to_owned);
            let (Some(style), Some(after)) = (posting.legacy, &last_event_id) else {
                return unanswered;
            };
            if last_event_id != resumed_after {
                resumes_left = limits.resumes_max;
            }
            let Some(left) = resumes_left.checked_sub(1) else { return unanswered };
            resumes_left = left;
            let wait = decoder.retry().unwrap_or(RESUME_WAIT_DEFAULT);
            let Some(resumed) = self.resume(&style.bare(Some(after)), wait)? else {
                return unanswered;
            };
            *connection = resumed;
            resumed_after = last_event_id;
            decoder = decoder.resumed();
        }
    }

    /// Waits as long as the server wants, and asks for the rest of an event stream; `None` if the
    /// server will not go on with it.
    fn resume(&self, resumption: &Outgoing, wait: Duration) -> Result<Option<Connection>, Failure> {
        let limits = self.options.limits;
        if wait > limits.resume_wait_max {
            return Err(Failure::LongWait { wait, limit: limits.resume_wait_max });
        }
        for _ in 0..limits.reconnects_max {
            self.pause(wait)?;
            match self.fetch("GET", resumption) {
                Ok((connection, head)) if head.status == 200 => return Ok(Some(connection)),
                // Both pass.
                Ok((_, head)) if matches!(head.status, 429 | 500..) => {}
                Ok(_) => return Ok(None),
                Err(error) if error.is_interruption() => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Sends a request on a connection of its own.
    pub(super) fn send_apart(
        &self,
        method: &str,
        outgoing: &Outgoing,
    ) -> Result<Connection, ConnectionError> {
        let mut connection = self.open()?;
        connection.send(method, &self.endpoint, &self.common, outgoing)?;
        Ok(connection)
    }

    /// Sends a request on a connection of its own, and receives the head of its answer.
    pub(super) fn fetch(
        &self,
        method: &str,
        outgoing: &Outgoing,
    ) -> Result<(Connection, ReplyHead), ConnectionError> {
        let mut connection = self.send_apart(method, outgoing)?;
        let head = connection.receive_head()?;
        Ok((connection, head))
    }

    /// Lets so much time pass.
    pub(super) fn pause(&self, wait: Duration) -> Result<(), ConnectionError> {
        match self.options.waits.pause(wait) {
            Ok(Pause::Elapsed) => Ok(()),
            Ok(Pause::Interrupted) => Err(ConnectionError::Interrupted),
            Err(source) => Err(ConnectionError::Broken { source }),
        }
    }

    /// Reads to the response, or to the end of the body (`None`).
    pub(super) fn read_messages(
        &mut self,
        connection: &mut Connection,
        decoder: &mut AnswerDecoder,
        awaited: Option<u64>,
        legacy: Option<LegacyStyle<'_>>,
        audience: &mut dyn Audience,
    ) -> Result<Option<Outcome>, Failure> {
        let mut messages = Vec::new();
        loop {
            let piece = match connection.take_piece()? {
                Piece::Bytes(piece) => Some(piece),
                Piece::End => None,
                Piece::Wanting => {
                    self.hear_beside(connection, legacy, audience)?;
                    connection.receive_piece()?
                }
            };
            match &piece {
                Some(piece) => decoder.push(piece, &mut messages)?,
                None => decoder.finish(&mut messages)?,
            }
            for message in messages.drain(..) {
                match message {
                    Message::Response { id, outcome } if is_awaited(&id, awaited) => {
                        return Ok(Some(outcome));
                    }
                    message => self.deliver(message, legacy, audience)?,
                }
            }
            if piece.is_none() {
                return Ok(None);
            }
        }
    }

    /// Hands over a message that is not the response awaited.
    pub(super) fn deliver(
        &self,
        message: Message,
        legacy: Option<LegacyStyle<'_>>,
        audience: &mut dyn Audience,
    ) -> Result<(), Failure> {
        let (id, method, params) = match message {
            Message::Notification { method, params } => return audience.told(method, params),
            Message::Request { id, method, params } => (id, method, params),
            // Of another request: none of ours is under way.
            Message::Response { .. } => return Ok(()),
        };
        // The modern era has no requests of servers: there they are dropped.
        let Some(style) = legacy else { return Ok(()) };
        let outcome = match method.as_str() {
            "ping" => Ok(json!({})),
            _ => audience.asked(&method, params.as_deref()),
        };
        // Whatever the server makes of it, it has been told.
        self.fetch("POST", &style.answer(&id, &outcome))?;
        Ok(())
    }
}

/// Credentials must not follow blindly.
pub(super) fn refuse_redirection(head: &ReplyHead) -> Result<(), Failure> {
    if (300..400).contains(&head.status) {
        let location = head.location.clone().unwrap_or_default();
        return Err(Failure::Redirected { status: head.status, location });
    }
    Ok(())
}

/// An error whose id the server could not tell answers the only request under way.
fn is_awaited(answered: &Value, awaited: Option<u64>) -> bool {
    awaited.is_some_and(|id| answered.is_null() || answered.as_u64() == Some(id))
}

/// A body that need not be MCP: a JSON-RPC error, or how something else begins.
pub(super) fn read_refusal(connection: &mut Connection, head: ReplyHead) -> Reply {
    let mut body = Vec::new();
    while body.len() <= REFUSAL_BYTES_MAX {
        match connection.receive_piece() {
            Ok(Some(piece)) => body.extend_from_slice(&piece),
            Ok(None) | Err(_) => break,
        }
    }
    let mut messages = Vec::new();
    let parsed = parse_messages(&body, &mut messages);
    match (parsed, messages.pop()) {
        (Ok(()), Some(Message::Response { outcome, .. })) => {
            Reply { head, outcome: Some(outcome), excerpt: String::new() }
        }
        _ => Reply { head, outcome: None, excerpt: excerpt(&body) },
    }
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut letters = words.chars();
    let mut begin: String = letters.by_ref().take(EXCERPT_LETTERS_MAX).collect();
    if letters.next().is_some() {
        begin.push_str(" ...");
    }
    begin
}
