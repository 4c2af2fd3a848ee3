//! The network between a simulated client and the server: one connection's tasks and its log.
//!
//! The writer sends requests as its plan says, the reader reads answers, the server's end is a
//! `Transport` that behaves as badly as one may. Everything that happens is told to the trace.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use ringlane::base::clock::Clock;
use ringlane::base::time::Now;
use ringlane::serve::connection::CloseReason;
use ringlane::serve::transport::Transport;
use ringlane::testing::clock::VirtualClock;
use ringlane::testing::pipe::{ClientEnd, ServerEnd};
use ringlane::testing::random::Random;

use crate::answers::{Answer, Reader};
use crate::faults::{CutKind, Ending, Flakiness, Place, Plan, Planted};

/// What happened, as a hash, and as lines if they are wanted.
#[derive(Debug)]
pub(crate) struct Trace {
    clock: Rc<VirtualClock>,
    hash: Cell<u64>,
    lines: Option<RefCell<Vec<String>>>,
}

impl Trace {
    pub(crate) fn new(clock: Rc<VirtualClock>, keeps_lines: bool) -> Rc<Self> {
        let lines = keeps_lines.then(RefCell::default);
        Rc::new(Self { clock, hash: Cell::new(0xcbf2_9ce4_8422_2325), lines })
    }

    pub(crate) fn note(&self, what: fmt::Arguments<'_>) {
        let line = format!("{:>12} {what}", self.clock.now().0 / 1_000);
        self.hash_bytes(line.as_bytes());
        if let Some(lines) = &self.lines {
            lines.borrow_mut().push(line);
        }
    }

    /// FNV-1a.
    fn hash_bytes(&self, bytes: &[u8]) {
        let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        self.hash.set(bytes.iter().fold(self.hash.get(), step));
    }

    pub(crate) fn hash(&self) -> u64 {
        self.hash.get()
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.as_ref().map(|lines| lines.borrow().clone()).unwrap_or_default()
    }
}

/// How the client saw the connection end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    ByServer,
    Reset,
    /// By its own cut or close.
    Itself,
}

/// What the client of one connection saw and did.
#[derive(Debug, Default)]
pub(crate) struct Log {
    pub(crate) answers: Vec<Answer>,
    /// When each request was sent to its last byte.
    pub(crate) delivered: Vec<Option<Now>>,
    pub(crate) cut_at: Option<Now>,
    pub(crate) ended: Option<Ended>,
    /// Bytes of an answer that never became whole.
    pub(crate) has_partial: bool,
    pub(crate) faults: Vec<String>,
    pub(crate) opened: Now,
    pub(crate) last_active: Now,
    pub(crate) last_written: Option<Now>,
    pub(crate) server_ended: Option<(Now, CloseReason)>,
    waiting: Vec<Waker>,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) index: usize,
    pub(crate) plan: Plan,
    pub(crate) log: RefCell<Log>,
    pub(crate) trace: Rc<Trace>,
    pub(crate) clock: Rc<VirtualClock>,
}

impl Link {
    pub(crate) fn new(
        index: usize,
        plan: Plan,
        trace: Rc<Trace>,
        clock: Rc<VirtualClock>,
    ) -> Rc<Self> {
        let log = Log { delivered: vec![None; plan.asks.len()], ..Log::default() };
        Rc::new(Self { index, plan, log: RefCell::new(log), trace, clock })
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.clock.timers().sleep_until(self.clock.now().after(duration)).await;
    }

    async fn gap(&self, random: &mut Random, ms_max: u64) {
        if ms_max > 0 {
            self.sleep(Duration::from_millis(random.within(0..=ms_max))).await;
        }
    }

    fn is_over(&self) -> bool {
        let log = self.log.borrow();
        log.ended.is_some() || log.answers.last().is_some_and(|answer| answer.closes)
    }

    /// Waits until so many answers came, or no more will.
    async fn answered(&self, count: usize) {
        poll_fn(|context| {
            if self.is_over() || self.log.borrow().answers.len() >= count {
                return Poll::Ready(());
            }
            self.log.borrow_mut().waiting.push(context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    pub(crate) fn opened(&self) {
        self.log.borrow_mut().opened = self.clock.now();
        self.active();
    }

    fn active(&self) {
        self.log.borrow_mut().last_active = self.clock.now();
    }

    fn tell_waiting(&self) {
        let waiting = std::mem::take(&mut self.log.borrow_mut().waiting);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Sends the requests, and ends as planned.
    pub(crate) async fn write(self: Rc<Self>, client: Rc<ClientEnd>, mut random: Random) {
        for ask in 0..self.plan.asks.len() {
            if !self.plan.pipelines {
                self.answered(ask).await;
            }
            if !self.write_one(ask, &client, &mut random).await {
                self.trace.note(format_args!("{} stops writing", self.index));
                return;
            }
            let now = self.clock.now();
            self.log.borrow_mut().delivered[ask] = Some(now);
        }
        match self.plan.ending {
            Ending::EndAtOnce => client.end(),
            Ending::Wait => {}
            Ending::CloseAfterAnswers => {
                self.answered(self.plan.asks.len()).await;
                self.trace.note(format_args!("{} closes", self.index));
                client.close();
            }
        }
        self.active();
    }

    /// Sends one request. `false` when the connection is over for the writer.
    async fn write_one(&self, ask: usize, client: &ClientEnd, random: &mut Random) -> bool {
        let bytes = &self.plan.asks[ask].bytes;
        let mut offset = 0;
        for end in self.stops(ask, random) {
            if self.is_over() {
                return false;
            }
            if client.write(&bytes[offset..end]).await.is_err() {
                return false;
            }
            offset = end;
            self.trace.note(format_args!("{} wrote {ask} to {end}", self.index));
            if end > 0 {
                self.log.borrow_mut().last_written = Some(self.clock.now());
            }
            self.active();
            let here = Place { ask, offset };
            if let Some((_, pause)) = self.plan.stall.filter(|(place, _)| *place == here) {
                self.sleep(pause).await;
            }
            if let Some(cut) = self.plan.cut.filter(|cut| cut.place == here) {
                self.sleep(cut.delay).await;
                if offset == bytes.len() {
                    self.log.borrow_mut().delivered[ask] = Some(self.clock.now());
                }
                self.cut(client, cut.kind);
                return false;
            }
            if self.plan.asks[ask].expects_continue && offset == self.plan.asks[ask].head_bytes {
                self.sleep(Duration::from_millis(100)).await;
            }
            self.gap(random, self.plan.gap_ms_max).await;
        }
        true
    }

    /// Where the writer pauses in a request: at random, and where something is planned.
    fn stops(&self, ask: usize, random: &mut Random) -> Vec<usize> {
        let length = self.plan.asks[ask].bytes.len();
        let mut stops: Vec<_> =
            (1..random.within(1..=self.plan.pieces_max)).map(|_| random.index(length)).collect();
        stops.push(length);
        if self.plan.asks[ask].expects_continue {
            stops.push(self.plan.asks[ask].head_bytes);
        }
        let places = [self.plan.stall.map(|(place, _)| place), self.plan.cut.map(|cut| cut.place)];
        stops.extend(places.into_iter().flatten().filter(|at| at.ask == ask).map(|at| at.offset));
        stops.sort_unstable();
        stops.dedup();
        stops
    }

    fn cut(&self, client: &ClientEnd, kind: CutKind) {
        self.trace.note(format_args!("{} cut: {kind:?}", self.index));
        self.active();
        match kind {
            CutKind::End => client.end(),
            CutKind::Close | CutKind::Reset => {
                self.log.borrow_mut().cut_at = Some(self.clock.now());
                if kind == CutKind::Close { client.close() } else { client.reset() }
            }
        }
    }

    /// Reads answers until the connection ends.
    pub(crate) async fn read(self: Rc<Self>, client: Rc<ClientEnd>, mut random: Random) {
        let reading = self.plan.reading;
        let (mut reader, mut stall) = (Reader::new(), reading.stall);
        let (mut buffer, mut received) = (vec![0; 64 * 1024], 0);
        let ended = loop {
            if let Some((_, pause)) = stall.take_if(|(after, _)| received >= *after) {
                self.sleep(pause).await;
            }
            let room = usize::try_from(random.within(1..=reading.bytes_max)).unwrap_or(1);
            match client.read(&mut buffer[..room]).await {
                Ok(0) => break Ended::ByServer,
                Err(_) => break Ended::Reset,
                Ok(count) => {
                    received += count;
                    self.active();
                    self.trace.note(format_args!("{} read {count}", self.index));
                    reader.feed(&buffer[..count]);
                    if let Err(fault) = self.take_answers(&mut reader) {
                        self.log.borrow_mut().faults.push(fault);
                        client.reset(); // Nothing further can be read off it.
                        break Ended::Itself;
                    }
                }
            }
            self.gap(&mut random, reading.gap_ms_max).await;
        };
        self.end_reading(&mut reader, ended);
    }

    fn take_answers(&self, reader: &mut Reader) -> Result<(), String> {
        loop {
            let mut log = self.log.borrow_mut();
            if reader.is_between_answers() {
                break;
            }
            if log.answers.last().is_some_and(|answer| answer.closes) {
                return Err("bytes after an answer that closes".to_owned());
            }
            let Some(ask) = self.plan.asks.get(log.answers.len()) else {
                return Err("an answer to no request".to_owned());
            };
            match reader.next(ask.expects(), self.clock.now())? {
                Some(answer) => {
                    self.trace.note(format_args!("{} answered {}", self.index, answer.status));
                    log.answers.push(answer);
                }
                None => break,
            }
        }
        self.tell_waiting();
        Ok(())
    }

    fn end_reading(&self, reader: &mut Reader, ended: Ended) {
        let mut log = self.log.borrow_mut();
        let itself = log.cut_at.is_some();
        let ended = if itself { Ended::Itself } else { ended };
        if ended == Ended::ByServer {
            log.answers.extend(reader.end(self.clock.now()));
        }
        log.has_partial = !reader.is_between_answers();
        log.ended = Some(ended);
        drop(log);
        self.trace.note(format_args!("{} ended: {ended:?}", self.index));
        self.tell_waiting();
    }
}

/// The server's end, as unpleasant as a transport may be.
#[derive(Debug)]
pub(crate) struct Flaky {
    inner: ServerEnd,
    random: RefCell<Random>,
    flakiness: Flakiness,
    planted: Option<Planted>,
    /// What a planted fault keeps back.
    kept: RefCell<Vec<u8>>,
}

impl Flaky {
    pub(crate) fn new(
        inner: ServerEnd,
        random: Random,
        flakiness: Flakiness,
        planted: Option<Planted>,
    ) -> Self {
        Self { inner, random: RefCell::new(random), flakiness, planted, kept: RefCell::default() }
    }

    fn happens(&self, percent: u64) -> bool {
        percent > 0 && self.random.borrow_mut().percent(percent)
    }

    /// How many bytes of `length` an operation takes this time.
    fn shortened(&self, length: usize) -> usize {
        if length > 1 && self.happens(self.flakiness.short) {
            return 1 + self.random.borrow_mut().index(length - 1);
        }
        length
    }

    fn interrupt(&self) -> io::Result<()> {
        if self.happens(self.flakiness.interrupted) {
            return Err(ErrorKind::Interrupted.into());
        }
        if self.happens(self.flakiness.would_block) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(())
    }

    fn send_planted(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.planted {
            Some(Planted::LostByte) if bytes.len() > 1000 => {
                let sent = self.inner.send(&bytes[..500])?;
                return Ok(if sent == 500 { 501 } else { sent });
            }
            Some(Planted::RepeatedSend) if bytes.len() < 500 && self.happens(10) => {
                let sent = self.inner.send(bytes)?;
                let _again = self.inner.send(&bytes[..sent]);
                return Ok(sent);
            }
            Some(Planted::SwappedSends) if bytes.len() < 500 => {
                let mut kept = self.kept.borrow_mut();
                if kept.is_empty() && self.happens(10) {
                    kept.extend_from_slice(bytes);
                    return Ok(bytes.len());
                }
                let sent = self.inner.send(bytes)?;
                if sent == bytes.len() {
                    let _late = self.inner.send(&kept);
                    kept.clear();
                }
                return Ok(sent);
            }
            _ => {}
        }
        self.inner.send(bytes)
    }
}

impl Transport for Flaky {
    async fn readable(&self) -> io::Result<()> {
        if self.happens(self.flakiness.spurious) {
            return Ok(());
        }
        self.inner.readable().await
    }

    fn receive(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.interrupt()?;
        let length = self.shortened(buffer.len().min(4096).max(buffer.len() / 2));
        self.inner.receive(&mut buffer[..length])
    }

    async fn writable(&self) -> io::Result<()> {
        if self.happens(self.flakiness.spurious) {
            return Ok(());
        }
        self.inner.writable().await
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.interrupt()?;
        self.send_planted(&bytes[..self.shortened(bytes.len())])
    }

    fn send_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.interrupt()?;
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        self.send_planted(&bytes[..self.shortened(bytes.len())])
    }

    fn pending_error(&self) -> Option<io::Error> {
        self.inner.pending_error().filter(|_| self.planted != Some(Planted::SilentReset))
    }

    fn address(&self) -> Option<std::net::IpAddr> {
        self.inner.address()
    }

    fn shutdown_send(&self) {
        self.inner.shutdown_send();
    }

    fn reset_on_close(&self) {
        self.inner.reset_on_close();
    }
}
