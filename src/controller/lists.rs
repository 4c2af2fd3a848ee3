//! Lists: tools, resources, templates, prompts and skills, page by page.
//!
//! Spec: MCP 2025-11-25 server/utilities/pagination. The pages are bytes already; see `catalogue`.

use bytes::Bytes;

use super::dispatch::{Controller, Reaction, Reply};
use crate::jsonrpc::view::View;
use crate::mcp::error;

/// What is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// `tools/list`
    Tools,
    /// `resources/list`
    Resources,
    /// `resources/templates/list`
    Templates,
    /// `prompts/list`
    Prompts,
    /// `skills/list`
    Skills,
}

impl List {
    pub(super) const ALL: [Self; 5] =
        [Self::Tools, Self::Resources, Self::Templates, Self::Prompts, Self::Skills];

    /// The member that holds the entries.
    pub(super) fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Prompts => "prompts",
            Self::Skills => "skills",
        }
    }
}

impl Controller {
    /// A page of a list. The lists of what is not offered do not exist; whoever offers resources
    /// has both their lists.
    pub(super) fn list(
        &self,
        list: List,
        params: Option<View<'_>>,
        reply: Reply<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let registry = self.catalogue.registry();
        let offered = match list {
            List::Tools => !registry.tools().is_empty(),
            List::Resources | List::Templates => registry.has_resources(),
            List::Prompts => !registry.prompts().is_empty(),
            List::Skills => !registry.skills().is_empty(),
        };
        if !offered {
            return reply.error(out, &error::method_not_found());
        }
        self.page(self.catalogue.edition(reply.revision).pages(list), params, reply, out)
    }

    /// The page that the request's cursor leads to.
    pub(super) fn page(
        &self,
        pages: &[Bytes],
        params: Option<View<'_>>,
        reply: Reply<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let cursor = match params.and_then(|params| params.get("cursor")).map(View::as_str) {
            None => None,
            Some(Some(cursor)) => Some(cursor),
            Some(None) => {
                return reply.error(out, &error::invalid_params("cursor must be a string"));
            }
        };
        match self.catalogue.page(pages, cursor) {
            Some(page) => reply.result(out, page),
            None => reply.error(
                out,
                &error::invalid_params("cursor is not one that this server gave; list anew"),
            ),
        }
    }
}
