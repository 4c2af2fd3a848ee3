//! The tools that the simulated server offers, and the ledger of what became of each call.
//!
//! Every call carries a tag that no other call of the run has. Its guard enters it into the ledger
//! when the handler begins and closes the entry when the handler ends or is dropped.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use ringlane::base::clock::Clock;
use ringlane::base::time::Now;
use ringlane::controller::catalogue::{Catalogue, ListSettings};
use ringlane::handler::registry::Registry;
use ringlane::testing::clock::VirtualClock;
use ringlane::{Cx, Tool, ToolError};

/// What became of one call.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) tag: u64,
    pub(crate) started: Now,
    pub(crate) ended: Option<(Now, End)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The handler ran to its end.
    Completed,
    /// It was dropped before, or panicked.
    Dropped,
}

#[derive(Default)]
struct Ledger {
    clock: Option<Rc<VirtualClock>>,
    entries: Vec<Entry>,
}

impl Ledger {
    fn now(&self) -> Now {
        self.clock.as_ref().map_or(Now(0), |clock| clock.now())
    }
}

thread_local! {
    /// One simulation runs on a thread at a time; handlers must be `Send` and so cannot hold it.
    static LEDGER: RefCell<Ledger> = RefCell::default();
}

/// Begins the ledger of a run.
pub(crate) fn open_ledger(clock: Rc<VirtualClock>) {
    LEDGER.with_borrow_mut(|ledger| *ledger = Ledger { clock: Some(clock), entries: Vec::new() });
}

/// Gives the ledger of the run.
pub(crate) fn take_ledger() -> Vec<Entry> {
    LEDGER.with_borrow_mut(std::mem::take).entries
}

/// Holds the entry of a call open.
pub(crate) struct Guard {
    index: usize,
    end: End,
}

impl Guard {
    pub(crate) fn enter(tag: u64) -> Self {
        LEDGER.with_borrow_mut(|ledger| {
            let started = ledger.now();
            ledger.entries.push(Entry { tag, started, ended: None });
            Self { index: ledger.entries.len() - 1, end: End::Dropped }
        })
    }

    pub(crate) fn complete(mut self) {
        self.end = End::Completed;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        LEDGER.with_borrow_mut(|ledger| {
            let now = ledger.now();
            if let Some(entry) = ledger.entries.get_mut(self.index) {
                entry.ended = Some((now, self.end));
            }
        });
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Echo {
    tag: u64,
    text: String,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Add {
    tag: u64,
    a: i64,
    b: i64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Tell {
    tag: u64,
    count: u64,
    gap_ms: u64,
    pad: u64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nap {
    tag: u64,
    ms: u64,
}

/// All tools, as a server would register them.
pub(crate) fn catalogue() -> Arc<Catalogue> {
    let mut registry = Registry::default();
    let tools = [
        Tool::new("echo", "Gives back its text", async |_: Cx, Echo { tag, text }: Echo| {
            Guard::enter(tag).complete();
            Ok(text)
        }),
        Tool::new("add", "Adds", async |_: Cx, Add { tag, a, b }: Add| {
            Guard::enter(tag).complete();
            Ok(a + b)
        }),
        Tool::new("tell", "Tells its progress, waiting for room", tell),
        Tool::new("blurt", "Tells its progress without waiting", blurt),
        Tool::new("nap", "Sleeps", async |cx: Cx, Nap { tag, ms }: Nap| {
            let guard = Guard::enter(tag);
            cx.sleep(Duration::from_millis(ms)).await;
            guard.complete();
            Ok(format!("rested {tag}"))
        }),
        Tool::new("fail", "Fails", async |_: Cx, Nap { tag, .. }: Nap| {
            Guard::enter(tag).complete();
            Err::<String, _>(ToolError::new(format!("failed {tag}")))
        }),
        Tool::new("panic", "Panics, after a while", panic),
    ];
    for tool in tools {
        registry.add_tool(tool).expect("a sound tool");
    }
    Catalogue::new(registry, &ListSettings::default())
}

async fn tell(cx: Cx, Tell { tag, count, gap_ms, pad }: Tell) -> Result<String, ToolError> {
    let guard = Guard::enter(tag);
    let pad = "p".repeat(usize::try_from(pad)?);
    for step in 1..=count {
        cx.progress(step, count, &pad).await;
        if gap_ms > 0 {
            cx.sleep(Duration::from_millis(gap_ms)).await;
        }
    }
    guard.complete();
    Ok(format!("told {tag}"))
}

async fn blurt(cx: Cx, Tell { tag, count, gap_ms, pad }: Tell) -> Result<String, ToolError> {
    let guard = Guard::enter(tag);
    let pad = "p".repeat(usize::try_from(pad)?);
    for step in 1..=count {
        let _room = cx.progress(step, count, &pad);
    }
    cx.sleep(Duration::from_millis(gap_ms)).await;
    guard.complete();
    Ok(format!("told {tag}"))
}

async fn panic(cx: Cx, Nap { tag, ms }: Nap) -> Result<String, ToolError> {
    let _guard = Guard::enter(tag);
    if ms > 0 {
        cx.sleep(Duration::from_millis(ms)).await;
    }
    std::panic::resume_unwind(Box::new("as planned")) // Past the hook, which would print it.
}
