//! A tool: what a programmer hands over (`Tool`), split into what clients are told and its code.
//!
//! Its arguments go from the request's tape into the handler's type; see `input`. One that blocks
//! runs beside the cores; see `off_core`. Not here: how code runs on a core (`code`).

use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::answer::{self, Finished, outcome};
use super::code::{Code, Kind};
use super::context::Cx;
use super::error::ToolError;
use super::input::{InputSchema, SchemaError};
use super::off_core::{BlockingCx, Busy, JobPanicked};
use crate::jsonrpc::view::View;
use crate::mcp::model::annotations::ToolAnnotations;
use crate::mcp::model::icon::Icon;
use crate::mcp::model::tool::ToolDefinition;

/// A tool: what clients are told of it, and the code behind it.
///
/// ```
/// use ringlane::{Cx, Tool};
/// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Add { a: f64, b: f64 }
///
/// let tool = Tool::new("add", "Add two numbers", async |_: Cx, Add { a, b }: Add| Ok(a + b))
///     .title("Addition")
///     .read_only();
/// ```
pub struct Tool {
    pub(crate) name: String,
    description: String,
    title: Option<String>,
    input: Result<InputSchema, SchemaError>,
    output_schema: Option<Value>,
    annotations: Option<ToolAnnotations>,
    icons: Vec<Icon>,
    meta: Map<String, Value>,
    code: MakeCode,
}

/// Makes the code once it is settled what arguments are held against.
type MakeCode = Box<dyn FnOnce(Arc<InputSchema>) -> Code<Arguments> + Send + Sync>;

impl Tool {
    /// A tool that runs `handler` on the core that received the call.
    ///
    /// `A` is what it takes: a struct, whose schema is told to clients and held against what they
    /// send; `()` for nothing; or [`serde_json::Value`] for any object. `R` is what it gives back:
    /// see [`Answer`](crate::Answer) for which types become what. It must not block; see
    /// [`blocking`](Self::blocking).
    pub fn new<A, R, F>(name: impl Into<String>, description: impl Into<String>, handler: F) -> Self
    where
        A: DeserializeOwned + JsonSchema + 'static,
        R: Serialize + JsonSchema + 'static,
        F: AsyncFn(Cx, A) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        let code = move |input| async_code::<A, R, F>(input, Arc::new(handler));
        Self::of::<A, R>(name.into(), description.into(), Box::new(code))
    }

    /// A tool whose work blocks: it runs on a thread beside the cores, in a bounded pool. When as
    /// many calls wait as may (`blocking_queue_max`), a further one is refused as overload.
    pub fn blocking<A, R, F>(
        name: impl Into<String>,
        description: impl Into<String>,
        handler: F,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema + 'static,
        F: Fn(BlockingCx, A) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        let code = move |input| blocking_code::<A, R, F>(input, Arc::new(handler));
        Self::of::<A, R>(name.into(), description.into(), Box::new(code))
    }

    fn of<A: JsonSchema + 'static, R: JsonSchema + 'static>(
        name: String,
        description: String,
        code: MakeCode,
    ) -> Self {
        Self {
            name,
            description,
            title: None,
            input: InputSchema::of_type::<A>(),
            output_schema: answer::output_schema::<R>(),
            annotations: None,
            icons: Vec::new(),
            meta: Map::new(),
            code,
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Hints about what it does.
    #[must_use]
    pub fn annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.annotations = Some(annotations);
        self
    }

    /// The hint that it changes nothing.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.annotations.get_or_insert_default().read_only_hint = Some(true);
        self
    }

    /// A picture for it.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.push(icon);
        self
    }

    /// A member of its `_meta`.
    #[must_use]
    pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.meta.insert(key.into(), value.into());
        self
    }

    /// An input schema written by hand instead of the argument type's; it is listed as it is, and
    /// arguments are validated against it before they are read into the type.
    #[must_use]
    pub fn input_schema(mut self, schema: Value) -> Self {
        self.input = InputSchema::by_hand(schema);
        self
    }

    /// An output schema written by hand instead of the return type's.
    #[must_use]
    pub fn output_schema(mut self, schema: Value) -> Self {
        self.output_schema = Some(schema);
        self
    }

    /// Splits the tool into what is told of it and what runs.
    pub(crate) fn into_parts(self) -> Result<(ToolDefinition, Code<Arguments>), SchemaError> {
        let input = self.input?;
        let definition = ToolDefinition {
            name: self.name,
            title: self.title,
            description: self.description,
            input_schema: input.json().clone(),
            output_schema: self.output_schema,
            annotations: self.annotations,
            icons: self.icons,
            meta: self.meta,
        };
        Ok((definition, (self.code)(Arc::new(input))))
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What a tool's code is given: the arguments as they came, absent ones included.
pub(crate) enum Arguments {}

impl Kind for Arguments {
    type Given<'a> = Option<View<'a>>;
}

fn async_code<A, R, F>(input: Arc<InputSchema>, handler: Arc<F>) -> Code<Arguments>
where
    A: DeserializeOwned + 'static,
    R: Serialize + 'static,
    F: AsyncFn(Cx, A) -> Result<R, ToolError> + Send + Sync + 'static,
{
    Code::new(move || {
        // A call counts its references on its own core alone.
        let (input, handler) = (input.clone(), Rc::new(handler.clone()));
        move |cx: Cx, arguments: Option<View<'_>>| {
            let (arguments, handler) = (input.read::<A>(arguments)?, handler.clone());
            Ok(async move { outcome(handler(cx, arguments).await?) })
        }
    })
}

fn blocking_code<A, R, F>(input: Arc<InputSchema>, handler: Arc<F>) -> Code<Arguments>
where
    A: DeserializeOwned + Send + 'static,
    R: Serialize + 'static,
    F: Fn(BlockingCx, A) -> Result<R, ToolError> + Send + Sync + 'static,
{
    Code::new(move || {
        let (input, handler) = (input.clone(), handler.clone());
        move |cx: Cx, arguments: Option<View<'_>>| {
            Ok(run_off_core(handler.clone(), cx, input.read::<A>(arguments)?))
        }
    })
}

/// What a blocking handler returned is made into an outcome on its own thread: only that is `Send`.
async fn run_off_core<F, A, R>(handler: Arc<F>, cx: Cx, arguments: A) -> Finished
where
    A: Send + 'static,
    R: Serialize + 'static,
    F: Fn(BlockingCx, A) -> Result<R, ToolError> + Send + Sync + 'static,
{
    let core = poll_fn(|context| Poll::Ready(context.waker().clone())).await;
    let (blocking_cx, notes) = BlockingCx::open(core);
    let _cancel = blocking_cx.cancel_on_drop();
    let job = Box::new(move || {
        let finished: Finished = handler(blocking_cx, arguments).and_then(outcome);
        Box::new(finished) as Box<dyn std::any::Any + Send>
    });
    let busy = |Busy| ToolError::rpc(-32603, "Too many blocking calls wait; try again later");
    let mut completion = cx.off_core().submit(job).map_err(busy)?;
    let completed = poll_fn(|context| {
        let polled = completion.as_mut().poll(context);
        // In this order nothing that was told before the end is passed on after it.
        cx.pass_on(&notes);
        polled
    })
    .await;
    match completed.map(|finished| finished.downcast::<Finished>()) {
        Ok(Ok(finished)) => *finished,
        Ok(Err(_)) | Err(JobPanicked) => Err(ToolError::panicked()),
    }
}
