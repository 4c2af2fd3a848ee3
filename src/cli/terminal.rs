//! Where a program prints, and the only place that does: standard output and standard error.
//!
//! A reader that went away (`| head`) is no failure: the write reports it, and the command line
//! ends quietly. Text of servers is shown without its control characters where a person reads it,
//! since those steer terminals.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufRead, BufReader, IsTerminal as _, Read, Write};

use crate::client::waits::Waits;
use crate::rt::signal;

/// Bytes of one typed line.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// The three standard streams, or stand-ins for them, and Ctrl-C.
pub struct Terminal {
    output: Box<dyn Write>,
    errors: Box<dyn Write>,
    input: Box<dyn BufRead>,
    output_is_terminal: bool,
    errors_is_terminal: bool,
    input_is_terminal: bool,
    waits: Option<Waits>,
}

impl Terminal {
    /// The streams of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            output_is_terminal: io::stdout().is_terminal(),
            errors_is_terminal: io::stderr().is_terminal(),
            output: Box::new(io::stdout()),
            errors: Box::new(io::stderr()),
            input_is_terminal: io::stdin().is_terminal(),
            input: Box::new(BufReader::new(io::stdin())),
            waits: None,
        }
    }

    /// Streams that are no terminals.
    #[must_use]
    pub fn piped(output: Box<dyn Write>, errors: Box<dyn Write>, input: Box<dyn Read>) -> Self {
        let input = Box::new(BufReader::new(input));
        let (output_is_terminal, errors_is_terminal, input_is_terminal) = (false, false, false);
        let waits = Some(Waits::default());
        Self {
            output,
            errors,
            input,
            output_is_terminal,
            errors_is_terminal,
            input_is_terminal,
            waits,
        }
    }

    /// The same streams, a person before them.
    #[must_use]
    pub fn watched(self) -> Self {
        Self { output_is_terminal: true, errors_is_terminal: true, input_is_terminal: true, ..self }
    }

    /// The same streams, with waits that pass or are interrupted in the caller's own way.
    #[must_use]
    pub fn waiting(self, waits: Waits) -> Self {
        Self { waits: Some(waits), ..self }
    }

    /// Waits that Ctrl-C does not end: it ends the process.
    #[must_use]
    pub fn waits(&self) -> Waits {
        self.waits.clone().unwrap_or_default()
    }

    /// Waits that Ctrl-C ends, and SIGTERM.
    ///
    /// # Errors
    /// What the system says when it takes no handler of signals.
    pub fn interruptible_waits(&self) -> io::Result<Waits> {
        match &self.waits {
            Some(waits) => Ok(waits.clone()),
            None => signal::interruption().map(Waits::interrupted_by),
        }
    }

    /// Whether a person reads standard output.
    #[must_use]
    pub fn output_is_watched(&self) -> bool {
        self.output_is_terminal
    }

    /// Whether a person can be asked: reads standard error, and types on standard input.
    #[must_use]
    pub fn is_interactive(&self) -> bool {
        self.input_is_terminal && self.errors_is_terminal
    }

    /// Whether a person watches standard error.
    #[must_use]
    pub fn errors_are_watched(&self) -> bool {
        self.errors_is_terminal
    }

    /// Whether output may be coloured: watched, and nobody asked for plain text by `NO_COLOR`.
    #[must_use]
    pub fn output_is_colourful(&self) -> bool {
        self.output_is_terminal && wants_colours()
    }

    /// As [`output_is_colourful`](Self::output_is_colourful), for standard error.
    #[must_use]
    pub fn errors_are_colourful(&self) -> bool {
        self.errors_is_terminal && wants_colours()
    }

    /// Prints text as it is, and a line end where it has none.
    ///
    /// # Errors
    /// What the stream says; `BrokenPipe` when its reader went away.
    pub fn print(&mut self, text: &str) -> io::Result<()> {
        self.output.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            self.output.write_all(b"\n")?;
        }
        self.output.flush()
    }

    /// Prints text of a server: without control characters if a person watches.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub fn print_foreign(&mut self, text: &str) -> io::Result<()> {
        if self.output_is_terminal { self.print(&harmless(text)) } else { self.print(text) }
    }

    /// Prints bytes as they are.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub fn print_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.output.write_all(bytes)?;
        self.output.flush()
    }

    /// Asks for a line: says `prompt` on standard error and reads what is typed, without its end;
    /// `None` at the end of the input.
    ///
    /// # Errors
    /// What the stream says; `FileTooLarge` for a line past 64 KiB, `InvalidData` if it is not
    /// UTF-8.
    pub fn ask(&mut self, prompt: &str) -> io::Result<Option<String>> {
        let _ = write!(self.errors, "{prompt}");
        let _ = self.errors.flush();
        let mut line = String::new();
        let mut bounded = (&mut self.input).take(LINE_BYTES_MAX);
        if bounded.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if bounded.limit() == 0 && !line.ends_with('\n') {
            let told = format!("a line longer than {LINE_BYTES_MAX} bytes");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, told));
        }
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// Tells something on standard error. What cannot be told there cannot be told at all.
    pub fn tell(&mut self, text: &str) {
        let _ = writeln!(self.errors, "{}", text.trim_end_matches('\n'));
    }

    /// Reads standard input to its end.
    ///
    /// # Errors
    /// What the stream says; `FileTooLarge` past `bytes_max`, `InvalidData` if it is not UTF-8.
    pub fn read_input(&mut self, bytes_max: u64) -> io::Result<String> {
        read_bounded(&mut self.input, bytes_max)
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal")
            .field("output_is_terminal", &self.output_is_terminal)
            .field("errors_is_terminal", &self.errors_is_terminal)
            .field("input_is_terminal", &self.input_is_terminal)
            .finish_non_exhaustive()
    }
}

fn wants_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// Reads text to its end.
///
/// # Errors
/// What the reader says; `FileTooLarge` past `bytes_max`, `InvalidData` if it is not UTF-8.
pub fn read_bounded(reader: impl Read, bytes_max: u64) -> io::Result<String> {
    let mut text = String::new();
    reader.take(bytes_max.saturating_add(1)).read_to_string(&mut text)?;
    if u64::try_from(text.len()).is_ok_and(|length| length <= bytes_max) {
        return Ok(text);
    }
    Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than {bytes_max} bytes")))
}

/// Text whose control characters are spelled out, except line ends and tabs.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |letter: char| letter.is_control() && letter != '\n' && letter != '\t';
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        if steers(letter) {
            shown.extend(letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_spelled_out() {
        let table = [
            ("plain\n\ttext", "plain\n\ttext"),
            ("\u{1b}[2Jgone", "\\u{1b}[2Jgone"),
            ("a\rb\u{9b}c", "a\\rb\\u{9b}c"),
        ];
        for (text, expected) in table {
            assert_eq!(harmless(text), expected, "{text:?}");
        }
    }

    #[test]
    fn input_is_read_up_to_its_bound() {
        assert_eq!(read_bounded(&b"1234"[..], 4).expect("at the limit"), "1234");
        let past = read_bounded(&b"12345"[..], 4).expect_err("one past it");
        assert_eq!(past.kind(), io::ErrorKind::FileTooLarge);
    }
}
