//! The legacy half of a test client: its session, and questions answered while a call waits.
//!
//! A question comes on the stream of the call that asks; its answer goes as a request of its own,
//! on a connection of its own. Spec: MCP 2025-11-25 lifecycle, transports.

use std::rc::Rc;

use serde_json::{Value, json};

use super::answering::Answering;
use super::exchange::{Reply, read_reply};
use super::executor::Executor;
use super::pipe::{Windows, pipe};
use super::serving::serve;
use crate::serve::shard::Shard;

/// What answers to questions are posted with.
pub(super) struct Poster<'c> {
    /// The head of each request, up to its length.
    pub(super) head: String,
    pub(super) shard: &'c Rc<Shard>,
    pub(super) executor: &'c Rc<Executor>,
    /// How many messages of the stream were looked at.
    pub(super) seen_count: usize,
    pub(super) answering: &'c mut Option<Answering>,
}

impl Poster<'_> {
    /// Answers the questions of a stream that were not seen before. Without anybody to answer, the
    /// server is told that nobody does.
    pub(super) fn answer(&mut self, reply: &Reply) {
        let messages = reply.messages().unwrap_or_default();
        for message in messages.iter().skip(self.seen_count) {
            let (Some(id), true) = (message.get("id"), message.get("method").is_some()) else {
                continue;
            };
            let body = match self.answering {
                Some(answering) => {
                    let question =
                        json!({"method": message["method"], "params": message["params"]});
                    json!({"jsonrpc": "2.0", "id": id, "result": answering.answer(&question)})
                }
                None => json!({"jsonrpc": "2.0", "id": id, "error":
                    {"code": -1, "message": "nobody is there to answer"}}),
            };
            self.post(&body);
        }
        self.seen_count = messages.len();
    }

    /// Posts a message on a connection of its own, without waiting for what the server says to it.
    fn post(&self, body: &Value) {
        let body = body.to_string();
        let request = format!("{}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        let (server_end, client_end) = pipe(Windows::default());
        let serving = serve(server_end, self.shard.clone());
        self.executor.spawn(async move {
            let _reason = serving.await;
        });
        self.executor.spawn(async move {
            if client_end.write(request.as_bytes()).await.is_ok() {
                let _accepted = read_reply(&client_end, &mut Vec::new(), &mut |_| {}).await;
            }
        });
    }
}
