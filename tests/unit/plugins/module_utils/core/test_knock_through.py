# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asking through a gateway whether an SSH server answers: at the end of a program instead of a connection of our own."""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.pixels.sandbox.plugins.module_utils.core.apply import Watch
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.core.gateway import Ways
from ansible_collections.pixels.sandbox.plugins.module_utils.core.knock import Door, Knocker
from ansible_collections.pixels.sandbox.plugins.module_utils.core.wait import Lookout
from ansible_collections.pixels.sandbox.plugins.module_utils.nas.driver import INSIDE, Container, Nic
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeConfig, FakeDriver, ours


def carrier(tmp_path: Path, body: str) -> tuple[str, ...]:
    """A program in the place of `ssh -W`; it is told where to, and notes each call."""
    path = tmp_path / "carrier.py"
    path.write_text(f"import sys, time\nopen({str(tmp_path / 'calls')!r}, 'a').write(' '.join(sys.argv[1:]) + '\\n')\n{body}\n")
    return (sys.executable, str(path), "%h:%p", "100%%home")


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text().splitlines()


SAYS = "print('SSH-2.0-OpenSSH_9.2', flush=True); time.sleep(20)"


def test_a_server_answers(tmp_path: Path) -> None:
    door = Door("10.99.0.7", 22, carrier(tmp_path, SAYS))
    with Knocker() as knocker:
        began = time.monotonic()
        assert knocker.knock({door}, 10) == {door}
        assert time.monotonic() - began < 5
    assert calls(tmp_path) == ["10.99.0.7:22 100%home"]


def test_a_program_that_ends_is_asked_again(tmp_path: Path) -> None:
    door = Door("10.99.0.7", 22, carrier(tmp_path, f"if open({str(tmp_path / 'calls')!r}).read().count('\\n') > 1: {SAYS}"))
    with Knocker() as knocker:
        assert knocker.knock({door}, 10) == {door}
        assert door in knocker.turned_away
    assert len(calls(tmp_path)) == 2


def test_not_too_often(tmp_path: Path) -> None:
    """Each time is a login to the gateway."""
    door = Door("10.99.0.7", 22, carrier(tmp_path, "pass"))
    with Knocker() as knocker:
        assert knocker.knock({door}, 1.5) == set()
        assert "hangs up" in knocker.refusals[door]
    assert len(calls(tmp_path)) <= 4


def test_no_program() -> None:
    door = Door("10.99.0.7", 22, ("/nonexistent/ssh", "-W", "%h:%p"))
    with Knocker() as knocker:
        assert knocker.knock({door}, 0.1) == set()
        assert "/nonexistent/ssh" in knocker.refusals[door]


def test_nothing_is_left_running(tmp_path: Path) -> None:
    door = Door("10.99.0.7", 22, carrier(tmp_path, "time.sleep(60)"))
    with Knocker() as knocker:
        knocker.knock({door}, 1)
        program = knocker._attempts[door].program
    assert program is not None and program.returncode is not None


class TestWaiting:
    gateway = replace(ours("gw1"), inside=Nic("bridged", "br-px1", name=INSIDE), cards=2)
    task = replace(ours("task1", mark={"via": "gw1"}), address="10.99.0.7")

    def lookout(self, driver: FakeDriver) -> Lookout:
        config: Any = FakeConfig(**{"ssh.key": "/keys/id"})
        return Lookout(driver, Ways(driver, config, Endpoint("wss://nas:444", "root", "1-secret")).door)  # type: ignore[arg-type]

    def wait(self, driver: FakeDriver, timeout: float) -> Container:
        return self.lookout(driver).wait_for("px-task1", "ssh", timeout, Watch())

    def test_through_the_gateway(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "ansible_collections.pixels.sandbox.plugins.module_utils.core.ssh.jump_command", lambda *_args, **_how: carrier(tmp_path, SAYS)
        )
        assert self.wait(FakeDriver(self.gateway, self.task), 10).address == "10.99.0.7"
        assert calls(tmp_path)[0].startswith("10.99.0.7:22")

    @pytest.mark.parametrize(
        ("gateways", "reason"),
        [([], "behind gw1, and there is no such container"), ([ours("gw1", "stopped")], "gw1, which is stopped")],
    )
    def test_without_one_it_says_so(self, gateways: list[Container], reason: str) -> None:
        with pytest.raises(CoreError, match=reason):
            self.wait(FakeDriver(*gateways, self.task), 0.3)

    def test_a_gateway_that_is_on_its_way_is_waited_for(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "ansible_collections.pixels.sandbox.plugins.module_utils.core.ssh.jump_command", lambda *_args, **_how: carrier(tmp_path, SAYS)
        )
        driver = FakeDriver(replace(self.gateway, address=None), self.task)
        get, looks = driver.get, []

        def later(name: str) -> Container | None:
            looks.append(name)
            if looks.count("px-gw1") > 1:
                driver.containers["px-gw1"] = self.gateway
            return get(name)

        driver.get = later  # type: ignore[method-assign]
        assert self.wait(driver, 10).address == "10.99.0.7"

    def test_an_address_needs_no_gateway(self) -> None:
        assert self.lookout(FakeDriver(self.task)).wait_for("px-task1", "address", 1, Watch()).address == "10.99.0.7"
