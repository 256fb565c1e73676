"""What a lab leaves in its directory for others: `lab.json` for programs, `env` for shells."""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from .api.keys import Keys
from .host.processes import Process
from .tls import write_private

# All that a lab makes in its directory; destroy removes these and nothing else.
MARKER = ".truenas-lab"
CACHE = "cache"
NAMES = (
    "api-key",
    "bridges.json",
    "control-token",
    "env",
    "incus",
    "incusd.pid",
    "journal.jsonl",
    "keys.json",
    "lab.json",
    "lock",
    "logs",
    "place.json",
    "tls",
)


@dataclass
class Handover:
    """`lab.json`: where the lab is and what it consists of. No secret is in it, but the paths of those that are."""

    directory: str
    url: str
    host: str
    port: int
    version: str
    engine: str
    pid: int
    started: int  # of the server's process, in clock ticks since boot
    source: str  # fingerprint of the code that the server runs
    ca_file: str
    key_file: str
    control_token_file: str
    journal: str
    log: str
    default_image: str
    incus_dir: str | None = None
    bridge: str | None = None
    subnet: str | None = None

    @property
    def server(self) -> Process:
        return Process(self.pid, self.started)

    @property
    def running(self) -> bool:
        return self.server.alive

    @classmethod
    def load(cls, directory: Path) -> Handover | None:
        """As it was written last; None: never, or by another version of the lab."""
        try:
            data = json.loads((directory / "lab.json").read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        known = {item.name for item in fields(cls)}
        try:
            return cls(**{key: value for key, value in data.items() if key in known})
        except TypeError:
            return None

    def save(self) -> None:
        directory = Path(self.directory)
        write_private(directory / "lab.json", (json.dumps(asdict(self), indent=2) + "\n").encode())
        write_private(directory / "env", self._exports().encode())

    def _exports(self) -> str:
        values = {
            "PIXELS_TRUENAS_HOST": self.host,
            "PIXELS_TRUENAS_PORT": str(self.port),
            "PIXELS_TRUENAS_USERNAME": "root",
            "PIXELS_TRUENAS_API_KEY": Path(self.key_file).read_text(encoding="utf-8").strip(),
            "PIXELS_TRUENAS_INSECURE": "false",
            "PIXELS_TRUENAS_CA_FILE": self.ca_file,
            "PIXELS_DEFAULT_IMAGE": self.default_image,
            # An entry in memory cannot be opened to SSH. Empty is not set: it undoes what another lab's file said in the same shell.
            "PIXELS_PROVISION_ENABLED": "" if self.incus_dir else "false",
        }
        if self.incus_dir:
            values["INCUS_DIR"] = self.incus_dir
        lines = [f"export {key}={shlex.quote(value)}" for key, value in values.items()]
        return "\n".join(["# The lab's address and key. For shells: source this file. It holds a secret.", *lines, ""])


def usable_key(directory: Path) -> bool:
    """Whether the key that is handed out still opens the lab: tests, and a key sent in the clear, revoke keys."""
    if not (directory / "keys.json").exists():
        return True  # made at the first start
    try:
        text = (directory / "api-key").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return False
    key = Keys(directory).find(text)
    return key is not None and not key.revoked and not key.expired


def new_key(directory: Path) -> None:
    """Another key to hand out. Only while no server runs: it keeps the table in memory."""
    keys = Keys(directory)
    write_private(keys.key_file, (keys.create("automation") + "\n").encode())


def claim(directory: Path) -> None:
    """Make the directory a lab's, unless it holds something that destroy would take for the lab's."""
    directory.mkdir(parents=True, exist_ok=True)
    if (directory / MARKER).exists():
        return
    if clash := [name for name in (*NAMES, CACHE) if (directory / name).exists()]:
        raise ValueError(f"{directory} is no lab and already holds {', '.join(clash)}: choose another directory (--dir)")
    (directory / MARKER).write_text("Made by the lab of pixels.sandbox.\n", encoding="utf-8")
