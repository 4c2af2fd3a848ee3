"""The table: medians of the rounds, and medians of the ratios within each round."""

import datetime
import os
import platform
import statistics
import subprocess

from . import peers

BEGIN, END = "<!-- run -->\n", "<!-- end -->\n"


def head(root, rounds, against):
    """Machine, kernel, commit: what a number means nothing without."""
    model = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line),
        platform.machine(),
    )
    commit = git(root, "rev-parse", "--short", "HEAD") or "unknown"
    changed = " with changes" if git(root, "status", "--porcelain") else ""
    kernel = ".".join(platform.release().split("-")[0].split(".")[:2])
    today = datetime.date.today().isoformat()
    return (
        f"{os.cpu_count()} CPUs, {model}, kernel {kernel}; commit {commit}{changed}; {today}; "
        f"{rounds} rounds; ratios to {against}, each of one round."
    )


def git(root, *words):
    done = subprocess.run(["git", "-C", root, *words], capture_output=True, text=True)
    return done.stdout.strip()


def table(loads, results, against):
    """Markdown. `results[load][peer]` is a list of what each round gave."""
    names = [name for name in peers.NAMES if any(name in by_peer for by_peer in results.values())]
    lines = [
        "| each | number | " + " | ".join(names) + " |",
        "| --- | --- |" + " --- |" * len(names),
    ]
    for load in loads:
        by_peer = results.get(load.name, {})
        for key, title in load.rows if by_peer else ():
            cells = [cell(by_peer, name, key, against) for name in names]
            lines.append(f"| {load.title} | {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def cell(by_peer, name, key, against):
    rounds = by_peer.get(name)
    if not rounds:
        return ""
    text = shown(statistics.median(found[key] for found in rounds))
    # Where the load generator had no time left, the server may have had some.
    if key == "rate" and any(found.get("limit") for found in rounds):
        text = f"over {text}"
    base = by_peer.get(against)
    if name == against or not base or key == "tail":
        return text
    ratios = [mine[key] / its[key] for mine, its in zip(rounds, base) if its[key]]
    return f"{text} ({statistics.median(ratios):.2f})" if ratios else text


def shown(number):
    if abs(number) >= 1000:
        return f"{number:,.0f}"
    return f"{number:.3g}" if abs(number) < 100 else f"{number:.0f}"


def scaling_table(rounds):
    """`rounds` is a list of what each round gave by the number of workers."""
    lines = ["| workers | CPU a call, µs | to one worker | calls a second |"]
    lines += ["| --- | --- | --- | --- |"]
    for workers in rounds[0]:
        cpu = statistics.median(row[workers]["cpu"] for row in rounds)
        rate = statistics.median(row[workers]["rate"] for row in rounds)
        ratio = statistics.median(row[workers]["cpu"] / row[1]["cpu"] for row in rounds)
        lines.append(f"| {workers} | {cpu:.2f} | {ratio:.2f} | {rate:,.0f} |")
    return "\n".join(lines) + "\n"


def write_between_markers(path, text):
    """Puts a report into a document, in place of the one before."""
    document = path.read_text()
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise SystemExit(f"{path}: the lines {BEGIN.strip()} and {END.strip()} are wanted")
    path.write_text(f"{before}{BEGIN}{text}{END}{after}")
