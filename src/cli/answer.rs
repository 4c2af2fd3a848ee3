//! Who answers a server's questions: the flags `--answer` and `--root`, else the person.
//!
//! What is offered to the server is what can be answered: without a person and without flags,
//! nothing. Without a person a form is accepted only if the flags answer something of it and
//! nothing required stays open; else it is cancelled, why is told, and the command fails. Nobody
//! agrees to a form by answering another.
//! Spec: MCP 2026-07-28 client/elicitation, client/sampling, client/roots.
//! Not here: asking the person (`asking`), what forms are (`client::form`).

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Map, Value};

use crate::cli::arguments::{Argument, Given, parse_arguments};
use crate::cli::asking::Asking;
use crate::cli::command::RawAnswers;
use crate::cli::near::nearest;
use crate::cli::progress::Teller;
use crate::cli::remote::read_file;
use crate::cli::terminal::{Terminal, harmless};
use crate::client::form::{Field, Form};
use crate::client::question::{Abilities, Attendant, Elicited, Root, Sampling, Visit};
use crate::client::session::ServerInfo;
use crate::client::tools::Event;

/// The answers of the command line.
#[derive(Debug)]
pub(super) struct Answers {
    given: Vec<Argument>,
    /// Whether a question asked for the answer at the same place.
    used: Vec<bool>,
    roots: Vec<Root>,
    interactive: bool,
    /// The fields of forms that no flag answered.
    open: Vec<String>,
    /// Whether a form was cancelled since nobody was there to answer it.
    cancelled: bool,
}

impl Answers {
    /// Checks the flags, every fault at once.
    pub(super) fn read(raw: &RawAnswers, terminal: &Terminal) -> Result<Self, Vec<String>> {
        let given = parse_arguments(&raw.answer, read_file);
        let roots: Vec<_> = raw.root.iter().map(|path| root(path)).collect();
        let mut faults: Vec<String> = given.as_ref().err().into_iter().flatten().cloned().collect();
        faults.iter_mut().for_each(|fault| fault.insert_str(0, "--answer: "));
        faults.extend(roots.iter().filter_map(|root| root.as_ref().err().cloned()));
        match given {
            Ok(given) if faults.is_empty() => Ok(Self {
                used: vec![false; given.len()],
                given,
                roots: roots.into_iter().flatten().collect(),
                interactive: terminal.is_interactive(),
                open: Vec::new(),
                cancelled: false,
            }),
            _ => Err(faults),
        }
    }

    /// What the server may ask.
    pub(super) fn abilities(&self) -> Abilities {
        Abilities {
            form: self.interactive || !self.given.is_empty(),
            url: self.interactive,
            sampling: self.interactive,
            roots: !self.roots.is_empty(),
        }
    }

    /// How a command ends that did what it should: a question that was cancelled for want of an
    /// answer is no success.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.cancelled { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }

    /// Tells which answers nobody asked for, and what was asked that is close.
    pub(super) fn tell_unused(&self, terminal: &mut Terminal) {
        for (given, used) in self.given.iter().zip(&self.used) {
            if !used {
                let key = given.key();
                let near = nearest(key, self.open.iter().map(String::as_str));
                let near = near.first().map(|near| format!(": did you mean {near}?"));
                let near = near.unwrap_or_default();
                let told = format!("warning: --answer {key}: no question asked for it{near}");
                terminal.tell(&harmless(&told));
            }
        }
    }

    /// The value given for a field.
    fn given(&mut self, field: &Field) -> Option<Result<Value, String>> {
        let index = self.given.iter().position(|given| given.key() == field.name)?;
        if let Some(used) = self.used.get_mut(index) {
            *used = true;
        }
        let value = match self.given.get(index)?.value() {
            Ok(Given::Text(text)) => field.parse(text),
            Ok(Given::Json(value)) => field.check(&value).map(|()| value),
            Err(fault) => Err(fault),
        };
        Some(value)
    }
}

/// A path as a root.
fn root(path: &str) -> Result<Root, String> {
    let whole = fs::canonicalize(path).map_err(|error| format!("--root: {path}: {error}"))?;
    let name = whole.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Root { uri: file_uri(&whole), name })
}

/// RFC 8089: what is not unreserved in RFC 3986, or a slash, is percent-encoded.
fn file_uri(path: &Path) -> String {
    let mut uri = "file://".to_owned();
    for &byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// The attendant of one request: tells its events, answers its questions.
#[derive(Debug)]
pub(super) struct Answerer<'a> {
    /// The answers of the command line.
    pub(super) answers: &'a mut Answers,
    /// Where to tell and to ask.
    pub(super) terminal: &'a mut Terminal,
    /// Who tells.
    pub(super) teller: &'a Teller,
    /// Who asks.
    pub(super) server: String,
}

impl<'a> Answerer<'a> {
    /// The attendant of a request to this server.
    pub(super) fn new(
        answers: &'a mut Answers,
        terminal: &'a mut Terminal,
        teller: &'a Teller,
        server: &ServerInfo,
    ) -> Self {
        let server = harmless(server.name().unwrap_or("the server")).replace('\n', " ");
        Self { answers, terminal, teller, server }
    }

    /// Asks the person, if there is one.
    fn asking(&mut self) -> Option<Asking<'_>> {
        self.answers
            .interactive
            .then_some(Asking { terminal: &mut *self.terminal, server: &self.server })
    }

    /// What the flags answer of a form, and the fields that they do not answer, or not well.
    fn answered<'f>(&mut self, form: &'f Form) -> (Map<String, Value>, Vec<&'f Field>) {
        let (mut answered, mut open) = (Map::new(), Vec::new());
        for field in &form.fields {
            match self.answers.given(field) {
                Some(Ok(value)) => {
                    answered.insert(field.name.clone(), value);
                }
                Some(Err(fault)) => {
                    let name = &field.name;
                    let told = format!("warning: --answer {name}: {fault}");
                    self.terminal.tell(&harmless(&told));
                    open.push(field);
                }
                None => open.push(field),
            }
        }
        self.answers.open.extend(open.iter().map(|field| field.name.clone()));
        (answered, open)
    }

    /// Answers a form without a person.
    fn fill_in_alone(
        &mut self,
        form: &Form,
        mut answered: Map<String, Value>,
        open: &[&Field],
    ) -> Elicited {
        let told = format!("{} asks: {}", self.server, form.message);
        self.terminal.tell(&harmless(&told));
        let mut missing = Vec::new();
        for field in open {
            match &field.default {
                Some(default) => {
                    answered.insert(field.name.clone(), default.clone());
                }
                None if field.required => missing.push(*field),
                None => {}
            }
        }
        if missing.is_empty() && open.len() < form.fields.len() {
            let keys: Vec<_> = answered.keys().map(String::as_str).collect();
            self.terminal.tell(&harmless(&format!("  answered: {}", keys.join(", "))));
            return Elicited::Accept(answered);
        }
        for field in &missing {
            let told = format!("  {} is not answered: {}", field.name, field.rule());
            self.terminal.tell(&harmless(&told));
        }
        let some = missing.first().copied().or(form.fields.first());
        let fix = match some.map(|field| field.name.as_str()) {
            Some(some) => format!("give --answer {some}=VALUE, or call from a terminal"),
            None => "no --answer is a yes: call from a terminal".to_owned(),
        };
        let told = format!("  cancelled: nobody can be asked here: {fix}");
        self.terminal.tell(&harmless(&told));
        self.answers.cancelled = true;
        Elicited::Cancel
    }
}

impl Attendant for Answerer<'_> {
    fn on_event(&mut self, event: Event) {
        self.teller.tell(&event, self.terminal);
    }

    fn fill_in(&mut self, form: &Form) -> Elicited {
        let teller = self.teller;
        teller.above_the_bar(|| {
            let (answered, open) = self.answered(form);
            if open.is_empty() && !form.fields.is_empty() {
                return self.fill_in_alone(form, answered, &open);
            }
            match self.asking() {
                Some(mut asking) => asking.fill_in(form, answered, &open),
                None => self.fill_in_alone(form, answered, &open),
            }
        })
    }

    fn visit(&mut self, visit: &Visit) -> Elicited {
        let teller = self.teller;
        teller.above_the_bar(|| {
            self.asking().map_or(Elicited::Cancel, |mut asking| asking.visit(visit))
        })
    }

    fn write(&mut self, sampling: &Sampling) -> Option<String> {
        let teller = self.teller;
        teller.above_the_bar(|| self.asking()?.write(sampling))
    }

    fn roots(&mut self) -> Vec<Root> {
        self.answers.roots.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        let table = [
            ("/home/ada", "file:///home/ada"),
            ("/a b/\u{e4}%", "file:///a%20b/%C3%A4%25"),
            ("/", "file:///"),
        ];
        for (path, expected) in table {
            assert_eq!(file_uri(Path::new(path)), expected, "{path}");
        }
        let fault = root("/no/such/folder").expect_err("nothing there");
        assert!(fault.starts_with("--root: /no/such/folder: "), "{fault}");
    }
}
