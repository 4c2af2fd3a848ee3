//! The front matter of skills.
//!
//! Fuzzed: `catalog/skills/front_matter` (YAML 1.2, Agent Skills).
//! Invariants: what comes out is no larger and no deeper than what went in; the body changes
//! nothing; written as JSON, which is YAML too, the members are read again as they are.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::Cuts;
use crate::catalog::skills::front_matter::{DEPTH_MAX, FrontMatterError, parse};

/// The skill's name.
const NAME: &str = "fuzz";
/// A name of a member that is longer may not stand on the line of its value (YAML 1.2.2 §7.4.2).
const KEY_BYTES_MAX: usize = 1024;

/// The input is read whole, and up to each cut.
pub(super) fn check_front_matter(input: &[u8], cuts: Cuts<'_>) {
    let mut read_bytes = 0;
    for piece in cuts.pieces(input) {
        read_bytes += piece.len();
        let file = input.get(..read_bytes).unwrap_or_default();
        check_file(file);
    }
}

fn check_file(file: &[u8]) {
    let members = match parse(file, NAME) {
        Ok(members) => members,
        Err(error) => {
            let told = error.to_string();
            assert!(!told.is_empty() && !told.contains('\n'), "{told:?}");
            return;
        }
    };
    let members = Value::Object(members);
    // A text may grow by half: `\L` is the three bytes of U+2028.
    assert!(size(&members) <= file.len() + file.len() / 2, "{members}");
    assert!(depth(&members) <= DEPTH_MAX, "{members}");
    let longer = [file, b"\n---\nname: other\n---\n"].concat();
    assert_eq!(parse(&longer, NAME).map(Value::Object), Ok(members.clone()), "the body");
    let mut written = "---\n".to_owned();
    if write(&mut written, &members).is_some() {
        written.push_str("\n---\n");
        let again = parse(written.as_bytes(), NAME);
        assert!(is_same(again.as_ref(), &members), "{members} {written} {again:?}");
    }
}

fn is_same(again: Result<&Map<String, Value>, &FrontMatterError>, members: &Value) -> bool {
    match again {
        Ok(again) => Some(again) == members.as_object(),
        // Escapes make it longer than it was.
        Err(error) => matches!(error, FrontMatterError::NoEnd),
    }
}

/// How many values there are, and bytes of text in them.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(size).sum(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| name.len() + size(value)).sum()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    }
}

/// How many collections are in one another.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Writes a value as JSON with the escapes of YAML; `None` where a name is too long for that.
fn write(out: &mut String, value: &Value) -> Option<()> {
    match value {
        Value::String(text) => write_text(out, text),
        Value::Array(values) => {
            out.push('[');
            for value in values {
                write(out, value)?;
                out.push(',');
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (name, value) in members {
                let start = out.len();
                write_text(out, name);
                if out.len() - start > KEY_BYTES_MAX {
                    return None;
                }
                out.push_str(": ");
                write(out, value)?;
                out.push(',');
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
    Some(())
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        let is_plain = matches!(character, ' '..='~') && !matches!(character, '"' | '\\');
        if is_plain {
            out.push(character);
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "\\U{:08x}", u32::from(character));
        }
    }
    out.push('"');
}
