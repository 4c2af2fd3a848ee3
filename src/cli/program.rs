//! A server as a program: what `serve` prints before it serves, and how it ends.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::cli::Application;
use crate::cli::terminal::Terminal;
use crate::config::Settings;
use crate::rt::address::ListenAddress;
use crate::rt::server::Running;
use crate::server::Server;

/// A tool that the line to paste calls, and its arguments as JSON.
type Sample = (String, String);

impl Application for Server {
    fn name(&self) -> &str {
        self.identity().0
    }

    fn version(&self) -> &str {
        self.identity().1
    }

    fn about(&self) -> &str {
        self.summary()
    }

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn check(&self, settings: &Settings) -> Result<String, Vec<String>> {
        let mut faults = self.registry_faults();
        faults.extend(settings.check().err().unwrap_or_default());
        if faults.is_empty() {
            return Ok(format!("{:14}  {}\n", "tools", self.tool_count()));
        }
        Err(faults)
    }

    fn serve(mut self, settings: Settings, terminal: &mut Terminal) -> Result<ExitCode, String> {
        let sample = self.sample_call();
        let (name, version) = self.identity();
        let title = format!("{name} {version}");
        self.settings = settings.clone();
        let running = self.start().map_err(|error| error.to_string())?;
        let signals = running.drain_on_signals().map_err(|error| error.to_string())?;
        let greeting = greeting(&title, &running, &settings, sample);
        // A server whose greeting nobody reads serves all the same.
        let _ = terminal.print(&greeting);
        for worker in running.unpinned() {
            terminal.tell(&format!("warning: worker {worker} could not be pinned to its CPU"));
        }
        running.wait();
        drop(signals);
        Ok(ExitCode::SUCCESS)
    }
}

/// What a person and a script want to know at the start: where, on which cores, by which driver,
/// and a line to paste.
fn greeting(title: &str, running: &Running, settings: &Settings, sample: Option<Sample>) -> String {
    let path = &settings.serve.path;
    let mut text = String::new();
    let mut line = |words: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{words}");
    };
    for address in running.addresses() {
        line(format_args!("{title} serves {}", url(address, path)));
    }
    line(format_args!(
        "  {}, {}, at most {} connections with {} of buffers",
        workers(running.cpus()),
        running.driver(),
        running.connections_max(),
        gibibytes(settings.memory_bytes_max())
    ));
    if let (Some((tool, arguments)), Some(address)) = (sample, running.addresses().first()) {
        line(format_args!("\nTry it:\n  {}\n", curl(address, path, &tool, &arguments)));
        line(format_args!("Ctrl-C ends it; calls that run are answered first."));
    }
    text
}

fn url(address: &ListenAddress, path: &str) -> String {
    match address {
        ListenAddress::Tcp(address) => format!("http://{address}{path}"),
        ListenAddress::Localhost(port) => format!("http://localhost:{port}{path}"),
        ListenAddress::Unix(socket) => format!("unix:{} at {path}", socket.display()),
    }
}

/// `44.9 GiB`
fn gibibytes(bytes: u64) -> String {
    let tenths = bytes / ((1 << 30) / 10);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

/// `2 workers on CPUs 0 1`
fn workers(cpus: &[Option<usize>]) -> String {
    let count = cpus.len();
    let plural = if count == 1 { "worker" } else { "workers" };
    let pinned: Vec<_> = cpus.iter().flatten().map(usize::to_string).collect();
    if pinned.is_empty() {
        return format!("{count} {plural}, not pinned");
    }
    let named = if pinned.len() == 1 { "CPU" } else { "CPUs" };
    format!("{count} {plural} on {named} {}", pinned.join(" "))
}

/// A call of the sample tool that works when pasted.
fn curl(address: &ListenAddress, path: &str, tool: &str, arguments: &str) -> String {
    let target = match address {
        ListenAddress::Unix(socket) => {
            format!("--unix-socket {} http://localhost{path}", socket.display())
        }
        ListenAddress::Tcp(socket) if socket.ip().is_unspecified() => {
            format!("http://localhost:{}{path}", socket.port())
        }
        ListenAddress::Tcp(_) | ListenAddress::Localhost(_) => url(address, path),
    };
    format!(
        "curl -s {target} -H 'Content-Type: application/json' -d \
         '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\
         \"params\":{{\"name\":\"{tool}\",\"arguments\":{arguments}}}}}'"
    )
}
