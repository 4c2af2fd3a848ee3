//! The table: caps, ids, ends.

use std::cell::RefCell;

use super::*;
use crate::http::negotiate::StreamFormat;
use crate::mcp::capability::ClientCapabilities;
use crate::mcp::revision::Revision;
use crate::session::conversation::Work;
use crate::session::store::MemoryStore;

const LIFE: Duration = Duration::from_secs(1800);

fn limits() -> SessionLimits {
    SessionLimits { session_idle_life: LIFE, ..SessionLimits::default() }
}

fn table(limits: SessionLimits) -> Sessions {
    Sessions::new(&Membership::alone().expect("random bytes"), limits, Box::new(MemoryStore))
}

fn greeting(owner: Owner) -> Greeting {
    let capabilities = ClientCapabilities::default();
    Greeting { revision: Revision::V2025_11_25, capabilities, owner }
}

fn nobody() -> Owner {
    Owner::Address(None)
}

fn principal(name: &str) -> Owner {
    Owner::Principal(name.into())
}

fn open(table: &Sessions, owner: Owner, now: Now) -> Rc<Session> {
    table.open(greeting(owner), now).expect("room")
}

fn at(time: Duration) -> Now {
    Now(Now(0).after(time).0)
}

fn is_here(table: &Sessions, id: &SessionId) -> bool {
    matches!(table.find(id.as_bytes(), &nobody(), Now(0)), Found::Here(_))
}

#[test]
fn as_many_sessions_live_as_may_and_one_that_ends_makes_room() {
    let table = table(SessionLimits { sessions_max: 3, ..limits() });
    let opened: Vec<_> = (0..3).map(|_| open(&table, nobody(), Now(0))).collect();
    assert_eq!(table.open(greeting(nobody()), Now(0)).err(), Some(NotOpened::Full));
    table.end(&opened[1]);
    table.end(&opened[1]);
    assert_eq!(table.count(), 2, "ended once");
    open(&table, nobody(), Now(0));
    assert_eq!(table.open(greeting(nobody()), Now(0)).err(), Some(NotOpened::Full));
    assert_eq!((table.count(), table.opened_count()), (3, 4));
}

#[test]
fn principals_and_addresses_have_caps_of_their_own() {
    let bounds =
        SessionLimits { sessions_per_principal_max: 2, sessions_per_address_max: 3, ..limits() };
    let table = table(bounds);
    let address = |text: &str| Owner::Address(Some(text.parse().expect("an address")));
    for (owner, alike, most) in [
        (principal("one"), principal("one"), 2),
        (principal("other"), principal("other"), 2),
        (nobody(), nobody(), 3),
        (address("192.0.2.1"), address("::ffff:192.0.2.1"), 3),
        (address("2001:db8::1"), address("2001:db8::2"), 3),
    ] {
        let opened: Vec<_> = (0..most).map(|_| open(&table, owner.clone(), Now(0))).collect();
        let refused = table.open(greeting(alike.clone()), Now(0)).err();
        assert_eq!(refused, Some(NotOpened::TooManyOfOwner), "{owner:?}");
        table.end(&opened[0]);
        open(&table, alike, Now(0));
    }
    let sessions: Vec<_> = (0..13).filter_map(|slot| table.at(slot)).collect();
    assert_eq!(sessions.len(), 13);
    for session in sessions {
        table.end(&session);
    }
    assert!(table.owners.borrow().is_empty(), "nobody is counted who has none");
}

#[test]
fn workers_share_the_caps() {
    let mint = Membership::alone().expect("random bytes").mint;
    let membership = Membership { worker: 1, worker_count: 4, mint };
    let bounds = SessionLimits { sessions_max: 10, sessions_per_address_max: 5, ..limits() };
    let table = Sessions::new(&membership, bounds, Box::new(MemoryStore));
    for who in ["192.0.2.1", "192.0.2.1", "192.0.2.2"] {
        open(&table, Owner::Address(Some(who.parse().expect("an address"))), Now(0));
    }
    assert_eq!(table.open(greeting(nobody()), Now(0)).err(), Some(NotOpened::Full));
}

#[test]
fn whatever_is_not_the_callers_session_is_nowhere() {
    let (table, other_process) = (table(limits()), table(limits()));
    let session = open(&table, principal("one"), Now(0));
    let found = |id: &[u8], asker: &Owner| table.find(id, asker, Now(0));
    let id = *session.id();
    assert!(matches!(found(id.as_bytes(), &principal("one")), Found::Here(_)));
    for asker in [principal("other"), nobody()] {
        assert!(matches!(found(id.as_bytes(), &asker), Found::Nowhere), "foreign");
    }
    let ended = open(&table, nobody(), Now(0));
    table.end(&ended);
    let successor = open(&table, nobody(), Now(0));
    assert_eq!(successor.slot(), ended.slot(), "slots are used again");
    assert_ne!(successor.id(), ended.id());
    let theirs = open(&other_process, nobody(), Now(0));
    let mut forged = successor.id().as_bytes().to_vec();
    forged[20] ^= 1;
    let no_slot: SessionId = table.mint.mint(Place { worker: 0, slot: 99 }).expect("random bytes");
    for id in [
        ended.id().as_bytes(),
        theirs.id().as_bytes(),
        no_slot.as_bytes(),
        &forged,
        b"",
        b"../../etc",
        &[b'A'; 48],
    ] {
        assert!(matches!(found(id, &nobody()), Found::Nowhere));
    }
    assert!(is_here(&table, successor.id()));
}

#[test]
fn only_an_id_of_ours_is_worth_the_way_to_another_worker() {
    let mint = Membership::alone().expect("random bytes").mint;
    let of = |worker| {
        let membership = Membership { worker, worker_count: 2, mint: mint.clone() };
        Sessions::new(&membership, limits(), Box::new(MemoryStore))
    };
    let (first, second) = (of(0), of(1));
    let session = open(&second, nobody(), Now(0));
    let find = |id: &SessionId| first.find(id.as_bytes(), &nobody(), Now(0));
    assert!(matches!(find(session.id()), Found::Elsewhere(1)));
    let stranger = IdMint::new().expect("random bytes");
    let forged = stranger.mint(Place { worker: 1, slot: 0 }).expect("random bytes");
    assert!(matches!(find(&forged), Found::Nowhere));
    let no_worker = mint.mint(Place { worker: 2, slot: 0 }).expect("random bytes");
    assert!(matches!(find(&no_worker), Found::Nowhere));
}

#[derive(Default)]
struct Job(RefCell<bool>);

impl Work for Job {
    fn answers(&self, _: &[u8]) -> bool {
        true
    }

    fn cancel(&self) {
        *self.0.borrow_mut() = true;
    }
}

#[test]
fn sessions_end_after_their_idle_life_and_busy_ones_do_not() {
    let table = table(limits());
    let second = Duration::from_secs(1);
    let [idle, used, read, working] = [(); 4].map(|()| open(&table, nobody(), Now(0)));
    let stream = read.open_standalone(Now(0)).expect("room");
    let carrier = stream.attach();
    let work: Rc<dyn Work> = Rc::new(Job::default());
    working.begin_work(work.clone()).expect("room");
    used.touch(at(second));
    assert!(table.expire(at(LIFE - second)).is_some());
    assert_eq!(table.count(), 4, "before its life is over none ends");
    table.expire(at(LIFE));
    assert!(idle.has_ended());
    assert_eq!(table.count(), 3);
    table.expire(at(LIFE + second));
    assert!(used.has_ended());
    table.expire(at(LIFE * 4));
    assert_eq!(table.count(), 2);
    stream.detach(carrier, at(LIFE * 4));
    read.touch(at(LIFE * 4));
    working.end_work(&work, at(LIFE * 4));
    table.expire(at(LIFE * 5 - second));
    assert_eq!(table.count(), 2);
    let next = table.expire(at(LIFE * 5));
    assert_eq!((table.count(), next), (0, None));
    assert!(table.ages.borrow().is_empty());
}

#[test]
fn what_is_kept_for_a_client_that_went_is_let_go_in_time() {
    let life = Duration::from_secs(60);
    let table = table(SessionLimits { replay_life: life, ..limits() });
    let session = open(&table, nobody(), Now(0));
    let stream = session.open_answer(StreamFormat::Sse, Now(0));
    let carrier = stream.attach();
    session.append(&stream, &mut |out| out.extend_from_slice(b"{}"));
    session.finish(&stream, b"{}".to_vec());
    stream.detach(carrier, Now(0));
    assert!(session.kept_bytes() > 0);
    let due = table.expire(Now(0)).expect("a session");
    assert_eq!(due, Now(0).after(life));
    table.expire(at(life));
    assert_eq!((session.kept_bytes(), table.count()), (0, 1));
}

#[test]
fn a_replay_life_of_nothing_is_one() {
    let table = table(SessionLimits { replay_life: Duration::ZERO, ..limits() });
    open(&table, nobody(), Now(0));
    assert_eq!(table.expire(at(LIFE / 2)), Some(at(LIFE / 2).after(LOOK_INTERVAL_MIN)));
}

/// 2.15: a client that opens and never ends.
#[test]
fn sessions_that_are_opened_and_left_are_bounded_and_all_end() {
    const MOST: usize = 50_000;
    let bounds = SessionLimits { sessions_max: MOST, sessions_per_address_max: MOST, ..limits() };
    let table = table(bounds);
    let opened =
        (0..100_000u64).filter(|step| table.open(greeting(nobody()), Now(*step)).is_ok()).count();
    assert_eq!((opened, table.count(), table.slots.borrow().len()), (MOST, MOST, MOST));
    assert_eq!(table.expire(at(LIFE + LIFE)), None);
    assert_eq!((table.count(), table.ages.borrow().len()), (0, 0));
    assert!(table.owners.borrow().is_empty());
    open(&table, nobody(), at(LIFE * 2));
    assert_eq!(table.slots.borrow().len(), MOST, "slots are used again");
}

/// 2.15, CVE-2026-59951: and one that ends each as soon as it opened it.
#[test]
fn sessions_that_ended_leave_nothing_behind() {
    let table = table(limits());
    let stays = open(&table, nobody(), Now(0));
    for step in 0..100_000 {
        let session = open(&table, nobody(), Now(step));
        table.end(&session);
        assert!(table.ages.borrow().len() <= 2 * table.count() + ENDED_AGES_MAX);
    }
    assert_eq!((table.count(), table.slots.borrow().len()), (1, 2));
    assert!(is_here(&table, stays.id()));
    table.expire(at(LIFE * 2));
    assert!(stays.has_ended());
}
