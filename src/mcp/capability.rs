//! What a client says it can do, as far as this server acts on it.
//!
//! Spec: MCP 2026-07-28 schema `ClientCapabilities`. In the modern era they come with every request
//! and hold for that request alone. `elicitation: {}` means form mode.

use crate::jsonrpc::view::View;

/// One thing that a client may be able to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Fill in a form for a person: `elicitation.form`.
    ElicitForm,
    /// Send a person to a page: `elicitation.url`.
    ElicitUrl,
    /// Ask a model: `sampling`.
    Sampling,
    /// Give tools to the model that it asks: `sampling.tools`.
    SamplingTools,
    /// Name its roots: `roots`.
    Roots,
    /// Be given a task in place of a result: the extension `io.modelcontextprotocol/tasks`.
    Tasks,
}

/// The extension by which a call becomes a task.
pub const TASKS: &str = "io.modelcontextprotocol/tasks";

/// What one client can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities(u8);

impl Capability {
    const ALL: [Self; 6] = [
        Self::ElicitForm,
        Self::ElicitUrl,
        Self::Sampling,
        Self::SamplingTools,
        Self::Roots,
        Self::Tasks,
    ];

    /// This capability as a `ClientCapabilities` object that has it alone.
    #[must_use]
    pub fn required(self) -> serde_json::Value {
        match self {
            Self::ElicitForm => serde_json::json!({"elicitation": {"form": {}}}),
            Self::ElicitUrl => serde_json::json!({"elicitation": {"url": {}}}),
            Self::Sampling => serde_json::json!({"sampling": {}}),
            Self::SamplingTools => serde_json::json!({"sampling": {"tools": {}}}),
            Self::Roots => serde_json::json!({"roots": {}}),
            Self::Tasks => serde_json::json!({"extensions": { TASKS: {} }}),
        }
    }

    /// The capability in the words of the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ElicitForm => "elicitation.form",
            Self::ElicitUrl => "elicitation.url",
            Self::Sampling => "sampling",
            Self::SamplingTools => "sampling.tools",
            Self::Roots => "roots",
            Self::Tasks => TASKS,
        }
    }

    /// Whether a member of a `ClientCapabilities` object, which is an object itself, declares this.
    fn is_declared_by(self, name: &str, member: View<'_>) -> bool {
        let has = |name: &str| member.get(name).is_some();
        match (self, name) {
            (Self::ElicitForm, "elicitation") => has("form") || !has("url"),
            (Self::ElicitUrl, "elicitation") => has("url"),
            (Self::Sampling, "sampling") | (Self::Roots, "roots") => true,
            (Self::SamplingTools, "sampling") => has("tools"),
            (Self::Tasks, "extensions") => has(TASKS),
            _ => false,
        }
    }
}

impl ClientCapabilities {
    /// What a `ClientCapabilities` object declares.
    #[must_use]
    pub fn read(capabilities: Option<View<'_>>) -> Self {
        let members = capabilities.into_iter().flat_map(View::members);
        let objects = members.filter(|(_, member)| member.is_object());
        let declared = objects.flat_map(|(name, member)| {
            Capability::ALL.into_iter().filter(move |held| held.is_declared_by(name, member))
        });
        Self(declared.fold(0, |bits, held| bits | bit(held)))
    }

    /// Whether the client can be asked anything.
    #[must_use]
    pub fn can_answer(self) -> bool {
        use Capability::{ElicitForm, ElicitUrl, Roots, Sampling};

        [ElicitForm, ElicitUrl, Sampling, Roots].into_iter().any(|asked| self.has(asked))
    }

    /// The same without this one.
    #[must_use]
    pub fn without(self, capability: Capability) -> Self {
        Self(self.0 & !bit(capability))
    }

    /// Whether the client can do this.
    #[must_use]
    pub fn has(self, capability: Capability) -> bool {
        self.0 & bit(capability) != 0
    }
}

fn bit(capability: Capability) -> u8 {
    1 << capability as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::decode::{Decoder, JsonLimits};

    #[test]
    fn an_empty_elicitation_means_forms_and_url_alone_means_no_forms() {
        for (body, form, url) in [
            (r#"{"elicitation":{}}"#, true, false),
            (r#"{"elicitation":{"form":{}}}"#, true, false),
            (r#"{"elicitation":{"url":{}}}"#, false, true),
            (r#"{"elicitation":{"url":{},"form":{}}}"#, true, true),
            (r#"{"sampling":{}}"#, false, false),
            ("{}", false, false),
        ] {
            let read = Decoder::new(JsonLimits::default())
                .decode(body.as_bytes(), |view| ClientCapabilities::read(Some(view)))
                .expect("JSON");
            assert_eq!(read.has(Capability::ElicitForm), form, "{body}");
            assert_eq!(read.has(Capability::ElicitUrl), url, "{body}");
            assert_eq!(read.has(Capability::Sampling), body.contains("sampling"), "{body}");
        }
    }

    #[test]
    fn what_is_required_is_what_declares_it() {
        for capability in Capability::ALL {
            let body = capability.required().to_string();
            let read = Decoder::new(JsonLimits::default())
                .decode(body.as_bytes(), |view| ClientCapabilities::read(Some(view)))
                .expect("JSON");
            assert!(read.has(capability), "{body}");
            assert_eq!(read.can_answer(), capability != Capability::Tasks, "{body}");
        }
        assert!(!ClientCapabilities::read(None).can_answer());
    }
}
