//! THE table: a row for each revision of the protocol, a column for each difference that we act on.
//!
//! Everything that depends on the revision reads a column here; there is no comparison of revisions
//! anywhere else. Adding a revision is adding a row.
//! Spec: the changelogs of MCP 2024-11-05, 2025-03-26, 2025-06-18, 2025-11-25 and 2026-07-28.

/// A dated version of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revision {
    /// 2024-11-05: the first.
    V2024_11_05,
    /// 2025-03-26: Streamable HTTP, batches, tool annotations, audio.
    V2025_03_26,
    /// 2025-06-18: structured content, resource links, titles, elicitation; no batches.
    V2025_06_18,
    /// 2025-11-25: icons, tasks, URL elicitation, polling.
    V2025_11_25,
    /// 2026-07-28: no handshake, every request describes itself.
    V2026_07_28,
}

/// How a conversation is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Era {
    /// A handshake (`initialize`) first; revisions up to 2025-11-25.
    Legacy,
    /// Every request describes itself; revisions from 2026-07-28 on.
    Modern,
}

impl Era {
    /// The word for people and scripts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// What `structuredContent` and `outputSchema` may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Structured {
    /// They do not exist.
    Absent,
    /// JSON objects alone.
    Object,
    /// Any JSON value.
    Any,
}

/// One row of the table.
#[derive(Debug)]
pub struct Rules {
    /// The revision as it is written.
    pub name: &'static str,
    /// How its conversations are held.
    pub era: Era,
    /// Whether audio content exists.
    pub audio: bool,
    /// Whether tools carry annotations.
    pub tool_annotations: bool,
    /// Whether a progress notification carries a message.
    pub progress_message: bool,
    /// Whether tools, implementations and the like carry a title.
    pub titles: bool,
    /// Whether `resource_link` content exists.
    pub resource_links: bool,
    /// Whether content annotations carry `lastModified`.
    pub last_modified: bool,
    /// Whether content blocks and definitions carry `_meta`.
    pub block_meta: bool,
    /// What structured content may be.
    pub structured: Structured,
    /// Whether arguments that break a tool's schema are told in a result, to the model, rather than
    /// in an error, to the client.
    pub input_failure_is_result: bool,
    /// Whether tools and implementations carry icons.
    pub icons: bool,
    /// Whether an implementation carries a description and a web site.
    pub implementation_details: bool,
    /// Whether a server that completes arguments declares it.
    pub completions: bool,
    /// The error code of an address at which there is no resource.
    pub resource_not_found: i32,
    /// Whether results carry `resultType`, `_meta` with the server's name, and cache hints.
    pub result_type: bool,
    /// Whether a client that goes away cancels its call.
    pub cut_cancels: bool,
    /// Whether a body may hold several messages in an array.
    pub batches: bool,
    /// Whether a stream begins with an event that says nothing but its id, and may be left by the
    /// server and resumed by the client.
    pub priming: bool,
    /// Whether an error's HTTP status follows its code, or is 200 for every answer to a request.
    pub status_by_code: bool,
    /// Whether the server may ask a person to fill in a form.
    pub elicitation: bool,
    /// Whether elicitation has modes, and one that sends a person to a page.
    pub elicitation_modes: bool,
    /// Whether a page that a person is sent to has an id.
    pub elicitation_ids: bool,
    /// Whether every field of a form may have a default, and choices may have titles or be several.
    pub rich_forms: bool,
    /// Whether a model that is asked may be given tools, and a message several blocks.
    pub sampling_tools: bool,
    /// Whether capabilities carry extensions.
    pub extensions: bool,
}

/// A date as it is written: `2025-11-25`.
type Date = [u8; 10];

impl Revision {
    /// Every revision served, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];
    /// The newest revision with a handshake: what a client is offered that asks for one we do not
    /// know.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;
    /// What a request without a handshake, an envelope and a version field speaks
    /// (MCP 2025-06-18, transports, "Protocol Version Header").
    pub const ASSUMED: Self = Self::V2025_03_26;
    /// The revisions of the legacy era, newest first.
    pub const LEGACY_NAMES: [&'static str; 4] =
        ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"];
    /// The revisions of the modern era, newest first, as `supported` and `supportedVersions` list
    /// them.
    pub const MODERN_NAMES: [&'static str; 1] = ["2026-07-28"];

    /// The revision of this name.
    #[must_use]
    pub fn parse(name: impl AsRef<[u8]>) -> Option<Self> {
        let date: &Date = name.as_ref().try_into().ok()?;
        // The newest are named most.
        Self::ALL.into_iter().rev().find(|revision| revision.date() == Some(date))
    }

    /// Its name, as what dates are compared by: ten bytes.
    fn date(self) -> Option<&'static Date> {
        self.rules().name.as_bytes().first_chunk()
    }

    /// The revision's row.
    #[must_use]
    pub fn rules(self) -> &'static Rules {
        match self {
            Self::V2024_11_05 => &V2024_11_05,
            Self::V2025_03_26 => &V2025_03_26,
            Self::V2025_06_18 => &V2025_06_18,
            Self::V2025_11_25 => &V2025_11_25,
            Self::V2026_07_28 => &V2026_07_28,
        }
    }

    /// The era of the revision.
    #[must_use]
    pub fn era(self) -> Era {
        self.rules().era
    }

    /// Where the revision stands in [`Self::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        self as usize
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.rules().name)
    }
}

static V2024_11_05: Rules = Rules {
    name: "2024-11-05",
    era: Era::Legacy,
    audio: false,
    tool_annotations: false,
    progress_message: false,
    titles: false,
    resource_links: false,
    last_modified: false,
    block_meta: false,
    structured: Structured::Absent,
    input_failure_is_result: false,
    icons: false,
    implementation_details: false,
    completions: false,
    resource_not_found: -32002,
    result_type: false,
    cut_cancels: false,
    batches: false,
    priming: false,
    status_by_code: false,
    elicitation: false,
    elicitation_modes: false,
    elicitation_ids: false,
    rich_forms: false,
    sampling_tools: false,
    extensions: false,
};

static V2025_03_26: Rules = Rules {
    name: "2025-03-26",
    batches: true,
    audio: true,
    tool_annotations: true,
    progress_message: true,
    completions: true,
    ..V2024_11_05
};

static V2025_06_18: Rules = Rules {
    name: "2025-06-18",
    batches: false,
    titles: true,
    resource_links: true,
    last_modified: true,
    block_meta: true,
    structured: Structured::Object,
    elicitation: true,
    ..V2025_03_26
};

static V2025_11_25: Rules = Rules {
    name: "2025-11-25",
    priming: true,
    input_failure_is_result: true,
    icons: true,
    implementation_details: true,
    elicitation_modes: true,
    elicitation_ids: true,
    rich_forms: true,
    sampling_tools: true,
    ..V2025_06_18
};

static V2026_07_28: Rules = Rules {
    name: "2026-07-28",
    era: Era::Modern,
    priming: false,
    structured: Structured::Any,
    resource_not_found: -32602,
    result_type: true,
    cut_cancels: true,
    status_by_code: true,
    elicitation_ids: false,
    extensions: true,
    ..V2025_11_25
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_positions_agree_with_the_table() {
        for (index, revision) in Revision::ALL.into_iter().enumerate() {
            assert_eq!(Revision::parse(revision.rules().name), Some(revision));
            assert_eq!(revision.index(), index);
        }
        assert_eq!(Revision::parse("2025-11-26"), None);
        assert_eq!(Revision::NEWEST_LEGACY.era(), Era::Legacy);
        let of = |era| {
            let newest_first = Revision::ALL.into_iter().rev();
            let of_era = newest_first.filter(move |revision| revision.era() == era);
            of_era.map(|revision| revision.rules().name).collect::<Vec<_>>()
        };
        assert_eq!(of(Era::Modern), Revision::MODERN_NAMES);
        assert_eq!(of(Era::Legacy), Revision::LEGACY_NAMES);
    }
}
