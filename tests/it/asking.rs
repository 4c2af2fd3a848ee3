//! Tools that ask their client in the midst of a call, in the modern era: in memory, where time can
//! be turned. What was asked before travels with the client.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use ringlane::testing::{CallError, TestClient};
use ringlane::{
    Completing, Cx, Elicited, Form, LogLevel, Prompt, Revision, Root, Sampling, Server, StateKey,
    ToolError, both,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Name {
    /// What to call you
    #[schemars(length(min = 1))]
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Colour {
    colour: String,
}

#[derive(Deserialize, JsonSchema)]
struct Item {
    item: String,
}

async fn greet(cx: Cx, (): ()) -> Result<String, ToolError> {
    match cx.ask("user_name", "What is your name?").await? {
        Elicited::Accepted(Name { name }) => Ok(format!("Hello, {name}!")),
        Elicited::Declined => Ok("declined".to_owned()),
        Elicited::Cancelled => Ok("cancelled".to_owned()),
    }
}

async fn introduce(cx: Cx, (): ()) -> Result<String, ToolError> {
    let asked: Elicited<Name> = cx.ask("step1", "What is your name?").await?;
    let Some(Name { name }) = asked.accepted() else { return Ok("nobody".to_owned()) };
    let asked: Elicited<Colour> = cx.ask("step2", "What is your favourite colour?").await?;
    let Some(Colour { colour }) = asked.accepted() else { return Ok(name) };
    Ok(format!("{name} likes {colour}"))
}

async fn together(cx: Cx, (): ()) -> Result<String, ToolError> {
    let name = cx.ask::<Name>("user_name", "What is your name?");
    let rest = async {
        let greeting = cx.sample("greeting", Sampling::user("Greet!").max_tokens(50));
        both(greeting, cx.roots("client_roots")).await
    };
    let (name, (greeting, roots)) = both(name, Box::pin(rest)).await;
    let name = name?.accepted().map_or_else(String::new, |Name { name }| name);
    let roots: Vec<_> = roots?.into_iter().map(|Root { uri, .. }| uri).collect();
    Ok(format!("{} {name} at {}", greeting?.text(), roots.join(", ")))
}

async fn sign_in(cx: Cx, (): ()) -> Result<String, ToolError> {
    let done = cx.ask_url("sign_in", "Sign in", "https://example.com/in?state=7").await?;
    Ok(done.action().to_owned())
}

async fn order(cx: Cx, Item { item }: Item) -> Result<String, ToolError> {
    let asked: Elicited<Name> = cx.ask("who", &format!("Who wants {item}?")).await?;
    Ok(asked.accepted().map_or_else(String::new, |Name { name }| format!("{item} for {name}")))
}

/// A handler that asks under the same key for ever would never let its core go.
async fn nagging(cx: Cx, (): ()) -> Result<String, ToolError> {
    loop {
        let asked: Elicited<Name> = cx.ask("name", "Again: your name?").await?;
        if asked.accepted().is_some_and(|Name { name }| name == "Rumpelstiltskin") {
            return Ok("guessed".to_owned());
        }
    }
}

/// Never content: asks something new in every round.
async fn insatiable(cx: Cx, (): ()) -> Result<String, ToolError> {
    for step in 0.. {
        let _: Elicited<Name> = cx.ask(&format!("step{step}"), "More?").await?;
    }
    Ok("enough".to_owned())
}

/// Asks, and does something else meanwhile; stops asking when that is done.
async fn impatient(cx: Cx, (): ()) -> Result<&'static str, ToolError> {
    let mut ask = Box::pin(cx.ask::<Name>("name", "Your name?"));
    let waits = poll_fn(|context| Poll::Ready(ask.as_mut().poll(context).is_pending())).await;
    drop(ask);
    cx.sleep(Duration::from_secs(1)).await;
    Ok(if waits { "went on" } else { "answered" })
}

fn server() -> Server {
    Server::new("asking", "1.0.0")
        .tool("greet", "Greets", greet)
        .tool("greet2", "Greets", greet)
        .tool("introduce", "Asks twice", introduce)
        .tool("together", "Asks three things at once", together)
        .tool("sign_in", "Sends to a page", sign_in)
        .tool("order", "Orders", order)
        .tool("nagging", "Asks the same again", nagging)
        .tool("insatiable", "Asks for ever", insatiable)
        .tool("impatient", "Stops asking", impatient)
        .tool("by_hand", "Asks with a schema by hand", async |cx: Cx, (): ()| {
            let schema = json!({"type": "object", "properties": {
                "degrees": {"type": "integer", "minimum": 0}}, "required": ["degrees"]});
            let said = cx.ask_form("degrees", Form::new("How hot?", schema)).await?;
            Ok(said.accepted().unwrap_or_default().to_string())
        })
        .tool("misuse", "Asks for what no form can hold", async |cx: Cx, (): ()| {
            let schema = json!({"type": "object", "properties": {"list": {"type": "array"}}});
            cx.ask_form("f", Form::new("?", schema)).await?;
            Ok("never")
        })
        .tool("with_tools", "Lends a tool", async |cx: Cx, (): ()| {
            let question = Sampling::user("?").tool("t", "d", json!({"type": "object"}));
            Ok(cx.sample("q", question).await?.text())
        })
        .tool("tells", "Tells, then asks", async |cx: Cx, (): ()| {
            cx.progress(1, 2, "about to ask").await;
            let asked: Elicited<Name> = cx.ask("who", "Who?").await?;
            cx.progress(2, 2, "asked").await;
            Ok(asked.accepted().map_or_else(String::new, |Name { name }| name))
        })
}

fn all() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}})
}

fn client() -> TestClient {
    server().test_client().unwrap().declaring(all())
}

fn accepted(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}

/// The same call again, with what a client brings back.
fn retry(
    client: &mut TestClient,
    tool: &str,
    answers: Value,
    state: Option<&Value>,
) -> Result<Value, CallError> {
    let mut params = json!({"name": tool, "arguments": {}, "inputResponses": answers});
    if let Some(state) = state {
        params["requestState"] = state.clone();
    }
    client.request("tools/call", params)
}

#[track_caller]
fn refusal(outcome: Result<Value, CallError>) -> (u16, i32, String) {
    match outcome {
        Err(CallError::Rpc { status, error }) => (status, error.code, error.message.into_owned()),
        other => panic!("no refusal: {other:?}"),
    }
}

#[track_caller]
fn invalid(outcome: Result<Value, CallError>) -> String {
    let (status, code, message) = refusal(outcome);
    assert_eq!((status, code), (200, -32602), "{message}");
    message
}

#[test]
fn one_question_ends_the_call_and_its_answer_completes_it() {
    let mut client = client();
    let asked = client.call("greet", json!({})).unwrap();
    assert_eq!(asked["resultType"], "input_required");
    let schema = json!({"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "minLength": 1, "description": "What to call you"}}});
    let params =
        json!({"mode": "form", "message": "What is your name?", "requestedSchema": schema});
    let expected = json!({"user_name": {"method": "elicitation/create", "params": params}});
    assert_eq!(asked["inputRequests"], expected);
    assert!(asked["requestState"].as_str().unwrap().starts_with("v1."));
    let answers = json!({"user_name": accepted(json!({"name": "Ada"})), "unknown": 7});
    for state in [Some(&asked["requestState"]), None] {
        let result = retry(&mut client, "greet", answers.clone(), state).unwrap();
        assert_eq!((text(&result), &result["resultType"]), ("Hello, Ada!", &json!("complete")));
    }
}

#[test]
fn a_client_that_answers_sees_the_end_alone() {
    for (action, expected) in [("decline", "declined"), ("cancel", "cancelled")] {
        let mut client = client().answering(move |_| json!({ "action": action }));
        assert_eq!(text(&client.call("greet", json!({})).unwrap()), expected);
        let page = client.call("sign_in", json!({})).unwrap();
        assert_eq!(text(&page), action);
    }
    let mut client = client().answering(|question| {
        let params = &question["params"];
        match params["mode"].as_str() {
            Some("url") => {
                assert!(params.get("elicitationId").is_none());
                json!({"action": "accept"})
            }
            _ => accepted(json!({"degrees": 30})),
        }
    });
    assert_eq!(text(&client.call("sign_in", json!({})).unwrap()), "accept");
    assert_eq!(text(&client.call("by_hand", json!({})).unwrap()), r#"{"degrees":30}"#);
}

#[test]
fn questions_that_wait_together_go_out_together() {
    let mut client = client();
    let asked = client.call("together", json!({})).unwrap();
    let requests = asked["inputRequests"].as_object().unwrap();
    let methods: Vec<_> =
        requests.iter().map(|(key, request)| (key.as_str(), &request["method"])).collect();
    assert_eq!(
        methods,
        [
            ("user_name", &json!("elicitation/create")),
            ("greeting", &json!("sampling/createMessage")),
            ("client_roots", &json!("roots/list")),
        ]
    );
    assert_eq!(requests["client_roots"]["params"], json!({}));
    assert_eq!(requests["greeting"]["params"]["maxTokens"], 50);
    let mut client = client.answering(|question| match question["method"].as_str().unwrap() {
        "roots/list" => json!({"roots": [{"uri": "file:///a"}, {"uri": "file:///b", "name": "B"}]}),
        "sampling/createMessage" => json!({
            "role": "assistant", "model": "m", "content": {"type": "text", "text": "Hi"}}),
        _ => accepted(json!({"name": "Ada"})),
    });
    let result = client.call("together", json!({})).unwrap();
    assert_eq!(text(&result), "Hi Ada at file:///a, file:///b");
}

#[test]
fn each_round_carries_what_was_answered_before() {
    let mut client = client();
    let first = client.call("introduce", json!({})).unwrap();
    let name = json!({"step1": accepted(json!({"name": "Ada"}))});
    let second = retry(&mut client, "introduce", name, Some(&first["requestState"])).unwrap();
    let keys: Vec<_> = second["inputRequests"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["step2"]);
    assert_ne!(first["requestState"], second["requestState"]);
    // What was answered stands: a client cannot change its mind about it later.
    let colour = json!({
        "step1": accepted(json!({"name": "Eve"})), "step2": accepted(json!({"colour": "green"}))});
    let third = retry(&mut client, "introduce", colour.clone(), Some(&second["requestState"]));
    assert_eq!(text(&third.unwrap()), "Ada likes green");
    // An older state is a fork, not a fault: it knows less.
    let forked = retry(&mut client, "introduce", colour, Some(&first["requestState"])).unwrap();
    assert_eq!(text(&forked), "Eve likes green");
}

#[test]
fn missing_answers_are_asked_for_again() {
    let mut client = client();
    let asked = client.call("greet", json!({})).unwrap();
    for answers in [json!({}), json!({"wrong_key": accepted(json!({"name": "Ada"}))})] {
        for state in [Some(&asked["requestState"]), None] {
            let again = retry(&mut client, "greet", answers.clone(), state).unwrap();
            assert_eq!(again["inputRequests"], asked["inputRequests"]);
        }
    }
}

#[test]
fn malformed_answers_are_refused_by_name() {
    let mut client = client();
    let mut refused = |answers: Value| invalid(retry(&mut client, "greet", answers, None));
    for answers in [Value::Null, json!([]), json!("x")] {
        assert!(refused(answers).contains("inputResponses must be an object"));
    }
    let of = |answer: Value| json!({ "user_name": answer });
    for (answer, fault) in [
        (json!(12345), "inputResponses.user_name must be an object"),
        (json!({}), "inputResponses.user_name.action must be"),
        (json!({"action": "yes"}), "inputResponses.user_name.action must be"),
        (json!({"action": "accept", "content": 1}), "inputResponses.user_name.content must be"),
        (json!({"action": "accept"}), "`name` is required. Fix: add `name`"),
        (accepted(json!({"name": 7})), "`name` must be a string, not a number"),
        (accepted(json!({"name": ""})), "`name` must be a string of at least"),
    ] {
        let message = refused(of(answer));
        assert!(message.contains(fault), "{message}");
    }
    let answers = json!({"user_name": accepted(json!({"name": "A"})),
        "greeting": {"role": "assistant", "model": "m"}, "client_roots": {"roots": []}});
    let message = invalid(retry(&mut client, "together", answers, None));
    assert!(message.contains("inputResponses.greeting.content must be"), "{message}");
    let params = json!({"name": "greet", "arguments": {}, "requestState": 7});
    let message = invalid(client.request("tools/call", params));
    assert!(message.contains("requestState must be a string"), "{message}");
}

#[test]
fn a_state_is_good_for_its_own_request_alone() {
    let mut client = client();
    let asked = client.call("greet", json!({})).unwrap();
    let state = asked["requestState"].as_str().unwrap().to_owned();
    let answers = json!({"user_name": accepted(json!({"name": "Ada"}))});
    let tampered = ["-TAMPERED", "A", "=", " "].map(|added| json!(format!("{state}{added}")));
    let cut = json!(&state[..state.len() - 1]);
    for wrong in tampered.into_iter().chain([cut, json!(""), json!("v1.")]) {
        let refused = retry(&mut client, "greet", answers.clone(), Some(&wrong));
        assert!(invalid(refused).contains("requestState"), "{wrong}");
    }
    let other_tool = retry(&mut client, "greet2", answers, Some(&json!(state)));
    assert!(invalid(other_tool).contains("same method, name and arguments"));
    // A handler that asks nothing is not begun with a bad state either.
    let elsewhere = retry(&mut client, "impatient", json!({}), Some(&json!("v1.forged")));
    invalid(elsewhere);

    let asked = client.call("order", json!({"item": "tea"})).unwrap();
    let with = |item: &str, state: &Value| {
        json!({"name": "order", "arguments": {"item": item}, "requestState": state,
            "inputResponses": {"who": accepted(json!({"name": "Ada"}))}})
    };
    let state = &asked["requestState"];
    invalid(client.request("tools/call", with("gold", state)));
    let result = client.request("tools/call", with("tea", state)).unwrap();
    assert_eq!(text(&result), "tea for Ada");
}

#[test]
fn a_state_expires() {
    let server = server().settings(|settings| {
        settings.serve.limits.ask.state_life = Duration::from_secs(10);
    });
    let server = server.tool("nap", "Sleeps", async |cx: Cx, (): ()| {
        cx.sleep(Duration::from_secs(9)).await;
        Ok("rested")
    });
    let mut client = server.test_client().unwrap().declaring(all());
    let asked = client.call("greet", json!({})).unwrap();
    let answers = json!({"user_name": accepted(json!({"name": "Ada"}))});
    client.call("nap", json!({})).unwrap();
    let in_time = retry(&mut client, "greet", answers.clone(), Some(&asked["requestState"]));
    assert_eq!(text(&in_time.unwrap()), "Hello, Ada!");
    client.call("nap", json!({})).unwrap();
    let late = retry(&mut client, "greet", answers, Some(&asked["requestState"]));
    assert!(invalid(late).contains("expired"));
}

#[test]
fn servers_that_share_a_key_accept_each_others_states() {
    let with_key = |byte: u8| {
        let key = StateKey::from_bytes(&[byte; 32]).unwrap();
        let server = server().settings(|settings| settings.state_key = key);
        server.test_client().unwrap().declaring(all())
    };
    let asked = with_key(1).call("greet", json!({})).unwrap();
    let answers = json!({"user_name": accepted(json!({"name": "Ada"}))});
    let state = Some(&asked["requestState"]);
    let replica = retry(&mut with_key(1), "greet", answers.clone(), state);
    assert_eq!(text(&replica.unwrap()), "Hello, Ada!");
    invalid(retry(&mut with_key(2), "greet", answers.clone(), state));
    invalid(retry(&mut client(), "greet", answers, state));
}

#[test]
fn work_is_done_once_however_many_rounds_follow() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let buy = async move |cx: Cx, (): ()| {
        let counted = &counted;
        let order = async || Ok(counted.fetch_add(1, Ordering::Relaxed) + 1);
        let number: usize = cx.once("order", order).await?;
        let _: Elicited<Name> = cx.ask("step1", "Your name?").await?;
        let receipt = cx.once("receipt", async || Ok(format!("receipt {number}"))).await?;
        let _: Elicited<Colour> = cx.ask("step2", "A colour?").await?;
        cx.log(LogLevel::Info, &receipt).await;
        Ok(receipt)
    };
    let server = server().tool("buy", "Buys", buy);
    let mut client = server.test_client().unwrap().declaring(all()).answering(|question| {
        let fields = &question["params"]["requestedSchema"]["properties"];
        let key = fields.as_object().unwrap().keys().next().unwrap();
        accepted(json!({ key: "x" }))
    });
    assert_eq!(text(&client.call("buy", json!({})).unwrap()), "receipt 1");
    assert_eq!(count.load(Ordering::Relaxed), 1);
    assert_eq!(text(&client.call("buy", json!({})).unwrap()), "receipt 2");
}

#[test]
fn nothing_is_asked_that_the_client_did_not_declare() {
    for (declared, tool, missing) in [
        (json!({}), "greet", json!({"elicitation": {"form": {}}})),
        (json!({"elicitation": {"url": {}}}), "greet", json!({"elicitation": {"form": {}}})),
        (json!({"elicitation": {}}), "sign_in", json!({"elicitation": {"url": {}}})),
        (json!({"elicitation": {}}), "with_tools", json!({"sampling": {}})),
        (json!({"sampling": {}}), "with_tools", json!({"sampling": {"tools": {}}})),
    ] {
        let mut client = server().test_client().unwrap().declaring(declared);
        let outcome = client.call(tool, json!({}));
        let Err(CallError::Rpc { status, error }) = outcome else { panic!("{tool}: {outcome:?}") };
        assert_eq!((status, error.code), (400, -32021));
        assert_eq!(error.data.unwrap()["requiredCapabilities"], missing);
    }
}

#[test]
fn a_legacy_client_that_cannot_be_asked_is_told_so() {
    for revision in Revision::ALL.into_iter().filter(|revision| *revision != Revision::V2026_07_28)
    {
        let mut client = server().test_client().unwrap().speaking(revision);
        for tool in ["greet", "sign_in", "together"] {
            let result = client.call(tool, json!({})).unwrap();
            assert_eq!(result["isError"], true);
            assert!(text(&result).contains("this client cannot be asked"), "{result}");
        }
    }
}

#[test]
fn a_legacy_client_is_asked_on_the_stream_of_its_call() {
    for revision in [Revision::V2025_06_18, Revision::V2025_11_25] {
        let mut asked = client().speaking(revision).answering(|_| accepted(json!({"name": "Ada"})));
        assert_eq!(text(&asked.call("greet", json!({})).unwrap()), "Hello, Ada!", "{revision}");
        let mut nobody = client().speaking(revision);
        let told = nobody.call("greet", json!({})).unwrap();
        assert!(text(&told).contains("nobody is there to answer (-1)"), "{told}");
    }
}

#[test]
fn a_legacy_client_that_takes_too_long_is_given_up() {
    let mut silent = client().speaking(Revision::V2025_11_25).keeping_silent();
    let told = silent.call("greet", json!({})).unwrap();
    assert!(text(&told).contains("did not answer `user_name` in time"), "{told}");
    // Longer than a call may take: the time of a person is not the call's.
    assert_eq!(silent.elapsed(), Duration::from_secs(600));
}

#[test]
fn asking_has_its_bounds() {
    let mut client = client().answering(|_| accepted(json!({"name": "Ada"})));
    let (_, code, message) = refusal(client.call("nagging", json!({})));
    assert_eq!(code, -32603);
    assert!(message.contains("key is used already"), "{message}");
    assert!(invalid(client.call("insatiable", json!({}))).contains("ask_rounds_max"));
    let (_, code, message) = refusal(client.call("misuse", json!({})));
    assert_eq!(code, -32603);
    assert!(message.contains("field `list` must be"), "{message}");

    let server = server().settings(|settings| {
        settings.serve.limits.ask.state_bytes_max = 1024;
    });
    let mut client = server.test_client().unwrap().declaring(all());
    let long = json!({"step1": accepted(json!({"name": "x".repeat(1024)}))});
    let (_, code, message) = refusal(retry(&mut client, "introduce", long, None));
    assert_eq!(code, -32603);
    assert!(message.contains("state_bytes_max"), "{message}");
}

#[test]
fn prompts_ask_as_tools_do_and_completions_do_not() {
    let about = async |cx: Cx, Item { item }: Item| {
        let asked: Elicited<Name> = cx.ask("who", "For whom?").await?;
        Ok(asked.accepted().map_or(item.clone(), |Name { name }| format!("{item} for {name}")))
    };
    let nosy = async |cx: Cx, _: Completing| {
        let asked: Elicited<Name> = cx.ask("who", "Who types?").await?;
        Ok(asked.accepted().into_iter().map(|Name { name }| name).collect::<Vec<_>>())
    };
    let server = server().add_prompt(Prompt::new("about", "d", about).complete("item", nosy));
    let mut client = server.test_client().unwrap().declaring(all());
    let params = json!({"name": "about", "arguments": {"item": "tea"}});
    let asked = client.request("prompts/get", params.clone()).unwrap();
    assert_eq!(asked["resultType"], "input_required");
    // The state of a prompt is none of a tool of the same name.
    let mut wrong = params;
    wrong["arguments"]["item"] = json!("coffee");
    wrong["requestState"] = asked["requestState"].clone();
    invalid(client.request("prompts/get", wrong.clone()));
    let mut client = client.answering(|_| accepted(json!({"name": "Ada"})));
    wrong.as_object_mut().unwrap().remove("requestState");
    let result = client.request("prompts/get", wrong).unwrap();
    assert_eq!(result["messages"][0]["content"]["text"], "coffee for Ada");
    let typed = json!({"ref": {"type": "ref/prompt", "name": "about"},
        "argument": {"name": "item", "value": "t"}});
    let (_, code, message) = refusal(client.request("completion/complete", typed));
    assert_eq!(code, -32603);
    assert!(message.contains("cannot ask"), "{message}");
}

#[test]
fn a_handler_that_stops_waiting_asks_no_more() {
    let mut client = client();
    assert_eq!(text(&client.call("impatient", json!({})).unwrap()), "went on");
    let answers = json!({"name": accepted(json!({"name": "Ada"}))});
    let result = retry(&mut client, "impatient", answers, None).unwrap();
    assert_eq!(text(&result), "answered");
}

#[test]
fn what_a_call_tells_before_it_asks_is_heard() {
    let mut client = client().answering(|_| accepted(json!({"name": "Ada"})));
    let heard = client.call_with("tells", json!({}), serde_json::Map::new()).unwrap();
    assert_eq!(text(&heard.result), "Ada");
    let told: Vec<_> = heard.notifications.iter().map(|told| &told["params"]["message"]).collect();
    assert_eq!(told, ["about to ask", "about to ask", "asked"]);
}

#[test]
fn a_question_is_small_while_a_person_thinks() {
    let server = server().tool("sizes", "Measures questions", async |cx: Cx, (): ()| {
        let form = Form::new("?", json!({}));
        Ok(vec![
            size_of_val(&cx.ask::<Name>("a", "?")),
            size_of_val(&cx.ask_form("a", form)),
            size_of_val(&cx.ask_url("a", "?", "https://example.com")),
            size_of_val(&cx.sample("a", Sampling::user("?"))),
            size_of_val(&cx.roots("a")),
        ])
    });
    let sizes = server.test_client().unwrap().call("sizes", json!({})).unwrap();
    let sizes: Vec<usize> = serde_json::from_str(text(&sizes)).unwrap();
    assert!(sizes.iter().all(|size| *size <= 640), "{sizes:?} bytes");
}
