//! A running server: `serve` starts it, `Running` waits for it, `DrainHandle` ends it.
//!
//! Order: settings checked, cores planned, driver decided, all addresses bound, workers built; only
//! when each of them stands do they run. So every failure of a start is an error of `serve`.
//! The end: `drain` ─▶ workers close their sockets and finish ─▶ `wait` returns. The binary then
//! exits; runtimes are not torn down (see `driver`).

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::io::Errno;

use crate::base::broadcast::{Broadcaster, broadcast};
use crate::base::fault::Fault;
use crate::base::mailbox::{Postman, mailbox};
use crate::rt::address::ListenAddress;
use crate::rt::affinity::{self, AffinityError};
use crate::rt::blocking::BlockingPool;
use crate::rt::clock::Origin;
use crate::rt::driver::{Driver, DriverError};
use crate::rt::ending::{End, Ending};
use crate::rt::gate::House;
use crate::rt::limits;
use crate::rt::listener::{self, ListenError, ListenOptions, SocketFile};
use crate::rt::mesh::{Handed, Mesh};
use crate::rt::passed::{Keeper, Passed};
use crate::rt::settings::{RtSettings, SettingError};
use crate::rt::signal::SignalWatch;
use crate::rt::watchdog::Pulse;
use crate::rt::worker::{self, Pinning, Report, WorkerPlan, WorkerSeat};
use crate::session::change::{Change, Changes};

/// The server did not start, or could not be watched. Nothing of it is left running.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// A setting is out of its range.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The cores cannot be had.
    #[error(transparent)]
    Affinity(#[from] AffinityError),
    /// The driver cannot be had.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// An address cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No thread for a worker, or for the signals.
    #[error("cannot start a thread: {}", io::Error::from(*cause))]
    Thread {
        /// What the system answered.
        cause: Errno,
    },
}

impl StartError {
    /// Whose fault it is: the machine's or its configuration's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

/// A server whose workers run. Wait for it: dropped, its workers run on without a supervisor.
#[derive(Debug)]
#[must_use = "a server must be waited for"]
pub struct Running {
    addresses: Vec<ListenAddress>,
    driver: Driver,
    cpus: Vec<Option<usize>>,
    unpinned: Vec<usize>,
    connections_max: usize,
    drain: DrainHandle,
    announcer: Broadcaster<Change>,
    threads: Vec<JoinHandle<()>>,
    sockets: Vec<OwnedFd>,
    keeper: Keeper,
    files: Vec<SocketFile>,
    pulses: Vec<Pulse>,
}

/// What a start is given besides its settings.
#[derive(Debug, Default)]
pub struct Launch {
    /// Sockets to listen on, in place of those that the settings name.
    pub passed: Option<Passed>,
    /// How long a service manager waits for a sign of life; `None` when none does.
    pub watchdog_limit: Option<Duration>,
}

/// Begins the drain of a server, from any thread.
#[derive(Clone, Debug)]
pub struct DrainHandle {
    postmen: Arc<[Postman<Handed>]>,
    ending: Arc<Ending>,
}

/// Starts a server: runs `entry` once on each worker, with the seat of that worker.
///
/// # Errors
/// `StartError`, with nothing left running.
pub fn serve<E, F>(settings: &RtSettings, entry: E) -> Result<Running, StartError>
where
    E: Fn(WorkerSeat) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    launch(settings, Launch::default(), entry)
}

/// Starts a server as `serve` does, with what its process was given.
///
/// # Errors
/// `StartError`, with nothing left running.
pub fn launch<E, F>(settings: &RtSettings, launch: Launch, entry: E) -> Result<Running, StartError>
where
    E: Fn(WorkerSeat) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    settings.check()?;
    let descriptors_max = limits::raise_descriptor_limit();
    let (allowed, granted) = (affinity::allowed_cpus(), affinity::granted_count());
    let cpus = affinity::plan(settings.workers, settings.cpus.as_ref(), &allowed, granted)?;
    let driver = Driver::decide(settings.io)?;
    let options = ListenOptions {
        workers: cpus.len(),
        backlog: i32::from(settings.backlog),
        unix_mode: settings.unix_mode,
    };
    let bound = match launch.passed {
        Some(passed) => listener::adopt(passed)?,
        None => listener::bind_all(&settings.listen, options)?,
    };
    let by_worker = bound.deal(cpus.len())?;
    let dealt: usize = by_worker.iter().map(Vec::len).sum();
    let connections_max = limits::connections_max(
        settings.connections_max,
        descriptors_max,
        cpus.len(),
        bound.sockets.len() + dealt,
    );

    let (origin, ending) = (Origin::now(), Arc::new(Ending::default()));
    let blocking = BlockingPool::new(settings.blocking_threads_max, settings.blocking_queue_max);
    let house = House::new(connections_max, cpus.len());
    let (postmen, mailboxes): (Vec<_>, Vec<_>) =
        cpus.iter().map(|_| mailbox(settings.mailbox_capacity)).unzip();
    let postmen: Arc<[Postman<Handed>]> = postmen.into();
    let (announcer, notices) = broadcast(cpus.len(), settings.mailbox_capacity);
    let boxes = mailboxes.into_iter().zip(notices);
    let pulse = |_| launch.watchdog_limit.map(Pulse::new);
    let pulses: Vec<Pulse> = cpus.iter().filter_map(pulse).collect();
    let workers = cpus.iter().zip(by_worker).zip(boxes).enumerate();
    let plans = workers.map(|(index, ((&cpu, sockets), (mailbox, notices)))| WorkerPlan {
        mesh: Mesh::new(index, postmen.clone(), house.clone()),
        cpu,
        driver,
        origin,
        sockets,
        keeper: bound.keeper,
        pulse: pulses.get(index).cloned(),
        connections_max: limits::share(connections_max, cpus.len(), index),
        house: house.clone(),
        mailbox,
        ending: ending.clone(),
        announcer: announcer.clone(),
        notices,
        blocking: blocking.clone(),
    });
    let Started { threads, unpinned } = start_workers(plans.collect(), entry)?;
    Ok(Running {
        addresses: bound.addresses,
        driver,
        cpus,
        unpinned,
        connections_max,
        drain: DrainHandle { postmen, ending },
        announcer,
        threads,
        sockets: bound.sockets.into_iter().map(|socket| socket.fd).collect(),
        keeper: bound.keeper,
        files: bound.files,
        pulses,
    })
}

struct Started {
    threads: Vec<JoinHandle<()>>,
    unpinned: Vec<usize>,
}

/// Starts all threads, waits until each worker stands, then lets them go.
fn start_workers<E, F>(plans: Vec<WorkerPlan>, entry: E) -> Result<Started, StartError>
where
    E: Fn(WorkerSeat) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    let entry = Arc::new(entry);
    let (report, reports) = channel();
    let mut threads = Vec::new();
    let mut starts: Vec<SyncSender<()>> = Vec::new();
    let mut outcome = Ok(());
    for plan in plans {
        let (start, started) = sync_channel(1);
        match worker::start(plan, report.clone(), started, entry.clone()) {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                outcome = Err(thread_error(&error));
                break;
            }
        }
        starts.push(start);
    }
    drop(report);
    let gathered = gather(&reports, threads.len());
    match outcome.and(gathered) {
        Ok(unpinned) => {
            for start in starts {
                // Each worker waits for this; one that died has aborted the process.
                let _ = start.send(());
            }
            Ok(Started { threads, unpinned })
        }
        Err(error) => {
            drop(starts);
            for thread in threads {
                let _ = thread.join();
            }
            Err(error)
        }
    }
}

/// Hears `count` workers: the first failure, or those that could not be pinned.
fn gather(reports: &Receiver<Report>, count: usize) -> Result<Vec<usize>, StartError> {
    let mut unpinned = Vec::new();
    let mut failure = None;
    for Report { index, outcome } in reports.iter().take(count) {
        match outcome {
            Ok(Pinning::Done) => {}
            Ok(Pinning::Refused) => unpinned.push(index),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    unpinned.sort_unstable();
    failure.map_or(Ok(unpinned), |error| Err(error.into()))
}

pub(super) fn thread_error(error: &io::Error) -> StartError {
    StartError::Thread { cause: Errno::from_io_error(error).unwrap_or(Errno::IO) }
}

impl Running {
    /// The addresses that it listens on, with their real ports.
    #[must_use]
    pub fn addresses(&self) -> &[ListenAddress] {
        &self.addresses
    }

    /// The driver that its workers stand on.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// The core of each worker.
    #[must_use]
    pub fn cpus(&self) -> &[Option<usize>] {
        &self.cpus
    }

    /// The workers that the system refused to pin: worth a warning, they run all the same.
    #[must_use]
    pub fn unpinned(&self) -> &[usize] {
        &self.unpinned
    }

    /// How many connections it takes at once.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// A handle that begins the drain.
    #[must_use]
    pub fn drain_handle(&self) -> DrainHandle {
        self.drain.clone()
    }

    /// The listening sockets, for a successor. `wait` closes what was not taken.
    pub(super) fn take_sockets(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.sockets)
    }

    /// Whose the listening sockets are.
    pub(super) fn keeper(&self) -> Keeper {
        self.keeper
    }

    /// The signs of life of the workers; none where nobody waits for any.
    pub(super) fn pulses(&self) -> Vec<Pulse> {
        self.pulses.clone()
    }

    #[cfg(test)]
    pub(super) fn announcer(&self) -> Broadcaster<Change> {
        self.announcer.clone()
    }

    /// What tells clients that something changed, from any thread.
    #[must_use]
    pub fn changes(&self) -> Changes {
        Changes::new(Arc::new(self.announcer.clone()))
    }

    /// Drains at the first SIGTERM or SIGINT, and exits the process at a second one, as long as the
    /// watch lives. Call it before telling anybody that the server runs.
    ///
    /// # Errors
    /// `Thread` when the system takes no handler or has no thread to give.
    pub fn drain_on_signals(&self) -> Result<SignalWatch, StartError> {
        SignalWatch::open(self.drain_handle()).map_err(|error| thread_error(&error))
    }

    /// Waits until every worker's entry returned; then removes the socket files. Connections that
    /// an entry left behind are cut when the process ends.
    pub fn wait(self) {
        for thread in self.threads {
            // A worker's panic has aborted the process.
            let _ = thread.join();
        }
        if self.drain.ending.begun() == Some(End::HandOver) {
            // The successor listens behind them.
            self.files.into_iter().for_each(SocketFile::leave);
        }
    }
}

impl DrainHandle {
    /// Begins the drain: every worker closes its listening sockets, and ends when its entry
    /// returns. Further calls change nothing.
    pub fn drain(&self) {
        self.begin(End::Drain);
    }

    /// Begins the end of a server whose successor listens on the same sockets: they are let go, and
    /// connections that wait are heard out. False, and nothing done, when the end has begun.
    pub(super) fn hand_over(&self) -> bool {
        self.begin(End::HandOver)
    }

    /// Whether the end has begun.
    pub(super) fn has_begun(&self) -> bool {
        self.ending.begun().is_some()
    }

    fn begin(&self, end: End) -> bool {
        let is_first = self.ending.begin(end);
        for postman in self.postmen.iter() {
            postman.ring();
        }
        is_first
    }
}
