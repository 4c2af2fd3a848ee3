//! One connection in memory and its server, polled by hand on a clock that stands still: what is
//! measured is the path from the bytes of a request to those of its answer, and nothing of the
//! kernel.

use std::future::Future;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use ringlane::Settings;
use ringlane::base::time::Now;
use ringlane::controller::catalogue::Catalogue;
use ringlane::handler::registry::Registry;
use ringlane::serve::connection::CloseReason;
use ringlane::serve::shard::Shard;
use ringlane::session::table::Membership;
use ringlane::testing::clock::VirtualClock;
use ringlane::testing::executor::Executor;
use ringlane::testing::pipe::{ClientEnd, Windows, pipe};
use ringlane::testing::{serve, services};

use super::exchange::{header, initialize};
use super::tools::tools;

/// What either side takes in at once: more than the largest request and the largest answer.
const WINDOW_BYTES: usize = 512 * 1024;

/// A client and its server.
pub(crate) struct Memory {
    client: ClientEnd,
    connection: Pin<Box<dyn Future<Output = CloseReason>>>,
    /// Starts the tasks of calls that take their time, which no bench makes.
    _executor: Rc<Executor>,
    answer: Vec<u8>,
}

impl Memory {
    pub(crate) fn open() -> Self {
        let clock = VirtualClock::starting_at(Now(1_000_000_000));
        let executor = Executor::new(clock.clone());
        let mut registry = Registry::default();
        registry.implementation.name = "bench".to_owned();
        for tool in tools() {
            registry.add_tool(tool).expect("a tool that can be offered");
        }
        let Settings { serve: settings, lists, .. } = Settings::default();
        let catalogue = Catalogue::new(registry, &lists);
        let services = services(clock, executor.spawner());
        let membership = Membership::alone().expect("random bits");
        let shard = Shard::new(Arc::new(settings), catalogue, services, &membership);
        let (server, client) =
            pipe(Windows { to_server_bytes_max: WINDOW_BYTES, to_client_bytes_max: WINDOW_BYTES });
        let answer = vec![0; WINDOW_BYTES];
        Self { client, connection: Box::pin(serve(server, shard)), _executor: executor, answer }
    }

    /// Sends these bytes, lets the server run until it waits, and gives all that it sent.
    #[inline]
    pub(crate) fn exchange(&mut self, bytes: &[u8]) -> &[u8] {
        let mut context = Context::from_waker(Waker::noop());
        let written = pin!(self.client.write(bytes)).poll(&mut context);
        assert!(matches!(written, Poll::Ready(Ok(()))), "more than the window holds");
        assert!(self.connection.as_mut().poll(&mut context).is_pending(), "it closed");
        let read = pin!(self.client.read(&mut self.answer)).poll(&mut context);
        let Poll::Ready(Ok(count)) = read else { panic!("no answer") };
        assert!(count < WINDOW_BYTES, "more than the window holds");
        &self.answer[..count]
    }

    /// Opens a session and gives its id.
    pub(crate) fn open_session(&mut self) -> String {
        let answer = String::from_utf8_lossy(self.exchange(&initialize())).into_owned();
        header(&answer, "Mcp-Session-Id").expect("a session").to_owned()
    }
}
