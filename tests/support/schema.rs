//! The official schemas of all revisions, and every message a server sends held against them.
//!
//! Beside the schemas: what they cannot say of a message, such as members that a revision does not
//! know, since their objects are open.

use std::sync::OnceLock;

use jsonschema::Validator;
use ringlane::{Era, Revision};
use serde_json::{Value, json};

const SOURCES: [&str; 5] = [
    include_str!("../conformance/schema/2024-11-05.json"),
    include_str!("../conformance/schema/2025-03-26.json"),
    include_str!("../conformance/schema/2025-06-18.json"),
    include_str!("../conformance/schema/2025-11-25.json"),
    include_str!("../conformance/schema/2026-07-28.json"),
];

/// A definition of the schemas, under the name that the newest one gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Def {
    Response,
    Error,
    Initialize,
    Discover,
    Empty,
    ListTools,
    CallTool,
    ListResources,
    ListTemplates,
    ReadResource,
    ListPrompts,
    GetPrompt,
    Complete,
    InputRequired,
    Elicit,
    Sample,
    ListRoots,
    Progress,
    Log,
    HeaderMismatch,
    MissingCapability,
    UnsupportedVersion,
}

const DEFS: usize = Def::UnsupportedVersion as usize + 1;

impl Def {
    /// What the result of a method is.
    pub(crate) fn of_result(method: &str, revision: Revision) -> Self {
        match (method, revision.era()) {
            ("initialize", Era::Legacy) => Self::Initialize,
            ("ping" | "logging/setLevel", Era::Legacy) => Self::Empty,
            ("server/discover", Era::Modern) => Self::Discover,
            ("tools/list", _) => Self::ListTools,
            ("tools/call", _) => Self::CallTool,
            ("resources/list", _) => Self::ListResources,
            ("resources/templates/list", _) => Self::ListTemplates,
            ("resources/read", _) => Self::ReadResource,
            ("prompts/list", _) => Self::ListPrompts,
            ("prompts/get", _) => Self::GetPrompt,
            ("completion/complete", _) => Self::Complete,
            // An extension: its results are in no schema, beyond what every result has.
            ("skills/list" | "skills/get" | "resources/directory/read", Era::Modern) => Self::Empty,
            ("tasks/get" | "tasks/update" | "tasks/cancel", Era::Modern) => Self::Empty,
            _ => panic!("{method} has no result in {revision}"),
        }
    }

    fn name(self, revision: Revision) -> &'static str {
        let renamed = revision.index() >= Revision::V2025_11_25.index();
        match self {
            Self::Response if renamed => "JSONRPCResultResponse",
            Self::Response => "JSONRPCResponse",
            Self::Error if renamed => "JSONRPCErrorResponse",
            Self::Error => "JSONRPCError",
            Self::Initialize => "InitializeResult",
            Self::Discover => "DiscoverResult",
            Self::Empty => "EmptyResult",
            Self::ListTools => "ListToolsResult",
            Self::CallTool => "CallToolResult",
            Self::ListResources => "ListResourcesResult",
            Self::ListTemplates => "ListResourceTemplatesResult",
            Self::ReadResource => "ReadResourceResult",
            Self::ListPrompts => "ListPromptsResult",
            Self::GetPrompt => "GetPromptResult",
            Self::Complete => "CompleteResult",
            Self::InputRequired => "InputRequiredResult",
            Self::Elicit => "ElicitRequest",
            Self::Sample => "CreateMessageRequest",
            Self::ListRoots => "ListRootsRequest",
            Self::Progress => "ProgressNotification",
            Self::Log => "LoggingMessageNotification",
            Self::HeaderMismatch => "HeaderMismatchError",
            Self::MissingCapability => "MissingRequiredClientCapabilityError",
            Self::UnsupportedVersion => "UnsupportedProtocolVersionError",
        }
    }
}

/// Holds a value against a definition of a revision's schema.
pub(crate) fn check(revision: Revision, def: Def, value: &Value) {
    let problems: Vec<_> = validator(revision, def)
        .iter_errors(value)
        .map(|error| format!("{} at {}", error, error.instance_path()))
        .collect();
    assert!(problems.is_empty(), "{revision} {def:?}: {problems:#?}\n{value:#}");
}

fn validator(revision: Revision, def: Def) -> &'static Validator {
    static SLOTS: [[OnceLock<Validator>; DEFS]; 5] =
        [const { [const { OnceLock::new() }; DEFS] }; 5];
    SLOTS[revision.index()][def as usize].get_or_init(|| {
        let mut schema: Value = serde_json::from_str(SOURCES[revision.index()]).unwrap();
        let place = if schema.get("$defs").is_some() { "$defs" } else { "definitions" };
        let name = def.name(revision);
        assert!(schema[place].get(name).is_some(), "{revision} has no {name}");
        schema["$ref"] = json!(format!("#/{place}/{name}"));
        jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
    })
}

/// What was asked, as far as it bears on the messages of the answer.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// The revision that the request spoke.
    pub(crate) revision: Revision,
    /// The id, as JSON; `None` for notifications and for what is no message.
    pub(crate) id: Option<String>,
    pub(crate) method: String,
}

/// Holds one message of an answer against the schema and against what was asked.
pub(crate) fn check_message(asked: &Asked, message: &Value) {
    let revision = asked.revision;
    assert_eq!(message["jsonrpc"], "2.0");
    if let Some(method) = message.get("method") {
        assert!(message.get("id").is_none(), "a server asks nothing: {message}");
        match method.as_str() {
            Some("notifications/progress") => check(revision, Def::Progress, message),
            Some("notifications/message") => check(revision, Def::Log, message),
            Some("notifications/subscriptions/acknowledged") => {
                assert!(message["params"]["notifications"].is_object(), "{message}");
            }
            Some("notifications/tasks") => check_task("tasks/get", &message["params"]),
            _ => panic!("an unknown notification: {message}"),
        }
        return;
    }
    if let Some(result) = message.get("result") {
        check(revision, Def::Response, message);
        match result.get("resultType").and_then(Value::as_str) {
            Some("input_required") => check_questions(revision, &asked.method, result),
            Some("task") => check(revision, Def::Empty, result),
            _ => check(revision, Def::of_result(&asked.method, revision), result),
        }
        check_envelope(revision, &asked.method, result);
    } else {
        check_error(asked, message);
    }
    if let Some(id) = message.get("id") {
        assert_eq!(Some(id.to_string()), asked.id, "{message}");
    }
}

/// The end of a call that asks: something is asked, in words of the schema, and bound to a state.
fn check_questions(revision: Revision, method: &str, result: &Value) {
    assert!(matches!(method, "tools/call" | "prompts/get" | "resources/read"), "{method} asks");
    check(revision, Def::InputRequired, result);
    let questions = result["inputRequests"].as_object().unwrap();
    assert!(!questions.is_empty() && result["requestState"].is_string(), "{result}");
    for question in questions.values() {
        check_question(revision, question);
    }
}

/// Holds a question against the schema that its method names.
pub(crate) fn check_question(revision: Revision, question: &Value) {
    let def = match question["method"].as_str().unwrap() {
        "elicitation/create" => Def::Elicit,
        "sampling/createMessage" => Def::Sample,
        "roots/list" => Def::ListRoots,
        other => panic!("nobody can be asked {other}"),
    };
    check(revision, def, question);
}

/// Before 2026-07-28 there was no member of these names, and a strict client may refuse them.
fn check_envelope(revision: Revision, method: &str, result: &Value) {
    let has = |member: &str| result.get(member).is_some();
    match revision.era() {
        Era::Legacy => {
            for member in ["resultType", "ttlMs", "cacheScope"] {
                assert!(!has(member), "{revision} knows no {member}: {result}");
            }
            let meta = result.get("_meta").and_then(Value::as_object);
            let reserved = meta
                .into_iter()
                .flatten()
                .find(|(name, _)| name.starts_with("io.modelcontextprotocol/"));
            assert_eq!(reserved, None, "{revision}");
        }
        Era::Modern => {
            let is_complete = result["resultType"] == "complete";
            let is_task = result["resultType"] == "task";
            let is_asking = result["resultType"] == "input_required";
            assert!(is_complete || is_task || is_asking, "{result}");
            if method.starts_with("tasks/") || is_task {
                assert!(!is_task || method == "tools/call", "{method} makes no task");
                return check_task(method, result);
            }
            assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"].is_object());
            let ends = ["/list", "/read", "/discover", "skills/get"];
            let kept = is_complete && ends.iter().any(|end| method.ends_with(end));
            assert_eq!((has("ttlMs"), has("cacheScope")), (kept, kept), "{result}");
        }
    }
}

/// What the extension of tasks has in place of a schema.
fn check_task(method: &str, result: &Value) {
    let members = ["createdAt", "lastUpdatedAt", "pollIntervalMs", "status", "taskId", "ttlMs"];
    let is_told = matches!(method, "tools/call" | "tasks/get");
    for member in members {
        assert_eq!(result.get(member).is_some(), is_told, "{member}: {result}");
    }
    let told_by = |status: &str| result["status"] == status && method == "tasks/get";
    assert_eq!(result.get("result").is_some(), told_by("completed"), "{result}");
    assert_eq!(result.get("error").is_some(), told_by("failed"), "{result}");
    assert_eq!(result.get("inputRequests").is_some(), told_by("input_required"), "{result}");
    assert!(result.get("requestState").is_none(), "{result}");
    if let Some(result) = result.get("result") {
        check(Revision::V2026_07_28, Def::CallTool, result);
        assert!(result["_meta"].get("io.modelcontextprotocol/related-task").is_none());
    }
}

/// Errors: schemas before 2025-11-25 want an id that there may be none of, so the newest is held
/// against those without one, and against the codes that it alone defines.
fn check_error(asked: &Asked, message: &Value) {
    check(Revision::V2026_07_28, Def::Error, message);
    if message.get("id").is_some() {
        assert!(!message["id"].is_null(), "an id that is not known is left out: {message}");
        check(asked.revision, Def::Error, message);
    }
    let specific = match message["error"]["code"].as_i64() {
        Some(-32020) => Some(Def::HeaderMismatch),
        Some(-32021) => Some(Def::MissingCapability),
        Some(-32022) => Some(Def::UnsupportedVersion),
        Some(-32002) if asked.method == "resources/read" && asked.revision.era() == Era::Legacy => {
            assert!(message["error"]["data"]["uri"].is_string(), "{message}");
            None
        }
        Some(-32099..=-32000) => panic!("a code that is not ours to use: {message}"),
        _ => None,
    };
    if let Some(def) = specific {
        check(Revision::V2026_07_28, def, message);
    }
    let text = message["error"]["message"].as_str().unwrap();
    assert!(!text.contains("src/") && !text.contains(".rs"), "{text}");
}
