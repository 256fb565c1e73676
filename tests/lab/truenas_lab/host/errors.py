"""What goes wrong with the machine below the lab, in words for the person at the keyboard."""

from __future__ import annotations


class HostError(Exception):
    """The machine cannot do it; the text says what was tried and what is missing."""


class CommandFailed(HostError):
    """A program ended with an error; its last words are in the text."""

    def __init__(self, argv: list[str], status: int, output: str) -> None:
        tail = "\n".join(output.strip().splitlines()[-15:])
        super().__init__(f"{' '.join(argv)} ended with status {status}" + (f":\n{tail}" if tail else ""))
        self.status = status
        self.output = output
