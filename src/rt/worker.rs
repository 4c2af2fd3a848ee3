//! A worker: one pinned thread with one driver, and the seat that its entry is given.
//!
//! Planned ─▶ built (driver and listeners stand, reported to the supervisor) ─▶ running, once the
//! supervisor let it go ─▶ draining, after `WorkerMail::Drain` ─▶ ended, when the entry returned.
//! Invariant: a worker's panic aborts the process. Its shard would be half changed, and nothing
//! that waits for it would ever hear; what may panic by itself, a handler, is caught at its call.

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::thread::JoinHandle;

use rustix::io::Errno;

use crate::rt::acceptor::{Acceptor, Arrival};
use crate::rt::affinity;
use crate::rt::blocking::BlockingPool;
use crate::rt::clock::{CoreClock, Origin};
use crate::rt::driver::{Core, Driver, DriverError};
use crate::rt::gate::Gate;
use crate::rt::mailbox::Mailbox;
use crate::rt::ticker;

/// What workers are told from other threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerMail {
    /// Take no more connections, and end when those that live have ended.
    Drain,
}

/// All that a worker is made of. Crosses to its thread.
#[derive(Debug)]
pub(super) struct WorkerPlan {
    pub(super) index: usize,
    pub(super) cpu: Option<usize>,
    pub(super) driver: Driver,
    pub(super) origin: Origin,
    pub(super) sockets: Vec<OwnedFd>,
    pub(super) connections_max: usize,
    pub(super) mailbox: Mailbox<WorkerMail>,
    /// Set before `Drain` is posted, so that a full mailbox cannot lose it.
    pub(super) draining: Arc<AtomicBool>,
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
    index: usize,
    cpu: Option<usize>,
    driver: Driver,
    connections_max: usize,
    clock: Rc<CoreClock>,
    acceptor: Acceptor,
    gate: Gate,
    blocking: BlockingPool,
}

impl WorkerSeat {
    /// Which worker this is, from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
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

    /// The next connection, or `Draining` once no more will come. Waits while as many connections
    /// live as may. Cancel-safe.
    pub async fn next_connection(&mut self) -> Arrival {
        self.acceptor.next().await
    }

    /// How many accepted connections live.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        self.gate.inside()
    }

    /// How many may live on this worker.
    #[must_use]
    pub fn connections_max(&self) -> usize {
        self.connections_max
    }

    /// How often accepting failed for want of descriptors or memory.
    #[must_use]
    pub fn accept_failure_count(&self) -> u64 {
        self.acceptor.failure_count()
    }

    /// Waits until every accepted connection was dropped.
    pub async fn connections_ended(&mut self) {
        self.gate.emptied().await;
    }

    /// Whether the drain has begun.
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
    let name = format!("ringlane-{}", plan.index);
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
    let (index, driver) = (plan.index, plan.driver);
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
        let (seat, mail) = match sit_down(plan) {
            Ok(seated) => seated,
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
        seat.spawn(mail);
        entry(seat).await;
    });
}

/// The seat, and the task that reads its mail.
fn sit_down(plan: WorkerPlan) -> io::Result<(WorkerSeat, impl Future<Output = ()>)> {
    let clock = Rc::new(CoreClock::new(plan.origin));
    let gate = Gate::new(plan.connections_max);
    let acceptor = Acceptor::new(plan.sockets, gate.clone(), clock.clone())?;
    let mail = read_mail(plan.mailbox, plan.draining, gate.clone());
    let seat = WorkerSeat {
        index: plan.index,
        cpu: plan.cpu,
        driver: plan.driver,
        connections_max: plan.connections_max,
        clock,
        acceptor,
        gate,
        blocking: plan.blocking,
    };
    Ok((seat, mail))
}

#[expect(clippy::infinite_loop, reason = "it lives as long as its worker")]
async fn read_mail(mut mailbox: Mailbox<WorkerMail>, draining: Arc<AtomicBool>, gate: Gate) {
    loop {
        match mailbox.next().await {
            // The flag says it, and says it also when this was lost for want of room.
            WorkerMail::Drain => {}
        }
        if draining.load(Ordering::Acquire) && !gate.is_closed() {
            gate.close();
        }
    }
}
