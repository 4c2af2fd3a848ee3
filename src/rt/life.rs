//! The life of a server that is a whole process: `Life`, between its signals and its manager.
//!
//! ```text
//! ready ─SIGTERM, SIGINT─▶ draining ─a second one─▶ ended at once
//!   │ ▲
//!   │ └─ the new process does not serve ─┐
//!   └──────────── SIGHUP ──────────▶ reloading ─▶ handed over, draining
//! ```
//!
//! What it is in is told to the service manager (`notify`), with signs of life while it is ready
//! (`watchdog`). A reload runs on a thread of its own, one at a time, so that signals are heard
//! throughout. Where standard input is a terminal SIGHUP says that it is gone, and drains.

use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::rt::handover::{self, Orphaned, Program, Successor};
use crate::rt::notify::Notifier;
use crate::rt::passed::{Keeper, Passed};
use crate::rt::server::{DrainHandle, Launch, Running, StartError, thread_error};
use crate::rt::signal::SignalWatch;
use crate::rt::watchdog::Watchdog;

/// Where a faulty reload is told, besides to the service manager.
pub type Complain = fn(&str);

/// A process that begins: what it was given, before it serves.
#[derive(Debug)]
pub struct Birth {
    program: Program,
    line: Option<UnixStream>,
    watchdog_limit: Option<Duration>,
}

/// Signals are obeyed and the service manager is told as long as it lives.
#[derive(Debug)]
#[must_use = "signals are watched as long as it lives"]
pub struct Life {
    _signals: SignalWatch,
    _watchdog: Option<Watchdog>,
}

/// A server that was to be a process's whole life does not begin it.
#[derive(Debug, thiserror::Error)]
pub enum BirthError {
    /// No thread, or no handler for signals.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The process before did not hand over.
    #[error(transparent)]
    Orphaned(#[from] Orphaned),
}

impl Birth {
    /// Looks at how this process was started. What `passed` has for others goes into the launch.
    ///
    /// # Errors
    /// What the system says when it does not tell the path of this program.
    pub fn new(mut passed: Option<Passed>) -> io::Result<(Self, Launch)> {
        let watchdog_limit = Notifier::watchdog_limit();
        let line = passed.as_mut().and_then(Passed::take_line);
        let birth = Self { program: Program::of_process()?, line, watchdog_limit };
        Ok((birth, Launch { passed, watchdog_limit }))
    }

    /// Begins the life of a server whose workers run: takes over from the process before, tells the
    /// service manager, obeys signals.
    ///
    /// # Errors
    /// `BirthError`; the server still runs, and should be drained.
    pub fn begin(
        self,
        running: &mut Running,
        status: &str,
        drain_timeout: Duration,
        complain: Complain,
    ) -> Result<Life, BirthError> {
        let notifier = Notifier::default();
        let orders = Orders {
            drain: running.drain_handle(),
            notifier: notifier.clone(),
            drain_timeout,
            reload: Arc::new(Reload {
                program: self.program,
                sockets: running.take_sockets(),
                keeper: running.keeper(),
                drain: running.drain_handle(),
                notifier: notifier.clone(),
                status: status.to_owned(),
                complain,
                order_count: AtomicU32::new(0),
            }),
            hangup_ends: io::stdin().is_terminal(),
        };
        // Before anybody is told, so that no signal comes too early.
        let signals = SignalWatch::open_life(orders).map_err(|error| thread_error(&error))?;
        if let Some(line) = self.line {
            handover::succeed(&line)?;
        }
        notifier.ready(status);
        let watchdog = self.watchdog_limit.map(|limit| {
            Watchdog::open(running.pulses(), limit, notifier).map_err(|error| thread_error(&error))
        });
        Ok(Life { _signals: signals, _watchdog: watchdog.transpose()? })
    }
}

/// What signals order.
#[derive(Debug)]
pub(super) struct Orders {
    drain: DrainHandle,
    notifier: Notifier,
    drain_timeout: Duration,
    reload: Arc<Reload>,
    /// Whether SIGHUP says that the terminal is gone.
    hangup_ends: bool,
}

impl Orders {
    /// Whether SIGHUP is an order to end.
    pub(super) fn hangup_ends(&self) -> bool {
        self.hangup_ends
    }

    /// Begins the drain.
    pub(super) fn end(&self) {
        self.notifier.stopping(self.drain_timeout);
        self.drain.drain();
    }

    /// Begins a reload, or sees to it that the one which runs is tried again if it fails.
    pub(super) fn reload(&self) {
        let reload = self.reload.clone();
        if self.drain.has_begun() || reload.order_count.fetch_add(1, Ordering::AcqRel) > 0 {
            return;
        }
        let spawned = std::thread::Builder::new().name("ringlane-reload".to_owned()).spawn({
            let reload = reload.clone();
            move || reload.run()
        });
        if let Err(error) = spawned {
            reload.order_count.store(0, Ordering::Release);
            reload.fail(&format!("no thread for it: {error}"));
        }
    }
}

/// A reload: what it starts, and what it tells.
#[derive(Debug)]
struct Reload {
    program: Program,
    sockets: Vec<OwnedFd>,
    keeper: Keeper,
    drain: DrainHandle,
    notifier: Notifier,
    status: String,
    complain: Complain,
    /// Orders that the running one does not know of yet, and its own; 0 when none runs.
    order_count: AtomicU32,
}

impl Reload {
    /// Until a new process serves, or nobody has ordered another try.
    fn run(&self) {
        loop {
            let orders = self.order_count.load(Ordering::Acquire);
            self.notifier.reloading();
            match handover::start(&self.program, &self.sockets, self.keeper) {
                Ok(successor) => return self.hand_over(successor),
                Err(error) => self.fail(&error.to_string()),
            }
            let done =
                self.order_count.compare_exchange(orders, 0, Ordering::AcqRel, Ordering::Acquire);
            if done.is_ok() || self.drain.has_begun() {
                return;
            }
        }
    }

    fn hand_over(&self, successor: Successor) {
        if !self.drain.hand_over() {
            // A signal to end came first.
            return successor.dismiss();
        }
        self.notifier.replaced_by(successor.process());
        successor.take_over();
    }

    /// Goes on as before, and says why.
    fn fail(&self, why: &str) {
        // A process that ends does not go on, and needs no successor.
        if !self.drain.has_begun() {
            (self.complain)(&format!("warning: reload failed, this process serves on: {why}"));
            self.notifier.ready(&format!("{}; reload failed: {why}", self.status));
        }
    }
}
