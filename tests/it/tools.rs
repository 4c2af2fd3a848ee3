//! What tools can do and how their callers are told: input, output, cursors, capabilities.

use std::collections::BTreeSet;

use ringlane::{Era, Revision};
use serde_json::{Value, json};

use crate::support::ask::{ALL, Ask, JSON, LEGACY, MODERN, NDJSON, SSE};
use crate::support::house::{each, plain};

/// Every problem at once, each with field, rule and fix: for the model from 2025-11-25 on, for the
/// client before.
#[test]
fn wrong_input_is_told_with_field_rule_and_fix() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            for (arguments, fields) in [
                (json!({}), &["count", "colour"][..]),
                (json!({"count": 10, "colour": "red"}), &["count"]),
                (json!({"count": 0, "colour": "red"}), &["count"]),
                (json!({"count": "1", "colour": "red"}), &["count"]),
                (json!({"count": 1, "colour": "blue"}), &["colour"]),
                (json!({"count": 1.5, "colour": 7, "note": 1}), &["count", "colour", "note"]),
            ] {
                let answer = conn.ask(&Ask::call(revision, "order", arguments.clone()));
                let as_result = revision.index() >= Revision::V2025_11_25.index();
                let (text, problems) = if as_result {
                    assert_eq!((answer.status, &answer.result()["isError"]), (200, &json!(true)));
                    let problems = answer.result()["_meta"]["ringlane/errors"].clone();
                    (answer.said().to_owned(), problems)
                } else {
                    assert_eq!(answer.refusal(), (200, -32602));
                    let text = answer.error()["message"].as_str().unwrap().to_owned();
                    (text, answer.error()["data"]["errors"].clone())
                };
                let named: BTreeSet<_> = problems
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|problem| {
                        for part in ["rule", "fix"] {
                            assert!(!problem[part].as_str().unwrap().is_empty(), "{problem}");
                        }
                        problem["field"].as_str().unwrap()
                    })
                    .collect();
                assert_eq!(named, fields.iter().copied().collect(), "{arguments}");
                assert!(fields.iter().all(|field| text.contains(&format!("`{field}`"))), "{text}");
            }
            let fits = json!({"count": 9, "colour": "green", "note": null, "more": 1});
            assert_eq!(conn.ask(&Ask::call(revision, "order", fits)).said(), "ordered");
        }
    });
}

#[test]
fn arguments_are_an_object_or_left_out() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            for wrong in [json!([]), json!("x"), json!(1), json!(null), json!(true)] {
                let ask = Ask::call(revision, "text", json!({})).param("arguments", wrong);
                assert_eq!(conn.ask(&ask).refusal(), (200, -32602));
            }
            let mut absent = Ask::new(revision, "tools/call").param("name", "text");
            if revision.era() == Era::Modern {
                absent = absent.field("Mcp-Name", "text");
            }
            assert_eq!(conn.ask(&absent).status, 200);
            let unwanted = conn.ask(&Ask::call(revision, "text", json!({"x": 1})));
            assert!(unwanted.text().contains("`x`"), "{}", unwanted.text());
        }
    });
}

#[test]
fn a_schema_by_hand_is_listed_unchanged_and_enforced() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let list = conn.ask(&Ask::new(revision, "tools/list"));
            let tools = list.result()["tools"].as_array().unwrap();
            let tool = tools.iter().find(|tool| tool["name"] == "by_hand").unwrap();
            assert_eq!(tool["inputSchema"]["$defs"], json!({"n": {"type": "integer"}}));
            assert_eq!(tool["inputSchema"]["then"], json!({"required": ["m"]}));
            let wrong = conn.ask(&Ask::call(revision, "by_hand", json!({"n": 1})));
            assert!(wrong.text().contains("`m`"), "{}", wrong.text());
            let big = json!({"n": u64::MAX, "m": [{"é": null}], "f": -0.5});
            let answer = conn.ask(&Ask::call(revision, "by_hand", big.clone()));
            assert_eq!(serde_json::from_str::<Value>(answer.said()).unwrap(), big);
        }
    });
}

#[test]
fn lists_come_in_pages_that_join_into_the_whole() {
    let names = |list: &Value| {
        let tools = list["tools"].as_array().unwrap().iter();
        tools.map(|tool| tool["name"].clone()).collect::<Vec<_>>()
    };
    each(plain, |house| {
        assert!(
            house
                .connect()
                .ask(&Ask::new(LEGACY, "tools/list"))
                .result()
                .get("nextCursor")
                .is_none()
        );
    });
    each(
        |settings| settings.lists.page_entries_max = 7,
        |house| {
            let mut conn = house.connect();
            for revision in ALL {
                let (mut joined, mut cursor) = (Vec::new(), None::<String>);
                loop {
                    let mut ask = Ask::new(revision, "tools/list");
                    if let Some(cursor) = &cursor {
                        ask = ask.param("cursor", cursor.as_str());
                    }
                    let page = conn.ask(&ask).result().clone();
                    assert!((1..=7).contains(&names(&page).len()));
                    joined.extend(names(&page));
                    cursor = page["nextCursor"].as_str().map(str::to_owned);
                    if cursor.is_none() {
                        break;
                    }
                }
                assert!(joined.len() > 21);
                assert_eq!(
                    joined.iter().map(ToString::to_string).collect::<BTreeSet<_>>().len(),
                    joined.len()
                );
                for wrong in [json!(""), json!("x"), json!("ZW50cnk6MQ"), json!(7), json!(null)] {
                    let answer = conn.ask(&Ask::new(revision, "tools/list").param("cursor", wrong));
                    assert_eq!(answer.refusal(), (200, -32602));
                }
            }
        },
    );
}

#[test]
fn handlers_see_their_part_of_meta_and_the_revision() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let ask = Ask::call(revision, "meta", json!({}))
                .meta("example.com/k", json!({"a": ["é", 1]}))
                .progress_token("t");
            let seen: Value = serde_json::from_str(conn.ask(&ask).said()).unwrap();
            let expected = json!({"k": {"a": ["é", 1]}, "token": null, "version": null,
                "revision": revision.to_string(), "wrong": null});
            assert_eq!(seen, expected);
            let none = conn.ask(&Ask::call(revision, "meta", json!({})));
            let none: Value = serde_json::from_str(none.said()).unwrap();
            assert_eq!(none["k"], Value::Null, "nothing is left of an earlier call");
        }
    });
}

#[test]
fn capabilities_hold_for_the_request_that_declares_them() {
    each(plain, |house| {
        let mut conn = house.connect();
        let key = "io.modelcontextprotocol/clientCapabilities";
        for (declared, can) in [
            (json!({}), [false, false, false, false]),
            (json!({"elicitation": {}}), [true, false, false, false]),
            (json!({"elicitation": {"url": {}}}), [false, true, false, false]),
            (json!({"elicitation": {"url": {}, "form": {}}}), [true, true, false, false]),
            (json!({"sampling": {}, "roots": {}}), [false, false, true, true]),
        ] {
            let ask = Ask::call(MODERN, "can", json!({})).meta(key, declared.clone());
            let seen: Value = serde_json::from_str(conn.ask(&ask).said()).unwrap();
            assert_eq!(seen, json!(can), "{declared}");
        }
        let needs = |revision| Ask::call(revision, "needs", json!({}));
        let able = needs(MODERN).meta(key, json!({"sampling": {}}));
        assert_eq!(conn.ask(&able).said(), "sampled");
        let unable = conn.ask(&needs(MODERN));
        assert_eq!(unable.refusal(), (400, -32021));
        assert_eq!(unable.error()["data"], json!({"requiredCapabilities": {"sampling": {}}}));
        // The code is none of the legacy era's: there the model is told.
        let told = conn.ask(&needs(LEGACY));
        assert_eq!(told.result()["isError"], true);
        let text = told.result()["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("did not declare the capability `sampling`"), "{text}");
    });
}

/// A tool that blocks has threads of its own: the one worker goes on serving.
#[test]
fn blocking_tools_hold_nobody_up() {
    each(plain, |house| {
        let mut blocked: Vec<_> = (0..4).map(|_| house.connect()).collect();
        for conn in &mut blocked {
            conn.send(&Ask::call(LEGACY, "block", json!({})));
            house.hear("started");
        }
        let mut conn = house.connect();
        for revision in ALL {
            assert_eq!(conn.ask(&Ask::call(revision, "echo", json!({"message": "m"}))).said(), "m");
        }
        house.gate.open();
        for conn in &mut blocked {
            assert_eq!(conn.read().said(), "blocked");
        }
    });
}

#[test]
fn blocking_calls_beyond_the_queue_are_refused() {
    let narrow = |settings: &mut ringlane::Settings| {
        settings.runtime.blocking_threads_max = 1;
        settings.runtime.blocking_queue_max = 1;
    };
    each(narrow, |house| {
        let block = || Ask::call(LEGACY, "block", json!({}));
        let mut running = house.connect();
        running.send(&block());
        house.hear("started");
        // Of two more one waits, whichever comes first, and the other is refused.
        let mut others = [house.connect(), house.connect()];
        others.iter_mut().for_each(|conn| conn.send(&block()));
        let mut refused = None;
        std::thread::scope(|scope| {
            let (told, heard) = std::sync::mpsc::channel();
            for conn in &mut others {
                let told = told.clone();
                scope.spawn(move || told.send(conn.read()).unwrap());
            }
            refused = Some(heard.recv().unwrap());
            house.gate.open();
            assert_eq!(heard.recv().unwrap().said(), "blocked");
        });
        assert_eq!(refused.unwrap().refusal(), (200, -32603));
        assert_eq!(running.read().said(), "blocked");
    });
}

/// Bodies that are decoded where they lie, one behind the other and behind short ones.
#[test]
fn long_messages_are_answered_in_order() {
    each(plain, |house| {
        let (mut conn, mut bytes, mut messages) = (house.connect(), Vec::new(), Vec::new());
        for (index, length) in [40_000, 5, 33_000, 200_000, 90_000, 5].into_iter().enumerate() {
            let message = format!("{index}\n\"é{}", "x".repeat(length));
            let ask = Ask::call(LEGACY, "echo", json!({"message": message}));
            conn.expect(&ask);
            bytes.extend(ask.bytes());
            messages.push(message);
        }
        std::thread::scope(|scope| {
            let mut writer = conn.second_hand();
            scope.spawn(move || writer.write(&bytes));
            for message in &messages {
                assert!(conn.read().said() == message, "{}", message.len());
            }
        });
    });
}

/// A megabyte both ways.
#[test]
fn large_messages_go_both_ways() {
    let message = "0123456789abcdeé".repeat(64 * 1024 - 4096);
    each(plain, |house| {
        let mut conn = house.connect();
        for (revision, accept) in [(LEGACY, JSON), (MODERN, SSE), (LEGACY, NDJSON)] {
            let ask = Ask::call(revision, "echo", json!({"message": message})).accept(accept);
            assert!(conn.ask(&ask).said() == message, "{revision} {accept}");
            if accept == SSE {
                conn.expect(&ask);
                conn.write(&ask.chunked(&[1000, 1, 40_000]));
                assert!(conn.read().said() == message);
            }
        }
    });
}
