//! The ring of buffers that the kernel receives into.
//!
//! Invariant: the kernel writes only to buffers that are in the ring, and we read only from those
//! that a completion took out of it.

use std::io;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;

/// The number of the only ring of buffers.
pub(crate) const GROUP: u16 = 0;
/// A power of two, as the kernel wants.
const COUNT: u16 = 1024;
const BUFFER_BYTES: usize = 8 * 1024;

pub(crate) struct Buffers {
    /// `COUNT` entries, shared with the kernel.
    entries: NonNull<BufRingEntry>,
    /// The buffers, one after the other, never freed.
    bytes: NonNull<u8>,
    /// Where the next one is put in; the kernel sees it at `give_back`.
    tail: u16,
}

impl Buffers {
    pub(crate) fn register(ring: &IoUring) -> io::Result<Self> {
        let entries = map(usize::from(COUNT) * size_of::<BufRingEntry>())?.cast();
        let bytes = map(usize::from(COUNT) * BUFFER_BYTES)?;
        // SAFETY: the mapping holds `COUNT` entries, begins a page, and is never unmapped.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(entries.as_ptr() as u64, COUNT, GROUP, 0)
        }?;
        let mut buffers = Self { entries, bytes, tail: 0 };
        for index in 0..COUNT {
            buffers.used(index);
        }
        buffers.give_back();
        Ok(buffers)
    }

    /// The bytes of a buffer that a completion took out.
    pub(crate) fn filled(&self, index: u16) -> &[u8] {
        let start = usize::from(index) * BUFFER_BYTES;
        // SAFETY: `index` is below `COUNT`, as the kernel was told of no other, and the kernel
        // writes to the buffer no more until it is put in again.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr().add(start), BUFFER_BYTES) }
    }

    /// Puts a buffer in again, after it was read.
    pub(crate) fn used(&mut self, index: u16) {
        let at = usize::from(self.tail % COUNT);
        // SAFETY: `at` is below `COUNT`, and the kernel reads no entry past the tail it knows.
        let entry = unsafe { &mut *self.entries.as_ptr().add(at) };
        // SAFETY: the offset is inside of the mapping.
        let start = unsafe { self.bytes.as_ptr().add(usize::from(index) * BUFFER_BYTES) };
        entry.set_addr(start as u64);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(index);
        self.tail = self.tail.wrapping_add(1);
    }

    /// Lets the kernel see all that were put in.
    pub(crate) fn give_back(&self) {
        // SAFETY: the tail stands in the first entry of a ring that is mapped; the kernel reads it
        // while we write, which is what atomics are for.
        let tail =
            unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries.as_ptr()).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

/// Fresh pages.
fn map(bytes: usize) -> io::Result<NonNull<u8>> {
    let (protection, flags) =
        (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_ANONYMOUS | libc::MAP_PRIVATE);
    // SAFETY: a new mapping, of no file, wherever the kernel likes.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, flags, -1, 0) };
    if start == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(start.cast()).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
}
