//! Sessions over real sockets, on two workers: clients that are cut off at any byte and take up
//! their streams again, on a connection that lands on any worker; many sessions at once.
//!
//! `CUTS=n` says how many cuts there are at least (default 500), half of them on each driver.
//! The kernel deals connections out to the workers, so about half of them meet the wrong one.

mod load;
mod wire;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ringlane::session::change::{Change, Changes};
use ringlane::testing::random::Random;
use ringlane::{Cx, IoChoice, ListenAddress, LogLevel, Running, Server};
use serde_json::json;

use self::wire::{Heard, Session, Wire};
use crate::support::script::{Bulletin, Events, Recital, Script, Track};

const REVISIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];
const CUTS_DEFAULT: usize = 500;
/// How many clients there are at once, of those that call and of those that listen.
const CALLERS: u64 = 3;
const LISTENERS: u64 = 2;
const WORKERS: usize = 2;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Recite {
    tag: u64,
    count: u64,
    /// It pauses for a millisecond after so many steps.
    every: u64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    text: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Page {
    name: String,
}

/// A server that runs.
struct House {
    running: Option<Running>,
    address: SocketAddr,
    changes: Changes,
}

impl House {
    fn open(io: IoChoice) -> Self {
        let server = Server::new("recital", "1.0.0")
            .tool("recite", "Tells its steps", recite)
            .tool("echo", "Says it again", async |_: Cx, Echo { text }: Echo| Ok(text))
            .resource_template(
                "page:{name}",
                "page",
                "A page",
                async |_: Cx, Page { name }: Page| Ok(name),
            )
            .settings(|settings| {
                settings.runtime.io = io;
                settings.runtime.workers = Some(WORKERS);
                let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                settings.runtime.listen = vec![ListenAddress::Tcp(any_port)];
                settings.serve.sessions.limits.sessions_per_address_max = 4_000;
            });
        let running = server.start().expect("a sound server");
        let address = running.addresses().iter().find_map(|address| match address {
            ListenAddress::Tcp(address) => Some(*address),
            _ => None,
        });
        let (address, changes) = (address.expect("an address"), running.changes());
        Self { running: Some(running), address, changes }
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.drain_handle().drain();
            if !std::thread::panicking() {
                running.wait();
            }
        }
    }
}

async fn recite(
    cx: Cx,
    Recite { tag, count, every }: Recite,
) -> Result<String, ringlane::ToolError> {
    for step in 1..=count {
        cx.progress(step, count, "").await;
        cx.log(LogLevel::Info, json!({"tag": tag, "step": step})).await;
        if step % every == 0 {
            cx.sleep(Duration::from_millis(1)).await;
        }
    }
    Ok(format!("told {tag}"))
}

/// What happened, counted.
#[derive(Debug, Default)]
struct Counts {
    cuts: AtomicUsize,
    resumes: AtomicUsize,
    events: AtomicUsize,
}

/// One client at its work.
struct Client<'h> {
    house: &'h House,
    counts: &'h Counts,
    cuts_max: usize,
    random: Random,
}

impl Client<'_> {
    fn goes_on(&self) -> bool {
        self.counts.cuts.load(Ordering::Relaxed) < self.cuts_max
    }

    fn count(counter: &AtomicUsize) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// A connection that is cut after some bytes; one that resumes, after one at least: a request
    /// of which nothing was heard may be handled after the next one, whose stream it then takes.
    fn connect(&mut self, resumes: bool, bytes_max: usize) -> Wire {
        let bytes = self.random.index(bytes_max).max(usize::from(resumes));
        Wire::open(self.house.address).cut_after(bytes, self.random.percent(50))
    }

    /// Opens sessions, calls, and hears every call to its end.
    fn call(mut self, index: u64) {
        let mut tag = index << 32;
        while self.goes_on() {
            let revision = *self.random.pick(&REVISIONS);
            let session = Session::open(&mut Wire::open(self.house.address), revision);
            for _ in 0..self.random.within(1..=5) {
                tag += 1;
                self.recite(&session, tag);
            }
            let ended = Wire::open(self.house.address).ask(&session.delete());
            assert_eq!(ended.status, 200, "{ended:?}");
        }
    }

    fn recite(&mut self, session: &Session, tag: u64) {
        let (count, every) = (self.random.within(1..=60), self.random.within(2..=20));
        let arguments = json!({"tag": tag, "count": count, "every": every});
        let call = session.call(tag, "recite", &arguments);
        let mut recital = Recital::new(tag, count, true);
        let mut track = Track::new(session.is_primed());
        while !recital.is_answered {
            let after = track.last();
            let request = if after.is_some() { session.get(after) } else { call.clone() };
            let mut wire = self.connect(after.is_some(), 3_000);
            if self.random.percent(5) {
                let part = self.random.index(request.len());
                wire.send(&request[..part]);
                Self::count(&self.counts.cuts);
                continue; // It is asked again, since the server had no whole request.
            }
            wire.send(&request);
            if self.hear(&mut wire, &mut track, &mut recital, &|_| false).is_none() {
                Self::count(&self.counts.cuts);
                if track.last().is_none() {
                    return; // It never heard of a stream to come back for.
                }
            } else {
                assert!(recital.is_answered, "call {tag} was not answered");
            }
        }
    }

    /// Hears a stream until it ends or there is enough; `None` when it was cut.
    fn hear(
        &self,
        wire: &mut Wire,
        track: &mut Track,
        script: &mut dyn Script,
        has_enough: &dyn Fn(&Track) -> bool,
    ) -> Option<()> {
        let mut events = Events::default();
        if let Some(after) = track.last() {
            track.resume(after);
            Self::count(&self.counts.resumes);
        }
        let heard = wire.read(&mut |answer| {
            assert_eq!(answer.status, 200, "{answer:?}");
            if answer.content_type.as_deref() == Some("application/json") {
                return false;
            }
            while let Some(event) = events.next(&answer.body).expect("events") {
                Self::count(&self.counts.events);
                track.take(event, script).unwrap_or_else(|fault| panic!("{fault}"));
            }
            has_enough(track)
        });
        match heard {
            Heard::Cut => return None,
            Heard::Enough => {}
            Heard::Whole(answer) if answer.content_type.as_deref() == Some("application/json") => {
                let told = serde_json::from_slice(&answer.body).expect("JSON");
                script.next(&told).unwrap_or_else(|fault| panic!("{fault}"));
            }
            Heard::Whole(answer) => assert!(events.is_done(&answer.body), "a whole event"),
        }
        Some(())
    }

    /// Holds a stream of changes, and makes them itself: while it hears, and while it is away.
    fn listen(mut self, index: u64) {
        const CHANGES: usize = 200;
        let mut round = 0;
        while self.goes_on() {
            round += 1;
            let mut wire = Wire::open(self.house.address);
            let session = Session::open(&mut wire, "2025-11-25");
            let changes: Vec<_> = (0..CHANGES)
                .map(|number| {
                    Change::ResourceUpdated(format!("page:{index}-{round}-{number}").into())
                })
                .collect();
            for change in &changes {
                let Change::ResourceUpdated(uri) = change else { continue };
                let watch = json!({"jsonrpc": "2.0", "id": 0, "method": "resources/subscribe",
                    "params": {"uri": **uri}});
                let answer = wire.ask(&session.post(&watch));
                assert!(answer.body.ends_with(br#""result":{}}"#), "{answer:?}");
            }
            self.hear_changes(&session, &changes);
            assert_eq!(wire.ask(&session.delete()).status, 200);
        }
    }

    fn hear_changes(&mut self, session: &Session, changes: &[Change]) {
        let (mut track, mut bulletin) = (Track::new(true), Bulletin::new(0, true));
        bulletin.opened(0);
        let mut announced = 0;
        let announce = |house: &House, announced: &mut usize| {
            if let Some(Change::ResourceUpdated(uri)) = changes.get(*announced) {
                house.changes.resource(uri);
                *announced += 1;
            }
        };
        // The first event says nothing but that the stream is there.
        let heard_count = |track: &Track| {
            track.last().map_or(0, |last| usize::try_from(last.sequence).expect("few"))
        };
        while heard_count(&track) < changes.len() {
            let is_first = track.last().is_none();
            let mut wire =
                if is_first { Wire::open(self.house.address) } else { self.connect(true, 1_200) };
            wire.send(&session.get(track.last()));
            if is_first {
                let has_id = |track: &Track| track.last().is_some();
                self.hear(&mut wire, &mut track, &mut bulletin, &has_id).expect("a stream");
                continue; // Cut as soon as it can be taken up again.
            }
            for _ in 0..self.random.within(0..=5) {
                announce(self.house, &mut announced);
            }
            if announced == heard_count(&track) {
                announce(self.house, &mut announced);
            }
            let has_all = |track: &Track| heard_count(track) >= announced;
            let _cut = self.hear(&mut wire, &mut track, &mut bulletin, &has_all);
            Self::count(&self.counts.cuts);
            drop(wire);
            if self.random.percent(50) {
                announce(self.house, &mut announced);
            }
        }
        bulletin.judge(changes, |_| true, true).unwrap_or_else(|fault| panic!("{fault}"));
    }
}

/// Every event of every stream comes once, in order, to its owner.
#[test]
fn streams_that_are_cut_are_taken_up_without_a_gap_or_a_double() {
    let cuts_max = std::env::var("CUTS").ok().and_then(|text| text.parse().ok());
    let cuts_max = cuts_max.unwrap_or(CUTS_DEFAULT) / 2;
    for io in [IoChoice::Auto, IoChoice::Epoll] {
        let (house, counts) = (House::open(io), Counts::default());
        std::thread::scope(|scope| {
            for index in 0..CALLERS + LISTENERS {
                let random = Random::new(index);
                let client = Client { house: &house, counts: &counts, cuts_max, random };
                scope.spawn(move || match index {
                    0..CALLERS => client.call(index),
                    _ => client.listen(index),
                });
            }
        });
        println!("{io:?}: {counts:?}");
    }
}
