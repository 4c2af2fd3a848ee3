//! What the servers of this package share: their few options, the line that says where they
//! listen, and the bytes that those which compute nothing answer.

use std::fs;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

/// What Ringlane answers to a legacy `tools/call` with id 1 of `echo {message: "hello"}`.
const ANSWER: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hello"}]}}"#;

/// How many connections may wait to be accepted, for every peer alike.
pub const BACKLOG: i32 = 4096;

/// The command line of a peer.
#[derive(Debug)]
pub struct Options {
    /// `--listen ADDRESS`: where to listen. Default 127.0.0.1, a free port.
    pub listen: SocketAddr,
    /// `--answer FILE`: the body of every answer, for the peers that compute nothing. Default: the
    /// answer to `echo {message: "hello"}`.
    answer: Option<PathBuf>,
    /// `--sessions`: give clients of the legacy era sessions, for the peers that can.
    pub sessions: bool,
}

impl Options {
    /// Reads the command line.
    ///
    /// # Panics
    /// On an option that is none of these, with its name.
    pub fn read() -> Self {
        let mut options =
            Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), answer: None, sessions: false };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
            match word.as_str() {
                "--listen" => {
                    options.listen = value().parse().expect("--listen wants an address and a port");
                }
                "--answer" => options.answer = Some(value().into()),
                "--sessions" => options.sessions = true,
                _ => panic!("{word} is none of --listen, --answer, --sessions"),
            }
        }
        options
    }

    /// Listens, says where on the first line of standard output, and gives the socket.
    ///
    /// # Panics
    /// When the address is not to be had.
    pub fn bind(&self) -> TcpListener {
        let listener = TcpListener::bind(self.listen).expect("an address to listen on");
        // A second `listen` only sets how many may wait; the library's own number is 128.
        let fd = std::os::fd::AsRawFd::as_raw_fd(&listener);
        // SAFETY: `fd` is the listener's, which lives; the call touches no memory.
        let listening = unsafe { libc::listen(fd, BACKLOG) };
        assert_eq!(listening, 0, "listen: {}", std::io::Error::last_os_error());
        say(listener.local_addr().expect("a bound address"));
        listener
    }

    /// The body of every answer.
    ///
    /// # Panics
    /// When the file cannot be read.
    pub fn answer_body(&self) -> Vec<u8> {
        let read = |path| fs::read(path).expect("a file of --answer that can be read");
        self.answer.as_ref().map_or_else(|| ANSWER.as_bytes().to_vec(), read)
    }
}

/// Says where a peer listens, on a line of its own.
pub fn say(address: SocketAddr) {
    println!("http://{address}/mcp");
    std::io::stdout().flush().expect("someone who reads what is said");
}
