//! What a tool takes: the schema of its arguments, and arguments held against it.
//!
//! The schema comes from the argument type and is listed as it is. Where serde alone enforces every
//! keyword of it (flat objects of plain values, the common case), arguments go straight from the
//! tape into the type; otherwise, and to explain a refusal, they are validated as a whole.
//! In: a view of the arguments. Out: the type, or every problem at once, each with field, rule and
//! fix.
//! Spec: JSON Schema 2020-12. `$ref` to elsewhere is never fetched: no resolver is compiled in.

use schemars::JsonSchema;
use schemars::generate::{Contract, SchemaSettings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use crate::jsonrpc::view::View;

/// The arguments of a tool, as told to clients and held against what they send.
#[derive(Debug)]
pub struct InputSchema {
    json: Value,
    validator: jsonschema::Validator,
    /// Whether deserialising enforces the whole schema.
    enforced_by_type: bool,
}

/// A schema that cannot be one of arguments.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// The root is no object.
    #[error("the input schema's root needs `\"type\": \"object\"`; take the arguments as a struct")]
    RootNotObject,
    /// Not a JSON Schema, or one that refers elsewhere.
    #[error("not a JSON Schema that stands by itself: {reason}")]
    Invalid {
        /// What the validator says.
        reason: String,
    },
}

/// One thing wrong with the arguments of a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InputProblem {
    /// The way to the argument, names and indices joined by dots; empty for all of them.
    pub field: String,
    /// What it must be.
    pub rule: String,
    /// What to send instead.
    pub fix: String,
}

/// Everything wrong with the arguments of a call; up to [`PROBLEMS_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputErrors(pub Vec<InputProblem>);

/// How many problems are told at once.
pub const PROBLEMS_MAX: usize = 16;

/// The JSON Schema of a type, without the members that say nothing to a client.
pub(crate) fn schema_of<T: JsonSchema>(contract: Contract) -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.contract = contract;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.remove("title");
    schema.to_value()
}

impl InputSchema {
    /// The schema of an argument type.
    ///
    /// # Errors
    /// When the type is no object.
    pub fn of_type<A: JsonSchema + 'static>() -> Result<Self, SchemaError> {
        if is_nothing::<A>() {
            return Self::new(json!({"type": "object", "additionalProperties": false}), false);
        }
        let mut json = schema_of::<A>(Contract::Deserialize);
        if json == json!(true) || json == json!({}) {
            json = json!({"type": "object"});
        }
        let enforced_by_type = enforced_by_type(&json);
        Self::new(json, enforced_by_type)
    }

    /// A schema written by hand; arguments are always validated against it.
    ///
    /// # Errors
    /// When it is no schema, refers elsewhere, or its root is no object.
    pub fn by_hand(json: Value) -> Result<Self, SchemaError> {
        Self::new(json, false)
    }

    /// A schema of a form, whose formats (an address, a date) are held too.
    ///
    /// # Errors
    /// As [`by_hand`](Self::by_hand).
    pub(super) fn of_form(json: Value) -> Result<Self, SchemaError> {
        Self::build(json, false, true)
    }

    fn new(json: Value, enforced_by_type: bool) -> Result<Self, SchemaError> {
        Self::build(json, enforced_by_type, false)
    }

    fn build(
        json: Value,
        enforced_by_type: bool,
        holds_formats: bool,
    ) -> Result<Self, SchemaError> {
        if json.get("type").and_then(Value::as_str) != Some("object") {
            return Err(SchemaError::RootNotObject);
        }
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(holds_formats)
            .build(&json)
            .map_err(|error| SchemaError::Invalid { reason: error.to_string() })?;
        Ok(Self { json, validator, enforced_by_type })
    }

    /// The schema as it is listed.
    #[must_use]
    pub fn json(&self) -> &Value {
        &self.json
    }

    /// Reads arguments into the type; absent arguments count as `{}`.
    ///
    /// # Errors
    /// Every problem, when they break the schema or do not fit the type.
    pub fn read<A: DeserializeOwned + 'static>(
        &self,
        arguments: Option<View<'_>>,
    ) -> Result<A, InputErrors> {
        if self.enforced_by_type
            && let Some(view) = arguments.filter(|view| view.is_object())
        {
            return view.deserialize().map_err(|error| {
                self.explain(view).unwrap_or_else(|| unfit(error.path, error.reason))
            });
        }
        let value = arguments.map_or_else(|| Value::Object(Map::new()), to_json);
        if let Some(errors) = self.problems(&value) {
            return Err(errors);
        }
        if is_nothing::<A>() {
            let nothing = A::deserialize(Value::Null);
            return nothing.map_err(|error| unfit(String::new(), error.to_string()));
        }
        match arguments {
            Some(view) => view.deserialize().map_err(|error| unfit(error.path, error.reason)),
            None => A::deserialize(value).map_err(|error| unfit(String::new(), error.to_string())),
        }
    }

    /// Reads named texts into the type: a text where the type takes a number or a boolean counts as
    /// what it says.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_texts<A: DeserializeOwned + 'static>(
        &self,
        mut texts: Map<String, Value>,
    ) -> Result<A, InputErrors> {
        for (name, value) in &mut texts {
            if let Some(said) = value.as_str().and_then(|text| said(&self.json, name, text)) {
                *value = said;
            }
        }
        let value = Value::Object(texts);
        if let Some(errors) = self.problems(&value) {
            return Err(errors);
        }
        let value = if is_nothing::<A>() { Value::Null } else { value };
        A::deserialize(value).map_err(|error| unfit(String::new(), error.to_string()))
    }

    #[cold]
    fn explain(&self, view: View<'_>) -> Option<InputErrors> {
        self.problems(&to_json(view))
    }

    /// Holds a value against the schema.
    pub(super) fn check(&self, value: &Value) -> Result<(), InputErrors> {
        self.problems(value).map_or(Ok(()), Err)
    }

    fn problems(&self, value: &Value) -> Option<InputErrors> {
        if self.validator.is_valid(value) {
            return None;
        }
        let problems = self.validator.iter_errors(value).take(PROBLEMS_MAX);
        Some(InputErrors(problems.map(|error| problem(&error, value)).collect()))
    }
}

impl InputErrors {
    /// One problem.
    #[must_use]
    pub fn one(field: &str, rule: impl Into<String>, fix: impl Into<String>) -> Self {
        let field = field.to_owned();
        Self(vec![InputProblem { field, rule: rule.into(), fix: fix.into() }])
    }

    /// The problems as text that a model can act on; `taker` is what took the arguments, such as
    /// a tool.
    #[must_use]
    pub fn text(&self, taker: impl std::fmt::Display) -> String {
        self.list(&format!("Invalid arguments for {taker}:"))
    }

    /// The problems as text, one a line, under a heading.
    pub(super) fn list(&self, heading: &str) -> String {
        use std::fmt::Write;

        let mut text = heading.to_owned();
        for InputProblem { field, rule, fix } in &self.0 {
            let field = if field.is_empty() { "arguments" } else { field };
            // Writing to a String cannot fail.
            let _ = write!(text, "\n- `{field}` {rule}. Fix: {fix}.");
        }
        text
    }

    /// The problems as JSON: an array of objects with `field`, `rule` and `fix`.
    #[must_use]
    pub fn json(&self) -> Value {
        json!(self.0)
    }

    /// The problems as the `data` of a JSON-RPC error.
    #[must_use]
    pub fn data(&self) -> Value {
        json!({ "errors": self.0 })
    }
}

/// What a text says where the schema's property of this name is a number or a boolean.
fn said(schema: &Value, name: &str, text: &str) -> Option<Value> {
    let types = property_types(schema, schema.get("properties")?.get(name)?);
    let takes = |name: &str| types.contains(&name);
    let value: Value = serde_json::from_str(text).ok()?;
    let fits = match &value {
        Value::Bool(_) => takes("boolean"),
        Value::Number(_) => takes("number") || takes("integer"),
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => false,
    };
    (fits && !takes("string")).then_some(value)
}

fn is_nothing<A: 'static>() -> bool {
    std::any::TypeId::of::<A>() == std::any::TypeId::of::<()>()
}

fn to_json(view: View<'_>) -> Value {
    // Every JSON value is a `Value`, so nothing is lost here.
    view.deserialize().unwrap_or(Value::Null)
}

/// The one problem of a value that fits its schema and not its type.
pub(super) fn unfit(path: String, reason: String) -> InputErrors {
    let fix = "send a value of the kind that the input schema names".to_owned();
    InputErrors(vec![InputProblem { field: path, rule: format!("does not fit: {reason}"), fix }])
}

/// A validator's error about `arguments` as field, rule and fix.
fn problem(error: &jsonschema::ValidationError<'_>, arguments: &Value) -> InputProblem {
    use jsonschema::error::ValidationErrorKind as Kind;

    let mut field = dotted(error.instance_path().as_str());
    let (rule, fix) = match error.kind() {
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            field = if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") };
            ("is required".to_owned(), format!("add `{name}`"))
        }
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            not_taken(unexpected)
        }
        // How an object that may have no members at all says the same, without their names.
        Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
            let object = arguments.pointer(error.instance_path().as_str());
            not_taken(object.and_then(Value::as_object).into_iter().flat_map(Map::keys))
        }
        Kind::FalseSchema => ("is not allowed here".to_owned(), "remove it".to_owned()),
        Kind::Type { kind } => {
            let (wanted, got) = (kinds(kind), kind_of(error.instance()));
            (format!("must be {wanted}, not {got}"), format!("send {wanted}"))
        }
        Kind::Enum { options } => {
            ("is none of the allowed values".to_owned(), format!("send one of {options}"))
        }
        Kind::Constant { expected_value } => {
            ("is not the one allowed value".to_owned(), format!("send {expected_value}"))
        }
        Kind::Minimum { limit } => bound("at least", limit),
        Kind::Maximum { limit } => bound("at most", limit),
        Kind::ExclusiveMinimum { limit } => bound("more than", limit),
        Kind::ExclusiveMaximum { limit } => bound("less than", limit),
        Kind::MinLength { limit } => bound("a string of at least this many characters:", limit),
        Kind::MaxLength { limit } => bound("a string of at most this many characters:", limit),
        Kind::MinItems { limit } => bound("an array of at least this many elements:", limit),
        Kind::MaxItems { limit } => bound("an array of at most this many elements:", limit),
        Kind::Pattern { pattern } => {
            (format!("must match the pattern {pattern}"), "send a string that matches".to_owned())
        }
        Kind::Format { format } => {
            (format!("must be in the format {format}"), format!("send a valid {format}"))
        }
        _ => (plain(error), "send what the input schema describes".to_owned()),
    };
    InputProblem { field, rule, fix }
}

fn not_taken<'a>(names: impl IntoIterator<Item = &'a String>) -> (String, String) {
    let names = names.into_iter().take(PROBLEMS_MAX).map(|name| shown(name));
    let names = names.collect::<Vec<_>>().join("`, `");
    (format!("does not take `{names}`"), format!("remove `{names}`"))
}

fn bound(words: &str, limit: &dyn std::fmt::Display) -> (String, String) {
    (format!("must be {words} {limit}"), format!("send {words} {limit}"))
}

/// The validator's own words with the value left out: it may be large, or a secret.
fn plain(error: &jsonschema::ValidationError<'_>) -> String {
    error.masked_with("the value").to_string()
}

/// `/a/0/b` as `a.0.b`.
fn dotted(pointer: &str) -> String {
    let names = pointer.split('/').skip(1);
    names.map(|name| name.replace("~1", "/").replace("~0", "~")).collect::<Vec<_>>().join(".")
}

fn shown(name: &str) -> &str {
    const SHOWN_BYTES: usize = 64;
    &name[..name.floor_char_boundary(SHOWN_BYTES)]
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// The types that a schema allows, in words: `a number or null`.
fn kinds(kind: &jsonschema::error::TypeKind) -> String {
    use jsonschema::JsonType;
    use jsonschema::error::TypeKind;

    let word = |kind: JsonType| match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "a boolean",
        JsonType::Number => "a number",
        JsonType::Integer => "an integer",
        JsonType::String => "a string",
        JsonType::Array => "an array",
        JsonType::Object => "an object",
    };
    match kind {
        TypeKind::Single(kind) => word(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.iter().map(word).collect::<Vec<_>>().join(" or "),
    }
}

/// Whether a derived `Deserialize` enforces every keyword of this schema, which holds for objects
/// whose properties are plain values and say nothing beyond their type.
fn enforced_by_type(schema: &Value) -> bool {
    let Some(members) = schema.as_object() else { return false };
    members.iter().all(|(keyword, value)| match keyword.as_str() {
        "type" | "required" | "title" | "description" => true,
        "properties" => {
            value.as_object().is_some_and(|properties| properties.values().all(is_plain))
        }
        _ => false,
    })
}

fn is_plain(property: &Value) -> bool {
    let Some(members) = property.as_object() else { return false };
    let format = members.get("format").and_then(Value::as_str).unwrap_or_default();
    members.iter().all(|(keyword, value)| match keyword.as_str() {
        "title" | "description" | "default" | "x-mcp-header" => true,
        "type" => types(value)
            .all(|name| matches!(name, "string" | "boolean" | "number" | "integer" | "null")),
        "format" => {
            format.starts_with("int")
                || format.starts_with("uint")
                || matches!(format, "float" | "double")
        }
        "minimum" => format.starts_with("uint") && value.as_u64() == Some(0),
        "maximum" => {
            matches!((format, value.as_u64()), ("uint8", Some(255)) | ("uint16", Some(65535)))
        }
        _ => false,
    }) && members.contains_key("type")
}

/// The types of value that a property may have, its references and alternatives followed; empty
/// where the schema leaves it open.
pub(super) fn property_types<'s>(schema: &'s Value, property: &'s Value) -> Vec<&'s str> {
    /// Schemas that are looked at for one property, so that one that refers to itself ends.
    const LOOKED_AT_MAX: usize = 64;

    let mut open = vec![property];
    let mut found = Vec::new();
    for _ in 0..LOOKED_AT_MAX {
        let Some(at) = open.pop() else { break };
        found.extend(types(&at["type"]));
        let path = at["$ref"].as_str().and_then(|path| path.strip_prefix('#'));
        open.extend(path.and_then(|path| schema.pointer(path)));
        let alternatives = ["anyOf", "oneOf"].into_iter().filter_map(|word| at[word].as_array());
        open.extend(alternatives.flatten());
    }
    found
}

fn types(value: &Value) -> impl Iterator<Item = &str> {
    let many = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    value.as_str().into_iter().chain(many)
}

#[cfg(test)]
mod tests;
