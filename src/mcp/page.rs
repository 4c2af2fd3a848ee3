//! Cursors: where the next page of a list begins, said in a word that only we read.
//!
//! A cursor holds its own state (the index of the next entry), so that any worker or replica serves
//! any page. Spec: MCP 2025-11-25 server/utilities/pagination. Invariant: every cursor that
//! `Cursor::render` makes, `Cursor::parse` reads; anything else is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const MARK: &str = "entry:";

/// The index of the first entry of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor(pub usize);

impl Cursor {
    /// The cursor as it travels.
    #[must_use]
    pub fn render(self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{MARK}{}", self.0))
    }

    /// Reads a cursor that came back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let digits = std::str::from_utf8(&bytes).ok()?.strip_prefix(MARK)?;
        let index: usize = digits.parse().ok()?;
        // One spelling only: no sign, no leading zero.
        (Self(index).render() == text).then_some(Self(index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        for index in [0, 1, 200, usize::MAX] {
            assert_eq!(Cursor::parse(&Cursor(index).render()), Some(Cursor(index)));
        }
        let plus = URL_SAFE_NO_PAD.encode("entry:+1");
        for text in ["", "x", "!!!", "ZW50cnk6", plus.as_str()] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
