# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The control node's own key: the public half is written into containers, the private half stays where it is and is never read here."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import subprocess
from pathlib import Path

from .errors import CoreError, Invalid

_TYPE = re.compile(r"ssh-(ed25519|rsa)|ecdsa-sha2-nistp(256|384|521)|sk-(ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com")
_ALLOWED = "one public key as in a .pub file: its type, the key, and a comment if you like, without options"


def public_key(option: str | None, private_key: Path) -> str:
    """The key to write: given as text, in the file that is given, beside the private key, or made from that."""
    if option is not None and _TYPE.fullmatch(option.split(maxsplit=1)[0]):
        return parse(option)
    if option is not None:
        return _of_file(Path(os.path.expanduser(option)))
    beside = Path(f"{private_key}.pub")
    if beside.is_file():
        return _of_file(beside)
    if private_key.is_file():
        return _derived(private_key, beside)
    raise CoreError(
        f"there is no SSH key: neither {beside} nor {private_key} exists. Make one with `ssh-keygen -t ed25519 -f {private_key}`,"
        " or name another in ssh.key of the configuration (PIXELS_SSH_KEY, pixels_ssh_key), or give public_key",
        path=str(beside),
    )


def _of_file(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise CoreError(f"public_key: {path} cannot be read: {reason}", path=str(path)) from error
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if len(lines) != 1:
        raise CoreError(f"public_key: {path} holds {len(lines)} lines; expected is {_ALLOWED}", path=str(path))
    return parse(lines[0], f"public_key: {path}")


def _derived(private_key: Path, beside: Path) -> str:
    """OpenSSH knows the format; a passphrase makes it fail instead of asking."""
    try:
        done = subprocess.run(
            ["ssh-keygen", "-y", "-P", "", "-f", str(private_key)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    except FileNotFoundError:
        raise CoreError("ssh-keygen is not installed on the control node; install the OpenSSH client") from None
    if done.returncode != 0:
        raise CoreError(
            f"{beside} does not exist, and the public key cannot be had from {private_key}: {done.stderr.strip()};"
            f" make it with `ssh-keygen -y -f {private_key} > {beside}`",
            path=str(beside),
        )
    return parse(done.stdout.strip())


def parse(line: str, where: str = "public_key") -> str:
    """The key in one line, fit to be written into an authorized_keys file."""
    words = line.split(maxsplit=2)
    if len(words) >= 2 and _TYPE.fullmatch(words[0]) and "\n" not in line.strip() and _is_blob(words[0], words[1]):
        comment = "".join(character for character in (words[2] if len(words) > 2 else "") if character.isprintable()).strip()
        return f"{words[0]} {words[1]} {comment}".rstrip()
    raise Invalid(where, line.strip()[:60], f"expected is {_ALLOWED}")


def _is_blob(kind: str, text: str) -> bool:
    """A key begins with its type, after the length of it."""
    with contextlib.suppress(binascii.Error, ValueError):
        blob = base64.b64decode(text, validate=True)
        return blob.startswith(len(kind).to_bytes(4, "big") + kind.encode()) and len(blob) > len(kind) + 8
    return False
