//! A server of several workers in one executor: each with its shard, all with one mint.
//!
//! A connection lands on any of them, as the kernel deals them out, and is handed over when its
//! request names a session of another, unless that one's mailbox is full. Changes reach all shards
//! at once and are numbered by the address that they name.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringlane::base::clock::Clock;
use ringlane::serve::connection::{Parcel, Shift};
use ringlane::serve::limits::ServeLimits;
use ringlane::serve::shard::{ServeSettings, Shard};
use ringlane::session::change::Change;
use ringlane::session::id::IdMint;
use ringlane::session::limits::{SessionLimits, SessionSettings};
use ringlane::session::table::Membership;
use ringlane::testing::clock::VirtualClock;
use ringlane::testing::executor::Executor;
use ringlane::testing::pipe::{ClientEnd, Windows, pipe};
use ringlane::testing::random::Random;
use ringlane::testing::serving::{serve_beside_others, services};

use super::tools;
use crate::faults::{Flakiness, flakiness};
use crate::net::{Flaky, Trace};

/// What happened in a run, counted.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    /// Connections that their client cut off.
    pub(crate) cuts: u64,
    /// Streams that were taken up again.
    pub(crate) resumes: u64,
    /// Streams of which too much was forgotten.
    pub(crate) forgotten: u64,
    /// Events that came.
    pub(crate) events: u64,
    /// Connections that were handed over.
    pub(crate) moves: u64,
    /// Connections that were not, for want of room.
    pub(crate) refused_moves: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.cuts += other.cuts;
        self.resumes += other.resumes;
        self.forgotten += other.forgotten;
        self.events += other.events;
        self.moves += other.moves;
        self.refused_moves += other.refused_moves;
    }
}

/// The server and the network before it.
pub(crate) struct Cluster {
    pub(crate) clock: Rc<VirtualClock>,
    pub(crate) shards: Vec<Rc<Shard>>,
    pub(crate) limits: SessionLimits,
    /// Whether there is room for all that clients cause.
    pub(crate) is_roomy: bool,
    pub(crate) trace: Rc<Trace>,
    pub(crate) announced: RefCell<Vec<Change>>,
    pub(crate) counts: Cell<Counts>,
    executor: std::rc::Weak<Executor>,
    refusals_percent: u64,
    flakiness: Flakiness,
    random: RefCell<Random>,
}

impl Cluster {
    pub(crate) fn new(
        random: &mut Random,
        clock: &Rc<VirtualClock>,
        executor: &Rc<Executor>,
        trace: Rc<Trace>,
    ) -> Rc<Self> {
        let is_roomy = random.percent(60);
        let limits = if is_roomy { roomy(random) } else { tight(random) };
        let serving = serving_limits(random, is_roomy);
        let sessions = SessionSettings { limits: limits.clone(), ..SessionSettings::default() };
        let settings =
            Arc::new(ServeSettings { limits: serving, sessions, ..ServeSettings::default() });
        let worker_count = random.index(3) + 1;
        let mint = Arc::new(IdMint::new().expect("random bytes"));
        let catalogue = tools::catalogue();
        let shards = (0..worker_count).map(|worker| {
            let services = services(clock.clone(), executor.spawner());
            let membership = Membership { worker, worker_count, mint: mint.clone() };
            Shard::new(settings.clone(), catalogue.clone(), services, &membership)
        });
        Rc::new(Self {
            clock: clock.clone(),
            shards: shards.collect(),
            limits,
            is_roomy,
            trace,
            announced: RefCell::default(),
            counts: Cell::default(),
            executor: Rc::downgrade(executor),
            refusals_percent: if random.percent(30) { random.within(1..=40) } else { 0 },
            flakiness: flakiness(random),
            random: RefCell::new(random.split()),
        })
    }

    pub(crate) fn count(&self, add: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        add(&mut counts);
        self.counts.set(counts);
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        if let Some(executor) = self.executor.upgrade() {
            executor.spawn(task);
        }
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.timers().sleep_until(self.clock.now().after(duration)).await;
    }

    /// Whether a request may be turned away because it landed on the wrong worker.
    pub(crate) fn turns_away(&self) -> bool {
        self.refusals_percent > 0
    }

    /// Opens a connection, to any worker.
    pub(crate) fn connect(self: &Rc<Self>) -> ClientEnd {
        let mut random = self.random.borrow_mut();
        let mut window = || match random.within(0..=3) {
            0 => usize::try_from(random.within(16..=400)).unwrap_or(16),
            _ => 64 * 1024,
        };
        let windows = Windows { to_server_bytes_max: window(), to_client_bytes_max: window() };
        let (server_end, client_end) = pipe(windows);
        let transport = Flaky::new(server_end, random.split(), self.flakiness, None);
        let worker = random.index(self.shards.len());
        drop(random);
        self.serve(worker, transport, Shift::Wait);
        client_end
    }

    fn serve(self: &Rc<Self>, worker: usize, transport: Flaky, shift: Shift) {
        let cluster = self.clone();
        let hand_over = move |transport, parcel| cluster.hand_over(transport, parcel);
        let serving = serve_beside_others(transport, shift, self.shards[worker].clone(), hand_over);
        let trace = self.trace.clone();
        self.spawn(async move {
            let reason = serving.await;
            trace.note(format_args!("worker {worker} served: {reason:?}"));
        });
    }

    fn hand_over(self: &Rc<Self>, transport: Flaky, parcel: Parcel) -> Result<(), Flaky> {
        if self.random.borrow_mut().percent(self.refusals_percent) {
            self.count(|counts| counts.refused_moves += 1);
            return Err(transport);
        }
        self.count(|counts| counts.moves += 1);
        self.serve(parcel.to, transport, Shift::with_input(parcel.input));
        Ok(())
    }

    /// Tells all shards of a change that was not told before.
    pub(crate) fn announce(&self, random: &mut Random) {
        let number = self.announced.borrow().len();
        let kinds = [Change::Tools, Change::Prompts, Change::Resources];
        let change = match random.percent(60) {
            true => Change::ResourceUpdated(format!("page:{number}").into()),
            false => random.pick(&kinds).clone(),
        };
        self.trace.note(format_args!("announce {number}: {}", change.method()));
        for shard in &self.shards {
            shard.announce(&change);
        }
        self.announced.borrow_mut().push(change);
    }
}

/// Limits that no client of the simulation reaches, but for those of time.
fn roomy(random: &mut Random) -> SessionLimits {
    let mut limits = SessionLimits::default();
    times(random, &mut limits);
    limits
}

/// Limits that are reached soon.
fn tight(random: &mut Random) -> SessionLimits {
    let mut limits = SessionLimits::default();
    times(random, &mut limits);
    let small = |random: &mut Random, max: u64| usize::try_from(random.within(1..=max)).unwrap();
    if random.percent(70) {
        limits.replay_events_max = small(random, 40);
    }
    if random.percent(50) {
        limits.replay_bytes_max = small(random, 8_000);
    }
    if random.percent(30) {
        limits.sessions_max = small(random, 6);
        limits.sessions_per_address_max = small(random, 6);
    }
    if random.percent(30) {
        limits.session_requests_max = small(random, 3);
        limits.session_streams_max = small(random, 2);
    }
    if random.percent(30) {
        limits.watched_resources_max = small(random, 10);
    }
    limits
}

fn times(random: &mut Random, limits: &mut SessionLimits) {
    if random.percent(30) {
        limits.session_idle_life = Duration::from_secs(random.within(20..=600));
    }
    if random.percent(30) {
        limits.replay_life = Duration::from_secs(random.within(5..=120));
    }
    if random.percent(50) {
        limits.priming_delay = Duration::from_millis(random.within(0..=3_000));
    }
}

fn serving_limits(random: &mut Random, is_roomy: bool) -> ServeLimits {
    let mut limits = ServeLimits::default();
    if !is_roomy && random.percent(60) {
        limits.stream_buffer_bytes_max = random.index(4_000) + 100;
        limits.output_bytes_max = random.index(2_000) + 1;
    }
    limits
}
