//! A value on the tape: borrowed, `Copy`, read in place.
//!
//! The tape is a flat list of nodes; an object or array node is followed by its members, and says
//! how many nodes they take. A `View` is the slice that begins at one value and ends with it.
//! Invariant: a view holds at least one node, and exactly the nodes of its value.

use serde::de::DeserializeOwned;
use simd_json::{Node, StaticNode};

use super::encode;

/// A JSON value on the tape.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    nodes: &'a [Node<'a>],
}

/// What a value is, its scalars included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A negative integer of 64 bits.
    Signed(i64),
    /// An integer of 64 bits that is not negative.
    Unsigned(u64),
    /// Any other number.
    Float(f64),
    /// A string, its escapes resolved.
    Text(&'a str),
    /// An array of this many elements.
    Array(usize),
    /// An object of this many members.
    Object(usize),
}

impl<'a> View<'a> {
    /// The first value of a list of nodes, or `None` when the list is empty or cut off.
    pub(super) fn first(nodes: &'a [Node<'a>]) -> Option<Self> {
        nodes.get(..extent(nodes.first()?)).map(|nodes| View { nodes })
    }

    /// What this value is.
    #[must_use]
    pub fn value(self) -> Value<'a> {
        match self.nodes.first() {
            Some(Node::String(text)) => Value::Text(text),
            Some(Node::Object { len, .. }) => Value::Object(*len),
            Some(Node::Array { len, .. }) => Value::Array(*len),
            Some(Node::Static(StaticNode::Bool(value))) => Value::Bool(*value),
            Some(Node::Static(StaticNode::I64(value))) => {
                u64::try_from(*value).map_or(Value::Signed(*value), Value::Unsigned)
            }
            Some(Node::Static(StaticNode::U64(value))) => Value::Unsigned(*value),
            Some(Node::Static(StaticNode::F64(value))) => Value::Float(*value),
            Some(Node::Static(StaticNode::Null)) | None => Value::Null,
        }
    }

    /// The string this value is.
    #[must_use]
    pub fn as_str(self) -> Option<&'a str> {
        if let Value::Text(text) = self.value() { Some(text) } else { None }
    }

    /// Whether this value is an object.
    #[must_use]
    pub fn is_object(self) -> bool {
        matches!(self.value(), Value::Object(_))
    }

    /// The member of this name; `None` also when the value is no object.
    #[must_use]
    pub fn get(self, name: &str) -> Option<Self> {
        self.members().find(|&(member, _)| member == name).map(|(_, value)| value)
    }

    /// The members of an object in the order they came; none for any other value.
    #[must_use]
    pub fn members(self) -> Members<'a> {
        let is_object = self.is_object();
        Members { rest: if is_object { self.nodes.get(1..).unwrap_or(&[]) } else { &[] } }
    }

    /// The elements of an array; none for any other value.
    #[must_use]
    pub fn elements(self) -> Elements<'a> {
        let is_array = matches!(self.value(), Value::Array(_));
        Elements { rest: if is_array { self.nodes.get(1..).unwrap_or(&[]) } else { &[] } }
    }

    /// Reads the value into a Rust type, straight from the tape.
    ///
    /// # Errors
    /// When the value does not fit the type; the text says where and why.
    pub fn deserialize<T: DeserializeOwned>(self) -> Result<T, DeserializeError> {
        T::deserialize(self)
    }

    /// Writes the value as JSON, without blanks.
    pub fn encode(self, out: &mut Vec<u8>) {
        match self.value() {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
            Value::Signed(value) => encode::signed(out, value),
            Value::Unsigned(value) => encode::unsigned(out, value),
            Value::Float(value) => encode::serialize(out, &value),
            Value::Text(text) => encode::string(out, text),
            Value::Array(_) => {
                out.push(b'[');
                for (index, element) in self.elements().enumerate() {
                    encode::comma_unless_first(out, index);
                    element.encode(out);
                }
                out.push(b']');
            }
            Value::Object(_) => {
                out.push(b'{');
                for (index, (name, value)) in self.members().enumerate() {
                    encode::comma_unless_first(out, index);
                    encode::string(out, name);
                    out.push(b':');
                    value.encode(out);
                }
                out.push(b'}');
            }
        }
    }
}

/// Why a value does not fit a Rust type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeserializeError {
    /// The way to the member, names joined by dots; empty for the value itself.
    pub path: String,
    /// What does not fit.
    pub reason: String,
}

impl std::fmt::Display for DeserializeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.reason);
        }
        write!(f, "{}: {}", self.path, self.reason)
    }
}

impl std::error::Error for DeserializeError {}

/// Iterator over the members of an object.
#[derive(Clone, Debug)]
pub struct Members<'a> {
    rest: &'a [Node<'a>],
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, View<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (Node::String(name), after) = self.rest.split_first()? else { return None };
        let value = View::first(after)?;
        self.rest = after.get(value.nodes.len()..)?;
        Some((name, value))
    }
}

/// Iterator over the elements of an array.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a [Node<'a>],
}

impl<'a> Iterator for Elements<'a> {
    type Item = View<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = View::first(self.rest)?;
        self.rest = self.rest.get(value.nodes.len()..)?;
        Some(value)
    }
}

/// How many nodes the value that begins with this node takes.
pub(super) fn extent(node: &Node<'_>) -> usize {
    match node {
        Node::Object { count, .. } | Node::Array { count, .. } => count + 1,
        Node::String(_) | Node::Static(_) => 1,
    }
}
