//! Threads for work that blocks: `BlockingPool`, one for each process.
//!
//! In: closures. Out: `Completion`, a future under any executor.
//! Limits: `threads_max`, `queue_max`.
//! Threads start when a job finds none idle, and end after ten seconds without one.
//! Invariant: `threads <= threads_max`, `queue.len() <= queue_max`; a queued job has a thread that
//! will come to it, because a thread ends only when it finds the queue empty.
//! A job that panics costs nothing but its own result.

#![expect(clippy::disallowed_types, reason = "jobs and results cross threads, under short locks")]

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::base::fault::Fault;

const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs on threads of its own. Clones are handles to the same pool.
#[derive(Clone, Debug)]
pub struct BlockingPool {
    shared: Arc<Shared>,
}

/// As many jobs wait as may, or no thread could be started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pool for blocking work is full: {queued_count} jobs wait")]
pub struct PoolFull {
    /// How many jobs waited for a thread.
    pub queued_count: usize,
}

/// The job panicked. What it said went to the panic hook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job panicked")]
pub struct JobPanicked;

impl PoolFull {
    /// Whose fault it is: this machine is too small for its load.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

impl JobPanicked {
    /// Whose fault it is: the job's code is part of this program.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Bug
    }
}

/// The result of a job, once it is there. Dropping it does not stop the job.
#[must_use = "a completion does nothing unless awaited"]
pub struct Completion<T> {
    slot: Arc<Mutex<Slot<T>>>,
}

struct Slot<T> {
    result: Option<Result<T, JobPanicked>>,
    waker: Option<Waker>,
}

#[derive(Debug)]
struct Shared {
    threads_max: usize,
    queue_max: usize,
    state: Mutex<State>,
    job_came: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    threads: usize,
    idle: usize,
    started: u64,
}

impl BlockingPool {
    /// A pool without threads yet.
    ///
    /// # Panics
    /// When `threads_max` is zero.
    #[must_use]
    pub fn new(threads_max: usize, queue_max: usize) -> Self {
        assert!(threads_max > 0, "a pool without threads never runs a job");
        let state = Mutex::new(State::default());
        let shared = Shared { threads_max, queue_max, state, job_came: Condvar::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Runs `job` on a thread of the pool, as soon as one is free.
    ///
    /// # Errors
    /// `PoolFull` when the queue is full; the job was not run.
    pub fn submit<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Completion<T>, PoolFull> {
        let slot = Arc::new(Mutex::new(Slot { result: None, waker: None }));
        let filled = slot.clone();
        self.enqueue(Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(job)).map_err(|_| JobPanicked);
            fill(&filled, result);
        }))?;
        Ok(Completion { slot })
    }

    fn enqueue(&self, job: Job) -> Result<(), PoolFull> {
        let mut state = self.shared.lock();
        // An idle thread that was told of an earlier job is still counted until it wakes.
        let spoken_for = state.queue.len() >= state.idle;
        if spoken_for && state.threads < self.shared.threads_max && self.start_thread(&mut state) {
            state.queue.push_back(job);
            return Ok(());
        }
        let queued_count = state.queue.len();
        if state.threads == 0 || queued_count >= self.shared.queue_max + state.idle {
            return Err(PoolFull { queued_count });
        }
        state.queue.push_back(job);
        self.shared.job_came.notify_one();
        Ok(())
    }

    /// Whether the system had a thread to give. The new thread looks at the queue before it idles.
    fn start_thread(&self, state: &mut State) -> bool {
        let shared = self.shared.clone();
        let name = format!("ringlane-job-{}", state.started);
        let started = std::thread::Builder::new().name(name).spawn(move || shared.work());
        if started.is_ok() {
            state.started += 1;
            state.threads += 1;
        }
        started.is_ok()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            while let Some(job) = state.queue.pop_front() {
                drop(state);
                // The job caught its own panic; this is for the result that nobody took.
                let _ = catch_unwind(AssertUnwindSafe(job));
                state = self.lock();
            }
            state.idle += 1;
            let timed_out;
            (state, timed_out) = self
                .job_came
                .wait_timeout_while(state, IDLE_TIMEOUT, |state| state.queue.is_empty())
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
            if timed_out.timed_out() && state.queue.is_empty() {
                state.threads -= 1;
                return;
            }
        }
    }
}

fn fill<T>(slot: &Mutex<Slot<T>>, result: Result<T, JobPanicked>) {
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    slot.result = Some(result);
    let waker = slot.waker.take();
    drop(slot);
    if let Some(waker) = waker {
        waker.wake();
    }
}

impl<T> Future for Completion<T> {
    type Output = Result<T, JobPanicked>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        match slot.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                slot.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for Completion<T> {
    fn drop(&mut self) {
        // The waker holds the task that waited, which must not die on a thread of the pool.
        self.slot.lock().unwrap_or_else(PoisonError::into_inner).waker = None;
    }
}

impl<T> fmt::Debug for Completion<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Completion").finish_non_exhaustive()
    }
}

impl fmt::Debug for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("State")
            .field("queued", &self.queue.len())
            .field("threads", &self.threads)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc::channel;
    use std::task::Wake;

    use super::*;

    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn wait<F: Future>(future: F) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut future = pin!(future);
        loop {
            match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => std::thread::park(),
            }
        }
    }

    #[test]
    fn results_and_panics_come_back() {
        let pool = BlockingPool::new(2, 4);
        assert_eq!(wait(pool.submit(|| 2 + 2).unwrap()), Ok(4));
        let panicking = pool.submit(|| std::panic::resume_unwind(Box::new(()))).unwrap();
        assert_eq!(wait::<Completion<()>>(panicking), Err(JobPanicked));
        let name = wait(pool.submit(|| std::thread::current().name().map(str::to_owned)).unwrap());
        assert!(name.unwrap().unwrap().starts_with("ringlane-job-"));
    }

    #[test]
    fn threads_and_queue_are_bounded() {
        let pool = BlockingPool::new(1, 2);
        let (release, released) = channel::<()>();
        let (begun, has_begun) = channel();
        let first = pool
            .submit(move || {
                begun.send(()).unwrap();
                released.recv().unwrap();
            })
            .unwrap();
        has_begun.recv().unwrap();
        let waiting = [pool.submit(|| 1).unwrap(), pool.submit(|| 2).unwrap()];
        assert_eq!(pool.submit(|| 3).unwrap_err(), PoolFull { queued_count: 2 });
        release.send(()).unwrap();
        assert_eq!(wait(first), Ok(()));
        let [one, two] = waiting;
        assert_eq!((wait(one), wait(two)), (Ok(1), Ok(2)));
        assert_eq!(wait(pool.submit(|| 4).unwrap()), Ok(4));
    }

    #[test]
    fn a_dropped_completion_lets_its_job_run() {
        let pool = BlockingPool::new(1, 1);
        let (done, is_done) = channel();
        drop(pool.submit(move || done.send(5).unwrap()).unwrap());
        assert_eq!(is_done.recv(), Ok(5));
    }
}
