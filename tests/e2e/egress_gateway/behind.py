"""What is behind the gateways, as the tests see it: by their playbooks, by SSH as it is told to people, and behind their backs."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shlex
import subprocess
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import world
from internet import Box, Internet
from playbook import Playbooks, clean_environment
from running_lab import RunningLab
from suite import GATEWAY_PORT, gateway_service
from wire import describe

HERE = Path(__file__).parent
PROGRAM = "/root/hostile.py"
# As long as no wire shows more, in what ports and numbers of a refusal could say.
NUMBER = 0x70780666


def bridges_of(lab: RunningLab) -> list[str]:
    """Names that no other lab of this machine has."""
    own = json.loads((lab.directory / "place.json").read_text())["bridge"]
    return [f"px{own[-8:]}g{number}" for number in (1, 2)]


@contextlib.contextmanager
def routed(internet: Internet) -> Iterator[None]:
    """The way to the simulated internet, for this lab's own bridge: another lab of this machine may have one of its own."""
    table = 20000 + zlib.crc32(internet.bridge.encode()) % 10000
    for net in (world.NET4, world.LAN):
        way = [net, "via", internet.box.address, "dev", internet.bridge]
        subprocess.run(["ip", "route", "replace", *way, "table", str(table)], check=True)
    # From the bridges inside as well: this machine would forward what it gets from there.
    rules = [["iif", bridge, "lookup", str(table)] for bridge in (internet.bridge, *bridges_of(internet.lab))]
    for rule in rules:
        subprocess.run(["ip", "rule", "del", *rule], check=False, capture_output=True)
        subprocess.run(["ip", "rule", "add", *rule], check=True)
    try:
        yield
    finally:
        for rule in rules:
            subprocess.run(["ip", "rule", "del", *rule], check=False, capture_output=True)
        subprocess.run(["ip", "route", "flush", "table", str(table)], check=False, capture_output=True)


@dataclass
class Held:
    """What came of one try."""

    ident: str
    through: list[str]
    outside: list[str]
    seconds: float


@dataclass
class Scene:
    playbook: Playbooks
    lab: RunningLab
    internet: Internet
    home: Path
    root: Path

    def box(self, name: str) -> Box:
        return Box(self.lab, name)

    def info(self, name: str) -> dict[str, Any]:
        run = self.playbook.tasks(
            {"pixels.sandbox.container_info": {"name": name, "connection": True}}, play={"connection": "local"}
        ).succeeded()
        return dict(run.last("container_info")["containers"][0])

    def ssh(self, name: str, command: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """The line that people are told, with a command behind it."""
        line = shlex.split(self.info(name)["ssh"])
        done = subprocess.run(
            [line[0], "-o", "BatchMode=yes", *line[1:], command],
            env=clean_environment(self.home),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert not check or done.returncode == 0, (done.returncode, done.stdout, done.stderr)
        return done

    def back(self, name: str) -> None:
        """Until it has its address again: with its gateway its bridge goes down, and its lease with that."""
        until = time.monotonic() + 60
        while not self.box(name).run("ip -4 -o addr show eth0").strip():
            assert time.monotonic() < until, f"{name} does not get its address back"
            time.sleep(0.5)

    @property
    def bridge_mac(self) -> str:
        return _mac_of(self.internet.bridge)

    def _gate(self, gate: str | None) -> dict[str, Any]:
        """Where nothing holds it, this machine is what leads out."""
        if gate is None:
            own, mac = self.internet.gateway, self.bridge_mac
            return {"gateway": own, "gateway_mac": mac, "bridge_mac": mac, "gateway_outside": own, "uids": [1000]}
        box = self.box(gate)
        return {
            "gateway": json.loads(box.run("cat /etc/egress/dhcp.json"))["address"],
            "gateway_mac": box.run("cat /sys/class/net/eth1/address").strip(),
            "bridge_mac": _mac_of(self.info(gate)["inside"]),
            "gateway_outside": box.address,
            "uids": [int(box.run(f"id -u {name}")) for name in ("egress-proxy", "egress-dns")],
        }

    def config(self, task: str, gate: str | None, others: tuple[str, ...]) -> dict[str, Any]:
        return {
            **self._gate(gate),
            "run": f"{os.urandom(3).hex()}z",
            "own": self.box(task).address,
            "host": self.internet.gateway,
            "host_port": GATEWAY_PORT,
            "attacker": world.v4(world.ATTACKER),
            "attacker6": world.v6(world.ATTACKER),
            "cdn": world.v4(world.CDN),
            "cdn6": world.v6(world.CDN),
            "dns": world.v4(world.DNS),
            "foreign_dns": world.v4(world.FOREIGN_DNS),
            "lan_host": world.LAN_HOST,
            "service": world.SERVICE,
            "api": world.API,
            "other": world.OTHER_ON_CDN,
            "evil": world.EVIL,
            "git": world.FORGE_NAME,
            "mirror": world.MIRROR_NAME,
            "others": list(others),
        }

    def attack(
        self, task: str, gate: str | None, *, others: tuple[str, ...] = (), only: list[str] | None = None
    ) -> tuple[dict[str, Held], dict[str, Any]]:
        """All tries as root; the second answer is what works."""
        config = {**self.config(task, gate, others), "only": only}
        box, mac = self.box(task), self.box(gate or task).mac
        box.write(PROGRAM, (HERE / "hostile.py").read_text())
        since = self.internet.mark()
        with gateway_service(self.internet.gateway), self.internet.wire() as wire:
            out = box.run(f"python3 {PROGRAM} {shlex.quote(json.dumps(config))}", timeout=300)
        # This machine may have forwarded something, too.
        frames = [frame for card in sorted({mac, box.mac, self.bridge_mac}) for frame in wire.sent(card)]
        found, working = {}, {}
        for told in map(json.loads, out.splitlines()):
            if told["id"] == "works":
                working = told
                continue
            sign = f"px{told['id'].lower()}{config['run']}"
            outside = [f"{entry['kind']} {entry['address']}:{entry['port']}" for entry in self.internet.seen(since, sign)]
            outside += [describe(frame) for frame in frames if sign.encode() in frame.lower()]
            if told["id"] == "G06":
                outside += [describe(frame) for frame in frames if _echoes(frame, config)]
            found[told["id"]] = Held(told["id"], told["through"], outside, told["seconds"])
        return found, working


def _mac_of(interface: str) -> str:
    return Path(f"/sys/class/net/{interface}/address").read_text().strip()


def _echoes(frame: bytes, config: dict[str, Any]) -> bool:
    """Whether it goes to an address that a spoofed packet has named, without a connection that the proxy would have there."""
    if frame[12:14] != b"\x08\x00" or frame[23] not in (1, 6, 17):
        return False
    target = str(ipaddress.ip_address(frame[30:34]))
    port = int.from_bytes(frame[36:38], "big")
    numbers = (NUMBER.to_bytes(4, "big"), (NUMBER + 1).to_bytes(4, "big"))
    return (target in (config["attacker"], config["host"]) and port == 31337) or any(number in frame[34:54] for number in numbers)
