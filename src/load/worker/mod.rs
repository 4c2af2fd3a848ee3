//! A thread of the load: its lanes, one epoll loop, and the orders it gets.
//!
//! ```text
//! open all lanes ─▶ Ready ─order─▶ a stretch of load, or a hold ─▶ Done ─order─▶ … ─▶ leave
//! ```
//! A stretch ends when nothing of it is in flight any more, so that what the server spent between
//! two stretches belongs to the requests counted between them.
//! Not here: what follows on the lanes (`lanes`).
//! Limits: `CONNECTING_MAX`; the silence of a server by `Plan::timeout`.

mod lanes;

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use crate::base::time::Now;
use crate::http::head::Persistence;
use crate::load::connection::Judging;
use crate::load::fault::{Fault, FaultKind};
use crate::load::judge::Judge;
use crate::load::lane::{Lane, Means, Stage};
use crate::load::machine::{Origin, thread_cpu, thread_wait};
use crate::load::plan::{Load, Plan};
use crate::load::request::Ids;
use crate::load::response::KnownHead;
use crate::load::schedule::Schedule;
use crate::load::socket::Poller;
use crate::load::tally::Tally;

/// Connections that a thread opens at once.
const CONNECTING_MAX: usize = 64;
/// How often silence and orders from outside are looked at.
const TICK: Duration = Duration::from_millis(20);
/// How long answers are waited for once somebody wants the end.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why a request that was due was not sent.
const TAKEN: &str = "the connections were all taken";
const GONE: &str = "there was no connection any more";

/// What a thread is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// Make load.
    Load(Stretch),
    /// Keep everything open until then.
    Hold { until: Now },
    /// End the sessions, and then itself.
    Leave,
}

/// A part of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) start: Now,
    pub(super) end: Option<Now>,
    /// Requests of this thread.
    pub(super) count: Option<u64>,
}

/// What a thread tells.
#[derive(Debug)]
pub(super) enum Report {
    /// All lanes are open, or why not.
    Open(Result<Tally, Fault>),
    /// The order is carried out.
    Done(Tally),
}

/// What all threads see.
#[derive(Debug, Default)]
pub(super) struct Shared {
    /// Somebody wants the end.
    pub(super) stop: AtomicBool,
    /// Requests that are over, for whoever watches.
    pub(super) over: AtomicU64,
}

/// One thread.
#[derive(Debug)]
pub(super) struct Worker {
    index: usize,
    origin: Origin,
    shared: Arc<Shared>,
    lanes: Vec<Lane>,
    means: Means,
    tally: Tally,
    mode: Mode,
    /// Lanes with room, in an open loop.
    free: VecDeque<usize>,
    in_flight: usize,
    /// When a lane was of use last, in a stretch.
    connected: Now,
    /// Calls begun, of which a share is cut.
    begun: u64,
}

/// What is made of lanes that are ready.
#[derive(Debug)]
enum Mode {
    /// They are being opened; the first fault ends it.
    Opening { open: usize, broken: Option<Fault> },
    /// They ask as soon as they have room.
    Closed { left: Option<u64> },
    /// They ask what is due.
    Open { schedule: Schedule, left: Option<u64> },
    /// They are let be.
    Quiet,
    /// They are being closed.
    Leaving,
}

/// Runs a thread to its end.
pub(super) fn work(
    index: usize,
    plan: Plan,
    origin: Origin,
    shared: Arc<Shared>,
    orders: &Receiver<Order>,
    reports: &Sender<Report>,
) {
    let opened = Worker::open(index, plan, origin, shared);
    let mut worker = match opened {
        Ok(worker) => worker,
        Err(fault) => {
            let _ = reports.send(Report::Open(Err(fault)));
            return;
        }
    };
    let mut told = reports.send(Report::Open(Ok(worker.take_tally())));
    // When nobody orders or listens any more, the run is over.
    while let (Ok(()), Ok(order)) = (&told, orders.recv()) {
        let (cpu, wait, begin) = (thread_cpu(), thread_wait(), origin.now());
        match order {
            Order::Load(stretch) => worker.load(stretch),
            Order::Hold { until } => worker.hold(until),
            Order::Leave => return worker.leave(),
        }
        worker.tally.cpu = thread_cpu().saturating_sub(cpu);
        let wall = origin.now().since(begin).as_secs_f64().max(f64::EPSILON);
        worker.tally.busy = worker.tally.cpu.as_secs_f64() / wall;
        worker.tally.waited = thread_wait().saturating_sub(wait).as_secs_f64() / wall;
        told = reports.send(Report::Done(worker.take_tally()));
    }
}

impl Worker {
    /// Opens all lanes.
    fn open(index: usize, plan: Plan, origin: Origin, shared: Arc<Shared>) -> Result<Self, Fault> {
        let poller = Poller::open()
            .map_err(|error| Fault::new(FaultKind::Connect, format!("no epoll: {error}")))?;
        let connections = u64::try_from(plan.connections).unwrap_or(u64::MAX);
        let count = usize::try_from(plan.share(index, connections)).unwrap_or(usize::MAX);
        let judging = Judging {
            judge: Judge::new(plan.text.clone()),
            head: KnownHead::default(),
            streams: plan.load == Load::Stream,
        };
        let means = Means {
            poller,
            ids: Ids::new(index, plan.threads, plan.requests.fixed_id),
            judging,
            call: Rc::new(plan.requests.call(None)),
            happened: Vec::new(),
            scratch: Means::scratch(),
            plan: Rc::new(plan),
        };
        let mut worker = Self {
            index,
            origin,
            shared,
            lanes: (0..count).map(|token| Lane::new(token, &means)).collect(),
            means,
            tally: Tally::new(),
            mode: Mode::Opening { open: 0, broken: None },
            free: VecDeque::new(),
            in_flight: 0,
            connected: Now::default(),
            begun: 0,
        };
        worker.open_all()?;
        worker.mode = Mode::Quiet;
        Ok(worker)
    }

    fn open_all(&mut self) -> Result<(), Fault> {
        let mut begun = 0;
        loop {
            let Mode::Opening { open, broken } = &mut self.mode else { return Ok(()) };
            if let Some(fault) = broken.take() {
                let count = self.lanes.len();
                let told = format!("connection {} of {count}: {}", *open + 1, fault.sample);
                return Err(Fault { kind: fault.kind, sample: told });
            }
            if *open >= self.lanes.len() || self.shared.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            while begun < self.lanes.len() && begun - *open < CONNECTING_MAX {
                let now = self.origin.now();
                if let Some(lane) = self.lanes.get_mut(begun) {
                    lane.connect(now, &self.means)?;
                }
                begun += 1;
            }
            self.pump(TICK);
            self.look_for_silence();
        }
    }

    fn take_tally(&mut self) -> Tally {
        std::mem::replace(&mut self.tally, Tally::new())
    }

    /// One stretch of load, until nothing of it is in flight.
    fn load(&mut self, stretch: Stretch) {
        let plan = self.means.plan.clone();
        self.mode = match plan.rate {
            None => Mode::Closed { left: stretch.count },
            Some(rate) => {
                let end = stretch.end.unwrap_or(Now(u64::MAX));
                let (index, threads) = (self.index, plan.threads);
                let schedule = Schedule::new(rate, stretch.start, end, index, threads);
                Mode::Open { schedule, left: stretch.count }
            }
        };
        self.fill_all();
        let mut last_look = self.origin.now();
        self.connected = last_look;
        while !self.is_over(stretch) {
            let now = self.origin.now();
            self.pump(self.time_to_wait(now, stretch.end));
            self.dispatch();
            let now = self.origin.now();
            if now.since(last_look) >= TICK {
                last_look = now;
                self.look_for_silence();
                self.revive();
                if self.is_connected() {
                    self.connected = now;
                }
            }
        }
        self.stop_sending(stretch.end);
        self.wait_for_answers(plan.timeout);
        self.mode = Mode::Quiet;
        self.free.clear();
        for lane in &mut self.lanes {
            lane.listed = false;
        }
    }

    fn is_over(&self, stretch: Stretch) -> bool {
        let left = match &self.mode {
            Mode::Closed { left } | Mode::Open { left, .. } => *left,
            _ => Some(0),
        };
        // A count is never reached without a server, and there may be no other end.
        let is_abandoned = stretch.end.is_none()
            && self.origin.now().since(self.connected) > self.means.plan.timeout;
        left == Some(0)
            || is_abandoned
            || stretch.end.is_some_and(|end| self.origin.now() >= end)
            || self.shared.stop.load(Ordering::Relaxed)
    }

    /// Whether any lane is of use. One is enough to go on with, and the first one often is it.
    fn is_connected(&self) -> bool {
        self.lanes.iter().any(|lane| lane.stage == Stage::Ready)
    }

    fn time_to_wait(&self, now: Now, end: Option<Now>) -> Duration {
        let due = match &self.mode {
            Mode::Open { schedule, .. } if !schedule.has_waiting() => schedule.next_due(),
            _ => None,
        };
        let moments = due.into_iter().chain(end);
        moments.map(|moment| moment.since(now)).fold(TICK, Duration::min)
    }

    /// Counts what was due and will not be sent.
    fn stop_sending(&mut self, end: Option<Now>) {
        let mode = std::mem::replace(&mut self.mode, Mode::Quiet);
        let now = self.origin.now();
        if !matches!(mode, Mode::Closed { left: Some(0) } | Mode::Open { left: Some(0), .. }) {
            // Time in which no answer came any more is part of the stretch.
            self.tally.last = self.tally.last.max(end.map_or(now, |end| now.min(end)));
        }
        // At the end by somebody's wish nothing more was meant to be sent.
        if self.shared.stop.load(Ordering::Relaxed) {
            return;
        }
        let why = if self.is_connected() { TAKEN } else { GONE };
        let unsent = Fault::new(FaultKind::Unsent, why);
        let (schedule, mut left) = match mode {
            Mode::Open { schedule, left } => (Some(schedule), left),
            Mode::Closed { left } => (None, left),
            _ => return,
        };
        if let Some(mut schedule) = schedule.filter(|_| left != Some(0)) {
            schedule.advance(now);
            self.tally.fault(Fault::new(FaultKind::Refused, TAKEN), schedule.take_refused());
            while let Some(due) = schedule.take().filter(|_| left != Some(0)) {
                left = left.map(|left| left - 1);
                self.tally.over(due, now, Err(unsent.clone()));
            }
        }
        // With both, the time may be over before the count is reached; that is no failure.
        if let (Some(left), None) = (left, end) {
            self.tally.fault(unsent, left);
        }
    }

    /// Waits so long for what is in flight. What is left then never came.
    fn wait_for_answers(&mut self, timeout: Duration) {
        let begin = self.origin.now();
        while self.in_flight > 0 {
            let waited = self.origin.now().since(begin);
            let stopped = self.shared.stop.load(Ordering::Relaxed);
            if waited > timeout || (stopped && waited > PATIENCE) {
                for index in 0..self.lanes.len() {
                    if self.lanes.get(index).is_some_and(|lane| lane.in_flight() > 0) {
                        self.lose(index, unfinished(waited));
                    }
                }
                debug_assert_eq!(self.in_flight, 0, "what is in flight is on a lane");
                self.in_flight = 0;
                return;
            }
            self.pump(TICK);
            self.look_for_silence();
        }
    }

    /// Keeps everything open.
    fn hold(&mut self, until: Now) {
        self.mode = Mode::Quiet;
        while !self.shared.stop.load(Ordering::Relaxed) {
            let now = self.origin.now();
            if now >= until {
                break;
            }
            self.pump(until.since(now).min(TICK));
        }
    }

    fn leave(mut self) {
        self.mode = Mode::Leaving;
        for index in 0..self.lanes.len() {
            let now = self.origin.now();
            let Some(lane) = self.lanes.get_mut(index) else { continue };
            lane.leave(now, &mut self.means);
            self.settle(index, Ok(Persistence::KeepAlive));
        }
        let begin = self.origin.now();
        let is_gone = |lane: &Lane| lane.stage == Stage::Gone;
        while !self.lanes.iter().all(is_gone) && self.origin.now().since(begin) < PATIENCE {
            self.pump(TICK);
        }
    }
}

/// It need not have been silent: an answer may come byte by byte.
fn unfinished(waited: Duration) -> Fault {
    let told = format!("unfinished {:.1} s after the end of the run", waited.as_secs_f64());
    Fault::new(FaultKind::Timeout, told)
}

fn silence(waited: Duration) -> Fault {
    Fault::new(FaultKind::Timeout, format!("silent for {:.1} s", waited.as_secs_f64()))
}
