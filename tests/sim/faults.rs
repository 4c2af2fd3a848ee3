//! What goes wrong: how a connection is paced, stalled, cut and read, and how its transport
//! behaves.
//!
//! All of it is drawn before the connection begins, so that a seed stands for one course of events.

use std::time::Duration;

use ringlane::testing::pipe::Windows;
use ringlane::testing::random::Random;

use crate::model::Ask;

/// A place in what the client sends: so many bytes into one of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) ask: usize,
    pub(crate) offset: usize,
}

/// The client's course.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) asks: Vec<Ask>,
    pub(crate) starts_after: Duration,
    pub(crate) windows: Windows,
    /// Whether a request is sent before the answer to the one before it came.
    pub(crate) pipelines: bool,
    pub(crate) pieces_max: u64,
    pub(crate) gap_ms_max: u64,
    pub(crate) stall: Option<(Place, Duration)>,
    pub(crate) cut: Option<Cut>,
    pub(crate) ending: Ending,
    pub(crate) reading: Reading,
    pub(crate) flakiness: Flakiness,
}

/// How the client's end goes away before its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) place: Place,
    pub(crate) delay: Duration,
    pub(crate) kind: CutKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CutKind {
    Reset,
    Close,
    /// Only the sending side ends.
    End,
}

/// What the client does after its last request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It ends its side at once.
    EndAtOnce,
    /// It closes when the answers are there.
    CloseAfterAnswers,
    /// It waits until the server closes.
    Wait,
}

/// How the client reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) bytes_max: u64,
    pub(crate) gap_ms_max: u64,
    /// After so many bytes it reads nothing for so long.
    pub(crate) stall: Option<(usize, Duration)>,
}

impl Reading {
    /// Whether answers are read before the server can tire of waiting while it lingers.
    pub(crate) fn is_prompt(&self, windows: Windows) -> bool {
        let reads_count = windows.to_client_bytes_max as u64 / self.bytes_max.div_ceil(8).max(1);
        self.stall.is_none() && reads_count * self.gap_ms_max < 1_500
    }
}

/// How the server's transport behaves, in percent of its operations.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flakiness {
    pub(crate) short: u64,
    pub(crate) would_block: u64,
    pub(crate) interrupted: u64,
    pub(crate) spurious: u64,
}

/// A fault that no real transport has, to see that it would be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Planted {
    /// One byte of a large send is lost.
    LostByte,
    /// A send arrives twice.
    RepeatedSend,
    /// Two sends change places.
    SwappedSends,
    /// A reset is never told.
    SilentReset,
}

const SHORT_STALL_S: std::ops::RangeInclusive<u64> = 1..=20;

impl Plan {
    /// Draws the course of a connection that makes these requests.
    pub(crate) fn draw(random: &mut Random, asks: Vec<Ask>) -> Self {
        let window = |random: &mut Random| match random.within(0..=3) {
            0 => usize::try_from(random.within(1..=64)).unwrap_or(1),
            1 => usize::try_from(random.within(64..=4096)).unwrap_or(64),
            _ => 64 * 1024,
        };
        let large = asks.iter().any(|ask| ask.bytes.len() > 5_000);
        let mut windows =
            Windows { to_server_bytes_max: window(random), to_client_bytes_max: window(random) };
        if large {
            // A window of one byte for a body of 200 KB only costs time.
            windows.to_server_bytes_max = windows.to_server_bytes_max.max(2048);
            windows.to_client_bytes_max = windows.to_client_bytes_max.max(2048);
        }
        let stall = random.percent(10).then(|| (place(random, &asks), stall_duration(random)));
        let kinds = [CutKind::Reset, CutKind::Close, CutKind::Close, CutKind::End];
        let cut = random.percent(30).then(|| Cut {
            place: in_a_call(random, &asks).unwrap_or_else(|| place(random, &asks)),
            delay: Duration::from_millis(random.within(0..=5_000)),
            kind: *random.pick(&kinds),
        });
        let endings = [Ending::EndAtOnce, Ending::CloseAfterAnswers, Ending::Wait];
        Self {
            starts_after: Duration::from_millis(random.within(0..=2_000)),
            windows,
            pipelines: random.percent(50),
            pieces_max: random.within(1..=6),
            gap_ms_max: if random.percent(30) { 0 } else { random.within(1..=300) },
            stall,
            cut,
            ending: *random.pick(&endings),
            reading: reading(random, large),
            flakiness: flakiness(random),
            asks,
        }
    }
}

fn stall_duration(random: &mut Random) -> Duration {
    let secs = if random.percent(50) { 400 } else { random.within(1..=5) };
    Duration::from_secs(secs)
}

fn place(random: &mut Random, asks: &[Ask]) -> Place {
    let ask = random.index(asks.len());
    let length = asks[ask].bytes.len();
    let offset = if random.percent(40) { length } else { random.index(length + 1) };
    Place { ask, offset }
}

/// The end of a request whose call takes long, mostly, if there is one: to be cut while it runs.
fn in_a_call(random: &mut Random, asks: &[Ask]) -> Option<Place> {
    let ask = asks
        .iter()
        .position(|ask| ask.call.is_some_and(|call| call.lasts > Duration::from_secs(1)))?;
    random.percent(70).then(|| Place { ask, offset: asks[ask].bytes.len() })
}

fn reading(random: &mut Random, large: bool) -> Reading {
    let stall = random.percent(10).then(|| {
        let secs =
            if random.percent(40) { random.within(60..=100) } else { random.within(SHORT_STALL_S) };
        let after = usize::try_from(random.within(0..=3_000)).unwrap_or_default();
        (after, Duration::from_secs(secs))
    });
    let fast = Reading { bytes_max: 64 * 1024, gap_ms_max: 0, stall };
    match random.within(0..=2) {
        0 if large => Reading { bytes_max: 8 * 1024, gap_ms_max: random.within(0..=100), stall },
        0 => {
            Reading { bytes_max: random.within(1..=300), gap_ms_max: random.within(0..=100), stall }
        }
        _ => fast,
    }
}

pub(crate) fn flakiness(random: &mut Random) -> Flakiness {
    if random.percent(40) {
        return Flakiness::default();
    }
    Flakiness {
        short: random.within(0..=50),
        would_block: random.within(0..=30),
        interrupted: random.within(0..=10),
        spurious: random.within(0..=20),
    }
}
