//! Level 5: what a server offers that is not written in Rust, turned into entries of the registry.
//!
//! Each source is read whole before the server starts, on the thread that puts it together, where
//! blocking is fine. Faults are collected and told together, never a panic. Sources: `skills`.

pub mod skills;
