//! `serve` and `check`: the same flags, checked the same way.

use std::process::ExitCode;

use crate::cli::command::{RawCheck, RawServe};
use crate::cli::terminal::Terminal;
use crate::cli::{Application, Failure, host, settings};
use crate::config::Settings;
use crate::rt::passed::Passed;

/// Checks the flags and serves.
pub(super) fn serve(
    application: impl Application,
    raw: &RawServe,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let (settings, _) = checked(&application, raw)?;
    let failed = |what| Failure::Failed { what, fix: None };
    // Nothing of this process has a thread yet.
    let passed = Passed::take().map_err(|error| failed(error.to_string()))?;
    if passed.as_ref().is_some_and(|passed| !passed.is_handover()) && !raw.listen.is_empty() {
        return Err(Failure::Usage(vec![
            "--listen: the service manager passes sockets too (LISTEN_FDS): leave --listen out, or \
             disable the socket unit"
                .to_owned(),
        ]));
    }
    application.serve(settings, passed, terminal).map_err(failed)
}

/// Checks the flags and tells the settings, or how the machine stands.
pub(super) fn check(
    application: &impl Application,
    raw: &RawCheck,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let (settings, more) = checked(application, &raw.serve)?;
    if raw.host.host {
        return host::check(&raw.host, terminal);
    }
    terminal.print(&(settings::report(&settings) + &more))?;
    Ok(ExitCode::SUCCESS)
}

/// The settings, and what the application adds to their report; or every fault of both.
fn checked(application: &impl Application, raw: &RawServe) -> Result<(Settings, String), Failure> {
    let (settings, mut faults) = settings::settle(raw, application.settings());
    match application.check(&settings) {
        Ok(more) if faults.is_empty() => Ok((settings, more)),
        Ok(_) => Err(Failure::Usage(faults)),
        Err(more) => {
            faults.extend(more);
            Err(Failure::Usage(faults))
        }
    }
}
