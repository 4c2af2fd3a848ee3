//! For how long an answer may be kept, and by whom. Since 2026-07-28.
//!
//! Spec: MCP 2026-07-28 server/utilities/caching: on lists, discovery and read resources.

use std::time::Duration;

use crate::jsonrpc::encode;

/// Who may share an answer that was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheScope {
    /// Anybody: every caller is given the same.
    Public,
    /// The caller alone.
    Private,
}

impl CacheScope {
    /// The scope as it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

/// For how long an answer may be kept, and by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheHints {
    /// For how long (`ttlMs`); zero asks to be asked each time.
    pub ttl: Duration,
    /// Who may share it (`cacheScope`).
    pub scope: CacheScope,
}

impl CacheHints {
    /// The time in whole milliseconds.
    #[must_use]
    pub fn ttl_ms(self) -> u64 {
        u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX)
    }

    /// Writes the two members.
    pub fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#""ttlMs":"#);
        encode::unsigned(out, self.ttl_ms());
        out.extend_from_slice(br#","cacheScope":""#);
        out.extend_from_slice(self.scope.name().as_bytes());
        out.push(b'"');
    }
}
