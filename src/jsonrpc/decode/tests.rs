//! What is decoded, what is refused, and that a body is read alike as a copy and where it lies.

use proptest::prelude::*;

use super::*;

/// Decodes a body where it lies, and as a copy, which gives the same.
fn decode(body: &[u8]) -> Result<String, DecodeError> {
    let copied = decode_as(body);
    // What follows a body in an input is no part of it, whatever it is.
    for padding in [b"}\"],0 1e9\\".repeat(8), vec![0; PADDING_BYTES], b" ".to_vec()] {
        let mut room = [body, &padding].concat();
        let read = decode_as(Body::Spent { room: &mut room, body_bytes: body.len() });
        assert_eq!(read, copied, "{:?}", String::from_utf8_lossy(body));
        assert_eq!(room[body.len()..], padding);
    }
    copied
}

fn decode_as<'b>(body: impl Into<Body<'b>>) -> Result<String, DecodeError> {
    Decoder::new(JsonLimits::default()).decode(body, |view| {
        let mut out = Vec::new();
        view.encode(&mut out);
        String::from_utf8(out).expect("UTF-8")
    })
}

#[test]
fn a_long_body_is_decoded_where_it_lies() {
    let mut decoder = Decoder::new(JsonLimits::default());
    let body = format!("[\"{}\\n\"]", "x".repeat(300_000));
    let mut room = [body.as_bytes(), &[0; PADDING_BYTES]].concat();
    let place = room.as_ptr_range();
    let spent = Body::Spent { room: &mut room, body_bytes: body.len() };
    let read = decoder.decode(spent, |view| {
        let text = view.elements().next().and_then(View::as_str).expect("a string");
        (place.contains(&text.as_ptr()), text.len())
    });
    assert_eq!(read, Ok((true, 300_001)));
    assert_eq!(decoder.arena.capacity(), 0);
}

#[test]
fn what_a_large_body_grew_is_given_back() {
    let mut decoder = Decoder::new(JsonLimits::default());
    for is_spent in [false, true] {
        let body = format!("[{}1]", "1,".repeat(50_000));
        let mut room = (body + &" ".repeat(ARENA_KEPT_BYTES_MAX)).into_bytes();
        let body_bytes = room.len() - PADDING_BYTES;
        let body = match is_spent {
            true => Body::Spent { room: &mut room, body_bytes },
            false => Body::Kept(&room),
        };
        decoder.decode(body, |_| ()).expect("an array");
        assert_eq!(decoder.arena.capacity(), 0);
        assert_eq!(decoder.tape.as_ref().map_or(0, |tape| tape.0.capacity()), 0);
    }
}

#[test]
fn what_is_not_strict_json_is_refused() {
    for body in [
        &b""[..],
        b" ",
        b"{",
        b"{}}",
        b"[1,]",
        b"{\"a\":1,}",
        b"nul",
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"'a'",
        b"\"\\ud800\"",
        b"\"\xff\"",
        b"\"\xc0\x80\"",
        b"\"\xed\xa0\x80\"",
        b"\"a\nb\"",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b"1 2",
        b"{a:1}",
        b"/*c*/1",
        b"\"\\x\"",
    ] {
        let shown = String::from_utf8_lossy(body);
        assert!(matches!(decode(body), Err(DecodeError::NotJson { .. })), "{shown:?}");
    }
}

#[test]
fn an_integer_past_64_bits_is_a_number_like_any_other() {
    for body in ["18446744073709551616", "-9223372036854775809", "[123456789012345678901]"] {
        let read = decode(body.as_bytes()).expect(body);
        let back: serde_json::Value = serde_json::from_str(&read).expect("JSON");
        assert_eq!(serde_json::from_str(body).ok(), Some(back), "{body}");
    }
}

#[test]
fn limits_hold_at_the_limit_and_one_past_it() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    decode(nested(64).as_bytes()).expect("at the limit");
    assert_eq!(decode(nested(65).as_bytes()), Err(DecodeError::TooDeep { limit: 64 }));
    decode(nested(200_000).as_bytes()).expect_err("far past the limit");

    let wide = |count: usize| format!("[{}1]", "1,".repeat(count - 2));
    decode(wide(100_000).as_bytes()).expect("at the limit");
    let error = decode(wide(100_001).as_bytes());
    assert_eq!(error, Err(DecodeError::TooManyElements { limit: 100_000 }));

    let commas = format!("[\"{}\\\"{}\"]", ",".repeat(100_001), ",".repeat(9));
    assert!(decode(commas.as_bytes()).is_ok(), "commas in a string are no elements");
    let error = decode("[1,".repeat(100_001).as_bytes());
    assert_eq!(error, Err(DecodeError::TooManyElements { limit: 100_000 }), "not parsed first");

    let number = |digits: usize| format!("[0.{}]", "1".repeat(digits - 2));
    decode(number(400).as_bytes()).expect("at the limit");
    let error = decode(number(401).as_bytes());
    assert_eq!(error, Err(DecodeError::NumberTooLong { offset: 1, limit: 400 }));
}

#[test]
fn a_long_number_is_found_wherever_it_stands() {
    for offset in 1..=900 {
        let ones = |count| "1".repeat(count);
        let number = |digits: usize| format!("{:offset$}0.{}, 7]", "[", ones(digits - 2));
        decode(number(400).as_bytes()).expect("at the limit");
        let error = decode(number(401).as_bytes());
        assert_eq!(error, Err(DecodeError::NumberTooLong { offset, limit: 400 }));
    }
    let text = format!("[\"{}\", {:2000}]", "-1.5e+7".repeat(1000), 1);
    assert!(decode(text.as_bytes()).is_ok(), "digits in a string are no number, nor blanks");
}

#[test]
fn elements_are_counted_wherever_they_stand() {
    let wide = |count: usize| "1,".repeat(count - 2) + "1";
    for (before, behind) in [(0, 300_000), (300_000, 0), (70_000, 70_000), (1, 1)] {
        let blanks = |count| " ".repeat(count);
        let body = |count| format!("{}[{}]{}", blanks(before), wide(count), blanks(behind));
        decode(body(100_000).as_bytes()).expect("at the limit");
        let error = decode(body(100_001).as_bytes());
        assert_eq!(error, Err(DecodeError::TooManyElements { limit: 100_000 }));
    }
}

#[test]
fn a_member_named_twice_is_refused_in_any_object_and_spelling() {
    let twice = |name: &str| Err(DecodeError::RepeatedMember { name: name.to_owned() });
    assert_eq!(decode(br#"{"a":1,"b":{"c":1,"\u0063":2}}"#), twice("c"));
    assert_eq!(decode(br#"[{"id":1,"id":1}]"#), twice("id"));
    let many: String = (0..40).map(|i| format!("\"m{i}\":{i},")).collect();
    decode(format!("{{{many}\"x\":0}}").as_bytes()).expect("no name twice");
    assert_eq!(decode(format!("{{{many}\"m7\":0}}").as_bytes()), twice("m7"));
}

proptest! {
    /// Our reading and serde_json's agree on every text that serde_json writes.
    #[test]
    fn what_serde_json_writes_we_read_alike(value in arbitrary_json()) {
        let text = serde_json::to_string(&value).expect("writes");
        let read = decode(text.as_bytes()).expect("reads");
        let back: serde_json::Value = serde_json::from_str(&read).expect("reads back");
        prop_assert_eq!(back, value);
    }

    /// What we accept, serde_json accepts too, and no input makes us panic.
    #[test]
    fn what_we_accept_is_json(body in "[\\[\\]{}\",:0-9eE.+\\- tfnulrasv\\\\]{0,24}") {
        if decode(body.as_bytes()).is_ok() {
            prop_assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{}", body);
        }
    }
}

fn arbitrary_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f32>()
            .prop_filter("JSON has none", |f| f.is_finite())
            .prop_map(|f| { serde_json::Value::from(f64::from(f)) }),
        ".{0,12}".prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 48, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::hash_map(".{0,6}", inner, 0..6)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    })
}
