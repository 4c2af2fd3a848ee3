//! Turns and time for futures of one thread: whoever can go on does; when nobody can, time passes.
//!
//! ```text
//! ready tasks? ─yes─▶ poll one ─┐
//!  ▲     └─no─▶ a timer is armed? ─yes─▶ turn the clock to it ─┐
//!  │                └─no─▶ work outside? ─yes─▶ wait for it ───┤
//!  │                             └─no─▶ rest                   │
//!  └───────────────────────────────────────────────────────────┘
//! ```
//!
//! Tasks run in the order in which they were woken, or in an order drawn from a seed: the same seed
//! gives the same order. Wakers may be used from any thread.
//! Invariant: a task is queued at most once between two of its polls.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::{Context, Poll, Wake, Waker};

use super::clock::VirtualClock;
use super::random::Random;
use crate::base::clock::Clock;
use crate::base::spawn::Spawn;

/// The key of the future that `block_on` runs.
const MAIN: usize = usize::MAX;
/// The key that wakes the thread and no task.
const NOBODY: usize = usize::MAX - 1;

/// Runs futures on the calling thread, over a virtual clock.
#[derive(Debug)]
pub struct Executor {
    clock: Rc<VirtualClock>,
    tasks: RefCell<Vec<Option<Task>>>,
    ready: RefCell<VecDeque<usize>>,
    woken: Receiver<usize>,
    wake: Sender<usize>,
    order: Option<RefCell<Random>>,
    outside_count: Arc<AtomicUsize>,
    polls_count: Cell<u64>,
}

struct Task {
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    waker: Arc<TaskWaker>,
}

impl std::fmt::Debug for Task {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Task").field("waker", &self.waker).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct TaskWaker {
    key: usize,
    queued: AtomicBool,
    wake: Sender<usize>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            // An executor that is gone polls nothing any more.
            let _ = self.wake.send(self.key);
        }
    }
}

/// Work on another thread that the executor must wait for; held by that work until its end.
#[derive(Debug)]
pub struct Outside {
    count: Arc<AtomicUsize>,
    wake: Sender<usize>,
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
        let _ = self.wake.send(NOBODY);
    }
}

#[derive(Debug)]
struct Spawner(Weak<Executor>);

impl Spawn for Spawner {
    fn spawn(&self, task: Pin<Box<dyn Future<Output = ()>>>) {
        if let Some(executor) = self.0.upgrade() {
            executor.add(task);
        }
    }
}

impl Executor {
    /// An executor that runs tasks in the order in which they were woken.
    #[must_use]
    pub fn new(clock: Rc<VirtualClock>) -> Rc<Self> {
        Self::with_order(clock, None)
    }

    /// An executor that draws the next task from `random`.
    #[must_use]
    pub fn shuffled(clock: Rc<VirtualClock>, random: Random) -> Rc<Self> {
        Self::with_order(clock, Some(RefCell::new(random)))
    }

    fn with_order(clock: Rc<VirtualClock>, order: Option<RefCell<Random>>) -> Rc<Self> {
        let (wake, woken) = channel();
        Rc::new(Self {
            clock,
            tasks: RefCell::default(),
            ready: RefCell::default(),
            woken,
            wake,
            order,
            outside_count: Arc::default(),
            polls_count: Cell::new(0),
        })
    }

    /// Adds a task.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) {
        self.add(Box::pin(future));
    }

    /// What lets others add tasks, for as long as the executor lives: it does not keep it alive, so
    /// that tasks may hold it.
    #[must_use]
    pub fn spawner(self: &Rc<Self>) -> Rc<dyn Spawn> {
        Rc::new(Spawner(Rc::downgrade(self)))
    }

    fn add(&self, future: Pin<Box<dyn Future<Output = ()>>>) {
        let mut tasks = self.tasks.borrow_mut();
        let key = tasks.iter().position(Option::is_none).unwrap_or(tasks.len());
        if key == tasks.len() {
            tasks.push(None);
        }
        let waker = self.waker(key);
        waker.wake_by_ref();
        tasks[key] = Some(Task { future: Some(future), waker });
    }

    /// Announces work on another thread: as long as what this returns is held, an executor that has
    /// nothing else to do waits for it.
    #[must_use]
    pub fn outside(&self) -> Outside {
        self.outside_count.fetch_add(1, Ordering::AcqRel);
        Outside { count: self.outside_count.clone(), wake: self.wake.clone() }
    }

    /// How many tasks have not ended.
    #[must_use]
    pub fn task_count(&self) -> usize {
        self.tasks.borrow().iter().flatten().count()
    }

    /// How often a task was polled so far.
    #[must_use]
    pub fn polls_count(&self) -> u64 {
        self.polls_count.get()
    }

    /// Runs until no task can go on and no timer is armed.
    pub fn run(&self) {
        while self.turn(&mut None) {}
    }

    /// Runs until `future` is ready, and everybody else meanwhile. `None` when it never will be,
    /// since nobody is left who could wake it.
    pub fn block_on<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        let waker = self.waker(MAIN);
        waker.wake_by_ref();
        let mut output = None;
        let mut poll = || {
            waker.queued.store(false, Ordering::Release);
            let waker = Waker::from(waker.clone());
            if let Poll::Ready(ready) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                output = Some(ready);
                return true;
            }
            false
        };
        while self.turn(&mut Some(&mut poll)) {}
        output
    }

    fn waker(&self, key: usize) -> Arc<TaskWaker> {
        Arc::new(TaskWaker { key, queued: AtomicBool::new(false), wake: self.wake.clone() })
    }

    /// Does the next thing. `false` when there is none, or when `main` is ready.
    fn turn(&self, main: &mut Option<&mut dyn FnMut() -> bool>) -> bool {
        self.ready.borrow_mut().extend(self.woken.try_iter());
        if let Some(key) = self.next_ready() {
            self.polls_count.set(self.polls_count.get() + 1);
            return match (key, main) {
                (MAIN, Some(poll_main)) => !poll_main(),
                (MAIN | NOBODY, _) => true,
                (key, _) => {
                    self.poll(key);
                    true
                }
            };
        }
        if let Some(due) = self.clock.timers().next_due() {
            self.clock.advance_to(due);
            return true;
        }
        if self.outside_count.load(Ordering::Acquire) == 0 {
            // What ended outside just before may have woken somebody.
            self.ready.borrow_mut().extend(self.woken.try_iter());
            return !self.ready.borrow().is_empty();
        }
        let woken = self.woken.recv();
        self.ready.borrow_mut().extend(woken);
        true
    }

    fn next_ready(&self) -> Option<usize> {
        let mut ready = self.ready.borrow_mut();
        match &self.order {
            Some(random) if ready.len() > 1 => {
                let index = random.borrow_mut().index(ready.len());
                ready.remove(index)
            }
            _ => ready.pop_front(),
        }
    }

    fn poll(&self, key: usize) {
        // Out of its slot, so that it can spawn others.
        let taken = self.tasks.borrow_mut().get_mut(key).and_then(|slot| {
            let task = slot.as_mut()?;
            Some((task.future.take()?, task.waker.clone()))
        });
        // A task that ended may have been woken once more.
        let Some((mut future, waker)) = taken else { return };
        waker.queued.store(false, Ordering::Release);
        let waker = Waker::from(waker);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        if polled.is_ready() {
            drop(future); // It may spawn, or wake, as it goes.
            self.tasks.borrow_mut()[key] = None;
        } else if let Some(task) = &mut self.tasks.borrow_mut()[key] {
            task.future = Some(future);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::time::Now;

    fn sleep(clock: &Rc<VirtualClock>, secs: u64) -> impl Future<Output = ()> + use<> {
        let deadline = clock.now().after(Duration::from_secs(secs));
        clock.timers().sleep_until(deadline)
    }

    #[test]
    fn time_passes_when_nobody_can_go_on() {
        let clock = VirtualClock::starting_at(Now(0));
        let executor = Executor::new(clock.clone());
        let order = Rc::new(RefCell::new(Vec::new()));
        for secs in [3600, 1, 60] {
            let (nap, order) = (sleep(&clock, secs), order.clone());
            executor.spawn(async move {
                nap.await;
                order.borrow_mut().push(secs);
            });
        }
        executor.run();
        assert_eq!(*order.borrow(), [1, 60, 3600]);
        assert_eq!((executor.task_count(), clock.timers().armed_count()), (0, 0));
        assert_eq!(clock.now(), Now(3_600_000_000_000));
    }

    #[test]
    fn a_future_that_nobody_can_wake_is_given_up() {
        let executor = Executor::new(VirtualClock::starting_at(Now(0)));
        assert_eq!(executor.block_on(std::future::pending::<()>()), None);
        assert_eq!(executor.block_on(async { 7 }), Some(7));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "another thread is what is tested")]
    fn work_on_another_thread_is_waited_for() {
        let executor = Executor::new(VirtualClock::starting_at(Now(0)));
        let outside = executor.outside();
        let mut started = Some(outside);
        let done = Arc::new(AtomicBool::new(false));
        let ended = executor.block_on(std::future::poll_fn(|context| {
            if done.load(Ordering::Acquire) {
                return Poll::Ready(());
            }
            if let Some(outside) = started.take() {
                let (waker, done) = (context.waker().clone(), done.clone());
                std::thread::spawn(move || {
                    done.store(true, Ordering::Release);
                    waker.wake();
                    drop(outside);
                });
            }
            Poll::Pending
        }));
        assert_eq!(ended, Some(()));
    }

    #[test]
    fn a_task_spawns_others_and_does_not_keep_its_executor() {
        let executor = Executor::new(VirtualClock::starting_at(Now(0)));
        let (spawner, ended) = (executor.spawner(), Rc::new(Cell::new(false)));
        let (inner, noted) = (spawner.clone(), ended.clone());
        executor.spawn(async move { inner.spawn(Box::pin(async move { noted.set(true) })) });
        executor.run();
        assert_eq!((ended.get(), executor.task_count()), (true, 0));
        drop(executor);
        let noted = ended.clone();
        spawner.spawn(Box::pin(async move { noted.set(true) }));
        assert_eq!(Rc::strong_count(&ended), 1, "nobody is left who would poll it");
    }

    #[test]
    fn a_seed_gives_one_order_and_another_seed_another() {
        let run = |seed| {
            let executor = Executor::shuffled(VirtualClock::starting_at(Now(0)), Random::new(seed));
            let order = Rc::new(RefCell::new(Vec::new()));
            for name in 0..8 {
                let order = order.clone();
                executor.spawn(async move { order.borrow_mut().push(name) });
            }
            executor.run();
            order.take()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }
}
