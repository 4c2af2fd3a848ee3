//! Answers read strictly, by a reader of their own: whatever RFC 9112 does not allow is a fault.
//!
//! In: bytes as they come, and what the requests allow. Out: answers, whole or as far as they came.
//!
//!     Head ─▶ Length ─────────────────────────────▶ done
//!       ├───▶ ChunkLine ⇄ ChunkData ─▶ LastLine ──▶ done
//!       └───▶ UntilClose ───────── end ───────────▶ done

use ringlane::base::time::Now;

/// What a request allows its answer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Expects {
    /// Whether `100 Continue` may come before.
    pub(crate) expects_continue: bool,
    /// Whether the answer has no body whatever its head says.
    pub(crate) is_head: bool,
    /// Whether it is HTTP/1.0, to which no chunks and no 100 may be sent.
    pub(crate) is_http10: bool,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    /// The session that it names.
    pub(crate) session_id: Option<String>,
    pub(crate) body: Vec<u8>,
    pub(crate) closes: bool,
    /// When its last byte was read.
    pub(crate) at: Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Head,
    Length { left: usize },
    ChunkLine,
    ChunkData { left: usize },
    LastLine,
    UntilClose,
}

/// Reads the answers of one connection.
#[derive(Debug)]
pub(crate) struct Reader {
    input: Vec<u8>,
    at: usize,
    state: State,
    answer: Option<Answer>,
    interim_count: usize,
}

impl Reader {
    pub(crate) fn new() -> Self {
        Self { input: Vec::new(), at: 0, state: State::Head, answer: None, interim_count: 0 }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.input.drain(..self.at);
        self.at = 0;
        self.input.extend_from_slice(bytes);
    }

    /// Whether nothing is left over.
    pub(crate) fn is_between_answers(&self) -> bool {
        self.state == State::Head && self.at == self.input.len()
    }

    /// The answer of which something is missing.
    pub(crate) fn unfinished(&self) -> Option<&Answer> {
        self.answer.as_ref()
    }

    /// Reads the next answer, to a request that allows this, as far as its bytes are there.
    pub(crate) fn next(&mut self, ask: Expects, now: Now) -> Result<Option<Answer>, String> {
        loop {
            match self.state {
                State::Head => match self.line_end(b"\r\n\r\n") {
                    None => return Ok(None),
                    Some(end) => self.head(end, ask, now)?,
                },
                State::Length { left } => {
                    let whole = self.body(left) == left;
                    return Ok(if whole { self.finish(now) } else { None });
                }
                State::ChunkLine => match self.line_end(b"\r\n") {
                    None => return Ok(None),
                    Some(end) => self.chunk_line(end)?,
                },
                State::ChunkData { left } => {
                    if self.body(left) < left || !self.skip_line_end()? {
                        return Ok(None);
                    }
                    self.state = State::ChunkLine;
                }
                State::LastLine => {
                    return Ok(if self.skip_line_end()? { self.finish(now) } else { None });
                }
                State::UntilClose => {
                    let _all = self.body(usize::MAX);
                    return Ok(None);
                }
            }
        }
    }

    /// Passes the line end that must come here. `false` when it is not there yet.
    fn skip_line_end(&mut self) -> Result<bool, String> {
        match self.input.get(self.at..self.at + 2) {
            None => Ok(false),
            Some(b"\r\n") => {
                self.at += 2;
                Ok(true)
            }
            Some(other) => Err(format!("a chunk ends with {other:?}")),
        }
    }

    /// The connection ended: an answer that ends with it is whole.
    pub(crate) fn end(&mut self, now: Now) -> Option<Answer> {
        if self.state == State::UntilClose { self.finish(now) } else { None }
    }

    fn line_end(&self, end: &[u8]) -> Option<usize> {
        let rest = &self.input[self.at..];
        rest.windows(end.len()).position(|window| window == end).map(|at| self.at + at)
    }

    /// Moves up to `left` bytes to the body, and says how many.
    fn body(&mut self, left: usize) -> usize {
        let count = left.min(self.input.len() - self.at);
        if let Some(answer) = &mut self.answer {
            answer.body.extend_from_slice(&self.input[self.at..self.at + count]);
        }
        self.at += count;
        match &mut self.state {
            State::Length { left } | State::ChunkData { left } => *left -= count,
            _ => {}
        }
        count
    }

    fn finish(&mut self, now: Now) -> Option<Answer> {
        self.state = State::Head;
        self.interim_count = 0;
        self.answer.take().map(|answer| Answer { at: now, ..answer })
    }

    fn chunk_line(&mut self, end: usize) -> Result<(), String> {
        let line = std::str::from_utf8(&self.input[self.at..end]).map_err(|e| e.to_string())?;
        let digits = line.bytes().all(|byte| byte.is_ascii_hexdigit());
        let length = usize::from_str_radix(line, 16).ok().filter(|_| digits);
        let length = length.ok_or_else(|| format!("chunk line {line:?}"))?;
        self.at = end + 2;
        self.state = match length {
            0 => State::LastLine,
            left => State::ChunkData { left },
        };
        Ok(())
    }

    fn head(&mut self, end: usize, ask: Expects, now: Now) -> Result<(), String> {
        let head = std::str::from_utf8(&self.input[self.at..end]).map_err(|e| e.to_string())?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|line| line.split_once(' ')?.0.parse::<u16>().ok());
        let status = status.ok_or_else(|| format!("a head without status: {head:?}"))?;
        let (mut length, mut chunked, mut closes) = (None, false, false);
        let (mut content_type, mut session_id) = (None, None);
        for line in lines {
            let (name, value) = line.split_once(": ").ok_or_else(|| format!("field {line:?}"))?;
            let value = value.trim();
            match name {
                "Content-Length" if length.is_none() => {
                    length = Some(value.parse::<usize>().map_err(|_| format!("field {line:?}"))?);
                }
                "Transfer-Encoding" if value == "chunked" && !chunked => chunked = true,
                "Content-Length" | "Transfer-Encoding" => return Err(format!("field {line:?}")),
                "Connection" => closes |= value == "close",
                "Content-Type" => content_type = Some(value.to_owned()),
                "Mcp-Session-Id" => session_id = Some(value.to_owned()),
                _ => {}
            }
        }
        self.at = end + 4;
        if status == 100 {
            self.interim_count += 1;
            let allowed = ask.expects_continue && !ask.is_http10 && self.interim_count == 1;
            return if allowed { Ok(()) } else { Err("100 that nobody asked for".to_owned()) };
        }
        self.state = match (length, chunked) {
            (Some(_), true) => return Err("two framings".to_owned()),
            (None, true) if ask.is_http10 => return Err("chunks to HTTP/1.0".to_owned()),
            (None, true) => State::ChunkLine,
            // A server that saw no whole head does not know that it was asked for one alone.
            (Some(_), false) if ask.is_head && !matches!(status, 400 | 408) => {
                State::Length { left: 0 }
            }
            (Some(left), false) => State::Length { left },
            (None, false) if status == 204 => State::Length { left: 0 },
            (None, false) if closes => State::UntilClose,
            (None, false) => return Err(format!("no framing: {head:?}")),
        };
        let body = Vec::new();
        self.answer = Some(Answer { status, content_type, session_id, body, closes, at: now });
        Ok(())
    }
}
