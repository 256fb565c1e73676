"""What a container of the memory engine answers when it is asked who it is.

No clone there has a service that could give it an identity, so the emulated terminal answers in its place: with an identity made of the id
that was asked for, and with a host key of its own.
"""

from __future__ import annotations

from typing import Any

from running_lab import RunningLab

# An Ed25519 key is 51 bytes: its type, then 32 bytes of anything.
_KEY = r"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA\2\2AAAAAAAAAA"

OWN: dict[str, Any] = {
    "match": r"PX_MARK='?(pixels:\w+)'?\nPX_ID='?(\w{16})'?\n",
    "output": r'\1 {"state": "own", "machine_id": "\2\2"}' + "\n" + rf'\1 {{"host_key": "{_KEY}"}}' + "\n",
}


def answer(lab: RunningLab, *canned: dict[str, Any]) -> None:
    """Let every container have an identity of its own, but for those that other answers fit to."""
    lab.state(engine={"canned": [*canned, OWN]})
