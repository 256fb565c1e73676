"""A person in front of a terminal: a real one, which tmux draws and this types in."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROMPT = "here> "


def need_tmux() -> str:
    """The program, installed where it is missing."""
    if not shutil.which("tmux"):
        subprocess.run([str(ROOT / "tests" / "tools" / "apt_install.sh"), "tmux"], check=True)
    found = shutil.which("tmux")
    assert found
    return found


class Terminal:
    """A shell in a terminal of its own."""

    def __init__(self, env: Mapping[str, str], columns: int = 140, lines: int = 40, patience: float = 120.0) -> None:
        self.patience = patience
        self._folder = tempfile.mkdtemp(prefix="px-tty-")
        # The server, and so the shell in it, has the environment of whoever starts it.
        self._env = {**env, "TMUX_TMPDIR": self._folder, "TERM": "xterm-256color", "LANG": "C.UTF-8"}
        self._tmux = need_tmux()
        self._do("new-session", "-d", "-s", "t", "-x", str(columns), "-y", str(lines), f"exec env PS1='{PROMPT}' bash --norc --noprofile")
        self.until(PROMPT.strip())

    def _do(self, *words: str) -> str:
        command = [self._tmux, "-L", "t", "-f", os.devnull, "-u", *words]
        return subprocess.run(command, env=self._env, cwd=ROOT, capture_output=True, text=True, check=True, timeout=30).stdout

    def type(self, text: str) -> None:
        """A line, and enter."""
        self._do("send-keys", "-t", "t", "-l", text)
        self.press("Enter")

    def press(self, *keys: str) -> None:
        self._do("send-keys", "-t", "t", *keys)

    def resize(self, columns: int, lines: int) -> None:
        self._do("resize-window", "-t", "t", "-x", str(columns), "-y", str(lines))

    def screen(self) -> str:
        return "\n".join(line for line in self._do("capture-pane", "-p", "-J", "-t", "t").splitlines() if line.strip())

    def until(self, pattern: str) -> str:
        """Wait until the screen shows it, and return what it matched."""
        end = time.monotonic() + self.patience
        while True:
            shown = self.screen()
            found = re.search(pattern, shown, re.MULTILINE)
            if found:
                return found.group(0)
            assert time.monotonic() < end, f"{pattern!r} is not on the screen:\n{shown}"
            time.sleep(0.1)

    def run(self, command: str) -> None:
        """Type a command that says at its end how it ended; wait for that with `ended`."""
        self.type(f"clear; {command}; echo status=$?")

    def ended(self) -> int:
        return int(self.until(r"^status=\d+$").removeprefix("status="))

    @property
    def pid(self) -> int:
        return int(self._do("display-message", "-p", "-t", "t", "#{pane_pid}"))

    def close(self) -> None:
        with contextlib.suppress(subprocess.SubprocessError):
            self._do("kill-server")
        shutil.rmtree(self._folder, ignore_errors=True)


def descendants(root: int) -> Iterator[tuple[int, list[str]]]:
    """The processes below one, with their command lines."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    waiting = [root]
    while waiting:
        parent = waiting.pop()
        for pid in [pid for pid, known in parents.items() if known == parent]:
            waiting.append(pid)
            with contextlib.suppress(OSError):
                yield pid, Path(f"/proc/{pid}/cmdline").read_bytes().decode("utf-8", "replace").split("\0")
