//! The program under a service manager, which the test plays: it passes sockets as systemd does,
//! and hears what the program tells it.

use std::fs::File;
use std::io::{BufRead as _, ErrorKind, Write as _};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use ringlane::cli::{run_with, terminal::Terminal};
use ringlane::{Cx, Server as McpServer};
use rustix::process::Signal;

use crate::child::{PATIENCE, Running, Server, connect, connect_unix, exchange, send};

pub(crate) const ADD: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","#,
    r#""params":{"name":"add","arguments":{"a":2,"b":2}}}"#
);
/// What a manager waits for a sign of life, long enough for a busy machine.
const WATCHDOG: Duration = Duration::from_millis(800);
/// Set for the program that `a_worker_that_does_not_turn_..` starts.
const BLOCKS: &str = "RINGLANE_TEST_BLOCKS";

/// A service manager with one service.
#[derive(Debug)]
pub(crate) struct Manager {
    folder: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Manager {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = UnixDatagram::bind(folder.path().join("notify")).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        Self { folder, socket }
    }

    /// A path of its own.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// The program with these words, told where the manager hears.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        self.told(Command::new(env!("CARGO_BIN_EXE_ringlane")), words)
    }

    fn told(&self, mut command: Command, words: &[&str]) -> Command {
        command.args(words).env("NOTIFY_SOCKET", self.path("notify"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// The same with sockets, for the very process: a shell knows its id, and becomes the program.
    pub(crate) fn activation(&self, words: &[&str], sockets: Vec<OwnedFd>) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", "LISTEN_PID=$$ exec \"$@\"", "sh", env!("CARGO_BIN_EXE_ringlane")]);
        let mut command = self.told(shell, words);
        command.env("LISTEN_FDS", sockets.len().to_string());
        let mappings = (3..).zip(sockets);
        let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd });
        command.fd_mappings(mappings.collect()).expect("each number once");
        command
    }

    /// The next message.
    pub(crate) fn hear(&self) -> String {
        self.hear_within().expect("a message in time")
    }

    /// The next message that is no sign of life.
    pub(crate) fn hear_news(&self) -> String {
        loop {
            let message = self.hear();
            if message != "WATCHDOG=1\n" {
                return message;
            }
        }
    }

    fn hear_within(&self) -> Option<String> {
        let mut buffer = [0; 4096];
        let heard = match self.socket.recv(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            heard => heard.expect("the socket"),
        };
        Some(String::from_utf8_lossy(&buffer[..heard]).into_owned())
    }
}

/// What the tool `add` answers.
#[track_caller]
pub(crate) fn is_sum(answer: &str) {
    let told = answer.starts_with("HTTP/1.1 200 ") && answer.contains(r#""text":"4""#);
    assert!(told, "{answer}");
}

/// Calls `add` by TCP on a connection of its own.
pub(crate) fn add(address: &str) -> String {
    exchange(connect(address), "localhost", "/mcp", ADD)
}

#[test]
fn passed_sockets_are_served_by_all_workers_and_stay_the_managers() {
    let manager = Manager::new();
    let (tcp, path) = (TcpListener::bind("127.0.0.1:0").expect("a port"), manager.path("a.sock"));
    let unix = UnixListener::bind(&path).expect("a socket");
    let address = tcp.local_addr().expect("an address").to_string();
    // Who connects before the program runs is answered all the same.
    let mut early = connect(&address);
    send(&mut early, "localhost", "/mcp", ADD, "close");
    let passed = vec![
        tcp.try_clone().expect("a second one").into(),
        unix.try_clone().expect("a second one").into(),
    ];
    let words = ["--workers", "2", "--drain-timeout", "7s"];
    let server = Server::of(Running::of(&mut manager.activation(&words, passed)));
    assert_eq!(server.urls, [format!("http://{address}/mcp"), format!("unix:{path}:/mcp")]);
    let ready = manager.hear();
    assert!(ready.starts_with(&format!("READY=1\nSTATUS=serves http://{address}/mcp")), "{ready}");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut early, &mut answer).expect("an answer");
    is_sum(&answer);
    for _ in 0..8 {
        is_sum(&add(&address));
        is_sum(&exchange(connect_unix(&path), "localhost", "/mcp", ADD));
    }
    server.end_well();
    let stopping = manager.hear();
    for part in ["STOPPING=1\n", "EXTEND_TIMEOUT_USEC=12000000\n", "STATUS=draining"] {
        assert!(stopping.contains(part), "{part} in {stopping}");
    }
    // The sockets listen on, for the next activation.
    drop((TcpStream::connect(&address).expect("heard"), connect_unix(&path)));
    tcp.accept().expect("a connection");
    unix.accept().expect("a connection");
}

#[test]
fn several_sockets_of_one_address_are_all_accepted_from() {
    let manager = Manager::new();
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let first = reusable(address);
    let address = first.local_addr().expect("an address");
    let sockets = vec![first.into(), reusable(address).into(), reusable(address).into()];
    let mut command = manager.activation(&["--workers", "2"], sockets);
    let server = Server::of(Running::of(&mut command));
    assert_eq!(server.urls.len(), 1, "{:?}", server.urls);
    // The kernel spreads connections over the three by their ports.
    for _ in 0..32 {
        is_sum(&add(&address.to_string()));
    }
    server.end_well();
}

/// A listening socket beside others of its address.
fn reusable(address: std::net::SocketAddr) -> TcpListener {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    sockopt::set_socket_reuseport(&socket, true).expect("shared");
    bind(&socket, &address).expect("bound");
    listen(&socket, 64).expect("heard");
    socket.into()
}

#[test]
fn what_cannot_be_accepted_from_is_refused_with_the_fix() {
    let manager = Manager::new();
    let listening = || OwnedFd::from(TcpListener::bind("127.0.0.1:0").expect("a port"));
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (stream, _peer) = std::os::unix::net::UnixStream::pair().expect("a pair");
    let table: Vec<(OwnedFd, &str)> = vec![
        (udp.into(), "descriptor 4 of LISTEN_FDS is no TCP or Unix stream socket"),
        (
            UnixDatagram::unbound().expect("a socket").into(),
            "let the socket unit say ListenStream=",
        ),
        (File::open("/dev/null").expect("a file").into(), "is no TCP or Unix stream socket"),
        (stream.into(), "descriptor 4 of LISTEN_FDS does not listen: let the socket unit say Ac"),
    ];
    for (wrong, part) in table {
        let ran = manager.activation(&[], vec![listening(), wrong]).output().expect("its end");
        let errors = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{errors}");
        assert!(errors.contains(part) && errors.lines().count() == 1, "{part} in {errors}");
    }
    let both = manager.activation(&["--listen", "127.0.0.1:0"], vec![listening()]).output();
    let both = both.expect("its end");
    let errors = String::from_utf8_lossy(&both.stderr);
    assert_eq!(both.status.code(), Some(2), "{errors}");
    assert!(errors.contains("leave --listen out, or disable the socket unit"), "{errors}");
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let manager = Manager::new();
    let mut command = manager.command(&["--listen", "127.0.0.1:0"]);
    command.env("LISTEN_FDS", "1").env("LISTEN_PID", "1");
    let server = Server::of(Running::of(&mut command));
    is_sum(&add(server.authority()));
    server.end_well();
}

#[test]
fn idle_workers_give_signs_of_life() {
    let manager = Manager::new();
    let mut command = manager.command(&["--listen", "127.0.0.1:0", "--workers", "2"]);
    command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    let server = Server::of(Running::of(&mut command));
    assert!(manager.hear().starts_with("READY=1\n"));
    for _ in 0..3 {
        assert_eq!(manager.hear(), "WATCHDOG=1\n");
    }
    server.end_well();
}

#[test]
fn a_worker_that_does_not_turn_ends_the_signs_of_life() {
    if std::env::var_os(BLOCKS).is_some() {
        return serve_a_tool_that_blocks();
    }
    let manager = Manager::new();
    let this = Command::new(std::env::current_exe().expect("the path of the tests"));
    let name = "manager::a_worker_that_does_not_turn_ends_the_signs_of_life";
    let mut command = manager.told(this, &["--exact", name, "--nocapture"]);
    command.stdin(Stdio::piped()).env(BLOCKS, "1");
    command.env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string());
    let mut server = Server::of(Running::of(&mut command));
    assert!(manager.hear().starts_with("READY=1\n"));
    assert_eq!(manager.hear(), "WATCHDOG=1\n");

    let mut caller = connect(server.authority());
    let block = ADD.replace("add", "block").replace(r#""a":2,"b":2"#, "");
    send(&mut caller, "localhost", "/mcp", &block, "close");
    assert_eq!(server.process.line(), "blocked");
    // A sign may be on its way, and one more deserved by what went before; then the manager hears
    // nothing for as long as it waits at most, and would end the process.
    manager.socket.set_read_timeout(Some(WATCHDOG)).expect("a timeout");
    let signs = std::iter::from_fn(|| manager.hear_within()).take(4).count();
    assert!(signs <= 2, "{signs} signs of life of a worker that does not turn");

    manager.socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    server.process.take_input().write_all(b"\n").expect("let go");
    assert_eq!(manager.hear(), "WATCHDOG=1\n", "it came back");
    let mut answer = String::new();
    std::io::BufReader::new(caller).read_line(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait(), Some(0));
}

/// Serves a tool that keeps its core until a line comes on standard input.
fn serve_a_tool_that_blocks() {
    let server =
        McpServer::new("blocked", "1.0.0").tool("block", "Blocks", async |_: Cx, (): ()| {
            std::io::stdout().write_all(b"blocked\n")?;
            let mut line = String::new();
            std::io::stdin().read_line(&mut line)?;
            Ok("free")
        });
    let words = ["blocked", "--listen", "127.0.0.1:0", "--workers", "2"].map(Into::into);
    assert_eq!(
        run_with(server, words, &mut Terminal::of_process()),
        std::process::ExitCode::SUCCESS
    );
}
