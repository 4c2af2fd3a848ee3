//! The flags of `serve` and `check`: as typed in, checked `Settings` out, every fault at once.
//!
//! A flag goes over what the program itself set. A fault names the flag, what was written, the rule
//! and the fix. Not here: the flags themselves (`command`), the settings and their limits
//! (`config`).

mod key_file;

use std::fmt::{Display, Write as _};

use crate::cli::command::RawServe;
use crate::cli::near::nearest;
use crate::config::Settings;
use crate::config::limits::{self, LimitRow};
use crate::config::values::{LimitValue, parse_duration};

/// Puts the flags over the program's own settings. What is faulty is named in the list and keeps
/// its value, so that what stands beside it can be checked further.
#[must_use]
pub fn settle(raw: &RawServe, base: &Settings) -> (Settings, Vec<String>) {
    let mut settings = base.clone();
    let mut faults = Vec::new();
    let (serve, runtime) = (&mut settings.serve, &mut settings.runtime);
    let listen: Vec<_> =
        raw.listen.iter().filter_map(|text| noted(&mut faults, "--listen", text.parse())).collect();
    if !listen.is_empty() {
        runtime.listen = listen;
    }
    if let Some(path) = &raw.path {
        serve.path.clone_from(path);
    }
    if let Some(text) = &raw.workers {
        runtime.workers = noted(&mut faults, "--workers", parse_workers(text)).or(runtime.workers);
    }
    if let Some(text) = &raw.cpus {
        runtime.cpus = noted(&mut faults, "--cpus", text.parse());
    }
    if let Some(text) = &raw.io {
        runtime.io = noted(&mut faults, "--io", text.parse()).unwrap_or(runtime.io);
    }
    for text in &raw.allow_origin {
        noted(&mut faults, "--allow-origin", serve.origins.allow(text));
    }
    for text in &raw.allow_host {
        noted(&mut faults, "--allow-host", serve.hosts.allow(text));
    }
    if let Some(text) = &raw.sessions {
        serve.sessions.mode =
            noted(&mut faults, "--sessions", text.parse()).unwrap_or(serve.sessions.mode);
    }
    if let Some(path) = &raw.state_key_file {
        let key = noted(&mut faults, "--state-key-file", key_file::read(path));
        settings.state_key = key.unwrap_or(settings.state_key);
    }
    set_limits(raw, &mut settings, &mut faults);
    (settings, faults)
}

fn noted<T, E: Display>(faults: &mut Vec<String>, flag: &str, read: Result<T, E>) -> Option<T> {
    read.map_err(|fault| faults.push(format!("{flag}: {fault}"))).ok()
}

fn parse_workers(text: &str) -> Result<usize, String> {
    let fault = || format!("\"{text}\" is not a whole number from 1: leave it out for one per CPU");
    text.parse().ok().filter(|count| *count > 0).ok_or_else(fault)
}

fn set_limits(raw: &RawServe, settings: &mut Settings, faults: &mut Vec<String>) {
    let mut given: Vec<&str> = Vec::new();
    for text in &raw.limit {
        let set = parse_limit(text).and_then(|(row, value)| {
            if given.contains(&row.name) {
                return Err(format!("{} is given twice: give it once", row.name));
            }
            given.push(row.name);
            row.set(settings, value)
        });
        noted(faults, "--limit", set);
    }
    if let Some(text) = &raw.drain_timeout {
        if given.contains(&"drain_timeout") {
            faults.push("--drain-timeout: --limit sets drain_timeout too: give one".to_owned());
        }
        let timeout = noted(faults, "--drain-timeout", parse_duration(text));
        settings.serve.limits.drain_timeout =
            timeout.unwrap_or(settings.serve.limits.drain_timeout);
    }
}

fn parse_limit(text: &str) -> Result<(&'static LimitRow, LimitValue), String> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(format!("\"{text}\" is not NAME=VALUE, such as body_bytes_max=8MiB"));
    };
    let Some(row) = limits::row(name) else {
        let near = nearest(name, limits::TABLE.iter().map(|row| row.name));
        return Err(match near.first() {
            Some(near) => format!("there is no limit \"{name}\": did you mean {near}?"),
            None => format!("there is no limit \"{name}\": `check` lists them all"),
        });
    };
    let value = row.kind().parse(value).map_err(|error| format!("{name}: {error}"))?;
    Ok((row, value))
}

/// The settings for people to read: one a line, every limit with what it bounds.
#[must_use]
pub fn report(settings: &Settings) -> String {
    let (serve, runtime) = (&settings.serve, &settings.runtime);
    let mut text = String::new();
    let mut line = |name: &str, value: &dyn Display| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name:14}  {value}");
    };
    for address in &runtime.listen {
        line("listen", address);
    }
    line("path", &serve.path);
    match runtime.workers {
        Some(count) => line("workers", &count),
        None => line("workers", &"one per CPU"),
    }
    match &runtime.cpus {
        Some(cpus) => line("cpus", cpus),
        None => line("cpus", &"all allowed"),
    }
    line("io", &runtime.io);
    line("allow-origin", &serve.origins);
    line("allow-host", &serve.hosts);
    line("sessions", &serve.sessions.mode);
    let state_key = if settings.state_key.is_random() { "random at start" } else { "given" };
    line("state-key", &state_key);
    line("buffers max", &gibibytes(settings.memory_bytes_max()));
    for limit in limits_table(settings).lines() {
        let _ = writeln!(text, "limit {limit}");
    }
    text
}

/// The limits with their values, one a line.
#[must_use]
pub fn limits_table(settings: &Settings) -> String {
    let width = limits::TABLE.iter().map(|row| row.name.len()).max().unwrap_or_default();
    let mut text = String::new();
    for row in limits::TABLE {
        let shown = row.get(settings).to_string();
        let _ = writeln!(text, "{:width$}  {shown:>8}  {}", row.name, row.about);
    }
    text
}

/// `44.9 GiB`, rounded up.
#[must_use]
pub fn gibibytes(bytes: u64) -> String {
    const GIBIBYTE: u64 = 1 << 30;
    let tenths = bytes.div_ceil(GIBIBYTE / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests;
