//! What is wrong with a result that a client sent: the member and the rule.

/// A result of a client that is not as it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// The member; empty for the result itself.
    pub member: &'static str,
    /// What it must be.
    pub rule: &'static str,
}

impl Malformed {
    /// The fault, told of a result that stands at this place.
    #[must_use]
    pub fn at(self, place: &str) -> String {
        let dot = if self.member.is_empty() { "" } else { "." };
        format!("{place}{dot}{} {}", self.member, self.rule)
    }
}
