# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""First access as data: what is wanted (a Recipe) becomes a script, and what the script says becomes a Report. Pure."""

from __future__ import annotations

import hashlib
import json
import re
import shlex
from dataclasses import dataclass, field
from typing import Any

from .access_dns import STAMP_DIR
from .access_keys import KEYS
from .access_shell import SCRIPT
from .identity_install import variables

# Goes up with every change of the script that containers which have run the one before should get.
VERSION = 4
# Where it is, the container's egress is restricted. The role egress writes it before all else, and takes it away again at the end.
POLICY_FILE = "/etc/egress/policy.json"
STAMP_MARK = "pixels-stamp:"
LOG_LINES = 30

_SSHD = """\
# Written by pixels.sandbox.ssh_access; the first value that sshd reads for a setting counts.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PubkeyAuthentication yes
UseDNS no
PrintMotd no
PrintLastLog no"""

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|[\x00-\x08\x0b\x0c\x0e-\x1f]")


@dataclass(frozen=True)
class Recipe:
    """What access means for a container."""

    user: str
    uid: int
    gid: int
    public_key: str
    python: bool = True
    sudo: bool | None = None  # None: yes, unless the container's egress is restricted
    replace_user: bool = False
    dns: tuple[str, ...] = ()

    def stamp(self) -> str:
        """Kept in the container once all is done: another one there means that there is something to do.

        Whether the user has sudo where it may, is for the probe to find out: the container's egress changes without us.
        """
        wanted = [self.user, self.uid, self.gid, _bare(self.public_key), self.python, self.sudo is not False, list(self.dns)]
        digest = hashlib.sha256(json.dumps([wanted, _SSHD, variables()]).encode()).hexdigest()[:32]
        return f"{VERSION} {digest}"

    def script(self, mark: str, *, patience: int, new_host_key: bool = False) -> str:
        """`mark` begins every line that is meant for us; `patience` is how long to wait for other package managers."""
        values = {
            "PX_MARK": mark,
            "PX_KEYS": KEYS,
            "PX_KEY": self.public_key,
            "PX_USER": self.user,
            "PX_UID": str(self.uid),
            "PX_GID": str(self.gid),
            "PX_REPLACE": _flag(self.replace_user),
            "PX_PYTHON": _flag(self.python),
            "PX_SUDO": "" if self.sudo is None else _flag(self.sudo),
            "PX_DNS": " ".join(self.dns),
            "PX_SSHD": _SSHD,
            "PX_STAMP": self.stamp(),
            "PX_STAMP_FILE": self.stamp_file,
            "PX_POLICY": POLICY_FILE,
            "PX_PATIENCE": str(patience),
            "PX_BOOT": str(min(90, patience)),
            "PX_NETWORK": str(min(60, patience)),
            "PX_NEW_HOST_KEY": _flag(new_host_key),
            **variables(),
        }
        return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items()) + SCRIPT

    @property
    def stamp_file(self) -> str:
        return f"{STAMP_DIR}/{self.user}"

    def probe(self) -> str:
        """One command over SSH that shows the stamp, says `restricted` where an egress policy is, and `keys` when root has our key too,
        where the user may look: for that it takes sudo, which the policy leaves to nobody.
        """
        say = f"echo {STAMP_MARK}"
        show = f"sed 's/^/{STAMP_MARK}/' {self.stamp_file} && {{ test ! -e {POLICY_FILE} || {say}restricted; }}"
        look = f"grep -qF {_bare(self.public_key).split()[1]} /root/.ssh/authorized_keys && {say}keys"
        if self.user == "root":
            return f"{show} && {look}"
        if self.sudo is False:
            return show
        return f"{show} && {{ test -e {POLICY_FILE} || {{ sudo -n {look}; }}; }}"

    def keys_are_seen(self, restricted: bool) -> bool:
        return self.user == "root" or (self.sudo is not False and not restricted)


def _bare(key: str) -> str:
    """A public key without its comment."""
    return " ".join(key.split()[:2])


def _flag(value: bool) -> str:
    return "1" if value else "0"


@dataclass(frozen=True)
class Facts:
    """What the stamp in the container remembers of it."""

    os: str | None = None
    python: str | None = None


def read_probe(recipe: Recipe, output: str) -> Facts | None:
    """What a probe has shown; None unless everything is as the recipe wants it. A shell's own chatter is passed over."""
    said = [line.removeprefix(STAMP_MARK) for line in output.splitlines() if line.startswith(STAMP_MARK)]
    if len(said) < 2 or said[0] != recipe.stamp():
        return None
    values, restricted = _json(said[1]), "restricted" in said[2:]
    if recipe.keys_are_seen(restricted) and "keys" not in said[2:]:
        return None
    if restricted and recipe.sudo and recipe.user != "root":
        return None  # the script refuses, and says why
    if not restricted and values.get("left_out"):
        return None  # the script makes up for what the policy did not let it do
    return Facts(values.get("os") or None, values.get("python") or None)


@dataclass
class Report:
    """What a run of the script has said."""

    steps: list[str] = field(default_factory=list)
    os: str | None = None
    python: str | None = None
    host_key: str | None = None
    error: str | None = None
    log: str = ""


def read_report(output: str, mark: str) -> Report:
    """Its messages, and the rest of what it printed as a log that people can read."""
    said, log = read_marked(output, mark)
    report = Report(log=log)
    for key, value in said:
        text = str(value)
        if key == "did":
            report.steps.append(text)
        elif key in ("os", "python", "host_key", "error"):
            setattr(report, key, text or None)
    return report


def read_marked(output: str, mark: str) -> tuple[list[tuple[str, Any]], str]:
    """What a script has said behind its mark, as keys and values in order, and the end of all else that it has printed."""
    said: list[tuple[str, Any]] = []
    log: list[str] = []
    for raw in output.replace("\r\n", "\n").split("\n"):
        line = _ESCAPES.sub("", raw.rsplit("\r", 1)[-1]).rstrip()
        if line.startswith(f"{mark} "):
            said += _json(line.removeprefix(mark)).items()
        elif line:
            log.append(line)
    return said, "\n".join(log[-LOG_LINES:])


def _json(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except ValueError:
        return {}
    return values if isinstance(values, dict) else {}
