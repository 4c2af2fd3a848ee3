//! What happens at this worker's descriptors: `Edges`, one edge-triggered epoll instance.
//!
//! In: descriptors, each registered once for both directions, for life. Out: for each direction
//! whether it is ready, and a wake-up when it becomes so. So a wait makes no system call and no
//! operation: the kernel tells every change by itself, and one poll by the driver, of the
//! instance, serves all.
//! A side: blocked ─▶ ready, when the kernel told an edge ─▶ blocked, when whoever used it found
//! all taken (`drained`; epoll(7) says when that is known). Urgent data and passed descriptors cut
//! a receive short as well; a peer that sends such waits until it sends more.
//! A wait that no edge ended goes once around the run queue: bytes that are not taken, or not taken
//! as quickly as they come, starve nobody.
//! Limits: `EVENTS` a system call, `ROUNDS` of them before other tasks run; a slot for each
//! descriptor, used again.
//! Invariant: an edge of a closed descriptor reaches no other: its token carries the generation of
//! its slot, and it is taken out of the instance before it is closed.

use std::cell::RefCell;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdStream;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use monoio::net::UnixStream;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

use crate::rt::readiness::Direction;

const EVENTS: usize = 256;
const ROUNDS: usize = 16;
/// For how many descriptors there is room from the start. That is address space alone; memory is
/// what was used. A table that grows would be copied, and the copies left behind.
const SLOTS_RESERVED: usize = 16 * 1024;
/// How often to look when the driver cannot wait.
const PAUSE: Duration = Duration::from_millis(10);

thread_local! {
    /// Those of the runtime that runs on this thread.
    static CURRENT: RefCell<Option<Rc<Edges>>> = const { RefCell::new(None) };
}

/// The edges of one worker.
#[derive(Debug)]
pub(super) struct Edges {
    epoll: OwnedFd,
    slots: RefCell<Slots>,
}

/// Which slot a descriptor has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    index: u32,
    generation: u32,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

/// Laid out so that it is small: there is one for each connection.
#[derive(Debug, Default)]
struct Slot {
    generation: u32,
    /// The peer ended its side: what follows the last byte is there already, without an edge.
    ended: bool,
    read: State,
    write: State,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// Whether a direction is ready.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Blocked,
    /// It is, and ended no wait yet.
    Fresh,
    /// It is, and ended one.
    Told,
}

/// One direction of a slot.
struct Side<'s> {
    state: &'s mut State,
    waiter: &'s mut Option<Waker>,
}

/// Ends the edges of a runtime, which ends.
#[derive(Debug)]
pub(super) struct Entered;

impl Edges {
    /// Those of the running worker; made by the first call.
    ///
    /// # Errors
    /// `EMFILE` or `ENOMEM` when the kernel has no instance to give.
    pub(super) fn current() -> io::Result<Rc<Self>> {
        if let Some(edges) = CURRENT.with_borrow(Clone::clone) {
            return Ok(edges);
        }
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let instance = UnixStream::from_std(StdStream::from(epoll.try_clone()?))?;
        let slots = Slots { slots: Vec::with_capacity(SLOTS_RESERVED), free: Vec::new() };
        let edges = Rc::new(Self { epoll, slots: RefCell::new(slots) });
        drop(monoio::spawn(drive(edges.clone(), instance)));
        CURRENT.set(Some(edges.clone()));
        Ok(edges)
    }

    /// Begins a runtime on this thread, which gets edges of its own.
    pub(super) fn enter() -> Entered {
        CURRENT.set(None);
        Entered
    }

    /// Registers a descriptor for both directions.
    ///
    /// # Errors
    /// `ENOSPC` or `ENOMEM` when the kernel registers no more; `EPERM` when it is none to wait for.
    pub(super) fn add(&self, fd: BorrowedFd<'_>) -> io::Result<Token> {
        let token = self.slots.borrow_mut().take();
        let flags = EventFlags::IN | EventFlags::OUT | EventFlags::RDHUP | EventFlags::ET;
        if let Err(error) = epoll::add(&self.epoll, fd, EventData::new_u64(token.pack()), flags) {
            self.slots.borrow_mut().give_back(token);
            return Err(error.into());
        }
        Ok(token)
    }

    /// Forgets a descriptor, which is about to be closed here and may live on elsewhere.
    pub(super) fn remove(&self, fd: BorrowedFd<'_>, token: Token) {
        // It was added; a descriptor that is open cannot be refused.
        let _ = epoll::delete(&self.epoll, fd);
        let slot = self.slots.borrow_mut().give_back(token);
        drop(slot);
    }

    /// Whether a direction is ready; if not, the context's task is woken when it is.
    pub(super) fn poll(
        &self,
        token: Token,
        direction: Direction,
        context: &Context<'_>,
    ) -> Poll<()> {
        let mut slots = self.slots.borrow_mut();
        let Side { state, waiter } = slots.of(token).side(direction);
        match *state {
            State::Blocked => {}
            State::Fresh => {
                *state = State::Told;
                return Poll::Ready(());
            }
            State::Told => {
                *state = State::Fresh;
                let waker = context.waker().clone();
                drop(slots);
                drop(monoio::spawn(async move { waker.wake() }));
                return Poll::Pending;
            }
        }
        let replaced = match waiter {
            Some(waiter) if waiter.will_wake(context.waker()) => None,
            waiter => waiter.replace(context.waker().clone()),
        };
        // What a waker holds may come back here when it is dropped.
        drop(slots);
        drop(replaced);
        Poll::Pending
    }

    /// Notes that a direction has nothing left. `whole` says that the kernel said so; otherwise
    /// less came than was asked for, after which the peer's end may still be there.
    pub(super) fn drained(&self, token: Token, direction: Direction, whole: bool) {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.of(token);
        if whole || !slot.ended {
            *slot.side(direction).state = State::Blocked;
        }
    }

    /// Takes what the kernel tells and wakes whom it concerns.
    fn collect(&self, events: &mut Vec<Event>) {
        for _ in 0..ROUNDS {
            events.clear();
            let now = Timespec { tv_sec: 0, tv_nsec: 0 };
            // Interrupted, or nothing there: the instance is polled again.
            if epoll::wait(&self.epoll, spare_capacity(events), Some(&now)).is_err() {
                return;
            }
            for event in events.iter() {
                self.tell(Token::unpack(event.data.u64()), event.flags);
            }
            if events.len() < events.capacity() {
                return;
            }
        }
    }

    fn tell(&self, token: Token, flags: EventFlags) {
        let dead = EventFlags::HUP | EventFlags::ERR;
        let reads = flags.intersects(EventFlags::IN | EventFlags::RDHUP | dead);
        let writes = flags.intersects(EventFlags::OUT | dead);
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.slots.get_mut(token.index as usize) else { return };
        if slot.generation != token.generation {
            return;
        }
        slot.ended |= flags.intersects(EventFlags::RDHUP | dead);
        let reader = if reads { slot.side(Direction::Read).open() } else { None };
        let writer = if writes { slot.side(Direction::Write).open() } else { None };
        drop(slots);
        for waiter in [reader, writer].into_iter().flatten() {
            waiter.wake();
        }
    }
}

impl Slots {
    fn take(&mut self) -> Token {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            // The kernel gives no more descriptors than an `i32` counts.
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        Token { index, generation: self.slots[index as usize].generation }
    }

    fn of(&mut self, token: Token) -> &mut Slot {
        &mut self.slots[token.index as usize]
    }

    /// Frees the slot; what it held is the caller's to drop.
    fn give_back(&mut self, token: Token) -> Slot {
        let fresh = Slot { generation: token.generation.wrapping_add(1), ..Slot::default() };
        self.free.push(token.index);
        std::mem::replace(self.of(token), fresh)
    }
}

impl Slot {
    fn side(&mut self, direction: Direction) -> Side<'_> {
        match direction {
            Direction::Read => Side { state: &mut self.read, waiter: &mut self.reader },
            Direction::Write => Side { state: &mut self.write, waiter: &mut self.writer },
        }
    }
}

impl Side<'_> {
    fn open(self) -> Option<Waker> {
        *self.state = State::Fresh;
        self.waiter.take()
    }
}

impl Token {
    fn pack(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the halves of it")]
    fn unpack(packed: u64) -> Self {
        Self { index: packed as u32, generation: (packed >> 32) as u32 }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Waits for the instance and collects, as long as the worker lives.
#[expect(clippy::infinite_loop, reason = "it lives as long as its worker")]
async fn drive(edges: Rc<Edges>, instance: UnixStream) {
    let mut events = Vec::with_capacity(EVENTS);
    loop {
        if instance.readable(false).await.is_err() {
            monoio::time::sleep(PAUSE).await;
        }
        edges.collect(&mut events);
    }
}
