//! SIGHUP: a new process takes the place of the old one, and no call is lost.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use crate::child::{Running, Server, connect, connect_unix, exchange, send};
use crate::manager::{ADD, Manager, add, is_sum};

/// Calls that each client makes on either side of a reload.
const CALLS: usize = 40;

/// The process that took over. It is no child of the tests: killed when a test ends before it does.
struct Successor(Pid);

impl Drop for Successor {
    fn drop(&mut self) {
        // It may have ended.
        let _ = kill_process(self.0, Signal::KILL);
    }
}

/// Reloads, as the service manager sees it.
#[track_caller]
fn reload(server: &Server, manager: &Manager) -> Successor {
    server.process.signal(Signal::HUP);
    let reloading = manager.hear_news();
    assert!(reloading.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{reloading}");
    let ready = manager.hear_news();
    let process = ready.strip_prefix("MAINPID=").and_then(|rest| rest.strip_suffix("\nREADY=1\n"));
    let process = process.unwrap_or(&ready).parse().expect("a process id");
    let successor = Successor(Pid::from_raw(process).expect("a process id"));
    // From here on the new process speaks.
    let told = manager.hear_news();
    assert!(told.starts_with("READY=1\nSTATUS=serves "), "{told}");
    assert_ne!(u32::try_from(process), Ok(server.process.id()));
    successor
}

/// Ends the successor, whose output is the old one's, and sees both end well.
#[track_caller]
fn end_both(mut server: Server, successor: &Successor) {
    assert_eq!(server.process.wait(), Some(0), "the old process");
    kill_process(successor.0, Signal::TERM).expect("the new process");
    let (_, rest, errors) = server.process.end();
    assert!(rest.contains("Ctrl-C ends it"), "the new process greets too: {rest}");
    assert_eq!(errors, "");
}

/// Calls on one connection as long as the server keeps it, then on the next; until `stop`.
fn call_on_kept_connections(address: &str, stop: &AtomicBool, calls: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        let mut reader = BufReader::new(connect(address));
        loop {
            send(reader.get_mut(), "localhost", "/mcp", ADD, "keep-alive");
            let closes = read_answer(&mut reader);
            calls.fetch_add(1, Ordering::Relaxed);
            if closes || stop.load(Ordering::Relaxed) {
                break;
            }
        }
    }
}

/// Calls on a connection for each call, until `stop`.
fn call_on_new_connections(address: &str, stop: &AtomicBool, calls: &AtomicUsize) {
    while !stop.load(Ordering::Relaxed) {
        is_sum(&exchange(connect(address), "localhost", "/mcp", ADD));
        calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// Reads one answer to its end; whether the connection ends with it.
fn read_answer(reader: &mut BufReader<TcpStream>) -> bool {
    let (mut head, mut body) = (String::new(), Vec::new());
    while !head.ends_with("\r\n\r\n") {
        let length = reader.read_line(&mut head).expect("an answer");
        assert!(length > 0, "a call was not answered: {head}");
    }
    let head = head.to_ascii_lowercase();
    let (_, length) = head.split_once("content-length: ").expect("a length");
    let length = length.lines().next().and_then(|length| length.parse().ok()).expect("a length");
    reader.take(length).read_to_end(&mut body).expect("a body");
    assert!(head.starts_with("http/1.1 200 "), "{head}");
    assert!(String::from_utf8_lossy(&body).contains(r#""text":"4""#), "{head}");
    head.contains("connection: close")
}

/// Clients that call without a pause, on new connections and on kept ones, across a reload.
#[track_caller]
fn no_call_is_lost(server: Server, manager: &Manager) {
    let address = server.authority().to_owned();
    let (stop, calls) = (AtomicBool::new(false), [(); 4].map(|()| AtomicUsize::new(0)));
    let successor = std::thread::scope(|scope| {
        let stops = Stops(&stop);
        let clients: Vec<_> = (0..calls.len())
            .map(|index| {
                let (address, stop, calls) = (&address, &stop, &calls[index]);
                scope.spawn(move || match index % 2 {
                    0 => call_on_kept_connections(address, stop, calls),
                    _ => call_on_new_connections(address, stop, calls),
                })
            })
            .collect();
        // Waits until each client has made more calls, and makes some itself.
        let more = || {
            let wanted = calls.each_ref().map(|calls| made(calls) + CALLS);
            let all_made =
                || calls.iter().zip(&wanted).all(|(calls, wanted)| made(calls) >= *wanted);
            while !all_made() {
                assert!(!clients.iter().any(|client| client.is_finished()), "a call was lost");
                is_sum(&add(&address));
            }
        };
        more();
        let successor = reload(&server, manager);
        more();
        drop(stops);
        for client in clients {
            client.join().expect("a client whose every call was answered");
        }
        successor
    });
    end_both(server, &successor);
    let stopping = manager.hear_news();
    assert!(stopping.starts_with("STOPPING=1\n"), "{stopping}");
}

fn made(calls: &AtomicUsize) -> usize {
    calls.load(Ordering::Relaxed)
}

/// Ends the clients, also when the test fails.
struct Stops<'s>(&'s AtomicBool);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn no_call_is_lost_on_sockets_of_its_own() {
    for driver in ["auto", "epoll"] {
        let manager = Manager::new();
        let words = ["--listen", "127.0.0.1:0", "--workers", "2", "--io", driver];
        let server = Server::of(Running::of(&mut manager.command(&words)));
        assert!(manager.hear_news().starts_with("READY=1\n"));
        no_call_is_lost(server, &manager);
    }
}

#[test]
fn no_call_is_lost_on_a_socket_that_the_manager_passed() {
    let manager = Manager::new();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let passed = vec![listener.try_clone().expect("a second one").into()];
    let server = Server::of(Running::of(&mut manager.activation(&["--workers", "2"], passed)));
    assert!(manager.hear_news().starts_with("READY=1\n"));
    no_call_is_lost(server, &manager);
}

#[test]
fn a_socket_file_goes_with_the_last_process() {
    let manager = Manager::new();
    let path = manager.path("a.sock");
    let listen = format!("unix:{path}");
    let server = Server::of(Running::of(&mut manager.command(&["--listen", &listen])));
    assert!(manager.hear_news().starts_with("READY=1\n"));
    let successor = reload(&server, &manager);
    is_sum(&exchange(connect_unix(&path), "localhost", "/mcp", ADD));
    end_both(server, &successor);
    assert!(!std::path::Path::new(&path).exists(), "the socket file is left behind");
}

#[test]
fn a_new_process_that_does_not_serve_changes_nothing() {
    let manager = Manager::new();
    let key = manager.path("key");
    std::fs::write(&key, [7; 32]).expect("a key");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, private).expect("private");
    let words = ["--listen", "127.0.0.1:0", "--state-key-file", &key];
    let mut server = Server::of(Running::of(&mut manager.command(&words)));
    assert!(manager.hear_news().starts_with("READY=1\n"));
    std::fs::remove_file(&key).expect("removed");
    let errors = BufReader::new(server.process.take_errors());
    let mut errors = errors.lines().map(|line| line.expect("a line"));
    // More than once, since a failed reload must not be the last one.
    for _ in 0..2 {
        server.process.signal(Signal::HUP);
        assert!(manager.hear_news().starts_with("RELOADING=1\n"));
        let told = manager.hear_news();
        let why = "reload failed: the new process ended before it served (exit status: 2)\n";
        assert!(told.starts_with("READY=1\nSTATUS=serves ") && told.ends_with(why), "{told}");
        let cause = errors.next().expect("the new process says why");
        assert!(cause.starts_with("error: --state-key-file: "), "{cause}");
        let warning = errors.next().expect("the old one says that it goes on");
        assert!(
            warning.starts_with("warning: reload failed, this process serves on: "),
            "{warning}"
        );
        is_sum(&add(server.authority()));
    }
    server.process.signal(Signal::TERM);
    assert_eq!(server.process.wait(), Some(0));
}

#[test]
fn a_signal_to_end_that_comes_during_a_reload_ends_both() {
    let manager = Manager::new();
    let words = ["--listen", "127.0.0.1:0", "--workers", "2"];
    let mut server = Server::of(Running::of(&mut manager.command(&words)));
    assert!(manager.hear_news().starts_with("READY=1\n"));
    // A call that runs keeps the old process until its end, and with it the line to the new one.
    let body = ADD.replace("add", "countdown").replace(r#""a":2,"b":2"#, r#""from":1"#);
    let mut caller = connect(server.authority());
    send(&mut caller, "localhost", "/mcp", &body, "close");
    let mut errors = BufReader::new(server.process.take_errors());
    server.process.signal(Signal::HUP);
    assert!(manager.hear_news().starts_with("RELOADING=1\n"));
    server.process.signal(Signal::TERM);
    let mut answer = String::new();
    caller.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("liftoff"), "{answer}");
    assert_eq!(server.process.wait(), Some(0), "the old process");
    // Whichever order came first decides which of the two is told to end; none is left.
    let told = manager.hear_news();
    if let Some(rest) = told.strip_prefix("MAINPID=") {
        let process = rest.lines().next().and_then(|id| id.parse().ok()).expect("a process id");
        kill_process(Pid::from_raw(process).expect("a process id"), Signal::TERM).expect("alive");
    } else {
        assert!(told.starts_with("STOPPING=1\n"), "{told}");
    }
    // The pipe ends when the last process that holds it has.
    let mut rest = String::new();
    errors.read_to_string(&mut rest).expect("errors");
    let orphaned = rest.contains("the process before ended before it handed over");
    assert!(rest.is_empty() || orphaned, "{rest}");
}
