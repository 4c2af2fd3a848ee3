//! What can be asked: the methods that this server answers, and in which era.
//!
//! A method that is not here is unknown to the whole server (-32601). Spec: MCP 2026-07-28 and
//! 2025-11-25, schema.

use super::revision::Era;

/// A request method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `initialize`: the legacy handshake.
    Initialize,
    /// `server/discover`: what this server is and speaks, in the modern era.
    ServerDiscover,
    /// `ping`
    Ping,
    /// `logging/setLevel`
    LoggingSetLevel,
    /// `resources/subscribe`
    ResourcesSubscribe,
    /// `resources/unsubscribe`
    ResourcesUnsubscribe,
    /// `subscriptions/listen`
    SubscriptionsListen,
    /// `tools/list`
    ToolsList,
    /// `tools/call`
    ToolsCall,
    /// `resources/list`
    ResourcesList,
    /// `resources/templates/list`
    ResourcesTemplatesList,
    /// `resources/read`
    ResourcesRead,
    /// `prompts/list`
    PromptsList,
    /// `prompts/get`
    PromptsGet,
    /// `completion/complete`
    CompletionComplete,
    /// `skills/list`, of the extension of skills.
    SkillsList,
    /// `skills/get`
    SkillsGet,
    /// `resources/directory/read`
    ResourcesDirectoryRead,
    /// `tasks/get`, of the tasks extension
    TasksGet,
    /// `tasks/update`, of the tasks extension
    TasksUpdate,
    /// `tasks/cancel`, of the tasks extension
    TasksCancel,
}

/// The member of `params` that the field `Mcp-Name` mirrors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NamedBy {
    /// `params.name`
    Name,
    /// `params.uri`
    Uri,
    /// `params.taskId`
    TaskId,
}

impl NamedBy {
    /// The member's name.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Uri => "uri",
            Self::TaskId => "taskId",
        }
    }
}

impl Method {
    /// The method of this name, if it exists in this era. Names are compared by their bytes.
    #[must_use]
    pub fn parse(name: &str, era: Era) -> Option<Self> {
        match (name, era) {
            ("tools/call", _) => Some(Self::ToolsCall),
            ("tools/list", _) => Some(Self::ToolsList),
            ("resources/read", _) => Some(Self::ResourcesRead),
            ("resources/list", _) => Some(Self::ResourcesList),
            ("resources/templates/list", _) => Some(Self::ResourcesTemplatesList),
            ("prompts/get", _) => Some(Self::PromptsGet),
            ("prompts/list", _) => Some(Self::PromptsList),
            ("completion/complete", _) => Some(Self::CompletionComplete),
            ("server/discover", Era::Modern) => Some(Self::ServerDiscover),
            ("initialize", Era::Legacy) => Some(Self::Initialize),
            ("ping", Era::Legacy) => Some(Self::Ping),
            ("logging/setLevel", Era::Legacy) => Some(Self::LoggingSetLevel),
            ("resources/subscribe", Era::Legacy) => Some(Self::ResourcesSubscribe),
            ("resources/unsubscribe", Era::Legacy) => Some(Self::ResourcesUnsubscribe),
            ("subscriptions/listen", Era::Modern) => Some(Self::SubscriptionsListen),
            ("skills/list", Era::Modern) => Some(Self::SkillsList),
            ("skills/get", Era::Modern) => Some(Self::SkillsGet),
            ("resources/directory/read", Era::Modern) => Some(Self::ResourcesDirectoryRead),
            ("tasks/get", Era::Modern) => Some(Self::TasksGet),
            ("tasks/update", Era::Modern) => Some(Self::TasksUpdate),
            ("tasks/cancel", Era::Modern) => Some(Self::TasksCancel),
            _ => None,
        }
    }

    /// Whether a handler answers it, which may take its time.
    #[must_use]
    pub fn begins_call(self) -> bool {
        matches!(
            self,
            Self::ToolsCall | Self::ResourcesRead | Self::PromptsGet | Self::CompletionComplete
        )
    }

    /// Whether the answer to a method of this name may be a question in return
    /// (MCP 2026-07-28, basic/patterns/mrtr).
    #[must_use]
    pub fn may_ask(name: &str) -> bool {
        matches!(name, "tools/call" | "prompts/get" | "resources/read")
    }

    /// What `Mcp-Name` mirrors for a method of this name, known to this server or not
    /// (MCP 2026-07-28, streamable HTTP, "Standard Request Headers").
    #[must_use]
    pub fn named_by(name: &str) -> Option<NamedBy> {
        match name {
            "tools/call" | "prompts/get" => Some(NamedBy::Name),
            "resources/read" => Some(NamedBy::Uri),
            "tasks/get" | "tasks/update" | "tasks/cancel" => Some(NamedBy::TaskId),
            _ => None,
        }
    }
}
