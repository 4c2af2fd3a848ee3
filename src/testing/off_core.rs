//! Blocking work without a pool: each job is done where it was submitted, before `submit` returns.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::handler::off_core::{Busy, Completion, Job, JobPanicked, OffCore};

/// Does every job at once, on the thread that submits it.
#[derive(Clone, Copy, Debug, Default)]
pub struct InPlace;

impl OffCore for InPlace {
    fn submit(&self, job: Job) -> Result<Completion, Busy> {
        // Nothing of a job is seen after its panic.
        let ended = catch_unwind(AssertUnwindSafe(job)).map_err(|_panic| JobPanicked);
        Ok(Box::pin(std::future::ready(ended)))
    }
}
