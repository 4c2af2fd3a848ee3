//! The client in memory, and what it shows of the server.

use super::*;
use crate::controller::catalogue::ListSettings;
use crate::handler::context::Cx;
use crate::handler::off_core::BlockingCx;
use crate::handler::registry::Registry;
use crate::handler::tool::Tool;
use crate::testing::sealer;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Steps {
    #[schemars(extend("x-mcp-header" = "Count"))]
    count: u64,
}

fn client() -> TestClient {
    let mut registry = Registry::default();
    let steps = async |cx: Cx, Steps { count }: Steps| {
        for step in 1..=count {
            cx.progress(step, count, "step").await;
            cx.sleep(Duration::from_secs(1)).await;
        }
        Ok("there")
    };
    registry.add_tool(Tool::new("steps", "d", steps)).expect("a tool");
    let panics = |_: BlockingCx, (): ()| -> Result<String, _> { panic!("as planned") };
    registry.add_tool(Tool::blocking("panics", "d", panics)).expect("a tool");
    let catalogue = Catalogue::new(registry, &ListSettings::default());
    let mint = Arc::new(IdMint::new().expect("random bytes"));
    TestClient::new(Arc::new(ServeSettings::default()), catalogue, mint, sealer())
}

#[test]
fn progress_is_heard_in_every_revision() {
    for revision in Revision::ALL {
        let mut client = client().speaking(revision);
        let heard = client.call_with("steps", json!({ "count": 3 }), Map::new());
        let heard = heard.expect("an answer");
        let told: Vec<_> =
            heard.notifications.iter().map(|told| &told["params"]["progress"]).collect();
        assert_eq!(told, [1, 2, 3], "{revision}");
        assert_eq!(heard.result["content"][0]["text"], "there");
        assert_eq!(client.elapsed(), Duration::from_secs(3));
    }
}

#[test]
fn a_connection_is_used_again_until_the_server_closes_it() {
    let mut client = client();
    for _ in 0..3 {
        assert_eq!(client.list_tools().map(|tools| tools.len()), Ok(2));
        client.call("steps", json!({ "count": 0 })).expect("an answer");
    }
    // One serves the connection, one passes on what changes.
    assert_eq!(client.executor.task_count(), 2);
    let counters = client.shard().counters();
    assert_eq!((counters.requests.get(), counters.refusals.get()), (6, 0));
}

#[test]
fn what_goes_wrong_is_told() {
    let mut client = client();
    let unknown = client.call("none", json!({})).expect_err("no such tool");
    assert!(matches!(unknown, CallError::Rpc { error: RpcError { code: -32602, .. }, .. }));
    let panicked = client.call("panics", json!({})).expect_err("a panic");
    assert!(matches!(panicked, CallError::Rpc { error: RpcError { code: -32603, .. }, .. }));
    let mut client = client.calling_host("elsewhere.example");
    let refused = client.call("steps", json!({ "count": 1 })).expect_err("another host");
    assert!(matches!(refused, CallError::NotAResponse { status: 421, .. }));
    let answer = client.send(b"nonsense\r\n\r\n");
    assert!(answer.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&answer));
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String")]
struct Code;

impl TryFrom<String> for Code {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        panic!("{text} is read carelessly")
    }
}

struct Careless;

impl Drop for Careless {
    fn drop(&mut self) {
        panic!("dropped carelessly")
    }
}

#[test]
fn a_panic_ends_its_call_alone_wherever_it_comes() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Coded {
        #[expect(dead_code, reason = "reading it panics")]
        code: Code,
    }
    let mut registry = Registry::default();
    let reads = Tool::new("reads", "d", async |_: Cx, _: Coded| Ok("read"));
    registry.add_tool(reads).expect("a tool");
    let drops = async |_: Cx, (): ()| {
        let _held = Careless;
        std::future::pending::<Result<(), _>>().await
    };
    registry.add_tool(Tool::new("drops", "d", drops)).expect("a tool");
    let catalogue = Catalogue::new(registry, &ListSettings::default());
    let mint = Arc::new(IdMint::new().expect("random bytes"));
    let mut client = TestClient::new(Arc::new(ServeSettings::default()), catalogue, mint, sealer());
    for (tool, arguments) in [("reads", json!({ "code": "x" })), ("drops", json!({}))] {
        let told = client.call(tool, arguments).expect_err("a panic, or no end");
        assert!(matches!(told, CallError::Rpc { error: RpcError { code: -32603, .. }, .. }));
        assert_eq!(client.list_tools().map(|tools| tools.len()), Ok(2));
    }
}

#[test]
fn a_waiting_connection_is_small() {
    let client = client();
    let (server_end, _client_end) = pipe(Windows::default());
    let bytes = crate::testing::waiting_bytes(server_end, &client.shard);
    assert!(bytes <= 400, "a waiting connection takes {bytes} bytes");
}
