//! All that a server offers, frozen: filled while the server is put together, read-only after.
//!
//! Shared by every core; each makes its own twins of the code. Invariant: names are unique, and the
//! order is the order of registration, so that lists are the same on every core and every day.

use std::collections::HashMap;

use super::code::Code;
use super::input::SchemaError;
use super::tool::{Arguments, Tool};
use crate::mcp::mirror::{MirrorError, MirroredParam, mirrored_params};
use crate::mcp::model::implementation::Implementation;
use crate::mcp::model::tool::ToolDefinition;

/// What a server offers.
#[derive(Debug, Default)]
pub struct Registry {
    /// Who the server is.
    pub implementation: Implementation,
    /// How to use it, for the model.
    pub instructions: Option<String>,
    tools: Vec<ToolEntry>,
    tool_index: HashMap<String, usize>,
}

/// A tool behind its name.
#[derive(Debug)]
pub struct ToolEntry {
    /// What clients are told.
    pub definition: ToolDefinition,
    /// The parameters that callers mirror in fields.
    pub mirrored: Vec<MirroredParam>,
    pub(crate) code: Code<Arguments>,
}

/// Why something cannot be offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The name is taken.
    #[error("tool `{name}` is registered twice; give one of them another name")]
    Twice {
        /// The name.
        name: String,
    },
    /// The name is not one.
    #[error("tool name {name:?} must be 1 to 128 of A-Z a-z 0-9 _ - . (MCP 2025-11-25, tools)")]
    Name {
        /// The name.
        name: String,
    },
    /// The input schema is none.
    #[error("tool `{name}`: {reason}")]
    Schema {
        /// The tool.
        name: String,
        /// What is wrong.
        reason: SchemaError,
    },
    /// An `x-mcp-header` annotation breaks a rule.
    #[error("tool `{name}`: {reason}")]
    Mirror {
        /// The tool.
        name: String,
        /// What is wrong.
        reason: MirrorError,
    },
}

impl Registry {
    /// Adds a tool.
    ///
    /// # Errors
    /// What keeps it from being offered.
    pub fn add_tool(&mut self, tool: Tool) -> Result<(), RegistryError> {
        const NAME_BYTES_MAX: usize = 128;
        let name = tool.name.clone();
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
            return Err(RegistryError::Name { name });
        }
        if self.tool_index.contains_key(&name) {
            return Err(RegistryError::Twice { name });
        }
        let (definition, code) = tool
            .into_parts()
            .map_err(|reason| RegistryError::Schema { name: name.clone(), reason })?;
        let mirrored = mirrored_params(&definition.input_schema)
            .map_err(|reason| RegistryError::Mirror { name: name.clone(), reason })?;
        self.tool_index.insert(name, self.tools.len());
        self.tools.push(ToolEntry { definition, mirrored, code });
        Ok(())
    }

    /// The tools, in order.
    #[must_use]
    pub fn tools(&self) -> &[ToolEntry] {
        &self.tools
    }

    /// Where the tool of this name stands.
    #[must_use]
    pub fn tool_index(&self, name: &str) -> Option<usize> {
        self.tool_index.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::handler::context::Cx;

    fn tool(name: &str) -> Tool {
        Tool::new(name, "d", async |_: Cx, (): ()| Ok("x"))
    }

    #[test]
    fn what_cannot_be_offered_is_refused_by_name() {
        let mut registry = Registry::default();
        assert_eq!(registry.add_tool(tool("a.b-c_D9")), Ok(()));
        let twice = RegistryError::Twice { name: "a.b-c_D9".to_owned() };
        assert_eq!(registry.add_tool(tool("a.b-c_D9")), Err(twice));
        assert_eq!(registry.add_tool(tool(&"n".repeat(128))), Ok(()));
        for name in ["", "a b", "ä", "a/b", &"n".repeat(129)] {
            let error = RegistryError::Name { name: name.to_owned() };
            assert_eq!(registry.add_tool(tool(name)), Err(error));
        }
        let text = Tool::new("text", "d", async |_: Cx, _: String| Ok("x"));
        assert!(matches!(registry.add_tool(text), Err(RegistryError::Schema { .. })));
        let mirrored = Tool::new("m", "d", async |_: Cx, _: serde_json::Value| Ok("x"))
            .input_schema(json!({"type": "object", "properties": {
                "a": {"type": "number", "x-mcp-header": "A"}}}));
        assert!(matches!(registry.add_tool(mirrored), Err(RegistryError::Mirror { .. })));
        assert_eq!(registry.tools().len(), 2);
        assert_eq!(registry.tool_index("a.b-c_D9"), Some(0));
    }
}
