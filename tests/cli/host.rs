//! A machine of files, and what `check --host` and tuning/apply do to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use crate::child::{run, text};

/// Files as a kernel has them that nobody has set up.
const FILES: &[(&str, &str)] = &[
    ("proc/sys/kernel/io_uring_disabled", "2\n"),
    ("proc/sys/kernel/osrelease", "5.10.0-28-amd64\n"),
    ("proc/sys/net/core/somaxconn", "128\n"),
    ("proc/sys/net/core/netdev_max_backlog", "1000\n"),
    ("proc/sys/net/core/busy_poll", "0\n"),
    ("proc/sys/net/ipv4/tcp_max_syn_backlog", "512\n"),
    ("proc/sys/net/ipv4/tcp_slow_start_after_idle", "1\n"),
    ("proc/sys/fs/nr_open", "65536\n"),
    ("proc/cmdline", "quiet\n"),
    ("proc/irq/30/smp_affinity_list", "0-3\n"),
    ("proc/irq/31/smp_affinity_list", "0-3\n"),
    ("sys/devices/system/cpu/online", "0-3\n"),
    ("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "powersave\n"),
    ("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "performance\n"),
    ("sys/devices/system/node/online", "0-1\n"),
    ("sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never\n"),
    ("sys/class/net/eth0/device/msi_irqs/30", "msi\n"),
    ("sys/class/net/eth0/device/msi_irqs/31", "msi\n"),
    ("sys/class/net/eth0/queues/rx-0/rps_cpus", "00000000,00000000\n"),
    ("sys/class/net/eth0/queues/rx-1/rps_cpus", "00000000,00000000\n"),
    ("sys/class/net/eth0/queues/tx-0/xps_cpus", "00000000,00000000\n"),
    ("sys/class/net/eth0/queues/tx-1/xps_cpus", "00000000,00000002\n"),
    ("sys/class/net/lo/queues/rx-0/rps_cpus", "00000000,00000000\n"),
    ("sys/class/net/docker0/queues/rx-0/rps_cpus", "00000000,00000000\n"),
    ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
    (
        "proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n\
         Max open files            1024                 1048576              files     \n\
         Max locked memory         8388608              8388608              bytes     \n",
    ),
];

/// A machine of files.
pub(crate) struct Host(tempfile::TempDir);

impl Host {
    pub(crate) fn new() -> Self {
        let host = Self(tempfile::tempdir().expect("a folder"));
        for (path, text) in FILES {
            host.write(path, text);
        }
        fs::create_dir(host.0.path().join("run")).expect("a folder");
        host
    }

    pub(crate) fn root(&self) -> &str {
        self.0.path().to_str().expect("UTF-8")
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    pub(crate) fn says(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).expect("a file")
    }

    /// `check --host` on it.
    pub(crate) fn check(&self, words: &[&str]) -> Output {
        run(&[&["check", "--host", "--root", self.root()], words].concat())
    }

    /// How each setting stands for a profile.
    pub(crate) fn standings(&self, profile: &str) -> BTreeMap<String, String> {
        let ran = self.check(&["--profile", profile, "--json"]);
        let told: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
        let findings = told["findings"].as_array().expect("a list");
        let word = |finding: &Value, name: &str| finding[name].as_str().expect("a word").to_owned();
        let standings = findings.iter().map(|it| (word(it, "setting"), word(it, "standing")));
        standings.collect()
    }

    /// tuning/apply on it, not run yet.
    pub(crate) fn applying(&self, words: &[&str]) -> Command {
        let mut command = Command::new(tree().join("tuning/apply"));
        command.args(words).args(["--root", self.root()]);
        command.env("RINGLANE", env!("CARGO_BIN_EXE_ringlane"));
        command
    }

    /// tuning/apply on it, which ends well and says what it wrote.
    #[track_caller]
    pub(crate) fn apply(&self, words: &[&str]) -> String {
        let ran = self.applying(words).output().expect("bash");
        assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""), "{words:?}");
        text(&ran.stdout).to_owned()
    }

    /// Writes the files of a tree that was taken before.
    pub(crate) fn restore(&self, tree: &BTreeMap<PathBuf, Option<Vec<u8>>>) {
        for (path, bytes) in tree {
            match bytes {
                Some(bytes) => fs::write(path, bytes).expect("written"),
                None => fs::create_dir_all(path).expect("made"),
            }
        }
    }

    /// All files, with their bytes; of folders the names.
    pub(crate) fn tree(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut all = BTreeMap::new();
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let bytes = path.is_file().then(|| fs::read(&path).expect("a file"));
                if bytes.is_none() {
                    folders.push(path.clone());
                }
                all.insert(path, bytes);
            }
        }
        all
    }
}

/// The tree of the source.
pub(crate) fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
