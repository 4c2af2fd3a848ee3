//! One message to every worker: `Broadcaster`, from any thread; `Notices`, one on each worker.
//!
//! In: a message that can be cloned. Out: on each worker `Notice::Message`, in the order in which
//! one thread told them; or `Notice::Lost` when the worker had no room for some.
//! Limits: `capacity` messages wait on a worker. Nobody waits for room: a flag says what is lost.
//! A worker that is told something while it reads is not woken a second time; see `mailbox`.
//! Invariant: a message that found no room is followed by a `Lost` that is read after it was told.
//! The flag is set before the bell is rung, and looked at again after the bell was made ready.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use crate::base::mailbox::{Mailbox, Postman, mailbox};

/// Tells every worker of a server. Clones tell the same ones.
pub struct Broadcaster<M> {
    desks: Arc<[Desk<M>]>,
}

/// What one worker is told.
pub struct Notices<M> {
    mailbox: Mailbox<M>,
    overflowed: Arc<AtomicBool>,
}

/// What comes out of [`Notices`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice<M> {
    /// A message.
    Message(M),
    /// One or more messages found no room. Told once for all that were lost until then; those that
    /// did find room still follow.
    Lost,
}

struct Desk<M> {
    postman: Postman<M>,
    overflowed: Arc<AtomicBool>,
}

/// Makes a broadcaster to this many workers, with the notices of each. `capacity` messages wait on
/// a worker.
#[must_use]
pub fn broadcast<M>(workers: usize, capacity: usize) -> (Broadcaster<M>, Vec<Notices<M>>) {
    let (desks, notices): (Vec<_>, Vec<_>) = (0..workers)
        .map(|_| {
            let (postman, mailbox) = mailbox(capacity);
            let overflowed = Arc::new(AtomicBool::new(false));
            (Desk { postman, overflowed: overflowed.clone() }, Notices { mailbox, overflowed })
        })
        .unzip();
    (Broadcaster { desks: desks.into() }, notices)
}

impl<M: Clone> Broadcaster<M> {
    /// Tells every worker, the caller's own included, without waiting.
    pub fn tell(&self, message: M) {
        for desk in self.desks.iter() {
            if desk.postman.try_post(message.clone()).is_err() {
                desk.overflowed.store(true, Ordering::Release);
                // It may have read everything since.
                desk.postman.ring();
            }
        }
    }
}

impl<M: Clone> Broadcaster<M> {
    /// Tells every worker that has room for it. The others miss it, and are not told that they do:
    /// for messages that nobody relies on.
    pub fn tell_if_room(&self, message: M) {
        for desk in self.desks.iter() {
            let _missed = desk.postman.try_post(message.clone());
        }
    }
}

impl<M> Notices<M> {
    /// What comes next, as soon as there is something. Cancel-safe.
    pub async fn next(&mut self) -> Notice<M> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What comes next, or `Pending` with the context's waker noted.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Notice<M>> {
        if self.take_overflow() {
            return Poll::Ready(Notice::Lost);
        }
        match self.mailbox.poll_next(context) {
            Poll::Ready(message) => Poll::Ready(Notice::Message(message)),
            Poll::Pending if self.take_overflow() => Poll::Ready(Notice::Lost),
            Poll::Pending => Poll::Pending,
        }
    }

    fn take_overflow(&self) -> bool {
        self.overflowed.load(Ordering::Relaxed) && self.overflowed.swap(false, Ordering::Acquire)
    }
}

impl<M> Clone for Broadcaster<M> {
    fn clone(&self) -> Self {
        Self { desks: self.desks.clone() }
    }
}

impl<M> fmt::Debug for Broadcaster<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Broadcaster").field("workers", &self.desks.len()).finish()
    }
}

impl<M> fmt::Debug for Notices<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Notices").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::{Wake, Waker};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn read(notices: &mut Notices<u32>) -> Vec<Notice<u32>> {
        let mut context = Context::from_waker(Waker::noop());
        let mut read = Vec::new();
        while let Poll::Ready(notice) = notices.poll_next(&mut context) {
            read.push(notice);
        }
        read
    }

    #[test]
    fn every_worker_is_told_in_order() {
        let (broadcaster, mut notices) = broadcast(3, 4);
        broadcaster.tell(1);
        broadcaster.tell(2);
        for notices in &mut notices {
            assert_eq!(read(notices), [Notice::Message(1), Notice::Message(2)]);
        }
    }

    #[test]
    fn what_was_lost_is_told_once() {
        let (broadcaster, mut notices) = broadcast(2, 2);
        for message in 0..5 {
            broadcaster.tell(message);
            let told = read(&mut notices[1]);
            assert_eq!(told, [Notice::Message(message)], "who reads loses nothing");
        }
        let told = [Notice::Lost, Notice::Message(0), Notice::Message(1)];
        assert_eq!(read(&mut notices[0]), told);
        broadcaster.tell(5);
        assert_eq!(read(&mut notices[0]), [Notice::Message(5)]);
        for message in 6..9 {
            broadcaster.tell(message);
        }
        assert_eq!(read(&mut notices[0])[0], Notice::Lost);
        // Nobody reads on this worker: the others are told all the same.
        drop(notices.remove(0));
        read(&mut notices[0]);
        broadcaster.tell(9);
        assert_eq!(read(&mut notices[0]), [Notice::Message(9)]);
    }

    #[test]
    fn what_nobody_relies_on_is_missed_silently() {
        let (broadcaster, mut notices) = broadcast(1, 2);
        for message in 0..3 {
            broadcaster.tell_if_room(message);
        }
        assert_eq!(read(&mut notices[0]), [Notice::Message(0), Notice::Message(1)]);
    }

    /// The message is refused while the box is full, and the worker has read it all and rests by
    /// the time the flag is set: it must be woken for the flag alone.
    #[test]
    fn a_loss_wakes_a_worker_that_rests() {
        let (broadcaster, mut notices) = broadcast(1, 1);
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        assert!(notices[0].poll_next(&mut Context::from_waker(&waker)).is_pending());
        broadcaster.desks[0].overflowed.store(true, Ordering::Release);
        broadcaster.desks[0].postman.ring();
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(read(&mut notices[0]), [Notice::Lost]);
    }
}
