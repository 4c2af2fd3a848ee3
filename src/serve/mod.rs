//! Level 5: connections. Reading order: `transport` (what a connection stands on).

pub mod transport;
