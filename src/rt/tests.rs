//! The runtime as a whole: an echo server on both drivers, over TCP and Unix sockets.
//!
//! Each connection is greeted with the index of its worker, then echoed. Ports are always 0, waits
//! are reads and channels, never sleeps. What concerns the whole process, signals and descriptors,
//! runs in a child process: this very test program, told by `CHILD` what to be.

use std::cell::Cell;
use std::future::Future;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::mailbox::mailbox;
use crate::rt::acceptor::Accepted;
use crate::rt::address::ListenAddress;
use crate::rt::arrivals::Arrival;
use crate::rt::driver::{Driver, IoChoice};
use crate::rt::server::{Running, serve};
use crate::rt::settings::RtSettings;
use crate::rt::socket::Socket;
use crate::rt::worker::WorkerSeat;
use crate::serve::transport::Transport;

const CHILD: &str = "RINGLANE_TEST_CHILD";
pub(super) const DRIVERS: [IoChoice; 2] = [IoChoice::Auto, IoChoice::Epoll];

pub(super) fn settings(io: IoChoice, listen: &[&str], workers: usize) -> RtSettings {
    let listen = listen.iter().map(|address| address.parse().unwrap()).collect();
    RtSettings { io, listen, workers: Some(workers), ..RtSettings::default() }
}

pub(super) fn tcp_address(running: &Running) -> SocketAddr {
    match running.addresses()[0] {
        ListenAddress::Tcp(address) => address,
        ref other => panic!("{other} is not TCP"),
    }
}

pub(super) async fn send_all(socket: &Socket, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        match socket.send(bytes) {
            Ok(sent_bytes) => bytes = &bytes[sent_bytes..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => socket.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn echo(socket: &Socket, greeting: &str) -> std::io::Result<()> {
    send_all(socket, greeting.as_bytes()).await?;
    let mut buffer = [0; 1024];
    loop {
        socket.readable().await?;
        match socket.receive(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(received_bytes) => send_all(socket, &buffer[..received_bytes]).await?,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// Takes connections until the drain, then waits for their ends.
async fn accept_all(mut seat: WorkerSeat, on_drain: impl Fn(), on_accept: impl Fn(&WorkerSeat)) {
    let greeting = Rc::new(format!("{}\n", seat.index()));
    while let Arrival::Accepted(Accepted { socket, .. }) | Arrival::Handed { socket, .. } =
        seat.next_connection().await
    {
        on_accept(&seat);
        let greeting = greeting.clone();
        seat.spawn(async move {
            // A client that goes away is no failure here.
            let _ = echo(&socket, &greeting).await;
        });
    }
    on_drain();
    seat.connections_ended().await;
}

fn serve_echo(settings: &RtSettings, drained: Sender<usize>) -> Running {
    serve(settings, move |seat: WorkerSeat| {
        let (index, drained) = (seat.index(), drained.clone());
        accept_all(seat, move || drained.send(index).unwrap_or_default(), |_| {})
    })
    .unwrap()
}

/// A line of greeting, then an echo; tells the greeting.
fn converse(stream: impl Read + Write) -> String {
    let mut stream = BufReader::new(stream);
    let mut greeting = String::new();
    stream.read_line(&mut greeting).unwrap();
    stream.get_mut().write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
    greeting.trim().to_owned()
}

#[test]
fn both_workers_serve_tcp_and_unix_until_the_drain() {
    for io in DRIVERS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("echo.sock");
        let unix = format!("unix:{}", path.display());
        let (drained, has_drained) = channel();
        let running = serve_echo(&settings(io, &["127.0.0.1:0", &unix], 2), drained);
        if io == IoChoice::Epoll {
            assert_eq!(running.driver(), Driver::Epoll);
        }
        let address = tcp_address(&running);

        // Each connection falls to a worker by chance: that 64 fall to one has odds of 2^-63.
        let mut greeted = [false; 2];
        for _ in 0..64 {
            let greeting = converse(TcpStream::connect(address).unwrap());
            greeted[greeting.parse::<usize>().unwrap()] = true;
        }
        assert_eq!(greeted, [true, true]);
        for _ in 0..8 {
            converse(UnixStream::connect(&path).unwrap());
        }

        let mut kept = TcpStream::connect(address).unwrap();
        kept.read_exact(&mut [0; 2]).unwrap();
        let drain = running.drain_handle();
        drain.drain();
        drain.drain();
        let mut workers = [has_drained.recv().unwrap(), has_drained.recv().unwrap()];
        workers.sort_unstable();
        assert_eq!(workers, [0, 1]);
        let refused = TcpStream::connect(address).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let refused = UnixStream::connect(&path).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

        // What was accepted is still served.
        kept.write_all(b"still").unwrap();
        kept.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        kept.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "still");
        running.wait();
        assert!(!path.exists());
    }
}

#[test]
fn connections_beyond_the_limit_wait_until_one_ends() {
    for io in DRIVERS {
        let settings = RtSettings { connections_max: 2, ..settings(io, &["127.0.0.1:0"], 1) };
        let (counted, counts) = channel();
        let running = serve(&settings, move |seat: WorkerSeat| {
            let counted = counted.clone();
            accept_all(
                seat,
                || {},
                move |seat| {
                    counted.send(seat.connection_count()).unwrap_or_default();
                },
            )
        })
        .unwrap();
        assert_eq!(running.connections_max(), 2);
        let address = tcp_address(&running);
        let mut clients: Vec<_> = (0..6).map(|_| TcpStream::connect(address).unwrap()).collect();
        while !clients.is_empty() {
            // Connections are taken in the order in which they came.
            let first = clients.remove(0);
            assert_eq!(converse(first), "0");
        }
        running.drain_handle().drain();
        running.wait();
        let counts: Vec<_> = counts.iter().collect();
        assert_eq!(counts.len(), 6);
        assert!(counts.iter().all(|count| *count <= 2), "{counts:?}");
    }
}

/// Runs `test` as the entry of a single worker, and hands its output back.
fn on_worker<T, F>(io: IoChoice, test: impl Fn(Rc<WorkerSeat>) -> F + Send + Sync + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + 'static,
{
    let (output, outputs) = channel();
    let running = serve(&settings(io, &["127.0.0.1:0"], 1), move |seat: WorkerSeat| {
        let (output, test) = (output.clone(), test(Rc::new(seat)));
        async move { output.send(test.await).unwrap() }
    })
    .unwrap();
    let output = outputs.recv().unwrap();
    running.wait();
    output
}

#[test]
fn an_earlier_timer_wakes_the_ticker_from_a_later_one() {
    for io in DRIVERS {
        let armed_count = on_worker(io, async |seat| {
            let sleep = |timeout| {
                let clock = seat.clock().clone();
                async move {
                    let until = clock.now().after(timeout);
                    clock.timers().sleep_until(until).await;
                    assert!(until.passed(clock.now()), "a sleep never ends early");
                }
            };
            seat.spawn(sleep(Duration::from_secs(3600)));
            // The ticker waits for the hour by the time that the second of these is armed.
            sleep(Duration::from_millis(1)).await;
            sleep(Duration::from_millis(3)).await;
            seat.clock().timers().armed_count()
        });
        assert_eq!(armed_count, 1);
    }
}

#[test]
fn mail_from_another_thread_wakes_an_idle_worker() {
    for io in DRIVERS {
        let sum = on_worker(io, async |_| {
            let (postman, mut mailbox) = mailbox(1);
            let sender = std::thread::Builder::new()
                .spawn(move || {
                    for number in 1..=100_u32 {
                        while postman.try_post(number).is_err() {
                            std::thread::yield_now();
                        }
                    }
                })
                .unwrap();
            let mut sum = 0;
            for _ in 0..100 {
                sum += mailbox.next().await;
            }
            sender.join().unwrap();
            sum
        });
        assert_eq!(sum, 5050);
    }
}

#[test]
fn blocking_work_wakes_the_worker_that_waits_for_it() {
    for io in DRIVERS {
        let (inside, here) = on_worker(io, async |seat| {
            let (release, released) = channel::<()>();
            let job = seat.blocking().submit(move || {
                released.recv().unwrap();
                std::thread::current().id()
            });
            let job = job.unwrap();
            let released_by = Rc::new(Cell::new(false));
            let noted = released_by.clone();
            // The worker goes on while the job blocks: it is this task that lets it end.
            seat.spawn(async move {
                noted.set(true);
                release.send(()).unwrap();
            });
            let inside = job.await.unwrap();
            assert!(released_by.get());
            (inside, std::thread::current().id())
        });
        assert_ne!(inside, here);
    }
}

#[test]
fn a_start_that_fails_says_so_and_leaves_nothing() {
    let (drained, _) = channel();
    let running = serve_echo(&settings(IoChoice::Auto, &["127.0.0.1:0"], 1), drained);
    let taken = tcp_address(&running);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sock");
    let (unix, tcp) = (format!("unix:{}", path.display()), taken.to_string());
    let error = serve(&settings(IoChoice::Auto, &[&unix, &tcp], 2), |_| async {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {taken}: address already in use; \
             stop the other server or choose another --listen"
        )
    );
    assert!(!path.exists());
    running.drain_handle().drain();
    running.wait();
}

/// A child process that runs the test of this name, below `rt`, as the server that it has inside.
pub(super) fn start_child(
    test: &str,
    descriptors_max: usize,
) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(format!("ulimit -n {descriptors_max}; exec \"$0\" --exact --nocapture \"$1\""))
        .arg(std::env::current_exe().unwrap())
        .arg(format!("rt::{test}"))
        .env(CHILD, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap());
    (child, lines)
}

pub(super) fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// What follows `name` in the next line of the child that has it.
fn told(lines: &mut impl BufRead, name: &str) -> String {
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(lines.read_line(&mut line).unwrap(), 0, "the child ended before `{name}`");
        if let Some((_, value)) = line.split_once(name) {
            return value.trim().to_owned();
        }
    }
}

#[test]
fn the_first_signal_drains_and_the_second_ends_at_once() {
    if is_child() {
        let running = serve(&settings(IoChoice::Auto, &["127.0.0.1:0"], 2), |seat| {
            accept_all(seat, || println!("draining:"), |_| {})
        })
        .unwrap();
        let _signals = running.drain_on_signals().unwrap();
        println!("listening:{}", tcp_address(&running));
        running.wait();
        return;
    }
    for patient in [true, false] {
        let test = "tests::the_first_signal_drains_and_the_second_ends_at_once";
        let (mut child, mut lines) = start_child(test, 256);
        let address = told(&mut lines, "listening:");
        let mut client = TcpStream::connect(address).unwrap();
        client.read_exact(&mut [0; 2]).unwrap();
        let terminate = || {
            let pid = rustix::process::Pid::from_child(&child);
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        };
        terminate();
        told(&mut lines, "draining:");
        told(&mut lines, "draining:");
        if patient {
            client.shutdown(Shutdown::Write).unwrap();
        } else {
            terminate();
        }
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(if patient { 0 } else { 143 }));
    }
}

#[test]
fn without_descriptors_accepting_pauses_and_goes_on() {
    if is_child() {
        for io in DRIVERS {
            pause_for_descriptors(io);
        }
        return;
    }
    let (mut child, mut lines) =
        start_child("tests::without_descriptors_accepting_pauses_and_goes_on", 256);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
}

/// Takes all descriptors away, lets a client come, and gives them back once accepting has failed.
fn pause_for_descriptors(io: IoChoice) {
    let (failed, failures) = channel();
    let running = serve(&settings(io, &["127.0.0.1:0"], 1), move |mut seat: WorkerSeat| {
        let failed = failed.clone();
        async move {
            let first = loop {
                let soon = seat.clock().now().after(Duration::from_millis(20));
                let clock = seat.clock().clone();
                match clock.timers().timeout(soon, seat.next_connection()).await {
                    Ok(arrival) => break arrival,
                    Err(_) => failed.send(seat.accept_failure_count()).unwrap_or_default(),
                }
            };
            assert!(matches!(first, Arrival::Accepted(_)));
        }
    })
    .unwrap();
    let mut client = rustix::net::socket(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::STREAM,
        None,
    )
    .map(TcpStream::from)
    .unwrap();
    let mut taken = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        taken.push(file);
    }
    rustix::net::connect(&client, &tcp_address(&running)).unwrap();
    // A failure each 100 ms. One that spun would have counted thousands in the same time.
    let counts: Vec<_> = failures.iter().skip_while(|count| *count == 0).take(4).collect();
    assert!(counts[0] >= 1 && counts[3] - counts[0] < 100, "{counts:?}");
    drop(taken);
    assert_eq!(client.read(&mut [0; 1]).unwrap(), 0);
    running.wait();
}
