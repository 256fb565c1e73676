"""What a lab is started with: where it keeps its files, which release it speaks as, and the appliance's limits.

The limits default to the real ones; tests shrink the times, never the numbers of the contract.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

VERSIONS = ("25.04", "25.10")

# What each release calls itself, and the API versions that it offers; the last is what /api/current speaks.
RELEASES: dict[str, str] = {"25.04": "25.04.2.6", "25.10": "25.10.6"}
API_VERSIONS: dict[str, tuple[str, ...]] = {
    "25.04": ("v25.04.0", "v25.04.1", "v25.04.2"),
    "25.10": ("v25.04.0", "v25.04.1", "v25.04.2", "v25.10.0", "v25.10.1", "v25.10.2", "v25.10.3", "v25.10.4", "v25.10.5"),
}


@dataclass
class Settings:
    directory: Path  # certificates, keys, journal: everything the lab writes
    version: str = "25.10"
    engine: str = "incus"  # or memory; the server itself never looks at it
    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one, told by `ready`
    plain_port: int | None = None  # a second, plain ws:// port that counts as a remote, insecure origin; 0: any free one
    unix_socket: Path | None = None

    # -- the appliance -------------------------------------------------------------------------------------------
    hostname: str = "truenas"
    cores: int = 2
    physical_memory: int = 16 * 1024**3
    virt_state: str = "INITIALIZED"  # INITIALIZING, INITIALIZED, NO_POOL, LOCKED, ERROR
    bridges: list[str] = field(default_factory=list)  # bridges besides the engine's own
    bridge_members: dict[str, list[str]] = field(default_factory=dict)  # of those; one that is not named has none
    interfaces: list[str] = field(default_factory=lambda: ["eth0"])  # physical ones: parents for MACVLAN
    sizes_seconds: float = 5.0  # how old the sizes of datasets may be; a transaction group of ZFS lasts as long
    default_route: str | None = None  # address of the default gateway; None: none

    # -- limits --------------------------------------------------------------------------------------------------
    anonymous_message_size: int = 8192
    message_size: int = 65536
    file_message_size: int = 2097152
    concurrent_calls: int = 10
    calls_in_flight: int = 20
    rate_limit_calls: int = 20
    rate_limit_seconds: float = 60.0
    rate_limit_table: int = 100
    rate_limit_delay: tuple[float, float] = (1.0, 10.0)
    failed_login_delay: tuple[float, float] = (1.0, 2.0)
    login_seconds: float = 0.0  # what checking a key costs; about 0.35 on an appliance (PBKDF2)
    idle_seconds: float = 60.0  # server-to-client silence after which the front proxy cuts
    lock_queue_size: int = 5
    jobs_kept: int = 1000
    operation_seconds: float = 300.0  # every Incus operation but create is cut here
    create_seconds: float = 900.0
    shell_close_delay: float = 1.0  # how long the web shell stays open after its command has ended

    def __post_init__(self) -> None:
        self.directory = Path(self.directory)
        if self.version not in VERSIONS:
            raise ValueError(f"version {self.version!r} is not one of {', '.join(VERSIONS)}")

    @property
    def release(self) -> str:
        """As `system.version_short` says it."""
        return RELEASES[self.version]

    @property
    def api_versions(self) -> tuple[str, ...]:
        return API_VERSIONS[self.version]

    @property
    def current_api(self) -> str:
        return self.api_versions[-1]

    def change(self, changes: dict[str, Any]) -> None:
        """Set limits of a running lab; an unknown name is an error."""
        known = {f.name for f in fields(self)} - {"directory", "version", "engine", "host", "port", "plain_port", "unix_socket"}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"no setting {name!r} can be changed; known: {', '.join(sorted(known))}")
            setattr(self, name, tuple(value) if isinstance(getattr(self, name), tuple) else value)
