//! What one connection asked and what came of it: bytes and `Now` in, bytes and `Happening`s out.
//!
//! Requests are answered in the order in which they were sent (RFC 9112 §9.3).
//!
//! ```text
//! ask ─▶ waiting ──head──▶ a document, or events until the answer ──end──▶ Ended
//! ```
//! Invariant: every exchange that was asked ends once: by `Ended`, or by `abandon`.
//! Not here: sockets (`socket`), what follows what (`lane`).

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::time::Now;
use crate::http::head::Persistence;
use crate::http::sse::{SseDecoder, SseLimits};
use crate::load::fault::{Fault, FaultKind};
use crate::load::judge::{Heard, Judge, result_of};
use crate::load::response::{Head, KnownHead, Media, Part, Reader};

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The call that is measured.
    Call,
    /// The handshake.
    Initialize,
    /// Its end.
    Initialized,
    /// The end of the session.
    Delete,
    /// A stream of notifications.
    Listen,
}

/// One request, and what is known of its answer.
#[derive(Clone, Debug)]
pub(super) struct Exchange {
    pub(super) what: What,
    pub(super) id: u64,
    /// When it should have been sent.
    pub(super) due: Now,
    /// When it was.
    pub(super) sent: Now,
    last_event: Option<Now>,
}

impl Exchange {
    pub(super) const fn new(what: What, id: u64, due: Now, sent: Now) -> Self {
        Self { what, id, due, sent, last_event: None }
    }
}

/// What came of what was asked.
#[derive(Debug)]
pub(super) enum Happening {
    /// An event, so long after the request was due.
    FirstEvent(Duration),
    /// An event, so long after the one before.
    NextEvent(Duration),
    /// The stream of notifications stands.
    Opened,
    /// It is over.
    Ended {
        exchange: Exchange,
        verdict: Result<(), Fault>,
        /// The session that its answer named.
        session: Option<String>,
    },
}

/// What judging needs, shared by all connections of a thread.
#[derive(Debug)]
pub(super) struct Judging {
    pub(super) judge: Judge,
    pub(super) head: KnownHead,
    /// Whether an answer must be a stream.
    pub(super) streams: bool,
}

/// One connection, without its socket.
#[derive(Debug)]
pub(super) struct Connection {
    reader: Reader,
    answers: Answers,
    output: Vec<u8>,
    sent_bytes: usize,
}

impl Connection {
    pub(super) fn new() -> Self {
        Self {
            reader: Reader::new(),
            answers: Answers::default(),
            output: Vec::new(),
            sent_bytes: 0,
        }
    }

    /// Asks; `write` appends the request.
    pub(super) fn ask(&mut self, exchange: Exchange, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.output);
        self.answers.waiting.push_back(exchange);
    }

    /// What is to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        self.output.get(self.sent_bytes..).unwrap_or_default()
    }

    /// So many bytes of it were.
    pub(super) fn sent(&mut self, count_bytes: usize) {
        self.sent_bytes += count_bytes;
        if self.sent_bytes >= self.output.len() {
            self.output.clear();
            self.sent_bytes = 0;
        }
    }

    /// How many requests wait for their answers.
    pub(super) fn in_flight(&self) -> usize {
        self.answers.waiting.len()
    }

    /// The request that waits longest.
    pub(super) fn longest(&self) -> Option<&Exchange> {
        self.answers.waiting.front()
    }

    /// Takes bytes that came; whether the connection lives on.
    ///
    /// # Errors
    /// A fault after which the connection is of no further use.
    pub(super) fn receive(
        &mut self,
        bytes: &[u8],
        now: Now,
        judging: &mut Judging,
        out: &mut Vec<Happening>,
    ) -> Result<Persistence, Fault> {
        self.reader.push(bytes);
        loop {
            let part = self.reader.next(&mut judging.head);
            match part.map_err(|error| Fault::new(FaultKind::Framing, error.to_string()))? {
                Part::Starved => return Ok(Persistence::KeepAlive),
                Part::Head(head) => self.answers.begin(head, judging, out)?,
                Part::Document(bytes) => self.answers.document(bytes, judging),
                Part::Piece(bytes) => self.answers.piece(bytes, now, judging, out)?,
                Part::End(persistence) => {
                    self.answers.end(out);
                    if persistence == Persistence::Close {
                        return Ok(persistence);
                    }
                }
            }
        }
    }

    /// The server ended the connection, which may complete an answer.
    pub(super) fn close(&mut self, now: Now, judging: &mut Judging, out: &mut Vec<Happening>) {
        match self.reader.close() {
            Some(Part::Document(bytes)) => self.answers.document(bytes, judging),
            // A fault in the last piece leaves the answer out, which is a fault too.
            Some(Part::Piece(bytes)) => drop(self.answers.piece(bytes, now, judging, out)),
            _ => return,
        }
        self.answers.end(out);
    }

    /// Forgets everything, for a new socket: what will not be answered any more.
    pub(super) fn abandon(&mut self) -> VecDeque<Exchange> {
        std::mem::replace(self, Self::new()).answers.waiting
    }
}

/// The answers that come, and what they answer.
#[derive(Debug, Default)]
struct Answers {
    waiting: VecDeque<Exchange>,
    /// What is known of the first of them.
    verdict: Option<Result<(), Fault>>,
    session: Option<String>,
    events: Option<Box<SseDecoder>>,
}

impl Answers {
    fn begin(
        &mut self,
        head: Head,
        judging: &Judging,
        out: &mut Vec<Happening>,
    ) -> Result<(), Fault> {
        let Some(exchange) = self.waiting.front() else {
            let told = format!("a response with status {} that answers nothing", head.status);
            return Err(Fault::new(FaultKind::Framing, told));
        };
        let is_expected = match exchange.what {
            What::Call | What::Initialize | What::Listen => head.status == 200,
            What::Initialized => (200..300).contains(&head.status),
            // A server may keep its sessions to itself (405).
            What::Delete => (200..300).contains(&head.status) || head.status == 405,
        };
        let streams = judging.streams && exchange.what == What::Call;
        self.verdict = match (exchange.what, head.media) {
            _ if !is_expected => Some(fault(FaultKind::Status, head.status.to_string())),
            (What::Initialized | What::Delete, _) => Some(Ok(())),
            (What::Listen, Media::Events) => {
                out.push(Happening::Opened);
                Some(Ok(()))
            }
            (What::Listen, _) => Some(fault(FaultKind::Stream, "a document")),
            (_, Media::Json) if streams => Some(fault(FaultKind::Stream, "a document")),
            (_, Media::Other) => Some(fault(FaultKind::Media, "another, or none")),
            (_, Media::Json | Media::Events) => None,
        };
        let is_read = self.verdict.is_none() && head.media == Media::Events;
        self.events = is_read.then(|| Box::new(SseDecoder::new(SseLimits::default())));
        self.session = head.session;
        Ok(())
    }

    fn document(&mut self, bytes: &[u8], judging: &mut Judging) {
        let Some(exchange) = self.waiting.front() else { return };
        let verdict = match self.verdict.take() {
            // What a refusal says is its best explanation.
            Some(Err(Fault { kind, sample })) => {
                fault(kind, format!("{sample}: {}", String::from_utf8_lossy(bytes)))
            }
            Some(Ok(())) => Ok(()),
            None => match heard(bytes, exchange, judging) {
                Ok(Heard::Answer) => Ok(()),
                Ok(Heard::Notice) => fault(FaultKind::Json, "a notification, and no answer"),
                Err(fault) => Err(fault),
            },
        };
        self.verdict = Some(verdict);
    }

    fn piece(
        &mut self,
        bytes: &[u8],
        now: Now,
        judging: &mut Judging,
        out: &mut Vec<Happening>,
    ) -> Result<(), Fault> {
        let (Some(exchange), Some(events)) = (self.waiting.front_mut(), &mut self.events) else {
            return Ok(());
        };
        let mut input = bytes;
        while let Some(event) = events
            .decode(&mut input)
            .map_err(|error| Fault::new(FaultKind::Framing, error.to_string()))?
        {
            // An event without data primes the stream; other types are not messages.
            if event.data.is_empty() || !matches!(event.event, b"" | b"message") {
                continue;
            }
            out.push(match exchange.last_event.replace(now) {
                None => Happening::FirstEvent(now.since(exchange.due)),
                Some(last) => Happening::NextEvent(now.since(last)),
            });
            match heard(event.data, exchange, judging) {
                Ok(Heard::Notice) => {}
                Ok(Heard::Answer) if self.verdict.is_none() => self.verdict = Some(Ok(())),
                Ok(Heard::Answer) => self.verdict = Some(fault(FaultKind::Id, "answered twice")),
                Err(fault) => {
                    self.verdict.get_or_insert(Err(fault));
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, out: &mut Vec<Happening>) {
        let Some(exchange) = self.waiting.pop_front() else { return };
        let missing = || fault(FaultKind::Stream, "it ended without an answer");
        let verdict = self.verdict.take().unwrap_or_else(missing);
        self.events = None;
        out.push(Happening::Ended { exchange, verdict, session: self.session.take() });
    }
}

fn fault(kind: FaultKind, sample: impl AsRef<str>) -> Result<(), Fault> {
    Err(Fault::new(kind, sample))
}

fn heard(bytes: &[u8], exchange: &Exchange, judging: &mut Judging) -> Result<Heard, Fault> {
    match exchange.what {
        What::Call => judging.judge.call(bytes, exchange.id),
        _ => Ok(match result_of(bytes, exchange.id)? {
            Some(_) => Heard::Answer,
            None => Heard::Notice,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::judge::TextRule;

    const ID: u64 = 123_456_789;

    fn judging(streams: bool) -> Judging {
        let judge = Judge::new(TextRule::Equals("hi".to_owned()));
        Judging { judge, head: KnownHead::default(), streams }
    }

    fn asked(whats: &[What]) -> Connection {
        let mut connection = Connection::new();
        for (id, what) in (ID..).zip(whats) {
            let exchange = Exchange::new(*what, id, Now(0), Now(5));
            connection.ask(exchange, |out| out.extend_from_slice(b"ask "));
        }
        connection
    }

    fn response(status: &str, media: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: {media}\r\nContent-Length: {length}\r\n\r\n{body}"
        )
    }

    fn answer(id: u64) -> String {
        format!(r#"{{"id":{id},"result":{{"content":[{{"type":"text","text":"hi"}}]}}}}"#)
    }

    /// What came of these bytes, in pieces of so many, a tick of the clock for each.
    fn came(connection: &mut Connection, wire: &str, by: usize, streams: bool) -> Vec<String> {
        let (mut judging, mut out, mut told) = (judging(streams), Vec::new(), Vec::new());
        for (now, piece) in (10..).zip(wire.as_bytes().chunks(by)) {
            let outcome = connection.receive(piece, Now(now), &mut judging, &mut out);
            told.extend(out.drain(..).map(in_words));
            match outcome {
                Ok(Persistence::KeepAlive) => {}
                Ok(Persistence::Close) => told.push("close".to_owned()),
                Err(fault) => return [told, vec![format!("lost {}", fault.kind.name())]].concat(),
            }
        }
        told
    }

    fn in_words(happening: Happening) -> String {
        match happening {
            Happening::FirstEvent(_) => "first".to_owned(),
            Happening::NextEvent(_) => "next".to_owned(),
            Happening::Opened => "opened".to_owned(),
            Happening::Ended { exchange, verdict, session } => {
                let verdict = verdict.map_or_else(|fault| fault.kind.name(), |()| "right");
                let session = session.map(|id| format!(" in {id}")).unwrap_or_default();
                format!("{:?} {verdict}{session}", exchange.what)
            }
        }
    }

    #[test]
    fn answers_are_judged_in_the_order_of_their_requests_however_bytes_are_split() {
        let json = "application/json";
        let wire = [
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nMcp-Session-Id: s\r\n\
             Content-Length: 31\r\n\r\n{\"id\":123456789,\"result\":{\"a\":1}}"
                .replace("31", "33"),
            "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n".to_owned(),
            response("200 OK", json, &answer(ID + 2)),
            response("200 OK", json, &answer(ID + 4)),
            response("503 Busy", "text/plain", "later"),
            response("405 No", "text/plain", ""),
        ];
        let whats =
            [What::Initialize, What::Initialized, What::Call, What::Call, What::Call, What::Delete];
        let expected = [
            "Initialize right in s",
            "Initialized right",
            "Call right",
            "Call id",
            "Call status",
            "Delete right",
        ];
        let wire = wire.concat();
        for by in 1..=wire.len() {
            let mut connection = asked(&whats);
            assert_eq!(came(&mut connection, &wire, by, false), expected, "by {by}");
            assert_eq!(connection.in_flight(), 0);
        }
    }

    #[test]
    fn events_are_told_one_by_one_and_the_answer_is_judged() {
        let notice = r#"{"method":"notifications/progress","params":{}}"#;
        let events = |last: &str| format!(":\n\ndata:\n\ndata: {notice}\n\ndata: {last}\n\n");
        let table = [
            (events(&answer(ID)), "Call right"),
            (events(&answer(ID + 1)), "Call id"),
            (events(notice), "Call stream"),
            (events("{"), "Call json"),
        ];
        for (body, expected) in table {
            let wire = response("200 OK", "text/event-stream", &body);
            for by in [1, 7, wire.len()] {
                let told = came(&mut asked(&[What::Call]), &wire, by, true);
                assert_eq!(told, ["first", "next", expected], "{body} by {by}");
            }
        }
        let document = response("200 OK", "application/json", &answer(ID));
        assert_eq!(came(&mut asked(&[What::Call]), &document, 9, true), ["Call stream"]);
    }

    #[test]
    fn a_stream_of_notifications_is_open_with_its_head() {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: x\n\n";
        let mut connection = asked(&[What::Listen]);
        assert_eq!(came(&mut connection, head, 5, false), ["opened"]);
        assert_eq!(connection.in_flight(), 1);
        let refused = response("405 No", "text/plain", "no");
        assert_eq!(came(&mut asked(&[What::Listen]), &refused, 5, false), ["Listen status"]);
    }

    #[test]
    fn bytes_that_nobody_asked_for_lose_the_connection() {
        let wire = response("200 OK", "application/json", &answer(ID)).repeat(2);
        let told = came(&mut asked(&[What::Call]), &wire, wire.len(), false);
        assert_eq!(told, ["Call right", "lost framing"]);
        let told = came(&mut asked(&[What::Call]), "SSH-2.0\r\n\r\n", 3, false);
        assert_eq!(told, ["lost framing"]);
    }

    #[test]
    fn what_is_not_answered_is_handed_back_at_the_end() {
        let mut connection = asked(&[What::Call, What::Call]);
        assert_eq!(connection.unsent(), b"ask ask ");
        connection.sent(4);
        assert_eq!(connection.unsent(), b"ask ");
        let due: Vec<_> = connection.abandon().into_iter().map(|it| it.id).collect();
        assert_eq!(due, [ID, ID + 1]);
        assert!(connection.unsent().is_empty());
        // Without a length the end of the connection ends the body.
        let mut connection = asked(&[What::Call]);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
        let told = came(&mut connection, &format!("{head}{}", answer(ID)), 50, false);
        assert_eq!(told, [""; 0]);
        let mut out = Vec::new();
        connection.close(Now(99), &mut judging(false), &mut out);
        assert_eq!(out.into_iter().map(in_words).collect::<Vec<_>>(), ["Call right"]);
    }
}
