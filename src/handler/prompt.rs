//! A prompt: what a programmer hands over, and its code.
//!
//! Its arguments are texts on the wire; the fields of the handler's type say which there are, what
//! they mean and which must be given. Spec: MCP 2026-07-28 server/prompts.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::answer::{Finished, members};
use super::code::{Code, Kind};
use super::completion::{Completer, Completing, Completions};
use super::context::Cx;
use super::error::ToolError;
use super::input::{InputSchema, SchemaError};
use crate::mcp::error;
use crate::mcp::model::icon::Icon;
use crate::mcp::model::prompt::{PromptArgument, PromptDefinition, PromptMessage, PromptMessages};

/// A prompt: what clients are told of it, and the code that fills it in.
///
/// ```
/// use ringlane::{Completing, Cx, Prompt};
/// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Review { language: String }
///
/// let review = Prompt::new("review", "Review code", async |_: Cx, review: Review| {
///     Ok(format!("Review this {} code.", review.language))
/// })
/// .title("Code review")
/// .complete("language", async |_: Cx, typed: Completing| Ok(typed.among(["C", "Rust"])));
/// ```
pub struct Prompt {
    pub(super) definition: PromptDefinition,
    pub(super) code: Result<(Arc<InputSchema>, Code<Texts>), SchemaError>,
    pub(super) completers: Vec<Completer>,
}

impl Prompt {
    /// A prompt. `P` is what it takes: a struct whose fields are its arguments, texts, numbers or
    /// those wrapped in `Option`, or `()` for none. `handler` gives [`PromptMessages`], a list of
    /// [`PromptMessage`], or text, which is one message from the person; it must not block.
    pub fn new<P, R, F>(name: impl Into<String>, description: impl Into<String>, handler: F) -> Self
    where
        P: DeserializeOwned + JsonSchema + 'static,
        R: IntoMessages + 'static,
        F: AsyncFn(Cx, P) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        let input = InputSchema::of_type::<P>().map(Arc::new);
        let definition = PromptDefinition {
            name: name.into(),
            title: None,
            description: description.into(),
            arguments: input.as_ref().map_or_else(|_| Vec::new(), |input| arguments(input.json())),
            icons: Vec::new(),
            meta: Map::new(),
        };
        let code = input.map(|input| (input.clone(), code::<P, R, F>(input, handler)));
        Self { definition, code, completers: Vec::new() }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.definition.title = Some(title.into());
        self
    }

    /// A picture for it.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.definition.icons.push(icon);
        self
    }

    /// A member of its `_meta`.
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.definition.meta.insert(key.into(), value.into());
        self
    }

    /// Completes an argument while somebody types it. `handler` gives a list of texts, or
    /// [`Completions`].
    #[must_use]
    pub fn complete<R, F>(mut self, argument: impl Into<String>, handler: F) -> Self
    where
        R: Into<Completions> + 'static,
        F: AsyncFn(Cx, Completing) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        self.completers.push(Completer::new(argument.into(), handler));
        self
    }
}

impl fmt::Debug for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prompt").field("name", &self.definition.name).finish_non_exhaustive()
    }
}

/// What a prompt's handler may give back.
pub trait IntoMessages {
    /// The messages.
    fn into_messages(self) -> PromptMessages;
}

impl IntoMessages for PromptMessages {
    fn into_messages(self) -> PromptMessages {
        self
    }
}

impl IntoMessages for Vec<PromptMessage> {
    fn into_messages(self) -> PromptMessages {
        self.into()
    }
}

impl IntoMessages for String {
    fn into_messages(self) -> PromptMessages {
        PromptMessages::new().user(self)
    }
}

impl IntoMessages for &'static str {
    fn into_messages(self) -> PromptMessages {
        PromptMessages::new().user(self)
    }
}

/// What the code of a prompt is given: its arguments, each a text.
pub(crate) enum Texts {}

impl Kind for Texts {
    type Given<'a> = Map<String, Value>;
}

fn code<P, R, F>(input: Arc<InputSchema>, handler: F) -> Code<Texts>
where
    P: DeserializeOwned + 'static,
    R: IntoMessages + 'static,
    F: AsyncFn(Cx, P) -> Result<R, ToolError> + Send + Sync + 'static,
{
    let handler = Arc::new(handler);
    Code::new(move || {
        let (input, handler) = (input.clone(), Rc::new(handler.clone()));
        move |cx: Cx, arguments: Map<String, Value>| {
            let (arguments, handler) = (input.read_texts::<P>(arguments)?, handler.clone());
            Ok(async move {
                let told = handler(cx.clone(), arguments).await;
                finish(&cx, told)
            })
        }
    })
}

fn finish(cx: &Cx, told: Result<impl IntoMessages, ToolError>) -> Finished {
    let not_found = || error::invalid_params(ToolError::NOT_FOUND);
    let messages = told.map_err(|failure| failure.into_rpc(not_found))?.into_messages();
    members(|out| messages.encode(out, cx.revision().rules()))
}

/// The properties of an argument type, as clients are told of them.
fn arguments(schema: &Value) -> Vec<PromptArgument> {
    let required = |name: &str| {
        schema["required"].as_array().is_some_and(|all| all.iter().any(|it| it == name))
    };
    let properties = schema["properties"].as_object().into_iter().flatten();
    let argument = |(name, property): (&String, &Value)| PromptArgument {
        name: name.clone(),
        title: property["title"].as_str().map(str::to_owned),
        description: property["description"].as_str().map(str::to_owned),
        required: required(name),
    };
    properties.map(argument).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "read by the schema alone")]
    struct Review {
        /// what to review
        code: String,
        #[schemars(title = "Rounds")]
        rounds: Option<u32>,
    }

    #[test]
    fn arguments_are_told_from_the_type() {
        let prompt = Prompt::new("review", "d", async |_: Cx, _: Review| Ok("x"));
        let code = PromptArgument {
            name: "code".to_owned(),
            description: Some("what to review".to_owned()),
            required: true,
            ..PromptArgument::default()
        };
        let rounds = PromptArgument {
            name: "rounds".to_owned(),
            title: Some("Rounds".to_owned()),
            ..PromptArgument::default()
        };
        assert_eq!(prompt.definition.arguments, [code, rounds]);
        let none = Prompt::new("none", "d", async |_: Cx, (): ()| Ok("x"));
        assert_eq!(none.definition.arguments, []);
    }
}
