//! Forms: from types and by hand, and what people fill in.
//!
//! In: a type or a schema; the content of an answer. Out: a flat schema; the type, or every problem
//! with field, rule and fix.
//! Spec: MCP 2026-07-28 client/elicitation, "Requested Schema".

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::handler::error::ToolError;
use crate::handler::input::{InputErrors, InputSchema, unfit};
use crate::mcp::model::form::{self, FormError};
use crate::mcp::revision::Rules;

/// The schema of a type as a form has it: flat, without references.
pub(super) fn schema_of<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.inline_subschemas = true;
    form::flatten(settings.into_generator().into_root_schema_for::<T>().as_value())
}

/// Checks that a schema is one of a form, and gives it ready to hold content against.
pub(super) fn check(schema: &Value) -> Result<InputSchema, FormError> {
    form::check(schema)?;
    InputSchema::of_form(schema.clone())
        .map_err(|fault| FormError::Unsound { reason: fault.to_string() })
}

/// The schema as a revision has it.
pub(super) fn for_revision(schema: &Value, rules: &Rules) -> Result<Value, ToolError> {
    form::for_revision(schema, rules)
        .map_err(|fault| ToolError::new(format!("this client cannot be asked: {fault}")))
}

/// Reads content that fits its schema into a type.
pub(super) fn read<T: DeserializeOwned>(content: Value) -> Result<T, InputErrors> {
    serde_json::from_value(content).map_err(|error| unfit(String::new(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "its schema is what is looked at")]
    struct Order {
        /// Who it is for.
        #[schemars(length(min = 1))]
        name: String,
        count: u8,
        price: Option<f64>,
        #[serde(default)]
        gift: bool,
        size: Size,
        colour: Option<Colour>,
        toppings: Vec<Size>,
    }

    #[derive(JsonSchema)]
    #[serde(rename_all = "lowercase")]
    #[expect(dead_code, reason = "its schema is what is looked at")]
    enum Size {
        Small,
        Large,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "its schema is what is looked at")]
    enum Colour {
        /// As the sky
        Blue,
        Red,
    }

    #[test]
    fn a_struct_of_plain_values_is_a_form() {
        let schema = schema_of::<Order>();
        let sizes = json!({"type": "string", "enum": ["small", "large"]});
        let expected = json!({
            "name": {"type": "string", "minLength": 1, "description": "Who it is for."},
            "count": {"type": "integer", "minimum": 0, "maximum": 255},
            "price": {"type": "number"},
            "gift": {"type": "boolean", "default": false},
            "size": sizes,
            "colour": {"type": "string", "oneOf": [
                {"const": "Red", "title": "Red"}, {"const": "Blue", "title": "As the sky"}]},
            "toppings": {"type": "array", "items": sizes},
        });
        assert_eq!(schema["properties"], expected);
        assert_eq!(schema["required"], json!(["name", "count", "size", "toppings"]));
        check(&schema).expect("a form");
    }

    #[test]
    fn a_struct_in_a_struct_is_none() {
        #[derive(JsonSchema)]
        #[expect(dead_code, reason = "its schema is what is looked at")]
        struct Outer {
            inner: Order,
        }
        let fault = check(&schema_of::<Outer>()).expect_err("not flat");
        assert_eq!(fault, FormError::Kind { field: "inner".to_owned() });
        assert_eq!(check(&schema_of::<String>()).expect_err("no object"), FormError::Root);
    }
}
