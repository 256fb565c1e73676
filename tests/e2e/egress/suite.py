"""Runs the attacks in a box as its agent, and judges them: by what they saw, by what the internet saw, and by what was on the wire."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import re
import shlex
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import world
from internet import HERE, Box, Internet, zipped
from leftovers import known_hosts
from rows import ROWS, Row
from running_lab import RunningLab
from wire import describe

GATEWAY_PORT = 4022
PROGRAM = "/home/pixel/attacks.pyz"
ELSEWHERE = "/opt/attacks.pyz"
# A few rows that say within seconds whether a box is held, and whether it still works.
QUICK = ("W01", "W02", "W04", "N01", "N02", "N03", "N04", "N05", "N06", "N12", "N14", "N15", "N16", "N20", "N21", "N34")


def ssh_command(lab: RunningLab, home: Path, name: str, address: str, user: str = "pixel") -> list[str]:
    """With the pinned host key and nothing else to go by."""
    options = {
        "HostKeyAlias": f"{name}.{lab.host.replace(':', '_')}",
        "UserKnownHostsFile": str(known_hosts(home)),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "5",
    }
    words = [word for key, value in options.items() for word in ("-o", f"{key}={value}")]
    return ["ssh", "-F", "none", "-i", str(home / ".ssh" / "id_ed25519"), *words, f"{user}@{address}"]


class Agent:
    """The agent of a box, over real SSH."""

    def __init__(self, lab: RunningLab, home: Path, name: str) -> None:
        self.lab, self.home, self.name = lab, home, name
        self.box = Box(lab, name)
        self._address = ""

    @property
    def line(self) -> list[str]:
        if not self._address:
            self._address = self.box.address
        return ssh_command(self.lab, self.home, self.name, self._address)

    def run(self, command: str, *, stdin: bytes = b"", timeout: float = 60, check: bool = True) -> str:
        done = subprocess.run([*self.line, command], input=stdin, capture_output=True, check=False, timeout=timeout)
        assert not check or done.returncode == 0, f"{command}: {done.returncode} {done.stdout.decode()} {done.stderr.decode()}"
        return done.stdout.decode(errors="replace")

    def upload(self, over_ssh: bool = True) -> None:
        if over_ssh:
            self.run(f"cat >{PROGRAM}", stdin=zipped(HERE / "attacks"))
        else:
            self.box.write(ELSEWHERE, zipped(HERE / "attacks"))

    def tool(self, expression: str, **world_: Any) -> Any:
        """What one of the attacks' own tools gives, for example `tls(...)`; an error is a text that begins with `error`."""
        self.upload()
        program = (
            f"import sys, json; sys.path.insert(0, {PROGRAM!r})\nimport tools; from tools import *\n"
            f"tools.WORLD.update(json.load(sys.stdin))\n"
            f"try:\n    result = {expression}\nexcept OSError as error:\n    result = 'error ' + repr(error)\n"
            "print(json.dumps(result.decode('latin-1') if isinstance(result, bytes) else result))"
        )
        return json.loads(self.run(f"python3 -c {shlex.quote(program)}", stdin=json.dumps({**world.as_config(), **world_}).encode()))

    @contextlib.contextmanager
    def load(self, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Traffic for the length of a block; the numbers are there after it."""
        self.upload()
        command = [*self.line, f"python3 {PROGRAM} load '{json.dumps(config)}'"]
        told: dict[str, Any] = {}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            assert running.stdout is not None and running.stdin is not None
            assert running.stdout.readline() == b"started\n", running.stderr and running.stderr.read()
            try:
                yield told
            finally:
                out, _err = running.communicate(timeout=60)
                told.update(json.loads(out))


@contextlib.contextmanager
def gateway_service(address: str) -> Iterator[None]:
    """Something on the machine itself that a box could speak with."""
    with socket.create_server((address, GATEWAY_PORT)) as server:
        server.settimeout(0.2)
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                with contextlib.suppress(OSError):
                    there, _peer = server.accept()
                    with there:
                        there.sendall(b"INTERNET-GATEWAY\n")
                        time.sleep(0.05)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@dataclass
class Outcome:
    """What became of one row, all witnesses heard."""

    row: Row
    verdict: str
    evidence: str
    seconds: float
    outside: list[str] = field(default_factory=list)  # where its token has turned up

    def __str__(self) -> str:
        return f"{self.row.id} {self.verdict}: {self.row.text}\n  {self.evidence}" + "".join(
            f"\n  outside: {text}" for text in self.outside
        )


def config_for(internet: Internet, *, restricted: bool, run: str, only: list[str] | None = None) -> dict[str, Any]:
    network = ipaddress.ip_interface(json.loads((internet.lab.directory / "place.json").read_text())["subnet"]).network
    return {
        **world.as_config(),
        "ca": internet.ca.decode(),
        "run": run,
        "restricted": restricted,
        "gateway": internet.gateway,
        "gateway_port": GATEWAY_PORT,
        "subnet_broadcast": str(network.broadcast_address),
        "only": only,
    }


def attack(
    agent: Agent, internet: Internet, *, restricted: bool, only: list[str] | None = None, over_ssh: bool = True
) -> dict[str, Outcome]:
    """Without SSH the agent's number is given to a process that is started from outside: for when nobody can log in."""
    run = f"{os.urandom(3).hex()}z"
    config = config_for(internet, restricted=restricted, run=run, only=only)
    # Echo requests without privilege; a distribution may well allow them.
    agent.box.run("echo 0 65535 >/proc/sys/net/ipv4/ping_group_range")
    agent.upload(over_ssh)
    mac = agent.box.mac
    since = internet.mark()
    with gateway_service(internet.gateway), internet.wire() as wire:
        if over_ssh:
            out = agent.run(f"python3 {PROGRAM}", stdin=json.dumps(config).encode(), timeout=300)
        else:
            out = agent.box.run(f"cd /tmp && HOME=/tmp python3 {ELSEWHERE}", stdin=json.dumps(config).encode(), timeout=180, uid=1000)
    told = {entry["id"]: entry for entry in map(json.loads, out.splitlines())}
    seen = internet.seen(since)
    frames = wire.sent(mac)
    outcomes = {}
    for row in ROWS:
        if row.id not in told:
            continue
        entry = told[row.id]
        token = f"px{row.id.lower()}{run}"
        outside = [] if row.expect == "works" else found_outside(row, token, seen) + on_the_wire(row, token, frames)
        verdict = "bypass" if outside and entry["verdict"] in ("blocked", "unsupported") else entry["verdict"]
        outcomes[row.id] = Outcome(row, verdict, entry["evidence"], entry["seconds"], outside)
    return outcomes


def held(agent: Agent, internet: Internet, *, works: bool = True, over_ssh: bool = True) -> None:
    """Nothing of the quick rows gets out; and what has to work does, or in a locked box does not either."""
    outcomes = attack(agent, internet, restricted=True, only=list(QUICK), over_ssh=over_ssh)
    assert sorted(outcomes) == sorted(QUICK)
    wanted = {ident: "works" if ident.startswith("W") and works else "blocked" for ident in QUICK}
    wrong = [str(outcome) for ident, outcome in outcomes.items() if outcome.verdict != wanted[ident]]
    assert not wrong, "\n".join(wrong)


def found_outside(row: Row, token: str, seen: list[dict[str, Any]]) -> list[str]:
    """Where the internet has seen the token, but for what allowed sites were told in requests that were theirs to answer."""
    found = []
    for entry in seen:
        if token not in entry["text"].lower():
            continue
        if entry["kind"] == "http" and world.allowed_site(entry["site"]) and not row.silent:
            continue
        if entry["kind"] == "hello" and all(world.allowed_site(name.lower()) for name in entry["names"]):
            continue
        found.append(f"{entry['kind']} {entry['address']}:{entry['port']} {entry.get('site', '')} {entry['text'][:120]!r}")
    return found[:5]


def on_the_wire(row: Row, token: str, frames: list[bytes]) -> list[str]:
    """Where nothing of it may be sent at all, not even to where nobody listens."""
    if not row.silent:
        return []

    wanted = {token.encode(), token.encode()[:14]}
    return [
        describe(frame) for frame in frames if any(text in re.sub(rb"[A-Z]", lambda match: match[0].lower(), frame) for text in wanted)
    ][:5]
