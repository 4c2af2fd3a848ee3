//! Which cores the workers run on: `CpuList` as written, `plan` against what the system allows.
//!
//! In: `--cpus 0-3,8` and a number of workers. Out: a core for each worker.
//! Default: a worker for each allowed core, but no more than the quota of the control group. Under
//! such a quota nobody is pinned unless cores are named: all containers of a machine would crowd
//! onto its first cores. More workers than cores share them in turn.

use std::fmt;
use std::str::FromStr;

use core_affinity::CoreId;

use crate::base::fault::Fault;

/// The highest core number that Linux's affinity call takes here, exclusive.
const CPU_MAX: usize = 1024;

/// A list of cores, as in `0-3,8`. In the order written, without repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuList(Vec<usize>);

/// A part of a list of cores that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{part}` in the list of cores {rule}")]
pub struct CpuListError {
    /// The part between two commas.
    pub part: String,
    /// What it breaks.
    pub rule: &'static str,
}

/// No plan for the workers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AffinityError {
    /// A core that this process may not run on, or that does not exist.
    #[error("core {cpu} is not among those that this process may run on: choose from {allowed}")]
    NotAllowed {
        /// The core that was asked for.
        cpu: usize,
        /// Those that may be asked for.
        allowed: CpuList,
    },
}

impl CpuListError {
    /// Whose fault it is: the configuration's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

impl AffinityError {
    /// Whose fault it is: the configuration's.
    #[must_use]
    pub fn fault(&self) -> Fault {
        Fault::Local
    }
}

impl CpuList {
    /// The cores.
    #[must_use]
    pub fn cpus(&self) -> &[usize] {
        &self.0
    }
}

impl FromStr for CpuList {
    type Err = CpuListError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut cpus = Vec::new();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (parse_cpu(part, first)?, parse_cpu(part, last)?);
            if first > last {
                return Err(broken(part, "is a range that ends before it begins"));
            }
            for cpu in first..=last {
                if cpus.contains(&cpu) {
                    return Err(broken(part, "names a core for the second time"));
                }
                cpus.push(cpu);
            }
        }
        Ok(Self(cpus))
    }
}

fn parse_cpu(part: &str, number: &str) -> Result<usize, CpuListError> {
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let cpu = if digits { number.parse().ok() } else { None };
    match cpu {
        None if !digits => Err(broken(part, "is neither a number nor a range like `0-3`")),
        Some(cpu) if cpu < CPU_MAX => Ok(cpu),
        _ => Err(broken(part, "is beyond core 1023")),
    }
}

fn broken(part: &str, rule: &'static str) -> CpuListError {
    CpuListError { part: part.to_owned(), rule }
}

impl fmt::Display for CpuList {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, cpu) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}{cpu}")?;
        }
        Ok(())
    }
}

/// The cores that this thread may run on; empty when the system does not say.
pub(super) fn allowed_cpus() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().iter().map(|core| core.id).collect()
}

/// How many cores' worth of time the control group grants.
pub(super) fn granted_count() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A core for each worker, or `None` for one that is not to be pinned.
pub(super) fn plan(
    workers: Option<usize>,
    wanted: Option<&CpuList>,
    allowed: &[usize],
    granted_count: usize,
) -> Result<Vec<Option<usize>>, AffinityError> {
    let Some(wanted) = wanted else {
        let pinned = granted_count >= allowed.len();
        let known = pinned && !allowed.is_empty();
        let default = if known { allowed.len() } else { granted_count };
        return Ok(deal(workers.unwrap_or(default), if pinned { allowed } else { &[] }));
    };
    match wanted.cpus().iter().find(|cpu| !allowed.contains(cpu)) {
        Some(&cpu) => Err(AffinityError::NotAllowed { cpu, allowed: CpuList(allowed.to_owned()) }),
        None => Ok(deal(workers.unwrap_or(wanted.0.len()), wanted.cpus())),
    }
}

/// Deals the cores to the workers, in turn; without cores, `None` to each.
fn deal(workers: usize, cpus: &[usize]) -> Vec<Option<usize>> {
    let mut cores = cpus.iter().copied().cycle();
    (0..workers).map(|_| cores.next()).collect()
}

/// Checks that this process may run on the wanted cores.
///
/// # Errors
/// The first core that it may not run on.
pub fn check(wanted: Option<&CpuList>) -> Result<(), AffinityError> {
    plan(None, wanted, &allowed_cpus(), granted_count()).map(drop)
}

/// Pins the current thread. Whether the system agreed.
pub(super) fn pin(cpu: usize) -> bool {
    core_affinity::set_for_current(CoreId { id: cpu })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_parsed_and_their_defects_named() {
        let list: CpuList = "0-3,8".parse().unwrap();
        assert_eq!(list.cpus(), [0, 1, 2, 3, 8]);
        assert_eq!(list.to_string(), "0,1,2,3,8");
        for (text, part, rule) in [
            ("", "", "is neither a number nor a range like `0-3`"),
            ("1,x", "x", "is neither a number nor a range like `0-3`"),
            ("1-", "1-", "is neither a number nor a range like `0-3`"),
            ("+1", "+1", "is neither a number nor a range like `0-3`"),
            ("3-1", "3-1", "is a range that ends before it begins"),
            ("0-2,1", "1", "names a core for the second time"),
            ("1024", "1024", "is beyond core 1023"),
            ("99999999999999999999", "99999999999999999999", "is beyond core 1023"),
        ] {
            let expected = CpuListError { part: part.to_owned(), rule };
            assert_eq!(text.parse::<CpuList>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn workers_are_dealt_to_the_cores() {
        let list: CpuList = "2,0".parse().unwrap();
        assert_eq!(plan(None, None, &[0, 1, 2], 8), Ok(vec![Some(0), Some(1), Some(2)]));
        assert_eq!(plan(Some(4), None, &[1, 2], 2), Ok(vec![Some(1), Some(2), Some(1), Some(2)]));
        assert_eq!(plan(None, None, &[0, 1, 2], 2), Ok(vec![None, None]));
        assert_eq!(plan(Some(1), None, &[0, 1, 2], 2), Ok(vec![None]));
        assert_eq!(plan(Some(3), Some(&list), &[0, 2], 1), Ok(vec![Some(2), Some(0), Some(2)]));
        assert_eq!(plan(None, None, &[], 2), Ok(vec![None, None]));
        let error = plan(None, Some(&list), &[0, 1], 2).unwrap_err();
        let allowed: CpuList = "0,1".parse().unwrap();
        assert_eq!(error, AffinityError::NotAllowed { cpu: 2, allowed });
    }
}
