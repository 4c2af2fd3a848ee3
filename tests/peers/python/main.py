"""One major of the official Python client against one server. Usage: main.py current|old URL

Prints a line a check and client, in bounded time, and how many of each kind there were; ends with
1 if one failed.
"""

import importlib
import sys
import traceback
from collections import Counter

import anyio

from checks import CHECKS, Check
from eras import LEGACY_CHECKS, MODERN_CHECKS
from session import Peer, Session

LIMIT_S = 30


async def run_check(check: Check, session: Session, peer: Peer, url: str) -> tuple[str, str]:
    """Runs one check; says how it ended, and what is to be said of it."""
    try:
        with anyio.fail_after(LIMIT_S):
            await check(session, peer, url)
    except Exception:
        return "FAILED", f": {traceback.format_exc()}"
    return "ok", ""


async def run_peer(peer: Peer, url: str) -> Counter[str]:
    """Runs every check with one peer; returns how many ended how."""
    counts = Counter[str]()
    of_its_era = CHECKS + (MODERN_CHECKS if peer.modern else LEGACY_CHECKS)
    checks = [check for check in of_its_era if getattr(check, "needs", "") not in peer.lacks]
    for feature, reason in peer.lacks.items():
        counts["absent"] += 1
        print(f"absent  {peer.name}: {feature}: not in this client: {reason}", flush=True)
    try:
        with anyio.fail_after(LIMIT_S * len(checks)):
            async with peer.open(url) as session:
                for check in checks:
                    ended, said = await run_check(check, session, peer, url)
                    counts[ended] += 1
                    title = check.__name__.replace("_", " ")
                    print(f"{ended:7} {peer.name}: {title}{said}", flush=True)
    except Exception:
        counts["FAILED"] += 1
        print(f"FAILED  {peer.name}: connects and closes: {traceback.format_exc()}", flush=True)
    return counts


async def main(major: str, url: str) -> int:
    peers: list[Peer] = importlib.import_module(major).PEERS
    failed = 0
    sums: list[str] = []
    for peer in peers:
        counts = await run_peer(peer, url)
        failed += counts["FAILED"]
        ended = f"{counts['ok']} ok, {counts['absent']} absent, {counts['FAILED']} failed"
        sums.append(f"{peer.name:18} {ended}")
    print("\n".join(sums))
    print(f"python clients, {major}: {f'{failed} checks failed' if failed else 'all well'}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("current", "old"):
        sys.exit("usage: main.py current|old URL")
    sys.exit(anyio.run(main, *sys.argv[1:]))
