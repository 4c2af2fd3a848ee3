//! Asking the client in the midst of a call, written once for both eras.
//!
//! In the legacy era a question is a request of the server's on the call's stream, and the handler
//! waits for its answer. In the modern one the call ends with a result that says `input_required`;
//! the client calls again with the answers, and the handler runs again from the top. What was
//! answered and done before travels with the client, sealed. In a task the question waits with the
//! handler, and its client answers when it looks.
//! Reading order: this file (what a handler may ask), `forms` (schemas and what people fill in),
//! `rounds` (the questions and answers of one call), `state` (what travels), `binding` (what it is
//! good for), `both` (two questions at once).
//! Spec: MCP 2026-07-28 basic/patterns/mrtr; MCP 2025-11-25 client/elicitation, sampling, roots.
//! Invariant: a key names one question of a call, and nothing that was not declared is asked.

pub(super) mod binding;
mod both;
mod forms;
pub(super) mod rounds;
pub mod state;

use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use self::both::both;
use self::rounds::Named;
use super::call::Call;
use super::context::Cx;
use super::error::ToolError;
use super::input::InputErrors;
use crate::base::timers::Elapsed;
use crate::jsonrpc::error::{INTERNAL_ERROR, INVALID_PARAMS};
use crate::mcp::capability::Capability;
use crate::mcp::model::elicitation::{self, Elicited, Form};
use crate::mcp::model::malformed::Malformed;
use crate::mcp::model::root::{self, Root};
use crate::mcp::model::sampling::{self, Sampled, Sampling};
use crate::mcp::revision::Era;
use crate::session::conversation::TooMany;
use crate::session::question::{Question, Reply};
use crate::session::task::Task;

/// What asking may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskLimits {
    /// For how long a client may bring back the state of a call that asked. Default 1 h; then it
    /// calls anew.
    pub state_life: Duration,
    /// How many times in a row a call may end with questions. Default 10; then with an error.
    pub ask_rounds_max: usize,
    /// How long a client of the legacy era may take to answer one question, which does not count as
    /// time of the call. Default 10 min; then the asking handler is told.
    pub answer_timeout: Duration,
    /// How long the state of a call that asked may be, as it travels. Default 64 KiB; then the call
    /// ends with an error.
    pub state_bytes_max: usize,
}

impl Default for AskLimits {
    fn default() -> Self {
        Self {
            state_life: Duration::from_secs(3600),
            ask_rounds_max: 10,
            answer_timeout: Duration::from_secs(600),
            state_bytes_max: 64 * 1024,
        }
    }
}

/// Asking. Each question has a key, which names it within its call.
///
/// A client of the modern era is answered with the questions and calls again, and the handler runs
/// **again from the top**, this time with the answers. So ask before doing what must happen once,
/// or do it in [`once`](Cx::once). Questions that wait at the same time, as joined futures do, go
/// out together. In a [task](Cx::become_task) a question is answered where it stands, and nothing
/// runs again.
///
/// ```
/// use ringlane::{Cx, Elicited, ToolError};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Name {
///     /// What to call you
///     name: String,
/// }
///
/// async fn greet(cx: Cx, (): ()) -> Result<String, ToolError> {
///     match cx.ask("user_name", "What is your name?").await? {
///         Elicited::Accepted(Name { name }) => Ok(format!("Hello, {name}!")),
///         Elicited::Declined | Elicited::Cancelled => Ok("Hello, stranger!".to_owned()),
///     }
/// }
/// ```
///
/// Every question fails with an error that names what is missing when the client did not declare
/// that it can be asked so (-32021 in the modern era; [`Cx::client_can`] tells before), when it
/// refuses, and when its answer is not as it must be. Never ask for passwords, keys or payments in
/// a form: send the person to a page.
impl Cx {
    /// Asks a person to fill in a form, whose fields are those of `T`: a struct of strings,
    /// numbers, booleans, enums without content, lists of such enums, and `Option`s of these.
    ///
    /// # Errors
    /// As told above; also when `T` cannot be a form.
    pub async fn ask<T: DeserializeOwned + JsonSchema>(
        &self,
        key: &str,
        message: &str,
    ) -> Result<Elicited<T>, ToolError> {
        let form = Form::new(message, forms::schema_of::<T>());
        let said = self.fill_in(key, &form).await?;
        let read = |said: Value| forms::read(said).map_err(|errors| self.unfit(key, &errors));
        let said = match said {
            Elicited::Accepted(said) => Elicited::Accepted(read(said)?),
            Elicited::Declined => Elicited::Declined,
            Elicited::Cancelled => Elicited::Cancelled,
        };
        self.call().rounds().keep(key);
        Ok(said)
    }

    /// Asks a person to fill in a form whose schema is written by hand.
    ///
    /// # Errors
    /// As told above; also when the schema is none of a form.
    pub async fn ask_form(&self, key: &str, form: Form) -> Result<Elicited<Value>, ToolError> {
        let said = self.fill_in(key, &form).await?;
        self.call().rounds().keep(key);
        Ok(said)
    }

    /// Asks a person to open a page, for what no form may ask for. Accepted means that the person
    /// agreed to open it; what became of it is for the page to know. The address must hold nothing
    /// personal, and whoever ends up there must be checked to be the same person.
    ///
    /// # Errors
    /// As told above; also when `url` is not one.
    pub async fn ask_url(
        &self,
        key: &str,
        message: &str,
        url: &str,
    ) -> Result<Elicited<()>, ToolError> {
        if !["https://", "http://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err(misuse(key, "the page must begin with https:// or http://"));
        }
        let rules = self.revision().rules();
        let id = if rules.elicitation_ids { self.random_name()? } else { String::new() };
        let params = || Ok(elicitation::url_params(message, url, &id, rules));
        let asked =
            self.question(key, &[Capability::ElicitUrl], elicitation::METHOD, params).await?;
        let said = elicitation::read(&asked).map_err(|fault| self.malformed(key, fault))?;
        self.call().rounds().keep(key);
        Ok(said.map(|_content| ()))
    }

    /// Asks the client's model.
    ///
    /// # Errors
    /// As told above.
    pub async fn sample(&self, key: &str, question: Sampling) -> Result<Sampled, ToolError> {
        let both = [Capability::Sampling, Capability::SamplingTools];
        let needed = if question.has_tools() { &both[..] } else { &both[..1] };
        let params = || Ok(question.params(self.revision().rules()));
        let said = self.question(key, needed, sampling::METHOD, params).await?;
        let said = Sampled::read(&said).map_err(|fault| self.malformed(key, fault))?;
        self.call().rounds().keep(key);
        Ok(said)
    }

    /// Asks for the folders that the user works in.
    ///
    /// # Errors
    /// As told above.
    pub async fn roots(&self, key: &str) -> Result<Vec<Root>, ToolError> {
        let params = || Ok(json!({}));
        let said = self.question(key, &[Capability::Roots], root::METHOD, params).await?;
        let roots = root::read(&said).map_err(|fault| self.malformed(key, fault))?;
        self.call().rounds().keep(key);
        Ok(roots)
    }

    /// Does something once in a call, however often its handler runs for the sake of questions that
    /// come after: the value travels with them, and is given back in place of doing it again. A
    /// client that calls anew, without what it was given to bring back, has it done anew; and what
    /// comes after the last question is done as often as a client brings the same answers. What
    /// must never be done twice needs a memory on the server, with the value of this as its name.
    ///
    /// # Errors
    /// What `work` fails with; also when the value cannot be written as JSON or read back.
    pub async fn once<T, F>(&self, key: &str, work: F) -> Result<T, ToolError>
    where
        T: Serialize + DeserializeOwned,
        F: AsyncFnOnce() -> Result<T, ToolError>,
    {
        self.call().rounds().name(Named::Work, key).map_err(|rule| misuse(key, rule))?;
        if let Some(done) = self.call().rounds().done(key) {
            return Ok(serde_json::from_value(done)?);
        }
        let value = work().await?;
        if self.era() == Era::Modern {
            self.call().rounds().set_done(key, serde_json::to_value(&value)?);
        }
        Ok(value)
    }

    /// Asks with a form, and gives what was filled in as the schema has it.
    async fn fill_in(&self, key: &str, form: &Form) -> Result<Elicited<Value>, ToolError> {
        let params = || {
            forms::check(&form.schema).map_err(|fault| misuse(key, &fault.to_string()))?;
            let rules = self.revision().rules();
            // Which revision a client speaks is not the handler's fault: the model is told.
            let sent = forms::for_revision(&form.schema, rules)?;
            Ok(elicitation::form_params(&form.message, sent, rules))
        };
        let asked =
            self.question(key, &[Capability::ElicitForm], elicitation::METHOD, params).await?;
        let said = elicitation::read(&asked).map_err(|fault| self.malformed(key, fault))?;
        if let Elicited::Accepted(content) = &said {
            // Compiled once more, so that no handler holds it while a person thinks.
            let schema = forms::check(&form.schema);
            let schema = schema.map_err(|fault| misuse(key, &fault.to_string()))?;
            schema.check(content).map_err(|errors| self.unfit(key, &errors))?;
        }
        Ok(said)
    }

    /// Puts a question, in the way of the era, and gives the client's result as it came.
    async fn question(
        &self,
        key: &str,
        needed: &[Capability],
        method: &'static str,
        params: impl FnOnce() -> Result<Value, ToolError>,
    ) -> Result<Value, ToolError> {
        let call = self.call();
        if !call.may_ask() {
            return Err(misuse(key, "what completes an argument cannot ask"));
        }
        call.rounds().name(Named::Question, key).map_err(|rule| misuse(key, rule))?;
        if let Some(answer) = call.rounds().answer(key) {
            return Ok(answer);
        }
        for capability in needed {
            self.must_know(*capability)?;
        }
        let params = params()?;
        if let Some(task) = call.task() {
            return in_task(call, task, key, method, params).await;
        }
        match self.era() {
            Era::Legacy => {
                // In a box, so that handlers of the other era do not hold room for it.
                Box::pin(self.ask_live(key, method, params)).await
            }
            Era::Modern => {
                call.rounds().open(key, method, params);
                // The call ends while this waits. A handler that stops waiting asks no more.
                let _open = Open { call, key };
                pending().await
            }
        }
    }

    /// Asks on the stream of a session, and waits.
    async fn ask_live(
        &self,
        key: &str,
        method: &'static str,
        params: Value,
    ) -> Result<Value, ToolError> {
        let call = self.call();
        let live = Live::ask(call, method, &params.to_string())?;
        let services = call.services();
        let until = services.clock.now().after(call.ask_limits().answer_timeout);
        let said = services.clock.timers().timeout(until, live.reply()).await;
        let said = said.map_err(|Elapsed| {
            ToolError::new(format!("the client did not answer `{key}` in time"))
        })?;
        said.map_err(|refusal| {
            let (message, code) = (refusal.message, refusal.code);
            ToolError::new(format!("the client did not answer `{key}`: {message} ({code})"))
        })
    }

    fn must_know(&self, capability: Capability) -> Result<(), ToolError> {
        let rules = self.revision().rules();
        let exists = match capability {
            Capability::ElicitForm => rules.elicitation,
            Capability::ElicitUrl => rules.elicitation_modes,
            Capability::SamplingTools => rules.sampling_tools,
            Capability::Sampling | Capability::Roots | Capability::Tasks => true,
        };
        let name = capability.name();
        match self.era() {
            _ if exists && self.client_can(capability) => Ok(()),
            Era::Modern => Err(ToolError::needs(capability)),
            Era::Legacy if exists => Err(ToolError::new(format!(
                "this client cannot be asked: it did not declare the capability `{name}`"
            ))),
            Era::Legacy => Err(ToolError::new(format!(
                "this client cannot be asked: `{name}` does not exist in revision {}",
                rules.name
            ))),
        }
    }

    /// What is told of an answer whose form is wrong.
    fn malformed(&self, key: &str, fault: Malformed) -> ToolError {
        self.bad_answer(fault.at(&self.place(key)), None)
    }

    /// What is told of a form that was filled in wrongly.
    fn unfit(&self, key: &str, errors: &InputErrors) -> ToolError {
        let text = errors.list(&format!("{}.content breaks the form:", self.place(key)));
        self.bad_answer(text, Some(errors.data()))
    }

    fn place(&self, key: &str) -> String {
        match self.era() {
            Era::Modern => format!("inputResponses.{key}"),
            Era::Legacy => format!("the answer to {key}"),
        }
    }

    /// An answer that came with a request makes that request invalid; one that came by itself is a
    /// failure of the work.
    fn bad_answer(&self, text: String, data: Option<Value>) -> ToolError {
        match self.era() {
            Era::Modern if self.call().task().is_none() => {
                let error = ToolError::rpc(INVALID_PARAMS, format!("Invalid params: {text}"));
                data.into_iter().fold(error, ToolError::with_data)
            }
            Era::Modern | Era::Legacy => ToolError::new(text),
        }
    }

    fn random_name(&self) -> Result<String, ToolError> {
        let bytes: [u8; 16] = self.call().services().sealer.random()?;
        Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
    }
}

/// A question on its way to a client of the legacy era. One that nobody waits for any more is
/// withdrawn.
struct Live<'a> {
    call: &'a Call,
    question: Rc<Question>,
}

impl<'a> Live<'a> {
    fn ask(call: &'a Call, method: &'static str, params_json: &str) -> Result<Self, ToolError> {
        let question = call.ask_live(method, params_json)?;
        call.note_waiting(1);
        Ok(Self { call, question })
    }

    fn reply(&self) -> impl Future<Output = Reply> {
        self.question.clone().reply()
    }
}

impl Drop for Live<'_> {
    fn drop(&mut self) {
        self.call.note_waiting(-1);
        self.call.withdraw(&self.question);
    }
}

/// A question that is open as long as somebody waits for its answer.
struct Open<'a> {
    call: &'a Call,
    key: &'a str,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.call.rounds().close(self.key);
    }
}

/// Puts a question in a task, which its client sees when it looks, and waits for the answer. In a
/// box, since every question would be larger for it, and few are of tasks.
fn in_task<'a>(
    call: &'a Call,
    task: Rc<Task>,
    key: &'a str,
    method: &'static str,
    params: Value,
) -> Pin<Box<dyn Future<Output = Result<Value, ToolError>> + 'a>> {
    let request = json!({"method": method, "params": params}).to_string();
    let asked = task.ask(key, request, call.moment().unix_seconds);
    Box::pin(async move {
        let question = asked.map_err(|TooMany(limit)| {
            ToolError::new(format!("the client cannot be asked: too many questions ({limit})"))
        })?;
        let _open = OpenInTask { call, task, key };
        question.reply().await.map_err(|refusal| ToolError::new(refusal.message))
    })
}

/// A question of a task that is open as long as somebody waits for its answer.
struct OpenInTask<'a> {
    call: &'a Call,
    task: Rc<Task>,
    key: &'a str,
}

impl Drop for OpenInTask<'_> {
    fn drop(&mut self) {
        self.task.withdraw(self.key, self.call.moment().unix_seconds);
    }
}

/// A fault of the handler's own, which its client can do nothing about.
#[cold]
fn misuse(key: &str, rule: &str) -> ToolError {
    ToolError::rpc(
        INTERNAL_ERROR,
        format!("Internal error: the handler asked wrongly: `{key}`: {rule}"),
    )
}
