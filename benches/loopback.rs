//! Requests to a server of its own over TCP on loopback, from a client that blocks: what a caller
//! on the same machine waits. Kernel, scheduler and both ends are in it.

#![expect(clippy::expect_used, reason = "a bench that cannot run says so and ends")]

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use ringlane::{ListenAddress, Running, Server};

use self::exchange::{COUNT, answers_count, header, initialize};
use self::requests::{ECHO, echo_of, legacy, modern};
use self::tools::tools;

#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/tools.rs"]
mod tools;

/// How long an answer may take before the bench fails.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The last bytes of the answer to `ECHO`, and of a stream.
const ECHO_END: &[u8] = br#""text":"hello"}]}}"#;
const STREAM_END: &[u8] = b"\r\n0\r\n\r\n";

fn main() {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3))
        .configure_from_args();
    let running = start();
    measure(&mut criterion, &running);
    criterion.final_summary();
    running.drain_handle().drain();
    running.wait();
}

fn start() -> Running {
    let mut server = Server::new("bench", "1").settings(|settings| {
        settings.runtime.listen = vec!["127.0.0.1:0".parse().expect("an address")];
        settings.runtime.workers = Some(1);
    });
    for tool in tools() {
        server = server.add(tool);
    }
    server.start().expect("a server that starts")
}

fn measure(criterion: &mut Criterion, running: &Running) {
    let mut session = Client::connect(running);
    let id = session.open_session();
    let mut group = criterion.benchmark_group("loopback");
    for (name, bytes, answers, end) in [
        ("legacy", legacy("tools/call", "", ECHO), 1, ECHO_END),
        ("session", legacy("tools/call", &id, ECHO), 1, ECHO_END),
        ("modern", modern("echo", ECHO), 1, b"}".as_slice()),
        ("pipelined", legacy("tools/call", "", ECHO).repeat(16), 16, ECHO_END),
        ("stream", legacy("tools/call", "", COUNT), 1, STREAM_END),
        ("argument", legacy("tools/call", "", &echo_of(16 * 1024)), 1, b"x\"}]}}".as_slice()),
    ] {
        let mut client = Client::connect(running);
        group.throughput(Throughput::Elements(answers as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| client.exchange(&bytes, answers, end));
        });
    }
    group.finish();
}

struct Client {
    socket: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    fn connect(running: &Running) -> Self {
        let address = running.addresses().first().expect("an address");
        let ListenAddress::Tcp(address) = address else { unreachable!("it listens on TCP") };
        let socket = TcpStream::connect(address).expect("a server that listens");
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(ANSWER_TIMEOUT)).expect("a socket");
        Self { socket, answer: Vec::with_capacity(64 * 1024) }
    }

    /// Sends these bytes, and reads until so many answers came and the last one ends so.
    fn exchange(&mut self, bytes: &[u8], answers: usize, end: &[u8]) {
        self.socket.write_all(bytes).expect("a server that reads");
        self.answer.clear();
        let mut piece = [0; 16 * 1024];
        while !self.answer.ends_with(end) || answers_count(&self.answer) < answers {
            let count = match self.socket.read(&mut piece) {
                // A read with a timeout is not taken up again after whatever woke the thread.
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                read => read.expect("an answer in time"),
            };
            assert!(count > 0, "closed after {}", String::from_utf8_lossy(&self.answer));
            self.answer.extend_from_slice(&piece[..count]);
        }
    }

    fn open_session(&mut self) -> String {
        self.exchange(&initialize(), 1, b"}");
        let answer = String::from_utf8_lossy(&self.answer).into_owned();
        header(&answer, "Mcp-Session-Id").expect("a session").to_owned()
    }
}
