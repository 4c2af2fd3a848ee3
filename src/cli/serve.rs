//! `serve` and `check`: the same flags, checked the same way.

use std::process::ExitCode;

use crate::cli::command::RawServe;
use crate::cli::settings;
use crate::cli::terminal::Terminal;
use crate::cli::{Application, Failure};

/// Checks the flags and serves.
pub(super) fn serve(application: &dyn Application, raw: &RawServe) -> Result<ExitCode, Failure> {
    let (args, faults) = settings::check(raw, application.limits());
    if !faults.is_empty() {
        return Err(Failure::Usage(faults));
    }
    application.check(&args).map_err(Failure::Usage)?;
    application.serve(&args).map_err(|what| Failure::Failed { what, fix: None })
}

/// Checks the flags and tells the settings, or every fault of the flags and of the application.
pub(super) fn check(
    application: &dyn Application,
    raw: &RawServe,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let (args, mut faults) = settings::check(raw, application.limits());
    match application.check(&args) {
        Ok(more) if faults.is_empty() => {
            terminal.print(&(args.report(application.limits()) + &more))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(_) => Err(Failure::Usage(faults)),
        Err(more) => {
            faults.extend(more);
            Err(Failure::Usage(faults))
        }
    }
}
