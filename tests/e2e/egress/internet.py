"""Builds the simulated internet: one container on the lab's bridge that owns public-looking addresses, and the way there.

Nothing that is meant for these addresses leaves the bridge: this machine routes them to the container, and IPv6 has no other way at all.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import socket
import subprocess
import tarfile
import tempfile
import time
import urllib.request
import zipapp
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import repository
import world
from playbook import Playbooks
from running_lab import RunningLab
from wire import Wire

NAME = "internet"
HERE = Path(__file__).parent
PLACE = "/srv/internet"
CONTROL_PORT = 9999
LOCK = Path(tempfile.gettempdir()) / "pixels-simulated-internet.lock"


def zipped(folder: Path, *more: Path) -> bytes:
    """A folder of Python files as one that can be run."""
    with tempfile.TemporaryDirectory() as work:
        source = Path(work) / "source"
        source.mkdir()
        for path in [*sorted(folder.glob("*.py")), *more]:
            (source / path.name).write_bytes(path.read_bytes())
        zipapp.create_archive(source, Path(work) / "made.pyz")
        return (Path(work) / "made.pyz").read_bytes()


class Box:
    """A container, reached as root through the daemon and behind the back of everything that is tested."""

    def __init__(self, lab: RunningLab, name: str) -> None:
        self.lab, self.name = lab, name
        self.env = {"INCUS_DIR": lab.env["INCUS_DIR"], "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}

    def run(self, script: str, *, stdin: bytes = b"", check: bool = True, uid: int = 0, timeout: float = 120) -> str:
        who = ["--user", str(uid), "--group", str(uid)] if uid else []
        command = ["incus", "exec", f"px-{self.name}", *who, "--", "sh", "-c", script]
        done = subprocess.run(command, env=self.env, input=stdin, capture_output=True, check=False, timeout=timeout)
        assert not check or done.returncode == 0, f"{script}\n{done.stdout.decode()}\n{done.stderr.decode()}"
        return done.stdout.decode(errors="replace")

    def write(self, path: str, content: bytes | str, mode: str = "0644") -> None:
        data = content.encode() if isinstance(content, str) else content
        self.run(f"mkdir -p $(dirname {path}); cat >{path}.new && chmod {mode} {path}.new && mv {path}.new {path}", stdin=data)

    @property
    def address(self) -> str:
        """Its own on the bridge, of version 4."""
        text = self.run("ip -json -4 address show eth0")
        return str(json.loads(text)[0]["addr_info"][0]["local"])

    @property
    def mac(self) -> str:
        return self.run("cat /sys/class/net/eth0/address").strip()

    def give_v6(self, last: int) -> None:
        """An address of version 6 and the way out, kept over restarts."""
        settings = f"[Network]\nAddress={world.v6(last)}/64\nIPv6AcceptRA=no\nGateway={world.v6(world.GATEWAY)}\n"
        self.write("/etc/systemd/network/eth0.network.d/internet.conf", settings)
        command = f"ip -6 address replace {world.v6(last)}/64 dev eth0 nodad && ip -6 route replace default via {world.v6(world.GATEWAY)}"
        self.run(command)


def certificates(directory: Path) -> tuple[bytes, bytes, bytes]:
    """An authority, and one server certificate for all names: authority, certificate, key."""
    names = [*world.records(), "*.ai.example"]
    # As strict clients want them.
    about_all = "authorityKeyIdentifier=keyid\nsubjectKeyIdentifier=hash\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
    (directory / "san.cnf").write_text(about_all + "subjectAltName=" + ",".join(f"DNS:{name}" for name in dict.fromkeys(names)) + "\n")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    authority = ["-subj", "/CN=Simulated authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    signed_by = ["-CA", "ca.pem", "-CAkey", "ca.key"]
    for arguments in (
        ["req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "30", *authority],
        ["req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=simulated"],
        ["x509", "-req", "-in", "server.csr", *signed_by, "-CAcreateserial", "-days", "30", "-extfile", "san.cnf", "-out", "server.pem"],
    ):
        subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True)
    return tuple((directory / name).read_bytes() for name in ("ca.pem", "server.pem", "server.key"))  # type: ignore[return-value]


class Internet:
    """The container in operation, and what it has seen."""

    def __init__(self, lab: RunningLab, directory: Path) -> None:
        self.lab = lab
        self.box = Box(lab, NAME)
        self.directory = directory
        place = json.loads((lab.directory / "place.json").read_text())
        self.bridge = str(place["bridge"])
        self.gateway = str(place["subnet"]).partition("/")[0]
        self.ca = b""
        self.repository_key = b""

    # -- making it ----------------------------------------------------------------------------------------------
    def build(self) -> None:
        self.ca, certificate, key = certificates(self.directory)
        self.repository_key = repository.build(self.directory / "files" / "debian")
        config = {
            "records": world.records(),
            "resolvers": [make(last) for make in (world.v4, world.v6) for last in (world.DNS, world.FOREIGN_DNS)],
            "files": f"{PLACE}/files",
            "certificate": f"{PLACE}/server.pem",
            "key": f"{PLACE}/server.key",
            "control": self.box.address,
        }
        content = {"internet.pyz": zipped(HERE / "internet_server"), "config.json": json.dumps(config).encode()}
        self._upload({**content, "server.pem": certificate, "server.key": key})
        # Else networkd takes back, whenever it configures the link anew, what is added here beside it.
        self.box.run(
            "mkdir -p /etc/systemd/networkd.conf.d && "
            "printf '[Network]\\nManageForeignRoutes=no\\n' >/etc/systemd/networkd.conf.d/internet.conf && "
            "systemctl try-restart systemd-networkd && "
            "{ ! systemctl -q is-active systemd-networkd || /usr/lib/systemd/systemd-networkd-wait-online --any --timeout=30; }"
        )
        self.box.run(self._addresses())
        self.box.run(
            # Their ports are ours now.
            "{ systemctl disable --now ssh ssh.socket systemd-resolved; systemctl stop internet; } 2>/dev/null; "
            "systemctl reset-failed internet 2>/dev/null; "
            f"systemd-run -q --unit=internet -p LimitNOFILE=65536 python3 {PLACE}/internet.pyz {PLACE}/config.json"
        )
        until = time.monotonic() + 20
        while True:
            try:
                self._control("GET", "next")
                return
            except OSError:
                assert time.monotonic() < until, self.box.run("journalctl -u internet --no-pager | tail -n 30")
                time.sleep(0.1)

    def _upload(self, files: dict[str, bytes]) -> None:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
            archive.add(self.directory / "files", "files")
        self.box.run(f"mkdir -p {PLACE} && tar -x --no-same-owner -C {PLACE}", stdin=stream.getvalue())

    def _addresses(self) -> str:
        lines = [f"ip route replace local {net} dev lo" for net in (world.NET4, world.LAN)]
        lines += [f"ip -6 address replace {address}/128 dev lo" for address in world.TUNNELS]
        # Neighbours ask for these on the link, so it is not enough that they are routed.
        for last in (world.GATEWAY, *world.HOSTS):
            lines.append(f"ip -6 address replace {world.v6(last)}/64 dev eth0 nodad")
        return " && ".join(lines)

    @contextlib.contextmanager
    def routed(self) -> Iterator[None]:
        """This machine knows the way, for as long as this lasts; what a killed run has left is replaced.

        There is one way for the whole machine, so runs in other labs wait for it.
        """
        nets = (world.NET4, world.LAN)
        with LOCK.open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield from self._routed(nets)

    def _routed(self, nets: tuple[str, ...]) -> Iterator[None]:
        for net in nets:
            subprocess.run(["ip", "route", "replace", net, "via", self.box.address, "dev", self.bridge], check=True)
        try:
            self._answers()
            yield
        finally:
            for net in nets:
                subprocess.run(["ip", "route", "del", net, "dev", self.bridge], check=False, capture_output=True)

    def _answers(self) -> None:
        """Where it does not, all that a test could say would be about that."""
        try:
            socket.create_connection((world.v4(world.DNS), 53), timeout=20).close()
        except OSError as error:
            ways = subprocess.run(["ip", "route"], capture_output=True, text=True, check=False).stdout
            inside = self.box.run("ip route show table all; networkctl --no-pager 2>/dev/null || :")
            raise AssertionError(f"the simulated internet does not answer: {error}\n{ways}\n{inside}") from error

    # -- asking it ----------------------------------------------------------------------------------------------
    def _control(self, verb: str, path: str, body: Any = None) -> dict[str, Any]:
        request = urllib.request.Request(
            f"http://{self.address}:{CONTROL_PORT}/{path}", method=verb, data=None if body is None else json.dumps(body).encode()
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as answer:
            return dict(json.load(answer))

    @property
    def address(self) -> str:
        if not hasattr(self, "_address"):
            self._address = self.box.address
        return self._address

    def mark(self) -> int:
        """Where the list of what has been seen ends now."""
        return int(self._control("GET", "next")["next"])

    def seen(self, since: int, text: str = "") -> list[dict[str, Any]]:
        return list(self._control("GET", f"seen?since={since}&text={quote(text)}")["seen"])

    def record(self, name: str, ttl: int = 30, **values: list[str]) -> None:
        """What the name server says from now on; without values the name does not exist."""
        self._control("POST", "record", {"name": name, "ttl": ttl, **values})

    def reset(self) -> None:
        self._control("POST", "reset", {})

    def wire(self) -> Wire:
        return Wire(self.bridge)


def make(playbook: Playbooks, lab: RunningLab, directory: Path) -> Internet:
    playbook("create", container=NAME, memory="512MiB").succeeded()
    internet = Internet(lab, directory)
    internet.build()
    return internet
