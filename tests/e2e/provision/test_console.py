"""The console in a real terminal: what a person types, sees, leaves and comes back to; what is exposed; what happens to the forgotten."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playbook import BIN, ROOT, Playbooks, clean_environment
from running_lab import RunningLab
from terminal import PROMPT, Terminal, descendants

BOX = "pair"
INSIDE = rf"^pixel@px-{BOX}:.*\$ *$"
SECRET = "s3cret-of-this-session"
Open = Callable[..., Terminal]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A configuration with a variable for sessions."""
    path = tmp_path_factory.mktemp("settings") / "config.toml"
    path.write_text("[env]\nSESSION_SECRET = {forward = true}\n")
    return {"PIXELS_CONFIG": str(path), "SESSION_SECRET": SECRET}


@pytest.fixture(scope="module", autouse=True)
def _box(playbook: Playbooks, real_lab: RunningLab, settings: dict[str, str]) -> Iterator[None]:
    """One container for all tests of this file, which are one story and run in their order."""
    real_lab.reset()
    playbook("create", container=BOX, env=settings).succeeded()
    yield
    playbook("expose", container=BOX, close=True)
    playbook("destroy", container=BOX)


@pytest.fixture
def terminals(playbook: Playbooks, settings: dict[str, str]) -> Iterator[Open]:
    """Opens terminals in front of the control node; all are closed at the end of the test."""
    opened: list[Terminal] = []
    more = {**playbook.env, **settings}

    def opener(columns: int = 140, lines: int = 40) -> Terminal:
        opened.append(Terminal(clean_environment(playbook.home, **more), columns, lines))
        return opened[-1]

    yield opener
    for terminal in opened:
        terminal.close()


def console(*options: str) -> str:
    words = " ".join(f"-e {option}" for option in options)
    return f"{BIN}/ansible-playbook {ROOT}/playbooks/console.yml -e container={BOX} {words}"


def enter(terminal: Terminal, *options: str) -> None:
    terminal.run(console(*options))
    terminal.until(INSIDE)


def leave(terminal: Terminal) -> None:
    terminal.press("C-\\")
    assert terminal.ended() == 0


def test_typing_sizes_interrupts_and_both_ways_out(terminals: Open) -> None:
    here = terminals(120, 34)
    enter(here)
    here.type("stty size; echo $TERM $COLORTERM äö日本")
    here.until(r"^34 120$")
    here.until(r"^tmux-256color truecolor äö日本$")
    here.type("shopt -q login_shell && echo at $PWD as $(id -un)")
    here.until(r"^at /home/pixel as pixel$")
    here.resize(90, 20)
    # It comes along with the next look at the size, a few times a second.
    here.type("until stty size | grep -x '20 90'; do sleep 0.1; done")
    here.until(r"^20 90$")
    here.type("KEPT=42; cd /var/tmp; sleep 1000; echo slept=$?")
    here.until("sleep 1000")
    here.press("C-c")
    here.type("echo interrupted=$?")
    here.until(r"^interrupted=130$")
    here.press("C-\\")
    assert here.ended() == 0
    here.until(rf"left the session console of {BOX}, which goes on")
    enter(here)
    here.type("clear; echo $KEPT in $PWD")
    here.until(r"^42 in /var/tmp$")
    here.type("detach")
    assert here.ended() == 0
    # What the shell of this machine needs is as it was.
    here.type("clear; stty -a | grep -ow -e icanon -e echo | sort | tr '\\n' ,")
    here.until(r"^echo,icanon,")


def test_two_see_the_same_and_a_killed_connection_loses_nothing(terminals: Open) -> None:
    one, two = terminals(), terminals(100, 30)
    enter(one)
    enter(two)
    one.type("clear; echo both-$((6 * 7))")
    two.until(r"^both-42$")
    ssh = [pid for pid, words in descendants(one.pid) if Path(words[0]).name == "ssh" and "-tt" in words]
    assert len(ssh) == 1
    os.kill(ssh[0], signal.SIGKILL)
    assert one.ended() == 2
    one.until("the connection with pair failed or was lost; if the session console had begun, it goes on")
    two.type("echo still-$((40 + 3))")
    two.until(r"^still-43$")
    leave(two)
    enter(one)
    one.type("echo $KEPT in $PWD")
    one.until(r"^42 in /var/tmp$")
    # The end of the playbook is no end of the session either, and the terminal is usable after it.
    (main,) = [pid for pid, words in descendants(one.pid) if "playbooks/console.yml" in " ".join(words)][:1]
    os.kill(main, signal.SIGTERM)
    one.ended()
    one.type("clear; stty -a | grep -ow -e icanon -e echo | sort | tr '\\n' ,")
    one.until(r"^echo,icanon,")


def test_plain_login_and_named_sessions(terminals: Open, playbook: Playbooks) -> None:
    here = terminals()
    enter(here, "persist=false")
    here.type("echo in=[$TMUX]")
    here.until(r"^in=\[\]$")
    here.type("exit 7")
    assert here.ended() == 2
    here.until(r"the shell in pair has ended with status 7")
    enter(here, "persist=false")
    here.type("exit 0")
    assert here.ended() == 0
    enter(here, "session=build")
    leave(here)
    found = playbook("sessions", container=BOX).succeeded()
    listed = {entry["session"]: entry["status"] for entry in found.last("sessions_info")["sessions"]}
    assert listed == {"console": "detached", "build": "detached"}
    enter(here, "session=build")
    assert re.search(r"^build +attached +\d{4}-[-\d]+ [\d:]+ +1$", playbook("sessions", container=BOX).succeeded().stdout, re.MULTILINE)
    here.type("exit")
    assert here.ended() == 0
    assert [one["session"] for one in playbook("sessions", container=BOX).last("sessions_info")["sessions"]] == ["console"]


def test_session_variables_arrive_and_are_on_no_command_line(terminals: Open) -> None:
    here = terminals()
    enter(here, "session=env")
    here.type("clear; echo got=[$SESSION_SECRET]")
    here.until(rf"^got=\[{SECRET}\]$")
    words = [" ".join(line) for _pid, line in descendants(here.pid)]
    assert words and not any(SECRET in line for line in words)
    here.type("clear; exit")
    assert here.ended() == 0


def test_create_can_end_in_one(terminals: Open) -> None:
    here = terminals()
    here.run(f"{BIN}/ansible-playbook {ROOT}/playbooks/create.yml -e container={BOX} -e console=true -e session=made")
    here.until(INSIDE)
    here.type("clear; echo in-$((40 + 2))")
    here.until(r"^in-42$")
    leave(here)


def test_without_a_terminal_there_is_the_command(terminals: Open, playbook: Playbooks) -> None:
    run = playbook("console", container=BOX).succeeded()
    result = run.last("console")
    assert (result["state"], run.changed) == ("no_terminal", 0)
    assert result["command"].startswith("ssh -t ") and result["command"] in run.stdout
    here = terminals()
    here.run(result["command"])
    here.until(INSIDE)
    here.type("clear; echo $KEPT in $PWD")
    here.until(r"^42 in /var/tmp$")
    here.press("C-\\")
    assert here.ended() == 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"container": f"{BOX},other"}, "A terminal can be in one container at a time"),
        ({"container": BOX, "session": "a b"}, "session=a b? A name has"),
        ({"container": BOX, "multiplexer": "screen"}, "multiplexer=screen? Allowed are"),
        ({}, "Which container?"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(map(str, value.values())),
)
def test_wrong_wishes_are_refused(playbook: Playbooks, given: dict[str, str], message: str) -> None:
    run = playbook("console", **given)
    assert run.rc == 2 and message in run.output
    assert run.of("container") == []


def test_d22_a_failed_installation_is_told_and_there_is_a_way_in(playbook: Playbooks, terminals: Open) -> None:
    """D22: bounded, non-zero, with the step that failed."""
    steps = [
        {"name": "packages", "status": "done", "exit": 0, "started": 1, "ended": 2, "message": ""},
        {"name": "node", "status": "failed", "exit": 3, "started": 2, "ended": 3, "message": "no such version"},
    ]
    state = {"version": 1, "status": "failed", "digest": "x", "attempt": 1, "started": 1, "ended": 3, "boot": "x", "steps": steps}
    place = "/var/lib/pixels/devtools"
    script = f"mkdir -p {place} && cat >{place}/state.json && chmod 644 {place}/state.json"
    write = playbook.home / "state.json"
    write.write_text(json.dumps(state))
    playbook("exec", container=BOX, user="root", argv=["sh", "-c", script], stdin_file=str(write)).succeeded()
    try:
        run = playbook("console", container=BOX)
        assert run.rc == 2 and "node" in run.output and "-e wait=false" in run.output
        assert run.of("console") == []
        here = terminals()
        enter(here, "wait=false")
        leave(here)
    finally:
        playbook("exec", container=BOX, user="root", argv=["rm", "-r", place]).succeeded()


def test_story_7_an_interactive_pair(terminals: Open, playbook: Playbooks, real_lab: RunningLab) -> None:
    one = terminals()
    enter(one, "session=work")
    one.type("mkdir -p ~/site && cd ~/site && echo made-in-the-box >index.html")
    one.type("(while sleep 0.2; do echo line >>~/work.log; done) & python3 -m http.server 3000 --bind 127.0.0.1 &")
    one.until("Serving HTTP")
    leave(one)

    # The work goes on, and another terminal takes over.
    before = _lines(playbook)
    two = terminals(100, 30)
    enter(two, "session=work")
    two.type("clear; echo at $PWD with $(jobs -p | wc -l)")
    two.until(r"^at /home/pixel/site with 2$")
    assert _lines(playbook) > before

    # The server listens on the loopback in the box, and is found on that of this machine.
    first = playbook("expose", container=BOX, port=3000).succeeded()
    url = first.last("expose")["forward"]["url"]
    assert first.changed == 1 and _fetch(url) == "made-in-the-box\n"
    again = playbook("expose", container=BOX, port=3000).succeeded()
    assert again.changed == 0 and again.last("expose")["forward"]["url"] == url and url in again.stdout
    taken = playbook("expose", container=BOX, port=3001, local_port=int(url.rpartition(":")[2]))
    assert taken.rc == 2 and "is taken" in taken.output
    assert playbook("expose", container=BOX, close=True).succeeded().changed == 1
    assert "No port is exposed." in playbook("expose").succeeded().stdout
    with pytest.raises(OSError):
        _fetch(url)

    # As long as somebody is there it is not idle.
    run = playbook("stop_idle", container=BOX, idle="1s").succeeded()
    assert run.changed == 0 and "attached to sessions" in run.stdout
    two.type("kill %1; clear")
    leave(two)
    written = _lines(playbook)
    end = time.monotonic() + 60
    while not playbook("stop_idle", container=BOX, idle="1s", check=True).succeeded().changed:
        assert time.monotonic() < end
    assert real_lab.instances()[f"px-{BOX}"]["status"].lower() == "running"
    run = playbook("stop_idle", idle="1s", keep="newest").succeeded()
    assert run.changed == 2 and "stopped" in run.stdout
    assert real_lab.instances()[f"px-{BOX}"]["status"].lower() == "stopped"
    (label,) = [one["label"] for one in playbook("checkpoint_list", container=BOX).last("checkpoint_info")["container"]["checkpoints"]]
    assert label.startswith("idle-")

    # The next console wakes it.
    enter(two, "session=work")
    two.type("clear; cat ~/site/index.html; wc -l <~/work.log")
    two.until(r"^made-in-the-box$")
    two.until(rf"^{written}$")
    leave(two)


def _shut(playbook: Playbooks, *homes: str) -> None:
    """The key of this machine is not let in any more, and no connection that there is lives on."""
    files = [f"{place}/.ssh/authorized_keys" for place in homes]
    playbook("exec", container=BOX, user="root", argv=["rm", *files]).succeeded()
    with contextlib.suppress(FileNotFoundError):
        for master in (playbook.home / ".ansible" / "cp").iterdir():
            master.unlink()


def test_a_key_that_is_not_let_in_is_written_again(terminals: Open, playbook: Playbooks) -> None:
    """By default, with the tools to be waited for, which is asked of the user's login; with a terminal and without."""
    _shut(playbook, "/home/pixel", "/root")
    here = terminals()
    enter(here)
    leave(here)
    _shut(playbook, "/home/pixel")
    run = playbook("console", container=BOX).succeeded()
    assert run.last("console")["state"] == "no_terminal" and "Write it for the user too" in run.stdout
    assert "Write" not in playbook("console", container=BOX).succeeded().stdout


def test_what_cannot_be_looked_into_is_left_alone(playbook: Playbooks, real_lab: RunningLab) -> None:
    playbook("exec", container=BOX, user="root", argv=["mv", "/root/.ssh/authorized_keys", "/root/.ssh/away"]).succeeded()
    try:
        with contextlib.suppress(FileNotFoundError):
            for master in (playbook.home / ".ansible" / "cp").iterdir():
                master.unlink()
        run = playbook("stop_idle", container=BOX, idle="1s")
        assert "unknown, left alone" in run.stdout and run.changed == 0
        assert real_lab.instances()[f"px-{BOX}"]["status"].lower() == "running"
        # The console puts that right.
        assert "Write the key again" in playbook("console", container=BOX).succeeded().stdout
    finally:
        playbook("exec", container=BOX, argv=["sudo", "mv", "/root/.ssh/away", "/root/.ssh/authorized_keys"])
    playbook("exec", container=BOX, user="root", argv=["true"]).succeeded()


def _lines(playbook: Playbooks) -> int:
    return int(playbook("exec", container=BOX, argv=["sh", "-c", "wc -l <~/work.log"]).succeeded().last("exec")["stdout"])


def _fetch(url: str) -> str:
    with urllib.request.urlopen(url + "/", timeout=20) as answer:
        return answer.read().decode()


def test_the_prompt_of_this_machine_is_not_that_of_the_box() -> None:
    """Else the tests above would wait for nothing."""
    assert "pixel" not in PROMPT
