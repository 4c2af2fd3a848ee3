"""What the system knows of a process: system calls of all its threads, time of each."""

import pathlib
import re
import shutil
import subprocess


def thread_times(pid):
    """Nanoseconds on a core of each thread, by its name and id."""
    times = {}
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        times[name, task.name] = int((task / "schedstat").read_text().split()[0])
    return times


class SystemCalls:
    """Counts the system calls of a process while it is open: `perf`, or else `strace`."""

    def __init__(self, pid):
        self.perf = can_count()
        if self.perf:
            command = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "-p", str(pid)]
        else:
            command = ["strace", "--summary-only", "--follow-forks", "--attach", str(pid)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def end(self):
        """How many there were."""
        self.process.send_signal(2)
        _, told = self.process.communicate(timeout=20)
        if self.perf:
            found = re.search(r"^(\d+),,raw_syscalls:sys_enter", told, re.MULTILINE)
        else:
            found = re.search(r"^\s*100\.00\s+\S+\s+\S+\s+(\d+)\s.*total$", told, re.MULTILINE)
        return int(found.group(1)) if found else None


def can_count():
    if shutil.which("perf") is None:
        return False
    command = ["perf", "stat", "-x", ",", "-e", "raw_syscalls:sys_enter", "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode == 0 and re.search(r"^\d+,,raw_syscalls", done.stderr, re.MULTILINE)
