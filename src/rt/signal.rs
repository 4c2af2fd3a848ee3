//! SIGTERM and SIGINT: the first begins the drain, a second ends the process at once.
//!
//! For a program that serves, `SignalWatch`; for one that listens to a server, `interruption`.
//! In: signals, read by a thread of its own (`ringlane-signals`). Out: `Drain` to every worker, or
//! the exit status 128 plus the signal's number. A whole process (`life`) reloads at SIGHUP;
//! elsewhere that keeps its default. SIGPIPE stays ignored, as Rust sets it.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::pipe;

use crate::rt::life::Orders;
use crate::rt::server::DrainHandle;

/// Listens to signals until dropped; see `Running::drain_on_signals`.
#[derive(Debug)]
#[must_use = "signals are watched as long as it lives"]
pub struct SignalWatch {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl SignalWatch {
    /// Begins to listen.
    ///
    /// # Errors
    /// What the system says when it takes no handler or has no thread to give.
    pub(super) fn open(drain: DrainHandle) -> io::Result<Self> {
        Self::watch(&[SIGTERM, SIGINT], move |signals| obey(signals, || drain.drain(), None))
    }

    /// Begins to listen for a whole process, which knows SIGHUP too.
    ///
    /// # Errors
    /// What the system says when it takes no handler or has no thread to give.
    pub(super) fn open_life(orders: Orders) -> io::Result<Self> {
        Self::watch(&[SIGTERM, SIGINT, SIGHUP], move |signals| {
            let reload = || orders.reload();
            let reload: Option<&dyn Fn()> = if orders.hangup_ends() { None } else { Some(&reload) };
            obey(signals, || orders.end(), reload);
        })
    }

    fn watch(kinds: &[i32], obey: impl FnOnce(&mut Signals) + Send + 'static) -> io::Result<Self> {
        let mut signals = Signals::new(kinds)?;
        let handle = signals.handle();
        let thread = std::thread::Builder::new()
            .name("ringlane-signals".to_owned())
            .spawn(move || obey(&mut signals))?;
        Ok(Self { handle, thread: Some(thread) })
    }
}

/// What becomes readable at the first SIGTERM or SIGINT, and stays so. A second one ends the
/// process at once.
///
/// # Errors
/// What the system says when it takes no handler.
pub fn interruption() -> io::Result<UnixStream> {
    let (read, write) = UnixStream::pair()?;
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order, so that the first signal does not see its own mark.
        flag::register_conditional_shutdown(signal, 128 + signal, interrupted.clone())?;
        flag::register(signal, interrupted.clone())?;
        pipe::register(signal, write.try_clone()?)?;
    }
    Ok(read)
}

/// SIGHUP reloads where it can; every other signal ends, the second one at once.
fn obey(signals: &mut Signals, end: impl Fn(), reload: Option<&dyn Fn()>) {
    let mut has_begun = false;
    for signal in signals.forever() {
        match reload {
            Some(reload) if signal == SIGHUP => reload(),
            _ if !has_begun => {
                has_begun = true;
                end();
            }
            _ => {
                #[expect(clippy::exit, reason = "a second signal means: at once")]
                std::process::exit(128 + signal);
            }
        }
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // It ends when the handle is closed; a panic in it was told by the hook.
            let _ = thread.join();
        }
    }
}
