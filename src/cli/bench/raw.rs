//! `bench` as typed, unchecked.

use clap::{Args, ValueEnum};

use crate::cli::command::RawEra;

const REACHING: &str = "Reaching the server";
const CALLING: &str = "What is asked";
const LOADING: &str = "How much, and how long";
const KINDS: &str = "Other kinds of load";
const REPORTING: &str = "Measuring and reporting";

/// `bench`.
#[derive(Clone, Debug, Args)]
pub struct RawBench {
    /// The server.
    #[arg(help = "The server: [http://]HOST[:PORT][/PATH] or unix:SOCKET[:/PATH]; the path is \
                  /mcp if left out")]
    pub url: String,
    /// Arguments of the tool: KEY=VALUE, KEY:=JSON, KEY=@FILE, or - to read all of them from stdin
    #[arg(value_name = "ARGUMENT")]
    pub arguments: Vec<String>,

    /// Tool to call [default: echo, if the server has it]
    #[arg(long, value_name = "NAME", help_heading = CALLING)]
    pub tool: Option<String>,
    /// All arguments as one JSON object, or @FILE, or - for stdin; KEY=VALUE goes over it
    #[arg(long, value_name = "JSON", help_heading = CALLING)]
    pub args: Option<String>,
    /// Text that every answer must hold; for a tool echo: what it was told, and nothing else
    #[arg(long, value_name = "TEXT", help_heading = CALLING)]
    pub expect: Option<String>,
    /// Give every request the id 1, for servers that answer with the same bytes whatever is asked
    ///
    /// The server is asked nothing beforehand: what it offers is not known then.
    #[arg(long, help_heading = CALLING)]
    pub fixed_id: bool,

    /// Connections, each of which has a request in flight
    #[arg(long, value_name = "N", default_value = "64", help_heading = LOADING)]
    pub connections: String,
    /// Requests in flight on each connection
    #[arg(long, value_name = "N", default_value = "1", help_heading = LOADING)]
    pub pipeline: String,
    /// Requests a second, evenly spaced [default: as many as the server answers]
    ///
    /// Latency then counts from the moment when a request was due, whether a connection was free or
    /// not: a server that stands still shows in every request that was due meanwhile. What is due
    /// while 100000 wait already, and what still waits at the end, has failed.
    #[arg(long, value_name = "R", help_heading = LOADING)]
    pub rate: Option<String>,
    /// How long to measure [default: 10s, without an end if --requests is given]
    #[arg(long, value_name = "DURATION", help_heading = LOADING)]
    pub duration: Option<String>,
    /// How many requests to measure [default: any number]
    #[arg(long, value_name = "N", help_heading = LOADING)]
    pub requests: Option<String>,
    /// How long to make load before it is measured; failures count all the same
    #[arg(long, value_name = "DURATION", default_value = "1s", help_heading = LOADING)]
    pub warmup: String,
    /// Threads that make the load, each with its share of the connections
    #[arg(long, value_name = "N", default_value = "1", help_heading = LOADING)]
    pub threads: String,

    /// Call with progress, on event streams: time to the first event, and between events
    #[arg(long, help_heading = KINDS, conflicts_with_all = ["churn", "hold"])]
    pub stream: bool,
    /// Open and end legacy sessions instead of calling: initialize, initialized, DELETE
    #[arg(long, help_heading = KINDS, conflicts_with_all = ["hold", "sessions"])]
    pub churn: bool,
    /// Cut off this share of the calls once they are sent, to see that the others are answered
    #[arg(long, value_name = "PERCENT", help_heading = KINDS)]
    #[arg(conflicts_with_all = ["churn", "hold"])]
    pub disconnect: Option<String>,
    /// Open everything and hold it, to see what memory it takes (with --server-pid)
    #[arg(long, value_enum, value_name = "WHAT", help_heading = KINDS)]
    pub hold: Option<RawHeld>,

    /// Era to speak: 2026-07-28 and later (modern) or the handshake of earlier ones (legacy)
    #[arg(long, value_enum, default_value_t = RawEra::Auto, help_heading = REACHING)]
    pub era: RawEra,
    /// Open a session on each connection, and end it in the end (legacy era)
    #[arg(long, help_heading = REACHING)]
    pub sessions: bool,
    /// Header field to send, such as 'Authorization: Bearer TOKEN'; may be repeated
    #[arg(long, value_name = "NAME: VALUE", help_heading = REACHING)]
    pub header: Vec<String>,
    /// How long the server may stay silent while an answer is due
    #[arg(long, value_name = "DURATION", default_value = "10s", help_heading = REACHING)]
    pub timeout: String,

    /// Process of the server, whose CPU time and memory are read from /proc; may be repeated
    #[arg(long, value_name = "PID", help_heading = REPORTING)]
    pub server_pid: Vec<String>,
    /// Print the report as one line of JSON
    #[arg(long, help_heading = REPORTING)]
    pub json: bool,
    /// Compare with the report of an earlier run with --json; ends with 1 if this one is worse
    #[arg(long, value_name = "FILE", help_heading = REPORTING)]
    pub compare: Option<String>,
    /// By how much a number may be worse in a comparison
    #[arg(long, value_name = "PERCENT", default_value = "10", help_heading = REPORTING)]
    pub threshold: String,
}

/// The word behind `--hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum RawHeld {
    /// A call that waits on each connection: give a --tool that takes longer than --duration
    Calls,
    /// Idle connections, each of which has made one call
    Connections,
    /// Idle event streams: subscriptions/listen, or GET in a legacy session
    Streams,
}
