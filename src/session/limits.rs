//! What sessions and tasks may cost: every bound of this floor, with unit and default.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Whether legacy clients get sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionMode {
    /// `initialize` opens one; a request without one is answered all the same, by itself.
    #[default]
    Optional,
    /// `initialize` opens one; a request without one is refused with 400.
    Required,
    /// There are none: every request is answered by itself, and GET and DELETE are not served.
    Off,
}

impl SessionMode {
    const NAMES: [(&'static str, Self); 3] =
        [("optional", Self::Optional), ("required", Self::Required), ("off", Self::Off)];
}

impl fmt::Display for SessionMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(_, mode)| mode == self).map_or("", |(name, _)| name);
        f.write_str(name)
    }
}

impl FromStr for SessionMode {
    type Err = UnknownMode;

    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        let known = Self::NAMES.into_iter().find(|(name, _)| *name == text);
        known.map(|(_, mode)| mode).ok_or_else(|| UnknownMode(text.to_owned()))
    }
}

/// A word that is no [`SessionMode`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is none of optional, required, off")]
pub struct UnknownMode(String);

/// How sessions are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionSettings {
    /// Whether there are any. Default [`SessionMode::Optional`].
    pub mode: SessionMode,
    /// What they may cost.
    pub limits: SessionLimits,
}

/// The limits of sessions and of subscriptions. Those that count sessions hold for the process and
/// are kept in equal shares by its cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// Sessions at once. Default 10,000; then 503.
    pub sessions_max: usize,
    /// Sessions of one principal. Default 200; then 429.
    pub sessions_per_principal_max: usize,
    /// Sessions of one address, of callers without a principal. Default 1,000; then 429.
    pub sessions_per_address_max: usize,
    /// How long a session may lie idle, without request, running call or open stream. Default
    /// 30 min; then it ends.
    pub session_idle_life: Duration,
    /// Requests of one session that run at once. Default 64; then 429.
    pub session_requests_max: usize,
    /// Streams of one session that its client opened by GET. Default 16; then 429.
    pub session_streams_max: usize,
    /// Questions to the client of one session that wait for their answer. Default 64; then the
    /// asking call fails.
    pub session_questions_max: usize,
    /// Resources that one session or subscription watches. Default 256; then an error.
    pub watched_resources_max: usize,
    /// Bytes of the addresses of all resources that one session or subscription watches. Default
    /// 64 KiB; then an error.
    pub watched_bytes_max: usize,
    /// Events that one stream keeps for resumption. Default 256; then the oldest go. A stream for
    /// what belongs to no request keeps at least one of each change that it may tell.
    pub replay_events_max: usize,
    /// Bytes of events that one session keeps for resumption. Default 1 MiB; then the oldest go.
    pub replay_bytes_max: usize,
    /// How long a stream without a connection is kept for resumption. Default 5 min.
    pub replay_life: Duration,
    /// After how long a wait the answer to a request becomes a stream that can be resumed, where
    /// the revision has priming events. Default 500 ms; before, it may still be one document.
    pub priming_delay: Duration,
    /// How long a client is told to wait before it comes back for a stream (`retry`). Default 1 s.
    pub retry_delay: Duration,
    /// Bytes of events that may wait for a stream's reader. Default 256 KiB; further notifications
    /// are dropped.
    pub stream_buffer_bytes_max: usize,
    /// `subscriptions/listen` streams at once on a core. Default 1,024; then 503.
    pub subscriptions_max: usize,
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            sessions_max: 10_000,
            sessions_per_principal_max: 200,
            sessions_per_address_max: 1_000,
            session_idle_life: Duration::from_secs(30 * 60),
            session_requests_max: 64,
            session_streams_max: 16,
            session_questions_max: 64,
            watched_resources_max: 256,
            watched_bytes_max: 64 * 1024,
            replay_events_max: 256,
            replay_bytes_max: 1024 * 1024,
            replay_life: Duration::from_secs(5 * 60),
            priming_delay: Duration::from_millis(500),
            retry_delay: Duration::from_secs(1),
            stream_buffer_bytes_max: 256 * 1024,
            subscriptions_max: 1_024,
        }
    }
}

/// The limits of tasks. Those that count tasks hold for the process and are kept in equal shares by
/// its cores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskLimits {
    /// Tasks at once, ended ones that may still be read included. Default 1,000; then a call goes
    /// on without becoming one.
    pub tasks_max: usize,
    /// Tasks of one principal, or of one address for callers without; ended ones included. Default
    /// 200; then a call goes on without becoming one.
    pub tasks_per_owner_max: usize,
    /// How long a task may run and, counted from its beginning, can be read (`ttlMs`). Default
    /// 10 min; one that still runs then fails, and can be read for another minute.
    pub task_life: Duration,
    /// How long a client is told to wait between two looks at a task (`pollIntervalMs`). Default
    /// 1 s.
    pub task_poll_interval: Duration,
    /// How long the result of a task may be, as JSON. Default 1 MiB; then the task fails.
    pub task_result_bytes_max: usize,
    /// Questions of one task that wait for their answer. Default 64; then asking fails.
    pub task_questions_max: usize,
}

impl Default for TaskLimits {
    fn default() -> Self {
        Self {
            tasks_max: 1_000,
            tasks_per_owner_max: 200,
            task_life: Duration::from_secs(10 * 60),
            task_poll_interval: Duration::from_secs(1),
            task_result_bytes_max: 1024 * 1024,
            task_questions_max: 64,
        }
    }
}
