"""One load on one peer: starts it, checks its answer, loads it, and gives numbers by key."""

import dataclasses
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

from . import peers, probe

# What a load may take beside its own time, and how long a server may stay silent in it: long, since
# a machine that has other things to do is no fault of a peer.
SLACK_SECONDS = 90
SILENCE = "40s"
# Answers that are only looked at need no crowd.
QUICK_CONNECTIONS_MAX = 16
# The open loop asks for this share of what the closed one got through: of the peer, or of nginx if
# that does less. So those that can do more have the same to do, and the load generator has time to
# spare: what it sends late counts as latency of the server.
OPEN_SHARE = 0.6
OPEN_DURATION = {"full": "6s", "quick": "250ms"}
# Held connections: the memory of a few thousand is told better than that of a few.
HELD = {"full": 1000, "quick": 16}
START_TIMES = {"full": 11, "quick": 1}


class Bench:
    """What a run has: programs, cores, and how long each measurement takes."""

    def __init__(self, programs, generator, server_cpu, load_cpu, quick):
        self.programs = programs
        self.generator = generator
        self.server_cpu = server_cpu
        self.load_cpu = load_cpu
        self.effort = "quick" if quick else "full"
        self.duration, self.warmup = ("250ms", "50ms") if quick else ("3s", "1s")
        self.answers = {}
        self.capacities = {}

    def measure(self, load, peer):
        return WAYS[load.way](self, load, peer)

    def server(self, load, peer, workers=1, cpus=None):
        answer = None if peer in ("ours", "rmcp") else self.answer(load)
        cpus = cpus or [self.server_cpu]
        sessions = load.sessions and peer == "rmcp"
        return peers.Server(
            peer, self.programs, cpus, sessions=sessions, answer=answer, workers=workers
        )

    def answer(self, load):
        """The bytes that ours answers, which the peers that compute nothing answer too."""
        key = load.era, load.text_bytes
        if key not in self.answers:
            with peers.Server("ours", self.programs, [self.server_cpu]) as server:
                self.answers[key] = self.check(server, load)
        return self.answers[key]

    def usual_capacity(self, load):
        """What nginx gets through of a load, measured once a run."""
        if load.name not in self.capacities:
            with self.server(load, "nginx") as server:
                self.check(server, load)
                self.capacities[load.name] = self.generate(load, server)["requests_per_second"]
        return self.capacities[load.name]

    def check(self, server, load):
        if load.sessions and server.peer == "rmcp":
            # It answers nobody without a session; the generator checks what it answers.
            return None
        message = text_of(load)
        call = {"legacy": peers.legacy_call, "modern": peers.modern_call}[load.era]
        return peers.check(server, call(message), message)

    def generate(self, load, server, *, seconds=True, duration=None, flags=(), cpus=None):
        """Runs the load generator, and gives its report."""
        pinned = ",".join(map(str, cpus or [self.load_cpu]))
        with tempfile.TemporaryDirectory(prefix="ringlane-load-") as folder:
            command = ["taskset", "--cpu-list", pinned, self.generator, "bench"]
            command += [server.url, "--json", "--server-pid", str(server.pid)]
            command += ["--timeout", SILENCE]
            command += ["--era", load.era, "--connections", str(self.connections(load)), *flags]
            if seconds:
                command += ["--duration", duration or self.duration, "--warmup", self.warmup]
            if load.sessions and load.way != "churn":
                command += ["--sessions"]
            if load.fixed_id:
                command += ["--fixed-id"]
            command += tool(load, pathlib.Path(folder))
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=SLACK_SECONDS, check=False
            )
        report = json.loads(done.stdout) if done.returncode in (0, 1) and done.stdout else None
        if report is None or not report["requests"] or has_failed(report):
            told = f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
            sys.exit(f"{load.name} of {server.peer}: {' '.join(command)}\n{told}")
        return report

    def connections(self, load):
        if load.way == "hold":
            return HELD[self.effort]
        if self.effort == "quick":
            return min(load.connections, QUICK_CONNECTIONS_MAX)
        return load.connections


def has_failed(report):
    """Whether an answer was wrong or missing. What an open loop could not send in time is in its
    latencies, which is where it belongs."""
    return any(failure["kind"] != "unsent" for failure in report["failures"])


def text_of(load):
    return "hello" if load.text_bytes == 5 else "x" * load.text_bytes


def tool(load, folder):
    """The tool that a load calls."""
    if load.way == "churn" or (load.way == "hold" and "calls" not in load.flags):
        return []
    if load.way == "hold":
        return ["--tool", "wait", "seconds=60"]
    if "--stream" in load.flags:
        return ["--tool", "count", "events=20"]
    # A text of that length is no word of a command line.
    (folder / "message").write_text(text_of(load))
    return ["--tool", "echo", f"message=@{folder / 'message'}"]


# ---- The ways of measuring.


def calls(bench, load, peer):
    with bench.server(load, peer) as server:
        bench.check(server, load)
        return numbers(bench.generate(load, server, flags=load.flags))


def churn(bench, load, peer):
    with bench.server(load, peer) as server:
        return numbers(bench.generate(load, server, flags=("--churn",)))


def hold(bench, load, peer):
    """What each held thing adds to the memory of the server."""
    count = HELD[bench.effort]
    with bench.server(load, peer) as server:
        bench.check(server, load)
        memory = bench.generate(load, server, flags=("--hold", *load.flags))["server"]["memory"]
    grown = {
        kind: memory[f"{kind}peak_bytes"] - memory[f"{kind}before_bytes"]
        for kind in ("", "private_")
    }
    return {"memory": grown[""] / count, "private": grown["private_"] / count}


def syscalls(bench, load, peer):
    """The system calls of a whole run, warm-up included, over all that it answered."""
    with bench.server(load, peer) as server:
        bench.check(server, load)
        counter = probe.SystemCalls(server.pid)
        flags = ("--warmup", "0s", "--duration", bench.duration)
        report = bench.generate(load, server, seconds=False, flags=flags)
        return {"calls": counter.end() / report["requests"]}


def start(bench, load, peer):
    """Milliseconds from starting the program to the first whole answer; the median of some."""
    times = []
    for _ in range(START_TIMES[bench.effort]):
        with bench.server(load, peer) as server:
            bench.check(server, load)
            times.append((time.monotonic() - server.started) * 1000)
    return {"ms": statistics.median(times)}


def open_loop(bench, load, peer):
    usual = bench.usual_capacity(load)
    with bench.server(load, peer) as server:
        bench.check(server, load)
        capacity = bench.generate(load, server)["requests_per_second"]
        # The lower of two measurements would leave nginx less to do than those that can do more.
        capacity = usual if peer == "nginx" else capacity
        rate = max(1, int(min(capacity, usual) * OPEN_SHARE))
        duration = OPEN_DURATION[bench.effort]
        return numbers(bench.generate(load, server, duration=duration, flags=("--rate", str(rate))))


def numbers(report):
    latency = report["latency_us"]
    return {
        "cpu": report["server"]["cpu_us_per_request"],
        "rate": report["requests_per_second"],
        "p50": latency["p50"],
        "p99": latency["p99"],
        "tail": latency["p99"] / latency["p50"],
        "limit": report["client"]["limit"],
    }


WAYS = {
    "calls": calls,
    "churn": churn,
    "hold": hold,
    "syscalls": syscalls,
    "start": start,
    "open": open_loop,
}


# ---- Several workers, of ours alone.


def scaling(bench, load, cpus):
    """CPU per call with more and more workers, each beside a thread of the load on its core: so a
    core has as much to do, and as many connections, whatever their number is."""
    found = {}
    for workers in counts(len(cpus)):
        mine = cpus[:workers]
        crowd = dataclasses.replace(load, connections=load.connections * workers)
        with bench.server(load, "ours", workers, mine) as server:
            bench.check(server, load)
            threads = ("--threads", str(workers))
            found[workers] = numbers(bench.generate(crowd, server, flags=threads, cpus=mine))
    return found


def counts(most):
    """1, 2, 4, .. and all."""
    return sorted({most, *(1 << power for power in range(most.bit_length()) if 1 << power < most)})


def skew(bench, load, workers):
    """What share of the work each worker does when 8 connections spread over them."""
    cpus = sorted(os.sched_getaffinity(0))
    with bench.server(load, "ours", workers, cpus) as server:
        bench.check(server, load)
        before = probe.thread_times(server.pid)
        bench.generate(load, server)
        after = probe.thread_times(server.pid)
    # Workers are named by their number alone.
    spent = [
        after[key] - before.get(key, 0) for key in after if re.fullmatch(r"ringlane-\d+", key[0])
    ]
    return sorted((time / max(1, sum(spent)) for time in spent), reverse=True)
