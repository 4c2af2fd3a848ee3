//! Level 2: the words and rules of the Model Context Protocol, without behaviour.
//!
//! Reading order: `revision` (THE table: what differs between the revisions), `method` (what can be
//! asked), `meta` (what a request says of itself), `era` (which revision governs a request),
//! `mirror` (fields that repeat the body), `capability` (what a client can do), `error` (codes and
//! statuses), `page` (cursors), `uri` (addresses and templates of them), `model` (the nouns that
//! travel).

pub mod capability;
pub mod era;
pub mod error;
pub mod meta;
pub mod method;
pub mod mirror;
pub mod model;
pub mod page;
pub mod revision;
pub mod uri;
