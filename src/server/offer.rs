//! What a server offers: tools, resources, templates of them, prompts, skills.
//!
//! Each kind has a short form, and one for those that say more about themselves. What cannot be
//! offered is noted, and told with every other fault when the server is started.

use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Server;
use crate::catalog::skills;
use crate::handler::context::Cx;
use crate::handler::error::ToolError;
use crate::handler::off_core::BlockingCx;
use crate::handler::prompt::{IntoMessages, Prompt};
use crate::handler::resource::{IntoContents, Resource, ResourceTemplate};
use crate::handler::tool::Tool;

impl Server {
    /// Offers a tool. See [`Tool::new`] for what a handler takes and gives back, and
    /// [`add`](Self::add) for tools that say more about themselves.
    pub fn tool<A, R, F>(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
        handler: F,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + 'static,
        R: Serialize + JsonSchema + 'static,
        F: AsyncFn(Cx, A) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        self.add(Tool::new(name, description, handler))
    }

    /// Offers a tool whose work blocks: it runs beside the cores. See [`Tool::blocking`].
    pub fn tool_blocking<A, R, F>(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
        handler: F,
    ) -> Self
    where
        A: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + JsonSchema + 'static,
        F: Fn(BlockingCx, A) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        self.add(Tool::blocking(name, description, handler))
    }

    /// Offers a tool. One that cannot be offered is told of when the server is started.
    #[expect(clippy::should_implement_trait, reason = "servers are not summed up with `+`")]
    pub fn add(mut self, tool: Tool) -> Self {
        self.faults.extend(self.registry.add_tool(tool).err());
        self
    }

    /// Offers a resource at an address. See [`Resource::new`] for what a handler gives back, and
    /// [`add_resource`](Self::add_resource) for resources that say more about themselves.
    pub fn resource<R, F>(
        self,
        uri: impl Into<String>,
        name: impl Into<String>,
        description: impl Into<String>,
        handler: F,
    ) -> Self
    where
        R: IntoContents + 'static,
        F: AsyncFn(Cx) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        self.add_resource(Resource::new(uri, name, handler).description(description))
    }

    /// Offers a resource. One that cannot be offered is told of when the server is started.
    pub fn add_resource(mut self, resource: Resource) -> Self {
        self.faults.extend(self.registry.add_resource(resource).err());
        self
    }

    /// Offers resources at the addresses that a template gives; those offered at an address of
    /// their own go before them. See [`ResourceTemplate`], and
    /// [`add_resource_template`](Self::add_resource_template) for those that say more.
    pub fn resource_template<P, R, F>(
        self,
        template: impl Into<String>,
        name: impl Into<String>,
        description: impl Into<String>,
        handler: F,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema + 'static,
        R: IntoContents + 'static,
        F: AsyncFn(Cx, P) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        let template = ResourceTemplate::new(template, name, handler);
        self.add_resource_template(template.description(description))
    }

    /// Offers resources by a template. Where several give an address, the first is asked.
    pub fn add_resource_template(mut self, template: ResourceTemplate) -> Self {
        self.faults.extend(self.registry.add_template(template).err());
        self
    }

    /// Offers a prompt. See [`Prompt::new`] for what a handler takes and gives back, and
    /// [`add_prompt`](Self::add_prompt) for prompts that say more about themselves.
    pub fn prompt<P, R, F>(
        self,
        name: impl Into<String>,
        description: impl Into<String>,
        handler: F,
    ) -> Self
    where
        P: DeserializeOwned + JsonSchema + 'static,
        R: IntoMessages + 'static,
        F: AsyncFn(Cx, P) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        self.add_prompt(Prompt::new(name, description, handler))
    }

    /// Offers a prompt. One that cannot be offered is told of when the server is started.
    pub fn add_prompt(mut self, prompt: Prompt) -> Self {
        self.faults.extend(self.registry.add_prompt(prompt).err());
        self
    }

    /// Offers the skills of a folder (the extension `io.modelcontextprotocol/skills`): each folder
    /// in it that has a `SKILL.md` is one. It is called as its folder is, of `a-z`, `0-9` and
    /// single hyphens between them, and so does the front matter of its `SKILL.md` call it, which
    /// describes it too. May be said of several folders.
    ///
    /// The files are read here, once, and served from memory: what changes on disk is seen by the
    /// next start. A skill may have 512 files and 16 MiB. Hidden files are left out; a link is
    /// followed to a file of the same skill. Whatever else there is cannot be offered, and is told
    /// of when the server is started.
    ///
    /// A skill's files are at `skill://NAME/...`; clients of every revision may read them, and find
    /// each `SKILL.md` among the resources.
    pub fn skills(mut self, folder: impl AsRef<Path>) -> Self {
        let (skills, faults) = skills::load(folder.as_ref());
        self.skill_faults.extend(faults);
        for skill in skills {
            self.faults.extend(self.registry.add_skill(skill).err());
        }
        self
    }
}
