//! The client's half of a connection: requests written, answers read as far as they come, and the
//! cut that ends it before its time.

use std::rc::Rc;
use std::time::Duration;

use ringlane::base::clock::Clock;
use ringlane::base::time::Deadline;
use ringlane::testing::pipe::ClientEnd;
use ringlane::testing::random::Random;

use super::cluster::Cluster;
use crate::answers::{Answer, Expects, Reader};

/// How a client ends a connection before its answer is whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) at: At,
    pub(crate) kind: CutKind,
}

/// When.
#[derive(Clone, Copy, Debug)]
pub(crate) enum At {
    /// When so many bytes of the request were sent.
    Sent(usize),
    /// When so many bytes of the answer were received.
    Received(usize),
    /// After so long.
    After(Duration),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum CutKind {
    Close,
    Reset,
    /// The client reads no more, and closes after so long.
    Abandon(Duration),
}

impl Cut {
    /// Draws a cut of an exchange whose request has so many bytes.
    pub(crate) fn draw(random: &mut Random, request_bytes: usize) -> Self {
        let at = match random.within(0..=9) {
            0 => At::Sent(random.index(request_bytes + 1)),
            1..=3 => At::Received(random.index(400)),
            4..=6 => At::Received(random.index(6_000)),
            _ => At::After(Duration::from_millis(random.within(0..=6_000))),
        };
        let kind = match random.within(0..=3) {
            0 => CutKind::Close,
            1 => CutKind::Reset,
            2 => CutKind::Abandon(Duration::from_millis(random.within(0..=10_000))),
            _ => CutKind::Close,
        };
        Self { at, kind }
    }
}

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With the last byte of its answer.
    Whole(Answer),
    /// By our cut.
    Cut,
    /// By the server, before the answer was whole.
    ByServer,
    /// Something came that must not.
    Faulty(String),
}

/// One connection.
pub(crate) struct Conn {
    cluster: Rc<Cluster>,
    end: Rc<ClientEnd>,
    reader: Reader,
    random: Random,
    /// The most that one read takes.
    read_bytes_max: u64,
}

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(3_600);

impl Conn {
    pub(crate) fn open(cluster: &Rc<Cluster>, random: &mut Random) -> Self {
        let read_bytes_max =
            if random.percent(30) { random.within(1..=200) } else { random.within(200..=64_000) };
        Self {
            cluster: cluster.clone(),
            end: Rc::new(cluster.connect()),
            reader: Reader::new(),
            random: random.split(),
            read_bytes_max,
        }
    }

    /// Sends a request and reads its answer. `heed` is shown the answer as far as it came.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        cut: Option<Cut>,
        heed: &mut dyn FnMut(&Answer) -> Result<(), String>,
    ) -> Ended {
        let (mut sent_max, mut received_max) = (usize::MAX, usize::MAX);
        let mut until = self.cluster.clock.now().after(PATIENCE);
        match cut.map(|cut| cut.at) {
            Some(At::Sent(count)) => sent_max = count,
            Some(At::Received(count)) => received_max = count,
            Some(At::After(pause)) => until = self.cluster.clock.now().after(pause),
            None => {}
        }
        let clock = self.cluster.clock.clone();
        if sent_max < request.len() {
            // Whether the server takes it or not, it is cut off.
            let sending = self.end.write(&request[..sent_max]);
            let _sent = clock.timers().timeout(until, sending).await;
            return self.cut(cut);
        }
        // It reads while it sends, so that neither waits for the other.
        let (end, bytes) = (self.end.clone(), request.to_vec());
        self.cluster.spawn(async move {
            let _sent = end.write(&bytes).await;
        });
        let mut buffer = vec![0; 64 * 1024];
        let mut received = 0;
        loop {
            match self.reader.next(Expects::default(), clock.now()) {
                Ok(Some(answer)) => {
                    return heed(&answer).map_or_else(Ended::Faulty, |()| Ended::Whole(answer));
                }
                Ok(None) => {}
                Err(fault) => return Ended::Faulty(fault),
            }
            if let Some(Err(fault)) = self.reader.unfinished().map(&mut *heed) {
                return Ended::Faulty(fault);
            }
            let left = received_max - received;
            if left == 0 {
                return self.cut(cut);
            }
            let room = usize::try_from(self.random.within(1..=self.read_bytes_max)).unwrap_or(1);
            let read = self.read(&mut buffer[..room.min(left)], until).await;
            match read {
                None => return self.cut(cut),
                Some(0) => return Ended::ByServer,
                Some(count) => {
                    received += count;
                    self.reader.feed(&buffer[..count]);
                }
            }
        }
    }

    /// Reads; nothing at the end or a reset, `None` when the time is over.
    async fn read(&self, buffer: &mut [u8], until: Deadline) -> Option<usize> {
        let timers = self.cluster.clock.timers();
        let read = timers.timeout(until, self.end.read(buffer)).await.ok()?;
        Some(read.unwrap_or_default())
    }

    fn cut(&self, cut: Option<Cut>) -> Ended {
        let Some(Cut { at, kind }) = cut else {
            return Ended::Faulty("an answer did not come in its time".to_owned());
        };
        self.cluster.trace.note(format_args!("cut: {at:?}, {kind:?}"));
        self.cluster.count(|counts| counts.cuts += 1);
        match kind {
            CutKind::Close => self.end.close(),
            CutKind::Reset => self.end.reset(),
            CutKind::Abandon(pause) => {
                let (cluster, end) = (self.cluster.clone(), self.end.clone());
                self.cluster.spawn(async move {
                    cluster.sleep(pause).await;
                    end.close();
                });
            }
        }
        Ended::Cut
    }
}
