//! What a core allocates once it is warm: nothing, for the requests that matter most. And how large
//! what waits is: a connection's futures, a session, an event stream.
//!
//! Connections are served in memory, polled by hand, on a clock that stands still. The allocator
//! counts what this thread asks of it.

#![expect(unsafe_code, reason = "an allocator is unsafe to write; this one passes everything on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    /// Bytes that this thread allocated and did not give back.
    static HELD_BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    // At the end of a thread there is no one left to count for.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    let _ = HELD_BYTES.try_with(|held| held.set(held.get().wrapping_add(bytes)));
}

fn give_back(bytes: usize) {
    let _ = HELD_BYTES.try_with(|held| held.set(held.get().wrapping_sub(bytes)));
}

// SAFETY: every method hands its arguments to the system's allocator unchanged, and gives back what
// that gave; counting touches no memory but the thread's own cell.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is the same there.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same there.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        give_back(layout.size());
        // SAFETY: `pointer` came from `System` by the methods above, with this layout.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: `pointer` came from `System` by the methods above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::{Future, pending, poll_fn};
    use std::io::{self, ErrorKind, IoSlice};
    use std::os::unix::net::UnixStream;
    use std::pin::Pin;
    use std::rc::Rc;
    use std::sync::Arc;
    use std::task::{Context, Poll, Waker};

    use ringlane::base::clock::Clock;
    use ringlane::base::spawn::Spawn;
    use ringlane::base::time::Now;
    use ringlane::base::timers::Timers;
    use ringlane::controller::catalogue::{Catalogue, ListSettings};
    use ringlane::handler::call::Services;
    use ringlane::handler::off_core::{Busy, Completion, Job, OffCore};
    use ringlane::handler::registry::Registry;
    use ringlane::mcp::capability::ClientCapabilities;
    use ringlane::rt::driver::{Driver, block_on};
    use ringlane::rt::socket::Socket;
    use ringlane::serve::connection::{
        CloseReason, Shift, serve_connection, workbench, working_bytes,
    };
    use ringlane::serve::shard::Shard;
    use ringlane::serve::transport::Transport;
    use ringlane::session::conversation::Greeting;
    use ringlane::session::limits::SessionLimits;
    use ringlane::session::owner::Owner;
    use ringlane::session::store::MemoryStore;
    use ringlane::session::table::{Membership, Sessions};
    use ringlane::testing::services;
    use ringlane::{Cx, Revision, Settings, Tool};

    use super::{COUNT, HELD_BYTES};

    /// A byte pipe in memory: the test writes to one end and reads at the other.
    #[derive(Clone, Default)]
    struct Pipe(Rc<RefCell<Ends>>);

    #[derive(Default)]
    struct Ends {
        incoming: Vec<u8>,
        taken: usize,
        outgoing: Vec<u8>,
        /// How many bytes the peer takes more, if not all.
        window: Option<usize>,
    }

    impl Pipe {
        fn put(&self, bytes: &[u8]) {
            let mut ends = self.0.borrow_mut();
            ends.incoming.clear();
            ends.taken = 0;
            ends.outgoing.clear();
            ends.incoming.extend_from_slice(bytes);
        }
    }

    impl Pipe {
        /// What came out, taken; nothing is held.
        fn empty(&self) -> String {
            let Ends { outgoing, .. } = std::mem::take(&mut *self.0.borrow_mut());
            String::from_utf8(outgoing).unwrap()
        }
    }

    impl Transport for Pipe {
        async fn readable(&self) -> io::Result<()> {
            poll_fn(|_| {
                let ends = self.0.borrow();
                if ends.taken < ends.incoming.len() { Poll::Ready(Ok(())) } else { Poll::Pending }
            })
            .await
        }

        fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut ends = self.0.borrow_mut();
            let left = &ends.incoming[ends.taken..];
            if left.is_empty() {
                return Err(ErrorKind::WouldBlock.into());
            }
            let count = left.len().min(buffer.len());
            buffer[..count].copy_from_slice(&left[..count]);
            ends.taken += count;
            Ok(count)
        }

        async fn writable(&self) -> io::Result<()> {
            let is_shut = || self.0.borrow().window == Some(0);
            poll_fn(|_| if is_shut() { Poll::Pending } else { Poll::Ready(Ok(())) }).await
        }

        fn send(&self, bytes: &[u8]) -> io::Result<usize> {
            let mut ends = self.0.borrow_mut();
            let count = ends.window.map_or(bytes.len(), |left| left.min(bytes.len()));
            if count == 0 {
                return Err(ErrorKind::WouldBlock.into());
            }
            ends.window = ends.window.map(|left| left - count);
            ends.outgoing.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn send_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            Ok(slices.iter().map(|slice| self.send(slice).unwrap_or(0)).sum())
        }

        fn pending_error(&self) -> Option<io::Error> {
            None
        }

        fn address(&self) -> Option<std::net::IpAddr> {
            None
        }
        fn shutdown_send(&self) {}

        fn reset_on_close(&self) {}
    }

    #[derive(Debug, Default)]
    struct Still(Timers);

    impl Clock for Still {
        fn now(&self) -> Now {
            Now(1_000_000_000)
        }

        fn unix_seconds(&self) -> u64 {
            1_800_000_000
        }

        fn timers(&self) -> &Timers {
            &self.0
        }
    }

    #[derive(Debug)]
    struct NoThreads;

    impl OffCore for NoThreads {
        fn submit(&self, _: Job) -> Result<Completion, Busy> {
            Err(Busy)
        }
    }

    #[derive(Debug)]
    struct NoTasks;

    impl Spawn for NoTasks {
        fn spawn(&self, _: Pin<Box<dyn Future<Output = ()>>>) {
            panic!("no steady call starts a task");
        }
    }

    /// Runs a task until it waits, and no further.
    #[derive(Debug)]
    struct RunAtOnce;

    impl Spawn for RunAtOnce {
        fn spawn(&self, mut task: Pin<Box<dyn Future<Output = ()>>>) {
            let _ = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }

    /// Tasks that are never run.
    #[derive(Debug)]
    struct IdleTasks;

    impl Spawn for IdleTasks {
        fn spawn(&self, _: Pin<Box<dyn Future<Output = ()>>>) {}
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Echo {
        message: String,
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Pair {
        a: f64,
        b: f64,
    }

    fn shard() -> Rc<Shard> {
        shard_with(Rc::new(NoTasks))
    }

    fn shard_with(spawn: Rc<dyn Spawn>) -> Rc<Shard> {
        let mut registry = Registry::default();
        registry.implementation.name = "still".to_owned();
        for tool in [
            Tool::new("text", "Text", async |_: Cx, (): ()| Ok("text")),
            Tool::new("take", "Takes", async |_: Cx, _: Pair| Ok("taken")),
            Tool::new("echo", "Echoes", async |_: Cx, Echo { message }: Echo| Ok(message)),
            Tool::new("add", "Adds", async |_: Cx, Pair { a, b }: Pair| Ok(a + b)),
            Tool::new("wait", "Waits", async |_: Cx, (): ()| -> Result<(), _> { pending().await }),
        ] {
            registry.add_tool(tool).unwrap();
        }
        let catalogue = Catalogue::new(registry, &ListSettings::default());
        let services = services(Rc::new(Still::default()), spawn);
        let services = Services { off_core: Arc::new(NoThreads), ..services };
        let membership = Membership::alone().unwrap();
        Shard::new(Arc::new(Settings::default().serve), catalogue, services, &membership)
    }

    fn post(fields: &str, body: &str) -> Vec<u8> {
        let length = body.len();
        format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\n{fields}\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }

    fn legacy(method: &str, params: &str) -> Vec<u8> {
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"{method}","params":{params}}}"#);
        post("MCP-Protocol-Version: 2025-11-25\r\n", &body)
    }

    fn modern(method: &str, name: Option<&str>, params: &str) -> Vec<u8> {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
            "io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},
            "io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}"#;
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":"seven","method":"{method}","params":{{{params}{meta}}}}}"#
        );
        let name = name.map_or(String::new(), |name| format!("Mcp-Name: {name}\r\n"));
        let fields = format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\n{name}");
        post(&fields, &body)
    }

    /// How many allocations one round of these bytes costs once some rounds have been served, and
    /// what answers it.
    fn steady(bytes: &[u8], answers: usize, status: &str) -> usize {
        let (shard, pipe) = (shard(), Pipe::default());
        let mut connection = serve(&shard, &pipe);
        let mut context = Context::from_waker(Waker::noop());
        let mut last = 0;
        for _ in 0..20 {
            pipe.put(bytes);
            let before = COUNT.get();
            assert!(connection.as_mut().poll(&mut context).is_pending());
            last = COUNT.get() - before;
            let ends = pipe.0.borrow();
            let text = String::from_utf8_lossy(&ends.outgoing);
            let line = format!("HTTP/1.1 {status}");
            assert_eq!(text.matches(&line).count(), answers, "{text}");
            assert!(!text.contains(r#""error""#), "{text}");
        }
        last
    }

    fn none(bytes: &[u8], status: &str) {
        let shown = String::from_utf8_lossy(bytes);
        assert_eq!(steady(bytes, 1, status), 0, "{shown}");
        let pipelined = bytes.repeat(16);
        assert_eq!(steady(&pipelined, 16, status), 0, "16 times {shown}");
    }

    #[test]
    fn a_steady_call_allocates_nothing() {
        let (text, take) = (r#""name":"text""#, r#""name":"take","arguments":{"a":1.5,"b":2}"#);
        none(&legacy("tools/call", &format!("{{{text}}}")), "200 OK");
        none(&legacy("tools/call", &format!("{{{take}}}")), "200 OK");
        none(&modern("tools/call", Some("text"), &format!("{text},")), "200 OK");
        none(&modern("tools/call", Some("take"), &format!("{take},")), "200 OK");
    }

    #[test]
    fn a_call_with_a_number_allocates_its_text_alone() {
        let add = r#""name":"add","arguments":{"a":1.5,"b":2}"#;
        for bytes in [
            legacy("tools/call", &format!("{{{add}}}")),
            modern("tools/call", Some("add"), &format!("{add},")),
        ] {
            assert_eq!(steady(&bytes, 1, "200 OK"), 1);
            assert_eq!(steady(&bytes.repeat(16), 16, "200 OK"), 16);
        }
    }

    fn echo_of(bytes: usize) -> Vec<u8> {
        let message = "x".repeat(bytes);
        legacy("tools/call", &format!(r#"{{"name":"echo","arguments":{{"message":"{message}"}}}}"#))
    }

    #[test]
    fn a_call_with_a_long_text_allocates_that_alone() {
        for kibibytes in [1, 16, 31, 33, 65, 256] {
            let bytes = echo_of(kibibytes * 1024);
            assert_eq!(steady(&bytes, 1, "200 OK"), 1, "{kibibytes} KiB");
            assert_eq!(steady(&bytes.repeat(2), 2, "200 OK"), 2, "two of {kibibytes} KiB");
        }
    }

    /// Whatever came on a connection, it holds nothing of it once it waits; the core keeps a few
    /// buffers for all.
    #[test]
    fn connections_give_back_what_large_bodies_took() {
        const COUNT: usize = 100;
        /// `KEPT_LARGE_BYTES_MAX` of the buffers, and what the decoder keeps of such a body.
        const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024 + 640 * 1024;
        let shard = shard();
        let mut context = Context::from_waker(Waker::noop());
        let request = echo_of(256 * 1024);
        let before = HELD_BYTES.get();
        let mut open: Vec<_> = (0..COUNT)
            .map(|_| Pipe::default())
            .map(|pipe| (pipe.clone(), serve(&shard, &pipe)))
            .collect();
        let (begin, rest) = request.split_at(100 * 1024);
        // All of them have a part of a body at once before the first is whole.
        for part in [begin, rest] {
            for (pipe, connection) in &mut open {
                pipe.put(part);
                assert!(connection.as_mut().poll(&mut context).is_pending());
                let answer = pipe.empty();
                let is_answer = answer.len() > 256 * 1024 && answer.starts_with("HTTP/1.1 200");
                assert_eq!(is_answer, part.len() == rest.len(), "{} bytes", answer.len());
            }
        }
        let held_bytes = HELD_BYTES.get().wrapping_sub(before);
        println!("{COUNT} connections: {held_bytes} bytes");
        assert!(held_bytes <= KEPT_BYTES_MAX + COUNT * 4096, "{held_bytes}");
    }

    fn serve(shard: &Rc<Shard>, pipe: &Pipe) -> Pin<Box<dyn Future<Output = CloseReason>>> {
        let busy = workbench(shard.clone(), 4, |transport, _parcel| Err(transport));
        Box::pin(serve_connection(pipe.clone(), Shift::Wait, shard.clone(), busy))
    }

    /// One that waits in the middle of something holds no more than it needs for that.
    #[test]
    fn connections_that_wait_for_their_peer_give_back_what_large_bodies_took() {
        const COUNT: usize = 8;
        const BYTES: usize = 3 * 1024 * 1024;
        const KEPT_BYTES_MAX: usize = 2 * 1024 * 1024 + 640 * 1024;
        let begun = [&echo_of(BYTES)[..], b"P"].concat();
        for (window, each_bytes_max) in [(None, 4096), (Some(100), 2 * BYTES + 4096)] {
            let (shard, mut context) = (shard(), Context::from_waker(Waker::noop()));
            let before = HELD_BYTES.get();
            let _open: Vec<_> = (0..COUNT)
                .map(|_| {
                    let pipe = Pipe::default();
                    pipe.put(&begun);
                    pipe.0.borrow_mut().window = window;
                    let mut connection = serve(&shard, &pipe);
                    assert!(connection.as_mut().poll(&mut context).is_pending());
                    let ends = std::mem::take(&mut *pipe.0.borrow_mut());
                    assert_eq!(ends.taken, begun.len());
                    assert_eq!(ends.outgoing.len() > BYTES, window.is_none());
                    connection
                })
                .collect();
            let held_bytes = HELD_BYTES.get().wrapping_sub(before);
            let most_bytes = KEPT_BYTES_MAX + COUNT * each_bytes_max;
            assert!(held_bytes <= most_bytes, "{window:?}: {held_bytes}");
        }
    }

    /// However much a peer sends ahead, and whatever room it made before, little of it is taken in
    /// while its call runs.
    #[test]
    fn what_is_pipelined_behind_a_call_is_bounded() {
        /// `ROOM_BYTES_MAX`, `pipeline_bytes_max`, and the call itself.
        const HELD_BYTES_MAX: usize = 1024 * 1024 + 64 * 1024 + 8 * 1024;
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let chunked = format!(
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n\
             {:x}\r\n{ping}\r\n0\r\n\r\n",
            ping.len()
        );
        let large = echo_of(3 * 1024 * 1024);
        for (before, count) in [(chunked.repeat(40_000).into_bytes(), 40_000), (large, 1)] {
            let (shard, pipe) = (shard_with(Rc::new(RunAtOnce)), Pipe::default());
            let mut connection = serve(&shard, &pipe);
            let mut context = Context::from_waker(Waker::noop());
            let wait = legacy("tools/call", r#"{"name":"wait"}"#);
            pipe.put(&[&before, &wait, chunked.repeat(40_000).as_bytes()].concat());
            let (mut answers, mut taken) = (0, usize::MAX);
            while std::mem::replace(&mut taken, pipe.0.borrow().taken) != taken {
                for _ in 0..64 {
                    assert!(connection.as_mut().poll(&mut context).is_pending());
                }
                let answer = std::mem::take(&mut pipe.0.borrow_mut().outgoing);
                answers += String::from_utf8(answer).unwrap().matches("HTTP/1.1 200").count();
            }
            assert_eq!(answers, count);
            let beyond = taken - before.len() - wait.len();
            assert!(beyond <= HELD_BYTES_MAX, "{beyond} bytes taken in behind the call");
            drop(pipe.empty());
            let before = HELD_BYTES.get();
            drop(connection);
            let held = before.wrapping_sub(HELD_BYTES.get());
            assert!(held <= HELD_BYTES_MAX, "{held} bytes held by a connection whose call runs");
        }
    }

    #[test]
    fn what_is_bytes_already_allocates_nothing() {
        none(&legacy("tools/list", "{}"), "200 OK");
        none(&modern("tools/list", None, ""), "200 OK");
        none(&modern("server/discover", None, ""), "200 OK");
        none(&legacy("ping", "{}"), "200 OK");
        let initialized = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        none(&post("", std::str::from_utf8(initialized).unwrap()), "202 Accepted");
        none(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", "200 OK");
    }

    /// Thousands of connections wait in the small future; the large one is a few of a pool.
    #[test]
    fn a_waiting_connection_is_small() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        block_on(Driver::Epoll, async {
            let shard = shard();
            // As a worker does it, all that it holds counted.
            let busy = workbench(shard.clone(), 4, |transport, _parcel| Err(transport));
            let socket = Socket::new(ours.into()).unwrap();
            let waiting = serve_connection(socket, Shift::Wait, shard, busy);
            let (working_bytes, waiting_bytes) = (working_bytes::<Socket>(), size_of_val(&waiting));
            println!("waiting: {waiting_bytes} bytes, working: {working_bytes} bytes");
            assert!(waiting_bytes <= 168, "{waiting_bytes}");
            assert!(working_bytes <= 456, "{working_bytes}");
        })
        .unwrap();
    }

    /// How many bytes each of so many things holds that `open` makes, and gives to be kept.
    fn held_bytes<T>(count: usize, mut open: impl FnMut(usize) -> T) -> usize {
        let mut kept = Vec::with_capacity(count);
        let before = HELD_BYTES.get();
        for index in 0..count {
            kept.push(open(index));
        }
        HELD_BYTES.get().wrapping_sub(before) / count
    }

    /// Ten thousand sessions lie about at once, most of them idle.
    #[test]
    fn an_idle_session_is_small() {
        const COUNT: usize = 10_000;
        let limits = SessionLimits { sessions_per_address_max: COUNT, ..SessionLimits::default() };
        let membership = Membership::alone().unwrap();
        let sessions = Sessions::new(&membership, limits, Box::new(MemoryStore));
        let greeting = Greeting {
            revision: Revision::V2025_11_25,
            capabilities: ClientCapabilities::default(),
            owner: Owner::Address(None),
        };
        // The table has them; whoever opened one lets go of it.
        let session_bytes = held_bytes(COUNT, |_| {
            drop(sessions.open(greeting.clone(), Now(1)).unwrap());
        });
        println!("session: {session_bytes} bytes");
        assert!(session_bytes <= 224, "{session_bytes}");
    }

    /// Thousands of calls wait for something at once.
    #[test]
    fn a_call_in_flight_is_small() {
        const COUNT: usize = 500;
        let shard = shard();
        let busy = Rc::new(workbench(shard.clone(), 4, |transport, _parcel| Err(transport)));
        let mut context = Context::from_waker(Waker::noop());
        type Connection = Pin<Box<dyn Future<Output = CloseReason>>>;
        let mut open: Vec<(Pipe, Connection)> = (0..COUNT)
            .map(|_| {
                let (pipe, busy) = (Pipe::default(), busy.clone());
                let busy = move |transport, shift| busy(transport, shift);
                let connection: Connection =
                    Box::pin(serve_connection(pipe.clone(), Shift::Wait, shard.clone(), busy));
                (pipe, connection)
            })
            .collect();
        let call = legacy("tools/call", r#"{"name":"wait"}"#);
        let mut index = 0;
        let call_bytes = held_bytes(COUNT, |_| {
            let (pipe, connection) = &mut open[index];
            index += 1;
            pipe.put(&call);
            assert!(connection.as_mut().poll(&mut context).is_pending());
            drop(pipe.empty());
        });
        println!("call: {call_bytes} bytes beside its connection");
        assert!(call_bytes <= 696, "{call_bytes}");
    }

    /// A client of the legacy era may hold one stream open all the time.
    #[test]
    fn an_idle_event_stream_is_small() {
        const COUNT: usize = 500;
        let shard = shard_with(Rc::new(IdleTasks));
        let busy = Rc::new(workbench(shard.clone(), 4, |transport, _parcel| Err(transport)));
        let mut context = Context::from_waker(Waker::noop());
        let initialize = post(
            "",
            r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":
            {"protocolVersion":"2025-11-25","capabilities":{},
            "clientInfo":{"name":"c","version":"1"}}}"#,
        );
        type Connection = Pin<Box<dyn Future<Output = CloseReason>>>;
        let mut open: Vec<(Pipe, Connection, String)> = (0..COUNT)
            .map(|_| {
                let pipe = Pipe::default();
                let busy = busy.clone();
                let busy = move |transport, shift| busy(transport, shift);
                let mut connection: Connection =
                    Box::pin(serve_connection(pipe.clone(), Shift::Wait, shard.clone(), busy));
                pipe.put(&initialize);
                assert!(connection.as_mut().poll(&mut context).is_pending());
                let text = pipe.empty();
                let (_, id) = text.split_once("Mcp-Session-Id: ").unwrap();
                let id = id.split_once("\r\n").unwrap().0.to_owned();
                (pipe, connection, id)
            })
            .collect();
        let mut index = 0;
        let stream_bytes = held_bytes(COUNT, |_| {
            let (pipe, connection, id) = &mut open[index];
            index += 1;
            let head = format!(
                "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\
                 Mcp-Session-Id: {id}\r\n\r\n"
            );
            pipe.put(head.as_bytes());
            assert!(connection.as_mut().poll(&mut context).is_pending());
            assert!(pipe.empty().contains("id: 0-0"));
        });
        println!("event stream: {stream_bytes} bytes beside its idle connection");
        assert!(stream_bytes <= 296, "{stream_bytes}");
    }
}
