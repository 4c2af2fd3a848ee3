//! How a client waits: what may end a wait early, and how pauses between tries pass.
//!
//! Spec: MCP 2025-11-25 basic/transports, `retry`. Invariant: once interrupted, always interrupted;
//! an interrupted client begins no wait.
//! Not here: how long to wait (`exchange`, `listen`), waiting for bytes (`pipe`).

use std::fmt;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::time::Duration;

use crate::client::pipe::{Ready, wait};

/// How a client waits. The default pauses as long as it is told and is never interrupted.
#[derive(Clone, Default)]
pub struct Waits {
    interrupt: Option<Rc<UnixStream>>,
    pass: Option<Rc<dyn Fn(Duration)>>,
}

/// How a pause ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The time is over.
    Elapsed,
    /// Somebody wants the end.
    Interrupted,
}

impl Waits {
    /// Waits that end when there is something to read here, which nobody reads.
    #[must_use]
    pub fn interrupted_by(interrupt: UnixStream) -> Self {
        Self { interrupt: Some(Rc::new(interrupt)), pass: None }
    }

    /// The same waits, whose pauses pass in the caller's own way: in no time, in a test.
    #[must_use]
    pub fn passing(self, pass: impl Fn(Duration) + 'static) -> Self {
        Self { pass: Some(Rc::new(pass)), ..self }
    }

    /// The same waits, whatever happens.
    #[must_use]
    pub fn uninterrupted(self) -> Self {
        Self { interrupt: None, ..self }
    }

    /// Lets so much time pass.
    ///
    /// # Errors
    /// What the system says when it cannot wait.
    pub fn pause(&self, duration: Duration) -> io::Result<Pause> {
        let own_way = self.pass.as_ref();
        let left = if own_way.is_some() { Duration::ZERO } else { duration };
        if let Some(pass) = own_way {
            pass(duration);
        }
        match wait(&[], self.interrupt(), left)? {
            Ready::Interrupt => Ok(Pause::Interrupted),
            Ready::Socket(_) | Ready::Timeout => Ok(Pause::Elapsed),
        }
    }

    /// What becomes readable at the interruption.
    pub(super) fn interrupt(&self) -> Option<BorrowedFd<'_>> {
        self.interrupt.as_deref().map(|interrupt| interrupt.as_fd())
    }
}

impl fmt::Debug for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waits")
            .field("interruptible", &self.interrupt.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::io::Write as _;

    use super::*;

    #[test]
    fn pauses_pass_or_are_interrupted() {
        let passed = Rc::new(Cell::new(Duration::ZERO));
        let (ours, mut theirs) = UnixStream::pair().expect("a pair");
        let told = passed.clone();
        let waits = Waits::interrupted_by(ours).passing(move |wait| told.set(wait));
        let hour = Duration::from_hours(1);
        assert_eq!(waits.pause(hour).expect("a pause"), Pause::Elapsed);
        assert_eq!(passed.get(), hour);
        theirs.write_all(b"!").expect("written");
        for _ in 0..2 {
            assert_eq!(waits.pause(hour).expect("a pause"), Pause::Interrupted);
        }
        assert_eq!(waits.uninterrupted().pause(hour).expect("a pause"), Pause::Elapsed);
    }
}
