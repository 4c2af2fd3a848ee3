//! tuning/apply: on machines of files, so that it is the same everywhere, and killed wherever it
//! writes.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use crate::child::text;
use crate::host::{Host, tree};
use crate::tuning::PROFILES;

/// Commands of the script at which it is killed at most; it has fewer, and the test sees to that.
const STEPS_MAX: usize = 400;

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
    for without_hardware in ["lo", "docker0"] {
        let path = format!("sys/class/net/{without_hardware}/queues/rx-0/rps_cpus");
        assert_eq!(host.says(&path), "00000000,00000000\n");
    }
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
fn profiles_applied_at_once_revert_to_what_was_before_them() {
    let host = Host::new();
    let before = host.tree();
    let running = PROFILES
        .map(|profile| host.applying(&[profile]).stdout(Stdio::piped()).spawn().expect("bash"));
    for child in running {
        assert!(child.wait_with_output().expect("its end").status.success());
    }
    host.apply(&["--revert"]);
    assert_eq!(host.tree(), before);
}

/// Kills itself before its n-th command in one of the functions that write, n being STEP.
const KILLER: &str = "set -T; step=0
trap 'case ${FUNCNAME[0]-} in
keep | forget | forget_all | put | put_back | apply) ((++step != STEP)) || kill -KILL $$ ;;
esac' DEBUG\n";

/// tuning/apply with two settings to write, killed at a command of it.
struct Killed {
    host: Host,
    folder: tempfile::TempDir,
}

impl Killed {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("killer"), KILLER).expect("written");
        let program = folder.path().join("ringlane");
        // One setting of each kind of file: what the script does is the same for all.
        let writes = "#!/bin/sh\nprintf 'value\\t/proc/sys/net/core/somaxconn\\t4096\\n\
                      choice\\t/sys/kernel/mm/transparent_hugepage/enabled\\tmadvise\\n'\n";
        fs::write(&program, writes).expect("written");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made a program");
        Self { host: Host::new(), folder }
    }

    /// Whether it was killed; it has no such command if not.
    fn at(&self, step: usize, words: &[&str]) -> bool {
        assert!(step <= STEPS_MAX, "{words:?} has no end");
        let mut command = self.host.applying(words);
        command.env("RINGLANE", self.folder.path().join("ringlane"));
        command.env("BASH_ENV", self.folder.path().join("killer")).env("STEP", step.to_string());
        let status = command.output().expect("bash").status;
        assert!(status.success() || status.signal() == Some(9), "{words:?} {step}: {status}");
        !status.success()
    }
}

#[test]
fn killed_at_any_command_it_reverts_to_the_byte() {
    let killed = Killed::new();
    let before = killed.host.tree();
    let mut step = 1;
    while killed.at(step, &["latency"]) {
        killed.host.apply(&["--revert"]);
        assert_eq!(killed.host.tree(), before, "killed at command {step}");
        step += 1;
    }
    assert!(step > 20, "{step}: the script was not killed at each command");
    assert_ne!(killed.host.tree(), before);
}

#[test]
fn a_revert_killed_at_any_command_is_ended_by_another() {
    let killed = Killed::new();
    let before = killed.host.tree();
    assert!(!killed.at(0, &["latency"]));
    let applied = killed.host.tree();
    let mut step = 1;
    while killed.at(step, &["--revert"]) {
        killed.host.apply(&["--revert"]);
        assert_eq!(killed.host.tree(), before, "killed at command {step}");
        killed.host.restore(&applied);
        step += 1;
    }
    assert!(step > 20, "{step}: the script was not killed at each command");
    assert_eq!(killed.host.tree(), before);
}

#[test]
fn what_the_kernel_refuses_is_told_and_not_kept() {
    let host = Host::new();
    // A file of the kernel that is below the wish, and that root too cannot write.
    let somaxconn = host.path("proc/sys/net/core/somaxconn");
    fs::remove_file(&somaxconn).expect("removed");
    symlink("/proc/sys/kernel/cap_last_cap", &somaxconn).expect("a link");
    let before = host.tree();
    for (profile, others) in [("latency", 2), ("container", 0)] {
        let ran = host.applying(&[profile, "--skip", "io_uring"]).output().expect("bash");
        let errors = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(1), "{errors}");
        let told = errors.strip_prefix("/proc/sys/net/core/somaxconn: cannot write 4096: ");
        assert!(told.is_some_and(|why| why.len() > 5 && why.lines().count() == 1), "{errors}");
        assert!(text(&ran.stdout).lines().count() >= others, "the others are written");
        assert_eq!(host.path("run/ringlane-tuning").exists(), others > 0, "{profile}");
        host.apply(&["--revert"]);
        assert_eq!(host.tree(), before, "{profile}");
    }
}

#[test]
fn a_device_that_left_holds_up_no_revert() {
    let host = Host::new();
    host.apply(&["throughput"]);
    fs::remove_dir_all(host.path("sys/class/net/eth0")).expect("removed");
    let told = host.apply(&["--revert"]);
    assert!(
        told.contains("/sys/class/net/eth0/queues/rx-0/rps_cpus: is gone, and was 0"),
        "{told}"
    );
    assert_eq!(host.says("proc/sys/net/core/somaxconn"), "128\n");
    assert_eq!(host.apply(&["--revert"]), "nothing to put back\n");
}

#[test]
fn a_damaged_state_is_named_and_nothing_is_written() {
    let whole = "value\t/proc/sys/net/core/somaxconn\t128\n";
    for (state, told) in [
        (format!("{whole}garbage\n"), "line 2 of "),
        (format!("{whole}value\t/proc/sys/net/core/busy_poll\n"), "line 2 of "),
        (format!("{whole}value\t/proc/sys/net/core/busy_poll\t\n"), "line 2 of "),
        (format!("{whole}\n{whole}"), "line 2 of "),
        (format!("value\t/etc/motd\thello\n{whole}"), "line 1 of "),
        (format!("value\t/sys/../etc/motd\thello\n{whole}"), "line 1 of "),
        (format!("{whole}value\t/proc/sys/net/core/busy_poll\t1"), "/before is cut off"),
        (String::new(), "/before is cut off"),
    ] {
        let host = Host::new();
        host.write("run/ringlane-tuning/before", &state);
        let before = host.tree();
        for words in [&["latency"][..], &["--revert"], &["--revert", "--dry-run"]] {
            let ran = host.applying(words).output().expect("bash");
            let errors = text(&ran.stderr);
            assert_eq!(ran.status.code(), Some(1), "{words:?} {state:?}: {errors}");
            assert!(errors.contains(told) && errors.contains("by hand"), "{errors}");
            assert_eq!(host.tree(), before, "{words:?} {state:?}");
        }
    }
}

#[test]
fn wrong_words_write_nothing() {
    let host = Host::new();
    let before = host.tree();
    for (words, code, told) in [
        (&["latency", "--skip", "io-uring"][..], 2, "did you mean io_uring?"),
        (&["--revert", "--skip", "io_uring"], 2, "takes no --skip"),
        (&["nonsense"], 2, "there is no profile \"nonsense\""),
        (&["latency", "--state", ""], 2, "--state wants a value"),
        (&["latency", "throughput"], 2, "one profile at a time"),
        (&["latency", "--revert"], 2, "--revert takes no profile"),
        (&[], 2, "no profile is named"),
        // Not the machine's own root: a variable that is not set.
        (&["latency", "--dry-run", "--root", ""], 2, "--root wants a value"),
        (&["latency", "--dry-run", "--root", "/dev/null"], 2, "/dev/null has no proc and sys"),
    ] {
        let ran = host.applying(&[]).args(words).output().expect("bash");
        let errors = text(&ran.stderr);
        assert_eq!(ran.status.code(), Some(code), "{words:?}: {errors}");
        assert!(errors.contains(told), "{words:?}: {errors}");
    }
    let ran = host.applying(&["latency"]).env("RINGLANE", "/dev/null/none").output().expect("bash");
    assert_eq!(ran.status.code(), Some(1));
    assert!(text(&ran.stderr).contains("cannot run /dev/null/none: install it"));
    assert_eq!(host.tree(), before);
}
