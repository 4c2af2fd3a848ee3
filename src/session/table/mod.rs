//! The sessions of one core: opened, found by their id, ended, forgotten when idle.
//!
//! In: ids as they came, who asks, `now`. Out: a session that lives here, the worker where it would
//! live, or nothing; an id that is unknown, ended, forged or somebody else's looks the same.
//! Spec: MCP 2025-11-25 transports, "Session Management". Limits: `sessions_max`,
//! `sessions_per_principal_max`, `sessions_per_address_max`, `session_idle_life`.
//! Invariant: every session is in one slot and counted once for its owner; what is remembered of
//! sessions that ended is no more than what is of those that live, and a few.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::base::time::{Deadline, Now};
use crate::session::change::Change;
use crate::session::conversation::{Greeting, Seat, Session, Shared};
use crate::session::id::{IdMint, NoRandom, Place, SessionId};
use crate::session::limits::SessionLimits;
use crate::session::owner::Owner;
use crate::session::store::EventStore;

/// Which worker of a process a core is, and what it shares with the others.
#[derive(Clone, Debug)]
pub struct Membership {
    /// Its number, from 0.
    pub worker: usize,
    /// How many there are.
    pub worker_count: usize,
    /// Makes the ids of all.
    pub mint: Arc<IdMint>,
}

impl Membership {
    /// A process of one worker.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn alone() -> Result<Self, NoRandom> {
        Ok(Self { worker: 0, worker_count: 1, mint: Arc::new(IdMint::new()?) })
    }
}

/// The sessions of a core.
#[derive(Debug)]
pub struct Sessions {
    worker: u16,
    /// How many workers share the limits.
    worker_count: usize,
    mint: Arc<IdMint>,
    shared: Rc<Shared>,
    slots: RefCell<Vec<Option<Rc<Session>>>>,
    free: RefCell<Vec<u32>>,
    /// How many sessions each account has.
    owners: RefCell<HashMap<Owner, usize>>,
    /// When each session is looked at next, oldest first. Those that end stay until they are due,
    /// or until they are many.
    ages: RefCell<VecDeque<Age>>,
    live_count: Cell<usize>,
    opened_count: Cell<u64>,
    next_serial: Cell<u32>,
}

/// When a session is looked at.
#[derive(Clone, Copy, Debug)]
struct Age {
    due: Deadline,
    slot: u32,
    /// Which of the sessions that had this slot.
    serial: u32,
}

/// No session is looked at more often than this, however soon what it keeps may go.
const LOOK_INTERVAL_MIN: Duration = Duration::from_secs(1);

/// How many sessions that ended may wait to be forgotten besides as many as live.
const ENDED_AGES_MAX: usize = 64;

/// Where a session is.
#[derive(Debug)]
pub enum Found {
    /// On this core.
    Here(Rc<Session>),
    /// On another one, if it lives.
    Elsewhere(usize),
    /// Nowhere, for this caller.
    Nowhere,
}

/// Why no session is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// `sessions_max`, or the system has no random bytes to give.
    Full,
    /// `sessions_per_principal_max` or `sessions_per_address_max`.
    TooManyOfOwner,
}

impl Sessions {
    /// The table of this worker, one of so many.
    #[must_use]
    pub fn new(membership: &Membership, limits: SessionLimits, store: Box<dyn EventStore>) -> Self {
        Self {
            worker: u16::try_from(membership.worker).unwrap_or(u16::MAX),
            worker_count: membership.worker_count.max(1),
            mint: membership.mint.clone(),
            shared: Rc::new(Shared { limits, store }),
            slots: RefCell::default(),
            free: RefCell::default(),
            owners: RefCell::default(),
            ages: RefCell::default(),
            live_count: Cell::new(0),
            opened_count: Cell::new(0),
            next_serial: Cell::new(0),
        }
    }

    /// Opens a session.
    ///
    /// # Errors
    /// When as many as may live already.
    pub fn open(&self, greeting: Greeting, now: Now) -> Result<Rc<Session>, NotOpened> {
        let limits = &self.shared.limits;
        if self.live_count.get() >= self.share(limits.sessions_max) {
            return Err(NotOpened::Full);
        }
        let of_owner_max = self.share(match greeting.owner {
            Owner::Principal(_) => limits.sessions_per_principal_max,
            Owner::Address(_) => limits.sessions_per_address_max,
        });
        let account = greeting.owner.account();
        let mut owners = self.owners.borrow_mut();
        if owners.get(&account).is_some_and(|count| *count >= of_owner_max) {
            return Err(NotOpened::TooManyOfOwner);
        }
        let mut slots = self.slots.borrow_mut();
        let free = self.free.borrow().last().copied();
        let slot = free.unwrap_or(u32::try_from(slots.len()).map_err(|_| NotOpened::Full)?);
        let place = Place { worker: self.worker, slot };
        let id = self.mint.mint(place).map_err(|_| NotOpened::Full)?;
        *owners.entry(account).or_default() += 1;
        let serial = self.next_serial.get();
        self.next_serial.set(serial.wrapping_add(1));
        let seat = Seat { id, slot, serial };
        let session = Rc::new(Session::new(seat, greeting, self.shared.clone(), now));
        match free {
            Some(_) => {
                self.free.borrow_mut().pop();
                slots[slot as usize] = Some(session.clone());
            }
            None => slots.push(Some(session.clone())),
        }
        self.live_count.set(self.live_count.get() + 1);
        self.opened_count.set(self.opened_count.get() + 1);
        self.look_again(now.after(self.look_interval()), &session);
        Ok(session)
    }

    /// A core's part of a limit that holds for all.
    fn share(&self, limit: usize) -> usize {
        limit.div_ceil(self.worker_count)
    }

    /// Finds the session of an id, for this caller.
    #[must_use]
    pub fn find(&self, id: &[u8], asker: &Owner, now: Now) -> Found {
        let Some((id, place)) = SessionId::read(id).and_then(|id| Some((id, id.place()?))) else {
            return Found::Nowhere;
        };
        if place.worker != self.worker {
            // Only an id of ours is worth the way.
            let is_there = usize::from(place.worker) < self.worker_count && self.mint.made(&id);
            return if is_there { Found::Elsewhere(place.worker.into()) } else { Found::Nowhere };
        }
        match self.at(place.slot) {
            Some(session) if *session.id() == id && session.owner().admits(asker) => {
                session.touch(now);
                Found::Here(session)
            }
            _ => Found::Nowhere,
        }
    }

    fn at(&self, slot: u32) -> Option<Rc<Session>> {
        self.slots.borrow().get(slot as usize)?.clone()
    }

    /// Ends a session and lets go of all it held.
    pub fn end(&self, session: &Rc<Session>) {
        let mut slots = self.slots.borrow_mut();
        let Some(slot) = slots.get_mut(session.slot() as usize) else { return };
        if !slot.as_ref().is_some_and(|held| Rc::ptr_eq(held, session)) {
            return; // It ended before.
        }
        *slot = None;
        drop(slots);
        self.free.borrow_mut().push(session.slot());
        self.live_count.set(self.live_count.get() - 1);
        let account = session.owner().account();
        let mut owners = self.owners.borrow_mut();
        if let Some(count) = owners.get_mut(&account) {
            *count -= 1;
            if *count == 0 {
                owners.remove(&account);
            }
        }
        drop(owners);
        self.forget_ended();
        session.end();
    }

    /// Forgets when to look at sessions that ended, once they are more than those that live.
    fn forget_ended(&self) {
        let mut ages = self.ages.borrow_mut();
        if ages.len() > 2 * self.live_count.get() + ENDED_AGES_MAX {
            ages.retain(|age| self.of_age(age).is_some());
        }
    }

    /// The session that is meant, if it lives.
    fn of_age(&self, age: &Age) -> Option<Rc<Session>> {
        self.at(age.slot).filter(|session| session.serial() == age.serial)
    }

    /// How often a session is looked at.
    fn look_interval(&self) -> Duration {
        let SessionLimits { session_idle_life, replay_life, .. } = self.shared.limits;
        session_idle_life.min(replay_life.max(LOOK_INTERVAL_MIN))
    }

    /// Ends the sessions that lay idle for their life, and lets go of what others keep for too
    /// long. Returns when to look again; `None` when no session lives.
    pub fn expire(&self, now: Now) -> Option<Deadline> {
        let life = self.shared.limits.session_idle_life;
        loop {
            let age = *self.ages.borrow().front()?;
            if !age.due.passed(now) {
                return Some(age.due);
            }
            self.ages.borrow_mut().pop_front();
            let Some(session) = self.of_age(&age) else { continue };
            session.drop_old_streams(now);
            let next_look = now.after(self.look_interval());
            match session.idle_since().map(|since| since.after(life)) {
                Some(end) if end.passed(now) => self.end(&session),
                Some(end) => self.look_again(end.min(next_look), &session),
                None => self.look_again(next_look, &session),
            }
        }
    }

    /// Keeps the ages in order.
    fn look_again(&self, due: Deadline, session: &Session) {
        let age = Age { due, slot: session.slot(), serial: session.serial() };
        let mut ages = self.ages.borrow_mut();
        let at = ages.partition_point(|earlier| earlier.due <= due);
        ages.insert(at, age);
    }

    /// Tells every session of a change.
    pub fn announce(&self, change: &Change) {
        self.for_each(|session| session.announce(change));
    }

    /// Tells every session that what it watches changed, since nobody knows what did not.
    pub fn announce_watched(&self) {
        self.for_each(Session::announce_watched);
    }

    fn for_each(&self, act: impl Fn(&Session)) {
        let count = self.slots.borrow().len();
        for slot in (0..count).filter_map(|slot| u32::try_from(slot).ok()) {
            if let Some(session) = self.at(slot) {
                act(&session);
            }
        }
    }

    /// How many sessions live.
    #[must_use]
    pub fn count(&self) -> usize {
        self.live_count.get()
    }

    /// How many were opened so far.
    #[must_use]
    pub fn opened_count(&self) -> u64 {
        self.opened_count.get()
    }
}

#[cfg(test)]
mod tests;
