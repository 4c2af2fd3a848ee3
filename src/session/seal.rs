//! What we give to a client so that it brings it back: sealed, so that it can neither be read nor
//! changed, with a key that every replica of a server may share.
//!
//! In: bytes, and the bytes that they are bound to. Out: a token `v1.` and base64url of nonce,
//! ciphertext and tag (ChaCha20-Poly1305, RFC 8439; a random nonce of 96 bits for each seal).
//! Each purpose has a key of its own, derived from the one that is configured (HKDF, RFC 5869).
//! Invariant: a token is opened whole or not at all; no other text opens to the same bytes.
//! Not here: what is sealed, what it is bound to, and for how long it is good.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};

use super::id::NoRandom;

/// How long a key is.
const KEY_BYTES: usize = 32;
/// What every token begins with: the version of its form.
const PREFIX: &str = "v1.";

/// The secret that seals are made with. Servers that share it accept each other's seals.
///
/// The default is drawn at random when a server starts, so that its seals end with it. Clones
/// share one secret, which is overwritten when the last of them goes, and never shown.
#[derive(Clone, Default)]
pub struct StateKey(Option<Arc<Secret>>);

struct Secret([u8; KEY_BYTES]);

/// Why bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateKeyError {
    /// Neither 32 bytes nor 64 hexadecimal digits.
    #[error(
        "{bytes} bytes are no key: it takes 32 raw bytes or 64 hexadecimal digits, as \
         `head -c 32 /dev/urandom` or `openssl rand -hex 32` gives them"
    )]
    Length {
        /// How many bytes came.
        bytes: usize,
    },
    /// The length of a key in hexadecimal digits, but another character among them.
    #[error("character {} of the key is no hexadecimal digit: it takes 64 of 0-9 a-f", at + 1)]
    Digit {
        /// Where it stands, from 0.
        at: usize,
    },
}

/// A token that is none of ours, was changed, or is bound to something else. Which of these is not
/// told: it would help nobody but a forger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not sealed here, or not for this")]
pub struct NotSealedHere;

impl StateKey {
    /// A key from what a file holds: 32 raw bytes, or 64 hexadecimal digits with or without an end
    /// of line.
    ///
    /// # Errors
    /// When it is neither.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StateKeyError> {
        let key = match <[u8; KEY_BYTES]>::try_from(bytes) {
            Ok(key) => key,
            Err(_) => from_hex(bytes.trim_ascii_end())?,
        };
        Ok(Self(Some(Arc::new(Secret(key)))))
    }

    /// Whether the key is drawn at random when the server starts.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.0.is_none()
    }

    /// This key; one drawn at random where none is given.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn drawn(&self) -> Result<Self, NoRandom> {
        if !self.is_random() {
            return Ok(self.clone());
        }
        let mut secret = Secret([0; KEY_BYTES]);
        SystemRandom::new().fill(&mut secret.0).map_err(|_| NoRandom)?;
        Ok(Self(Some(Arc::new(secret))))
    }
}

fn from_hex(digits: &[u8]) -> Result<[u8; KEY_BYTES], StateKeyError> {
    if digits.len() != 2 * KEY_BYTES {
        return Err(StateKeyError::Length { bytes: digits.len() });
    }
    let mut key = [0; KEY_BYTES];
    for (at, &digit) in digits.iter().enumerate() {
        let value = char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let value = value.ok_or(StateKeyError::Digit { at })?;
        key[at / 2] = key[at / 2] << 4 | value;
    }
    Ok(key)
}

impl fmt::Debug for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_random() { "StateKey(random)" } else { "StateKey(given)" })
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.fill(0);
        // Without this the compiler may leave out a write that nobody reads.
        std::hint::black_box(&self.0);
    }
}

/// Seals and opens for one purpose. Shared by all cores.
pub struct Sealer {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Sealer {
    /// A sealer for this purpose. What another purpose sealed does not open here.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(key: &StateKey, purpose: &str) -> Result<Self, NoRandom> {
        let drawn = key.drawn()?;
        let secret = drawn.0.as_deref().ok_or(NoRandom)?;
        // The salt may be public (RFC 5869 §3.1); the secret is random already.
        let salt = Salt::new(HKDF_SHA256, b"ringlane");
        let derived = salt.extract(&secret.0);
        let info = [purpose.as_bytes()];
        // A purpose of any length gives a key; only an output of over 8 KiB would not.
        let okm = derived.expand(&info, &CHACHA20_POLY1305).map_err(|_| NoRandom)?;
        Ok(Self { key: LessSafeKey::new(UnboundKey::from(okm)), random: SystemRandom::new() })
    }

    /// Seals bytes, bound to others: only who names the same `bound` opens the token.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn seal(&self, bound: &[u8], plain: &[u8]) -> Result<String, NoRandom> {
        let nonce: [u8; NONCE_LEN] = self.random()?;
        let mut sealed = plain.to_vec();
        let nonce_once = Nonce::assume_unique_for_key(nonce);
        // It refuses beyond 256 GiB, which no limit of ours lets come here.
        self.key
            .seal_in_place_append_tag(nonce_once, Aad::from(bound), &mut sealed)
            .map_err(|_| NoRandom)?;
        let mut token = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string([&nonce[..], &sealed].concat(), &mut token);
        Ok(token)
    }

    /// Opens a token.
    ///
    /// # Errors
    /// When it was not sealed with this key for this purpose, bound to this, or was changed since.
    pub fn open(&self, bound: &[u8], token: &str) -> Result<Vec<u8>, NotSealedHere> {
        let encoded = token.strip_prefix(PREFIX).ok_or(NotSealedHere)?;
        // The whole text must be the one form that encoding gives.
        let mut bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| NotSealedHere)?;
        let nonce = bytes.get(..NONCE_LEN).ok_or(NotSealedHere)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotSealedHere)?;
        let plain = self
            .key
            .open_within(nonce, Aad::from(bound), &mut bytes, NONCE_LEN..)
            .map_err(|_| NotSealedHere)?;
        Ok(plain.to_vec())
    }

    /// Random bytes, for names that nobody must guess.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn random<const COUNT: usize>(&self) -> Result<[u8; COUNT], NoRandom> {
        let mut bytes = [0; COUNT];
        self.random.fill(&mut bytes).map_err(|_| NoRandom)?;
        Ok(bytes)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer(byte: u8) -> Sealer {
        let key = StateKey::from_bytes(&[byte; KEY_BYTES]).expect("a key");
        Sealer::new(&key, "tests").expect("random numbers")
    }

    #[test]
    fn what_was_sealed_opens_with_the_same_key_for_the_same_thing_alone() {
        let token = sealer(1).seal(b"call", b"state").expect("sealed");
        assert_eq!(sealer(1).open(b"call", &token), Ok(b"state".to_vec()));
        assert_eq!(sealer(1).open(b"cal", &token), Err(NotSealedHere));
        assert_eq!(sealer(1).open(b"", &token), Err(NotSealedHere));
        assert_eq!(sealer(2).open(b"call", &token), Err(NotSealedHere));
        let key = StateKey::from_bytes(&[1; KEY_BYTES]).expect("a key");
        let other = Sealer::new(&key, "something else").expect("random numbers");
        assert_eq!(other.open(b"call", &token), Err(NotSealedHere));
        let again = sealer(1).seal(b"call", b"state").expect("sealed");
        assert_ne!(token, again, "each seal has a nonce of its own");
    }

    #[test]
    fn no_changed_token_opens() {
        let sealer = sealer(3);
        let token = sealer.seal(b"call", b"some state").expect("sealed");
        for at in 0..token.len() {
            for bit in 0..8 {
                let mut changed = token.clone().into_bytes();
                changed[at] ^= 1 << bit;
                let Ok(changed) = String::from_utf8(changed) else { continue };
                assert_eq!(sealer.open(b"call", &changed), Err(NotSealedHere), "{at} {bit}");
            }
            assert_eq!(sealer.open(b"call", &token[..at]), Err(NotSealedHere), "cut at {at}");
        }
        let twice = format!("{token}{token}");
        for changed in ["", "v1.", "v1.AAAA", "v2.AAAA", "=", &twice] {
            assert_eq!(sealer.open(b"call", changed), Err(NotSealedHere), "{changed}");
        }
        for added in ["-TAMPERED", "=", "A", "\n", " ", "."] {
            for changed in [format!("{token}{added}"), format!("{added}{token}")] {
                assert_eq!(sealer.open(b"call", &changed), Err(NotSealedHere), "{changed}");
            }
        }
    }

    #[test]
    fn a_key_is_32_bytes_or_64_digits() {
        let digits = "00ff".repeat(16);
        let raw: Vec<u8> = [0u8, 255].repeat(16);
        let of = |bytes: &[u8]| {
            let key = StateKey::from_bytes(bytes)?;
            Ok(key.0.as_deref().map(|secret| secret.0))
        };
        assert_eq!(of(digits.as_bytes()), of(&raw));
        assert_eq!(of(format!("{}\n", digits.to_uppercase()).as_bytes()), of(&raw));
        assert_eq!(of(&raw[1..]), Err(StateKeyError::Length { bytes: 31 }));
        assert_eq!(of(b""), Err(StateKeyError::Length { bytes: 0 }));
        let wrong = digits.replacen('f', "g", 1);
        assert_eq!(of(wrong.as_bytes()), Err(StateKeyError::Digit { at: 2 }));
    }

    #[test]
    fn a_key_is_never_shown() {
        let given = StateKey::from_bytes(&[b'k'; KEY_BYTES]).expect("a key");
        assert_eq!(
            format!("{given:?} {:?}", StateKey::default()),
            "StateKey(given) StateKey(random)"
        );
        let drawn = StateKey::default().drawn().expect("random numbers");
        assert!(!drawn.is_random());
    }
}
