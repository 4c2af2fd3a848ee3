//! Tools: called, and what calls of every kind share: how they begin, and how their results are
//! written.
//!
//! Spec: MCP 2026-07-28 server/tools; MCP 2025-11-25 server/tools. A tool that fails gives a result
//! with `isError`; a call that should not have been made gives an error. Arguments that break the
//! schema are the model's to mend, so from 2025-11-25 on they are a result, and an error before.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::dispatch::{Controller, Envelope, Reaction, Reply, RunningCall, Subject};
use crate::handler::answer::{Answer, Finished, Outcome, ResultFrame, failure};
use crate::handler::call::{Call, CallStart};
use crate::handler::context::Cx;
use crate::handler::input::InputErrors;
use crate::jsonrpc::encode;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::view::View;
use crate::mcp::capability::{Capability, ClientCapabilities};
use crate::mcp::error;
use crate::mcp::meta::Meta;
use crate::mcp::mirror;
use crate::mcp::model::content::Content;
use crate::mcp::model::log::LogLevel;
use crate::mcp::revision::{Era, Revision};

/// From which level on a legacy call without a session logs.
const SESSIONLESS_LOG_LEVEL: LogLevel = LogLevel::Info;

impl Controller {
    /// `tools/call`
    pub(super) fn call_tool(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        match self.begin(params, meta, reply, envelope) {
            Ok(running) => Reaction::Calls(running),
            Err(Refusal::Error(error)) => reply.error(out, &error),
            Err(Refusal::Input { tool_index, errors }) => {
                self.refuse_input(tool_index, &errors, reply, out)
            }
        }
    }

    fn begin(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
    ) -> Result<RunningCall, Refusal> {
        let name = params.and_then(|params| params.get("name")).and_then(View::as_str);
        let name = name.ok_or_else(|| error::invalid_params("name must be a string"))?;
        let registry = self.catalogue.registry();
        let Some(tool_index) = registry.tool_index(name) else {
            return Err(unknown_tool(name).into());
        };
        let arguments = params.and_then(|params| params.get("arguments"));
        if arguments.is_some_and(|arguments| !arguments.is_object()) {
            return Err(error::invalid_params("arguments must be an object").into());
        }
        if reply.revision.era() == Era::Modern {
            let mirrored = &registry.tools()[tool_index].mirrored;
            mirror::check_params(mirrored, arguments, envelope.fields)?;
        }
        let call = self.open_call("tools/call", params, meta, reply, envelope)?;
        match self.local.tools[tool_index].start(Cx::new(call.clone()), arguments) {
            Ok(work) => Ok(RunningCall { call, work, subject: Subject::Tool(tool_index) }),
            Err(errors) => Err(Refusal::Input { tool_index, errors }),
        }
    }

    /// Begins a call of any kind: what the request says of its client is read.
    pub(super) fn open_call(
        &self,
        method: &'static str,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
    ) -> Result<Rc<Call>, RpcError> {
        let (capabilities, log_level) = match reply.revision.era() {
            Era::Modern => {
                let level = meta.level().map_err(error::invalid_params)?;
                (ClientCapabilities::read(meta.capabilities), level)
            }
            Era::Legacy => match envelope.session {
                Some(session) => {
                    // Extensions are the modern era's, whatever a handshake says.
                    let capabilities = session.capabilities().without(Capability::Tasks);
                    (capabilities, Some(session.log_level()))
                }
                None => (ClientCapabilities::default(), Some(SESSIONLESS_LOG_LEVEL)),
            },
        };
        let may_become_task = self.tasks.is_some()
            && method == "tools/call"
            && reply.revision.rules().extensions
            && capabilities.has(Capability::Tasks);
        self.calls.begin(&CallStart {
            revision: reply.revision,
            method,
            params,
            principal: None,
            id: reply.id,
            meta,
            capabilities,
            log_level,
            stream: envelope.stream,
            stream_buffer_bytes_max: self.stream_buffer_bytes_max,
            session: envelope.session,
            task_owner: may_become_task.then(|| (envelope.asker)()),
        })
    }

    #[cold]
    fn refuse_input(
        &self,
        tool_index: usize,
        errors: &InputErrors,
        reply: Reply<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let tool = &self.catalogue.registry().tools()[tool_index].definition.name;
        let text = errors.text(format_args!("tool `{tool}`"));
        if !reply.revision.rules().input_failure_is_result {
            let error = RpcError::new(crate::jsonrpc::error::INVALID_PARAMS, text);
            return reply.error(out, &error.with_data(errors.data()));
        }
        let answer = Answer::from(Content::text(text)).failed();
        let answer = Outcome::Full(Box::new(answer.with_meta("ringlane/errors", errors.json())));
        encode::response_start(out, &encode::id_json(reply.id));
        answer.encode(out, self.frame(Subject::Tool(tool_index), reply.revision));
        out.push(b'}');
        Reaction::Answered { status: 200 }
    }

    /// Writes the response of a call that ended, and gives the status that it travels with if its
    /// head is not sent yet.
    pub fn finish(
        &self,
        call: &Call,
        subject: Subject,
        finished: Finished,
        out: &mut Vec<u8>,
    ) -> u16 {
        match finished.or_else(failure) {
            Ok(outcome) => {
                call.with_id(|id| encode::response_start(out, id));
                outcome.encode(out, self.frame(subject, call.revision()));
                out.push(b'}');
                200
            }
            Err(error) => {
                call.with_id(|id| encode::error(out, Some(id), &error));
                // What a handler makes up travels with 200; only a missing capability is the
                // request's own fault (MCP 2026-07-28, "Error Codes").
                match error.code {
                    error::MISSING_CAPABILITY => error::status(error.code, call.revision()),
                    _ => 200,
                }
            }
        }
    }

    /// Gives back what a call held.
    pub fn end(&self, running: RunningCall) {
        let RunningCall { call, work, .. } = running;
        // It may hold the call; and what it holds of its own may panic when it goes.
        let _panicked = catch_unwind(AssertUnwindSafe(|| drop(work)));
        self.calls.end(call);
    }

    pub(super) fn frame(&self, subject: Subject, revision: Revision) -> ResultFrame<'_> {
        let edition = self.catalogue.edition(revision);
        ResultFrame {
            rules: revision.rules(),
            structured: match subject {
                Subject::Tool(index) => edition.structured[index],
                Subject::Other => false,
            },
            server_info: &edition.server_name,
        }
    }
}

enum Refusal {
    Error(RpcError),
    Input { tool_index: usize, errors: InputErrors },
}

impl From<RpcError> for Refusal {
    fn from(error: RpcError) -> Self {
        Self::Error(error)
    }
}

#[cold]
fn unknown_tool(name: &str) -> RpcError {
    const SHOWN_BYTES: usize = 64;
    let shown = &name[..name.floor_char_boundary(SHOWN_BYTES)];
    error::invalid_params(format_args!("unknown tool `{shown}`; tools/list names those there are"))
}
