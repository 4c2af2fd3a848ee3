//! The sequence of README.md that asks, run as it stands there, but for the address.

use crate::child::{Server, run, text};

/// The blocks of a section, in the language of their fence.
fn blocks(section: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let parts = section.split(&fence).skip(1);
    parts.filter_map(|part| Some(part.split_once("```")?.0.to_owned())).collect()
}

#[test]
fn the_tool_that_asks_is_called_from_both_eras() {
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("## A tool that asks\n").expect("the section");
    let section = rest.split("\n## ").next().expect("its end");
    let (commands, expected) = (blocks(section, "sh"), blocks(section, "text"));
    assert_eq!((commands.len(), expected.len()), (1, 1));
    assert!(commands[0].contains("--era legacy"), "{}", commands[0]);

    let server = Server::on_loopback(&[]);
    let mut printed = String::new();
    for command in commands[0].lines() {
        let command = command.replace("http://127.0.0.1:8080/mcp", server.url());
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(words[0], "ringlane");
        let output = run(&words[1..]);
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
        printed.push_str(text(&output.stdout));
    }
    assert_eq!(printed, expected[0]);
}
