//! The schema of a form: flat, of plain values, in the words of each revision.
//!
//! In: a schema written by hand, or made from a type. Out: the schema that a client is sent, or the
//! field that no form can have. A type's schema is first made flat: an optional field becomes one
//! that is not required, an enum a choice, and what says nothing to a person is left out.
//! Spec: MCP 2026-07-28 schema `PrimitiveSchemaDefinition`; MCP 2025-06-18 the same (no defaults
//! but a boolean's, no titled choices, no multiple choice).
//! Not here: the request around it and its answer (`elicitation`).

use serde_json::{Map, Value, json};

use crate::mcp::revision::Rules;

/// Why a schema is none of a form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// The root is something else.
    #[error(
        "a form's schema needs `\"type\": \"object\"` and `properties`, and takes `required` and \
         `$schema` besides"
    )]
    Root,
    /// What is required is not there.
    #[error("`required` must be an array of names of the form's fields")]
    Required,
    /// A field is neither a plain value nor a choice.
    #[error(
        "field `{field}` must be a string, a number, an integer, a boolean or a choice: a form \
         holds no objects and no lists"
    )]
    Kind {
        /// The field.
        field: String,
    },
    /// A field says something that a form cannot.
    #[error("field `{field}` cannot have `{keyword}`, or not with this value: leave it out")]
    Keyword {
        /// The field.
        field: String,
        /// What it says.
        keyword: String,
    },
    /// The choices of a field are not well made.
    #[error(
        "field `{field}` must offer its choices as strings in `enum`, or each as `const` and \
         `title` in `oneOf` (several at once: in `items`, with `anyOf`)"
    )]
    Choices {
        /// The field.
        field: String,
    },
    /// A schema, but one that nothing can be held against, as with a pattern that is none.
    #[error("the form's schema is not sound: {reason}")]
    Unsound {
        /// What the validator says.
        reason: String,
    },
    /// The client's revision has no such field.
    #[error("field `{field}` is a multiple choice, which revision {revision} does not have")]
    MultipleChoice {
        /// The field.
        field: String,
        /// The client's revision.
        revision: &'static str,
    },
}

/// The formats that a string in a form may have.
const FORMATS: [&str; 4] = ["email", "uri", "date", "date-time"];

/// Makes the schema of a type flat, as far as that loses nothing. What is still no form's is found
/// by [`check`].
#[must_use]
pub fn flatten(schema: &Value) -> Value {
    let mut flat = Map::new();
    flat.insert("type".to_owned(), schema.get("type").cloned().unwrap_or_default());
    let fields = schema.get("properties").and_then(Value::as_object);
    let fields = fields.into_iter().flatten();
    let fields: Map<_, _> = fields.map(|(name, field)| (name.clone(), flat_field(field))).collect();
    flat.insert("properties".to_owned(), fields.into());
    if let Some(required) = schema.get("required") {
        flat.insert("required".to_owned(), required.clone());
    }
    flat.into()
}

/// Checks that a schema is one of a form, as the newest revision has it.
///
/// # Errors
/// What it is not.
pub fn check(schema: &Value) -> Result<(), FormError> {
    let root = schema.as_object().ok_or(FormError::Root)?;
    let known = ["$schema", "type", "properties", "required"];
    if !root.keys().all(|name| known.contains(&name.as_str())) || schema["type"] != "object" {
        return Err(FormError::Root);
    }
    let fields = root.get("properties").and_then(Value::as_object).ok_or(FormError::Root)?;
    for (name, field) in fields {
        check_field(name, field)?;
    }
    let is_field = |name: &Value| name.as_str().is_some_and(|name| fields.contains_key(name));
    match root.get("required") {
        None => Ok(()),
        Some(Value::Array(names)) if names.iter().all(is_field) => Ok(()),
        Some(_) => Err(FormError::Required),
    }
}

/// A checked schema as a revision has it.
///
/// # Errors
/// When it has a field that the revision does not know and that nothing older stands for.
pub fn for_revision(schema: &Value, rules: &Rules) -> Result<Value, FormError> {
    let mut schema = schema.clone();
    if rules.rich_forms {
        return Ok(schema);
    }
    if let Some(root) = schema.as_object_mut() {
        root.remove("$schema");
    }
    let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
    for (name, field) in fields.into_iter().flatten() {
        let Some(field) = field.as_object_mut() else { continue };
        if field.get("type") == Some(&json!("array")) {
            let (field, revision) = (name.clone(), rules.name);
            return Err(FormError::MultipleChoice { field, revision });
        }
        if field.get("type") != Some(&json!("boolean")) {
            field.remove("default");
        }
        field.remove("pattern");
        if let Some(Value::Array(choices)) = field.remove("oneOf") {
            let all = |member: &str| choices.iter().map(|choice| choice[member].clone()).collect();
            field.insert("enum".to_owned(), Value::Array(all("const")));
            field.insert("enumNames".to_owned(), Value::Array(all("title")));
        }
    }
    Ok(schema)
}

fn flat_field(field: &Value) -> Value {
    let Some(mut members) = field.as_object().cloned() else { return field.clone() };
    merge_nullable(&mut members);
    if let Some(Value::Array(types)) = members.get("type") {
        let mut named = types.iter().filter(|name| **name != "null").cloned();
        if let (Some(only), None) = (named.next(), named.next()) {
            members.insert("type".to_owned(), only);
        }
    }
    members.retain(|keyword, value| match keyword.as_str() {
        "default" => !value.is_null(),
        "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
        "uniqueItems" => false,
        _ => true,
    });
    flat_choices(&mut members, "oneOf");
    if let Some(items) = members.get_mut("items").and_then(Value::as_object_mut) {
        flat_choices(items, "anyOf");
    }
    members.into()
}

/// `anyOf` of something and null, which is how an optional enum comes, as that something.
fn merge_nullable(members: &mut Map<String, Value>) {
    let Some(Value::Array(either)) = members.get("anyOf") else { return };
    let mut others = either.iter().filter(|other| other["type"] != "null");
    let (Some(Value::Object(only)), None) = (others.next(), others.next()) else { return };
    let only = only.clone();
    members.remove("anyOf");
    for (keyword, value) in only {
        members.entry(keyword).or_insert(value);
    }
}

/// The variants of an enum as choices: titled in `titled_in` if one of them is described, and plain
/// in `enum` otherwise.
fn flat_choices(members: &mut Map<String, Value>, titled_in: &str) {
    if let Some(only) = members.remove("const") {
        members.insert("enum".to_owned(), json!([only]));
    }
    if let Some(Value::Array(choices)) = members.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
        return;
    }
    let Some(Value::Array(variants)) = members.get("oneOf") else { return };
    let mut choices = Vec::new();
    for variant in variants {
        let title = variant.get("title").or_else(|| variant.get("description"));
        if let Some(name) = variant.get("const") {
            choices.push(json!({"const": name, "title": title.unwrap_or(name)}));
            continue;
        }
        // Variants without a description come together.
        let Some(names) = variant.get("enum").and_then(Value::as_array) else { return };
        choices.extend(names.iter().map(|name| json!({"const": name, "title": name})));
    }
    members.remove("oneOf");
    members.insert(titled_in.to_owned(), choices.into());
    if titled_in == "oneOf" {
        members.insert("type".to_owned(), json!("string"));
    } else {
        members.remove("type");
    }
}

fn check_field(name: &str, field: &Value) -> Result<(), FormError> {
    let no_kind = || FormError::Kind { field: name.to_owned() };
    let members = field.as_object().ok_or_else(no_kind)?;
    let own: &[&str] = match members.get("type").and_then(Value::as_str) {
        Some("string") if members.contains_key("enum") => &["enum", "enumNames"],
        Some("string") if members.contains_key("oneOf") => &["oneOf"],
        Some("string") => &["minLength", "maxLength", "pattern", "format"],
        Some("number" | "integer") => &["minimum", "maximum"],
        Some("boolean") => &[],
        Some("array") if members.contains_key("items") => &["items", "minItems", "maxItems"],
        _ => return Err(no_kind()),
    };
    for (keyword, value) in members {
        let fits = match keyword.as_str() {
            "type" => true,
            "title" | "description" => value.is_string(),
            "default" => is_default_of(members, value),
            keyword if !own.contains(&keyword) => false,
            "minLength" | "maxLength" | "minItems" | "maxItems" => value.is_u64(),
            "minimum" | "maximum" => value.is_number(),
            "pattern" => value.is_string(),
            "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
            _ => true,
        };
        if !fits {
            let (field, keyword) = (name.to_owned(), keyword.clone());
            return Err(FormError::Keyword { field, keyword });
        }
    }
    if has_choices(members) { Ok(()) } else { Err(FormError::Choices { field: name.to_owned() }) }
}

fn is_default_of(field: &Map<String, Value>, default: &Value) -> bool {
    match field.get("type").and_then(Value::as_str) {
        Some("string") => default.is_string(),
        Some("number") => default.is_number(),
        Some("integer") => default.is_i64() || default.is_u64(),
        Some("boolean") => default.is_boolean(),
        Some("array") => default.as_array().is_some_and(|all| all.iter().all(Value::is_string)),
        _ => false,
    }
}

/// Whether the choices of a field, if it has any, are well made.
fn has_choices(field: &Map<String, Value>) -> bool {
    let strings = |names: &Value| {
        let names = names.as_array().filter(|names| !names.is_empty());
        names.filter(|names| names.iter().all(Value::is_string)).map(Vec::len)
    };
    let titled = |choices: &Value| {
        let well_made = |choice: &Value| choice["const"].is_string() && choice["title"].is_string();
        let choices = choices.as_array().filter(|choices| !choices.is_empty());
        choices.is_some_and(|choices| choices.iter().all(well_made))
    };
    if let Some(items) = field.get("items") {
        return match (items.get("enum"), items.get("anyOf")) {
            (Some(names), None) => items["type"] == "string" && strings(names).is_some(),
            (None, Some(choices)) => titled(choices),
            _ => false,
        };
    }
    match (field.get("enum"), field.get("enumNames"), field.get("oneOf")) {
        (Some(names), None, _) => strings(names).is_some(),
        (Some(names), Some(titles), _) => {
            strings(names).is_some() && strings(names) == strings(titles)
        }
        (None, _, Some(choices)) => titled(choices),
        (None, _, None) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::revision::Revision;

    fn form(fields: Value) -> Value {
        json!({"type": "object", "properties": fields})
    }

    #[test]
    fn every_field_that_the_protocol_has_is_taken() {
        let fields = json!({
            "name": {"type": "string", "title": "Name", "minLength": 1, "maxLength": 9,
                "pattern": "^a", "default": "a"},
            "mail": {"type": "string", "format": "email", "description": "Mail"},
            "age": {"type": "integer", "minimum": 0, "maximum": 150, "default": 30},
            "score": {"type": "number", "default": 95.5},
            "ok": {"type": "boolean", "default": true},
            "plain": {"type": "string", "enum": ["a", "b"], "default": "a"},
            "named": {"type": "string", "enum": ["a"], "enumNames": ["A"]},
            "titled": {"type": "string", "oneOf": [{"const": "a", "title": "A"}]},
            "several": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]},
                "minItems": 1, "maxItems": 2, "default": ["a"]},
            "titles": {"type": "array", "items": {"anyOf": [{"const": "a", "title": "A"}]}},
        });
        let mut schema = form(fields);
        schema["required"] = json!(["name", "titles"]);
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        assert_eq!(check(&schema), Ok(()));
    }

    #[test]
    fn what_is_no_form_is_named() {
        for root in [json!({}), json!([]), json!({"type": "object"}), json!({"properties": {}})] {
            assert_eq!(check(&root), Err(FormError::Root), "{root}");
        }
        let mut titled = form(json!({}));
        titled["title"] = json!("x");
        assert_eq!(check(&titled), Err(FormError::Root));
        let mut required = form(json!({}));
        required["required"] = json!(["gone"]);
        assert_eq!(check(&required), Err(FormError::Required));
        let of = |field: Value| check(&form(json!({"f": field}))).expect_err("no field of a form");
        let kind = FormError::Kind { field: "f".to_owned() };
        for field in [json!(true), json!({}), json!({"type": "object"}), json!({"type": "array"})] {
            assert_eq!(of(field), kind);
        }
        for (keyword, field) in [
            ("format", json!({"type": "string", "format": "uuid"})),
            ("minimum", json!({"type": "string", "minimum": 1})),
            ("exclusiveMinimum", json!({"type": "number", "exclusiveMinimum": 1})),
            ("default", json!({"type": "integer", "default": 1.5})),
            ("default", json!({"type": "boolean", "default": null})),
            ("oneOf", json!({"type": "string", "enum": ["a"], "oneOf": []})),
            ("minLength", json!({"type": "string", "minLength": -1})),
        ] {
            let (field_name, keyword) = ("f".to_owned(), keyword.to_owned());
            let expected = FormError::Keyword { field: field_name, keyword };
            assert_eq!(of(field), expected);
        }
        for field in [
            json!({"type": "string", "enum": []}),
            json!({"type": "string", "enum": [1]}),
            json!({"type": "string", "enum": ["a"], "enumNames": ["A", "B"]}),
            json!({"type": "string", "oneOf": [{"const": "a"}]}),
            json!({"type": "array", "items": {"type": "string"}}),
            json!({"type": "array", "items": {"enum": ["a"]}}),
        ] {
            assert_eq!(of(field), FormError::Choices { field: "f".to_owned() });
        }
    }

    #[test]
    fn an_older_revision_is_sent_what_it_knows() {
        let schema = form(json!({
            "name": {"type": "string", "pattern": "^a", "default": "a", "maxLength": 3},
            "ok": {"type": "boolean", "default": true},
            "titled": {"type": "string", "default": "a", "oneOf": [
                {"const": "a", "title": "A"}, {"const": "b", "title": "B"}]},
        }));
        let older = form(json!({
            "name": {"type": "string", "maxLength": 3},
            "ok": {"type": "boolean", "default": true},
            "titled": {"type": "string", "enum": ["a", "b"], "enumNames": ["A", "B"]},
        }));
        let sent = |revision: Revision| for_revision(&schema, revision.rules());
        assert_eq!(sent(Revision::V2025_06_18), Ok(older));
        assert_eq!(sent(Revision::V2025_11_25), Ok(schema.clone()));
        assert_eq!(sent(Revision::V2026_07_28), Ok(schema.clone()));
        let several =
            form(json!({"s": {"type": "array", "items": {"type": "string", "enum": []}}}));
        let expected = FormError::MultipleChoice { field: "s".to_owned(), revision: "2025-06-18" };
        assert_eq!(for_revision(&several, Revision::V2025_06_18.rules()), Err(expected));
    }

    #[test]
    fn what_types_say_becomes_flat() {
        let flat = |field: Value| flatten(&form(json!({"f": field})))["properties"]["f"].clone();
        for (field, expected) in [
            (
                json!({"type": ["string", "null"], "default": null, "format": "uuid"}),
                json!({"type": "string"}),
            ),
            (
                json!({"type": "integer", "format": "uint8", "minimum": 0, "maximum": 255}),
                json!({"type": "integer", "minimum": 0, "maximum": 255}),
            ),
            (
                json!({"description": "d", "anyOf": [
                    {"type": "string", "enum": ["a"], "description": "e"}, {"type": "null"}]}),
                json!({"description": "d", "type": "string", "enum": ["a"]}),
            ),
            (
                json!({"oneOf": [{"type": "string", "enum": ["a"]},
                    {"type": "string", "const": "b", "description": "B!"}]}),
                json!({"oneOf": [{"const": "a", "title": "a"}, {"const": "b", "title": "B!"}],
                    "type": "string"}),
            ),
            (
                json!({"type": "array", "uniqueItems": true, "items": {"type": "string",
                    "oneOf": [{"type": "string", "const": "b", "description": "B!"}]}}),
                json!({"type": "array", "items": {"anyOf": [{"const": "b", "title": "B!"}]}}),
            ),
        ] {
            let made = flat(field);
            assert_eq!(made, expected);
            assert_eq!(check(&form(json!({ "f": made }))), Ok(()));
        }
        let nested = flat(json!({"type": "object", "properties": {}}));
        assert!(check(&form(json!({ "f": nested }))).is_err());
    }
}
