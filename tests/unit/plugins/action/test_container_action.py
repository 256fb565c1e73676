# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The action plugin: options, variables, configuration, censoring, failures, async. The appliance behind it is in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

import pytest
from ansible.errors import AnsibleActionFail
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.pixels.sandbox.plugins.action import container as container_action
from ansible_collections.pixels.sandbox.plugins.action import container_info as info_action
from ansible_collections.pixels.sandbox.plugins.module_utils.core.context import Context
from ansible_collections.pixels.sandbox.plugins.module_utils.core.errors import CoreError
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.endpoint import Endpoint
from ansible_collections.pixels.sandbox.plugins.module_utils.rpc.errors import AuthenticationFailed, ConnectionFailed
from ansible_collections.pixels.sandbox.plugins.plugin_utils import action as base
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, ours

SECRET = "1-Xh7Qp0sEcReTsEcReT"
CONNECTION = {"host": "nas.example", "api_key": SECRET}

Run = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("PIXELS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Endpoint]]:
    """Each opening of an appliance: how the session was to be reused, and where it is."""
    return []


@pytest.fixture
def driver() -> FakeDriver:
    return FakeDriver()


@pytest.fixture
def task(monkeypatch: pytest.MonkeyPatch, driver: FakeDriver, opened: list[tuple[str, Endpoint]]) -> Run:
    def opener(reuse: str) -> Callable[[Endpoint], FakeDriver]:
        def open_it(endpoint: Endpoint) -> FakeDriver:
            opened.append((reuse, endpoint))
            return driver

        return open_it

    monkeypatch.setattr(base, "driver_opener", opener)

    def run(
        args: dict[str, Any],
        variables: dict[str, Any] | None = None,
        *,
        check: bool = False,
        diff: bool = False,
        seconds: int = 0,
        module: Any = container_action,
    ) -> dict[str, Any]:
        variables = variables or {}
        plugin = module.ActionModule(
            task=SimpleNamespace(
                args=dict(args), async_val=seconds, check_mode=check, diff=diff, action="pixels.sandbox.container", environment=[]
            ),
            connection=MagicMock(),
            play_context=MagicMock(),
            loader=DataLoader(),
            templar=Templar(DataLoader(), variables=variables),
        )
        plugin._execute_module = lambda **call: {"executed": call}
        return plugin.run(task_vars=variables)

    return run


def test_create(task: Run, driver: FakeDriver, opened: list[tuple[str, Endpoint]]) -> None:
    result = task({"name": "task1", **CONNECTION})
    assert (result["changed"], result["container"]["status"], result.get("failed")) == (True, "running", None)
    assert driver.names() == ["create"]
    assert opened[0][0] == "auto"
    assert opened[0][1].label == "nas.example"


def test_check_mode_and_diff(task: Run, driver: FakeDriver) -> None:
    result = task({"name": "task1", **CONNECTION}, check=True, diff=True)
    assert result["changed"] is True
    assert driver.changing_calls == []
    assert result["diff"][0]["after"]["status"] == "running"


def test_info(task: Run, driver: FakeDriver) -> None:
    driver.containers["px-a"] = ours("a")
    assert [entry["name"] for entry in task(dict(CONNECTION), module=info_action)["containers"]] == ["a"]


class TestOptions:
    def test_an_empty_answer_is_not_set(self, task: Run, driver: FakeDriver) -> None:
        """AWX sends "" for a question that was not answered."""
        empty = {
            "cpu": "",
            "memory": " ",
            "image": "",
            "port": "",
            "autostart": "",
            "environment": None,
            "state": "",
            "wait_timeout": "",
            "owner": None,
        }
        made = task({"name": "task1", **CONNECTION, **empty})["container"]
        assert (made["cpu"], made["memory"], made["image"]) == ("2", 2048, "ubuntu/24.04")

    def test_names_as_text_or_list(self, task: Run) -> None:
        result = task({"name": "w[1:2],x", **CONNECTION})
        assert [entry["name"] for entry in result["containers"]] == ["w1", "w2", "x"]
        assert [entry["name"] for entry in task({"name": ["w1", "y"], **CONNECTION})["containers"]] == ["w1", "y"]

    def test_numbers_as_numbers(self, task: Run) -> None:
        made = task({"container": "task1", "cpu": 2, "memory": 512, "environment": {"N": 1}, **CONNECTION})["container"]
        assert (made["cpu"], made["memory"], made["environment"]) == ("2", 512, {"N": "1"})

    @pytest.mark.parametrize(
        ("args", "text"),
        [
            ({"name": ""}, "name"),
            ({"name": "a", "state": "gone"}, "present, started"),
            ({"name": "a", "bogus": 1}, "bogus"),
            ({"name": "a", "wait_timeout": "soon"}, "wait_timeout"),
            ({"name": "a", "network": "default", "parent": "br0"}, "mutually exclusive"),
        ],
    )
    def test_wrong_ones_are_refused(self, task: Run, driver: FakeDriver, args: dict[str, Any], text: str) -> None:
        with pytest.raises(AnsibleActionFail, match=text):
            task({**CONNECTION, **args})
        assert driver.calls == []

    def test_d26_a_refused_option_does_not_show_the_others(self, task: Run) -> None:
        """D26: Ansible's own check would print all options of the task, the key among them."""
        with pytest.raises(AnsibleActionFail) as caught:
            task({**CONNECTION, "name": "a", "bogus": 1, "state": SECRET})
        assert SECRET not in str(caught.value)
        assert getattr(caught.value, "obj", None) is None

    def test_a_value_that_cannot_be(self, task: Run, driver: FakeDriver) -> None:
        result = task({"name": "task1", "memory": "1MiB", **CONNECTION})
        assert result["failed"] is True
        assert "at least 32 MiB" in result["msg"]
        assert result["error"]["type"] == "Invalid"
        assert driver.calls == []


class TestConfiguration:
    def test_precedence(self, task: Run, monkeypatch: pytest.MonkeyPatch, opened: list[tuple[str, Endpoint]], tmp_path: Path) -> None:
        """Option before variable before environment before file, each key by itself."""
        file = tmp_path / "config" / "pixels" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text('[truenas]\nhost = "file"\nusername = "file"\napi_key = "file"\n[defaults]\ncpu = "7"\n')
        file.chmod(0o600)
        monkeypatch.setenv("PIXELS_TRUENAS_HOST", "environment")
        monkeypatch.setenv("PIXELS_TRUENAS_USERNAME", "environment")
        made = task({"name": "a", "host": "option"}, {"pixels_truenas_host": "variable", "pixels_truenas_username": "variable"})
        endpoint = opened[0][1]
        assert (endpoint.host, endpoint.username, endpoint.api_key) == ("option", "variable", "file")
        assert made["container"]["cpu"] == "7"

    def test_variables_are_templates(self, task: Run, opened: list[tuple[str, Endpoint]]) -> None:
        from ansible.template import trust_as_template

        task({"name": "a", "api_key": SECRET}, {"pixels_truenas_host": trust_as_template("{{ site }}.example"), "site": "nas"})
        assert opened[0][1].host == "nas.example"

    def test_a_defaults_variable_serves_a_new_container_only(self, task: Run, driver: FakeDriver) -> None:
        assert task({"name": "a", **CONNECTION}, {"pixels_default_memory": "1GiB"})["container"]["memory"] == 1024
        assert task({"name": "a", **CONNECTION}, {"pixels_default_memory": "2GiB"})["changed"] is False

    def test_session_reuse(self, task: Run, opened: list[tuple[str, Endpoint]]) -> None:
        task({"name": "a", **CONNECTION}, {"pixels_truenas_session_reuse": "never"})
        assert opened[0][0] == "never"

    @pytest.mark.parametrize(("missing", "text"), [("host", "PIXELS_TRUENAS_HOST"), ("api_key", "pixels_truenas_api_key")])
    def test_what_is_missing_says_where_to_put_it(self, task: Run, missing: str, text: str) -> None:
        result = task({"name": "a", **{key: value for key, value in CONNECTION.items() if key != missing}})
        assert result["failed"] is True
        assert text in result["msg"]

    def test_an_unknown_name_in_settings_is_refused(self, task: Run, driver: FakeDriver) -> None:
        result = task({"name": "a", "settings": {"pixels_default_cpus": "3"}, **CONNECTION})
        assert result["error"]["type"] == "Invalid"
        assert "did you mean pixels_default_cpu?" in result["msg"]
        assert driver.calls == []

    def test_a_broken_file_is_a_failure(self, task: Run, tmp_path: Path) -> None:
        file = tmp_path / "config" / "pixels" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text("[truenas]\nhorst = 1\n")
        result = task({"name": "a", **CONNECTION})
        assert result["failed"] is True
        assert "config.toml" in result["msg"]

    def test_a_readable_secret_is_warned_about(self, task: Run, tmp_path: Path) -> None:
        file = tmp_path / "config" / "pixels" / "config.toml"
        file.parent.mkdir(parents=True)
        file.write_text(f'[truenas]\napi_key = "{SECRET}"\n')
        file.chmod(0o644)
        result = task({"name": "a", "host": "nas"})
        assert any("chmod 600" in warning for warning in result["warnings"])
        assert SECRET not in str(result)

    def test_plain_ws_is_refused(self, task: Run, driver: FakeDriver) -> None:
        result = task({"name": "a", "host": "ws://nas", "api_key": SECRET})
        assert result["error"]["type"] == "InsecureTransport"
        assert driver.calls == []

    def test_a_missing_ca_file(self, task: Run) -> None:
        result = task({"name": "a", "ca_file": "/does/not/exist.pem", **CONNECTION})
        assert "/does/not/exist.pem" in result["msg"]


class TestFailures:
    @pytest.mark.parametrize(
        "error", [ConnectionFailed("nas.example: connection refused"), AuthenticationFailed("nas.example", "root", "EXPIRED")]
    )
    def test_typed(self, task: Run, driver: FakeDriver, error: Exception) -> None:
        driver.fail("get", error)
        result = task({"name": "a", **CONNECTION})
        assert (result["failed"], result["msg"], result["error"]["type"]) == (True, str(error), type(error).__name__)
        assert "unreachable" not in result

    def test_d26_a_secret_that_got_into_a_text_is_censored(self, task: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        """D26: no result and no line on the screen shows the key, wherever it came from."""
        shown: list[str] = []
        monkeypatch.setattr(base.display, "display", lambda text, **_rest: shown.append(text))
        monkeypatch.setattr(base.display, "warning", lambda text, **_rest: shown.append(text))

        def leak(ctx: Context) -> dict[str, Any]:
            ctx.show(f"the key is {ctx.endpoint.api_key}")
            ctx.warn(f"the key is {ctx.endpoint.api_key}")
            raise CoreError(f"the key is {ctx.endpoint.api_key}", list=[{"x": ctx.endpoint.api_key}])

        monkeypatch.setattr(container_action.ActionModule, "core", staticmethod(leak))
        for args, variables in (({**CONNECTION}, {}), ({"host": "nas"}, {"pixels_truenas_api_key": SECRET})):
            result = task({"name": "a", **args}, variables)
            assert result["msg"] == "the key is ********"
            assert SECRET not in str(result)
        assert shown.count("the key is ********") == 4

    def test_options_are_not_returned(self, task: Run) -> None:
        assert "api_key" not in str(task({"name": "a", **CONNECTION}))

    def test_an_interrupt_is_passed_on(self, task: Run, driver: FakeDriver) -> None:
        def interrupt(operation: str, name: str) -> None:
            raise KeyboardInterrupt

        driver.on_call = interrupt
        with pytest.raises(KeyboardInterrupt):
            task({"name": "a", **CONNECTION})


class TestAsync:
    def test_the_module_gets_what_the_action_knows(self, task: Run, driver: FakeDriver) -> None:
        variables = {
            "pixels_truenas_host": "nas",
            "pixels_truenas_api_key": SECRET,
            "pixels_default_cpu": "3",
            "ansible_python_interpreter": "/bin/x",
        }
        call = task({"name": "a", "memory": ""}, variables, seconds=60)["executed"]
        arguments = call["module_args"]
        assert (arguments["host"], arguments["username"], arguments["settings"]) == ("nas", "root", {"pixels_default_cpu": "3"})
        assert "memory" not in arguments
        assert call["wrap_async"] is True
        assert call["module_name"] == "pixels.sandbox.container"
        assert call["task_vars"]["ansible_python_interpreter"] != "/bin/x"
        assert driver.calls == []
