//! SIGTERM and SIGINT: the first begins the drain, a second ends the process at once.
//!
//! For a program that serves, `SignalWatch`; for one that listens to a server, `interruption`.
//! In: signals, read by a thread of its own (`ringlane-signals`). Out: `Drain` to every worker, or
//! the exit status 128 plus the signal's number.
//! SIGPIPE stays ignored, as Rust sets it; SIGHUP keeps its default.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::{Handle, Signals};
use signal_hook::low_level::pipe;

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
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        let handle = signals.handle();
        let thread = std::thread::Builder::new()
            .name("ringlane-signals".to_owned())
            .spawn(move || obey(&mut signals, &drain))?;
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

fn obey(signals: &mut Signals, drain: &DrainHandle) {
    let mut received = signals.forever();
    if received.next().is_none() {
        return;
    }
    drain.drain();
    if let Some(signal) = received.next() {
        #[expect(clippy::exit, reason = "a second signal means: at once")]
        std::process::exit(128 + signal);
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
