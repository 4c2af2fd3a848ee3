//! What names something: sessions, tasks, events, sealed state, resources.
//!
//! Fuzzed: `session/id`, `session/seal`, `http/frame::EventId`, `mcp/uri`.
//! Invariants: what is taken renders as it came; of ids and tokens only those made here are taken,
//! and no change to one is; the values that a template gives, give its address again.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::LazyLock;

use super::Cuts;
use crate::http::frame::EventId;
use crate::mcp::uri::{self, UriTemplate};
use crate::session::id::{IdMint, NoRandom, OfSession, OfTask, Place, SessionId, TaskId};
use crate::session::seal::{NotSealedHere, Sealer, StateKey};

/// What makes ids and tokens that are then changed.
static MAKER: LazyLock<Result<(IdMint, Sealer), NoRandom>> = LazyLock::new(maker);

/// What never made any: a fuzzer reads from memory what the other made, and brings it back.
static JUDGE: LazyLock<Result<(IdMint, Sealer), NoRandom>> = LazyLock::new(maker);

fn maker() -> Result<(IdMint, Sealer), NoRandom> {
    Ok((IdMint::new()?, Sealer::new(&StateKey::default(), "fuzzing")?))
}

/// The input is read as each kind of name; then it is what a made one is changed by, and what is
/// sealed, bound to what stands before the first cut.
pub(super) fn check_session(input: &[u8], cuts: Cuts<'_>) {
    check_event_id(input);
    let Ok((mint, sealer)) = &*JUDGE else { return };
    if let Some(id) = SessionId::read(input) {
        assert!(id.as_bytes() == input && id.as_str().as_bytes() == input);
        assert!(id.place().is_some() && !mint.made(&id), "never made");
        assert!(TaskId::read(input).is_some_and(|id| !mint.made(&id)));
    }
    if let Ok(token) = std::str::from_utf8(input) {
        assert_eq!(sealer.open(b"", token), Err(NotSealedHere));
    }
    let Ok((mint, sealer)) = &*MAKER else { return };
    check_changed_id(input, mint);
    check_changed_token(input, cuts, sealer);
}

fn check_event_id(input: &[u8]) {
    let Some(id) = EventId::parse(input) else { return };
    let mut line = Vec::new();
    id.write_line(&mut line);
    assert_eq!(line, [b"id: ", input, b"\n"].concat());
}

/// Changes an id by the bits of the input.
fn check_changed_id(input: &[u8], mint: &IdMint) {
    let (worker, slot) = match *input {
        [a, b, c, d, ..] => (u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, a, b])),
        _ => (0, u32::MAX),
    };
    let place = Place { worker, slot };
    let Ok(id) = mint.mint::<OfSession>(place) else { return };
    assert!(mint.made(&id) && id.place() == Some(place));
    let mut text = id.as_bytes().to_vec();
    text.iter_mut().zip(input).for_each(|(byte, change)| *byte ^= change);
    let is_same = text == id.as_bytes();
    assert_eq!(SessionId::read(&text).is_some_and(|id| mint.made(&id)), is_same);
    let Ok(id) = mint.mint::<OfTask>(place) else { return };
    assert!(SessionId::read(id.as_bytes()).is_some_and(|id| !mint.made(&id)), "of a task");
}

/// Opens a token as it is, bound to something else, and changed by the bits of the input.
fn check_changed_token(input: &[u8], cuts: Cuts<'_>, sealer: &Sealer) {
    let pieces = cuts.pieces(input);
    let bound = pieces.first().copied().unwrap_or_default();
    let plain = input.get(bound.len()..).unwrap_or_default();
    let Ok(token) = sealer.seal(bound, plain) else { return };
    assert_eq!(sealer.open(bound, &token).as_deref(), Ok(plain));
    assert_eq!(sealer.open(&[bound, b"x"].concat(), &token), Err(NotSealedHere));
    if let Some((_, shorter)) = bound.split_last() {
        assert_eq!(sealer.open(shorter, &token), Err(NotSealedHere));
    }
    let mut changed = token.clone().into_bytes();
    changed.iter_mut().zip(input).for_each(|(byte, change)| *byte ^= change);
    if let Ok(changed) = String::from_utf8(changed) {
        assert_eq!(sealer.open(bound, &changed).is_ok(), changed == token, "{changed}");
    }
}

/// A template on the first line, an address on each other.
pub(super) fn check_template(input: &[u8], _: Cuts<'_>) {
    let Ok(input) = std::str::from_utf8(input) else { return };
    let (text, addresses) = input.split_once('\n').unwrap_or((input, ""));
    let template = match UriTemplate::parse(text) {
        Ok(template) => template,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let names: Vec<_> = template.variables().collect();
    assert!(!names.is_empty() && text.is_ascii());
    for address in addresses.lines() {
        let is_address = uri::check(address).is_ok();
        assert!(!is_address || (address.is_ascii() && address.len() <= uri::URI_BYTES_MAX));
        let Some(values) = template.match_uri(address) else { continue };
        for (name, value) in &values {
            assert!(names.contains(name) && value.len() <= address.len());
            let is_segment = text.contains(&format!("{{{name}}}"));
            let leads_away = value.contains(['/', '\0']) || matches!(&**value, "." | ".." | "");
            assert!(!(is_segment && leads_away), "{name}={value}");
        }
        if let Some(again) = fill(text, &values) {
            assert!(!is_address || again.len() > address.len() * 3 || uri::check(&again).is_ok());
            assert_eq!(template.match_uri(&again), Some(values), "{text} {address} {again}");
        }
    }
}

/// The address that a template and values give, with every byte of a value escaped; `None` where
/// what stands between two variables could be part of such a value, and so give others.
fn fill(template: &str, values: &[(&str, Cow<'_, str>)]) -> Option<String> {
    let mut address = String::new();
    let mut rest = template;
    let mut is_first = true;
    while let Some((literal, after)) = rest.split_once('{') {
        let is_told = literal.bytes().any(|byte| byte != b'%' && !byte.is_ascii_hexdigit());
        let (expression, after) = after.split_once('}')?;
        address.push_str(literal);
        rest = after;
        if let Some(names) = expression.strip_prefix('?') {
            fill_query(&mut address, names, values);
            continue;
        }
        if !is_told && !is_first {
            return None;
        }
        is_first = false;
        let name = expression.trim_start_matches('+');
        let (_, value) = values.iter().find(|(held, _)| *held == name)?;
        escape(&mut address, value);
    }
    address.push_str(rest);
    Some(address)
}

/// The pairs of a query, in the order in which they were found.
fn fill_query(address: &mut String, names: &str, values: &[(&str, Cow<'_, str>)]) {
    let mut separator = '?';
    for (name, value) in values.iter().filter(|(name, _)| names.split(',').any(|it| it == *name)) {
        address.push(separator);
        address.push_str(name);
        address.push('=');
        escape(address, value);
        separator = '&';
    }
}

fn escape(address: &mut String, value: &str) {
    for byte in value.bytes() {
        // Writing to a string cannot fail.
        let _ = write!(address, "%{byte:02x}");
    }
}
