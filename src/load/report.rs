//! What came of a run, as JSON.
//!
//! Scripts rely on the names: members are added, none is renamed. Times are microseconds, memory is
//! bytes; what was not measured is `null`.
//! Not here: the table for people (`cli`).

use serde_json::{Map, Value, json};

use crate::client::era::Era;
use crate::load::plan::{Load, Plan};
use crate::load::server::{Memory, Spent};
use crate::load::tally::{Latencies, Tally};

/// Whoever is at work for a larger share of the time is the limit.
const BUSY: f64 = 0.9;

/// What was counted in a run.
#[derive(Debug)]
pub struct Outcome {
    pub(super) tally: Tally,
    pub(super) seconds: f64,
    /// Requests of that time that reached the server.
    pub(super) sent: u64,
    /// What the server spent; why that is not known; or nothing, since nobody asked.
    pub(super) server: Option<Result<ServerReport, String>>,
    pub(super) interrupted: bool,
    /// CPUs of this machine that the process may use.
    pub(super) cpus: usize,
}

/// What a server spent.
#[derive(Debug)]
pub(super) struct ServerReport {
    pub(super) processes: Vec<u32>,
    pub(super) spent: Spent,
    pub(super) before: Memory,
    pub(super) peak: Memory,
    pub(super) after: Memory,
}

impl Outcome {
    /// The whole report.
    #[must_use]
    pub fn to_json(&self, plan: &Plan) -> Value {
        let mut report = settings(plan);
        if let (Value::Object(all), Value::Object(found)) = (&mut report, self.found(plan)) {
            all.extend(found);
        }
        report
    }

    /// What was found out.
    fn found(&self, plan: &Plan) -> Value {
        let Tally { latency, first_event, event_gap, answered, failed, .. } = &self.tally;
        let faults = self.tally.faults.iter().map(|(kind, seen)| {
            json!({"kind": kind.name(), "about": kind.in_words(), "count": seen.count,
                "sample": seen.sample})
        });
        let server = self.server.as_ref().map(Result::as_ref);
        json!({
            "seconds": number(self.seconds),
            "interrupted": self.interrupted,
            "requests": answered,
            "failed": failed,
            "disconnected": self.tally.disconnected,
            "reconnected": self.tally.reconnected,
            "requests_per_second": number(ratio(float(*answered), self.seconds)),
            "latency_us": quantiles(latency).unwrap_or_else(|| json!({})),
            "first_event_us": quantiles(first_event),
            "event_gap_us": quantiles(event_gap),
            "client": self.client(plan),
            "server": server.and_then(|server| server.ok()).map(|it| self.server(it, plan)),
            "server_fault": server.and_then(|server| server.err()),
            "failures": faults.collect::<Vec<_>>(),
        })
    }

    fn client(&self, plan: &Plan) -> Value {
        let per_request = ratio(self.tally.cpu.as_secs_f64() * 1e6, float(self.sent));
        json!({"threads": plan.threads, "cpu_us_per_request": number(per_request),
            "busy": number(self.tally.busy),
            "waited_for_cpu": number(self.tally.waited), "limit": self.is_the_limit()})
    }

    /// Whether the load generator was the slower side: its threads had no time left, while the
    /// server, as far as is known, had some.
    fn is_the_limit(&self) -> bool {
        let server = self.server.as_ref().and_then(|server| server.as_ref().ok());
        let server_is_busy = server.is_some_and(|server| {
            let busiest = ratio(server.spent.busiest.as_secs_f64(), self.seconds);
            let all = ratio(server.spent.total.as_secs_f64(), self.seconds);
            let cpus = float(u64::try_from(self.cpus).unwrap_or(u64::MAX));
            busiest > BUSY || all > BUSY * cpus
        });
        self.tally.busy > BUSY && !server_is_busy
    }

    fn server(&self, server: &ServerReport, plan: &Plan) -> Value {
        let Spent { total, user, system, busiest } = server.spent;
        let each =
            |spent: std::time::Duration| number(ratio(spent.as_secs_f64() * 1e6, float(self.sent)));
        let connections = float(u64::try_from(plan.connections).unwrap_or(u64::MAX));
        let grown =
            |before: u64, after: u64| number(ratio(float(after) - float(before), connections));
        let (before, peak, after) = (server.before, server.peak, server.after);
        json!({
            "pids": server.processes,
            "cpu_us_per_request": each(total),
            "user_us_per_request": each(user),
            "system_us_per_request": each(system),
            "cpus_used": number(ratio(total.as_secs_f64(), self.seconds)),
            "busiest_thread": number(ratio(busiest.as_secs_f64(), self.seconds)),
            "memory": {
                "before_bytes": before.resident_bytes,
                "peak_bytes": peak.resident_bytes,
                "after_bytes": after.resident_bytes,
                "private_before_bytes": before.private_bytes,
                "private_peak_bytes": peak.private_bytes,
                "private_after_bytes": after.private_bytes,
                "bytes_per_connection": grown(before.resident_bytes, after.resident_bytes),
                "private_bytes_per_connection": grown(before.private_bytes, after.private_bytes),
            },
        })
    }
}

/// The part of a report that is known before the run: what is asked of whom, and how.
#[must_use]
pub fn settings(plan: &Plan) -> Value {
    let held = match plan.load {
        Load::Hold(held) => Some(held.name()),
        Load::Calls | Load::Stream | Load::Churn => None,
    };
    let call = (plan.load != Load::Churn).then_some(&plan.requests.call);
    json!({
        "ringlane_bench": 1,
        "version": env!("CARGO_PKG_VERSION"),
        "url": plan.requests.endpoint.to_string(),
        "address": plan.address.to_string(),
        "kind": plan.load.name(),
        "held": held,
        "tool": call.map(|call| &call.tool),
        "arguments_digest": call.map(|call| digest(&call.arguments)),
        "era": match plan.requests.era { Era::Modern => "modern", Era::Legacy => "legacy" },
        "revision": plan.requests.revision,
        "sessions": plan.sessions,
        "connections": plan.connections,
        "pipeline": plan.pipeline,
        "disconnect_percent": plan.disconnect_percent,
        "rate": plan.rate.map(|rate| number(rate.as_per_second())),
        "warmup_seconds": number(plan.warmup.as_secs_f64()),
    })
}

/// Tells arguments apart without showing them, since they may be secrets: the begin of the SHA-256
/// of their JSON.
fn digest(arguments: &Map<String, Value>) -> String {
    let text = json!(arguments).to_string();
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The usual quantiles; `None` where nothing was measured.
fn quantiles(latencies: &Latencies) -> Option<Value> {
    const NAMED: [(&str, f64); 5] =
        [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99_9", 0.999), ("p99_99", 0.9999)];
    let mut members = Map::new();
    for (name, quantile) in NAMED {
        members.insert(name.to_owned(), number(latencies.quantile_us(quantile)?));
    }
    members.insert("max".to_owned(), number(latencies.max_us()?));
    members.insert("mean".to_owned(), number(latencies.mean_us()?));
    members.insert("count".to_owned(), latencies.count().into());
    Some(Value::Object(members))
}

/// Three digits behind the point, which is a nanosecond.
fn number(value: f64) -> Value {
    Value::from((value * 1000.0).round() / 1000.0)
}

fn ratio(value: f64, by: f64) -> f64 {
    if by > 0.0 { value / by } else { 0.0 }
}

#[expect(clippy::cast_precision_loss, reason = "counts, for people and their ratios")]
fn float(count: u64) -> f64 {
    count as f64
}
