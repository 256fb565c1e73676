"""The journal: every request that reached the lab, one JSON object a line, secrets masked."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

MASK = "********"

# Arguments that are secrets by their position.
_SECRET_POSITIONS = {
    "auth.login": (1, 2),
    "auth.login_with_api_key": (0,),
    "auth.login_with_token": (0,),
    "filesystem.file_receive": (1,),
}
_SECRET_KEY = re.compile(
    r"(^|_)(api_?key|token|password|passwd|passphrase|secret|otp|credentials?|private_?key)($|_)|(key|token|secret|password)$", re.I
)
_LONG = 2048


def masked(value: Any) -> Any:
    """A copy in which whatever sits under a key that looks secret is covered."""
    if isinstance(value, dict):
        return {key: MASK if _SECRET_KEY.search(str(key)) and item is not None else masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, str) and len(value) > _LONG:
        return f"{value[:80]}... ({len(value)} characters)"
    return value


def masked_params(method: str, params: Any) -> Any:
    if not isinstance(params, list):
        return masked(params)
    hidden = _SECRET_POSITIONS.get(method, ())
    return [MASK if index in hidden else masked(item) for index, item in enumerate(params)]


class Journal:
    """An append-only file, a line with one write: a reader may follow it, if it waits for the end of the last line."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._stream = path.open("ab", buffering=0)
        path.chmod(0o600)

    def write(self, kind: str, **values: Any) -> None:
        line = {"time": round(time.time(), 6), "kind": kind, **values}
        self._stream.write((json.dumps(line, ensure_ascii=False, default=str) + "\n").encode("utf-8", "replace"))

    def close(self) -> None:
        self._stream.close()
