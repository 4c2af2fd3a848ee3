//! A closure behind a name: what a programmer hands over (`Tool`), and what runs on a core
//! (`LocalTool`).
//!
//! A tool is one value for the whole process; each core makes its own local twin of it, with a pool
//! of boxes for its running futures, so that a call allocates nothing once the core is warm.
//! Handlers are `async` closures, local to their core: they may hold `Rc` and need not be `Send`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::answer::{self, Finished, outcome};
use super::context::Cx;
use super::error::ToolError;
use super::input::{InputErrors, InputSchema, SchemaError};
use super::off_core::{BlockingCx, Busy, JobPanicked};
use crate::base::pool::{FuturePool, Pooled};
use crate::jsonrpc::view::View;
use crate::mcp::model::annotations::ToolAnnotations;
use crate::mcp::model::icon::Icon;
use crate::mcp::model::tool::ToolDefinition;

/// How many boxes for running calls of one tool a core keeps.
const KEPT_CALLS_MAX: usize = 1024;

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
    code: Box<dyn Code>,
}

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
        let code = AsyncCode { handler: Arc::new(handler), types: PhantomData::<fn(A) -> R> };
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
        let code = BlockingCode { handler: Arc::new(handler), types: PhantomData::<fn(A) -> R> };
        Self::of::<A, R>(name.into(), description.into(), Box::new(code))
    }

    fn of<A: JsonSchema + 'static, R: JsonSchema + 'static>(
        name: String,
        description: String,
        code: Box<dyn Code>,
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
    pub(crate) fn into_parts(self) -> Result<(ToolDefinition, ToolCode), SchemaError> {
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
        Ok((definition, ToolCode { input: Arc::new(input), code: self.code }))
    }
}

impl fmt::Debug for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tool").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The code of a tool, from which each core makes its own twin.
pub(crate) struct ToolCode {
    input: Arc<InputSchema>,
    code: Box<dyn Code>,
}

impl ToolCode {
    pub(crate) fn localise(&self) -> Rc<dyn LocalTool> {
        self.code.localise(self.input.clone())
    }
}

impl fmt::Debug for ToolCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCode").finish_non_exhaustive()
    }
}

trait Code: Send + Sync {
    fn localise(&self, input: Arc<InputSchema>) -> Rc<dyn LocalTool>;
}

/// A tool on one core.
pub(crate) trait LocalTool {
    /// Reads the arguments and begins the work, which runs when the future is polled.
    fn start(&self, cx: Cx, arguments: Option<View<'_>>) -> Result<Pooled<Finished>, InputErrors>;
}

struct AsyncCode<F, A, R> {
    handler: Arc<F>,
    types: PhantomData<fn(A) -> R>,
}

impl<F, A, R> Code for AsyncCode<F, A, R>
where
    A: DeserializeOwned + 'static,
    R: Serialize + 'static,
    F: AsyncFn(Cx, A) -> Result<R, ToolError> + Send + Sync + 'static,
{
    fn localise(&self, input: Arc<InputSchema>) -> Rc<dyn LocalTool> {
        // A call counts its references on its own core alone.
        let handler = Rc::new(self.handler.clone());
        local(input, move |cx: Cx, arguments: A| {
            let handler = handler.clone();
            async move { outcome(handler(cx, arguments).await?) }
        })
    }
}

struct BlockingCode<F, A, R> {
    handler: Arc<F>,
    types: PhantomData<fn(A) -> R>,
}

impl<F, A, R> Code for BlockingCode<F, A, R>
where
    A: DeserializeOwned + Send + 'static,
    R: Serialize + 'static,
    F: Fn(BlockingCx, A) -> Result<R, ToolError> + Send + Sync + 'static,
{
    fn localise(&self, input: Arc<InputSchema>) -> Rc<dyn LocalTool> {
        let handler = self.handler.clone();
        local(input, move |cx: Cx, arguments: A| run_off_core(handler.clone(), cx, arguments))
    }
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

fn local<A, G, Running>(input: Arc<InputSchema>, begin: G) -> Rc<dyn LocalTool>
where
    A: DeserializeOwned + 'static,
    G: Fn(Cx, A) -> Running + 'static,
    Running: Future<Output = Finished> + 'static,
{
    let running = FuturePool::new(KEPT_CALLS_MAX);
    Rc::new(Local { input, begin, running, argument: PhantomData::<fn(A)> })
}

struct Local<A, G, Running> {
    input: Arc<InputSchema>,
    begin: G,
    running: FuturePool<Running>,
    argument: PhantomData<fn(A)>,
}

impl<A, G, Running> LocalTool for Local<A, G, Running>
where
    A: DeserializeOwned + 'static,
    G: Fn(Cx, A) -> Running + 'static,
    Running: Future<Output = Finished> + 'static,
{
    fn start(&self, cx: Cx, arguments: Option<View<'_>>) -> Result<Pooled<Finished>, InputErrors> {
        let arguments = self.input.read(arguments)?;
        Ok(self.running.run((self.begin)(cx, arguments)))
    }
}
