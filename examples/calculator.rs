//! A whole MCP server in ten lines: `cargo run --release --example calculator`.

use ringlane::{Cx, Server};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Pair {
    a: f64,
    b: f64,
}

fn main() -> std::process::ExitCode {
    Server::new("calculator", "1.0.0")
        .tool("add", "Add two numbers", async |_: Cx, Pair { a, b }: Pair| Ok(a + b))
        .tool("multiply", "Multiply two numbers", async |_: Cx, Pair { a, b }: Pair| Ok(a * b))
        .main()
}
