//! Resources, prompts and completion: what is listed, read, filled in and completed, and how each
//! revision is told of it.

use std::time::Duration;

use ringlane::{Cx, Era, Revision, Server};
use serde_json::{Value, json};

use crate::support::ask::{ALL, Ask, LEGACY, MODERN};
use crate::support::house::{each, each_of, plain};
use crate::support::library::{Note, library};

fn from(revision: Revision, since: Revision) -> bool {
    revision.index() >= since.index()
}

/// The names of the members of an entry of a list.
fn members(list: &Value, name: &str) -> String {
    let entries = list.as_array().unwrap();
    let entry = entries.iter().find(|entry| entry["name"] == name).unwrap();
    entry.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_offered_is_declared_where_the_revision_knows_it() {
    each_of(library, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let greeting = match revision.era() {
                Era::Legacy => conn.ask(&Ask::initialize(revision)),
                Era::Modern => conn.ask(&Ask::new(revision, "server/discover")),
            };
            let mut declared = json!({
                "logging": {},
                "resources": {"subscribe": true, "listChanged": true},
                "prompts": {"listChanged": true}
            });
            if from(revision, Revision::V2025_03_26) {
                declared["completions"] = json!({});
            }
            assert_eq!(greeting.result()["capabilities"], declared, "{revision}");
        }
    });
}

#[test]
fn lists_tell_what_each_revision_knows() {
    each_of(library, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let (titles, icons) =
                (from(revision, Revision::V2025_06_18), from(revision, Revision::V2025_11_25));
            let known = |all: &str| {
                let known = |name: &&str| match *name {
                    "title" | "_meta" => titles,
                    "icons" => icons,
                    _ => true,
                };
                all.split(' ').filter(known).collect::<Vec<_>>().join(" ")
            };
            let list = conn.ask(&Ask::new(revision, "resources/list"));
            let list = &list.result()["resources"];
            assert_eq!(members(list, "text"), "uri name description");
            let full = "uri name title description mimeType size annotations icons _meta";
            assert_eq!(members(list, "full"), known(full), "{revision}");
            let annotations = &list[2]["annotations"];
            assert_eq!(annotations.get("lastModified").is_some(), titles, "{revision}");

            let list = conn.ask(&Ask::new(revision, "resources/templates/list"));
            let list = &list.result()["resourceTemplates"];
            let notes = "uriTemplate name title description mimeType annotations icons _meta";
            assert_eq!(members(list, "notes"), known(notes), "{revision}");
            assert_eq!(members(list, "find"), "uriTemplate name description");

            let list = conn.ask(&Ask::new(revision, "prompts/list"));
            let list = &list.result()["prompts"];
            let review = "name title description arguments icons _meta";
            assert_eq!(members(list, "review"), known(review), "{revision}");
            assert_eq!(members(list, "hello"), "name description");
            let code = json!({"name": "code", "description": "What to review.", "required": true});
            let mut rounds =
                json!({"name": "rounds", "description": "How often.", "required": false});
            if titles {
                rounds["title"] = json!("Rounds");
            }
            assert_eq!(list[1]["arguments"], json!([code, rounds]), "{revision}");
        }
    });
}

#[test]
fn resources_are_read() {
    each_of(library, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let mut read = |uri: &str| {
                let answer = conn.ask(&Ask::read(revision, uri));
                answer.result()["contents"].clone()
            };
            let text = json!([{"uri": "test://text", "mimeType": "text/plain",
                "text": "a\r\n\"é"}]);
            assert_eq!(read("test://text"), text);
            let bytes = json!([{"uri": "test://bytes", "mimeType": "application/octet-stream",
                "blob": "AAn/"}]);
            assert_eq!(read("test://bytes"), bytes);
            let full = read("test://full");
            assert_eq!(full[0]["text"], "# Full");
            let meta = from(revision, Revision::V2025_06_18).then(|| json!({"example.com/k": 1}));
            assert_eq!(full[1].get("_meta"), meta.as_ref(), "{revision}");
            let note = json!([{"uri": "note:///K%C3%A4se", "mimeType": "text/html",
                "text": "<Käse>"}]);
            assert_eq!(read("note:///K%C3%A4se"), note);
            assert_eq!(read("note:///fixed")[0]["text"], "fixed", "before its template");
            assert_eq!(read("note:///a/b")[0]["text"], "deep a/b", "the next template");
            assert_eq!(read("find:7")[0]["text"], "");
            assert_eq!(
                read("find:7?word=a%20b")[0],
                json!({"uri": "find:7",
                "mimeType": "text/plain", "text": "a b"})
            );
        }
    });
}

#[test]
fn what_was_read_may_be_kept_as_registered() {
    let kept = |settings: &mut ringlane::Settings| {
        settings.lists.cache_ttl = Duration::from_secs(5);
    };
    each_of(library, kept, |house| {
        let mut conn = house.connect();
        for (uri, ttl, scope) in [
            ("test://text", 5_000, "public"),
            ("test://full", 60_000, "private"),
            ("note:///a", 5_000, "public"),
        ] {
            let result = conn.ask(&Ask::read(MODERN, uri)).result().clone();
            assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(ttl), &json!(scope)));
        }
    });
}

#[test]
fn what_cannot_be_read_is_an_error_of_the_revision() {
    each_of(library, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let missing = if revision.era() == Era::Modern { -32602 } else { -32002 };
            for uri in ["test://nothing", "note:///none", "note:", "find:1?other=1"] {
                let answer = conn.ask(&Ask::read(revision, uri));
                assert_eq!(answer.refusal(), (200, missing), "{revision} {uri}");
                assert_eq!(answer.error()["data"], json!({"uri": uri}));
            }
            let unfit = conn.ask(&Ask::read(revision, "find:x?word=y"));
            assert_eq!(unfit.refusal(), (200, -32602));
            let data = &unfit.error()["data"];
            assert_eq!(
                (&data["errors"][0]["field"], &data["uri"]),
                (&json!("id"), &json!("find:x?word=y"))
            );
            for (uri, code) in [("test://told", -32603), ("test://code", 7)] {
                let answer = conn.ask(&Ask::read(revision, uri));
                assert_eq!(answer.refusal(), (200, code));
            }
            for wrong in ["", "text", "/etc/passwd", "note:///a b", "note:///%"] {
                let answer = conn.ask(&Ask::read(revision, wrong));
                let told = answer.error()["message"].as_str().unwrap();
                assert_eq!(answer.refusal(), (200, -32602), "{wrong}");
                assert!(told.contains("RFC 3986"), "{told}");
            }
            let long = Ask::read(LEGACY, &format!("note:///{}", "a".repeat(8192)));
            assert_eq!(conn.ask(&long).refusal(), (200, -32602));
            let none = conn.ask(&Ask::new(revision, "resources/read"));
            assert_eq!(none.refusal(), (200, -32602));
        }
        let words = conn.ask(&Ask::read(MODERN, "test://told"));
        assert_eq!(words.error()["message"], "no luck");
        let other = Ask::read(MODERN, "test://text").field("Mcp-Name", "test://bytes");
        assert_eq!(conn.ask(&other).refusal(), (400, -32020));
        let unnamed = Ask::read(MODERN, "test://text").without("Mcp-Name");
        assert_eq!(conn.ask(&unnamed).refusal(), (400, -32020));
    });
}

#[test]
fn handlers_of_resources_may_tell_their_progress() {
    each_of(library, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let answer = conn.ask(&Ask::read(revision, "test://progress").progress_token("t"));
            assert_eq!(answer.notifications().len(), 1, "{revision}");
            assert_eq!(answer.notifications()[0]["params"]["progress"], 1);
            assert_eq!(answer.result()["contents"][0]["text"], "told");
        }
    });
}

#[test]
fn prompts_are_filled_in() {
    each_of(library, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let mut get = |name: &str, arguments: Value| {
                conn.ask(&Ask::prompt(revision, name, arguments)).result().clone()
            };
            let said =
                |text: &str| json!([{"role": "user", "content": {"type": "text", "text": text}}]);
            assert_eq!(get("hello", json!({}))["messages"], said("Hello"));
            let once = get("review", json!({"code": "a.rs"}));
            assert_eq!(once["messages"], said("Review a.rs 1 times"));
            let twice = get("review", json!({"code": "7", "rounds": "2"}));
            assert_eq!(twice["messages"], said("Review 7 2 times"));
            let list = get("list", json!({}));
            assert_eq!(list["messages"][0]["role"], "assistant");
            let all = get("all", json!({}));
            assert_eq!(all["description"], "Of every kind");
            let kinds: Vec<_> = all["messages"]
                .as_array()
                .unwrap()
                .iter()
                .map(|message| message["content"]["type"].as_str().unwrap())
                .collect();
            let audio = if from(revision, Revision::V2025_03_26) { "audio" } else { "resource" };
            assert_eq!(kinds, ["resource", "image", audio, "text"]);
            let absent = Ask::prompt(revision, "hello", json!({})).without_param("arguments");
            assert_eq!(conn.ask(&absent).result()["messages"], said("Hello"));
        }
    });
}

#[test]
fn prompts_that_cannot_be_filled_in_are_errors() {
    each_of(library, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let mut refused = |name: &str, arguments: Value| {
                let answer = conn.ask(&Ask::prompt(revision, name, arguments));
                assert_eq!(answer.refusal(), (200, -32602), "{revision} {name}");
                let text = answer.error()["message"].as_str().unwrap().to_owned();
                (text, answer.error()["data"]["errors"][0]["field"].clone())
            };
            let (text, field) = refused("review", json!({}));
            assert!(text.contains("`code` is required. Fix: add `code`"), "{text}");
            assert_eq!(field, "code");
            assert_eq!(refused("review", json!({"code": 1})).1, "code");
            assert_eq!(refused("review", json!({"code": null})).1, "code");
            assert_eq!(refused("review", json!({"code": "a", "rounds": "x"})).1, "rounds");
            assert_eq!(refused("review", json!({"code": "a", "rounds": 1})).1, "rounds");
            assert!(refused("hello", json!({"a": "b"})).0.contains("does not take `a`"));
            for wrong in [json!([]), json!("x"), json!(null)] {
                refused("hello", wrong);
            }
            assert!(refused("nothing", json!({})).0.contains("unknown prompt `nothing`"));
            let failed = conn.ask(&Ask::prompt(revision, "fail", json!({})));
            assert_eq!(failed.refusal(), (200, -32603));
            assert_eq!(failed.error()["message"], "no luck");
        }
    });
}

#[test]
fn arguments_are_completed() {
    let prompt = || json!({"type": "ref/prompt", "name": "review"});
    let notes = || json!({"type": "ref/resource", "uri": "note:///{name}"});
    each_of(library, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let mut complete = |ask: Ask| conn.ask(&ask).result()["completion"].clone();
            let typed = Ask::complete(revision, notes(), "name", "FI");
            let expected = json!({"values": ["first", "fixed"], "total": 2, "hasMore": false});
            assert_eq!(complete(typed), expected);
            let context = json!({"arguments": {"code": "c"}});
            let many = Ask::complete(revision, prompt(), "rounds", "r").param("context", context);
            let many = complete(many);
            assert_eq!(many["values"].as_array().unwrap().len(), 100);
            assert_eq!(many["values"][99], "cr99");
            assert_eq!((&many["total"], &many["hasMore"]), (&json!(250), &json!(true)));
            let page = complete(Ask::complete(revision, prompt(), "code", ""));
            assert_eq!(page, json!({"values": ["main"], "hasMore": true}));
            let nothing = json!({"values": [], "total": 0, "hasMore": false});
            let fixed = json!({"type": "ref/resource", "uri": "test://text"});
            let hello = json!({"type": "ref/prompt", "name": "hello"});
            for (reference, argument) in
                [(prompt(), "other"), (fixed, "a"), (hello, "a"), (notes(), "other")]
            {
                let ask = Ask::complete(revision, reference, argument, "x");
                assert_eq!(complete(ask), nothing);
            }
        }
    });
}

#[test]
fn what_is_not_there_is_not_completed() {
    each_of(library, plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            for reference in [
                json!({"type": "ref/prompt", "name": "nothing"}),
                json!({"type": "ref/resource", "uri": "note:///a"}),
                json!({"type": "ref/tool", "name": "review"}),
                json!({"type": "ref/prompt"}),
                json!("review"),
            ] {
                let ask = Ask::complete(revision, reference, "code", "");
                assert_eq!(conn.ask(&ask).refusal(), (200, -32602));
            }
            let sound = || {
                let review = json!({"type": "ref/prompt", "name": "review"});
                Ask::complete(revision, review, "code", "")
            };
            for (member, wrong) in [
                ("argument", json!({"name": "code"})),
                ("argument", json!({"name": 1, "value": ""})),
                ("argument", json!(null)),
                ("context", json!({"arguments": {"a": 1}})),
                ("context", json!({"arguments": []})),
            ] {
                let answer = conn.ask(&sound().param(member, wrong));
                assert_eq!(answer.refusal(), (200, -32602));
            }
        }
    });
}

#[test]
fn every_list_comes_in_pages() {
    let narrow = |settings: &mut ringlane::Settings| settings.lists.page_entries_max = 2;
    each_of(library, narrow, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            for (method, member, count) in [
                ("resources/list", "resources", 7),
                ("resources/templates/list", "resourceTemplates", 3),
                ("prompts/list", "prompts", 5),
            ] {
                let (mut names, mut ask) = (Vec::new(), Ask::new(revision, method));
                loop {
                    let page = conn.ask(&ask).result().clone();
                    let entries = page[member].as_array().unwrap();
                    assert!((1..=2).contains(&entries.len()));
                    names.extend(entries.iter().map(|entry| entry["name"].to_string()));
                    let Some(cursor) = page.get("nextCursor") else { break };
                    ask = Ask::new(revision, method).param("cursor", cursor.clone());
                }
                assert_eq!(names.len(), count, "{method}");
                names.sort();
                names.dedup();
                assert_eq!(names.len(), count, "{method}");
                for wrong in [json!(""), json!("x"), json!("ZW50cnk6MQ"), json!(7)] {
                    let answer = conn.ask(&Ask::new(revision, method).param("cursor", wrong));
                    assert_eq!(answer.refusal(), (200, -32602));
                }
            }
        }
    });
}

#[test]
fn what_is_not_offered_does_not_exist() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let status = if revision.era() == Era::Modern { 404 } else { 200 };
            for ask in [
                Ask::new(revision, "resources/list"),
                Ask::new(revision, "resources/templates/list"),
                Ask::read(revision, "test://text"),
                Ask::new(revision, "prompts/list"),
                Ask::prompt(revision, "hello", json!({})),
                Ask::complete(revision, json!({"type": "ref/prompt", "name": "p"}), "a", ""),
            ] {
                assert_eq!(conn.ask(&ask).refusal(), (status, -32601), "{revision}");
            }
        }
    });
    let templates_alone = || {
        Server::new("notes", "1.0.0").resource_template(
            "note:///{name}",
            "notes",
            "A note",
            async |_: Cx, note: Note| Ok(note.name),
        )
    };
    each_of(templates_alone, plain, |house| {
        let mut conn = house.connect();
        let list = conn.ask(&Ask::new(MODERN, "resources/list"));
        assert_eq!(list.result()["resources"], json!([]));
        assert_eq!(conn.ask(&Ask::new(MODERN, "tools/list")).refusal(), (404, -32601));
        let complete = Ask::complete(
            MODERN,
            json!({"type": "ref/resource", "uri": "note:///{name}"}),
            "n",
            "",
        );
        assert_eq!(conn.ask(&complete).refusal(), (404, -32601));
    });
}

#[test]
fn the_test_client_reads_and_lists() {
    let mut client = library().test_client().unwrap();
    assert_eq!(client.read("note:///a").unwrap()["contents"][0]["text"], "<a>");
    let review = client.prompt("review", json!({"code": "x"})).unwrap();
    assert_eq!(review["messages"][0]["role"], "user");
    assert_eq!(client.list("resources/templates").unwrap().len(), 3);
    assert_eq!(client.list("prompts").unwrap().len(), 5);
    client.list_tools().expect_err("no tools");
}

#[test]
fn what_cannot_be_offered_is_told_at_the_start() {
    let error = Server::new("faults", "1.0.0")
        .resource("text", "a", "d", async |_: Cx| Ok("x"))
        .resource_template("note:///{title}", "b", "d", async |_: Cx, note: Note| Ok(note.name))
        .prompt("a b", "d", async |_: Cx, (): ()| Ok("x"))
        .test_client()
        .unwrap_err()
        .to_string();
    assert_eq!(error.lines().count(), 3, "{error}");
    assert!(error.contains("no field `title`"), "{error}");
}
