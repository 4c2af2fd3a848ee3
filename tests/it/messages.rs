//! JSON-RPC: what is a message, what answers it, and with which id (section 4).

use serde_json::{Value, json};

use crate::support::ask::{ALL, Ask, LEGACY, MODERN};
use crate::support::client::{Answer, Conn};
use crate::support::house::{each, each_and_two, plain};

/// Posts a body as it is.
fn post(conn: &mut Conn, body: impl AsRef<[u8]>) -> Answer {
    conn.raw(Ask::new(LEGACY, "ping").with_body(body.as_ref()))
}

/// 4.1, 4.2
#[test]
fn what_is_not_strict_json_is_refused_without_an_id() {
    each(plain, |house| {
        let mut conn = house.connect();
        let message = |text: &[u8]| {
            let (start, end) = (br#"{"jsonrpc":"2.0","id":1,"method":""#, br#""}"#);
            [&start[..], text, end].concat()
        };
        for body in [
            b"".to_vec(),
            b" ".to_vec(),
            b"{".to_vec(),
            b"\xef\xbb\xbf{}".to_vec(),
            b"{}{}".to_vec(),
            br#"{"jsonrpc":"2.0","id":1,"method":"ping",}"#.to_vec(),
            br#"{'jsonrpc':"2.0"}"#.to_vec(),
            br#"{"jsonrpc":"2.0","id":01,"method":"ping"}"#.to_vec(),
            br#"{"jsonrpc":"2.0","id":NaN,"method":"ping"}"#.to_vec(),
            br#"/* */{"jsonrpc":"2.0","id":1,"method":"ping"}"#.to_vec(),
            message(b"pi\nng"),
            message(b"\xff"),
            message(b"\xc0\x80"),
            message(b"\xed\xa0\x80"),
            message(br"\ud800"),
            message(br"\x41"),
            "{\"jsonrpc\"".encode_utf16().flat_map(u16::to_le_bytes).collect(),
        ] {
            let shown = String::from_utf8_lossy(&body).into_owned();
            let answer = post(&mut conn, &body);
            assert_eq!(answer.refusal(), (400, -32700), "{shown}");
            assert!(answer.response().get("id").is_none(), "{shown}");
        }
    });
}

/// 4.2
#[test]
fn json_that_is_no_request_is_refused_with_the_id_if_it_could_be_read() {
    each(plain, |house| {
        let mut conn = house.connect();
        for body in ["3", "null", "\"ping\"", "{}", r#"{"jsonrpc":"2.0","result":{}}"#] {
            let answer = post(&mut conn, body);
            assert_eq!(answer.refusal(), (400, -32600), "{body}");
            assert!(answer.response().get("id").is_none(), "{body}");
        }
        for body in [
            r#"{"id":7,"method":"ping"}"#,
            r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#,
            r#"{"jsonrpc":2.0,"id":7,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":7}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":null}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":null}"#,
            r#"{"jsonrpc":"2.0","id":7,"method":"ping","result":{}}"#,
        ] {
            conn.expect(&Ask::new(LEGACY, "ping").id(7));
            conn.write(&Ask::new(LEGACY, "ping").with_body(body.as_bytes()));
            let answer = conn.read();
            assert_eq!(answer.refusal(), (400, -32600), "{body}");
            assert_eq!(answer.response()["id"], 7, "{body}");
        }
    });
}

/// 4.3
#[test]
fn ids_come_back_as_they_were() {
    each(plain, |house| {
        let mut conn = house.connect();
        for id in [
            "0",
            "-1",
            "9007199254740993",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615",
            r#""""#,
            r#""1""#,
            r#""é\"\\\n 😀""#,
        ] {
            for revision in ALL {
                for ask in [
                    Ask::new(revision, "tools/list"),
                    Ask::call(revision, "text", json!({})),
                    Ask::new(revision, "no"),
                ] {
                    let answer = conn.ask(&ask.id(id));
                    let text = answer.text();
                    assert!(text.contains(&format!(r#""id":{id}"#)), "{id}: {text}");
                }
            }
        }
        for id in ["null", "1.0", "1.5", "1e3", "18446744073709551616", "true", "{}", "[1]"] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            let answer = post(&mut conn, &body);
            assert_eq!(answer.refusal(), (400, -32600), "{id}");
            assert!(answer.response().get("id").is_none(), "{id}");
        }
    });
}

/// 4.4
#[test]
fn a_member_named_twice_is_refused_wherever_it_stands() {
    each(plain, |house| {
        let mut conn = house.connect();
        for body in [
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","m\u0065thod":"tools/list"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"text","name":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call",
                "params":{"name":"by_hand","arguments":{"a":[{"b":1,"b":1}]}}}"#,
        ] {
            assert_eq!(post(&mut conn, body).refusal(), (400, -32700), "{body}");
        }
        // Escapes count as the characters they stand for.
        conn.expect(&Ask::new(LEGACY, "ping"));
        let escaped = br#"{"\u006asonrpc":"2.\u0030","i\u0064":1,"method":"p\u0069ng"}"#;
        conn.write(&Ask::new(LEGACY, "ping").with_body(escaped));
        assert_eq!(conn.read().result(), &json!({}));
    });
}

/// 4.5, 4.8
#[test]
fn names_are_compared_as_they_are() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            let status = if revision == MODERN { 404 } else { 200 };
            for method in
                ["", "Tools/list", "tools/list ", "tools/LIST", "tools/li\u{17f}t", "rpc.x"]
            {
                let ask = Ask::new(revision, method);
                // A field holds no such letters; the body is what counts in the legacy era.
                if revision == MODERN && !method.is_ascii() || method.ends_with(' ') {
                    continue;
                }
                assert_eq!(conn.ask(&ask).refusal(), (status, -32601), "{method:?}");
            }
            for tool in ["Text", "TEXT", "tex", "texts", "no_such"] {
                let answer = conn.ask(&Ask::call(revision, tool, json!({})));
                assert_eq!(answer.refusal(), (200, -32602), "{tool}");
            }
            let nameless = Ask::new(revision, "tools/call").param("arguments", json!({}));
            assert_eq!(conn.ask(&nameless).refusal(), (200, -32602));
        }
        let spaced = Ask::call(LEGACY, "text ", json!({}));
        assert_eq!(conn.ask(&spaced).refusal(), (200, -32602));
        let wrong_case = Ask::new(LEGACY, "tools/call").param("Name", "text");
        assert_eq!(conn.ask(&wrong_case).refusal(), (200, -32602));
    });
}

/// 4.6
#[test]
fn a_notification_gets_202_and_no_body() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            for method in ["notifications/initialized", "notifications/cancelled", "ping", "no"] {
                let answer = conn.ask(&Ask::notification(revision, method));
                assert_eq!((answer.status, answer.body.len()), (202, 0), "{revision} {method}");
                assert_eq!(answer.field("Content-Type"), None);
            }
        }
        // In the modern era the mirrored fields are undefined for it.
        let bare = Ask::notification(MODERN, "notifications/cancelled").without("Mcp-Method");
        assert_eq!(conn.ask(&bare.without("MCP-Protocol-Version")).status, 202);
        // A tool called by a notification does not run.
        let call = Ask::call(LEGACY, "hold", json!({}));
        let body = call.body().replace(r#""id":1,"#, "");
        assert_eq!(conn.raw(call.with_body(body.as_bytes())).status, 202);
        assert!(house.is_quiet());
        let unknown = Ask::notification(LEGACY, "no").field("MCP-Protocol-Version", "2030-01-01");
        assert_eq!(conn.ask(&unknown).refusal(), (400, -32022));
    });
}

/// 4.7: there are no sessions, so none negotiated 2025-03-26.
#[test]
fn an_array_is_refused_whole() {
    each(plain, |house| {
        let mut conn = house.connect();
        let (ping, call) =
            (Ask::new(LEGACY, "ping").body(), Ask::call(MODERN, "hold", json!({})).body());
        for body in [
            "[]".to_owned(),
            format!("[{ping}]"),
            format!("[{ping},{ping}]"),
            format!("[{call}]"),
            r#"[{"jsonrpc":"2.0","method":"notifications/initialized"}]"#.to_owned(),
        ] {
            for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
                let ask = Ask::new(LEGACY, "ping").field("MCP-Protocol-Version", version);
                let answer = conn.raw(ask.with_body(body.as_bytes()));
                assert_eq!(answer.refusal(), (400, -32600), "{version} {body}");
            }
        }
        assert!(house.is_quiet());
    });
}

/// 4.9: ids are the clients' own, so many may be alike at once, on one connection and on several.
#[test]
fn each_request_is_answered_once_whatever_its_id() {
    each_and_two(plain, |house| {
        let mut conns: Vec<_> = (0..6).map(|_| house.connect()).collect();
        let ask = |conn: usize, turn: usize| {
            Ask::call(MODERN, "echo", json!({"message": format!("{conn}/{turn}")}))
        };
        for turn in 0..4 {
            for (index, conn) in conns.iter_mut().enumerate() {
                conn.send(&ask(index, turn));
            }
        }
        for (index, conn) in conns.iter_mut().enumerate().rev() {
            for turn in 0..4 {
                assert_eq!(conn.read().said(), format!("{index}/{turn}"));
            }
        }
    });
}

/// 4.10: `check_error` of the client looks at every error; here at those of a tool that breaks.
#[test]
fn errors_tell_a_code_and_a_sentence_and_nothing_of_the_inside() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            for tool in ["panic", "panic_off_core"] {
                let answer = conn.ask(&Ask::call(revision, tool, json!({})));
                assert!(!answer.text().contains("secret"), "{}", answer.text());
                let members: Vec<_> = answer.error().as_object().unwrap().keys().collect();
                assert_eq!(members, ["code", "message"]);
            }
            let long = "x".repeat(10_000);
            let answer = conn.ask(&Ask::call(revision, &long, json!({})));
            assert!(answer.text().len() < 400, "a name is not echoed at length");
            let by_code = conn.ask(&Ask::call(revision, "fail_by_code", json!({})));
            assert_eq!(
                by_code.error(),
                &json!({"code": 7, "message": "seven", "data": {"why": [1]}})
            );
        }
    });
}

/// Control characters, lone surrogates in escapes, and separators of lines come through unharmed.
#[test]
fn text_comes_back_as_it_was_sent() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in ALL {
            for text in ["", "\u{0}\u{1f}\u{7f}", "\r\n\u{2028}\u{2029}", "\\\"/\u{10ffff}é"] {
                let ask = Ask::call(revision, "echo", json!({"message": text}));
                for accept in ["application/json", "text/event-stream", "application/x-ndjson"] {
                    let answer = conn.ask(&ask.clone().accept(accept));
                    assert_eq!(answer.said(), text);
                }
            }
            assert_eq!(
                conn.ask(&Ask::call(revision, "text", json!({}))).result()["isError"],
                Value::Null
            );
        }
    });
}
