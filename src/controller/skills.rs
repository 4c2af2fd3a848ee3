//! Skills: one of them, the children of a folder, and their files. Their list is one of `lists`.
//!
//! Spec: the extension `io.modelcontextprotocol/skills`. All of it was bytes before anybody asked,
//! so no call begins here: even a file is answered at once.

use super::dispatch::{Controller, Reaction, Reply};
use crate::handler::skill::SkillFile;
use crate::jsonrpc::error::RpcError;
use crate::jsonrpc::view::View;
use crate::mcp::error;

impl Controller {
    /// `skills/get`
    pub(super) fn get_skill(
        &self,
        params: Option<View<'_>>,
        reply: Reply<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let edition = self.catalogue.edition(reply.revision);
        let found = self.address_in_skills(params).and_then(|uri| {
            let index = self.catalogue.registry().skill_index(uri);
            index.and_then(|index| edition.skill(index)).ok_or_else(|| {
                let reason = "no skill has its SKILL.md at uri; skills/list names those there are";
                error::invalid_params(reason)
            })
        });
        match found {
            Ok(result) => reply.result(out, result),
            Err(error) => reply.error(out, &error),
        }
    }

    /// `resources/directory/read`
    pub(super) fn read_folder(
        &self,
        params: Option<View<'_>>,
        reply: Reply<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let edition = self.catalogue.edition(reply.revision);
        let found = self.address_in_skills(params).and_then(|uri| {
            edition.folder(uri).ok_or_else(|| {
                error::invalid_params("there is no folder at uri; that of a skill is skill://NAME")
            })
        });
        match found {
            Ok(pages) => self.page(pages, params, reply, out),
            Err(error) => reply.error(out, &error),
        }
    }

    /// The address that a request is about, where there are skills.
    fn address_in_skills<'a>(&self, params: Option<View<'a>>) -> Result<&'a str, RpcError> {
        if self.catalogue.registry().skills().is_empty() {
            return Err(error::method_not_found());
        }
        let uri = params.and_then(|params| params.get("uri")).and_then(View::as_str);
        uri.ok_or_else(|| error::invalid_params("uri must be a string"))
    }

    /// `resources/read` of a skill's file, in the words of every revision.
    pub(super) fn read_skill_file(
        &self,
        file: &SkillFile,
        reply: Reply<'_>,
        out: &mut Vec<u8>,
    ) -> Reaction {
        let rules = reply.revision.rules();
        reply.open(out);
        out.extend_from_slice(br#"{"contents":["#);
        file.contents.encode(out, rules);
        out.push(b']');
        if rules.result_type {
            out.push(b',');
            self.catalogue.cache_hints().encode(out);
            // The empty result has what every result has, behind its brace.
            out.push(b',');
            let empty = &self.catalogue.edition(reply.revision).empty;
            out.extend_from_slice(empty.get(1..).unwrap_or_default());
        } else {
            out.push(b'}');
        }
        out.push(b'}');
        Reaction::Answered { status: 200 }
    }
}
