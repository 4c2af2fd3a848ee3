//! Each decoder and encoder of the wire by itself, on what clients and servers usually send.

#![expect(clippy::expect_used, reason = "a bench that cannot run says so and ends")]

use std::hint::black_box;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{
    BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main,
};
use ringlane::http::frame::frame;
use ringlane::http::h1::body::{BodyLimits, ChunkedDecoder, Progress};
use ringlane::http::h1::encode::{HeadWriter, StreamCoding};
use ringlane::http::h1::head::{Decoded, FieldSlots, HeadLimits, decode};
use ringlane::http::head::{Persistence, Version};
use ringlane::http::ndjson::{NdjsonDecoder, NdjsonLimits};
use ringlane::http::negotiate::{Acceptance, StreamFormat};
use ringlane::http::sse::{SseDecoder, SseLimits};
use ringlane::jsonrpc::decode::{Decoder, JsonLimits};
use ringlane::jsonrpc::message::Message;
use ringlane::jsonrpc::view::View;

use self::requests::{ECHO, echo_of, legacy, modern};

#[path = "support/requests.rs"]
mod requests;

/// What a stream carries 20 times.
const PROGRESS: &[u8] = concat!(
    r#"{"jsonrpc":"2.0","method":"notifications/progress","#,
    r#""params":{"progressToken":1,"progress":7,"total":20}}"#
)
.as_bytes();
const RESPONSE: &[u8] =
    br#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}]}}"#;

criterion_group! {
    name = codec;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = heads, accept, bodies, messages, readers, answers
}
criterion_main!(codec);

/// A case by its name, of so many bytes.
fn case(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, bytes: usize, mut run: impl FnMut()) {
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function(name, |bencher| bencher.iter(&mut run));
}

/// The part of a request before its body, and the body.
fn split(request: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memmem::find(request, b"\r\n\r\n").expect("a whole head") + 4;
    request.split_at(end)
}

fn heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request head");
    let limits = HeadLimits::default();
    for (name, request) in
        [("legacy", legacy("tools/call", "", ECHO)), ("modern", modern("echo", ECHO))]
    {
        let (head, _) = split(&request);
        case(&mut group, name, head.len(), || {
            let mut slots = FieldSlots::new();
            let decoded = decode(black_box(head), &mut slots, &limits);
            assert!(matches!(decoded, Ok(Decoded::Head { .. })));
            let _ = black_box(decoded);
        });
    }
    group.finish();
}

fn accept(criterion: &mut Criterion) {
    const USUAL: &[u8] = b"application/json, text/event-stream";
    const LONG: &[u8] = b"text/html;q=0.9, application/json;q=0.8, application/x-ndjson, */*;q=0.1";
    let mut group = criterion.benchmark_group("accept");
    for (name, line) in [("usual", USUAL), ("weighted", LONG)] {
        case(&mut group, name, line.len(), || {
            black_box(Acceptance::parse([black_box(line)]));
        });
    }
    group.finish();
}

fn bodies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunked body");
    let limits = BodyLimits::default();
    for (name, chunk_bytes) in [("16 KiB in one", 16 * 1024), ("16 KiB by 256", 256)] {
        let chunk = format!("{chunk_bytes:x}\r\n{}\r\n", "x".repeat(chunk_bytes));
        let mut wire = chunk.repeat(16 * 1024 / chunk_bytes).into_bytes();
        wire.extend_from_slice(b"0\r\n\r\n");
        group.throughput(Throughput::Bytes(16 * 1024));
        group.bench_function(name, |bencher| {
            let read = |mut bytes: Vec<u8>| {
                let progress = ChunkedDecoder::new(0, &limits).advance(&mut bytes);
                assert!(matches!(progress, Ok(Progress::Complete { .. })));
                bytes
            };
            bencher.iter_batched(|| wire.clone(), read, BatchSize::SmallInput);
        });
    }
    group.finish();
}

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("json-rpc");
    let mut decoder = Decoder::new(JsonLimits::default());
    for (name, request) in [
        ("decode legacy call", legacy("tools/call", "", ECHO)),
        ("decode modern call", modern("echo", ECHO)),
        ("decode 16 KiB call", legacy("tools/call", "", &echo_of(16 * 1024))),
    ] {
        let (_, body) = split(&request);
        case(&mut group, name, body.len(), || {
            decoder.decode(black_box(body), |_| ()).expect("a JSON text");
        });
    }
    let request = modern("echo", ECHO);
    let (_, body) = split(&request);
    group.throughput(Throughput::Elements(1));
    group.bench_function("read message", |bencher| {
        let read = |value: View<'_>| {
            assert!(matches!(Message::read(value), Ok(Message::Request { .. })));
            bencher.iter(|| Message::read(black_box(value)).is_ok());
        };
        decoder.decode(body, read).expect("a JSON text");
    });
    group.finish();
}

/// 20 notifications and the response, as one format frames them.
fn stream(format: StreamFormat) -> Vec<u8> {
    let mut bytes = Vec::new();
    for message in std::iter::repeat_n(PROGRESS, 20).chain([RESPONSE]) {
        frame(&mut bytes, format, |out| out.extend_from_slice(message));
    }
    bytes
}

fn readers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("read 21 frames");
    let bytes = stream(StreamFormat::Sse);
    let mut decoder = SseDecoder::new(SseLimits::default());
    case(&mut group, "sse", bytes.len(), || {
        let (mut input, mut count) = (black_box(bytes.as_slice()), 0);
        while decoder.decode(&mut input).expect("events").is_some() {
            count += 1;
        }
        assert_eq!(count, 21);
    });
    let bytes = stream(StreamFormat::Ndjson);
    let mut decoder = NdjsonDecoder::new(NdjsonLimits::default());
    case(&mut group, "ndjson", bytes.len(), || {
        let (mut input, mut count) = (black_box(bytes.as_slice()), 0);
        while decoder.decode(&mut input).expect("lines").is_some() {
            count += 1;
        }
        assert_eq!(count, 21);
    });
    group.finish();
}

fn answers(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("write");
    let mut out = Vec::with_capacity(8 * 1024);
    case(&mut group, "json answer", RESPONSE.len(), || {
        out.clear();
        let head = HeadWriter::json(&mut out);
        let slot = head.finish_length_later(Version::Http11, Persistence::KeepAlive, 2);
        out.extend_from_slice(black_box(RESPONSE));
        slot.fill(&mut out);
        black_box(&out);
    });
    for (name, format) in
        [("20 sse events", StreamFormat::Sse), ("20 ndjson lines", StreamFormat::Ndjson)]
    {
        case(&mut group, name, 20 * PROGRESS.len(), || {
            out.clear();
            StreamCoding::Chunked.part(&mut out, |out| {
                for _ in 0..20 {
                    frame(out, format, |out| out.extend_from_slice(black_box(PROGRESS)));
                }
            });
            black_box(&out);
        });
    }
    group.finish();
}
