//! What is recognised reads as it would be read.

use proptest::prelude::*;

use super::*;
use crate::http::h1::head::{Decoded, FieldSlots, decode};

const USUAL: &str = "POST /mcp HTTP/1.1\r\nHost: localhost:8080\r\n\
    Content-Type: application/json\r\n\
    Accept: application/json, text/event-stream\r\nMcp-Session-Id: abc\r\n\
    Authorization: Bearer secret\r\nContent-Length: 17\r\n\r\n";

/// Reads a head and meets it.
fn meet(heads: &mut FamiliarHeads<u8>, input: &[u8], verdict: u8) {
    let mut slots = FieldSlots::new();
    if let Ok(Decoded::Head { head, used_bytes }) =
        decode(input, &mut slots, &HeadLimits::default())
    {
        heads.meet(&input[..used_bytes], &head, verdict);
    }
}

fn familiar_with(input: &str) -> FamiliarHeads<u8> {
    let mut heads = FamiliarHeads::new(&HeadLimits::default());
    meet(&mut heads, input.as_bytes(), 7);
    heads
}

/// Whether the input is recognised; if so, it reads as the decoder reads it.
fn is_recognised(heads: &mut FamiliarHeads<u8>, input: &[u8]) -> bool {
    let Some(recognised) = heads.recognise(input) else { return false };
    let mut slots = FieldSlots::new();
    match decode(input, &mut slots, &HeadLimits::default()) {
        Ok(Decoded::Head { head, used_bytes }) => {
            assert_eq!((recognised.head(), recognised.head_bytes), (head, used_bytes));
            let accept: Vec<_> = recognised.head().accept().collect();
            assert_eq!(accept, head.accept().collect::<Vec<_>>());
        }
        other => panic!("{other:?} of what was recognised"),
    }
    true
}

#[test]
fn a_head_is_recognised_whatever_fills_its_gaps() {
    let mut heads = familiar_with(USUAL);
    for (from, to) in [
        ("17", "17"),
        ("17", "0"),
        ("17", "18446744073709551615"),
        ("abc", "0123456789abcdef"),
        ("Bearer secret", "x"),
    ] {
        let input = format!("{}body", USUAL.replace(from, to));
        assert!(is_recognised(&mut heads, input.as_bytes()), "{input}");
    }
    assert_eq!(heads.recognise(USUAL.as_bytes()).expect("familiar").verdict(), 7);
}

#[test]
fn whatever_else_differs_makes_a_stranger() {
    let mut heads = familiar_with(USUAL);
    for (from, to) in [
        ("17", "+17"),
        ("17", "18446744073709551616"),
        ("17", ""),
        ("17", "17\t"),
        ("17", "1 7"),
        ("abc", " abc"),
        ("abc", "a\u{1}c"),
        ("abc", "ä"),
        ("abc", ""),
        ("Bearer secret", "Bearer secret "),
        ("localhost", "localhosT"),
        ("8080", "8081"),
        ("HTTP/1.1", "HTTP/1.0"),
        ("POST", "GET"),
        ("17\r\n\r\n", "17\r\nA: b\r\n\r\n"),
        ("17\r\n\r\n", "17\r\n"),
        ("17\r\n\r\n", "17\n\r\n"),
    ] {
        let input = USUAL.replace(from, to);
        assert!(!is_recognised(&mut heads, input.as_bytes()), "{input}");
    }
    for end in 0..USUAL.len() {
        assert!(heads.recognise(&USUAL.as_bytes()[..end]).is_none(), "cut at {end}");
    }
}

#[test]
fn what_stands_for_a_person_is_not_kept() {
    let heads = familiar_with(USUAL);
    let kept = &heads.shapes.first().expect("met").text;
    assert!(!kept.contains("secret") && !kept.contains("abc"), "{kept}");
    for line in ["Cookie: a=b", "proxy-authorization: Basic x", "Expect: 100-continue"] {
        let private = USUAL.replace("\r\n\r\n", &format!("\r\n{line}\r\n\r\n"));
        assert!(familiar_with(&private).shapes.is_empty(), "{line}");
    }
}

#[test]
fn heads_are_remembered_up_to_the_limits_and_not_past_them() {
    let padded = |bytes: usize| {
        let bare = USUAL.len() + "X: \r\n".len() - "abcBearer secret17".len();
        USUAL.replace("\r\n\r\n", &format!("\r\nX: {}\r\n\r\n", "x".repeat(bytes - bare)))
    };
    assert_eq!(familiar_with(&padded(TEXT_BYTES_MAX)).shapes.len(), 1);
    assert_eq!(familiar_with(&padded(TEXT_BYTES_MAX + 1)).shapes.len(), 0);

    let mut heads = FamiliarHeads::new(&HeadLimits::default());
    let of = |number: usize| USUAL.replace("8080", &number.to_string());
    for number in 0..SHAPES_MAX {
        meet(&mut heads, of(number).as_bytes(), 1);
    }
    assert!((0..SHAPES_MAX).all(|number| is_recognised(&mut heads, of(number).as_bytes())));
    // Past it a stranger now and then is taken in for another; there are never more.
    let tried = usize::try_from(TRIED_EVERY).expect("small");
    for number in 0..tried {
        meet(&mut heads, of(1000 + number).as_bytes(), 1);
        assert_eq!(heads.shapes.len(), SHAPES_MAX);
    }
    let newcomers =
        (0..tried).filter(|number| heads.recognise(of(1000 + number).as_bytes()).is_some());
    assert_eq!(newcomers.count(), 1);
}

#[test]
fn a_limit_that_a_gap_would_break_is_left_to_the_decoder() {
    let limits = HeadLimits { field_bytes_max: USUAL.len(), ..HeadLimits::default() };
    let mut heads = FamiliarHeads::new(&limits);
    meet(&mut heads, USUAL.as_bytes(), 1);
    assert!(heads.recognise(USUAL.as_bytes()).is_some());
    assert!(heads.recognise(USUAL.replace("abc", "abcd").as_bytes()).is_none());
}

proptest! {
    /// One head is met; any other, made from it by small changes, reads as the decoder reads it.
    #[test]
    fn recognising_is_reading(
        edits in prop::collection::vec((0..USUAL.len(), prop::sample::select(
            b"\r\n :,;\t\0a0ZT-=\x7f\xc3\xa4".to_vec()
        ), 0..3u8), 0..4),
        again in prop::collection::vec((0..USUAL.len(), any::<u8>(), 0..3u8), 0..3),
    ) {
        let changed = |text: &[u8], edits: &[(usize, u8, u8)]| {
            let mut text = text.to_vec();
            for &(at, byte, how) in edits {
                let at = at.min(text.len() - 1);
                match how {
                    0 => text[at] = byte,
                    1 => text.insert(at, byte),
                    _ => { text.remove(at); }
                }
            }
            text
        };
        let first = changed(USUAL.as_bytes(), &edits);
        let mut heads = FamiliarHeads::new(&HeadLimits::default());
        meet(&mut heads, &first, 1);
        is_recognised(&mut heads, &first);
        is_recognised(&mut heads, &changed(&first, &again));
    }
}
