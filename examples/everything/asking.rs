//! Asking: tools that need a person, a model or the client's folders before they can go on.
//!
//! Each is written once. A legacy client is asked on the call's stream; a modern one is answered
//! with the questions and calls again with the answers, and the handler runs again from the top.

use ringlane::{Capability, Cx, Elicited, Form, Root, Sampling, Server, ToolError, both};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub(crate) fn asking(server: Server) -> Server {
    server
        .tool("test_sampling", "Asks the client's model", {
            async |cx: Cx, Prompt { prompt }: Prompt| {
                let said = cx.sample("prompt", Sampling::user(prompt).max_tokens(100)).await?;
                Ok(format!("LLM response: {}", said.text()))
            }
        })
        .tool("test_elicitation", "Asks a person for a name and an address", {
            async |cx: Cx, Message { message }: Message| {
                let said: Elicited<Account> = cx.ask("account", &message).await?;
                Ok(format!("User response: {}", told(said)))
            }
        })
        .tool("test_elicitation_sep1034_defaults", "Asks with defaults", async |cx: Cx, (): ()| {
            let form = Form::new("Check these, or change them", defaults());
            let said = cx.ask_form("defaults", form).await?;
            Ok(format!("Elicitation completed: {}", told(said)))
        })
        .tool("test_elicitation_sep1330_enums", "Asks for choices", async |cx: Cx, (): ()| {
            let said = cx.ask_form("choices", Form::new("Choose", choices())).await?;
            Ok(format!("Elicitation completed: {}", told(said)))
        })
        .tool("test_streaming_elicitation", "Asks after it told something", {
            async |cx: Cx, (): ()| {
                cx.progress(1, 2, "about to ask").await;
                let said: Elicited<Name> = cx.ask("user_name", "What is your name?").await?;
                Ok(format!("User response: {}", told(said)))
            }
        })
        .tool("test_url_elicitation", "Sends a person to a page", async |cx: Cx, (): ()| {
            let page = "https://example.com/sign-in";
            let said = cx.ask_url("sign_in", "Sign in to go on", page).await?;
            Ok(format!("User response: action={}", said.action()))
        })
}

/// What the suite calls in the modern era, one way of asking each.
pub(crate) fn rounds(server: Server) -> Server {
    server
        .tool("test_input_required_result_elicitation", "Asks for a name", greet)
        .tool("test_input_required_result_sampling", "Asks the client's model", {
            async |cx: Cx, (): ()| {
                let question = Sampling::user("What is the capital of France?").max_tokens(100);
                let said = cx.sample("capital_question", question).await?;
                Ok(format!("The model said: {}", said.text()))
            }
        })
        .tool("test_input_required_result_list_roots", "Asks for the folders", {
            async |cx: Cx, (): ()| Ok(named(cx.roots("client_roots").await?))
        })
        .tool("test_input_required_result_request_state", "Asks for a yes", {
            async |cx: Cx, (): ()| {
                let said: Elicited<Confirmation> = cx.ask("confirm", "Go on?").await?;
                Ok(format!("state-ok: {}", told(said)))
            }
        })
        .tool("test_input_required_result_multiple_inputs", "Asks three things at once", together)
        .tool("test_input_required_result_multi_round", "Asks two things in turn", in_turn)
        .tool("test_input_required_result_tampered_state", "Asks, and trusts its state alone", {
            async |cx: Cx, (): ()| {
                let said: Elicited<Confirmation> = cx.ask("confirm", "Go on?").await?;
                Ok(format!("The state was ours: {}", told(said)))
            }
        })
        .tool("test_input_required_result_capabilities", "Asks whomever the client has", {
            async |cx: Cx, (): ()| {
                if cx.client_can(Capability::ElicitForm) {
                    return greet(cx, ()).await;
                }
                let said =
                    cx.sample("greeting", Sampling::user("Say hello").max_tokens(50)).await?;
                Ok(said.text())
            }
        })
        .prompt("test_input_required_result_prompt", "Asks what it is about", about)
        .tool("order_once", "Orders before it asks, once however often it is called", order)
}

#[derive(Deserialize, JsonSchema)]
struct Prompt {
    /// What to ask the model.
    prompt: String,
}

#[derive(Deserialize, JsonSchema)]
struct Message {
    /// What to ask the person.
    message: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Account {
    /// Your name here
    username: String,
    /// Where to write to you
    #[schemars(extend("format" = "email"))]
    email: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Name {
    /// What to call you
    name: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Colour {
    color: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Context {
    /// What it is about
    context: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Confirmation {
    /// Whether to go on
    ok: bool,
}

async fn greet(cx: Cx, (): ()) -> Result<String, ToolError> {
    match cx.ask("user_name", "What is your name?").await? {
        Elicited::Accepted(Name { name }) => Ok(format!("Hello, {name}!")),
        Elicited::Declined | Elicited::Cancelled => Ok("Hello, stranger!".to_owned()),
    }
}

async fn in_turn(cx: Cx, (): ()) -> Result<String, ToolError> {
    let name: Elicited<Name> = cx.ask("step1", "What is your name?").await?;
    let Some(Name { name }) = name.accepted() else { return Ok("Nobody there".to_owned()) };
    let question = format!("What is your favorite color, {name}?");
    let colour: Elicited<Colour> = cx.ask("step2", &question).await?;
    let colour = colour.accepted().map_or_else(|| "no color".to_owned(), |said| said.color);
    Ok(format!("{name} likes {colour}"))
}

async fn about(cx: Cx, (): ()) -> Result<String, ToolError> {
    let said: Elicited<Context> = cx.ask("user_context", "What is it about?").await?;
    let context = said.accepted().map_or_else(|| "nothing".to_owned(), |said| said.context);
    Ok(format!("Let us talk about {context}."))
}

async fn together(cx: Cx, (): ()) -> Result<String, ToolError> {
    let name = cx.ask::<Name>("user_name", "What is your name?");
    let greeting = cx.sample("greeting", Sampling::user("Write a greeting").max_tokens(50));
    let roots = cx.roots("client_roots");
    let (name, (greeting, roots)) = both(name, Box::pin(both(greeting, roots))).await;
    let name = name?.accepted().map_or_else(|| "stranger".to_owned(), |Name { name }| name);
    Ok(format!("{} {name}. {}", greeting?.text(), named(roots?)))
}

async fn order(cx: Cx, (): ()) -> Result<String, ToolError> {
    let ordered = async || Ok(format!("order of {:?}", cx.revision().era()));
    let order: String = cx.once("order", ordered).await?;
    let said: Elicited<Confirmation> = cx.ask("confirm", &format!("Confirm {order}?")).await?;
    Ok(format!("{order}: {}", told(said)))
}

fn named(roots: Vec<Root>) -> String {
    let uris: Vec<_> = roots.into_iter().map(|Root { uri, .. }| uri).collect();
    format!("{} roots: {}", uris.len(), uris.join(", "))
}

/// What a person did, in a line.
fn told(said: Elicited<impl Serialize>) -> String {
    let action = said.action();
    let content = json!(said.accepted());
    format!("action={action}, content={content}")
}

fn defaults() -> Value {
    json!({"type": "object", "properties": {
        "name": {"type": "string", "description": "User name", "default": "John Doe"},
        "age": {"type": "integer", "description": "User age", "default": 30},
        "score": {"type": "number", "description": "User score", "default": 95.5},
        "status": {"type": "string", "description": "User status",
            "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "description": "Verification status", "default": true}
    }, "required": []})
}

fn choices() -> Value {
    let titled = json!([
        {"const": "value1", "title": "First Option"},
        {"const": "value2", "title": "Second Option"},
        {"const": "value3", "title": "Third Option"}
    ]);
    json!({"type": "object", "properties": {
        "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
        "titledSingle": {"type": "string", "oneOf": titled},
        "legacyEnum": {"type": "string", "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"]},
        "untitledMulti": {"type": "array",
            "items": {"type": "string", "enum": ["option1", "option2", "option3"]}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled}}
    }, "required": []})
}
