//! Command lines that end by themselves: help, completions, pages, and what is wrong.

use crate::child::{Running, Server, run, text};

#[track_caller]
fn says(words: &[&str], code: i32, parts: &[&str]) {
    let ran = run(words);
    assert_eq!(ran.status.code(), Some(code), "{words:?}: {}", text(&ran.stderr));
    let (spoken, silent) =
        if code == 0 { (&ran.stdout, &ran.stderr) } else { (&ran.stderr, &ran.stdout) };
    for part in parts {
        assert!(text(spoken).contains(part), "{words:?} lacks {part}:\n{}", text(spoken));
    }
    assert_eq!(text(silent), "", "{words:?}");
}

#[test]
fn wrong_command_lines_end_with_2_and_say_what_is_right() {
    let table: &[(&[&str], &[&str])] = &[
        (&["--workers", "0"], &["--workers: \"0\"", "leave it out for one per CPU"]),
        (&["--workers", "5000"], &["workers must be at most 1024"]),
        (&["--workers"], &["a value is required for '--workers <N>'"]),
        (&["--io", "kqueue"], &["--io: unknown driver `kqueue`: expected auto, io_uring or epoll"]),
        (&["--cpus", "0,x"], &["--cpus: `x`", "neither a number nor a range like `0-3`"]),
        (&["--cpus", "1023"], &["--cpus: core 1023 is not among those", "choose from "]),
        (&["check", "--cpus", "1023"], &["--cpus: core 1023 is not among those"]),
        (&["--listen", "8080"], &["write `127.0.0.1:8080` for this machine alone"]),
        (&["--listen", "example.org:80"], &["expected `127.0.0.1:8080`", "`unix:/path`"]),
        (&["--path", "mcp"], &["path \"mcp\" is not one: begin with /"]),
        (&["--path", "/healthz"], &["is taken by a probe: choose another"]),
        (&["--limit", "head_timeou=1s"], &["no limit \"head_timeou\": did you mean head_timeout?"]),
        (&["--limit", "zzz=1"], &["no limit \"zzz\": `check` lists them all"]),
        (&["--limit", "head_timeout"], &["is not NAME=VALUE, such as body_bytes_max=8MiB"]),
        (&["--limit", "head_timeout=5"], &["head_timeout: \"5\" is not a duration", "such as 10s"]),
        (&["--limit", "body_bytes_max=4MB"], &["is not a size", "KiB, MiB or GiB"]),
        (&["--limit", "json_depth_max=1"], &["json_depth_max must be at least 4"]),
        (&["--drain-timeout", "1m", "--limit", "drain_timeout=2s"], &["give one"]),
        (&["--allow-origin", "x"], &["--allow-origin: `x`", "write it like `https://app.example`"]),
        (
            &["--allow-host", "http://x"],
            &["--allow-host: `http://x`", "write it like `mcp.example`"],
        ),
        (&["--lisen", "x"], &["unexpected argument '--lisen'", "'--listen'"]),
        (&["--workers", "2", "check"], &["cannot be used with", "ringlane check --workers 2"]),
        (
            &["srve"],
            &["a similar subcommand exists: 'serve'", "The commands are serve, check, call"],
        ),
        (&["call"], &["<URL>", "<TOOL>", "Usage: ringlane call"]),
        (&["call", "localhost"], &["<TOOL>", "ringlane ls URL lists the tools"]),
        (&["read", "localhost"], &["<URI>", "ringlane ls URL lists the resources"]),
        (&["prompt", "localhost"], &["<NAME>", "ringlane ls URL lists the prompts"]),
        (&["prompt", "localhost", "greet", "a:=1"], &["a: arguments of prompts are texts"]),
        (&["read", "localhost", "a:b", "--json", "-o", "f"], &["cannot be used with"]),
        (&["call", "localhost", "add", "--answer", "a"], &["--answer: \"a\" is no argument"]),
        (&["call", "localhost", "add", "--root", "/no/such"], &["--root: /no/such: "]),
        (&["call", "localhost", "add", "a"], &["\"a\" is no argument: write KEY=VALUE"]),
        (&["call", "localhost", "add", "--args", "[]"], &["no JSON object: write {\"key\""]),
        (&["ls", "localhost", "--era", "bronze"], &["possible values: auto, modern, legacy"]),
        (&["ls", "localhost", "--timeout", "5"], &["--timeout: \"5\" is not a duration"]),
        (&["ls", "localhost", "--header", "x"], &["--header: a field is written \"Name: value\""]),
        (
            &["ls", "localhost:99999"],
            &["\"99999\" is not a port", "fix: give a port from 1 to 65535"],
        ),
        (&["ls", "ftp://h"], &["neither http nor unix", "fix: write http://HOST"]),
        (&["ls", "unix:"], &["names no socket", "fix: write unix:SOCKET[:/PATH]"]),
        (&["completions", "tcsh"], &["possible values: bash"]),
        (&["completions"], &["The shells are bash, elvish, fish, powershell, zsh."]),
        (&["man", "nothing"], &["there is no command \"nothing\": the commands are serve"]),
    ];
    for (words, parts) in table {
        says(words, 2, parts);
    }
    let ran = run(&["check", "--workers", "0", "--io", "x", "--limit", "json_depth_max=1"]);
    let faults = text(&ran.stderr).lines().filter(|line| line.starts_with("error: ")).count();
    assert_eq!((ran.status.code(), faults), (Some(2), 3), "{}", text(&ran.stderr));
}

#[test]
fn wrong_command_lines_of_bench_say_what_is_right() {
    let table: &[(&[&str], &[&str])] = &[
        (&["bench", "localhost", "--rate", "0"], &["--rate: \"0\" is no rate", "leave it out for"]),
        (&["bench", "localhost", "--connections", "0"], &["--connections: \"0\" is no count"]),
        (&["bench", "localhost", "--connections", "1000001"], &["give at most 1000000"]),
        (&["bench", "localhost", "--timeout", "0s"], &["--timeout: 0 leaves no time: write 10s"]),
        (&["bench", "localhost", "--duration", "10"], &["--duration: \"10\" is not a duration"]),
        (&["bench", "localhost", "--disconnect", "100"], &["write a share from 1 to 99"]),
        (&["bench", "localhost", "--server-pid", "x"], &["\"x\" is no number of a process"]),
        (&["bench", "localhost", "--compare", "/no/such"], &["--compare: cannot read /no/such: "]),
        (&["bench", "localhost", "--threshold", "x"], &["\"x\" is no share: write percent"]),
        (&["bench", "localhost", "--era", "modern", "--sessions"], &["give --era legacy"]),
        (&["bench", "localhost", "--churn", "--tool", "x"], &["--churn: calls no tool"]),
        (&["bench", "localhost", "--churn", "--stream"], &["cannot be used with"]),
        (&["bench", "localhost", "--hold", "calls", "--rate", "5"], &["--hold: asks once"]),
        (&["bench", "ftp://h"], &["neither http nor unix", "fix: write http://HOST"]),
        (&["bench", "ftp://h", "--fixed-id"], &["neither http nor unix", "fix: write http://HOST"]),
    ];
    for (words, parts) in table {
        says(words, 2, parts);
    }
}

#[test]
fn what_does_not_work_ends_with_1_and_names_the_place_and_the_fix() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("precious");
    std::fs::write(&file, "").expect("a file");
    let (taken, missing) = (format!("unix:{}", file.display()), folder.path().join("no/a.sock"));
    let missing = format!("unix:{}", missing.display());
    let server = Server::on_loopback(&[]);
    let port = server.authority().to_owned();
    let table: &[(&[&str], &[&str])] = &[
        (
            &["--listen", &port],
            &[&port, "address already in use; stop the other server or choose another --listen"],
        ),
        (&["--listen", &taken], &[&taken, "a file that is no socket is in the way; remove it"]),
        (&["--listen", &missing], &[&missing, "the directory does not exist; make it first"]),
        (
            &["call", &port, "greet"],
            &["(JSON-RPC error -32021)", "fix: give --answer KEY=VALUE, or call from a terminal"],
        ),
        (&["bench", &port, "--tool", "ehco"], &["no tool ehco", "fix: did you mean echo?"]),
        (&["bench", &port, "--tool", "add", "a=2"], &["`b` is required"]),
        (&["bench", &port, "--server-pid", "2147483647"], &["process 2147483647: cannot read"]),
        (
            &["bench", &format!("{port}/healthz")],
            &["this is no MCP endpoint", "fix: check the path"],
        ),
        (&["ls", &missing], &[&missing, "cannot connect to the socket", "fix: check the path"]),
    ];
    for (words, parts) in table {
        says(words, 1, parts);
    }
    let ran = run(&["call", &port, "greet", "--answer", "nam=Ada"]);
    assert_eq!(ran.status.code(), Some(1), "the question was not answered");
    assert_eq!(text(&ran.stdout), "Hello, whoever you are!\n", "the result is told all the same");
    assert!(text(&ran.stderr).ends_with("did you mean name?\n"), "{}", text(&ran.stderr));
    server.end_well();
    let refused = "cannot connect to";
    says(&["ls", &port], 1, &[&port, refused, "fix: check the address and port, and that"]);
    for fixed in [&["bench", &port][..], &["bench", &port, "--fixed-id"]] {
        says(fixed, 1, &[&port, refused, "fix: check the address and port, and that"]);
    }
}

#[test]
fn help_tells_flags_defaults_and_examples() {
    let table: &[(&[&str], &[&str])] = &[
        (&["--version"], &[concat!("ringlane ", env!("CARGO_PKG_VERSION"), "\n")]),
        (
            &["--help"],
            &[
                "Usage: ringlane [OPTIONS]\n       ringlane <COMMAND>",
                "\nWhere to listen:\n      --listen <ADDR>",
                "`ringlane serve --help` lists them",
                "\nExamples:\n  ringlane\n",
            ],
        ),
        (&["-h"], &["\nWorkers:\n", "[default: 127.0.0.1:8080]"]),
        (&["serve", "--help"], &["call_timeout                      5m  time for a tool call;"]),
        (&["help", "call"], &["Usage: ringlane call [OPTIONS] <URL> <TOOL> [ARGUMENT]..."]),
        (&["call", "-h"], &["KEY:=JSON", "[default: 5m]", "ringlane call localhost:8080 add a=2"]),
        (&["ls", "-h"], &["unix:SOCKET[:/PATH]", "[possible values: auto, modern,"]),
        (&["read", "-h"], &["-o, --output <FILE>", "Questions of the server:\n", "--root <PATH>"]),
        (&["help", "prompt"], &["Usage: ringlane prompt [OPTIONS] <URL> <NAME> [ARGUMENT]..."]),
        (
            &["help", "listen"],
            &["Usage: ringlane listen [OPTIONS] <URL>", "Ctrl-C ends the session"],
        ),
        (&["man", "listen"], &["ringlane\\-listen"]),
        (&["man"], &[".TH ringlane 1"]),
        (&["man", "call"], &["ringlane\\-call"]),
        (&["completions", "bash"], &["_ringlane()"]),
        (&["completions", "zsh"], &["#compdef ringlane"]),
        (&["completions", "fish"], &["complete -c ringlane"]),
        (
            &["check"],
            &["\nlimit head_timeout", "\nbuffers max ", "\ntools           4\nresources       1\n"],
        ),
        (&["check", "--limit", "head_timeout=7s"], &["  7s  time for a whole request head"]),
    ];
    for (words, parts) in table {
        says(words, 0, parts);
    }
    let short = run(&["--help"]);
    assert!(!text(&short.stdout).contains("json_depth_max"), "the program's help names limits");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let process = Running::start(&["serve", "--help"]);
    let (code, errors) = process.end_unread();
    assert_eq!((code, errors.as_str()), (Some(0), ""));
}
