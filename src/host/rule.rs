//! What a wish means: `Rule`, and `judge`, which holds it against the machine.
//!
//! In: a setting, what a profile wants of it, the machine. Out: a `Finding`, with each file that
//! says something else and what it should say. Masks are compared as numbers: the kernel writes
//! them in groups, with as many digits as it has CPUs.

use crate::host::finding::{Change, Finding, How};
use crate::host::machine::{Machine, Told, parse_list};
use crate::host::tuning::{Setting, kernel_version};

const OLDER_QUOTA: &str = "/sys/fs/cgroup/cpu/cpu.cfs_quota_us";

/// What a wish means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A number, or a larger one.
    AtLeast,
    /// This and nothing else.
    Exactly,
    /// The word in brackets. Of several wishes any will do, and the first is written.
    Chosen,
    /// A mask of all CPUs, where a device has fewer queues than there are.
    AllCpus,
    /// A mask of one CPU, the next one for each file.
    CpuInTurn,
    /// Interrupts, each on the next CPU.
    Spread,
    /// The hard limit of this name, or a larger one.
    LimitAtLeast(String),
    /// A word of the kernel's command line that begins so. A thought, no fault.
    Boot,
    /// No quota of CPU time, or one of whole CPUs.
    WholeCpus,
    /// A single node. A thought, no fault.
    OneNode,
}

impl Rule {
    /// Parses a rule as it is written.
    ///
    /// # Errors
    /// That there is none of this name.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        Ok(match text {
            "at-least" => Self::AtLeast,
            "exactly" => Self::Exactly,
            "chosen" => Self::Chosen,
            "all-cpus" => Self::AllCpus,
            "cpu-in-turn" => Self::CpuInTurn,
            "spread" => Self::Spread,
            "boot" => Self::Boot,
            "whole-cpus" => Self::WholeCpus,
            "one-node" => Self::OneNode,
            _ => match text.strip_prefix("limit-at-least ") {
                Some(row) => Self::LimitAtLeast(row.to_owned()),
                None => return Err(format!("there is no rule {text}")),
            },
        })
    }

    /// Whether a file can be written to get there.
    #[must_use]
    pub fn is_written(&self) -> bool {
        match self {
            Self::AtLeast
            | Self::Exactly
            | Self::Chosen
            | Self::AllCpus
            | Self::CpuInTurn
            | Self::Spread => true,
            Self::LimitAtLeast(_) | Self::Boot | Self::WholeCpus | Self::OneNode => false,
        }
    }
}

/// Holds one setting against the machine.
#[must_use]
pub fn judge<'t>(setting: &'t Setting, wish: &str, machine: &Machine) -> Finding<'t> {
    let mut finding = Finding::of(setting);
    if setting.until.is_some_and(|until| kernel(machine).is_some_and(|kernel| kernel >= until)) {
        finding.right_count += 1;
        return finding;
    }
    let files = machine.find(&setting.reads);
    match setting.rule {
        Rule::AllCpus | Rule::CpuInTurn | Rule::Spread => {
            let mut files = files;
            if setting.rule == Rule::Spread {
                files.extend(interrupts_of_virtio(machine));
            }
            files.retain(|path| has_hardware(machine, path));
            // Nothing to spread, nothing to know about.
            if !files.is_empty() {
                match machine.cpus() {
                    Ok(cpus) => spread(&mut finding, machine, &files, &cpus),
                    Err(why) => finding.unread.push(why),
                }
            }
        }
        _ => {
            for path in &files {
                if let Some(text) = finding.read(machine, path) {
                    hold(&mut finding, path, &text, wish);
                } else if setting.rule == Rule::WholeCpus {
                    hold_older_quota(&mut finding, machine, wish);
                }
            }
        }
    }
    finding
}

fn kernel(machine: &Machine) -> Option<(u32, u32)> {
    match machine.read("/proc/sys/kernel/osrelease") {
        Told::Text(text) => kernel_version(&text),
        Told::Absent | Told::Unreadable(_) => None,
    }
}

/// Whether a network device has hardware under it, or a hypervisor: bridges, tunnels and the ends
/// of containers hand packets on that were steered already, and come and go.
fn has_hardware(machine: &Machine, path: &str) -> bool {
    let device = path.strip_prefix("/sys/class/net/").and_then(|rest| rest.split('/').next());
    device.is_some_and(|device| machine.has(&format!("/sys/class/net/{device}/device")))
}

/// A virtio device leaves its interrupts to the PCI device that it is on.
fn interrupts_of_virtio(machine: &Machine) -> Vec<String> {
    let devices = machine.find("/sys/class/net/*/device").into_iter().filter(|device| {
        let kind = machine.read(&format!("{device}/modalias"));
        matches!(kind, Told::Text(kind) if kind.starts_with("virtio:"))
    });
    devices.flat_map(|device| machine.find(&format!("{device}/../msi_irqs/*"))).collect()
}

/// Version 1 of control groups has two files for it.
fn hold_older_quota(finding: &mut Finding<'_>, machine: &Machine, wish: &str) {
    let (path, period) = (OLDER_QUOTA, "/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if let (Some(time), Some(period)) = (finding.read(machine, path), finding.read(machine, period))
    {
        let time = if time == "-1" { "max" } else { &time };
        hold(finding, path, &format!("{time} {period}"), wish);
    }
}

impl Finding<'_> {
    /// The text of a file, unless there is none; that it cannot be read is noted.
    fn read(&mut self, machine: &Machine, path: &str) -> Option<String> {
        match machine.read(path) {
            Told::Text(text) => Some(text),
            Told::Absent => None,
            Told::Unreadable(why) => {
                self.unread.push(why);
                None
            }
        }
    }

    fn note(&mut self, path: &str, found: &str, wanted: &str, is_right: bool, how: How) {
        if is_right {
            self.right_count += 1;
            return;
        }
        let (found, wanted) = (found.to_owned(), wanted.to_owned());
        self.changes.push(Change { path: path.to_owned(), found, wanted, how });
    }

    fn puzzle(&mut self, path: &str, text: &str) {
        let shown: String = text.chars().take(60).collect();
        self.unread.push(format!("{path}: \"{shown}\" is not understood"));
    }
}

/// Holds one file's text against a wish that concerns that file alone.
fn hold(finding: &mut Finding<'_>, path: &str, text: &str, wish: &str) {
    match &finding.setting.rule.clone() {
        Rule::AtLeast => match (text.parse::<u64>(), wish.parse::<u64>()) {
            (Ok(found), Ok(wanted)) => {
                finding.note(path, text, wish, found >= wanted, How::Value);
            }
            _ => finding.puzzle(path, text),
        },
        Rule::Exactly => finding.note(path, text, wish, text == wish, How::Value),
        Rule::Chosen => match chosen(text) {
            Some(found) => {
                let is_right = wish.split(' ').any(|word| word == found);
                let wanted = wish.split(' ').next().unwrap_or_default();
                finding.note(path, found, wanted, is_right, How::Choice);
            }
            None => finding.puzzle(path, text),
        },
        Rule::LimitAtLeast(row) => match hard_limit(text, row) {
            Some(found) => {
                let is_right = found == "unlimited" || at_least(found, wish);
                finding.note(path, found, wish, is_right, How::ByHand);
            }
            None => finding.puzzle(path, text),
        },
        Rule::Boot => {
            finding.right_count += 1;
            if !text.split_whitespace().any(|word| word.starts_with(wish)) {
                finding.advice = Some(format!("the kernel was started without {wish}"));
            }
        }
        Rule::WholeCpus => match quota(text) {
            Some(Quota::None) => finding.right_count += 1,
            Some(Quota::Of { time, period }) => {
                let is_right = time % period == 0;
                finding.note(path, text, "max, or whole CPUs", is_right, How::ByHand);
            }
            None => finding.puzzle(path, text),
        },
        Rule::OneNode => match parse_list(text) {
            Some(nodes) => {
                finding.right_count += 1;
                if nodes.len() > 1 {
                    finding.advice = Some(format!("the machine has {} nodes", nodes.len()));
                }
            }
            None => finding.puzzle(path, text),
        },
        Rule::AllCpus | Rule::CpuInTurn | Rule::Spread => {}
    }
}

/// Holds files against CPUs that are dealt to them.
fn spread(finding: &mut Finding<'_>, machine: &Machine, files: &[String], cpus: &[usize]) {
    for (index, path) in files.iter().enumerate() {
        let Some(cpu) = cpus.get(index % cpus.len().max(1)) else { return };
        match finding.setting.rule {
            Rule::AllCpus => {
                let folder = queues_of(path);
                let queues = files.iter().filter(|other| queues_of(other) == folder).count();
                if queues >= cpus.len() {
                    finding.right_count += 1;
                    continue;
                }
                hold_mask(finding, machine, path, &mask(cpus));
            }
            Rule::CpuInTurn => {
                let folder = queues_of(path);
                let place = files.iter().filter(|other| queues_of(other) == folder);
                let place = place.take_while(|other| *other != path).count();
                let cpu = cpus.get(place % cpus.len()).unwrap_or(cpu);
                hold_mask(finding, machine, path, &mask(&[*cpu]));
            }
            _ => {
                let irq = path.rsplit('/').next().unwrap_or_default();
                let path = format!("/proc/irq/{irq}/smp_affinity_list");
                if let Some(text) = finding.read(machine, &path) {
                    let wanted = cpu.to_string();
                    finding.note(&path, &text, &wanted, text == wanted, How::Value);
                }
            }
        }
    }
}

fn hold_mask(finding: &mut Finding<'_>, machine: &Machine, path: &str, wanted: &str) {
    if let Some(text) = finding.read(machine, path) {
        finding.note(path, &text, wanted, digits(&text) == digits(wanted), How::Value);
    }
}

/// The folder that holds the queues of one device, and which way they go.
fn queues_of(path: &str) -> &str {
    path.rsplit_once('-').map_or(path, |(before, _)| before)
}

/// A mask of CPUs as the kernel takes it: 32 of them a group.
fn mask(cpus: &[usize]) -> String {
    let groups = cpus.iter().max().map_or(1, |last| last / 32 + 1);
    let mut words = vec![0_u32; groups];
    for cpu in cpus {
        if let Some(word) = words.get_mut(cpu / 32) {
            *word |= 1 << (cpu % 32);
        }
    }
    let words: Vec<String> = words.iter().rev().map(|word| format!("{word:08x}")).collect();
    let joined = words.join(",");
    let short = joined.trim_start_matches(['0', ',']);
    if short.is_empty() { "0".to_owned() } else { short.to_owned() }
}

/// A mask without what does not count.
fn digits(mask: &str) -> String {
    let plain = mask.replace(',', "").to_ascii_lowercase();
    plain.trim_start_matches('0').to_owned()
}

fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(word, _)| word)
}

/// The hard limit of a row of /proc/self/limits.
fn hard_limit<'l>(text: &'l str, row: &str) -> Option<&'l str> {
    let line = text.lines().find_map(|line| line.strip_prefix(row))?;
    line.split_whitespace().nth(1)
}

fn at_least(found: &str, wish: &str) -> bool {
    let numbers = (found.parse::<u64>(), wish.parse::<u64>());
    matches!(numbers, (Ok(found), Ok(wanted)) if found >= wanted)
}

enum Quota {
    None,
    Of { time: u64, period: u64 },
}

fn quota(text: &str) -> Option<Quota> {
    let (time, period) = text.split_once(' ')?;
    if time == "max" {
        return Some(Quota::None);
    }
    let (time, period) = (time.parse().ok()?, period.parse().ok()?);
    (period > 0).then_some(Quota::Of { time, period })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_written_and_compared_as_the_kernel_does() {
        assert_eq!(mask(&[0, 1, 2, 3]), "f");
        assert_eq!(mask(&[33]), "2,00000000");
        assert_eq!(mask(&(0..40).collect::<Vec<_>>()), "ff,ffffffff");
        assert_eq!(digits("00000000,0000000F"), digits("f"));
        assert_ne!(digits("1,00000000"), digits("1"));
    }

    #[test]
    fn quotas_are_whole_or_not() {
        for (text, whole) in
            [("max 100000", true), ("200000 100000", true), ("150000 100000", false)]
        {
            let told = match quota(text) {
                Some(Quota::Of { time, period }) => time % period == 0,
                other => other.is_some(),
            };
            assert_eq!(told, whole, "{text}");
        }
        assert!(quota("").is_none() && quota("5 0").is_none() && quota("x 1").is_none());
    }
}
