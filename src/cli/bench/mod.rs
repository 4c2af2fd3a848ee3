//! `bench`: load on a server, and what it took.
//!
//! Reading order: `raw` (the flags as typed), `settings` (checked), `target` (whom it asks, and
//! what), `bar` (how far it is), `table` (the report for people). What it does is `load`.
//! Exit status 1: an answer was wrong or missing, or the run is worse than the one before.

mod bar;
pub(super) mod raw;
mod settings;
mod table;
mod target;

use std::process::ExitCode;

use serde_json::Value;

use crate::cli::Failure;
use crate::cli::bench::bar::Bar;
use crate::cli::bench::raw::RawBench;
use crate::cli::bench::settings::Settings;
use crate::cli::bench::target::Target;
use crate::cli::call::Given;
use crate::cli::command::RawRemote;
use crate::cli::remote;
use crate::cli::terminal::{Terminal, harmless};
use crate::client::era::Era;
use crate::client::error::{ClientError, Failure as ClientFailure};
use crate::client::request::ClientIdentity;
use crate::load::Address;
use crate::load::compare::{check, compare, in_one_alone};
use crate::load::plan::{Held, Load, Plan};
use crate::load::report;
use crate::load::run::{RunError, run};

/// Makes load, and prints what came of it.
pub(super) fn bench(
    raw: &RawBench,
    identity: ClientIdentity,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let remote = RawRemote {
        url: raw.url.clone(),
        era: raw.era,
        header: raw.header.clone(),
        timeout: raw.timeout.clone(),
    };
    let options = remote::options(&remote, identity, terminal);
    let settings = Settings::read(raw);
    let given = Given::read(&raw.arguments, raw.args.as_deref(), terminal);
    let (mut options, settings, given) = match (options, settings, given) {
        (Ok(options), Ok(settings), Ok(given)) => (options, settings, given),
        (options, settings, given) => {
            let mut faults: Vec<_> = settings.err().into_iter().flatten().collect();
            let others = options.err().into_iter().chain(given.err()).flatten();
            // Both look at the timeout.
            let others: Vec<_> = others.filter(|fault| !fault.starts_with("--timeout")).collect();
            faults.extend(others);
            return Err(Failure::Usage(faults));
        }
    };
    options.waits = terminal.interruptible_waits().map_err(|error| Failure::Failed {
        what: format!("cannot watch for Ctrl-C: {error}"),
        fix: None,
    })?;
    let waits = options.waits.clone();
    let connect_timeout = options.connect_timeout;
    let target = target::find(raw, settings.load, options, given, terminal)?;
    let endpoint = &target.requests.endpoint;
    let address = Address::find(endpoint, connect_timeout).map_err(|error| {
        let failure = Box::new(ClientFailure::Connection(error));
        remote::failure(&ClientError { url: endpoint.to_string(), failure })
    })?;
    let url = endpoint.to_string();
    let plan = plan(raw, &settings, target, address);
    if let Some(before) = &settings.compare {
        check(before, &report::settings(&plan)).map_err(incomparable)?;
    }
    let bar = Bar::new(terminal);
    let outcome = run(&plan, &waits, &mut |glance| bar.show(glance));
    bar.end();
    let report = outcome.map_err(|error| not_run(&url, &error))?.to_json(&plan);
    print(raw, &settings, &report, terminal)
}

fn plan(raw: &RawBench, settings: &Settings, target: Target, address: Address) -> Plan {
    let Target { requests, text } = target;
    let streams = settings.load == Load::Hold(Held::Streams);
    let legacy = requests.era == Era::Legacy;
    Plan {
        address,
        text,
        load: settings.load,
        connections: settings.connections,
        pipeline: settings.pipeline,
        threads: settings.threads,
        // The stream of the legacy era is a session's.
        sessions: raw.sessions || (streams && legacy),
        rate: settings.rate,
        duration: settings.duration,
        count: settings.count,
        warmup: settings.warmup,
        timeout: settings.timeout,
        disconnect_percent: settings.disconnect_percent,
        servers: settings.servers.clone(),
        requests,
    }
}

fn not_run(url: &str, error: &RunError) -> Failure {
    Failure::Failed {
        what: harmless(&format!("{url}: {error}")).into_owned(),
        fix: error.fix().map(str::to_owned),
    }
}

fn incomparable(what: String) -> Failure {
    Failure::Failed { what: harmless(&format!("--compare: {what}")).into_owned(), fix: None }
}

/// Prints the report, and judges it.
fn print(
    raw: &RawBench,
    settings: &Settings,
    report: &Value,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    if raw.json {
        terminal.print(&report.to_string())?;
    } else {
        terminal.print(&harmless(&table::render(report)))?;
    }
    for warning in table::warnings(report) {
        terminal.tell(&harmless(&format!("warning: {warning}")));
    }
    let is_measured = report["requests"] != 0 && report["server_fault"].is_null();
    let mut is_well = report["failed"] == 0 && is_measured;
    if let Some(before) = &settings.compare {
        let threshold = settings.threshold_percent;
        let differences = compare(before, report, threshold).map_err(incomparable)?;
        for name in in_one_alone(before, report) {
            let why = "one report lacks it; give both runs --server-pid, and a server that answers";
            terminal.tell(&format!("warning: --compare: {name} is not compared: {why}"));
        }
        is_well &= differences.iter().all(|difference| !difference.is_worse);
        let told = table::differences(&differences, threshold);
        // Standard output is for one report.
        if raw.json { terminal.tell(&told) } else { terminal.print(&format!("\n{told}"))? }
    }
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
