//! What the client of a whole server sends beside calls, and what it looks for in answers.

use super::requests::legacy;

/// A call of `count` that tells of its progress 20 times.
pub(crate) const COUNT: &str =
    r#""name":"count","arguments":{"events":20},"_meta":{"progressToken":1}"#;

/// What opens a session.
pub(crate) fn initialize() -> Vec<u8> {
    let client = r#""clientInfo":{"name":"bench","version":"1"}"#;
    let params = format!(r#""protocolVersion":"2025-11-25","capabilities":{{}},{client}"#);
    legacy("initialize", "", &params)
}

/// The value of a header in an answer.
pub(crate) fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// How many answers of status 200 stand in these bytes.
pub(crate) fn answers_count(bytes: &[u8]) -> usize {
    memchr::memmem::find_iter(bytes, b"HTTP/1.1 200 OK\r\n").count()
}
