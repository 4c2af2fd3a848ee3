//! The URL of a server: text in, `Endpoint` out.
//!
//! A URL without a scheme is taken as `http://`, one without a path as `/mcp`. A server behind a
//! Unix socket is `unix:SOCKET`, or `unix:SOCKET:/PATH` for another path, as proxies write it.
//! Spec: RFC 3986 §3; RFC 9110 §4.2.
//! Invariant: hosts, `authority` and `target` hold visible ASCII only, so that they can stand in a
//! request head.
//! Not here: resolving names (`connection`).

use std::fmt;
use std::path::PathBuf;

const PORT_DEFAULT: u16 = 80;
const PATH_DEFAULT: &str = "/mcp";
/// The `Host` that a server behind a Unix socket is asked for.
const UNIX_AUTHORITY: &str = "localhost";
const URL_BYTES_MAX: usize = 8 * 1024;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    site: Site,
    authority: String,
    target: String,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// A host of the network.
    Network {
        /// A name or an address, without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A socket of this machine.
    Unix {
        /// Its file.
        socket: PathBuf,
    },
}

/// Why a text is not the URL of a server that can be called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// https, until this crate speaks TLS.
    #[error("https is not supported by this build yet")]
    Https,
    /// Another scheme.
    #[error("the scheme \"{scheme}\" is neither http nor unix")]
    Scheme {
        /// As written, before `://`.
        scheme: String,
    },
    /// No host before the port or path.
    #[error("the URL has no host")]
    NoHost,
    /// `unix:` and no file.
    #[error("the URL names no socket")]
    NoSocket,
    /// Not a number from 1 to 65535.
    #[error("\"{port}\" is not a port")]
    Port {
        /// As written.
        port: String,
    },
    /// `user:password@host`.
    #[error("the URL holds a user name or password")]
    UserInfo,
    /// Blanks, controls or letters beyond ASCII.
    #[error("byte {offset} of the URL is not visible ASCII")]
    Byte {
        /// Where, from 0.
        offset: usize,
    },
    /// A URL nobody means.
    #[error("the URL is longer than {limit_bytes} bytes")]
    TooLong {
        /// The limit.
        limit_bytes: usize,
    },
}

impl EndpointError {
    /// What the caller can do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Https => "put a TLS-terminating proxy in between and call it over http://",
            Self::Scheme { .. } => "write http://HOST[:PORT][/PATH] or unix:SOCKET[:/PATH]",
            Self::NoSocket => "write unix:SOCKET[:/PATH], for example unix:/run/ringlane.sock",
            Self::NoHost => "write HOST[:PORT][/PATH], for example localhost:8080/mcp",
            Self::Port { .. } => "give a port from 1 to 65535, for example localhost:8080",
            Self::UserInfo => "send credentials as a header, for example Authorization",
            Self::Byte { .. } => "percent-encode blanks and letters beyond ASCII",
            Self::TooLong { .. } => "give a shorter URL",
        }
    }
}

impl Endpoint {
    /// Reads a URL.
    ///
    /// # Errors
    /// `EndpointError`, with its [`fix`](EndpointError::fix).
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        if url.len() > URL_BYTES_MAX {
            return Err(EndpointError::TooLong { limit_bytes: URL_BYTES_MAX });
        }
        if let Some(rest) = url.strip_prefix("unix:") {
            return Self::parse_unix(rest);
        }
        if let Some(offset) = url.bytes().position(|byte| !byte.is_ascii_graphic()) {
            return Err(EndpointError::Byte { offset });
        }
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") => {
                return Err(EndpointError::Https);
            }
            Some((scheme, _)) if is_scheme(scheme) => {
                return Err(EndpointError::Scheme { scheme: scheme.to_owned() });
            }
            _ => url,
        };
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let split = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(split);
        if authority.contains('@') {
            return Err(EndpointError::UserInfo);
        }
        let (host, port) = split_authority(authority)?;
        Ok(Self {
            site: Site::Network {
                host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
                port,
            },
            authority: authority.to_owned(),
            target: match target {
                "" => PATH_DEFAULT.to_owned(),
                query if query.starts_with('?') => format!("/{query}"),
                path => path.to_owned(),
            },
        })
    }

    /// What stands behind `unix:`.
    fn parse_unix(rest: &str) -> Result<Self, EndpointError> {
        let (socket, target) = match rest.find(":/") {
            Some(colon) => (rest.get(..colon), rest.get(colon + 1..)),
            None => (Some(rest), None),
        };
        let (socket, target) = (socket.unwrap_or_default(), target.unwrap_or(PATH_DEFAULT));
        if socket.is_empty() {
            return Err(EndpointError::NoSocket);
        }
        if let Some(offset) = target.bytes().position(|byte| !byte.is_ascii_graphic()) {
            let offset = "unix:".len() + socket.len() + 1 + offset;
            return Err(EndpointError::Byte { offset });
        }
        Ok(Self {
            site: Site::Unix { socket: PathBuf::from(socket) },
            authority: UNIX_AUTHORITY.to_owned(),
            target: target.to_owned(),
        })
    }

    /// Where to connect to.
    #[must_use]
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The `Host` field's value.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The request target: path and query.
    #[must_use]
    pub fn target(&self) -> &str {
        &self.target
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.site {
            Site::Network { .. } => write!(f, "http://{}{}", self.authority, self.target),
            Site::Unix { socket } => write!(f, "unix:{}:{}", socket.display(), self.target),
        }
    }
}

fn is_scheme(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

fn split_authority(authority: &str) -> Result<(&str, u16), EndpointError> {
    let after_brackets = authority.rfind(']').map_or(0, |at| at + 1);
    let colon = authority.get(after_brackets..).and_then(|rest| rest.find(':'));
    let (host, port) = match colon {
        Some(at) => authority.split_at(after_brackets + at),
        None => (authority, ""),
    };
    let port_number = match port.strip_prefix(':') {
        None | Some("") => Ok(PORT_DEFAULT),
        Some(digits) => match digits.parse() {
            Ok(0) | Err(_) => Err(EndpointError::Port { port: digits.to_owned() }),
            Ok(number) => Ok(number),
        },
    }?;
    match host.trim_matches(['[', ']']) {
        "" => Err(EndpointError::NoHost),
        _ => Ok((host, port_number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_with_their_defaults() {
        let table = [
            ("localhost", "localhost", 80, "http://localhost/mcp"),
            ("localhost:8080", "localhost", 8080, "http://localhost:8080/mcp"),
            ("http://h:1/", "h", 1, "http://h:1/"),
            ("HTTP://h/a/b?c=d#e", "h", 80, "http://h/a/b?c=d"),
            ("h?x=http://y", "h", 80, "http://h/?x=http://y"),
            ("[::1]:9/mcp", "::1", 9, "http://[::1]:9/mcp"),
            ("http://[::1]", "::1", 80, "http://[::1]/mcp"),
        ];
        for (url, host, port, shown) in table {
            let endpoint = Endpoint::parse(url).expect(url);
            assert_eq!(endpoint.site(), &Site::Network { host: host.to_owned(), port }, "{url}");
            assert_eq!(endpoint.to_string(), shown, "{url}");
        }
    }

    #[test]
    fn sockets_of_this_machine_are_named_with_their_path() {
        let table = [
            ("unix:/run/a b.sock", "/run/a b.sock", "unix:/run/a b.sock:/mcp"),
            ("unix:a.sock:/x?y=:/z", "a.sock", "unix:a.sock:/x?y=:/z"),
        ];
        for (url, socket, shown) in table {
            let endpoint = Endpoint::parse(url).expect(url);
            assert_eq!(endpoint.site(), &Site::Unix { socket: PathBuf::from(socket) }, "{url}");
            assert_eq!((endpoint.authority(), endpoint.to_string().as_str()), ("localhost", shown));
        }
    }

    #[test]
    fn what_cannot_be_called_says_why() {
        let long = "h".repeat(URL_BYTES_MAX + 1);
        let table = [
            ("https://h", EndpointError::Https),
            ("ftp://h", EndpointError::Scheme { scheme: "ftp".to_owned() }),
            ("http://", EndpointError::NoHost),
            ("unix:", EndpointError::NoSocket),
            ("unix::/mcp", EndpointError::NoSocket),
            ("unix:/a:/b c", EndpointError::Byte { offset: 10 }),
            ("http://:80/", EndpointError::NoHost),
            ("h:0", EndpointError::Port { port: "0".to_owned() }),
            ("h:65536", EndpointError::Port { port: "65536".to_owned() }),
            ("http://me:secret@h", EndpointError::UserInfo),
            ("h/\r\nX: y", EndpointError::Byte { offset: 2 }),
            (long.as_str(), EndpointError::TooLong { limit_bytes: URL_BYTES_MAX }),
        ];
        for (url, expected) in table {
            assert_eq!(Endpoint::parse(url), Err(expected), "{url}");
        }
    }
}
