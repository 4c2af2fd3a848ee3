//! Completion: what somebody types, and what completes it.
//!
//! Spec: MCP 2026-07-28 server/utilities/completion. An argument that nothing completes has no
//! values; a prompt or template that is not there is an error.

use std::collections::BTreeMap;

use super::dispatch::{Controller, Envelope, Reaction, Reply, RunningCall, Subject};
use super::prompts::unknown_prompt;
use super::twins::LocalCompleter;
use crate::handler::completion::Completing;
use crate::handler::context::Cx;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::view::View;
use crate::mcp::error;
use crate::mcp::meta::Meta;

impl Controller {
    /// `completion/complete`
    pub(super) fn complete(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        match self.begin_completion(params, meta, reply, envelope) {
            Ok(Some(running)) => Reaction::Calls(running),
            Ok(None) => reply.result(out, &self.catalogue.edition(reply.revision).no_completion),
            Err(error) => reply.error(out, &error),
        }
    }

    /// The call that completes; `None` if nothing does.
    fn begin_completion(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
    ) -> Result<Option<RunningCall>, RpcError> {
        if !self.catalogue.registry().completes() {
            return Err(error::method_not_found());
        }
        let member = |name: &str| params.and_then(|params| params.get(name));
        let completers = self.completers(member("ref"))?;
        let argument = member("argument");
        let text = |name| argument.and_then(|argument| argument.get(name)).and_then(View::as_str);
        let (Some(name), Some(value)) = (text("name"), text("value")) else {
            return Err(error::invalid_params("argument.name and argument.value must be strings"));
        };
        let settled = member("context").and_then(|context| context.get("arguments"));
        let arguments = settled.map_or_else(|| Ok(BTreeMap::new()), texts)?;
        let Some(completer) = completers.iter().find(|completer| completer.argument == name) else {
            return Ok(None);
        };
        let call = self.open_call("completion/complete", params, meta, reply, envelope)?;
        let typed = Completing { value: value.to_owned(), arguments };
        let begun = completer.code.start(Cx::new(call.clone()), typed);
        let work = begun.map_err(|errors| error::invalid_params(errors.text("the argument")))?;
        Ok(Some(RunningCall { call, work, subject: Subject::Other }))
    }

    /// What completes arguments of the prompt or template that a reference names.
    fn completers(&self, reference: Option<View<'_>>) -> Result<&[LocalCompleter], RpcError> {
        let member = |name| reference.and_then(|it| it.get(name)).and_then(View::as_str);
        let registry = self.catalogue.registry();
        match (member("type"), member("name"), member("uri")) {
            (Some("ref/prompt"), Some(name), _) => {
                let index = registry.prompt_index(name).ok_or_else(|| unknown_prompt(name))?;
                Ok(&self.local.prompts[index].completers)
            }
            (Some("ref/resource"), _, Some(uri)) => match registry.template_index(uri) {
                Some(index) => Ok(&self.local.templates[index].completers),
                None if registry.resource_index(uri).is_some() => Ok(&[]),
                None => Err(error::invalid_params(
                    "ref.uri is no template; resources/templates/list names those there are",
                )),
            },
            _ => Err(error::invalid_params(
                "ref must be {type: \"ref/prompt\", name} or {type: \"ref/resource\", uri}",
            )),
        }
    }
}

fn texts(arguments: View<'_>) -> Result<BTreeMap<String, String>, RpcError> {
    let text =
        |(name, value): (&str, View<'_>)| Some((name.to_owned(), value.as_str()?.to_owned()));
    let texts: Option<_> = arguments.members().map(text).collect();
    texts
        .filter(|_| arguments.is_object())
        .ok_or_else(|| error::invalid_params("context.arguments must be an object of strings"))
}
