//! Requests that reach a worker which does not keep their session: in memory, two cores of one
//! process, so that it is known which of them counts what.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use ringlane::base::time::Now;
use ringlane::controller::catalogue::{Catalogue, ListSettings};
use ringlane::handler::registry::Registry;
use ringlane::serve::connection::{Parcel, Shift};
use ringlane::serve::shard::{ServeSettings, Shard};
use ringlane::session::id::IdMint;
use ringlane::session::table::Membership;
use ringlane::testing::clock::VirtualClock;
use ringlane::testing::executor::Executor;
use ringlane::testing::pipe::{ServerEnd, Windows, pipe};
use ringlane::testing::services;
use ringlane::testing::serving::serve_beside_others;

use crate::support::ask::{Ask, LEGACY};

struct House {
    executor: Rc<Executor>,
    shards: [Rc<Shard>; 2],
    /// Whether the workers have room for connections of each other.
    has_room: bool,
}

impl House {
    fn new(has_room: bool) -> Self {
        let clock = VirtualClock::starting_at(Now(0));
        let executor = Executor::new(clock.clone());
        let mint = Arc::new(IdMint::new().unwrap());
        let shards = [0, 1].map(|worker| {
            let catalogue = Catalogue::new(Registry::default(), &ListSettings::default());
            let services = services(clock.clone(), executor.spawner());
            let membership = Membership { worker, worker_count: 2, mint: mint.clone() };
            Shard::new(Arc::new(ServeSettings::default()), catalogue, services, &membership)
        });
        Self { executor, shards, has_room }
    }

    /// Sends a request to a worker, and reads what answers it, whoever that is.
    fn ask(&self, worker: usize, ask: &Ask) -> String {
        let (server, client) = pipe(Windows::default());
        let moved: Rc<RefCell<Option<(ServerEnd, Parcel)>>> = Rc::default();
        let (has_room, moving) = (self.has_room, moved.clone());
        let hand_over = move |transport, parcel| {
            if !has_room {
                return Err(transport);
            }
            *moving.borrow_mut() = Some((transport, parcel));
            Ok(())
        };
        let first =
            serve_beside_others(server, Shift::Wait, self.shards[worker].clone(), hand_over);
        let shards = self.shards.clone();
        self.executor.spawn(async move {
            first.await;
            let Some((transport, Parcel { to, input })) = moved.take() else { return };
            let shift = Shift::with_input(input);
            serve_beside_others(transport, shift, shards[to].clone(), |it, _| Err(it)).await;
        });
        let mut buffer = [0; 4096];
        let read = self.executor.block_on(async {
            client.write(&ask.bytes()).await?;
            client.read(&mut buffer).await
        });
        String::from_utf8(buffer[..read.unwrap().unwrap()].to_vec()).unwrap()
    }

    /// Opens a session on the first worker.
    fn greet(&self) -> String {
        let greeting = self.ask(0, &Ask::initialize(LEGACY));
        let id = greeting.lines().find_map(|line| line.strip_prefix("Mcp-Session-Id: "));
        id.unwrap().to_owned()
    }

    fn counts(&self) -> [u64; 2] {
        [0, 1].map(|worker| self.shards[worker].counters().requests.get())
    }
}

#[test]
fn a_request_that_moves_is_counted_once_where_it_is_answered() {
    let house = House::new(true);
    let id = house.greet();
    let answer = house.ask(1, &Ask::new(LEGACY, "ping").of_session(&id));
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(house.counts(), [2, 0]);
}

#[test]
fn who_finds_the_worker_of_its_session_busy_is_told_when_to_come_back() {
    let house = House::new(false);
    let id = house.greet();
    let answer = house.ask(1, &Ask::new(LEGACY, "ping").of_session(&id));
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
    assert_eq!(house.counts(), [1, 1]);
}
