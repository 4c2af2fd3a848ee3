//! MCP over HTTP: who may ask, in which form, and what mirrors the body (section 5).

use std::net::{Ipv4Addr, Ipv6Addr};

use ringlane::{ListenAddress, Settings};
use serde_json::json;

use crate::support::ask::{ALL, Ask, BOTH, JSON, LEGACY, MODERN, NDJSON, SSE};
use crate::support::house::{each, plain};

fn request(method: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n")
}

/// 5.1
#[test]
fn an_origin_must_be_allowed_whatever_is_asked() {
    let allow = |settings: &mut Settings| {
        settings.serve.origins.allow("https://app.example").unwrap();
        settings.serve.origins.allow("http://dev.example:3000").unwrap();
    };
    each(allow, |house| {
        let mut conn = house.connect();
        for (origin, allowed) in [
            ("https://app.example", true),
            ("https://APP.example:443", true),
            ("http://dev.example:3000", true),
            ("http://localhost", true),
            ("https://localhost:1234", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]", true),
            ("http://app.example", false),
            ("https://app.example:444", false),
            ("https://app.example.evil.example", false),
            ("https://evil-app.example", false),
            ("https://app.example.", false),
            ("https://app.example/", false),
            ("https://user@app.example", false),
            ("http://dev.example", false),
            ("http://localhost.evil.example", false),
            ("http://127.0.0.1.evil.example", false),
            ("http://[::1].evil.example", false),
            ("null", false),
            ("", false),
            ("https://app.example, https://evil.example", false),
            ("chrome-extension://localhost", false),
        ] {
            let status = if allowed { 200 } else { 403 };
            let answer = conn.ask(&Ask::new(LEGACY, "ping").field("Origin", origin));
            assert_eq!(answer.status, status, "{origin}");
            if allowed {
                continue;
            }
            assert_eq!(answer.field("Access-Control-Allow-Origin"), None, "{origin}");
            // Before anything else: also where there is nothing, and for methods that are not
            // served.
            for (method, path) in
                [("GET", "/healthz"), ("GET", "/no"), ("PUT", "/mcp"), ("OPTIONS", "/mcp")]
            {
                let lines = format!("Origin: {origin}\r\n");
                let answer = conn.raw(request(method, path, &lines));
                assert_eq!(answer.status, 403, "{method} {path} {origin}");
            }
        }
    });
}

/// 5.2
#[test]
fn a_host_must_be_a_name_of_this_server() {
    let test = |hosts: &[(&str, u16)], allow: fn(&mut Settings)| {
        each(allow, |house| {
            let mut conn = house.connect();
            for (host, status) in hosts {
                let answer = conn.ask(&Ask::new(LEGACY, "ping").field("Host", host));
                assert_eq!(answer.status, *status, "{host}");
            }
        });
    };
    let names = [
        ("localhost", 200),
        ("localhost:80", 200),
        ("LocalHost", 200),
        ("127.0.0.1", 200),
        ("[::1]:9", 200),
        ("mcp.example", 421),
        ("localhost.evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("127.0.0.2", 421),
        ("0.0.0.0", 421),
    ];
    test(&names, plain);
    let names = [
        ("mcp.example", 200),
        ("MCP.example:77", 200),
        ("api.example:8443", 200),
        ("api.example", 421),
        ("api.example:8444", 421),
        ("mcp.example.evil.example", 421),
        ("evil-mcp.example", 421),
        ("localhost", 200),
    ];
    test(&names, |settings| {
        settings.serve.hosts.allow("mcp.example").unwrap();
        settings.serve.hosts.allow("api.example:8443").unwrap();
    });
}

/// 5.3
#[test]
fn by_default_it_listens_on_loopback_and_grants_no_page_anything() {
    let [ListenAddress::Tcp(address)] = Settings::default().runtime.listen[..] else {
        panic!("one address")
    };
    assert!(address.ip() == Ipv4Addr::LOCALHOST || address.ip() == Ipv6Addr::LOCALHOST);
    each(plain, |house| {
        let mut conn = house.connect();
        let preflight = "Origin: http://localhost:1\r\nAccess-Control-Request-Method: POST\r\n\
                         Access-Control-Request-Headers: content-type\r\n";
        let answer = conn.raw(request("OPTIONS", "/mcp", preflight));
        let methods = Some("POST, GET, DELETE, OPTIONS");
        assert_eq!((answer.status, answer.field("Allow")), (204, methods));
        let called = conn.ask(&Ask::new(LEGACY, "ping").field("Origin", "http://localhost:1"));
        for name in ["Origin", "Methods", "Headers", "Credentials"] {
            let name = format!("Access-Control-Allow-{name}");
            assert_eq!((answer.field(&name), called.field(&name)), (None, None));
        }
    });
}

/// CORS, once an origin is configured: on answers, refusals and streams, and for that origin alone.
#[test]
fn a_configured_origin_may_read_answers() {
    let page = "https://app.example";
    let allow = |settings: &mut Settings| settings.serve.origins.allow(page).unwrap();
    each(allow, |house| {
        let mut conn = house.connect();
        let granted = "Access-Control-Allow-Origin";
        let preflight = format!(
            "Origin: {page}\r\nAccess-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: content-type, mcp-method\r\n"
        );
        let answer = conn.raw(request("OPTIONS", "/mcp", &preflight));
        assert_eq!((answer.status, answer.field(granted)), (204, Some(page)));
        let methods = answer.field("Access-Control-Allow-Methods").unwrap();
        assert!(methods.contains("POST"), "{methods}");
        let names = answer.field("Access-Control-Allow-Headers").unwrap().to_lowercase();
        assert!(names.contains("content-type") && names.contains("mcp-method"), "{names}");
        assert!(answer.field("Vary").is_some());
        let progress = json!({"count": 2});
        for (status, ask) in [
            (200, Ask::new(LEGACY, "ping")),
            (200, Ask::call(LEGACY, "text", json!({})).accept(SSE)),
            (200, Ask::call(MODERN, "progress", progress).progress_token(1)),
            (404, Ask::new(MODERN, "no")),
            (202, Ask::notification(LEGACY, "notifications/initialized")),
            (415, Ask::new(LEGACY, "ping").field("Content-Type", "text/plain")),
            (400, Ask::new(LEGACY, "ping").field("MCP-Protocol-Version", "1")),
        ] {
            let answer = conn.ask(&ask.clone().field("Origin", page));
            assert_eq!((answer.status, answer.field(granted)), (status, Some(page)));
            let other = conn.ask(&ask.field("Origin", "http://localhost"));
            assert_eq!((other.status, other.field(granted)), (status, None));
        }
    });
}

/// 5.4, and row 2's last sentence
#[test]
fn a_body_is_json_as_it_is() {
    each(plain, |house| {
        let mut conn = house.connect();
        let ping = || Ask::new(LEGACY, "ping");
        for (content_type, status) in [
            ("application/json", 200),
            ("Application/JSON", 200),
            ("application/json; charset=utf-8", 200),
            ("application/json;profile=\"a;b\"", 200),
            ("application/jsonp", 415),
            ("application/json+x", 415),
            ("application/json, text/plain", 415),
            ("text/json", 415),
            ("text/plain", 415),
            ("", 415),
        ] {
            let answer = conn.ask(&ping().field("Content-Type", content_type));
            assert_eq!(answer.status, status, "{content_type:?}");
        }
        assert_eq!(conn.ask(&ping().without("Content-Type")).status, 415);
        for (coding, status) in
            [("identity", 200), ("IDENTITY", 200), ("gzip", 415), ("identity, br", 415), ("x", 415)]
        {
            let answer = conn.ask(&ping().field("Content-Encoding", coding));
            assert_eq!(answer.status, status, "{coding:?}");
        }
    });
}

/// 5.4: a quick answer is a document if one may be sent, and a stream otherwise; one that tells
/// something first is a stream if one may be sent.
#[test]
fn accept_decides_the_format() {
    let (none, all) = (None, Some("*/*"));
    let cases: &[(Option<&str>, &str, &str)] = &[
        (none, JSON, SSE),
        (all, JSON, SSE),
        (Some(""), JSON, SSE),
        (Some(BOTH), JSON, SSE),
        (Some("text/event-stream, application/json"), JSON, SSE),
        (Some("APPLICATION/JSON"), JSON, JSON),
        (Some(JSON), JSON, JSON),
        (Some("application/*"), JSON, JSON),
        (Some(SSE), SSE, SSE),
        (Some("text/*"), SSE, SSE),
        (Some(NDJSON), NDJSON, NDJSON),
        (Some("application/json, application/x-ndjson"), JSON, NDJSON),
        (Some("application/x-ndjson;q=0.5, text/event-stream;q=0.4"), NDJSON, NDJSON),
        (Some("application/x-ndjson;q=0.5, text/event-stream;q=0.6"), SSE, SSE),
        (Some("text/event-stream, application/x-ndjson"), SSE, SSE),
        (Some("application/x-ndjson, text/event-stream"), NDJSON, NDJSON),
        (Some("application/x-ndjson, */*"), JSON, NDJSON),
        (Some("*/*, application/json;q=0"), SSE, SSE),
        (Some("*/*, text/event-stream;q=0"), JSON, JSON),
        (Some("text/html, nonsense, application/json;q=0.1"), JSON, JSON),
    ];
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in [LEGACY, MODERN] {
            let accepting = |ask: Ask, accept: &Option<&str>| match accept {
                Some(value) => ask.accept(value),
                None => ask.without("Accept"),
            };
            for (accept, quick, told) in cases {
                for ask in
                    [Ask::new(revision, "tools/list"), Ask::call(revision, "text", json!({}))]
                {
                    let answer = conn.ask(&accepting(ask, accept));
                    assert_eq!(answer.status, 200, "{accept:?}");
                    assert_eq!(answer.field("Content-Type"), Some(*quick), "{accept:?}");
                }
                let call = Ask::call(revision, "progress", json!({"count": 3})).progress_token("p");
                let answer = conn.ask(&accepting(call, accept));
                assert_eq!(answer.field("Content-Type"), Some(*told), "{accept:?}");
                let count = if *told == JSON { 0 } else { 3 };
                assert_eq!(answer.notifications().len(), count, "{accept:?}");
            }
            for accept in ["text/html", "application/json;q=0", "*/*;q=0", "image/*, text/plain"] {
                let answer = conn.ask(&Ask::new(revision, "tools/list").accept(accept));
                assert_eq!(answer.refusal(), (406, -32600), "{accept}");
            }
            // Over several lines too.
            let lines = Ask::new(revision, "tools/list").accept("text/html").also("accept", NDJSON);
            assert_eq!(conn.ask(&lines).field("Content-Type"), Some(NDJSON));
        }
    });
}

/// 5.5
#[test]
fn other_methods_and_paths() {
    each(plain, |house| {
        let mut conn = house.connect();
        for method in ["GET", "DELETE", "PUT", "PATCH", "TRACE", "post", "X"] {
            let answer = conn.raw(request(method, "/mcp", "MCP-Protocol-Version: 2026-07-28\r\n"));
            assert_eq!((answer.status, answer.field("Allow")), (405, Some("POST, OPTIONS")));
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let answer = conn.raw(request(method, "/healthz", ""));
            assert_eq!(
                (answer.status, answer.field("Allow")),
                (405, Some("GET, HEAD")),
                "{method}"
            );
        }
        for path in ["/", "/mcp/", "/MCP", "/mcp%2f", "/mc", "/<script>", "/healthz/", "/../mcp"] {
            let answer = conn.raw(request("POST", path, "Content-Length: 0\r\n"));
            assert_eq!(answer.status, 404, "{path}");
            assert_eq!(answer.text(), "there is nothing here\n");
        }
        let asterisk = conn.raw(request("OPTIONS", "*", ""));
        assert_eq!(asterisk.status, 404);
        // A query is no part of the path.
        let ask = Ask::new(LEGACY, "ping");
        let bytes = String::from_utf8(ask.bytes()).unwrap().replace("/mcp ", "/mcp?a=/b ");
        conn.expect(&ask);
        conn.write(bytes.as_bytes());
        assert_eq!(conn.read().status, 200);
    });
}

#[test]
fn probes_are_answered_with_and_without_their_body() {
    each(plain, |house| {
        let mut conn = house.connect();
        for (path, text) in [("/healthz", "ok\n"), ("/readyz", "ready\n")] {
            let answer = conn.raw(request("GET", path, ""));
            assert_eq!((answer.status, answer.text().as_str()), (200, text));
            assert_eq!(answer.field("Cache-Control"), Some("no-store"));
            conn.expect_head_alone();
            conn.write(request("HEAD", path, "").as_bytes());
            let head = conn.read();
            let length = text.len().to_string();
            assert_eq!((head.status, head.field("Content-Length")), (200, Some(length.as_str())));
        }
        for path in ["/mcp", "/no"] {
            conn.expect_head_alone();
            conn.write(request("HEAD", path, "").as_bytes());
            assert!(matches!(conn.read().status, 404 | 405));
        }
        assert_eq!(conn.raw(request("GET", "/healthz", "")).status, 200);
    });
}

#[test]
fn the_endpoint_may_have_another_path() {
    each(
        |settings| settings.serve.path = "/a/b".to_owned(),
        |house| {
            let mut conn = house.connect();
            let ask = Ask::new(LEGACY, "ping");
            assert_eq!(conn.ask(&ask).status, 404);
            let bytes = String::from_utf8(ask.bytes()).unwrap().replace("/mcp ", "/a/b ");
            conn.expect(&ask);
            conn.write(bytes.as_bytes());
            assert_eq!(conn.read().status, 200);
        },
    );
}

/// 5.10
#[test]
fn a_revision_that_is_not_served_is_refused() {
    each(plain, |house| {
        let mut conn = house.connect();
        for version in ["2030-01-01", "2025-11-26", "", "2025-11-25x", "DRAFT-2026-v1"] {
            let ask = Ask::new(LEGACY, "ping").field("MCP-Protocol-Version", version);
            let answer = conn.ask(&ask);
            assert_eq!(answer.refusal(), (400, -32022), "{version}");
            let data = json!({"supported": ["2026-07-28"], "requested": version});
            assert_eq!(answer.error()["data"], data);
            let key = "io.modelcontextprotocol/protocolVersion";
            let ask = Ask::new(MODERN, "tools/list").field("MCP-Protocol-Version", version);
            let answer = conn.ask(&ask.clone().meta(key, version));
            assert_eq!(answer.refusal(), (400, -32022), "{version}");
            assert_eq!(answer.error()["data"], data);
            // Unlike comes before unknown.
            assert_eq!(conn.ask(&ask).refusal(), (400, -32020), "{version}");
        }
        // Bytes that are no text are no revision either.
        let ask = Ask::new(LEGACY, "ping").field("MCP-Protocol-Version", "2025-11-2?");
        let bytes =
            ask.bytes().iter().map(|&b| if b == b'?' { 0xff } else { b }).collect::<Vec<_>>();
        conn.expect(&ask);
        conn.write(&bytes);
        let answer = conn.read();
        assert_eq!(answer.refusal(), (400, -32022));
        assert_eq!(answer.error()["data"]["requested"], "2025-11-2\u{fffd}");
        // A claim to a revision that has no claims.
        let key = "io.modelcontextprotocol/protocolVersion";
        let old = Ask::new(MODERN, "tools/list").field("MCP-Protocol-Version", "2025-11-25");
        assert_eq!(conn.ask(&old.meta(key, "2025-11-25")).refusal(), (400, -32022));
        // Without the field, 2025-03-26 is assumed: its errors and its tools.
        let bare = Ask::new(ALL[1], "tools/list").without("MCP-Protocol-Version");
        let with = conn.ask(&Ask::new(ALL[1], "tools/list"));
        assert_eq!(conn.ask(&bare).result(), with.result());
    });
}

/// 5.10: in a handshake an unknown revision is no error, and a modern one has no handshake.
#[test]
fn a_handshake_settles_on_a_legacy_revision() {
    each(plain, |house| {
        let mut conn = house.connect();
        for revision in &ALL[..4] {
            let ask = Ask::initialize(*revision);
            let result = conn.ask(&ask).result().clone();
            assert_eq!(result["protocolVersion"], revision.to_string());
            let capabilities = json!({"logging": {}, "tools": {"listChanged": true}});
            assert_eq!(result["capabilities"], capabilities);
            assert_eq!(result["instructions"], "For tests.");
        }
        for unknown in ["2026-07-28", "2031-01-01", "1.0", ""] {
            let ask = Ask::initialize(LEGACY).param("protocolVersion", unknown);
            assert_eq!(conn.ask(&ask).result()["protocolVersion"], LEGACY.to_string());
            let field = ask.field("MCP-Protocol-Version", "2026-07-28");
            assert_eq!(conn.ask(&field).result()["protocolVersion"], LEGACY.to_string());
        }
        let answer = conn.ask(&Ask::initialize(LEGACY));
        let id = answer.field("Mcp-Session-Id").expect("a session");
        assert!(id.len() >= 32 && id.bytes().all(|byte| matches!(byte, 0x21..=0x7e)), "{id}");
    });
}

/// 5.11
#[test]
fn mirrored_fields_equal_the_body() {
    each(plain, |house| {
        let mut conn = house.connect();
        let call = |tool: &str| Ask::call(MODERN, tool, json!({}));
        let version = "MCP-Protocol-Version";
        for ask in [
            call("text").without(version),
            call("text").field(version, "2025-11-25"),
            call("text").without("Mcp-Method"),
            call("text").field("Mcp-Method", "tools/list"),
            call("text").field("Mcp-Method", "Tools/call"),
            call("text").field("Mcp-Method", ""),
            call("text").without("Mcp-Name"),
            call("text").field("Mcp-Name", "Text"),
            call("text").field("Mcp-Name", ""),
            call("text").field("Mcp-Name", "=?base64?dGV4dB==?="),
            call("text").field("Mcp-Name", "=?base64?dGV4d?="),
            call("text").field("Mcp-Name", "=?BASE64?dGV4dA==?="),
            call("text").field("Mcp-Name", "=?base64?//8=?="),
            call("text").field("Mcp-Name", "=?base64?dGV4dQ==?="),
            Ask::new(MODERN, "tools/call").field("Mcp-Name", "text"),
        ] {
            assert_eq!(conn.ask(&ask).refusal(), (400, -32020), "{ask:?}");
        }
        let encoded = call("text").field("mcp-NAME", "  =?base64?dGV4dA==?=\t");
        assert_eq!(conn.ask(&encoded).status, 200);
        // A name that no field could carry as it is.
        let foreign = call("Käse").field("Mcp-Name", "=?base64?S8Okc2U=?=");
        assert_eq!(conn.ask(&foreign).refusal(), (200, -32602));
        // A header that says legacy does not make a modern body legacy.
        let unlike = call("text").field(version, "2025-11-25");
        assert_eq!(conn.ask(&unlike).refusal(), (400, -32020));
    });
}

/// 5.11: the parameters that a tool's schema annotates.
#[test]
fn mirrored_parameters_equal_the_arguments() {
    each(plain, |house| {
        let mut conn = house.connect();
        let with = |arguments| Ask::call(MODERN, "mirrored", arguments);
        let field = "Mcp-Param-Region";
        let (eu, empty, null) = (json!({"region": "eu"}), json!({}), json!({"region": "a"}));
        for ask in [
            with(eu.clone()).field(field, "eu"),
            with(eu.clone()).field("mcp-param-REGION", "=?base64?ZXU=?="),
            with(empty.clone()),
            with(json!({"region": "Käse"})).field(field, "=?base64?S8Okc2U=?="),
            with(eu.clone()).field(field, "eu").field("Mcp-Param-Other", "x"),
        ] {
            assert_eq!(conn.ask(&ask).result().get("isError"), None, "{ask:?}");
        }
        for ask in [
            with(eu.clone()),
            with(eu.clone()).field(field, "us"),
            with(eu.clone()).field(field, "EU"),
            with(eu.clone()).field(field, "=?base64?ZXU?="),
            with(eu.clone()).field(field, "eu").also(field, "us"),
            with(empty).field(field, "eu"),
            with(null).field(field, ""),
        ] {
            assert_eq!(conn.ask(&ask).refusal(), (400, -32020), "{ask:?}");
        }
        // The legacy era knows no such fields.
        let legacy = Ask::call(LEGACY, "mirrored", eu).field(field, "us");
        assert_eq!(conn.ask(&legacy).said(), "eu");
    });
}

/// 5.11
#[test]
fn the_envelope_must_be_whole() {
    each(plain, |house| {
        let mut conn = house.connect();
        let (version, capabilities) = (
            "io.modelcontextprotocol/protocolVersion",
            "io.modelcontextprotocol/clientCapabilities",
        );
        let list = || Ask::new(MODERN, "tools/list");
        for ask in [
            list().without_meta(version),
            list().without_meta(version).without_meta(capabilities),
            list().without_meta(capabilities),
            list().meta(capabilities, json!([])),
            list().meta(version, 20_260_728),
        ] {
            assert_eq!(conn.ask(&ask).refusal(), (400, -32602), "{ask:?}");
        }
        // Who the client is need not be said, and no session is made or read.
        let answer = conn.ask(&list().field("Mcp-Session-Id", "x").field("Last-Event-ID", "1"));
        assert_eq!((answer.status, answer.field("Mcp-Session-Id")), (200, None));
        // A claim decides: a modern `initialize` is no handshake.
        assert_eq!(conn.ask(&Ask::new(MODERN, "initialize")).refusal(), (404, -32601));
    });
}

/// 5.16
#[test]
fn progress_and_logs_are_sent_as_they_were_asked_for() {
    each(plain, |house| {
        let mut conn = house.connect();
        let level = "io.modelcontextprotocol/logLevel";
        for revision in ALL {
            let silent = conn.ask(&Ask::call(revision, "progress", json!({"count": 3})));
            assert_eq!(silent.messages.len(), 1, "no token, no progress");
            for (token, used) in [
                (json!("p\"q"), true),
                (json!(0), true),
                (json!(-5), true),
                (json!(1.5), false),
                (json!(null), false),
                (json!({}), false),
            ] {
                let ask = Ask::call(revision, "progress", json!({"count": 2}));
                let answer = conn.ask(&ask.progress_token(token.clone()));
                let tokens: Vec<_> = answer
                    .notifications()
                    .iter()
                    .map(|message| message["params"]["progressToken"].clone())
                    .collect();
                assert_eq!(tokens, if used { vec![token; 2] } else { vec![] });
            }
            let wobble = conn.ask(&Ask::call(revision, "wobble", json!({})).progress_token(1));
            let progress: Vec<_> = wobble
                .notifications()
                .iter()
                .map(|message| message["params"]["progress"].as_f64().unwrap())
                .collect();
            assert_eq!(progress, [1.0, 2.5, 3.0], "it must increase");
        }
        let levels = |ask: Ask, conn: &mut crate::support::client::Conn| {
            let answer = conn.ask(&ask);
            let levels = answer.notifications().iter().map(|message| {
                assert_eq!(message["params"]["data"], json!({"text": "a\r\nb"}));
                message["params"]["level"].as_str().unwrap().to_owned()
            });
            levels.collect::<Vec<_>>().join(" ")
        };
        let logs = |revision| Ask::call(revision, "logs", json!({}));
        let from_info = "info notice warning error critical alert emergency";
        assert_eq!(levels(logs(LEGACY), &mut conn), from_info);
        assert_eq!(levels(logs(MODERN), &mut conn), "");
        let asked = |name: &str| logs(MODERN).meta(level, name);
        assert_eq!(levels(asked("debug"), &mut conn), format!("debug {from_info}"));
        assert_eq!(levels(asked("alert"), &mut conn), "alert emergency");
        assert_eq!(levels(asked("emergency"), &mut conn), "emergency");
        for wrong in [json!("loud"), json!("Debug"), json!(3), json!(null)] {
            let answer = conn.ask(&logs(MODERN).meta(level, wrong));
            assert_eq!(answer.refusal(), (200, -32602));
        }
        // A client that takes no stream is sent none.
        let document = conn.ask(&asked("debug").progress_token(1).accept(JSON));
        assert_eq!(document.messages.len(), 1);
    });
}
