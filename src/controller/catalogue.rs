//! The answers that are bytes before anybody asks: lists, discovery and handshakes, by revision.
//!
//! Made once for the process and shared by its cores; an answer splices in the request's id.
//! Spec: MCP 2026-07-28 server/discover, server/tools, caching; MCP 2025-11-25 lifecycle,
//! pagination.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::lists::List;
use crate::handler::registry::{Registry, ToolEntry};
use crate::handler::skill::{self, Skill};
use crate::mcp::capability::TASKS;
use crate::mcp::meta::SERVER_INFO;
use crate::mcp::model::cache::{CacheHints, CacheScope};
use crate::mcp::page::Cursor;
use crate::mcp::revision::{Era, Revision, Rules};

/// How lists are served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListSettings {
    /// How many entries a page holds. Default 200.
    pub page_entries_max: usize,
    /// For how long a client may keep a list without asking again (`ttlMs`). Default 0: it asks
    /// each time, so that a restart with other tools is seen at once.
    pub cache_ttl: Duration,
    /// Who may share a kept list. Both hold for read resources too, unless one says other hints.
    pub cache_scope: CacheScope,
}

impl Default for ListSettings {
    fn default() -> Self {
        Self { page_entries_max: 200, cache_ttl: Duration::ZERO, cache_scope: CacheScope::Public }
    }
}

impl ListSettings {
    /// What goes with a list, and with a resource that says nothing else.
    fn cache_hints(&self) -> CacheHints {
        CacheHints { ttl: self.cache_ttl, scope: self.cache_scope }
    }
}

/// What a server offers, and the answers made of it.
#[derive(Debug)]
pub struct Catalogue {
    registry: Registry,
    page_entries_max: usize,
    cache_hints: CacheHints,
    editions: [Edition; Revision::ALL.len()],
}

/// The answers in one revision.
#[derive(Debug)]
pub(super) struct Edition {
    /// The result of `initialize`, or of `server/discover`.
    pub(super) greeting: Bytes,
    /// The same for clients that get no session.
    pub(super) sessionless_greeting: Bytes,
    /// The pages of each list, in the order of [`List::ALL`].
    pages: [Vec<Bytes>; List::ALL.len()],
    /// The results of `skills/get`, in the order of the registry; none without extensions.
    skills: Vec<Bytes>,
    /// The pages of each folder of a skill, by its address; none without extensions.
    folders: HashMap<String, Vec<Bytes>>,
    /// Whether each tool's results are structured.
    pub(super) structured: Vec<bool>,
    /// The result of a completion that nothing completes.
    pub(super) no_completion: Bytes,
    /// The result that says nothing.
    pub(super) empty: Bytes,
    /// The server's `Implementation`, name and version alone.
    pub(super) server_name: Bytes,
}

impl Edition {
    pub(super) fn pages(&self, list: List) -> &[Bytes] {
        &self.pages[list as usize]
    }

    /// The result of `skills/get` for the skill of this index.
    pub(super) fn skill(&self, index: usize) -> Option<&Bytes> {
        self.skills.get(index)
    }

    /// The pages of the folder of a skill that has this address.
    pub(super) fn folder(&self, uri: &str) -> Option<&[Bytes]> {
        self.folders.get(uri).map(Vec::as_slice)
    }
}

impl Catalogue {
    /// Makes the answers of a frozen registry.
    #[must_use]
    pub fn new(registry: Registry, lists: &ListSettings) -> Arc<Self> {
        let editions = Revision::ALL.map(|revision| edition(&registry, lists, revision));
        let page_entries_max = lists.page_entries_max.max(1);
        let cache_hints = lists.cache_hints();
        Arc::new(Self { registry, page_entries_max, cache_hints, editions })
    }

    /// What the server offers.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Whether anything is read.
    pub(super) fn offers_resources(&self) -> bool {
        self.registry.has_resources()
    }

    /// Whether there are prompts.
    pub(super) fn offers_prompts(&self) -> bool {
        !self.registry.prompts().is_empty()
    }

    /// What goes with a read resource that says nothing of it.
    pub(super) fn cache_hints(&self) -> CacheHints {
        self.cache_hints
    }

    pub(super) fn edition(&self, revision: Revision) -> &Edition {
        &self.editions[revision.index()]
    }

    /// The page of a list that begins at a cursor; `None` if the cursor is not one of ours.
    pub(super) fn page<'p>(&self, pages: &'p [Bytes], cursor: Option<&str>) -> Option<&'p Bytes> {
        let Some(cursor) = cursor else { return pages.first() };
        let Cursor(entry) = Cursor::parse(cursor)?;
        let starts_page = entry > 0 && entry.is_multiple_of(self.page_entries_max);
        pages.get(entry / self.page_entries_max).filter(|_| starts_page)
    }
}

fn edition(registry: &Registry, lists: &ListSettings, revision: Revision) -> Edition {
    let rules = revision.rules();
    let server_info = registry.implementation.to_json(rules);
    // What goes with every result names the server; the greeting describes it.
    let server_name = json!({"name": server_info["name"], "version": server_info["version"]});
    let seal = |members: Map<String, Value>, hints: Option<&ListSettings>, info: &Value| {
        Bytes::from(Value::Object(sealed(members, hints, info, rules)).to_string())
    };
    let in_pages = |member: &str, entries: &[Value]| -> Vec<Bytes> {
        let pages = pages(member, entries, lists.page_entries_max).into_iter();
        pages.map(|page| seal(page, Some(lists), &server_name)).collect()
    };
    let greet = |tells_changes| {
        let greeting = greeting(registry, revision, &server_info, tells_changes);
        seal(greeting, Some(lists), &server_info)
    };
    let pages_of = |list: List| in_pages(list.member(), &entries(registry, list, rules));
    // Only whoever knows extensions can ask for skills.
    let skills = if rules.extensions { registry.skills() } else { &[] };
    let skill = |skill: &Skill| {
        seal(object(json!({ "skill": skill.to_json() })), Some(lists), &server_name)
    };
    let folders = skills.iter().flat_map(Skill::folders);
    let no_values = json!({"completion": {"values": [], "total": 0, "hasMore": false}});
    Edition {
        greeting: greet(true),
        sessionless_greeting: greet(false),
        pages: List::ALL.map(pages_of),
        skills: skills.iter().map(skill).collect(),
        folders: folders.map(|(uri, held)| (uri, in_pages("resources", &held))).collect(),
        structured: registry
            .tools()
            .iter()
            .map(|ToolEntry { definition, .. }| definition.is_structured(rules))
            .collect(),
        no_completion: seal(object(no_values), None, &server_name),
        empty: seal(Map::new(), None, &server_name),
        server_name: Bytes::from(server_name.to_string()),
    }
}

fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(members) = value { members } else { Map::new() }
}

/// What a list holds, as a revision writes it.
fn entries(registry: &Registry, list: List, rules: &Rules) -> Vec<Value> {
    match list {
        List::Tools => registry.tools().iter().map(|it| it.definition.to_json(rules)).collect(),
        List::Resources => {
            let resources = registry.resources().iter().map(|it| it.definition.to_json(rules));
            resources.chain(registry.skills().iter().filter_map(Skill::manifest_json)).collect()
        }
        List::Templates => {
            registry.templates().iter().map(|it| it.definition.to_json(rules)).collect()
        }
        List::Prompts => registry.prompts().iter().map(|it| it.definition.to_json(rules)).collect(),
        List::Skills if rules.extensions => registry.skills().iter().map(Skill::to_json).collect(),
        List::Skills => Vec::new(),
    }
}

/// Cuts a list into pages; an empty list is one empty page.
fn pages(member: &str, entries: &[Value], page_entries_max: usize) -> Vec<Map<String, Value>> {
    let page_entries_max = page_entries_max.max(1);
    let starts = (0..entries.len().max(1)).step_by(page_entries_max);
    let page = |start: usize| {
        let end = (start + page_entries_max).min(entries.len());
        let mut page = Map::from_iter([(member.to_owned(), json!(entries[start..end]))]);
        if end < entries.len() {
            page.insert("nextCursor".to_owned(), json!(Cursor(end).render()));
        }
        page
    };
    starts.map(page).collect()
}

fn greeting(
    registry: &Registry,
    revision: Revision,
    server_info: &Value,
    tells_changes: bool,
) -> Map<String, Value> {
    let mut greeting = Map::new();
    let mut insert = |name: &str, value: Value| greeting.insert(name.to_owned(), value);
    match revision.era() {
        Era::Legacy => insert("protocolVersion", json!(revision.rules().name)),
        Era::Modern => insert("supportedVersions", json!(Revision::MODERN_NAMES)),
    };
    insert("capabilities", capabilities(registry, revision.rules(), tells_changes));
    if revision.era() == Era::Legacy {
        insert("serverInfo", server_info.clone());
    }
    if let Some(instructions) = &registry.instructions {
        insert("instructions", json!(instructions));
    }
    greeting
}

/// What the server declares: what it offers, and logging, since any handler may log. Changes are
/// told on event streams, which a legacy client without a session has none of.
fn capabilities(registry: &Registry, rules: &Rules, tells_changes: bool) -> Value {
    let plain = || json!({});
    let listed = || if tells_changes { json!({"listChanged": true}) } else { plain() };
    let watched = || {
        if tells_changes { json!({"subscribe": true, "listChanged": true}) } else { plain() }
    };
    let mut declared = Map::from_iter([("logging".to_owned(), plain())]);
    let mut declare = |name: &str, is_offered: bool, value: Value| {
        if is_offered {
            declared.insert(name.to_owned(), value);
        }
    };
    declare("tools", !registry.tools().is_empty(), listed());
    declare("resources", registry.has_resources(), watched());
    declare("prompts", !registry.prompts().is_empty(), listed());
    declare("completions", rules.completions && registry.completes(), plain());
    let extensions = extensions(registry);
    declare("extensions", rules.extensions && !extensions.is_empty(), extensions.into());
    declared.into()
}

/// The extensions that the server declares, with their settings.
fn extensions(registry: &Registry) -> Map<String, Value> {
    let mut extensions = Map::new();
    if !registry.skills().is_empty() {
        extensions.insert(skill::EXTENSION.to_owned(), json!({"directoryRead": true}));
    }
    if registry.has_tasks {
        extensions.insert(TASKS.to_owned(), json!({}));
    }
    extensions
}

/// Adds what the modern era wants on a result: its type, the server's name, cache hints.
fn sealed(
    mut members: Map<String, Value>,
    hints: Option<&ListSettings>,
    server_info: &Value,
    rules: &Rules,
) -> Map<String, Value> {
    if !rules.result_type {
        return members;
    }
    members.insert("resultType".to_owned(), json!("complete"));
    if let Some(lists) = hints {
        let hints = lists.cache_hints();
        members.insert("ttlMs".to_owned(), json!(hints.ttl_ms()));
        members.insert("cacheScope".to_owned(), json!(hints.scope.name()));
    }
    members.insert("_meta".to_owned(), json!({ SERVER_INFO: server_info }));
    members
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handler::context::Cx;
    use crate::handler::tool::Tool;

    #[test]
    fn pages_join_into_the_list_and_cursors_lead_through_them() {
        let mut registry = Registry::default();
        for index in 0..5 {
            let tool = Tool::new(format!("t{index}"), "d", async |_: Cx, (): ()| Ok("x"));
            registry.add_tool(tool).expect("a tool");
        }
        let lists = ListSettings { page_entries_max: 2, ..ListSettings::default() };
        let catalogue = Catalogue::new(registry, &lists);
        let pages = catalogue.edition(Revision::V2026_07_28).pages(List::Tools);
        let (mut names, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let page = catalogue.page(pages, cursor.as_deref()).expect("a page");
            let page: Value = serde_json::from_slice(page).expect("JSON");
            assert_eq!((&page["resultType"], &page["ttlMs"]), (&json!("complete"), &json!(0)));
            names
                .extend(page["tools"].as_array().expect("array").iter().map(|t| t["name"].clone()));
            match page.get("nextCursor") {
                Some(next) => cursor = next.as_str().map(str::to_owned),
                None => break,
            }
        }
        assert_eq!(names, ["t0", "t1", "t2", "t3", "t4"]);
        for foreign in ["", "x", &Cursor(0).render(), &Cursor(1).render(), &Cursor(6).render()] {
            assert!(catalogue.page(pages, Some(foreign)).is_none(), "{foreign}");
        }
    }

    #[test]
    fn a_server_without_tools_declares_none() {
        let catalogue = Catalogue::new(Registry::default(), &ListSettings::default());
        let greeting: Value =
            serde_json::from_slice(&catalogue.edition(Revision::V2025_11_25).greeting)
                .expect("JSON");
        assert_eq!(greeting["capabilities"], json!({"logging": {}}));
        assert_eq!(greeting["protocolVersion"], "2025-11-25");
        assert!(greeting.get("resultType").is_none());
    }
}
