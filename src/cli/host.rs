//! `check --host`: the machine held against a profile, told for people, scripts, or tuning/apply.
//!
//! In: `RawHost`. Out: a report; 0 when nothing is left to do, 1 when something should be changed
//! or could not be read. Beside the files a ring is tried, on this machine alone: sandboxes forbid
//! rings without any file saying so.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::cli::Failure;
use crate::cli::command::RawHost;
use crate::cli::near::nearest;
use crate::cli::terminal::Terminal;
use crate::host;
use crate::host::finding::{Change, Finding, How, Standing};
use crate::host::machine::Machine;
use crate::host::tuning::{Profile, Tuning};
use crate::rt::driver::{Driver, IoChoice};

/// The machine that this program runs on.
const THIS_MACHINE: &str = "/";

/// Holds the machine against the profile.
pub(super) fn check(raw: &RawHost, terminal: &mut Terminal) -> Result<ExitCode, Failure> {
    let tuning = Tuning::built_in()
        .map_err(|what| Failure::Failed { what: format!("tuning/settings: {what}"), fix: None })?;
    let profile = profile(&tuning, &raw.profile)?;
    let machine = machine(&raw.root)?;
    known(&tuning, &raw.skip)?;
    let mut findings = host::examine(&tuning, &profile.name, &machine);
    findings.retain(|finding| !raw.skip.contains(&finding.setting.name));
    if raw.writes {
        terminal.print(&writes(&findings))?;
        return Ok(ExitCode::SUCCESS);
    }
    let ring = (raw.root == THIS_MACHINE).then(|| Driver::decide(IoChoice::IoUring));
    let ring =
        ring.map(|tried| tried.map(|driver| driver.to_string()).map_err(|why| why.to_string()));
    let text = match raw.json {
        true => json(profile, &findings, ring.as_ref()),
        false => report(profile, &findings, ring.as_ref()),
    };
    terminal.print(&text)?;
    let is_open = findings.iter().any(Finding::is_open) || matches!(ring, Some(Err(_)));
    Ok(if is_open { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn profile<'t>(tuning: &'t Tuning, name: &str) -> Result<&'t Profile, Failure> {
    tuning.profiles.iter().find(|profile| profile.name == name).ok_or_else(|| {
        let names: Vec<_> = tuning.profiles.iter().map(|profile| profile.name.as_str()).collect();
        unknown("--profile", "profile", name, &names)
    })
}

/// A misspelt name would leave alone nothing.
fn known(tuning: &Tuning, skipped: &[String]) -> Result<(), Failure> {
    let names: Vec<_> = tuning.settings.iter().map(|setting| setting.name.as_str()).collect();
    match skipped.iter().find(|name| !names.contains(&name.as_str())) {
        Some(name) => Err(unknown("--skip", "setting", name, &names)),
        None => Ok(()),
    }
}

fn unknown(flag: &str, kind: &str, name: &str, names: &[&str]) -> Failure {
    let fix = match nearest(name, names.iter().copied()).first() {
        Some(near) => format!("did you mean {near}?"),
        None => format!("the {kind}s are {}", names.join(", ")),
    };
    Failure::Usage(vec![format!("{flag}: there is no {kind} \"{name}\": {fix}")])
}

/// A folder without the kernel's files would have nothing to change.
fn machine(root: &str) -> Result<Machine, Failure> {
    if ["proc", "sys"].iter().all(|name| Path::new(root).join(name).is_dir()) {
        return Ok(Machine::at(root));
    }
    let fix = "name the folder that holds both";
    Err(Failure::Usage(vec![format!("--root: there is no proc and sys in \"{root}\": {fix}")]))
}

type Ring = Result<String, String>;

fn report(profile: &Profile, findings: &[Finding<'_>], ring: Option<&Ring>) -> String {
    let mut text = format!("profile {}: {}\n\n", profile.name, profile.about);
    let mut line = |word: &str, name: &str, rest: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{word:7} {name:20} {rest}");
    };
    match ring {
        Some(Ok(driver)) => line("right", "ring", driver),
        Some(Err(why)) => line("change", "ring", why),
        None => {}
    }
    for finding in findings {
        let name = finding.setting.name.as_str();
        match finding.standing() {
            Standing::Right => line("right", name, ""),
            Standing::Absent => line("absent", name, &format!("no {}", finding.setting.reads)),
            Standing::Change | Standing::Unread | Standing::Note => {}
        }
        if let Some(change) = finding.changes.first() {
            line("change", name, &told(change, finding.changes.len()));
            line("", "", &fix(finding, change));
        }
        for why in &finding.unread {
            line("unread", name, why);
        }
        if let Some(advice) = &finding.advice {
            line("note", name, advice);
            line("", "", &finding.setting.fix);
        }
    }
    text.push_str(&summary(profile, findings));
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n") + "\n"
}

/// `128, wanted 4096 or more: /proc/..`
fn told(change: &Change, count: usize) -> String {
    let Change { path, found, wanted, .. } = change;
    let more = if count > 1 { format!(" and {} more", count - 1) } else { String::new() };
    format!("{found}, wanted {wanted}: {path}{more}")
}

fn fix(finding: &Finding<'_>, change: &Change) -> String {
    let wanted = &change.wanted;
    match (change.how, change.path.strip_prefix("/proc/sys/")) {
        (How::ByHand, _) => finding.setting.fix.clone(),
        (_, Some(name)) => format!("sysctl -w {}={wanted}", name.replace('/', ".")),
        (_, None) => format!("echo {wanted} > {}", quoted(&change.path)),
    }
}

/// A path as a shell takes it: names of network devices may hold what a shell would run.
fn quoted(path: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-:@".contains(&byte);
    match path.bytes().all(is_plain) {
        true => Cow::Borrowed(path),
        false => Cow::Owned(format!("'{}'", path.replace('\'', r"'\''"))),
    }
}

fn summary(profile: &Profile, findings: &[Finding<'_>]) -> String {
    let count = |wanted| findings.iter().filter(|finding| finding.standing() == wanted).count();
    let (changes, unread) = (count(Standing::Change), count(Standing::Unread));
    let can_write = findings.iter().flat_map(|finding| &finding.changes);
    let mut text = format!("\n{changes} to change, {unread} that could not be read\n");
    if can_write.into_iter().any(|change| change.how != How::ByHand) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "tuning/apply {} writes what can be written", profile.name);
    }
    text
}

fn json(profile: &Profile, findings: &[Finding<'_>], ring: Option<&Ring>) -> String {
    let findings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let changes = finding.changes.iter().map(|change| {
                json!({
                    "path": change.path,
                    "found": change.found,
                    "wanted": change.wanted,
                    "fix": fix(finding, change),
                })
            });
            json!({
                "setting": finding.setting.name,
                "standing": finding.standing().word(),
                "changes": changes.collect::<Vec<_>>(),
                "unread": finding.unread,
                "note": finding.advice,
            })
        })
        .collect();
    let ring = ring.map(|ring| match ring {
        Ok(driver) => json!({"standing": "right", "driver": driver}),
        Err(why) => json!({"standing": "change", "why": why}),
    });
    format!("{:#}\n", json!({"profile": profile.name, "ring": ring, "findings": findings}))
}

/// What tuning/apply writes: how, where and what, with tabs between.
fn writes(findings: &[Finding<'_>]) -> String {
    let mut text = String::new();
    for change in findings.iter().flat_map(|finding| &finding.changes) {
        let how = match change.how {
            How::Value => "value",
            How::Choice => "choice",
            How::ByHand => continue,
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{how}\t{}\t{}", change.path, change.wanted);
    }
    text
}
