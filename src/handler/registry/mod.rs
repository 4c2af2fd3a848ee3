//! All that a server offers, frozen: filled while the server is put together, read-only after.
//!
//! Shared by every core; each makes its own twins of the code. Invariant: names and addresses are
//! unique among their kind, and the order is the order of registration, so that lists are the same
//! on every core and every day.

mod names;
mod skills;

use std::collections::HashMap;

use serde_json::{Map, Value};

use self::names::Names;
use super::code::Code;
use super::completion::Completer;
use super::input::{SchemaError, property_types};
use super::prompt::{Prompt, Texts};
use super::resource::{Read, Resource, ResourceTemplate};
use super::skill::Skill;
use super::tool::{Arguments, Tool};
use crate::mcp::mirror::{MirrorError, MirroredParam, mirrored_params};
use crate::mcp::model::cache::CacheHints;
use crate::mcp::model::implementation::Implementation;
use crate::mcp::model::prompt::PromptDefinition;
use crate::mcp::model::resource::ResourceDefinition;
use crate::mcp::model::tool::ToolDefinition;
use crate::mcp::uri::{self, NoUri, TemplateError, UriTemplate};

/// What a server offers.
#[derive(Debug, Default)]
pub struct Registry {
    /// Who the server is.
    pub implementation: Implementation,
    /// How to use it, for the model.
    pub instructions: Option<String>,
    /// Whether calls of its tools may become tasks.
    pub has_tasks: bool,
    tools: Vec<ToolEntry>,
    tool_index: Names,
    resources: Vec<ResourceEntry>,
    resource_index: HashMap<String, usize>,
    templates: Vec<TemplateEntry>,
    prompts: Vec<PromptEntry>,
    prompt_index: Names,
    skills: Vec<Skill>,
    skill_files: HashMap<String, skills::FileAt>,
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

/// A resource at its address.
#[derive(Debug)]
pub struct ResourceEntry {
    /// What clients are told.
    pub definition: ResourceDefinition,
    /// For how long it may be kept; `None` as lists are.
    pub cache: Option<CacheHints>,
    pub(crate) code: Code<Read>,
}

/// Resources at the addresses of a template.
#[derive(Debug)]
pub struct TemplateEntry {
    /// What clients are told.
    pub definition: ResourceDefinition,
    /// The template, read.
    pub template: UriTemplate,
    /// For how long they may be kept; `None` as lists are.
    pub cache: Option<CacheHints>,
    pub(crate) code: Code<Read>,
    pub(crate) completers: Vec<Completer>,
}

/// Where an address leads.
#[derive(Clone, Debug, PartialEq)]
pub enum ResourceAt {
    /// To the resource of this index.
    Resource(usize),
    /// To a template, which may know nothing there all the same.
    Template {
        /// The template's index.
        index: usize,
        /// Its variables by name, each a text.
        variables: Map<String, Value>,
    },
}

/// A prompt behind its name.
#[derive(Debug)]
pub struct PromptEntry {
    /// What clients are told.
    pub definition: PromptDefinition,
    pub(crate) code: Code<Texts>,
    pub(crate) completers: Vec<Completer>,
}

/// Why something cannot be offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The name is taken.
    #[error("{what} `{name}` is registered twice; give one of them another {}", what.by())]
    Twice {
        /// What is named.
        what: Offer,
        /// The name.
        name: String,
    },
    /// The name is not one.
    #[error("{what} name {name:?} must be 1 to 128 of A-Z a-z 0-9 _ - . (MCP 2025-11-25, tools)")]
    Name {
        /// What is named.
        what: Offer,
        /// The name.
        name: String,
    },
    /// What it takes cannot be said in a schema.
    #[error("{what} `{name}`: {reason}")]
    Schema {
        /// What takes it.
        what: Offer,
        /// Its name.
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
    /// The address is none.
    #[error("resource `{uri}`: the address {NoUri}")]
    Uri {
        /// The address.
        uri: String,
    },
    /// The template cannot be matched.
    #[error("resource template `{template}`: {reason}")]
    Template {
        /// The template.
        template: String,
        /// What is wrong.
        reason: TemplateError,
    },
    /// The handler's type does not know a variable.
    #[error("resource template `{template}`: the handler's type has no field `{variable}`; add it")]
    Variable {
        /// The template.
        template: String,
        /// Its variable.
        variable: String,
    },
    /// The handler's type wants what no variable gives.
    #[error(
        "resource template `{template}`: no variable gives the field `{field}`; make it optional"
    )]
    Field {
        /// The template.
        template: String,
        /// The field of the handler's type.
        field: String,
    },
    /// The value of an argument is text, and the handler's type wants more.
    #[error("prompt `{name}`: the argument `{argument}` must be text, not an array or object")]
    Argument {
        /// The prompt.
        name: String,
        /// Its argument.
        argument: String,
    },
    /// What is completed is not taken.
    #[error("{what} `{name}` completes `{argument}`, which it does not take")]
    Completes {
        /// What completes it.
        what: Offer,
        /// Its name.
        name: String,
        /// The argument or variable.
        argument: String,
    },
}

/// What can be offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// A tool.
    Tool,
    /// A resource.
    Resource,
    /// A template of resources.
    Template,
    /// A prompt.
    Prompt,
    /// A skill.
    Skill,
}

impl Offer {
    /// By what clients tell one from another.
    fn by(self) -> &'static str {
        match self {
            Self::Tool | Self::Prompt | Self::Skill => "name",
            Self::Resource => "address",
            Self::Template => "template",
        }
    }
}

impl std::fmt::Display for Offer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Template => "resource template",
            Self::Prompt => "prompt",
            Self::Skill => "skill",
        })
    }
}

impl Registry {
    /// Adds a tool.
    ///
    /// # Errors
    /// What keeps it from being offered.
    pub fn add_tool(&mut self, tool: Tool) -> Result<(), RegistryError> {
        let (what, name) = (Offer::Tool, tool.name.clone());
        check_name(what, &name, &self.tool_index)?;
        let (definition, code) = tool.into_parts().map_err(|reason| RegistryError::Schema {
            what,
            name: name.clone(),
            reason,
        })?;
        let mirrored = mirrored_params(&definition.input_schema)
            .map_err(|reason| RegistryError::Mirror { name: name.clone(), reason })?;
        self.tool_index.insert(name, self.tools.len());
        self.tools.push(ToolEntry { definition, mirrored, code });
        Ok(())
    }

    /// Adds a resource.
    ///
    /// # Errors
    /// What keeps it from being offered.
    pub fn add_resource(&mut self, resource: Resource) -> Result<(), RegistryError> {
        let Resource { definition, cache, code } = resource;
        let uri = definition.address().to_owned();
        if uri::check(&uri).is_err() {
            return Err(RegistryError::Uri { uri });
        }
        if self.resource_index.contains_key(&uri) || self.skill_files.contains_key(&uri) {
            return Err(RegistryError::Twice { what: Offer::Resource, name: uri });
        }
        self.resource_index.insert(uri, self.resources.len());
        self.resources.push(ResourceEntry { definition, cache, code });
        Ok(())
    }

    /// Adds a template of resources.
    ///
    /// # Errors
    /// What keeps it from being offered.
    pub fn add_template(&mut self, template: ResourceTemplate) -> Result<(), RegistryError> {
        let what = Offer::Template;
        let ResourceTemplate { definition, cache, code, completers } = template;
        let name = || definition.address().to_owned();
        let template = UriTemplate::parse(definition.address())
            .map_err(|reason| RegistryError::Template { template: name(), reason })?;
        if self.template_index(definition.address()).is_some() {
            return Err(RegistryError::Twice { what, name: name() });
        }
        let (input, code) =
            code.map_err(|reason| RegistryError::Schema { what, name: name(), reason })?;
        check_variables(&name(), &template, input.json())?;
        let takes = |argument: &str| template.variables().any(|variable| variable == argument);
        check_completers(what, &name(), &completers, takes)?;
        self.templates.push(TemplateEntry { definition, template, cache, code, completers });
        Ok(())
    }

    /// Adds a prompt.
    ///
    /// # Errors
    /// What keeps it from being offered.
    pub fn add_prompt(&mut self, prompt: Prompt) -> Result<(), RegistryError> {
        let Prompt { definition, code, completers } = prompt;
        let (what, name) = (Offer::Prompt, definition.name.clone());
        check_name(what, &name, &self.prompt_index)?;
        let (input, code) =
            code.map_err(|reason| RegistryError::Schema { what, name: name.clone(), reason })?;
        if let Some(argument) = deep_argument(input.json()) {
            return Err(RegistryError::Argument { name, argument });
        }
        let takes = |argument: &str| definition.arguments.iter().any(|it| it.name == argument);
        check_completers(what, &name, &completers, takes)?;
        self.prompt_index.insert(name, self.prompts.len());
        self.prompts.push(PromptEntry { definition, code, completers });
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
        self.tool_index.find(name)
    }

    /// The resources at one address each, in order.
    #[must_use]
    pub fn resources(&self) -> &[ResourceEntry] {
        &self.resources
    }

    /// Where the resource at this address stands.
    #[must_use]
    pub fn resource_index(&self, uri: &str) -> Option<usize> {
        self.resource_index.get(uri).copied()
    }

    /// Where an address leads: to the resource that is offered at it, or else to the first template
    /// that gives it.
    #[must_use]
    pub fn resource_at(&self, uri: &str) -> Option<ResourceAt> {
        if let Some(index) = self.resource_index(uri) {
            return Some(ResourceAt::Resource(index));
        }
        let mut templates = self.templates.iter().enumerate();
        templates.find_map(|(index, entry)| {
            let variables = entry.template.match_uri(uri)?.into_iter();
            let texts = variables.map(|(name, text)| (name.to_owned(), Value::from(&*text)));
            Some(ResourceAt::Template { index, variables: texts.collect() })
        })
    }

    /// The templates of resources, in order.
    #[must_use]
    pub fn templates(&self) -> &[TemplateEntry] {
        &self.templates
    }

    /// Where the template stands that is written so.
    #[must_use]
    pub fn template_index(&self, template: &str) -> Option<usize> {
        self.templates.iter().position(|entry| entry.definition.address() == template)
    }

    /// The prompts, in order.
    #[must_use]
    pub fn prompts(&self) -> &[PromptEntry] {
        &self.prompts
    }

    /// Where the prompt of this name stands.
    #[must_use]
    pub fn prompt_index(&self, name: &str) -> Option<usize> {
        self.prompt_index.find(name)
    }

    /// Whether anything is read.
    #[must_use]
    pub fn has_resources(&self) -> bool {
        !self.resources.is_empty() || !self.templates.is_empty() || !self.skills.is_empty()
    }

    /// Whether anything completes what is typed.
    #[must_use]
    pub fn completes(&self) -> bool {
        self.templates.iter().any(|entry| !entry.completers.is_empty())
            || self.prompts.iter().any(|entry| !entry.completers.is_empty())
    }
}

fn check_name(what: Offer, name: &str, taken: &Names) -> Result<(), RegistryError> {
    const NAME_BYTES_MAX: usize = 128;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
        return Err(RegistryError::Name { what, name: name.to_owned() });
    }
    if taken.find(name).is_some() {
        return Err(RegistryError::Twice { what, name: name.to_owned() });
    }
    Ok(())
}

/// Holds a template's variables against the schema of the handler's type.
fn check_variables(
    name: &str,
    template: &UriTemplate,
    schema: &Value,
) -> Result<(), RegistryError> {
    let known = |variable: &str| schema["properties"].get(variable).is_some();
    // A type of any members, such as `Value`, knows every variable.
    let is_open = match &schema["additionalProperties"] {
        Value::Null => schema.get("properties").is_none(),
        allowed => *allowed != Value::Bool(false),
    };
    if let Some(variable) = template.variables().find(|variable| !is_open && !known(variable)) {
        let (template, variable) = (name.to_owned(), variable.to_owned());
        return Err(RegistryError::Variable { template, variable });
    }
    let mut required =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let given = |field: &str| template.variables().any(|variable| variable == field);
    match required.find(|field| !given(field)) {
        None => Ok(()),
        Some(field) => {
            let (template, field) = (name.to_owned(), field.to_owned());
            Err(RegistryError::Field { template, field })
        }
    }
}

/// The first property that no text can be: nobody could ever give it.
fn deep_argument(schema: &Value) -> Option<String> {
    let deep = |property: &Value| {
        let types = property_types(schema, property);
        let said = ["string", "number", "integer", "boolean"];
        !types.is_empty() && !types.iter().any(|name| said.contains(name))
    };
    let mut properties = schema["properties"].as_object()?.iter();
    properties.find(|(_, property)| deep(property)).map(|(name, _)| name.clone())
}

fn check_completers(
    what: Offer,
    name: &str,
    completers: &[Completer],
    takes: impl Fn(&str) -> bool,
) -> Result<(), RegistryError> {
    match completers.iter().find(|completer| !takes(&completer.argument)) {
        None => Ok(()),
        Some(Completer { argument, .. }) => {
            let (name, argument) = (name.to_owned(), argument.clone());
            Err(RegistryError::Completes { what, name, argument })
        }
    }
}

#[cfg(test)]
mod tests;
