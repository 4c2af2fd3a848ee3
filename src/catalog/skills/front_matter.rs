//! The front matter of a `SKILL.md`: YAML between two lines `---`, as a JSON object.
//!
//! In: the file's bytes and the skill's name. Out: the members, as YAML 1.2 means them: `yes` is a
//! text and `<<` a name like another. Spec: Agent Skills, front matter; YAML 1.2.2 §10.3 (core
//! schema). Limits: [`FRONT_MATTER_BYTES_MAX`], [`DEPTH_MAX`], no alias, no tag of one's own.
//! Invariant: what comes out is no larger than what came in.

use serde_json::{Map, Value};
use serde_saphyr::{DuplicateKeyPolicy, Error, MergeKeyPolicy, NonFiniteFloatPolicy, Options};

/// How long a front matter may be.
pub const FRONT_MATTER_BYTES_MAX: usize = 64 * 1024;
/// How deep its collections may be nested.
pub const DEPTH_MAX: usize = 16;
/// Names of metadata that are the protocol's.
const RESERVED: &str = "io.modelcontextprotocol/";

/// What is wrong with a front matter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrontMatterError {
    /// The file is no text.
    #[error("must be UTF-8")]
    NoText,
    /// It does not begin.
    #[error("must begin with a line `---`, and YAML with `name` and `description` after it")]
    NoBegin,
    /// It does not end.
    #[error(
        "must end its front matter with a line `---`, after {FRONT_MATTER_BYTES_MAX} bytes at most"
    )]
    NoEnd,
    /// It is no YAML that is taken.
    #[error("has a front matter that is not plain YAML 1.2: {reason}")]
    Yaml {
        /// What is wrong, and where.
        reason: String,
    },
    /// A member that must be there is not.
    #[error("must say `{member}` in its front matter, a text that is not empty")]
    Member {
        /// Its name.
        member: &'static str,
    },
    /// The name is not the folder's.
    #[error("must have the `name` of its folder, `{folder}`; change one of them")]
    Name {
        /// The folder's name.
        folder: String,
    },
    /// A name that is the protocol's.
    #[error("may not have {name:?} in `metadata`: what begins with `{RESERVED}` is the protocol's")]
    Reserved {
        /// The name.
        name: String,
    },
}

/// Reads the front matter of the skill `name` from its `SKILL.md`.
///
/// # Errors
/// The rule that it breaks.
pub fn parse(file: &[u8], name: &str) -> Result<Map<String, Value>, FrontMatterError> {
    let text = std::str::from_utf8(file).map_err(|_| FrontMatterError::NoText)?;
    let members = read(cut(text)?)?;
    let member = |member: &'static str| {
        let text = members.get(member).and_then(Value::as_str);
        text.filter(|text| !text.is_empty()).ok_or(FrontMatterError::Member { member })
    };
    if member("name")? != name {
        return Err(FrontMatterError::Name { folder: name.to_owned() });
    }
    member("description")?;
    let metadata = members.get("metadata").and_then(Value::as_object);
    let mut names = metadata.into_iter().flat_map(Map::keys);
    match names.find(|name| name.starts_with(RESERVED)) {
        Some(name) => Err(FrontMatterError::Reserved { name: name.clone() }),
        None => Ok(members),
    }
}

/// The text up to the second line: YAML begins a document with such a line too, and so counts the
/// lines as the file does.
fn cut(file: &str) -> Result<&str, FrontMatterError> {
    let file = file.strip_prefix('\u{feff}').unwrap_or(file);
    let rest = file.strip_prefix("---\n").or_else(|| file.strip_prefix("---\r\n"));
    let rest = rest.ok_or(FrontMatterError::NoBegin)?;
    let mut end = 0;
    for line in rest.split_inclusive('\n') {
        if end > FRONT_MATTER_BYTES_MAX {
            break;
        }
        let ends = line.strip_prefix("---").is_some_and(|blank| {
            blank.trim_end_matches(['\r', '\n']).bytes().all(|byte| b" \t".contains(&byte))
        });
        if ends {
            return Ok(&file[..file.len() - rest.len() + end]);
        }
        end += line.len();
    }
    Err(FrontMatterError::NoEnd)
}

fn read(yaml: &str) -> Result<Map<String, Value>, FrontMatterError> {
    let refused = |reason: String| FrontMatterError::Yaml { reason };
    match serde_saphyr::from_str_with_options(yaml, options()) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(refused("it must be a mapping, `name: value` on each line".to_owned())),
        Err(error) => Err(refused(told(&error))),
    }
}

/// YAML 1.2 and no more: nothing is repeated by an alias, so nothing grows.
fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_MAX,
            flow_nesting_limit: DEPTH_MAX,
            max_documents: 1,
            max_aliases: 0,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::AsOrdinary,
        strict_booleans: true,
        underscored_numbers_as_strings: true,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        with_snippet: false,
    }
}

/// An error on one line.
fn told(error: &Error) -> String {
    let error = error.without_snippet();
    let text = error.render();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!(
        "{text}; without aliases, tags of its own and names said twice, {DEPTH_MAX} deep at most"
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn members(yaml: &str) -> Result<Value, FrontMatterError> {
        let file = format!("---\nname: a\ndescription: d\n{yaml}\n---\n# Body\n---\n");
        parse(file.as_bytes(), "a").map(Value::Object)
    }

    #[test]
    fn members_are_given_as_they_are_written() {
        for (yaml, member, expected) in [
            ("k: yes", "k", json!("yes")),
            ("k: true", "k", json!(true)),
            ("k: ~", "k", json!(null)),
            ("k: 1.0", "k", json!(1.0)),
            ("k: -12", "k", json!(-12)),
            ("k: 1_000", "k", json!("1_000")),
            ("k: 0755", "k", json!(755.0)),
            ("k: 2026-01-02", "k", json!("2026-01-02")),
            ("k: '1'", "k", json!("1")),
            ("k: >\n  a\n  b", "k", json!("a b\n")),
            ("k: [a, {b: c}]", "k", json!(["a", {"b": "c"}])),
            ("<<: {b: c}", "<<", json!({"b": "c"})),
            ("metadata:\n  com.example/k: v", "metadata", json!({"com.example/k": "v"})),
            ("k: \"---\" # no end", "k", json!("---")),
        ] {
            let members = members(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"));
            assert_eq!(members[member], expected, "{yaml}");
            assert_eq!(members.as_object().map(Map::len), Some(3), "{yaml}");
        }
    }

    #[test]
    fn every_line_end_and_a_byte_order_mark_are_taken() {
        for file in [
            "---\nname: a\ndescription: d\n---\nbody",
            "---\r\nname: a\r\ndescription: d\r\n---\r\nbody",
            "\u{feff}---\nname: a\ndescription: d\n--- \t\n",
            "---\nname: a\ndescription: d\n---",
        ] {
            let expected = json!({"name": "a", "description": "d"});
            assert_eq!(parse(file.as_bytes(), "a").map(Value::Object), Ok(expected), "{file:?}");
        }
    }

    #[test]
    fn what_does_not_begin_or_end_is_refused() {
        let parse = |file: &[u8]| parse(file, "a").expect_err("no front matter");
        for file in ["", "---", "----\n", " ---\n", "# Title\n", "name: a\n---\n", "--- \nname: a"]
        {
            assert_eq!(parse(file.as_bytes()), FrontMatterError::NoBegin, "{file:?}");
        }
        for file in ["---\n", "---\nname: a\ndescription: d\n", "---\nname: a\n ---\n", "---\n---x"]
        {
            assert_eq!(parse(file.as_bytes()), FrontMatterError::NoEnd, "{file:?}");
        }
        assert_eq!(parse(b"---\nname: \xff\n---\n"), FrontMatterError::NoText);
    }

    #[test]
    fn a_front_matter_is_as_long_as_it_may_be() {
        let of = |bytes: usize| {
            let start = "name: a\ndescription: ";
            let text = "d".repeat(bytes - start.len() - 1);
            parse(format!("---\n{start}{text}\n---\n").as_bytes(), "a").map(|_| ())
        };
        assert_eq!(of(FRONT_MATTER_BYTES_MAX), Ok(()));
        assert_eq!(of(FRONT_MATTER_BYTES_MAX + 1), Err(FrontMatterError::NoEnd));
    }

    #[test]
    fn collections_are_as_deep_as_they_may_be() {
        let deep = |depth: usize| format!("k: {}{}", "[".repeat(depth), "]".repeat(depth));
        // The mapping itself is the first.
        members(&deep(DEPTH_MAX - 1)).expect("not too deep");
        for depth in [DEPTH_MAX, 1000, 30_000] {
            assert!(matches!(members(&deep(depth)), Err(FrontMatterError::Yaml { .. })));
        }
    }

    #[test]
    fn hostile_yaml_is_refused() {
        for yaml in [
            "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]",
            "a: &a 1\nb: *a",
            "a: &a [*a]",
            "k: 1\nk: 2",
            "k: .inf",
            "k: 1e999",
            "k: !!python/object 1",
            "k: !local 1",
            "k: [",
            "k: \"",
            "\tk: 1",
            "k: 1\n...\nl: 2",
            "k: \0",
        ] {
            let error = members(yaml).expect_err(yaml);
            let FrontMatterError::Yaml { reason } = error else { panic!("{yaml}: {error}") };
            assert!(!reason.contains('\n'), "{reason}");
            // The first is `---`, and then there are name and description.
            assert!(
                ["line 3,", "line 4,", "line 5,", "line 6,"].iter().any(|at| reason.contains(at))
            );
        }
        for file in ["---\n- a\n---\n", "---\ntext\n---\n", "---\n---\n", "---\n# none\n---\n"] {
            let error = parse(file.as_bytes(), "a").expect_err("no mapping");
            assert!(matches!(error, FrontMatterError::Yaml { .. }), "{error}");
        }
    }

    #[test]
    fn name_and_description_are_wanted_and_names_of_the_protocol_are_not() {
        let parse = |yaml: &str| {
            let error = parse(format!("---\n{yaml}\n---\n").as_bytes(), "a");
            error.expect_err(yaml).to_string()
        };
        assert!(parse("description: d").starts_with("must say `name`"));
        assert!(parse("name: 1\ndescription: d").starts_with("must say `name`"));
        assert!(parse("name: a\ndescription: ''").starts_with("must say `description`"));
        assert!(parse("name: a\ndescription: ").starts_with("must say `description`"));
        assert_eq!(
            parse("name: b\ndescription: d"),
            "must have the `name` of its folder, `a`; change one of them"
        );
        let metadata = "name: a\ndescription: d\nmetadata: {io.modelcontextprotocol/x: 1}";
        assert!(parse(metadata).starts_with("may not have \"io.modelcontextprotocol/x\""));
    }
}
