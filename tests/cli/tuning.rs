//! `check --host` and what is made of tuning/settings: on machines of files, so that it is the same
//! everywhere. `BLESS=1 cargo test --test cli tuning` writes anew what is made.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;

use ringlane::host::rule::Rule;
use ringlane::host::tuning::{Profile, Setting, Tuning};
use serde_json::Value;

use crate::child::{run, text};
use crate::host::{Host, tree};

pub(crate) const PROFILES: [&str; 4] = ["latency", "throughput", "many-idle", "container"];

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
    fs::remove_file(host.path("proc/sys/net/core/somaxconn")).expect("removed");
    fs::create_dir(host.path("proc/sys/net/core/somaxconn")).expect("made");
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
fn locked_memory_matters_to_old_kernels_alone() {
    for (kernel, standing) in [("5.11.22", "change"), ("5.12.0-rc1", "right"), ("?", "change")] {
        let host = Host::new();
        host.write("proc/sys/kernel/osrelease", kernel);
        assert_eq!(host.standings("latency")["locked-memory"], standing, "{kernel}");
    }
}

#[test]
fn huge_pages_that_nobody_gets_are_as_good_as_those_asked_for() {
    for (enabled, standing) in [
        ("always [madvise] never", "right"),
        ("always madvise [never]", "right"),
        ("[always] madvise never", "change"),
    ] {
        let host = Host::new();
        host.write("sys/kernel/mm/transparent_hugepage/enabled", enabled);
        assert_eq!(host.standings("latency")["huge-pages"], standing, "{enabled}");
    }
}

#[test]
fn a_quota_is_seen_in_both_versions_of_control_groups() {
    let host = Host::new();
    fs::remove_file(host.path("sys/fs/cgroup/cpu.max")).expect("removed");
    assert_eq!(host.standings("container")["cpu-quota"], "absent");
    host.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    for (quota, standing) in
        [("-1\n", "right"), ("200000\n", "right"), ("150000\n", "change"), ("x\n", "unread")]
    {
        host.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", quota);
        assert_eq!(host.standings("container")["cpu-quota"], standing, "{quota}");
    }
}

#[test]
fn interrupts_of_virtio_are_those_of_its_pci_device() {
    let host = Host::new();
    host.write("sys/devices/pci0/virtio2/modalias", "virtio:d00000001v00001AF4\n");
    host.write("sys/devices/pci0/msi_irqs/40", "msix\n");
    host.write("proc/irq/40/smp_affinity_list", "0-3\n");
    fs::create_dir(host.path("sys/class/net/ens3")).expect("made");
    let device = host.path("sys/class/net/ens3/device");
    symlink("../../../devices/pci0/virtio2", &device).expect("a link");
    let told = || text(&host.check(&["--profile", "latency", "--writes"]).stdout).to_owned();
    assert!(told().contains("value\t/proc/irq/40/smp_affinity_list\t2\n"), "{}", told());
    host.write("sys/devices/pci0/virtio2/modalias", "pci:v00008086\n");
    assert!(!told().contains("/proc/irq/40/"), "its bridge's are not a device's own");
}

#[test]
fn a_machine_without_network_devices_or_queues_has_nothing_to_steer() {
    let host = Host::new();
    fs::remove_dir_all(host.path("sys/class/net/eth0/queues")).expect("removed");
    let steered = ["receive-steering", "send-steering"];
    for name in steered {
        assert_eq!(host.standings("throughput")[name], "absent");
    }
    fs::remove_dir_all(host.path("sys/class/net")).expect("removed");
    for name in steered.iter().chain(&["interrupts"]) {
        assert_eq!(host.standings("throughput")[*name], "absent");
    }
}

#[test]
fn commands_hold_no_words_of_a_device_that_a_shell_would_run() {
    let host = Host::new();
    for name in ["a b", "$(reboot)'"] {
        host.write(&format!("sys/class/net/{name}/device/modalias"), "pci:\n");
        host.write(&format!("sys/class/net/{name}/queues/rx-0/rps_cpus"), "0\n");
    }
    let told: Value =
        serde_json::from_slice(&host.check(&["--profile", "throughput", "--json"]).stdout)
            .expect("JSON");
    let told = told.to_string();
    assert!(told.contains("echo f > '/sys/class/net/a b/queues/rx-0/rps_cpus'"), "{told}");
    assert!(told.contains(r"echo f > '/sys/class/net/$(reboot)'\\''/queues"), "{told}");
    let before = host.tree();
    host.apply(&["throughput"]);
    assert_eq!(host.says("sys/class/net/a b/queues/rx-0/rps_cpus"), "f\n");
    host.apply(&["--revert"]);
    assert_eq!(host.tree(), before);
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
        let _ = write!(text, "\n### {name}\n\n`{reads}`, {}.\n{why}\n\n", meaning(setting));
        let _ = writeln!(text, "- Undo: {undo}\n- What it gave: {gave}.");
    }
    text
}

fn meaning(setting: &Setting) -> String {
    let meaning = match &setting.rule {
        Rule::AtLeast => "this or more".to_owned(),
        Rule::Exactly => "exactly this".to_owned(),
        Rule::Chosen => "this word of several, or any of them where more are named".to_owned(),
        Rule::AllCpus => "a mask of all CPUs".to_owned(),
        Rule::CpuInTurn => "a mask of one CPU, the next one for each queue".to_owned(),
        Rule::Spread => "each interrupt on the next CPU".to_owned(),
        Rule::LimitAtLeast(row) => format!("hard limit `{row}`, this or more"),
        Rule::Boot => "a word that begins so".to_owned(),
        Rule::WholeCpus => "no quota, or whole CPUs".to_owned(),
        Rule::OneNode => "one node".to_owned(),
    };
    match setting.until {
        Some((major, minor)) => format!("{meaning}; before Linux {major}.{minor} alone"),
        None => meaning,
    }
}

/// The sysctls of a profile, for every boot.
fn sysctls(tuning: &Tuning, profile: &Profile) -> String {
    let mut text = format!(
        "# Profile {}: {}.\n# Made of tuning/settings. Copy to /etc/sysctl.d/, then sysctl \
         --system. To undo: remove it, and boot.\n# A value that is higher already would be \
         lowered, and what a policy sets would be undone: take those\n# lines out.\n",
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
         /etc/systemd/system/ringlane.service.d/, then systemctl daemon-reload;\n# to undo \
         remove it, and reload again.\n[Service]\n",
        profile.name, profile.about
    );
    for setting in &tuning.settings {
        if let (Some(unit), Some(wish)) = (&setting.unit, setting.wish(&profile.name)) {
            let _ = writeln!(text, "{unit}={wish}");
        }
    }
    text
}
