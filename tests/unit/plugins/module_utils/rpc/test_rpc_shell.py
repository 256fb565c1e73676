# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Scripts through a web shell that is a real terminal with a real sh behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.rpc import errors
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.limits import Limits
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.shell import ShellResult, run_script

aiohttp = pytest.importorskip("aiohttp")
from aiohttp import WSMsgType, web  # noqa: E402


class Shells:
    """What the appliance does at /websocket/shell; `mode` makes it fail in the ways that were recorded."""

    def __init__(self) -> None:
        self.mode = "sh"
        self.first: list[dict[str, Any]] = []
        self.typed = bytearray()
        self.pids: list[int] = []
        self.path = "/usr/bin:/bin"

    async def handle(self, request: Any) -> Any:
        ws = web.WebSocketResponse(max_msg_size=4 * 1024 * 1024)
        await ws.prepare(request)
        first = json.loads((await ws.receive()).data)
        self.first.append(first)
        if self.mode == "missing":
            await ws.close()
            return ws
        if self.mode == "bad token":
            await ws.send_json({"msg": "failed", "error": {"error": 207, "reason": "Invalid token"}})
            async for _message in ws:
                pass
            return ws
        await ws.send_json({"msg": "connected", "id": "5ca1ab1e"})
        if self.mode == "stopped":
            await ws.send_bytes(b"Error: Instance is not running\r\n")
            await ws.close()
            return ws
        await self.terminal(ws)
        return ws

    async def terminal(self, ws: Any) -> None:
        argv = ["bash", "--norc", "-i"] if self.mode == "bash" else ["sh"]
        pid, master = pty.fork()
        if pid == 0:
            # Under nohup it is ignored, which children inherit; a terminal's shell ends when the line is cut.
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            os.environ.clear()
            os.environ.update(TERM="xterm", PATH=self.path, PS1="# ")
            os.execv(f"/bin/{argv[0]}", argv)
        self.pids.append(pid)
        loop = asyncio.get_running_loop()
        output: asyncio.Queue[bytes] = asyncio.Queue()

        def readable() -> None:
            try:
                data = os.read(master, 65536)
            except OSError:
                data = b""
            if not data:
                loop.remove_reader(master)
            output.put_nowait(data)

        async def forward() -> None:
            while data := await output.get():
                if self.mode == "crlf":
                    data = data.replace(b"\n", b"\r\n")
                await ws.send_bytes(data)
                if self.mode == "dies" and b"42 lines" in data:
                    os.kill(pid, signal.SIGKILL)
            await ws.close()

        loop.add_reader(master, readable)
        forwarding = asyncio.ensure_future(forward())
        async for message in ws:
            if message.type == WSMsgType.BINARY:
                self.typed += message.data
                data = message.data
                while data:
                    # The terminal takes 4096 characters until they are read.
                    written = await loop.run_in_executor(None, os.write, master, data[:2048])
                    data = data[written:]
        forwarding.cancel()
        loop.remove_reader(master)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)
        os.close(master)
        await loop.run_in_executor(None, os.waitpid, pid, 0)
        self.pids.remove(pid)


class FakeApi:
    """Gives tokens."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def read(self, method: str, *params: Any, timeout: float = 60.0) -> Any:
        self.asked.append((method, *params))
        return "t0ken"

    call = job = read

    def close(self) -> None:
        pass


Run = Callable[..., ShellResult]


@pytest.fixture
def shells(start_server: Any) -> Iterator[Shells]:
    shells = Shells()
    shells.server = start_server(routes={"/websocket/shell": shells.handle})  # type: ignore[attr-defined]
    yield shells
    shells.server.wait_for(lambda: not shells.pids, "the end of the shells")  # type: ignore[attr-defined]


@pytest.fixture
def run(shells: Any) -> Run:
    def run(script: str, **options: Any) -> ShellResult:
        return run_script(FakeApi(), shells.server.endpoint(), {"virt_instance_id": "px-a", "command": "/bin/sh"}, script, **options)

    return run


def test_output_and_status(run: Run) -> None:
    assert run("echo one; echo two >&2; exit 3") == ShellResult("one\ntwo\n", 3)
    assert run("true") == ShellResult("", 0)


def test_the_first_message(shells: Any) -> None:
    api = FakeApi()
    run_script(api, shells.server.endpoint(), {"virt_instance_id": "px-a", "command": "/bin/sh"}, "true")
    assert shells.first == [{"token": "t0ken", "options": {"virt_instance_id": "px-a", "command": "/bin/sh"}}]
    assert api.asked == [("auth.generate_token", 60, {}, True, True)]


@pytest.mark.parametrize("mode", ["sh", "bash", "crlf"])
def test_output_is_exact(shells: Any, run: Run, mode: str) -> None:
    shells.mode = mode
    script = "printf 'tab\\there\\n  spaces  \\n\\nüñ $HOME `x` \\\\ \"q\" end without newline'"
    assert run(script).output == 'tab\there\n  spaces  \n\nüñ $HOME `x` \\ "q" end without newline'


def test_carriage_returns_stay(run: Run) -> None:
    assert run("printf 'a\\r\\nb\\n'").output == "a\r\nb\n"


@pytest.mark.parametrize("status", [0, 1, 2, 126, 127, 137, 255])
def test_d24_status(run: Run, status: int) -> None:
    assert run(f"exit {status}").status == status


def test_status_of_set_e_and_of_a_signal(run: Run) -> None:
    assert run("set -e\nfalse\necho not reached") == ShellResult("", 1)
    assert run("kill -9 $$").status == 137


def test_a_syntax_error_is_a_result(run: Run) -> None:
    result = run("if then")
    assert result.status == 2 and "yntax error" in result.output


def test_output_above_one_mebibyte(run: Run) -> None:
    result = run(
        'i=0; while [ $i -lt 30000 ]; do echo "$i 0123456789012345678901234567890123456789012345678901234567890123456789"; i=$((i+1)); done'
    )
    lines = result.output.splitlines()
    assert len(result.output) > 2_000_000 and len(lines) == 30000
    assert lines[29999].startswith("29999 ") and all(line.startswith(f"{number} ") for number, line in enumerate(lines))


def test_long_script_in_short_lines(shells: Any, run: Run) -> None:
    script = "\n".join(f"# {number} {'x' * 90}" for number in range(2500)) + "\necho done; exit 7\n"
    assert len(script) > 200_000
    assert run(script) == ShellResult("done\n", 7)
    assert max(len(line) for line in bytes(shells.typed).split(b"\n")) < 4096


def test_the_script_does_not_eat_the_terminal_and_has_none(run: Run) -> None:
    assert run("cat; echo after; test -t 1 || echo no terminal") == ShellResult("after\nno terminal\n", 0)


def test_the_marker_is_never_sent_as_it_comes_back(shells: Any, run: Run) -> None:
    run("true")
    left, right = [word for word in bytes(shells.typed).split() if len(word) == 16 and word.isalnum()][:2]
    assert left + right not in bytes(shells.typed)


def test_background_process_does_not_hold_the_result(run: Run) -> None:
    assert run("sleep 5 & echo started", timeout=4) == ShellResult("started\n", 0)


def test_time_limit_keeps_the_tail_of_the_output(run: Run) -> None:
    with pytest.raises(errors.ShellFailed, match="not ended within") as caught:
        run("echo working; printf halfway; sleep 60", timeout=1.5)
    assert caught.value.output.endswith("working\nhalfway")
    assert "halfway" in str(caught.value)


def test_missing_container(shells: Any, run: Run) -> None:
    shells.mode = "missing"
    with pytest.raises(errors.ShellFailed, match="is the container there"):
        run("true")


def test_stopped_container(shells: Any, run: Run) -> None:
    shells.mode = "stopped"
    with pytest.raises(errors.ShellFailed, match="Instance is not running") as caught:
        run("true")
    assert "Instance is not running" in caught.value.output


def test_refused_token(shells: Any, run: Run) -> None:
    shells.mode = "bad token"
    with pytest.raises(errors.ShellFailed, match="Invalid token") as caught:
        run("true")
    assert "t0ken" not in str(caught.value)


def test_d21_a_script_that_did_not_arrive_is_not_a_success(shells: Any, run: Run, tmp_path: Path) -> None:
    for command in ("sh", "stty", "sed", "cat"):
        (tmp_path / command).symlink_to(f"/bin/{command}")
    shells.path = str(tmp_path)
    with pytest.raises(errors.ShellFailed, match=r"did not arrive whole.*(\n.*)*not found"):
        run("true")


def test_no_sh_on_the_path(shells: Any, run: Run) -> None:
    shells.path = "/nowhere"
    with pytest.raises(errors.ShellFailed, match="not found") as caught:
        run("true")
    assert "exec sh" not in str(caught.value)


def test_the_shell_dies_in_the_middle(shells: Any, run: Run) -> None:
    # Killed from outside, once its words are on their way: what a dying terminal has not passed on is lost.
    shells.mode = "dies"
    with pytest.raises(errors.ShellFailed, match="before the script had ended") as caught:
        run("echo $((6 * 7)) lines; sleep 30", timeout=20)
    assert "42 lines" in caught.value.output


def test_pings_while_a_script_is_silent(run: Run) -> None:
    assert run("sleep 0.5; echo x", limits=Limits(keepalive=0.05)) == ShellResult("x\n", 0)
