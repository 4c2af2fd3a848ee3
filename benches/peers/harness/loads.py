"""What is asked of the peers, and which numbers of each load stand in the table."""

import dataclasses

ALL = ("ours", "ring", "nginx", "hyper", "rmcp")
# nginx has no answer of that size: `return` takes no text over 4 KiB.
WITHOUT_NGINX = ("ours", "ring", "hyper", "rmcp")
# Those that know MCP.
KNOWING = ("ours", "rmcp")
KIB = 1024


@dataclasses.dataclass(frozen=True)
class Load:
    name: str
    title: str
    peers: tuple
    connections: int = 64
    # Of `ringlane bench`, beside the usual ones.
    flags: tuple = ()
    era: str = "legacy"
    sessions: bool = False
    text_bytes: int = 5
    # Which function of `measure` runs it.
    way: str = "calls"
    # Keys of what that function gives, with the title of each row.
    rows: tuple = (("cpu", "CPU, µs"), ("rate", "requests a second"))
    # Whether peers with fixed bytes take part: then every id is 1.
    fixed_id: bool = True


TAILS = (
    ("cpu", "CPU, µs"),
    ("p50", "p50, µs"),
    ("p99", "p99, µs"),
    ("tail", "p99 over p50"),
)
MEMORY = (("memory", "resident bytes"), ("private", "private bytes"))

LOADS = (
    Load("legacy", "call, 64 connections", ALL),
    Load("legacy-1000", "call, 1000 connections", ALL, connections=1000, rows=TAILS),
    Load("session", "call in a session, 64", KNOWING, sessions=True, fixed_id=False),
    Load(
        "session-1000", "call in a session, 1000", KNOWING, connections=1000, sessions=True,
        rows=TAILS, fixed_id=False,
    ),
    Load("modern", "modern call, 64 connections", ALL, era="modern"),
    Load(
        "modern-1000", "modern call, 1000 connections", ALL, connections=1000, era="modern",
        rows=TAILS,
    ),
    Load("argument-16k", "call with 16 KiB", WITHOUT_NGINX, text_bytes=16 * KIB),
    Load("argument-256k", "call with 256 KiB", WITHOUT_NGINX, text_bytes=256 * KIB),
    Load("pipelined", "16 calls at once", ALL, flags=("--pipeline", "16")),
    Load("stream", "stream of 20 events", KNOWING, flags=("--stream",), fixed_id=False),
    Load("churn", "session opened and ended", KNOWING, sessions=True, way="churn", fixed_id=False),
    Load("idle", "idle connection", ALL, way="hold", flags=("connections",), rows=MEMORY),
    Load(
        "held-calls", "call in flight", KNOWING, way="hold", flags=("calls",), rows=MEMORY,
        fixed_id=False,
    ),
    Load(
        "held-streams", "idle event stream", KNOWING, sessions=True, way="hold",
        flags=("streams",), rows=MEMORY, fixed_id=False,
    ),
    Load(
        "syscalls", "call, 64 connections", ALL, way="syscalls",
        rows=(("calls", "system calls"),),
    ),
    Load("start", "exec to the first answer", ALL, way="start", rows=(("ms", "ms"),)),
    Load(
        "open", "at 60 %, 1000 connections", ALL, connections=1000, way="open",
        rows=(
            ("rate", "requests a second"), ("cpu", "CPU, µs"), ("p50", "p50, µs"),
            ("p99", "p99, µs"),
        ),
    ),
)
