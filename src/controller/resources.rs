//! Resources: found by their address, and read.
//!
//! A resource at its own address goes before every template; of templates the first that gives the
//! address is asked. Spec: MCP 2026-07-28 server/resources.

use serde_json::{Map, Value};

use super::dispatch::{Controller, Envelope, Reaction, Reply, RunningCall, Subject};
use crate::handler::context::Cx;
use crate::handler::input::InputErrors;
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
        let reading = |mime_type, cache: Option<_>, variables| {
            let cache = cache.unwrap_or(self.catalogue.cache_hints());
            Reading { uri, mime_type, variables, cache }
        };
        let (code, given) = match registry.resource_index(uri) {
            Some(index) => {
                let entry = &registry.resources()[index];
                let mime_type = entry.definition.mime_type.as_deref();
                (&self.local.resources[index], reading(mime_type, entry.cache, Map::new()))
            }
            None => {
                let (index, variables) = self
                    .matching_template(uri)
                    .ok_or_else(|| error::resource_not_found(uri, reply.revision))?;
                let entry = &registry.templates()[index];
                let mime_type = entry.definition.mime_type.as_deref();
                let given = reading(mime_type, entry.cache, variables);
                (&self.local.templates[index].code, given)
            }
        };
        let call = self.open_call(meta, reply, envelope)?;
        let work = code
            .start(Cx::new(call.clone()), given)
            .map_err(|errors| unfit_variables(uri, &errors))?;
        Ok(RunningCall { call, work, subject: Subject::Other })
    }

    /// The first template that gives an address, and the variables with which it does.
    fn matching_template(&self, uri: &str) -> Option<(usize, Map<String, Value>)> {
        let templates = self.catalogue.registry().templates().iter().enumerate();
        templates
            .filter_map(|(index, entry)| Some((index, entry.template.match_uri(uri)?)))
            .map(|(index, variables)| {
                let texts = variables.into_iter();
                (index, texts.map(|(name, text)| (name.to_owned(), (*text).into())).collect())
            })
            .next()
    }
}

/// The address is one of the template's, but what it says does not fit.
#[cold]
fn unfit_variables(uri: &str, errors: &InputErrors) -> RpcError {
    let mut data = errors.data();
    data["uri"] = uri.into();
    RpcError::new(INVALID_PARAMS, errors.text("the variables of uri")).with_data(data)
}
