# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A small root file system with a past, in which the script of a container's identity runs as an ordinary program."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.pixels.sandbox.plugins.module_utils.core.identity_shell import SCRIPT

SHELLS = [shell for shell in ("/bin/dash", "/bin/bash", "/bin/busybox") if Path(shell).exists()]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIK0wmN/Cr3JXqmLW7u+g9pTh+wyqDHpSQEIQczXkVx9q"
SOURCE_ID, OWN_ID = "00000000000000aa", "0123456789abcdef"
OLD_MACHINE_ID = "0123456789abcdef0123456789abcdef"


class CloneRoot:
    """The files of `px-base` in a container that is called `px-w01`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "root"
        self.environ = folder / "environ"
        self.script = folder / "identity"
        self.script.write_text(SCRIPT + "\n")
        self.marker()
        for name in ("etc/ssh", "etc/pixels", "root/.ssh", "home/pixel/.ssh", "tmp", "var/tmp", "var/log", "usr/sbin"):
            (self.path / name).mkdir(parents=True)
        self.write(
            "etc/passwd",
            f"root:x:0:0::/root:/bin/sh\ndaemon:x:1:1::/usr/sbin:/usr/sbin/nologin\npixel:x:{os.getuid()}:1000::/home/pixel:/bin/sh\n",
        )
        self.write("etc/hostname", "px-base\n")
        self.write("etc/hosts", "127.0.0.1\tlocalhost\n127.0.1.1\tpx-base\n")
        self.write("etc/machine-id", OLD_MACHINE_ID + "\n")
        self.write("etc/pixels/identity", f"{SOURCE_ID}\npx-base\n")
        self.write("etc/pixels/access_key", KEY + "\n")
        self.write("usr/sbin/sshd", "#!/bin/sh\n").chmod(0o755)
        self.write("etc/ssh/ssh_host_rsa_key", "the key of the source")

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(self, name: str) -> str:
        return (self.path / name).read_text()

    def has(self, name: str) -> bool:
        return os.path.lexists(self.path / name)

    def marker(self, **values: Any) -> None:
        """The environment of the first process, with a marker; a value that is None is left out."""
        values = {"from": "base:ready", "id": OWN_ID, "image": "debian/12", "name": "px-w01", **values}
        text = json.dumps({key: value for key, value in values.items() if value is not None}, separators=(",", ":"), sort_keys=True)
        self.environ.write_bytes(f"container=lxc\0PIXELS_SANDBOX={text}\0LANG=C\0".encode())

    def run(self, shell: str = "/bin/sh", *arguments: str) -> int:
        environment = {"PATH": os.environ["PATH"], "PX_ROOT": str(self.path), "PX_ENVIRON": str(self.environ)}
        command = [shell, *(["sh"] if shell.endswith("busybox") else []), str(self.script), *arguments]
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, check=False, timeout=60)
        return done.returncode

    def renewed(self, shell: str = "/bin/sh") -> CloneRoot:
        """After a run that has to have done all."""
        assert self.run(shell) == 0, self.log
        assert self.stamp == [OWN_ID, "px-w01"]
        return self

    @property
    def stamp(self) -> list[str]:
        return self.read("etc/pixels/identity").splitlines() if self.has("etc/pixels/identity") else []

    @property
    def log(self) -> str:
        return self.read("var/log/pixels-identity.log") if self.has("var/log/pixels-identity.log") else ""

    def everything(self) -> dict[str, str]:
        """Each file and link with what is in it."""
        found = {}
        for path in sorted(self.path.rglob("*")):
            name = str(path.relative_to(self.path))
            if path.is_symlink():
                found[name] = f"-> {os.readlink(path)}"
            elif path.is_file():
                found[name] = path.read_text(errors="replace")
        return found
