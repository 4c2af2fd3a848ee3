//! Server-sent events: what is decoded, what is written, and that the one reads the other.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug, PartialEq)]
struct Owned {
    event: String,
    id: Option<String>,
    data: String,
    retry_ms: Option<u128>,
}

/// The events of `input` in pieces that end at `cuts`, and the error that ended them.
fn decode_cut(
    input: &[u8],
    cuts: impl IntoIterator<Item = usize>,
    limits: SseLimits,
) -> (Vec<Owned>, Option<SseError>, String) {
    let mut decoder = SseDecoder::new(limits);
    let (mut events, mut start) = (Vec::new(), 0);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for end in cuts.into_iter().chain([input.len()]) {
        let mut piece = &input[start..end];
        start = end;
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(event)) => events.push(Owned {
                    event: text(event.event),
                    id: event.id.map(text),
                    data: text(event.data),
                    retry_ms: event.retry.map(|retry| retry.as_millis()),
                }),
                Ok(None) => break,
                Err(error) => return (events, Some(error), String::new()),
            }
        }
        assert!(piece.is_empty());
    }
    let last = text(decoder.last_event_id());
    (events, None, last)
}

fn events(input: &str) -> Vec<Owned> {
    let whole = decode_cut(input.as_bytes(), [], SseLimits::default());
    for cut in 0..input.len() {
        let parts = decode_cut(input.as_bytes(), [cut], SseLimits::default());
        assert_eq!(parts, whole, "cut at {cut}");
    }
    let bytes = decode_cut(input.as_bytes(), 0..input.len(), SseLimits::default());
    assert_eq!(bytes, whole, "byte by byte");
    assert_eq!(whole.1, None);
    whole.0
}

fn data(text: &str) -> Owned {
    Owned { event: String::new(), id: None, data: text.to_owned(), retry_ms: None }
}

#[test]
fn events_are_read_as_the_specification_says() {
    for (input, wanted) in [
        ("data: a\n\n", vec!["a"]),
        ("data:a\r\rdata:b\r\n\r\n", vec!["a", "b"]),
        ("data: a\r\ndata: b\r\n\r\n", vec!["a\nb"]),
        ("data: a\rdata: b\r\r\n\ndata: c\r\n\n", vec!["a\nb", "c"]),
        ("data:  a\n\n", vec![" a"]),
        ("data: a\ndata\ndata:b\n\n", vec!["a\n\nb"]),
        ("data\n\n", vec![""]),
        ("data:\r\n\r\ndata:\n\n", vec!["", ""]),
        ("\u{feff}data: a\n\n", vec!["a"]),
        ("\u{feff}\u{feff}data: a\n\n", vec![]),
        ("\n\u{feff}data: a\n\n", vec![]),
        (": comment\n:\ndata: a\n: more\n\n", vec!["a"]),
        ("Data: a\ndatum: b\ndata : c\n\n", vec![]),
        ("\n\n\r\n\r", vec![]),
        ("data: a\n", vec![]),
        ("data: a", vec![]),
        ("event: x\n\ndata: a\n\n", vec!["a"]),
        ("data: a:b\n\n", vec!["a:b"]),
    ] {
        let wanted: Vec<_> = wanted.into_iter().map(data).collect();
        assert_eq!(events(input), wanted, "{input:?}");
    }
}

#[test]
fn names_ids_and_waits_belong_to_their_event() {
    let read = events(
        "retry: 10\n\nid: 1\nevent: message\nretry: 20\ndata: a\n\ndata: b\n\n\
         id: x\0y\nretry: 3x\nretry: -1\nretry:\ndata: c\n\nid\ndata: d\n\n",
    );
    assert_eq!(
        read,
        [
            Owned {
                event: "message".into(),
                id: Some("1".into()),
                retry_ms: Some(20),
                ..data("a")
            },
            data("b"),
            data("c"),
            Owned { id: Some(String::new()), ..data("d") },
        ]
    );
    assert_eq!(events("retry: 10\n\ndata: a\n\n"), [Owned { retry_ms: Some(10), ..data("a") }]);
}

#[test]
fn the_last_id_is_kept_once_its_block_ended() {
    for (input, wanted) in [
        ("id: 1\ndata: a\n\ndata: b\n\n", "1"),
        ("id: 1\n\n", "1"),
        ("id: 1\n\nid: 2\n", "1"),
        ("id: 1\n\nid\n\n", ""),
        ("id: 1\n\nid: \0\n\n", "1"),
    ] {
        let (_, _, last) = decode_cut(input.as_bytes(), [], SseLimits::default());
        assert_eq!(last, wanted, "{input:?}");
    }
}

#[test]
fn limits_hold_at_their_value_and_refuse_one_past_it() {
    let limits = SseLimits { event_bytes_max: 6, line_bytes_max: 11 };
    for (input, wanted) in [
        ("data: abcde\n\n", None),
        ("data: abcdef\n\n", Some(SseError::LineTooLong { limit_bytes: 11 })),
        ("data: abcdef", Some(SseError::LineTooLong { limit_bytes: 11 })),
        (":23456789012", Some(SseError::LineTooLong { limit_bytes: 11 })),
        ("data:abc\ndata:de\n\n", None),
        ("data:abc\ndata:def\n\n", Some(SseError::EventTooLong { limit_bytes: 6 })),
        ("id:abc\nevent:abc\n\nid:abc\n\n", None),
        ("id:abc\nevent:abcd\n", Some(SseError::EventTooLong { limit_bytes: 6 })),
    ] {
        for cut in 0..input.len() {
            assert_eq!(decode_cut(input.as_bytes(), [cut], limits).1, wanted, "{input:?}");
        }
    }
}

#[test]
fn events_are_written_to_the_letter() {
    let mut out = Vec::new();
    event(&mut out, Some("7"), Some("message"), b"{\"a\":1}");
    event(&mut out, None, None, b"{\r\n \"a\":1\n}");
    comment(&mut out);
    retry(&mut out, Duration::from_secs(2));
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "id: 7\nevent: message\ndata: {\"a\":1}\n\ndata: {   \"a\":1 }\n\n:\n\nretry: 2000\n\n"
    );
}

#[test]
#[cfg_attr(debug_assertions, should_panic(expected = "unsound id"))]
fn an_id_that_would_end_its_line_is_left_out() {
    let mut out = Vec::new();
    event(&mut out, Some("1\ndata: forged"), None, b"{}");
    assert_eq!(out, b"data: {}\n\n");
}

proptest! {
    #[test]
    fn where_reads_split_events_does_not_matter(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "data", "id", "retry", "event", ":", " ", "\r", "\n", "\r\n", "1", "x", "\0",
                "\u{feff}",
            ]),
            0..24,
        ),
    ) {
        let input = parts.concat();
        let limits = SseLimits { event_bytes_max: 5, line_bytes_max: 12 };
        let whole = decode_cut(input.as_bytes(), [], limits);
        for cut in 0..input.len() {
            prop_assert_eq!(&decode_cut(input.as_bytes(), [cut], limits), &whole);
        }
        prop_assert_eq!(&decode_cut(input.as_bytes(), 0..input.len(), limits), &whole);
    }

    #[test]
    fn what_is_written_is_read_back(
        written in prop::collection::vec(
            (prop::option::of("[a-z0-9-]{0,9}"), prop::option::of("[a-z]{1,9}"), "[^\r\n]{0,30}"),
            0..8,
        ),
    ) {
        let mut out = Vec::new();
        for (id, name, data) in &written {
            event(&mut out, id.as_deref(), name.as_deref(), data.as_bytes());
            comment(&mut out);
        }
        let (read, error, _) = decode_cut(&out, [], SseLimits::default());
        prop_assert_eq!(error, None);
        let wanted: Vec<_> = written
            .into_iter()
            .map(|(id, name, data)| Owned {
                event: name.unwrap_or_default(), id, data, retry_ms: None,
            })
            .collect();
        prop_assert_eq!(read, wanted);
    }
}
