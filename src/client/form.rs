//! The form behind a question: the server's schema in, fields out that know what they take.
//!
//! A form is flat: texts, numbers, yes or no, one or several of a list. Each field reads what a
//! person typed, and checks every value against its own schema, formats and patterns included.
//! Spec: MCP 2026-07-28 client/elicitation, `PrimitiveSchemaDefinition`; `enumNames` is that of
//! 2025-06-18. Limits: `FIELDS_MAX`, `CHOICES_MAX`.
//! Invariant: a default that breaks its own schema is no default.
//! Not here: asking a person (`cli`).

use jsonschema::error::ValidationErrorKind as Broken;
use jsonschema::{Draft, ValidationError, Validator};
use serde_json::{Map, Value};

/// Fields of one form.
const FIELDS_MAX: usize = 100;
/// Values that one field offers.
const CHOICES_MAX: usize = 1000;
/// Values that are named where none of them was given.
const NAMED_MAX: usize = 12;

/// What a server wants to know.
#[derive(Debug)]
pub struct Form {
    /// Why it asks.
    pub message: String,
    /// What it asks for, in its order.
    pub fields: Vec<Field>,
}

/// One thing to fill in.
#[derive(Debug)]
pub struct Field {
    /// Its key in the answer.
    pub name: String,
    /// Its name for people.
    pub title: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// Whether the form is nothing without it.
    pub required: bool,
    /// Its value where nobody gives another.
    pub default: Option<Value>,
    /// What it takes.
    pub kind: Kind,
    schema: Value,
    validator: Validator,
}

/// What a field takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// Any number.
    Number,
    /// A whole number.
    Integer,
    /// Yes or no.
    Boolean,
    /// One of these.
    One(Vec<Choice>),
    /// Some of these.
    Many(Vec<Choice>),
}

/// A value to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The value.
    pub value: String,
    /// Its name for people.
    pub title: Option<String>,
}

impl Form {
    /// Reads a form.
    ///
    /// # Errors
    /// What is wrong with its schema, naming the field.
    pub fn read(message: &str, schema: &Value) -> Result<Self, String> {
        let empty = Map::new();
        let properties = match schema.get("properties") {
            None => &empty,
            Some(Value::Object(properties)) => properties,
            Some(_) => return Err("requestedSchema.properties is no object".to_owned()),
        };
        if properties.len() > FIELDS_MAX {
            return Err(format!("requestedSchema has more than {FIELDS_MAX} properties"));
        }
        let required = schema.get("required").and_then(Value::as_array);
        let is_required =
            |name: &str| required.is_some_and(|names| names.iter().any(|known| known == name));
        let fields = properties.iter().map(|(name, schema)| {
            Field::read(name, schema, is_required(name))
                .map_err(|fault| format!("requestedSchema.properties.{name} {fault}"))
        });
        Ok(Self { message: message.to_owned(), fields: fields.collect::<Result<_, _>>()? })
    }
}

impl Field {
    fn read(name: &str, schema: &Value, required: bool) -> Result<Self, String> {
        let kind = kind_of(schema)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .build(schema)
            .map_err(|error| format!("is no schema: {error}"))?;
        let text_of = |key: &str| schema.get(key).and_then(Value::as_str).map(str::to_owned);
        let default = schema.get("default").filter(|value| validator.is_valid(value)).cloned();
        Ok(Self {
            name: name.to_owned(),
            title: text_of("title"),
            description: text_of("description"),
            required,
            default,
            kind,
            schema: schema.clone(),
            validator,
        })
    }

    /// Reads what a person typed: a text, a number, yes or no, the numbers or names of choices.
    ///
    /// # Errors
    /// What the field takes instead.
    pub fn parse(&self, typed: &str) -> Result<Value, String> {
        let value = match &self.kind {
            Kind::Text => Value::from(typed),
            Kind::Number => number(typed).ok_or("write a number, such as 2.5")?,
            Kind::Integer => match number(typed) {
                Some(number) if number.is_i64() || number.is_u64() => number,
                _ => return Err("write a whole number, such as 5".to_owned()),
            },
            Kind::Boolean => match typed.trim().to_ascii_lowercase().as_str() {
                "yes" | "y" | "true" => Value::from(true),
                "no" | "n" | "false" => Value::from(false),
                _ => return Err("write yes or no".to_owned()),
            },
            Kind::One(choices) => Value::from(chosen(typed, choices)?),
            Kind::Many(choices) => {
                let words = typed.split(',').map(str::trim).filter(|word| !word.is_empty());
                let mut values: Vec<&str> = Vec::new();
                for word in words {
                    let value = chosen(word, choices)?;
                    if !values.contains(&value) {
                        values.push(value);
                    }
                }
                Value::from(values)
            }
        };
        self.check(&value)?;
        Ok(value)
    }

    /// Whether the field takes this value.
    ///
    /// # Errors
    /// What to give instead.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        self.validator.validate(value).map_err(|error| self.instead_of(&error))
    }

    /// What to give instead, without the value: it may be long, or a secret.
    fn instead_of(&self, error: &ValidationError<'_>) -> String {
        let letters = |limit: u64| if limit == 1 { "letter" } else { "letters" };
        match error.kind() {
            Broken::MinLength { limit } => format!("write at least {limit} {}", letters(*limit)),
            Broken::MaxLength { limit } => format!("write at most {limit} {}", letters(*limit)),
            Broken::Minimum { limit } => format!("write a number of at least {limit}"),
            Broken::Maximum { limit } => format!("write a number of at most {limit}"),
            Broken::ExclusiveMinimum { limit } => format!("write a number above {limit}"),
            Broken::ExclusiveMaximum { limit } => format!("write a number below {limit}"),
            Broken::MinItems { limit } => format!("choose at least {limit}"),
            Broken::MaxItems { limit } => format!("choose at most {limit}"),
            Broken::UniqueItems => "choose each once".to_owned(),
            Broken::Pattern { pattern } => format!("write a text that matches {pattern}"),
            Broken::Format { format } => match example_of(format) {
                Some(example) => format!("write a valid {format}, such as {example}"),
                None => format!("write a valid {format}"),
            },
            Broken::BacktrackLimitExceeded { .. } | Broken::RegexEngineFailure { .. } => {
                "it takes too long to see whether it matches the pattern: write a shorter text"
                    .to_owned()
            }
            _ => match &self.kind {
                Kind::One(choices) => format!("write one of {}", named(choices)),
                Kind::Many(choices) => format!("write a list of some of {}", named(choices)),
                _ => format!("write {}", self.rule()),
            },
        }
    }

    /// What the field takes, in words.
    #[must_use]
    pub fn rule(&self) -> String {
        let mut rule = match &self.kind {
            Kind::Text => "text".to_owned(),
            Kind::Number => "a number".to_owned(),
            Kind::Integer => "a whole number".to_owned(),
            Kind::Boolean => "yes or no".to_owned(),
            Kind::One(_) => "one of these".to_owned(),
            Kind::Many(_) => "some of these, with commas between them".to_owned(),
        };
        let bounds = [
            ("minLength", "maxLength", " letters"),
            ("minimum", "maximum", ""),
            ("minItems", "maxItems", " of them"),
        ];
        for (least, most, unit) in bounds {
            match (self.schema.get(least), self.schema.get(most)) {
                (None, None) => {}
                (Some(least), None) => rule.push_str(&format!(", at least {least}{unit}")),
                (None, Some(most)) => rule.push_str(&format!(", at most {most}{unit}")),
                (Some(least), Some(most)) => {
                    rule.push_str(&format!(", {least} to {most}{unit}"));
                }
            }
        }
        let text_of = |key: &str| self.schema.get(key).and_then(Value::as_str);
        if let Some(format) = text_of("format") {
            rule.push_str(", such as ");
            // Another format is none of this protocol; its name may tell.
            rule.push_str(example_of(format).unwrap_or(format));
        }
        if let Some(pattern) = text_of("pattern") {
            rule.push_str(&format!(", that matches {pattern}"));
        }
        rule
    }
}

/// A text in a format that the protocol names.
fn example_of(format: &str) -> Option<&'static str> {
    match format {
        "date" => Some("2026-12-24"),
        "date-time" => Some("2026-12-24T18:00:00Z"),
        "email" => Some("ada@example.org"),
        "uri" => Some("https://example.org/"),
        _ => None,
    }
}

/// The values of the first choices.
fn named(choices: &[Choice]) -> String {
    let values: Vec<_> = choices.iter().take(NAMED_MAX).map(|choice| &*choice.value).collect();
    let more = if choices.len() > NAMED_MAX { ", ..." } else { "" };
    format!("{}{more}", values.join(", "))
}

fn number(typed: &str) -> Option<Value> {
    serde_json::from_str::<Value>(typed.trim()).ok().filter(Value::is_number)
}

/// The value that was meant: by itself, by its name, or by its number in the list.
fn chosen<'c>(typed: &str, choices: &'c [Choice]) -> Result<&'c str, String> {
    let typed = typed.trim();
    let by_value = choices.iter().find(|choice| choice.value == typed);
    let by_title = || choices.iter().find(|choice| choice.title.as_deref() == Some(typed));
    let by_number = || choices.get(typed.parse::<usize>().ok()?.checked_sub(1)?);
    let found = by_value.or_else(by_title).or_else(by_number);
    found.map(|choice| choice.value.as_str()).ok_or_else(|| {
        format!("\"{typed}\" is none of them: write its number, from 1 to {}", choices.len())
    })
}

fn kind_of(schema: &Value) -> Result<Kind, String> {
    let kind = match schema.get("type").and_then(Value::as_str) {
        Some("string") => match choices_of(schema, "oneOf")? {
            Some(choices) => Kind::One(choices),
            None => Kind::Text,
        },
        Some("number") => Kind::Number,
        Some("integer") => Kind::Integer,
        Some("boolean") => Kind::Boolean,
        Some("array") => {
            let items = schema.get("items").unwrap_or(&Value::Null);
            match choices_of(items, "anyOf")? {
                Some(choices) => Kind::Many(choices),
                None => return Err("is a list of anything: give its items an enum".to_owned()),
            }
        }
        _ => return Err("is neither text nor number nor boolean nor a choice".to_owned()),
    };
    Ok(kind)
}

/// The values of an `enum`, or of the alternatives under `titled`.
fn choices_of(schema: &Value, titled: &str) -> Result<Option<Vec<Choice>>, String> {
    let choices: Option<Vec<Choice>> = match (schema.get("enum"), schema.get(titled)) {
        (Some(Value::Array(values)), _) => {
            let names = schema.get("enumNames").and_then(Value::as_array);
            let title = |index: usize| names?.get(index)?.as_str().map(str::to_owned);
            let choice = |(index, value): (usize, &Value)| {
                Some(Choice { value: value.as_str()?.to_owned(), title: title(index) })
            };
            values.iter().enumerate().map(choice).collect()
        }
        (None, Some(Value::Array(values))) => {
            let choice = |alternative: &Value| {
                let value = alternative.get("const")?.as_str()?.to_owned();
                let title = alternative.get("title").and_then(Value::as_str).map(str::to_owned);
                Some(Choice { value, title })
            };
            values.iter().map(choice).collect()
        }
        (None, None) => return Ok(None),
        _ => None,
    };
    match choices {
        None => Err("offers values that are no texts".to_owned()),
        Some(choices) if choices.is_empty() => Err("offers no values".to_owned()),
        Some(choices) if choices.len() > CHOICES_MAX => {
            Err(format!("offers more than {CHOICES_MAX} values"))
        }
        choices => Ok(choices),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Too many ways to match it for a pattern that looks back.
    const BACKTRACKING: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabc";

    fn field(schema: &Value) -> Field {
        Field::read("it", schema, true).expect("a field")
    }

    #[test]
    fn every_kind_of_field_reads_what_is_typed() {
        let titled = json!([{"const": "r", "title": "Red"}, {"const": "2", "title": "Green"}]);
        let table = [
            (json!({"type": "string"}), " a ", json!(" a ")),
            (json!({"type": "string", "format": "email"}), "a@b.example", json!("a@b.example")),
            (json!({"type": "number"}), " 2.5", json!(2.5)),
            (json!({"type": "integer"}), "-7", json!(-7)),
            (json!({"type": "boolean"}), "Yes", json!(true)),
            (json!({"type": "string", "enum": ["a", "b"]}), "2", json!("b")),
            (json!({"type": "string", "enum": ["2", "1"]}), "2", json!("2")),
            (json!({"type": "string", "enum": ["a"], "enumNames": ["First"]}), "First", json!("a")),
            (json!({"type": "string", "oneOf": titled}), "Red", json!("r")),
            (json!({"type": "string", "oneOf": titled}), "1", json!("r")),
            (
                json!({"type": "array", "items": {"type": "string", "enum": ["a", "b", "c"]}}),
                "3, a,3",
                json!(["c", "a"]),
            ),
            (json!({"type": "array", "items": {"anyOf": titled}}), "", json!([])),
        ];
        for (schema, typed, expected) in table {
            assert_eq!(field(&schema).parse(typed), Ok(expected), "{schema} {typed}");
        }
    }

    #[test]
    fn what_breaks_a_field_is_told() {
        let table = [
            (json!({"type": "string", "minLength": 3}), "ab", "write at least 3 letters"),
            (json!({"type": "string", "maxLength": 1}), "ab", "write at most 1 letter"),
            (json!({"type": "string", "format": "date"}), "2026-13-01", "date, such as 2026-12-24"),
            (json!({"type": "string", "format": "uri"}), "no uri", "a valid uri, such as https"),
            (json!({"type": "string", "pattern": "^a"}), "b", "write a text that matches ^a"),
            (json!({"type": "number"}), "many", "write a number"),
            (json!({"type": "integer"}), "2.5", "whole number"),
            (json!({"type": "integer", "maximum": 4}), "5", "a number of at most 4"),
            (json!({"type": "boolean"}), "perhaps", "yes or no"),
            (json!({"type": "string", "enum": ["a"]}), "2", "from 1 to 1"),
            (json!({"type": "string", "pattern": "^(a|aa)+\\1b$"}), BACKTRACKING, "shorter text"),
            (
                json!({"type": "array", "minItems": 1, "items": {"enum": ["a"]}}),
                "",
                "choose at least 1",
            ),
        ];
        for (schema, typed, expected) in table {
            let fault = field(&schema).parse(typed).expect_err(expected);
            assert!(fault.contains(expected), "{fault}");
            assert!(!fault.contains(typed) || typed.len() < 3, "{fault}");
        }
        // Values of another type come as JSON alone.
        let table = [
            (json!({"type": "string", "maxLength": 9}), json!(5), "write text, at most 9 letters"),
            (json!({"type": "string", "enum": ["a", "b"]}), json!("c"), "write one of a, b"),
            (
                json!({"type": "array", "items": {"enum": ["a", "b"]}}),
                json!(["c"]),
                "write a list of some of a, b",
            ),
        ];
        for (schema, value, expected) in table {
            assert_eq!(field(&schema).check(&value).expect_err(expected), expected);
        }
    }

    #[test]
    fn forms_keep_their_order_and_refuse_what_is_no_form() {
        let schema = json!({"required": ["b"], "properties": {
            "b": {"type": "string", "title": "B", "default": "x", "minLength": 2},
            "a": {"type": "integer", "default": 5, "minimum": 1, "maximum": 9}}});
        let form = Form::read("why", &schema).expect("a form");
        let shown = form.fields.iter().map(|field| (&*field.name, field.required));
        let shown: Vec<_> = shown.collect();
        assert_eq!(shown, [("b", true), ("a", false)]);
        assert_eq!(form.fields[0].default, None, "it is too short for its own schema");
        assert_eq!(form.fields[0].rule(), "text, at least 2 letters");
        assert_eq!(form.fields[1].rule(), "a whole number, 1 to 9");
        assert_eq!(form.fields[1].default, Some(json!(5)));
        let dated = json!({"type": "string", "format": "date", "pattern": "4$"});
        assert_eq!(field(&dated).rule(), "text, such as 2026-12-24, that matches 4$");
        let table = [
            (json!({"properties": []}), "no object"),
            (json!({"properties": {"a": {"type": "object"}}}), "properties.a is neither"),
            (json!({"properties": {"a": {"type": "array"}}}), "give its items an enum"),
            (json!({"properties": {"a": {"type": "string", "enum": [1]}}}), "no texts"),
            (json!({"properties": {"a": {"type": "string", "enum": []}}}), "no values"),
            (json!({"properties": {"a": {"type": "string", "pattern": "("}}}), "no schema"),
        ];
        for (schema, expected) in table {
            let fault = Form::read("why", &schema).expect_err(expected);
            assert!(fault.contains(expected), "{fault}");
        }
        let many: Map<String, Value> =
            (0..=FIELDS_MAX).map(|index| (index.to_string(), json!({"type": "string"}))).collect();
        let fault = Form::read("why", &json!({"properties": many})).expect_err("too many");
        assert!(fault.contains("more than 100"), "{fault}");
    }
}
