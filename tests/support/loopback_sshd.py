"""An sshd on loopback, without a container behind it: for what is about SSH and not about containers."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SSHD = shutil.which("sshd", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


@dataclass(frozen=True)
class LoopbackSshd:
    """Keys, known_hosts and log are in `directory`; whoever runs the tests can log in."""

    directory: Path
    port: int

    def hostvars(self) -> dict[str, Any]:
        """The variables with which it is a host of Ansible."""
        return {
            "ansible_connection": "ssh",
            "ansible_host": "127.0.0.1",
            "ansible_port": self.port,
            "ansible_user": pwd.getpwuid(os.geteuid()).pw_name,
            "ansible_ssh_private_key_file": str(self.directory / "key"),
            "ansible_ssh_common_args": f"-o UserKnownHostsFile={self.directory}/known_hosts -o StrictHostKeyChecking=yes -F none",
            "ansible_control_path_dir": str(self.directory / "cp"),
            "ansible_python_interpreter": sys.executable,
        }


@contextlib.contextmanager
def loopback_sshd(directory: Path) -> Iterator[LoopbackSshd]:
    assert SSHD is not None, "no sshd on this machine (package openssh-server)"
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (directory / "sshd.conf").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {directory}/host\nAuthorizedKeysFile {directory}/key.pub\n"
        "StrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nMaxStartups 100\nPrintMotd no\n"
    )
    (directory / "known_hosts").write_text(f"[127.0.0.1]:{port} {(directory / 'host.pub').read_text()}")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (directory / "sshd.log").open("wb") as log:
        server = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(directory / "sshd.conf")], stderr=subprocess.PIPE, stdout=log, start_new_session=True
        )
        assert server.stderr is not None
        drain = None
        try:
            first = server.stderr.readline()
            assert b"Server listening" in first, first
            drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=log)
            yield LoopbackSshd(directory, port)
        finally:
            # The group holds the sessions too, which shared connections of the last minute would keep open.
            os.killpg(server.pid, signal.SIGTERM)
            server.wait(10)
            if drain is not None:
                drain.terminate()
                drain.wait(10)
