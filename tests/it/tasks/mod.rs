//! Calls that become tasks, in memory, where time can be turned; `sockets` has what needs more than
//! one connection, `tools` what is called. Spec: the extension `io.modelcontextprotocol/tasks`.

mod sockets;
mod tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ringlane::testing::{CallError, TestClient};
use ringlane::{Server, Settings};
use serde_json::{Value, json};

use self::tools::{server, slow};
use crate::support::ask::LEGACY;

const TASKS: &str = "io.modelcontextprotocol/tasks";

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
    let mut legacy = server(&Arc::default()).test_client().unwrap().speaking(LEGACY);
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
    let retry = json!({"name": "both_at_once", "arguments": {},
        "requestState": first["requestState"],
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
