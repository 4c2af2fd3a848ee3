//! The rules of this project that a compiler does not hold: who imports whom, how long files and
//! lines are, what every file begins with, and that the documents name what the code has.
//!
//! Each rule is a test, and tells every place that breaks it. CONTRIBUTING.md says why each is
//! there. `BLESS=1 cargo tidy` writes anew what is generated: the table in docs/limits.md.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a tree that cannot be read is a fault"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use ringlane::Settings;
use ringlane::config::limits::TABLE;

const FILE_LINES_MAX: usize = 600;
const LINE_COLUMNS_MAX: usize = 100;
const HEADER_LINES_MAX: usize = 25;

/// The floors of `src/`. A folder imports only from floors below its own; those of the top floor
/// import each other.
const LEVELS: &[(&str, u8)] = &[
    ("base", 0),
    ("host", 1),
    ("http", 1),
    ("jsonrpc", 1),
    ("mcp", 2),
    ("client", 3),
    ("session", 3),
    ("handler", 4),
    ("load", 4),
    ("catalog", 5), // Fills the registry, which is all that `controller` sees of it.
    ("controller", 5),
    ("serve", 6),
    ("rt", 7),
    ("testing", 7), // A server in memory stands where the real one does, on the same floors.
    ("cli", TOP),
    ("config", TOP),
    ("demo", TOP),
    ("fuzzing", TOP),
    ("lib", TOP),
    ("main", TOP),
    ("server", TOP),
];
const TOP: u8 = 8;

/// Crates that are the machine. Only `rt/` names them.
const MACHINE: &[&str] = &[
    "monoio",
    "io_uring",
    "rustix",
    "core_affinity",
    "signal_hook",
    "libc",
    "listenfd",
    "command_fds",
    "sd_notify",
];

/// Who else names one of them, and why.
const MACHINE_ELSEWHERE: &[(&str, &str, &str)] = &[
    (
        "src/client/pipe.rs",
        "rustix",
        "the client blocks and runs on no worker; std cannot peek into both kinds of socket",
    ),
    ("src/load/machine.rs", "rustix", "load runs on no worker: its threads, clock and CPU time"),
    ("src/load/server.rs", "rustix", "load runs on no worker: the clock tick of /proc"),
    ("src/load/socket.rs", "rustix", "load runs on no worker: epoll costs what io_uring would"),
];

/// Tests that wait for time to pass, which tests may not: where, and why there.
const WAITS: &[(&str, &str)] = &[("src/rt/driver.rs", "the runtime's timer is what is tested")];

/// The structs whose public numbers are limits, and where they stand.
const LIMIT_STRUCTS: &[(&str, &str)] = &[
    ("src/http/h1/head/mod.rs", "HeadLimits"),
    ("src/http/h1/body/mod.rs", "BodyLimits"),
    ("src/jsonrpc/decode/mod.rs", "JsonLimits"),
    ("src/handler/ask/mod.rs", "AskLimits"),
    ("src/serve/limits.rs", "ServeLimits"),
    ("src/session/limits.rs", "SessionLimits"),
    ("src/rt/settings.rs", "RtSettings"),
    ("src/controller/catalogue.rs", "ListSettings"),
    ("src/session/limits.rs", "TaskLimits"),
];

/// A text file, its path from the root of the repository.
struct File {
    path: String,
    text: String,
}

#[test]
fn imports_point_down() {
    let mut faults = Vec::new();
    for file in rust_files(&["src"]) {
        let from = floor_of(&file.path);
        let Some(level) = level(from) else {
            faults.push(format!("{}: give {from} a floor in LEVELS", file.path));
            continue;
        };
        let tests_from = test_lines(&file).next().map_or(usize::MAX, |(number, _)| number);
        for (number, line) in code_lines(&file.text) {
            let at = format!("{}:{number}", file.path);
            if line.contains("crate::{") || line.contains("super::super::") {
                faults.push(format!("{at}: begin each import at `crate::`, one to a line"));
            }
            for to in names_after(line, "crate::") {
                match self::level(to) {
                    // What is exported at the root belongs to the floor it is made on.
                    None => faults.push(format!("{at}: import {to} from where it is made")),
                    Some(_) if to == from => {}
                    Some(TOP) if level == TOP => {}
                    Some(below) if below < level => {}
                    // Any floor may be tested on a network and a clock in memory.
                    Some(_) if to == "testing" && number > tests_from => {}
                    Some(_) => faults.push(format!("{at}: {from} may not import {to}")),
                }
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_machine_is_named_in_rt_alone() {
    let mut faults = Vec::new();
    for file in rust_files(&["src"]).iter().filter(|file| floor_of(&file.path) != "rt") {
        for (number, line) in code_lines(&file.text) {
            for name in MACHINE.iter().filter(|name| line.contains(&format!("{name}::"))) {
                let mut known = MACHINE_ELSEWHERE.iter();
                if known.any(|(path, known, _)| file.path == *path && known == name) {
                    continue;
                }
                faults.push(format!("{}:{number}: only src/rt may name {name}", file.path));
            }
            let mut words = ["unsafe {", "unsafe fn", "unsafe impl"].iter();
            if words.any(|word| line.contains(word)) && file.path != "src/base/buf.rs" {
                faults.push(format!("{}:{number}: unsafe code belongs into src/rt", file.path));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn files_and_lines_are_short() {
    let mut faults = Vec::new();
    for file in all_rust_files() {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            faults.push(format!("{}: {lines} lines, over {FILE_LINES_MAX}", file.path));
        }
        for (number, line) in (1..).zip(file.text.lines()) {
            let columns = line.chars().count();
            if columns > LINE_COLUMNS_MAX {
                faults.push(format!("{}:{number}: {columns} columns", file.path));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let mut faults = Vec::new();
    // The header of lib.rs is the front page of the documentation, as long as that wants to be.
    for file in rust_files(&["src", "tests", "examples", "benches"]) {
        if file.path == "src/lib.rs" || file.text.trim().is_empty() {
            continue;
        }
        let header = file.text.lines().take_while(|line| line.starts_with("//!")).count();
        if !(1..=HEADER_LINES_MAX).contains(&header) {
            let rule = format!("begin with 1 to {HEADER_LINES_MAX} lines of //!");
            faults.push(format!("{}: {header} lines of header; {rule}", file.path));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_file_is_a_module_of_the_one_above() {
    let mut faults = Vec::new();
    for file in rust_files(&["src"]) {
        let path = Path::new(&file.path);
        let (folder, name) = (path.parent().unwrap(), path.file_stem().unwrap().to_str().unwrap());
        let (folder, name) = match name {
            "lib" | "main" => continue,
            "mod" => (folder.parent().unwrap(), folder.file_name().unwrap().to_str().unwrap()),
            _ => (folder, name),
        };
        let parents =
            ["mod.rs", "lib.rs", "main.rs"].map(|parent| root().join(folder).join(parent));
        let declares = |parent: &PathBuf| {
            let text = fs::read_to_string(parent).unwrap_or_default();
            text.lines().any(|line| module_name(line) == Some(name))
        };
        if !parents.iter().any(declares) {
            faults.push(format!("{}: no `mod {name};` above it, so it is dead", file.path));
        }
    }
    assert_none(&faults);
}

#[test]
fn features_switch_whole_modules() {
    let mut faults = Vec::new();
    for file in all_rust_files() {
        let lines: Vec<_> = file.text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let switch = line.contains("cfg") && line.contains(concat!("feature", " ="));
            let of = lines[index + 1..].iter().find(|line| !line.starts_with("#["));
            if switch && of.is_none_or(|line| module_name(line).is_none()) {
                let rule = "a feature switches whole modules: put it on a `mod` line";
                faults.push(format!("{}:{}: {rule}", file.path, index + 1));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn tests_run_always_and_wait_for_events_alone() {
    let ignore = concat!("#[", "ignore");
    let waits = [concat!("thread::", "sleep("), concat!("time::", "sleep(")];
    let mut faults = Vec::new();
    for file in all_rust_files() {
        let may_wait = WAITS.iter().any(|(path, _)| *path == file.path);
        for (number, line) in test_lines(&file) {
            let mut fault = |rule: &str| faults.push(format!("{}:{number}: {rule}", file.path));
            if line.contains(ignore) {
                fault("a test that is not run is no test");
            }
            if !may_wait && waits.iter().any(|wait| line.contains(wait)) {
                fault("wait for what is to happen, not for time to pass");
            }
            // Names of hosts that are only read, as those in a `Host`, may have any port.
            let words = ["bind(", "connect(", ".listen = ", "--listen\", \"1", "--listen\", \"l"];
            let opens = words.iter().any(|word| line.contains(word));
            if opens && has_fixed_port(line) {
                fault("take port 0 and ask which one it became");
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn no_work_is_left_in_a_comment() {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut files = all_rust_files();
    files.extend(files_under("docs", "md"));
    files.extend(files_under(".ci", ""));
    let read = |name: &str| {
        let text = fs::read_to_string(root().join(name)).unwrap();
        File { path: name.to_owned(), text }
    };
    files.extend(["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(read));
    let mut faults = Vec::new();
    for file in files {
        for (number, line) in (1..).zip(file.text.lines()) {
            if marks.iter().any(|mark| line.contains(mark)) {
                faults.push(format!("{}:{number}: do it, or write it down as an issue", file.path));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn every_limit_is_in_the_reference() {
    let path = root().join("docs/limits.md");
    let written = fs::read_to_string(&path).unwrap();
    let (before, rest) = written.split_once("<!-- limits -->\n").expect("a begin of the table");
    let (_, after) = rest.split_once("<!-- end -->\n").expect("an end of the table");
    let wanted = format!("{before}<!-- limits -->\n{}<!-- end -->\n{after}", limits_table());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &wanted).unwrap();
    } else {
        assert!(written == wanted, "docs/limits.md is out of date: BLESS=1 cargo tidy");
    }
    let mut faults = Vec::new();
    for (path, name) in LIMIT_STRUCTS {
        let fields = numbers_of(path, name);
        assert!(!fields.is_empty(), "{path} has no {name} with numbers");
        for field in fields.iter().filter(|field| !wanted.contains(&format!("`{field}`"))) {
            faults.push(format!("{path}: {name}::{field} is not in docs/limits.md"));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let mut table = "";
    let mut faults = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            table = line;
        } else if table.ends_with("dependencies]")
            && let Some((name, _)) = line.split_once(" = ")
            && !architecture.contains(&format!("| `{name}` |"))
        {
            faults.push(format!("{name} is not in the table of dependencies of ARCHITECTURE.md"));
        }
    }
    assert_none(&faults);
}

fn limits_table() -> String {
    let settings = Settings::default();
    let mut table = "| limit | default | bounds, and what happens past it |\n".to_owned();
    table.push_str("| --- | --- | --- |\n");
    for row in TABLE {
        let _ = writeln!(table, "| `{}` | {} | {} |", row.name, row.get(&settings), row.about);
    }
    table
}

/// The public fields of a struct that are numbers, moments or durations.
fn numbers_of(path: &str, name: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(path)).unwrap();
    let body = text.split_once(&format!("pub struct {name} {{")).expect(name).1;
    let fields = body.lines().take_while(|line| *line != "}").filter_map(|line| {
        let (field, kind) = line.trim().strip_prefix("pub ")?.split_once(": ")?;
        let kind = kind.trim_end_matches(',');
        let number = ["usize", "u64", "u32", "u16", "Duration"].contains(&kind);
        number.then(|| field.to_owned())
    });
    fields.collect()
}

/// The floor that a file stands on: its folder in `src/`, or its own name at the root of it.
fn floor_of(path: &str) -> &str {
    let inside = path.trim_start_matches("src/");
    inside.split_once('/').map_or(inside.trim_end_matches(".rs"), |(folder, _)| folder)
}

fn level(name: &str) -> Option<u8> {
    LEVELS.iter().find(|(floor, _)| *floor == name).map(|(_, level)| *level)
}

/// The names that stand behind `word` in a line.
fn names_after<'l>(line: &'l str, word: &str) -> Vec<&'l str> {
    let whole = |at: &usize| !line[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let starts = line.match_indices(word).map(|(at, _)| at).filter(whole);
    let name = |at: usize| {
        let rest = &line[at + word.len()..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    };
    starts.map(name).filter(|name| !name.is_empty()).collect()
}

/// The module that a line declares.
fn module_name(line: &str) -> Option<&str> {
    let (before, name) = line.trim().strip_suffix(';')?.rsplit_once("mod ")?;
    let declares = before.is_empty() || (before.starts_with("pub") && before.ends_with(' '));
    declares.then_some(name)
}

fn has_fixed_port(line: &str) -> bool {
    let hosts = ["127.0.0.1:", "localhost:", "[::1]:", "0.0.0.0:"];
    hosts.iter().any(|host| {
        line.match_indices(host).any(|(at, _)| {
            line[at + host.len()..].starts_with(|c: char| c.is_ascii_digit() && c != '0')
        })
    })
}

/// The lines that are no comments, with their numbers.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The code that only tests run: whole files, or what follows the first `cfg(test)` of one.
fn test_lines(file: &File) -> impl Iterator<Item = (usize, &str)> {
    let whole = file.path.starts_with("tests/") || file.path.ends_with("/tests.rs");
    code_lines(&file.text).skip_while(move |(_, line)| !whole && !line.contains("#[cfg(test)]"))
}

fn all_rust_files() -> Vec<File> {
    rust_files(&["src", "tests", "examples", "benches", "fuzz/fuzz_targets"])
}

fn rust_files(folders: &[&str]) -> Vec<File> {
    folders.iter().flat_map(|folder| files_under(folder, "rs")).collect()
}

/// The files below a folder whose names end so, in order; none where there is no such folder. What
/// is built or installed there is not ours.
fn files_under(folder: &str, extension: &str) -> Vec<File> {
    let mut files = Vec::new();
    let Ok(entries) = fs::read_dir(root().join(folder)) else { return files };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap()).collect();
    names.sort_by_key(fs::DirEntry::file_name);
    for entry in names {
        let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() && entry.file_name() != "cache" && entry.file_name() != "target" {
            files.extend(files_under(&path, extension));
        } else if kind.is_file() && Path::new(&path).extension().unwrap_or_default() == extension {
            files.push(File { text: fs::read_to_string(entry.path()).unwrap(), path });
        }
    }
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} broken:\n{}\n", faults.len(), faults.join("\n"));
}
