//! The official Rust SDK on axum, on one thread: the same tools as `ours`.
//!
//! Without `--sessions` a legacy call is answered by itself, as one JSON document where its tool
//! tells nothing on the way; with it, `initialize` opens a session and answers are event streams.
//! Modern calls are answered alike in both.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::serve::ListenerExt;
use ringlane_peers::Options;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ProgressNotificationParam, RequestMetaObject};
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, Peer, RoleServer, ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpListener;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Deserialize, JsonSchema)]
struct Echo {
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Count {
    events: u32,
}

#[derive(Deserialize, JsonSchema)]
struct Wait {
    seconds: u32,
}

#[derive(Clone)]
struct Tools;

#[tool_router]
impl Tools {
    #[tool(description = "Repeat a message")]
    async fn echo(&self, Parameters(Echo { message }): Parameters<Echo>) -> String {
        message
    }

    #[tool(description = "Tell of progress so many times, without a pause")]
    async fn count(
        &self,
        Parameters(Count { events }): Parameters<Count>,
        meta: RequestMetaObject,
        client: Peer<RoleServer>,
    ) -> Result<String, ErrorData> {
        if let Some(token) = meta.get_progress_token() {
            for event in 1..=events {
                let progress = ProgressNotificationParam::new(token.clone(), event.into());
                // A client that went away misses nothing.
                let _ = client.notify_progress(progress.with_total(events.into())).await;
            }
        }
        Ok("counted".to_owned())
    }

    #[tool(description = "Answer after so many seconds")]
    async fn wait(&self, Parameters(Wait { seconds }): Parameters<Wait>) -> String {
        tokio::time::sleep(Duration::from_secs(seconds.into())).await;
        "waited".to_owned()
    }
}

#[tool_handler]
impl ServerHandler for Tools {}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let options = Options::read();
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(options.sessions)
        .with_json_response(true);
    let sessions = Arc::new(LocalSessionManager::default());
    let service = StreamableHttpService::new(|| Ok(Tools), sessions, config);
    let listener = options.bind();
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?.tap_io(|socket| {
        // Without it answers would wait for each other; a socket that refuses is gone already.
        let _ = socket.set_nodelay(true);
    });
    axum::serve(listener, Router::new().nest_service("/mcp", service)).await
}
