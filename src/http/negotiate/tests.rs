//! `Accept`, rule by rule.

use super::*;

const SSE: Option<StreamFormat> = Some(StreamFormat::Sse);
const NDJSON: Option<StreamFormat> = Some(StreamFormat::Ndjson);

fn parse(text: &str) -> Acceptance {
    Acceptance::parse(text.split('\n').map(str::as_bytes))
}

#[test]
fn types_are_liked_as_their_most_specific_range_says() {
    for (text, json, sse, ndjson) in [
        ("application/json, text/event-stream", 1000, 1000, 0),
        ("application/json\ntext/event-stream", 1000, 1000, 0),
        ("APPLICATION/Json", 1000, 0, 0),
        ("*/*", 1000, 1000, 0),
        ("application/*", 1000, 0, 0),
        ("text/*;q=0.5", 0, 500, 0),
        ("*/*, application/json;q=0", 0, 1000, 0),
        ("application/json;q=0, */*", 0, 1000, 0),
        ("application/*;q=0.2, */*;q=0.9", 200, 900, 0),
        ("application/json;q=0.1, application/*;q=0.2, */*;q=0.9", 100, 900, 0),
        ("application/x-ndjson", 0, 0, 1000),
        ("application/*, application/x-ndjson;q=0.3", 1000, 0, 300),
        ("application/x-ndjson;q=0, */*", 1000, 1000, 0),
        ("application/json;charset=utf-8", 1000, 0, 0),
        ("application/json;profile=\"a,b;q=0\";q=0.7", 700, 0, 0),
        ("application/json;q=0.5;q=0.9", 500, 0, 0),
        ("application/json;x=1;q=0, application/json", 1000, 0, 0),
        ("application/json ; Q=0.25", 250, 0, 0),
        ("text/html", 0, 0, 0),
        ("application/json-seq, text/event-streams", 0, 0, 0),
    ] {
        let it = parse(text);
        let liked = (it.json.thousandths(), it.sse.thousandths(), it.ndjson.thousandths());
        assert_eq!(liked, (json, sse, ndjson), "{text}");
    }
}

#[test]
fn weights_have_up_to_three_decimals_and_no_more_than_one() {
    for (text, wanted) in [
        ("0", Some(0)),
        ("0.", Some(0)),
        ("0.5", Some(500)),
        ("0.05", Some(50)),
        ("0.005", Some(5)),
        ("1", Some(1000)),
        ("1.", Some(1000)),
        ("1.000", Some(1000)),
        ("1.001", None),
        ("2", None),
        ("0.0001", None),
        (".5", None),
        ("", None),
        ("-1", None),
        ("0,5", None),
        ("0.x", None),
        ("1.5", None),
        ("\"1\"", None),
    ] {
        assert_eq!(qvalue(text.as_bytes()).map(Quality::thousandths), wanted, "{text:?}");
    }
}

#[test]
fn malformed_elements_are_skipped_and_nothing_else_means_no_field() {
    for text in
        ["json", "*/json", "application/", "/json", "a/b/c", "application/json;q=2", "a b/c"]
    {
        assert_eq!(parse(text), Acceptance::ANYTHING, "{text}");
        let beside = parse(&format!("{text}, , text/event-stream"));
        assert_eq!((beside.json, beside.sse), (Quality::NONE, Quality::FULL), "{text}");
    }
    assert_eq!(Acceptance::parse([]), Acceptance::ANYTHING);
    assert_eq!(parse(""), Acceptance::ANYTHING);
    assert_eq!(parse("\"unclosed, application/json"), Acceptance::ANYTHING);
}

#[test]
fn the_stream_format_is_the_best_liked_then_the_named_then_the_first() {
    for (text, wanted) in [
        ("text/event-stream, application/x-ndjson", SSE),
        ("application/x-ndjson, text/event-stream", NDJSON),
        ("application/x-ndjson\ntext/event-stream", NDJSON),
        ("application/x-ndjson;q=0.5, text/event-stream;q=0.6", SSE),
        ("text/event-stream;q=0.5, application/x-ndjson;q=0.6", NDJSON),
        ("*/*, application/x-ndjson", NDJSON),
        ("text/*, application/x-ndjson", NDJSON),
        ("*/*", SSE),
        ("application/json", None),
        ("application/json, text/event-stream;q=0", None),
    ] {
        assert_eq!(parse(text).prefers_stream(), wanted, "{text}");
    }
    assert_eq!(Acceptance::ANYTHING.prefers_stream(), SSE);
}

#[test]
fn nothing_is_acceptable_only_when_all_three_are_excluded() {
    assert!(parse("text/html").nothing_acceptable());
    assert!(parse("*/*;q=0").nothing_acceptable());
    assert!(!parse("*/*;q=0, application/x-ndjson").nothing_acceptable());
    assert!(!parse("application/json;q=0.001").nothing_acceptable());
}

#[test]
fn the_usual_line_means_what_reading_it_gives() {
    assert_eq!(Acceptance::parse([USUAL_LINE]), Acceptance::parse_lines([USUAL_LINE].into_iter()));
    let more = [USUAL_LINE, b"application/x-ndjson"];
    assert!(Acceptance::parse(more).ndjson.is_acceptable());
}

#[test]
fn a_content_type_is_known_whatever_its_case_and_parameters() {
    for (text, wanted) in [
        ("application/json", Some(MediaType::Json)),
        ("Application/JSON ; charset=utf-8", Some(MediaType::Json)),
        ("text/event-stream;charset=\"a;b\"", Some(MediaType::Sse)),
        ("application/x-ndjson", Some(MediaType::Ndjson)),
        ("application/json, text/plain", None),
        ("application/jsonx", None),
        ("application/ json", None),
        ("text/plain;application/json", None),
        ("", None),
    ] {
        assert_eq!(MediaType::of(text.as_bytes()), wanted, "{text}");
    }
}
