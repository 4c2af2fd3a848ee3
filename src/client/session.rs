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
use crate::client::exchange::{Exchanger, Reply};
use crate::client::mirror::mirrored_fields;
use crate::client::options::ClientOptions;
use crate::client::prompts::PromptResult;
use crate::client::question::Attendant;
use crate::client::request::{Ask, LegacyStyle};
use crate::client::resources::ReadResult;
use crate::client::tools::{CallResult, ToolList};

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

    /// Whether it declares this capability, such as `resources`.
    #[must_use]
    pub fn offers(&self, capability: &str) -> bool {
        self.capabilities.get(capability).is_some_and(Value::is_object)
    }
}

/// A client, connected to a server.
#[derive(Debug)]
pub struct Client {
    pub(super) exchanger: Exchanger,
    pub(super) server: ServerInfo,
    pub(super) session: Option<String>,
    pub(super) tools: Option<ToolList>,
    next_id: u64,
}

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

    /// Calls a tool. `attendant` gets its progress and log messages as they come, and answers what
    /// the server asks meanwhile; a closure hears, and answers nothing.
    ///
    /// # Errors
    /// `ClientError`: the way there or the server's error. A tool that says that it failed is a
    /// result.
    pub fn call_tool(
        &mut self,
        name: &str,
        arguments: &Map<String, Value>,
        mut attendant: impl Attendant,
    ) -> Result<CallResult, ClientError> {
        if self.server.era == Era::Modern {
            // The fields to mirror stand in the list.
            self.list_tools()?;
        }
        let outcome = match self.call(name, arguments, &mut attendant) {
            // The list was stale: the arguments to mirror have changed.
            Err(Failure::Rpc(error))
                if error.code == HEADER_MISMATCH && self.server.era == Era::Modern =>
            {
                self.tools = None;
                self.list_tools()?;
                self.call(name, arguments, &mut attendant)
            }
            outcome => outcome,
        };
        outcome.map_err(|failure| self.error(failure))
    }

    /// Reads a resource.
    ///
    /// # Errors
    /// `ClientError`: the way there, the server's error, or contents that are none.
    pub fn read_resource(
        &mut self,
        uri: &str,
        mut attendant: impl Attendant,
    ) -> Result<ReadResult, ClientError> {
        const METHOD: &str = "resources/read";
        let params = object(json!({"uri": uri}));
        let outcome = self.get(METHOD, params, &mut attendant, ReadResult::parse);
        outcome.map_err(|failure| self.error(failure))
    }

    /// Gets a prompt.
    ///
    /// # Errors
    /// `ClientError`: the way there, the server's error, or messages that are none.
    pub fn get_prompt(
        &mut self,
        name: &str,
        arguments: &Map<String, Value>,
        mut attendant: impl Attendant,
    ) -> Result<PromptResult, ClientError> {
        const METHOD: &str = "prompts/get";
        let params = object(json!({"name": name, "arguments": arguments}));
        let outcome = self.get(METHOD, params, &mut attendant, PromptResult::parse);
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

    pub(super) fn error(&self, failure: Failure) -> ClientError {
        ClientError { url: self.exchanger.endpoint().to_string(), failure: Box::new(failure) }
    }

    fn call(
        &mut self,
        name: &str,
        arguments: &Map<String, Value>,
        attendant: &mut dyn Attendant,
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
        let result = self.ask(ask, attendant)?;
        CallResult::parse(result)
            .map_err(|error| Failure::Malformed { method: METHOD, detail: error.to_string() })
    }

    /// Asks for something that a parser makes a result of.
    fn get<T>(
        &mut self,
        method: &'static str,
        params: Map<String, Value>,
        attendant: &mut dyn Attendant,
        parse: impl Fn(Box<RawValue>) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let ask = Ask { method, params, wants_progress: true, ..Ask::default() };
        let result = self.ask(ask, attendant)?;
        parse(result).map_err(|detail| Failure::Malformed { method, detail })
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
