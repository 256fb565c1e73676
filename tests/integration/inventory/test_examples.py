"""What lies in examples/ works as it is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from running_lab import RunningLab

from ansible_collections.pixels.sandbox.plugins.module_utils.core.config import load

if TYPE_CHECKING:
    from conftest import Inventory

EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
STRICT = {"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"}


def _config(home: Path, lab: RunningLab) -> None:
    """The example of a configuration file, with the keys that it names, and the appliance of both profiles the lab."""
    folder = home / ".config" / "pixels"
    folder.mkdir(parents=True)
    text = (EXAMPLES / "config.toml").read_text(encoding="utf-8")
    text = text.replace("nas.home.example", lab.host).replace("nas.office.example:444", lab.host).replace('"agents"', '"root"')
    (folder / "config.toml").write_text(text, encoding="utf-8")
    for name in ("home", "office"):
        (folder / f"{name}.key").write_text(lab.api_key, encoding="utf-8")
    shutil.copy(lab.directory / "tls" / "ca.pem", folder / "office.pem")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.pixels.yml")), ids=lambda path: path.name)
def test_inventory_files(path: Path, inventory: Inventory, fleet: None, home: Path) -> None:
    env = {**STRICT, "ANSIBLE_INVENTORY_CACHE_CONNECTION": str(home / "cache")}
    copy = home / path.name
    copy.write_text(path.read_text(encoding="utf-8").replace("~/.cache", str(home / "cache")), encoding="utf-8")
    listed = inventory(source=copy, env=env)
    assert {"worker1", "worker2"} <= listed.hosts.keys(), listed.output
    if path.name == "fleet.pixels.yml":
        assert listed.group("can_be_cloned") == ["worker1"] and listed.group("team_ML_ops") + listed.group("team_ML ops") == ["box"]
        assert listed.hosts["box"]["kept_until"] == "for ever" and len(listed.group("pool_tank")) == 4


def test_appliances_in_one_folder(inventory: Inventory, fleet: None, lab: RunningLab, home: Path) -> None:
    _config(home, lab)
    unset = {"PIXELS_TRUENAS_HOST": "", "PIXELS_TRUENAS_PORT": "", "PIXELS_TRUENAS_API_KEY": "", **STRICT}
    listed = inventory(source=EXAMPLES / "appliances", env=unset)
    assert {"box.home", "box.office"} <= listed.hosts.keys(), listed.output
    assert {name: listed.hosts[f"box.{name}"]["pixels_profile"] for name in ("home", "office")} == {"home": "home", "office": "office"}
    assert listed.group("office_stopped") == ["box.office"]


def test_appliances_as_hosts(inventory: Inventory) -> None:
    listed = inventory(source=EXAMPLES / "nas.yml")
    assert {name: host["pixels_profile"] for name, host in listed.hosts.items()} == {"nas1": "home", "nas2": "office"}


def test_the_configuration_file(lab: RunningLab, home: Path) -> None:
    _config(home, lab)
    found = load({"pixels_profile": "office"}, {"HOME": str(home)})
    assert (found.get("defaults.pool"), found.get("defaults.memory"), found.get("truenas.api_key")) == ("fast", 8192, lab.api_key)
