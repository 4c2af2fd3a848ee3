//! A client and its server in one value: `TestClient`.
//!
//! It serves the very code that a worker serves, over a connection in memory and on virtual time.
//! Every method runs until its answer is there. Limits: those of the server.
//! Not here: bytes on the wire (`exchange`), the connection (`pipe`).

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::base::clock::Clock;
use crate::base::time::Now;
use crate::controller::catalogue::Catalogue;
use crate::handler::call::Services;
use crate::http::head::Persistence;
use crate::jsonrpc::error::RpcError;
use crate::mcp::method::{Method, NamedBy};
use crate::mcp::revision::{Era, Revision};
use crate::serve::shard::{ServeSettings, Shard};
use crate::session::id::IdMint;
use crate::session::seal::Sealer;
use crate::session::table::Membership;
use crate::testing::answering::{Answering, ROUNDS_MAX};
use crate::testing::clock::VirtualClock;
use crate::testing::exchange::{Reply, mirrored, read_reply};
use crate::testing::executor::Executor;
use crate::testing::legacy::Poster;
use crate::testing::pipe::{ClientEnd, Windows, pipe};
use crate::testing::serving::{changes, pass_on, serve, services};

/// A client of a server that lives in the same value.
///
/// ```
/// use std::time::Duration;
///
/// use ringlane::{Cx, Server};
/// use serde_json::json;
///
/// let nap = async |cx: Cx, (): ()| {
///     cx.sleep(Duration::from_secs(240)).await;
///     Ok("rested")
/// };
/// let server = Server::new("sleeper", "1.0.0").tool("nap", "Sleep for four minutes", nap);
/// let mut client = server.test_client().expect("a sound server");
/// let result = client.call("nap", json!({})).expect("an answer"); // at once
/// assert_eq!(result["content"][0]["text"], "rested");
/// assert_eq!(client.elapsed(), Duration::from_secs(240));
/// ```
#[derive(Debug)]
pub struct TestClient {
    settings: Arc<ServeSettings>,
    catalogue: Arc<Catalogue>,
    clock: Rc<VirtualClock>,
    executor: Rc<Executor>,
    shard: Rc<Shard>,
    connection: Option<ClientEnd>,
    input: Vec<u8>,
    revision: Revision,
    host: String,
    capabilities: Value,
    answering: Option<Answering>,
    keeps_silent: bool,
    session: Option<String>,
    last_id: u64,
}

/// What a call said and how it ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// The notifications, in order.
    pub notifications: Vec<Value>,
    /// The result.
    pub result: Value,
}

/// Why there is no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The server answered with a JSON-RPC error.
    #[error("error {} with HTTP status {status}: {}", error.code, error.message)]
    Rpc {
        /// The HTTP status.
        status: u16,
        /// The error.
        error: RpcError,
    },
    /// The server answered something else than a response to this request.
    #[error("no response to this request, but status {status} with {body:?}")]
    NotAResponse {
        /// The HTTP status.
        status: u16,
        /// What came with it.
        body: String,
    },
    /// The connection ended, or nobody was left who could answer.
    #[error("no answer")]
    NoAnswer,
}

/// What a client takes that does not care.
const ANY: &str = "application/json, text/event-stream";

/// When the clock of a test starts, so that nothing works by chance because it starts at zero.
const START: Now = Now(1_000_000_000_000);

impl TestClient {
    /// A client of a server with these settings and this to offer. It speaks the newest revision.
    #[must_use]
    pub fn new(
        settings: Arc<ServeSettings>,
        catalogue: Arc<Catalogue>,
        mint: Arc<IdMint>,
        sealer: Arc<Sealer>,
    ) -> Self {
        let membership = Membership { worker: 0, worker_count: 1, mint };
        let clock = VirtualClock::starting_at(START);
        let executor = Executor::new(clock.clone());
        let (changes, notices) = changes();
        let services = services(clock.clone(), executor.spawner());
        let services = Services { sealer, changes, ..services };
        let shard = Shard::new(settings.clone(), catalogue.clone(), services, &membership);
        executor.spawn(pass_on(notices, shard.clone()));
        Self {
            executor,
            shard,
            settings,
            catalogue,
            clock,
            connection: None,
            input: Vec::new(),
            revision: Revision::V2026_07_28,
            host: "localhost".to_owned(),
            capabilities: json!({}),
            answering: None,
            keeps_silent: false,
            session: None,
            last_id: 0,
        }
    }

    /// The same client, speaking this revision.
    #[must_use]
    pub fn speaking(mut self, revision: Revision) -> Self {
        self.revision = revision;
        self.session = None;
        self
    }

    /// The same client, calling the server by this name (`Host`).
    #[must_use]
    pub fn calling_host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The same client, declaring these capabilities (a `ClientCapabilities` object). In the legacy
    /// era it opens a session to do so, with its first request, and calls in it from then on.
    #[must_use]
    pub fn declaring(mut self, capabilities: Value) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// The same client, answering what it is asked. `answer` is given each question as
    /// `{"method": .., "params": ..}` and gives the result: an `ElicitResult` and the like. Without
    /// this, a call of the modern era that ends with questions gives them as its result. What may
    /// be asked must be [declared](Self::declaring). The same tool is asked both ways:
    ///
    /// ```
    /// # use ringlane::{Cx, Elicited, Revision, Server};
    /// # use serde_json::json;
    /// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Name { name: String }
    /// let greet = async |cx: Cx, (): ()| {
    ///     let asked: Elicited<Name> = cx.ask("who", "What is your name?").await?;
    ///     Ok(asked.accepted().map_or("stranger".to_owned(), |Name { name }| name))
    /// };
    /// let server = Server::new("greeter", "1.0.0").tool("greet", "Greet", greet);
    /// let mut client = server
    ///     .test_client()
    ///     .expect("a sound server")
    ///     .declaring(json!({"elicitation": {}}))
    ///     .answering(|_question| json!({"action": "accept", "content": {"name": "Ada"}}));
    /// for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
    ///     client = client.speaking(revision);
    ///     let result = client.call("greet", json!({})).expect("an answer");
    ///     assert_eq!(result["content"][0]["text"], "Ada");
    /// }
    /// ```
    #[must_use]
    pub fn answering(mut self, answer: impl FnMut(&Value) -> Value + 'static) -> Self {
        self.answering = Some(Answering::new(answer));
        self
    }

    /// The same client, leaving what it is asked on streams unanswered.
    #[must_use]
    pub fn keeping_silent(mut self) -> Self {
        self.keeps_silent = true;
        self
    }

    /// Calls a tool and gives its result, as the revision writes it.
    ///
    /// # Errors
    /// [`CallError`]. A tool that fails is no error: its result says `isError`.
    pub fn call(&mut self, tool: &str, arguments: Value) -> Result<Value, CallError> {
        self.request("tools/call", json!({ "name": tool, "arguments": arguments }))
    }

    /// Sends any request and gives its result. The envelope of the modern era is added.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn request(&mut self, method: &str, params: Value) -> Result<Value, CallError> {
        Ok(self.converse(method, params, "application/json, text/event-stream")?.result)
    }

    /// Calls a tool as a client that listens: with a progress token, taking a stream. `meta` is
    /// added to the request's `_meta`.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn call_with(
        &mut self,
        tool: &str,
        arguments: Value,
        mut meta: Map<String, Value>,
    ) -> Result<Heard, CallError> {
        meta.entry("progressToken").or_insert_with(|| json!("progress"));
        let params = json!({ "name": tool, "arguments": arguments, "_meta": meta });
        self.converse("tools/call", params, "text/event-stream, application/json;q=0.9")
    }

    /// All tools that the server lists, through all pages.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn list_tools(&mut self) -> Result<Vec<Value>, CallError> {
        self.list("tools")
    }

    /// All that the server lists of a kind, through all pages: `tools`, `resources`,
    /// `resources/templates` or `prompts`.
    ///
    /// # Errors
    /// As [`call`](Self::call); also when the server offers nothing of that kind.
    pub fn list(&mut self, kind: &str) -> Result<Vec<Value>, CallError> {
        let member = if kind == "resources/templates" { "resourceTemplates" } else { kind };
        let mut all = Vec::new();
        let mut params = json!({});
        loop {
            let mut page =
                self.converse(&format!("{kind}/list"), params, "application/json")?.result;
            if let Some(entries) = page[member].as_array_mut() {
                all.append(entries);
            }
            match page.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => return Ok(all),
            }
        }
    }

    /// Reads a resource and gives the result.
    ///
    /// # Errors
    /// As [`call`](Self::call); also when there is no such resource.
    pub fn read(&mut self, uri: &str) -> Result<Value, CallError> {
        Ok(self.converse("resources/read", json!({ "uri": uri }), ANY)?.result)
    }

    /// Gets a prompt, filled in.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub fn prompt(&mut self, name: &str, arguments: Value) -> Result<Value, CallError> {
        let params = json!({ "name": name, "arguments": arguments });
        Ok(self.converse("prompts/get", params, ANY)?.result)
    }

    /// Sends bytes as they are over a connection of their own, ends its sending side, and gives all
    /// that comes back until the server closes or falls silent for good.
    #[must_use]
    pub fn send(&mut self, bytes: &[u8]) -> Vec<u8> {
        let connection = self.connect();
        let conversation = async {
            let sent = connection.write(bytes).await;
            connection.end();
            let (mut received, mut buffer) = (Vec::new(), [0; 1024]);
            while let (Ok(()), Ok(count @ 1..)) = (&sent, connection.read(&mut buffer).await) {
                received.extend_from_slice(&buffer[..count]);
            }
            received
        };
        self.executor.block_on(conversation).unwrap_or_default()
    }

    /// How much time passed for the server since the client was made.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.clock.now().since(START)
    }

    /// What the server counted.
    #[must_use]
    pub fn shard(&self) -> &Shard {
        &self.shard
    }

    fn connect(&self) -> ClientEnd {
        let (server_end, client_end) = pipe(Windows::default());
        let serving = serve(server_end, self.shard.clone());
        self.executor.spawn(async move {
            let _reason = serving.await;
        });
        client_end
    }

    /// Sends a request, answers what it asks in return, and reads its last answer.
    fn converse(&mut self, method: &str, params: Value, accept: &str) -> Result<Heard, CallError> {
        let mut heard = self.ask(method, params.clone(), accept)?;
        for _round in 0..ROUNDS_MAX {
            let answers = self.answering.as_mut().and_then(|held| held.answers(&heard.result));
            let Some(answers) = answers else { break };
            let mut retry = params.clone();
            retry["inputResponses"] = answers;
            if let Some(state) = heard.result.get("requestState") {
                retry["requestState"] = state.clone();
            }
            let next = self.ask(method, retry, accept)?;
            heard.notifications.extend(next.notifications);
            heard.result = next.result;
        }
        Ok(heard)
    }

    /// Sends a request and reads its answer.
    fn ask(&mut self, method: &str, mut params: Value, accept: &str) -> Result<Heard, CallError> {
        if self.wants_session() {
            self.open_session()?;
        }
        self.last_id += 1;
        let id = self.last_id;
        let mut head = self.head(accept);
        if self.revision.era() == Era::Modern {
            envelop(&mut params, self.revision, &self.capabilities);
            self.mirror(&mut head, method, &params);
        }
        let body =
            json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string();
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        let reply = self.exchange(request.as_bytes()).ok_or(CallError::NoAnswer)?;
        understand(&reply, id)
    }

    fn wants_session(&self) -> bool {
        let declares = self.capabilities.as_object().is_some_and(|all| !all.is_empty());
        self.session.is_none() && self.revision.era() == Era::Legacy && declares
    }

    /// Shakes hands, in the legacy era.
    fn open_session(&mut self) -> Result<(), CallError> {
        let params = json!({
            "protocolVersion": self.revision.rules().name,
            "capabilities": self.capabilities,
            "clientInfo": { "name": "test-client", "version": env!("CARGO_PKG_VERSION") }
        });
        let request = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let reply = self.post(&request, ANY).ok_or(CallError::NoAnswer)?;
        understand(&reply, 0)?;
        self.session = reply.session;
        let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.post(&ready, ANY).map(|_accepted| ()).ok_or(CallError::NoAnswer)
    }

    fn post(&mut self, message: &Value, accept: &str) -> Option<Reply> {
        let (head, body) = (self.head(accept), message.to_string());
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.exchange(request.as_bytes())
    }

    fn head(&self, accept: &str) -> String {
        let mut head = format!(
            "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nAccept: {accept}\r\n\
             MCP-Protocol-Version: {}\r\n",
            self.settings.path, self.host, self.revision
        );
        if let Some(session) = &self.session {
            head.push_str(&format!("Mcp-Session-Id: {session}\r\n"));
        }
        head
    }

    /// Repeats the body in fields, as the modern era wants it.
    fn mirror(&self, head: &mut String, method: &str, params: &Value) {
        head.push_str(&format!("Mcp-Method: {method}\r\n"));
        let named_by = Method::named_by(method).map(NamedBy::member);
        let name = named_by.and_then(|member| params.get(member)).and_then(Value::as_str);
        let Some(name) = name else { return };
        head.push_str(&format!("Mcp-Name: {}\r\n", mirrored(name)));
        let registry = self.catalogue.registry();
        let tool = registry.tool_index(name).map(|index| &registry.tools()[index]);
        for param in tool.into_iter().flat_map(|tool| &tool.mirrored) {
            let value = param.path.iter().try_fold(&params["arguments"], |at, name| at.get(name));
            let text = match value {
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            head.push_str(&format!("{}: {}\r\n", param.field, mirrored(&text)));
        }
    }

    /// Sends a request over the kept connection, or a new one, and reads its answer.
    fn exchange(&mut self, request: &[u8]) -> Option<Reply> {
        let kept = self.connection.take().filter(|kept| !kept.is_closed_by_server());
        let connection = kept.unwrap_or_else(|| {
            self.input.clear();
            self.connect()
        });
        let (head, silent) = (self.head(ANY), self.keeps_silent);
        let Self { input, answering, shard, executor, .. } = self;
        let executor = &*executor;
        let mut poster = Poster { head, shard, executor, seen_count: 0, answering };
        let conversation = async {
            // A server that refused early reads no further, and its answer is there all the same.
            let _refused = connection.write(request).await;
            let mut hear = |reply: &Reply| {
                if !silent {
                    poster.answer(reply);
                }
            };
            read_reply(&connection, input, &mut hear).await
        };
        let reply = executor.block_on(conversation).flatten()?;
        if reply.persistence == Persistence::KeepAlive {
            self.connection = Some(connection);
        }
        Some(reply)
    }
}

/// Adds the modern era's envelope to `params._meta`.
fn envelop(params: &mut Value, revision: Revision, capabilities: &Value) {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!(revision.rules().name);
    meta["io.modelcontextprotocol/clientInfo"] =
        json!({ "name": "test-client", "version": env!("CARGO_PKG_VERSION") });
    if meta.get("io.modelcontextprotocol/clientCapabilities").is_none() {
        meta["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
    }
}

/// Finds the response to a request among the messages of an answer.
fn understand(reply: &Reply, id: u64) -> Result<Heard, CallError> {
    let status = reply.status;
    let not_a_response = || CallError::NotAResponse {
        status,
        body: String::from_utf8_lossy(&reply.body).into_owned(),
    };
    let mut notifications = reply.messages().ok_or_else(not_a_response)?;
    // Questions were answered as they came.
    notifications.retain(|message| message.get("method").is_none() || message.get("id").is_none());
    let mut response = notifications.pop().ok_or_else(not_a_response)?;
    if response["id"] != json!(id) {
        return Err(not_a_response());
    }
    if let Some(error) = response.get("error") {
        let code = error["code"].as_i64().and_then(|code| i32::try_from(code).ok());
        let message = error["message"].as_str().map(str::to_owned);
        let (Some(code), Some(message)) = (code, message) else { return Err(not_a_response()) };
        let data = error.get("data").cloned();
        return Err(CallError::Rpc {
            status,
            error: RpcError { code, message: message.into(), data },
        });
    }
    match response.get_mut("result") {
        Some(result) => Ok(Heard { notifications, result: result.take() }),
        None => Err(not_a_response()),
    }
}

#[cfg(test)]
mod tests;
