//! What an operator may set about workers, sockets and threads: `RtSettings`, with its defaults.
//!
//! In: values as parsed. Out: the same, checked by `serve` before anything is started.
//! Not here: limits of HTTP and of sessions, which belong to their layers.

use std::net::{Ipv4Addr, SocketAddr};

use crate::base::fault::Fault;
use crate::rt::address::ListenAddress;
use crate::rt::affinity::CpuList;
use crate::rt::driver::IoChoice;

/// Settings of the runtime. The default of each stands with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RtSettings {
    /// How many workers. Default: one for each core of `cpus`, or else one for each core that the
    /// process may run on, but no more than the time that its control group grants.
    pub workers: Option<usize>,
    /// The cores to pin the workers to. Default: all that the process may run on.
    pub cpus: Option<CpuList>,
    /// The driver. Default: `auto`.
    pub io: IoChoice,
    /// Where to listen. Default: `127.0.0.1:8080`.
    pub listen: Vec<ListenAddress>,
    /// How many connections may wait to be accepted, for each worker and address. Default: 4096;
    /// the system clips it to net.core.somaxconn.
    pub backlog: u16,
    /// The mode of the files of Unix sockets. Default: 0o600, this user alone.
    pub unix_mode: u32,
    /// How many connections at once, in all; each worker accepts an equal part. Default: 10,000,
    /// and always 64 less than the descriptors that the system grants.
    pub connections_max: usize,
    /// How many threads for blocking work. Default: 32.
    pub blocking_threads_max: usize,
    /// How many jobs may wait for one of them. Default: 1024.
    pub blocking_queue_max: usize,
    /// How many connections from other workers may wait for a worker, and how many changes.
    /// Default: 1024.
    pub mailbox_capacity: usize,
}

impl Default for RtSettings {
    fn default() -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 8080));
        Self {
            workers: None,
            cpus: None,
            io: IoChoice::Auto,
            listen: vec![ListenAddress::Tcp(address)],
            backlog: 4096,
            unix_mode: 0o600,
            connections_max: 10_000,
            blocking_threads_max: 32,
            blocking_queue_max: 1024,
            mailbox_capacity: 1024,
        }
    }
}

/// A setting out of its range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name} must be {rule}")]
pub struct SettingError {
    /// The setting.
    pub name: &'static str,
    /// Its range.
    pub rule: &'static str,
}

impl SettingError {
    /// Whose fault it is: the configuration's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

impl RtSettings {
    /// Checks all ranges.
    ///
    /// # Errors
    /// The first setting that is out of its range.
    pub fn check(&self) -> Result<(), SettingError> {
        let at_least_one = [
            ("workers", self.workers.unwrap_or(1)),
            ("connections_max", self.connections_max),
            ("blocking_threads_max", self.blocking_threads_max),
            ("mailbox_capacity", self.mailbox_capacity),
            ("backlog", usize::from(self.backlog)),
        ];
        if let Some((name, _)) = at_least_one.into_iter().find(|(_, value)| *value == 0) {
            return Err(SettingError { name, rule: "at least 1" });
        }
        if self.workers.is_some_and(|workers| workers > 1024) {
            return Err(SettingError { name: "workers", rule: "at most 1024" });
        }
        if self.listen.is_empty() {
            return Err(SettingError { name: "listen", rule: "one address or more" });
        }
        if self.unix_mode > 0o777 {
            return Err(SettingError { name: "unix_mode", rule: "from 0 to 0o777" });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_zeros_are_named() {
        assert_eq!(RtSettings::default().check(), Ok(()));
        let text = |settings: RtSettings| settings.check().unwrap_err().to_string();
        let settings = RtSettings { workers: Some(0), ..RtSettings::default() };
        assert_eq!(text(settings), "workers must be at least 1");
        let settings = RtSettings { listen: Vec::new(), ..RtSettings::default() };
        assert_eq!(text(settings), "listen must be one address or more");
        let settings = RtSettings { unix_mode: 0o1000, ..RtSettings::default() };
        assert_eq!(text(settings), "unix_mode must be from 0 to 0o777");
    }
}
