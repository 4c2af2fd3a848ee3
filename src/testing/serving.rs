//! The connection of a test, from its transport to the reason why it ended.

use std::future::Future;
use std::rc::Rc;

use crate::serve::connection::{CloseReason, Parcel, Shift, serve_connection, workbench};
use crate::serve::shard::Shard;
use crate::serve::transport::Transport;

/// Serves one connection on a shard, as the one worker of a process would.
pub fn serve<T: Transport + 'static>(
    transport: T,
    shard: Rc<Shard>,
) -> impl Future<Output = CloseReason> {
    serve_beside_others(transport, None, shard, |transport, _parcel| Err(transport))
}

/// Serves one connection on a shard, as a worker beside others would. `hand_over` gives it to
/// another worker, or gives it back when that has no room.
pub fn serve_beside_others<T: Transport + 'static>(
    transport: T,
    shift: Option<Box<Shift>>,
    shard: Rc<Shard>,
    hand_over: impl Fn(T, Parcel) -> Result<(), T> + 'static,
) -> impl Future<Output = CloseReason> {
    let busy = workbench(shard.clone(), 1, hand_over);
    serve_connection(transport, shift, shard, busy)
}

/// How many bytes a connection over this transport takes while it waits: its future alone, without
/// what the transport itself holds elsewhere.
#[must_use]
pub fn waiting_bytes<T: Transport + 'static>(transport: T, shard: &Rc<Shard>) -> usize {
    size_of_val(&serve(transport, shard.clone()))
}
