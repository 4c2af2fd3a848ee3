//! Memory that is used again: buffers and boxed futures, a pool of each per core.
//!
//! A connection that waits holds neither. One that works takes a buffer and a box, and gives both
//! back when it is idle again, so that a request allocates nothing once the pools are warm.
//! Limits: what a pool keeps (`kept_count_max`, `kept_bytes_max`); what is taken is bounded by who
//! takes it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Byte buffers of one core.
#[derive(Debug)]
pub struct BufferPool {
    kept: RefCell<Vec<Vec<u8>>>,
    kept_count_max: usize,
    kept_bytes_max: usize,
}

impl BufferPool {
    /// A pool that keeps up to `kept_count_max` buffers of up to `kept_bytes_max` bytes each.
    #[must_use]
    pub fn new(kept_count_max: usize, kept_bytes_max: usize) -> Self {
        Self { kept: RefCell::default(), kept_count_max, kept_bytes_max }
    }

    /// An empty buffer, with whatever capacity its last user left it.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.kept.borrow_mut().pop().unwrap_or_default()
    }

    /// Gives a buffer back. One that grew past `kept_bytes_max` is freed.
    pub fn give(&self, mut buffer: Vec<u8>) {
        let mut kept = self.kept.borrow_mut();
        if buffer.capacity() > 0
            && buffer.capacity() <= self.kept_bytes_max
            && kept.len() < self.kept_count_max
        {
            buffer.clear();
            kept.push(buffer);
        }
    }
}

/// Boxes for futures of one type, each used again after its future ended.
#[derive(Debug)]
pub struct FuturePool<F> {
    kept: Rc<RefCell<Vec<Pin<Box<Option<F>>>>>>,
    kept_count_max: usize,
}

impl<F: Future> FuturePool<F> {
    /// A pool that keeps up to `kept_count_max` empty boxes.
    #[must_use]
    pub fn new(kept_count_max: usize) -> Self {
        Self { kept: Rc::default(), kept_count_max }
    }

    /// Moves `future` into a box of the pool. The box goes back when the returned future is dropped.
    #[must_use]
    pub fn run(&self, future: F) -> Pooled<F> {
        let recycled = self.kept.borrow_mut().pop();
        let boxed = match recycled {
            Some(mut boxed) => {
                boxed.as_mut().set(Some(future));
                boxed
            }
            None => Box::pin(Some(future)),
        };
        Pooled { boxed: Some(boxed), kept: self.kept.clone(), kept_count_max: self.kept_count_max }
    }
}

impl<F> Clone for FuturePool<F> {
    fn clone(&self) -> Self {
        Self { kept: self.kept.clone(), kept_count_max: self.kept_count_max }
    }
}

/// A future in a box of a [`FuturePool`].
#[derive(Debug)]
pub struct Pooled<F> {
    boxed: Option<Pin<Box<Option<F>>>>,
    kept: Rc<RefCell<Vec<Pin<Box<Option<F>>>>>>,
    kept_count_max: usize,
}

impl<F: Future> Future for Pooled<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let future = self.boxed.as_mut().and_then(|boxed| boxed.as_mut().as_pin_mut());
        // Only a drop empties the box.
        future.map_or(Poll::Pending, |future| future.poll(context))
    }
}

impl<F> Drop for Pooled<F> {
    fn drop(&mut self) {
        let Some(mut boxed) = self.boxed.take() else { return };
        // The future ends here, not when the box is used again. Its own drop may reach this pool.
        boxed.as_mut().set(None);
        let mut kept = self.kept.borrow_mut();
        if kept.len() < self.kept_count_max {
            kept.push(boxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;

    #[test]
    fn a_buffer_comes_back_empty_unless_it_grew_too_large() {
        let pool = BufferPool::new(1, 64);
        pool.give(Vec::with_capacity(64));
        pool.give(Vec::with_capacity(32));
        assert_eq!(pool.take().capacity(), 64, "the second found no room");
        pool.give(Vec::with_capacity(65));
        assert_eq!(pool.take().capacity(), 0);
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
            assert_eq!(pool.kept.borrow().len(), 1);
        }
    }
}
