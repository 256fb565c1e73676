"""Rows that use the way to packages: as it is meant, and with everything that it must not take."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

from rows_root import by_root, command, hook, local_package
from tools import WORLD as W
from tools import Unsupported, Verdict, row, run, tcp, tls_try, token, tried

SOCKET = "/run/egress/request.sock"
REFUSED = ("podman", "ufw", "px-wants-podman", "px-evicts")
MARKERS = ("/var/lib/px-marker-podman", "/var/lib/px-marker-ufw")


def ask(data: bytes, timeout: float = 20) -> tuple[int | None, str]:
    """One request as bytes; the status in the reply's last line, and the rest of it."""
    with socket.socket(socket.AF_UNIX) as there:
        there.settimeout(timeout)
        there.connect(SOCKET)
        answer = b""
        try:
            there.sendall(data)
            there.shutdown(socket.SHUT_WR)
            while piece := there.recv(65536):
                answer += piece
        except (BrokenPipeError, ConnectionResetError) as error:
            answer += repr(error).encode()
    # Not splitlines(), for which the mark is the end of a line.
    lines = answer.decode("utf-8", "replace").rstrip("\n").split("\n")
    for line in reversed(lines):
        if line.startswith("\x1eexit "):
            return int(line[6:]), "\n".join(lines[:-1])[-300:]
    return None, answer.decode("utf-8", "replace")[-300:]


def status(package: str) -> str:
    return run("dpkg-query", "-W", "-f=${db:Status-Status}", package)[1]


@row("W08", "root")
def package_by_name() -> Verdict:
    said = [run("sudo", "apt-get", "update", timeout=40), run("sudo", "apt-get", "install", "-y", "px-hello", timeout=40)]
    ok = [code for code, _text in said] == [0, 0] and status("px-hello") == "installed"
    return ("works" if ok else "blocked"), str([(code, text[-200:]) for code, text in said])


@row("W15", "root")
def package_as_agents_type_it() -> Verdict:
    """With scripts of its own, a version, several, and through /usr/bin/apt."""
    words = "sudo -E DEBIAN_FRONTEND=noninteractive apt install -yq --no-install-recommends px-scripted px-setuid"
    said = [run(*words.split(), timeout=40)]
    said.append(run("sudo", "apt-get", "-y", "install", "px-hello", timeout=40))
    ok = all(code == 0 for code, _text in said) and status("px-scripted") == status("px-setuid") == "installed"
    return ("works" if ok else "blocked"), str([(code, text[-200:]) for code, text in said])


@row("W09")
def denials_can_be_read() -> Verdict:
    """By the one who was denied: the address, the name of a TLS and of a DNS question."""
    name = f"{token('W09')}.{W['evil']}"
    tried("tcp", tcp, W["attacker"][0], 2222)
    tls_try(W["cdn"][0], name)
    run("getent", "ahosts", f"q{name}")
    wanted = {"denied.log": W["attacker"][0], "proxy.log": name, "dns.log": f"q{name}"}
    missing = dict(wanted)
    end = time.monotonic() + 4
    while missing and time.monotonic() < end:
        for file, text in list(missing.items()):
            try:
                if text in Path("/var/log/egress", file).read_text(errors="replace"):
                    del missing[file]
            except OSError:
                pass
        time.sleep(0.1)
    return ("blocked" if missing else "works"), f"missing: {missing}"


def line(*words: object) -> bytes:
    return json.dumps(words).encode() + b"\n"


def requests() -> dict[str, list[bytes]]:
    """What must be refused, by row."""
    deb = local_package("H01")
    conf = hook("H02")
    run_it = command("H02")
    return {
        "H01": [line("install", path) for path in (deb, f"./{os.path.relpath(deb)}", os.path.basename(deb), f"file:{deb}")],
        "H02": [
            line("install", f"-oAPT::Update::Pre-Invoke::={run_it}", "px-hello"),
            line("install", "-o", f"DPkg::Pre-Invoke::={run_it}", "px-hello"),
            line("install", "-c", conf, "px-hello"),
            line("install", f"--config-file={conf}", "px-hello"),
            line("update", "-c", conf),
            line("update", f"-oAPT::Update::Pre-Invoke::={run_it}"),
            line("install", "--", deb),
            line("-c", conf, "update"),
            line(f"-oAPT::Update::Pre-Invoke::={run_it}", "update"),
        ],
        "H03": [line("install", f"{name}-") for name in ("nftables", "haproxy", "dnsmasq-base", "openssh-server")],
        "H04": [line("install", name) for name in ("px-hello+", "podman+", "nftables-", "px-hello+M", "px-hello&M")],
        "H05": [line("install", name) for name in ("px-hello^", "standard^", "^px-hello", "task")],
        "H06": [line("install", name) for name in ("px-*", "px-?ello", "px-[gh]ello", "px-hell.", "^px", "px.*", "?name(px)", "~npx")],
        "H07": [line("install", name) for name in ("px-hello/stable", "px-hello/px", "podman/stable")],
        "H08": [line("install", f"px-hello{text}") for text in (f";{run_it}", f"$({run_it})", f"`{run_it}`", f"|{run_it}", "&&id")],
        "H09": [
            b'["install", "px-hello\xff\xfe"]\n', b"\xff\xfe\x00[\n", b'["inst\xc3\x28all", "px-hello"]\n',
            b'["install", "px-hell\xc3\xb6"]\n',
        ],
        "H10": [b'["install", "' + b"a" * 70_000 + b'"]\n', b"[" + b'"install",' * 20_000 + b"1]\n", b"[" * 100_000 + b"\n"],
        "H11": [b"\n", b"", b" \n", b"[]\n", b"{}\n", b"null\n", b'""\n', b"0\n", line("install"), line("install", ""), line("")],
        "H12": [line("install", name) for name in ("podman", "ufw", "podman=99.0", "podman:all", "PODMAN", "px-hello podman")],
        "H13": [line("install", f"px-hello={text}") for text in ("9.9-none", "", "1.0 podman", "*", "1.0/..", "1.0;id", "-1", "1.0=2.0")],
        "H14": [
            line(verb, "px-hello")
            for verb in (
                "remove", "purge", "upgrade", "dist-upgrade", "full-upgrade", "autoremove", "download", "source", "build-dep",
                "edit-sources", "satisfy", "reinstall", "changelog", "clean", "Install", "install ", "--help", "moo",
                "/bin/sh", "dpkg", "mark",
            )
        ],
        "H15": [line("install", "px-wants-podman"), line("install", "px-hello", "px-wants-podman")],
        "H16": [line("install", "px-evicts", *more) for more in ([], ["--allow-remove-essential"], ["nftables-"])],
        "H17": [
            b'{"verb": "install", "names": ["px-hello"]}\n', b'["install", ["podman"]]\n', b'["install", {"a": 1}]\n',
            b'["install", 1, true, null]\n', b'[["install"], "podman"]\n', b'"install podman"\n', b"install podman\n",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"['install', 'podman']\n",
        ],
        "H18": [line("install", name) for name in ("px-hello\0podman", "px-hello\npodman", "px-hello\t-y", "\0", "px-hello podman")],
        "H19": [line("install", f"px-hello:{text}") for text in ("none", "i386:i386", "amd64 ufw")]
        + [line("install", name) for name in ("podman:amd64", "podman:any", "ufw:all")],
        "H20": [line("update", "px-hello"), line("update", "podman"), line("update", ""), line("update", "install", "podman")],
        "H21": [line("install", *[f"p{number}" for number in range(5000)]), line("install", *["px-hello"] * 3000)],
        "H22": [line("install", name) for name in ("not-there-at-all", "a", "..", "/", "-", "--", "~", "px-hello,podman")],
        "H24": [
            line("systemctl", verb, unit)
            for verb in ("stop", "restart", "start", "mask", "kill", "edit", "daemon-reload", "--version")
            for unit in ("egress-proxy.service", "egress-firewall.service", "ssh.service", "egress-dns@front.service", "*", "-H.service")
        ]
        + [line("systemctl", "status", "ssh.service; id"), line("systemctl", "daemon-reexec"), line("systemctl", "status")],
        "H25": [
            line("journal", *words)
            for words in (
                ["ssh.service"], ["--cursor-file=/etc/px"], ["*"], ["../x.service"], [],
                *(["egress-proxy.service", *more] for more in (
                    ["--cursor-file=/etc/px"], ["-o"], ["lines", "-1"], ["lines", "1 --vacuum-size=1"], ["follow", "follow"], ["lines"],
                )),
            )
        ],
    }  # fmt: skip


def refused(ident: str) -> Verdict:
    if not os.path.exists(SOCKET):
        raise Unsupported("there is no socket for requests")
    accepted = []
    said = []
    for data in requests()[ident]:
        code, text = ask(data)
        said.append(f"{data[:60]!r}: {code} {text[:60]}")
        # No status at all is a program that has broken off: not a refusal either.
        if code == 0:
            accepted.append(f"{data[:80]!r} was accepted: {text}")
        elif code is None and not text.startswith("ConnectionReset") and data.strip():
            accepted.append(f"{data[:80]!r} had no end: {text}")
    broken = [name for name in REFUSED if status(name) == "installed"]
    gone = [name for name in ("nftables", "haproxy", "dnsmasq-base", "openssh-server") if status(name) != "installed"]
    made = [path for path in MARKERS if os.path.exists(path)]
    if broken or gone or made:
        return "bypass", f"installed {broken}, removed {gone}, markers {made}"
    if by_root(ident, [])[0] == "bypass":
        return "bypass", f"root has run it: {said}"
    return ("bypass" if accepted else "blocked"), "; ".join(accepted or said)[:600]


# H23 is a row of its own, below.
for _ident in [f"H{number:02}" for number in range(1, 26) if number != 23]:
    row(_ident, "root")(lambda _ident=_ident: refused(_ident))


@row("H23", "after")
def slow_request() -> Verdict:
    """Somebody who opens connections and says nothing must not keep others from asking for ever."""
    if not os.path.exists(SOCKET):
        raise Unsupported("there is no socket for requests")
    held = []
    try:
        for _number in range(12):
            there = socket.socket(socket.AF_UNIX)
            there.settimeout(0.5)
            there.connect(SOCKET)
            held.append(there)
    except OSError:
        pass
    finally:
        for there in held:
            there.close()
    end = time.monotonic() + 8
    said = ""
    while time.monotonic() < end:
        try:
            code, said = ask(line("update"), timeout=8)
        except OSError as error:
            said = repr(error)
        else:
            if code == 0:
                return "blocked", "answered again"
        time.sleep(0.3)
    return "bypass", f"no answer afterwards: {said}"
