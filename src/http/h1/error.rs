//! What the head of a message can do wrong, and the status that says so.
//!
//! After any of these the end of the message is in doubt: the caller answers with `status` and ends
//! the connection (RFC 9112 §6.3, RFC 9110 §15.5).

use crate::base::fault::Fault;
use crate::http::field::Known;

/// Why a head was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeadError {
    /// A line ended with LF alone.
    #[error("line feed without carriage return")]
    BareLineFeed,
    /// More empty lines than `limit_count` stood before the first line.
    #[error("more than {limit_count} empty lines before the request")]
    TooManyEmptyLines {
        /// The limit.
        limit_count: usize,
    },
    /// The request line is longer than `limit_bytes`.
    #[error("request line over {limit_bytes} bytes")]
    RequestLineTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// A field line is longer than `limit_bytes`.
    #[error("field over {limit_bytes} bytes")]
    FieldTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// There are more than `limit_count` fields.
    #[error("more than {limit_count} fields")]
    TooManyFields {
        /// The limit.
        limit_count: usize,
    },
    /// The head is longer than `limit_bytes`.
    #[error("head over {limit_bytes} bytes")]
    HeadTooLong {
        /// The limit.
        limit_bytes: usize,
    },
    /// The method is not a token, or the request line has not its three parts.
    #[error("malformed request line")]
    RequestLine,
    /// The target is in none of the forms that its method allows.
    #[error("malformed request target")]
    Target,
    /// The version is not `HTTP/1.1` or `HTTP/1.0`.
    #[error("unsupported http version")]
    Version,
    /// A field name is no token, or no colon follows it directly.
    #[error("malformed field name")]
    FieldName,
    /// A line begins with white space (`obs-fold`, RFC 9112 §5.2).
    #[error("folded field line")]
    FoldedLine,
    /// A field value holds CR, NUL or another control character.
    #[error("malformed field value")]
    FieldValue,
    /// The two readings of one head disagree. It cannot happen, and is refused if it does.
    #[error("malformed head")]
    Malformed,
    /// HTTP/1.1 without `Host`.
    #[error("missing host field")]
    HostMissing,
    /// `Host` is not a host with an optional port.
    #[error("malformed host field")]
    Host,
    /// A field that has one value came again, with another value (`Host` and `Content-Length`: at
    /// all).
    #[error("repeated field {}", .field.name())]
    Repeated {
        /// The field.
        field: Known,
    },
    /// `Content-Length` is not a decimal number of 64 bits.
    #[error("malformed content length")]
    ContentLength,
    /// Both `Transfer-Encoding` and `Content-Length` (RFC 9112 §6.1).
    #[error("transfer encoding beside content length")]
    CodingBesideLength,
    /// `Transfer-Encoding` breaks its grammar, names `chunked` twice, or came with HTTP/1.0.
    #[error("malformed transfer encoding")]
    TransferEncoding,
    /// `Transfer-Encoding` names another coding than `chunked`.
    #[error("unsupported transfer coding")]
    UnsupportedCoding,
    /// `Expect` asks for something else than `100-continue`.
    #[error("unsupported expectation")]
    Expectation,
}

impl HeadError {
    /// The status that answers it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::RequestLineTooLong { .. } => 414,
            Self::FieldTooLong { .. } | Self::TooManyFields { .. } | Self::HeadTooLong { .. } => {
                431
            }
            Self::Version => 505,
            Self::UnsupportedCoding => 501,
            Self::Expectation => 417,
            Self::BareLineFeed
            | Self::TooManyEmptyLines { .. }
            | Self::RequestLine
            | Self::Target
            | Self::FieldName
            | Self::FoldedLine
            | Self::FieldValue
            | Self::Malformed
            | Self::HostMissing
            | Self::Host
            | Self::Repeated { .. }
            | Self::ContentLength
            | Self::CodingBesideLength
            | Self::TransferEncoding => 400,
        }
    }

    /// Whose fault it is.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self {
            Self::Malformed => Fault::Bug,
            _ => Fault::Peer,
        }
    }
}
