//! What a client does with its session: calls that it is cut off from and takes up again, a stream
//! of changes, questions on any connection, forgeries, the end.

use std::time::Duration;

use ringlane::base::time::Now;
use ringlane::http::frame::EventId;
use ringlane::session::id::{IdMint, Place, SessionId};
use ringlane::testing::random::Random;
use serde_json::{Value, json};

use super::client::{Client, Refused, TRIES_MAX};
use super::script::{Bulletin, Events, Recital, Script, Track};
use super::wire::{At, Conn, Cut, CutKind, Ended};
use crate::answers::Answer;

/// What one attempt to read a stream came to.
enum Attempt {
    /// The stream ended.
    Whole(Answer),
    /// The client was cut off, at this moment if the stream was there.
    Cut(Option<Now>),
    Refused(Refused),
    Failed,
}

impl Client {
    /// Sends a request that is answered with a stream, and hears it. `left_at` is when the stream
    /// was left, if it is taken up again.
    async fn hear(
        &self,
        request: &[u8],
        cut: Option<Cut>,
        track: &mut Track,
        script: &mut dyn Script,
        random: &mut Random,
        left_at: Option<Now>,
    ) -> Attempt {
        let sent_at = self.now();
        let mut events = Events::default();
        let mut was_answered = false;
        let ended = Conn::open(&self.cluster, random)
            .exchange(request, cut, &mut |answer| {
                was_answered |= answer.status == 200;
                self.heed(answer, &mut events, track, script)
            })
            .await;
        was_answered |= matches!(&ended, Ended::Whole(answer) if answer.status == 204);
        if was_answered {
            self.was_answered(sent_at);
            if left_at.is_some() {
                self.cluster.count(|counts| counts.resumes += 1);
            }
        }
        match ended {
            Ended::Whole(answer) if answer.status == 200 => {
                let is_stream = answer.content_type.as_deref() == Some("text/event-stream");
                if is_stream && !(events.is_done(&answer.body) && track.is_at_end()) {
                    self.fault("a stream ended before its time");
                    return Attempt::Failed;
                }
                Attempt::Whole(answer)
            }
            // It was cut behind the last event, but before the end.
            Ended::Whole(answer) if answer.status == 204 => {
                if left_at.is_none() || !track.is_at_end() {
                    self.fault("nothing was left of a stream before its end");
                    return Attempt::Failed;
                }
                Attempt::Whole(answer)
            }
            Ended::Whole(answer) => match self.refused(&answer, sent_at, left_at) {
                Ok(refused) => Attempt::Refused(refused),
                Err(fault) => {
                    self.fault(fault);
                    Attempt::Failed
                }
            },
            Ended::Cut => Attempt::Cut(was_answered.then(|| self.now())),
            Ended::ByServer if self.has_ended.get() => Attempt::Refused(Refused::Ended),
            Ended::ByServer => {
                self.fault("the server ended a connection");
                Attempt::Failed
            }
            Ended::Faulty(fault) => {
                self.fault(fault);
                Attempt::Failed
            }
        }
    }

    /// Calls a tool that speaks for long, and hears all it says whatever happens.
    pub(crate) async fn recite(&self, tag: u64, random: &mut Random) {
        let count = random.within(1..=30);
        let gap_ms = if random.percent(30) { 0 } else { random.within(1..=1_500) };
        let (every, pad) = (random.within(1..=10), random.within(0..=100));
        let arguments =
            json!({"tag": tag, "count": count, "gap_ms": gap_ms, "every": every, "pad": pad});
        let request = self.recitation(tag, &arguments);
        let mut recital = Recital::new(tag, count, self.cluster.is_roomy);
        let mut track = Track::new(self.is_primed());
        let (mut cuts_left, mut after, mut left_at) = (random.within(0..=6), None, None);
        for _ in 0..TRIES_MAX {
            let request = if after.is_some() { self.get(after) } else { request.clone() };
            let cut = (cuts_left > 0).then(|| Cut::draw(random, request.len()));
            if let Some(after) = after {
                track.resume(after);
            }
            match self.hear(&request, cut, &mut track, &mut recital, random, left_at).await {
                Attempt::Whole(answer) => {
                    if answer.content_type.as_deref() == Some("application/json") {
                        let told = serde_json::from_slice(&answer.body).unwrap_or_default();
                        if let Err(fault) = recital.next(&told) {
                            self.fault(fault);
                        }
                    }
                    // What ran for a session that its client ended is cancelled, and not answered.
                    if !recital.is_answered && !self.has_ended.get() {
                        self.fault(format_args!("call {tag} was not answered"));
                    }
                    return self.hear_again(track, recital, random).await;
                }
                Attempt::Cut(at) => {
                    cuts_left -= 1;
                    left_at = at.or(left_at);
                    self.pause_after_cut(random).await;
                    after = track.last();
                    if after.is_none() {
                        return; // It never heard of a stream to come back for.
                    }
                }
                Attempt::Refused(Refused::ForNow) => self.pause(random, 2_000).await,
                Attempt::Refused(Refused::Forgotten) => {
                    self.cluster.count(|counts| counts.forgotten += 1);
                    return;
                }
                Attempt::Refused(Refused::Ended) | Attempt::Failed => return,
            }
            if after.is_some() && random.percent(15) {
                after = after.map(|last| earlier(last, random));
            }
        }
    }

    /// Asks once more for a stream that was read to its end, or for a part of it.
    async fn hear_again(&self, mut track: Track, mut recital: Recital, random: &mut Random) {
        let Some(last) = track.last().filter(|_| random.percent(40)) else { return };
        let after = if random.percent(50) { last } else { earlier(last, random) };
        let left_at = Some(self.now());
        track.resume(after);
        let request = self.get(Some(after));
        let _refused = self.hear(&request, None, &mut track, &mut recital, random, left_at).await;
    }

    async fn pause_after_cut(&self, random: &mut Random) {
        let ms_max = match random.within(0..=9) {
            0..=6 => 3_000,
            7..=8 => 60_000,
            _ => 400_000,
        };
        self.pause(random, ms_max).await;
    }

    /// Holds a stream of its own until no change will come any more.
    pub(crate) async fn listen(&self, random: &mut Random) {
        for _ in 0..TRIES_MAX {
            let mut track = Track::new(self.is_primed());
            let announced_count = self.cluster.announced.borrow().len();
            let mut bulletin = Bulletin::new(announced_count, self.cluster.is_roomy);
            let left = self.listen_to(&mut track, &mut bulletin, random).await;
            let announced = self.cluster.announced.borrow().clone();
            let is_over = left == Left::Over;
            let judged = bulletin.judge(&announced, |change| self.is_concerned(change), is_over);
            if let Err(fault) = judged {
                self.fault(fault);
            }
            if left != Left::Lost {
                return;
            }
            self.pause(random, 2_000).await;
        }
    }

    /// Holds one stream, over as many connections as it takes.
    async fn listen_to(
        &self,
        track: &mut Track,
        bulletin: &mut Bulletin,
        random: &mut Random,
    ) -> Left {
        let mut left_at = None;
        for _ in 0..TRIES_MAX {
            let after = track.last();
            let request = self.get(after);
            let is_last = self.common.quiet_at.get() <= self.now();
            let cut = cut_of_listening(request.len(), after.is_some(), is_last, random);
            if let Some(after) = after {
                track.resume(after);
            }
            match self.hear(&request, Some(cut), track, bulletin, random, left_at).await {
                Attempt::Cut(_) if is_last => return Left::Over,
                Attempt::Cut(at) => {
                    left_at = at.or(left_at);
                    self.pause_after_cut(random).await;
                    if track.last().is_none() {
                        return Left::Lost;
                    }
                }
                Attempt::Refused(Refused::ForNow) => self.pause(random, 2_000).await,
                Attempt::Refused(Refused::Forgotten) => {
                    self.cluster.count(|counts| counts.forgotten += 1);
                    return Left::Lost;
                }
                Attempt::Refused(Refused::Ended) | Attempt::Failed => return Left::Gone,
                Attempt::Whole(_) => {
                    if !self.has_ended.get() {
                        self.fault("a stream of changes ended");
                    }
                    return Left::Gone;
                }
            }
        }
        Left::Gone
    }

    /// Asks on one connection, on whichever worker it is.
    pub(crate) async fn chat(&self, tag: &mut u64, random: &mut Random) {
        let mut conn = None;
        for _ in 0..random.within(1..=5) {
            *tag += 1;
            let text = format!("{} {tag}", self.index);
            let request = self.post(&json!({"jsonrpc": "2.0", "id": tag, "method": "tools/call",
                "params": {"name": "echo", "arguments": {"tag": tag, "text": text}}}));
            let Some(answer) = self.ask(&request, random, &mut conn).await else { return };
            let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let said = &told["result"]["content"][0]["text"];
            if (&told["id"], said) != (&json!(*tag), &json!(text)) {
                self.fault(format_args!("{told} for {text}"));
            }
            if random.percent(30) {
                self.pause(random, 70_000).await;
            }
        }
    }

    /// Sends several requests at once, of which some need no session, and reads their answers in
    /// order.
    pub(crate) async fn burst(&self, tag: &mut u64, random: &mut Random) {
        let first = *tag + 1;
        *tag += random.within(2..=6);
        let (mut requests, mut recitals) = (Vec::new(), Vec::new());
        for tag in first..=*tag {
            let request = json!({"jsonrpc": "2.0", "id": tag, "method": "ping"});
            if random.percent(40) {
                requests.extend(self.post_to("", &request));
                recitals.push(None);
                continue;
            }
            let (count, gap_ms) = (random.within(1..=5), random.within(0..=100));
            let arguments =
                json!({"tag": tag, "count": count, "gap_ms": gap_ms, "every": 1, "pad": 0});
            requests.extend(self.recitation(tag, &arguments));
            recitals.push(Some(Recital::new(tag, count, self.cluster.is_roomy)));
        }
        let (sent_at, mut conn) = (self.now(), Conn::open(&self.cluster, random));
        for (tag, mut recital) in (first..).zip(recitals) {
            let (mut track, mut events) = (Track::new(self.is_primed()), Events::default());
            let mut heed = |answer: &Answer| match &mut recital {
                Some(recital) => self.heed(answer, &mut events, &mut track, recital),
                None => Ok(()),
            };
            match conn.exchange(&std::mem::take(&mut requests), None, &mut heed).await {
                Ended::Whole(answer) if answer.status == 200 => {
                    if recital.is_some() {
                        self.was_answered(sent_at);
                    }
                    let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                    let is_answered =
                        recital.map_or(told["id"] == tag, |recital| recital.is_answered);
                    if !is_answered && !self.has_ended.get() {
                        return self.fault(format_args!("{tag} was not answered: {answer:?}"));
                    }
                }
                Ended::Whole(answer) => {
                    if let Err(fault) = self.refused(&answer, sent_at, None) {
                        self.fault(fault);
                    }
                    return;
                }
                Ended::ByServer if self.has_ended.get() => return,
                other => return self.fault(format_args!("{tag}: {other:?}")),
            }
        }
    }

    fn recitation(&self, tag: u64, arguments: &Value) -> Vec<u8> {
        let params =
            json!({"name": "recite", "arguments": arguments, "_meta": {"progressToken": tag}});
        self.post(&json!({"jsonrpc": "2.0", "id": tag, "method": "tools/call", "params": params}))
    }

    /// Sends what is refused, on a connection of its own.
    pub(crate) async fn forge(&self, random: &mut Random) {
        let ours = self.session_id();
        if random.percent(50) {
            let forged = forged(&ours, random);
            let request = match random.within(0..=2) {
                0 => self.get_of(&forged, "0-0"),
                1 => self.delete_of(&forged),
                _ => self.post_to(&forged, &json!({"jsonrpc": "2.0", "id": 1, "method": "ping"})),
            };
            return self.expect_no_session(&request, random).await;
        }
        let last_event_id =
            *random.pick(&["x", "1", "01-1", "-", "0-0-0", "4000000000-0", "0-99999999999"]);
        let (sent_at, mut conn) = (self.now(), Conn::open(&self.cluster, random));
        let request = self.get_of(&ours, last_event_id);
        match conn.exchange(&request, None, &mut |_| Ok(())).await {
            Ended::Whole(answer) if answer.status == 400 => self.was_answered(sent_at),
            // The first stream may be gone, and its number with it.
            Ended::Whole(answer) if answer.status == 410 && last_event_id.starts_with("0-") => {
                self.was_answered(sent_at);
            }
            Ended::Whole(answer) => {
                if let Err(fault) = self.refused(&answer, sent_at, None) {
                    self.fault(format_args!("{last_event_id}: {fault}"));
                }
            }
            other => self.fault(format_args!("{last_event_id}: {other:?}")),
        }
    }

    /// Sends what names a session that there is not.
    async fn expect_no_session(&self, request: &[u8], random: &mut Random) {
        for _ in 0..TRIES_MAX {
            let mut conn = Conn::open(&self.cluster, random);
            match conn.exchange(request, None, &mut |_| Ok(())).await {
                // One that was made here is looked for where it would be.
                Ended::Whole(answer) if answer.status == 503 && self.cluster.turns_away() => {
                    self.pause(random, 1_000).await;
                }
                Ended::Whole(answer) => {
                    if let Err(fault) = self.no_session(&answer) {
                        self.fault(fault);
                    }
                    return;
                }
                other => return self.fault(format_args!("no session: {other:?}")),
            }
        }
    }

    /// Ends the session, and makes sure that it ended.
    pub(crate) async fn end(&self, random: &mut Random) {
        self.has_ended.set(true);
        let ours = self.session_id();
        if self.ask(&self.delete_of(&ours), random, &mut None).await.is_none() {
            return; // It was gone before, or nobody had room to be asked.
        }
        let requests = [self.get_of(&ours, "0-0"), self.delete_of(&ours), self.get_of(&ours, "")];
        for request in requests {
            self.expect_no_session(&request, random).await;
        }
    }
}

/// How a stream of changes was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// Every change was announced by then.
    Over,
    /// It cannot be taken up again; another one is opened.
    Lost,
    /// There will be no other.
    Gone,
}

/// When a stream of changes is left. One whose client has no event to come back with is closed, not
/// abandoned: the server could not know that it is not read.
fn cut_of_listening(
    request_bytes: usize,
    is_resumed: bool,
    is_last: bool,
    random: &mut Random,
) -> Cut {
    if is_last {
        return Cut { at: At::After(Duration::from_secs(5)), kind: CutKind::Close };
    }
    let mut cut = Cut::draw(random, request_bytes);
    if random.percent(50) {
        cut.at = At::After(Duration::from_millis(random.within(0..=60_000)));
    }
    if !is_resumed {
        cut.kind = if random.percent(50) { CutKind::Close } else { CutKind::Reset };
    }
    cut
}

fn earlier(last: EventId, random: &mut Random) -> EventId {
    EventId { sequence: random.within(0..=last.sequence), ..last }
}

/// An id that is not one of a session.
fn forged(ours: &str, random: &mut Random) -> String {
    let mut bytes = ours.as_bytes().to_vec();
    let letter =
        |random: &mut Random| *random.pick(b"ABCDEFGHIJKLMNOPabcdefghijklmnop0123456789-_");
    match random.within(0..=4) {
        0 => bytes = (0..48).map(|_| letter(random)).collect(),
        1 | 2 => {
            let at = random.index(bytes.len());
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        }
        3 => bytes = (0..random.within(1..=200)).map(|_| letter(random)).collect(),
        _ => {
            let place = *random.pick(&[
                Place { worker: 0, slot: 0 },
                Place { worker: 1, slot: 0 },
                Place { worker: 2, slot: 7 },
                Place { worker: 9, slot: 0 },
            ]);
            let other: SessionId =
                IdMint::new().and_then(|mint| mint.mint(place)).expect("random bytes");
            bytes = other.as_bytes().to_vec();
        }
    }
    String::from_utf8(bytes).expect("ASCII")
}
