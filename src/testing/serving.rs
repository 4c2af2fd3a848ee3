//! The connection of a test, from its transport to the reason why it ended.

use std::future::Future;
use std::rc::Rc;

use crate::base::pool::FuturePool;
use crate::serve::connection::{CloseReason, converse, serve_connection};
use crate::serve::shard::Shard;
use crate::serve::transport::Transport;

/// Serves one connection on a shard, as a worker would.
pub fn serve<T: Transport + 'static>(
    transport: T,
    shard: Rc<Shard>,
) -> impl Future<Output = CloseReason> {
    let (pool, busy_shard) = (FuturePool::new(1), shard.clone());
    let busy = move |transport| pool.run(converse(transport, busy_shard.clone()));
    serve_connection(transport, shard, busy)
}

/// How many bytes a connection over this transport takes while it waits: its future alone, without
/// what the transport itself holds elsewhere.
#[must_use]
pub fn waiting_bytes<T: Transport + 'static>(transport: T, shard: &Rc<Shard>) -> usize {
    size_of_val(&serve(transport, shard.clone()))
}
