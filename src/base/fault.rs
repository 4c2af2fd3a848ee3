//! Whose fault an error is: the one thing every error of this crate can be asked.
//!
//! It decides how loudly an error is told: a peer's mistake is its own business and must not fill
//! our logs, a bug of ours must.

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The other end of the connection broke a rule, or went away.
    Peer,
    /// Our machine or our configuration: a port that is taken, no descriptors left.
    Local,
    /// A server that we called.
    Upstream,
    /// This crate.
    Bug,
}
