//! Event streams whose clients read slowly: in memory, where it is known what was taken and time
//! stands still. A connection that waits for such a client lets go as soon as its stream is none of
//! its business any more (2.17, 5.9).

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringlane::base::clock::Clock;
use ringlane::base::time::Now;
use ringlane::controller::catalogue::{Catalogue, ListSettings};
use ringlane::handler::registry::Registry;
use ringlane::serve::connection::CloseReason;
use ringlane::serve::shard::{ServeSettings, Shard};
use ringlane::session::change::Change;
use ringlane::session::table::Membership;
use ringlane::testing::clock::VirtualClock;
use ringlane::testing::executor::Executor;
use ringlane::testing::pipe::{ClientEnd, Windows, pipe};
use ringlane::testing::{serve, services};

use crate::sessions::{bare, events, named};
use crate::support::ask::{Ask, LEGACY};

/// A moment that nobody waits for.
const MOMENT: Duration = Duration::from_millis(1);

/// One core of a server.
struct Core {
    clock: Rc<VirtualClock>,
    executor: Rc<Executor>,
    shard: Rc<Shard>,
}

/// A connection, and why it ended.
struct Link {
    client: ClientEnd,
    ended: Rc<Cell<Option<CloseReason>>>,
}

impl Core {
    fn new() -> Self {
        let clock = VirtualClock::starting_at(Now(0));
        let executor = Executor::new(clock.clone());
        let catalogue = Catalogue::new(Registry::default(), &ListSettings::default());
        let services = services(clock.clone(), executor.spawner());
        let membership = Membership::alone().unwrap();
        let settings = Arc::new(ServeSettings::default());
        let shard = Shard::new(settings, catalogue, services, &membership);
        Self { clock, executor, shard }
    }

    /// Lets all run that can.
    fn settle(&self) {
        let until = self.clock.now().after(MOMENT);
        self.executor.block_on(self.clock.timers().sleep_until(until));
    }

    /// Sends a request over a connection that lets so many bytes of answers wait.
    fn ask(&self, request: &[u8], to_client_bytes_max: usize) -> Link {
        let (server, client) = pipe(Windows { to_client_bytes_max, ..Windows::default() });
        let ended = Rc::new(Cell::new(None));
        let (served, tell) = (serve(server, self.shard.clone()), ended.clone());
        self.executor.spawn(async move { tell.set(Some(served.await)) });
        self.executor.block_on(client.write(request)).unwrap().unwrap();
        self.settle();
        Link { client, ended }
    }

    /// What a request is answered with that fits.
    fn answer(&self, request: &[u8]) -> String {
        let link = self.ask(request, 64 * 1024);
        let mut buffer = [0; 4096];
        let count = self.executor.block_on(link.client.read(&mut buffer)).unwrap().unwrap();
        String::from_utf8(buffer[..count].to_vec()).unwrap()
    }

    /// A connection that is stuck: it carries the stream of a client that does not read.
    fn stuck(&self, request: &[u8]) -> Link {
        let link = self.ask(request, 100);
        self.shard.announce(&Change::Tools);
        self.settle();
        assert_eq!(link.ended.get(), None);
        link
    }
}

#[test]
fn a_connection_that_waits_for_its_client_leaves_once_another_took_over_or_the_session_ended() {
    let core = Core::new();
    let greeting = core.answer(&Ask::initialize(LEGACY).bytes());
    let id = greeting.lines().find_map(|line| line.strip_prefix("Mcp-Session-Id: ")).unwrap();
    let first = core.stuck(&events(id, &[]));
    let again = events(id, &["Last-Event-ID: 0-0"]);
    let second = core.stuck(&again);
    assert_eq!(first.ended.get(), Some(CloseReason::Superseded));
    let third = core.stuck(&again);
    assert_eq!(second.ended.get(), Some(CloseReason::Superseded));
    let ended = core.answer(&bare("DELETE", &[&named(id)]));
    assert!(ended.starts_with("HTTP/1.1 200 "), "{ended}");
    assert_eq!(third.ended.get(), Some(CloseReason::Superseded));
    assert_eq!(core.shard.session_count(), 0);
}
