# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What an archive has to be, as npm writes it (Subresource Integrity): one or more of ALGORITHM-BASE64."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable

from .egress_machine import Failed

# The strongest that is given counts. What is weaker than these proves nothing.
_ALGORITHMS = ("sha512", "sha384", "sha256")
_CHUNK = 1 << 20


class Mismatch(Failed):
    """It is something else than it has to be."""


def parse(text: str) -> tuple[str, bytes]:
    """Algorithm and digest of the strongest part; ValueError where there is none that counts."""
    found = {}
    for part in text.split():
        algorithm, _dash, encoded = part.partition("-")
        if algorithm not in _ALGORITHMS:
            continue
        try:
            digest = base64.b64decode(encoded.partition("?")[0], validate=True)
        except (binascii.Error, ValueError):
            digest = b""
        if len(digest) != hashlib.new(algorithm).digest_size:
            raise ValueError(f"{part} is no digest of {algorithm} in base64")
        found[algorithm] = digest
    for algorithm in _ALGORITHMS:
        if algorithm in found:
            return algorithm, found[algorithm]
    raise ValueError(f"{text!r} has no digest; allowed is one of {', '.join(_ALGORITHMS)}, as in sha512-BASE64")


def from_hex(text: str) -> str:
    """A digest as sha256sum prints it; ValueError where it is none."""
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise ValueError(f"{text!r} is no sha256; it has 64 hexadecimal digits")
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def digest_of(path: str, algorithm: str, pause: Callable[[], None] = lambda: None) -> bytes:
    """Read piece by piece: an archive may be bigger than the memory. `pause` is called between the pieces."""
    digest = hashlib.new(algorithm)
    with open(path, "rb") as stream:
        while True:
            data = stream.read(_CHUNK)
            if not data:
                return digest.digest()
            digest.update(data)
            pause()


def check(path: str, integrity: str, name: str, pause: Callable[[], None] = lambda: None) -> None:
    """Raises Mismatch unless the file is what it has to be."""
    algorithm, wanted = parse(integrity)
    found = digest_of(path, algorithm, pause)
    if found != wanted:
        text = base64.b64encode(found).decode("ascii")
        raise Mismatch(f"{name} is not what it has to be, and was not unpacked: its {algorithm} is {text}, wanted is {integrity}")


def short(integrity: str) -> str:
    """A few signs of it for the name of a directory."""
    return parse(integrity)[1].hex()[:10]
