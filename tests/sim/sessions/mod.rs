//! The simulation of sessions: several workers, clients of the legacy era that are cut off and come
//! back, on any worker, and must miss nothing and hear nothing twice.
//!
//! Reading order: `script` (what a stream must say), `cluster` (the workers), `wire` (a client's
//! connection and its cut), `client` (a session and what it may be refused), `acts` (what its
//! client does), `tools`.

mod acts;
mod client;
mod cluster;
#[path = "../../support/script.rs"]
mod script;
mod tools;
mod wire;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::time::Duration;

use ringlane::base::clock::Clock;
use ringlane::base::time::Now;
use ringlane::testing::clock::VirtualClock;
use ringlane::testing::executor::Executor;
use ringlane::testing::random::Random;

use self::client::{Client, Common, Planted};
use self::cluster::{Cluster, Counts};
use crate::net::Trace;
use crate::tools::{End, open_ledger, take_ledger};
use crate::{START, number_from};

const SEEDS_DEFAULT: u64 = 60;
/// No run takes longer: the longest sequence of pauses, then the idle life of a session.
const VIRTUAL_MAX: Duration = Duration::from_secs(12 * 3_600);
/// Tags of calls tell their client.
const TAGS_PER_CLIENT: u64 = 1_000;

/// What came of a run.
struct Outcome {
    hash: u64,
    faults: Vec<String>,
    counts: Counts,
    trace: Vec<String>,
}

struct World {
    clock: Rc<VirtualClock>,
    executor: Rc<Executor>,
    cluster: Rc<Cluster>,
    common: Rc<Common>,
    clients: Vec<Rc<Client>>,
}

impl World {
    fn new(random: &mut Random, planted: Option<Planted>, keeps_lines: bool) -> Self {
        let clock = VirtualClock::starting_at(START);
        open_ledger(clock.clone());
        let executor = Executor::shuffled(clock.clone(), random.split());
        let trace = Trace::new(clock.clone(), keeps_lines);
        let cluster = Cluster::new(random, &clock, &executor, trace);
        let common = Rc::new(Common { planted, ..Common::default() });
        Self { clock, executor, cluster, common, clients: Vec::new() }
    }

    /// Announces changes, so many with random pauses.
    fn announce(&self, random: &mut Random) {
        let mut random = random.split();
        let pauses: Vec<_> = (0..random.within(0..=30))
            .map(|_| {
                Duration::from_millis(if random.percent(20) { 0 } else { random.within(1..=9_000) })
            })
            .collect();
        self.common.quiet_at.set(Now(self.clock.now().after(pauses.iter().sum()).0 + 1));
        let cluster = self.cluster.clone();
        self.executor.spawn(async move {
            for pause in pauses {
                cluster.sleep(pause).await;
                cluster.announce(&mut random);
            }
        });
    }

    /// Adds a client, which does several things at once with its session.
    fn join(&mut self, random: &mut Random) {
        let index = self.clients.len() as u64;
        let (cluster, common) = (self.cluster.clone(), self.common.clone());
        let client = Client::new(cluster, common, index, random);
        self.clients.push(client.clone());
        let mut random = random.split();
        let (cluster, listens, ends_early) =
            (self.cluster.clone(), random.percent(70), random.percent(10));
        self.executor.spawn(async move {
            client.pause(&mut random, 5_000).await;
            if client.open(&mut random).await.is_none() {
                return;
            }
            let actor_count = random.index(3) + 1;
            client.left_count.set(actor_count + usize::from(listens));
            for actor in (0..).take(actor_count) {
                let tag = index * TAGS_PER_CLIENT + actor * TAGS_PER_CLIENT / 10;
                cluster.spawn(act(client.clone(), tag, random.split()));
            }
            if listens {
                let (client, mut random) = (client.clone(), random.split());
                cluster.spawn(async move {
                    client.listen(&mut random).await;
                    leave(&client, &mut random).await;
                });
            }
            if ends_early {
                client.pause(&mut random, 60_000).await;
                client.end(&mut random).await;
            }
        });
    }

    fn run(self) -> Outcome {
        self.executor.run();
        let mut faults = self.common.faults.take();
        let left = (self.executor.task_count(), self.clock.timers().armed_count());
        if left != (0, 0) {
            faults.push(format!("{left:?} tasks and timers are left"));
        }
        for (worker, shard) in self.cluster.shards.iter().enumerate() {
            let left = (shard.session_count(), Rc::strong_count(shard));
            if left != (0, 1) {
                faults.push(format!("{left:?} sessions and holders are left on worker {worker}"));
            }
        }
        if START.after(VIRTUAL_MAX).passed(self.clock.now()) {
            faults.push(format!("it took until {:?}", self.clock.now()));
        }
        faults.extend(self.judge_calls());
        let Cluster { trace, counts, .. } = &*self.cluster;
        Outcome { hash: trace.hash(), faults, counts: counts.get(), trace: trace.lines() }
    }

    /// Every call ran once, and to its end unless its session was ended.
    fn judge_calls(&self) -> Vec<String> {
        let ledger = take_ledger();
        let mut tags: Vec<_> = ledger.iter().map(|entry| entry.tag).collect();
        tags.sort_unstable();
        let mut faults: Vec<_> = tags
            .windows(2)
            .filter(|pair| pair[0] == pair[1])
            .map(|pair| format!("call {} ran twice", pair[0]))
            .collect();
        for entry in ledger {
            let client = usize::try_from(entry.tag / TAGS_PER_CLIENT).unwrap_or(usize::MAX);
            let may_end = self.clients[client].has_ended.get();
            if !may_end && !matches!(entry.ended, Some((_, End::Completed))) {
                faults.push(format!("{entry:?} did not run to its end"));
            }
        }
        faults
    }
}

/// One of the things that a client does.
async fn act(client: Rc<Client>, mut tag: u64, mut random: Random) {
    for _ in 0..random.within(1..=4) {
        tag += 1;
        match random.within(0..=9) {
            0..=4 => client.recite(tag, &mut random).await,
            5 => client.burst(&mut tag, &mut random).await,
            6..=7 => client.chat(&mut tag, &mut random).await,
            8 => client.forge(&mut random).await,
            _ => client.pause(&mut random, 30_000).await,
        }
    }
    leave(&client, &mut random).await;
}

/// The last of a client's tasks ends the session, or leaves it to itself.
async fn leave(client: &Client, random: &mut Random) {
    client.left_count.set(client.left_count.get() - 1);
    if client.left_count.get() == 0 && !client.has_ended.get() && random.percent(60) {
        client.end(random).await;
    }
}

fn simulate(seed: u64, planted: Option<Planted>, keeps_lines: bool) -> Outcome {
    let mut random = Random::new(seed);
    let mut world = World::new(&mut random, planted, keeps_lines);
    world.announce(&mut random);
    for _ in 0..random.within(1..=5) {
        world.join(&mut random);
    }
    world.run()
}

/// Runs a seed; what it counted, or its faults and the way to repeat it.
fn check(seed: u64, keeps_lines: bool) -> Result<Counts, String> {
    let ended = catch_unwind(AssertUnwindSafe(|| simulate(seed, None, keeps_lines)));
    let Ok(Outcome { faults, counts, trace, .. }) = ended else {
        return Err(format!("seed {seed}: a panic escaped"));
    };
    for line in trace {
        println!("{line}");
    }
    if faults.is_empty() {
        return Ok(counts);
    }
    let faults = faults.join("\n    ");
    Err(format!(
        "seed {seed}: SIM_SEED={seed} cargo test --test sim sessions -- --nocapture\n    {faults}"
    ))
}

#[test]
fn sessions_hold() {
    const TOLD_MAX: usize = 10;
    if let Some(seed) = number_from("SIM_SEED") {
        let counts = check(seed, true).unwrap_or_else(|told| panic!("{told}"));
        println!("{counts:?}");
        return;
    }
    let count = number_from("SIM_SEEDS").unwrap_or(SEEDS_DEFAULT);
    let lines = include_str!("seeds.txt").lines();
    let found = lines.filter_map(|line| line.split_whitespace().next()?.parse().ok());
    let (mut all, mut failed) = (Counts::default(), Vec::new());
    for seed in found.chain(0..count) {
        match check(seed, false) {
            Ok(counts) => all.add(counts),
            Err(told) => failed.push(told),
        }
    }
    println!("{count} seeds of sessions: {all:?}");
    let told = failed.iter().take(TOLD_MAX).map(String::as_str).collect::<Vec<_>>().join("\n");
    assert!(failed.is_empty(), "{} seeds failed\n{told}", failed.len());
    assert!(all.cuts >= 5 * count && all.resumes >= 3 * count, "too little went wrong: {all:?}");
}

#[test]
fn a_seed_of_sessions_stands_for_one_course_of_events() {
    let hash = |seed| simulate(seed, None, false).hash;
    for seed in 0..5 {
        assert_eq!(hash(seed), hash(seed), "seed {seed}");
    }
    assert_ne!(hash(0), hash(1));
}

#[test]
fn planted_faults_of_sessions_are_found() {
    const SEEDS_MAX: u64 = 40;
    for planted in
        [Planted::EarlyResume, Planted::LateResume, Planted::OtherSession, Planted::TakenTwice]
    {
        let found =
            (0..SEEDS_MAX).find(|&seed| !simulate(seed, Some(planted), false).faults.is_empty());
        assert!(found.is_some(), "{planted:?} was not found");
    }
}
