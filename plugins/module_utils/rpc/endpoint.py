# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where the appliance is and who we are there.

A TrueNAS revokes an API key for good when it arrives unencrypted, so a plain socket to anything but this machine is refused here,
before there is a connection.
"""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .errors import InsecureTransport, InvalidEndpoint

API_PATH = "/api/current"
SHELL_PATH = "/websocket/shell"
_ALLOWED = "allowed: truenas.local, truenas.local:444, wss://truenas.local:444, ws://127.0.0.1:PORT, unix:///path/of/socket"


@dataclass(frozen=True)
class Endpoint:
    """One appliance and one account. `url` has no path (`wss://nas:443`) or is `unix:///path`."""

    url: str
    username: str
    api_key: str = field(repr=False)
    verify_tls: bool = True
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if self.unix_path is None:
            _check(self.scheme, self.host)

    @classmethod
    def parse(
        cls,
        host: str,
        *,
        port: int | None = None,
        username: str = "root",
        api_key: str,
        insecure: bool = False,
        ca_file: str | None = None,
    ) -> Endpoint:
        """From what a user writes as the host; a port inside it wins over `port`."""
        text = host.strip()
        # The shared session runs elsewhere in the file system.
        ca_file = os.path.abspath(os.path.expanduser(ca_file)) if ca_file else None
        if not text:
            raise InvalidEndpoint(f"the host is empty; {_ALLOWED}")
        if "://" not in text:
            # An IPv6 address may come bare.
            text = f"wss://[{text}]" if _is_ipv6(text) else f"wss://{text}"
        scheme, _colon, rest = text.partition("://")
        scheme = {"https": "wss", "http": "ws"}.get(scheme.lower(), scheme.lower())
        if scheme == "unix":
            if not rest.startswith("/"):
                raise InvalidEndpoint(f"{host}: a unix socket needs an absolute path; {_ALLOWED}")
            return cls(f"unix://{rest}", username, api_key, not insecure, ca_file)
        if scheme not in ("ws", "wss"):
            raise InvalidEndpoint(f"{host}: {scheme}:// is not possible; {_ALLOWED}")
        try:
            parts = urlsplit(f"{scheme}://{rest}")
            name, own_port = parts.hostname, parts.port
        except ValueError as error:
            raise InvalidEndpoint(f"{host}: {error}; {_ALLOWED}") from None
        if not name or any(character.isspace() for character in name):
            raise InvalidEndpoint(f"{host}: there is no host name in it; {_ALLOWED}")
        if parts.username is not None or parts.password is not None:
            raise InvalidEndpoint(f"a user name or a password does not belong into the host; {_ALLOWED}")
        if parts.path not in ("", "/") or parts.query or parts.fragment:
            raise InvalidEndpoint(f"{host}: give the host and the port only, without a path; {_ALLOWED}")
        number = own_port if own_port is not None else port
        if number is None:
            number = 443 if scheme == "wss" else 80
        if not 1 <= number <= 65535:
            raise InvalidEndpoint(f"port {number} is not possible; allowed: 1 to 65535")
        shown = f"[{name}]" if ":" in name else name
        return cls(f"{scheme}://{shown}:{number}", username, api_key, not insecure, ca_file)

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0]

    @property
    def unix_path(self) -> str | None:
        """The path of the socket, for `unix://` only."""
        return self.url.removeprefix("unix://") if self.url.startswith("unix://") else None

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or (443 if self.scheme == "wss" else 80)

    @property
    def label(self) -> str:
        """Short name for messages and host-key aliases: `nas`, `nas:444`."""
        if self.unix_path is not None:
            return f"unix:{self.unix_path}"
        shown = f"[{self.host}]" if ":" in self.host else self.host
        return shown if self.port == 443 else f"{shown}:{self.port}"

    def websocket_url(self, path: str) -> str:
        """The URL for the handshake; over a unix socket the host in it is a dummy."""
        return f"ws://localhost{path}" if self.unix_path is not None else f"{self.url}{path}"

    def http_url(self, path: str) -> str:
        """The same place for plain HTTP; not for unix sockets."""
        return f"{'https' if self.scheme == 'wss' else 'http'}://{self.url.partition('://')[2]}{path}"

    def fingerprint(self) -> tuple[str, ...]:
        """What makes two endpoints the same session; holds the key, so it is to be hashed, never shown."""
        return (self.url, self.username, self.api_key, str(self.verify_tls), self.ca_file or "")


def is_loopback(host: str) -> bool:
    """Whether the name can only mean this machine."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ipv6(text: str) -> bool:
    try:
        return ipaddress.ip_address(text).version == 6
    except ValueError:
        return False


def _check(scheme: str, host: str) -> None:
    if scheme not in ("ws", "wss"):
        raise InvalidEndpoint(f"{scheme}:// is not possible; {_ALLOWED}")
    if scheme == "ws" and not is_loopback(host):
        raise InsecureTransport(
            f"ws://{host}: an API key never goes over the network unencrypted (TrueNAS revokes a key that does); use wss://{host}"
        )
