//! A call that becomes a task: its caller is given the task in place of a result, and the handler
//! goes on from where it stands.
//!
//! ```text
//! May ─become_task─▶ Begun ─(whoever polls it tells the caller)─▶ Told
//! ```
//!
//! The task is in its table before the caller is told of it. Only tools of a server that has tasks
//! become any, and only for clients that declared the extension with the call.
//! Spec: MCP extension `io.modelcontextprotocol/tasks`. Limits: `TaskLimits`.
//! Invariant: a task of which nobody was told is discarded with its call.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::answer::{Finished, Outcome};
use super::call::Call;
use super::context::Cx;
use crate::session::owner::Owner;
use crate::session::task::{Moment, Task};
use crate::session::tasks::Tasks;

/// What a call knows of its task.
#[derive(Debug)]
pub(super) struct Tasking {
    /// The tasks of the core; `None` for a server without any.
    tasks: Option<Rc<Tasks>>,
    stage: RefCell<Stage>,
    /// The handler, while it waits for its caller to be told.
    waiting: RefCell<Option<Waker>>,
}

#[derive(Debug, Default)]
enum Stage {
    /// It is none and will not be one.
    #[default]
    Never,
    /// It becomes one of this owner's if its handler says so.
    May(Owner),
    Begun(Rc<Task>),
    Told(Rc<Task>),
}

impl Tasking {
    pub(super) fn new(tasks: Option<Rc<Tasks>>) -> Self {
        Self { tasks, stage: RefCell::default(), waiting: RefCell::default() }
    }

    /// Makes this ready for a call, which may become a task of this owner's.
    pub(super) fn open(&self, owner: Option<Owner>) {
        *self.stage.borrow_mut() = owner.map_or(Stage::Never, Stage::May);
        self.waiting.take();
    }

    /// Takes note that the caller is told, and gives what it is told; `None` if there is nothing to
    /// tell.
    pub(super) fn tell(&self) -> Option<Finished> {
        let mut stage = self.stage.borrow_mut();
        let task = match &*stage {
            Stage::Begun(task) => task.clone(),
            Stage::Never | Stage::May(_) | Stage::Told(_) => return None,
        };
        let mut json = Vec::new();
        task.encode_summary(&mut json);
        *stage = Stage::Told(task);
        if let Some(handler) = self.waiting.take() {
            handler.wake();
        }
        // Serialised JSON is UTF-8.
        let json = String::from_utf8(json).unwrap_or_default();
        Some(Ok(Outcome::Members { result_type: "task", json }))
    }

    /// The task, of which the caller was told.
    pub(super) fn told(&self) -> Option<Rc<Task>> {
        match &*self.stage.borrow() {
            Stage::Told(task) => Some(task.clone()),
            Stage::Never | Stage::May(_) | Stage::Begun(_) => None,
        }
    }

    /// Whether the caller was told that it is a task.
    pub(super) fn is_told(&self) -> bool {
        matches!(&*self.stage.borrow(), Stage::Told(_))
    }

    fn begin(&self, at: Moment) {
        let Some(tasks) = &self.tasks else { return };
        let mut stage = self.stage.borrow_mut();
        let begun = match &*stage {
            Stage::May(owner) => tasks.begin(owner, at),
            Stage::Never | Stage::Begun(_) | Stage::Told(_) => return,
        };
        // Without room the call goes on as it is, and asks no second time.
        *stage = begun.map_or(Stage::Never, Stage::Begun);
    }

    fn poll_told(&self, context: &mut Context<'_>) -> Poll<bool> {
        match &*self.stage.borrow() {
            Stage::Told(_) => Poll::Ready(true),
            Stage::Begun(_) => {
                *self.waiting.borrow_mut() = Some(context.waker().clone());
                Poll::Pending
            }
            Stage::Never | Stage::May(_) => Poll::Ready(false),
        }
    }

    /// Lets go of a task of which nobody was told.
    pub(super) fn close(&self, at: impl FnOnce() -> Moment) {
        let stage = self.stage.take();
        if let (Stage::Begun(task), Some(tasks)) = (stage, &self.tasks) {
            tasks.discard(&task, at());
        }
        self.waiting.take();
    }
}

impl Call {
    /// The task that it became, once its caller was told.
    #[must_use]
    pub fn task(&self) -> Option<Rc<Task>> {
        self.tasking().told()
    }

    /// The present, in the forms that a task needs.
    #[must_use]
    pub fn moment(&self) -> Moment {
        let clock = &self.services().clock;
        Moment { now: clock.now(), unix_seconds: clock.unix_seconds() }
    }
}

/// Long work. A tool of a server that [has tasks](crate::Server::tasks) may turn its call into one:
/// the caller is answered at once, looks after the task when it likes, and may go away meanwhile.
///
/// ```
/// use std::time::Duration;
///
/// use ringlane::{Cx, Server, ToolError};
///
/// async fn convert(cx: Cx, (): ()) -> Result<String, ToolError> {
///     cx.become_task().await; // from here on the caller has a task
///     for page in 1..=3 {
///         cx.task_status(&format!("page {page} of 3"));
///         cx.sleep(Duration::from_secs(20)).await;
///     }
///     Ok("converted".to_owned())
/// }
///
/// let server = Server::new("converter", "1.0.0").tasks().tool("convert", "Converts", convert);
/// # drop(server);
/// ```
impl Cx {
    /// Turns the call into a task, and goes on once its caller was told; the handler does not run
    /// again from the top, neither now nor for the questions that it asks from here on. Returns
    /// whether the call is a task.
    ///
    /// It is none, and simply goes on, when the server has no tasks, when the client did not
    /// declare the extension with this call or speaks the legacy era, when the handler is no
    /// tool's, when the call was cancelled, and when as many tasks are there as may be
    /// (`tasks_max`, `tasks_per_owner_max`). A tool that is no use without, first
    /// [requires](Self::require) [`Capability::Tasks`](crate::Capability::Tasks).
    ///
    /// A task runs for `task_life`, is told of a cancellation by [`cancelled`](Self::cancelled),
    /// and sends neither progress nor logs: see [`task_status`](Self::task_status). Questions that
    /// are asked at the same time as this must be answered before there is a task.
    pub async fn become_task(&self) -> bool {
        let call = self.call();
        if !call.is_cancelled() {
            call.tasking().begin(call.moment());
        }
        poll_fn(|context| call.tasking().poll_told(context)).await
    }

    /// Says in a few words, 1,024 bytes at most, what the task is doing (`statusMessage`). Without
    /// effect as long as the call is none.
    pub fn task_status(&self, message: &str) {
        if let Some(task) = self.call().task() {
            task.set_message(message, self.call().moment().unix_seconds);
        }
    }
}
