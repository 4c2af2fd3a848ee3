//! The name of a session: which core keeps it and where, random bits, and proof that we made it.
//!
//! ```text
//! worker (2) │ slot (4) │ random (16) │ tag (14)     36 bytes, 48 characters of base64url
//! ```
//!
//! The tag is an HMAC-SHA-256 over the rest, with a key of this process: so an id that was not made
//! here sends no connection to another core. Spec: MCP 2025-11-25 transports, "Session Management"
//! (visible ASCII, unguessable). Invariant: two ids are compared in constant time.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};

const PLACE_BYTES: usize = 6;
const RANDOM_BYTES: usize = 16;
const TAG_BYTES: usize = 14;
const BYTES: usize = PLACE_BYTES + RANDOM_BYTES + TAG_BYTES;
const TEXT_BYTES: usize = BYTES / 3 * 4;

/// A session's id, as it travels.
#[derive(Clone, Copy)]
pub struct SessionId([u8; TEXT_BYTES]);

/// Where a session lies.
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

    /// A new id for a session at this place.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn mint(&self, place: Place) -> Result<SessionId, NoRandom> {
        let mut bytes = [0; BYTES];
        let (named, tag) = bytes.split_at_mut(PLACE_BYTES + RANDOM_BYTES);
        named[..2].copy_from_slice(&place.worker.to_be_bytes());
        named[2..PLACE_BYTES].copy_from_slice(&place.slot.to_be_bytes());
        self.random.fill(&mut named[PLACE_BYTES..]).map_err(|_| NoRandom)?;
        tag.copy_from_slice(&hmac::sign(&self.key, named).as_ref()[..TAG_BYTES]);
        let mut text = [0; TEXT_BYTES];
        // The text has room for exactly this many bytes.
        let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text);
        debug_assert_eq!(written, Ok(TEXT_BYTES));
        Ok(SessionId(text))
    }

    /// Whether an id was made here.
    #[must_use]
    pub fn made(&self, id: &SessionId) -> bool {
        let Some(bytes) = id.bytes() else { return false };
        let (named, tag) = bytes.split_at(PLACE_BYTES + RANDOM_BYTES);
        same(&hmac::sign(&self.key, named).as_ref()[..TAG_BYTES], tag)
    }
}

impl fmt::Debug for IdMint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdMint").finish_non_exhaustive()
    }
}

impl SessionId {
    /// Reads what came in a field; `None` for what cannot be an id of ours.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let id = Self(text.try_into().ok()?);
        id.bytes().map(|_| id)
    }

    /// Where it says that its session lies.
    #[must_use]
    pub fn place(&self) -> Option<Place> {
        let bytes = self.bytes()?;
        let worker = u16::from_be_bytes(bytes[..2].try_into().ok()?);
        let slot = u32::from_be_bytes(bytes[2..PLACE_BYTES].try_into().ok()?);
        Some(Place { worker, slot })
    }

    /// The id as it travels: visible ASCII.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes(&self) -> Option<[u8; BYTES]> {
        let mut bytes = [0; BYTES];
        let length = URL_SAFE_NO_PAD.decode_slice(self.0, &mut bytes).ok()?;
        (length == BYTES).then_some(bytes)
    }
}

impl PartialEq for SessionId {
    fn eq(&self, other: &Self) -> bool {
        same(&self.0, &other.0)
    }
}

impl Eq for SessionId {}

/// An id opens its session: whoever prints one prints no more than its beginning.
impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({}…)", String::from_utf8_lossy(&self.0[..8]))
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
        let id = mint.mint(place).expect("random bytes");
        assert!(id.as_bytes().iter().all(|byte| matches!(byte, 0x21..=0x7e)));
        assert_eq!(id.place(), Some(place));
        assert!(mint.made(&id));
        assert_ne!(id, mint.mint(place).expect("random bytes"), "random bits differ");
        assert!(!IdMint::new().expect("random bytes").made(&id), "another process's key");
        for at in 0..TEXT_BYTES {
            let mut changed = id;
            changed.0[at] = if changed.0[at] == b'A' { b'B' } else { b'A' };
            assert!(!mint.made(&changed), "character {at}");
            assert_ne!(changed, id);
        }
    }

    #[test]
    fn what_is_no_id_is_told_by_its_form() {
        for text in [&b""[..], b"short", &[b'A'; 47], &[b'A'; 49], &[b'!'; 48], &[0xff; 48]] {
            assert_eq!(SessionId::read(text), None);
        }
        assert!(SessionId::read(&[b'A'; 48]).is_some(), "the right form, and still not ours");
    }
}
