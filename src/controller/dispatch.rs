//! What a body says, and who answers it: one match over the method.
//!
//! In: the bytes of a body and the fields that mirror it. Out: an answer in the caller's buffer, or
//! a call that runs. Nothing here waits. Spec: MCP 2026-07-28 streamable HTTP "Responses", MCP
//! 2025-11-25 transports; JSON-RPC 2.0.
//! Invariant: one message gives one response or none, by its kind alone.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use super::catalogue::Catalogue;
use super::lifecycle::NO_SESSION;
use super::lists::List;
use super::twins::Twins;
use crate::base::clock::Clock;
use crate::base::pool::Pooled;
use crate::handler::answer::Finished;
use crate::handler::ask::AskLimits;
use crate::handler::call::{Call, Calls, Services};
use crate::http::negotiate::StreamFormat;
use crate::jsonrpc::decode::{Body, Decoder, JsonLimits};
use crate::jsonrpc::encode;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::message::{Id, InvalidMessage, Message};
use crate::jsonrpc::view::View;
use crate::mcp::era::{self, Speaks};
use crate::mcp::error;
use crate::mcp::meta::Meta;
use crate::mcp::method::Method;
use crate::mcp::mirror::MirroredFields;
use crate::mcp::revision::{Era, Revision};
use crate::session::conversation::Session;
use crate::session::limits::SessionMode;
use crate::session::owner::Owner;
use crate::session::stream::EventStream;
use crate::session::subscription::Subscriptions;
use crate::session::table::Sessions;
use crate::session::tasks::Tasks;

/// What the controller is told about an HTTP request besides its body.
#[derive(Clone, Copy)]
pub struct Envelope<'a> {
    /// The fields that mirror the body.
    pub fields: &'a dyn MirroredFields,
    /// How a stream would be framed; `None` when the client takes none.
    pub stream: Option<StreamFormat>,
    /// The session that the request names, in the legacy era.
    pub session: Option<&'a Rc<Session>>,
    /// Who asks; looked up only where that matters: for sessions and tasks.
    pub asker: &'a dyn Fn() -> Owner,
}

impl std::fmt::Debug for Envelope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Envelope").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// What became of a body.
#[derive(Debug)]
pub enum Reaction {
    /// A response was written; it travels with this status.
    Answered {
        /// The HTTP status.
        status: u16,
    },
    /// The answer to a handshake was written, which opened this session.
    Greeted(Rc<Session>),
    /// A notification or a response was taken; there is nothing to write (202).
    Accepted,
    /// A handler runs; [`Controller::finish`] writes its response.
    Calls(RunningCall),
    /// Several messages came; nothing was written.
    Batch(Batch),
    /// A subscription was opened, whose stream this is; nothing was written.
    Listens(Rc<EventStream>),
}

/// What became of the messages of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// The responses that are there already.
    pub answers: Vec<Vec<u8>>,
    /// The calls that began.
    pub calls: Vec<RunningCall>,
}

/// A call whose handler was begun and not yet polled.
#[derive(Debug)]
pub struct RunningCall {
    /// What it shares with its handler.
    pub call: Rc<Call>,
    /// The handler.
    pub work: Pooled<Finished>,
    /// Whose work it is.
    pub subject: Subject,
}

/// Whose work a running call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The tool of this index.
    Tool(usize),
    /// A resource's, a prompt's or a completion's, whose outcome says all.
    Other,
}

/// MCP on one core.
pub struct Controller {
    pub(super) catalogue: Arc<Catalogue>,
    pub(super) local: Twins,
    pub(super) calls: Calls,
    pub(super) stream_buffer_bytes_max: usize,
    pub(super) clock: Rc<dyn Clock>,
    pub(super) sessions: Rc<Sessions>,
    pub(super) session_mode: SessionMode,
    pub(super) subscriptions: Rc<Subscriptions>,
    /// The tasks of the core; `None` for a server without any.
    pub(super) tasks: Option<Rc<Tasks>>,
    pub(super) task_result_bytes_max: usize,
    decoder: RefCell<Decoder>,
}

/// What the controller of a core is bounded by.
#[derive(Clone, Debug)]
pub struct ControllerLimits {
    /// JSON texts.
    pub json: JsonLimits,
    /// Questions to clients.
    pub ask: AskLimits,
    /// How many bytes of a call's notifications may wait.
    pub stream_buffer_bytes_max: usize,
    /// Whether there are sessions.
    pub session_mode: SessionMode,
    /// How long the result of a task may be.
    pub task_result_bytes_max: usize,
}

/// What a core remembers between two requests.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The sessions of the legacy era.
    pub sessions: Rc<Sessions>,
    /// Who listens in the modern one.
    pub subscriptions: Rc<Subscriptions>,
    /// The calls that became tasks; `None` for a server without any.
    pub tasks: Option<Rc<Tasks>>,
}

/// How many ended calls a core keeps for use again.
const KEPT_CALLS_MAX: usize = 1024;

impl Controller {
    /// The controller of a core, with its own twin of every handler.
    #[must_use]
    pub fn new(
        catalogue: Arc<Catalogue>,
        services: Services,
        limits: ControllerLimits,
        kept: Kept,
    ) -> Self {
        let Kept { sessions, subscriptions, tasks } = kept;
        Self {
            local: Twins::of(catalogue.registry()),
            clock: services.clock.clone(),
            calls: Calls::new(services, limits.ask, tasks.clone(), KEPT_CALLS_MAX),
            stream_buffer_bytes_max: limits.stream_buffer_bytes_max,
            session_mode: limits.session_mode,
            sessions,
            subscriptions,
            tasks,
            task_result_bytes_max: limits.task_result_bytes_max,
            decoder: RefCell::new(Decoder::new(limits.json)),
            catalogue,
        }
    }

    /// Reads a body and answers it, or begins the call that it asks for. What is written goes to
    /// the end of `out`.
    pub fn receive(&self, body: Body<'_>, envelope: Envelope<'_>, out: &mut Vec<u8>) -> Reaction {
        let mut decoder = self.decoder.borrow_mut();
        let answer = &mut *out;
        match decoder.decode(body, |value| self.read(value, envelope, answer)) {
            Ok(reaction) => reaction,
            Err(reason) => refuse(out, None, &error::parse_error(&reason)),
        }
    }

    fn read(&self, value: View<'_>, envelope: Envelope<'_>, out: &mut Vec<u8>) -> Reaction {
        match Message::read(value) {
            Ok(Message::Batch(messages)) => self.batch(messages, envelope, out),
            Ok(message) => self.message(message, envelope, out),
            Err(InvalidMessage { reason, id }) => refuse(out, id, &error::invalid_request(reason)),
        }
    }

    /// Answers one message, which is no batch.
    pub(super) fn message(
        &self,
        message: Message<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        match message {
            Message::Request { id, method, params } => {
                self.request(Asked { id, method, params }, envelope, out)
            }
            Message::Notification { method, params } => {
                self.notification(method, params, envelope, out)
            }
            Message::Response { id, outcome } => self.response(id, outcome, envelope, out),
            Message::Batch(_) => refuse(out, None, &error::invalid_request("an array in an array")),
        }
    }

    fn request(&self, asked: Asked<'_>, envelope: Envelope<'_>, out: &mut Vec<u8>) -> Reaction {
        let meta = Meta::read(asked.params);
        let settled = envelope.session.map(|session| session.revision());
        let speaks = era::of_request(asked.method, asked.params, &meta, envelope.fields, settled);
        let revision = match speaks {
            Ok(Speaks::Revision(revision)) => revision,
            Ok(Speaks::Handshake) => return self.initialize(asked, envelope, out),
            Err(error) => return refuse(out, Some(asked.id), &error),
        };
        if revision.era() == Era::Legacy && self.lacks_session(envelope) {
            return refuse(out, Some(asked.id), &error::invalid_request(NO_SESSION));
        }
        let envelope = match revision.era() {
            Era::Legacy => envelope,
            // No session is read in the modern era, even if one is named.
            Era::Modern => Envelope { session: None, ..envelope },
        };
        self.dispatch(asked, &meta, revision, envelope, out)
    }

    fn dispatch(
        &self,
        asked: Asked<'_>,
        meta: &Meta<'_>,
        revision: Revision,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let reply = Reply { id: asked.id, revision };
        let edition = self.catalogue.edition(revision);
        let Asked { params, .. } = asked;
        let method = Method::parse(asked.method, revision.era());
        let is_full = envelope.session.is_some_and(|session| session.work_room() == 0);
        if is_full && method.is_some_and(Method::begins_call) {
            let error = error::internal(TOO_MANY_REQUESTS);
            return refuse_with(out, Some(asked.id), &error, 429);
        }
        match method {
            Some(Method::ToolsCall) => self.call_tool(params, meta, reply, envelope, out),
            Some(Method::ToolsList) => self.list(List::Tools, params, reply, out),
            Some(Method::ResourcesRead) => self.read_resource(params, meta, reply, envelope, out),
            Some(Method::ResourcesList) => self.list(List::Resources, params, reply, out),
            Some(Method::ResourcesTemplatesList) => self.list(List::Templates, params, reply, out),
            Some(Method::PromptsGet) => self.get_prompt(params, meta, reply, envelope, out),
            Some(Method::PromptsList) => self.list(List::Prompts, params, reply, out),
            Some(Method::CompletionComplete) => self.complete(params, meta, reply, envelope, out),
            Some(Method::SkillsList) => self.list(List::Skills, params, reply, out),
            Some(Method::SkillsGet) => self.get_skill(params, reply, out),
            Some(Method::ResourcesDirectoryRead) => self.read_folder(params, reply, out),
            Some(Method::Ping) => reply.result(out, &edition.empty),
            Some(Method::ServerDiscover) => reply.result(out, &edition.greeting),
            Some(Method::LoggingSetLevel) => self.set_log_level(params, reply, envelope, out),
            Some(Method::ResourcesSubscribe) => self.watch(params, reply, envelope, out),
            Some(Method::ResourcesUnsubscribe) => self.unwatch(params, reply, envelope, out),
            Some(Method::SubscriptionsListen) => self.listen(params, meta, reply, envelope, out),
            Some(Method::TasksGet) => self.get_task(params, meta, reply, envelope, out),
            Some(Method::TasksUpdate) => self.update_task(params, meta, reply, envelope, out),
            Some(Method::TasksCancel) => self.cancel_task(params, meta, reply, envelope, out),
            // Only a handshake is legacy without a revision, and it was answered above.
            Some(Method::Initialize) | None => reply.error(out, &error::method_not_found()),
        }
    }
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("tools", &self.local.tools.len()).finish_non_exhaustive()
    }
}

/// A request as it was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) id: Id<'a>,
    pub(super) method: &'a str,
    pub(super) params: Option<View<'a>>,
}

/// Whom an answer goes to, and in which revision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reply<'a> {
    pub(super) id: Id<'a>,
    pub(super) revision: Revision,
}

impl Reply<'_> {
    /// Opens a response: everything before its result, and then a `}`.
    pub(super) fn open(self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
        self.id.encode(out);
        out.extend_from_slice(br#","result":"#);
    }

    /// Writes a result that is bytes already.
    pub(super) fn result(self, out: &mut Vec<u8>, result: &[u8]) -> Reaction {
        self.open(out);
        out.extend_from_slice(result);
        out.push(b'}');
        Reaction::Answered { status: 200 }
    }

    /// Writes an error that was found before any work began.
    pub(super) fn error(self, out: &mut Vec<u8>, error: &RpcError) -> Reaction {
        encode::error(out, Some(&encode::id_json(self.id)), error);
        Reaction::Answered { status: error::status(error.code, self.revision) }
    }
}

/// What a session is told that has as many calls as may run.
pub(super) const TOO_MANY_REQUESTS: &str = "As many requests of this session run as may; wait";

/// Refuses a message whose revision is not settled: 400 in every era.
pub(super) fn refuse(out: &mut Vec<u8>, id: Option<Id<'_>>, error: &RpcError) -> Reaction {
    refuse_with(out, id, error, 400)
}

/// Refuses a message with this status.
pub(super) fn refuse_with(
    out: &mut Vec<u8>,
    id: Option<Id<'_>>,
    error: &RpcError,
    status: u16,
) -> Reaction {
    encode::error(out, id.map(encode::id_json).as_deref(), error);
    Reaction::Answered { status }
}
