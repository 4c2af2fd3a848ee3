//! Who opened a session, and who may use it.
//!
//! A session belongs to the principal that opened it; every request says anew who asks. Callers
//! without a principal are told apart by address only to count them: a phone changes its address in
//! the middle of a session. Spec: MCP security best practices, "Session Hijacking".

use std::net::IpAddr;
use std::sync::Arc;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Somebody who proved who they are: issuer and subject.
    Principal(Arc<str>),
    /// Nobody in particular, from this address; none over a Unix socket.
    Address(Option<IpAddr>),
}

impl Owner {
    /// Whether a session of `self` may be used by `other`.
    #[must_use]
    pub fn admits(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Principal(one), Self::Principal(other)) => one == other,
            (Self::Address(_), Self::Address(_)) => true,
            (Self::Principal(_), Self::Address(_)) | (Self::Address(_), Self::Principal(_)) => {
                false
            }
        }
    }
}
