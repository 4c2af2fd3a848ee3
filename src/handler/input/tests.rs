//! Arguments held against schemas, and what is told of those that do not fit.

use serde::Deserialize;

use super::*;
use crate::jsonrpc::decode::{Decoder, JsonLimits};

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Plain {
    /// first
    a: f64,
    b: Option<u8>,
    c: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Strict {
    #[schemars(range(min = 1, max = 9))]
    n: u32,
    #[schemars(length(min = 2))]
    s: String,
    deep: Deep,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
struct Deep {
    kind: Kind,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Red,
    Blue,
}

fn read<A: DeserializeOwned + JsonSchema + 'static>(body: &str) -> Result<A, Vec<String>> {
    let problem = |what: &dyn ToString| vec![what.to_string()];
    let schema = InputSchema::of_type::<A>().map_err(|error| problem(&error))?;
    let read = |view: View<'_>| schema.read(Some(view));
    let read = Decoder::new(JsonLimits::default()).decode(body.as_bytes(), read);
    read.map_err(|error| problem(&error))?.map_err(|InputErrors(problems)| {
        let told = |p: InputProblem| format!("{} {} [{}]", p.field, p.rule, p.fix);
        problems.into_iter().map(told).collect()
    })
}

#[test]
fn a_flat_type_is_enforced_by_itself_and_others_are_validated() {
    let enforced = |schema: InputSchema| schema.enforced_by_type;
    assert!(InputSchema::of_type::<Plain>().is_ok_and(enforced));
    assert!(!InputSchema::of_type::<Strict>().is_ok_and(enforced));
    let plain = read(r#"{"a":1,"b":null,"c":"x","more":[]}"#);
    assert_eq!(plain, Ok(Plain { a: 1.0, b: None, c: Some("x".to_owned()) }));
}

#[test]
fn every_problem_names_field_rule_and_fix() {
    let told = read::<Plain>(r#"{"a":"x","b":300}"#).expect_err("two problems");
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0], "a must be a number, not a string [send a number]");
    assert_eq!(told[1], "b must be at most 255 [send at most 255]");
    assert_eq!(read::<Plain>("{}"), Err(vec!["a is required [add `a`]".to_owned()]));

    let told = read::<Strict>(r#"{"n":0,"s":"x","deep":{"kind":"green"},"zz":1}"#);
    let told = told.expect_err("four problems").join("\n");
    for expected in [
        "n must be at least 1 [send at least 1]",
        "s must be a string of at least this many characters: 2",
        "deep.kind is none of the allowed values [send one of [\"red\",\"blue\"]]",
        " does not take `zz` [remove `zz`]",
    ] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    let good = read(r#"{"n":9,"s":"xy","deep":{"kind":"blue"}}"#);
    let deep = Deep { kind: Kind::Blue };
    assert_eq!(good, Ok(Strict { n: 9, s: "xy".to_owned(), deep }));
}

#[test]
fn values_are_not_repeated_in_errors() {
    let told = read::<Strict>(r#"{"n":1,"s":{"password":"hunter2"},"deep":{"kind":"red"}}"#);
    assert!(!told.expect_err("wrong type").join("\n").contains("hunter2"));
}

#[test]
fn nothing_takes_nothing() {
    assert_eq!(read::<()>("{}"), Ok(()));
    let told = read::<()>(r#"{"a":1,"b":2}"#);
    assert_eq!(told, Err(vec![" does not take `a`, `b` [remove `a`, `b`]".to_owned()]));
    let schema = InputSchema::of_type::<()>().expect("schema");
    assert_eq!(schema.read::<()>(None), Ok(()));
}

#[test]
fn texts_count_as_what_they_say_where_that_is_taken() {
    let texts = |texts: &[(&str, &str)]| {
        let texts = texts.iter().map(|&(name, text)| (name.to_owned(), json!(text)));
        let schema = InputSchema::of_type::<Plain>().expect("schema");
        schema.read_texts::<Plain>(texts.collect())
    };
    let read = texts(&[("a", "1.5"), ("b", "7"), ("c", "8"), ("d", "9")]);
    assert_eq!(read, Ok(Plain { a: 1.5, b: Some(7), c: Some("8".to_owned()) }));
    for (a, b) in [("x", "1"), ("", "1"), ("1", "300"), ("null", "1"), ("1", "-1")] {
        texts(&[("a", a), ("b", b)]).expect_err(a);
    }
}

#[test]
fn a_schema_by_hand_is_kept_and_must_stand_by_itself() {
    let json = json!({"$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object", "$defs": {"a": {"$anchor": "x", "type": "string"}}});
    assert_eq!(InputSchema::by_hand(json.clone()).expect("schema").json(), &json);
    let error = InputSchema::by_hand(json!({"type": "string"})).map(|_| ());
    assert_eq!(error, Err(SchemaError::RootNotObject));
    let remote = json!({"type": "object", "properties": {
        "a": {"$ref": "https://example.com/schema.json"}}});
    assert!(matches!(InputSchema::by_hand(remote), Err(SchemaError::Invalid { .. })));
}
