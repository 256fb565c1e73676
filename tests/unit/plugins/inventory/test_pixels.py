# Copyright: (c) 2026, The pixels.sandbox developers
# GNU General Public License v3.0-or-later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The inventory plugin: which sources are its own, its groups, and when its cache counts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import inventory_loader

from ansible_collections.pixels.sandbox.plugins.module_utils.core import changes
from ansible_collections.pixels.sandbox.tests.unit.plugins.module_utils.core.fake_driver import FakeDriver, lost, ours

KEY = "1-s3cr3t-value"
NAME = "pixels.sandbox.pixels"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.startswith(("PIXELS_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PIXELS_TRUENAS_HOST", "nas")
    monkeypatch.setenv("PIXELS_TRUENAS_API_KEY", KEY)
    return tmp_path


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> FakeDriver:
    """The appliance that is found, wherever it is looked for."""
    found = FakeDriver(ours("a", mark={"labels": {"tier": "a b"}, "egress": "allowlist"}), ours("b", "stopped", owner="me"))
    plugin = inventory_loader.get(NAME)
    monkeypatch.setitem(type(plugin)._said.__globals__, "driver_opener", lambda reuse: lambda endpoint: found)
    return found


def parse(path: Path, text: str = "", cache: bool = True, data: InventoryData | None = None) -> InventoryData:
    path.write_text(f"plugin: {NAME}\n{text}")
    data, plugin = data or InventoryData(), inventory_loader.get(NAME)
    plugin.parse(data, DataLoader(), str(path), cache=cache)
    if hasattr(plugin, "_cache"):
        plugin.update_cache_if_changed()
    data.reconcile_inventory()
    return data


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("pixels.yml", True),
        ("fleet.pixels.yaml", True),
        ("fleetpixels.yml", False),
        ("hosts.yml", False),
        ("@pixels", True),
        ("@pixels:home", True),
        ("@pixels:", False),
        ("@pixel", False),
    ],
)
def test_its_sources(home: Path, name: str, taken: bool) -> None:
    if not name.startswith("@"):
        (home / name).write_text("")
    assert bool(inventory_loader.get(NAME).verify_file(str(home / name))) is taken
    assert not inventory_loader.get(NAME).verify_file(str(home / "missing.pixels.yml"))


def test_groups(home: Path, driver: FakeDriver) -> None:
    groups = {name: sorted(host.name for host in group.get_hosts()) for name, group in parse(home / "pixels.yml").groups.items()}
    assert groups == {
        "all": ["a", "b"],
        "ungrouped": [],
        "pixels": ["a", "b"],
        "pixels_running": ["a"],
        "pixels_stopped": ["b"],
        "pixels_image_debian_12": ["a", "b"],
        "pixels_egress_allowlist": ["a"],
        "pixels_label_tier_a_b": ["a"],
        "pixels_owner_me": ["b"],
    }


def test_groups_that_plays_name_are_there_when_nothing_is(home: Path, driver: FakeDriver) -> None:
    driver.containers.clear()
    data = parse(home / "pixels.yml", "group_prefix: nas2\n")
    assert data.hosts == {} and {"nas2", "nas2_running", "nas2_stopped"} <= data.groups.keys()


def test_settings_of_the_file_are_variables_of_the_hosts_but_for_secrets(home: Path, driver: FakeDriver) -> None:
    text = f"host: other\napi_key: {KEY}\nsettings: {{pixels_ssh_user: root, pixels_env: {{A: b}}}}\n"
    variables = parse(home / "pixels.yml", text).hosts["a"].vars
    assert (variables["pixels_truenas_host"], variables["pixels_ssh_user"], variables["ansible_user"]) == ("other", "root", "root")
    assert not {"pixels_truenas_api_key", "pixels_env", "pixels_truenas_port"} & variables.keys()
    assert KEY not in str(variables)


def test_a_host_of_one_appliance_does_not_become_one_of_another(home: Path, driver: FakeDriver) -> None:
    data = InventoryData()
    data.add_host("b")
    data.set_variable("b", "color", "red")
    for text in ("", "host: nas:443\ngroup_prefix: again\n", "host: other\nhost_suffix: .other\n"):
        parse(home / "pixels.yml", text, data=data)
    assert sorted(data.hosts) == ["a", "a.other", "b", "b.other"] and data.hosts["b"].vars["color"] == "red"
    assert [data.hosts[name].vars["pixels_appliance"] for name in ("a", "a.other")] == ["wss://nas:443", "wss://other:443"]
    driver.containers["px-c"] = ours("c")
    before = {name: dict(host.vars) for name, host in data.hosts.items()}, sorted(data.groups)
    with pytest.raises(AnsibleParserError, match=r"a is a host of wss://nas:443 already, and wss://other:443 has .* host_suffix"):
        parse(home / "pixels.yml", "host: other\ngroup_prefix: more\n", data=data)
    assert ({name: dict(host.vars) for name, host in data.hosts.items()}, sorted(data.groups)) == before


def test_a_failure_is_one_error_without_the_key(home: Path, driver: FakeDriver) -> None:
    driver.fail("list", lost(f"virt.instance.query with {KEY}"))
    with pytest.raises(AnsibleParserError) as caught:
        parse(home / "pixels.yml")
    assert "the connection was lost" in str(caught.value) and KEY not in str(caught.value)
    assert caught.value.__cause__ is None


def test_when_the_cache_counts(home: Path, driver: FakeDriver) -> None:
    text = f"cache: true\ncache_plugin: ansible.builtin.jsonfile\ncache_connection: {home / 'cache'}\n"

    def calls(**options: Any) -> int:
        before = len(driver.calls)
        assert sorted(parse(home / "pixels.yml", text, **options).hosts) == ["a", "b"]
        return len(driver.calls) - before

    assert [calls(), calls(), calls(cache=False), calls()] == [1, 0, 1, 0]
    changes.mark("wss://another:443")
    assert calls() == 0
    changes.mark("wss://nas:443")
    assert [calls(), calls()] == [1, 0]
    (file,) = (home / "cache").iterdir()
    assert KEY not in file.read_text()
    # A key of six digits may stand for something else.
    file.write_text(file.read_text().replace("wss://nas:443 root", "wss://nas:444 root"))
    assert calls() == 1
