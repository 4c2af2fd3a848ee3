//! How a client behaves: which era, which fields, how long it waits, how much it takes.
//!
//! Limits: `ClientLimits`, each with its default.
//! Invariant: `fields` hold names and values that can stand in a request head, and none that the
//! client itself sets. Values never appear in `Debug` output: they hold tokens.

use std::fmt;
use std::time::Duration;

use crate::client::era::EraChoice;
use crate::client::question::Abilities;
use crate::client::request::ClientIdentity;
use crate::client::waits::Waits;
use crate::http::field::is_token;

/// Fields that the client sets itself, or that would change how a message is framed.
const RESERVED: &[&str] = &[
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// How a client behaves.
#[derive(Clone)]
pub struct ClientOptions {
    /// Who calls.
    pub identity: ClientIdentity,
    /// Which eras it may use. Default: modern, else legacy.
    pub era: EraChoice,
    /// Fields for every request, from [`parse_field`]. Default: none.
    pub fields: Vec<(String, String)>,
    /// The lowest level of log messages wanted of a server that logs. Default: none.
    pub log_level: Option<&'static str>,
    /// What the server may ask. Default: nothing.
    pub abilities: Abilities,
    /// How it waits. Default: as long as it takes.
    pub waits: Waits,
    /// How long a connection may take to be there, for each address tried. Default: 5 s.
    pub connect_timeout: Duration,
    /// How long a server may stay silent, or not take bytes, in the midst of an exchange. Default:
    /// 5 min.
    pub idle_timeout: Duration,
    /// How much it takes.
    pub limits: ClientLimits,
}

/// How much a client takes from a server before it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Bytes of one message: a JSON body, an event's data, an NDJSON line. Default: 16 MiB.
    pub message_bytes_max: usize,
    /// Pages of one list. Default: 100.
    pub pages_max: usize,
    /// Items of one list. Default: 10,000.
    pub items_max: usize,
    /// How often in a row an event stream is resumed without anything new. Default: 1000.
    pub resumes_max: usize,
    /// The longest wait that a server may ask for before its stream is resumed; where it asks for
    /// more, the request is given up. Default: 5 min.
    pub resume_wait_max: Duration,
    /// How often in a row a stream of notifications may fail before it is given up. Default: 10.
    pub reconnects_max: usize,
    /// The longest pause between such tries. Default: 30 s.
    pub reconnect_wait_max: Duration,
    /// How often one request may be answered with questions. Default: 10.
    pub rounds_max: usize,
    /// Questions within one request. Default: 100.
    pub questions_max: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: 16 << 20,
            pages_max: 100,
            items_max: 10_000,
            resumes_max: 1000,
            resume_wait_max: Duration::from_mins(5),
            reconnects_max: 10,
            reconnect_wait_max: Duration::from_secs(30),
            rounds_max: 10,
            questions_max: 100,
        }
    }
}

impl ClientOptions {
    /// The defaults, for a named caller.
    #[must_use]
    pub fn new(identity: ClientIdentity) -> Self {
        Self {
            identity,
            era: EraChoice::default(),
            fields: Vec::new(),
            log_level: None,
            abilities: Abilities::default(),
            waits: Waits::default(),
            connect_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_mins(5),
            limits: ClientLimits::default(),
        }
    }
}

impl fmt::Debug for ClientOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("ClientOptions")
            .field("identity", &self.identity)
            .field("era", &self.era)
            .field("fields", &names)
            .field("log_level", &self.log_level)
            .field("abilities", &self.abilities)
            .field("waits", &self.waits)
            .field("connect_timeout", &self.connect_timeout)
            .field("idle_timeout", &self.idle_timeout)
            .field("limits", &self.limits)
            .finish()
    }
}

/// Why a text is no field to send.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// No colon. What was written is not repeated: it may be a token.
    #[error("a field is written \"Name: value\"")]
    NoColon,
    /// The name is no token.
    #[error("\"{name}\" is not a field name: write letters, digits and hyphens")]
    Name {
        /// As written.
        name: String,
    },
    /// The value holds controls or letters beyond ASCII.
    #[error("the value of {name} is not visible ASCII: encode it")]
    Value {
        /// The field's name.
        name: String,
    },
    /// The client sets it.
    #[error("{name} is set by the client itself: leave it out")]
    Reserved {
        /// The field's name.
        name: String,
    },
}

/// Reads a field, `Name: value`.
///
/// # Errors
/// `FieldError`, which never repeats the value.
pub fn parse_field(text: &str) -> Result<(String, String), FieldError> {
    let (name, value) = text.split_once(':').ok_or(FieldError::NoColon)?;
    let (name, value) = (name.to_owned(), value.trim_matches([' ', '\t']).to_owned());
    if !is_token(name.as_bytes()) {
        return Err(FieldError::Name { name });
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return Err(FieldError::Value { name });
    }
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(FieldError::Reserved { name });
    }
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_checked_and_their_values_kept_secret() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let owned = |name: &str| name.to_owned();
        let table = [
            ("Authorization: Bearer a:b", Ok(field("Authorization", "Bearer a:b"))),
            ("X-Empty:", Ok(field("X-Empty", ""))),
            ("Bearer secret", Err(FieldError::NoColon)),
            ("A b: c", Err(FieldError::Name { name: owned("A b") })),
            ("A: b\r\nC: d", Err(FieldError::Value { name: owned("A") })),
            ("A: ä", Err(FieldError::Value { name: owned("A") })),
            ("Host: h", Err(FieldError::Reserved { name: owned("Host") })),
            ("mcp-name: h", Err(FieldError::Reserved { name: owned("mcp-name") })),
        ];
        for (text, expected) in table {
            assert_eq!(parse_field(text), expected, "{text}");
        }
        let identity = ClientIdentity { name: owned("demo"), version: owned("1") };
        let mut options = ClientOptions::new(identity);
        options.fields.push(field("Authorization", "Bearer secret"));
        assert!(!format!("{options:?}").contains("secret"));
    }
}
