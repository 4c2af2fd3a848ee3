//! One session: its limits, what it keeps and for how long, whom it tells, and its end.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::*;
use crate::session::change::Change;
use crate::session::id::{IdMint, Place};
use crate::session::store::MemoryStore;
use crate::session::stream::News;

const LIFE: Duration = Duration::from_secs(300);

fn limits() -> SessionLimits {
    SessionLimits { replay_life: LIFE, ..SessionLimits::default() }
}

fn session_of(revision: Revision, limits: SessionLimits) -> Session {
    let mint = IdMint::new().expect("random bytes");
    let id = mint.mint(Place { worker: 0, slot: 0 }).expect("random bytes");
    let (capabilities, owner) = (ClientCapabilities::default(), Owner::Address(None));
    let greeting = Greeting { revision, capabilities, owner };
    let shared = Rc::new(Shared { limits, store: Box::new(MemoryStore) });
    Session::new(Seat { id, slot: 0, serial: 0 }, greeting, shared, Now(0))
}

fn session(limits: SessionLimits) -> Session {
    session_of(Revision::V2025_06_18, limits)
}

fn later(after: Duration) -> Now {
    Now(Now(0).after(after).0)
}

fn say(session: &Session, stream: &EventStream, text: &str) {
    session.append(stream, &mut |out| out.extend_from_slice(text.as_bytes()));
}

/// Takes what is due, as a carrier does.
fn taken(session: &Session, stream: &EventStream) -> String {
    let mut all = String::new();
    let growth = stream.take(|events| all = String::from_utf8(events.to_vec()).expect("text"));
    session.note_growth(growth);
    all
}

fn news(stream: &EventStream, carrier: u32) -> Poll<News> {
    stream.poll_news(carrier, &mut Context::from_waker(Waker::noop()))
}

/// An answer's stream that was carried, told `texts`, and left.
fn left(session: &Session, texts: &[&str]) -> Rc<EventStream> {
    let stream = session.open_answer(StreamFormat::Sse, Now(0));
    let carrier = stream.attach();
    for text in texts {
        say(session, &stream, text);
    }
    taken(session, &stream);
    stream.detach(carrier, Now(0));
    stream
}

struct Job {
    id: &'static str,
    cancelled: Cell<bool>,
}

impl Work for Job {
    fn answers(&self, id_json: &[u8]) -> bool {
        self.id.as_bytes() == id_json
    }

    fn cancel(&self) {
        self.cancelled.set(true);
    }
}

fn job(id: &'static str) -> Rc<Job> {
    Rc::new(Job { id, cancelled: Cell::new(false) })
}

/// 2.16
#[test]
fn as_many_requests_run_as_may() {
    let session = session(SessionLimits { session_requests_max: 2, ..limits() });
    let (one, two): (Rc<dyn Work>, Rc<dyn Work>) = (job("1"), job("2"));
    assert_eq!(session.work_room(), 2);
    assert_eq!(session.begin_work(one.clone()), Ok(()));
    assert_eq!(session.begin_work(two), Ok(()));
    assert_eq!(session.begin_work(job("3")), Err(TooMany("session_requests_max")));
    assert_eq!((session.work_room(), session.work_max()), (0, 2));
    session.end_work(&one, Now(7));
    assert_eq!(session.begin_work(job("3")), Ok(()));
}

/// 5.15
#[test]
fn the_call_that_is_named_is_cancelled_alone() {
    let session = session(limits());
    let (number, text) = (job("1"), job("\"1\""));
    session.begin_work(number.clone()).expect("room");
    session.begin_work(text.clone()).expect("room");
    session.cancel_work(b"2");
    session.cancel_work(b"\"1\"");
    assert_eq!((number.cancelled.get(), text.cancelled.get()), (false, true));
}

/// 2.16
#[test]
fn as_many_streams_are_open_as_may() {
    let session = session(SessionLimits { session_streams_max: 2, ..limits() });
    let one = session.open_standalone(Now(0)).expect("room");
    let carrier = one.attach();
    session.open_standalone(Now(0)).expect("room").attach();
    assert_eq!(session.open_standalone(Now(0)).err(), Some(TooMany("session_streams_max")));
    // The streams of requests are bounded with those.
    drop(session.open_answer(StreamFormat::Sse, Now(0)));
    one.detach(carrier, Now(0));
    session.open_standalone(Now(0)).expect("one left");
}

#[test]
fn as_many_questions_wait_as_may() {
    let session = session(SessionLimits { session_questions_max: 2, ..limits() });
    let stream = session.open_answer(StreamFormat::Sse, Now(0));
    stream.attach();
    let ask = || session.ask(&stream, "roots/list", "{}");
    let (one, _two) = (ask().expect("room"), ask().expect("room"));
    assert_eq!(ask().err(), Some(TooMany("session_questions_max")));
    let first =
        "id: 0-0\ndata: {\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"roots/list\",\"params\":{}}\n";
    assert!(taken(&session, &stream).starts_with(first));
    session.settle(99, Ok(serde_json::Value::Null));
    session.settle(one.id(), Ok(serde_json::Value::Bool(true)));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(one.poll_reply(&mut context), Poll::Ready(Ok(serde_json::Value::Bool(true))));
    let three = ask().expect("one was answered");
    drop(three);
    assert!(ask().is_ok(), "nobody waits for the third");
}

#[test]
fn as_many_resources_are_watched_as_may() {
    let bounds = SessionLimits { watched_resources_max: 2, watched_bytes_max: 10, ..limits() };
    let session = session(bounds);
    assert_eq!(session.watch("a:1"), Ok(()));
    assert_eq!(session.watch("a:1"), Ok(()), "twice is once");
    assert_eq!(session.watch("a:345678"), Err(TooMany("watched_bytes_max")));
    assert_eq!(session.watch("a:34567"), Ok(()));
    assert_eq!(session.watch("b"), Err(TooMany("watched_resources_max")));
    session.unwatch("a:1");
    session.unwatch("never");
    assert_eq!(session.watch("b"), Ok(()));
}

/// 2.17: the oldest go first, and a resume beyond them is refused.
#[test]
fn what_is_kept_for_resumption_is_bounded_in_bytes() {
    let session = session(SessionLimits { replay_bytes_max: 200, ..limits() });
    let texts = ["0", "1", "2"];
    let (old, new) = (left(&session, &texts), left(&session, &texts));
    let event_bytes = "id: 0-0\ndata: 0\n\n".len();
    assert_eq!(session.kept_bytes(), 4 * event_bytes, "nobody asks for the first again");
    // 4 events and this one are more than 200 bytes, but 3 and this one are not.
    let reader = session.open_answer(StreamFormat::Sse, Now(0));
    reader.attach();
    say(&session, &reader, &"x".repeat(200 - 4 * event_bytes));
    assert_eq!(session.kept_bytes(), 200 - 4 * event_bytes + 3 * event_bytes + event_bytes - 1);
    let resume = |stream: &Rc<EventStream>, sequence| {
        let id = EventId { stream: stream.number().expect("a number"), sequence };
        session.resume(id, Now(0)).map(|_| ()).err()
    };
    assert_eq!(resume(&old, 0), Some(ResumeError::Forgotten));
    assert_eq!(resume(&old, 1), None, "1 is gone, and was seen");
    assert_eq!(resume(&new, 0), None);
    // What a reader did not take yet is kept at any price; all else goes.
    say(&session, &reader, &"x".repeat(300));
    assert_eq!(taken(&session, &reader).matches("data").count(), 2);
}

#[test]
fn streams_of_lines_take_nothing_of_what_is_kept_for_others() {
    let session = session(SessionLimits { replay_bytes_max: 100, ..limits() });
    let kept = left(&session, &["0", "1"]);
    let lines = session.open_answer(StreamFormat::Ndjson, Now(0));
    lines.attach();
    for _ in 0..100 {
        say(&session, &lines, "{\"more\":\"than is kept\"}");
        taken(&session, &lines);
    }
    kept.resume(0).expect("all is kept");
}

/// 2.17
#[test]
fn streams_that_nobody_comes_back_for_are_let_go() {
    let session = session(limits());
    let ended = left(&session, &["0"]);
    session.finish(&ended, b"{}".to_vec());
    let running = left(&session, &["0"]);
    let id = |stream: &EventStream| EventId { stream: stream.number().unwrap(), sequence: 0 };
    session.drop_old_streams(later(LIFE - Duration::from_secs(1)));
    assert_eq!(session.streams.borrow().len(), 2);
    let too_late = session.resume(id(&ended), later(LIFE)).map(|_| ());
    assert_eq!(too_late, Err(ResumeError::Forgotten));
    assert!(session.resume(id(&running), later(LIFE)).is_ok(), "its call still runs");
    let never = EventId { stream: 2, sequence: 0 };
    assert_eq!(session.resume(never, Now(0)).map(|_| ()), Err(ResumeError::Unknown));
    let not_yet = EventId { sequence: 1, ..id(&running) };
    assert_eq!(session.resume(not_yet, Now(0)).map(|_| ()), Err(ResumeError::Unknown));
}

#[test]
fn as_many_ended_streams_are_kept_as_may() {
    let session = session(limits());
    for _ in 0..ENDED_STREAMS_MAX + 10 {
        let stream = left(&session, &["0"]);
        session.finish(&stream, b"{}".to_vec());
    }
    session.drop_old_streams(Now(0));
    assert_eq!(session.streams.borrow().len(), ENDED_STREAMS_MAX);
    let kept: usize = session.streams.borrow().iter().map(|stream| stream.cut()).sum();
    assert_eq!(session.kept_bytes(), kept, "what went is not counted");
}

/// 5.14
#[test]
fn a_change_goes_to_one_stream_the_newest_that_is_read() {
    let session = session(limits());
    session.announce(&Change::Tools);
    let one = session.open_standalone(Now(0)).expect("room");
    let carrier = one.attach();
    let two = session.open_standalone(Now(0)).expect("room");
    let newest = two.attach();
    let answer = session.open_answer(StreamFormat::Sse, Now(0));
    answer.attach();
    let told =
        || [&one, &two, &answer].map(|stream| taken(&session, stream).matches("data").count());
    session.announce(&Change::Tools);
    assert_eq!(told(), [0, 1, 0]);
    two.detach(newest, Now(0));
    session.announce(&Change::Tools);
    assert_eq!(told(), [1, 0, 0]);
    one.detach(carrier, Now(0));
    session.announce(&Change::Tools);
    assert_eq!(told(), [0, 1, 0], "it waits for whoever resumes");
    session.announce(&Change::ResourceUpdated("a:b".into()));
    assert_eq!(told(), [0, 0, 0]);
    session.watch("a:b").expect("room");
    session.announce(&Change::ResourceUpdated("a:b".into()));
    assert_eq!(told(), [0, 1, 0]);
}

#[test]
fn a_client_that_reads_slowly_misses_no_change_and_is_told_none_twice() {
    let changes = [Change::Tools, Change::Prompts, Change::Resources];
    let session = session_of(Revision::V2025_11_25, limits());
    let uris: Vec<_> = (0..limits().watched_resources_max).map(|n| format!("a:{n}")).collect();
    uris.iter().for_each(|uri| session.watch(uri).expect("room"));
    let all = uris.len() + changes.len();
    let stream = session.open_standalone(Now(0)).expect("room");
    let told = |stream: &EventStream| taken(&session, stream).matches("data: ").count();
    for attached in [true, false] {
        let carrier = stream.attach();
        for _ in 0..3 {
            session.announce_watched();
            changes.iter().for_each(|change| session.announce(change));
        }
        assert_eq!(told(&stream), all);
        changes.iter().for_each(|change| session.announce(change));
        assert_eq!(told(&stream), changes.len(), "what was read is told anew");
        if attached {
            stream.detach(carrier, Now(0));
        }
    }
    session.announce(&Change::Tools);
    let newer = session.open_standalone(Now(0)).expect("room");
    newer.attach();
    session.announce(&Change::Tools);
    assert_eq!(told(&newer), 1, "what waits elsewhere does not hold it back");
}

/// 5.9
#[test]
fn the_end_lets_go_of_everything() {
    let session = session(limits());
    let work = job("1");
    session.begin_work(work.clone()).expect("room");
    let events = session.open_standalone(Now(0)).expect("room");
    let carrier = events.attach();
    let kept = left(&session, &["0"]);
    let question = session.ask(&kept, "ping", "{}").expect("room");
    session.watch("a:b").expect("room");
    session.end();
    session.end();
    assert!(session.has_ended() && work.cancelled.get());
    assert_eq!(news(&events, carrier), Poll::Ready(News::Ended), "with a complete last chunk");
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(question.poll_reply(&mut context), Poll::Ready(Err(_))));
    assert_eq!(session.kept_bytes(), 0);
    assert_eq!((Rc::strong_count(&events), Rc::strong_count(&kept)), (1, 1));
    assert!(session.affairs.borrow().is_none());
}

/// Priming events came with 2025-11-25; before, an event without data confuses clients.
#[test]
fn streams_prime_where_the_revision_knows_it() {
    for (revision, primes) in [(Revision::V2025_06_18, false), (Revision::V2025_11_25, true)] {
        let session = session_of(revision, limits());
        let stream = session.open_standalone(Now(0)).expect("room");
        session.note_growth(stream.open());
        stream.attach();
        assert_eq!(session.kept_bytes() > 0, primes);
        let first = taken(&session, &stream);
        assert_eq!(first, if primes { "id: 0-0\nretry: 1000\ndata:\n\n" } else { "" });
        assert_eq!(session.kept_bytes(), 0);
    }
}
