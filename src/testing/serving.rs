//! The connection of a test, from its transport to the reason why it ended.

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use super::off_core::InPlace;
use crate::base::broadcast::{Notice, Notices, broadcast};
use crate::base::clock::Clock;
use crate::base::spawn::Spawn;
use crate::handler::ask::state::PURPOSE;
use crate::handler::call::Services;
use crate::serve::connection::{CloseReason, Parcel, Shift, serve_connection, workbench};
use crate::serve::shard::Shard;
use crate::serve::transport::Transport;
use crate::session::change::{Change, Changes};
use crate::session::seal::{Sealer, StateKey};

/// What handlers stand on in a test: this clock, these tasks, blocking work in place, a [`sealer`],
/// and nobody who hears of changes.
#[must_use]
pub fn services(clock: Rc<dyn Clock>, spawn: Rc<dyn Spawn>) -> Services {
    let (changes, _nobody) = changes();
    Services { clock, off_core: Arc::new(InPlace), spawn, sealer: sealer(), changes }
}

/// What tells changes, and where they come out.
#[must_use]
pub fn changes() -> (Changes, Notices<Change>) {
    const WAITING_MAX: usize = 64;
    let (broadcaster, mut notices) = broadcast(1, WAITING_MAX);
    let notices = notices.pop().unwrap_or_else(|| unreachable!("there is one core"));
    (Changes::new(Arc::new(broadcaster)), notices)
}

/// Passes on to the clients of a core what changed, for ever.
#[expect(clippy::infinite_loop, reason = "it lives as long as its executor")]
pub async fn pass_on(mut notices: Notices<Change>, shard: Rc<Shard>) {
    loop {
        match notices.next().await {
            Notice::Message(change) => shard.announce(&change),
            Notice::Lost => shard.announce_all(),
        }
    }
}

/// Seals made with the same key every time.
#[must_use]
pub fn sealer() -> Arc<Sealer> {
    let key = StateKey::from_bytes(&[7; 32]).unwrap_or_default();
    let sealer = Sealer::new(&key, PURPOSE);
    Arc::new(sealer.unwrap_or_else(|_| unreachable!("a key that is given is not drawn")))
}

/// Serves one connection on a shard, as the one worker of a process would.
pub fn serve<T: Transport + 'static>(
    transport: T,
    shard: Rc<Shard>,
) -> impl Future<Output = CloseReason> {
    serve_beside_others(transport, Shift::Wait, shard, |transport, _parcel| Err(transport))
}

/// Serves one connection on a shard, as a worker beside others would. `hand_over` gives it to
/// another worker, or gives it back when that has no room.
pub fn serve_beside_others<T: Transport + 'static>(
    transport: T,
    shift: Shift,
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
