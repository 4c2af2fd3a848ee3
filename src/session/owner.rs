//! Who opened a session, and who may use it.
//!
//! A session belongs to the principal that opened it; every request says anew who asks. Callers
//! without a principal are told apart by address only to count them: a phone changes its address in
//! the middle of a session. Spec: MCP security best practices, "Session Hijacking".

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// Somebody who proved who they are: issuer and subject.
    Principal(Arc<str>),
    /// Nobody in particular, from this address; none over a Unix socket.
    Address(Option<IpAddr>),
}

/// How many leading bits of an IPv6 address name a site: what one customer is given (RFC 6177).
const SITE_BITS: u32 = 64;

impl Owner {
    /// Under whom its sessions are counted. Addresses of one IPv6 site count as one, since whoever
    /// holds the site may use all of them.
    #[must_use]
    pub fn account(&self) -> Self {
        match self {
            Self::Address(Some(IpAddr::V6(address))) => {
                Self::Address(Some(address.to_ipv4_mapped().map_or_else(
                    || {
                        let site = address.to_bits() >> SITE_BITS << SITE_BITS;
                        IpAddr::V6(Ipv6Addr::from_bits(site))
                    },
                    IpAddr::V4,
                )))
            }
            Self::Principal(_) | Self::Address(_) => self.clone(),
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_site_are_counted_as_one() {
        let account = |text: &str| Owner::Address(Some(text.parse().expect("address"))).account();
        assert_eq!(account("2001:db8::1"), account("2001:db8::ffff:0:0:9"));
        assert_ne!(account("2001:db8::1"), account("2001:db8:0:1::1"));
        assert_eq!(account("::ffff:192.0.2.1"), account("192.0.2.1"));
        assert_ne!(account("192.0.2.1"), account("192.0.2.2"));
        let somebody = Owner::Principal("issuer subject".into());
        assert_eq!(somebody.account(), somebody);
    }

    #[test]
    fn a_principals_session_is_nobody_elses() {
        let (one, other) = (Owner::Principal("one".into()), Owner::Principal("other".into()));
        let here = Owner::Address(Some(IpAddr::from([192, 0, 2, 1])));
        assert!(one.admits(&one) && !one.admits(&other));
        assert!(!one.admits(&here) && !here.admits(&one));
        assert!(here.admits(&Owner::Address(None)), "addresses change");
    }
}
