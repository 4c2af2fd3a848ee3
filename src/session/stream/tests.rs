//! Event streams: given once and in order, to one carrier at a time, without a gap.

use std::task::Waker;

use proptest::prelude::*;

use super::*;
use crate::session::store::{EventStore, MemoryStore};

const RETRY: Duration = Duration::from_millis(1500);

fn plan(number: Option<u32>) -> StreamPlan {
    StreamPlan {
        number,
        format: StreamFormat::Sse,
        is_standalone: false,
        primes: None,
        events_max: 4,
        unsent_bytes_max: 1000,
    }
}

fn stream(plan: StreamPlan) -> EventStream {
    EventStream::new(plan, MemoryStore.open(), Now(0))
}

fn say(stream: &EventStream, text: &str) -> Growth {
    stream.append(&mut |out| out.extend_from_slice(text.as_bytes()))
}

fn news(stream: &EventStream, carrier: u32) -> Poll<News> {
    stream.poll_news(carrier, &mut Context::from_waker(Waker::noop()))
}

fn taken(stream: &EventStream) -> String {
    let mut all = String::new();
    stream.take(|events| all = String::from_utf8(events.to_vec()).expect("text"));
    all
}

#[test]
fn events_are_numbered_and_given_once() {
    let stream = stream(plan(Some(7)));
    let carrier = stream.attach();
    assert!(news(&stream, carrier).is_pending());
    let growth = say(&stream, "1");
    assert_eq!(growth, Growth { added_bytes: "id: 7-0\ndata: 1\n\n".len(), freed_bytes: 0 });
    say(&stream, "2");
    assert_eq!(news(&stream, carrier), Poll::Ready(News::Events));
    assert_eq!(taken(&stream), "id: 7-0\ndata: 1\n\nid: 7-1\ndata: 2\n\n");
    assert!(news(&stream, carrier).is_pending());
    assert_eq!(taken(&stream), "");
}

#[test]
fn the_first_event_is_not_kept_once_it_is_taken() {
    let stream = stream(StreamPlan { primes: Some(RETRY), ..plan(Some(0)) });
    stream.attach();
    let primed = stream.open();
    let taken_growth = stream.take(|_| ());
    assert!(primed.added_bytes > 0);
    assert_eq!(taken_growth, Growth { added_bytes: 0, freed_bytes: primed.added_bytes });
    say(&stream, "1");
    assert_eq!(stream.take(|_| ()), Growth::default(), "its client may name the one before it");
    stream.resume(0).expect("nothing that the client lacks is gone");
    assert_eq!(taken(&stream), "id: 0-1\ndata: 1\n\n");
}

#[test]
fn a_stream_that_primes_begins_with_an_id_and_nothing_else() {
    let stream = stream(StreamPlan { primes: Some(RETRY), ..plan(Some(0)) });
    stream.attach();
    say(&stream, "1");
    stream.open();
    assert_eq!(taken(&stream), "id: 0-0\nretry: 1500\ndata:\n\nid: 0-1\ndata: 1\n\n");
}

#[test]
fn an_answer_before_any_event_is_a_document_and_after_one_an_event() {
    let document = stream(plan(Some(0)));
    let carrier = document.attach();
    assert_eq!(document.finish(b"{}".to_vec()), Growth::default());
    assert_eq!(news(&document, carrier), Poll::Ready(News::Document));
    assert_eq!(document.take_document(), Some(b"{}".to_vec()));
    assert_eq!(news(&document, carrier), Poll::Ready(News::Ended));

    let event = stream(plan(Some(0)));
    let carrier = event.attach();
    say(&event, "1");
    event.finish(b"{}".to_vec());
    say(&event, "after the end");
    assert_eq!(taken(&event), "id: 0-0\ndata: 1\n\nid: 0-1\ndata: {}\n\n");
    assert_eq!(news(&event, carrier), Poll::Ready(News::Ended));
}

#[test]
fn a_document_for_a_client_that_takes_streams_alone_is_an_event() {
    let stream = stream(plan(Some(0)));
    let carrier = stream.attach();
    stream.finish(b"{}".to_vec());
    assert!(stream.document_to_event().added_bytes > 0);
    assert_eq!(news(&stream, carrier), Poll::Ready(News::Events));
    assert_eq!(taken(&stream), "id: 0-0\ndata: {}\n\n");
    assert_eq!(news(&stream, carrier), Poll::Ready(News::Ended));
    assert_eq!(stream.document_to_event(), Growth::default());
}

#[test]
fn a_cancelled_answer_is_a_document_or_nothing() {
    let silent = stream(plan(Some(0)));
    let carrier = silent.attach();
    silent.finish_cancelled(b"{}".to_vec());
    assert_eq!(news(&silent, carrier), Poll::Ready(News::Document));
    let told = stream(plan(Some(0)));
    let carrier = told.attach();
    say(&told, "1");
    told.finish_cancelled(b"{}".to_vec());
    assert_eq!(taken(&told), "id: 0-0\ndata: 1\n\n");
    assert_eq!(news(&told, carrier), Poll::Ready(News::Ended));
}

#[test]
fn whoever_resumes_supersedes_and_is_given_what_is_behind_its_event() {
    let stream = stream(plan(Some(0)));
    let first = stream.attach();
    for text in ["0", "1", "2"] {
        say(&stream, text);
    }
    taken(&stream);
    let second = stream.resume(0).expect("kept");
    assert_eq!(news(&stream, first), Poll::Ready(News::Superseded));
    stream.detach(first, Now(5));
    assert!(stream.is_attached(), "only the carrier itself leaves");
    assert_eq!(news(&stream, second), Poll::Ready(News::Events));
    assert_eq!(taken(&stream), "id: 0-1\ndata: 1\n\nid: 0-2\ndata: 2\n\n");
    stream.detach(second, Now(9));
    assert_eq!(stream.left_since(), Some(Now(9)));
    assert_eq!(stream.resume(3), Err(NotResumed::NeverSent));
    assert!(stream.resume(2).is_ok(), "all was given, and more may come");
}

#[test]
fn what_is_no_longer_kept_is_refused_and_never_left_out() {
    let stream = stream(plan(Some(0)));
    let carrier = stream.attach();
    stream.detach(carrier, Now(0));
    for text in ["0", "1", "2", "3", "4", "5"] {
        say(&stream, text);
    }
    assert_eq!(stream.resume(0), Err(NotResumed::Forgotten), "1 is gone");
    stream.resume(1).expect("2 is kept");
    assert_eq!(taken(&stream).matches("data").count(), 4);
}

#[test]
fn a_reader_that_is_slow_or_yet_to_come_holds_notifications_up_and_loses_nothing() {
    let slow = stream(plan(Some(0)));
    slow.attach();
    let to_come = stream(plan(Some(0)));
    for stream in [slow, to_come] {
        let mut told = 0;
        while stream.has_room() {
            say(&stream, "x");
            told += 1;
        }
        assert_eq!(told, 4, "events_max");
        // What must not be lost is taken all the same.
        say(&stream, "answer");
        assert_eq!(stream.forget(), 0);
        if !stream.is_attached() {
            stream.attach();
        }
        assert_eq!(taken(&stream).matches("data").count(), 5);
        assert!(stream.has_room());
    }
    let heavy = stream(StreamPlan { events_max: 99, ..plan(Some(0)) });
    heavy.attach();
    say(&heavy, &"x".repeat(1000));
    assert!(!heavy.has_room(), "unsent_bytes_max");
}

#[test]
fn what_cannot_be_resumed_is_lost_with_its_carrier_and_keeps_nothing() {
    let unnumbered = stream(plan(None));
    let carrier = unnumbered.attach();
    assert_eq!(say(&unnumbered, "1"), Growth::default(), "what is not kept is not counted");
    assert_eq!(taken(&unnumbered), "data: 1\n\n");
    assert!(!unnumbered.is_lost());
    unnumbered.detach(carrier, Now(0));
    assert!(unnumbered.is_lost());
    for _ in 0..9 {
        assert_eq!(say(&unnumbered, "1"), Growth::default(), "nor is it when it is forgotten");
    }

    let silent = stream(plan(Some(0)));
    assert!(!silent.is_lost(), "its first carrier is yet to come");
    let carrier = silent.attach();
    silent.detach(carrier, Now(0));
    assert!(silent.is_lost(), "its client was told no id");
    silent.cut();
    silent.finish(vec![0; 100]);
    assert_eq!(silent.take_document(), None, "an answer that nobody can ask for is not kept");
}

#[test]
fn a_pause_tells_when_to_come_back_where_that_is_known() {
    let stream = stream(StreamPlan { primes: Some(RETRY), ..plan(Some(0)) });
    let carrier = stream.attach();
    stream.open();
    stream.pause(RETRY);
    assert_eq!(news(&stream, carrier), Poll::Ready(News::Events));
    taken(&stream);
    assert_eq!(news(&stream, carrier), Poll::Ready(News::Paused(RETRY)));
    stream.detach(carrier, Now(0));
    let next = stream.resume(0).expect("primed");
    assert!(news(&stream, next).is_pending());
}

/// What may happen to a stream.
#[derive(Clone, Debug)]
enum Op {
    Notify,
    Append,
    Take,
    Detach,
    Resume(u64),
    Forget,
    Pause,
    Open,
    Finish,
    Cut,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => Just(Op::Notify),
        3 => Just(Op::Append),
        6 => Just(Op::Take),
        2 => Just(Op::Detach),
        4 => (0u64..12).prop_map(Op::Resume),
        2 => Just(Op::Forget),
        1 => Just(Op::Pause),
        1 => Just(Op::Open),
        1 => Just(Op::Finish),
        1 => Just(Op::Cut),
    ]
}

/// A stream, and how far its reader is.
struct Model {
    stream: EventStream,
    carrier: u32,
    /// The number of the event that the carrier is due next; `None` without a carrier.
    due: Option<u64>,
}

impl Model {
    fn new(primes: bool) -> Self {
        let primes = primes.then_some(RETRY);
        let stream = stream(StreamPlan { primes, ..plan(Some(3)) });
        let carrier = stream.attach();
        Self { stream, carrier, due: Some(0) }
    }

    fn say(&self) {
        say(&self.stream, &format!("<{}>", self.next()));
        let inner = self.stream.inner.borrow();
        let kept_count = inner.log.next() - inner.log.first();
        assert!(kept_count <= 4 || inner.is_attached || inner.ending != Ending::Open);
    }

    fn next(&self) -> u64 {
        self.stream.inner.borrow().log.next()
    }

    fn run(&mut self, op: Op) {
        match op {
            Op::Notify if self.stream.has_room() => self.say(),
            Op::Notify => assert!(self.due.is_some(), "only a reader holds writers up"),
            Op::Append => self.say(),
            Op::Take => self.take(),
            Op::Detach => {
                self.stream.detach(self.carrier, Now(1));
                self.due = None;
            }
            Op::Resume(after) => self.resume(after),
            Op::Forget => drop(self.stream.forget()),
            Op::Pause => drop(self.stream.pause(RETRY)),
            Op::Open => drop(self.stream.open()),
            Op::Finish => drop(self.stream.finish(b"<end>".to_vec())),
            Op::Cut => drop(self.stream.cut()),
        }
        self.check();
    }

    fn take(&mut self) {
        let Some(due) = self.due else { return };
        match news(&self.stream, self.carrier) {
            Poll::Ready(News::Events) => {
                let events = taken(&self.stream);
                let ids = events.lines().filter_map(|line| line.strip_prefix("id: 3-"));
                let ids: Vec<u64> = ids.map(|id| id.parse().expect("a number")).collect();
                let expected: Vec<u64> = (due..self.next()).collect();
                assert_eq!(ids, expected, "once, in order, all there are");
                self.due = Some(self.next());
            }
            Poll::Ready(News::Superseded) => self.due = None,
            Poll::Ready(News::Document) => {
                assert_eq!(self.next(), 0);
                self.stream.take_document().expect("a document");
            }
            _ => assert_eq!(due, self.next(), "nothing is held back"),
        }
    }

    fn resume(&mut self, after: u64) {
        let (first, next, ending) = {
            let inner = self.stream.inner.borrow();
            (inner.log.first(), inner.log.next(), inner.ending)
        };
        match self.stream.resume(after) {
            Ok(carrier) => {
                assert!(after < next && after + 1 >= first);
                assert_eq!(news(&self.stream, self.carrier), Poll::Ready(News::Superseded));
                (self.carrier, self.due) = (carrier, Some(after + 1));
            }
            Err(NotResumed::NeverSent) => assert!(after >= next),
            Err(NotResumed::Forgotten) => assert!(after + 1 < first),
            Err(NotResumed::Over) => assert!(after + 1 == next && ending == Ending::Ended),
        }
    }

    fn check(&self) {
        let inner = self.stream.inner.borrow();
        assert!(inner.log.first() <= inner.sent && inner.sent <= inner.log.next());
        let unsent = inner.log.since(inner.sent).expect("kept");
        assert_eq!(inner.unsent_bytes, unsent.len());
        if let (Some(due), Ending::Open | Ending::Ended) = (self.due, inner.ending) {
            assert_eq!(inner.sent, due, "what a reader did not take waits for it");
        }
    }
}

proptest! {
    #[test]
    fn every_event_is_given_once_and_a_gap_is_an_error(
        primes in any::<bool>(),
        ops in prop::collection::vec(op(), 0..60),
    ) {
        let mut model = Model::new(primes);
        for op in ops {
            model.run(op);
        }
    }
}
