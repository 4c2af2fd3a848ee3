//! A run from its begin to its end: starts the threads, orders them about, looks at the server.
//!
//! ```text
//! memory ─▶ open ─▶ warm up ─▶ CPU ─▶ measure (memory at times) ─▶ CPU, memory ─▶ leave
//! ```
//! Limits: memory is looked at every `SAMPLE_INTERVAL`, since looking costs the server.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::base::time::Now;
use crate::client::waits::{Pause, Waits};
use crate::load::machine::{Origin, cpu_count, grant_files, start};
use crate::load::plan::{Load, Plan};
use crate::load::report::{Outcome, ServerReport};
use crate::load::server::{self, Cpu, Memory};
use crate::load::tally::Tally;
use crate::load::worker::{Order, Report, Shared, Stretch, work};

/// How often whoever watches is told, and Ctrl-C looked for.
const GLANCE_INTERVAL: Duration = Duration::from_millis(50);
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Glance {
    /// What it does.
    pub doing: Doing,
    /// How far that is, 0 to 1.
    pub done: f64,
    /// Requests that are over.
    pub over: u64,
}

/// What a run does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// It opens its connections.
    Opening,
    /// It makes load and does not measure it.
    WarmingUp,
    /// It measures.
    Measuring,
}

/// Why there was no run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// More connections than files may be open.
    #[error("{connections} connections need more open files than the {limit} that are allowed")]
    Files {
        /// As planned.
        connections: usize,
        /// The limit of the process.
        limit: u64,
    },
    /// A connection could not be opened, or the session on it.
    #[error("cannot open {what}")]
    Open {
        /// Which, and why.
        what: String,
    },
    /// The server's processes cannot be looked at.
    #[error("{what}")]
    Server {
        /// Which, and why.
        what: String,
    },
    /// The system gives no thread.
    #[error("cannot start a thread: {what}")]
    Thread {
        /// What it says.
        what: String,
    },
    /// Somebody wanted the end before anything was measured.
    #[error(
        "interrupted before the warm-up was over: nothing was measured; {answered} requests were \
         answered rightly, {failed} failed"
    )]
    Interrupted {
        /// Right answers until then.
        answered: u64,
        /// Requests without one.
        failed: u64,
    },
}

impl RunError {
    /// What can be done about it.
    #[must_use]
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            Self::Files { .. } => {
                Some("raise the limit (ulimit -n, LimitNOFILE=), or give fewer --connections")
            }
            Self::Open { .. } => Some("give fewer --connections, or raise the server's limits"),
            Self::Server { .. } => {
                Some("give --server-pid a process that runs and that belongs to you")
            }
            Self::Thread { .. } => Some("give fewer --threads"),
            Self::Interrupted { .. } => Some("let it warm up, or give a shorter --warmup"),
        }
    }
}

/// Carries out a plan. `watch` is told how far it is.
///
/// # Errors
/// `RunError`; answers that are wrong are no error but counted.
pub fn run(plan: &Plan, waits: &Waits, watch: &mut dyn FnMut(Glance)) -> Result<Outcome, RunError> {
    grant_files(plan.connections)
        .map_err(|limit| RunError::Files { connections: plan.connections, limit })?;
    let mut looker = Looker::new(&plan.servers)?;
    let before = looker.cpu()?;
    let mut crew = Crew::start(plan, waits, watch)?;
    let opened = crew.gather(Doing::Opening, None, &mut looker)?;
    if let Load::Hold(_) = plan.load {
        return crew.hold(plan, opened, before, looker);
    }
    let mut warm = opened;
    if !plan.warmup.is_zero() && !crew.is_stopped() {
        warm.add(crew.load(plan, Some(plan.warmup), None, Doing::WarmingUp, &mut looker)?.0);
    }
    if crew.is_stopped() {
        crew.leave();
        return Err(RunError::Interrupted { answered: warm.answered, failed: warm.failed });
    }
    let before = looker.cpu()?;
    let (mut tally, seconds) =
        crew.load(plan, plan.duration, plan.count, Doing::Measuring, &mut looker)?;
    let (server, interrupted, sent) = (looker.report(before), crew.is_stopped(), tally.sent());
    crew.leave();
    tally.add_faults(warm.faults);
    Ok(Outcome { tally, seconds, sent, server, interrupted, cpus: cpu_count() })
}

/// The threads.
struct Crew<'w> {
    origin: Origin,
    shared: Arc<Shared>,
    orders: Vec<Sender<Order>>,
    reports: Receiver<Report>,
    threads: Vec<JoinHandle<()>>,
    waits: &'w Waits,
    watch: &'w mut dyn FnMut(Glance),
}

impl<'w> Crew<'w> {
    fn start(
        plan: &Plan,
        waits: &'w Waits,
        watch: &'w mut dyn FnMut(Glance),
    ) -> Result<Self, RunError> {
        let (report, reports) = channel();
        let (origin, shared) = (Origin::begin(), Arc::new(Shared::default()));
        let (orders, threads) = (Vec::new(), Vec::new());
        let mut crew = Self { origin, shared, orders, reports, threads, waits, watch };
        for index in 0..plan.threads {
            let (order, ordered) = channel();
            let (plan, shared, report) = (plan.clone(), crew.shared.clone(), report.clone());
            let thread = start(index, move || work(index, plan, origin, shared, &ordered, &report))
                .map_err(|error| RunError::Thread { what: error.to_string() })?;
            crew.orders.push(order);
            crew.threads.push(thread);
        }
        Ok(crew)
    }

    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Relaxed)
    }

    /// A stretch of load on all threads: what they counted, and for how many seconds.
    fn load(
        &mut self,
        plan: &Plan,
        duration: Option<Duration>,
        count: Option<u64>,
        doing: Doing,
        looker: &mut Looker,
    ) -> Result<(Tally, f64), RunError> {
        let start = self.origin.now();
        let end = duration.map(|duration| Now(start.after(duration).0));
        self.shared.over.store(0, Ordering::Relaxed);
        for (index, order) in self.orders.iter().enumerate() {
            let count = count.map(|count| plan.share(index, count));
            // A thread that is gone is missed by `gather`.
            let _ = order.send(Order::Load(Stretch { start, end, count }));
        }
        let tally = self.gather(doing, Some((start, end, count)), looker)?;
        // Until the last answer; a stretch in which none came was as long as it was.
        let last = if tally.last > start { tally.last } else { self.origin.now() };
        Ok((tally, last.since(start).as_secs_f64()))
    }

    fn hold(
        mut self,
        plan: &Plan,
        mut opened: Tally,
        before: Option<Cpu>,
        mut looker: Looker,
    ) -> Result<Outcome, RunError> {
        let start = self.origin.now();
        let end = Now(start.after(plan.duration.unwrap_or_default()).0);
        for order in &self.orders {
            let _ = order.send(Order::Hold { until: end });
        }
        let stretch = Some((start, Some(end), None));
        let held = self.gather(Doing::Measuring, stretch, &mut looker)?;
        let seconds = self.origin.now().since(start).as_secs_f64();
        let (server, interrupted) = (looker.report(before), self.is_stopped());
        self.leave();
        opened.add(held);
        let (sent, tally, cpus) = (opened.sent(), opened, cpu_count());
        Ok(Outcome { tally, seconds, sent, server, interrupted, cpus })
    }

    /// Waits for a report of each thread; looks at the server, and for Ctrl-C, meanwhile.
    fn gather(
        &mut self,
        doing: Doing,
        stretch: Option<(Now, Option<Now>, Option<u64>)>,
        looker: &mut Looker,
    ) -> Result<Tally, RunError> {
        let mut tally = Tally::new();
        let mut missing = self.threads.len();
        while missing > 0 {
            match self.reports.recv_timeout(GLANCE_INTERVAL) {
                Ok(Report::Open(Ok(part)) | Report::Done(part)) => {
                    tally.add(part);
                    missing -= 1;
                }
                Ok(Report::Open(Err(fault))) => {
                    self.shared.stop.store(true, Ordering::Relaxed);
                    let what = format!("{}: {}", fault.sample, fault.kind.in_words());
                    return Err(RunError::Open { what });
                }
                Err(RecvTimeoutError::Timeout) => {
                    looker.look(self.origin.now());
                    self.glance(doing, stretch);
                    if matches!(self.waits.pause(Duration::ZERO), Ok(Pause::Interrupted)) {
                        self.shared.stop.store(true, Ordering::Relaxed);
                    }
                }
                Err(RecvTimeoutError::Disconnected) => {
                    let what = "all of them ended".to_owned();
                    return Err(RunError::Thread { what });
                }
            }
        }
        Ok(tally)
    }

    #[expect(clippy::cast_precision_loss, reason = "a share, for people")]
    fn glance(&mut self, doing: Doing, stretch: Option<(Now, Option<Now>, Option<u64>)>) {
        let over = self.shared.over.load(Ordering::Relaxed);
        let (now, mut done) = (self.origin.now(), 0.0_f64);
        if let Some((start, end, count)) = stretch {
            if let Some(end) = end {
                done = now.since(start).as_secs_f64() / end.since(start).as_secs_f64();
            }
            if let Some(count) = count {
                done = done.max(over as f64 / count as f64);
            }
        }
        (self.watch)(Glance { doing, done: done.clamp(0.0, 1.0), over });
    }

    /// Has the threads end their sessions, and waits for their end.
    fn leave(&mut self) {
        for order in self.orders.drain(..) {
            let _ = order.send(Order::Leave);
        }
        for thread in self.threads.drain(..) {
            // A panic in it was told by the hook.
            let _ = thread.join();
        }
    }
}

/// Who looks at the server's processes.
struct Looker {
    processes: Vec<u32>,
    before: Memory,
    peak: Memory,
    looked: Now,
}

impl Looker {
    fn new(processes: &[u32]) -> Result<Self, RunError> {
        let processes = processes.to_vec();
        let before = server::memory(&processes).map_err(|what| RunError::Server { what })?;
        Ok(Self { processes, before, peak: before, looked: Now::default() })
    }

    fn look(&mut self, now: Now) {
        if self.processes.is_empty() || now.since(self.looked) < SAMPLE_INTERVAL {
            return;
        }
        self.looked = now;
        // One that is gone is noticed at the end.
        if let Ok(memory) = server::memory(&self.processes) {
            self.peak = self.peak.peak(memory);
        }
    }

    fn cpu(&self) -> Result<Option<Cpu>, RunError> {
        if self.processes.is_empty() {
            return Ok(None);
        }
        server::cpu(&self.processes).map(Some).map_err(|what| RunError::Server { what })
    }

    /// What was spent since then, and the memory; or why that is not known: the server may be gone,
    /// which must not hide what else was measured.
    fn report(&self, before: Option<Cpu>) -> Option<Result<ServerReport, String>> {
        before.map(|before| {
            let spent = server::cpu(&self.processes)?.since(&before, server::tick());
            let after = server::memory(&self.processes)?;
            let (processes, peak) = (self.processes.clone(), self.peak.peak(after));
            Ok(ServerReport { processes, spent, before: self.before, peak, after })
        })
    }
}
