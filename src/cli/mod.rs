//! Level 8: the command line, and the only place that prints.
//!
//! Reading order: `run` below, `command` (what can be typed), `settings` (flags into
//! settings), `program` (a server as a program), `serve`, `host`, `call`, `ls`, `read`, `prompt`,
//! `listen` and `bench` (the commands), `remote` (what commands that call a server share), `answer`
//! and `asking` (the questions of servers), `arguments`, `progress`, `render`, `indent`, `near`,
//! `examples` (their parts), `terminal` (the streams).
//! Exit codes: 0 done; 1 failed: the server, the tool, the way there, a question that nobody was
//! there to answer, or a machine that is not as it should be; 2 the command line is wrong. A reader
//! of the output that went away ends the program quietly with 0.

mod answer;
mod arguments;
mod asking;
mod bench;
mod call;
pub mod command;
mod examples;
mod host;
mod indent;
mod listen;
mod ls;
mod near;
mod program;
mod progress;
mod prompt;
mod read;
mod remote;
mod render;
mod serve;
pub mod settings;
pub mod terminal;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::ValueEnum as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::command::{Command, CommandLine};
use crate::cli::terminal::{Terminal, harmless};
use crate::client::request::ClientIdentity;
use crate::config::Settings;
use crate::rt::passed::Passed;

const COMMANDS: &str =
    "serve, check, call, ls, read, prompt, listen, bench, completions, man and help";

/// A program with this command line.
pub trait Application {
    /// The program's name, as typed.
    fn name(&self) -> &str;
    /// Its version.
    fn version(&self) -> &str;
    /// What it is, in one line.
    fn about(&self) -> &str;
    /// Its settings before any flag.
    fn settings(&self) -> &Settings;
    /// Checks settings whose flags are right each by itself: lines to add to the report of `check`.
    ///
    /// # Errors
    /// Every fault, each naming the setting, the rule and the fix.
    fn check(&self, settings: &Settings) -> Result<String, Vec<String>>;
    /// Serves until told to stop, on the sockets that were passed, if any were.
    ///
    /// # Errors
    /// Why it could not go on: what, where, and the fix.
    fn serve(
        self,
        settings: Settings,
        passed: Option<Passed>,
        terminal: &mut Terminal,
    ) -> Result<ExitCode, String>;
}

/// Runs the command line of this process.
#[must_use]
pub fn run(application: impl Application) -> ExitCode {
    run_with(application, std::env::args_os(), &mut Terminal::of_process())
}

/// Runs a command line; the first word is the program.
#[must_use]
pub fn run_with(
    application: impl Application,
    words: impl IntoIterator<Item = OsString>,
    terminal: &mut Terminal,
) -> ExitCode {
    let outcome = match command::parse(&application, words) {
        Ok(line) => dispatch(application, line, terminal),
        Err(error) => explain(&error, application.name(), terminal),
    };
    match outcome {
        Ok(code) => code,
        // A fault may repeat a server's words, and those may steer a terminal.
        Err(Failure::Usage(faults)) => {
            for fault in faults {
                terminal.tell(&harmless(&format!("error: {fault}")));
            }
            ExitCode::from(2)
        }
        Err(Failure::Failed { what, fix }) => {
            terminal.tell(&harmless(&format!("error: {what}")));
            if let Some(fix) = fix {
                terminal.tell(&harmless(&format!("  fix: {fix}")));
            }
            ExitCode::FAILURE
        }
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(Failure::Output(error)) => {
            terminal.tell(&format!("error: cannot write the output: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Why a command ends otherwise than well.
#[derive(Debug)]
enum Failure {
    /// The command line is wrong: every fault.
    Usage(Vec<String>),
    /// It was right, and did not work.
    Failed { what: String, fix: Option<String> },
    /// The output could not be written.
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

fn dispatch(
    application: impl Application,
    line: CommandLine,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let identity = || ClientIdentity {
        name: application.name().to_owned(),
        version: application.version().to_owned(),
    };
    match line.command {
        None => serve::serve(application, &line.serve, terminal),
        Some(Command::Serve(raw)) => serve::serve(application, &raw, terminal),
        Some(Command::Check(raw)) => serve::check(&application, &raw, terminal),
        Some(Command::Call(raw)) => call::call(&raw, identity(), terminal),
        Some(Command::Ls(raw)) => ls::ls(&raw, identity(), terminal),
        Some(Command::Read(raw)) => read::read(&raw, identity(), terminal),
        Some(Command::Prompt(raw)) => prompt::prompt(&raw, identity(), terminal),
        Some(Command::Listen(raw)) => listen::listen(&raw, identity(), terminal),
        Some(Command::Bench(raw)) => bench::bench(&raw, identity(), terminal),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            let mut command = command::command_of(&application);
            clap_complete::generate(shell, &mut command, application.name(), &mut script);
            terminal.print(&String::from_utf8_lossy(&script))?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man { command }) => manual(&application, command.as_deref(), terminal),
    }
}

fn manual(
    application: &impl Application,
    wanted: Option<&str>,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let mut program = command::command_of(application);
    program.build();
    let page = match wanted {
        None => program,
        Some(name) => match program.find_subcommand(name) {
            Some(command) => {
                let title = format!("{}-{name}", application.name());
                command.clone().name(title).version(application.version().to_owned())
            }
            None => {
                return Err(Failure::Usage(vec![format!(
                    "there is no command \"{name}\": the commands are {COMMANDS}"
                )]));
            }
        },
    };
    let mut roff = Vec::new();
    clap_mangen::Man::new(page).render(&mut roff)?;
    terminal.print(&String::from_utf8_lossy(&roff))?;
    Ok(ExitCode::SUCCESS)
}

/// Help and version are asked for; everything else is a wrong command line.
fn explain(
    error: &clap::Error,
    program: &str,
    terminal: &mut Terminal,
) -> Result<ExitCode, Failure> {
    let text = error.render();
    if error.use_stderr() {
        let coloured = terminal.errors_are_colourful();
        terminal.tell(&if coloured { text.ansi().to_string() } else { text.to_string() });
        if let Some(hint) = hint(error, program) {
            terminal.tell(&hint);
        }
        return Ok(ExitCode::from(2));
    }
    let coloured = terminal.output_is_colourful();
    terminal.print(&if coloured { text.ansi().to_string() } else { text.to_string() })?;
    Ok(ExitCode::SUCCESS)
}

/// What a wrong command line needs said beyond clap's words.
fn hint(error: &clap::Error, program: &str) -> Option<String> {
    let missing = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.as_slice(),
        _ => &[],
    };
    let lacks = |name: &str| missing.iter().any(|missing| missing == name);
    match error.kind() {
        ErrorKind::InvalidSubcommand => Some(format!("The commands are {COMMANDS}.")),
        ErrorKind::ArgumentConflict => {
            Some(format!("Write the command first, then its flags: {program} check --workers 2."))
        }
        ErrorKind::MissingRequiredArgument if lacks("<TOOL>") => {
            Some(format!("{program} ls URL lists the tools of a server."))
        }
        ErrorKind::MissingRequiredArgument if lacks("<URI>") => {
            Some(format!("{program} ls URL lists the resources of a server."))
        }
        ErrorKind::MissingRequiredArgument if lacks("<NAME>") => {
            Some(format!("{program} ls URL lists the prompts of a server."))
        }
        ErrorKind::MissingRequiredArgument if lacks("<SHELL>") => {
            let shells = clap_complete::Shell::value_variants().iter().map(ToString::to_string);
            Some(format!("The shells are {}.", shells.collect::<Vec<_>>().join(", ")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
