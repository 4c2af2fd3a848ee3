//! Tasks: looked at, answered, cancelled; and how the end of one is written.
//!
//! Every request says anew that its client knows tasks, and who asks. A task that is unknown, over
//! or somebody else's is told alike. Spec: MCP extension `io.modelcontextprotocol/tasks`.
//! Limit: `task_result_bytes_max`.

use std::rc::Rc;

use super::dispatch::{Controller, Envelope, Reaction, Reply, Subject};
use crate::handler::answer::{Finished, Outcome, failure};
use crate::handler::call::Call;
use crate::jsonrpc::encode;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::view::View;
use crate::mcp::capability::{Capability, ClientCapabilities};
use crate::mcp::error;
use crate::mcp::meta::Meta;
use crate::session::task::{Task, TaskEnd};

impl Controller {
    /// `tasks/get`
    pub(super) fn get_task(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        match self.task(params, meta, envelope) {
            Ok(task) => {
                let mut json = Vec::new();
                task.encode(&mut json);
                // Serialised JSON is UTF-8.
                let json = String::from_utf8(json).unwrap_or_default();
                let outcome = Outcome::Members { result_type: "complete", json };
                encode::response_start(out, &encode::id_json(reply.id));
                outcome.encode(out, self.frame(Subject::Other, reply.revision));
                out.push(b'}');
                Reaction::Answered { status: 200 }
            }
            Err(error) => reply.error(out, &error),
        }
    }

    /// `tasks/update`: answers to questions. Those that are not open, or no more, are left out.
    pub(super) fn update_task(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let updated = self.task(params, meta, envelope).and_then(|task| {
            let answers = params.and_then(|params| params.get("inputResponses"));
            let answers = answers.filter(|answers| {
                answers.is_object() && answers.members().all(|(_, answer)| answer.is_object())
            });
            let Some(answers) = answers else {
                return Err(error::invalid_params("inputResponses must be an object of objects"));
            };
            let unix_seconds = self.clock.unix_seconds();
            for (key, answer) in answers.members() {
                // Every value on the tape is JSON.
                task.answer(key, answer.deserialize().unwrap_or_default(), unix_seconds);
            }
            Ok(())
        });
        self.acknowledge(updated, reply, out)
    }

    /// `tasks/cancel`: the handler is told. A task that ended stays as it is.
    pub(super) fn cancel_task(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        reply: Reply<'_>,
        envelope: Envelope<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let cancelled = self.task(params, meta, envelope).map(|task| task.cancel());
        self.acknowledge(cancelled, reply, out)
    }

    /// Finds the task that a request names.
    fn task(
        &self,
        params: Option<View<'_>>,
        meta: &Meta<'_>,
        envelope: Envelope<'_>,
    ) -> Result<Rc<Task>, RpcError> {
        let tasks = self.tasks.as_ref().ok_or_else(error::method_not_found)?;
        if !ClientCapabilities::read(meta.capabilities).has(Capability::Tasks) {
            return Err(error::missing_capability(Capability::Tasks));
        }
        let id = params.and_then(|params| params.get("taskId")).and_then(View::as_str);
        let id = id.ok_or_else(|| error::invalid_params("taskId must be a string"))?;
        tasks.find(id, &(envelope.asker)()).ok_or_else(error::task_not_found)
    }

    /// Ends the task of a call whose handler ended. One that gave up because it was cancelled is
    /// cancelled; one that came to its end all the same tells its result.
    pub fn end_task(&self, call: &Call, task: &Task, subject: Subject, finished: Finished) {
        let Some(tasks) = &self.tasks else { return };
        let end = match finished {
            Err(_) if task.was_cancelled() => TaskEnd::Cancelled,
            finished => self.written_end(call, subject, finished),
        };
        tasks.end(task, end, call.moment());
    }

    fn written_end(&self, call: &Call, subject: Subject, finished: Finished) -> TaskEnd {
        let mut json = Vec::new();
        let is_result = match finished.or_else(failure) {
            Ok(outcome) => {
                outcome.encode(&mut json, self.frame(subject, call.revision()));
                true
            }
            Err(error) => {
                encode::error_object(&mut json, &error);
                false
            }
        };
        if json.len() > self.task_result_bytes_max {
            let error = "The result of the task is too long (task_result_bytes_max)";
            json.clear();
            encode::error_object(&mut json, &error::internal(error));
            return TaskEnd::Failed(json.into());
        }
        if is_result { TaskEnd::Completed(json.into()) } else { TaskEnd::Failed(json.into()) }
    }
}
