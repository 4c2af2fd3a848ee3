//! What a request says of itself: `params._meta`, and in it the modern era's envelope.
//!
//! Spec: MCP 2026-07-28 basic, "Request metadata"; MCP 2025-11-25 basic, `_meta` and progress.
//! Not here: which revision that makes (`era`), what follows for an answer (the controller).

use super::model::log::LogLevel;
use crate::jsonrpc::message::Id;
use crate::jsonrpc::view::View;

/// The prefix of the keys that the protocol reserves for itself.
pub const RESERVED_PREFIX: &str = "io.modelcontextprotocol/";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
const PROGRESS_TOKEN: &str = "progressToken";
/// The key under which a result names the server.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// `params._meta`, its members found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Meta<'a> {
    /// The whole object.
    all: Option<View<'a>>,
    /// The revision that the request claims to speak: its presence makes the request modern.
    pub version: Option<View<'a>>,
    /// What the client can do, in the modern era.
    pub capabilities: Option<View<'a>>,
    /// Who the client says it is, in the modern era.
    pub client_info: Option<View<'a>>,
    /// From which level on the client wants logs, in the modern era.
    pub log_level: Option<View<'a>>,
    /// The token that progress notifications carry back.
    pub progress_token: Option<View<'a>>,
    /// Whether there are members besides, which are the handler's.
    has_own: bool,
}

impl<'a> Meta<'a> {
    /// Finds the members of `params._meta`. A `_meta` that is no object counts as none.
    #[must_use]
    pub fn read(params: Option<View<'a>>) -> Self {
        let mut meta =
            Self { all: params.and_then(|params| params.get("_meta")), ..Self::default() };
        for (name, value) in meta.all.into_iter().flat_map(View::members) {
            match name {
                VERSION => meta.version = Some(value),
                CAPABILITIES => meta.capabilities = Some(value),
                CLIENT_INFO => meta.client_info = Some(value),
                LOG_LEVEL => meta.log_level = Some(value),
                PROGRESS_TOKEN => meta.progress_token = Some(value),
                name => meta.has_own |= !is_reserved(name),
            }
        }
        meta
    }

    /// The members that are neither the protocol's nor the progress token.
    pub fn own(&self) -> impl Iterator<Item = (&'a str, View<'a>)> {
        let all = self.all.filter(|_| self.has_own).into_iter().flat_map(View::members);
        all.filter(|(name, _)| !is_reserved(name) && *name != PROGRESS_TOKEN)
    }

    /// The progress token, if one came and is a string or an integer.
    #[must_use]
    pub fn token(&self) -> Option<Id<'a>> {
        self.progress_token.and_then(Id::read)
    }

    /// The level from which on the client wants logs; `Err` with what it asked for if that is no
    /// level.
    ///
    /// # Errors
    /// When the value is not one of the eight levels.
    pub fn level(&self) -> Result<Option<LogLevel>, BadLogLevel> {
        self.log_level
            .map(|level| level.as_str().and_then(LogLevel::parse).ok_or(BadLogLevel))
            .transpose()
    }
}

fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED_PREFIX)
}

/// A log level that is not one of the eight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("log level must be one of debug, info, notice, warning, error, critical, alert, emergency")]
pub struct BadLogLevel;
