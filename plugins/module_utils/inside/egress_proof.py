# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The proof of an egress policy, by trying: run as the agent, in a login like the agent's own.

Nothing is sent that matters: the address is one that is set aside for documentation, and the names end in `.invalid`. A time-out proves
nothing, for an open container gets no answer from there either: what is denied has to be refused, at once.
"""

from __future__ import annotations

import grp
import os
import pwd
import random
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from . import egress_places as places
from .egress_look import package_hosts
from .egress_machine import Machine

_NOWHERE = places.PROOF_ADDRESS
_UNLISTED = places.PROOF_NAME
_AT_ONCE = 2.0
_PATIENCE = 15.0
_MOST_NAMES = 12

Check = tuple[str, bool, str]


def prove(machine: Machine, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """Each check with what was seen."""
    policy = machine.read_json(places.POLICY)
    if not policy:
        return [_told(("policy", False, "this container has no egress policy"))]
    mode = str(policy.get("mode"))
    checks: list[Callable[[], Check]] = [_no_root, _no_sudo]
    if mode != "learn":
        checks += [_tls_refused, _tcp_refused, lambda: _name_refused(machine), _resolver_refused]
    listed = list(names) if names is not None else candidates(machine, policy)
    if listed:
        checks.append(lambda: _listed(listed))
    return [_told(check) for check in _side_by_side(checks)]


def prove_behind(machine: Machine, names: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """The same behind a gateway, for whoever asks: what is refused there is refused to root as well."""
    listed = list(names) if names is not None else _mirrors(machine)
    checks: list[Callable[[], Check]] = [_tls_refused, _tcp_refused, _some_name_refused, _resolver_refused]
    if listed:
        checks.append(lambda: _listed(listed))
    return [_told(check) for check in _side_by_side(checks)]


def _mirrors(machine: Machine) -> list[str]:
    return [entry["host"] for entry in package_hosts(machine) if entry["role"] == "mirror"][:_MOST_NAMES]


def candidates(machine: Machine, policy: dict[str, Any]) -> list[str]:
    """Listed names, those first that are certain to be reachable: where the container has its packages from."""
    exact = (machine.read(places.SETTINGS + "/exact.lst") or "").split()
    mirrors = [entry["host"] for entry in policy.get("package_hosts") or [] if entry["role"] == "mirror" and not entry["addresses"]]
    first = [name for name in mirrors if name in exact]
    return [*first, *(name for name in exact if name not in first)][:_MOST_NAMES]


def _told(check: Check) -> dict[str, Any]:
    return dict(zip(("check", "ok", "seen"), check))


def _side_by_side(checks: Sequence[Callable[[], Check]]) -> list[Check]:
    found: dict[int, Check] = {}

    def one(index: int) -> None:
        try:
            found[index] = checks[index]()
        except Exception as error:  # a check that breaks off has proven nothing
            found[index] = (checks[index].__name__.strip("_"), False, f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=one, args=(index,), daemon=True) for index in range(len(checks))]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _PATIENCE
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = ("check", False, f"it has not ended within {int(_PATIENCE)} s")
    return [found.get(index, late) for index in range(len(checks))]


# What must work


def _listed(names: Sequence[str]) -> Check:
    """One is enough: a service may be down, a policy that lets nothing through shows in all of them."""
    won: list[str] = []
    lost: dict[str, str] = {}
    done = threading.Event()

    def one(name: str) -> None:
        try:
            won.append(_reach(name))
            done.set()
        except OSError as error:
            lost[name] = str(error)
            if len(lost) == len(names):
                done.set()

    for name in names:
        threading.Thread(target=one, args=(name,), daemon=True).start()
    done.wait(_PATIENCE - 1)
    if won:
        return ("a listed name works", True, won[0])
    seen = "; ".join("{}: {}".format(*item) for item in list(lost.items())[:3]) or "no answer"
    return ("a listed name works", False, f"none of {', '.join(names[:5])} answers: {seen}")


def _reach(name: str) -> str:
    try:
        with socket.create_connection((name, 443), timeout=6) as plain:
            with _trusting().wrap_socket(plain, server_hostname=name) as secure:
                return f"{name}: {secure.version()}"
    except OSError as first:
        with socket.create_connection((name, 80), timeout=6) as plain:
            plain.sendall(b"HEAD / HTTP/1.0\r\nHost: %s\r\n\r\n" % name.encode("ascii"))
            head = plain.recv(4096)
        line = head.split(b"\r\n")[0].decode("ascii", "replace")
        # The proxy itself answers with these.
        if not line.startswith("HTTP/") or line.split()[1:2] in (["403"], ["502"], ["503"], ["504"], ["400"]):
            raise OSError(f"{first}; HTTP: {line or 'closed'}") from None
        return f"{name}: {line}"


def _trusting() -> ssl.SSLContext:
    """That there is a handshake is what is to be proven, not who is at the other end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# What must be refused


def _tls_refused() -> Check:
    title = "TLS to an unlisted name is refused"
    began = time.monotonic()
    try:
        with socket.create_connection((_NOWHERE, 443), timeout=6) as plain:
            with _trusting().wrap_socket(plain, server_hostname=_UNLISTED):
                return (title, False, "there was a handshake")
    except OSError as error:
        return _at_once(title, began, error)


def _tcp_refused() -> Check:
    title = "an address without a name is refused"
    began = time.monotonic()
    try:
        with socket.create_connection((_NOWHERE, places.PROOF_PORT), timeout=6):
            return (title, False, "it was connected")
    except OSError as error:
        return _at_once(title, began, error)


def _at_once(title: str, began: float, error: OSError) -> Check:
    took = time.monotonic() - began
    if isinstance(error, socket.timeout) or took > _AT_ONCE:
        return (title, False, f"no answer within {took:.1f} s: that may be the network, and proves no policy")
    if getattr(error, "errno", None) in (101, 113):  # no route: nobody has refused anything
        return (title, False, f"{error}: that is the network, and proves no policy")
    return (title, True, f"{error} after {took:.2f} s")


def _name_refused(machine: Machine) -> Check:
    """A name that there is: an open container would look it up."""
    return _lookup_refused(_existing(machine))


def _some_name_refused() -> Check:
    """The gateway's list is not known here, but it has hardly all of these."""
    found = [_lookup_refused(name) for name in places.PROOF_LOOK_UPS]
    return next((check for check in found if check[1]), found[0])


def _lookup_refused(name: str) -> Check:
    title = "an unlisted name is not looked up"
    began = time.monotonic()
    try:
        socket.getaddrinfo(name, 443)
    except socket.gaierror as error:
        took = time.monotonic() - began
        return (title, error.errno == socket.EAI_NONAME and took < _AT_ONCE, f"{name}: {error.strerror} after {took:.2f} s")
    return (title, False, f"{name} was looked up")


def _existing(machine: Machine) -> str:
    exact = (machine.read(places.SETTINGS + "/exact.lst") or "").split()
    suffixes = tuple((machine.read(places.SETTINGS + "/suffix.lst") or "").split())
    ports = [line.split()[-1] for line in (machine.read(places.SETTINGS + "/tcp.map") or "").splitlines()]
    unlisted = [
        name for name in places.PROOF_LOOK_UPS if name not in exact and name not in ports and not (suffixes and name.endswith(suffixes))
    ]
    return [*unlisted, _UNLISTED][0]


def _resolver_refused() -> Check:
    """Any resolver that is asked is our own: only that can say of the proof's name that there is none, from an address where nobody is."""
    title = "other resolvers are not reached"
    began = time.monotonic()
    number = random.getrandbits(16)
    labels = b"".join(bytes((len(part),)) + part for part in _UNLISTED.encode().split(b"."))
    question = struct.pack("!HHHHHH", number, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as talk:
        talk.settimeout(_AT_ONCE)
        talk.connect((_NOWHERE, 53))
        try:
            talk.send(question)
            answer = talk.recv(512)
        except OSError as error:
            return _at_once(title, began, error)
    status = answer[3] & 15 if len(answer) > 3 else -1
    return (title, status == 3, "our own resolver says that there is no such name" if status == 3 else f"status {int(status)}")


# Root


def _no_root() -> Check:
    title = "the agent cannot gain privileges"
    with open("/proc/self/status", encoding="ascii", errors="replace") as stream:
        status = dict(line.rstrip("\n").partition(":\t")[::2] for line in stream)
    if os.geteuid() == 0:
        return (title, False, "this is root; the proof is run as the agent's account")
    groups = {grp.getgrgid(gid).gr_name for gid in os.getgroups() if _has_name(gid)} & places.POWERFUL_GROUPS
    if status.get("NoNewPrivs", "").strip() != "1":
        return (title, False, "setuid programs work in this login (NoNewPrivs is not set)")
    if groups:
        return (title, False, f"it is in the group {', '.join(sorted(groups))}")
    if int(status.get("CapEff", "1").strip(), 16) != 0:
        return (title, False, "it has capabilities")
    return (title, True, f"{pwd.getpwuid(os.geteuid()).pw_name}, no new privileges, no capabilities")


def _has_name(gid: int) -> bool:
    try:
        grp.getgrgid(gid)
    except KeyError:
        return False
    return True


def _no_sudo() -> Check:
    title = "sudo makes nobody root"
    if not os.path.exists("/usr/bin/sudo"):
        return (title, True, "there is no sudo")
    done = subprocess.run(
        ["/usr/bin/sudo", "-n", "id", "-u"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=10,
    )
    said = done.stdout.decode("utf-8", "replace").strip().splitlines()
    return (title, done.returncode != 0, said[0][:120] if said else f"status {int(done.returncode)}")
