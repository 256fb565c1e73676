"""What was denied is told: by name or address, how often, and when."""

from __future__ import annotations

import time
from typing import Any

import boxes
import world
from playbook import Playbooks
from suite import Agent


def denied(playbook: Playbooks, box: Agent) -> list[dict[str, Any]]:
    return list(boxes.info(playbook, box.name)["denied"])


def told(playbook: Playbooks, box: Agent, *, since: int = 0, **wanted: Any) -> list[dict[str, Any]]:
    """What is told as soon as that is among it: the logs are written a moment after what they tell of."""
    end = time.monotonic() + 30
    while True:
        entries = denied(playbook, box)
        if any(wanted.items() <= entry.items() and entry["last"] >= since for entry in entries) or time.monotonic() > end:
            return entries


def find(entries: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    found = [entry for entry in entries if all(entry.get(key) == value for key, value in wanted.items())]
    assert len(found) == 1, (wanted, found, entries[:10])
    return found[0]


def provoke(box: Agent, name: str) -> None:
    address = world.v4(world.ATTACKER)
    expression = (
        f"[tls_try({address!r}, {name!r}) for _ in range(3)] and "
        f"[tried('x', tcp, {address!r}, 2222) for _ in range(2)] and "
        f"tried('x', tcp, {address!r}, 80, b'GET / HTTP/1.1\\r\\nHost: {name}\\r\\n\\r\\n') and "
        f"tried('x', udp, {address!r}, 4444, b'x') and asked('127.0.0.1', question('q{name}'))"
    )
    box.tool(expression)


def test_denials_are_counted(box: Agent, playbook: Playbooks) -> None:
    start = int(time.time())
    name = f"n{time.time_ns()}.evil.example"
    provoke(box, name)
    told(playbook, box, name=name, protocol="tls", count=3)
    entries = told(playbook, box, address=world.v4(world.ATTACKER), port=4444, protocol="udp", since=start)
    secure = find(entries, name=name, protocol="tls")
    assert (secure["count"], secure["port"], secure["reason"]) == (3, 443, "deny-name")
    assert start - 2 <= secure["first"] <= secure["last"] <= time.time() + 2, "the times are those of what happened"
    assert find(entries, name=name, protocol="http")["count"] == 1
    assert find(entries, name=f"q{name}", protocol="dns")["reason"] == "nxdomain"
    packets = find(entries, address=world.v4(world.ATTACKER), port=2222, protocol="tcp")
    assert packets["count"] >= 2 and packets["reason"] == "rejected"
    assert find(entries, address=world.v4(world.ATTACKER), port=4444, protocol="udp")["count"] >= 1
    assert [entry["last"] for entry in entries] == sorted((entry["last"] for entry in entries), reverse=True), "the latest first"
    provoke(box, name)
    again = find(told(playbook, box, name=name, protocol="tls", count=6), name=name, protocol="tls")
    assert again["count"] == 6 and again["first"] == secure["first"] and again["last"] >= secure["last"]


def test_names_that_point_to_private_addresses_have_a_reason_of_their_own(box: Agent, playbook: Playbooks) -> None:
    box.tool(f"tls_try({world.v4(world.CDN)!r}, {world.LAN_NAME!r})")
    entries = told(playbook, box, name=world.LAN_NAME, protocol="tls")
    assert find(entries, name=world.LAN_NAME, protocol="tls")["reason"] == "deny-private"


def test_the_playbook_shows_them(box: Agent, playbook: Playbooks) -> None:
    name = f"s{time.time_ns()}.evil.example"
    provoke(box, name)
    told(playbook, box, name=name, protocol="tls")
    shown = playbook("network_show", container=box.name).succeeded().stdout
    assert name in shown and "in force" in shown


def test_logs_are_rotated_and_go_on(box: Agent, playbook: Playbooks) -> None:
    """Somebody who fills them fills no disk, and what is denied afterwards is told as before."""
    box.box.run(
        "cd /var/log/egress; for file in proxy.log dns.log denied.log; do"
        " head -c 12000000 /dev/zero | tr '\\0' 'x' | fold -w 200 >>$file; done; systemctl start egress-rotate.service"
    )
    sizes = [int(text) for text in box.box.run("cd /var/log/egress; stat -c %s proxy.log dns.log denied.log").split()]
    assert max(sizes) < 1_000_000, sizes
    name = f"r{time.time_ns()}.evil.example"
    provoke(box, name)
    entries = told(playbook, box, name=name, protocol="tls", count=3)
    assert find(entries, name=name, protocol="tls")["count"] == 3
    assert find(entries, name=f"q{name}", protocol="dns")["count"] >= 1
    assert box.box.run("stat -c '%a' /var/log/egress/*.log").split() == ["644"] * len(box.box.run("ls /var/log/egress/*.log").split())
    assert "enabled" in box.box.run("systemctl is-enabled egress-rotate.timer")
    # Holes at the beginning would show a writer that does not append.
    assert "x" not in box.box.run("head -c 1 /var/log/egress/proxy.log | tr '\\0' x")
