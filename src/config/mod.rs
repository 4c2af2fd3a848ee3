//! Level 8: every setting of a server in one place, as checked values.
//!
//! Each layer owns the settings of its own kind and their defaults; here they stand together, and
//! those that are bounds have a name, a unit and a line of explanation (`limits`), by which the
//! command line sets and prints them. `values` reads and renders durations, sizes and counts.

pub mod limits;
pub mod values;

use crate::controller::catalogue::ListSettings;
use crate::rt::settings::RtSettings;
use crate::serve::shard::ServeSettings;
use crate::session::seal::StateKey;

/// All settings of a server.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The endpoint, who may call it, and what a connection may cost.
    pub serve: ServeSettings,
    /// Workers, sockets and threads.
    pub runtime: RtSettings,
    /// How lists are served.
    pub lists: ListSettings,
    /// The key to what clients carry for the server. Default: drawn at random at start, so that
    /// nothing of before is accepted; servers behind one address must share one.
    pub state_key: StateKey,
}

impl Settings {
    /// Checks what no single layer can: that the settings make sense together.
    ///
    /// # Errors
    /// Every fault, each naming the setting, the rule and the fix.
    pub fn check(&self) -> Result<(), Vec<String>> {
        let mut faults = Vec::new();
        if let Err(fault) = self.runtime.check() {
            faults.push(fault.to_string());
        }
        let path = &self.serve.path;
        let plain = path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
        if !path.starts_with('/') || !plain {
            faults.push(format!(
                "path \"{path}\" is not one: begin with / and leave out blanks, ? and #"
            ));
        }
        if matches!(path.as_str(), "/healthz" | "/readyz") {
            faults.push(format!("path \"{path}\" is taken by a probe: choose another"));
        }
        faults.extend(limits::TABLE.iter().filter_map(|row| row.fault(self)));
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// The most memory, in bytes, that peers can make the server hold in user space: what each
    /// connection may buffer, each session and each task keep, times how many there may be.
    #[must_use]
    pub fn memory_bytes_max(&self) -> u64 {
        let limits = &self.serve.limits;
        let parts = [
            limits.head.head_bytes_max as u64,
            limits.body.body_bytes_max,
            limits.pipeline_bytes_max as u64,
            limits.output_bytes_max as u64,
            limits.stream_buffer_bytes_max as u64,
        ];
        let each = parts.into_iter().fold(0, u64::saturating_add);
        let connections = each.saturating_mul(self.runtime.connections_max as u64);
        let sessions = &self.serve.sessions.limits;
        let kept = (sessions.replay_bytes_max as u64).saturating_mul(sessions.sessions_max as u64);
        let tasks = &self.serve.tasks;
        let results = (tasks.task_result_bytes_max as u64).saturating_mul(tasks.tasks_max as u64);
        connections.saturating_add(kept).saturating_add(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_sound_and_every_fault_is_told_at_once() {
        assert_eq!(Settings::default().check(), Ok(()));
        let mut settings = Settings::default();
        settings.serve.path = "mcp".to_owned();
        settings.runtime.connections_max = 0;
        settings.serve.limits.json.json_depth_max = 0;
        let faults = settings.check().expect_err("three faults");
        assert_eq!(faults.len(), 3, "{faults:?}");
    }

    #[test]
    fn limits_without_end_add_up_to_the_largest_number() {
        let mut settings = Settings::default();
        settings.serve.limits.body.body_bytes_max = u64::MAX;
        assert_eq!(settings.memory_bytes_max(), u64::MAX);
    }
}
