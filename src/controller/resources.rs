//! Resources: found by their address, and read.
//!
//! Spec: MCP 2026-07-28 server/resources. Which of several is asked is the registry's to say.

use serde_json::Map;

use super::dispatch::{Controller, Envelope, Reaction, Reply, RunningCall, Subject};
use crate::handler::context::Cx;
use crate::handler::input::InputErrors;
use crate::handler::registry::ResourceAt;
use crate::handler::resource::Reading;
use crate::jsonrpc::error::{INVALID_PARAMS, RpcError};
use crate::jsonrpc::view::View;
use crate::mcp::error;
use crate::mcp::meta::Meta;
use crate::mcp::uri;

impl Controller {
    /// `resources/read`
    pub(super) fn read_resource(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let uri = params.and_then(|params| params.get("uri")).and_then(View::as_str);
        if let Some(file) = uri.and_then(|uri| self.catalogue.registry().skill_file(uri)) {
            return self.read_skill_file(file, reply, out);
        }
        match self.begin_read(params, meta, reply, envelope) {
            Ok(running) => Reaction::Calls(running),
            Err(error) => reply.error(out, &error),
        }
    }

    fn begin_read(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
    ) -> Result<RunningCall, RpcError> {
        let registry = self.catalogue.registry();
        if !registry.has_resources() {
            return Err(error::method_not_found());
        }
        let uri = params.and_then(|params| params.get("uri")).and_then(View::as_str);
        let uri = uri.ok_or_else(|| error::invalid_params("uri must be a string"))?;
        uri::check(uri).map_err(|reason| error::invalid_params(format_args!("uri {reason}")))?;
        let (code, definition, cache, variables) = match registry.resource_at(uri) {
            Some(ResourceAt::Resource(index)) => {
                let entry = &registry.resources()[index];
                (&self.local.resources[index], &entry.definition, entry.cache, Map::new())
            }
            Some(ResourceAt::Template { index, variables }) => {
                let entry = &registry.templates()[index];
                (&self.local.templates[index].code, &entry.definition, entry.cache, variables)
            }
            None => return Err(error::resource_not_found(uri, reply.revision)),
        };
        let mime_type = definition.mime_type.as_deref();
        let cache = cache.unwrap_or(self.catalogue.cache_hints());
        let given = Reading { uri, mime_type, variables, cache };
        let call = self.open_call("resources/read", params, meta, reply, envelope)?;
        let work = code
            .start(Cx::new(call.clone()), given)
            .map_err(|errors| unfit_variables(uri, &errors))?;
        Ok(RunningCall { call, work, subject: Subject::Other })
    }
}

/// The address is one of the template's, but what it says does not fit.
#[cold]
fn unfit_variables(uri: &str, errors: &InputErrors) -> RpcError {
    let mut data = errors.data();
    data["uri"] = uri.into();
    RpcError::new(INVALID_PARAMS, errors.text("the variables of uri")).with_data(data)
}
