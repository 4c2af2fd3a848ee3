//! What the processes of a server spend: CPU time and memory, as the kernel counts them.
//!
//! In: the text of files in `/proc/PID`. CPU time is the scheduler's, in nanoseconds, of each
//! thread (`task/TID/schedstat`); how it splits into user and system, and what threads spent that
//! ended meanwhile, is known in clock ticks alone (`stat`). Memory is `smaps_rollup`.
//! Spec: proc_pid_stat(5), proc_pid_smaps(5); Documentation/scheduler/sched-stats.rst.
//! Invariant: a process that is gone, or may not be looked at, is an error and never a zero.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

const KIB: u64 = 1024;

/// Memory of all processes, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// In RAM, shared pages included.
    pub(super) resident_bytes: u64,
    /// Written to by a process alone.
    pub(super) private_bytes: u64,
}

impl Memory {
    /// The larger of each.
    pub(super) fn peak(self, other: Self) -> Self {
        Self {
            resident_bytes: self.resident_bytes.max(other.resident_bytes),
            private_bytes: self.private_bytes.max(other.private_bytes),
        }
    }
}

/// CPU time of all processes up to a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cpu {
    /// Of each thread, by its number; of each process where the kernel keeps no such count.
    threads: BTreeMap<u32, Duration>,
    user: Duration,
    system: Duration,
}

/// CPU time between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Spent {
    pub(super) total: Duration,
    pub(super) user: Duration,
    pub(super) system: Duration,
    /// Of the thread that spent most.
    pub(super) busiest: Duration,
}

impl Cpu {
    /// What was spent since `before`.
    pub(super) fn since(&self, before: &Self, tick: Duration) -> Spent {
        let of_thread = |(thread, spent): (&u32, &Duration)| {
            spent.saturating_sub(before.threads.get(thread).copied().unwrap_or_default())
        };
        let scheduled: Duration = self.threads.iter().map(of_thread).sum();
        let busiest = self.threads.iter().map(of_thread).max().unwrap_or_default();
        let user = self.user.saturating_sub(before.user);
        let system = self.system.saturating_sub(before.system);
        // Threads that ended are in the ticks alone, which are off by one on either side.
        let ticked = user + system;
        let total = if ticked > scheduled + scheduled / 20 + tick * 4 { ticked } else { scheduled };
        let share = |part: Duration| match ticked {
            Duration::ZERO => Duration::ZERO,
            ticked => total.mul_f64(part.as_secs_f64() / ticked.as_secs_f64()),
        };
        Spent { total, user: share(user), system: share(system), busiest }
    }
}

/// One clock tick, in which `/proc` counts.
pub(super) fn tick() -> Duration {
    Duration::from_secs(1) / u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(100)
}

/// The CPU time of these processes so far.
///
/// # Errors
/// The process that cannot be read, and why.
pub(super) fn cpu(processes: &[u32]) -> Result<Cpu, String> {
    let mut cpu = Cpu::default();
    for &process in processes {
        let stat = read(process, "stat")?;
        let (user, system) = parse_stat(&stat)
            .ok_or_else(|| format!("process {process}: /proc/{process}/stat is not understood"))?;
        cpu.user += tick() * user;
        cpu.system += tick() * system;
        let threads = threads_of(process)?;
        if threads.is_empty() {
            cpu.threads.insert(process, tick() * (user + system));
        }
        cpu.threads.extend(threads);
    }
    Ok(cpu)
}

/// What each thread has run for; none where the kernel keeps no schedstat.
fn threads_of(process: u32) -> Result<Vec<(u32, Duration)>, String> {
    let folder = format!("/proc/{process}/task");
    let threads = fs::read_dir(&folder).map_err(|error| unreadable(process, "task", &error))?;
    let run = threads.filter_map(|thread| {
        let name = thread.ok()?.file_name();
        let number: u32 = name.to_str()?.parse().ok()?;
        // A thread may end at any moment.
        let text = fs::read_to_string(format!("{folder}/{number}/schedstat")).ok()?;
        Some((number, parse_schedstat(&text)?))
    });
    Ok(run.collect())
}

/// The memory of these processes.
///
/// # Errors
/// The process that cannot be read, and why.
pub(super) fn memory(processes: &[u32]) -> Result<Memory, String> {
    let mut memory = Memory::default();
    for &process in processes {
        let one = parse_rollup(&read(process, "smaps_rollup")?);
        memory.resident_bytes += one.resident_bytes;
        memory.private_bytes += one.private_bytes;
    }
    Ok(memory)
}

fn read(process: u32, file: &str) -> Result<String, String> {
    fs::read_to_string(format!("/proc/{process}/{file}"))
        .map_err(|error| unreadable(process, file, &error))
}

fn unreadable(process: u32, file: &str, error: &std::io::Error) -> String {
    format!("process {process}: cannot read /proc/{process}/{file}: {error}")
}

/// User and system time in ticks. The second field, a name in brackets, may hold anything.
fn parse_stat(text: &str) -> Option<(u32, u32)> {
    let (_, fields) = text.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn parse_schedstat(text: &str) -> Option<Duration> {
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn parse_rollup(text: &str) -> Memory {
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
        kib.unwrap_or_default().saturating_mul(KIB)
    };
    Memory { resident_bytes: value("Rss"), private_bytes: value("Private_Dirty") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICK: Duration = Duration::from_millis(10);

    fn cpu_of(threads: &[(u32, u64)], user_ms: u64, system_ms: u64) -> Cpu {
        let threads = threads.iter().map(|&(thread, ms)| (thread, Duration::from_millis(ms)));
        Cpu {
            threads: threads.collect(),
            user: Duration::from_millis(user_ms),
            system: Duration::from_millis(system_ms),
        }
    }

    #[test]
    fn the_files_of_the_kernel_are_read() {
        let stat = "7 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 120 34 0 0 20 0";
        assert_eq!(parse_stat(stat), Some((120, 34)));
        assert_eq!(parse_stat("7 (a) S 1"), None);
        assert_eq!(parse_schedstat("123 4 5\n"), Some(Duration::from_nanos(123)));
        let rollup = "5581-7ffd [rollup]\nRss:    1234 kB\nPss: 1 kB\nPrivate_Dirty:   12 kB\n";
        let expected = Memory { resident_bytes: 1234 * KIB, private_bytes: 12 * KIB };
        assert_eq!(parse_rollup(rollup), expected);
        assert_eq!(parse_rollup("nothing"), Memory::default());
    }

    #[test]
    fn this_process_can_be_read_and_one_that_is_gone_is_an_error() {
        let this = [std::process::id()];
        assert!(memory(&this).expect("memory").resident_bytes > 0);
        let before = cpu(&this).expect("its time");
        let after = cpu(&this).expect("its time");
        assert!(after.since(&before, tick()).total < Duration::from_secs(10));
        // Above the highest number that a process may have.
        let gone = 0x7fff_ffff;
        assert!(cpu(&[gone]).expect_err("no such process").starts_with("process 2147483647: "));
        memory(&[this[0], gone]).expect_err("one of them is gone");
    }

    #[test]
    fn time_is_the_scheduler_s_and_splits_as_the_ticks_do() {
        let before = cpu_of(&[(1, 100), (2, 50)], 60, 90);
        let after = cpu_of(&[(1, 203), (2, 60), (3, 7)], 90, 180);
        let spent = after.since(&before, TICK);
        assert_eq!(spent.total, Duration::from_millis(120));
        assert_eq!(spent.user, Duration::from_millis(30));
        assert_eq!(spent.system, Duration::from_millis(90));
        assert_eq!(spent.busiest, Duration::from_millis(103));
        assert_eq!(before.since(&before, TICK), Spent::default());
    }

    #[test]
    fn threads_that_ended_are_not_forgotten() {
        let before = cpu_of(&[(1, 100), (2, 50)], 100, 50);
        let after = cpu_of(&[(1, 110)], 300, 150);
        assert_eq!(after.since(&before, TICK).total, Duration::from_millis(300));
    }
}
