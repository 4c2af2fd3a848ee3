//! `check --host`, tuning/apply, and what is made of tuning/settings: on machines of files, so that
//! it is the same everywhere. `BLESS=1 cargo test --test cli tuning` writes anew what is made.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use ringlane::host::rule::Rule;
use ringlane::host::tuning::{Profile, Setting, Tuning};
use serde_json::Value;

use crate::child::{run, text};

const PROFILES: [&str; 4] = ["latency", "throughput", "many-idle", "container"];

/// Files as a kernel has them that nobody has set up.
const FILES: &[(&str, &str)] = &[
    ("proc/sys/kernel/io_uring_disabled", "2\n"),
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
    ("sys/fs/cgroup/cpu.max", "150000 100000\n"),
    (
        "proc/self/limits",
        "Limit                     Soft Limit           Hard Limit           Units     \n\
         Max open files            1024                 1048576              files     \n\
         Max locked memory         8388608              8388608              bytes     \n",
    ),
];

/// A machine of files.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().expect("a folder"));
        for (path, text) in FILES {
            host.write(path, text);
        }
        fs::create_dir(host.0.path().join("run")).expect("a folder");
        host
    }

    fn root(&self) -> &str {
        self.0.path().to_str().expect("UTF-8")
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, text).expect("written");
    }

    fn says(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).expect("a file")
    }

    /// `check --host` on it.
    fn check(&self, words: &[&str]) -> Output {
        run(&[&["check", "--host", "--root", self.root()], words].concat())
    }

    /// How each setting stands for a profile.
    fn standings(&self, profile: &str) -> BTreeMap<String, String> {
        let ran = self.check(&["--profile", profile, "--json"]);
        let told: Value = serde_json::from_slice(&ran.stdout).expect("JSON");
        let findings = told["findings"].as_array().expect("a list");
        let word = |finding: &Value, name: &str| finding[name].as_str().expect("a word").to_owned();
        let standings = findings.iter().map(|it| (word(it, "setting"), word(it, "standing")));
        standings.collect()
    }

    /// tuning/apply on it.
    #[track_caller]
    fn apply(&self, words: &[&str]) -> String {
        let mut command = Command::new(tree().join("tuning/apply"));
        command.args(words).args(["--root", self.root()]);
        let ran = command.env("RINGLANE", env!("CARGO_BIN_EXE_ringlane")).output().expect("bash");
        assert_eq!((ran.status.code(), text(&ran.stderr)), (Some(0), ""), "{words:?}");
        text(&ran.stdout).to_owned()
    }

    /// All files, with their bytes; of folders the names.
    fn tree(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
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

fn tree() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn each_profile_applies_and_reverts_to_the_byte() {
    for profile in PROFILES {
        let host = Host::new();
        let before = host.tree();
        let would = host.apply(&[profile, "--dry-run"]);
        assert!(would.lines().all(|line| line.starts_with("would write ")) && would.len() > 20);
        assert_eq!(host.tree(), before, "{profile}: a dry run writes nothing");

        assert_eq!(host.apply(&[profile]).lines().count(), would.lines().count(), "{profile}");
        let by_hand = ["descriptors", "locked-memory", "cpu-quota"];
        for (setting, standing) in host.standings(profile) {
            let open = standing == "change" || standing == "unread";
            assert!(!open || by_hand.contains(&setting.as_str()), "{profile} {setting} {standing}");
        }
        let applied = host.tree();
        assert_eq!(host.apply(&[profile]), "nothing to write\n", "{profile}: a second time");
        assert_eq!(host.tree(), applied);

        host.apply(&["--revert", "--dry-run"]);
        assert_eq!(host.tree(), applied, "{profile}: a dry run puts nothing back");
        host.apply(&["--revert"]);
        assert_eq!(host.tree(), before, "{profile}: as before");
        assert_eq!(host.apply(&["--revert"]), "nothing to put back\n");
    }
}

#[test]
fn one_profile_over_another_reverts_to_what_was_before_both() {
    let host = Host::new();
    let before = host.tree();
    for profile in PROFILES {
        host.apply(&[profile]);
    }
    assert_eq!(host.says("proc/sys/net/core/somaxconn"), "65535\n", "a larger value stays");
    assert_eq!(host.says("sys/kernel/mm/transparent_hugepage/enabled"), "always [madvise] never\n");
    assert_eq!(host.says("proc/irq/31/smp_affinity_list"), "1\n");
    assert_eq!(host.says("sys/class/net/eth0/queues/rx-1/rps_cpus"), "f\n");
    assert_eq!(host.says("sys/class/net/lo/queues/rx-0/rps_cpus"), "00000000,00000000\n");
    host.apply(&["--revert"]);
    assert_eq!(host.tree(), before);
}

#[test]
fn a_machine_is_set_by_root_alone() {
    // The script is read from a pipe, since its folder may be nobody's business.
    let script = fs::read(tree().join("tuning/apply")).expect("the script");
    let shell = ["bash", "-s", "latency"];
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--clear-groups"]).args(shell);
        command
    } else {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]);
        command
    };
    command.current_dir("/").stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a shell");
    child.stdin.take().expect("a pipe").write_all(&script).expect("written");
    let ran = child.wait_with_output().expect("its end");
    let errors = text(&ran.stderr);
    assert_eq!(ran.status.code(), Some(1), "{errors}");
    assert!(errors.contains("must be root, since it writes to /proc/sys and /sys"), "{errors}");
}

#[test]
fn what_is_to_change_is_told_with_the_command() {
    let host = Host::new();
    let ran = host.check(&["--profile", "latency"]);
    let told = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    for part in [
        "profile latency: the shortest answer",
        "right   descriptors\n",
        "change  locked-memory        8388608, wanted 67108864: /proc/self/limits\n",
        "LimitMEMLOCK= in the unit",
        "change  io_uring             2, wanted 0: /proc/sys/kernel/io_uring_disabled\n",
        "sysctl -w net.core.somaxconn=4096\n",
        "change  governor             powersave, wanted performance: /sys/devices/system/cpu/cpu0/",
        "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled\n",
        "wanted 1: /sys/class/net/eth0/queues/tx-0/xps_cpus\n",
        "change  interrupts           0-3, wanted 0: /proc/irq/30/smp_affinity_list and 1 more\n",
        "note    isolation            the kernel was started without nohz_full=\n",
        "change  cpu-quota            150000 100000, wanted max, or whole CPUs: /sys/fs/cgroup/",
        "note    numa                 the machine has 2 nodes\n",
        "\n11 to change, 0 that could not be read\n",
        "tuning/apply latency writes what can be written\n",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}

#[test]
fn nothing_left_to_do_ends_with_0_and_what_is_not_understood_with_1() {
    let host = Host::new();
    host.apply(&["container"]);
    host.write("sys/fs/cgroup/cpu.max", "max 100000\n");
    let limits = host.says("proc/self/limits").replace("8388608", "unlimited");
    host.write("proc/self/limits", &limits);
    let ran = host.check(&["--profile", "container"]);
    assert_eq!(ran.status.code(), Some(0), "{}", text(&ran.stdout));
    assert!(text(&ran.stdout).ends_with("\n0 to change, 0 that could not be read\n"));

    host.write("proc/sys/net/core/somaxconn", "many\n");
    let ran = host.check(&["--profile", "container"]);
    let told = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(
        told.contains("unread  accept-queue         /proc/sys/net/core/somaxconn: \"many\" is")
    );
    // A folder where a file should be is unreadable to root too.
    fs::remove_file(host.0.path().join("proc/sys/net/core/somaxconn")).expect("removed");
    fs::create_dir(host.0.path().join("proc/sys/net/core/somaxconn")).expect("made");
    let ran = host.check(&["--profile", "container"]);
    let told = text(&ran.stdout);
    assert_eq!(ran.status.code(), Some(1), "{told}");
    assert!(told.contains("/proc/sys/net/core/somaxconn: Is a directory"), "{told}");
    assert!(told.ends_with("\n0 to change, 1 that could not be read\n"), "{told}");

    let ran = run(&["check", "--host", "--profile", "latancy"]);
    assert_eq!(ran.status.code(), Some(2));
    assert!(text(&ran.stderr).contains("no profile \"latancy\": did you mean latency?"));
    let ran = run(&["check", "--host", "--root", "/dev/null"]);
    assert_eq!(ran.status.code(), Some(2), "a folder without a machine has nothing to change");
    assert!(text(&ran.stderr).contains("--root: there is no proc and sys in \"/dev/null\": name"));
    let ran = run(&["check", "--json"]);
    assert_eq!(ran.status.code(), Some(2), "without --host there is nothing to print so");
}

#[test]
fn what_is_skipped_is_neither_told_nor_written() {
    let host = Host::new();
    let skipped = ["io_uring", "interrupts"];
    let words = ["--profile", "latency", "--skip", skipped[0], "--skip", skipped[1]];
    for more in [&[][..], &["--json"], &["--writes"]] {
        let ran = host.check(&[&words, more].concat());
        let told = text(&ran.stdout);
        assert!(told.contains("somaxconn"), "{told}");
        assert!(!told.contains("io_uring_disabled") && !told.contains("/proc/irq"), "{told}");
    }
    let ran = host.check(&["--skip", "io-uring"]);
    assert_eq!(ran.status.code(), Some(2), "a misspelt name skips nothing");
    assert!(
        text(&ran.stderr)
            .contains("--skip: there is no setting \"io-uring\": did you mean io_uring?")
    );
}

#[test]
fn documents_and_drop_ins_are_made_of_the_settings() {
    let tuning = Tuning::built_in().expect("the settings");
    let names: Vec<_> = tuning.profiles.iter().map(|profile| profile.name.as_str()).collect();
    assert_eq!(names, PROFILES);
    let mut made = vec![("tuning/README.md".to_owned(), readme(&tuning))];
    // A container has no units and no boot of its own.
    for profile in tuning.profiles.iter().filter(|profile| profile.name != "container") {
        let name = &profile.name;
        made.push((format!("tuning/sysctl.d/60-ringlane-{name}.conf"), sysctls(&tuning, profile)));
        made.push((format!("tuning/ringlane.service.d/{name}.conf"), limits(&tuning, profile)));
    }
    for (path, wanted) in made {
        let at = tree().join(&path);
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(at.parent().expect("a folder")).expect("made");
            fs::write(&at, &wanted).expect("written");
        }
        let written = fs::read_to_string(&at).unwrap_or_default();
        assert!(written == wanted, "{path} is out of date: BLESS=1 cargo test --test cli tuning");
    }
}

/// The document: its own words up to the mark, then what is made.
fn readme(tuning: &Tuning) -> String {
    let text = fs::read_to_string(tree().join("tuning/README.md")).expect("the document");
    let (words, _) = text.split_once("<!-- made of settings -->\n").expect("the mark");
    let mut text =
        format!("{words}<!-- made of settings -->\n\n| profile | for |\n| --- | --- |\n");
    for profile in &tuning.profiles {
        let _ = writeln!(text, "| `{}` | {} |", profile.name, profile.about);
    }
    let names: Vec<_> = tuning.profiles.iter().map(|profile| profile.name.as_str()).collect();
    let _ = writeln!(text, "\n| setting | {} |", names.join(" | "));
    let _ = writeln!(text, "| --- |{}", " --- |".repeat(names.len()));
    for setting in &tuning.settings {
        let wishes: Vec<_> = names.iter().map(|name| setting.wish(name).unwrap_or("")).collect();
        let _ = writeln!(text, "| [{0}](#{0}) | {1} |", setting.name, wishes.join(" | "));
    }
    for setting in &tuning.settings {
        let Setting { name, reads, why, gave, .. } = setting;
        let undo = match setting.rule.is_written() {
            true => "`tuning/apply --revert`, or a boot.".to_owned(),
            false => format!("set by hand: {}; take it out again.", setting.fix),
        };
        let _ = write!(text, "\n### {name}\n\n`{reads}`, {}.\n{why}\n\n", meaning(&setting.rule));
        let _ = writeln!(text, "- Undo: {undo}\n- What it gave: {gave}.");
    }
    text
}

fn meaning(rule: &Rule) -> String {
    match rule {
        Rule::AtLeast => "this or more".to_owned(),
        Rule::Exactly => "exactly this".to_owned(),
        Rule::Chosen => "this word of several".to_owned(),
        Rule::AllCpus => "a mask of all CPUs".to_owned(),
        Rule::CpuInTurn => "a mask of one CPU, the next one for each queue".to_owned(),
        Rule::Spread => "each interrupt on the next CPU".to_owned(),
        Rule::LimitAtLeast(row) => format!("hard limit `{row}`, this or more"),
        Rule::Boot => "a word that begins so".to_owned(),
        Rule::WholeCpus => "no quota, or whole CPUs".to_owned(),
        Rule::OneNode => "one node".to_owned(),
    }
}

/// The sysctls of a profile, for every boot.
fn sysctls(tuning: &Tuning, profile: &Profile) -> String {
    let mut text = format!(
        "# Profile {}: {}.\n# Made of tuning/settings. Copy to /etc/sysctl.d/, then sysctl \
         --system; remove it to undo.\n# A value that is higher already would be lowered: take its \
         line out.\n",
        profile.name, profile.about
    );
    for setting in &tuning.settings {
        if let Some(name) = setting.reads.strip_prefix("/proc/sys/")
            && let Some(wish) = setting.wish(&profile.name)
        {
            let _ = writeln!(text, "{} = {wish}", name.replace('/', "."));
        }
    }
    text
}

/// The limits of a profile, for the unit.
fn limits(tuning: &Tuning, profile: &Profile) -> String {
    let mut text = format!(
        "# Profile {}: {}.\n# Made of tuning/settings. Copy to \
         /etc/systemd/system/ringlane.service.d/, then systemctl daemon-reload;\n# remove it to \
         undo.\n[Service]\n",
        profile.name, profile.about
    );
    for setting in &tuning.settings {
        if let (Some(unit), Some(wish)) = (&setting.unit, setting.wish(&profile.name)) {
            let _ = writeln!(text, "{unit}={wish}");
        }
    }
    text
}
