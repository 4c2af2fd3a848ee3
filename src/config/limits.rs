//! The table of limits: each bound of the server by its name, with unit, default and meaning.
//!
//! `--limit NAME=VALUE` sets a row, `check` prints them all. The default of a row is the default of
//! the field that it stands for; there is no second copy of it.

use std::time::Duration;

use super::Settings;
use super::values::{LimitKind, LimitValue};

/// One limit.
#[derive(Clone, Copy, Debug)]
pub struct LimitRow {
    /// Its name.
    pub name: &'static str,
    /// What it bounds, and what happens past it; one line.
    pub about: &'static str,
    field: Field,
    /// The least value that makes sense; 0 where the owner of the field checks it.
    least: u64,
}

/// Where a limit lives.
#[derive(Clone, Copy, Debug)]
enum Field {
    Duration(fn(&mut Settings) -> &mut Duration),
    Bytes(fn(&mut Settings) -> &mut usize),
    WideBytes(fn(&mut Settings) -> &mut u64),
    Count(fn(&mut Settings) -> &mut usize),
    WideCount(fn(&mut Settings) -> &mut u64),
}

impl LimitRow {
    /// What kind of value it has.
    #[must_use]
    pub fn kind(&self) -> LimitKind {
        match self.field {
            Field::Duration(_) => LimitKind::Duration,
            Field::Bytes(_) | Field::WideBytes(_) => LimitKind::Bytes,
            Field::Count(_) | Field::WideCount(_) => LimitKind::Count,
        }
    }

    /// Its value.
    #[must_use]
    pub fn get(&self, settings: &Settings) -> LimitValue {
        // The accessors lend mutably; a copy keeps reading free of side effects.
        let mut settings = settings.clone();
        match self.field {
            Field::Duration(field) => LimitValue::Duration(*field(&mut settings)),
            Field::Bytes(field) => LimitValue::Bytes(*field(&mut settings) as u64),
            Field::WideBytes(field) => LimitValue::Bytes(*field(&mut settings)),
            Field::Count(field) => LimitValue::Count(*field(&mut settings) as u64),
            Field::WideCount(field) => LimitValue::Count(*field(&mut settings)),
        }
    }

    /// Sets its value; one that is refused changes nothing.
    ///
    /// # Errors
    /// When the value is of another kind or below the least that makes sense; the text says so.
    pub fn set(&self, settings: &mut Settings, value: LimitValue) -> Result<(), String> {
        let before = self.get(settings);
        self.put(settings, value)?;
        if let Some(fault) = self.fault(settings) {
            return self.put(settings, before).and(Err(fault));
        }
        Ok(())
    }

    fn put(&self, settings: &mut Settings, value: LimitValue) -> Result<(), String> {
        match (self.field, value) {
            (Field::Duration(field), LimitValue::Duration(value)) => *field(settings) = value,
            (Field::Bytes(field), LimitValue::Bytes(value))
            | (Field::Count(field), LimitValue::Count(value)) => {
                *field(settings) = usize::try_from(value).unwrap_or(usize::MAX);
            }
            (Field::WideBytes(field), LimitValue::Bytes(value))
            | (Field::WideCount(field), LimitValue::Count(value)) => *field(settings) = value,
            _ => return Err(format!("{} is a {}", self.name, self.kind().unit())),
        }
        Ok(())
    }

    /// What is wrong with its value, if anything.
    #[must_use]
    pub fn fault(&self, settings: &Settings) -> Option<String> {
        let value = match self.get(settings) {
            LimitValue::Duration(value) => u64::try_from(value.as_millis()).unwrap_or(u64::MAX),
            LimitValue::Bytes(value) | LimitValue::Count(value) => value,
        };
        let unit = match self.kind() {
            LimitKind::Duration => "ms",
            LimitKind::Bytes => " bytes",
            LimitKind::Count => "",
        };
        (value < self.least).then(|| format!("{} must be at least {}{unit}", self.name, self.least))
    }
}

/// The row of this name.
#[must_use]
pub fn row(name: &str) -> Option<&'static LimitRow> {
    TABLE.iter().find(|row| row.name == name)
}

/// Every limit, in the order in which a request meets them.
pub static TABLE: &[LimitRow] = &[
    LimitRow {
        name: "connections_max",
        about: "connections at once; further ones wait to be accepted",
        field: Field::Count(|s| &mut s.runtime.connections_max),
        least: 0,
    },
    LimitRow {
        name: "first_byte_timeout",
        about: "wait for the first byte of a new connection; then closed",
        field: Field::Duration(|s| &mut s.serve.limits.first_byte_timeout),
        least: 1,
    },
    LimitRow {
        name: "keep_alive_timeout",
        about: "wait for the next request; then closed",
        field: Field::Duration(|s| &mut s.serve.limits.keep_alive_timeout),
        least: 1,
    },
    LimitRow {
        name: "empty_lines_max",
        about: "empty lines before a request; then 400",
        field: Field::Count(|s| &mut s.serve.limits.head.empty_lines_max),
        least: 0,
    },
    LimitRow {
        name: "request_line_bytes_max",
        about: "the first line of a request; then 414",
        field: Field::Bytes(|s| &mut s.serve.limits.head.request_line_bytes_max),
        least: 16,
    },
    LimitRow {
        name: "field_bytes_max",
        about: "one header field; then 431",
        field: Field::Bytes(|s| &mut s.serve.limits.head.field_bytes_max),
        least: 16,
    },
    LimitRow {
        name: "head_bytes_max",
        about: "a whole request head; then 431",
        field: Field::Bytes(|s| &mut s.serve.limits.head.head_bytes_max),
        least: 64,
    },
    LimitRow {
        name: "fields_max",
        about: "header fields, 100 at most; then 431",
        field: Field::Count(|s| &mut s.serve.limits.head.fields_max),
        least: 1,
    },
    LimitRow {
        name: "head_timeout",
        about: "time for a whole request head; then 408",
        field: Field::Duration(|s| &mut s.serve.limits.head_timeout),
        least: 1,
    },
    LimitRow {
        name: "body_bytes_max",
        about: "a request body; then 413",
        field: Field::WideBytes(|s| &mut s.serve.limits.body.body_bytes_max),
        least: 1,
    },
    LimitRow {
        name: "chunk_line_bytes_max",
        about: "one chunk line; then 400",
        field: Field::Bytes(|s| &mut s.serve.limits.body.chunk_line_bytes_max),
        least: 16,
    },
    LimitRow {
        name: "trailers_bytes_max",
        about: "all trailers; then 400",
        field: Field::Bytes(|s| &mut s.serve.limits.body.trailers_bytes_max),
        least: 0,
    },
    LimitRow {
        name: "framing_slack_bytes",
        about: "chunk framing that any body may have; beyond it and the factor 400",
        field: Field::WideBytes(|s| &mut s.serve.limits.body.framing_slack_bytes),
        least: 0,
    },
    LimitRow {
        name: "framing_factor",
        about: "chunk framing bytes for each byte of a body; beyond them and the slack 400",
        field: Field::WideCount(|s| &mut s.serve.limits.body.framing_factor),
        least: 0,
    },
    LimitRow {
        name: "body_grace",
        about: "time for a body before its pace counts",
        field: Field::Duration(|s| &mut s.serve.limits.body_grace),
        least: 1,
    },
    LimitRow {
        name: "body_bytes_per_second_min",
        about: "average pace of a body after the grace; below it 408",
        field: Field::WideBytes(|s| &mut s.serve.limits.body_bytes_per_second_min),
        least: 1,
    },
    LimitRow {
        name: "body_timeout",
        about: "time for a whole body; then 408",
        field: Field::Duration(|s| &mut s.serve.limits.body_timeout),
        least: 1,
    },
    LimitRow {
        name: "json_depth_max",
        about: "nesting of a JSON text; then 400",
        field: Field::Count(|s| &mut s.serve.limits.json.json_depth_max),
        least: 4,
    },
    LimitRow {
        name: "json_elements_max",
        about: "elements and members of a JSON text; then 400",
        field: Field::Count(|s| &mut s.serve.limits.json.json_elements_max),
        least: 16,
    },
    LimitRow {
        name: "number_digits_max",
        about: "characters of a number in JSON; then 400",
        field: Field::Count(|s| &mut s.serve.limits.json.number_digits_max),
        least: 20,
    },
    LimitRow {
        name: "pipeline_requests_max",
        about: "pipelined requests answered in one turn; then sent, and others have theirs",
        field: Field::Count(|s| &mut s.serve.limits.pipeline_requests_max),
        least: 1,
    },
    LimitRow {
        name: "pipeline_bytes_max",
        about: "further requests taken in while a call runs; then reading stops",
        field: Field::Bytes(|s| &mut s.serve.limits.pipeline_bytes_max),
        least: 1,
    },
    LimitRow {
        name: "call_timeout",
        about: "time for a tool call; then cancelled and answered with an error",
        field: Field::Duration(|s| &mut s.serve.limits.call_timeout),
        least: 1,
    },
    LimitRow {
        name: "state_life",
        about: "time in which a client may answer what a call asked; then it calls anew",
        field: Field::Duration(|s| &mut s.serve.limits.ask.state_life),
        least: 1000,
    },
    LimitRow {
        name: "ask_rounds_max",
        about: "times in a row that a call may end with questions; then an error",
        field: Field::Count(|s| &mut s.serve.limits.ask.ask_rounds_max),
        least: 1,
    },
    LimitRow {
        name: "answer_timeout",
        about: "time for a legacy client to answer a question; then the asking handler is told",
        field: Field::Duration(|s| &mut s.serve.limits.ask.answer_timeout),
        least: 1000,
    },
    LimitRow {
        name: "state_bytes_max",
        about: "what a call that asked has its client carry; then an error",
        field: Field::Bytes(|s| &mut s.serve.limits.ask.state_bytes_max),
        least: 1024,
    },
    LimitRow {
        name: "stream_buffer_bytes_max",
        about: "notifications of a call that wait to be sent; further ones are dropped",
        field: Field::Bytes(|s| &mut s.serve.limits.stream_buffer_bytes_max),
        least: 1024,
    },
    LimitRow {
        name: "keep_alive_interval",
        about: "silence after which a stream is sent a comment",
        field: Field::Duration(|s| &mut s.serve.limits.keep_alive_interval),
        least: 10,
    },
    LimitRow {
        name: "output_bytes_max",
        about: "answers that wait to be sent; then pipelined requests wait",
        field: Field::Bytes(|s| &mut s.serve.limits.output_bytes_max),
        least: 1,
    },
    LimitRow {
        name: "send_stall_timeout",
        about: "time in which a peer takes no byte of an answer; then reset",
        field: Field::Duration(|s| &mut s.serve.limits.send_stall_timeout),
        least: 1,
    },
    LimitRow {
        name: "linger_timeout",
        about: "time that a closing connection hears its peer out",
        field: Field::Duration(|s| &mut s.serve.limits.linger_timeout),
        least: 0,
    },
    LimitRow {
        name: "linger_bytes_max",
        about: "bytes that a closing connection hears out",
        field: Field::Bytes(|s| &mut s.serve.limits.linger_bytes_max),
        least: 0,
    },
    LimitRow {
        name: "drain_timeout",
        about: "time for running calls after SIGTERM; then cancelled",
        field: Field::Duration(|s| &mut s.serve.limits.drain_timeout),
        least: 0,
    },
    LimitRow {
        name: "sessions_max",
        about: "sessions at once; then 503",
        field: Field::Count(|s| &mut s.serve.sessions.limits.sessions_max),
        least: 1,
    },
    LimitRow {
        name: "sessions_per_principal_max",
        about: "sessions of one principal; then 429",
        field: Field::Count(|s| &mut s.serve.sessions.limits.sessions_per_principal_max),
        least: 1,
    },
    LimitRow {
        name: "sessions_per_address_max",
        about: "sessions of one address, without a principal; then 429",
        field: Field::Count(|s| &mut s.serve.sessions.limits.sessions_per_address_max),
        least: 1,
    },
    LimitRow {
        name: "session_idle_life",
        about: "time that a session may lie idle; then it ends",
        field: Field::Duration(|s| &mut s.serve.sessions.limits.session_idle_life),
        least: 1000,
    },
    LimitRow {
        name: "session_requests_max",
        about: "requests of one session that run at once; then 429",
        field: Field::Count(|s| &mut s.serve.sessions.limits.session_requests_max),
        least: 1,
    },
    LimitRow {
        name: "session_streams_max",
        about: "streams of one session that its client opened; then 429",
        field: Field::Count(|s| &mut s.serve.sessions.limits.session_streams_max),
        least: 1,
    },
    LimitRow {
        name: "session_questions_max",
        about: "questions to one client that wait; then the asking call fails",
        field: Field::Count(|s| &mut s.serve.sessions.limits.session_questions_max),
        least: 1,
    },
    LimitRow {
        name: "watched_resources_max",
        about: "resources that one client watches; then an error",
        field: Field::Count(|s| &mut s.serve.sessions.limits.watched_resources_max),
        least: 1,
    },
    LimitRow {
        name: "watched_bytes_max",
        about: "bytes of the addresses of those; then an error",
        field: Field::Bytes(|s| &mut s.serve.sessions.limits.watched_bytes_max),
        least: 1024,
    },
    LimitRow {
        name: "replay_events_max",
        about: "events that one stream keeps for resumption, more on one that tells of changes; \
                then the oldest go",
        field: Field::Count(|s| &mut s.serve.sessions.limits.replay_events_max),
        least: 2,
    },
    LimitRow {
        name: "replay_bytes_max",
        about: "bytes that one session keeps for resumption; then the oldest go",
        field: Field::Bytes(|s| &mut s.serve.sessions.limits.replay_bytes_max),
        least: 1024,
    },
    LimitRow {
        name: "replay_life",
        about: "time that a stream without a connection is kept",
        field: Field::Duration(|s| &mut s.serve.sessions.limits.replay_life),
        least: 0,
    },
    LimitRow {
        name: "priming_delay",
        about: "wait until an answer becomes a stream that can be resumed",
        field: Field::Duration(|s| &mut s.serve.sessions.limits.priming_delay),
        least: 0,
    },
    LimitRow {
        name: "retry_delay",
        about: "time that a client is told to wait before it resumes",
        field: Field::Duration(|s| &mut s.serve.sessions.limits.retry_delay),
        least: 0,
    },
    LimitRow {
        name: "subscriptions_max",
        about: "subscriptions/listen streams at once on a core; then 503",
        field: Field::Count(|s| &mut s.serve.sessions.limits.subscriptions_max),
        least: 1,
    },
    LimitRow {
        name: "page_entries_max",
        about: "entries on one page of a list",
        field: Field::Count(|s| &mut s.lists.page_entries_max),
        least: 1,
    },
    LimitRow {
        name: "blocking_threads_max",
        about: "threads for tools that block",
        field: Field::Count(|s| &mut s.runtime.blocking_threads_max),
        least: 0,
    },
    LimitRow {
        name: "blocking_queue_max",
        about: "blocking calls that wait for a thread; then an error",
        field: Field::Count(|s| &mut s.runtime.blocking_queue_max),
        least: 0,
    },
    LimitRow {
        name: "tasks_max",
        about: "tasks at once, ended ones that can still be read included; then none begins",
        field: Field::Count(|s| &mut s.serve.tasks.tasks_max),
        least: 0,
    },
    LimitRow {
        name: "tasks_per_owner_max",
        about: "tasks of one principal or address; then none begins",
        field: Field::Count(|s| &mut s.serve.tasks.tasks_per_owner_max),
        least: 0,
    },
    LimitRow {
        name: "task_life",
        about: "time in which a task may run and can be read; then failed",
        field: Field::Duration(|s| &mut s.serve.tasks.task_life),
        least: 1,
    },
    LimitRow {
        name: "task_poll_interval",
        about: "wait between two looks at a task that clients are told",
        field: Field::Duration(|s| &mut s.serve.tasks.task_poll_interval),
        least: 1,
    },
    LimitRow {
        name: "task_result_bytes_max",
        about: "the result of a task; then failed",
        field: Field::Bytes(|s| &mut s.serve.tasks.task_result_bytes_max),
        least: 1,
    },
    LimitRow {
        name: "task_questions_max",
        about: "questions of one task that wait; then asking fails",
        field: Field::Count(|s| &mut s.serve.tasks.task_questions_max),
        least: 0,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads_what_it_wrote_and_holds_its_least() {
        for row in TABLE {
            let mut settings = Settings::default();
            let raised = match row.get(&settings) {
                LimitValue::Duration(value) => LimitValue::Duration(value * 2),
                LimitValue::Bytes(value) => LimitValue::Bytes(value * 2 + 1),
                LimitValue::Count(value) => LimitValue::Count(value * 2 + 1),
            };
            assert_eq!(row.set(&mut settings, raised), Ok(()), "{}", row.name);
            assert_eq!(row.get(&settings), raised, "{}", row.name);
            if row.least > 0 {
                let zero = match row.kind() {
                    LimitKind::Duration => LimitValue::Duration(Duration::ZERO),
                    LimitKind::Bytes => LimitValue::Bytes(0),
                    LimitKind::Count => LimitValue::Count(0),
                };
                assert!(row.set(&mut settings, zero).is_err(), "{}", row.name);
                assert_eq!(row.get(&settings), raised, "{}", row.name);
            }
        }
    }

    #[test]
    fn names_are_unique() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|other| other.name != row.name), "{}", row.name);
        }
    }
}
