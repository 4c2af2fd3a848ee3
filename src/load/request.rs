//! The requests of a run as bytes, written once; what differs from one to the next is patched in.
//!
//! Ids have always nine digits, so that the answers to equal requests are equal but for the id, in
//! length too. In: the endpoint, the era, the call. Out: `Template`, and whole requests.
//! Spec: MCP 2026-07-28 and 2025-11-25, streamable HTTP; the words are those of `client::request`.
//! Invariant: a template's stamps stand where its id does, and nowhere else.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::client::endpoint::Endpoint;
use crate::client::era::{Era, LEGACY_REVISIONS};
use crate::client::question::Abilities;
use crate::client::request::{Ask, ClientIdentity, LegacyStyle, ModernStyle, Outgoing};

/// Digits of every id.
pub(super) const ID_DIGITS: usize = 9;
/// The first id.
pub(super) const ID_MIN: u64 = 100_000_000;
/// One past the last id.
pub(super) const ID_END: u64 = 1_000_000_000;
/// Stands in a template where ids go.
const ID_OF_TEMPLATE: u64 = 987_654_321;
/// The id of every request where all are the same.
pub(super) const ID_FIXED: u64 = 1;

/// The ids of one thread, round and round through its share.
#[derive(Debug)]
pub(super) struct Ids {
    first: u64,
    end: u64,
    next: u64,
    fixed: bool,
}

impl Ids {
    /// The share of thread `index` of `threads`; always 1 if `fixed`.
    pub(super) fn new(index: usize, threads: usize, fixed: bool) -> Self {
        let share = (ID_END - ID_MIN) / (threads.max(1) as u64);
        let first = ID_MIN + share * index as u64;
        Self { first, end: first + share, next: first, fixed }
    }

    pub(super) fn take(&mut self) -> u64 {
        if self.fixed {
            return ID_FIXED;
        }
        let id = self.next;
        self.next = if id + 1 < self.end { id + 1 } else { self.first };
        id
    }
}

/// The digits of an id.
pub(super) fn digits(id: u64) -> [u8; ID_DIGITS] {
    let (mut digits, mut left) = ([b'0'; ID_DIGITS], id);
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
    }
    digits
}

/// A request, but for its id.
#[derive(Clone, Debug)]
pub(super) struct Template {
    bytes: Vec<u8>,
    id_starts: Vec<usize>,
}

impl Template {
    /// Writes the request with this id.
    pub(super) fn write(&self, id: u64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let digits = digits(id);
        for &id_start in &self.id_starts {
            let at = start + id_start;
            if let Some(place) = out.get_mut(at..at + ID_DIGITS) {
                place.copy_from_slice(&digits);
            }
        }
    }
}

/// The call that is made again and again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallPlan {
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
    /// The arguments that fields repeat (modern era).
    pub mirrored: Vec<(String, String)>,
    /// Whether events are asked for: a progress token goes along.
    pub streams: bool,
}

/// Writes the requests to one server.
#[derive(Clone, Debug)]
pub struct Requests {
    /// Where they go.
    pub endpoint: Endpoint,
    /// Fields of every request.
    pub fields: Vec<(String, String)>,
    /// Who calls.
    pub identity: ClientIdentity,
    /// The era.
    pub era: Era,
    /// The revision.
    pub revision: String,
    /// The call.
    pub call: CallPlan,
    /// Whether every request has the same id, 1.
    pub fixed_id: bool,
}

impl Requests {
    /// The call, in this session.
    pub(super) fn call(&self, session: Option<&str>) -> Template {
        let CallPlan { tool, arguments, mirrored, streams } = &self.call;
        let mut params = Map::new();
        params.insert("name".to_owned(), tool.as_str().into());
        params.insert("arguments".to_owned(), Value::Object(arguments.clone()));
        self.template(session, "tools/call", params, *streams, mirrored.clone())
    }

    /// The modern stream of notifications.
    pub(super) fn listen(&self) -> Template {
        let lists = json!({"toolsListChanged": true, "resourcesListChanged": true,
            "promptsListChanged": true});
        let params = Map::from_iter([("notifications".to_owned(), lists)]);
        self.template(None, "subscriptions/listen", params, false, Vec::new())
    }

    fn template(
        &self,
        session: Option<&str>,
        method: &'static str,
        params: Map<String, Value>,
        wants_progress: bool,
        mirrored: Vec<(String, String)>,
    ) -> Template {
        let id = if self.fixed_id { ID_FIXED } else { ID_OF_TEMPLATE };
        let ask = Ask { id, method, params, wants_progress, mirrored };
        let outgoing = match self.era {
            Era::Modern => {
                let abilities = Abilities::default();
                let (revision, client) = (self.revision.as_str(), &self.identity);
                ModernStyle { revision, client, log_level: None, abilities }.request(ask)
            }
            Era::Legacy => self.legacy(session).request(ask),
        };
        self.stamped(&outgoing)
    }

    /// The handshake.
    pub(super) fn initialize(&self) -> Template {
        let id = if self.fixed_id { ID_FIXED } else { ID_OF_TEMPLATE };
        let revision = LEGACY_REVISIONS.first().copied().unwrap_or_default();
        let abilities = Abilities::default();
        self.stamped(&LegacyStyle::initialize(id, revision, &self.identity, abilities))
    }

    /// The end of the handshake.
    pub(super) fn initialized(&self, session: Option<&str>) -> Vec<u8> {
        let outgoing = self.legacy(session).notification("notifications/initialized");
        self.write("POST", &outgoing).0
    }

    /// The session's own stream of events.
    pub(super) fn stream(&self, session: Option<&str>) -> Vec<u8> {
        self.write("GET", &self.legacy(session).bare(None)).0
    }

    /// The end of the session.
    pub(super) fn delete(&self, session: &str) -> Vec<u8> {
        self.write("DELETE", &self.legacy(Some(session)).bare(None)).0
    }

    fn legacy<'a>(&'a self, session: Option<&'a str>) -> LegacyStyle<'a> {
        LegacyStyle { revision: Some(&self.revision), session }
    }

    fn stamped(&self, outgoing: &Outgoing) -> Template {
        let (bytes, body_start) = self.write("POST", outgoing);
        if self.fixed_id {
            return Template { bytes, id_starts: Vec::new() };
        }
        let body = bytes.get(body_start..).unwrap_or_default();
        // The message begins with its id, and its `_meta` comes behind all arguments.
        let id = memchr::memmem::find(body, &stamp("id")).map(|at| at + stamp_start("id"));
        let token = memchr::memmem::rfind(body, &stamp("progressToken"))
            .filter(|_| self.call.streams)
            .map(|at| at + stamp_start("progressToken"));
        let id_starts = id.into_iter().chain(token).map(|at| body_start + at).collect();
        Template { bytes, id_starts }
    }

    /// A whole request, and where its body begins.
    fn write(&self, method: &str, outgoing: &Outgoing) -> (Vec<u8>, usize) {
        let (target, authority) = (self.endpoint.target(), self.endpoint.authority());
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: {authority}\r\n");
        for (name, value) in self.fields.iter().chain(&outgoing.fields) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        if method == "POST" {
            let length = outgoing.body.len();
            let _ = write!(head, "Content-Type: application/json\r\nContent-Length: {length}\r\n");
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        let body_start = bytes.len();
        bytes.extend_from_slice(&outgoing.body);
        (bytes, body_start)
    }
}

fn stamp(member: &str) -> Vec<u8> {
    format!("\"{member}\":{ID_OF_TEMPLATE}").into_bytes()
}

fn stamp_start(member: &str) -> usize {
    member.len() + "\"\":".len()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Requests of an era that call `echo`.
    pub(crate) fn requests(era: Era) -> Requests {
        let arguments = json!({"message": "\"id\":987654321,\"progressToken\":987654321"});
        let Value::Object(arguments) = arguments else { panic!("an object") };
        Requests {
            endpoint: Endpoint::parse("localhost:1/mcp").expect("a URL"),
            fields: vec![("Accept".to_owned(), "*/*".to_owned())],
            identity: ClientIdentity { name: "demo".to_owned(), version: "1".to_owned() },
            era,
            revision: match era {
                Era::Modern => "2026-07-28".to_owned(),
                Era::Legacy => "2025-11-25".to_owned(),
            },
            call: CallPlan { tool: "echo".to_owned(), arguments, ..CallPlan::default() },
            fixed_id: false,
        }
    }

    fn written(template: &Template, id: u64) -> (String, Value) {
        let mut bytes = Vec::new();
        template.write(id, &mut bytes);
        let text = String::from_utf8(bytes).expect("text");
        let (head, body) = text.split_once("\r\n\r\n").expect("a body");
        (head.to_owned(), serde_json::from_str(body).expect("JSON"))
    }

    #[test]
    fn ids_stand_in_their_places_whatever_the_arguments_say() {
        for era in [Era::Modern, Era::Legacy] {
            let mut requests = requests(era);
            requests.call.streams = true;
            let (head, body) = written(&requests.call(Some("s")), 123_456_789);
            assert_eq!(body["id"], 123_456_789);
            assert_eq!(body["params"]["_meta"]["progressToken"], 123_456_789);
            let arguments = Value::Object(requests.call.arguments.clone());
            assert_eq!(body["params"]["arguments"], arguments);
            assert!(head.starts_with("POST /mcp HTTP/1.1\r\nHost: localhost:1\r\nAccept: */*\r\n"));
            assert_eq!(head.contains("Mcp-Session-Id: s"), era == Era::Legacy, "{head}");
            let length = format!("Content-Length: {}", body.to_string().len());
            assert!(head.ends_with(&length), "{head}");
        }
    }

    #[test]
    fn a_fixed_id_is_one() {
        let requests = Requests { fixed_id: true, ..requests(Era::Modern) };
        let id = Ids::new(3, 4, true).take();
        assert_eq!(written(&requests.call(None), id).1["id"], 1);
    }

    #[test]
    fn ids_have_nine_digits_and_belong_to_one_thread() {
        let mut ids = Ids::new(2, 3, false);
        assert_eq!((ids.take(), ids.take()), (700_000_000, 700_000_001));
        ids.next = ids.end - 1;
        assert_eq!((ids.take(), ids.take()), (999_999_999, 700_000_000));
        assert_eq!(&digits(100_000_007), b"100000007");
    }
}
