# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a container's egress policy is, and whether it is really in force. Changes nothing, and believes nothing that it has not seen."""

from __future__ import annotations

import contextlib
import glob
import grp
import ipaddress
import platform
import pwd
import re
import shlex
import socket
import threading
import time
from typing import Any
from urllib.parse import urlsplit

from . import egress_places as places
from .egress_doors import open_doors
from .egress_inside import interfaces
from .egress_inside import problems as inside_problems
from .egress_machine import Machine, digest
from .egress_proxy import old_workers
from .egress_rights import powers, unrevokable

_URI = re.compile(r"\bhttps?://(?:[^\s\"'/\[\]>,;]*@)?(?:\[[0-9a-fA-F:.]+\])?[^\s\"'\]>,;]*")
# Seconds for the addresses of the hosts that packages come from.
_LOOK_UP = 3.0
_SUPPORTED = {"debian": (12,), "ubuntu": (22,)}


def look(machine: Machine, user: str) -> dict[str, Any]:
    """Everything that a plan needs; `user` is the agent's account where no policy names it."""
    policy = machine.read(places.POLICY)
    user = str((machine.read_json(places.POLICY) or {}).get("user") or user)
    found: dict[str, Any] = {
        "system": system(machine),
        "user": account(machine, user),
        "policy": machine.read_json(places.POLICY),
        "digest": "" if policy is None else digest(policy),
        "state": machine.read_json(places.STATE),
        "files": {name: machine.fingerprint(name) for name in present(machine)},
        "dns_offered": offered_resolvers(machine),
        "package_hosts": package_hosts(machine),
        "resolv": machine.read(places.RESOLV) or "",
        "dnsmasq": dnsmasq_version(machine),
        "table": table(machine),
        "interfaces": interfaces(machine),
        "old_workers": old_workers(machine) if policy is not None else [],
    }
    found["drift"] = drift(machine, found)
    return found


def present(machine: Machine) -> list[str]:
    """Our files that there are."""
    own = [name for folder in (places.SETTINGS, places.PROGRAMS) for name in machine.listed(folder)]
    return own + [name for name in places.outside_files() if machine.exists(name)]


def table(machine: Machine) -> str:
    """The digest of the rules that the kernel has, or "" when it has none of ours."""
    status, text = machine.run("nft", "-s", "list", "table", *places.TABLE, check=False)
    return digest(text) if status == 0 else ""


def drift(machine: Machine, found: dict[str, Any]) -> list[str]:
    """In what the container differs from the policy that it is said to have."""
    policy, state = found["policy"], found["state"]
    if policy is None:
        left = [name for name in found["files"] if name.startswith((places.SETTINGS + "/egress", places.UNITS + "/egress-"))]
        return [f"the policy is gone, but parts of it are still there: {', '.join(left)}"] if left else []
    if not policy:
        return [f"{places.POLICY} is damaged"]
    if not state:
        return ["the policy was never completely put in force"]
    problems = []
    if not found["table"] or found["table"] != state.get("table"):
        problems.append("the rules in the kernel are not those of the policy" if found["table"] else "no rules are loaded")
    different = [name for name, wanted in state.get("files", {}).items() if found["files"].get(name, "") != wanted]
    if different:
        problems.append(f"changed or missing files: {', '.join(different)}")
    problems += _services(machine) + inside_problems(machine, policy)
    if not found["resolv"].startswith("nameserver 127.0.0.1\n"):
        problems.append(f"{places.RESOLV} does not lead to the resolver of the policy")
    if found["user"]["powers"]:
        problems.append(f"{found['user']['name']} can become root: {', '.join(found['user']['powers'])}")
    if machine.read(places.NOLOGIN) in places.CLOSED:
        problems.append("logins are closed, as if the policy were still being put in force")
    if machine.exists(places.LOCKED):
        problems.append("the container is locked, for its rules could not be loaded")
    return problems


def _services(machine: Machine) -> list[str]:
    _status, said = machine.systemctl("show", "-p", "Id,ActiveState,UnitFileState", *places.SERVICES, check=False)
    states = {}
    for block in said.split("\n\n"):
        values = dict(line.partition("=")[::2] for line in block.splitlines())
        states[values.get("Id", "")] = values
    problems = []
    for unit in places.SERVICES:
        values = states.get(unit, {})
        if values.get("ActiveState") != "active":
            problems.append(f"{unit} is {values.get('ActiveState') or 'unknown'}")
        if values.get("UnitFileState") != "enabled":
            problems.append(f"{unit} does not start at boot")
    _status, said = machine.systemctl("show", "-p", "NoNewPrivileges", "--value", "ssh.service", check=False)
    if said.strip() != "yes":
        problems.append("logins through ssh.service may gain privileges")
    return problems + [f"logins by {unit} are possible" for unit in open_doors(machine)]


# The system


def system(machine: Machine) -> dict[str, Any]:
    values: dict[str, str] = {}
    for line in (machine.read("/etc/os-release") or "").splitlines():
        key, equals, value = line.partition("=")
        if equals:
            values[key] = "".join(shlex.split(value))
    number = re.match(r"\d+", values.get("VERSION_ID", ""))
    least = _SUPPORTED.get(values.get("ID", ""))
    supported = least is not None and (number is None or int(number.group()) >= least[0])
    return {
        "name": values.get("PRETTY_NAME") or "an unknown system",
        "id": values.get("ID", ""),
        "version": values.get("VERSION_ID", ""),
        "supported": supported and bool(machine.read("/proc/1/comm") in (None, "systemd\n")),
        "multiarch": multiarch(machine),
    }


def multiarch(machine: Machine) -> str:
    """The name of the directory of libraries, such as x86_64-linux-gnu."""
    for folder in glob.glob(machine.path("/usr/lib/*/ulogd")) + sorted(glob.glob(machine.path("/usr/lib/*/security"))):
        return folder.split("/")[-2]
    return {"aarch64": "aarch64-linux-gnu"}.get(platform.machine(), f"{platform.machine()}-linux-gnu")


def dnsmasq_version(machine: Machine) -> str:
    if not machine.exists("/usr/sbin/dnsmasq"):
        return ""
    _status, said = machine.run("/usr/sbin/dnsmasq", "--version", check=False)
    found = re.search(r"ersion (\d+\.\d+)", said)
    return found.group(1) if found else ""


def account(machine: Machine, user: str) -> dict[str, Any]:
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return {"name": user, "exists": False, "powers": [], "unrevokable": []}
    return {
        "name": user,
        "exists": True,
        "uid": entry.pw_uid,
        "group": _group(entry.pw_gid),
        "powers": powers(machine, user),
        "unrevokable": unrevokable(machine, user),
    }


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


# Name servers and package mirrors


def offered_resolvers(machine: Machine) -> list[str]:
    """The name servers that the container's network offers, as far as they can be seen; without those on the container itself."""
    texts = [machine.read(name) or "" for name in machine.listed("/run/systemd/netif/leases")]
    found = [word for text in texts for line in text.splitlines() if line.startswith("DNS=") for word in line[4:].split()]
    if not found:
        found = _nameservers(machine.read("/run/systemd/resolve/resolv.conf")) or _nameservers(machine.read(places.RESOLV))
    return [address for address in dict.fromkeys(found) if _is_elsewhere(address)]


def _nameservers(text: str | None) -> list[str]:
    return [line.split()[1] for line in (text or "").splitlines() if line.startswith("nameserver ") and len(line.split()) > 1]


def _is_elsewhere(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not address.is_loopback and not address.is_unspecified and not address.is_link_local


def package_hosts(machine: Machine) -> list[dict[str, Any]]:
    """Where apt gets packages from: mirrors, with addresses where these are private, and the proxies that it uses, with all of theirs.

    The addresses of a host that cannot be looked up now are None.
    """
    uris = set()
    for name in ["/etc/apt/sources.list", *machine.listed("/etc/apt/sources.list.d")]:
        if not name.endswith((".list", ".sources")):
            continue
        for line in (machine.read(name) or "").splitlines():
            if not line.lstrip().startswith("#"):
                uris.update(_URI.findall(line))
    found = [_host(uri, "mirror") for uri in uris]
    _status, said = machine.run("apt-config", "dump", "--format", "%f %v%n", check=False)
    for line in said.splitlines():
        key, _blank, value = line.partition(" ")
        if re.fullmatch(r"(?i)acquire::https?::proxy(::.*)?", key) and value.startswith("http"):
            found.append(_host(value, "proxy"))
    unique: list[dict[str, Any]] = [{"role": role, "host": host, "port": port} for role, host, port in sorted(set(found)) if host]
    known = looked_up({entry["host"] for entry in unique})
    for entry in unique:
        every = known.get(entry["host"])
        private = None if every is None else [address for address in every if _is_private(address)]
        entry["addresses"] = every if entry["role"] == "proxy" else private
    return unique


def _host(uri: str, role: str) -> tuple[str, str, int]:
    try:
        parts = urlsplit(uri)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return role, "", 0
    return role, (parts.hostname or "").rstrip("."), port


def looked_up(hosts: set[str]) -> dict[str, list[str]]:
    """The addresses of each; one that gets no answer in time is left out. In a locked container none does."""
    found: dict[str, list[str]] = {}

    def one(host: str) -> None:
        with contextlib.suppress(OSError, UnicodeError):
            answers = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)
            found[host] = sorted({str(entry[4][0]).partition("%")[0] for entry in answers})

    threads = [threading.Thread(target=one, args=(host,), daemon=True) for host in hosts]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _LOOK_UP
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return dict(found)


def _is_private(text: str) -> bool:
    address = ipaddress.ip_address(text)
    if address.version == 4:
        return any(address in ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"))
    return address in ipaddress.ip_network("fc00::/7")


# For people


def summary(machine: Machine, found: dict[str, Any]) -> dict[str, Any]:
    """What `egress_info` tells of the policy."""
    policy = found["policy"]
    known = policy or {}
    return {
        "mode": "unrestricted" if policy is None else known.get("mode") or "unknown",
        "allow": known.get("allow") or [],
        "deny": known.get("deny") or [],
        "entries": [] if policy is None else entries(machine),
        "user": known.get("user") or found["user"]["name"],
        "dns": known.get("dns") or [],
        "units": known.get("units") or [],
        "inbound": known.get("inbound") or [],
        "in_force": not found["drift"],
        "drift": found["drift"],
    }


def entries(machine: Machine) -> list[str]:
    """What the lists in force let through."""

    def lines(name: str) -> list[str]:
        return (machine.read(f"{places.SETTINGS}/{name}") or "").splitlines()

    ports = [f"{line.split()[1]}:{line.split()[0].rpartition(':')[2]}" for line in lines("tcp.map") if len(line.split()) == 2]
    ranges = []
    for name in ("cidr4", "cidr6"):
        found = re.search(rf"set {name} \{{[^\n]*elements = \{{ ([^}}]*) \}}", machine.read(places.RULES) or "")
        for element in found.group(1).split(", ") if found else []:
            net, _dot, port = element.partition(" . ")
            ranges.append(f"[{net}]:{port}" if ":" in net else f"{net}:{port}")
    return [*lines("exact.lst"), *("*" + suffix for suffix in lines("suffix.lst")), *ports, *ranges]
