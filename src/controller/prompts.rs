//! Prompts: found by their name, and filled in.
//!
//! Spec: MCP 2026-07-28 server/prompts. Arguments that do not fit are the client's to mend, so they
//! are an error in every revision.

use serde_json::{Map, Value};

use super::dispatch::{Controller, Envelope, Reaction, Reply, RunningCall, Subject};
use crate::handler::context::Cx;
use crate::handler::input::InputErrors;
use crate::jsonrpc::error::{INVALID_PARAMS, RpcError};
use crate::jsonrpc::view::View;
use crate::mcp::error;
use crate::mcp::meta::Meta;

impl Controller {
    /// `prompts/get`
    pub(super) fn get_prompt(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        match self.begin_prompt(params, meta, reply, envelope) {
            Ok(running) => Reaction::Calls(running),
            Err(error) => reply.error(out, &error),
        }
    }

    fn begin_prompt(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
    ) -> Result<RunningCall, RpcError> {
        let registry = self.catalogue.registry();
        if registry.prompts().is_empty() {
            return Err(error::method_not_found());
        }
        let name = params.and_then(|params| params.get("name")).and_then(View::as_str);
        let name = name.ok_or_else(|| error::invalid_params("name must be a string"))?;
        let index = registry.prompt_index(name).ok_or_else(|| unknown_prompt(name))?;
        let unfit = |errors: InputErrors| {
            let text = errors.text(format_args!("prompt `{name}`"));
            RpcError::new(INVALID_PARAMS, text).with_data(errors.data())
        };
        let arguments = match params.and_then(|params| params.get("arguments")) {
            None => Map::new(),
            Some(arguments) => texts(arguments).map_err(unfit)?,
        };
        let call = self.open_call("prompts/get", params, meta, reply, envelope)?;
        let code = &self.local.prompts[index].code;
        let work = code.start(Cx::new(call.clone()), arguments).map_err(unfit)?;
        Ok(RunningCall { call, work, subject: Subject::Other })
    }
}

/// The members of an object of texts.
fn texts(arguments: View<'_>) -> Result<Map<String, Value>, InputErrors> {
    if !arguments.is_object() {
        return Err(InputErrors::one("", "must be an object", "send an object of strings"));
    }
    let texts = arguments.members().map(|(name, value)| match value.as_str() {
        Some(text) => Ok((name.to_owned(), Value::from(text))),
        None => Err(InputErrors::one(name, "must be a string", "send a string")),
    });
    texts.collect()
}

#[cold]
pub(super) fn unknown_prompt(name: &str) -> RpcError {
    const SHOWN_BYTES: usize = 64;
    let shown = &name[..name.floor_char_boundary(SHOWN_BYTES)];
    let told = format_args!("unknown prompt `{shown}`; prompts/list names those there are");
    error::invalid_params(told)
}
