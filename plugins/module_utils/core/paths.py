# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Where our own files lie on the control node, by the XDG base directory rules."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

FOLDER = "pixels"


def state_dir(environ: Mapping[str, str] | None = None) -> Path:
    """What has to outlive a run and belongs to this machine: `~/.local/state/pixels`."""
    return _base("XDG_STATE_HOME", ".local/state", os.environ if environ is None else environ) / FOLDER


def config_dir(environ: Mapping[str, str] | None = None) -> Path:
    """What the user writes: `~/.config/pixels`."""
    return _base("XDG_CONFIG_HOME", ".config", os.environ if environ is None else environ) / FOLDER


def _base(variable: str, fallback: str, environ: Mapping[str, str]) -> Path:
    value = environ.get(variable, "")
    # The rules say that a relative path in the variable is to be ignored.
    if os.path.isabs(value):
        return Path(value)
    home = environ.get("HOME") or os.path.expanduser("~")
    return Path(home) / fallback


def private_dir(path: Path) -> Path:
    """The directory, made where it is missing, for nobody else's eyes."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.stat().st_mode & 0o077:
        path.chmod(0o700)
    return path
