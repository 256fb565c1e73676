"""Running the system's programs: clean locale, output caught, one kind of error."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from .errors import CommandFailed, HostError

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Say = Callable[[str], None]


def system_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What system programs get: none of the caller's own variables, which might point them at another Incus or another Python."""
    environment = {"PATH": SYSTEM_PATH, "LC_ALL": "C.UTF-8", "HOME": "/root", "TERM": "dumb"}
    environment.update(extra or {})
    return environment


def which(program: str) -> str | None:
    """As root's login would find it: a plain user's PATH often lacks sbin."""
    return shutil.which(program, path=SYSTEM_PATH)


def run(
    argv: list[str], *, env: Mapping[str, str] | None = None, log: Path | None = None, timeout: float | None = None, cwd: Path | None = None
) -> str:
    """Run to the end and answer the standard output; with `log` everything goes there instead."""
    where = None
    try:
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            where = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        done = subprocess.run(
            argv,
            env=system_environment(env),
            stdin=subprocess.DEVNULL,
            stdout=where if where is not None else subprocess.PIPE,
            stderr=subprocess.STDOUT if where is not None else subprocess.PIPE,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd=cwd,
            check=False,
        )
    except FileNotFoundError as exc:
        raise HostError(f"{argv[0]} is not installed") from exc
    except subprocess.TimeoutExpired as exc:
        raise HostError(f"{' '.join(argv)} did not end within {timeout:g} seconds") from exc
    finally:
        if where is not None:
            os.close(where)
    if done.returncode:
        output = log.read_text(encoding="utf-8", errors="replace") if log is not None else f"{done.stdout}{done.stderr}"
        raise CommandFailed(argv, done.returncode, output)
    return done.stdout or ""
