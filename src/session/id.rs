//! The name of a session or a task: which core keeps it and where, random bits, and proof that we
//! made it.
//!
//! ```text
//! worker (2) │ slot (4) │ random (16) │ tag (14)     36 bytes, 48 characters of base64url
//! ```
//!
//! The tag is an HMAC-SHA-256 over what is named and the rest, with a key of this process: so an id
//! that was not made here sends no connection to another core, and one of a session is none of a
//! task. Spec: MCP 2025-11-25 transports, "Session Management", and the tasks extension (visible
//! ASCII, unguessable). Invariant: two ids are compared in constant time.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

const PLACE_BYTES: usize = 6;
const RANDOM_BYTES: usize = 16;
const TAG_BYTES: usize = 14;
const BYTES: usize = PLACE_BYTES + RANDOM_BYTES + TAG_BYTES;
const TEXT_BYTES: usize = BYTES / 3 * 4;

/// An id, as it travels.
pub struct PlacedId<K> {
    text: [u8; TEXT_BYTES],
    kind: PhantomData<K>,
}

/// A session's id.
pub type SessionId = PlacedId<OfSession>;

/// A task's id.
pub type TaskId = PlacedId<OfTask>;

/// What an id names.
pub trait Kind {
    /// The word for it in the logs of programs.
    const NAME: &str;
    /// What its tags begin with, so that no tag of one kind is good for another.
    const CONTEXT: u8;
}

/// Sessions.
#[derive(Clone, Copy, Debug)]
pub struct OfSession;

impl Kind for OfSession {
    const NAME: &str = "SessionId";
    const CONTEXT: u8 = 1;
}

/// Tasks.
#[derive(Clone, Copy, Debug)]
pub struct OfTask;

impl Kind for OfTask {
    const NAME: &str = "TaskId";
    const CONTEXT: u8 = 2;
}

/// Where a session or a task lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The worker that keeps it.
    pub worker: u16,
    /// Its slot in that worker's table.
    pub slot: u32,
}

/// Makes ids and tells them from others. One for all workers of a process.
pub struct IdMint {
    key: hmac::Key,
    random: SystemRandom,
}

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandom;

impl IdMint {
    /// A mint with a key that nobody else has.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn new() -> Result<Self, NoRandom> {
        let random = SystemRandom::new();
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &random).map_err(|_| NoRandom)?;
        Ok(Self { key, random })
    }

    /// A new id for what lies at this place.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn mint<K: Kind>(&self, place: Place) -> Result<PlacedId<K>, NoRandom> {
        let mut bytes = [0; BYTES];
        let (named, tag) = bytes.split_at_mut(PLACE_BYTES + RANDOM_BYTES);
        named[..2].copy_from_slice(&place.worker.to_be_bytes());
        named[2..PLACE_BYTES].copy_from_slice(&place.slot.to_be_bytes());
        self.random.fill(&mut named[PLACE_BYTES..]).map_err(|_| NoRandom)?;
        tag.copy_from_slice(&self.tag::<K>(named).as_ref()[..TAG_BYTES]);
        let mut text = [0; TEXT_BYTES];
        // The text has room for exactly this many bytes.
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        debug_assert_eq!(written, Ok(TEXT_BYTES));
        Ok(PlacedId { text, kind: PhantomData })
    }

    /// Whether an id was made here.
    #[must_use]
    pub fn made<K: Kind>(&self, id: &PlacedId<K>) -> bool {
        let Some(bytes) = decoded::<BYTES>(&id.text) else { return false };
        let (named, tag) = bytes.split_at(PLACE_BYTES + RANDOM_BYTES);
        same(&self.tag::<K>(named).as_ref()[..TAG_BYTES], tag)
    }

    fn tag<K: Kind>(&self, named: &[u8]) -> hmac::Tag {
        let mut signed = hmac::Context::with_key(&self.key);
        signed.update(&[K::CONTEXT]);
        signed.update(named);
        signed.sign()
    }
}

impl fmt::Debug for IdMint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdMint").finish_non_exhaustive()
    }
}

impl<K> PlacedId<K> {
    /// Reads what came in a message; `None` for what cannot be an id of ours.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let text = text.try_into().ok()?;
        is_base64url(&text).then_some(Self { text, kind: PhantomData })
    }

    /// Where it says that what it names lies. The rest of it is not decoded for that: it is
    /// compared as text.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let bytes: [u8; PLACE_BYTES] = decoded(&self.text[..PLACE_BYTES / 3 * 4])?;
        let [worker @ .., a, b, c, d] = bytes;
        Some(Place { worker: u16::from_be_bytes(worker), slot: u32::from_be_bytes([a, b, c, d]) })
    }

    /// The id as it travels: visible ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.text
    }

    /// The id as it travels: visible ASCII.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // What was encoded or decoded as base64 is text.
        std::str::from_utf8(&self.text).unwrap_or_default()
    }
}

/// Whether all of a text is in the alphabet of base64url (RFC 4648 §5). Its length leaves no bits
/// over, so there is no more to it.
fn is_base64url(text: &[u8; TEXT_BYTES]) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'-') | (byte == b'_');
    // No early exit, so that the compiler can look at many together.
    text.iter().fold(true, |all, &byte| all & is_of_it(byte))
}

/// The bytes that base64url stands for, if they are so many.
fn decoded<const COUNT: usize>(text: &[u8]) -> Option<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    (length == COUNT).then_some(bytes)
}

// Written out: a derive would ask the same of `K`.
impl<K> Clone for PlacedId<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for PlacedId<K> {}

impl<K> PartialEq for PlacedId<K> {
    fn eq(&self, other: &Self) -> bool {
        same(&self.text, &other.text)
    }
}

impl<K> Eq for PlacedId<K> {}

impl<K> Hash for PlacedId<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

/// An id opens what it names: whoever prints one prints no more than its beginning.
impl<K: Kind> fmt::Debug for PlacedId<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({}…)", K::NAME, String::from_utf8_lossy(&self.text[..8]))
    }
}

/// Compares in a time that does not tell where two secrets differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let difference = one.iter().zip(other).fold(0, |found, (a, b)| found | (a ^ b));
    std::hint::black_box(difference) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_names_its_place_and_cannot_be_changed() {
        let mint = IdMint::new().expect("random bytes");
        let place = Place { worker: 513, slot: 70_000 };
        let id: SessionId = mint.mint(place).expect("random bytes");
        assert!(id.as_bytes().iter().all(|byte| matches!(byte, 0x21..=0x7e)));
        assert_eq!(id.place(), Some(place));
        assert!(mint.made(&id));
        assert_ne!(id, mint.mint(place).expect("random bytes"), "random bits differ");
        assert!(!IdMint::new().expect("random bytes").made(&id), "another process's key");
        for at in 0..TEXT_BYTES {
            let mut changed = id;
            changed.text[at] = if changed.text[at] == b'A' { b'B' } else { b'A' };
            assert!(!mint.made(&changed), "character {at}");
            assert_ne!(changed, id);
        }
    }

    #[test]
    fn the_id_of_a_session_names_no_task() {
        let mint = IdMint::new().expect("random bytes");
        let id: SessionId = mint.mint(Place { worker: 0, slot: 0 }).expect("random bytes");
        let as_task = TaskId::read(id.as_bytes()).expect("the same form");
        assert!(mint.made(&id) && !mint.made(&as_task));
        assert_eq!(id.as_str().as_bytes(), as_task.as_bytes());
    }

    #[test]
    fn what_is_no_id_is_told_by_its_form() {
        for text in [&b""[..], b"short", &[b'A'; 47], &[b'A'; 49], &[b'!'; 48], &[0xff; 48]] {
            assert_eq!(SessionId::read(text), None);
        }
        assert!(SessionId::read(&[b'A'; 48]).is_some(), "the right form, and still not ours");
    }
}
