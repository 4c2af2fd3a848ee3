//! Bounded mail to a worker: many `Postman`s on any thread, one `Mailbox`.
//!
//! In: messages, refused when the box is full. Out: the same, in the order in which they came.
//! It stands on std's channel and on plain wakers, so it works under any executor. monoio's may be
//! woken from other threads. A ring at work is woken without a system call; a resting one, and each
//! epoll, by one write. Measured: 100 messages to a busy worker, 0 writes on a ring, 1 on epoll.
//! What is said beside the mail, by a flag, is noticed the same way: set the flag, then `ring`;
//! look at it after `poll_next` was `Pending`.
//! Invariant: `notified` is set from the first ring after the box was found empty until it is found
//! empty again; only that first one wakes, and every post rings. Both sides swap it, so that the
//! receiver that clears it sees every message whose sender found it set.

#![expect(clippy::disallowed_types, reason = "a waker crosses threads: one short lock, no await")]

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// Makes a mailbox that holds up to `capacity` messages, and the first of its postmen.
#[must_use]
pub fn mailbox<M>(capacity: usize) -> (Postman<M>, Mailbox<M>) {
    let (sender, receiver) = sync_channel(capacity);
    let bell = Arc::new(Bell {
        notified: AtomicBool::new(false),
        waker: Mutex::new(Waker::noop().clone()),
    });
    (Postman { sender, bell: bell.clone() }, Mailbox { receiver, bell })
}

/// Posts to one mailbox, from any thread. Clones post to the same one.
pub struct Postman<M> {
    sender: SyncSender<M>,
    bell: Arc<Bell>,
}

/// Receives what its postmen post.
pub struct Mailbox<M> {
    receiver: Receiver<M>,
    bell: Arc<Bell>,
}

/// The mailbox holds as many messages as it can, or nobody empties it any more. Gives back the
/// message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Full<M>(pub M);

#[derive(Debug)]
struct Bell {
    notified: AtomicBool,
    waker: Mutex<Waker>,
}

impl<M> Postman<M> {
    /// Posts a message, without waiting.
    ///
    /// # Errors
    /// `Full`, with the message.
    pub fn try_post(&self, message: M) -> Result<(), Full<M>> {
        self.sender.try_send(message).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(message)
            | std::sync::mpsc::TrySendError::Disconnected(message) => Full(message),
        })?;
        self.ring();
        Ok(())
    }

    /// Makes whoever waits for mail look, though there may be none.
    pub fn ring(&self) {
        if !self.bell.notified.swap(true, Ordering::AcqRel) {
            self.bell.ring();
        }
    }
}

impl<M> Mailbox<M> {
    /// The next message, as soon as there is one. Cancel-safe.
    pub async fn next(&mut self) -> M {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// The next message, if there is one.
    pub fn try_next(&mut self) -> Option<M> {
        self.receiver.try_recv().ok()
    }

    /// The next message, or `Pending` with the context's waker noted.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<M> {
        if let Some(message) = self.try_next() {
            return Poll::Ready(message);
        }
        self.bell.listen(context.waker());
        self.bell.notified.swap(false, Ordering::AcqRel);
        // A message that came before the flag was cleared rang for nobody.
        match self.try_next() {
            Some(message) => Poll::Ready(message),
            None => Poll::Pending,
        }
    }
}

impl Bell {
    fn ring(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // Outside the lock: waking may run code of the executor.
        waker.wake();
    }

    fn listen(&self, waker: &Waker) {
        let mut held = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        held.clone_from(waker);
    }
}

impl<M> Clone for Postman<M> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), bell: self.bell.clone() }
    }
}

impl<M> Drop for Mailbox<M> {
    fn drop(&mut self) {
        // The waker holds the receiver's task, which must not die with a postman on its thread.
        self.bell.listen(Waker::noop());
    }
}

impl<M> fmt::Debug for Postman<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Postman").finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Mailbox<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mailbox").finish_non_exhaustive()
    }
}

impl<M> fmt::Debug for Full<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Full(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn mail_is_bounded_ordered_and_wakes_once_a_drain() {
        let (postman, mut mailbox) = mailbox(2);
        let count = Arc::new(Count::default());
        let waker = Waker::from(count.clone());
        let mut context = Context::from_waker(&waker);
        assert_eq!(mailbox.poll_next(&mut context), Poll::Pending);
        assert_eq!(postman.try_post(1), Ok(()));
        let other = postman.clone();
        assert_eq!(other.try_post(2), Ok(()));
        assert_eq!(postman.try_post(3), Err(Full(3)));
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(mailbox.poll_next(&mut context), Poll::Ready(1));
        assert_eq!(mailbox.poll_next(&mut context), Poll::Ready(2));
        assert_eq!(mailbox.poll_next(&mut context), Poll::Pending);
        assert_eq!(postman.try_post(4), Ok(()));
        assert_eq!(count.0.load(Ordering::SeqCst), 2);
        assert_eq!(mailbox.poll_next(&mut context), Poll::Ready(4));
        drop(mailbox);
        assert_eq!(postman.try_post(5), Err(Full(5)));
        assert_eq!(Arc::strong_count(&count), 2, "the dropped mailbox let go of its waker");
    }

    #[test]
    fn no_wake_is_lost_between_threads() {
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let (postman, mut mailbox) = mailbox(4);
        let sender = std::thread::Builder::new()
            .spawn(move || {
                for number in 0..10_000 {
                    while postman.try_post(number).is_err() {
                        std::thread::yield_now();
                    }
                }
            })
            .unwrap();
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        for number in 0..10_000 {
            let received = loop {
                match mailbox.poll_next(&mut context) {
                    Poll::Ready(received) => break received,
                    Poll::Pending => std::thread::park(),
                }
            };
            assert_eq!(received, number);
        }
        sender.join().unwrap();
    }
}
