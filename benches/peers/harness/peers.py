"""The servers that are measured: how each is started, asked whether it answers right, and ended.

Each listens on loopback, on a port that the system gave, and is pinned to one core, except where
its number of workers is what is measured.
"""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent.parent
PATH = "/mcp"
# How long a server may take until it listens, answers, or ends.
PATIENCE_SECONDS = 20
# More than any load opens from one address; the default is for clients that are not alone.
OURS = ["--limit", "sessions_per_address_max=10000", "--io", "io_uring"]
NAMES = ("ours", "ring", "nginx", "hyper", "rmcp")
ABOUT = {
    "ours": "Ringlane, whole: HTTP, JSON-RPC, MCP, and the tool's handler",
    "ring": "bare io_uring: finds the end of a request, answers fixed bytes; the floor",
    "nginx": "`return 200` of the same bytes, its body never looked at",
    "hyper": "hyper on tokio: reads the body, answers fixed bytes",
    "rmcp": "the official Rust SDK on axum, with the same tools as ours",
}


class Server:
    """One running peer. Use it with `with`."""

    def __init__(self, peer, programs, cpus, *, sessions=False, answer=None, workers=1):
        self.peer = peer
        self.folder = tempfile.TemporaryDirectory(prefix="ringlane-peer-")
        if answer is not None:
            pathlib.Path(self.folder.name, "answer.json").write_bytes(answer)
        command = self.command(programs, sessions, answer, workers)
        pin = ["taskset", "--cpu-list", ",".join(map(str, cpus))]
        self.log = open(pathlib.Path(self.folder.name, "log"), "w+b")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            pin + command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=subprocess.STDOUT
        )
        self.port = self.port or self.port_said()

    def command(self, programs, sessions, answer, workers):
        self.port = None
        if self.peer == "nginx":
            self.port = free_port()
            return nginx_command(pathlib.Path(self.folder.name), self.port, answer or b"")
        if self.peer == "ours":
            listen = ["serve", "--listen", "127.0.0.1:0", "--workers", str(workers)]
            return [programs["ours"], *listen, *OURS]
        command = [programs[self.peer]]
        if sessions:
            command += ["--sessions"]
        if answer is not None:
            command += ["--answer", str(pathlib.Path(self.folder.name, "answer.json"))]
        return command

    def port_said(self):
        """Waits for the line that says where it listens."""
        said = f"http://127.0.0.1:".encode()
        while time.monotonic() < self.started + PATIENCE_SECONDS:
            text = pathlib.Path(self.log.name).read_bytes()
            _, found, rest = text.partition(said)
            digits = rest.split(PATH.encode())[0]
            if found and PATH.encode() in rest and digits.isdigit():
                return int(digits)
            if self.process.poll() is not None:
                break
            time.sleep(0.0005)
        self.end()
        sys.exit(f"{self.peer} does not start: {self.told()}")

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}{PATH}"

    @property
    def pid(self):
        # `taskset` becomes the program that it starts.
        return self.process.pid

    def told(self):
        return pathlib.Path(self.log.name).read_text(errors="replace").strip()[-2000:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        alive = self.process.poll() is None
        self.end()
        told = self.told()
        self.log.close()
        self.folder.cleanup()
        if not alive:
            sys.exit(f"{self.peer} died: {told}")

    def end(self):
        """Ends it, politely at first; a call that still waits is nobody's any more."""
        for sign in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                self.process.send_signal(sign)
                try:
                    self.process.wait(timeout=1)
                except subprocess.TimeoutExpired:
                    continue


def nginx_command(folder, port, answer):
    """One nginx process with the configuration beside this folder, its blanks filled."""
    text = (HERE / "nginx.conf").read_text()
    blanks = {"FOLDER": str(folder), "PORT": str(port), "ANSWER": answer.decode()}
    for name, value in blanks.items():
        text = text.replace(f"@{name}@", value)
    path = folder / "nginx.conf"
    path.write_text(text)
    return [nginx_program(), "-p", str(folder), "-e", str(folder / "log"), "-c", str(path)]


def nginx_program():
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


def install_nginx():
    """Debian's package, where there is none yet."""
    if nginx_program() is None:
        command = ["apt-get", "install", "--yes", "--no-install-recommends", "nginx-light"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# ---- One request, read whole.


def legacy_call(message):
    return request("tools/call", {"name": "echo", "arguments": {"message": message}}, {})


def modern_call(message):
    meta = "io.modelcontextprotocol/"
    about = {
        f"{meta}protocolVersion": "2026-07-28",
        f"{meta}clientInfo": {"name": "run", "version": "1"},
        f"{meta}clientCapabilities": {},
    }
    params = {"name": "echo", "arguments": {"message": message}, "_meta": about}
    fields = {
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "echo",
    }
    return request("tools/call", params, fields)


def request(method, params, fields):
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    usual = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
    }
    return json.dumps(body, separators=(",", ":")), usual | fields


def ask(port, call):
    """The body of the answer to one request: a document, or the last event of a stream."""
    body, fields = call
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request("POST", PATH, body, fields)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise ValueError(f"status {answer.status}: {content[:500]!r}")
    if answer.getheader("Content-Type", "").startswith("text/event-stream"):
        lines = [line[5:].strip() for line in content.splitlines() if line.startswith(b"data:")]
        return [line for line in lines if line][-1]
    return content


def ask_until_answered(port, call, started):
    """Asks a server that is just starting; gives the body."""
    while True:
        try:
            return ask(port, call)
        except ConnectionRefusedError:
            if time.monotonic() > started + PATIENCE_SECONDS:
                raise
            time.sleep(0.0005)


def check(server, call, text):
    """Ends the run if a peer does not answer with this text."""
    body = ask_until_answered(server.port, call, server.started)
    answer = json.loads(body)
    said = [content.get("text") for content in answer.get("result", {}).get("content", [])]
    if answer.get("id") != 1 or said != [text]:
        sys.exit(f"{server.peer} answers wrongly: {body[:500]!r}")
    return body
