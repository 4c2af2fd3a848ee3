//! Connections that move between workers, on both drivers.
//!
//! The server speaks in lines. The first byte of a line names the worker that must answer it: the
//! connection moves there, with all that was received. The answer is the line. `q` closes.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use crate::base::broadcast::Notice;
use crate::base::time::Deadline;
use crate::base::timers::Timers;
use crate::rt::acceptor::Accepted;
use crate::rt::arrivals::Arrival;
use crate::rt::mesh::Mesh;
use crate::rt::server::{Running, serve};
use crate::rt::settings::RtSettings;
use crate::rt::socket::Socket;
use crate::rt::tests::{DRIVERS, is_child, send_all, settings, start_child, tcp_address};
use crate::rt::worker::WorkerSeat;
use crate::serve::transport::Transport;
use crate::session::change::{Announce, Change};

/// What a worker's arrivals tell the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// The worker, its connections, how many of them came from others so far.
    Came(usize, usize, u64),
    Draining(usize),
    Ended(usize),
}

/// Takes what comes until the end.
async fn attend(mut seat: WorkerSeat, events: Sender<Event>) {
    let index = seat.index();
    let tell = |event| events.send(event).unwrap_or_default();
    loop {
        let (socket, input) = match seat.next_connection().await {
            Arrival::Accepted(Accepted { socket, .. }) => (socket, Vec::new()),
            Arrival::Handed { socket, input } => (socket, input),
            Arrival::Draining => {
                tell(Event::Draining(index));
                continue;
            }
            Arrival::Ended => break,
        };
        tell(Event::Came(index, seat.connection_count(), seat.adopted_count()));
        seat.spawn(speak(seat.mesh(), socket, input));
    }
    drop(seat);
    tell(Event::Ended(index));
}

fn serve_lines(settings: &RtSettings) -> (Running, Receiver<Event>) {
    let (event, events) = channel();
    (serve(settings, move |seat| attend(seat, event.clone())).unwrap(), events)
}

/// Leaves a waiter behind, as a wait that was cancelled does.
async fn arm(socket: &Socket) {
    let _ = Timers::new().timeout(Deadline(0), socket.readable()).await;
}

async fn speak(mesh: Mesh, mut socket: Socket, mut input: Vec<u8>) {
    loop {
        while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
            if input[0] == b'q' {
                return;
            }
            let to = usize::from(input[0] - b'0');
            if to != mesh.index() {
                arm(&socket).await;
                match mesh.hand_over(to, socket, input) {
                    Ok(()) => return,
                    Err(back) => (socket, input) = back,
                }
                input.splice(..end, *b"refused");
                continue_with(&socket, &mut input, "refused".len()).await;
                continue;
            }
            continue_with(&socket, &mut input, end).await;
        }
        let mut buffer = [0; 1024];
        if socket.readable().await.is_err() {
            return;
        }
        match socket.receive(&mut buffer) {
            Ok(0) => return,
            Ok(received_bytes) => input.extend_from_slice(&buffer[..received_bytes]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

async fn continue_with(socket: &Socket, input: &mut Vec<u8>, end: usize) {
    let answer: Vec<u8> = input.drain(..=end).collect();
    // A client that is gone is found by the next receive.
    let _ = send_all(socket, &answer).await;
}

/// A client that gives up instead of hanging.
struct Client<S>(BufReader<S>);

fn tcp(running: &Running) -> Client<TcpStream> {
    let stream = TcpStream::connect(tcp_address(running)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Client(BufReader::new(stream))
}

fn unix(path: &std::path::Path) -> Client<UnixStream> {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    Client(BufReader::new(stream))
}

impl<S: Read + Write> Client<S> {
    fn say(&mut self, lines: &str) {
        self.0.get_mut().write_all(lines.as_bytes()).unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line
    }

    fn ask(&mut self, line: &str) {
        self.say(line);
        assert_eq!(self.hear(), line);
    }

    fn is_closed(&mut self) -> bool {
        self.0.read(&mut [0; 1]).unwrap() == 0
    }
}

fn end(running: Running) {
    running.drain_handle().drain();
    running.wait();
}

#[test]
fn a_connection_moves_with_its_bytes_and_its_end_is_seen() {
    for io in DRIVERS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mesh.sock");
        let address = format!("unix:{}", path.display());
        let (running, events) = serve_lines(&settings(io, &["127.0.0.1:0", &address], 3));
        let mut tcp = tcp(&running);
        let mut unix = unix(&path);
        for round in 0..20 {
            for to in 0..3 {
                tcp.ask(&format!("{to} line {round}\n"));
                unix.ask(&format!("{to} line {round}\n"));
            }
        }
        // Lines of several workers in one piece, the last one in two.
        let long = "x".repeat(900);
        tcp.say(&format!("2 a\n0 b\n1 c {long}\n2"));
        for line in ["2 a\n", "0 b\n", &format!("1 c {long}\n")] {
            assert_eq!(tcp.hear(), line);
        }
        tcp.say(" d\n");
        assert_eq!(tcp.hear(), "2 d\n");
        tcp.say("9 nobody\n");
        assert_eq!(tcp.hear(), "refused\n");
        // The new owner closes: no descriptor that an old one holds may hide that.
        tcp.say("0 move\nq\n");
        assert_eq!(tcp.hear(), "0 move\n");
        assert!(tcp.is_closed());
        unix.say("0 move\nq\n");
        assert_eq!(unix.hear(), "0 move\n");
        assert!(unix.is_closed());
        end(running);
        let adopted = events.iter().filter(|event| matches!(event, Event::Came(_, _, 1..))).count();
        assert!(adopted >= 100, "{adopted}");
    }
}

#[test]
fn a_connection_that_moved_leaves_no_descriptor_behind() {
    if is_child() {
        for io in DRIVERS {
            count_descriptors(io);
        }
        return;
    }
    let test = "mesh::tests::a_connection_that_moved_leaves_no_descriptor_behind";
    let (mut child, mut lines) = start_child(test, 512);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
}

fn descriptor_count() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn count_descriptors(io: crate::rt::driver::IoChoice) {
    let (running, _events) = serve_lines(&settings(io, &["127.0.0.1:0"], 2));
    let mut busy = tcp(&running);
    // Whatever is on its way out adds to a count and never takes from it: the least is what stays.
    let before = (0..500)
        .map(|_| {
            busy.ask("0\n");
            busy.ask("1\n");
            descriptor_count()
        })
        .min()
        .unwrap();
    // Each of these moves once or twice and then says nothing more.
    let mut idle: Vec<_> = (0..100).map(|_| tcp(&running)).collect();
    for client in &mut idle {
        client.say("0\n1\n");
        assert_eq!((client.hear(), client.hear()), ("0\n".to_owned(), "1\n".to_owned()));
    }
    // A worker lets go within two turns of its loop, and each question is one turn or more.
    let settles_at = |busy: &mut Client<TcpStream>, expected: usize| {
        let mut count = descriptor_count();
        for _ in 0..10_000 {
            if count == expected {
                return;
            }
            busy.ask("0\n");
            busy.ask("1\n");
            count = descriptor_count();
        }
        panic!("{count} descriptors, not {expected}");
    };
    // Between two questions one may still be on its way out, so it is counted more than once.
    settles_at(&mut busy, before + 2 * idle.len());
    for _ in 0..500 {
        busy.ask("0\n");
        busy.ask("1\n");
    }
    settles_at(&mut busy, before + 2 * idle.len());
    drop(idle);
    settles_at(&mut busy, before);
    drop(busy);
    end(running);
}

#[test]
fn a_full_mailbox_gives_the_connection_back() {
    for io in DRIVERS {
        let settings = RtSettings { mailbox_capacity: 1, ..settings(io, &["127.0.0.1:0"], 2) };
        let handed = Arc::new(Barrier::new(2));
        let (peer, peers) = channel();
        let running = serve(&settings, move |mut seat: WorkerSeat| {
            let (handed, peer) = (handed.clone(), peer.clone());
            async move {
                if seat.index() == 1 {
                    // Blocks the thread: until then nobody reads this worker's mail.
                    handed.wait();
                    let Arrival::Handed { socket, input } = seat.next_connection().await else {
                        panic!("nobody connects");
                    };
                    return send_all(&socket, &input).await.unwrap();
                }
                let ((first, its_peer), (second, other_peer)) = (pair(), pair());
                seat.mesh().hand_over(1, first, b"first".to_vec()).unwrap();
                let back = seat.mesh().hand_over(1, second, b"second".to_vec());
                let (second, input) = back.unwrap_err();
                assert_eq!(input, b"second");
                send_all(&second, b"still here").await.unwrap();
                handed.wait();
                peer.send((its_peer, other_peer)).unwrap();
            }
        })
        .unwrap();
        let (mut first, mut second) = peers.recv().unwrap();
        let (mut heard, mut kept) = (String::new(), String::new());
        first.read_to_string(&mut heard).unwrap();
        second.read_to_string(&mut kept).unwrap();
        assert_eq!((heard.as_str(), kept.as_str()), ("first", "still here"));
        end(running);
    }
}

fn pair() -> (Socket, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    (Socket::new(ours.into()).unwrap(), peer)
}

#[test]
fn connections_that_gather_on_one_worker_stay_within_the_limit() {
    for io in DRIVERS {
        // A Unix socket, whose connections any worker with room may accept.
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mesh.sock");
        let listen = format!("unix:{}", path.display());
        let settings = RtSettings { connections_max: 4, ..settings(io, &[&listen], 2) };
        let (running, events) = serve_lines(&settings);
        // Whoever accepted it, worker 1 gets it, though its share is two.
        let mut clients: Vec<_> = (0..4)
            .map(|_| {
                let mut client = unix(&path);
                client.ask("1\n");
                client
            })
            .collect();
        // A fifth finds no place until one ends.
        let mut fifth = unix(&path);
        clients.pop().unwrap().say("q\n");
        fifth.ask("1\n");
        drop((clients, fifth));
        end(running);
        let counts = events.iter().filter_map(|event| match event {
            Event::Came(1, count, _) => Some(count),
            _ => None,
        });
        assert_eq!(counts.max(), Some(4));
    }
}

#[test]
fn while_draining_connections_are_still_adopted_until_the_worker_ended() {
    for io in DRIVERS {
        let (running, events) = serve_lines(&settings(io, &["127.0.0.1:0"], 2));
        let (mut stays, mut moves, mut other) = (tcp(&running), tcp(&running), tcp(&running));
        stays.ask("1\n");
        moves.ask("0\n");
        other.ask("0\n");
        running.drain_handle().drain();
        let mut drains = events.iter().filter(|event| matches!(event, Event::Draining(_)));
        assert!(drains.next().is_some() && drains.next().is_some());
        moves.ask("1 late\n");
        moves.ask("0 back\n");
        stays.say("q\n");
        assert!(stays.is_closed());
        assert_eq!(
            events.iter().find(|event| matches!(event, Event::Ended(_))),
            Some(Event::Ended(1))
        );
        moves.say("1 too late\n");
        assert_eq!(moves.hear(), "refused\n");
        drop((moves, other));
        running.wait();
        assert_eq!(events.iter().last(), Some(Event::Ended(0)));
    }
}

#[test]
fn changes_are_told_to_every_worker_and_losses_once() {
    for io in DRIVERS {
        let settings = RtSettings { mailbox_capacity: 2, ..settings(io, &["127.0.0.1:0"], 3) };
        let (lost, (noticed, notices)) = (Arc::new(Barrier::new(4)), channel());
        let entry_lost = lost.clone();
        let running = serve(&settings, move |mut seat: WorkerSeat| {
            let (lost, noticed) = (entry_lost.clone(), noticed.clone());
            async move {
                let mut notices = seat.take_notices().unwrap();
                assert!(seat.take_notices().is_none());
                // Blocks the thread until more was told than it has room for.
                lost.wait();
                loop {
                    let notice = notices.next().await;
                    noticed.send((seat.index(), notice.clone())).unwrap();
                    match notice {
                        // From a worker, to itself and the others.
                        Notice::Message(Change::Prompts) if seat.index() == 2 => {
                            seat.announcer().announce(Change::Resources);
                        }
                        Notice::Message(Change::Resources) => return,
                        _ => {}
                    }
                }
            }
        })
        .unwrap();
        let announcer = running.announcer();
        let updated = Change::ResourceUpdated("file:///a".into());
        for change in [Change::Tools, updated.clone(), Change::Tools, Change::Tools] {
            announcer.announce(change);
        }
        lost.wait();
        // From here on everybody reads, and waits for what comes.
        let mut told: Vec<_> = notices.iter().take(9).collect();
        announcer.announce(Change::Prompts);
        told.extend(notices.iter());
        running.wait();
        for worker in 0..3 {
            let told = told.iter().filter(|(index, _)| *index == worker).map(|told| &told.1);
            let expected = [Change::Tools, updated.clone(), Change::Prompts, Change::Resources];
            let expected = expected.into_iter().map(Notice::Message);
            let expected: Vec<_> = std::iter::once(Notice::Lost).chain(expected).collect();
            assert_eq!(told.cloned().collect::<Vec<_>>(), expected, "worker {worker}");
        }
    }
}

#[test]
fn few_connections_leave_no_worker_idle() {
    for io in DRIVERS {
        let (running, events) = serve_lines(&settings(io, &["127.0.0.1:0"], 2));
        let mut counts = [0, 0];
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let client = tcp(&running);
                // The next one comes when this one is settled.
                match events.recv().unwrap() {
                    Event::Came(worker, count, _) => counts[worker] = count,
                    other => panic!("{other:?} before the drain"),
                }
                client
            })
            .collect();
        assert_eq!(counts, [4, 4], "{io:?}");
        for (index, mut client) in clients.into_iter().enumerate() {
            client.ask(&format!("{}: hello\n", index % 2));
        }
        running.drain_handle().drain();
        running.wait();
    }
}
