//! Tasks over sockets: on every worker, in every format, at the end of the process.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use ringlane::{Cx, IoChoice, Server};
use serde_json::json;

use super::tools::server;
use super::{accept, all, text};
use crate::support::ask::{Ask, BOTH, JSON, MODERN, NDJSON, SSE};
use crate::support::client::End;
use crate::support::gate::Gate;
use crate::support::house::{Ground, House, each_of, plain, two_of};

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

/// Who listens hears what a task is when it begins to listen, and whenever that changes, whichever
/// worker keeps the task and whichever the stream.
#[test]
fn who_listens_to_a_task_hears_what_becomes_of_it() {
    two_of(
        || server(&Arc::default()),
        plain,
        |house| {
            for _ in 0..4 {
                let ask = Ask::call(MODERN, "two_questions", json!({})).declare(all());
                let created = house.connect().ask(&ask);
                let id = created.result()["taskId"].as_str().unwrap();
                let wanted = json!({"taskIds": [id, "no task"]});
                let listen =
                    Ask::new(MODERN, "subscriptions/listen").param("notifications", wanted);
                let mut refused = house.connect();
                assert_eq!(refused.ask(&listen.clone().accept(SSE)).refusal(), (400, -32021));

                let mut listener = house.connect();
                listener.send(&listen.accept(SSE).declare(all()));
                listener.begin();
                let acknowledged = listener.message().unwrap();
                assert_eq!(acknowledged["params"]["notifications"], json!({"taskIds": [id]}));
                let mut hear = |status: &str| {
                    let told = listener.message().unwrap();
                    assert_eq!(told["method"], "notifications/tasks");
                    let params = &told["params"];
                    assert_eq!(
                        (&params["taskId"], &params["status"]),
                        (&json!(id), &json!(status))
                    );
                    assert_eq!(params["_meta"]["io.modelcontextprotocol/subscriptionId"], 1);
                    params.clone()
                };
                let asking = hear("input_required");
                assert_eq!(asking["inputRequests"].as_object().unwrap().len(), 2);
                for (name, status) in [("one", "input_required"), ("two", "working")] {
                    let answers = json!({ name: accept(json!({"name": name})) });
                    let ask = Ask::task("tasks/update", id).param("inputResponses", answers);
                    assert_eq!(house.connect().ask(&ask.declare(all())).status, 200);
                    hear(status);
                }
                assert_eq!(text(&hear("completed")["result"]), "one two");
            }
        },
    );
}

#[test]
fn what_is_wrong_with_the_tasks_to_listen_to_is_told() {
    each_of(
        || server(&Arc::default()),
        plain,
        |house| {
            let ids: Vec<_> = (0..33).map(|id| id.to_string()).collect();
            for wrong in [json!("t"), json!([1]), json!({}), json!(ids)] {
                let wanted = json!({"taskIds": wrong});
                let ask = Ask::new(MODERN, "subscriptions/listen").param("notifications", wanted);
                let answer = house.connect().ask(&ask.accept(SSE).declare(all()));
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
            assert_eq!(created.notifications().len(), usize::from(accept != JSON), "{accept}");
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
        let mut idle = house.connect();
        house.drain();
        assert_eq!(idle.end(), End::Clean, "the drain began");
        gate.open();
        house.wait();
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
