//! Where to listen: `ListenAddress`, parsed from and rendered to what an operator writes.
//!
//! `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080` (both loopback addresses), `unix:/run/a.sock`.
//! No name but `localhost` is resolved: a start must not depend on a name server. A bare port is
//! refused, because it says nothing about who may connect.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use crate::base::fault::Fault;

/// An address to listen on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An IP address of this machine, or the unspecified one for all; port 0 picks a free port.
    Tcp(SocketAddr),
    /// `127.0.0.1` and, where the machine has it, `::1`, both with this port.
    Localhost(u16),
    /// A Unix socket at this path.
    Unix(PathBuf),
}

/// An address that none can listen on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddressError {
    /// A port, and nothing about who may connect.
    #[error(
        "`{value}` names no interface: write `127.0.0.1:{port}` for this machine alone, \
         `0.0.0.0:{port}` for all interfaces"
    )]
    NoInterface {
        /// What was given.
        value: String,
        /// The port in it.
        port: u16,
    },
    /// An IP address without a port.
    #[error("`{value}` has no port: write `{value}:8080`")]
    NoPort {
        /// What was given, in brackets when it is an IPv6 address.
        value: String,
    },
    /// `unix:` and no path.
    #[error("`unix:` has no path: write `unix:/run/ringlane.sock`")]
    NoPath,
    /// None of the forms.
    #[error(
        "`{value}` is no address to listen on: expected `127.0.0.1:8080`, `[::1]:8080`, \
         `localhost:8080` or `unix:/path`"
    )]
    Unknown {
        /// What was given.
        value: String,
    },
}

impl ListenAddressError {
    /// Whose fault it is: the configuration's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

impl FromStr for ListenAddress {
    type Err = ListenAddressError;

    fn from_str(value: &str) -> Result<Self, Self::Err> {
        if let Some(path) = value.strip_prefix("unix:") {
            if path.is_empty() {
                return Err(ListenAddressError::NoPath);
            }
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        if let Ok(address) = value.parse() {
            return Ok(Self::Tcp(address));
        }
        if let Some(Ok(port)) = value.strip_prefix("localhost:").map(str::parse) {
            return Ok(Self::Localhost(port));
        }
        Err(defect(value))
    }
}

fn defect(value: &str) -> ListenAddressError {
    let bare = value.strip_prefix(':').or(value.strip_prefix("*:")).unwrap_or(value);
    if let Ok(port) = bare.parse() {
        return ListenAddressError::NoInterface { value: value.to_owned(), port };
    }
    let ip = value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(value);
    match ip.parse() {
        Ok(std::net::IpAddr::V4(_)) => ListenAddressError::NoPort { value: value.to_owned() },
        Ok(std::net::IpAddr::V6(ip)) => ListenAddressError::NoPort { value: format!("[{ip}]") },
        Err(_) if value == "localhost" => ListenAddressError::NoPort { value: value.to_owned() },
        Err(_) => ListenAddressError::Unknown { value: value.to_owned() },
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(formatter, "{address}"),
            Self::Localhost(port) => write!(formatter, "localhost:{port}"),
            Self::Unix(path) => write!(formatter, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_parsed_as_they_are_shown() {
        for text in ["127.0.0.1:8080", "[::1]:0", "localhost:80", "unix:/run/a b.sock", "unix:a"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn defects_come_with_their_fix() {
        for (text, part) in [
            (":8080", "`0.0.0.0:8080` for all interfaces"),
            ("8080", "`127.0.0.1:8080` for this machine alone"),
            ("*:80", "`0.0.0.0:80`"),
            ("127.0.0.1", "write `127.0.0.1:8080`"),
            ("::1", "write `[::1]:8080`"),
            ("localhost", "write `localhost:8080`"),
            ("unix:", "write `unix:/run/ringlane.sock`"),
            ("example.org:80", "expected `127.0.0.1:8080`"),
            ("127.0.0.1:65536", "is no address to listen on"),
            ("", "is no address to listen on"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(error.to_string().contains(part), "{text}: {error}");
        }
    }
}
