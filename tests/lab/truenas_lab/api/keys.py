"""API keys: `<id>-<64 alphanumerics>`, of which only digests are kept."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import string
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ..tls import write_private

ALPHABET = string.ascii_letters + string.digits
LENGTH = 64


@dataclass
class Key:
    ident: int
    name: str
    digest: str
    username: str = "root"
    created: float = 0.0
    expires: float | None = None
    revoked: bool = False
    revoked_reason: str | None = None

    @property
    def expired(self) -> bool:
        return self.expires is not None and self.expires <= time.time()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class Keys:
    """The table of keys. The first one is made at the first start and left in `api-key` for clients of the lab."""

    def __init__(self, directory: Path) -> None:
        self._table = directory / "keys.json"
        self.key_file = directory / "api-key"
        self._keys: dict[int, Key] = {}
        if self._table.exists():
            for item in json.loads(self._table.read_text(encoding="utf-8")):
                self._keys[item["ident"]] = Key(**item)
        if not self._keys:
            write_private(self.key_file, (self.create("automation") + "\n").encode())

    def all(self) -> list[Key]:
        return list(self._keys.values())

    def create(self, name: str, *, username: str = "root", expires: float | None = None) -> str:
        """Make a key and answer it: the only time that its secret is seen."""
        ident = max(self._keys, default=0) + 1
        secret = "".join(secrets.choice(ALPHABET) for _each in range(LENGTH))
        self._keys[ident] = Key(ident, name, _digest(secret), username, time.time(), expires)
        self.save()
        return f"{ident}-{secret}"

    def find(self, text: str, username: str | None = None) -> Key | None:
        """The key whose secret this is; revoked and expired ones included."""
        number, dash, secret = text.partition("-")
        if not dash or not number.isdigit():
            return None
        key = self._keys.get(int(number))
        if key is None or not hmac.compare_digest(key.digest, _digest(secret)):
            return None
        return key if username in (None, key.username) else None

    def get(self, ident: int) -> Key | None:
        return self._keys.get(ident)

    def revoke(self, key: Key, reason: str) -> None:
        key.revoked = True
        key.revoked_reason = reason
        self.save()

    def delete(self, ident: int) -> None:
        self._keys.pop(ident, None)
        self.save()

    def save(self) -> None:
        write_private(self._table, json.dumps([asdict(key) for key in self._keys.values()]).encode())
