//! A server's questions, put to the person at the terminal: what they type becomes the answer.
//!
//! Questions stand on standard error, so that standard output holds the result alone. Words that
//! begin with a colon are orders: `:decline`, `:cancel`, `:help`; `::` stands for a colon. The end
//! of the input cancels. Nothing is ever opened, and nothing sent that the person did not see.
//! Spec: MCP 2026-07-28 client/elicitation and client/sampling, user interaction.
//! Not here: what is answered by flags (`answer`), checking values (`client::form`).

use serde_json::{Map, Value};

use crate::cli::render::render_block;
use crate::cli::terminal::{Terminal, harmless};
use crate::client::form::{Choice, Field, Form, Kind};
use crate::client::question::{Elicited, Sampling, Visit};

const HELP: &str = "Enter takes the default in [brackets], or leaves out what is optional.\n\
                    :decline says no, :cancel says neither yes nor no, :: begins a text with a \
                    colon.";

/// Asks the person for one server.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    /// Where.
    pub(super) terminal: &'a mut Terminal,
    /// Who asks.
    pub(super) server: &'a str,
}

/// What was typed.
enum Typed {
    Line(String),
    Decline,
    Cancel,
}

impl Asking<'_> {
    /// Asks for the open fields of a form, and whether the whole may be sent.
    pub(super) fn fill_in(
        &mut self,
        form: &Form,
        given: Map<String, Value>,
        open: &[&Field],
    ) -> Elicited {
        self.say(&format!("\n{} asks: {}", self.server, aside(&form.message)));
        if !open.is_empty() {
            self.say(HELP);
        }
        loop {
            let mut answers = given.clone();
            for field in open {
                match self.field(field) {
                    Ok(Some(value)) => {
                        answers.insert(field.name.clone(), value);
                    }
                    Ok(None) => {}
                    Err(elicited) => return elicited,
                }
            }
            for (key, value) in &answers {
                self.say(&format!("  {key} = {value}"));
            }
            let question = "Send this? yes, no, edit or cancel [yes]: ";
            let words: &[&str] =
                if open.is_empty() { &["yes", "no", "cancel"] } else { &["yes", "no", "edit"] };
            let (question, default) = match form.fields.is_empty() {
                // Nothing was typed yet that could be taken for a yes.
                true => ("Agree? yes, no or cancel: ", None),
                false => (question, Some("yes")),
            };
            match self.word(question, words, default) {
                Typed::Line(word) if word == "yes" => return Elicited::Accept(answers),
                Typed::Line(word) if word == "edit" => {}
                Typed::Line(_) | Typed::Decline => return Elicited::Decline,
                Typed::Cancel => return Elicited::Cancel,
            }
        }
    }

    /// Asks for one field until the answer is right; `None` leaves it out.
    fn field(&mut self, field: &Field) -> Result<Option<Value>, Elicited> {
        self.say(&described(field));
        loop {
            let line = match self.line("> ") {
                Typed::Line(line) => line,
                Typed::Decline => return Err(Elicited::Decline),
                Typed::Cancel => return Err(Elicited::Cancel),
            };
            if line.is_empty() {
                if let Some(default) = &field.default {
                    return Ok(Some(default.clone()));
                }
                if !field.required {
                    return Ok(None);
                }
                // An empty text, or none of them, may be an answer.
                if matches!(field.kind, Kind::Number | Kind::Integer | Kind::Boolean | Kind::One(_))
                {
                    self.say("  it is required");
                    continue;
                }
            }
            match field.parse(&line) {
                Ok(value) => return Ok(Some(value)),
                Err(fault) => self.say(&format!("  {fault}")),
            }
        }
    }

    /// Shows a page, and asks whether the person agrees to it.
    pub(super) fn visit(&mut self, visit: &Visit) -> Elicited {
        let message = aside(&visit.message);
        self.say(&format!("\n{} asks you to visit a page: {message}", self.server));
        self.say(&format!("    {}", visit.url.replace('\n', "\\n")));
        if !visit.url.is_ascii() || visit.url.contains("xn--") {
            self.say("The address has letters that may look like others: look twice.");
        }
        self.say("It is not opened for you. If you trust the address, open it yourself.");
        match self.word("Agree? yes, no or cancel: ", &["yes", "no"], None) {
            Typed::Line(word) if word == "yes" => Elicited::Accept(Map::new()),
            Typed::Line(_) | Typed::Decline => Elicited::Decline,
            Typed::Cancel => Elicited::Cancel,
        }
    }

    /// Shows a conversation, and asks for its next message; `None` refuses.
    pub(super) fn write(&mut self, sampling: &Sampling) -> Option<String> {
        let tokens_max = sampling.tokens_max;
        self.say(&format!(
            "\n{} asks for what a model would write next, in at most {tokens_max} tokens:",
            self.server
        ));
        if let Some(system) = &sampling.system {
            self.say(&format!("system: {}", aside(system)));
        }
        for spoken in &sampling.messages {
            let blocks: Vec<String> = spoken.blocks().iter().map(render_block).collect();
            self.say(&format!("{}: {}", aside(&spoken.role), aside(&blocks.join("\n"))));
        }
        self.say("Write it; a line with a single . sends it, :decline refuses.");
        let mut lines: Vec<String> = Vec::new();
        loop {
            match self.line("> ") {
                Typed::Line(line) if line == "." => {
                    let text = lines.join("\n");
                    let words = text.split_whitespace().count() as u64;
                    if words == 0 {
                        self.say("  it is empty");
                    } else if words > tokens_max {
                        // A word is a token at least.
                        self.say(&format!("  it has {words} words: begin anew, shorter"));
                        lines.clear();
                    } else {
                        return Some(text);
                    }
                }
                Typed::Line(line) => lines.push(line),
                Typed::Decline | Typed::Cancel => return None,
            }
        }
    }

    /// Asks for one of these words, or the beginning of one.
    fn word(&mut self, question: &str, words: &[&str], default: Option<&str>) -> Typed {
        loop {
            let line = match self.line(question) {
                Typed::Line(line) => line.trim().to_ascii_lowercase(),
                order => return order,
            };
            if line == "cancel" || line == "c" {
                return Typed::Cancel;
            }
            let meant = match default {
                Some(default) if line.is_empty() => Some(default),
                _ if line.is_empty() => None,
                _ => words.iter().copied().find(|word| word.starts_with(&line)),
            };
            if let Some(word) = meant {
                return Typed::Line(word.to_owned());
            }
        }
    }

    /// Reads a line that is no order. What cannot be read cancels.
    fn line(&mut self, prompt: &str) -> Typed {
        loop {
            let line = match self.terminal.ask(prompt) {
                Ok(Some(line)) => line,
                Ok(None) => {
                    self.say("");
                    return Typed::Cancel;
                }
                Err(error) => {
                    self.say(&format!("  cannot read the answer: {error}"));
                    return Typed::Cancel;
                }
            };
            match line.strip_prefix(':') {
                None => return Typed::Line(line),
                Some(text) if text.starts_with(':') => return Typed::Line(text.to_owned()),
                Some("decline") => return Typed::Decline,
                Some("cancel") => return Typed::Cancel,
                Some(_) => self.say(HELP),
            }
        }
    }

    fn say(&mut self, text: &str) {
        self.terminal.tell(&harmless(text));
    }
}

/// A server's text with its further lines indented, so that it passes for nothing of ours.
fn aside(text: &str) -> String {
    text.trim().replace('\n', "\n    ")
}

fn described(field: &Field) -> String {
    let mut text = format!("\n{}", aside(&field.name));
    if let Some(title) = &field.title {
        text.push_str(&format!(" ({})", aside(title)));
    }
    let need = if field.required { "required" } else { "optional" };
    text.push_str(&format!(", {need}: {}", aside(&field.rule())));
    if let Some(default) = &field.default {
        text.push_str(&format!(" [{}]", aside(&plain(default))));
    }
    if let Some(description) = &field.description {
        text.push_str(&format!("\n    {}", aside(description)));
    }
    if let Kind::One(choices) | Kind::Many(choices) = &field.kind {
        let width = choices.len().to_string().len();
        for (number, Choice { value, title }) in (1..).zip(choices) {
            text.push_str(&format!("\n  {number:width$}  {}", aside(value)));
            if let Some(title) = title {
                text.push_str(&format!("  {}", aside(title)));
            }
        }
    }
    text
}

/// A default as it would be typed.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}
