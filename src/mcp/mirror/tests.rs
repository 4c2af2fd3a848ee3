//! The mirrored fields, rule by rule.

use serde_json::json;

use super::*;
use crate::jsonrpc::decode::{Decoder, JsonLimits};

#[derive(Default)]
struct Fields {
    version: Option<&'static str>,
    method: Option<&'static [u8]>,
    name: Option<&'static [u8]>,
    param: Option<&'static str>,
}

impl MirroredFields for Fields {
    fn version(&self) -> Option<&[u8]> {
        self.version.map(str::as_bytes)
    }
    fn method(&self) -> Option<&[u8]> {
        self.method
    }
    fn name(&self) -> Option<&[u8]> {
        self.name
    }
    fn repeated(&self) -> Option<&'static str> {
        None
    }
    fn other(&self, name: &str) -> Result<Option<&[u8]>, RepeatedField> {
        assert_eq!(name, "Mcp-Param-Value");
        Ok(self.param.map(str::as_bytes))
    }
}

fn standard(fields: &Fields, params: &str) -> Result<(), String> {
    standard_of("tools/call", fields, params)
}

fn standard_of(method: &str, fields: &Fields, params: &str) -> Result<(), String> {
    let check = |view: View<'_>| {
        check_standard("2026-07-28", method, Some(view), fields)
            .map_err(|error| error.message.into_owned())
    };
    let read = Decoder::new(JsonLimits::default()).decode(params.as_bytes(), check);
    read.map_err(|error| error.to_string())?
}

#[test]
fn the_standard_fields_must_equal_the_body() {
    let fields = |version, method, name| Fields { version, method, name, param: None };
    let (v, m) = (Some("2026-07-28"), Some(&b"tools/call"[..]));
    let add = r#"{"name":"add"}"#;
    assert_eq!(standard(&fields(v, m, Some(b"add")), add), Ok(()));
    assert_eq!(standard(&fields(v, m, Some(b"=?base64?YWRk?=")), add), Ok(()));
    for (wrong, params, told) in [
        (fields(None, m, Some(b"add")), add, "MCP-Protocol-Version is missing"),
        (fields(Some("2025-11-25"), m, Some(b"add")), add, "MCP-Protocol-Version differs"),
        (fields(v, None, Some(b"add")), add, "Mcp-Method is missing"),
        (fields(v, Some(b"TOOLS/CALL"), Some(b"add")), add, "Mcp-Method differs"),
        (fields(v, m, None), add, "Mcp-Name is missing"),
        (fields(v, m, Some(b"Add")), add, "Mcp-Name differs from params.name"),
        (fields(v, m, Some(b"=?base64?YWR?=")), add, "Mcp-Name is malformed"),
        (fields(v, m, Some(b"add")), "{}", "Mcp-Name has no params.name"),
    ] {
        let error = standard(&wrong, params).expect_err(told);
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn a_resource_is_named_by_its_address() {
    let read = Some(&b"resources/read"[..]);
    let fields = |name| Fields { version: Some("2026-07-28"), method: read, name, param: None };
    let params = r#"{"uri":"test://a","name":"b"}"#;
    let check = |name| standard_of("resources/read", &fields(name), params);
    assert_eq!(check(Some(b"test://a")), Ok(()));
    assert_eq!(check(Some(b"=?base64?dGVzdDovL2E=?=")), Ok(()));
    for name in [Some(&b"b"[..]), Some(b"test://A"), None] {
        assert!(check(name).is_err_and(|told| told.contains("Mcp-Name")));
    }
}

#[test]
fn annotated_arguments_must_equal_their_fields() {
    let mirrored =
        [MirroredParam { field: "Mcp-Param-Value".to_owned(), path: vec!["a".into(), "b".into()] }];
    let check = |argument: &str, param: Option<&'static str>| {
        let fields = Fields { param, ..Fields::default() };
        let arguments = format!(r#"{{"a":{{"b":{argument}}}}}"#);
        let check = |view: View<'_>| check_params(&mirrored, Some(view), &fields).is_ok();
        Decoder::new(JsonLimits::default()).decode(arguments.as_bytes(), check).expect("JSON")
    };
    for (argument, param, accepted) in [
        (r#""Hello""#, Some("Hello"), true),
        (r#""Hello""#, Some("=?base64?SGVsbG8=?="), true),
        (r#""Hello""#, Some("=?base64?SGVsbG8?="), false),
        (r#""Hello""#, Some("=?base64?SGVs!!!bG8=?="), false),
        (r#""Hello""#, Some("=?BASE64?SGVsbG8=?="), false),
        (r#""SGVsbG8=""#, Some("SGVsbG8="), true),
        (r#""=?base64?SGVsbG8=""#, Some("=?base64?SGVsbG8="), true),
        (r#""Käse""#, Some("=?base64?S8Okc2U=?="), true),
        (r#""Käse""#, Some("Käse"), false),
        (r#""hello""#, Some("Hello"), false),
        (r#""""#, Some(""), true),
        (r#""x""#, None, false),
        ("null", None, true),
        ("null", Some("x"), false),
        ("42", Some("42"), true),
        ("42", Some("42.0"), true),
        ("42", Some("43"), false),
        ("-7", Some("-7"), true),
        ("18446744073709551615", Some("18446744073709551615"), true),
        ("true", Some("true"), true),
        ("true", Some("True"), false),
    ] {
        assert_eq!(check(argument, param), accepted, "{argument} {param:?}");
    }
}

#[test]
fn annotations_are_found_through_properties_and_refused_elsewhere() {
    let string = |header: &str| json!({"type": "string", "x-mcp-header": header});
    let nested = json!({"type": "object", "properties": {
        "a": {"type": "object", "properties": {"b": string("Region")}}, "c": {"type": "number"}}});
    let expected = MirroredParam {
        field: "Mcp-Param-Region".to_owned(),
        path: vec!["a".to_owned(), "b".to_owned()],
    };
    assert_eq!(mirrored_params(&nested), Ok(vec![expected]));

    let twice = json!({"properties": {"a": string("X"), "b": string("x")}});
    assert_eq!(mirrored_params(&twice), Err(MirrorError::Twice { field: "Mcp-Param-x".into() }));
    for header in ["", "a b", "a:b", "ä"] {
        let schema = json!({"properties": {"a": string(header)}});
        assert_eq!(mirrored_params(&schema), Err(MirrorError::NoToken { path: "a".into() }));
    }
    let number = json!({"properties": {"a": {"type": "number", "x-mcp-header": "X"}}});
    assert_eq!(mirrored_params(&number), Err(MirrorError::Kind { path: "a".into() }));
    let optional = json!({"properties": {"a": {"type": ["integer", "null"], "x-mcp-header": "X"},
        "x-mcp-header": {"type": "string"}}});
    assert_eq!(mirrored_params(&optional).map(|found| found.len()), Ok(1));
    let untyped = json!({"properties": {"a": {"x-mcp-header": "X"}}});
    assert_eq!(mirrored_params(&untyped), Err(MirrorError::Kind { path: "a".into() }));
    let items = json!({"properties": {"a": {"type": "array", "items": string("X")}}});
    assert_eq!(mirrored_params(&items), Err(MirrorError::Unreachable { place: "a.items".into() }));
    let data = json!({"properties": {"a": {"default": {"x-mcp-header": "X"}}}});
    assert_eq!(mirrored_params(&data), Ok(vec![]));
}

#[test]
fn values_are_encoded_where_a_field_cannot_hold_them() {
    let table = [
        ("eu-1", "eu-1"),
        ("a b", "a b"),
        ("a\tb", "a\tb"),
        ("", ""),
        (" a", "=?base64?IGE=?="),
        ("a ", "=?base64?YSA=?="),
        ("Käse", "=?base64?S8Okc2U=?="),
        ("a\r\nb", "=?base64?YQ0KYg==?="),
        ("\u{7f}", "=?base64?fw==?="),
        ("=?base64?YQ==?=", "=?base64?PT9iYXNlNjQ/WVE9PT89?="),
        ("=?base64?YQ==", "=?base64?YQ=="),
        ("=?BASE64?YQ==?=", "=?BASE64?YQ==?="),
    ];
    for (text, expected) in table {
        assert_eq!(encode_value(text), expected, "{text:?}");
    }
}
