//! Memory that is used again: buffers and boxed futures, a pool of each per core.
//!
//! A connection that waits holds neither. One that works takes a buffer and a box, and gives both
//! back when it is idle again, so that a request allocates nothing once the pools are warm.
//! Limits: what a pool keeps (`kept_count_max`, `kept_bytes_max`, `large_bytes_max`); what is taken
//! is bounded by who takes it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};

/// Byte buffers of one core.
#[derive(Debug)]
pub struct BufferPool {
    kept: RefCell<Vec<Vec<u8>>>,
    /// What the large ones among them take, those over `kept_bytes_max`.
    large_bytes: Cell<usize>,
    kept_count_max: usize,
    kept_bytes_max: usize,
    large_bytes_max: usize,
}

impl BufferPool {
    /// A pool that keeps up to `kept_count_max` buffers of up to `kept_bytes_max` bytes each, among
    /// them larger ones as long as those take up to `large_bytes_max` together.
    #[must_use]
    pub fn new(kept_count_max: usize, kept_bytes_max: usize, large_bytes_max: usize) -> Self {
        Self {
            kept: RefCell::default(),
            large_bytes: Cell::new(0),
            kept_count_max,
            kept_bytes_max,
            large_bytes_max,
        }
    }

    /// An empty buffer, with whatever capacity its last user left it. The one that came last is
    /// taken first: its bytes are still in the cache, and where bodies are large, so is it.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        let buffer = self.kept.borrow_mut().pop().unwrap_or_default();
        if buffer.capacity() > self.kept_bytes_max {
            self.large_bytes.set(self.large_bytes.get() - buffer.capacity());
        }
        buffer
    }

    /// Gives a buffer back. It is freed if there is no place for it.
    pub fn give(&self, mut buffer: Vec<u8>) {
        let mut kept = self.kept.borrow_mut();
        if buffer.capacity() == 0 || kept.len() >= self.kept_count_max {
            return;
        }
        if buffer.capacity() > self.kept_bytes_max {
            let large_bytes = self.large_bytes.get().saturating_add(buffer.capacity());
            if large_bytes > self.large_bytes_max {
                return;
            }
            self.large_bytes.set(large_bytes);
        }
        buffer.clear();
        kept.push(buffer);
    }
}

/// Boxes for futures of one type, each used again after its future ended.
#[derive(Debug)]
pub struct FuturePool<F> {
    kept: Rc<Kept<F>>,
}

impl<F> Clone for FuturePool<F> {
    fn clone(&self) -> Self {
        Self { kept: self.kept.clone() }
    }
}

impl<F: Future + 'static> FuturePool<F> {
    /// A pool that keeps up to `kept_count_max` empty boxes.
    #[must_use]
    pub fn new(kept_count_max: usize) -> Self {
        Self { kept: Rc::new(Kept { boxes: RefCell::default(), kept_count_max }) }
    }

    /// Moves `future` into a box of the pool. The box goes back when the future's handle is
    /// dropped.
    #[must_use]
    pub fn run(&self, future: F) -> Pooled<F::Output> {
        let recycled = self.kept.boxes.borrow_mut().pop();
        let boxed = match recycled {
            Some(mut slot) => {
                slot.as_mut().project().future.set(Some(future));
                slot
            }
            None => Box::pin(Slot { future: Some(future), kept: Rc::downgrade(&self.kept) }),
        };
        Pooled { boxed: Some(boxed) }
    }
}

/// A future in a box of a [`FuturePool`], known by its output alone.
pub struct Pooled<O> {
    boxed: Option<Pin<Box<dyn Recycle<Output = O>>>>,
}

impl<O> Future for Pooled<O> {
    type Output = O;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<O> {
        // Only a drop empties the box.
        self.boxed.as_mut().map_or(Poll::Pending, |boxed| boxed.as_mut().poll(context))
    }
}

impl<O> Drop for Pooled<O> {
    fn drop(&mut self) {
        if let Some(boxed) = self.boxed.take() {
            boxed.recycle();
        }
    }
}

impl<O> fmt::Debug for Pooled<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pooled").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Kept<F> {
    boxes: RefCell<Vec<Pin<Box<Slot<F>>>>>,
    kept_count_max: usize,
}

pin_project_lite::pin_project! {
    #[derive(Debug)]
    struct Slot<F> {
        #[pin]
        future: Option<F>,
        kept: Weak<Kept<F>>,
    }
}

trait Recycle: Future {
    fn recycle(self: Pin<Box<Self>>);
}

impl<F: Future> Future for Slot<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        // Empty only between two uses, when nobody holds it.
        self.project().future.as_pin_mut().map_or(Poll::Pending, |future| future.poll(context))
    }
}

impl<F: Future> Recycle for Slot<F> {
    fn recycle(mut self: Pin<Box<Self>>) {
        // The future ends here, not when the box is used again. Its own drop may reach this pool.
        self.as_mut().project().future.set(None);
        if let Some(kept) = self.kept.upgrade() {
            let mut boxes = kept.boxes.borrow_mut();
            if boxes.len() < kept.kept_count_max {
                boxes.push(self);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_if_there_is_a_place_for_it() {
        let pool = BufferPool::new(1, 64, 0);
        pool.give(Vec::with_capacity(64));
        pool.give(Vec::with_capacity(32));
        assert_eq!(pool.take().capacity(), 64, "the second found no place");
        pool.give(Vec::with_capacity(65));
        assert_eq!(pool.take().capacity(), 0, "no large one is kept");
        pool.give(vec![1]);
        assert!(pool.take().is_empty());
    }

    #[test]
    fn large_buffers_are_kept_up_to_what_they_take_together() {
        let pool = BufferPool::new(8, 64, 300);
        for _ in 0..3 {
            for capacity in [100, 200, 65, 64] {
                pool.give(Vec::with_capacity(capacity));
            }
            let kept = [64, 200, 100, 0].map(|capacity| (pool.take().capacity(), capacity));
            assert!(kept.iter().all(|(found, wanted)| found == wanted), "{kept:?}");
        }
    }

    #[test]
    fn a_box_is_used_again_and_its_future_dropped_at_once() {
        let (pool, guard) = (FuturePool::new(4), Rc::new(()));
        let hold = |held: Rc<()>| async move { Rc::strong_count(&held) };
        for _ in 0..3 {
            let mut pooled = pool.run(hold(guard.clone()));
            let polled = Pin::new(&mut pooled).poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(polled, Poll::Ready(2));
            drop(pooled);
            assert_eq!(Rc::strong_count(&guard), 1);
            assert_eq!(pool.kept.boxes.borrow().len(), 1);
        }
    }
}
