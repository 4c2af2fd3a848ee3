//! What is there: `Machine`, files of the kernel below a root folder.
//!
//! In: paths as they are on a machine, `*` in them for a part of a name. Out: texts; or that there
//! is none, or why it cannot be read. Limits: `FILE_BYTES_MAX`, `FILES_MAX`, `CPU_MAX`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::PathBuf;

/// Files of the kernel are shorter; what is read of a longer one is judged.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Files that one pattern stands for; further ones are not looked at.
const FILES_MAX: usize = 8192;
/// CPUs of a machine; a list that names further ones is none.
const CPU_MAX: usize = 8192;

/// A machine, or the image of one.
#[derive(Clone, Debug)]
pub struct Machine {
    root: PathBuf,
}

/// What a file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Its text, without blanks around it.
    Text(String),
    /// There is none.
    Absent,
    /// Why it cannot be read.
    Unreadable(String),
}

impl Machine {
    /// The machine whose files lie below this folder: `/` for this one.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// Whether there is a file or a folder.
    #[must_use]
    pub fn has(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    /// Reads a file.
    #[must_use]
    pub fn read(&self, path: &str) -> Told {
        let mut bytes = Vec::new();
        let read = File::open(self.path(path))
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_end(&mut bytes));
        match read {
            Ok(_) => Told::Text(String::from_utf8_lossy(&bytes).trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Told::Absent,
            Err(error) => Told::Unreadable(format!("{path}: {error}")),
        }
    }

    /// The paths that a pattern stands for, numbers in names in their order.
    #[must_use]
    pub fn find(&self, pattern: &str) -> Vec<String> {
        let mut found = vec![String::new()];
        for part in pattern.split('/').skip(1) {
            found = found.iter().flat_map(|folder| self.matches(folder, part)).collect();
            found.truncate(FILES_MAX);
        }
        found
    }

    fn matches(&self, folder: &str, part: &str) -> Vec<String> {
        let Some((before, after)) = part.split_once('*') else {
            return vec![format!("{folder}/{part}")];
        };
        let Ok(entries) = fs::read_dir(self.path(folder)) else { return Vec::new() };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let fits = |name: &String| {
            let rest = name.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
            // `cpu*` is for the numbered ones: not for cpufreq and cpuidle.
            rest.is_some_and(|rest| before.is_empty() || is_number(rest))
        };
        let mut names: Vec<String> = names.filter(fits).collect();
        names.sort_by_cached_key(|name| (number_in(name), name.clone()));
        names.into_iter().map(|name| format!("{folder}/{name}")).collect()
    }

    /// The CPUs that are there.
    ///
    /// # Errors
    /// Why they are not known.
    pub fn cpus(&self) -> Result<Vec<usize>, String> {
        let path = "/sys/devices/system/cpu/online";
        match self.read(path) {
            Told::Text(text) => {
                parse_list(&text).ok_or_else(|| format!("{path}: \"{text}\" is no list of CPUs"))
            }
            Told::Absent => Err(format!("{path}: there is none")),
            Told::Unreadable(why) => Err(why),
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn number_in(name: &str) -> u64 {
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    digits.parse().unwrap_or(0)
}

/// `0-3,8`, as the kernel writes CPUs and nodes.
#[must_use]
pub fn parse_list(text: &str) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        if last >= CPU_MAX || first > last {
            return None;
        }
        all.extend(first..=last);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_the_kernel_are_read() {
        assert_eq!(parse_list("0-2,8"), Some(vec![0, 1, 2, 8]));
        for wrong in ["", "a", "3-1", "0-99999999", "1,"] {
            assert_eq!(parse_list(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn patterns_find_files_in_the_order_of_their_numbers() {
        let root = tempfile::tempdir().expect("a folder");
        for name in ["cpu10", "cpu2", "cpufreq"] {
            fs::create_dir_all(root.path().join("cpu").join(name)).expect("made");
        }
        let machine = Machine::at(root.path());
        assert_eq!(machine.find("/cpu/cpu*/x"), ["/cpu/cpu2/x", "/cpu/cpu10/x"]);
        assert_eq!(machine.find("/gone/*"), [""; 0]);
        assert_eq!(machine.read("/gone"), Told::Absent);
        assert!(matches!(machine.read("/cpu"), Told::Unreadable(why) if why.starts_with("/cpu: ")));
    }
}
