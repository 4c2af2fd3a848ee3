//! A view into a Rust type: serde's `Deserializer` over the tape, without copying it.
//!
//! Self-describing: the visitor is told what is there, and refuses what it cannot use. Strings are
//! borrowed from the arena, so a type that owns its strings pays for exactly one copy each.

use serde::de::value::{BorrowedStrDeserializer, MapAccessDeserializer};
use serde::de::{self, DeserializeSeed, IntoDeserializer, Visitor};

use super::view::{DeserializeError, Elements, Members, Value, View};

impl de::Error for DeserializeError {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        Self { path: String::new(), reason: message.to_string() }
    }
}

impl<'de> de::Deserializer<'de> for View<'de> {
    type Error = DeserializeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        match self.value() {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Signed(value) => visitor.visit_i64(value),
            Value::Unsigned(value) => visitor.visit_u64(value),
            Value::Float(value) => visitor.visit_f64(value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::Array(_) => visitor.visit_seq(Sequence(self.elements())),
            Value::Object(_) => visitor.visit_map(Map { members: self.members(), value: None }),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeserializeError> {
        if self.value() == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        match self.value() {
            Value::Text(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            Value::Object(1) => visitor.visit_enum(MapAccessDeserializer::new(Map {
                members: self.members(),
                value: None,
            })),
            _ => Err(de::Error::custom("expected a string or an object with one member")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeserializeError> {
        // A derived struct would take an array too; JSON Schema's "object" does not.
        if self.is_object() {
            self.deserialize_any(visitor)
        } else {
            Err(de::Error::custom("expected an object"))
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, DeserializeError> for View<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

struct Sequence<'de>(Elements<'de>);

impl<'de> de::SeqAccess<'de> for Sequence<'de> {
    type Error = DeserializeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DeserializeError> {
        self.0.next().map(|element| seed.deserialize(element)).transpose()
    }
}

struct Map<'de> {
    members: Members<'de>,
    value: Option<(&'de str, View<'de>)>,
}

impl<'de> de::MapAccess<'de> for Map<'de> {
    type Error = DeserializeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DeserializeError> {
        self.value = self.members.next();
        self.value.map(|(name, _)| seed.deserialize(BorrowedStrDeserializer::new(name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DeserializeError> {
        let Some((name, value)) = self.value.take() else {
            return Err(de::Error::custom("a value was asked for before its name"));
        };
        // The path grows on the way out, innermost first.
        seed.deserialize(value).map_err(|mut error| {
            let joint = if error.path.is_empty() { "" } else { "." };
            error.path = format!("{name}{joint}{}", error.path);
            error
        })
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use crate::jsonrpc::decode::{Decoder, JsonLimits};

    #[derive(Debug, Deserialize, PartialEq)]
    struct Order {
        id: i64,
        note: Option<String>,
        size: Size,
        lines: Vec<Line>,
        #[serde(default)]
        factor: f64,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    struct Line {
        sku: String,
        count: u8,
    }
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Other { cm: u32 },
    }

    fn read(body: &str) -> Result<Order, String> {
        Decoder::new(JsonLimits::default())
            .decode(body.as_bytes(), |view| view.deserialize().map_err(|e| e.to_string()))
            .map_err(|error| error.to_string())?
    }

    #[test]
    fn every_shape_is_read_from_the_tape() {
        let order = read(
            r#"{"id":-7,"note":null,"size":{"other":{"cm":9}},"lines":[{"sku":"a\n","count":2}],
               "unknown":[1,{}],"factor":2}"#,
        );
        let lines = vec![Line { sku: "a\n".to_owned(), count: 2 }];
        let expected =
            Order { id: -7, note: None, size: Size::Other { cm: 9 }, lines, factor: 2.0 };
        assert_eq!(order, Ok(expected));
        assert_eq!(read(r#"{"id":1,"size":"small","lines":[]}"#).map(|o| o.size), Ok(Size::Small));
    }

    #[test]
    fn an_error_names_the_way_to_the_member() {
        let error = read(r#"{"id":1,"size":"small","lines":[{"sku":"a","count":300}]}"#);
        assert!(error.as_ref().is_err_and(|e| e.starts_with("lines.count: ")), "{error:?}");
        let error = read(r#"{"id":1,"size":"small","lines":[["a",3]]}"#);
        assert!(error.as_ref().is_err_and(|e| e.contains("expected an object")), "{error:?}");
        read(r#"{"id":1.5,"size":"small","lines":[]}"#).expect_err("not a whole number");
    }
}
