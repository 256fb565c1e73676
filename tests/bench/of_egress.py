"""What an egress policy costs: putting it in force and changing it, what it adds to a connection and to a boot, and the memory it takes.

One container with a policy beside one without, both before the simulated internet of the end-to-end tests; the agent's account measures, in
turns in the one and in the other.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from incus_cli import Incus
from measures import Added, Ratio, Timings
from of_containers import EMPTY
from playbook import ROOT, Playbooks
from running_lab import RunningLab

sys.path.append(str(ROOT / "tests" / "e2e" / "egress"))

import internet as simulated
import world

BASE, LABEL, HELD, OPEN = "egressbase", "ready", "egressheld", "egressopen"
NAMES = [world.API, *(f"name{number:02}.bench.example" for number in range(2, 51))]
AGENT = 1000
# In turns, so that what else the machine does hits both sides.
TURNS, EACH = 8, 40
# The simulated internet's, not those of the lab's own network.
DNS: dict[str, Any] = {"egress_dns": [world.v4(world.DNS)]}

FIRST = "policy of 50 names for a container without one, with the packages and the proof"
AGAIN_FROM_NOTHING = "the same once more, with its packages there already"
UNCHANGED = "the same policy again (changed=0), with the proof"
UNCHANGED_QUICK = "the same policy again (changed=0), without the proof"
CHANGE = "network_allow of one name, until it can be reached"
RELEASE = "from restricted to unrestricted"
BOOT, BOOT_OPEN = "restart until SSH answers, with a policy", "restart until SSH answers, without"
LATENCIES = {"tls": "TLS connection and request", "http": "HTTP connection and request", "dns": "look-up of a name"}

RATIOS = (
    Ratio("a policy from nothing, packages there, against an empty playbook", AGAIN_FROM_NOTHING, EMPTY),
    Ratio("a policy again against an empty playbook", UNCHANGED, EMPTY),
    Ratio("one name more against an empty playbook", CHANGE, EMPTY),
    Ratio("boot with a policy against one without", BOOT, BOOT_OPEN),
    *(Ratio(f"{text} with a policy against one without", f"{text}, with a policy", f"{text}, without") for text in LATENCIES.values()),
)
ADDED = (
    Added("what a policy adds to a boot", BOOT, BOOT_OPEN),
    *(Added(f"what a policy adds to a {text}", f"{text}, with a policy", f"{text}, without") for text in LATENCIES.values()),
)

_LATENCIES = r"""
import json, socket, ssl, struct, sys, time
asked = json.load(sys.stdin)
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
request = ("GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % asked["name"]).encode()
labels = b"".join(bytes((len(part),)) + part for part in asked["name"].encode().split(b"."))
question = struct.pack("!HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)

def talk(connection):
    connection.sendall(request)
    said = b""
    while b"INTERNET-SITE" not in said:
        piece = connection.recv(65536)
        if not piece:
            raise SystemExit("no answer, but %r" % said)
        said += piece

def tls():
    with socket.create_connection((asked["site"], 443), 10) as plain:
        with context.wrap_socket(plain, server_hostname=asked["name"]) as secure:
            talk(secure)

def http():
    with socket.create_connection((asked["site"], 80), 10) as plain:
        talk(plain)

def dns():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.settimeout(10)
        there.connect((asked["dns"], 53))
        there.send(question)
        if there.recv(2000)[3] & 15:
            raise SystemExit("the name is refused")

took = {}
for kind in (tls, http, dns):
    kind()
    took[kind.__name__] = []
    for _number in range(asked["each"]):
        began = time.perf_counter()
        kind()
        took[kind.__name__].append(time.perf_counter() - began)
print(json.dumps(took))
"""

_WAIT = r"""
import socket, ssl, sys, time
context = ssl.create_default_context()
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
print("started", flush=True)
end = time.monotonic() + 60
while time.monotonic() < end:
    try:
        with socket.create_connection((sys.argv[1], 443), 5) as plain, context.wrap_socket(plain, server_hostname=sys.argv[1]):
            print(time.time())
            raise SystemExit
    except OSError:
        time.sleep(0.02)
raise SystemExit("it never worked")
"""

_MEMORY = r"""
import os, pwd
total = {}
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        owner = pwd.getpwuid(os.stat("/proc/" + pid).st_uid).pw_name
        name = open("/proc/%s/comm" % pid).read().strip()
        if not owner.startswith("egress-"):
            continue
        for line in open("/proc/%s/smaps_rollup" % pid):
            if line.startswith("Pss:"):
                total[name] = total.get(name, 0) + int(line.split()[1])
    except (OSError, KeyError):
        pass
print(__import__("json").dumps(total))
"""


def bench(timings: Timings, playbook: Playbooks, incus: Incus, lab: RunningLab, directory: Path, rounds: int) -> None:
    internet = simulated.make(playbook, lab, _folder(directory))
    playbook("create", container=BASE).succeeded()
    playbook("checkpoint_create", container=BASE, label=LABEL).succeeded()
    source: Mapping[str, Any] = {"from": f"{BASE}:{LABEL}"}
    playbook("create", container=OPEN, **source).succeeded()
    with internet.routed():
        for _round in range(rounds):
            playbook("create", container=HELD, **source).succeeded()
            _changes(timings, playbook, lab)
            _latencies(timings, lab)
            _boots(timings, incus)
            if _round == rounds - 1:
                _memory(timings, lab)
            timings.measure(RELEASE, lambda: playbook("network_set", container=HELD, mode="unrestricted").succeeded())
            playbook("destroy", container=HELD).succeeded()


def _folder(directory: Path) -> Path:
    folder = directory / "internet"
    folder.mkdir(exist_ok=True)
    return folder


def _apply(playbook: Playbooks, **more: Any) -> int:
    return playbook("network_set", container=HELD, mode="allowlist", allow=NAMES, **DNS, **more).succeeded().changed


def _unchanged(playbook: Playbooks, **more: Any) -> None:
    if _apply(playbook, **more):
        raise SystemExit("the second run changed something")


def _changes(timings: Timings, playbook: Playbooks, lab: RunningLab) -> None:
    timings.measure(EMPTY, lambda: playbook.tasks({"name": "Nothing", "ansible.builtin.meta": "noop"}).succeeded())
    timings.measure(FIRST, lambda: _apply(playbook))
    playbook("network_set", container=HELD, mode="unrestricted").succeeded()
    timings.measure(AGAIN_FROM_NOTHING, lambda: _apply(playbook))
    timings.measure(UNCHANGED, lambda: _unchanged(playbook))
    timings.measure(UNCHANGED_QUICK, lambda: _unchanged(playbook, prove=False))
    timings.add(CHANGE, _until_it_works(playbook, lab, world.SPARE[0]))


def _until_it_works(playbook: Playbooks, lab: RunningLab, name: str) -> float:
    """From the start of the playbook to the first handshake; the agent tries all the while."""
    box = simulated.Box(lab, HELD)
    command = ["incus", "exec", f"px-{HELD}", "--user", str(AGENT), "--group", str(AGENT), "--", "python3", "-c", _WAIT, name]
    with subprocess.Popen(command, env=box.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        if waiting.stdout.readline() != "started\n":
            raise SystemExit("the agent could not begin to try")
        began = time.time()
        playbook("network_allow", container=HELD, domain=name, prove=False, **DNS).succeeded()
        said = waiting.stdout.read()
    if waiting.returncode or float(said) < began:
        raise SystemExit(f"{name} was not reached after it was allowed, or before")
    return float(said) - began


def _latencies(timings: Timings, lab: RunningLab) -> None:
    asked = {"name": world.API, "site": world.v4(world.CDN), "dns": world.v4(world.DNS), "each": EACH}
    script = f"exec python3 -c {_quoted(_LATENCIES)}"
    for _turn in range(TURNS):
        for name, which in ((OPEN, "without"), (HELD, "with a policy")):
            took = json.loads(simulated.Box(lab, name).run(script, stdin=json.dumps(asked).encode(), uid=AGENT))
            for kind, text in LATENCIES.items():
                timings.add(f"{text}, {which}", *took[kind])


def _quoted(program: str) -> str:
    return "'" + program.replace("'", "'\\''") + "'"


def _boots(timings: Timings, incus: Incus) -> None:
    timings.measure(BOOT_OPEN, lambda: _boot(incus, f"px-{OPEN}"))
    timings.measure(BOOT, lambda: _boot(incus, f"px-{HELD}"))


def _boot(incus: Incus, name: str) -> None:
    incus("stop", "--force", name)
    incus("start", name)
    incus.reach(name)


def _memory(timings: Timings, lab: RunningLab) -> None:
    """Proportional: what processes share is counted once."""
    found = json.loads(simulated.Box(lab, HELD).run(f"exec python3 -c {_quoted(_MEMORY)}"))
    parts = ", ".join(f"{name} {size / 1024:.1f}" for name, size in sorted(found.items(), key=lambda item: -item[1]))
    timings.note(f"memory of the policy's processes (PSS): {sum(found.values()) / 1024:.1f} MiB ({parts})")
