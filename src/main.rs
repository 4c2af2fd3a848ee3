//! The `ringlane` program: arguments in, exit code out. Without a configuration it serves a demo.

mod demo;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    demo::server().main()
}
