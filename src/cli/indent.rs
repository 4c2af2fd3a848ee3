//! JSON text for people (indented) and for scripts (one line), without reading it into values.
//!
//! In: valid JSON text. Out: the same tokens, so that key order and long numbers stay as a server
//! wrote them.

/// The text on one line. A line end in valid JSON stands between tokens alone.
#[must_use]
pub(super) fn one_line(json: &str) -> String {
    json.split(['\r', '\n']).map(str::trim).collect()
}

/// The text with every member and item on a line of its own.
#[must_use]
pub(super) fn indented(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let mut depth = 0_usize;
    let mut letters = json.chars().filter_non_blank().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            Token::Mark(open @ ('{' | '[')) => {
                out.push(open);
                if let Some(Token::Mark(close @ ('}' | ']'))) = letters.peek() {
                    out.push(*close);
                    letters.next();
                } else {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            Token::Mark(close @ ('}' | ']')) => {
                depth = depth.saturating_sub(1);
                new_line(&mut out, depth);
                out.push(close);
            }
            Token::Mark(',') => {
                out.push(',');
                new_line(&mut out, depth);
            }
            Token::Mark(':') => out.push_str(": "),
            Token::Mark(other) | Token::Inner(other) => out.push(other),
        }
    }
    out
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// A letter of JSON text: inside a string, or not.
#[derive(Clone, Copy)]
enum Token {
    Mark(char),
    Inner(char),
}

trait FilterNonBlank: Iterator<Item = char> + Sized {
    /// Drops the blanks between tokens and tells letters of strings from marks.
    fn filter_non_blank(self) -> impl Iterator<Item = Token> {
        let (mut in_string, mut escaped) = (false, false);
        self.filter_map(move |letter| {
            if in_string {
                in_string = escaped || letter != '"';
                escaped = !escaped && letter == '\\';
                return Some(Token::Inner(letter));
            }
            in_string = letter == '"';
            match letter {
                ' ' | '\t' | '\r' | '\n' => None,
                _ => Some(Token::Mark(letter)),
            }
        })
    }
}

impl<I: Iterator<Item = char>> FilterNonBlank for I {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_laid_out_without_touching_its_tokens() {
        let json = "{ \"z\":[1, 12345678901234567890123],\"a\":{ },\
                    \"s\":\"{\\\"a\\\": [1,\\\\\"\n, \"e\":[]}";
        let expected = "{\n  \"z\": [\n    1,\n    12345678901234567890123\n  ],\n  \"a\": {},\n  \
                        \"s\": \"{\\\"a\\\": [1,\\\\\",\n  \"e\": []\n}";
        assert_eq!(indented(json), expected);
        assert_eq!(indented("3"), "3");
        assert!(!one_line("{\n  \"a\": 1\r\n}").contains(['\r', '\n']));
        let before: serde_json::Value = serde_json::from_str(json).expect("valid");
        for text in [indented(json), one_line(json)] {
            let after: serde_json::Value = serde_json::from_str(&text).expect("valid");
            assert_eq!(before, after);
        }
    }
}
