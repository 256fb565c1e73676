# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One command over SSH, and how long a server that does not answer is waited for."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core import ssh_login
from ansible_collections.pixels.sandbox.plugins.module_utils.core.apply import Cancelled, Watch
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.knock import Door
from ansible_collections.pixels.sandbox.plugins.module_utils.core.ssh_login import Login, awaited


class TestLogin:
    """The real thing, with a program in the place of ssh."""

    def ssh(self, tmp_path: Path, body: str) -> list[str]:
        program = tmp_path / "ssh"
        program.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
        program.chmod(0o755)
        return [str(program), "pixel@127.0.0.1"]

    def test_an_answer(self, tmp_path: Path) -> None:
        command = self.ssh(tmp_path, "print(sys.argv[-1]); print('oops', file=sys.stderr); sys.exit(3)")
        assert ssh_login.attempt(command, "a b; c") == Login(3, "a b; c\n", "oops")

    def test_none_in_time(self, tmp_path: Path) -> None:
        login = ssh_login.attempt(self.ssh(tmp_path, "time.sleep(60)"), "true", timeout=0.2)
        assert (login.status, login.ok) == (255, False) and "no answer" in login.error

    def test_no_ssh(self) -> None:
        with pytest.raises(CoreError, match="OpenSSH client"):
            ssh_login.attempt(["/nonexistent/ssh", "x"], "true")

    def test_patience_only_where_nobody_listens(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        count = tmp_path / "count"
        command = self.ssh(tmp_path, f"open({str(count)!r}, 'a').write('x'); sys.exit(255 if os.path.getsize({str(count)!r}) < 3 else 0)")
        watch = Watch()
        # Somebody listens, and has perhaps begun to while we tried: once more, and no further.
        monkeypatch.setattr(ssh_login, "awaited", lambda *_arguments: True)
        assert not ssh_login.persist(command, "true", "127.0.0.1", 30, watch).ok
        assert count.read_text() == "xx"
        count.unlink()
        monkeypatch.setattr(ssh_login, "awaited", lambda *_arguments: False)
        assert ssh_login.persist(command, "true", "127.0.0.1", 30, watch).ok
        assert count.read_text() == "xxx"
        count.unlink()
        monkeypatch.setattr(ssh_login, "awaited", lambda *_arguments: None)
        assert not ssh_login.persist(command, "true", "127.0.0.1", 30, watch).ok
        assert count.read_text() == "x"

    def test_the_status_of_the_command_is_no_reason_to_try_again(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ssh_login, "awaited", lambda *_arguments: pytest.fail("it was waited for"))
        assert ssh_login.persist(self.ssh(tmp_path, "sys.exit(1)"), "true", "127.0.0.1", 30, Watch()).status == 1

    def test_waiting_for_a_server(self) -> None:
        watch = Watch()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            door = Door("127.0.0.1", listener.getsockname()[1])
            thread = threading.Thread(target=lambda: listener.accept()[0].sendall(b"SSH-2.0-x\r\n"), daemon=True)
            thread.start()
            assert awaited(door, 10, watch) is True
            thread.join(timeout=5)
        assert awaited(door, 0.2, watch) is None
        watch.cancelled.set()
        with pytest.raises(Cancelled):
            awaited(door, 60, watch)

    def test_a_server_that_comes(self) -> None:
        told = threading.Event()
        with socket.create_server(("127.0.0.1", 0)) as probe:
            door = Door("127.0.0.1", probe.getsockname()[1])

        def serve() -> None:
            told.wait(10)
            with socket.create_server(("127.0.0.1", door.port)) as listener:
                listener.accept()[0].sendall(b"SSH-2.0-x\r\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert awaited(door, 20, Watch(doing=lambda _text: told.set())) is False
        thread.join(timeout=5)

    def test_the_slow_key_exchange_is_left_out(self, tmp_path: Path) -> None:
        """It is half of the time of a login, and whoever types the command has it all the same."""
        assert "KexAlgorithms=-sntrup761*" in ssh_login.attempt(self.ssh(tmp_path, "print(sys.argv)"), "true").output
