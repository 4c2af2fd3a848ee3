//! A server with a resource, a template and a prompt of every kind, and no tools.

use std::time::Duration;

use ringlane::{
    Annotations, CacheScope, Completing, Completions, Content, Cx, Icon, Prompt, PromptMessage,
    PromptMessages, Resource, ResourceContents, ResourceTemplate, Role, Server, ToolError,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize, JsonSchema)]
pub struct Note {
    pub name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Search {
    /// From which on.
    id: u32,
    word: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
struct Review {
    /// What to review.
    code: String,
    /// How often.
    #[serde(default)]
    #[schemars(title = "Rounds")]
    rounds: Option<u8>,
}

/// Resources, templates and prompts of every kind; no tools.
pub fn library() -> Server {
    prompts(templates(resources(Server::new("library", "1.0.0"))))
}

fn annotations() -> Annotations {
    Annotations {
        audience: vec![Role::User],
        priority: Some(0.5),
        last_modified: Some("2026-01-01T00:00:00Z".to_owned()),
    }
}

fn resources(server: Server) -> Server {
    server
        .resource("test://text", "text", "A text", async |_: Cx| Ok("a\r\n\"é"))
        .resource("test://bytes", "bytes", "Bytes", async |_: Cx| Ok(vec![0_u8, 9, 255]))
        .add_resource(
            Resource::new("test://full", "full", async |_: Cx| {
                Ok(vec![
                    ResourceContents::text("test://full", "text/markdown", "# Full"),
                    ResourceContents::blob("test://full/1", "image/png", b"\x89PNG".to_vec())
                        .with_meta("example.com/k", 1),
                ])
            })
            .title("Full")
            .description("All that can be said")
            .mime_type("text/markdown")
            .size_bytes(6)
            .annotations(annotations())
            .icon(Icon::new("https://example.com/i.png"))
            .meta("example.com/k", json!({"a": [1]}))
            .cache(Duration::from_secs(60), CacheScope::Private),
        )
        .resource("note:///fixed", "fixed", "Before its template", async |_: Cx| Ok("fixed"))
        .resource("test://told", "told", "Fails in words", async |_: Cx| {
            Err::<String, _>(ToolError::new("no luck"))
        })
        .resource("test://code", "code", "Fails by code", async |_: Cx| {
            Err::<String, _>(ToolError::rpc(7, "seven"))
        })
        .resource("test://progress", "progress", "Tells its progress", async |cx: Cx| {
            cx.progress(1, 2, "half").await;
            Ok("told")
        })
}

fn templates(server: Server) -> Server {
    let notes = async |_: Cx, Note { name }: Note| match name.as_str() {
        "none" => Err(ToolError::not_found()),
        _ => Ok(format!("<{name}>")),
    };
    server
        .add_resource_template(
            ResourceTemplate::new("note:///{name}", "notes", notes)
                .title("Notes")
                .description("A note")
                .mime_type("text/html")
                .annotations(annotations())
                .icon(Icon::new("https://example.com/i.png"))
                .meta("example.com/k", 1)
                .complete("name", async |_: Cx, typed: Completing| {
                    Ok(typed.among(["first", "fixed", "second"]))
                }),
        )
        .resource_template("note:///{+name}", "deep", "Later", async |_: Cx, note: Note| {
            Ok(format!("deep {}", note.name))
        })
        .resource_template("find:{id}{?word}", "find", "Found", async |_: Cx, search: Search| {
            Ok(ResourceContents::text(
                format!("find:{}", search.id),
                "text/plain",
                search.word.unwrap_or_default(),
            ))
        })
}

fn prompts(server: Server) -> Server {
    let review = async |_: Cx, Review { code, rounds }: Review| {
        Ok(format!("Review {code} {} times", rounds.unwrap_or(1)))
    };
    let many = async |_: Cx, typed: Completing| {
        let settled = typed.arguments.get("code").cloned().unwrap_or_default();
        Ok((0..250).map(|n| format!("{settled}{}{n}", typed.value)).collect::<Vec<_>>())
    };
    server
        .prompt("hello", "Says hello", async |_: Cx, (): ()| Ok("Hello"))
        .add_prompt(
            Prompt::new("review", "Reviews code", review)
                .title("Review")
                .icon(Icon::new("https://example.com/i.png"))
                .meta("example.com/k", 1)
                .complete("rounds", many)
                .complete("code", async |_: Cx, _: Completing| {
                    Ok(Completions { values: vec!["main".to_owned()], total: None, more: true })
                }),
        )
        .prompt("all", "Content of every kind", async |_: Cx, (): ()| {
            let text = ResourceContents::text("test://t", "text/plain", "t");
            Ok(PromptMessages::new()
                .user(Content::resource(text))
                .user(Content::image(b"\x89", "image/png"))
                .assistant(Content::audio(b"RIFF", "audio/wav"))
                .assistant("Done")
                .description("Of every kind"))
        })
        .prompt("list", "A list of messages", async |_: Cx, (): ()| {
            let content = Content::text("I am the model");
            Ok(vec![PromptMessage { role: Role::Assistant, content }])
        })
        .prompt("fail", "Fails in words", async |_: Cx, (): ()| {
            Err::<String, _>(ToolError::new("no luck"))
        })
}
