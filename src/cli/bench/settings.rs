//! The flags of `bench`, checked, every fault at once.

use std::fs::File;
use std::num::IntErrorKind;
use std::time::Duration;

use serde_json::Value;

use crate::cli::bench::raw::{RawBench, RawHeld};
use crate::cli::command::RawEra;
use crate::cli::terminal::read_bounded;
use crate::config::values::parse_duration;
use crate::load::Rate;
use crate::load::plan::{CONNECTIONS_MAX, Held, Load, PIPELINE_MAX, THREADS_MAX};

/// How long is measured where nothing is said.
const DURATION_DEFAULT: Duration = Duration::from_secs(10);
/// Bytes of a report to compare with.
const REPORT_BYTES_MAX: u64 = 1 << 20;
const PIDS_MAX: usize = 64;

/// What the flags say, without the server.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) load: Load,
    pub(super) connections: usize,
    pub(super) pipeline: usize,
    pub(super) threads: usize,
    pub(super) rate: Option<Rate>,
    pub(super) duration: Option<Duration>,
    pub(super) count: Option<u64>,
    pub(super) warmup: Duration,
    pub(super) timeout: Duration,
    pub(super) disconnect_percent: u8,
    pub(super) servers: Vec<u32>,
    pub(super) compare: Option<Value>,
    pub(super) threshold_percent: f64,
}

impl Settings {
    /// Reads the flags.
    ///
    /// # Errors
    /// Every fault: the flag, the rule, the fix.
    pub(super) fn read(raw: &RawBench) -> Result<Self, Vec<String>> {
        let mut faults = Faults(combinations(raw));
        let connections = faults.count("--connections", &raw.connections, CONNECTIONS_MAX);
        let threads = faults.count("--threads", &raw.threads, THREADS_MAX);
        let pipeline = faults.count("--pipeline", &raw.pipeline, PIPELINE_MAX);
        let duration = raw.duration.as_deref().map(|text| faults.time("--duration", text));
        let count = raw.requests.as_deref();
        let count = count.map(|text| faults.count("--requests", text, usize::MAX) as u64);
        let warmup = faults.duration("--warmup", &raw.warmup);
        let settings = Self {
            load: load_of(raw),
            connections,
            pipeline,
            threads: threads.min(connections),
            rate: raw.rate.as_deref().and_then(|text| faults.rate(text)),
            duration: duration.or_else(|| count.is_none().then_some(DURATION_DEFAULT)),
            count,
            // What is held is measured from its first connection.
            warmup: if raw.hold.is_some() { Duration::ZERO } else { warmup },
            timeout: faults.time("--timeout", &raw.timeout),
            disconnect_percent: faults.disconnect(raw.disconnect.as_deref()),
            servers: faults.servers(&raw.server_pid),
            compare: raw.compare.as_deref().and_then(|path| faults.report(path)),
            threshold_percent: faults.threshold(&raw.threshold),
        };
        if faults.0.is_empty() { Ok(settings) } else { Err(faults.0) }
    }
}

fn load_of(raw: &RawBench) -> Load {
    match (raw.stream, raw.churn, raw.hold) {
        (true, ..) => Load::Stream,
        (_, true, _) => Load::Churn,
        (.., Some(RawHeld::Calls)) => Load::Hold(Held::Calls),
        (.., Some(RawHeld::Connections)) => Load::Hold(Held::Connections),
        (.., Some(RawHeld::Streams)) => Load::Hold(Held::Streams),
        (.., None) => Load::Calls,
    }
}

/// Flags that do not go together, each right by itself.
fn combinations(raw: &RawBench) -> Vec<String> {
    let single = raw.pipeline == "1";
    let has_arguments = !raw.arguments.is_empty() || raw.args.is_some();
    let has_call = raw.tool.is_some() || raw.expect.is_some() || has_arguments;
    let table = [
        (
            raw.sessions && raw.era == RawEra::Modern,
            "--sessions: the modern era has none: leave it out, or give --era legacy",
        ),
        (
            raw.churn && raw.era == RawEra::Modern,
            "--churn: the modern era has no sessions: leave --era out",
        ),
        (
            raw.churn && has_call,
            "--churn: calls no tool: leave --tool, its arguments and --expect out",
        ),
        (
            raw.hold == Some(RawHeld::Streams) && has_call,
            "--hold streams: calls no tool: leave --tool, its arguments and --expect out",
        ),
        (raw.churn && !single, "--churn: one message waits for the other: leave --pipeline out"),
        (
            raw.disconnect.is_some() && !single,
            "--disconnect: cuts a connection: leave --pipeline out",
        ),
        (
            raw.hold.is_some() && (!single || raw.rate.is_some() || raw.requests.is_some()),
            "--hold: asks once on each connection: leave --rate, --requests and --pipeline out",
        ),
    ];
    let faults = table.iter().filter(|(wrong, _)| *wrong);
    faults.map(|(_, fault)| (*fault).to_owned()).collect()
}

/// The faults so far. What is wrong is read as something harmless.
struct Faults(Vec<String>);

impl Faults {
    fn count(&mut self, flag: &str, text: &str, most: usize) -> usize {
        match text.parse::<usize>() {
            Ok(count) if (1..=most).contains(&count) => return count,
            Ok(count) if count > most => {
                self.0.push(format!("{flag}: {count} is too many: give at most {most}"));
            }
            Err(error) if *error.kind() == IntErrorKind::PosOverflow => {
                self.0.push(format!("{flag}: {text} is too many: give at most {most}"));
            }
            _ => self.0.push(format!("{flag}: \"{text}\" is no count: write a number from 1")),
        }
        1
    }

    fn duration(&mut self, flag: &str, text: &str) -> Duration {
        parse_duration(text).unwrap_or_else(|error| {
            self.0.push(format!("{flag}: {error}"));
            Duration::ZERO
        })
    }

    /// A duration that is not zero.
    fn time(&mut self, flag: &str, text: &str) -> Duration {
        let faults = self.0.len();
        let duration = self.duration(flag, text);
        if duration.is_zero() && self.0.len() == faults {
            self.0.push(format!("{flag}: 0 leaves no time: write 10s"));
        }
        duration
    }

    fn rate(&mut self, text: &str) -> Option<Rate> {
        let rate = text.parse().ok().and_then(Rate::per_second);
        if rate.is_none() {
            let (least, most) = (Rate::MIN, Rate::MAX);
            self.0.push(format!(
                "--rate: \"{text}\" is no rate: write requests a second from {least} to {most}, \
                 or leave it out for as many as the server answers"
            ));
        }
        rate
    }

    fn disconnect(&mut self, text: Option<&str>) -> u8 {
        match text.map(str::parse) {
            None => 0,
            Some(Ok(percent @ 1..=99)) => percent,
            Some(_) => {
                let rule = "write a share from 1 to 99; the others must be answered";
                self.0.push(format!("--disconnect: {rule}"));
                0
            }
        }
    }

    fn servers(&mut self, texts: &[String]) -> Vec<u32> {
        if texts.len() > PIDS_MAX {
            self.0.push(format!("--server-pid: at most {PIDS_MAX} processes"));
        }
        let mut servers = Vec::new();
        for text in texts {
            match text.parse() {
                Ok(0) | Err(_) => {
                    self.0.push(format!("--server-pid: \"{text}\" is no number of a process"));
                }
                Ok(process) if servers.contains(&process) => {
                    self.0.push(format!("--server-pid: {process} is given twice: give it once"));
                }
                Ok(process) => servers.push(process),
            }
        }
        servers
    }

    fn report(&mut self, path: &str) -> Option<Value> {
        let text = File::open(path).and_then(|file| read_bounded(file, REPORT_BYTES_MAX));
        let fix = "give a file written by bench --json";
        match text.map(|text| serde_json::from_str::<Value>(&text)) {
            Ok(Ok(report)) if report.get("ringlane_bench").is_some() => return Some(report),
            Ok(_) => self.0.push(format!("--compare: {path} is no report: {fix}")),
            Err(error) => self.0.push(format!("--compare: cannot read {path}: {error}: {fix}")),
        }
        None
    }

    fn threshold(&mut self, text: &str) -> f64 {
        match text.parse::<f64>() {
            Ok(percent) if (0.0..=1000.0).contains(&percent) => percent,
            _ => {
                let rule = "write percent from 0 to 1000";
                self.0.push(format!("--threshold: \"{text}\" is no share: {rule}"));
                0.0
            }
        }
    }
}
