//! The floor: io_uring and nothing else. Finds where requests end, and answers fixed bytes.
//!
//! One accept and one receive per connection for all their bytes (multishot), buffers that the
//! kernel picks from a ring, descriptors that only the ring knows, and one system call a turn for
//! all answers. Nothing is checked: no method, no path, no header but `Content-Length`, written as
//! the load writes it.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use io_uring::types::{Fd, Fixed};
use io_uring::{IoUring, cqueue, opcode, squeue};
use ringlane_peers::Options;

use self::buffers::{Buffers, GROUP};
use self::connection::Connection;

#[path = "ring/buffers.rs"]
mod buffers;
#[path = "ring/connection.rs"]
mod connection;

/// Entries of the queue that is submitted; completions have eight times as many.
const QUEUE_ENTRIES: u32 = 4096;
/// Connections at once, unless the system grants fewer descriptors.
const CONNECTIONS_MAX: u64 = 16 * 1024;
/// Answers to pipelined requests leave together up to this many bytes.
const BATCH_BYTES_MAX: usize = 64 * 1024;

/// What a completion is of; the slot of its connection stands in the low half.
const ACCEPT: u64 = 1 << 32;
const RECEIVE: u64 = 2 << 32;
const SEND: u64 = 3 << 32;
const CLOSE: u64 = 4 << 32;

fn main() -> io::Result<()> {
    let options = Options::read();
    let listener = options.bind();
    set_nodelay(listener.as_raw_fd())?;
    Responder::new(listener.as_raw_fd(), &options.answer_body())?.run()
}

/// Accepted sockets have what the listening one has.
fn set_nodelay(fd: RawFd) -> io::Result<()> {
    let (on, length) = (1_i32, size_of::<i32>() as libc::socklen_t);
    // SAFETY: `on` lives through the call, and `length` is its length.
    let set = unsafe {
        libc::setsockopt(fd, libc::IPPROTO_TCP, libc::TCP_NODELAY, (&raw const on).cast(), length)
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// As many descriptors as the ring may hold: it counts against the limit of the process.
fn slots() -> io::Result<u32> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` lives through the call.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur.min(CONNECTIONS_MAX) as u32)
}

struct Responder {
    ring: IoUring,
    listener: RawFd,
    buffers: Buffers,
    connections: Vec<Connection>,
    /// Connections that were read from in this turn and owe answers.
    owing: Vec<u32>,
    /// The answer, as often as a batch holds it. Lives as long as the ring.
    answers: Vec<u8>,
    answer_bytes: usize,
}

impl Responder {
    fn new(listener: RawFd, body: &[u8]) -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .setup_cqsize(QUEUE_ENTRIES * 8)
            .build(QUEUE_ENTRIES)?;
        let slots = slots()?;
        ring.submitter().register_files_sparse(slots)?;
        let buffers = Buffers::register(&ring)?;
        let mut answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(body);
        Ok(Self {
            ring,
            listener,
            buffers,
            connections: (0..slots).map(|_| Connection::default()).collect(),
            owing: Vec::new(),
            answers: answer.repeat((BATCH_BYTES_MAX / answer.len()).max(1)),
            answer_bytes: answer.len(),
        })
    }

    fn run(&mut self) -> io::Result<()> {
        self.accept();
        let mut completions: Vec<cqueue::Entry> = Vec::new();
        loop {
            match self.ring.submit_and_wait(1) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            completions.extend(self.ring.completion());
            for completion in completions.drain(..) {
                self.complete(&completion);
            }
            self.buffers.give_back();
            while let Some(slot) = self.owing.pop() {
                self.send(slot);
            }
        }
    }

    fn complete(&mut self, completion: &cqueue::Entry) {
        let (kind, slot) = (completion.user_data() & !0xffff_ffff, completion.user_data() as u32);
        match kind {
            ACCEPT => self.accepted(completion),
            RECEIVE => self.received(slot, completion),
            SEND => self.sent(slot, completion.result()),
            _ => {}
        }
    }

    fn accepted(&mut self, completion: &cqueue::Entry) {
        if let Ok(slot) = u32::try_from(completion.result()) {
            self.connections[slot as usize].open();
            self.receive(slot);
        }
        if !cqueue::more(completion.flags()) {
            self.accept();
        }
    }

    fn received(&mut self, slot: u32, completion: &cqueue::Entry) {
        let connection = &mut self.connections[slot as usize];
        let (result, goes_on) = (completion.result(), cqueue::more(completion.flags()));
        if let (Ok(count @ 1..), Some(buffer)) =
            (usize::try_from(result), cqueue::buffer_select(completion.flags()))
        {
            connection.take_in(&self.buffers.filled(buffer)[..count]);
            self.buffers.used(buffer);
            if connection.owed > 0 && !connection.sends {
                self.owing.push(slot);
            }
            if !goes_on {
                self.receive(slot);
            }
        } else if result == -libc::ENOBUFS {
            self.receive(slot);
        } else if !goes_on {
            connection.ended = true;
            self.close_if_over(slot);
        }
    }

    fn sent(&mut self, slot: u32, result: i32) {
        let connection = &mut self.connections[slot as usize];
        connection.sends = false;
        if result < 0 {
            connection.owed = 0;
        }
        if connection.owed > 0 {
            self.owing.push(slot);
        }
        self.close_if_over(slot);
    }

    fn accept(&mut self) {
        let entry = opcode::AcceptMulti::new(Fd(self.listener)).allocate_file_index(true).build();
        self.push(entry.user_data(ACCEPT));
    }

    fn receive(&mut self, slot: u32) {
        let entry = opcode::RecvMulti::new(Fixed(slot), GROUP).build();
        self.push(entry.user_data(RECEIVE | u64::from(slot)));
    }

    /// Sends all that a connection owes, or as much of it as a batch holds.
    fn send(&mut self, slot: u32) {
        let connection = &mut self.connections[slot as usize];
        let count = connection.owed.min(self.answers.len() / self.answer_bytes);
        if count == 0 || connection.sends {
            return;
        }
        connection.owed -= count;
        connection.sends = true;
        let length = (count * self.answer_bytes) as u32;
        // A send that takes a part only would have to be looked after; the kernel does that.
        let entry = opcode::Send::new(Fixed(slot), self.answers.as_ptr(), length)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build();
        self.push(entry.user_data(SEND | u64::from(slot)));
    }

    fn close_if_over(&mut self, slot: u32) {
        let connection = &self.connections[slot as usize];
        if connection.ended && !connection.sends && connection.owed == 0 {
            let entry = opcode::Close::new(Fixed(slot)).build();
            self.push(entry.user_data(CLOSE));
        }
    }

    fn push(&mut self, entry: squeue::Entry) {
        loop {
            // SAFETY: what entries point to, the answers and the ring of buffers, is never moved
            // nor freed while the ring lives.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            self.ring.submit().expect("a ring that takes what is queued");
        }
    }
}
