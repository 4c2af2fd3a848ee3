//! A thread of the load: its lanes, one epoll loop, and the orders it gets.
//!
//! ```text
//! open all lanes ─▶ Ready ─order─▶ a stretch of load, or a hold ─▶ Done ─order─▶ … ─▶ leave
//! ```
//! A stretch ends when nothing of it is in flight any more, so that what the server spent between
//! two stretches belongs to the requests counted between them.
//! Limits: `CONNECTING_MAX`; the silence of a server by `Plan::timeout`.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use crate::base::time::Now;
use crate::http::head::Persistence;
use crate::load::connection::{Happening, Judging};
use crate::load::fault::{Fault, FaultKind};
use crate::load::judge::Judge;
use crate::load::lane::{Lane, Means, REST, Stage, Step};
use crate::load::machine::{Origin, thread_cpu};
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
        let (cpu, begin) = (thread_cpu(), origin.now());
        match order {
            Order::Load(stretch) => worker.load(stretch),
            Order::Hold { until } => worker.hold(until),
            Order::Leave => return worker.leave(),
        }
        worker.tally.cpu = thread_cpu().saturating_sub(cpu);
        let wall = origin.now().since(begin).as_secs_f64().max(f64::EPSILON);
        worker.tally.busy = worker.tally.cpu.as_secs_f64() / wall;
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
        while !self.is_over(stretch) {
            let now = self.origin.now();
            self.pump(self.time_to_wait(now, stretch.end));
            self.dispatch();
            let now = self.origin.now();
            if now.since(last_look) >= TICK {
                last_look = now;
                self.look_for_silence();
                self.revive();
            }
        }
        self.stop_sending();
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
        left == Some(0)
            || stretch.end.is_some_and(|end| self.origin.now() >= end)
            || self.shared.stop.load(Ordering::Relaxed)
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
    fn stop_sending(&mut self) {
        let mode = std::mem::replace(&mut self.mode, Mode::Quiet);
        let Mode::Open { mut schedule, left } = mode else { return };
        let now = self.origin.now();
        // At the end by count, or by somebody's wish, nothing more was meant to be sent.
        if left != Some(0) && !self.shared.stop.load(Ordering::Relaxed) {
            schedule.advance(now);
            self.count_refused(&mut schedule);
            while let Some(due) = schedule.take() {
                let told = "the connections were all taken until the end";
                self.tally.over(due, now, Err(Fault::new(FaultKind::Unsent, told)));
            }
        }
    }

    fn count_refused(&mut self, schedule: &mut Schedule) {
        let told = "the connections were all taken";
        self.tally.fault(Fault::new(FaultKind::Refused, told), schedule.take_refused());
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
                        self.lose(index, silence(waited));
                    }
                }
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

    /// Waits for sockets and does what they allow.
    fn pump(&mut self, timeout: Duration) {
        // An epoll that fails has no sockets any more; silence then ends what is in flight.
        let _ = self.means.poller.wait(timeout);
        let mut place = 0;
        while let Some(ready) = self.means.poller.ready(place) {
            place += 1;
            let now = self.origin.now();
            let Some(lane) = self.lanes.get_mut(ready.token) else { continue };
            let outcome = lane.attend(ready, now, &mut self.means);
            self.settle(ready.token, outcome);
        }
    }

    /// Draws the consequences of what happened on a lane.
    fn settle(&mut self, index: usize, outcome: Result<Persistence, Fault>) {
        let now = self.origin.now();
        while !self.means.happened.is_empty() {
            let mut happened = std::mem::take(&mut self.means.happened);
            for happening in happened.drain(..) {
                self.count_events(&happening);
                let Some(lane) = self.lanes.get_mut(index) else { return };
                let step = lane.react(happening, now, &mut self.means);
                self.step(index, step, now);
            }
            if self.means.happened.is_empty() {
                // Its room is used again.
                self.means.happened = happened;
                break;
            }
        }
        match outcome {
            Ok(Persistence::KeepAlive) => self.go_on(index, now),
            Ok(Persistence::Close) => self.closed(index),
            Err(fault) => self.lose(index, fault),
        }
    }

    fn count_events(&mut self, happening: &Happening) {
        match happening {
            Happening::FirstEvent(after) => self.tally.first_event.record(*after),
            Happening::NextEvent(after) => self.tally.event_gap.record(*after),
            Happening::Opened | Happening::Ended { .. } => {}
        }
    }

    fn step(&mut self, index: usize, step: Step, now: Now) {
        match (step, &mut self.mode) {
            (Step::Nothing | Step::Gone, _) => {}
            (Step::Opened { begun }, Mode::Opening { open, .. }) => {
                *open += 1;
                if matches!(self.means.plan.load, Load::Hold(_)) {
                    self.over(begun, now, Ok(()));
                }
            }
            (Step::Opened { .. }, _) => {}
            (Step::Failed(fault), Mode::Opening { broken, .. }) => {
                broken.get_or_insert(fault);
            }
            (Step::Failed(fault), _) => self.lose(index, fault),
            (Step::Over { due, verdict }, Mode::Opening { .. }) => {
                // A held call that is answered at once.
                self.over(due, now, verdict);
            }
            (Step::Over { due, verdict }, _) => {
                self.in_flight = self.in_flight.saturating_sub(1);
                self.over(due, now, verdict);
            }
        }
    }

    fn over(&mut self, due: Now, now: Now, verdict: Result<(), Fault>) {
        self.tally.over(due, now, verdict);
        self.shared.over.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives a lane something to do, and sends what it has.
    fn go_on(&mut self, index: usize, now: Now) {
        let pipeline = self.means.plan.pipeline;
        while let Mode::Closed { left } = &mut self.mode
            && *left != Some(0)
            && self.lanes.get(index).is_some_and(|lane| lane.has_room(pipeline))
        {
            if let Some(left) = left {
                *left -= 1;
            }
            self.begin(index, now, now);
        }
        self.list(index);
        self.flush(index);
    }

    /// Notes that a lane has room.
    fn list(&mut self, index: usize) {
        if let (Mode::Open { .. }, Some(lane)) = (&self.mode, self.lanes.get_mut(index))
            && !lane.listed
            && lane.has_room(self.means.plan.pipeline)
        {
            lane.listed = true;
            self.free.push_back(index);
        }
    }

    fn begin(&mut self, index: usize, due: Now, now: Now) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        lane.begin(due, now, &mut self.means);
        self.in_flight += 1;
        self.begun += 1;
        let percent = u64::from(self.means.plan.disconnect_percent);
        // Evenly: of a hundred in a row exactly so many.
        lane.cut = self.begun * percent / 100 > (self.begun - 1) * percent / 100;
    }

    fn flush(&mut self, index: usize) {
        let Some(lane) = self.lanes.get_mut(index) else { return };
        if let Err(fault) = lane.flush(&self.means) {
            self.lose(index, fault);
        } else if lane.cut && lane.is_flushed() {
            let now = self.origin.now();
            let cut = lane.drop_socket(now).len();
            self.in_flight = self.in_flight.saturating_sub(cut);
            self.tally.disconnected += cut as u64;
            self.connect(index);
        }
    }

    /// Gives lanes with room what is due.
    fn dispatch(&mut self) {
        loop {
            let now = self.origin.now();
            let Mode::Open { schedule, left } = &mut self.mode else { return };
            schedule.advance(now);
            let refused = schedule.take_refused();
            if !schedule.has_waiting() || *left == Some(0) || self.free.is_empty() {
                let told = "the connections were all taken";
                self.tally.fault(Fault::new(FaultKind::Refused, told), refused);
                return;
            }
            let (Some(due), Some(index)) = (schedule.take(), self.free.pop_front()) else { return };
            if let Some(left) = left {
                *left -= 1;
            }
            if let Some(lane) = self.lanes.get_mut(index) {
                lane.listed = false;
            }
            self.begin(index, due, now);
            self.list(index);
            self.flush(index);
        }
    }

    fn fill_all(&mut self) {
        let now = self.origin.now();
        for index in 0..self.lanes.len() {
            self.go_on(index, now);
        }
        self.dispatch();
    }

    /// The server closed a connection.
    fn closed(&mut self, index: usize) {
        let Some(lane) = self.lanes.get(index).filter(|lane| lane.stage != Stage::Gone) else {
            return;
        };
        let is_idle = lane.in_flight() == 0 && lane.stage == Stage::Ready;
        let is_held = matches!(self.means.plan.load, Load::Hold(_));
        if is_idle && !is_held {
            self.tally.reconnected += 1;
            self.connect(index);
        } else {
            self.lose(index, Fault::new(FaultKind::Closed, "the end of the connection"));
        }
    }

    /// A lane has lost its connection; what was asked on it failed.
    fn lose(&mut self, index: usize, fault: Fault) {
        let now = self.origin.now();
        let Some(lane) = self.lanes.get_mut(index) else { return };
        let was_ready = lane.stage == Stage::Ready;
        let due = lane.drop_socket(now);
        if let Mode::Opening { broken, .. } = &mut self.mode {
            broken.get_or_insert(fault);
            return;
        }
        if matches!(self.mode, Mode::Leaving) {
            lane.stage = Stage::Gone;
            return;
        }
        if matches!(self.means.plan.load, Load::Hold(_)) {
            lane.stage = Stage::Gone;
        } else if was_ready {
            self.tally.reconnected += 1;
        } else {
            lane.stage = Stage::Resting { until: Now(now.after(REST).0) };
        }
        self.in_flight = self.in_flight.saturating_sub(due.len());
        if due.is_empty() {
            self.tally.fault(fault, 1);
            return;
        }
        for due in due {
            self.over(due, now, Err(fault.clone()));
        }
    }

    fn connect(&mut self, index: usize) {
        let now = self.origin.now();
        let Some(lane) = self.lanes.get_mut(index) else { return };
        lane.drop_socket(now);
        if let Err(fault) = lane.connect(now, &self.means) {
            self.lose(index, fault);
        }
    }

    /// Connects the lanes that have rested.
    fn revive(&mut self) {
        let now = self.origin.now();
        for index in 0..self.lanes.len() {
            let stage = self.lanes.get(index).map(|lane| lane.stage);
            if matches!(stage, Some(Stage::Resting { until }) if until <= now) {
                self.connect(index);
            }
        }
    }

    fn look_for_silence(&mut self) {
        let held = matches!(self.means.plan.load, Load::Hold(_));
        let opening = matches!(self.mode, Mode::Opening { .. });
        let (now, timeout) = (self.origin.now(), self.means.plan.timeout);
        for index in 0..self.lanes.len() {
            let overdue = self.lanes.get(index).is_some_and(|lane| lane.is_overdue(now, timeout));
            if overdue && (opening || !held) {
                self.lose(index, silence(timeout));
            }
        }
    }
}

fn silence(waited: Duration) -> Fault {
    Fault::new(FaultKind::Timeout, format!("silent for {:.1} s", waited.as_secs_f64()))
}
