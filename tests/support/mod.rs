//! What the tests over real sockets share: servers with a tool (`house`), or with a resource and a
//! prompt (`library`), of every kind, requests in every revision (`ask`), a client that reads
//! answers strictly (`client`), and the official schemas, against which that client holds every
//! message it reads (`schema`). With the simulation: a reader of answers as far as they came
//! (`answers`), and what a stream of a session must say (`script`).

pub mod answers;
pub mod ask;
pub mod client;
pub mod gate;
pub mod house;
pub mod library;
pub mod schema;
pub mod script;
