//! How a connection to a server begins: which era it speaks, and the handshake of the legacy one.
//!
//! The probe's verdict (`era`) is carried out here: adopt the modern server's introduction, or post
//! `initialize` and keep the session that comes with the answer.
//! Spec: MCP 2026-07-28 basic/lifecycle; MCP 2025-11-25 basic/lifecycle.
//! Not here: judging answers (`era`), what follows (`session`).

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::client::era::{
    Era, EraChoice, LEGACY_REVISIONS, MODERN_REVISIONS, Probe, ProbeAnswer, Verdict,
};
use crate::client::error::Failure;
use crate::client::exchange::{Nobody, Posting, Reply};
use crate::client::request::{Ask, LegacyStyle, ModernStyle};
use crate::client::session::{Client, ServerInfo, object, refusal};
use crate::client::tools::Event;

const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";

impl Client {
    /// Settles the era, and opens the session of the legacy one.
    pub(super) fn settle(&mut self) -> Result<(), Failure> {
        let era = self.exchanger.options().era;
        if era == EraChoice::Legacy {
            return self.handshake(None);
        }
        let mut probe = Probe::new(MODERN_REVISIONS);
        loop {
            let reply = self.discover(probe.offered())?;
            match probe.judge(probe_answer(&reply)) {
                Verdict::Modern { revision } => return self.adopt_modern(revision, &reply),
                Verdict::Repeat { .. } => {}
                Verdict::Legacy if era == EraChoice::Auto => return self.handshake(Some(reply)),
                Verdict::Legacy => return Err(Failure::NotModern { probe: in_words(&reply) }),
                Verdict::GiveUp { supported } => {
                    return Err(Failure::NoSharedRevision { supported });
                }
                Verdict::Unauthorized | Verdict::Outage => {
                    return Err(refusal(reply, "server/discover"));
                }
            }
        }
    }

    fn discover(&mut self, revision: &str) -> Result<Reply, Failure> {
        let id = self.take_id();
        let client = self.exchanger.options().identity.clone();
        let style = ModernStyle {
            revision,
            client: &client,
            log_level: None,
            abilities: self.exchanger.options().abilities,
        };
        let ask = Ask { id, method: "server/discover", ..Ask::default() };
        let outgoing = style.request(ask);
        let posting =
            Posting { outgoing: &outgoing, awaited: Some(id), legacy: None, repeatable: true };
        self.exchanger.post(posting, &mut Nobody)
    }

    fn adopt_modern(&mut self, revision: &str, reply: &Reply) -> Result<(), Failure> {
        let Some(Ok(result)) = &reply.outcome else {
            return Err(Failure::NoResponse { method: "server/discover" });
        };
        let introduction: Introduction = parse(result, "server/discover")?;
        self.server = ServerInfo {
            era: Era::Modern,
            revision: revision.to_owned(),
            implementation: introduction.meta.get(META_SERVER).cloned().unwrap_or_default(),
            capabilities: introduction.capabilities,
            instructions: introduction.instructions,
        };
        Ok(())
    }

    /// Opens a legacy session; `probe` is the answer that led here.
    pub(super) fn handshake(&mut self, probe: Option<Reply>) -> Result<(), Failure> {
        const METHOD: &str = "initialize";
        self.exchanger.side = None;
        let id = self.take_id();
        let offered = LEGACY_REVISIONS.first().copied().unwrap_or_default();
        let options = self.exchanger.options();
        let outgoing = LegacyStyle::initialize(id, offered, &options.identity, options.abilities);
        let legacy = Some(LegacyStyle::default());
        let posting = Posting { outgoing: &outgoing, awaited: Some(id), legacy, repeatable: true };
        let reply = self.exchanger.post(posting, &mut Nobody)?;
        let Some(Ok(result)) = &reply.outcome else {
            return Err(match (probe, reply.head.status) {
                (Some(probe), 200..=299 | 400 | 402 | 404..=428) => {
                    Failure::NeitherEra { probe: in_words(&probe), handshake: in_words(&reply) }
                }
                _ => refusal(reply, METHOD),
            });
        };
        let introduction: Introduction = parse(result, METHOD)?;
        let revision = introduction.protocol_version.unwrap_or_default();
        if !LEGACY_REVISIONS.contains(&revision.as_str()) {
            return Err(Failure::NoSharedRevision { supported: vec![revision] });
        }
        self.session = reply.head.session;
        self.server = ServerInfo {
            era: Era::Legacy,
            revision,
            implementation: introduction.server_info,
            capabilities: introduction.capabilities,
            instructions: introduction.instructions,
        };
        self.begin_session()
    }

    fn begin_session(&mut self) -> Result<(), Failure> {
        const METHOD: &str = "notifications/initialized";
        let style =
            LegacyStyle { revision: Some(&self.server.revision), session: self.session.as_deref() };
        let outgoing = style.notification(METHOD);
        let posting =
            Posting { outgoing: &outgoing, awaited: None, legacy: Some(style), repeatable: true };
        let reply = self.exchanger.post(posting, &mut Nobody)?;
        if !(200..300).contains(&reply.head.status) {
            return Err(refusal(reply, METHOD));
        }
        let logs = self.server.capabilities.get("logging").is_some();
        if let (Some(level), true) = (self.exchanger.options().log_level, logs) {
            let params = object(json!({"level": level}));
            let ask = Ask { method: "logging/setLevel", params, ..Ask::default() };
            // A server that does not set it logs at a level of its own.
            match self.post_ask(ask, &mut |_: Event| {}) {
                Ok(_) | Err(Failure::Rpc(_)) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}

/// What `server/discover` and `initialize` tell.
#[derive(Deserialize)]
struct Introduction {
    #[serde(rename = "protocolVersion")]
    protocol_version: Option<String>,
    #[serde(default)]
    capabilities: Value,
    #[serde(default, rename = "serverInfo")]
    server_info: Value,
    instructions: Option<String>,
    #[serde(default, rename = "_meta")]
    meta: Value,
}

fn parse(result: &RawValue, method: &'static str) -> Result<Introduction, Failure> {
    serde_json::from_str(result.get())
        .map_err(|error| Failure::Malformed { method, detail: error.to_string() })
}

fn probe_answer(reply: &Reply) -> ProbeAnswer<'_> {
    let outcome = reply.outcome.as_ref().map(|outcome| outcome.as_ref().map(|text| text.get()));
    ProbeAnswer { status: reply.head.status, outcome }
}

fn in_words(reply: &Reply) -> String {
    let status = reply.head.status;
    match &reply.outcome {
        Some(Err(error)) => format!("status {status}, {error}"),
        Some(Ok(_)) => format!("status {status} and a result without a shared revision"),
        None if reply.excerpt.is_empty() => format!("status {status} and no message"),
        None => format!("status {status}: {}", reply.excerpt),
    }
}
