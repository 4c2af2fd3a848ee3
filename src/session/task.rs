//! `Task`: a call that goes on after its request was answered, and what is told of it.
//!
//! ```text
//! working ⇄ input_required ──▶ completed │ failed │ cancelled
//! ```
//!
//! It is `input_required` as long as a question of its waits for an answer. Its handler runs
//! elsewhere and tells it what happens; clients look at it, answer and cancel.
//! Spec: MCP extension `io.modelcontextprotocol/tasks`. Limits: `task_life`, `task_questions_max`,
//! `MESSAGE_BYTES_MAX`. Invariant: it ends once, and an ended one changes no more.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use serde_json::Value;

use super::change::{Changes, TaskNews};
use super::conversation::{TooMany, Work};
use super::id::TaskId;
use super::limits::TaskLimits;
use super::owner::Owner;
use super::question::Question;
use crate::base::calendar::Timestamp;
use crate::base::time::{Deadline, Now};
use crate::jsonrpc::encode;

/// How long a status message may be; what is beyond is cut off.
const MESSAGE_BYTES_MAX: usize = 1024;
/// How long an ended task can be read at least, however late it ended.
const READ_GRACE: Duration = Duration::from_secs(60);

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Its handler runs.
    Working,
    /// Its handler waits for answers.
    InputRequired,
    /// There is a result.
    Completed,
    /// There is an error.
    Failed,
    /// Its client cancelled it, and it stopped.
    Cancelled,
}

impl TaskStatus {
    /// The status in the words of the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskEnd {
    /// With this result, as JSON.
    Completed(Box<[u8]>),
    /// With this error object, as JSON.
    Failed(Box<[u8]>),
    /// As its client wished.
    Cancelled,
}

/// A moment in both forms that a task needs.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// On the clock of the core.
    pub now: Now,
    /// In the calendar.
    pub unix_seconds: u64,
}

/// What all tasks of a core share.
#[derive(Debug)]
pub struct Shared {
    pub(super) limits: TaskLimits,
    /// Tells those who watch a task, on every core.
    pub(super) changes: Changes,
}

/// A call that became a task.
pub struct Task {
    id: TaskId,
    pub(super) slot: u32,
    owner: Owner,
    shared: Rc<Shared>,
    /// Whether somebody wants to hear of it.
    is_watched: Cell<bool>,
    began: Moment,
    updated: Cell<u64>,
    ended: Cell<Option<Now>>,
    end: RefCell<Option<TaskEnd>>,
    message: RefCell<String>,
    is_cancelled: Cell<bool>,
    questions: RefCell<Vec<Asked>>,
    work: RefCell<Option<Rc<dyn Work>>>,
}

struct Asked {
    key: Box<str>,
    /// The request as the client is shown it: `{"method":..,"params":..}`.
    request_json: String,
    question: Rc<Question>,
}

impl Task {
    pub(super) fn new(
        id: TaskId,
        slot: u32,
        owner: Owner,
        shared: Rc<Shared>,
        began: Moment,
    ) -> Self {
        Self {
            id,
            slot,
            owner,
            shared,
            is_watched: Cell::new(false),
            began,
            updated: Cell::new(began.unix_seconds),
            ended: Cell::new(None),
            end: RefCell::default(),
            message: RefCell::default(),
            is_cancelled: Cell::new(false),
            questions: RefCell::default(),
            work: RefCell::default(),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &TaskId {
        &self.id
    }

    /// Who called.
    #[must_use]
    pub fn owner(&self) -> &Owner {
        &self.owner
    }

    /// How far it is.
    #[must_use]
    pub fn status(&self) -> TaskStatus {
        match &*self.end.borrow() {
            Some(TaskEnd::Completed(_)) => TaskStatus::Completed,
            Some(TaskEnd::Failed(_)) => TaskStatus::Failed,
            Some(TaskEnd::Cancelled) => TaskStatus::Cancelled,
            None if self.questions.borrow().is_empty() => TaskStatus::Working,
            None => TaskStatus::InputRequired,
        }
    }

    /// Whether a question of its waits for an answer.
    #[must_use]
    pub fn is_asking(&self) -> bool {
        !self.questions.borrow().is_empty()
    }

    /// Until when its handler may run.
    #[must_use]
    pub fn deadline(&self) -> Deadline {
        self.began.now.after(self.shared.limits.task_life)
    }

    /// Until when it can be read; `None` while it runs.
    pub(super) fn kept_until(&self) -> Option<Deadline> {
        self.ended.get().map(|ended| ended.after(READ_GRACE).max(self.deadline()))
    }

    /// Names the handler that is to be told of a cancellation.
    pub fn begin_work(&self, work: Rc<dyn Work>) {
        *self.work.borrow_mut() = Some(work);
    }

    /// Says in a few words what is being done. An empty text takes back what was said.
    pub fn set_message(&self, text: &str, unix_seconds: u64) {
        if self.ended.get().is_none() {
            let shown = &text[..text.floor_char_boundary(MESSAGE_BYTES_MAX)];
            self.message.replace(shown.to_owned());
            self.note_change(unix_seconds);
        }
    }

    /// Opens a question, whose key must be new to the task.
    ///
    /// # Errors
    /// `task_questions_max`.
    pub fn ask(
        &self,
        key: &str,
        request_json: String,
        unix_seconds: u64,
    ) -> Result<Rc<Question>, TooMany> {
        let mut questions = self.questions.borrow_mut();
        if questions.len() >= self.shared.limits.task_questions_max {
            return Err(TooMany("task_questions_max"));
        }
        let question = Question::new(0);
        questions.push(Asked { key: key.into(), request_json, question: question.clone() });
        drop(questions);
        self.note_change(unix_seconds);
        Ok(question)
    }

    /// Answers the question of this key. One that is not open is none: answers may come twice.
    pub fn answer(&self, key: &str, answer: Value, unix_seconds: u64) {
        if let Some(question) = self.close(key, unix_seconds) {
            question.settle(Ok(answer));
        }
    }

    /// Closes a question that nobody waits for any more.
    pub fn withdraw(&self, key: &str, unix_seconds: u64) {
        drop(self.close(key, unix_seconds));
    }

    fn close(&self, key: &str, unix_seconds: u64) -> Option<Rc<Question>> {
        let mut questions = self.questions.borrow_mut();
        let at = questions.iter().position(|asked| *asked.key == *key)?;
        let question = questions.remove(at).question;
        drop(questions);
        self.note_change(unix_seconds);
        Some(question)
    }

    /// Tells of it from now on, and of how it is now.
    pub(super) fn watch(&self) {
        self.is_watched.set(true);
        self.tell();
    }

    fn note_change(&self, unix_seconds: u64) {
        self.updated.set(unix_seconds);
        self.tell();
    }

    fn tell(&self) {
        if self.is_watched.get() {
            let mut json = Vec::new();
            self.encode(&mut json);
            self.shared.changes.task(TaskNews { id: self.id, owner: self.owner.clone(), json });
        }
    }

    /// Tells its handler that its client wants no more of it. One that ended stays as it is.
    pub fn cancel(&self) {
        let work = self.work.borrow().clone();
        if let Some(work) = work {
            self.is_cancelled.set(true);
            work.cancel();
        }
    }

    /// Whether its client wanted no more of it while it ran.
    #[must_use]
    pub fn was_cancelled(&self) -> bool {
        self.is_cancelled.get()
    }

    /// Ends it, if it runs. Returns whether it did.
    pub(super) fn end(&self, end: TaskEnd, at: Moment) -> bool {
        if self.ended.get().is_some() {
            return false;
        }
        self.ended.set(Some(at.now));
        *self.end.borrow_mut() = Some(end);
        self.questions.take();
        self.work.take();
        self.note_change(at.unix_seconds);
        true
    }

    /// Writes what is told of it when it was created: members, separated by commas.
    pub fn encode_summary(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#""taskId":""#);
        out.extend_from_slice(self.id.as_bytes());
        out.extend_from_slice(br#"","status":""#);
        out.extend_from_slice(self.status().name().as_bytes());
        out.extend_from_slice(br#"","createdAt":"#);
        encode::string(out, &Timestamp(self.began.unix_seconds).to_string());
        out.extend_from_slice(br#","lastUpdatedAt":"#);
        encode::string(out, &Timestamp(self.updated.get()).to_string());
        out.extend_from_slice(br#","ttlMs":"#);
        encode::unsigned(out, millis(self.shared.limits.task_life));
        out.extend_from_slice(br#","pollIntervalMs":"#);
        encode::unsigned(out, millis(self.shared.limits.task_poll_interval));
        let message = self.message.borrow();
        if !message.is_empty() {
            out.extend_from_slice(br#","statusMessage":"#);
            encode::string(out, &message);
        }
    }

    /// Writes all that is told of it: the same, and what its status brings.
    pub fn encode(&self, out: &mut Vec<u8>) {
        self.encode_summary(out);
        match &*self.end.borrow() {
            Some(TaskEnd::Completed(result)) => {
                out.extend_from_slice(br#","result":"#);
                out.extend_from_slice(result);
            }
            Some(TaskEnd::Failed(error)) => {
                out.extend_from_slice(br#","error":"#);
                out.extend_from_slice(error);
            }
            Some(TaskEnd::Cancelled) => {}
            None => self.encode_questions(out),
        }
    }

    fn encode_questions(&self, out: &mut Vec<u8>) {
        let questions = self.questions.borrow();
        if questions.is_empty() {
            return;
        }
        out.extend_from_slice(br#","inputRequests":{"#);
        for (index, Asked { key, request_json, .. }) in questions.iter().enumerate() {
            encode::comma_unless_first(out, index);
            encode::string(out, key);
            out.push(b':');
            out.extend_from_slice(request_json.as_bytes());
        }
        out.push(b'}');
    }
}

/// A duration as clients are told it: at least one millisecond.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX).max(1)
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id)
            .field("status", &self.status())
            .finish_non_exhaustive()
    }
}
