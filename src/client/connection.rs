//! One HTTP/1.1 connection to a server: requests out, heads and pieces of bodies in, blocking.
//!
//! It is kept alive from one exchange to the next. The exchange in progress owns it: head, then
//! pieces until there are no more, then the next request.
//! Limits: `HeadLimits` of `http`; a body's length is bounded by who reads it (`answer`).
//! Invariant: what the buffer holds is unread; the body's framing tells how much of it belongs to
//! the body.
//! Not here: what the bodies mean (`answer`), whether to try again (`session`).

use std::fmt::Write as _;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use crate::client::endpoint::{Endpoint, Site};
use crate::client::pipe::{Pipe, Ready, wait};
use crate::client::request::Outgoing;
use crate::client::waits::Waits;
use crate::http::h1::body::{BodyError, BodyLimits, ChunkedDecoder, Progress};
use crate::http::h1::head::{FieldSlots, HeadLimits};
use crate::http::h1::response::{
    DecodedResponse, ResponseError, ResponseFraming, ResponseHead, decode,
};
use crate::http::head::Persistence;

const RECEIVE_BYTES: usize = 16 * 1024;
/// A stream of events may be long; each of its events is bounded.
pub(crate) const BODY_LIMITS: BodyLimits = BodyLimits {
    body_bytes_max: u64::MAX,
    chunk_line_bytes_max: 4 * 1024,
    trailers_bytes_max: 8 * 1024,
    framing_slack_bytes: 16 * 1024,
    // A server may send the smallest keep-alive comment in a chunk of its own, for days.
    framing_factor: 8,
};

/// Why there is no connection, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// The name means nothing.
    #[error("the host {host} has no address: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver says.
        source: io::Error,
    },
    /// No address took the connection.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The last address tried.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Nobody listens at this socket file, or none may come in.
    #[error("cannot connect to the socket {}: {source}", .socket.display())]
    ConnectUnix {
        /// The socket file.
        socket: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The server stayed silent.
    #[error("the server was silent for {}", seconds(*.timeout))]
    Silent {
        /// For so long.
        timeout: Duration,
    },
    /// Nobody wants the answer any more.
    #[error("interrupted")]
    Interrupted,
    /// The server went away in the midst of an exchange.
    #[error("the server closed the connection before it had answered")]
    Closed,
    /// The system cut the connection.
    #[error("the connection broke: {source}")]
    Broken {
        /// What the system says.
        source: io::Error,
    },
    /// It does not speak HTTP/1.1.
    #[error("the server does not answer in HTTP/1.1: {source}")]
    Head {
        /// What is wrong.
        #[from]
        source: ResponseError,
    },
    /// The body's framing is broken.
    #[error("the body of the answer is malformed: {source}")]
    Body {
        /// What is wrong.
        #[from]
        source: BodyError,
    },
}

impl ConnectionError {
    /// Whether somebody wanted the end, and nothing is wrong.
    #[must_use]
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// What the caller can do about it, where there is something.
    #[must_use]
    pub fn fix(&self) -> Option<&'static str> {
        match self {
            Self::Resolve { .. } => Some("check the host's name"),
            Self::Connect { .. } => Some("check the address and port, and that the server runs"),
            Self::ConnectUnix { .. } => {
                Some("check the path, that the server runs, and who may open its socket")
            }
            Self::Silent { .. } => Some("allow it more time, or look what keeps the server busy"),
            Self::Closed | Self::Broken { .. } => {
                Some("look into the server's log; whether a call was carried out is not known")
            }
            Self::Head { .. } => Some("check that the port speaks HTTP, not HTTPS"),
            Self::Body { .. } | Self::Interrupted => None,
        }
    }
}

/// How long a connection waits.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// For each address tried.
    pub connect: Duration,
    /// For bytes to come, or to be taken.
    pub idle: Duration,
}

/// The part of a response head that a client looks at, as it outlives the buffer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplyHead {
    /// The status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// `Mcp-Session-Id`, if it may stand in a head again.
    pub session: Option<String>,
    /// `Location`.
    pub location: Option<String>,
    /// `Retry-After`.
    pub retry_after: Option<String>,
    /// `WWW-Authenticate`.
    pub challenge: String,
}

/// A connection to one endpoint.
#[derive(Debug)]
pub struct Connection {
    pipe: Pipe,
    idle_timeout: Duration,
    waits: Waits,
    unread: Vec<u8>,
    body: Body,
    persistence: Persistence,
}

/// Where bytes came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// On the connection asked.
    Here,
    /// On the one beside it.
    Beside,
}

/// What is there of a body.
#[derive(Debug)]
pub(super) enum Piece {
    /// These bytes of it.
    Bytes(Vec<u8>),
    /// Nothing more will come.
    End,
    /// Nothing yet.
    Wanting,
}

#[derive(Debug)]
enum Body {
    /// Read to its end, or none.
    Ended,
    Length {
        left_bytes: u64,
    },
    Chunked(Box<ChunkedDecoder>),
    UntilClose,
}

impl Connection {
    /// Connects to the socket file of the endpoint, or to its first address that answers.
    ///
    /// # Errors
    /// `ConnectionError`: no address, none that answers, or no timeouts to be had.
    pub fn open(
        endpoint: &Endpoint,
        timeouts: Timeouts,
        waits: Waits,
    ) -> Result<Self, ConnectionError> {
        let pipe = match endpoint.site() {
            Site::Network { host, port } => connect(host, *port, timeouts.connect)?,
            Site::Unix { socket } => {
                UnixStream::connect(socket).map(Pipe::Unix).map_err(|source| {
                    ConnectionError::ConnectUnix { socket: socket.clone(), source }
                })?
            }
        };
        pipe.set_up(timeouts.idle).map_err(|source| ConnectionError::Broken { source })?;
        Ok(Self {
            pipe,
            idle_timeout: timeouts.idle,
            waits,
            unread: Vec::new(),
            body: Body::Ended,
            persistence: Persistence::KeepAlive,
        })
    }

    /// Whether another request can be sent: the last answer was read to its end, the server keeps
    /// the connection, and has not closed it or spoken out of turn since.
    #[must_use]
    pub fn is_reusable(&self) -> bool {
        let between_exchanges = matches!(self.body, Body::Ended)
            && self.persistence == Persistence::KeepAlive
            && self.unread.is_empty();
        between_exchanges && self.pipe.is_quiet()
    }

    /// Sends a request.
    ///
    /// # Errors
    /// `ConnectionError` when the server does not take it.
    pub fn send(
        &mut self,
        method: &str,
        endpoint: &Endpoint,
        common: &[(String, String)],
        outgoing: &Outgoing,
    ) -> Result<(), ConnectionError> {
        let mut head = format!("{method} {} HTTP/1.1\r\n", endpoint.target());
        let _ = write!(head, "Host: {}\r\n", endpoint.authority());
        for (name, value) in common.iter().chain(&outgoing.fields) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if method == "POST" {
            head.push_str("Content-Type: application/json\r\n");
            let _ = write!(head, "Content-Length: {}\r\n", outgoing.body.len());
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&outgoing.body);
        self.pipe.write_all(&bytes).map_err(|source| self.broken(source))
    }

    /// Receives the head of the answer, past those of 1xx.
    ///
    /// # Errors
    /// `ConnectionError`; `Closed` if not a byte of an answer came.
    pub fn receive_head(&mut self) -> Result<ReplyHead, ConnectionError> {
        loop {
            let mut slots = FieldSlots::new();
            let decoded = decode(&self.unread, &mut slots, &HeadLimits::default())?;
            if let DecodedResponse::Head { head, used_bytes } = decoded {
                let (framing, persistence) = (head.framing, head.persistence);
                let reply = ReplyHead::of(&head);
                self.unread.drain(..used_bytes);
                if reply.status >= 200 {
                    self.begin_body(framing, persistence);
                    return Ok(reply);
                }
            } else if !self.receive()? {
                return Err(ConnectionError::Closed);
            }
        }
    }

    fn begin_body(&mut self, framing: ResponseFraming, persistence: Persistence) {
        self.persistence = persistence;
        self.body = match framing {
            ResponseFraming::None | ResponseFraming::Length(0) => Body::Ended,
            ResponseFraming::Length(left_bytes) => Body::Length { left_bytes },
            ResponseFraming::Chunked => {
                Body::Chunked(Box::new(ChunkedDecoder::new(0, &BODY_LIMITS)))
            }
            ResponseFraming::UntilClose => Body::UntilClose,
        };
    }

    /// Waits until bytes came here, or on the connection beside. What both have in their buffers
    /// was looked at: only more bytes complete it.
    ///
    /// # Errors
    /// `ConnectionError::Silent` after so long, `Interrupted`, or what the system says.
    pub(super) fn wait_beside(
        &self,
        beside: &Self,
        timeout: Duration,
    ) -> Result<Came, ConnectionError> {
        let sockets = [self.pipe.as_fd(), beside.pipe.as_fd()];
        match wait(&sockets, self.waits.interrupt(), timeout) {
            Ok(Ready::Socket(0)) => Ok(Came::Here),
            Ok(Ready::Socket(_)) => Ok(Came::Beside),
            Ok(Ready::Interrupt) => Err(ConnectionError::Interrupted),
            Ok(Ready::Timeout) => Err(ConnectionError::Silent { timeout }),
            Err(source) => Err(self.broken(source)),
        }
    }

    /// Waits so long for bytes to come, and no longer.
    pub(super) fn wait_briefly(&self, timeout: Duration) {
        // What is wrong, if anything, shows when it is read.
        let _ = wait(&[self.pipe.as_fd()], self.waits.interrupt(), timeout);
    }

    /// What is there of the body, without waiting.
    ///
    /// # Errors
    /// `ConnectionError::Body`: its framing is broken.
    pub(super) fn take_piece(&mut self) -> Result<Piece, ConnectionError> {
        match (self.buffered_piece()?, &self.body) {
            (Some(piece), _) => Ok(Piece::Bytes(piece)),
            (None, Body::Ended) => Ok(Piece::End),
            (None, _) => Ok(Piece::Wanting),
        }
    }

    /// Takes the bytes that came, and then what is there of the body.
    ///
    /// # Errors
    /// `ConnectionError`; `Closed` if the connection ended.
    pub(super) fn take_more(&mut self) -> Result<Piece, ConnectionError> {
        if !self.receive()? {
            return Err(ConnectionError::Closed);
        }
        self.take_piece()
    }

    /// The next piece of the body, as it comes; `None` at its end.
    ///
    /// # Errors
    /// `ConnectionError`; `Closed` if the connection ended within the body.
    pub fn receive_piece(&mut self) -> Result<Option<Vec<u8>>, ConnectionError> {
        loop {
            if let Some(piece) = self.buffered_piece()? {
                return Ok(Some(piece));
            }
            match self.body {
                Body::Ended => return Ok(None),
                Body::UntilClose => {
                    if !self.receive()? {
                        self.body = Body::Ended;
                        return Ok(None);
                    }
                }
                Body::Length { .. } | Body::Chunked(_) => {
                    if !self.receive()? {
                        return Err(ConnectionError::Closed);
                    }
                }
            }
        }
    }

    /// What is there of the body in the buffer.
    fn buffered_piece(&mut self) -> Result<Option<Vec<u8>>, ConnectionError> {
        let piece = match &mut self.body {
            Body::Ended => return Ok(None),
            Body::UntilClose => std::mem::take(&mut self.unread),
            Body::Length { left_bytes } => {
                let taken = usize::try_from(*left_bytes)
                    .map_or(self.unread.len(), |left| left.min(self.unread.len()));
                let rest = self.unread.split_off(taken);
                *left_bytes -= taken as u64;
                if *left_bytes == 0 {
                    self.body = Body::Ended;
                }
                std::mem::replace(&mut self.unread, rest)
            }
            Body::Chunked(chunked) => {
                let progress = chunked.advance(&mut self.unread)?;
                let piece = self.unread.get(chunked.body()).unwrap_or_default().to_vec();
                if let Progress::Complete { next_start, .. } = progress {
                    self.unread.drain(..next_start.min(self.unread.len()));
                    self.body = Body::Ended;
                } else {
                    chunked.consume(&mut self.unread);
                }
                piece
            }
        };
        Ok(Some(piece).filter(|piece| !piece.is_empty()))
    }

    /// Gives the rest of a body so long to come to its end, so that the connection can be used
    /// again.
    pub fn finish(&mut self, patience: Duration) {
        if self.pipe.set_read_timeout(patience).is_err() {
            return;
        }
        let usual = std::mem::replace(&mut self.idle_timeout, patience);
        // Bounded: a server that goes on talking loses the connection.
        for _ in 0..4 {
            if !matches!(self.receive_piece(), Ok(Some(_))) {
                break;
            }
        }
        self.idle_timeout = usual;
        if self.pipe.set_read_timeout(usual).is_err() {
            self.persistence = Persistence::Close;
        }
    }

    /// Receives more bytes; `false` at the end of the connection.
    fn receive(&mut self) -> Result<bool, ConnectionError> {
        let mut room = [0; RECEIVE_BYTES];
        if let Some(interrupt) = self.waits.interrupt() {
            let ready = wait(&[self.pipe.as_fd()], Some(interrupt), self.idle_timeout);
            match ready.map_err(|source| self.broken(source))? {
                Ready::Socket(_) => {}
                Ready::Interrupt => return Err(ConnectionError::Interrupted),
                Ready::Timeout => {
                    return Err(ConnectionError::Silent { timeout: self.idle_timeout });
                }
            }
        }
        loop {
            match self.pipe.read(&mut room) {
                Ok(count) => {
                    self.unread.extend_from_slice(room.get(..count).unwrap_or_default());
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(self.broken(source)),
            }
        }
    }

    fn broken(&self, source: io::Error) -> ConnectionError {
        match source.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                ConnectionError::Silent { timeout: self.idle_timeout }
            }
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => ConnectionError::Closed,
            _ => ConnectionError::Broken { source },
        }
    }
}

/// Connects to the first address that answers.
fn connect(host: &str, port: u16, timeout: Duration) -> Result<Pipe, ConnectionError> {
    let resolve = |source| ConnectionError::Resolve { host: host.to_owned(), source };
    let addresses = (host, port).to_socket_addrs().map_err(resolve)?;
    let mut last = resolve(io::Error::from(io::ErrorKind::NotFound));
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => return Ok(Pipe::Tcp(stream)),
            Err(source) => last = ConnectionError::Connect { address, source },
        }
    }
    Err(last)
}

impl ReplyHead {
    fn of(head: &ResponseHead<'_>) -> Self {
        let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let challenges: Vec<String> = head.www_authenticate().map(text).collect();
        Self {
            status: head.status,
            content_type: head.content_type.map(text).unwrap_or_default(),
            session: head
                .mcp_session_id
                .filter(|id| !id.is_empty() && id.iter().all(u8::is_ascii_graphic))
                .map(text),
            location: head.location.map(text),
            retry_after: head.retry_after.map(text),
            challenge: challenges.join(", "),
        }
    }
}

fn seconds(timeout: Duration) -> String {
    format!("{} s", timeout.as_secs_f64())
}
