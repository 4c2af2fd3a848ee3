//! `serve` and `check`: the same flags, checked the same way.

use std::process::ExitCode;

use crate::cli::command::RawServe;
use crate::cli::terminal::Terminal;
use crate::cli::{Application, Failure, settings};
use crate::config::Settings;

/// Checks the flags and serves.
pub(super) fn serve(
    application: impl Application,
    raw: &RawServe,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let (settings, _) = checked(&application, raw)?;
    application.serve(settings, terminal).map_err(|what| Failure::Failed { what, fix: None })
}

/// Checks the flags and tells the settings.
pub(super) fn check(
    application: &impl Application,
    raw: &RawServe,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let (settings, more) = checked(application, raw)?;
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
