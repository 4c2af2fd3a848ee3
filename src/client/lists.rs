//! What a server has, all pages: tools, resources, resource templates, prompts.
//!
//! Tools are read (`tools`); the others are passed on as their server describes them.
//! Spec: MCP 2026-07-28 server/utilities/pagination. Limits: `pages_max`, `items_max`.
//! Invariant: only a missing `nextCursor` ends a list; an empty one is a cursor.

use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::error::{ClientError, Failure};
use crate::client::request::Ask;
use crate::client::session::{Client, object};
use crate::client::tools::{Event, ToolList};

const METHOD_NOT_FOUND: i64 = -32_601;

/// A list that a server may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Its tools.
    Tools,
    /// Its resources.
    Resources,
    /// Its resource templates.
    ResourceTemplates,
    /// Its prompts.
    Prompts,
}

impl List {
    /// The capability without which there is no such list.
    #[must_use]
    pub fn capability(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources | Self::ResourceTemplates => "resources",
            Self::Prompts => "prompts",
        }
    }

    /// The member of the result that holds it.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Resources => "resources/list",
            Self::ResourceTemplates => "resources/templates/list",
            Self::Prompts => "prompts/list",
        }
    }

    /// What one of its items is, for people, in the plural.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::ResourceTemplates => "resource templates",
            Self::Prompts => "prompts",
        }
    }
}

impl Client {
    /// The tools of the server, all pages; asked for once.
    ///
    /// # Errors
    /// `ClientError`: the way there, the server's error, or a list past the limits.
    pub fn list_tools(&mut self) -> Result<&ToolList, ClientError> {
        if self.tools.is_none() {
            let items = self.fetch(List::Tools).map_err(|failure| self.error(failure))?;
            self.tools = Some(ToolList::of(items, self.server.era));
        }
        Ok(self.tools.get_or_insert_default())
    }

    /// A list of the server, all pages. It is empty where the server knows no such list, which one
    /// with resources and without templates may.
    ///
    /// # Errors
    /// `ClientError`: the way there, the server's error, or a list past the limits.
    pub fn list(&mut self, list: List) -> Result<Vec<Value>, ClientError> {
        self.fetch(list).map_err(|failure| self.error(failure))
    }

    fn fetch(&mut self, list: List) -> Result<Vec<Value>, Failure> {
        let method = list.method();
        let limits = self.exchanger.options().limits;
        let (mut items, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..limits.pages_max {
            let params = cursor.map(|cursor| object(json!({"cursor": cursor})));
            let ask = Ask { method, params: params.unwrap_or_default(), ..Ask::default() };
            let may_lack =
                list == List::ResourceTemplates || !self.server.offers(list.capability());
            let result = match self.request(ask, &mut |_: Event| {}) {
                Err(Failure::Rpc(error)) if error.code == METHOD_NOT_FOUND && may_lack => {
                    return Ok(items);
                }
                outcome => outcome?,
            };
            cursor = add_page(&mut items, &result, list)
                .map_err(|detail| Failure::Malformed { method, detail })?;
            if items.len() > limits.items_max {
                let (what, limit_count) = (list.in_words(), limits.items_max);
                return Err(Failure::TooMany { method, what, limit_count });
            }
            if cursor.is_none() {
                return Ok(items);
            }
        }
        Err(Failure::TooMany { method, what: "pages", limit_count: limits.pages_max })
    }
}

/// Adds a page. Returns the cursor of the next one.
fn add_page(
    items: &mut Vec<Value>,
    result: &RawValue,
    list: List,
) -> Result<Option<String>, String> {
    let mut page: Value = serde_json::from_str(result.get()).map_err(|error| error.to_string())?;
    match page.get_mut(list.member()).map(Value::take) {
        Some(Value::Array(more)) => items.extend(more),
        _ => return Err(format!("{} is no array", list.member())),
    }
    match page.get_mut("nextCursor").map(Value::take) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(cursor)) => Ok(Some(cursor)),
        Some(_) => Err("nextCursor is no text".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    #[test]
    fn pages_are_added_up_to_the_one_without_a_cursor() {
        let mut items = Vec::new();
        let mut add = |page: Value| {
            let page = to_raw_value(&page).expect("json");
            add_page(&mut items, &page, List::Prompts)
        };
        let page = json!({"prompts": [{"name": "a"}], "nextCursor": ""});
        assert_eq!(add(page), Ok(Some(String::new())), "an empty cursor is a cursor");
        assert_eq!(add(json!({"prompts": [{"name": "b"}]})), Ok(None));
        for page in [json!({}), json!({"prompts": 5}), json!({"prompts": [], "nextCursor": 5})] {
            add(page).expect_err("no page");
        }
        assert_eq!(items.len(), 2);
    }
}
