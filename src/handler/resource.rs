//! A resource, or a template of them: what a programmer hands over, and its code.
//!
//! A handler gives text, bytes, or contents said in full; they are written as the caller's revision
//! knows them, with how long they may be kept. Spec: MCP 2026-07-28 server/resources, caching.

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::answer::{Finished, members};
use super::code::{Code, Kind};
use super::completion::{Completer, Completing, Completions};
use super::context::Cx;
use super::error::ToolError;
use super::input::{InputSchema, SchemaError};
use crate::jsonrpc::encode;
use crate::mcp::error;
use crate::mcp::model::annotations::Annotations;
use crate::mcp::model::cache::{CacheHints, CacheScope};
use crate::mcp::model::content::ResourceContents;
use crate::mcp::model::icon::Icon;
use crate::mcp::model::resource::{Address, ResourceDefinition};

/// A resource: what clients are told of it, and the code that reads it.
///
/// ```
/// use ringlane::{Cx, Resource};
///
/// let readme = Resource::new("docs:///readme", "readme", async |_: Cx| Ok("# Read me"))
///     .description("What to know first")
///     .mime_type("text/markdown");
/// ```
pub struct Resource {
    pub(super) definition: ResourceDefinition,
    pub(super) cache: Option<CacheHints>,
    pub(super) code: Code<Read>,
}

/// Resources at all addresses that a template gives.
///
/// The template is one of RFC 6570: `{name}` is one segment of a path, `{+path}` is anything, with
/// slashes, and a last `{?a,b}` are values of a query that may be left out. Handlers are given
/// them decoded. What a plain `{name}` gives is safe as the name of a file: it has no `/` and is
/// neither `.` nor `..`, whatever was escaped. What `{+path}` gives may lead anywhere; check it.
///
/// ```
/// use ringlane::{Completing, Cx, ResourceTemplate, ToolError};
/// # #[derive(serde::Deserialize, schemars::JsonSchema)] struct Note { name: String }
///
/// let notes = ResourceTemplate::new("note:///{name}", "notes", async |_: Cx, note: Note| {
///     if note.name == "first" { Ok("A note") } else { Err(ToolError::not_found()) }
/// })
/// .mime_type("text/plain")
/// .complete("name", async |_: Cx, typed: Completing| Ok(typed.among(["first"])));
/// ```
pub struct ResourceTemplate {
    pub(super) definition: ResourceDefinition,
    pub(super) cache: Option<CacheHints>,
    pub(super) code: Result<(Arc<InputSchema>, Code<Read>), SchemaError>,
    pub(super) completers: Vec<Completer>,
}

impl Resource {
    /// A resource at `uri`, under a name for programs. `handler` runs on the core that received the
    /// request and must not block. See [`IntoContents`] for what it may give back.
    pub fn new<R, F>(uri: impl Into<String>, name: impl Into<String>, handler: F) -> Self
    where
        R: IntoContents + 'static,
        F: AsyncFn(Cx) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        let handler = Arc::new(handler);
        let code = Code::new(move || {
            let handler = Rc::new(handler.clone());
            move |cx: Cx, asked: Reading<'_>| {
                let (handler, frame) = (handler.clone(), Frame::of(&asked));
                Ok(async move {
                    let read = handler(cx.clone()).await;
                    frame.finish(&cx, read)
                })
            }
        });
        let definition = ResourceDefinition::new(Address::Uri(uri.into()), name.into());
        Self { definition, cache: None, code }
    }

    /// Its size before any encoding, in bytes.
    #[must_use]
    pub fn size_bytes(mut self, size: u64) -> Self {
        self.definition.size_bytes = Some(size);
        self
    }
}

impl ResourceTemplate {
    /// Resources at the addresses that `template` gives, under a name for programs. The fields of
    /// `P` are the template's variables. `handler` is as [`Resource::new`] says; an address at
    /// which there is nothing is [`ToolError::not_found`].
    pub fn new<P, R, F>(template: impl Into<String>, name: impl Into<String>, handler: F) -> Self
    where
        P: DeserializeOwned + JsonSchema + 'static,
        R: IntoContents + 'static,
        F: AsyncFn(Cx, P) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        let input = InputSchema::of_type::<P>().map(Arc::new);
        let definition = ResourceDefinition::new(Address::Template(template.into()), name.into());
        let code = input.map(|input| (input.clone(), template_code::<P, R, F>(input, handler)));
        Self { definition, cache: None, code, completers: Vec::new() }
    }

    /// Completes a variable while somebody types it. `handler` gives a list of texts, or
    /// [`Completions`].
    #[must_use]
    pub fn complete<R, F>(mut self, variable: impl Into<String>, handler: F) -> Self
    where
        R: Into<Completions> + 'static,
        F: AsyncFn(Cx, Completing) -> Result<R, ToolError> + Send + Sync + 'static,
    {
        self.completers.push(Completer::new(variable.into(), handler));
        self
    }
}

fn template_code<P, R, F>(input: Arc<InputSchema>, handler: F) -> Code<Read>
where
    P: DeserializeOwned + 'static,
    R: IntoContents + 'static,
    F: AsyncFn(Cx, P) -> Result<R, ToolError> + Send + Sync + 'static,
{
    let handler = Arc::new(handler);
    Code::new(move || {
        let (input, handler) = (input.clone(), Rc::new(handler.clone()));
        move |cx: Cx, asked: Reading<'_>| {
            let (handler, frame) = (handler.clone(), Frame::of(&asked));
            let variables = input.read_texts::<P>(asked.variables)?;
            Ok(async move {
                let read = handler(cx.clone(), variables).await;
                frame.finish(&cx, read)
            })
        }
    })
}

/// What both kinds say about themselves.
macro_rules! told {
    ($($kind:ident),*) => {
        $(impl $kind {
            /// Its name for people.
            #[must_use]
            pub fn title(mut self, title: impl Into<String>) -> Self {
                self.definition.title = Some(title.into());
                self
            }

            /// What it is.
            #[must_use]
            pub fn description(mut self, description: impl Into<String>) -> Self {
                self.definition.description = Some(description.into());
                self
            }

            /// Its media type. Plain text and bytes that a handler gives are sent with it; without
            /// it, as `text/plain` and `application/octet-stream`.
            #[must_use]
            pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
                self.definition.mime_type = Some(mime_type.into());
                self
            }

            /// Whom it is for.
            #[must_use]
            pub fn annotations(mut self, annotations: Annotations) -> Self {
                self.definition.annotations = Some(annotations);
                self
            }

            /// A picture for it.
            #[must_use]
            pub fn icon(mut self, icon: Icon) -> Self {
                self.definition.icons.push(icon);
                self
            }

            /// A member of its `_meta`.
            #[must_use]
            pub fn meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
                self.definition.meta.insert(key.into(), value.into());
                self
            }

            /// For how long what was read may be kept, and by whom. Without this, as
            /// [`ListSettings`](crate::ListSettings) say.
            #[must_use]
            pub fn cache(mut self, ttl: Duration, scope: CacheScope) -> Self {
                self.cache = Some(CacheHints { ttl, scope });
                self
            }
        }

        impl fmt::Debug for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let address = self.definition.address();
                f.debug_struct(stringify!($kind)).field("address", &address).finish_non_exhaustive()
            }
        })*
    };
}
told!(Resource, ResourceTemplate);

/// What a resource's handler may give back: text, bytes, or contents said in full.
pub trait IntoContents {
    /// The contents of the resource at `uri`, whose media type is as registered.
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Vec<ResourceContents>;
}

impl IntoContents for String {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Vec<ResourceContents> {
        vec![ResourceContents::text(uri, mime_type.unwrap_or("text/plain"), self)]
    }
}

impl IntoContents for &'static str {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Vec<ResourceContents> {
        self.to_owned().into_contents(uri, mime_type)
    }
}

impl IntoContents for Vec<u8> {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Vec<ResourceContents> {
        let mime_type = mime_type.unwrap_or("application/octet-stream");
        vec![ResourceContents::blob(uri, mime_type, self)]
    }
}

impl IntoContents for &'static [u8] {
    fn into_contents(self, uri: &str, mime_type: Option<&str>) -> Vec<ResourceContents> {
        self.to_vec().into_contents(uri, mime_type)
    }
}

impl IntoContents for ResourceContents {
    fn into_contents(self, _: &str, _: Option<&str>) -> Vec<ResourceContents> {
        vec![self]
    }
}

impl IntoContents for Vec<ResourceContents> {
    fn into_contents(self, _: &str, _: Option<&str>) -> Vec<ResourceContents> {
        self
    }
}

/// What the code of a resource is given.
pub(crate) enum Read {}

impl Kind for Read {
    type Given<'a> = Reading<'a>;
}

/// A request to read, the resource found.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) uri: &'a str,
    pub(crate) mime_type: Option<&'a str>,
    /// The variables of the template; none of a single resource.
    pub(crate) variables: Map<String, Value>,
    pub(crate) cache: CacheHints,
}

/// What the writing of a result needs to remember of the request.
struct Frame {
    uri: String,
    mime_type: Option<String>,
    cache: CacheHints,
}

impl Frame {
    fn of(asked: &Reading<'_>) -> Self {
        Self {
            uri: asked.uri.to_owned(),
            mime_type: asked.mime_type.map(str::to_owned),
            cache: asked.cache,
        }
    }

    fn finish(self, cx: &Cx, read: Result<impl IntoContents, ToolError>) -> Finished {
        let Self { uri, mime_type, cache } = self;
        let not_found = || error::resource_not_found(&uri, cx.revision());
        let read = read.map_err(|failure| failure.into_rpc(not_found))?;
        let (contents, rules) =
            (read.into_contents(&uri, mime_type.as_deref()), cx.revision().rules());
        members(|out| {
            out.extend_from_slice(br#""contents":["#);
            for (index, contents) in contents.iter().enumerate() {
                encode::comma_unless_first(out, index);
                contents.encode(out, rules);
            }
            out.push(b']');
            if rules.result_type {
                out.push(b',');
                cache.encode(out);
            }
        })
    }
}
