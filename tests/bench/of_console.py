"""The console of a container that sleeps, from the command until its prompt is on the screen of a real terminal."""

from __future__ import annotations

from incus_cli import Incus
from measures import Limit, Ratio, Timings
from playbook import BIN, ROOT, Playbooks, clean_environment
from terminal import Terminal

NAME = "bench1"

WAKE = "console of a stopped container, until its prompt"
ATTACH = "console of a running container, until its prompt"
START = "start of a stopped container, until SSH answers"
INCUS = "incus start, until SSH answers"

RATIOS = (
    Ratio("console of a stopped container against start", WAKE, START),
    Ratio("console of a stopped container against incus start", WAKE, INCUS),
    Ratio("console of a running container against a stopped one", ATTACH, WAKE),
)
LIMITS = (Limit(WAKE, 10.0),)


def bench(timings: Timings, playbook: Playbooks, incus: Incus, rounds: int) -> None:
    playbook("create", container=NAME).succeeded()
    terminal = Terminal(clean_environment(playbook.home, **playbook.env))
    try:
        # What is installed once, tmux and the files of the console, is no part of it.
        _enter(terminal)
        _leave(terminal)
        for _round in range(rounds):
            _stop(playbook)
            timings.measure(WAKE, lambda: _enter(terminal))
            _leave(terminal)
            timings.measure(ATTACH, lambda: _enter(terminal))
            _leave(terminal)
            _stop(playbook)
            timings.measure(START, lambda: playbook("start", container=NAME).succeeded())
            _stop(playbook)
            timings.measure(INCUS, lambda: _start(incus))
    finally:
        terminal.close()
    playbook("destroy", container=NAME).succeeded()


def _stop(playbook: Playbooks) -> None:
    playbook("stop", container=NAME).succeeded()


def _start(incus: Incus) -> None:
    incus("start", f"px-{NAME}")
    incus.reach(f"px-{NAME}")


def _enter(terminal: Terminal) -> None:
    terminal.run(f"{BIN}/ansible-playbook {ROOT}/playbooks/console.yml -e container={NAME}")
    terminal.until(rf"^\S+@px-{NAME}:.*\$ *$")


def _leave(terminal: Terminal) -> None:
    terminal.press("C-\\")
    if status := terminal.ended():
        raise SystemExit(f"the console ended with {status}:\n{terminal.screen()}")
