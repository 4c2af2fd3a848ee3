//! A child process: started, read from, signalled, and never left behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// No test takes this long unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Runs the program to its end, with nothing on standard input.
pub(crate) fn run(words: &[&str]) -> Output {
    run_with_input(words, "")
}

/// Runs the program to its end with this input.
pub(crate) fn run_with_input(words: &[&str], input: &str) -> Output {
    let mut guard = Guard(command(words).stdin(Stdio::piped()).spawn().expect("the program"));
    let mut stdin = guard.0.stdin.take().expect("a pipe");
    // A program that does not read its input is fine.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut errors = guard.0.stderr.take().expect("a pipe");
    guard.0.stdout.take().expect("a pipe").read_to_end(&mut stdout).expect("its output");
    errors.read_to_end(&mut stderr).expect("its errors");
    Output { status: guard.0.wait().expect("its end"), stdout, stderr }
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ringlane"));
    command.args(words).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Text that a child printed.
pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// A process that is killed when its test ends before it does.
#[derive(Debug)]
struct Guard(Child);

impl Drop for Guard {
    fn drop(&mut self) {
        // After `wait` these do nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running program, whose output is read line by line.
#[derive(Debug)]
pub(crate) struct Running {
    guard: Guard,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Starts the program.
    pub(crate) fn start(words: &[&str]) -> Self {
        Self::of(command(words).stdin(Stdio::null()))
    }

    /// Starts what the command says.
    pub(crate) fn of(command: &mut Command) -> Self {
        let mut guard = Guard(command.spawn().expect("the program"));
        let output = BufReader::new(guard.0.stdout.take().expect("a pipe"));
        Self { guard, output }
    }

    /// The next line of its output; panics at the end.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        let length_bytes = self.output.read_line(&mut line).expect("a line");
        assert!(length_bytes > 0, "it ended early: {}", self.errors());
        line.trim_end().to_owned()
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.guard.0.id()
    }

    /// Its standard input, where the command left a pipe.
    pub(crate) fn take_input(&mut self) -> ChildStdin {
        self.guard.0.stdin.take().expect("a pipe")
    }

    /// Waits for its end, while others may still write to its output.
    pub(crate) fn wait(&mut self) -> Option<i32> {
        self.guard.0.wait().expect("its end").code()
    }

    /// Signals it.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).expect("a process id");
        kill_process(Pid::from_raw(id).expect("a process id"), signal).expect("a living process");
    }

    /// Waits for its end: its exit code, the rest of its output, and its errors.
    pub(crate) fn end(mut self) -> (Option<i32>, String, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).expect("its output");
        let errors = self.errors();
        (self.guard.0.wait().expect("its end").code(), rest, errors)
    }

    /// Closes its output unread and waits for its end: its exit code and its errors.
    pub(crate) fn end_unread(self) -> (Option<i32>, String) {
        let Self { mut guard, output } = self;
        drop(output);
        let mut errors = String::new();
        let mut stderr = guard.0.stderr.take().expect("a pipe");
        stderr.read_to_string(&mut errors).expect("its errors");
        (guard.0.wait().expect("its end").code(), errors)
    }

    /// The rest of its errors; waits for its end.
    fn errors(&mut self) -> String {
        let mut errors = String::new();
        self.guard.0.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("errors");
        errors
    }

    /// Its errors line by line.
    pub(crate) fn take_errors(&mut self) -> impl BufRead + use<> {
        BufReader::new(self.guard.0.stderr.take().expect("a pipe"))
    }
}

/// A server that listens.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) process: Running,
    /// What stands behind `serves`, of each address.
    pub(crate) urls: Vec<String>,
    /// All that it printed at the start.
    pub(crate) greeting: String,
}

impl Server {
    /// Starts the demo with these flags and reads its greeting.
    pub(crate) fn start(flags: &[&str]) -> Self {
        Self::of(Running::start(flags))
    }

    /// Reads the greeting of one that was started.
    pub(crate) fn of(mut process: Running) -> Self {
        let (mut urls, mut greeting) = (Vec::new(), String::new());
        loop {
            let line = process.line();
            urls.extend(line.split_once(" serves ").map(|(_, url)| url.to_owned()));
            greeting.push_str(&line);
            greeting.push('\n');
            if line.starts_with("Ctrl-C ends it") {
                return Self { process, urls, greeting };
            }
        }
    }

    /// Starts it on a free port of the loopback interface.
    pub(crate) fn on_loopback(flags: &[&str]) -> Self {
        Self::start(&[&["--listen", "127.0.0.1:0"], flags].concat())
    }

    /// Its first URL.
    pub(crate) fn url(&self) -> &str {
        &self.urls[0]
    }

    /// Host and port of its first URL.
    pub(crate) fn authority(&self) -> &str {
        let rest = self.url().strip_prefix("http://").expect("a URL");
        rest.split_once('/').expect("a path").0
    }

    /// The lines to paste.
    pub(crate) fn curl_lines(&self) -> Vec<&str> {
        self.greeting.lines().filter_map(|line| line.strip_prefix("  curl ")).collect()
    }

    /// Ends it and expects it to end well and silently.
    #[track_caller]
    pub(crate) fn end_well(self) {
        self.process.signal(Signal::TERM);
        let (code, rest, errors) = self.process.end();
        assert_eq!((code, rest.as_str(), errors.as_str()), (Some(0), "", ""));
    }
}

/// Sends a request on a connection of its own and reads what comes back to the end.
pub(crate) fn exchange(stream: impl Read + Write, host: &str, path: &str, body: &str) -> String {
    let mut stream = stream;
    send(&mut stream, host, path, body, "close");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Sends a request.
pub(crate) fn send(stream: &mut impl Write, host: &str, path: &str, body: &str, then: &str) {
    let length = body.len();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nConnection: {then}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).expect("sent");
}

/// A connection by TCP that does not wait for ever.
pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// A connection by a socket file that does not wait for ever.
pub(crate) fn connect_unix(path: &str) -> UnixStream {
    let stream = UnixStream::connect(path).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}
