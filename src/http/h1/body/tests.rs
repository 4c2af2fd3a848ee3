//! Chunks and lengths: tables for each rule, and every input cut at every byte.

use proptest::prelude::*;

use super::*;

/// The body and the bytes after the message; `None` while it is incomplete.
type Outcome = Result<Option<(Vec<u8>, Vec<u8>)>, BodyError>;

const PREFIX: &[u8] = b"head";

/// Decodes `input` in pieces that end at `cuts`, behind a head.
fn decode_cut(input: &[u8], cuts: impl IntoIterator<Item = usize>, limits: &BodyLimits) -> Outcome {
    let mut bytes = PREFIX.to_vec();
    let mut decoder = ChunkedDecoder::new(bytes.len(), limits);
    let mut start = 0;
    for end in cuts.into_iter().chain([input.len()]) {
        bytes.extend_from_slice(&input[start..end]);
        start = end;
        let progress = decoder.advance(&mut bytes)?;
        assert!(bytes.starts_with(PREFIX));
        assert!(decoder.body().end <= bytes.len());
        if let Progress::Complete { body, next_start } = progress {
            bytes.extend_from_slice(&input[end..]);
            return Ok(Some((bytes[body].to_vec(), bytes[next_start..].to_vec())));
        }
    }
    Ok(None)
}

/// The outcome of `input`, which must not depend on where it is cut.
fn outcome(input: &[u8], limits: &BodyLimits) -> Outcome {
    let whole = decode_cut(input, [], limits);
    for cut in 0..input.len() {
        assert_eq!(decode_cut(input, [cut], limits), whole, "cut at {cut}");
    }
    assert_eq!(decode_cut(input, 0..input.len(), limits), whole, "byte by byte");
    whole
}

fn body_of(input: &str) -> Option<String> {
    let (body, _) = outcome(input.as_bytes(), &BodyLimits::default()).unwrap()?;
    Some(String::from_utf8(body).unwrap())
}

#[test]
fn chunks_become_one_run_of_bytes() {
    for (input, body) in [
        ("0\r\n\r\n", ""),
        ("5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"),
        ("00000000000000a\r\n0123456789\r\n000\r\n\r\n", "0123456789"),
        ("A\r\n\r\n0\r\n\r\n\r\n.\r\n0\r\n\r\n", "\r\n0\r\n\r\n\r\n."),
        ("1;a\r\nx\r\n0;b=c\r\n\r\n", "x"),
        ("1 ; a = \"q\\\"\\\\;\tä\" ;b\r\nx\r\n0\r\n\r\n", "x"),
        ("1\r\nx\r\n0\r\nTrailer: 1\r\nContent-Length: 99\r\n\r\n", "x"),
    ] {
        assert_eq!(body_of(input).as_deref(), Some(body), "{input:?}");
    }
}

#[test]
fn what_follows_the_body_is_left_for_the_next_request() {
    let input = b"3\r\nabc\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n";
    let (body, rest) = outcome(input, &BodyLimits::default()).unwrap().unwrap();
    assert_eq!(
        (body.as_slice(), rest.as_slice()),
        (b"abc".as_slice(), b"GET / HTTP/1.1\r\n".as_slice())
    );
}

#[test]
fn an_unfinished_body_stays_incomplete() {
    let input = "5\r\nhello\r\n0\r\nX: y\r\n\r\n";
    for end in 0..input.len() {
        assert_eq!(body_of(&input[..end]), None);
    }
}

/// Rules 1.5, 1.6 and 1.8.
#[test]
fn broken_framing_is_refused() {
    use BodyError as E;
    for (input, wanted) in [
        ("\r\n", E::ChunkLine),
        ("x\r\n", E::ChunkLine),
        ("-1\r\n", E::ChunkLine),
        ("+1\r\n", E::ChunkLine),
        (" 1\r\n", E::ChunkLine),
        ("1 \r\n", E::ChunkLine),
        ("0x1\r\n", E::ChunkLine),
        ("1_0\r\n", E::ChunkLine),
        ("00000000000000001\r\n", E::ChunkLine),
        ("1;\r\n", E::ChunkLine),
        ("1;;a\r\n", E::ChunkLine),
        ("1;a=\r\n", E::ChunkLine),
        ("1;a=\"b\r\n", E::ChunkLine),
        ("1;a=\"\\\r\n", E::ChunkLine),
        ("1;a=\"b\"c\r\n", E::ChunkLine),
        ("1;a \r\n", E::ChunkLine),
        ("1;a\0\r\n", E::ChunkLine),
        ("1;a=\"\0\"\r\n", E::ChunkLine),
        ("1;a\rb\r\n", E::ChunkLine),
        ("1\r\r\n", E::ChunkLine),
        ("1\n", E::BareLineFeed),
        ("1;a\nb\r\n", E::BareLineFeed),
        ("1\r\nxy", E::ChunkEnd),
        ("1\r\nx\n", E::ChunkEnd),
        ("1\r\nx\ry", E::ChunkEnd),
        ("0\r\nX : 1\r\n\r\n", E::Trailer),
        ("0\r\n X: 1\r\n\r\n", E::Trailer),
        ("0\r\nX\r\n\r\n", E::Trailer),
        ("0\r\nX: \0\r\n\r\n", E::Trailer),
        ("0\r\nX: 1\n\r\n", E::BareLineFeed),
        ("0\r\n\n", E::BareLineFeed),
        ("ffffffffffffffff\r\n", E::BodyTooLong { limit_bytes: 4 * 1024 * 1024 }),
        ("1\r\nx\r\nffffffffffffffff\r\n", E::BodyTooLong { limit_bytes: 4 * 1024 * 1024 }),
    ] {
        let error = outcome(input.as_bytes(), &BodyLimits::default()).expect_err(input);
        assert_eq!(error, wanted, "{input:?}");
        let status = if matches!(error, E::BodyTooLong { .. }) { 413 } else { 400 };
        assert_eq!(error.status(), status);
    }
}

/// Rows 2.3 and 2.4, at each limit and one past it.
#[test]
fn limits_hold_at_their_value_and_refuse_one_past_it() {
    let limits = BodyLimits {
        body_bytes_max: 10,
        chunk_line_bytes_max: 8,
        trailers_bytes_max: 12,
        framing_slack_bytes: 20,
        framing_factor: 2,
    };
    for (input, wanted) in [
        ("a\r\n0123456789\r\n0\r\n\r\n", None),
        ("b\r\n", Some(BodyError::BodyTooLong { limit_bytes: 10 })),
        ("8\r\n01234567\r\n3\r\n", Some(BodyError::BodyTooLong { limit_bytes: 10 })),
        ("0;345678\r\n\r\n", None),
        ("0;3456789\r\n\r\n", Some(BodyError::ChunkLineTooLong { limit_bytes: 8 })),
        ("0;345678\r\r\n\r\n", Some(BodyError::ChunkLineTooLong { limit_bytes: 8 })),
        ("0;3456789", Some(BodyError::ChunkLineTooLong { limit_bytes: 8 })),
        ("0\r\nX: 1\r\nY: 2\r\n\r\n", None),
        ("0\r\nX: 1\r\nY: 23\r\n\r\n", Some(BodyError::TrailersTooLong { limit_bytes: 12 })),
        ("0\r\nX: 1234567890", Some(BodyError::TrailersTooLong { limit_bytes: 12 })),
        // At the n-th line 5n - 2 bytes of framing stand against 20 + 2(n - 1) allowed.
        ("1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n0\r\n\r\n", None),
        (
            "1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n1\r\nx\r\n0\r\n\r\n",
            Some(BodyError::FramingTooHeavy),
        ),
    ] {
        assert_eq!(outcome(input.as_bytes(), &limits).err(), wanted, "{input:?}");
    }
}

#[test]
fn a_length_is_judged_before_its_bytes_come_and_met_exactly() {
    let limits = BodyLimits { body_bytes_max: 5, ..BodyLimits::default() };
    let error = BodyDecoder::new(Framing::Length(6), 0, &limits).map(|_| ());
    assert_eq!(error, Err(BodyError::BodyTooLong { limit_bytes: 5 }));
    let error = BodyDecoder::new(Framing::Length(5), usize::MAX - 4, &limits).map(|_| ());
    assert_eq!(error, Err(BodyError::BodyTooLong { limit_bytes: 5 }));

    let mut decoder = BodyDecoder::new(Framing::Length(5), 4, &limits).unwrap();
    let mut bytes = b"headhell".to_vec();
    assert_eq!(decoder.advance(&mut bytes), Ok(Progress::Incomplete));
    bytes.extend_from_slice(b"oGET");
    let complete = Progress::Complete { body: 4..9, next_start: 9 };
    assert_eq!(decoder.advance(&mut bytes), Ok(complete));

    let mut decoder = BodyDecoder::new(Framing::None, 4, &limits).unwrap();
    let complete = Progress::Complete { body: 4..4, next_start: 4 };
    assert_eq!(decoder.advance(&mut bytes), Ok(complete));
}

#[test]
fn decoded_bytes_can_be_consumed_as_they_come() {
    let mut bytes = b"3\r\nabc\r\n3\r\nde".to_vec();
    let mut decoder = ChunkedDecoder::new(0, &BodyLimits::default());
    assert_eq!(decoder.advance(&mut bytes), Ok(Progress::Incomplete));
    assert_eq!(&bytes[decoder.body()], b"abcde");
    decoder.consume(&mut bytes);
    assert!(bytes.is_empty());
    bytes.extend_from_slice(b"f\r\n0\r\n\r\nnext");
    let Ok(Progress::Complete { body, .. }) = decoder.advance(&mut bytes) else { panic!() };
    assert_eq!(&bytes[body], b"f");
    decoder.consume(&mut bytes);
    let Ok(Progress::Complete { body, next_start }) = decoder.advance(&mut bytes) else { panic!() };
    assert!(body.is_empty());
    assert_eq!(&bytes[next_start..], b"next");
}

proptest! {
    #[test]
    fn chunks_of_any_size_come_back_whole_wherever_they_are_cut(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..12),
        mut cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut input = Vec::new();
        for chunk in &chunks {
            input.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
            input.extend_from_slice(chunk);
            input.extend_from_slice(b"\r\n");
        }
        input.extend_from_slice(b"0\r\n\r\n");
        input.extend_from_slice(&tail);
        let mut cuts: Vec<_> = cuts.drain(..).map(|cut| cut.index(input.len())).collect();
        cuts.sort_unstable();
        let decoded = decode_cut(&input, cuts, &BodyLimits::default());
        prop_assert_eq!(decoded, Ok(Some((chunks.concat(), tail))));
    }

    #[test]
    fn where_reads_split_broken_chunks_does_not_matter(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "0", "1", "a", "\r\n", "\r", "\n", ";", "x=", "\"", ":", " ",
            ]),
            0..14,
        ),
    ) {
        let limits = BodyLimits {
            body_bytes_max: 12, chunk_line_bytes_max: 6, trailers_bytes_max: 6,
            framing_slack_bytes: 10, framing_factor: 1,
        };
        let _ = outcome(parts.concat().as_bytes(), &limits);
    }
}
