//! The tasks of one core: begun, found by their id, ended, forgotten.
//!
//! In: ids as they came, who asks, `now`. Out: a task that lives here, or the worker where it would
//! live. An id that is unknown, over, forged or somebody else's looks the same.
//! Spec: MCP extension `io.modelcontextprotocol/tasks`. Limits: `tasks_max`,
//! `tasks_per_owner_max`, `task_life`. Invariant: a task is in one slot, and counted once for its
//! owner, from its beginning until it is forgotten.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::change::Changes;
use super::id::{IdMint, Place, TaskId};
use super::limits::TaskLimits;
use super::owner::Owner;
use super::table::Membership;
use super::task::{Moment, Shared, Task, TaskEnd};
use crate::base::time::{Deadline, Now};

/// The tasks of a core.
#[derive(Debug)]
pub struct Tasks {
    worker: u16,
    /// How many workers share the limits.
    worker_count: usize,
    mint: Arc<IdMint>,
    shared: Rc<Shared>,
    slots: RefCell<Vec<Option<Rc<Task>>>>,
    free: RefCell<Vec<u32>>,
    owners: RefCell<HashMap<Owner, usize>>,
    /// When each task is looked at next, soonest first.
    ages: RefCell<VecDeque<(Deadline, TaskId)>>,
    kept_count: Cell<usize>,
    running_count: Cell<usize>,
    /// Who waits until no task runs.
    waiting: RefCell<Vec<Waker>>,
}

/// As many tasks are there as may be: of all, of this owner; or the system has no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoRoom;

impl Tasks {
    /// The table of this worker, one of so many.
    #[must_use]
    pub fn new(membership: &Membership, limits: TaskLimits, changes: Changes) -> Self {
        Self {
            worker: u16::try_from(membership.worker).unwrap_or(u16::MAX),
            worker_count: membership.worker_count.max(1),
            mint: membership.mint.clone(),
            shared: Rc::new(Shared { limits, changes }),
            slots: RefCell::default(),
            free: RefCell::default(),
            owners: RefCell::default(),
            ages: RefCell::default(),
            kept_count: Cell::new(0),
            running_count: Cell::new(0),
            waiting: RefCell::default(),
        }
    }

    /// Begins a task. From now on it is found.
    ///
    /// # Errors
    /// `tasks_max`, `tasks_per_owner_max`.
    pub fn begin(&self, owner: &Owner, at: Moment) -> Result<Rc<Task>, NoRoom> {
        if self.kept_count.get() >= self.share(self.shared.limits.tasks_max) {
            return Err(NoRoom);
        }
        let mut owners = self.owners.borrow_mut();
        let of_owner_max = self.share(self.shared.limits.tasks_per_owner_max);
        let account = owner.account();
        if owners.get(&account).copied().unwrap_or_default() >= of_owner_max {
            return Err(NoRoom);
        }
        let mut slots = self.slots.borrow_mut();
        let free = self.free.borrow().last().copied();
        let slot = free.unwrap_or(u32::try_from(slots.len()).map_err(|_| NoRoom)?);
        let id = self.mint.mint(Place { worker: self.worker, slot }).map_err(|_| NoRoom)?;
        *owners.entry(account).or_default() += 1;
        let task = Rc::new(Task::new(id, slot, owner.clone(), self.shared.clone(), at));
        match free {
            Some(_) => {
                self.free.borrow_mut().pop();
                slots[slot as usize] = Some(task.clone());
            }
            None => slots.push(Some(task.clone())),
        }
        self.kept_count.set(self.kept_count.get() + 1);
        self.running_count.set(self.running_count.get() + 1);
        self.look_again(task.deadline(), id);
        Ok(task)
    }

    /// A core's part of a limit that holds for all.
    fn share(&self, limit: usize) -> usize {
        limit.div_ceil(self.worker_count)
    }

    /// Finds the task of an id on this core, for this caller.
    #[must_use]
    pub fn find(&self, id: &str, asker: &Owner) -> Option<Rc<Task>> {
        self.lookup(TaskId::read(id.as_bytes())?, asker)
    }

    fn lookup(&self, id: TaskId, asker: &Owner) -> Option<Rc<Task>> {
        let place = id.place()?;
        let task = self.at(place.slot).filter(|_| place.worker == self.worker)?;
        (*task.id() == id && task.owner().admits(asker)).then_some(task)
    }

    /// The other worker that keeps the task of an id, if that id was made in this process.
    #[must_use]
    pub fn elsewhere(&self, id: &str) -> Option<usize> {
        let id = TaskId::read(id.as_bytes())?;
        let worker = id.place()?.worker;
        let is_there = worker != self.worker && usize::from(worker) < self.worker_count;
        (is_there && self.mint.made(&id)).then_some(worker.into())
    }

    /// An id that was made in this process, whatever became of its task.
    #[must_use]
    pub fn read_id(&self, id: &str) -> Option<TaskId> {
        TaskId::read(id.as_bytes()).filter(|id| self.mint.made(id))
    }

    /// Asks the cores that keep these tasks to tell of them from now on, and of how they are now.
    pub fn ask_to_watch(&self, ids: &[TaskId], asker: Owner) {
        if !ids.is_empty() {
            self.shared.changes.watch_tasks(ids, asker);
        }
    }

    /// Tells of a task from now on, if it is kept here.
    pub fn watch(&self, id: TaskId, asker: &Owner) {
        if let Some(task) = self.lookup(id, asker) {
            task.watch();
        }
    }

    fn at(&self, slot: u32) -> Option<Rc<Task>> {
        self.slots.borrow().get(slot as usize)?.clone()
    }

    /// Ends a task. It can be read for a while.
    pub fn end(&self, task: &Task, end: TaskEnd, at: Moment) {
        if task.end(end, at) {
            self.note_end();
        }
    }

    /// Forgets a task that nobody was told of.
    pub fn discard(&self, task: &Rc<Task>, at: Moment) {
        self.end(task, TaskEnd::Cancelled, at);
        self.forget(task);
        self.ages.borrow_mut().retain(|(_, id)| id != task.id());
    }

    fn note_end(&self) {
        self.running_count.set(self.running_count.get() - 1);
        if self.running_count.get() == 0 {
            for waker in self.waiting.take() {
                waker.wake();
            }
        }
    }

    fn forget(&self, task: &Rc<Task>) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(task.slot as usize) else { return };
        if !slot.as_ref().is_some_and(|held| Rc::ptr_eq(held, task)) {
            return;
        }
        *slot = None;
        drop(slots);
        self.free.borrow_mut().push(task.slot);
        self.kept_count.set(self.kept_count.get() - 1);
        let mut owners = self.owners.borrow_mut();
        let account = task.owner().account();
        if let Some(count) = owners.get_mut(&account) {
            *count -= 1;
            if *count == 0 {
                owners.remove(&account);
            }
        }
    }

    /// Forgets what was kept for long enough. Returns when to look again; `None` when no task is
    /// kept.
    pub fn expire(&self, now: Now) -> Option<Deadline> {
        loop {
            let (due, id) = *self.ages.borrow().front()?;
            if !due.passed(now) {
                return Some(due);
            }
            self.ages.borrow_mut().pop_front();
            let Some(task) = id.place().and_then(|place| self.at(place.slot)) else { continue };
            if *task.id() != id {
                continue; // It was forgotten, and its slot is another's.
            }
            match task.kept_until() {
                Some(end) if end.passed(now) => self.forget(&task),
                Some(end) => self.look_again(end, id),
                // Its handler is told right now that its time is over.
                None => self.look_again(now.after(LATE_PAUSE), id),
            }
        }
    }

    fn look_again(&self, due: Deadline, id: TaskId) {
        let mut ages = self.ages.borrow_mut();
        let at = ages.partition_point(|(earlier, _)| *earlier <= due);
        ages.insert(at, (due, id));
    }

    /// Waits until no task runs.
    pub fn rest(&self) -> impl Future<Output = ()> {
        poll_fn(|context| {
            if self.running_count.get() == 0 {
                return Poll::Ready(());
            }
            let mut waiting = self.waiting.borrow_mut();
            if !waiting.iter().any(|held| held.will_wake(context.waker())) {
                waiting.push(context.waker().clone());
            }
            Poll::Pending
        })
    }

    /// How many tasks are kept, ended ones included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.kept_count.get()
    }

    /// How many tasks run.
    #[must_use]
    pub fn running_count(&self) -> usize {
        self.running_count.get()
    }
}

/// The pause between two looks at a task that should have ended.
const LATE_PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::base::broadcast::{Notice, Notices, broadcast};
    use crate::session::change::Change;
    use crate::session::conversation::TooMany;
    use crate::session::task::TaskStatus;

    fn limits() -> TaskLimits {
        TaskLimits {
            tasks_max: 3,
            tasks_per_owner_max: 2,
            task_life: Duration::from_secs(100),
            task_questions_max: 2,
            ..TaskLimits::default()
        }
    }

    /// What tells of tasks, and where it comes out.
    fn hearing() -> (Changes, Notices<Change>) {
        let (broadcaster, mut notices) = broadcast(1, 16);
        (Changes::new(Arc::new(broadcaster)), notices.pop().expect("one core"))
    }

    fn tasks() -> Tasks {
        Tasks::new(&Membership::alone().expect("random bytes"), limits(), hearing().0)
    }

    fn at(seconds: u64) -> Moment {
        Moment { now: Now(seconds * 1_000_000_000), unix_seconds: seconds }
    }

    fn owner(name: &str) -> Owner {
        Owner::Principal(name.into())
    }

    fn told(task: &Task) -> Value {
        let mut out = b"{".to_vec();
        task.encode(&mut out);
        out.push(b'}');
        serde_json::from_slice(&out).expect("JSON")
    }

    #[test]
    fn a_task_asks_and_ends_once() {
        let tasks = tasks();
        let task = tasks.begin(&owner("a"), at(0)).expect("room");
        assert_eq!(task.status(), TaskStatus::Working);
        let request = || json!({"method": "m", "params": {}}).to_string();
        let question = task.ask("one", request(), 1).expect("room");
        task.ask("two", request(), 2).expect("room");
        assert_eq!(task.ask("three", request(), 3).err(), Some(TooMany("task_questions_max")));
        assert_eq!((task.status(), task.is_asking()), (TaskStatus::InputRequired, true));
        assert_eq!(told(&task)["inputRequests"]["two"]["method"], "m");
        task.answer("one", json!({"action": "accept"}), 4);
        task.answer("one", json!({"action": "decline"}), 5);
        task.answer("nobody's", json!({}), 5);
        let mut context = std::task::Context::from_waker(Waker::noop());
        let accepted = Ok(json!({"action": "accept"}));
        assert_eq!(question.poll_reply(&mut context), Poll::Ready(accepted));
        assert_eq!(told(&task)["lastUpdatedAt"], "1970-01-01T00:00:04Z");
        task.withdraw("two", 6);
        assert_eq!(task.status(), TaskStatus::Working);

        tasks.end(&task, TaskEnd::Completed(b"{}".as_slice().into()), at(7));
        tasks.end(&task, TaskEnd::Cancelled, at(8));
        task.set_message("too late", 9);
        let told = told(&task);
        assert_eq!((&told["status"], &told["result"]), (&json!("completed"), &json!({})));
        assert_eq!(told["lastUpdatedAt"], "1970-01-01T00:00:07Z");
        assert!(told.get("statusMessage").is_none());
        assert_eq!((tasks.count(), tasks.running_count()), (1, 0));
    }

    #[test]
    fn a_status_message_is_cut_at_a_whole_character() {
        let task = tasks().begin(&owner("a"), at(0)).expect("room");
        task.set_message(&"é".repeat(1000), 1);
        assert_eq!(told(&task)["statusMessage"].as_str().map(str::len), Some(1024));
        task.set_message("", 2);
        assert!(told(&task).get("statusMessage").is_none());
    }

    #[test]
    fn a_task_is_found_by_its_owner_alone() {
        let tasks = tasks();
        let task = tasks.begin(&owner("a"), at(0)).expect("room");
        let id = task.id().as_str();
        assert!(tasks.find(id, &owner("a")).is_some());
        assert!(tasks.find(id, &owner("b")).is_none());
        assert!(tasks.find(id, &Owner::Address(None)).is_none());
        for text in ["", "t", &id[1..], &format!("{id}A"), &"A".repeat(48)] {
            assert!(tasks.find(text, &owner("a")).is_none(), "{text}");
        }
    }

    #[test]
    fn the_id_of_another_workers_task_leads_there() {
        let one = Membership { worker_count: 2, ..Membership::alone().expect("random bytes") };
        let two = Membership { worker: 1, ..one.clone() };
        let table = |membership| Tasks::new(membership, limits(), hearing().0);
        let (one, two) = (table(&one), table(&two));
        let task = two.begin(&owner("a"), at(0)).expect("room");
        let id = task.id().as_str();
        assert_eq!((one.elsewhere(id), two.elsewhere(id)), (Some(1), None));
        assert!(one.find(id, &owner("a")).is_none() && two.find(id, &owner("a")).is_some());
        let foreign = tasks().begin(&owner("a"), at(0)).expect("room");
        assert_eq!(two.elsewhere(foreign.id().as_str()), None, "another process's key");
    }

    #[test]
    fn limits_count_tasks_until_they_are_forgotten() {
        let tasks = tasks();
        let begin = |name: &str, second: u64| tasks.begin(&owner(name), at(second));
        let first = begin("a", 0).expect("room");
        let second = begin("a", 0).expect("room");
        assert_eq!(begin("a", 0).err(), Some(NoRoom), "tasks_per_owner_max");
        let third = begin("b", 10).expect("room");
        assert_eq!(begin("c", 10).err(), Some(NoRoom), "tasks_max");
        tasks.end(&first, TaskEnd::Cancelled, at(20));
        assert_eq!(begin("c", 20).err(), Some(NoRoom), "it can still be read");
        assert_eq!(tasks.expire(at(99).now), Some(at(100).now.after(Duration::ZERO)));
        tasks.end(&second, TaskEnd::Cancelled, at(90));
        tasks.expire(at(100).now);
        assert!(tasks.find(first.id().as_str(), &owner("a")).is_none());
        assert!(tasks.find(second.id().as_str(), &owner("a")).is_some(), "until 150");
        tasks.discard(&third, at(100));
        assert_eq!((tasks.count(), tasks.running_count()), (1, 0));
        assert_eq!(tasks.expire(at(150).now), None);
        assert_eq!(tasks.count(), 0);
        let reused = begin("a", 160).expect("room");
        for old in [first, second, third] {
            assert_ne!(old.id(), reused.id());
            assert!(tasks.find(old.id().as_str(), old.owner()).is_none());
        }
    }

    #[test]
    fn a_watched_task_tells_what_it_is() {
        let (changes, mut notices) = hearing();
        let tasks = Tasks::new(&Membership::alone().expect("random bytes"), limits(), changes);
        let mut heard = || {
            let mut context = std::task::Context::from_waker(Waker::noop());
            match std::pin::pin!(notices.next()).poll(&mut context) {
                Poll::Ready(Notice::Message(Change::Task(news))) => {
                    let json = String::from_utf8(news.json.clone()).expect("text");
                    let told: Value = serde_json::from_str(&format!("{{{json}}}")).expect("JSON");
                    Some(told["status"].as_str().expect("a status").to_owned())
                }
                Poll::Ready(other) => panic!("{other:?}"),
                Poll::Pending => None,
            }
        };
        let task = tasks.begin(&owner("a"), at(0)).expect("room");
        task.set_message("nobody hears", 1);
        tasks.watch(*task.id(), &owner("b"));
        assert_eq!(heard(), None);
        tasks.watch(*task.id(), &owner("a"));
        assert_eq!(heard().as_deref(), Some("working"));
        task.ask("key", "{}".to_owned(), 2).expect("room");
        assert_eq!(heard().as_deref(), Some("input_required"));
        task.withdraw("key", 3);
        assert_eq!(heard().as_deref(), Some("working"));
        tasks.end(&task, TaskEnd::Cancelled, at(4));
        assert_eq!((heard().as_deref(), heard()), (Some("cancelled"), None));
    }

    #[test]
    fn rest_comes_when_no_task_runs() {
        let tasks = tasks();
        let mut context = std::task::Context::from_waker(Waker::noop());
        let mut poll = || std::pin::pin!(tasks.rest()).poll(&mut context).is_ready();
        assert!(poll());
        let task = tasks.begin(&owner("a"), at(0)).expect("room");
        assert!(!poll());
        tasks.end(&task, TaskEnd::Cancelled, at(1));
        assert!(poll());
    }
}
