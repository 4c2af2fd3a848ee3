//! What a service manager is told: `Notifier`, over the protocol of sd_notify(3).
//!
//! In: `NOTIFY_SOCKET` and `WATCHDOG_USEC`, as systemd sets them. Out: one datagram a message; none
//! where nobody listens, and none once another process is the service (`silence`).
//! Not here: when what is told (`life`), and whether the workers turn (`watchdog`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sd_notify::NotifyState;

/// What the end takes beyond its drain, at most: cancelled calls, the exit itself.
const END_MARGIN: Duration = Duration::from_secs(5);

/// Tells the service manager. Clones tell the same one, and fall silent together.
#[derive(Clone, Debug, Default)]
pub(super) struct Notifier {
    is_silent: Arc<AtomicBool>,
}

impl Notifier {
    /// The time within which a sign of life is due, if the manager wants any.
    pub(super) fn watchdog_limit() -> Option<Duration> {
        sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero())
    }

    /// Every worker accepts.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&line(status))]);
    }

    /// This process is being replaced.
    pub(super) fn reloading(&self) {
        let mut states = vec![NotifyState::Reloading];
        // systemd from 253 on tells by the moment whether this answers its own order.
        states.extend(NotifyState::monotonic_usec_now().ok());
        states.push(NotifyState::Status("reloading: a new process starts"));
        self.tell(&states);
    }

    /// Another process is the service from now on. The last message.
    pub(super) fn replaced_by(&self, process: u32) {
        self.tell(&[NotifyState::MainPid(process), NotifyState::Ready]);
        self.silence();
    }

    /// The drain begins, and may take this long.
    pub(super) fn stopping(&self, drain_timeout: Duration) {
        let micros = drain_timeout.saturating_add(END_MARGIN).as_micros();
        let extension =
            format!("EXTEND_TIMEOUT_USEC={}", u64::try_from(micros).unwrap_or(u64::MAX));
        let status = format!("draining: running calls may take {} s", drain_timeout.as_secs());
        self.tell(&[
            NotifyState::Stopping,
            NotifyState::Custom(&extension),
            NotifyState::Status(&status),
        ]);
    }

    /// A sign of life.
    pub(super) fn alive(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn silence(&self) {
        self.is_silent.store(true, Ordering::Release);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if !self.is_silent.load(Ordering::Acquire) {
            // A manager that is gone hears nothing, and nothing is to be done about it.
            let _ = sd_notify::notify(states);
        }
    }
}

/// One line: a second one would be a message of its own.
fn line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
