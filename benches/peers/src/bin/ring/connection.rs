//! Where one connection stands: what it read of a request, and how many answers it owes.

/// The last bytes of a head.
const HEAD_END: &[u8] = b"\r\n\r\n";

#[derive(Debug, Default)]
pub(crate) struct Connection {
    /// A head that is not whole yet.
    partial: Vec<u8>,
    /// Bytes of the body that have not come yet; `None` while a head is read.
    body_left: Option<usize>,
    /// Answers that were not handed to the kernel yet.
    pub(crate) owed: usize,
    /// Whether the kernel is sending for it.
    pub(crate) sends: bool,
    /// Whether its peer sent its end.
    pub(crate) ended: bool,
}

impl Connection {
    /// Begins anew, as the next connection in this slot.
    pub(crate) fn open(&mut self) {
        *self = Self::default();
    }

    /// Reads what came, and counts the requests that end in it.
    pub(crate) fn take_in(&mut self, bytes: &[u8]) {
        if self.partial.is_empty() {
            let used = self.scan(bytes);
            self.partial.extend_from_slice(&bytes[used..]);
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(bytes);
            let used = self.scan(&whole);
            whole.drain(..used);
            self.partial = whole;
        }
    }

    /// How many bytes were understood; the rest is a head that is not whole.
    fn scan(&mut self, bytes: &[u8]) -> usize {
        let mut at = 0;
        loop {
            if let Some(left) = self.body_left {
                let here = left.min(bytes.len() - at);
                at += here;
                if here < left {
                    self.body_left = Some(left - here);
                    return at;
                }
                self.body_left = None;
                self.owed += 1;
            }
            let Some(head_bytes) = memchr::memmem::find(&bytes[at..], HEAD_END) else { return at };
            let head = &bytes[at..at + head_bytes];
            at += head_bytes + HEAD_END.len();
            self.body_left = Some(content_length(head));
        }
    }
}

fn content_length(head: &[u8]) -> usize {
    const NAMES: [&[u8]; 2] = [b"\r\nContent-Length: ", b"\r\ncontent-length: "];
    let found = NAMES
        .iter()
        .find_map(|name| memchr::memmem::find(head, name).map(|at| &head[at + name.len()..]));
    let digits = found.into_iter().flatten().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |length, digit| length * 10 + usize::from(digit - b'0'))
}
