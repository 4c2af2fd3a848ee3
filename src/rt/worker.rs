//! A worker: one pinned thread with one driver, and the seat that its entry is given.
//!
//! Planned ─▶ built (driver and listeners stand, reported to the supervisor) ─▶ running, once the
//! supervisor let it go ─▶ draining, once told so ─▶ ended, when the entry returned.
//! Invariant: a worker's panic aborts the process. Its shard would be half changed, and nothing
//! that waits for it would ever hear; what may panic by itself, a handler, is caught at its call.

use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;

use rustix::io::Errno;

use crate::base::broadcast::{Broadcaster, Notices};
use crate::base::mailbox::Mailbox;
use crate::rt::acceptor::Acceptor;
use crate::rt::affinity;
use crate::rt::arrivals::{Arrival, Arrivals};
use crate::rt::blocking::BlockingPool;
use crate::rt::clock::{CoreClock, Origin};
use crate::rt::driver::{Core, Driver, DriverError};
use crate::rt::ending::{End, Ending};
use crate::rt::gate::{Gate, House};
use crate::rt::listener::Dealt;
use crate::rt::mesh::{Handed, Mesh};
use crate::rt::passed::Keeper;
use crate::rt::ticker;
use crate::rt::watchdog::Pulse;
use crate::session::change::Change;

/// All that a worker is made of. Crosses to its thread.
#[derive(Debug)]
pub(super) struct WorkerPlan {
    pub(super) mesh: Mesh,
    pub(super) cpu: Option<usize>,
    pub(super) driver: Driver,
    pub(super) origin: Origin,
    pub(super) sockets: Vec<Dealt>,
    pub(super) keeper: Keeper,
    /// Where a service manager waits for signs of life.
    pub(super) pulse: Option<Pulse>,
    pub(super) connections_max: usize,
    pub(super) house: Arc<House>,
    pub(super) mailbox: Mailbox<Handed>,
    pub(super) ending: Arc<Ending>,
    pub(super) announcer: Broadcaster<Change>,
    pub(super) notices: Notices<Change>,
    pub(super) blocking: BlockingPool,
}

/// How a worker's start went.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) index: usize,
    pub(super) outcome: Result<Pinning, DriverError>,
}

/// Whether a worker runs on its core.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pinning {
    Done,
    Refused,
}

/// What a worker's entry works with.
#[derive(Debug)]
pub struct WorkerSeat {
    mesh: Mesh,
    cpu: Option<usize>,
    driver: Driver,
    connections_max: usize,
    clock: Rc<CoreClock>,
    arrivals: Arrivals,
    gate: Gate,
    ending: Arc<Ending>,
    announcer: Broadcaster<Change>,
    notices: Option<Notices<Change>>,
    blocking: BlockingPool,
}

impl WorkerSeat {
    /// Which worker this is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.mesh.index()
    }

    /// The other workers, to hand connections over to.
    #[must_use]
    pub fn mesh(&self) -> Mesh {
        self.mesh.clone()
    }

    /// What tells changes to every worker.
    #[must_use]
    pub fn announcer(&self) -> Broadcaster<Change> {
        self.announcer.clone()
    }

    /// The changes that this worker is told. There is one receiver: `None` after the first call.
    pub fn take_notices(&mut self) -> Option<Notices<Change>> {
        self.notices.take()
    }

    /// The core that it was to be pinned to.
    #[must_use]
    pub fn cpu(&self) -> Option<usize> {
        self.cpu
    }

    /// The driver that it stands on.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.driver
    }

    /// This worker's clock, whose timers are driven.
    #[must_use]
    pub fn clock(&self) -> &Rc<CoreClock> {
        &self.clock
    }

    /// The process's pool for blocking work.
    #[must_use]
    pub fn blocking(&self) -> &BlockingPool {
        &self.blocking
    }

    /// Runs `future` on this worker, beside all others. What it gives is dropped.
    pub fn spawn<O: 'static>(&self, future: impl Future<Output = O> + 'static) {
        // The handle must not be awaited from elsewhere, so nobody gets it.
        drop(monoio::spawn(future));
    }

    /// What comes next: a connection from outside or from another worker, or how far the drain is.
    /// Accepts none while as many connections live as may. Cancel-safe.
    pub async fn next_connection(&mut self) -> Arrival {
        self.arrivals.next().await
    }

    /// How many connections live on this worker.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.gate.inside()
    }

    /// How many may live on this worker when it accepts another one.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// How often a connection could not be taken for want of descriptors or memory.
    #[must_use]
    pub fn accept_failure_count(&self) -> u64 {
        self.arrivals.failure_count()
    }

    /// How many connections other workers have handed over to this one.
    #[must_use]
    pub fn adopted_count(&self) -> u64 {
        self.arrivals.adopted_count()
    }

    /// Waits until every connection of this worker was dropped. Takes none that others hand over:
    /// after `Draining`, `next_connection` does both.
    pub async fn connections_ended(&mut self) {
        self.gate.emptied().await;
    }

    /// Whether another process accepts what comes next, on the same sockets.
    #[must_use]
    pub fn is_succeeded(&self) -> bool {
        self.ending.begun() == Some(End::HandOver)
    }

    /// Whether the drain has begun, as far as `next_connection` has looked.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.gate.is_closed()
    }
}

/// Starts a worker's thread. It reports once it stands, and runs when `start` says so.
///
/// # Errors
/// What the system says when it has no thread to give.
pub(super) fn start<E, F>(
    plan: WorkerPlan,
    report: Sender<Report>,
    start: Receiver<()>,
    entry: Arc<E>,
) -> io::Result<JoinHandle<()>>
where
    E: Fn(WorkerSeat) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    let name = format!("ringlane-{}", plan.mesh.index());
    std::thread::Builder::new().name(name).spawn(move || {
        let ended = catch_unwind(AssertUnwindSafe(|| work(plan, &report, &start, &*entry)));
        if ended.is_err() {
            // The panic hook has told what happened.
            std::process::abort();
        }
    })
}

fn work<E, F>(plan: WorkerPlan, report: &Sender<Report>, start: &Receiver<()>, entry: &E)
where
    E: Fn(WorkerSeat) -> F,
    F: Future<Output = ()> + 'static,
{
    let (index, driver, pulse) = (plan.mesh.index(), plan.driver, plan.pulse.clone());
    let pinning = match plan.cpu.map(affinity::pin) {
        None | Some(true) => Pinning::Done,
        Some(false) => Pinning::Refused,
    };
    // A supervisor that is gone hears nothing and starts nothing: `recv` tells.
    let core = match Core::build(driver) {
        Ok(core) => core,
        Err(error) => {
            let _ = report.send(Report { index, outcome: Err(error) });
            return;
        }
    };
    core.block_on(async {
        let seat = match sit_down(plan) {
            Ok(seat) => seat,
            Err(error) => {
                let cause = Errno::from_io_error(&error).unwrap_or(Errno::IO);
                let outcome = Err(DriverError::Build { driver, cause });
                let _ = report.send(Report { index, outcome });
                return;
            }
        };
        let _ = report.send(Report { index, outcome: Ok(pinning) });
        // Blocks the thread, which has nothing else to do yet.
        if start.recv().is_err() {
            return;
        }
        seat.spawn(ticker::drive(seat.clock.clone()));
        if let Some(pulse) = pulse {
            seat.spawn(pulse.beat(seat.clock.clone()));
        }
        entry(seat).await;
    });
}

fn sit_down(plan: WorkerPlan) -> io::Result<WorkerSeat> {
    let clock = Rc::new(CoreClock::new(plan.origin));
    let gate = Gate::new(plan.connections_max, plan.house, plan.mesh.index());
    let acceptor = Acceptor::new(plan.sockets, plan.keeper, gate.clone(), clock.clone())?;
    Ok(WorkerSeat {
        arrivals: Arrivals::new(
            acceptor,
            plan.mesh.clone(),
            plan.mailbox,
            &gate,
            plan.ending.clone(),
        ),
        mesh: plan.mesh,
        cpu: plan.cpu,
        driver: plan.driver,
        connections_max: plan.connections_max,
        clock,
        gate,
        ending: plan.ending,
        announcer: plan.announcer,
        notices: Some(plan.notices),
        blocking: plan.blocking,
    })
}
