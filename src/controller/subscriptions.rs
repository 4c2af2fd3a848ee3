//! Who wants to be told of changes: `resources/subscribe` of sessions, `subscriptions/listen` of
//! the modern era.
//!
//! Spec: MCP 2025-11-25 server/resources "Subscriptions"; MCP 2026-07-28 `subscriptions/listen`.
//! Limits: `watched_resources_max`, `watched_bytes_max`, `subscriptions_max`, `WATCHED_TASKS_MAX`.

use super::dispatch::{Controller, Envelope, Reaction, Reply, refuse_with};
use crate::jsonrpc::encode;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::view::{Value, View};
use crate::mcp::capability::{Capability, ClientCapabilities};
use crate::mcp::error;
use crate::mcp::meta::Meta;
use crate::mcp::uri;
use crate::session::conversation::TooMany;
use crate::session::id::TaskId;
use crate::session::subscription::{Filter, TooManyListen};

/// How many tasks one subscription may watch: each is told of to every core when it changes.
const WATCHED_TASKS_MAX: usize = 32;

impl Controller {
    /// `resources/subscribe`
    pub(super) fn watch(
        &self,
        params: Option<View<'_>>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let known = |uri: &str| match self.catalogue.registry().resource_at(uri) {
            Some(_) => Ok(()),
            None => Err(error::resource_not_found(uri, reply.revision)),
        };
        let watched = self.watchable(params).and_then(|uri| known(uri).map(|()| uri));
        let watched = watched.and_then(|uri| match envelope.session {
            Some(session) => session.watch(uri).map_err(|TooMany(limit)| {
                error::invalid_params(format_args!("too many subscriptions ({limit}); end some"))
            }),
            None => Err(error::invalid_params("a subscription needs a session; initialize first")),
        });
        self.acknowledge(watched, reply, out)
    }

    /// `resources/unsubscribe`
    pub(super) fn unwatch(
        &self,
        params: Option<View<'_>>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let unwatched = self.watchable(params).map(|uri| {
            if let Some(session) = envelope.session {
                session.unwatch(uri);
            }
        });
        self.acknowledge(unwatched, reply, out)
    }

    fn watchable<'a>(&self, params: Option<View<'a>>) -> Result<&'a str, RpcError> {
        if !self.catalogue.offers_resources() {
            return Err(error::method_not_found());
        }
        let uri = params.and_then(|params| params.get("uri")).and_then(View::as_str);
        let uri = uri.ok_or_else(|| error::invalid_params("uri must be a string"))?;
        uri::check(uri).map_err(|rule| error::invalid_params(format_args!("uri {rule}")))?;
        Ok(uri)
    }

    pub(super) fn acknowledge(
        &self,
        outcome: Result<(), RpcError>,
        reply: Reply<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        match outcome {
            Ok(()) => reply.result(out, &self.catalogue.edition(reply.revision).empty),
            Err(error) => reply.error(out, &error),
        }
    }

    /// `subscriptions/listen`
    pub(super) fn listen(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let filter = match self.read_filter(params, meta, envelope) {
            Ok(filter) => filter,
            Err(error) => return reply.error(out, &error),
        };
        let (watched_tasks, asker) = (filter.tasks.clone(), filter.asker.clone());
        let Some(format) = envelope.stream else {
            let error = error::invalid_request("the answer is a stream; Accept text/event-stream");
            encode::error(out, Some(&encode::id_json(reply.id)), &error);
            return Reaction::Answered { status: 406 };
        };
        let id_json = encode::id_json(reply.id);
        match self.subscriptions.open(filter, id_json, format, self.clock.now()) {
            Ok(stream) => {
                if let (Some(tasks), Some(asker)) = (&self.tasks, asker) {
                    tasks.ask_to_watch(&watched_tasks, asker);
                }
                Reaction::Listens(stream)
            }
            Err(TooManyListen) => {
                let error = error::internal("As many listen as may; try again later");
                refuse_with(out, Some(reply.id), &error, 503)
            }
        }
    }

    /// Reads what a client asks for, less what is not offered.
    fn read_filter(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        envelope: Envelope<'_>,
    ) -> Result<Filter, RpcError> {
        let asked = params.and_then(|params| params.get("notifications"));
        let Some(asked) = asked.filter(|asked| asked.is_object()) else {
            return Err(error::invalid_params("notifications must be an object"));
        };
        let flag = |name: &str| match asked.get(name).map(View::value) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(value),
            Some(_) => {
                Err(error::invalid_params(format_args!("notifications.{name} must be a boolean")))
            }
        };
        let has_resources = self.catalogue.offers_resources();
        let tasks = self.read_watched_tasks(asked, meta)?;
        Ok(Filter {
            asker: (!tasks.is_empty()).then(|| (envelope.asker)()),
            tasks,
            tools: flag("toolsListChanged")? && !self.catalogue.registry().tools().is_empty(),
            prompts: flag("promptsListChanged")? && self.catalogue.offers_prompts(),
            resources: flag("resourcesListChanged")? && has_resources,
            watched: if has_resources { self.read_watched(asked)? } else { Vec::new() },
        })
    }

    /// The tasks that a client watches: ids that this process made, whatever became of the tasks.
    fn read_watched_tasks(
        &self,
        asked: View<'_>,
        meta: &Meta<'_>,
    ) -> Result<Vec<TaskId>, RpcError> {
        const RULE: &str = "notifications.taskIds must be an array of strings";
        let (Some(tasks), Some(ids)) = (&self.tasks, asked.get("taskIds")) else {
            return Ok(Vec::new());
        };
        if !ClientCapabilities::read(meta.capabilities).has(Capability::Tasks) {
            return Err(error::missing_capability(Capability::Tasks));
        }
        let Value::Array(count) = ids.value() else { return Err(error::invalid_params(RULE)) };
        if count > WATCHED_TASKS_MAX {
            let most = WATCHED_TASKS_MAX;
            let reason = format_args!("notifications.taskIds may hold up to {most} ids");
            return Err(error::invalid_params(reason));
        }
        let texts: Option<Vec<_>> = ids.elements().map(View::as_str).collect();
        let texts = texts.ok_or_else(|| error::invalid_params(RULE))?;
        let mut watched: Vec<TaskId> = Vec::new();
        for id in texts.into_iter().filter_map(|id| tasks.read_id(id)) {
            if !watched.contains(&id) {
                watched.push(id);
            }
        }
        Ok(watched)
    }

    fn read_watched(&self, asked: View<'_>) -> Result<Vec<Box<str>>, RpcError> {
        const RULE: &str = "notifications.resourceSubscriptions must be an array of URIs";
        let Some(uris) = asked.get("resourceSubscriptions") else { return Ok(Vec::new()) };
        let Value::Array(count) = uris.value() else { return Err(error::invalid_params(RULE)) };
        let most = self.subscriptions.watched_max();
        if count > most {
            let reason =
                format_args!("notifications.resourceSubscriptions may hold up to {most} URIs");
            return Err(error::invalid_params(reason));
        }
        let read = |uri: View<'_>| uri.as_str().map(Box::from);
        let watched: Option<Vec<Box<str>>> = uris.elements().map(read).collect();
        let watched = watched.ok_or_else(|| error::invalid_params(RULE))?;
        let bytes_max = self.subscriptions.watched_bytes_max();
        if watched.iter().map(|uri| uri.len()).sum::<usize>() > bytes_max {
            let reason = format_args!(
                "notifications.resourceSubscriptions may take up to {bytes_max} bytes"
            );
            return Err(error::invalid_params(reason));
        }
        if let Some(rule) = watched.iter().find_map(|uri| uri::check(uri).err()) {
            let reason = format_args!("each of notifications.resourceSubscriptions {rule}");
            return Err(error::invalid_params(reason));
        }
        // What there is none of is not honoured: its change would never be told.
        let registry = self.catalogue.registry();
        Ok(watched.into_iter().filter(|uri| registry.resource_at(uri).is_some()).collect())
    }
}
