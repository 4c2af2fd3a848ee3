//! Calls that become tasks: in memory, where time can be turned, and over sockets with two workers.
//! Rows are those of the extension `io.modelcontextprotocol/tasks`.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::task::Poll;
use std::time::Duration;

use ringlane::testing::{CallError, TestClient};
use ringlane::{Answer, Capability, Content, Cx, Elicited, IoChoice, Server, Settings, ToolError};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::ask::{Ask, BOTH, JSON, LEGACY, MODERN, NDJSON, SSE};
use crate::support::gate::Gate;
use crate::support::house::{Ground, House, each_of, plain, two_of};

const TASKS: &str = "io.modelcontextprotocol/tasks";

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Yes {
    yes: bool,
}

#[derive(Deserialize, JsonSchema)]
struct Seconds {
    seconds: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Bytes {
    bytes: usize,
}

async fn slow(cx: Cx, Seconds { seconds }: Seconds) -> Result<String, ToolError> {
    let is_task = cx.become_task().await;
    assert_eq!(cx.become_task().await, is_task, "to become one twice is to be one");
    cx.task_status("sleeping");
    cx.progress(1, 2, "never heard of in a task").await;
    cx.sleep(Duration::from_secs(seconds)).await;
    Ok(if is_task { "slept as a task" } else { "slept" }.to_owned())
}

/// Asks once before it is a task, and once in it.
async fn order(cx: Cx, (): ()) -> Result<String, ToolError> {
    let asked: Elicited<Name> = cx.ask("who", "Who orders?").await?;
    let Some(Name { name }) = asked.accepted() else { return Ok("nobody".to_owned()) };
    cx.become_task().await;
    let asked: Elicited<Yes> = cx.ask("sure", &format!("Are you sure, {name}?")).await?;
    Ok(format!("{name}: {:?}", asked.accepted().map(|Yes { yes }| yes)))
}

async fn two_questions(cx: Cx, (): ()) -> Result<String, ToolError> {
    cx.become_task().await;
    let (one, two) = join(cx.ask::<Name>("one", "First?"), cx.ask::<Name>("two", "Second?")).await;
    let name =
        |said: Elicited<Name>| said.accepted().map_or_else(String::new, |Name { name }| name);
    Ok(format!("{} {}", name(one?), name(two?)))
}

/// Waits for both, polling them in turn.
async fn join<A, B>(a: impl Future<Output = A>, b: impl Future<Output = B>) -> (A, B) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_done, mut b_done) = (None, None);
    poll_fn(|context| {
        if a_done.is_none()
            && let Poll::Ready(done) = a.as_mut().poll(context)
        {
            a_done = Some(done);
        }
        if b_done.is_none()
            && let Poll::Ready(done) = b.as_mut().poll(context)
        {
            b_done = Some(done);
        }
        match (a_done.take(), b_done.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (a_done, b_done) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}

/// Asks and becomes a task at the same time: the question comes first.
async fn both_at_once(cx: Cx, (): ()) -> Result<String, ToolError> {
    let (is_task, name) = join(cx.become_task(), cx.ask::<Name>("who", "Who?")).await;
    let name = name?.accepted().map_or_else(String::new, |Name { name }| name);
    Ok(format!("{is_task} {name}"))
}

/// Becomes a task and is ready at once all the same.
async fn never_waits(cx: Cx, (): ()) -> Result<&'static str, ToolError> {
    let mut becoming = pin!(cx.become_task());
    poll_fn(|context| Poll::Ready(becoming.as_mut().poll(context).is_pending())).await;
    Ok("done")
}

/// Counts how many of it are dropped.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn server(dropped: &Arc<AtomicUsize>) -> Server {
    let dropped = dropped.clone();
    Server::new("tasks", "1.0.0")
        .tasks()
        .tool("slow", "Sleeps", slow)
        .tool("order", "Asks", order)
        .tool("two_questions", "Asks", two_questions)
        .tool("both_at_once", "Asks", both_at_once)
        .tool("never_waits", "Is ready", never_waits)
        .tool("sleep", "Lets time pass", async |cx: Cx, Seconds { seconds }: Seconds| {
            cx.sleep(Duration::from_secs(seconds)).await;
            Ok(())
        })
        .tool("hold", "Waits for ever", async move |cx: Cx, (): ()| {
            let _held = Held(dropped.clone());
            cx.become_task().await;
            std::future::pending::<()>().await;
            Ok("never")
        })
        .tool("polite", "Ends when it is told", async |cx: Cx, (): ()| {
            cx.become_task().await;
            cx.cancelled().await;
            Err::<(), _>(ToolError::new("gave up"))
        })
        .tool("stubborn", "Comes to its end", async |cx: Cx, (): ()| {
            cx.become_task().await;
            cx.cancelled().await;
            Ok("done all the same")
        })
        .tool("fails", "Fails", async |cx: Cx, (): ()| {
            cx.require(Capability::Tasks)?;
            cx.become_task().await;
            Err::<(), _>(ToolError::new("as planned"))
        })
        .tool("breaks", "Breaks", async |cx: Cx, (): ()| {
            cx.become_task().await;
            Err::<(), _>(ToolError::rpc(7, "broken").with_data(json!({"part": 1})))
        })
        .tool("panics", "Panics", async |cx: Cx, (): ()| {
            cx.become_task().await;
            assert!(!cx.become_task().await, "as planned");
            Ok(())
        })
        .tool("large", "Says much", async |cx: Cx, Bytes { bytes }: Bytes| {
            cx.become_task().await;
            Ok(Answer::from(Content::text("x".repeat(bytes))))
        })
}

fn all() -> Value {
    json!({"elicitation": {}, "extensions": { TASKS: {} }})
}

fn client_with(change: impl FnOnce(&mut Settings)) -> (TestClient, Arc<AtomicUsize>) {
    let dropped = Arc::default();
    let server = server(&dropped).settings(change);
    (server.test_client().unwrap().declaring(all()), dropped)
}

fn client() -> TestClient {
    client_with(|_| ()).0
}

fn get(client: &mut TestClient, id: &Value) -> Value {
    client.request("tasks/get", json!({"taskId": id})).unwrap()
}

fn update(client: &mut TestClient, id: &Value, answers: Value) -> Value {
    let params = json!({"taskId": id, "inputResponses": answers});
    client.request("tasks/update", params).unwrap()
}

fn cancel(client: &mut TestClient, id: &Value) -> Value {
    client.request("tasks/cancel", json!({"taskId": id})).unwrap()
}

/// Calls a tool that becomes a task, and gives the task's id.
#[track_caller]
fn begin(client: &mut TestClient, tool: &str, arguments: Value) -> Value {
    let created = client.call(tool, arguments).unwrap();
    assert_eq!(created["resultType"], "task", "{created}");
    created["taskId"].clone()
}

fn pass(client: &mut TestClient, seconds: u64) {
    // A call that is no task may take five minutes.
    for part in [seconds / 3, seconds / 3, seconds - seconds / 3 * 2] {
        client.call("sleep", json!({"seconds": part})).unwrap();
    }
}

fn accept(content: Value) -> Value {
    json!({"action": "accept", "content": content})
}

#[track_caller]
fn refusal(outcome: Result<Value, CallError>) -> (u16, i32) {
    match outcome {
        Err(CallError::Rpc { status, error }) => (status, error.code),
        other => panic!("no refusal: {other:?}"),
    }
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text: {result}"))
}

fn names(value: &Value) -> Vec<&str> {
    let mut names: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_call_becomes_a_task_and_its_result_is_there_when_it_ended() {
    let mut client = client();
    let created = client.call("slow", json!({"seconds": 3})).unwrap();
    assert_eq!(client.elapsed(), Duration::ZERO, "the caller is answered at once");
    let members = [
        "_meta",
        "createdAt",
        "lastUpdatedAt",
        "pollIntervalMs",
        "resultType",
        "status",
        "taskId",
        "ttlMs",
    ];
    assert_eq!(names(&created), members);
    assert_eq!((&created["resultType"], &created["status"]), (&json!("task"), &json!("working")));
    assert_eq!((&created["ttlMs"], &created["pollIntervalMs"]), (&json!(600_000), &json!(1000)));
    assert!(created["createdAt"].as_str().unwrap().ends_with('Z'));

    let id = &created["taskId"];
    let working = get(&mut client, id);
    assert_eq!(
        (&working["resultType"], &working["status"]),
        (&json!("complete"), &json!("working"))
    );
    assert_eq!(working["statusMessage"], "sleeping");
    pass(&mut client, 4);
    let done = get(&mut client, id);
    assert_eq!((&done["status"], text(&done["result"])), (&json!("completed"), "slept as a task"));
    assert_eq!(done["result"]["resultType"], "complete");
    assert_eq!((&done["taskId"], &done["createdAt"]), (id, &created["createdAt"]));
    assert_ne!(done["lastUpdatedAt"], created["createdAt"]);
    assert!(done.get("error").is_none() && done.get("inputRequests").is_none());
}

#[test]
fn without_the_extension_a_call_runs_to_its_end() {
    let dropped = Arc::default();
    let plain = server(&dropped).test_client().unwrap();
    let legacy = server(&dropped).test_client().unwrap().declaring(all()).speaking(LEGACY);
    for mut client in [plain, legacy] {
        let result = client.call("slow", json!({"seconds": 3})).unwrap();
        assert_eq!((text(&result), client.elapsed()), ("slept", Duration::from_secs(3)));
    }
    let mut unwilling = Server::new("s", "1").tool("slow", "d", slow).test_client().unwrap();
    assert_eq!(text(&unwilling.call("slow", json!({"seconds": 1})).unwrap()), "slept");
}

#[test]
fn a_server_with_tasks_declares_them_in_the_modern_era_alone() {
    let mut modern = client();
    let discovered = modern.request("server/discover", json!({})).unwrap();
    assert_eq!(discovered["capabilities"]["extensions"], json!({ TASKS: {} }));
    assert!(discovered["capabilities"].get("tasks").is_none());
    let mut legacy = client().speaking(LEGACY);
    let handshake = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {
        "name": "c", "version": "0"}});
    let greeted = legacy.request("initialize", handshake).unwrap();
    assert!(greeted["capabilities"].get("extensions").is_none());
    let mut without = Server::new("s", "1").test_client().unwrap().declaring(all());
    let discovered = without.request("server/discover", json!({})).unwrap();
    assert!(discovered["capabilities"].get("extensions").is_none());
    assert_eq!(refusal(without.request("tasks/get", json!({"taskId": "t"}))), (404, -32601));
}

#[test]
fn requests_about_tasks_are_refused_by_what_is_wrong_first() {
    let dropped = Arc::default();
    let mut stranger = server(&dropped).test_client().unwrap();
    let mut client = client();
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        for params in [json!({"taskId": "t"}), json!({"taskId": 1}), json!({})] {
            match stranger.request(method, params.clone()) {
                Err(CallError::Rpc { status: 400, error }) => {
                    assert_eq!(error.code, -32021);
                    let required = &error.data.unwrap()["requiredCapabilities"];
                    assert_eq!(*required, json!({"extensions": { TASKS: {} }}));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(refusal(client.request(method, params)), (200, -32602));
        }
    }
    for method in ["tasks/result", "tasks/list"] {
        for client in [&mut stranger, &mut client] {
            assert_eq!(refusal(client.request(method, json!({"taskId": "t"}))), (404, -32601));
        }
    }
    assert_eq!(refusal(stranger.call("fails", json!({}))), (400, -32021));
    let id = begin(&mut client, "two_questions", json!({}));
    for wrong in [json!(null), json!([]), json!("x"), json!({"one": "x"}), json!({"one": null})] {
        let params = json!({"taskId": id, "inputResponses": wrong});
        assert_eq!(refusal(client.request("tasks/update", params)), (200, -32602));
    }
    assert_eq!(refusal(client.request("tasks/update", json!({"taskId": id}))), (200, -32602));
    assert_eq!(get(&mut client, &id)["inputRequests"].as_object().unwrap().len(), 2);
}

#[test]
fn a_tool_that_fails_completes_and_one_that_breaks_fails() {
    let mut client = client();
    let id = begin(&mut client, "fails", json!({}));
    let failed = get(&mut client, &id);
    assert_eq!(
        (&failed["status"], &failed["result"]["isError"]),
        (&json!("completed"), &json!(true))
    );
    let id = begin(&mut client, "breaks", json!({}));
    let broken = get(&mut client, &id);
    let error = json!({"code": 7, "message": "broken", "data": {"part": 1}});
    assert_eq!((&broken["status"], &broken["error"]), (&json!("failed"), &error));
    assert!(broken.get("result").is_none());
    let id = begin(&mut client, "panics", json!({}));
    let panicked = get(&mut client, &id);
    assert_eq!(
        (&panicked["status"], &panicked["error"]["code"]),
        (&json!("failed"), &json!(-32603))
    );
}

#[test]
fn what_is_asked_before_ends_the_call_and_what_is_asked_after_waits_in_the_task() {
    let mut client = client();
    let first = client.call("order", json!({})).unwrap();
    assert_eq!(first["resultType"], "input_required");
    assert!(first.get("taskId").is_none());
    let retry = json!({"name": "order", "arguments": {}, "requestState": first["requestState"],
        "inputResponses": {"who": accept(json!({"name": "Ada"}))}});
    let created = client.request("tools/call", retry).unwrap();
    assert_eq!(created["resultType"], "task");
    for absent in ["requestState", "inputRequests", "result", "error"] {
        assert!(created.get(absent).is_none(), "{absent}");
    }
    let id = &created["taskId"];
    let asking = get(&mut client, id);
    assert_eq!(
        (&asking["status"], names(&asking["inputRequests"])),
        (&json!("input_required"), vec!["sure"])
    );
    let question = &asking["inputRequests"]["sure"];
    assert_eq!(question["method"], "elicitation/create");
    assert_eq!(question["params"]["message"], "Are you sure, Ada?");
    let ack = update(&mut client, id, json!({"sure": accept(json!({"yes": true}))}));
    assert_eq!(names(&ack), ["_meta", "resultType"]);
    assert_eq!(ack["resultType"], "complete");
    let done = get(&mut client, id);
    assert_eq!((&done["status"], text(&done["result"])), (&json!("completed"), "Ada: Some(true)"));
}

#[test]
fn questions_may_be_answered_one_by_one() {
    let mut client = client();
    let id = begin(&mut client, "two_questions", json!({}));
    assert_eq!(names(&get(&mut client, &id)["inputRequests"]), ["one", "two"]);
    update(&mut client, &id, json!({"three": accept(json!({"name": "nobody"}))}));
    update(&mut client, &id, json!({"one": accept(json!({"name": "Ada"}))}));
    let asking = get(&mut client, &id);
    assert_eq!(
        (&asking["status"], names(&asking["inputRequests"])),
        (&json!("input_required"), vec!["two"])
    );
    update(
        &mut client,
        &id,
        json!({
        "one": accept(json!({"name": "too late"})), "two": accept(json!({"name": "Bob"}))}),
    );
    let done = get(&mut client, &id);
    assert_eq!((&done["status"], text(&done["result"])), (&json!("completed"), "Ada Bob"));
    // An answer to a task that is over is taken, and changes nothing.
    update(&mut client, &id, json!({"one": accept(json!({"name": "Eve"}))}));
    assert_eq!(get(&mut client, &id), done);
}

#[test]
fn an_answer_that_breaks_the_form_is_the_works_failure() {
    let mut client = client();
    let id = begin(&mut client, "two_questions", json!({}));
    update(
        &mut client,
        &id,
        json!({"one": accept(json!({"name": 1})), "two": {"action": "decline"}}),
    );
    let done = get(&mut client, &id);
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(true)));
    assert!(text(&done["result"]).contains("name"), "{done}");
}

#[test]
fn a_question_beside_becoming_a_task_comes_first() {
    let mut client = client();
    let first = client.call("both_at_once", json!({})).unwrap();
    assert_eq!(first["resultType"], "input_required");
    assert_eq!(client.shard().task_count(), 0, "nobody was told of a task");
    let retry = json!({"name": "both_at_once", "arguments": {}, "requestState": first["requestState"],
        "inputResponses": {"who": accept(json!({"name": "Ada"}))}});
    let created = client.request("tools/call", retry).unwrap();
    let done = get(&mut client, &created["taskId"]);
    assert_eq!(text(&done["result"]), "true Ada");
}

#[test]
fn a_handler_that_is_ready_at_once_answers_at_once() {
    let mut client = client();
    assert_eq!(text(&client.call("never_waits", json!({})).unwrap()), "done");
    assert_eq!(client.shard().task_count(), 0);
}

#[test]
fn a_cancelled_task_lets_go_of_its_handler() {
    let (mut client, dropped) = client_with(|_| ());
    let id = begin(&mut client, "hold", json!({}));
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    let ack = cancel(&mut client, &id);
    assert_eq!(names(&ack), ["_meta", "resultType"]);
    assert_eq!(get(&mut client, &id)["status"], "cancelled");
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert_eq!(cancel(&mut client, &id), ack, "also once it is over");
    assert_eq!(get(&mut client, &id)["status"], "cancelled");

    for (tool, status) in [("polite", "cancelled"), ("stubborn", "completed")] {
        let id = begin(&mut client, tool, json!({}));
        cancel(&mut client, &id);
        assert_eq!(get(&mut client, &id)["status"], status, "{tool}");
    }
    let id = begin(&mut client, "two_questions", json!({}));
    cancel(&mut client, &id);
    let cancelled = get(&mut client, &id);
    assert_eq!(cancelled["status"], "cancelled");
    assert!(cancelled.get("inputRequests").is_none());
}

#[test]
fn a_task_ends_with_its_life_and_is_read_for_a_while_after() {
    let (mut client, dropped) = client_with(|settings| {
        settings.serve.tasks.task_life = Duration::from_secs(100);
    });
    let early = begin(&mut client, "slow", json!({"seconds": 1}));
    let late = begin(&mut client, "hold", json!({}));
    pass(&mut client, 99);
    assert_eq!(get(&mut client, &early)["status"], "completed");
    assert_eq!(get(&mut client, &late)["status"], "working");
    pass(&mut client, 2);
    let gone = client.request("tasks/get", json!({"taskId": early}));
    assert_eq!(refusal(gone), (200, -32602));
    let failed = get(&mut client, &late);
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!(-32603)));
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    pass(&mut client, 58);
    assert_eq!(get(&mut client, &late)["status"], "failed");
    pass(&mut client, 4);
    let gone = client.request("tasks/get", json!({"taskId": late}));
    assert_eq!(refusal(gone), (200, -32602));
    assert_eq!(client.shard().task_count(), 0);
}

/// At the limit there is one more task; past it the call goes on as a call.
#[test]
fn calls_beyond_the_limits_run_to_their_end() {
    let all: fn(&mut Settings) = |settings| settings.serve.tasks.tasks_max = 2;
    let own: fn(&mut Settings) = |settings| settings.serve.tasks.tasks_per_owner_max = 2;
    for change in [all, own] {
        let (mut client, _) = client_with(change);
        begin(&mut client, "slow", json!({"seconds": 1}));
        let second = begin(&mut client, "hold", json!({}));
        assert_eq!(text(&client.call("slow", json!({"seconds": 1})).unwrap()), "slept");
        cancel(&mut client, &second);
        // Ended tasks count as long as they can be read.
        assert_eq!(text(&client.call("slow", json!({"seconds": 1})).unwrap()), "slept");
        pass(&mut client, 660);
        begin(&mut client, "slow", json!({"seconds": 1}));
    }
}

#[test]
fn a_result_past_its_limit_fails_the_task() {
    let (mut client, _) = client_with(|settings| {
        settings.serve.tasks.task_result_bytes_max = 1000;
    });
    let id = begin(&mut client, "large", json!({"bytes": 500}));
    assert_eq!(get(&mut client, &id)["status"], "completed");
    let id = begin(&mut client, "large", json!({"bytes": 1000}));
    let failed = get(&mut client, &id);
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!(-32603)));
    assert!(failed["error"]["message"].as_str().unwrap().contains("task_result_bytes_max"));
}

#[test]
fn questions_past_their_limit_are_not_asked() {
    let (mut client, _) = client_with(|settings| settings.serve.tasks.task_questions_max = 1);
    let id = begin(&mut client, "two_questions", json!({}));
    assert_eq!(names(&get(&mut client, &id)["inputRequests"]), ["one"]);
    update(&mut client, &id, json!({"one": accept(json!({"name": "Ada"}))}));
    let done = get(&mut client, &id);
    assert!(text(&done["result"]).contains("task_questions_max"), "{done}");
}

/// A task is found on whatever connection it is asked for, and its caller may go away.
#[test]
fn a_task_is_found_from_every_worker() {
    two_of(
        || server(&Arc::default()),
        plain,
        |house| {
            let ids: Vec<String> = (0..8)
                .map(|_| {
                    let ask = Ask::call(MODERN, "two_questions", json!({})).declare(all());
                    let created = house.connect().ask(&ask);
                    created.result()["taskId"].as_str().unwrap().to_owned()
                })
                .collect();
            for id in &ids {
                let look = || {
                    let answer = house.connect().ask(&Ask::task("tasks/get", id).declare(all()));
                    answer.result().clone()
                };
                for (name, left) in [("one", Some("two")), ("two", None)] {
                    assert_eq!(look()["status"], "input_required");
                    let answers = json!({ name: accept(json!({"name": name})) });
                    let ask = Ask::task("tasks/update", id).param("inputResponses", answers);
                    assert_eq!(house.connect().ask(&ask.declare(all())).status, 200);
                    let asked = look()["inputRequests"].as_object().map(|asked| asked.len());
                    assert_eq!(asked, left.map(|_| 1));
                }
                assert_eq!(text(&look()["result"]), "one two");
            }
            // One connection may ask for all of them, each where it is.
            let mut conn = house.connect();
            for id in &ids {
                let ask = Ask::task("tasks/cancel", id).declare(all());
                assert_eq!(conn.ask(&ask).result()["resultType"], "complete");
                assert_eq!(conn.ask(&Ask::task("tasks/get", id)).refusal(), (400, -32021));
            }
            // An id of which a part was changed leads nowhere.
            for at in [0, 1, 2, 20, 47] {
                let mut forged = ids[0].clone().into_bytes();
                forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
                let forged = String::from_utf8(forged).unwrap();
                let answer = conn.ask(&Ask::task("tasks/get", &forged).declare(all()));
                assert_eq!(answer.refusal(), (200, -32602));
            }
        },
    );
}

#[test]
fn a_task_is_given_in_every_format_and_after_what_was_told_before() {
    each_of(telling, plain, |house| {
        for accept in [BOTH, JSON, SSE, NDJSON] {
            let ask = Ask::call(MODERN, "tells", json!({})).progress_token("p").accept(accept);
            let created = house.connect().ask(&ask.declare(all()));
            assert_eq!(created.result()["resultType"], "task", "{accept}");
            let told: Vec<_> = created.notifications().into_iter().cloned().collect();
            assert_eq!(told.len(), usize::from(accept != JSON), "{told:?}");
        }
    });
}

/// Tells something before it is a task, and something in vain after.
fn telling() -> Server {
    Server::new("telling", "1.0.0").tasks().tool("tells", "Tells", async |cx: Cx, (): ()| {
        cx.progress(1, 2, "before").await;
        cx.become_task().await;
        cx.progress(2, 2, "after").await;
        Ok(())
    })
}

/// A drain waits for tasks that work and not for those that ask: nobody could answer any more.
#[test]
fn a_drain_waits_for_tasks_that_work() {
    for io in [IoChoice::Auto, IoChoice::Epoll] {
        let (gate, (told, heard)) = (Gate::default(), channel());
        let ground = Ground { io, workers: 1 };
        let house = House::open_with(ground, plain, |_, _| working(&gate, &told));
        for tool in ["work", "two_questions"] {
            let ask = Ask::call(MODERN, tool, json!({})).declare(all());
            assert_eq!(house.connect().ask(&ask).result()["resultType"], "task");
        }
        assert_eq!(heard.recv(), Ok("working"));
        house.drain();
        let ended = std::thread::spawn(move || house.wait());
        gate.open();
        ended.join().unwrap();
        assert_eq!(heard.try_recv(), Ok("worked"));
    }
}

fn working(gate: &Gate, told: &Sender<&'static str>) -> Server {
    let (gate, told) = (gate.clone(), told.clone());
    server(&Arc::default()).tool("work", "Works", async move |cx: Cx, (): ()| {
        cx.become_task().await;
        told.send("working")?;
        gate.passed().await;
        told.send("worked")?;
        Ok(())
    })
}

/// The id in the head is the one in the body.
#[test]
fn the_name_in_the_head_is_held_against_the_body() {
    each_of(
        || server(&Arc::default()),
        plain,
        |house| {
            let mut conn = house.connect();
            let ask = Ask::new(MODERN, "tasks/get").param("taskId", "t").declare(all());
            assert_eq!(conn.ask(&ask).refusal(), (400, -32020), "Mcp-Name is missing");
            assert_eq!(conn.ask(&ask.clone().field("Mcp-Name", "u")).refusal(), (400, -32020));
            assert_eq!(conn.ask(&ask.field("Mcp-Name", "t")).refusal(), (200, -32602));
        },
    );
}
