//! The examples at the end of every help: what to type, and what it does.

/// What to type, and what it does.
pub(super) type Example = (&'static str, &'static str);

pub(super) const MAIN: &[Example] = &[
    ("", "serve on http://127.0.0.1:8080/mcp"),
    ("--listen 0.0.0.0:8080 --allow-host mcp.example.com", "serve to others, under that name"),
    ("ls localhost:8080", "what does a server offer?"),
    ("call localhost:8080 add a=2 b=3", "call its tool add"),
];
pub(super) const SERVE: &[Example] = &[
    ("serve", "on http://127.0.0.1:8080/mcp"),
    ("serve --listen unix:/run/mcp.sock", "behind a proxy on the same machine"),
    ("serve --listen 0.0.0.0:8080 --allow-host mcp.example.com", "under a public name"),
    ("serve --help", "with --help in place of -h: every limit and its default"),
];
pub(super) const CHECK: &[Example] = &[
    ("check", "every setting and limit"),
    ("check --workers 4 --cpus 0-3", "would serve take these flags?"),
    ("check --host --profile many-idle", "is the machine set for many idle connections?"),
];
pub(super) const CALL: &[Example] = &[
    ("call localhost:8080 add a=2 b=3", "numbers, since the tool wants numbers"),
    ("call localhost:8080 echo text=2", "text, since the tool wants text"),
    ("call localhost:8080 sort 'list:=[3,1,2]'", "JSON"),
    ("call localhost:8080 review code=@main.rs", "a value from a file"),
    ("call localhost:8080 add --args '{\"a\":2,\"b\":3}'", "all arguments at once"),
    ("call localhost:8080 add - < arguments.json", "all arguments from stdin"),
    ("call localhost:8080 book seats=2 --answer name=Ada", "what it will ask for, told before"),
];
pub(super) const LS: &[Example] = &[
    ("ls localhost:8080", "http://localhost:8080/mcp"),
    ("ls mcp.example.com/v1 --header 'Authorization: Bearer TOKEN'", "with a token"),
    ("ls unix:/run/mcp.sock", "a server behind a socket of this machine"),
    ("ls localhost:8080 --json", "for scripts"),
];
pub(super) const READ: &[Example] = &[
    ("read localhost:8080 note:///today", "its text"),
    ("read localhost:8080 chart:///sales --output sales.png", "its bytes, into a file"),
    ("read localhost:8080 chart:///sales | file -", "its bytes, into a pipe"),
];
pub(super) const PROMPT: &[Example] = &[
    ("prompt localhost:8080 greet name=Ada", "its messages, each under its role"),
    ("prompt localhost:8080 review code=@main.rs --json", "a text from a file; for scripts"),
];
pub(super) const LISTEN: &[Example] = &[
    ("listen localhost:8080", "lists that change, log messages"),
    ("listen localhost:8080 --resource note:///today", "updates of a resource as well"),
    ("listen localhost:8080 --json | jq .method", "for scripts"),
];
pub(super) const BENCH: &[Example] = &[
    ("bench localhost:8080", "the tool echo on 64 connections for 10 s, as fast as it answers"),
    ("bench localhost:8080 --server-pid $(pidof PROGRAM)", "and what that costs the server"),
    ("bench localhost:8080 --rate 5000 --tool add a=2 b=3", "another tool, 5000 times a second"),
    ("bench localhost:8080 --stream --tool countdown from=1", "event streams"),
    ("bench localhost:8080 --hold connections --connections 1000", "what is idle, held"),
    ("bench localhost:8080 --json > before.json", "for scripts, and to compare with"),
    ("bench localhost:8080 --compare before.json", "did it become slower?"),
];
pub(super) const COMPLETIONS: &[Example] = &[
    // bash-completion looks for a file of the program's name.
    ("completions bash > /usr/share/bash-completion/completions/PROGRAM", "for every user of bash"),
    ("completions fish | source", "for this session of fish"),
];
pub(super) const MAN: &[Example] =
    &[("man | man -l -", "read the page"), ("man call | man -l -", "read the page of call")];

/// Stands for the program's name within an example.
const PROGRAM: &str = "PROGRAM";

/// The examples as they stand at the end of a help.
pub(super) fn told(program: &str, examples: &[Example]) -> String {
    let mut text = "Examples:".to_owned();
    for (arguments, about) in examples {
        let line = format!("{program} {}", arguments.replace(PROGRAM, program));
        text.push_str(&format!("\n  {}\n      {about}", line.trim_end()));
    }
    text
}
