//! Code behind a name, of whatever kind: what the process holds (`Code`), and what a core makes of
//! it for itself (`LocalCode`).
//!
//! A core's twin has a pool of boxes for its running futures, so that a call allocates nothing once
//! the core is warm. Handlers are `async` closures, local to their core: they may hold `Rc` and
//! need not be `Send`. Limits: [`KEPT_CALLS_MAX`].
//! Not here: what each kind takes (`tool`, `resource`, `prompt`, `completion`).

use std::fmt;
use std::future::{Future, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use super::answer::Finished;
use super::context::Cx;
use super::error::ToolError;
use super::input::InputErrors;
use crate::base::pool::{FuturePool, Pooled};

/// How many boxes for running calls of one piece of code a core keeps.
const KEPT_CALLS_MAX: usize = 1024;

/// A kind of code, by what it is given with each call besides the context.
pub(crate) trait Kind: 'static {
    /// What is given; it may borrow from the request.
    type Given<'a>;
}

/// Code from which each core makes its own twin.
pub(crate) struct Code<K: Kind>(Box<dyn Fn() -> Rc<dyn LocalCode<K>> + Send + Sync>);

/// Code on one core.
pub(crate) trait LocalCode<K: Kind> {
    /// Reads what is given and begins the work, which runs when the future is polled.
    fn start(&self, cx: Cx, given: K::Given<'_>) -> Result<Pooled<Finished>, InputErrors>;
}

impl<K: Kind> Code<K> {
    /// Code that a core begins by what `localise` makes for it.
    pub(super) fn new<Begin, Running>(localise: impl Fn() -> Begin + Send + Sync + 'static) -> Self
    where
        Begin: Fn(Cx, K::Given<'_>) -> Result<Running, InputErrors> + 'static,
        Running: Future<Output = Finished> + 'static,
    {
        Self(Box::new(move || {
            Rc::new(Local { begin: localise(), running: FuturePool::new(KEPT_CALLS_MAX) })
        }))
    }

    /// A core's own twin.
    pub(crate) fn localise(&self) -> Rc<dyn LocalCode<K>> {
        self.0()
    }
}

impl<K: Kind> fmt::Debug for Code<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").finish_non_exhaustive()
    }
}

struct Local<Begin, Running> {
    begin: Begin,
    running: FuturePool<Running>,
}

impl<K, Begin, Running> LocalCode<K> for Local<Begin, Running>
where
    K: Kind,
    Begin: Fn(Cx, K::Given<'_>) -> Result<Running, InputErrors> + 'static,
    Running: Future<Output = Finished> + 'static,
{
    fn start(&self, cx: Cx, given: K::Given<'_>) -> Result<Pooled<Finished>, InputErrors> {
        // What is given is read by code of the type's own, which may panic as a handler may.
        match catch_unwind(AssertUnwindSafe(|| (self.begin)(cx, given))) {
            Ok(begun) => Ok(self.running.run(begun?)),
            Err(_panic) => Ok(FuturePool::new(0).run(ready(Err(ToolError::panicked())))),
        }
    }
}
