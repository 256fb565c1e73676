"""The machine's own apt: where it gets packages from, its proxy, and installing from it without starting services."""

from __future__ import annotations

import fcntl
import os
import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import CommandFailed, HostError
from .run import Say, run

LOCK_SECONDS = 600
POLICY = Path("/usr/sbin/policy-rc.d")
_POLICY_MARK = "# made for the time of one installation by the lab"
_ENVIRONMENT = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_MODE": "l", "APT_LISTCHANGES_FRONTEND": "none"}
# Settings that a container needs in order to use the same mirror in the same way.
_SHARED = (
    "Acquire::http::Proxy",
    "Acquire::https::Proxy",
    "Acquire::Check-Valid-Until",
    "Acquire::Check-Date",
    "Acquire::ForceIPv4",
    "Acquire::Retries",
)


@dataclass(frozen=True)
class Release:
    """/etc/os-release, as far as it matters."""

    ident: str  # debian, ubuntu
    number: str  # 12, 24.04
    codename: str  # bookworm, noble
    name: str  # Debian GNU/Linux 12 (bookworm)

    @classmethod
    def of_machine(cls, path: Path = Path("/etc/os-release")) -> Release:
        values: dict[str, str] = {}
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except OSError:
            lines = []
        for line in lines:
            key, equals, value = line.partition("=")
            if equals:
                values[key] = "".join(shlex.split(value))
        name = values.get("PRETTY_NAME") or values.get("NAME") or "this system"
        return cls(values.get("ID", ""), values.get("VERSION_ID", ""), values.get("VERSION_CODENAME", ""), name)


# Releases whose packages lie beside those of the machine's own: images of them can be made on any machine of their distribution.
SIBLINGS = (
    Release("debian", "12", "bookworm", "Debian GNU/Linux 12 (bookworm)"),
    Release("debian", "13", "trixie", "Debian GNU/Linux 13 (trixie)"),
    Release("ubuntu", "22.04", "jammy", "Ubuntu 22.04 LTS"),
    Release("ubuntu", "24.04", "noble", "Ubuntu 24.04 LTS"),
)


@dataclass(frozen=True)
class Source:
    """One line of what apt reads packages from, whichever of its two formats it was written in."""

    uri: str
    suite: str
    component: str


def sources() -> list[Source]:
    """As apt itself understands its configuration."""
    text = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Identifier: Packages"])
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 3 and words[0].split(":")[0] in ("http", "https", "file", "ftp"):
            found.append(Source(words[0].rstrip("/"), words[1], words[2]))
    return list(dict.fromkeys(found))


def mirror(release: Release) -> str:
    """Where this machine gets its distribution's packages from. All releases of a distribution lie there."""
    own = Release.of_machine()
    if own.ident != release.ident:
        raise HostError(f"{release.name} cannot be made on {own.name}: this machine has no mirror of it")
    for source in sources():
        if source.suite == own.codename and source.component == "main":
            return source.uri
    raise HostError(f"apt has no source of {own.name} itself (suite {own.codename}, component main): see /etc/apt/sources.list.d")


def shared_settings() -> list[str]:
    """Lines of apt configuration that hold for the containers too. A proxy on loopback is this machine's alone."""
    wanted = {key.lower(): key for key in _SHARED}
    lines = []
    for line in run(["apt-config", "dump"]).splitlines():
        key, _blank, value = line.partition(" ")
        value = value.strip().removesuffix(";").strip('"')
        if key.lower() not in wanted or not value:
            continue
        if key.lower().endswith("::proxy") and any(local in value for local in ("//localhost", "//127.", "//[::1]")):
            continue
        lines.append(f'{key} "{value}";')
    return lines


def proxies() -> dict[str, str]:
    """Apt's proxies as environment variables, for debootstrap, which downloads by itself."""
    found = {}
    for line in run(["apt-config", "dump"]).splitlines():
        key, _blank, value = line.partition(" ")
        value = value.strip().removesuffix(";").strip('"')
        if value and value != "DIRECT" and key.lower() in ("acquire::http::proxy", "acquire::https::proxy"):
            found[f"{key.split('::')[1].lower()}_proxy"] = value
    return found


def candidate(package: str) -> bool:
    """Whether apt could install it as it is configured now."""
    for line in run(["apt-cache", "policy", package]).splitlines():
        key, colon, value = line.strip().partition(":")
        if colon and key == "Candidate":
            return value.strip() != "(none)"
    return False


def _wait_for(lock: Path, say: Say) -> None:
    """Until nobody holds it. Apt itself waits for dpkg's lock only, not for that of its package lists."""
    if not lock.parent.is_dir():
        return
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    try:
        deadline = time.monotonic() + LOCK_SECONDS
        told = False
        while True:
            try:
                fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except (BlockingIOError, PermissionError):
                pass
            if time.monotonic() > deadline:
                raise HostError(f"another program has held {lock} for {LOCK_SECONDS} seconds")
            if not told:
                say("waiting for another package manager to finish")
                told = True
            time.sleep(0.5)  # a foreign program's lock: there is nothing to be told by
    finally:
        os.close(descriptor)


def update(say: Say, log: Path) -> None:
    lock = Path("/var/lib/apt/lists/lock")
    for attempt in range(3):
        _wait_for(lock, say)
        try:
            run(["apt-get", "--quiet", "update"], env=_ENVIRONMENT, log=log, timeout=600)
            return
        except CommandFailed:
            # Somebody may have taken the lock just between; mirrors have moments of weakness too.
            if attempt == 2:
                raise


@contextmanager
def _no_service_starts() -> Iterator[None]:
    """Packages are installed, their services are not started: the lab runs its own daemon. A policy that exists stays in force."""
    made = False
    if not POLICY.exists() or _POLICY_MARK in POLICY.read_text(encoding="utf-8", errors="replace"):
        POLICY.write_text(f"#!/bin/sh\n{_POLICY_MARK}\nexit 101\n", encoding="utf-8")
        POLICY.chmod(0o755)
        made = True
    try:
        yield
    finally:
        if made:
            with suppress(FileNotFoundError):
                POLICY.unlink()


def install(packages: list[str], say: Say, log: Path) -> None:
    options = ["--yes", "--quiet", "--no-install-recommends"]
    options += ["-o", f"DPkg::Lock::Timeout={LOCK_SECONDS}", "-o", "Dpkg::Options::=--force-confold"]
    with _no_service_starts():
        _wait_for(Path("/var/cache/apt/archives/lock"), say)
        run(["apt-get", *options, "install", *packages], env=_ENVIRONMENT, log=log, timeout=1800)
