//! A client and its server: connect, ask what there is, call, say goodbye.
//!
//! Connecting settles the era once (`settle`); from then on every request is written in its style.
//! Spec: MCP 2026-07-28 server/tools; MCP 2025-11-25 basic/transports, session management.
//! Limits: `ClientLimits`.
//! Invariant: the era of a connected client never changes; a lost legacy session is opened anew,
//! once a request.

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::client::endpoint::Endpoint;
use crate::client::era::{Era, HEADER_MISMATCH};
use crate::client::error::{ClientError, Failure};
use crate::client::exchange::{Exchanger, Posting, Reply};
use crate::client::mirror::mirrored_fields;
use crate::client::options::ClientOptions;
use crate::client::request::{Ask, LegacyStyle, ModernStyle, Outgoing};
use crate::client::tools::{CallResult, Event, ToolList};

const METHOD_NOT_FOUND: i64 = -32_601;

/// What a server said of itself.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerInfo {
    /// The era that is spoken with it.
    pub era: Era,
    /// The revision.
    pub revision: String,
    /// Its name, version and more, unverified; `null` if it does not say.
    pub implementation: Value,
    /// What it can do.
    pub capabilities: Value,
    /// How to use it.
    pub instructions: Option<String>,
}

impl ServerInfo {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.implementation.get("name")?.as_str()
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.implementation.get("version")?.as_str()
    }
}

/// A client, connected to a server.
#[derive(Debug)]
pub struct Client {
    pub(super) exchanger: Exchanger,
    pub(super) server: ServerInfo,
    pub(super) session: Option<String>,
    tools: Option<ToolList>,
    next_id: u64,
}

/// What a client tells of a running request.
type Listener<'l> = &'l mut dyn FnMut(Event);

impl Client {
    /// Connects to a server and settles the era.
    ///
    /// # Errors
    /// `ClientError`: the URL, the way there, or a server that speaks no revision of ours.
    pub fn connect(url: &str, options: ClientOptions) -> Result<Self, ClientError> {
        let endpoint = Endpoint::parse(url).map_err(|error| ClientError {
            url: url.to_owned(),
            failure: Box::new(error.into()),
        })?;
        let mut client = Self {
            exchanger: Exchanger::new(endpoint, options),
            server: ServerInfo {
                era: Era::Legacy,
                revision: String::new(),
                implementation: Value::Null,
                capabilities: Value::Null,
                instructions: None,
            },
            session: None,
            tools: None,
            next_id: 0,
        };
        match client.settle() {
            Ok(()) => Ok(client),
            Err(failure) => Err(client.error(failure)),
        }
    }

    /// What the server said of itself.
    #[must_use]
    pub fn server_info(&self) -> &ServerInfo {
        &self.server
    }

    /// Where the server is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.exchanger.endpoint()
    }

    /// The tools of the server, all pages; asked for once.
    ///
    /// # Errors
    /// `ClientError`: the way there, the server's error, or a list past the limits.
    pub fn list_tools(&mut self) -> Result<&ToolList, ClientError> {
        if self.tools.is_none() {
            let list = self.fetch_tools().map_err(|failure| self.error(failure))?;
            self.tools = Some(list);
        }
        Ok(self.tools.get_or_insert_default())
    }

    /// Calls a tool. `on_event` gets its progress and log messages as they come.
    ///
    /// # Errors
    /// `ClientError`: the way there or the server's error. A tool that says that it failed is a
    /// result.
    pub fn call_tool(
        &mut self,
        name: &str,
        arguments: &Map<String, Value>,
        mut on_event: impl FnMut(Event),
    ) -> Result<CallResult, ClientError> {
        if self.server.era == Era::Modern {
            // The fields to mirror stand in the list.
            self.list_tools()?;
        }
        let outcome = match self.call(name, arguments, &mut on_event) {
            // The list was stale: the arguments to mirror have changed.
            Err(Failure::Rpc(error))
                if error.code == HEADER_MISMATCH && self.server.era == Era::Modern =>
            {
                self.tools = None;
                self.list_tools()?;
                self.call(name, arguments, &mut on_event)
            }
            outcome => outcome,
        };
        outcome.map_err(|failure| self.error(failure))
    }

    /// Ends the session, where there is one.
    pub fn close(mut self) {
        if let Some(session) = self.session.take() {
            let revision = Some(self.server.revision.as_str());
            let style = LegacyStyle { revision, session: Some(&session) };
            self.exchanger.delete(&style.bare(None));
        }
    }

    fn error(&self, failure: Failure) -> ClientError {
        ClientError { url: self.exchanger.endpoint().to_string(), failure: Box::new(failure) }
    }

    fn fetch_tools(&mut self) -> Result<ToolList, Failure> {
        const METHOD: &str = "tools/list";
        let limits = self.exchanger.options().limits;
        let (mut list, mut cursor) = (ToolList::default(), None::<String>);
        for _ in 0..limits.pages_max {
            let params = cursor.map(|cursor| object(json!({"cursor": cursor})));
            let ask = Ask { method: METHOD, params: params.unwrap_or_default(), ..Ask::default() };
            let result = match self.request(ask, &mut |_| {}) {
                Err(Failure::Rpc(error))
                    if error.code == METHOD_NOT_FOUND
                        && self.server.capabilities.get("tools").is_none() =>
                {
                    return Ok(list);
                }
                outcome => outcome?,
            };
            cursor = list.add_page(&result, self.server.era).map_err(|error| {
                Failure::Malformed { method: METHOD, detail: error.to_string() }
            })?;
            if list.tools.len() + list.left_out.len() > limits.tools_max {
                let (what, limit_count) = ("tools", limits.tools_max);
                return Err(Failure::TooMany { method: METHOD, what, limit_count });
            }
            if cursor.is_none() {
                return Ok(list);
            }
        }
        Err(Failure::TooMany { method: METHOD, what: "pages", limit_count: limits.pages_max })
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &Map<String, Value>,
        listener: Listener<'_>,
    ) -> Result<CallResult, Failure> {
        const METHOD: &str = "tools/call";
        let tool = self.tools.as_ref().and_then(|tools| tools.find(name));
        let mirrored = tool.map(|tool| mirrored_fields(&tool.mirrors, arguments));
        let ask = Ask {
            id: 0,
            method: METHOD,
            params: object(json!({"name": name, "arguments": arguments})),
            wants_progress: true,
            mirrored: mirrored.unwrap_or_default(),
        };
        let result = self.request(ask, listener)?;
        CallResult::parse(result)
            .map_err(|error| Failure::Malformed { method: METHOD, detail: error.to_string() })
    }

    /// Sends a request; opens a legacy session that the server has ended anew, once.
    fn request(&mut self, ask: Ask, listener: Listener<'_>) -> Result<Box<RawValue>, Failure> {
        match self.post_ask(ask.clone(), listener) {
            Err(Failure::SessionEnded) => {
                self.session = None;
                self.handshake(None)?;
                self.post_ask(ask, listener)
            }
            outcome => outcome,
        }
    }

    /// Sends a request in the style of the era, under an id of its own.
    pub(super) fn post_ask(
        &mut self,
        mut ask: Ask,
        listener: Listener<'_>,
    ) -> Result<Box<RawValue>, Failure> {
        let (id, method) = (self.take_id(), ask.method);
        ask.id = id;
        let server = &self.server;
        let style =
            LegacyStyle { revision: Some(&server.revision), session: self.session.as_deref() };
        let (outgoing, legacy): (Outgoing, _) = match server.era {
            Era::Legacy => (style.request(ask), Some(style)),
            Era::Modern => {
                let options = self.exchanger.options();
                let logs = server.capabilities.get("logging").is_some();
                let modern = ModernStyle {
                    revision: &server.revision,
                    client: &options.identity,
                    log_level: options.log_level.filter(|_| logs),
                };
                (modern.request(ask), None)
            }
        };
        let repeatable = method != "tools/call";
        let posting = Posting { outgoing: &outgoing, awaited: Some(id), legacy, repeatable };
        let reply = self.exchanger.post(posting, &mut |method, params| {
            if let Some(event) = Event::of(method, params, id) {
                listener(event);
            }
        })?;
        match reply.outcome {
            Some(Ok(result)) => Ok(result),
            _ if reply.head.status == 404 && self.session.is_some() => Err(Failure::SessionEnded),
            _ => Err(refusal(reply, method)),
        }
    }

    pub(super) fn take_id(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }
}

pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

/// An answer without a result, as a failure.
pub(super) fn refusal(reply: Reply, method: &'static str) -> Failure {
    let Reply { head, outcome, excerpt } = reply;
    match (head.status, outcome) {
        (status @ (401 | 403), _) => Failure::Unauthorized { status, challenge: head.challenge },
        (_, Some(Err(error))) => Failure::Rpc(error),
        (status @ (429 | 500..), _) => {
            let seconds = head.retry_after.and_then(|text| text.parse().ok());
            let retry_after = seconds.map(std::time::Duration::from_secs);
            Failure::Outage { status, retry_after, excerpt }
        }
        (200, _) if excerpt.is_empty() => Failure::NoResponse { method },
        (status, _) => Failure::Refused { method, status, excerpt },
    }
}
