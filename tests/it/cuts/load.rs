//! A thousand sessions at once, on connections that are on the wrong worker half of the time.
//!
//! Where a connection is, is known: a session that is opened on it names its worker, and a request
//! takes it to the worker of the session that it names.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringlane::IoChoice;
use ringlane::testing::random::Random;
use serde_json::{Value, json};

use super::wire::{Session, Wire};
use super::{House, REVISIONS, WORKERS};

const SESSIONS: usize = 1_000;
const THREADS: u64 = 4;
const CONNECTIONS: usize = 16;
const ROUNDS: u64 = 150;

/// The worker that keeps a session.
fn worker_of(session: &Session) -> usize {
    let bytes = URL_SAFE_NO_PAD.decode(&session.id).expect("base64");
    usize::from(bytes[0]) << 8 | usize::from(bytes[1])
}

/// A connection, and the worker that it is on.
struct Placed {
    wire: Wire,
    worker: usize,
}

impl Placed {
    /// Opens a session, which lies where the connection landed.
    fn open(house: &House, random: &mut Random) -> (Self, Session) {
        let mut wire = Wire::open(house.address);
        let revision = *random.pick(&REVISIONS);
        let session = Session::open(&mut wire, revision);
        let worker = worker_of(&session);
        assert!(worker < WORKERS, "{session:?}");
        (Self { wire, worker }, session)
    }
}

/// Asks for several sessions at once, over connections wherever they are. Returns how many of the
/// requests met the wrong worker.
fn ask_around(house: &House, sessions: &[Session], index: u64) -> usize {
    let mut random = Random::new(index);
    let mut places: Vec<_> = (0..CONNECTIONS).map(|_| Placed::open(house, &mut random).0).collect();
    let mut wrong_count = 0;
    for round in 0..ROUNDS {
        let asked: Vec<_> = (0..CONNECTIONS)
            .map(|at| {
                let session = random.pick(sessions);
                let id = (index << 32) + round * CONNECTIONS as u64 + at as u64;
                let text = format!("{} {id}", session.id);
                wrong_count += usize::from(places[at].worker != worker_of(session));
                places[at].worker = worker_of(session);
                let call = session.call(id, "echo", &json!({"text": text}));
                places[at].wire.send(&call);
                (id, text)
            })
            .collect();
        for (place, (id, text)) in places.iter_mut().zip(asked) {
            let answer = place.wire.answer();
            assert_eq!(answer.status, 200, "{answer:?}");
            let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
            assert_eq!(
                (&told["id"], &told["result"]["content"][0]["text"]),
                (&json!(id), &json!(text))
            );
        }
    }
    wrong_count
}

#[test]
fn a_thousand_sessions_are_served_on_whichever_worker_their_requests_land() {
    for io in [IoChoice::Auto, IoChoice::Epoll] {
        let house = House::open(io);
        let mut random = Random::new(0);
        let sessions: Vec<_> = (0..SESSIONS).map(|_| Placed::open(&house, &mut random).1).collect();
        let on_first = sessions.iter().filter(|session| worker_of(session) == 0).count();
        let wrong_count: usize = std::thread::scope(|scope| {
            let (house, sessions) = (&house, &sessions[..]);
            let threads: Vec<_> = (0..THREADS)
                .map(|index| scope.spawn(move || ask_around(house, sessions, index)))
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("no fault")).sum()
        });
        let count = usize::try_from(THREADS * ROUNDS).expect("few") * CONNECTIONS;
        println!("{io:?}: {on_first} of {SESSIONS} sessions on the first worker");
        println!("{io:?}: {wrong_count} of {count} requests met the wrong worker");
        let quarter = count / 4;
        assert!((quarter..3 * quarter).contains(&wrong_count), "{wrong_count} of {count}");
        let mut wire = Wire::open(house.address);
        for session in &sessions {
            assert_eq!(wire.ask(&session.delete()).status, 200, "each session is ended once");
            assert_eq!(wire.ask(&session.delete()).status, 404);
        }
    }
}
