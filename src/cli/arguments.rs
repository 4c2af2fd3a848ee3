//! The arguments of a call as typed: `key=value` words and the tool's schema in, a JSON object out.
//!
//! Shells know text alone, tools want types; the schema settles what a text means. A property that
//! wants a string and nothing else takes the text as it is.
//! Faults name the argument and the fix, never its value, and all are told at once.
//! Not here: opening files (`call` passes a reader).

use std::io;

use serde_json::{Map, Value};

use crate::cli::near::nearest;

/// How many `$ref`s may lead to one property's schema.
const REFERENCES_MAX: usize = 8;

/// One argument whose text is known and whose type is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    key: String,
    form: Form,
    text: String,
}

impl Argument {
    /// Its key.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Its text; the JSON in it where it was written as JSON.
    pub(super) fn value(&self) -> Result<Given<'_>, String> {
        match self.form {
            Form::Typed => Ok(Given::Text(&self.text)),
            Form::Json => json_of(&self.key, &self.text).map(Given::Json),
        }
    }
}

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Given<'a> {
    /// `key=`: a text, whose type somebody else knows.
    Text(&'a str),
    /// `key:=`: JSON.
    Json(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `key=`: the schema decides.
    Typed,
    /// `key:=`: JSON.
    Json,
}

/// Splits words into arguments and fetches the files they name.
///
/// # Errors
/// Every fault: a word without `=`, a key given twice, a file that cannot be read.
pub(super) fn parse_arguments(
    words: &[String],
    read_file: impl Fn(&str) -> io::Result<String>,
) -> Result<Vec<Argument>, Vec<String>> {
    let (mut arguments, mut faults) = (Vec::<Argument>::new(), Vec::new());
    for word in words {
        match parse_argument(word, &read_file) {
            Ok(argument) if arguments.iter().any(|known| known.key == argument.key) => {
                faults.push(format!("{}: given twice: give it once", argument.key));
            }
            Ok(argument) => arguments.push(argument),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(arguments) } else { Err(faults) }
}

fn parse_argument(
    word: &str,
    read_file: impl Fn(&str) -> io::Result<String>,
) -> Result<Argument, String> {
    let Some((before, after)) = word.split_once('=') else {
        return Err(format!("\"{word}\" is no argument: write KEY=VALUE, KEY:=JSON or KEY=@FILE"));
    };
    let (key, form) = match before.strip_suffix(':') {
        Some(key) => (key, Form::Json),
        None => (before, Form::Typed),
    };
    if key.is_empty() {
        return Err("an argument has no name: write KEY=VALUE".to_owned());
    }
    let text = match after.strip_prefix('@') {
        Some(path) => read_file(path).map_err(|error| {
            let instead = format!("for text that begins with @ write {key}:=\"@...\"");
            format!("{key}: cannot read {path}: {error}; {instead}")
        })?,
        None => after.to_owned(),
    };
    Ok(Argument { key: key.to_owned(), form, text })
}

/// Reads all arguments at once; `source` is where their text came from.
///
/// # Errors
/// A fault if it is no JSON object.
pub(super) fn parse_object(source: &str, text: &str) -> Result<Map<String, Value>, String> {
    const FIX: &str = "write {\"key\": value, ...}";
    if text.trim().is_empty() {
        return Err(format!("{source} holds no arguments: {FIX}, or leave it out"));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(format!("{source} holds no JSON object: {FIX}")),
        Err(error) => Err(format!("{source} holds no JSON: {error}: {FIX}")),
    }
}

/// Gives every argument the type that the schema wants and puts it into `object`.
///
/// # Errors
/// Every fault: a text that is not what the property wants.
pub(super) fn fill_object(
    mut object: Map<String, Value>,
    arguments: Vec<Argument>,
    schema: &Value,
) -> Result<Map<String, Value>, Vec<String>> {
    let mut faults = Vec::new();
    for argument in arguments {
        let kinds = wanted_kinds(schema, &argument.key);
        match typed(&argument, &kinds) {
            Ok(value) => {
                object.insert(argument.key, value);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(object) } else { Err(faults) }
}

/// What is worth a warning: a key that the schema does not name, and the names close to it. A
/// server that takes any key leaves it out in silence.
#[must_use]
pub(super) fn unnamed_keys(arguments: &[Argument], schema: &Value) -> Vec<String> {
    let named = schema.get("properties").and_then(Value::as_object);
    let (Some(named), None) = (named, schema.get("patternProperties")) else { return Vec::new() };
    let unnamed = arguments.iter().filter(|argument| !named.contains_key(&argument.key));
    unnamed
        .map(|Argument { key, .. }| {
            let near = nearest(key, named.keys().map(String::as_str));
            let fix = match near.first() {
                Some(near) => format!("did you mean {near}?"),
                None => "`ls` shows those that it has".to_owned(),
            };
            format!("{key}: the tool names no such argument: {fix}")
        })
        .collect()
}

fn typed(argument: &Argument, kinds: &[String]) -> Result<Value, String> {
    let Argument { key, form, text } = argument;
    if *form == Form::Json {
        return json_of(key, text);
    }
    let json = serde_json::from_str::<Value>(text);
    let takes_text = kinds.is_empty() || kinds.iter().any(|kind| kind == "string");
    match json {
        // Without a schema a quoted text is as likely meant literally as not; JSON wins.
        Ok(value) if kinds.is_empty() => Ok(value),
        Ok(value) if !value.is_string() && kinds.iter().any(|kind| is_kind(&value, kind)) => {
            Ok(value)
        }
        _ if takes_text => Ok(Value::String(text.clone())),
        _ => Err(match (kinds.join(" or "), sample(kinds)) {
            (wanted, Some(sample)) => {
                format!("{key}: the tool wants {wanted} here: write {key}={sample}")
            }
            (wanted, None) => format!(
                "{key}: the tool wants {wanted} here, which is no type of JSON: write {key}:=JSON"
            ),
        }),
    }
}

fn json_of(key: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| {
        format!("{key}: not JSON: {error}; quote text for the shell too: '{key}:=\"text\"'")
    })
}

/// What could be typed for the first of these types that is one.
fn sample(kinds: &[String]) -> Option<&'static str> {
    kinds.iter().find_map(|kind| match kind.as_str() {
        "integer" => Some("5"),
        "number" => Some("2.5"),
        "boolean" => Some("true"),
        "array" => Some("'[1,2]'"),
        "object" => Some("'{\"a\":1}'"),
        "null" => Some("null"),
        _ => None,
    })
}

fn is_kind(value: &Value, kind: &str) -> bool {
    match value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Number(number) => {
            let whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
            kind == "number" || (kind == "integer" && whole)
        }
        Value::String(_) => kind == "string",
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
    }
}

/// The types that a property takes; empty if the schema leaves it open.
fn wanted_kinds(schema: &Value, key: &str) -> Vec<String> {
    let property = schema.get("properties").and_then(|properties| properties.get(key));
    property.map(|property| kinds_of(schema, property, REFERENCES_MAX)).unwrap_or_default()
}

/// The types that a schema names: its `type`, those of its alternatives, or of its only values.
fn kinds_of(root: &Value, schema: &Value, references_left: usize) -> Vec<String> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let target = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        return match (target, references_left.checked_sub(1)) {
            (Some(target), Some(left)) => kinds_of(root, target, left),
            _ => Vec::new(),
        };
    }
    match schema.get("type") {
        Some(Value::String(kind)) => return vec![kind.clone()],
        Some(Value::Array(kinds)) => {
            return kinds.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect();
        }
        _ => {}
    }
    let values = schema.get("enum").and_then(Value::as_array).map(Vec::as_slice);
    let values = values.or_else(|| schema.get("const").map(std::slice::from_ref));
    let mut kinds: Vec<String> = match values {
        Some(values) => values.iter().map(|value| kind_of(value).to_owned()).collect(),
        None => {
            let Some(left) = references_left.checked_sub(1) else { return Vec::new() };
            let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf"));
            let alternatives = alternatives.and_then(Value::as_array).into_iter().flatten();
            let each: Vec<_> =
                alternatives.map(|alternative| kinds_of(root, alternative, left)).collect();
            // One open alternative leaves the whole open.
            if each.iter().any(Vec::is_empty) {
                return Vec::new();
            }
            each.into_iter().flatten().collect()
        }
    };
    kinds.sort_unstable();
    kinds.dedup();
    kinds
}

/// The types of a property, for people to read.
#[must_use]
pub(super) fn kinds_in_words(root: &Value, property: &Value) -> String {
    let kinds = kinds_of(root, property, REFERENCES_MAX);
    if kinds.is_empty() { "any".to_owned() } else { kinds.join("|") }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "$defs": {"Colour": {"enum": ["red", "1"]}, "Loop": {"$ref": "#/$defs/Loop"}},
            "properties": {
                "text": {"type": "string"}, "whole": {"type": "integer"},
                "number": {"type": "number"}, "flag": {"type": "boolean"},
                "list": {"type": "array"}, "object": {"type": "object"},
                "perhaps": {"type": ["string", "null"]}, "open": {},
                "colour": {"$ref": "#/$defs/Colour"}, "loop": {"$ref": "#/$defs/Loop"},
                "nothing": {"type": "null"}, "odd": {"type": "int"},
                "either": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}})
    }

    fn fill(words: &[&str]) -> Result<Value, Vec<String>> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        let read = |path: &str| match path {
            "there" => Ok("12".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let arguments = parse_arguments(&words, read)?;
        fill_object(Map::new(), arguments, &schema()).map(Value::Object)
    }

    #[test]
    fn the_schema_settles_what_a_text_means() {
        let table = [
            ("text=5", json!({"text": "5"})),
            ("text=true", json!({"text": "true"})),
            ("text=a=b", json!({"text": "a=b"})),
            ("text=", json!({"text": ""})),
            ("whole=5", json!({"whole": 5})),
            ("number=2.5", json!({"number": 2.5})),
            ("flag=true", json!({"flag": true})),
            ("list=[1]", json!({"list": [1]})),
            ("object={\"a\":1}", json!({"object": {"a": 1}})),
            ("perhaps=null", json!({"perhaps": null})),
            ("perhaps=5", json!({"perhaps": "5"})),
            ("open=5", json!({"open": 5})),
            ("open=hello", json!({"open": "hello"})),
            ("unknown=5", json!({"unknown": 5})),
            ("loop=5", json!({"loop": 5})),
            ("colour=1", json!({"colour": "1"})),
            ("either=7", json!({"either": 7})),
            ("text:=5", json!({"text": 5})),
            ("text=@there", json!({"text": "12"})),
            ("whole=@there", json!({"whole": 12})),
            ("text:=@there", json!({"text": 12})),
        ];
        for (word, expected) in table {
            assert_eq!(fill(&[word]), Ok(expected), "{word}");
        }
    }

    #[test]
    fn faults_are_told_at_once_with_their_fix() {
        let words = ["alone", "=5", "text=a", "text=b", "list=@gone"];
        let faults = fill(&words).expect_err("four faults");
        let expected = ["KEY=VALUE", "no name", "text: given twice", "list: cannot read gone"];
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        for (fault, part) in faults.iter().zip(expected) {
            assert!(fault.contains(part), "{fault}");
        }
        let faults = fill(&["whole=many", "whole2:=x", "flag=yes"]).expect_err("three faults");
        let expected =
            ["whole: the tool wants integer here: write whole=5", "not JSON", "flag=true"];
        assert_eq!(faults.len(), expected.len(), "{faults:#?}");
        for (fault, part) in faults.iter().zip(expected) {
            assert!(fault.contains(part), "{fault}");
        }
        fill(&["whole=2.5"]).expect_err("no integer");
        let faults = fill(&["nothing=5", "odd=5"]).expect_err("two faults");
        let expected = [
            "nothing: the tool wants null here: write nothing=null",
            "odd: the tool wants int here, which is no type of JSON: write odd:=JSON",
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn keys_that_no_schema_names_are_noticed() {
        let unnamed = |word: &str, schema: &Value| {
            let arguments = parse_arguments(&[word.to_owned()], |_| Ok(String::new()));
            unnamed_keys(&arguments.expect("an argument"), schema)
        };
        let expected = "txet: the tool names no such argument: did you mean text?";
        assert_eq!(unnamed("txet=a", &schema()), [expected]);
        assert!(unnamed("zebra=a", &schema())[0].ends_with("`ls` shows those that it has"));
        assert_eq!(unnamed("text=a", &schema()), [""; 0]);
        assert_eq!(unnamed("text=a", &json!({"type": "object"})), [""; 0]);
    }

    #[test]
    fn whole_objects_are_objects() {
        let parse = |text: &str| parse_object("--args", text).map(Value::Object);
        assert_eq!(parse("{\"a\":1}"), Ok(json!({"a": 1})));
        let table = [
            ("[1]", "--args holds no JSON object: write {\"key\": value, ...}"),
            ("{", "--args holds no JSON: EOF while parsing"),
            (" \n", "--args holds no arguments: write {\"key\": value, ...}, or leave it out"),
        ];
        for (text, expected) in table {
            let fault = parse(text).expect_err(expected);
            assert!(fault.starts_with(expected), "{fault}");
        }
    }
}
