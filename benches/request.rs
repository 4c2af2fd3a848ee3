//! Requests through a whole connection in memory: time, heap allocations and, under callgrind,
//! instructions of each.
//!
//! `cargo bench --bench request` measures time and prints the allocations.
//! `cargo bench --bench request -- --count N CASE` sends exactly N requests after a warm-up and
//! nothing else: `benches/instructions` runs that twice and takes the difference.

#![expect(unsafe_code, reason = "an allocator is unsafe to write; this one passes everything on")]
#![expect(clippy::print_stdout, reason = "numbers are what a bench is for")]
#![expect(clippy::panic, clippy::expect_used, reason = "a bench that cannot run says so and ends")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use mimalloc::MiMalloc;

use self::exchange::{COUNT, answers_count};
use self::memory::Memory;
use self::requests::{ECHO, echo_of, legacy, modern};

#[path = "support/exchange.rs"]
mod exchange;
#[path = "support/memory.rs"]
mod memory;
#[path = "support/requests.rs"]
mod requests;
#[path = "support/tools.rs"]
mod tools;

/// Requests before anything is counted: pools fill, and buffers grow to what they will hold.
const WARM_UP_ROUNDS: u64 = 200;

/// The allocator of the program, counted.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // At the end of a thread there is no one left to count for.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every method hands its arguments to the allocator unchanged, and gives back what that
// gave; counting touches no memory but the thread's own cell.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc`, which is the same there.
        unsafe { MiMalloc.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is the same there.
        unsafe { MiMalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: `pointer` came from `MiMalloc` by the methods above, with this layout.
        unsafe { MiMalloc.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `MiMalloc` by the methods above, with this layout.
        unsafe { MiMalloc.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Requests that are sent together, over and over, on one connection.
struct Case {
    memory: Memory,
    bytes: Vec<u8>,
    requests_count: u64,
}

/// What can be asked for by name.
const CASES: [&str; 8] =
    ["legacy", "session", "modern", "list", "pipelined", "stream", "argument", "large"];

impl Case {
    /// Opens the case of this name; `None` if there is none.
    fn open(name: &str) -> Option<Self> {
        let mut memory = Memory::open();
        let call = || legacy("tools/call", "", ECHO);
        let (bytes, requests_count, holds) = match name {
            "legacy" => (call(), 1, r#""text":"hello""#),
            "session" => {
                let session = memory.open_session();
                (legacy("tools/call", &session, ECHO), 1, r#""text":"hello""#)
            }
            "modern" => (modern("echo", ECHO), 1, r#""text":"hello""#),
            "list" => (legacy("tools/list", "", ""), 1, r#""name":"echo""#),
            "pipelined" => (call().repeat(16), 16, r#""text":"hello""#),
            "stream" => (legacy("tools/call", "", COUNT), 1, r#""progress":20"#),
            "argument" => (legacy("tools/call", "", &echo_of(16 * 1024)), 1, "xxxx"),
            "large" => (legacy("tools/call", "", &echo_of(256 * 1024)), 1, "xxxx"),
            _ => return None,
        };
        let mut case = Self { memory, bytes, requests_count };
        for _ in 0..WARM_UP_ROUNDS {
            let answer = case.memory.exchange(&case.bytes);
            assert_eq!(answers_count(answer) as u64, requests_count, "{name}: answers");
            let answer = String::from_utf8_lossy(answer);
            assert!(answer.contains(holds), "{name}: {holds} is not in {answer}");
        }
        Some(case)
    }

    #[inline]
    fn round(&mut self) {
        black_box(self.memory.exchange(black_box(&self.bytes)));
    }

    /// How often a round allocates, on the mean of so many.
    fn allocations_per_request(&mut self, requests: u64) -> f64 {
        let before = ALLOCATIONS.get();
        for _ in 0..requests / self.requests_count {
            self.round();
        }
        (ALLOCATIONS.get() - before) as f64 / requests as f64
    }
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [first, requests, case] = &words[..]
        && first == "--count"
    {
        return run_exactly(requests, case);
    }
    println!("allocations per request, of which those of the handler and its answer are its own:");
    for name in CASES {
        let mut case = Case::open(name).expect("a case of the list");
        println!("  {name:<10} {}", case.allocations_per_request(1600));
    }
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .configure_from_args();
    measure(&mut criterion);
    criterion.final_summary();
}

/// Sends so many requests of a case, and says how often they allocated.
fn run_exactly(requests: &str, name: &str) {
    let mut case =
        Case::open(name).unwrap_or_else(|| panic!("{name} is none of {}", CASES.join(", ")));
    let requests: u64 = requests.parse().expect("--count wants a number of requests");
    let at_once = case.requests_count;
    assert!(
        requests > 0 && requests.is_multiple_of(at_once),
        "{name} sends {at_once} requests at once: count a multiple of that"
    );
    println!("{}", case.allocations_per_request(requests));
}

fn measure(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request");
    for name in CASES {
        let mut case = Case::open(name).expect("a case of the list");
        group.throughput(Throughput::Elements(case.requests_count));
        group.bench_function(name, |bencher| bencher.iter(|| case.round()));
    }
    group.finish();
}
