//! Level 1: whether the machine is set as a profile wants it.
//!
//! Reading order: `tuning` (what is wanted, from tuning/settings), `machine` (what is there),
//! `rule` (what a wish means), `finding` (what came of it). In: a root folder, the name of a
//! profile. Out: findings, in the order of the file.
//! Invariant: nothing is written. What cannot be read is a finding, and so is what is not there.

pub mod finding;
pub mod machine;
pub mod rule;
pub mod tuning;

use crate::host::finding::Finding;
use crate::host::machine::Machine;
use crate::host::tuning::Tuning;

/// Holds the machine against a profile.
#[must_use]
pub fn examine<'t>(tuning: &'t Tuning, profile: &str, machine: &Machine) -> Vec<Finding<'t>> {
    let wished =
        tuning.settings.iter().filter_map(|setting| Some((setting, setting.wish(profile)?)));
    wished.map(|(setting, wish)| rule::judge(setting, wish, machine)).collect()
}
