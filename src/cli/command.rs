//! The command line as typed: commands and flags, unchecked.
//!
//! Values stay text where a fault in one must not hide the faults in others (`settings` checks
//! them). Help texts name every default and unit; examples stand at the end.

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::cli::bench::raw::RawBench;
use crate::cli::settings::limits_table;
use crate::cli::{Application, examples};
use crate::config::Settings;
use crate::config::values::LimitValue;

const LISTENING: &str = "Where to listen";
const WORKING: &str = "Workers";
const CALLERS: &str = "Who may call";
const BOUNDS: &str = "Limits";
const MACHINE: &str = "The machine";
/// What clap's 100 columns leave beside the indentation of a long help.
const HELP_WIDTH: usize = 88;
const QUESTIONS: &str = "Questions of the server";
const REACHING: &str = "Reaching the server";

/// Everything that can be typed.
#[derive(Debug, Parser)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CommandLine {
    /// The command; none means `serve`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Flags of `serve`, when no command is named.
    #[command(flatten)]
    pub serve: RawServe,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve MCP over Streamable HTTP (what happens when no command is given)
    ///
    /// Under systemd it listens on the sockets that are passed (LISTEN_FDS), and then takes no
    /// --listen. SIGTERM and SIGINT drain: running calls are answered first. SIGHUP hands over to a
    /// new process on the same sockets, which reads program and files anew.
    Serve(RawServe),
    /// Check the flags of serve, print every setting and limit, and end
    ///
    /// Ends with 0 if these flags are right; else names every fault and ends with 2. Whether the
    /// addresses are free is seen by serve alone. With --host it looks at the machine instead, and
    /// ends with 1 if something should be changed there, or could not be read.
    Check(RawCheck),
    /// Call a tool of a server
    Call(RawCall),
    /// Show what a server is and what it has: tools, resources, prompts
    Ls(RawLs),
    /// Read a resource of a server
    Read(RawRead),
    /// Get a prompt of a server, filled in
    Prompt(RawPrompt),
    /// Print what a server tells of itself, until Ctrl-C
    ///
    /// A line for each notification: lists that changed, resources that were updated, log
    /// messages. A lost stream is opened again after a pause; servers of the legacy era are asked
    /// for what was missed. Ctrl-C ends the session and the program, with 0.
    Listen(RawListen),
    /// Measure a server: make load on it, check every answer, and tell what it took
    ///
    /// Calls a tool again and again on many connections, and reports latencies, throughput, CPU
    /// time and memory (with --server-pid). Every answer is checked: its HTTP status and framing,
    /// its id, its result. Ends with 1 if one was wrong or missing, or if the run is worse than the
    /// one that it is compared with. Ctrl-C ends it, and prints what was measured so far.
    // A number below zero is told what it should be, and not that it is no flag.
    #[command(allow_negative_numbers = true)]
    Bench(RawBench),
    /// Print the completion script of a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page in roff
    Man {
        /// The command whose page is wanted; the program's own page without it
        command: Option<String>,
    },
}

/// The flags of `serve` and `check`.
#[derive(Clone, Debug, Default, Args)]
pub struct RawServe {
    /// Address to listen on: IP:PORT, localhost:PORT or unix:/PATH; may be repeated
    #[arg(long, value_name = "ADDR", help_heading = LISTENING)]
    pub listen: Vec<String>,
    /// Path of the MCP endpoint
    #[arg(long, value_name = "PATH", help_heading = LISTENING)]
    pub path: Option<String>,
    /// Number of workers [default: one per CPU]
    #[arg(long, value_name = "N", help_heading = WORKING)]
    pub workers: Option<String>,
    /// CPUs to pin workers to, such as 0-3,8 [default: all that the process may use]
    #[arg(long, value_name = "LIST", help_heading = WORKING)]
    pub cpus: Option<String>,
    /// Driver: auto (io_uring, or epoll where the kernel refuses it), io_uring, epoll
    #[arg(long, value_name = "DRIVER", help_heading = WORKING)]
    pub io: Option<String>,
    /// Origins of web pages that may call.
    #[arg(
        long,
        value_name = "ORIGIN",
        help_heading = CALLERS,
        help = "Origin of a web page that may call: SCHEME://HOST[:PORT]; may be repeated \
                [default: pages of localhost, 127.0.0.1 and [::1]]"
    )]
    pub allow_origin: Vec<String>,
    /// Names to answer to.
    #[arg(
        long,
        value_name = "HOST",
        help_heading = CALLERS,
        help = "Name to answer to besides localhost, 127.0.0.1 and [::1], as clients write it: \
                HOST[:PORT], or * for any; may be repeated"
    )]
    pub allow_host: Vec<String>,
    /// Sessions for clients of the legacy era.
    #[arg(
        long,
        value_name = "MODE",
        help_heading = CALLERS,
        help = "Sessions for clients that begin with a handshake: optional (requests without one \
                are answered too), required, off [default: optional]"
    )]
    pub sessions: Option<String>,
    /// The key to what clients carry.
    #[arg(
        long,
        value_name = "PATH",
        help_heading = CALLERS,
        help = "File with the key to what clients carry for the server, shared by servers behind \
                one address: 32 bytes or 64 hexadecimal digits, readable by its owner alone \
                [default: a random key at each start]"
    )]
    pub state_key_file: Option<String>,
    /// Set a limit; durations as 500ms, 10s, 5m, sizes as 16KiB, 4MiB; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = BOUNDS)]
    pub limit: Vec<String>,
    /// How long running calls may go on after SIGTERM
    #[arg(long, value_name = "DURATION", help_heading = BOUNDS)]
    pub drain_timeout: Option<String>,
}

/// The flags of `check`.
#[derive(Clone, Debug, Args)]
pub struct RawCheck {
    /// The flags to check.
    #[command(flatten)]
    pub serve: RawServe,
    /// What to check of the machine.
    #[command(flatten)]
    pub host: RawHost,
}

/// What `check` looks at besides flags.
#[derive(Clone, Debug, Args)]
pub struct RawHost {
    /// Look at the machine: limits, kernel settings, devices; say what to change, and how
    #[arg(long, help_heading = MACHINE)]
    pub host: bool,
    /// What the machine is for: latency, throughput, many-idle, container
    #[arg(long, value_name = "NAME", default_value = "latency", requires = "host",
          help_heading = MACHINE)]
    pub profile: String,
    /// Print JSON
    #[arg(long, requires = "host", help_heading = MACHINE)]
    pub json: bool,
    /// Print what tuning/apply writes, and end with 0
    #[arg(long, requires = "host", conflicts_with = "json", help_heading = MACHINE)]
    pub writes: bool,
    /// Setting to leave alone; may be repeated
    #[arg(long, value_name = "NAME", requires = "host", help_heading = MACHINE)]
    pub skip: Vec<String>,
    /// Folder with the machine's /proc and /sys
    #[arg(long, value_name = "DIR", default_value = "/", requires = "host", help_heading = MACHINE)]
    pub root: String,
}

/// The flags of every command that calls a server.
#[derive(Clone, Debug, Args)]
pub struct RawRemote {
    /// The server.
    #[arg(help = "The server: [http://]HOST[:PORT][/PATH] or unix:SOCKET[:/PATH]; the path is \
                  /mcp if left out")]
    pub url: String,
    /// Era to speak: 2026-07-28 and later (modern) or the handshake of earlier ones (legacy)
    #[arg(long, value_enum, default_value_t = RawEra::Auto, help_heading = REACHING)]
    pub era: RawEra,
    /// Header field to send, such as 'Authorization: Bearer TOKEN'; may be repeated
    #[arg(long, value_name = "NAME: VALUE", help_heading = REACHING)]
    pub header: Vec<String>,
    /// How long the server may stay silent before the call is given up
    #[arg(long, value_name = "DURATION", default_value = "5m", help_heading = REACHING)]
    pub timeout: String,
}

/// The word behind `--era`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RawEra {
    /// Modern if the server speaks it, else legacy
    Auto,
    /// Modern or nothing
    Modern,
    /// Legacy, without asking
    Legacy,
}

/// How the questions of a server are answered that come up while it works.
#[derive(Clone, Debug, Default, Args)]
pub struct RawAnswers {
    /// Answer to a question of the server: KEY=VALUE, KEY:=JSON or KEY=@FILE; may be repeated
    ///
    /// Where KEY is asked for, VALUE is taken: text, a number, yes or no, the name or number of a
    /// choice, several with commas between them. What is not answered so is asked for on the
    /// terminal; without one the question is cancelled, and the exit status is 1. A page to visit
    /// and a message to write are asked for on a terminal alone.
    #[arg(long, value_name = "KEY=VALUE", help_heading = QUESTIONS)]
    pub answer: Vec<String>,
    /// Folder or file to tell the server of when it asks for roots; may be repeated
    #[arg(long, value_name = "PATH", help_heading = QUESTIONS)]
    pub root: Vec<String>,
}

/// `call`.
#[derive(Clone, Debug, Args)]
pub struct RawCall {
    /// Where, and how to get there.
    #[command(flatten)]
    pub remote: RawRemote,
    /// How its questions are answered.
    #[command(flatten)]
    pub answers: RawAnswers,
    /// The tool's name
    pub tool: String,
    /// Its arguments: KEY=VALUE, KEY:=JSON, KEY=@FILE, or - to read all of them from stdin
    ///
    /// A VALUE is text where the tool wants a string, else JSON. KEY:=JSON is JSON in any case,
    /// and KEY=@FILE takes the value from a file.
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
    /// All arguments as one JSON object, or @FILE, or - for stdin; KEY=VALUE goes over it
    #[arg(long, value_name = "JSON")]
    pub args: Option<String>,
    /// Print the result object as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// Tell progress on stderr also where it is no terminal
    #[arg(short, long)]
    pub verbose: bool,
}

/// `ls`.
#[derive(Clone, Debug, Args)]
pub struct RawLs {
    /// Where, and how to get there.
    #[command(flatten)]
    pub remote: RawRemote,
    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `read`.
#[derive(Clone, Debug, Args)]
pub struct RawRead {
    /// Where, and how to get there.
    #[command(flatten)]
    pub remote: RawRemote,
    /// How its questions are answered.
    #[command(flatten)]
    pub answers: RawAnswers,
    /// The resource's URI, as `ls` shows it
    pub uri: String,
    /// File to write it to, instead of stdout; it is overwritten
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<String>,
    /// Print the result object as one line of JSON
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
}

/// `prompt`.
#[derive(Clone, Debug, Args)]
pub struct RawPrompt {
    /// Where, and how to get there.
    #[command(flatten)]
    pub remote: RawRemote,
    /// How its questions are answered.
    #[command(flatten)]
    pub answers: RawAnswers,
    /// The prompt's name
    pub name: String,
    /// Its arguments, all text: ARG=VALUE or ARG=@FILE
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,
    /// Print the result object as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `listen`.
#[derive(Clone, Debug, Args)]
pub struct RawListen {
    /// Where, and how to get there.
    #[command(flatten)]
    pub remote: RawRemote,
    /// Resource whose updates are wanted too; may be repeated
    #[arg(long, value_name = "URI")]
    pub resource: Vec<String>,
    /// Print each notification as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// The command line of an application: named after it, with its own defaults in the help.
#[must_use]
pub fn command_of(application: &impl Application) -> clap::Command {
    let program = application.name();
    let of_serve = |command: clap::Command, shown: &[examples::Example]| {
        with_defaults(command, program, application.settings())
            .after_help(examples::told(program, shown))
    };
    of_serve(CommandLine::command(), examples::MAIN)
        .name(program.to_owned())
        .bin_name(program.to_owned())
        .version(application.version().to_owned())
        .about(application.about().to_owned())
        .mut_subcommand("serve", |serve| of_serve(serve, examples::SERVE))
        .mut_subcommand("check", |check| of_serve(check, examples::CHECK))
        .mut_subcommand("call", |call| call.after_help(examples::told(program, examples::CALL)))
        .mut_subcommand("ls", |ls| ls.after_help(examples::told(program, examples::LS)))
        .mut_subcommand("read", |read| read.after_help(examples::told(program, examples::READ)))
        .mut_subcommand("prompt", |prompt| {
            prompt.after_help(examples::told(program, examples::PROMPT))
        })
        .mut_subcommand("listen", |listen| {
            listen.after_help(examples::told(program, examples::LISTEN))
        })
        .mut_subcommand("bench", |bench| bench.after_help(examples::told(program, examples::BENCH)))
        .mut_subcommand("completions", |completions| {
            completions.after_help(examples::told(program, examples::COMPLETIONS))
        })
        .mut_subcommand("man", |man| man.after_help(examples::told(program, examples::MAN)))
}

/// Writes the application's own settings into the help of the flags that go over them.
/// Only `serve` itself tells all limits; the program's own help would drown in them.
fn with_defaults(command: clap::Command, program: &str, settings: &Settings) -> clap::Command {
    let listen: Vec<_> = settings.runtime.listen.iter().map(ToString::to_string).collect();
    let drain = LimitValue::Duration(settings.serve.limits.drain_timeout);
    let defaults = [
        ("listen", listen.join(" ")),
        ("path", settings.serve.path.clone()),
        ("io", settings.runtime.io.to_string()),
        ("drain_timeout", drain.to_string()),
    ];
    let list = match command.get_name() {
        "serve" => format!("The limits and their defaults:\n\n{}", hanging(settings)),
        _ => format!("`{program} serve --help` lists them with their defaults."),
    };
    let limits = format!(
        "Set a limit; may be repeated. Durations are written as 500ms, 10s, 5m or 1h, sizes as \
         16KiB, 4MiB or plain bytes. {list}"
    );
    command.mut_args(|arg| {
        if arg.get_id() == "limit" {
            return arg.long_help(limits.clone());
        }
        let Some((_, default)) = defaults.iter().find(|(flag, _)| arg.get_id() == flag) else {
            return arg;
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        arg.help(format!("{help} [default: {default}]"))
    })
}

/// The table of limits, what is too long for its column under the column's beginning.
fn hanging(settings: &Settings) -> String {
    let mut text = String::new();
    for row in limits_table(settings).lines() {
        // Blanks separate the columns; the words of the last one hold single blanks alone.
        let indent = row.rfind("  ").map_or(0, |at| at + 2);
        let mut width = 0;
        for (index, word) in row.split(' ').enumerate() {
            if width + 1 + word.len() > HELP_WIDTH {
                text.push('\n');
                text.push_str(&" ".repeat(indent));
                width = indent;
            } else if index > 0 {
                text.push(' ');
                width += 1;
            }
            text.push_str(word);
            width += word.len();
        }
        text.push('\n');
    }
    text
}

/// Reads a command line; the first word is the program.
///
/// # Errors
/// What clap says, help and version included.
pub fn parse(
    application: &impl Application,
    words: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<CommandLine, clap::Error> {
    let mut matches = command_of(application).try_get_matches_from(words)?;
    CommandLine::from_arg_matches_mut(&mut matches)
}
